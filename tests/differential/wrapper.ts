/**
 * The Windmill worker's wrapper and the server's handling of rounds, small and in process, written from wac-protocol 1.4, 3, 5, 8
 * and 9: the same server drives the official client and this package, so that what differs is the client.
 *
 * @module
 */
import * as official from "official-windmill-client";
import { createLocalHost } from "../../src/engine/host.ts";
import { bodyOf } from "../../src/workflow/definition.ts";
import { type Checkpoint, type RoundMessage, runRound } from "../../src/workflow/round.ts";
import * as ours from "../../src/cluster/authoring.ts";
import * as context from "../../src/cluster/worker_context.ts";

type Json = null | boolean | number | string | Json[] | { [k: string]: Json };

/** The functions that a generated body uses: the same names in both clients. */
export interface Api {
  // deno-lint-ignore no-explicit-any -- two clients with different generic signatures behind one shape
  readonly workflow: (fn: any) => any;
  // deno-lint-ignore no-explicit-any -- as above
  readonly task: (...args: any[]) => any;
  // deno-lint-ignore no-explicit-any -- as above
  readonly taskScript: (path: string, options?: any) => any;
  // deno-lint-ignore no-explicit-any -- as above
  readonly step: (name: string, fn: () => any) => Promise<any>;
  readonly sleep: (seconds: number) => Promise<void>;
  // deno-lint-ignore no-explicit-any -- as above
  readonly waitForApproval: (options?: any) => any;
  // deno-lint-ignore no-explicit-any -- as above
  readonly parallel: (items: any[], fn: any, options?: any) => Promise<any[]>;
}

/** The message of a round as it is compared: no times, no stacks, `null` for what is absent. */
export type Message = { readonly [k: string]: Json };

/** A client under the wrapper: one round of a workflow. */
export interface Client {
  readonly api: Api;
  round(workflow: unknown, checkpoint: Checkpoint): Promise<Message>;
}

/** Macrotasks after which a round that has not ended counts as hung. */
const HANG_HOPS = 400;

async function orHang(round: Promise<Message>): Promise<Message> {
  const host = createLocalHost();
  let hops = 0;
  const hung = new Promise<Message>((resolve) => {
    function hop(): void {
      if (++hops > HANG_HOPS) resolve({ type: "hung" });
      else host.hop(hop);
    }
    hop();
  });
  return await Promise.race([round, hung]);
}

// In the official client a suspension, and a task of a child round, are rejections that can end up unhandled.
globalThis.addEventListener("unhandledrejection", (event) => {
  const { name, message } = event.reason as Error;
  if (name === "StepSuspend" || message === "lost") event.preventDefault();
});

/** A client under what the worker's wrapper does with the names that it imports (wac-protocol 1.4). */
function wrapped(module: unknown): Client {
  return {
    api: module as Api,
    round: (workflow, checkpoint) =>
      orHang(wrappedRound(module as WrappedModule, workflow as () => Promise<unknown>, checkpoint)),
  };
}

interface WrappedModule {
  readonly WorkflowCtx: new (checkpoint: unknown) => WrappedContext;
  readonly setWorkflowCtx: (context: WrappedContext | null) => void;
}

interface WrappedContext {
  _flushPending(): Json[];
  _takePendingSuspend?(): Error | null;
  _takePendingStepFailure?(): { error?: unknown } | null;
}

async function wrappedRound(
  { WorkflowCtx, setWorkflowCtx: set }: WrappedModule,
  workflow: () => Promise<unknown>,
  checkpoint: Checkpoint,
): Promise<Message> {
  const ctx = new WorkflowCtx(checkpoint);
  const log = console.log;
  console.log = (): void => {};
  set(ctx);
  try {
    const result = await workflow();
    set(null);
    const failure = ctx._takePendingStepFailure?.();
    if (failure) throw failure.error ?? failure;
    const suspend = ctx._takePendingSuspend?.();
    if (suspend) throw suspend;
    const steps = ctx._flushPending();
    if (steps.length > 0) return plain({ type: "dispatch", mode: steps.length > 1 ? "parallel" : "sequential", steps });
    return plain({ type: "complete", result });
  } catch (error) {
    set(null);
    const e = error as { name?: string; message?: string; dispatchInfo?: Record<string, unknown> };
    if (e?.name !== "StepSuspend") return plain({ type: "failed", name: e?.name, message: e?.message });
    const { mode, steps, ...info } = e.dispatchInfo ?? {};
    if (mode === "step_complete") return plain({ type: "complete", result: info.result });
    if (mode === "sequential" || mode === "parallel") return plain({ type: "dispatch", mode, steps });
    return plain({ type: mode, ...info });
  } finally {
    console.log = log;
  }
}

