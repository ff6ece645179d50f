/**
 * Webhooks of others: who sent it is proven, then a script or flow is started, or a function is called.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts";
import { ConfigurationError } from "../base/errors.ts";
import { systemClock } from "../platform/network.ts";
import type { JobArgs } from "../sdk/_typed_calls.ts";
import { baseOf, type Bindings, type ClientOptions, variable, workspaceOf } from "../sdk/connection.ts";
import { startJob, type StartOptions } from "../sdk/jobs.ts";
import { awaitJob } from "../sdk/jobs_wait.ts";
import type { WebhookEvent } from "../sdk/preprocessor_events.ts";
import { onOwnHost } from "./_own_host.ts";
import { hasReference } from "./_references.ts";
import { type Connection, connectionOf, type Handler, type HandlerContext } from "./handler.ts";
import { eventOf, readBody } from "./webhook_event.ts";
import { type WebhookDelivery, WebhookRejectedError, type WebhookScheme } from "./webhook_schemes.ts";
import { createReplayWindow, type ReplayWindow, uuidOf } from "./webhook_window.ts";

/**
 * Where a secret is: names of bindings (of several, the later ones need not be there: the old secret while a new one takes its
 * place), a function that looks, or the secrets themselves.
 */
export type WebhookSecret =
  | { readonly binding: string | readonly string[] }
  | ((
    env: Bindings,
    request: Request,
  ) => string | readonly string[] | undefined | Promise<string | readonly string[] | undefined>)
  | string
  | readonly string[];

/** What is run for a delivery, and with which arguments. */
export type WebhookTarget = ({ readonly script: string } | { readonly flow: string }) & {
  /** The arguments of this one. @default what the option `args` makes, else `{ event }` */
  readonly args?: JobArgs;
};

/** What every webhook takes. */
export interface WebhookBaseOptions extends Connection {
  /**
   * How the sender signs: `github()`, `stripe()`, `slack()`, `standardWebhooks()`, a scheme of one's own, or a function that says
   * whether an event is genuine. Without a scheme, `id` says which deliveries are the same.
   */
  readonly verify:
    | WebhookScheme
    | ((event: WebhookEvent, delivery: WebhookDelivery) => boolean | Promise<boolean>);
  /** The secret that the sender signs with. @default none, which only schemes take that need none */
  readonly secret?: WebhookSecret;
  /** The same for all attempts to deliver one message. @default what the scheme says */
  readonly id?: (event: WebhookEvent) => string | undefined;
  /** Most bytes of a body. @default 1048576 */
  readonly maxBodyBytes?: number;
  /** True gives bodies of JSON as text too, as `raw_string`. @default false */
  readonly raw?: boolean;
  /** Which deliveries were done already. @default 10,000 ids in the memory of this isolate, unknown to all others */
  readonly replay?: ReplayWindow;
  /** Is told of what went wrong with status 500 or more: answers say little of it. */
  readonly onError?: (error: unknown, request: Request) => void;
  /** Tells the time. @default the runtime's */
  readonly clock?: Pick<Clock, "now">;
}

/** A webhook that runs a script or a flow. */
export interface WebhookRunOptions extends WebhookBaseOptions {
  /** What is run, or a function that chooses it; nothing is run where it gives undefined. */
  readonly run:
    | WebhookTarget
    | ((event: WebhookEvent) => WebhookTarget | undefined | Promise<WebhookTarget | undefined>);
  /** The arguments; a preprocessor will do. @default `{ event }` */
  readonly args?: (event: WebhookEvent) => JobArgs | Promise<JobArgs>;
  /**
   * True takes events with a text that begins with `$var:`, `$res:` or the like, or a name such as `$WM_TOKEN`. Windmill fills in
   * what they refer to, with the rights of the job; and who signs a delivery is seldom who wrote its texts, the title of an issue
   * for one. What `args` adds may refer to anything.
   *
   * @default false: they are refused with 400
   */
  readonly references?: boolean;
  /** Further options of the start. The script's own preprocessor is skipped unless it is said here. */
  readonly start?: Omit<StartOptions, "jobId" | "signal">;
  /** Waits for the result, for so long, and answers with it. @default false */
  readonly wait?: boolean | { readonly timeoutMs: number };
  /** A webhook that runs something calls no function. */
  readonly handle?: never;
}

/** What a function is told of a delivery besides its event. */
export interface WebhookCall {
  /** A UUID, the same for every attempt to deliver this message; absent when nobody knows an id. As the id of a job it starts one job. */
  readonly id: string | undefined;
  /** The connection to Windmill, for functions that take a client's options: `createClient(client)`. */
  readonly client: ClientOptions;
  /** The request; its body has been read. */
  readonly request: Request;
  /** What the platform gave. */
  readonly context: HandlerContext;
}

/** A webhook that calls a function. */
export interface WebhookHandleOptions extends WebhookBaseOptions {
  /** Is called with what was proven. A response is the answer; one of status 400 or more, or an error, says that it failed. */
  readonly handle: (event: WebhookEvent, call: WebhookCall) => Response | void | Promise<Response | void>;
  /** A webhook that calls a function runs nothing else. */
  readonly run?: never;
}

