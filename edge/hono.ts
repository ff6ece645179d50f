/**
 * Windmill in Hono: a client for each request, and the handlers of `@windkit/windmill-client/handlers` as handlers of Hono.
 *
 * Nothing of Hono is imported: the types below are the parts of its context that are used.
 *
 * @module
 */
import { errorAnswer } from "../src/handlers/_answer.ts";
import { approval as page, type ApprovalOptions } from "../src/handlers/approval.ts";
import { type ClientOf, clientOf, type Groups } from "../src/handlers/client.ts";
import type { Connection, Handler, HandlerContext } from "../src/handlers/handler.ts";
import { runFlow as flow, type RunHandlerOptions, runScript as script } from "../src/handlers/run.ts";
import { s3Proxy as objects, type S3ProxyOptions } from "../src/handlers/s3_proxy.ts";
import { streamJob as follow, type StreamJobOptions } from "../src/handlers/stream_job.ts";
import { webhook as hook, type WebhookOptions } from "../src/handlers/webhook.ts";

export {
  approvals,
  connections,
  jobs,
  kafka,
  resources,
  runs,
  s3,
  sql,
  state,
  teams,
  tokens,
  users,
  variables,
} from "../src/handlers/client.ts";
export { approvalLink } from "../src/handlers/approval_link.ts";
export {
  github,
  isSigned,
  slack,
  standardWebhooks,
  stripe,
  WebhookRejectedError,
} from "../src/handlers/webhook_schemes.ts";
export { createReplayWindow } from "../src/handlers/webhook_window.ts";
export type { ApprovalOptions } from "../src/handlers/approval.ts";
export type { ClientOf, ClientOptions, Groups, RunsGroup } from "../src/handlers/client.ts";
export type { Bindings, Connection, Handler, HandlerContext } from "../src/handlers/handler.ts";
export type { RunHandlerOptions } from "../src/handlers/run.ts";
export type { S3ProxyOptions } from "../src/handlers/s3_proxy.ts";
export type { StreamJobOptions } from "../src/handlers/stream_job.ts";
export type { WebhookOptions } from "../src/handlers/webhook.ts";
export type { WebhookDelivery, WebhookProof, WebhookScheme } from "../src/handlers/webhook_schemes.ts";
export type { ReplayWindow } from "../src/handlers/webhook_window.ts";

/** The part of Hono's context that is used. */
export interface HonoContext {
  /** The request. */
  readonly req: {
    /** The request as the platform gave it. */
    readonly raw: Request;
    /** Values of the route's placeholders. */
    param(): unknown;
    /** The body, also when it was read before. */
    arrayBuffer(): Promise<ArrayBuffer>;
  };
  /** Bindings of a Worker; what a server hands over elsewhere. */
  readonly env: unknown;
  /** The platform's context; Hono throws where there is none. */
  readonly executionCtx: {
    /** Keeps the isolate alive until the promise has settled. */
    waitUntil(work: Promise<unknown>): void;
  };
}

/** A handler of Hono. */
export type HonoHandler = (c: HonoContext) => Promise<Response>;

/** A context that takes the client; `C` is the client's type. */
export interface ClientContext<C> extends HonoContext {
  /** Keeps a value for the handlers of this request. */
  set(name: "windmill", value: C): void;
}

/** A middleware of Hono that makes a client for each request. */
export type ClientMiddleware<C> = (
  c: ClientContext<C>,
  next: () => Promise<void>,
) => Promise<Response | undefined | void>;

/** The environment of an app with the client of a middleware: `new Hono<WindmillEnv<typeof withWindmill>>()`. */
export interface WindmillEnv<M> {
  /** What `c.var` has. */
  Variables: {
    /** The client of this request. */
    windmill: M extends ClientMiddleware<infer C> ? C : never;
  };
}

/** Options of {@linkcode windmill}. */
export interface WindmillOptions<G extends Groups> extends Connection {
  /**
   * What the client is made of: groups by name, such as `{ jobs, variables }`, or `createClient` for all of it. A bundle has what is
   * named here, and nothing else.
   */
  readonly groups: G;
}

/** What a platform knows about a request, from the context that Hono made of it. */
function contextOf(c: HonoContext): HandlerContext {
  const env = Object(c.env) as Readonly<Record<string, unknown>>;
  // Node's, Deno's and Bun's servers hand over something else there, without a text of its own: bindings are the variables of the
  // process then. A Worker whose only binding is the secret of a webhook has one all the same.
  const bound = Object.values(env).some((value) => typeof value === "string");
  let waitUntil: HandlerContext["waitUntil"];
  try {
    const platform = c.executionCtx;
    waitUntil = (work) => platform.waitUntil(work);
  } catch {
    // There is none: the process goes on by itself.
    waitUntil = undefined;
  }
  return {
    params: { ...(c.req.param() as Record<string, string>) }, // `as`: Hono types it by the route
    ...(bound && { env }),
    ...(waitUntil && { waitUntil }),
  };
}

