/**
 * Running a script or a flow for a request, and answering with its result.
 *
 * @module
 */
import { hasCode, type WindmillApiError } from "../base/errors.ts";
import { encodePath } from "../base/url.ts";
import { openScope } from "../http/scope.ts";
import { type CallOptions, exchange } from "../http/transport.ts";
import { systemClock } from "../platform/network.ts";
import { type FailedRequest, readValue } from "../wire/answer.ts";
import type { JobResult } from "../wire/jobs.ts";
import { type ClientOptions, prepare, withBody } from "../sdk/connection.ts";
import { type Runnable, startCall, startJob, type StartOptions } from "../sdk/jobs.ts";
import { askToStop, readResultMaybe } from "../sdk/jobs_records.ts";
import { awaitVerdict } from "../sdk/jobs_wait.ts";
import { answerOrError, checkMethod, type ErrorReport, HandlerError } from "./_answer.ts";
import { joined, readBeginning } from "./_bytes.ts";
import { answerOf, passedHeaders, resultAnswer, withoutStack } from "./_result.ts";
import { onOwnHost } from "./_own_host.ts";
import { type Connection, connectionOf, type Handler, type HandlerContext } from "./handler.ts";
import { type InputOptions, readArguments } from "./input.ts";

/** How a handler starts its jobs. */
export type StartSettings = Pick<
  StartOptions,
  "tag" | "cacheTtlSeconds" | "timeoutSeconds" | "skipPreprocessor" | "invisibleToOwner" | "memoryId"
>;

/** Options of {@linkcode runScript} and {@linkcode runFlow}. */
export interface RunHandlerOptions extends Connection, InputOptions, ErrorReport {
  /** How the job is started. */
  readonly start?: StartSettings;
  /**
   * How long Windmill may take, in milliseconds; then the answer is 504.
   *
   * @default the client's limit, else none of this handler's: the server has one of its own, 600 s unless its instance says otherwise
   */
  readonly timeoutMs?: number;
  /**
   * What becomes of the job after `timeoutMs`: `cancel` ends it, `leave` lets it go on, and the answer says its id as
   * `error.jobId`. `leave` needs `detached`.
   *
   * @default "cancel"
   */
  readonly onDeadline?: "cancel" | "leave";
  /**
   * True cancels the job when whoever asked hangs up before its end. False lets it go on, for as long as the platform keeps the
   * request alive then (`waitUntil`: 30 s on Cloudflare Workers): after that Windmill sees its connection break, and cancels the
   * job itself. A job that has to survive that is one for `detached`.
   *
   * @default false
   */
  readonly cancelOnDisconnect?: boolean;
  /**
   * False runs the job in one request, which Windmill answers when the job ended: there is no faster way, and Windmill cancels the
   * job when that connection breaks. True starts the job in a request of its own, and then waits for it: it goes on whatever
   * becomes of the connection, for one or two more turns to Windmill and the interval at which it looks for the end of jobs.
   *
   * @default true with `onDeadline: "leave"`, else false
   */
  readonly detached?: boolean;
  /**
   * True shows the stack of a failed job in its answer, as Windmill does. It says where files are on a worker.
   *
   * @default false
   */
  readonly showStack?: boolean;
  /**
   * Whether a header of the job's answer is passed on; names are in small letters. Those of servers on the way (`date`, `via`,
   * `content-length`, `access-control-*`, ...) never are; the type of the body, and what keeps a page of a script's from acting as
   * one of this site, always are.
   *
   * @default every header is
   */
  readonly passHeader?: (name: string) => boolean;
}

/** How much of a result is read before the answer begins: what is cut off in there is never half an answer. */
const WHOLE_BYTES = 1_048_576;

/** How long a look for the result, and asking to cancel, may take. */
const SHORT_MS = 5_000;

