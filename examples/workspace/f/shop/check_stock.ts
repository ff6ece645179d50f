/** Reads a variable and a resource, and remembers what it saw last time in its state. */
import * as wmill from "windmill-client";

interface Shop {
  name: string;
  currency: string;
  low_stock: number;
}

interface Seen {
  runs: number;
  stock: Record<string, number>;
}

export async function main(stock: Record<string, number>) {
  const shop = await wmill.getResource("f/shop/settings") as Shop;
  const currency = await wmill.getVariable("f/shop/currency");
  const before = await wmill.getState() as Seen | undefined;
  const low = Object.entries(stock).filter(([, count]) => count < shop.low_stock).map(([item]) => item);
  const sold = Object.entries(stock).flatMap(([item, count]) => {
    const last = before?.stock[item];
    return last !== undefined && last > count ? [{ item, count: last - count }] : [];
  });
  await wmill.setState({ runs: (before?.runs ?? 0) + 1, stock });
  return { shop: shop.name, currency, low, sold, runs: (before?.runs ?? 0) + 1 };
}
