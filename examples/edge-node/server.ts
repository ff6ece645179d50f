/** A shop's public side on Node, as it is started: no build, Node runs the types away. */
import { createServer } from "node:http";
import process from "node:process";
import { createHandler } from "@windkit/windmill-client/edge/node";
import { runScript, s3Proxy } from "@windkit/windmill-client/handlers";

const server = createServer(createHandler({
  routes: {
    "GET /health": () => Promise.resolve(Response.json({ ok: true })),
    // The body is the script's arguments, its result the answer.
    "POST /orders/total": runScript("f/shop/order_total", { timeoutMs: 30_000 }),
    // Windmill's own signed addresses, with this server's origin: `client.s3.presign(object, { baseUrl: "https://..." })`.
    "GET /api/w/:workspace/s3_proxy/*": s3Proxy(),
  },
}));

server.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? "127.0.0.1", () => {
  const address = server.address();
  console.log(`Listening on port ${typeof address === "object" ? address?.port : address}`);
});
process.once("SIGTERM", () => {
  // What has been begun is answered; connections that nobody uses do not hold the process.
  server.close();
  setTimeout(() => server.closeAllConnections(), 5000).unref();
});
