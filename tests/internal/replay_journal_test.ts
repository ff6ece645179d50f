/** Journals replayed against bodies that have changed since. */
import { deepStrictEqual as equal, match, throws } from "node:assert/strict";
import { createEngine } from "../../src/engine/engine.ts";
import { createLocalHost } from "../../src/engine/host.ts";
import { createMemoryStorage } from "../../src/storage/memory.ts";
import { parallel, sleep, step, task, waitForApproval, workflow } from "../../src/cluster/authoring.ts";
import { bodyOf } from "../../src/workflow/definition.ts";
import type { JournalRecord, Session } from "../../src/workflow/journal.ts";
import { replayJournal, type ReplayPorts, type ReplayResult } from "../../src/workflow/replay.ts";

type Body = (...args: never[]) => unknown;

const host = createLocalHost();

const ports: ReplayPorts = {
  hop: host.hop,
  enter: (session: Session, info, fn) => host.context.run(info === undefined ? { session } : { session, info }, fn),
};

/** Runs a workflow, and gives its journal as it is when the run ends or, with `parked`, when it waits. */
async function record(fn: Body, args: readonly string[] = [], parked = false): Promise<readonly JournalRecord[]> {
  const waits = Promise.withResolvers<void>();
  await using engine = await createEngine({
    storage: createMemoryStorage(),
    workflows: { main: workflow(fn as () => unknown) },
    onEvent: ({ event }) => event === "run_parked" && waits.resolve(),
  });
  const run = await engine.start("main", [...args]);
  if (parked) await waits.promise;
  else await run.result().catch(String);
  return await engine.journal(run.id);
}

function replay(fn: Body, records: readonly JournalRecord[], more: Partial<ReplayPorts> = {}): Promise<ReplayResult> {
  return replayJournal(bodyOf(workflow(fn as () => unknown) as Body), records, { ...ports, ...more });
}

let ran = 0;
const count = task("count", (n: number) => {
  ran++;
  return n + 1;
});

async function counts(): Promise<number> {
  const one = await count(1);
  const two = await step("two", () => {
    ran++;
    return one * 2;
  });
  return await count(two);
}

Deno.test("replayJournal() agrees with the body that was recorded, and runs nothing", async () => {
  const records = await record(counts);
  ran = 0;
  const result = await replay(counts, records);
  equal(ran, 0);
  equal(result.ok && [result.calls, result.pending, result.ended], [3, [], {
    status: "completed",
    outcome: { ok: true, value: "5" },
  }]);
});

Deno.test("replayJournal() stops quietly where the history ends, at every record", async () => {
  const records = await record(counts);
  ran = 0;
  for (let n = 1; n < records.length; n++) {
    const result = await replay(counts, records.slice(0, n));
    equal(result.ok && result.pending.map(({ key }) => key), n === 4 ? [] : [["count", "two", "count_2"][n - 1]]);
    equal(result.ok && result.ended?.status, n === 4 ? "completed" : undefined);
  }
  equal(ran, 0);
});

Deno.test("replayJournal() stops where an approval is waited for", async () => {
  async function asks(): Promise<boolean> {
    await step("a", () => 1);
    const { approved } = await waitForApproval({ key: "sign" });
    await step("after", () => 1);
    return approved;
  }
  const result = await replay(asks, await record(asks, [], true));
  equal(result.ok && [result.calls, result.pending.map(({ key }) => key)], [2, ["sign"]]);
});

Deno.test("replayJournal() names what differs: the record, the call, and both places", async () => {
  const records = await record(counts);
  const sites = ["main.ts:1:1", "main.ts:2:2", "main.ts:3:3"];
  const result = await replay(
    async () => {
      await count(1);
      await step("three", () => 3);
    },
    records,
    { site: () => sites.shift() },
  );
  if (result.ok || result.reason !== "mismatch") throw new Error(JSON.stringify(result));
  const { reason, seq, key, handed, recorded, asked, askedKey } = result.mismatch;
  equal({ reason, seq, key, handed, askedKey }, {
    reason: "not-asked",
    seq: 2,
    key: "two",
    handed: 1,
    askedKey: "three",
  });
  equal([recorded?.kind, recorded?.name], ["step", "two"]);
  match(recorded?.site ?? "", /replay_journal_test\.ts:\d+:\d+$/);
  equal(asked?.site, "main.ts:2:2");
});

Deno.test("replayJournal() tells other arguments from another call", async () => {
  const records = await record(counts);
  const result = await replay(async () => await count(7), records);
  if (result.ok || result.reason !== "mismatch") throw new Error(JSON.stringify(result));
  equal(result.mismatch.reason, "differs");
  equal([result.mismatch.recorded?.args, result.mismatch.asked?.args], ["[1]", "[7]"]);
  const followed = await replay(
    async () => {
      await count(7);
      await step("two", () => 1);
      return await count(4);
    },
    records,
    { changes: { arguments: "warn" } },
  );
  equal(followed.ok && followed.changed.map(({ key, what }) => [key, what]), [["count", "changed-arguments"]]);
});

Deno.test("replayJournal() finds a body that ends, throws or asks for less than was recorded", async () => {
  const records = await record(counts);
  for (
    const body of [
      (): unknown => 1,
      (): unknown => {
        throw new Error("At once");
      },
      async (): Promise<never> => {
        await count(1);
        throw new Error("Later");
      },
    ]
  ) {
    const result = await replay(body, records);
    equal(!result.ok && result.reason, "mismatch");
  }
});

Deno.test("replayJournal() gives a body up that waits for something of its own", async () => {
  const records = await record(counts);
  let tick: () => void = () => {};
  let ended = 0;
  const waiting = replay(async () => await new Promise(() => {}), records, {
    patience: (then) => {
      tick = then;
      return () => void ended++;
    },
  });
  for (let i = 0; i < 3; i++) {
    await new Promise<void>((resolve) => host.hop(resolve));
    tick();
  }
  equal(await waiting, { ok: false, reason: "not-finished", calls: 0, seq: 1, key: "count" });
  equal(ended, 1);
});

Deno.test("replayJournal() finds a call that is missing from a set", async () => {
  const both = await record(async () => await Promise.all([step("a", () => 1), step("b", () => 2)]));
  let tick: () => void = () => {};
  const waiting = replay(async () => await step("a", () => 1), both, {
    patience: (then) => {
      tick = then;
      return () => {};
    },
  });
  for (let i = 0; i < 3; i++) {
    await new Promise<void>((resolve) => host.hop(resolve));
    tick();
  }
  const result = await waiting;
  equal(!result.ok && result.reason, "mismatch");
});

Deno.test("replayJournal() replays branches, failures and retries in the recorded order", async () => {
  let tries = 0;
  const flaky = task("flaky", () => {
    if (tries++ < 2) throw new Error("Again");
    return "done";
  }, { retry: { attempts: 3 } });
  async function body(): Promise<unknown> {
    const order: string[] = [];
    await parallel(["a", "b", "c"], async (name) => {
      await step(name, () => 1);
      order.push(name);
    });
    await sleep(0.001);
    const failed = await step("bad", () => {
      throw new Error("Bad");
    }).catch(String);
    return [order, await flaky(), failed];
  }
  const records = await record(body);
  const result = await replay(body, records);
  const closed = records.at(-1);
  equal(result.ok && result.ended?.outcome, closed?.t === "closed" && closed.outcome);
});

Deno.test("replayJournal() takes only what begins with its first record", () => {
  throws(() => void replay(counts, []), /first record must be "opened", found none/);
});
