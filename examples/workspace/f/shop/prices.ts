/** Imported by other scripts; runs by itself as well. Prices are in cents. */
export const PRICES: Readonly<Record<string, number>> = { espresso: 220, cappuccino: 340, flat_white: 360, cake: 410 };

export interface Line {
  item: string;
  quantity: number;
}

export function totalOf(lines: Line[]): number {
  return lines.reduce((sum, { item, quantity }) => {
    const price = PRICES[item];
    if (price === undefined) throw new Error(`There is no "${item}" on the menu: ${Object.keys(PRICES).join(", ")}`);
    return sum + price * quantity;
  }, 0);
}

export async function main() {
  return Object.entries(PRICES).map(([item, cents]) => ({ item, price: cents / 100 }));
}
