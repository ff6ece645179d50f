/** Imports another script of the workspace by its path. */
import { type Line, totalOf } from "/f/shop/prices.ts";

export async function main(lines: Line[], discount_percent = 0) {
  const cents = Math.round(totalOf(lines) * (1 - discount_percent / 100));
  return { cents, text: `${(cents / 100).toFixed(2)} EUR` };
}
