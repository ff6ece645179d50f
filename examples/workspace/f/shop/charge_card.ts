/** Fails with an error of its own: the job's result says its name, its message and its fields. */
class PaymentDeclinedError extends Error {
  override readonly name = "PaymentDeclinedError";
  readonly reason: string;
  readonly retry_after_s: number;

  constructor(reason: string, retryAfterS: number) {
    super(`The card was declined: ${reason}`);
    this.reason = reason;
    this.retry_after_s = retryAfterS;
  }
}

export async function main(cents: number, card: string) {
  if (card.endsWith("0000")) throw new PaymentDeclinedError("insufficient funds", 3600);
  return { charged: cents, card: `**** ${card.slice(-4)}` };
}
