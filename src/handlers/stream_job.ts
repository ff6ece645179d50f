/**
 * What happens to a job, as a stream of server-sent events for a browser.
 *
 * @module
 */
import { encodePath } from "../base/url.ts";
import { systemClock } from "../platform/network.ts";
import { type ClientOptions, prepare, workspaceOf } from "../sdk/connection.ts";
import { jobRoute } from "../sdk/_current_job.ts";
import { startJob } from "../sdk/jobs.ts";
import { askToStop } from "../sdk/jobs_records.ts";
import { followUpdates, type JobUpdate } from "../sdk/jobs_updates.ts";
import { failureOf } from "../wire/jobs.ts";
import { answerOrError, checkMethod, describeError, type ErrorReport, HandlerError } from "./_answer.ts";
import { onOwnHost } from "./_own_host.ts";
import { type Connection, connectionOf, type Handler, type HandlerContext } from "./handler.ts";
import { type InputOptions, readArguments } from "./input.ts";
import type { StartSettings } from "./run.ts";

/** What {@linkcode streamJob} takes in either form. */
export interface StreamSettings extends Connection, ErrorReport {
  /** How often a comment is sent while nothing happens, in milliseconds: proxies close what is silent. @default 15000 */
  readonly heartbeatMs?: number;
  /** How long the browser waits before it comes back after its connection broke, in milliseconds. @default 1000 */
  readonly retryMs?: number;
  /**
   * How long one stream lasts, in milliseconds; then it ends without a last event, and the browser comes back and goes on where it
   * was: for platforms that end long requests.
   *
   * @default Infinity
   */
  readonly timeoutMs?: number;
  /** False leaves out the logs. @default true */
  readonly logs?: boolean;
  /** False leaves out the progress. @default true */
  readonly progress?: boolean;
  /** How often Windmill looks for news, in milliseconds, 50 or more; servers without a licence ignore it. */
  readonly pollDelayMs?: number;
  /** True cancels the job when whoever follows it hangs up before its end; then nobody can come back to it. @default false */
  readonly cancelOnDisconnect?: boolean;
}

/** Says whether a request may follow a job. */
export type Authorize = (request: Request, jobId: string, context: HandlerContext) => boolean | Promise<boolean>;

/** Options of {@linkcode streamJob} for jobs that were started elsewhere. */
export interface FollowJobOptions extends StreamSettings {
  /**
   * Says whether a request may follow a job: the token may read more of them than whoever asks. `() => true` shows all of them to
   * everybody.
   */
  readonly authorize: Authorize;
  /**
   * Gives the id of the job.
   *
   * @default the route's placeholder `jobId`, else its placeholder `id`, else the field `job` of the query
   */
  readonly jobId?: (request: Request, context: HandlerContext) => string | undefined | Promise<string | undefined>;
}

/** Options of {@linkcode streamJob} for a job that it starts itself. */
export interface StartStreamOptions extends StreamSettings, InputOptions {
  /** What is started: the path of a script, or of a flow. */
  readonly run: { readonly script: string } | { readonly flow: string };
  /** How it is started. */
  readonly start?: StartSettings;
  /**
   * Says whether a request may start this job and, when it comes back, follow it. Whoever comes back needs an id of an event of the
   * stream in any case: it is signed with the token, so that `(request) => hasSession(request)` opens no job of another session.
   *
   * @default whoever has an id of an event of the stream may, and nobody else
   */
  readonly authorize?: Authorize;
}

/** Options of {@linkcode streamJob}. */
export type StreamJobOptions = FollowJobOptions | StartStreamOptions;

/**
 * A handler that streams what happens to a job to a browser's `EventSource`, or to whatever else reads server-sent events.
 *
 * Events are `running`, `logs` and `stream` (`{ text }`), `progress` (`{ percent }`), `flow_status` and `workflow_status`
 * (`{ status }`), and at the end `result` (`{ result }`) or `failed` (`{ error: { name, message } }`); the data of each is one line
 * of JSON. `failed` is not called `error`, because `EventSource` fires that itself whenever its connection breaks. Each event has an
 * id that says where the logs and the stream of the result are, so a browser that comes back with `Last-Event-ID` misses nothing and
 * gets nothing twice; one that comes back after the last event gets 204, which ends its tries.
 *
 * Nothing is read from Windmill before the browser takes it: a stream holds one event.
 *
 * @param options which jobs, for whom, and where Windmill is
 * @returns the handler
 * @throws TypeError when it says neither who may follow jobs nor what to start
 * @throws RangeError when a time or path cannot be used
 *
 * @example Follow a job
 * ```ts
 * import { streamJob } from "@windkit/windmill-client/handlers";
 *
 * const updates = [{ type: "update", new_logs: "hello", log_offset: 5 }, { type: "update", completed: true }];
 * const handler = streamJob({
 *   client: {
 *     baseUrl: "https://windmill.example.com",
 *     workspace: "acme",
 *     token: "secret",
 *     fetch: (url) =>
 *       Promise.resolve(
 *         new Response(
 *           url.includes("getupdate_sse")
 *             ? updates.map((update) => `data: ${JSON.stringify(update)}\n\n`).join("")
 *             : '{"completed":true,"success":true,"result":42}',
 *         ),
 *       ),
 *   },
 *   authorize: (request) => request.headers.get("cookie") === "user=ada",
 * });
 * const url = "https://example.com/jobs?job=0190e0c4-0000-7000-8000-000000000001";
 * const text = await (await handler(new Request(url, { headers: { cookie: "user=ada" } }))).text();
 * if (!text.includes('event: logs\ndata: {"text":"hello"}')) throw new Error(text);
 * if (!text.endsWith('event: result\ndata: {"result":42}\n\n')) throw new Error(text);
 * if ((await handler(new Request(url))).status !== 403) throw new Error("Everybody may follow it");
 * ```
 */
