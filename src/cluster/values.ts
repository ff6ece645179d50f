/**
 * What a body may know and say without breaking its replay: time, chance, versions of the code, progress, log, cancellation.
 *
 * All are synchronous. Outside a run, and inside the body of a task or step (which is recorded as one outcome), they give plain
 * values.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import { HostUnsupportedError } from "../base/errors.ts";
import { wallClock } from "../platform/clock.ts";
import { randomBytes } from "../platform/random.ts";
import { currentRun } from "../platform/run_context.ts";
import type { BodySession } from "../workflow/body_session.ts";
import type { Json, LogLevel } from "../workflow/journal.ts";
import type { Current } from "./_here.ts";

/** The session of the body that calls; undefined outside one. */
function body(): BodySession | undefined {
  const current = currentRun() as Current | undefined;
  return current?.info === undefined ? current?.session : undefined;
}

/**
 * Milliseconds since 1970 when the body first came here; the same on every replay.
 *
 * It is recorded, in the same commit as whatever follows it at the latest. On a cluster it is part of the round's
 * `__windkit/` record, written before the round ends.
 *
 * @example
 * ```ts
 * import { now } from "@windkit/windmill-client/workflow";
 *
 * const { getTime } = new Date(now()); // a Date of the recorded time
 * if (typeof getTime !== "function") throw new Error("no date");
 * ```
 */
export function now(): number {
  return body()?.now() ?? wallClock();
}

/**
 * A random number from 0 up to, not including, 1; the same on every replay. Drawn from the run's seed, so that nothing is
 * recorded but that (on a cluster: in the first `__windkit/` record after it was first used). Not for secrets: the seed is in the
 * journal.
 *
 * @example
 * ```ts
 * import { random } from "@windkit/windmill-client/workflow";
 *
 * const coin = random() < 0.5 ? "heads" : "tails";
 * if (coin !== "heads" && coin !== "tails") throw new Error(coin);
 * ```
 */
export function random(): number {
  return body()?.random() ?? Math.random();
}

/**
 * A version 4 UUID (RFC 9562, 5.4), drawn like {@linkcode random}: the same on every replay. Not for secrets.
 *
 * @example
 * ```ts
 * import { uuid } from "@windkit/windmill-client/workflow";
 *
 * if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid())) throw new Error("no UUID");
 * ```
 */
export function uuid(): string {
  return body()?.uuid() ?? plainUuid();
}

function plainUuid(): string {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/**
 * Lets code change while runs are under way: true for runs that come here for the first time with the patch in place, false
 * for those whose journal goes on beyond this point without it. The first answer for an `id` stands for the whole run.
 *
 * Recorded like {@linkcode now}, on every host. When no run from before the patch is left, the old branch can go, and later the call.
 *
 * @param id name of the change
 *
 * @example
 * ```ts
 * import { patched, step, workflow } from "@windkit/windmill-client/workflow";
 *
 * export const main = workflow(async () => {
 *   if (patched("charge-by-api-2")) await step("charge 2", () => "new way");
 *   else await step("charge", () => "old way");
 * });
 * ```
 */
export function patched(id: string): boolean {
  if (typeof id !== "string" || id === "") {
    throw new TypeError(`Cannot call patched(): 'id' must be text that is not empty, found ${JSON.stringify(id)}`);
  }
  return body()?.patched(id) ?? true;
}

/**
 * Says how far the run has come: `run.progress()` gives the last value, from any process.
 *
 * Recorded like {@linkcode now}. On a cluster it is part of the round's `__windkit/` record.
 *
 * @param value anything that can be recorded: a number, `{ done, of }`
 * @throws TypeError when it cannot be
 *
 * @example
 * ```ts
 * import { createEngine } from "@windkit/windmill-client/engine";
 * import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
 * import { progress, step, workflow } from "@windkit/windmill-client/workflow";
 *
 * const main = workflow(async () => {
 *   for (let done = 1; done <= 3; done++) {
 *     await step("part", () => done);
 *     progress({ done, of: 3 });
 *   }
 * });
 * await using engine = await createEngine({ storage: createMemoryStorage(), workflows: { main } });
 * const run = await engine.start("main");
 * await run.result();
 * ```
 */
export function progress(value: unknown): void {
  const text = encode(value); // what cannot be recorded is an error wherever this is called
  body()?.marker("progress", () => decode(text) as Json);
}

/**
 * Writes a line to the run's log, once: not again when the body is replayed. A line of the last moments before a crash can come
 * twice.
 *
 * The engine tells it as an event `log` (`windkit run` prints it); on a cluster, and outside a run, it goes to the console.
 *
 * @param message the line
 * @param data shown after it, in the form in which it would be recorded
 * @param level how loud it is
 *
 * @example
 * ```ts
 * import { log } from "@windkit/windmill-client/workflow";
 *
 * log("The order was checked", { lines: 3 });
 * log("One line is out of stock", undefined, "warn");
 * ```
 */
export function log(message: string, data?: unknown, level: LogLevel = "info"): void {
  const current = currentRun() as Current | undefined;
  const shown = data === undefined ? undefined : decode(encode(data)) as Json;
  if (current === undefined) return console[level](...[message, shown].filter((part) => part !== undefined));
  current.session.log(level, String(message), shown, current.info !== undefined);
}

/** One signal for each session that was asked for it. */
const signals = /* @__PURE__ */ new WeakMap<BodySession, AbortSignal>();

/**
 * Aborted when the run is cancelled or its deadline passes: for work of the body's own. Calls that are pending then reject with
 * `CancelledError` anyway, tasks and steps have `taskInfo().signal`. The body has the engine's `cancelGraceMs` to end.
 *
 * Engine and edge only: on a cluster a cancelled job's process ends without a word.
 *
 * @returns a signal whose reason is a `CancelledError` or `DeadlineError`; outside a run one that is never aborted
 * @throws HostUnsupportedError on a cluster
 *
 * @example
 * ```ts
 * import { cancelSignal } from "@windkit/windmill-client/workflow";
 *
 * if (cancelSignal().aborted) throw new Error("outside a run nothing is cancelled");
 * ```
 */
export function cancelSignal(): AbortSignal {
  const session = body();
  if (session === undefined) return new AbortController().signal;
  if (session.can.has("cancel")) {
    const known = signals.get(session);
    if (known !== undefined) return known;
    const controller = new AbortController();
    signals.set(session, controller.signal);
    session.onCancel((reason) => controller.abort(reason));
    return controller.signal;
  }
  throw new HostUnsupportedError(
    `Cannot call cancelSignal() on ${session.hostName}: a cancelled job's process is ended there. Put what must be undone ` +
      `into the undo of a step, or cancel runs of an engine`,
  );
}
