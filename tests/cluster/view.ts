/**
 * A job's calls as `journalView` shows a run's, and how the two are compared.
 *
 * @module
 */
import { deepStrictEqual } from "node:assert";
import { encode } from "../../src/base/canonical.ts";
import { hash64 } from "../../src/base/hash.ts";
import type { ViewedCall } from "../../src/workflow/journal_view.ts";
import { isFailure } from "./failure_record.ts";
import type { Job } from "./jobs.ts";
import type { Json } from "./jsonb.ts";
import type { DispatchStep } from "./messages.ts";
import type { Cluster } from "./server.ts";

/** One call. Its name and arguments are absent where the protocol has none. */
export interface Viewed {
  readonly key: string;
  readonly kind: string;
  readonly name?: string;
  readonly args?: string;
  readonly outcome: unknown;
}

interface Call {
  readonly kind: string;
  readonly name?: string;
  readonly args?: string;
}

/** What this package records of the calls of a round (design.md decision 7): as much as the engine does. */
function recordedCalls(completed: Readonly<Record<string, Json>>): ReadonlyMap<string, Call> {
  const calls = new Map<string, Call>();
  for (const [key, value] of Object.entries(completed)) {
    if (!key.startsWith("__windkit/")) continue;
    const recorded =
      (value as unknown as { calls: Readonly<Record<string, Call & { readonly digest: string }>> }).calls;
    for (const [of, { kind, name, args, digest }] of Object.entries(recorded)) {
      calls.set(of, { kind, name: name ?? "", args: args ?? digest });
    }
  }
  return calls;
}

/**
 * The calls of a job. In the messages alone, steps, sleeps and approvals have no name but their key, and
 * no arguments.
 */
export function viewOf(cluster: Cluster, job: Job): readonly Viewed[] {
  const called = new Map<string, Call>();
  const posted = job.posted.map(({ body }) => ({ type: "inline_checkpoint", ...(body as object) }));
  const messages: readonly unknown[] = [...job.messages, ...posted];
  for (const message of messages as readonly { type: string; key: string; steps: DispatchStep[] }[]) {
    if (message.type === "dispatch") {
      for (const { key, name, args, dispatch_type: via } of message.steps) {
        const values = Object.values(args);
        const text = via === "inline" ? (values.length === 0 ? "" : encode(values)) : encode(args);
        called.set(key, { kind: "task", name, args: text.length > 512 ? hash64(text) : text });
      }
    } else if (message.type === "inline_checkpoint") {
      called.set(message.key, { kind: /#undo(?:#\d+)?$/.test(message.key) ? "undo" : "step" });
    }
    if (message.type === "sleep" || message.type === "approval") called.set(message.key, { kind: message.type });
  }
  const completed = cluster.checkpoint(job).completed_steps;
  const recorded = recordedCalls(completed);
  return Object.entries(completed)
    .filter(([key]) => !key.startsWith("__windkit/"))
    .map(([key, value]) => {
      const sent = called.get(key);
      const known = recorded.get(key);
      // What was sent must be what was recorded.
      if (sent !== undefined && known !== undefined) same({ ...known, ...sent }, known);
      return { key, ...(known ?? sent ?? { kind: "unknown" }), outcome: outcomeOf(value) };
    })
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

function outcomeOf(value: Json): unknown {
  if (isFailure(value)) {
    const { error } = value.result as { error: { name: Json } };
    return { ok: false, name: error.name, message: value.message };
  }
  return { ok: true, value };
}

/** The engine's view, with as much of it as the other knows. */
export function expectedView(live: readonly ViewedCall[], view: readonly Viewed[]): readonly Viewed[] {
  const known = new Map(view.map((call) => [call.key, call]));
  return live.map(({ key, kind, name, args, outcome }) => ({
    key,
    kind,
    ...(known.get(key)?.name === undefined ? undefined : { name, args }),
    outcome,
  }));
}

/** By their texts, because the assertion's own comparison does not go 2,000 levels deep. */
export function same(actual: unknown, expected: unknown): void {
  if (encode(actual) !== encode(expected)) deepStrictEqual(actual, expected);
}
