/**
 * A shop's public side as a Cloudflare Worker, with Hono: orders are worked out by Windmill, files come from its storage, and refunds are
 * a workflow in Durable Objects.
 */
import { Hono } from "hono";
import { createWorkflowObjects, type ObjectNamespace, workflowRuns } from "@windkit/windmill-client/durable-object";
import { createHandler, type Worker } from "@windkit/windmill-client/edge/cloudflare";
import { hasCode } from "@windkit/windmill-client/errors";
import { runScript, s3Proxy, streamJob, variables, windmill, type WindmillEnv } from "@windkit/windmill-client/hono";
import { refund } from "./refund.ts";

/** Bindings of `wrangler.jsonc`; WM_BASE_URL, WM_WORKSPACE and WM_TOKEN are read by the handlers. */
interface Bindings {
  readonly RUN: ObjectNamespace;
  readonly INDEX: ObjectNamespace;
  /** Whoever knows it may answer refunds. */
  readonly MANAGER_KEY: string;
}

const withWindmill = windmill({ groups: { variables } });
const app = new Hono<WindmillEnv<typeof withWindmill> & { Bindings: Bindings }>();

app.get("/health", (c) => c.json({ ok: true }));
// The body is the script's arguments, its result the answer.
app.post("/orders/total", runScript("f/shop/order_total", { timeoutMs: 30_000 }));
// What happens to the job, as events: a page reads them with fetch, because an EventSource sends only GET.
app.post("/orders/total/live", streamJob({ run: { script: "f/shop/order_total" } }));
// A client for this request, with what the bindings say.
app.get("/currency", withWindmill, async (c) => c.text(await c.var.windmill.variables.get("f/shop/currency")));
// Windmill's own signed addresses, with this Worker's origin: `client.s3.presign(object, { baseUrl: "https://..." })`.
app.get("/api/w/:workspace/s3_proxy/*", s3Proxy());

// The order's number is the run's: asked for twice, it is one refund.
app.post("/refunds/:order", async (c) => {
  const { cents } = await c.req.json<{ cents: number }>();
  const order = c.req.param("order");
  await workflowRuns(c.env.RUN, c.env.INDEX).start("refund", [order, cents], { runId: `refund-${order}` });
  return c.json({ order }, 202);
});
app.get("/refunds/:order", async (c) => {
  const { state } = await workflowRuns(c.env.RUN, c.env.INDEX).run(`refund-${c.req.param("order")}`).status();
  return c.json({ state });
});
app.post("/refunds/:order/:answer{allow|refuse}", async (c) => {
  if (!c.env.MANAGER_KEY || c.req.header("x-manager-key") !== c.env.MANAGER_KEY) return c.json({ error: "no" }, 403);
  const run = workflowRuns(c.env.RUN, c.env.INDEX).run(`refund-${c.req.param("order")}`);
  await run.approve("manager", { approver: "manager", approved: c.req.param("answer") === "allow" });
  return c.json(await run.result());
});

// What the caller did wrong, errors of workflows say by their code.
app.onError((error, c) => {
  if (hasCode(error, "UNKNOWN_RUN")) return c.json({ error: "There is no such refund" }, 404);
  if (hasCode(error, "RUN_EXISTS")) return c.json({ error: "It was asked for before, with other cents" }, 409);
  if (hasCode(error, "NOT_WAITING")) return c.json({ error: "Nobody waits for this answer" }, 409);
  console.error(error);
  return c.json({ error: "It went wrong here" }, 500);
});

export const { WorkflowRun, WorkflowIndex } = createWorkflowObjects({ workflows: { refund } });

const worker: Worker = createHandler({ routes: app });

export default worker;