export function streamJob(options: StreamJobOptions): Handler {
  const { heartbeatMs = 1, timeoutMs = 1, retryMs = 1 } = options;
  for (const [name, ms] of Object.entries({ heartbeatMs, timeoutMs, retryMs })) {
    if (!(ms > 0)) throw new RangeError(`'${name}' must be > 0, found ${ms}`);
  }
  if ("run" in options) encodePath(targetOf(options)[1], "what to run");
  else if (typeof options.authorize !== "function") {
    throw new TypeError("Cannot stream jobs without 'authorize', which says who may follow which job");
  }
  return (request, context = {}) => answerOrError(request, options, () => stream(options, request, context));
}

/** The longest that timers take. */
const MAX_MS = 2 ** 31 - 1;

function targetOf({ run }: StartStreamOptions): readonly ["p" | "f", string] {
  return "flow" in run ? ["f", run.flow] : ["p", run.script];
}

/** Where a browser was. */
interface Place {
  readonly jobId: string;
  readonly logOffset: number | undefined;
  readonly streamOffset: number | undefined;
  readonly ended: boolean;
  readonly signature: string;
}

/** Reads the id of an event: job, offset of logs, offset of the stream, `end` or nothing, signature or nothing. */
function readPlace(id: string | null): Place | undefined {
  const found = /^([\da-f-]{36})\.(\d{0,15})\.(\d{0,15})\.(end)?\.([\w-]*)$/.exec(id ?? "");
  if (found === null) return undefined;
  const [, jobId = "", logs, streamed, end, signature = ""] = found;
  const [logOffset, streamOffset] = [logs, streamed].map((text) => text ? Number(text) : undefined);
  return { jobId, logOffset, streamOffset, ended: end !== undefined, signature };
}

