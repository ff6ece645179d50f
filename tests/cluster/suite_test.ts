/**
 * Every confluent workflow of the suite, round by round under the stand-in, with this package beside the official client: the same
 * result, and the same journal as on the engine.
 */
import { deepStrictEqual, ok } from "node:assert";
import { readdirSync } from "node:fs";
import * as official from "official-windmill-client";
import { useClusterHost } from "../../src/cluster/cluster_host.ts";
import { loadHost } from "../../src/cluster/load_host.ts";
import { alsoOn, type Ended, type Trial } from "../suite/_engine_kit.ts";
import { registered } from "../suite/harness.ts";
import { inProcess } from "./in_process.ts";
import type { Job } from "./jobs.ts";
import { isObject } from "./failure_record.ts";
import { type Json, jsonb } from "./jsonb.ts";
import { type Answer, Cluster } from "./server.ts";
import { expectedView, same, viewOf } from "./view.ts";

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
  same(view, expectedView(live.view, view));
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