/**
 * A handler that runs the script at a path and answers with its result.
 *
 * Arguments come from the body (JSON, or a form), the query and the placeholders of the route; {@linkcode InputOptions} says which
 * goes first. Status, type and headers of the answer are what Windmill answers itself to `run_wait_result`: 200 and the result as
 * JSON, 422 with the error of a job that failed, or what the result says by `windmill_status_code`, `windmill_content_type`,
 * `windmill_headers` and `result`. What goes wrong on the way is answered with `{ "error": { "name", "message" } }` and a status of
 * its own ({@linkcode HandlerErrorName}).
 *
 * Every method but HEAD and OPTIONS runs the script: route only those to it that you mean.
 *
 * @param path path of the script, such as `f/team/report`
 * @param options where Windmill is, what the arguments are, and what happens when it takes too long
 * @returns the handler
 * @throws RangeError when the path or a limit cannot be used
 *
 * @example Answer with the result of a script
 * ```ts
 * import { runScript } from "@windkit/windmill-client/handlers";
 *
 * const handler = runScript("f/team/greet", {
 *   client: {
 *     baseUrl: "https://windmill.example.com",
 *     workspace: "acme",
 *     token: "secret",
 *     fetch: (_url, init) => Promise.resolve(Response.json(`Hello ${JSON.parse(`${init.body}`).name}`)),
 *   },
 * });
 * const response = await handler(new Request("https://example.com/greet?name=Ada"));
 * if (await response.json() !== "Hello Ada") throw new Error(`${response.status}`);
 * ```
 */
export function runScript(path: string, options: RunHandlerOptions = {}): Handler {
  return createRunner("p", path, options);
}

/**
 * A handler that runs the flow at a path and answers with its result, as {@linkcode runScript} does for a script.
 *
 * @param path path of the flow
 * @param options where Windmill is, what the arguments are, and what happens when it takes too long
 * @returns the handler
 * @throws RangeError when the path or a limit cannot be used
 *
 * @example A limit, after which the flow goes on without an answer
 * ```ts
 * import { runFlow } from "@windkit/windmill-client/handlers";
 *
 * const handler = runFlow("f/team/import", {
 *   client: {
 *     baseUrl: "https://windmill.example.com",
 *     workspace: "acme",
 *     token: "secret",
 *     // Starts jobs, and never tells how they end.
 *     fetch: (url) =>
 *       url.includes("/jobs/run/f/")
 *         ? Promise.resolve(new Response(new URL(url).searchParams.get("job_id"), { status: 201 }))
 *         : new Promise(() => {}),
 *   },
 *   timeoutMs: 50,
 *   onDeadline: "leave",
 * });
 * const response = await handler(new Request("https://example.com/import", { method: "POST" }));
 * const { error } = await response.json();
 * if (response.status !== 504 || !error.jobId) throw new Error(JSON.stringify(error));
 * ```
 */
export function runFlow(path: string, options: RunHandlerOptions = {}): Handler {
  return createRunner("f", path, options);
}

function createRunner(kind: Runnable, path: string, options: RunHandlerOptions): Handler {
  const { timeoutMs = 1, maxBodyBytes = 1, onDeadline, detached } = options;
  encodePath(path, "what to run");
  if (!(timeoutMs > 0)) throw new RangeError(`'timeoutMs' must be > 0, found ${timeoutMs}`);
  if (!(maxBodyBytes > 0)) throw new RangeError(`'maxBodyBytes' must be > 0, found ${maxBodyBytes}`);
  if (onDeadline === "leave" && detached === false) {
    throw new RangeError("Cannot leave a job after its deadline with 'detached: false': Windmill cancels it");
  }
  return (request, context = {}) => answerOrError(request, options, () => run(kind, path, options, request, context));
}

async function run(
  kind: Runnable,
  path: string,
  options: RunHandlerOptions,
  request: Request,
  context: HandlerContext,
): Promise<Response> {
  const { onDeadline = "cancel", detached = onDeadline === "leave", cancelOnDisconnect = false } = options;
  checkMethod(request, "GET", "POST", "PUT", "PATCH", "DELETE");
  const client = onOwnHost(await connectionOf(options, request, context));
  // The job gets an id from here: so it can be cancelled, and told apart from what a server on the way answers.
  const start = { ...options.start, jobId: crypto.randomUUID() as string };
  const call = startCall(client, "run_wait_result", kind, path, {}, start, false);
  const gone = cancelOnDisconnect ? request.signal : undefined;
  const limits = { timeoutMs: options.timeoutMs ?? client.timeoutMs ?? Infinity, ...(gone && { signal: gone }) };
  // What is missing is said before the body is read. Never repeated: it would be a second start.
  const prepared = prepare(client, { ...call, method: "POST", idempotent: false }, limits);
  const { fields, text } = await readArguments(request, context, options);
  if (gone?.aborted) throw hungUp();
  const job: Job = { client, jobId: start.jobId, token: prepared.token, options };
  const work = detached
    ? startAndWait(job, (calls) => startJob(client, kind, path, fields, { ...start, ...calls }, false), limits)
    : exchange(withBody(prepared, text, "application/json"), (response) => readAnswer(job, prepared, response))
      .catch((error) => judge(job, error));
  // The platform may end what nobody waits for any more, and Windmill then the job.
  if (!cancelOnDisconnect) context.waitUntil?.(work.catch(() => {}));
  try {
    return await work;
  } catch (error) {
    const late = hasCode(error, "DEADLINE_EXCEEDED");
    if (late && onDeadline === "leave") {
      const message = "The job took too long, and goes on";
      throw new HandlerError(504, "DeadlineError", message, { jobId: start.jobId }, { cause: error });
    }
    if (late || gone?.aborted) {
      const reason = late ? "it took longer than its handler waits" : "nobody waits for the result any more";
      const cancelled = askToStop(client, start.jobId, { reason, timeoutMs: SHORT_MS }).catch(() => {});
      context.waitUntil?.(cancelled);
    }
    throw gone?.aborted && !late ? hungUp(error) : error;
  }
}

