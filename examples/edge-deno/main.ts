/** A shop's public side on Deno: `deno serve`, Deno Deploy, or a Supabase Edge Function. */
import { createHandler, type DenoHandler } from "@windkit/windmill-client/edge/deno";
import { runScript, s3Proxy } from "@windkit/windmill-client/handlers";

const handler: DenoHandler = createHandler({
  routes: {
    "GET /health": () => Promise.resolve(Response.json({ ok: true })),
    // The body is the script's arguments, its result the answer.
    "POST /orders/total": runScript("f/shop/order_total", { timeoutMs: 30_000 }),
    // Windmill's own signed addresses, with this server's origin: `client.s3.presign(object, { baseUrl: "https://..." })`.
    "GET /api/w/:workspace/s3_proxy/*": s3Proxy(),
  },
});

export default { fetch: handler };
