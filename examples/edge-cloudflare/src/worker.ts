/** A shop's public side as a Cloudflare Worker, with Hono: orders are worked out by Windmill, files come from its storage. */
import { Hono } from "hono";
import { createHandler, type Worker } from "@windkit/windmill-client/edge/cloudflare";
import { runScript, s3Proxy, streamJob, variables, windmill, type WindmillEnv } from "@windkit/windmill-client/hono";

const withWindmill = windmill({ groups: { variables } });
const app = new Hono<WindmillEnv<typeof withWindmill>>();

app.get("/health", (c) => c.json({ ok: true }));
// The body is the script's arguments, its result the answer.
app.post("/orders/total", runScript("f/shop/order_total", { timeoutMs: 30_000 }));
// What happens to a job, for an EventSource of a page.
app.post("/orders/total/live", streamJob({ run: { script: "f/shop/order_total" } }));
// A client for this request, with what the bindings say.
app.get("/currency", withWindmill, async (c) => c.text(await c.var.windmill.variables.get("f/shop/currency")));
// Windmill's own signed addresses, with this Worker's origin: `client.s3.presign(object, { baseUrl: "https://..." })`.
app.get("/api/w/:workspace/s3_proxy/*", s3Proxy());

const worker: Worker = createHandler({ routes: app });

export default worker;
