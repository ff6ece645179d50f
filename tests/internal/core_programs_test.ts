/**
 * Generated bodies that mix all primitives: live and always replayed, from every beginning of their journals, after a crash at every
 * commit, by explored schedules, and in a cluster's rounds. `WINDKIT_SOAK=1` runs 20 times as many.
 */
import { deepStrictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { createEngine, type EngineEvent, type JournalRecord, journalView } from "@windkit/windmill-client/engine";
import { createMemoryStorage, type MemoryStorage, type StoredRecord } from "@windkit/windmill-client/storage/memory";
import { explore, type ScriptedApproval, type ScriptedEvent } from "../../src/testing/mod.ts";
import type { Answer } from "../cluster/server.ts";
import { drive, windkit } from "../differential/wrapper.ts";
import { expectedView, viewOf } from "../cluster/view.ts";
import { createVirtualHost } from "../suite/_virtual_host.ts";
import { useClusterHost } from "../../src/cluster/cluster_host.ts";
import { loadHost } from "../../src/cluster/load_host.ts";
import { childrenOf, confluent, mainOf, type Node, nodesOf, programs, type Setting } from "./core_programs.ts";

useClusterHost(loadHost);
await loadHost();

const soak = Deno.env.get("WINDKIT_SOAK") === "1";
function many(n: number): { readonly numRuns: number } {
  return { numRuns: soak ? n * 20 : n };
}

interface Ran {
  /** The result as JSON, or name and message of the failure. */
  readonly outcome: string;
  readonly records: readonly JournalRecord[];
  /** What was stored after each commit. */
  readonly crashes: readonly MemoryStorage[];
}

interface How {
  readonly program: Node;
  readonly setting?: Setting;
  readonly replay?: "always" | "when-needed";
  /** What an earlier process has left. */
  readonly found?: MemoryStorage;
  /** Commits after which the run is cancelled. */
  readonly cancelAfter?: number | undefined;
}

const ID = "run";

/** A storage that keeps what it holds after each commit. */
function watched(storage: MemoryStorage, crashes: MemoryStorage[], committed: () => void): MemoryStorage {
  const { commit } = storage;
  return {
    ...storage,
    commit: async (writes) => {
      await commit(writes);
      if (writes.length > 0) crashes.push(storage.fork());
      committed();
    },
  };
}

async function runs({ program, setting, replay = "when-needed", found, cancelAfter }: How): Promise<Ran> {
  const host = createVirtualHost();
  const crashes: MemoryStorage[] = [];
  const answers = new Map<string, string>();
  const early: string[] = [];
  for (const [node, path] of nodesOf(program)) {
    if (node.op === "approval") answers.set(`approval ${path}`, node.answer);
    if (node.op !== "event") continue;
    if (node.sent === "early") early.push(`event ${path}`);
    answers.set(`event ${path}`, node.sent);
  }
  const ignore = (promise: Promise<void>): void => void promise.catch(() => undefined);
  const onEvent = (event: EngineEvent): void => {
    if (event.event === "approval_waiting") {
      const answer = answers.get(event.key.replace(/ \d$/, ""));
      if (answer !== "timeout") ignore(engine.approve(event.run, event.key, { approved: answer === "approve" }));
    } else if (event.event === "event_waiting" && answers.get(event.name) === "late") {
      ignore(engine.signal(event.run, event.name, "late", { id: event.name }));
    }
  };
  let commits = 0;
  const storage = watched(found ?? createMemoryStorage(), crashes, () => {
    if (++commits === cancelAfter) ignore(engine.cancel(ID, "stop"));
  });
  const engine = await createEngine({
    storage,
    host,
    replay,
    onEvent,
    workflows: { main: mainOf(program, setting), ...childrenOf(program) },
  });
  try {
    const handle = await host.drive(engine.start("main", {}, { runId: ID }));
    // Whoever has something to say to a run that was put aside does not wait to hear of it again.
    if (found !== undefined) {
      for (const [name, answer] of answers) {
        if (answer === "late") ignore(engine.signal(ID, name, "late", { id: name }));
        if (answer !== "approve" && answer !== "reject") continue;
        for (const n of [0, 1]) ignore(engine.approve(ID, `${name} ${n}`, { approved: answer === "approve" }));
      }
    }
    for (const name of early) ignore(engine.signal(ID, name, "early", { id: name }));
    const outcome = await host.drive(
      handle.result().then(
        (value) => JSON.stringify(value),
        ({ name, message }: Error) => `${name}: ${message}`,
      ),
    );
    return { outcome, records: await engine.journal(ID), crashes };
  } finally {
    await engine.close();
  }
}

/** What holds of every journal. */
function check(records: readonly JournalRecord[]): void {
  const settled = new Set<string>();
  for (const record of records) {
    if (record.t !== "settled") continue;
    if (settled.has(record.key)) throw new Error(`"${record.key}" is settled twice`);
    settled.add(record.key);
  }
}

/** The storage of an engine that has lost all records of the run but the first ones. */
async function cut(records: readonly StoredRecord[], length: number): Promise<MemoryStorage> {
  const storage = createMemoryStorage();
  await storage.own({ name: "cut" });
  const row = { id: ID, workflow: "main", state: "active" as const, createdAt: 1_700_000_000_000 };
  await storage.commit([{ w: "create", row, records: records.slice(0, length) }]);
  return storage.fork();
}

async function storedOf({ crashes }: Ran): Promise<readonly StoredRecord[]> {
  const records: StoredRecord[] = [];
  for await (const page of crashes.at(-1)?.journal(ID) ?? []) records.push(...page);
  return records;
}

function has(program: Node, ...ops: readonly Node["op"][]): boolean {
  return [...nodesOf(program)].some(([{ op }]) => ops.includes(op));
}

/** From all but its last record a run ends as it did: its journal tells the whole way. */
async function tellsTheWay(program: Node, setting: Setting, ran: Ran): Promise<void> {
  const closed = ran.records.findIndex(({ t }) => t === "closed");
  // Children are runs of their own, and so is what goes on for a run.
  if (has(program, "child", "continue") || closed === -1) return;
  const again = await runs({ program, setting, found: await cut(await storedOf(ran), closed) });
  equal([again.outcome, again.records.length], [ran.outcome, ran.records.length]);
}

Deno.test("core: bodies of all primitives end alike live, always replayed, from every cut and after every crash", async () => {
  await fc.assert(
    fc.asyncProperty(programs.map((p) => confluent(p, false)), async (program) => {
      const live = await runs({ program });
      check(live.records);
      const always = await runs({ program, replay: "always" });
      equal(always.outcome, live.outcome);
      equal(journalView(always.records), journalView(live.records));
      for (const [i, found] of live.crashes.slice(0, -1).entries()) {
        const after = await runs({ program, found });
        equal(after.outcome, live.outcome, `after commit ${i + 1}`);
        check(after.records);
      }
      if (has(program, "child", "continue")) return;
      const stored = await storedOf(live);
      for (let length = 1; length < stored.length; length++) {
        const { outcome } = await runs({ program, found: await cut(stored, length) });
        equal(outcome, live.outcome, `from ${length} of ${stored.length} records`);
      }
    }),
    many(60),
  );
});

Deno.test("core: bodies that race, and are cancelled at any time, agree with their own journals after every crash", async () => {
  const when = fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined });
  await fc.assert(
    fc.asyncProperty(programs, fc.boolean(), when, async (program, shared, cancelAfter) => {
      const setting = { shared, exact: true };
      for (const replay of ["when-needed", "always"] as const) {
        const ran = await runs({ program, setting, replay, cancelAfter });
        if (/ReplayMismatch/.test(ran.outcome)) throw new Error(ran.outcome);
        check(ran.records);
        await tellsTheWay(program, setting, ran);
        for (const [i, found] of ran.crashes.slice(0, -1).entries()) {
          const after = await runs({ program, setting, found });
          if (/ReplayMismatch/.test(after.outcome)) throw new Error(`after commit ${i + 1}: ${after.outcome}`);
          check(after.records);
          await tellsTheWay(program, setting, after);
        }
      }
    }),
    many(40),
  );
});

