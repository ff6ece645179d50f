/**
 * One round of a workflow as the worker's wrapper calls it, under the official client's context (wac-protocol 1.4), with a server
 * that takes inline checkpoints.
 *
 * @module
 */
import * as official from "official-windmill-client";
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

/** Sets variables of the environment; gives what sets them back. */
export function setEnv(variables: Readonly<Record<string, string>>): () => void {
  const before = Object.keys(variables).map((name) => [name, Deno.env.get(name)] as const);
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  return () => {
    for (const [name, value] of before) value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
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
  const { args = [], server, env = {}, patienceMs } = options;
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
    const result = await (workflow as (...args: readonly unknown[]) => Promise<unknown>)(...args);
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