/** The official client. Its log lines are not of interest. */
export const officialClient: Client = wrapped(official);

/** This package, called by the wrapper as the official client is. */
export const wrappedWindkit: Client = wrapped({ ...ours, ...context });

const host = createLocalHost();

/** This package. */
export const windkit: Client = {
  api: ours as unknown as Api,
  round: (workflow, checkpoint) =>
    orHang(
      runRound(
        {
          body: bodyOf(workflow as (...args: never[]) => unknown),
          hop: host.hop,
          now: host.now,
          runId: "job",
          signal: new AbortController().signal,
          enter: (session, info, fn) => host.context.run(info === undefined ? { session } : { session, info }, fn),
        },
        checkpoint,
        {},
      ).then((message: RoundMessage) =>
        message.type === "failed"
          ? plain({ type: "failed", name: message.failure.error.name, message: message.failure.message })
          : plain(message)
      ),
    ),
};

/** JSON as the wrapper writes it, without what differs from round to round. */
function plain(message: unknown): Message {
  const text = JSON.stringify(message, (k, v) => {
    if (k === "started_at" || k === "duration_ms" || k === "stack") return null;
    return v === undefined ? null : typeof v === "bigint" ? `${v}` : v;
  });
  return dropNulls(JSON.parse(text)) as Message;
}

/** A stack that is absent and one that was blanked are the same here. */
function dropNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(dropNulls);
  if (typeof value !== "object" || value === null) return value;
  const droppable = new Set(["stack", "started_at", "duration_ms", "form", "skin", "description"]);
  return Object.fromEntries(
    Object.entries(value).filter(([k, v]) => !(v === null && droppable.has(k))).map(([k, v]) => [k, dropNulls(v)]),
  );
}

/** What came of a workflow that was driven to its end. */
export interface Driven {
  readonly end: Message;
  readonly messages: readonly Message[];
  readonly completed: Readonly<Record<string, Json>>;
  readonly dispatched: readonly Json[];
}

/** What external scripts give: by key, so that retries can succeed. */
export type External = (script: string, key: string, args: Json) => { readonly ok: boolean; readonly value: Json };

/** Drives a workflow to its end, round by round, as the server does. */
export async function drive(client: Client, workflow: unknown, external: External, limit = 200): Promise<Driven> {
  const completed: Record<string, Json> = Object.create(null);
  const messages: Message[] = [];
  const dispatched: Json[] = [];
  for (let round = 0; round < limit; round++) {
    const message = await client.round(workflow, { completed_steps: structuredClone({ ...completed }) });
    messages.push(message);
    const key = message.key as string;
    switch (message.type) {
      case "dispatch":
        for (const step of message.steps as { key: string; script: string; dispatch_type: string; args: Json }[]) {
          dispatched.push(step);
          completed[step.key] = await runChild(client, workflow, completed, step, external);
        }
        break;
      case "inline_checkpoint":
        completed[key] = normalised(message.result as Json, key);
        break;
      case "approval":
        completed[key] = { value: { for: key }, approver: "anna", approved: true };
        break;
      case "sleep":
        completed[key] = true;
        break;
      default:
        return { end: message, messages, completed: { ...completed }, dispatched };
    }
  }
  return { end: { type: "endless" }, messages, completed: { ...completed }, dispatched };
}

async function runChild(
  client: Client,
  workflow: unknown,
  completed: Record<string, Json>,
  step: { key: string; script: string; dispatch_type: string; args: Json },
  external: External,
): Promise<Json> {
  if (step.dispatch_type !== "inline") {
    const { ok, value } = external(step.script, step.key, step.args);
    return ok ? value : record({ name: "Error", message: String(value) }, step.key, true);
  }
  const child = await client.round(workflow, {
    completed_steps: structuredClone({ ...completed }),
    _executing_key: step.key,
  });
  if (child.type === "complete") return child.result as Json;
  return record({ name: child.name as string, message: child.message as string }, step.key, true);
}

/** wac-protocol 5.3, for what arises here. */
function record(error: { name: string; message: string }, key: string, child: boolean): Json {
  const message = error.message || `WAC step '${key}' failed`;
  return {
    __wmill_error: true,
    message,
    step_key: key,
    ...(child ? { child_job_id: "child" } : {}),
    result: { error: { ...error, name: error.name || "Error", message } },
  };
}

function normalised(result: Json, key: string): Json {
  if (typeof result !== "object" || result === null || Array.isArray(result) || result.__wmill_error !== true) {
    return result;
  }
  const { error } = result.result as { error: { name?: string; message?: string } };
  return record({ ...error, name: error.name || "Error", message: error.message ?? "" }, key, false);
}