function scripted(program: Node): {
  readonly approvals: Readonly<Record<string, ScriptedApproval>>;
  readonly events: Readonly<Record<string, ScriptedEvent | readonly ScriptedEvent[]>>;
} {
  const approvals: Record<string, ScriptedApproval> = {};
  const events: Record<string, ScriptedEvent | readonly ScriptedEvent[]> = {};
  for (const [node, path] of nodesOf(program)) {
    if (node.op === "event") {
      const one: ScriptedEvent = node.sent === "never"
        ? "timeout"
        : { payload: node.sent, after: node.sent === "late" ? "1s" : "0s" };
      events[`event ${path}`] = node.sent === "never" ? one : [one, one];
    }
    if (node.op === "approval") {
      for (const n of [0, 1]) {
        approvals[`approval ${path} ${n}`] = node.answer === "timeout"
          ? "timeout"
          : { approved: node.answer === "approve" };
      }
    }
  }
  return { approvals, events };
}

for (const racing of [false, true]) {
  Deno.test(`core: explored schedules of bodies ${racing ? "that race" : "of all primitives"}`, async () => {
    await fc.assert(
      fc.asyncProperty(programs, fc.nat(), async (generated, seed) => {
        const program = racing ? generated : confluent(generated, false);
        // Answers for the next run, which come too early for it, are not moved along as events are.
        fc.pre(!(has(program, "approval") && has(program, "continue")));
        const main = ({ pause }: { readonly pause: () => Promise<void> }) => mainOf(program, { pause, exact: racing });
        await explore(main, {
          seed,
          runs: 20,
          confluent: !racing,
          cancels: racing,
          workflows: childrenOf(program),
          world: ({ pause }) => ({ pause }),
          ...scripted(program),
        });
      }),
      many(15),
    );
  });
}

Deno.test("core: bodies of what a cluster has are the same on the engine and in rounds", async () => {
  await fc.assert(
    fc.asyncProperty(programs.map((p) => confluent(p, true)), async (program) => {
      const live = await runs({ program });
      const answers = new Map<string, string>();
      for (const [node, path] of nodesOf(program)) {
        if (node.op === "approval") answers.set(`approval ${path} 0`, node.answer);
      }
      const answer = (key: string): Answer | undefined => {
        const given = answers.get(key);
        return given === "timeout" ? undefined : { value: null, approved: given === "approve" };
      };
      for (const fastPath of [true, false]) {
        const { end, cluster, job } = await drive(windkit, mainOf(program), () => ({ ok: false, value: null }), {
          answer,
          fastPath,
        });
        const text = end.type === "complete" ? JSON.stringify(end.result) : `RunFailedError: ${end.message}`;
        equal(text, live.outcome);
        const view = viewOf(cluster, job);
        equal(view, expectedView(journalView(live.records), view));
      }
    }),
    many(40),
  );
});
