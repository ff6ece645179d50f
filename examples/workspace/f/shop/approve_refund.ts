/** A workflow that waits for somebody: the form is what they are asked, their answer what it goes on with. */
import { step, waitForApproval, workflow } from "windmill-client";

export const main = workflow(async (customer: string, cents: number) => {
  if (cents <= 1000) return { refunded: cents, by: "rule" };
  await step("ask", () => console.log(`Asking about ${cents} cents for ${customer}`));
  const { value, approver, approved } = await waitForApproval({
    timeout: 24 * 3600,
    form: {
      schema: {
        type: "object",
        properties: {
          amount: { type: "integer", title: "Cents to pay back", default: cents, minimum: 0, maximum: cents },
          note: { type: "string", title: "What the customer is told" },
        },
        required: ["amount"],
      },
    },
  });
  if (!approved) return { refunded: 0, by: approver };
  const { amount = cents, note = "" } = value as { amount?: number; note?: string };
  const refund = await step("refund", () => ({ refunded: amount, note }));
  return { ...refund, by: approver };
});
