/**
 * That what a Worker has fits without a cast. `deno check` of this file is the test: it never runs.
 *
 * @module
 */
import { createClient } from "@windkit/windmill-client/client";
import { type ObjectNamespace, workflowRuns } from "@windkit/windmill-client/durable-object";
import { createHandler, type Worker } from "@windkit/windmill-client/edge/cloudflare";
import { approval, github, runScript, webhook } from "@windkit/windmill-client/handlers";
import * as hono from "@windkit/windmill-client/hono";

/** As `wrangler types` writes it: an interface, which has no index signature. */
interface Env {
  readonly WM_BASE_URL: string;
  readonly WM_TOKEN: string;
  readonly SECRETS: { get(name: string): Promise<string | null> };
  readonly RUN: ObjectNamespace;
  readonly INDEX: ObjectNamespace;
}

interface Order {
  readonly item: string;
  readonly amount?: number;
}

/** An interface of bindings is good wherever bindings are. */
export async function bindings(request: Request, env: Env): Promise<Response> {
  await createClient({ env }).jobs.run("f/shop/order", { item: "tea" } satisfies Order);
  return await runScript("f/shop/order")(request, { env });
}

/** Functions of yours are routes, at once or later; the context is always there. */
export const worker: Worker = createHandler({
  routes: {
    "GET /hello/:name": (_request, { params }) => new Response(params?.name),
    "GET /later": async (_request, { env }) => new Response(await env?.SECRETS.get("word")),
    "POST /hook": webhook({
      verify: github(),
      secret: async (env) => (await env.SECRETS.get("github")) ?? undefined,
      run: (event) => event.kind === "webhook" ? { script: "f/ci/push", args: { id: event.query.id } } : undefined,
    }),
    "/approve": approval({}),
  },
});

/** `./hono` has the schemes of webhooks and the links of approvals too. */
export const hook: hono.HonoHandler = hono.webhook({
  verify: hono.github(),
  secret: { binding: "GITHUB_SECRET" },
  run: { script: "f/ci/push" },
});
export const link: string = hono.approvalLink("https://edge.example/approve", "https://windmill.example");

/** What an interface describes can be sent to runs in objects. */
export async function runs(env: Env, order: Order): Promise<void> {
  const run = await workflowRuns(env.RUN, env.INDEX).start("order", [order]);
  await workflowRuns(env.RUN, env.INDEX).start("order", order);
  await run.signal("paid", order);
}
