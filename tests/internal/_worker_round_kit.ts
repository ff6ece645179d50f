/**
 * One round of a workflow as the worker's wrapper calls it, under the official client's context (wac-protocol 1.4), with a server
 * that takes inline checkpoints.
 *
 * @module
 */
import * as official from "official-windmill-client";
import type { Json } from "../../src/workflow/journal.ts";
import { normalisedRecord } from "../../src/workflow/failure_record.ts";

/** A request that was made. */
export interface Posted {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Answers requests. */
export type Server = (request: Posted) => Promise<Response>;

/** What came of a round. */
export interface Round {
  readonly end:
    | { readonly type: "complete"; readonly result: unknown }
    | { readonly type: "suspended"; readonly info: Readonly<Record<string, unknown>> }
    | { readonly type: "failed"; readonly error: Readonly<Record<string, unknown>> };
  readonly posts: readonly Posted[];
  readonly log: readonly string[];
}

/** What a round is run with. */
export interface RoundOptions {
  readonly args?: readonly unknown[];
  /** Makes the fast path known; without it the environment has no job. */
  readonly server?: Server;
  readonly env?: Readonly<Record<string, string>>;
  /** Rejects when the process ends in the middle. */
  readonly dead?: Promise<never>;
  /** How long a timer of 30 s really takes. */
  readonly patienceMs?: number;
}

const JOB = {
  WM_JOB_ID: "job-1",
  WM_WORKSPACE: "my ws",
  WM_TOKEN: "secret",
  BASE_INTERNAL_URL: "http://windmill.test/",
  WM_WAC_INLINE_FAST_PATH: "",
  WM_FLOW_JOB_ID: "",
};

/** What this file's tests see of the environment. The real one is the process's, which other files' tests share at the same time. */
const shown = new Map<string, string>();
const realGet = Deno.env.get.bind(Deno.env);
Deno.env.get = (name) => shown.get(name) ?? realGet(name);

/** Sets variables of the environment, for this file; gives what sets them back. */
export function setEnv(variables: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(variables).map((name) => [name, shown.get(name)] as const);
  for (const [name, value] of Object.entries(variables)) shown.set(name, value);
  return () => {
    for (const [name, value] of before) value === undefined ? shown.delete(name) : shown.set(name, value);
  };
}

/** Answers all requests of the process; gives what undoes that, and the requests. */
export function serve(server: Server): { readonly requests: Posted[]; readonly stop: () => void } {
  const before = globalThis.fetch;
  const requests: Posted[] = [];
  globalThis.fetch = async (input, init) => {
    const request = new Request(input as string, init);
    const text = await request.text();
    const { method, url, headers } = request;
    const posted = { method, url, headers, body: text === "" ? {} : JSON.parse(text) };
    requests.push(posted);
    return await server(posted);
  };
  return {
    requests,
    stop: () => {
      globalThis.fetch = before;
    },
  };
}

/** A server that keeps what is posted, as it is kept. */
export function post(keep: (stored: unknown) => void = () => {}): Server {
  return ({ body }) => {
    const stored = normalisedRecord(body.result as never, body.key as string);
    keep(stored);
    const failure = (stored as { __wmill_error?: unknown } | null)?.__wmill_error === true ? stored : null;
    return Promise.resolve(Response.json({ failure }));
  };
}

/** Lets macrotasks pass until something holds. */
export async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Runs one round, as the wrapper does, and reads its result file back. */
export async function round(workflow: unknown, checkpoint: object, options: RoundOptions = {}): Promise<Round> {
  const { args = [], server, env = {}, patienceMs, dead } = options;
  const back = setEnv(server === undefined ? { ...JOB, WM_JOB_ID: "", ...env } : { ...JOB, ...env });
  const { requests: posts, stop } = serve(server ?? (() => Promise.reject(new Error("no server"))));
  const lines: string[] = [];
  const { log } = console;
  const { setTimeout: timer } = globalThis;
  console.log = (line: string): void => void lines.push(line);
  if (patienceMs !== undefined) {
    globalThis.setTimeout = ((then: () => void, ms: number) =>
      timer(then, ms === 30_000 ? patienceMs : ms)) as typeof setTimeout;
  }
  official.setWorkflowCtx(new official.WorkflowCtx(checkpoint));
  try {
    const running = (workflow as (...args: readonly unknown[]) => Promise<unknown>)(...args);
    const result = await (dead === undefined ? running : Promise.race([running, dead]));
    return { end: { type: "complete", result: written(result) }, posts, log: lines };
  } catch (error) {
    const { dispatchInfo, ...rest } = error as Record<string, unknown>;
    const { name, message, stack } = error as Error;
    if (name === "StepSuspend" && dispatchInfo !== undefined) {
      return { end: { type: "suspended", info: written(dispatchInfo) as Record<string, unknown> }, posts, log: lines };
    }
    const reserved = new Set([
      "line",
      "name",
      "stack",
      "column",
      "message",
      "sourceURL",
      "originalLine",
      "originalColumn",
    ]);
    const extra = Object.fromEntries(Object.entries(rest).filter(([key]) => !reserved.has(key)));
    const found = JSON.parse(JSON.stringify({ name, message, stack, extra }));
    return { end: { type: "failed", error: found }, posts, log: lines };
  } finally {
    official.setWorkflowCtx(null);
    globalThis.setTimeout = timer;
    console.log = log;
    stop();
    back();
  }
}

function written(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, v) => v === undefined ? null : v));
}

