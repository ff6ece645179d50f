/** A script with a module: the files of this folder are one script, `f/shop/loyalty`. */
import { pointsFor } from "./points.ts";

export async function main(cents: number, visits = 1) {
  const points = pointsFor(cents, visits);
  return { points, free_coffee: points >= 100 };
}
