/** A workflow: tasks that are jobs of their own, recorded steps, a retry, several at once, and a sleep. */
import { parallel, sleep, step, task, workflow } from "windmill-client";

const reserve = task(async (item: string, quantity: number) => {
  console.log(`Reserving ${quantity} x ${item}`);
  return { item, quantity, shelf: `shelf ${item.length}` };
});

const charge = task(async (customer: string, cents: number) => ({ receipt: `${customer}-${cents}` }), {
  retry: { attempts: 3, delay: 1, multiplier: 2 },
  timeout: 60,
});

export const main = workflow(
  async (customer: string, lines: { item: string; quantity: number }[], cents: number) => {
    const order = await step("order_id", () => `order-${customer}-${lines.length}`);
    const reserved = await parallel(lines, ({ item, quantity }) => reserve(item, quantity), { concurrency: 2 });
    const { receipt } = await charge(customer, cents);
    await sleep(1);
    return { order, receipt, shelves: reserved.map(({ shelf }) => shelf) };
  },
);