/** A job that is run round by round, with the server's part of it (wac-protocol 3): children run the same workflow. */
export interface Job {
  readonly end: Round["end"];
  readonly rounds: readonly Round[];
  readonly completed: Readonly<Record<string, unknown>>;
}

/** What a job is run with. */
export interface JobOptions {
  readonly args?: readonly unknown[];
  readonly completed?: Readonly<Record<string, unknown>>;
  /** False: no fast path. */
  readonly fast?: boolean;
  /** True: the post is refused. */
  readonly refuse?: (key: string) => boolean;
  /** True: the process ends when this post is made, kept or not. */
  readonly crash?: (key: string) => "before" | "after" | undefined;
  /** Timeline that is asked for. */
  readonly timeline?: () => unknown;
  readonly rounds?: number;
}

/** Runs a job to its end. */
export async function runJob(workflow: unknown, options: JobOptions = {}): Promise<Job> {
  const { args = [], fast = true, refuse, crash, timeline, rounds: most = 100 } = options;
  const completed: Record<string, unknown> = Object.assign(Object.create(null), options.completed);
  const rounds: Round[] = [];
  const kept = (): Record<string, unknown> => structuredClone({ ...completed });
  function keep(key: string, result: Json): void {
    if (key in completed) throw new Error(`"${key}" is committed a second time`);
    completed[key] = normalisedRecord(result, key);
  }
  while (rounds.length < most) {
    let crashed: () => void = () => {};
    const dead = new Promise<never>((_, reject) => {
      crashed = () => reject(Object.assign(new Error("crashed"), { name: "Crash" }));
    });
    dead.catch(() => "a round may end without it");
    const server: Server = ({ url, body: { key, result } }) => {
      if (url.includes("/getupdate/")) return Promise.resolve(Response.json({ workflow_as_code_status: timeline?.() }));
      if (refuse?.(key as string)) return Promise.resolve(new Response("no", { status: 500 }));
      const dies = crash?.(key as string);
      if (dies !== "before") keep(key as string, result as Json);
      if (dies === undefined) return Promise.resolve(new Response(""));
      crashed();
      return new Promise(() => {});
    };
    const found = await round(workflow, { completed_steps: kept() }, { args, dead, ...(fast ? { server } : {}) });
    rounds.push(found);
    if (found.end.type === "failed" && found.end.error.name === "Crash") continue;
    if (found.end.type !== "suspended") return { end: found.end, rounds, completed };
    const { mode, key, result, steps } = found.end.info as {
      readonly mode: string;
      readonly key: string;
      readonly result: Json;
      readonly steps: readonly { readonly key: string }[];
    };
    if (mode === "sleep") completed[key] = true;
    else if (mode === "approval") completed[key] = { value: null, approver: "anna", approved: true };
    else if (mode === "inline_checkpoint") keep(key, result);
    else {
      const outcomes: [string, unknown][] = [];
      for (const { key } of steps) {
        outcomes.push([key, await runChild(workflow, { completed_steps: kept(), _executing_key: key }, args)]);
      }
      for (const [key, value] of outcomes) completed[key] = value;
    }
  }
  throw new Error(`No end after ${most} rounds`);
}

async function runChild(
  workflow: unknown,
  checkpoint: { readonly completed_steps: object; readonly _executing_key: string },
  args: readonly unknown[],
): Promise<unknown> {
  const { end } = await round(workflow, checkpoint, {
    args,
    env: { WM_JOB_ID: `child-of-${checkpoint._executing_key}` },
  });
  if (end.type === "suspended") return end.info.result;
  if (end.type === "complete") throw new Error(`The child of "${checkpoint._executing_key}" completed`);
  const { name, message, stack, extra } = end.error;
  const key = checkpoint._executing_key;
  const record = normalisedRecord(
    { __wmill_error: true, result: { error: { name, message, stack, extra } } } as never,
    key,
  );
  return { ...record as object, child_job_id: "child" };
}
