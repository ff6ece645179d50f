/** A shop's public side as a Vercel Edge Function. */
import { createHandler, type EdgeFunction } from "@windkit/windmill-client/edge/vercel";
import { runScript, s3Proxy } from "@windkit/windmill-client/handlers";

export const config = { runtime: "edge" };

const handler: EdgeFunction = createHandler({
  routes: {
    "GET /health": () => Promise.resolve(Response.json({ ok: true })),
    // The body is the script's arguments, its result the answer. A function must begin to answer within 25 seconds.
    "POST /orders/total": runScript("f/shop/order_total", { timeoutMs: 20_000 }),
    // Windmill's own signed addresses, with this function's origin: `client.s3.presign(object, { baseUrl: "https://..." })`.
    "GET /api/w/:workspace/s3_proxy/*": s3Proxy(),
  },
});

export default handler;
