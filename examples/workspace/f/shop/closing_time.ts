/** A workflow that runs other scripts of the workspace, each as a job. */
import { step, taskScript, workflow } from "windmill-client";

interface Total {
  cents: number;
  text: string;
}

const orderTotal = taskScript("f/shop/order_total");
const greet = taskScript("f/shop/greet");

export const main = workflow(async (orders: { customer: string; lines: { item: string; quantity: number }[] }[]) => {
  const totals = await Promise.all(
    orders.map(({ lines }) => orderTotal({ lines, discount_percent: 10 }) as Promise<Total>),
  );
  const takings = await step("takings", () => totals.reduce((sum, { cents }) => sum + cents, 0));
  const { message } = await greet({ name: "team", size: "large" }) as { message: string };
  return { orders: orders.length, takings, message };
});