/** Says that a job was started here: whoever has it may follow the job. */
async function sign(token: string | undefined, what: string): Promise<string> {
  // Without a token there is no secret: nobody can come back then.
  if (token === undefined) return "";
  const bytes = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes.encode(token), algorithm, false, ["sign"]);
  const signature = new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes.encode(`windkit stream_job ${what}`)));
  return Array.from(signature, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Compares texts in a time that does not tell where they differ. */
function sameText(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

function forbidden(): never {
  throw new HandlerError(403, "ForbiddenError", "This request may not follow this job");
}

async function stream(options: StreamJobOptions, request: Request, context: HandlerContext): Promise<Response> {
  const starts = "run" in options;
  checkMethod(request, "GET", ...(starts ? ["POST"] : []));
  const client = onOwnHost(await connectionOf(options, request, context));
  // What is missing is said before anything is started.
  const { token } = prepare(client, { route: jobRoute(client, "jobs_u/get", "any") });
  let place = readPlace(request.headers.get("last-event-id"));
  let jobId: string | undefined, signature = "";
  if (starts) {
    if (place === undefined && request.headers.has("last-event-id")) {
      throw new HandlerError(400, "InputError", "'Last-Event-ID' is of no event of this stream");
    }
    jobId = place?.jobId ?? crypto.randomUUID();
    signature = await sign(token, `${workspaceOf(client)} ${jobId}`);
    const own = place !== undefined && signature !== "" && sameText(place.signature, signature);
    if (place !== undefined && !own) forbidden();
  } else {
    const { params } = context;
    jobId = options.jobId
      ? await options.jobId(request, context)
      : params?.jobId ?? params?.id ?? new URL(request.url).searchParams.get("job") ?? undefined;
    if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(jobId ?? "")) {
      throw new HandlerError(400, "InputError", "Expected the id of a job, found none");
    }
    if (place?.jobId !== jobId) place = undefined;
  }
  if (jobId === undefined || (options.authorize && !await options.authorize(request, jobId, context))) forbidden();
  // The one answer after which an EventSource does not come back.
  if (place?.ended === true) return new Response(null, { status: 204 });
  if (starts && place === undefined) {
    const { fields } = await readArguments(request, context, options);
    await startJob(client, ...targetOf(options), fields, { ...options.start, jobId }, false);
  }
  return new Response(eventsOf(client, jobId, place, signature, options, request, context), {
    headers: {
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
    },
  });
}

/** Name and data of the event of an update. */
function eventOf(update: JobUpdate): readonly [string, unknown] {
  const { type, ...data } = update;
  if (type === "completed") {
    if (update.success) return ["result", { result: update.result }];
    const { name, message } = failureOf(update.result);
    const words = [name, message].filter(Boolean).join(": ") || "The job failed";
    return ["failed", { error: { name: "JobFailedError", message: words } }];
  }
  return [type, "text" in data ? { text: data.text } : data];
}

/** The events of a job, one for each that is taken. */
function eventsOf(
  client: ClientOptions,
  jobId: string,
  place: Place | undefined,
  signature: string,
  options: StreamJobOptions,
  request: Request,
  context: HandlerContext,
): ReadableStream<Uint8Array> {
  const { heartbeatMs = 15_000, retryMs = 1_000, timeoutMs = Infinity, cancelOnDisconnect = false } = options;
  const { clock = systemClock } = client;
  const bytes = new TextEncoder();
  const stop = new AbortController();
  let { logOffset, streamOffset } = place ?? {};
  const updates = followUpdates(client, jobId, {
    signal: stop.signal,
    ...(options.logs === false && { logs: false }),
    ...(options.progress === false && { progress: false }),
    ...(options.pollDelayMs !== undefined && { pollDelayMs: options.pollDelayMs }),
    ...(logOffset !== undefined && { logOffset }),
    ...(streamOffset !== undefined && { streamOffset }),
  });
  let control: ReadableStreamDefaultController<Uint8Array> | undefined;
  let begun = false, over = false, asked = false;
  // What came of asking for the next update.
  let came: { readonly update?: JobUpdate | undefined; readonly error?: unknown } | undefined;
  let wake = (): void => {};
  const end = timeoutMs <= MAX_MS ? clock.setTimeout(finish, timeoutMs) : undefined;
  request.signal.addEventListener("abort", leave);

  /** Ends the work for this stream. */
  function close(): void {
    over = true;
    clock.clearTimeout(end);
    request.signal.removeEventListener("abort", leave);
    stop.abort();
    wake();
    // Its own end is of no interest any more: it is told of it by the signal.
    updates.return().catch(() => {});
  }

  /** Ends the stream. */
  function finish(): void {
    if (over) return;
    close();
    control?.close();
  }

  /** Whoever followed the job is gone. */
  function leave(): void {
    if (over) return;
    finish();
    giveUp();
  }

  function giveUp(): void {
    if (!cancelOnDisconnect) return;
    const reason = "nobody follows the job any more";
    const cancelled = askToStop(client, jobId, { reason, timeoutMs: 5_000 }).catch(() => {});
    context.waitUntil?.(cancelled);
  }

  function ask(): void {
    asked = true;
    updates.next().then(
      ({ value }) => came = { update: value || undefined },
      (error) => came = { error },
    ).then(() => wake());
  }

  function send(name: string, data: unknown, ended = ""): void {
    const id = `${jobId}.${logOffset ?? ""}.${streamOffset ?? ""}.${ended}.${signature}`;
    control?.enqueue(bytes.encode(`id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`));
  }

  return new ReadableStream<Uint8Array>({
    start(controller): void {
      control = controller;
      if (request.signal.aborted) leave();
    },
    async pull(controller): Promise<void> {
      if (!begun) {
        // Something at once: proxies and platforms pass on nothing before the first byte.
        begun = true;
        controller.enqueue(bytes.encode(`retry: ${Math.ceil(retryMs)}\n\n`));
        return;
      }
      if (!asked) ask();
      if (came === undefined) {
        let timer: unknown;
        await new Promise<void>((resolve) => {
          wake = resolve;
          // A longer one would go off at once.
          timer = clock.setTimeout(resolve, Math.min(heartbeatMs, MAX_MS));
        });
        clock.clearTimeout(timer);
      }
      if (over) return;
      if (came === undefined) {
        controller.enqueue(bytes.encode(": still there\n\n"));
        return;
      }
      const { update, error } = came;
      asked = false;
      came = undefined;
      if (update === undefined) {
        options.onError?.(error, request);
        const [status, words] = describeError(error);
        // Whoever comes back may have more luck, unless Windmill does not want to tell of this job.
        const final = status === 500 || /^4(?!29)/.test(`${Object(error).status}`);
        send("failed", { error: words }, final ? "end" : "");
        finish();
        return;
      }
      if (update.type === "logs") logOffset = update.offset ?? logOffset;
      if (update.type === "stream") streamOffset = update.offset ?? streamOffset;
      send(...eventOf(update), update.type === "completed" ? "end" : "");
      if (update.type === "completed") finish();
    },
    cancel(): void {
      if (over) return;
      close();
      giveUp();
    },
  }, { highWaterMark: 0 });
}