/** The request, with the body that a middleware before may have read. */
async function requestOf({ req }: HonoContext): Promise<Request> {
  return req.raw.bodyUsed ? new Request(req.raw, { body: await req.arrayBuffer() }) : req.raw;
}

/**
 * A middleware that makes a client for each request, as `c.var.windmill`: from the bindings `WM_BASE_URL`, `WM_WORKSPACE` and
 * `WM_TOKEN`, or from options that may depend on the request. No client outlives its request or is seen by another one. A binding
 * that is missing is answered with 500 and a message that names it.
 *
 * @param options what the client is made of, and where Windmill is
 * @returns the middleware
 *
 * @example A client of two groups
 * ```ts
 * import { Hono } from "hono";
 * import { jobs, variables, windmill, type WindmillEnv } from "@windkit/windmill-client/hono";
 *
 * const withWindmill = windmill({
 *   groups: { jobs, variables },
 *   client: { fetch: () => Promise.resolve(Response.json("hello")) },
 * });
 * const app = new Hono<WindmillEnv<typeof withWindmill>>();
 * app.use(withWindmill);
 * app.get("/", async (c) => c.text(await c.var.windmill.variables.get("f/team/greeting")));
 *
 * const env = { WM_BASE_URL: "https://windmill.example.com", WM_WORKSPACE: "acme", WM_TOKEN: "secret" };
 * if (await (await app.request("/", {}, env)).text() !== "hello") throw new Error("no greeting");
 * const { error } = await (await app.request("/", {}, { ...env, WM_TOKEN: "" })).json();
 * if (!error.message.includes("WM_TOKEN")) throw new Error(error.message);
 * ```
 */
export function windmill<G extends Groups>(options: WindmillOptions<G>): ClientMiddleware<ClientOf<G>> {
  const { groups } = options;
  if (typeof Object(groups) !== typeof groups) {
    throw new TypeError(
      "Cannot make clients without 'groups', such as { jobs, variables }, or createClient for all of it",
    );
  }
  return async (c, next) => {
    let client: ClientOf<G>;
    try {
      client = await clientOf(groups, options, c.req.raw, contextOf(c));
    } catch (error) {
      return errorAnswer(error);
    }
    c.set("windmill", client);
    await next();
  };
}

/**
 * Makes a handler of Hono of any handler: placeholders, bindings and `waitUntil` come from Hono's context.
 *
 * @param handler the handler
 * @returns the handler of Hono
 *
 * @example Any handler
 * ```ts
 * import { Hono } from "hono";
 * import { toHono } from "@windkit/windmill-client/hono";
 *
 * const app = new Hono().get("/hello/:name", toHono((_request, context) =>
 *   Promise.resolve(new Response(`Hello ${context?.params?.name}`))
 * ));
 * if (await (await app.request("/hello/Ada")).text() !== "Hello Ada") throw new Error("Expected a greeting");
 * ```
 */
export function toHono(handler: Handler): HonoHandler {
  return async (c) => await handler(await requestOf(c), contextOf(c));
}

/**
 * `runScript` of `@windkit/windmill-client/handlers` as a handler of Hono.
 *
 * @param path path of the script
 * @param options as there
 * @returns the handler of Hono
 */
export function runScript(path: string, options?: RunHandlerOptions): HonoHandler {
  return toHono(script(path, options));
}

/**
 * `runFlow` of `@windkit/windmill-client/handlers` as a handler of Hono.
 *
 * @param path path of the flow
 * @param options as there
 * @returns the handler of Hono
 */
export function runFlow(path: string, options?: RunHandlerOptions): HonoHandler {
  return toHono(flow(path, options));
}

/**
 * `streamJob` of `@windkit/windmill-client/handlers` as a handler of Hono.
 *
 * @param options as there
 * @returns the handler of Hono
 */
export function streamJob(options: StreamJobOptions): HonoHandler {
  return toHono(follow(options));
}

/**
 * `s3Proxy` of `@windkit/windmill-client/handlers` as a handler of Hono: for `app.all("/files/*", ...)`.
 *
 * @param options as there
 * @returns the handler of Hono
 */
export function s3Proxy(options?: S3ProxyOptions): HonoHandler {
  return toHono(objects(options));
}

/**
 * `webhook` of `@windkit/windmill-client/handlers` as a handler of Hono: for `app.post(...)`.
 *
 * @param options as there
 * @returns the handler of Hono
 */
export function webhook(options: WebhookOptions): HonoHandler {
  return toHono(hook(options));
}

/**
 * `approval` of `@windkit/windmill-client/handlers` as a handler of Hono: for `app.all(...)`, it shows and it answers.
 *
 * @param options as there
 * @returns the handler of Hono
 */
export function approval(options?: ApprovalOptions): HonoHandler {
  return toHono(page(options));
}
