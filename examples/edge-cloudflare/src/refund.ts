/** A workflow that runs in a Durable Object of its own: the wait for a person costs nothing, however long it takes. */
import { step, waitForApproval, workflow } from "@windkit/windmill-client/workflow";

export const refund = workflow(async (order: string, cents: number) => {
  await step("note", () => console.log(`Somebody must allow ${cents} cents for order ${order}`));
  const { approved, approver } = await waitForApproval({ key: "manager", timeout: 7 * 86_400 });
  if (!approved) return { order, refunded: 0, by: approver ?? "nobody" };
  const refunded = await step("pay", () => cents);
  return { order, refunded, by: approver ?? "somebody" };
});
