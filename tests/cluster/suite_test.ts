/**
 * Every confluent workflow of the suite, round by round under the stand-in, with this package beside the official client: the same
 * result, and the same journal as on the engine.
 */
import { deepStrictEqual, ok } from "node:assert";
import { readdirSync } from "node:fs";
import * as official from "official-windmill-client";
import { useClusterHost } from "../../src/cluster/cluster_host.ts";
import { loadHost } from "../../src/cluster/load_host.ts";
import { encode } from "../../src/base/canonical.ts";
import { hash64 } from "../../src/base/hash.ts";
import { alsoOn, type Ended, type Trial } from "../suite/_engine_kit.ts";
import { registered } from "../suite/harness.ts";
import { inProcess } from "./in_process.ts";
import type { Job } from "./jobs.ts";
import { isFailure, isObject } from "./failure_record.ts";
import { type Json, jsonb } from "./jsonb.ts";
import type { DispatchStep } from "./messages.ts";
import { type Answer, Cluster } from "./server.ts";

/** Cases whose trial is not a cluster's, and why. */
const ENDS_FIRST =
  "its result depends on which call ends first, and a parent wakes when all of them have ended (wac-protocol 10)";
const ONE_SLEEP = "a round ends in one sleep: they come one after the other";
const NOT_HERE: Readonly<Record<string, string>> = {
  "workflow: takes an object for one destructured parameter": "the server's parser has no name for such a parameter",
  "workflow: takes no arguments for one destructured parameter": "the server's parser has no name for such a parameter",
  "sleep(): sleeps overlap each other and tasks": ONE_SLEEP,
  "now(): concurrent branches get their own markers back, in any order": ONE_SLEEP,
  "sleepUntil(): waits until the date, takes its three forms, and refuses others":
    "sleeps are whole seconds, at least one",
  "parallel(): after a failure nothing begins, and what runs is waited for": ENDS_FIRST,
  "Promise.any: gives the first success of several tasks": ENDS_FIRST,
  "Promise.race: gives what ended first, on every replay": ENDS_FIRST,
  "Promise.race: a sleep is a timeout for a task": ENDS_FIRST,
  "Promise.race: an approval that loses is given up": ENDS_FIRST,
  "race(): an array's winner is an index; live and replayed agree": "race() takes no sleep on a cluster, and says so",
  "withTimeout(): one that nobody catches fails the run by its name": "there is none on a cluster, and it says so",
  "random() and uuid(): are the run's own, the same on every replay, and differ between runs": "another run",
  "branches: each goes on by itself, and a replay keeps their order": "branches that race call a task of one name",
  "branches: a branch that only computes between two calls is not overtaken on replay": ENDS_FIRST,
  "failures: the TaskError's own name is the protocol's, whatever was thrown": "a task is a job, and has an id",
  "un-awaited: after a failure of the body nothing more begins, and what runs is recorded":
    "a step waits for what happens in the test",
};

