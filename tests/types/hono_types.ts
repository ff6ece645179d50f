/**
 * That what `./hono` gives fits the real Hono, and what its types say. `deno check` of this file is the test: it never runs.
 *
 * @module
 */
import { type Context, type Handler, Hono, type MiddlewareHandler } from "hono";
import { type Client, createClient } from "@windkit/windmill-client/client";
import {
  type HonoContext,
  type HonoHandler,
  jobs,
  runFlow,
  runScript,
  streamJob,
  toHono,
  variables,
  windmill,
  type WindmillEnv,
} from "@windkit/windmill-client/hono";
import { expectType } from "./_same.ts";

const two = windmill({ groups: { jobs, variables } });
const whole = windmill({ groups: createClient });

/** Handlers and middlewares are Hono's own. */
export const plain: readonly (Handler | MiddlewareHandler)[] = [
  two,
  whole,
  runScript("f/team/report"),
  runFlow("f/team/report"),
  streamJob({ authorize: () => true }),
  toHono(() => Promise.resolve(new Response())),
];

/** Every context of Hono is one of ours. */
export function own(c: Context): HonoContext {
  return c;
}

/** The client has the groups that were named, by their names. */
export function chosen(): Hono<WindmillEnv<typeof two>> {
  const app = new Hono<WindmillEnv<typeof two>>();
  app.use(two);
  app.use("/api/*", two);
  app.get("/", (c) => {
    expectType<Client["jobs"]>()(c.var.windmill.jobs);
    expectType<Client["variables"]>()(c.get("windmill").variables);
    // @ts-expect-error -- it was not named
    void c.var.windmill.resources;
    return c.text("");
  });
  app.get("/orders/:id", runScript("f/team/order"));
  app.post("/orders/:id", (_, next) => next(), runScript("f/team/order"));
  app.get("/jobs/:jobId", streamJob({ authorize: () => true }));
  return app;
}

interface Bindings {
  readonly WM_TOKEN: string;
  readonly WM_WORKSPACE: string;
  readonly CACHE: { get(name: string): Promise<string> };
}

/** Bindings and other variables of the app stay what they are. */
export function all(): unknown {
  const app = new Hono<{ Bindings: Bindings; Variables: { user: string } & WindmillEnv<typeof whole>["Variables"] }>();
  app.use(whole);
  return app.get("/", (c) => {
    expectType<Client>()(c.var.windmill);
    expectType<string>()(c.var.user);
    return c.json({ cache: c.env.CACHE.get(c.var.user) });
  }).get("/run", runScript("f/team/report"));
}

/** Apps that know nothing of the client take it too. */
export function untyped(): Hono {
  const app = new Hono();
  app.use(two);
  app.all("/x", runScript("f/team/report"));
  return app;
}

// @ts-expect-error -- who may follow jobs must be said
export const open: HonoHandler = streamJob({});