/** The job of a request. */
interface Job {
  readonly client: ClientOptions;
  readonly jobId: string;
  readonly token: string | undefined;
  readonly options: RunHandlerOptions;
}

function hungUp(cause?: unknown): HandlerError {
  return new HandlerError(499, "ClientClosedRequestError", "Whoever asked has left", undefined, { cause });
}

function passes({ options }: Job): (name: string) => boolean {
  return options.passHeader ?? (() => true);
}

/** The answer to a job that ended. */
function endedAnswer(job: Job, { success, result }: JobResult): Response {
  return success === true ? resultAnswer(result, true, passes(job)) : failedAnswer(job, result);
}

/** Starts a job in a request of its own, and answers when it ended. */
async function startAndWait(
  job: Job,
  start: (calls: CallOptions) => Promise<string>,
  { signal: gone, timeoutMs }: { readonly signal?: AbortSignal; readonly timeoutMs: number },
): Promise<Response> {
  const { client, jobId } = job;
  const { signal, close } = openScope(client.clock ?? systemClock, gone, timeoutMs, "a job");
  try {
    await start({ signal });
    return endedAnswer(job, await awaitVerdict(client, jobId, { signal }));
  } finally {
    close();
  }
}

function failedAnswer(job: Job, result: unknown): Response {
  const { token, options: { showStack = false } } = job;
  const shown = JSON.stringify((showStack ? result : withoutStack(result)) ?? null);
  // A script may say by what it was called.
  const hidden: unknown = JSON.parse(
    shown,
    (_, value) => token && typeof value === "string" ? value.replaceAll(token, "***") : value,
  );
  return resultAnswer(hidden, false, passes(job));
}

/**
 * Passes on the answer to a job that succeeded, once it is whole; one that is larger than most is passed on as it comes, and breaks
 * when it does.
 */
async function readAnswer(job: Job, request: FailedRequest, response: Response): Promise<Response> {
  const reader = response.body?.getReader();
  const beginning = await readBeginning(reader, WHOLE_BYTES);
  const headers = passedHeaders(response.headers, passes(job));
  if (beginning.whole) {
    const bytes = joined(beginning);
    // What says that it is JSON and is none was cut off, or is somebody else's.
    if (bytes.length > 0 && /json/.test(headers.get("content-type") ?? "")) {
      readValue({ request, response, text: new TextDecoder().decode(bytes) });
    }
    return answerOf(bytes.length > 0 ? bytes : null, response.status, headers);
  }
  const { pieces } = beginning;
  const rest = new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      const value = pieces.shift() ?? (await reader?.read())?.value;
      if (value) controller.enqueue(value);
      else controller.close();
    },
    cancel: (reason) => reader?.cancel(reason),
  }, { highWaterMark: 0 });
  return answerOf(rest, response.status, headers);
}

/** The answer to a job whose status says failure or more; an error that is not the job's is thrown again. */
async function judge(job: Job, error: unknown): Promise<Response> {
  if (!hasCode(error, "WINDMILL_API")) throw error;
  const { status, body } = error as Error as WindmillApiError;
  if (status < 300) throw error;
  if (status === 422) {
    let result: unknown;
    try {
      result = JSON.parse(body);
    } catch {
      // Words of the server, or more than an error keeps.
      result = undefined;
    }
    if (result !== undefined) return failedAnswer(job, result);
  }
  // A script may ask for any status, and a server on the way may give any: whether the job ended tells whose it is.
  const { client, jobId, options } = job;
  const limits = { timeoutMs: Math.min(SHORT_MS, options.timeoutMs ?? SHORT_MS), retry: { attempts: 1 } };
  const found = await readResultMaybe(client, jobId, limits).catch(() => undefined);
  if (found?.completed !== true) throw error;
  return endedAnswer(job, found);
}
