/** Uses a package from npm, pinned to a version in its import. */
import { z } from "zod@4.6.7";

const Order = z.object({
  customer: z.string().min(1),
  email: z.email(),
  lines: z.array(z.object({ item: z.string(), quantity: z.number().int().positive() })).min(1),
});

export async function main(order: unknown) {
  const checked = Order.safeParse(order);
  if (checked.success) return { valid: true, order: checked.data };
  return { valid: false, problems: checked.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`) };
}
