/** A webhook: the preprocessor makes the arguments of `main` out of the request. */
interface WebhookEvent {
  kind: string;
  body: { customer?: string; items?: { sku: string; qty: number }[] };
  headers?: Record<string, string>;
  query?: Record<string, string>;
}

export async function preprocessor(event: WebhookEvent) {
  if (event.kind !== "webhook" && event.kind !== "http") throw new Error(`Expected a webhook, and got: ${event.kind}`);
  const { customer = "somebody", items = [] } = event.body;
  return {
    customer,
    lines: items.map(({ sku, qty }) => ({ item: sku.toLowerCase(), quantity: qty })),
    source: event.headers?.["x-shop-source"] ?? event.query?.source ?? "unknown",
  };
}

export async function main(customer: string, lines: { item: string; quantity: number }[], source: string) {
  const count = lines.reduce((sum, { quantity }) => sum + quantity, 0);
  return { accepted: true, customer, source, items: count };
}