const folder = new URL("../suite/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.startsWith("workflow_") && name.endsWith(".ts"));
for (const file of files) await import(new URL(file, folder).href);

// The suite takes the names that have no host on a cluster: those that Node and Bun get differ in nothing else.
useClusterHost(loadHost);
await loadHost();

const CODE = 'import "windmill-client";\nexport const main = workflow(async () => {});\n';

/** What came of the calls when the engine ran the same: what is outside the workflow answers alike here. */
function outcomes({ records }: Ended): (key: string) => { readonly ok: boolean; readonly value: Json } | undefined {
  const known = new Map<string, { readonly ok: boolean; readonly value: Json }>();
  for (const record of records) {
    if (record.t !== "settled") continue;
    const { outcome } = record;
    known.set(
      record.key,
      outcome.ok
        ? { ok: true, value: JSON.parse(outcome.value) as Json }
        : { ok: false, value: jsonb(outcome.failure.error) },
    );
  }
  return (key) => known.get(key);
}

async function underStandIn({ main, args = {} }: Trial, live: Ended): Promise<{ cluster: Cluster; job: Job }> {
  const outcomeOf = outcomes(live);
  function answer(key: string): Answer | undefined {
    const given = outcomeOf(key)?.value as { value: Json; approver: string | null; approved: boolean } | undefined;
    if (given === undefined || given.approver === null) return undefined;
    const { value, approver, approved } = given;
    return { value, approved, ...(approver === "anonymous" ? undefined : { approver }) };
  }
  const cluster: Cluster = new Cluster({
    runner: inProcess(() => cluster, { names: official as never, patience: 3000 }),
    answer,
    external: (_path, _kind, { key }) => () => external(key),
  });
  function external(key: string): Json {
    const { ok: good = false, value = null } = outcomeOf(key) ?? {};
    if (good) return value;
    throw Object.assign(new Error(), value);
  }
  const modules = new Proxy({}, { get: () => (_: Json, job: Job) => external(job.step?.key ?? ""), has: () => true });
  const list = Array.isArray(args) ? Object.fromEntries(args.map((value, i) => [`arg${i}`, value])) : args ?? {};
  const job = cluster.start({ code: CODE, main, modules }, list as Record<string, Json>);
  await cluster.drive(job);
  return { cluster, job };
}

interface Viewed {
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
 * A job's calls as `journalView` shows a run's. In the messages alone, steps, sleeps and approvals have no name but their key, and
 * no arguments.
 */
function viewOf(cluster: Cluster, job: Job): readonly Viewed[] {
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
function expectedView(live: Ended, view: readonly Viewed[]): readonly Viewed[] {
  const known = new Map(view.map((call) => [call.key, call]));
  return live.view.map(({ key, kind, name, args, outcome }) => ({
    key,
    kind,
    ...(known.get(key)?.name === undefined ? undefined : { name, args }),
    outcome,
  }));
}

/** By their texts, because the assertion's own comparison does not go 2,000 levels deep. */
function same(actual: unknown, expected: unknown): void {
  if (encode(actual) !== encode(expected)) deepStrictEqual(actual, expected);
}

let compared = 0;
let calls = 0;
/** Calls whose name and arguments were known. */
let whole = 0;

async function compare(make: () => Trial, live: Ended): Promise<void> {
  const trial = make();
  const { cluster, job } = await underStandIn(trial, live);
  const { success = false, result = null } = job.completed ?? {};
  const error = success || !isObject(result) ? undefined : result.error as { name: Json; message: Json };
  const failure = live.error as (Error & { errorName?: string }) | undefined;
  same(
    error === undefined ? { value: result } : { name: error.name, message: error.message },
    failure === undefined
      ? { value: live.value ?? null }
      : { name: failure.errorName ?? null, message: failure.message },
  );
  const view = viewOf(cluster, job);
  same(view, expectedView(live, view));
  calls += view.length;
  whole += view.filter(({ name }) => name !== undefined).length;
  compared++;
}

for (const { name, run, skip } of registered()) {
  if (skip !== undefined || Object.hasOwn(NOT_HERE, name)) continue;
  Deno.test(`under the stand-in: ${name}`, async () => {
    const before = compared;
    const found: { readonly error: unknown }[] = [];
    alsoOn((make, live) => compare(make, live).catch((error) => void found.push({ error })));
    try {
      await run();
    } catch (error) {
      // What a case counts in variables of its own, it counts once more here: the suite itself judges that.
      if (compared === before) throw error;
    } finally {
      alsoOn(undefined);
    }
    for (const { error } of found) throw error;
  });
}

Deno.test("under the stand-in: the suite's confluent workflows were run", () => {
  ok(compared > 130, `Only ${compared} workflows were compared`);
  ok(whole > calls / 2, `Names and arguments of only ${whole} of ${calls} calls were compared`);
  const names = registered().map((c) => c.name);
  deepStrictEqual(Object.keys(NOT_HERE).filter((name) => !names.includes(name)), []);
});