/** Options of {@linkcode webhook}. */
export type WebhookOptions = WebhookRunOptions | WebhookHandleOptions;

/** A platform that ends a request whose sender hung up may leave a delivery that never ends: after so long nobody shares its end. */
const FLIGHT_MS = 300_000;

/** What became of a delivery. */
interface Done {
  /** False when it has to come again. */
  readonly ok: boolean;
  readonly jobId?: string;
}

/** The secrets of a request. The error names where they were looked for. */
async function secretsOf(
  given: WebhookSecret | undefined,
  request: Request,
  context: HandlerContext,
): Promise<readonly string[]> {
  const { env } = context;
  let found: readonly unknown[], where: string;
  if (typeof given === "object" && "binding" in given) {
    const names = [given.binding].flat(), [name = ""] = names;
    where = `the binding '${name}'`;
    const client = env ? { env } : {};
    const [first, ...more] = names.map((one) => variable(client, one));
    found = [first, ...more.filter((one) => one !== undefined)];
  } else if (typeof given === "function") {
    where = "what the option 'secret' gives";
    found = [await given(env ?? {}, request)].flat();
  } else {
    where = "the option 'secret'";
    found = [given].flat();
  }
  const isSecret = (one: unknown): one is string => typeof one === "string" && one !== "";
  if (found.length > 0 && found.every(isSecret)) return found;
  throw new ConfigurationError(`Expected a secret as ${where}, found nothing`);
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    // Not `Response.json`: runtimes differ in the type that it says.
    headers: {
      "content-type": "application/json",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}

/** What is told of an error: no word of Windmill's or of a function's, which may be secret. */
function told(error: unknown): { readonly status: number; readonly name: string; readonly message: string } {
  const { code, name, message, status } = Object(error);
  switch (code) {
    case "WEBHOOK_REJECTED":
      return { status, name, message };
    case "CONFIGURATION":
      return { status: 500, name, message };
    case "DEADLINE_EXCEEDED":
      return { status: 504, name, message: "Windmill took too long" };
    case "WINDMILL_API":
      return { status: 502, name, message: status > 0 ? `Windmill answered ${status}` : "Windmill gave no answer" };
    case "JOB_FAILED":
      return { status: 502, name, message: "The job failed" };
    default:
      return { status: 500, name: "InternalError", message: "The webhook could not be handled" };
  }
}

/**
 * Makes a handler of webhooks: it proves who sent a delivery, makes Windmill's preprocessor event of it, and starts a script or flow
 * with it, or calls a function. It answers 200 as soon as the job is started.
 *
 * Senders repeat what is not answered with a status of 2xx. A delivery that was done before is answered so, and nothing is run. One
 * whose start failed is answered 5xx and is not counted: it comes again. The job's id is made of the sender's id, and Windmill starts
 * one job of an id: so one message is one job in all isolates, whatever the window forgets. `handle` has no such second guard: it
 * may be called twice for one message where two isolates get it at a time, or where one dies before the window recorded it.
 *
 * @param options the scheme, its secret, and what is done
 * @returns a handler
 * @throws TypeError unless there is exactly one of `run` and `handle`
 *
 * @example A script for each payment
 * ```ts
 * import { stripe, webhook } from "@windkit/windmill-client/handlers";
 *
 * const handler = webhook({
 *   verify: stripe(),
 *   secret: { binding: "STRIPE_SECRET" },
 *   run: { script: "f/shop/on_payment" },
 * });
 *
 * const answer = await handler(new Request("https://example.com/stripe", { method: "POST", body: "{}" }), {
 *   env: { STRIPE_SECRET: "whsec_1" },
 * });
 * if (answer.status !== 401) throw new Error("It is not signed");
 * ```
 */
export function webhook(options: WebhookOptions): Handler {
  const {
    verify,
    secret,
    maxBodyBytes = 1_048_576,
    raw = false,
    replay = createReplayWindow(),
    onError,
    clock = systemClock,
  } = options;
  if ((options.run === undefined) === (options.handle === undefined)) {
    throw new TypeError("Cannot make a webhook: expected either 'run' or 'handle'");
  }
  if (!(maxBodyBytes >= 0)) {
    throw new TypeError(`Cannot make a webhook: 'maxBodyBytes' must be >= 0, found ${maxBodyBytes}`);
  }
  const scheme: WebhookScheme = typeof verify === "function"
    ? { name: "own", needsSecret: false, verify: () => ({}) }
    : verify;

  /** Deliveries that are being done in this isolate: one that comes meanwhile shares their end. */
  const flights = new Map<string, { readonly since: number; readonly end: Promise<Done | undefined> }>();

  function report(error: unknown, request: Request): void {
    try {
      onError?.(error, request);
    } catch {
      // Whoever reports errors must not make an answer of it.
      return;
    }
  }

  async function first(id: string, act: () => Promise<Done>, request: Request): Promise<Done | undefined> {
    if (await replay.seen(id)) return undefined;
    const done = await act();
    if (done.ok) {
      try {
        await replay.record(id);
      } catch (error) {
        // It is done: to make the sender repeat it would be worse than to know nothing of it later.
        report(error, request);
      }
    }
    return done;
  }

  /** Does what is to be done once for an id; undefined when it was done before. */
  async function once(
    id: string | undefined,
    act: () => Promise<Done>,
    request: Request,
    context: HandlerContext,
  ): Promise<Done | undefined> {
    const now = clock.now(), other = id === undefined ? undefined : flights.get(id);
    if (other !== undefined && now - other.since < FLIGHT_MS) {
      const done = await other.end;
      return done?.ok === false ? done : undefined;
    }
    const flight = id === undefined ? act() : first(id, act, request);
    const entry = { since: now, end: flight };
    if (id !== undefined) flights.set(id, entry);
    const settled = flight.then(() => {}, () => {}).finally(() => {
      if (id !== undefined && flights.get(id) === entry) flights.delete(id);
    });
    // Senders hang up early and come again: what was begun is brought to its end.
    context.waitUntil?.(settled);
    try {
      return await flight;
    } finally {
      await settled;
    }
  }

  async function run(
    { run, args, start, wait = false, references = false }: WebhookRunOptions,
    event: WebhookEvent,
    id: string | undefined,
    client: ClientOptions,
    request: Request,
    context: HandlerContext,
  ): Promise<Response> {
    const target = typeof run === "function" ? await run(event) : run;
    if (target === undefined) return json(200, { ignored: true });
    if (!references && hasReference(event)) {
      throw new WebhookRejectedError("A text of the event refers to something of the workspace", "malformed");
    }
    const [kind, path] = "flow" in target ? ["f" as const, target.flow] : ["p" as const, target.script];
    const whose = [baseOf(client), workspaceOf(client)];
    const jobId = id === undefined ? undefined : await uuidOf(scheme.name, kind, path, ...whose, id);
    const act = async (): Promise<Done> => {
      const given = target.args ?? (args === undefined ? { event } : await args(event));
      const more = { skipPreprocessor: true, ...start, ...(jobId !== undefined && { jobId }) };
      return { ok: true, jobId: await startJob(client, kind, path, given, more, false) };
    };
    const done = await once(jobId, act, request, context);
    if (done?.jobId === undefined) return json(200, { jobId, duplicate: true });
    if (wait === false) return json(200, { jobId: done.jobId });
    // workerd has a signal only where it is asked to.
    const { signal } = request as { readonly signal?: AbortSignal | null };
    const limits = { ...(signal && { signal }), ...(wait !== true && { timeoutMs: wait.timeoutMs }) };
    return json(200, { jobId: done.jobId, result: await awaitJob(onOwnHost(client), done.jobId, limits) });
  }

  async function call(
    { handle }: WebhookHandleOptions,
    event: WebhookEvent,
    sent: string | undefined,
    client: ClientOptions,
    request: Request,
    context: HandlerContext,
  ): Promise<Response> {
    // A function may need no Windmill: what is not said is the same for all.
    const whose = [client.baseUrl ?? "", client.workspace ?? variable(client, "WM_WORKSPACE") ?? ""];
    const id = sent === undefined ? undefined : await uuidOf(scheme.name, "handle", ...whose, sent);
    let response: Response | undefined;
    const act = async (): Promise<Done> => {
      response = await handle(event, { id, client, request, context }) ?? json(200, { ok: true });
      return { ok: response.status < 400 };
    };
    const done = await once(id, act, request, context);
    if (response !== undefined) return response;
    // Another request of the same delivery has the answer itself.
    if (done?.ok === false) throw new Error("The same delivery failed at the same time");
    return json(200, { ok: true, duplicate: true });
  }

  async function take(request: Request, context: HandlerContext): Promise<Response> {
    if (request.method !== "POST") {
      const message = `Expected POST, found ${request.method}`;
      return json(405, { error: { name: "MethodNotAllowedError", message } }, { allow: "POST" });
    }
    // Before anything is read: what is not configured is an error of every request.
    const known = secret !== undefined || scheme.needsSecret !== false ? await secretsOf(secret, request, context) : [];
    const body = await readBody(request, maxBodyBytes);
    const delivery: WebhookDelivery = { headers: request.headers, body, secrets: known, now: clock.now() };
    const { id: sent, answer } = await scheme.verify(delivery);
    if (answer !== undefined) return answer;
    const event = eventOf(request, body, raw);
    if (typeof verify === "function" && await verify(event, delivery) !== true) {
      throw new WebhookRejectedError("The delivery is not signed as expected", "mismatch");
    }
    const id = options.id === undefined ? sent : options.id(event);
    const client = await connectionOf(options, request, context);
    return options.handle === undefined
      ? await run(options, event, id, client, request, context)
      : await call(options, event, id, client, request, context);
  }

  return async (request, context = {}) => {
    try {
      return await take(request, context);
    } catch (error) {
      const { status, name, message } = told(error);
      if (status >= 500) report(error, request);
      const { problem } = Object(error);
      return json(status, { error: { name, message, ...(status < 500 && { problem }) } });
    }
  };
}
