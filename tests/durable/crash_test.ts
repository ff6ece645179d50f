/**
 * What holds when an object is put away, or its process is killed, at any moment: no step whose outcome was committed runs again, an
 * outcome is never replaced, what waits is woken by the alarm alone, and the index hears of everything in the end.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert";
import type { JournalRecord, Json } from "../../src/workflow/journal.ts";
import { seeded } from "../suite/_seeded.ts";
import { type RunsWorker, startRuns } from "./_runs.ts";
import { temporaryFolder } from "./_workerd.ts";

const SOAK = Deno.env.get("WINDKIT_SOAK") === "1";

/** What is known of a run from outside: it must stay so. */
interface Seen {
  journal: readonly JournalRecord[];
  /** How often each key had run when its outcome was seen committed. */
  readonly ran: Map<string, number>;
}

async function look(worker: RunsWorker, run: string, seen: Seen): Promise<void> {
  const journal = await worker.journal(run);
  deepStrictEqual(
    journal.slice(0, seen.journal.length),
    seen.journal,
    `Run "${run}" has forgotten what it had recorded`,
  );
  seen.journal = journal;
  const effects = await worker.effects(run);
  for (const record of journal) {
    if (record.t !== "settled" || !effects.has(record.key)) continue;
    const ran = effects.get(record.key) ?? 0;
    strictEqual(
      ran,
      seen.ran.get(record.key) ?? ran,
      `Step "${record.key}" of run "${run}" ran again after it was committed`,
    );
    seen.ran.set(record.key, ran);
  }
}

const WORK: readonly (readonly [workflow: string, args: Json[], result: Json])[] = [
  ["steps", [60], 1770],
  ["naps", [6, 0.05], "rested"],
  ["counter", [10], 55],
  ["family", [6], [0, 1, 3, 6, 10, 15]],
  ["sums", [[1, 2, 3, 4, 5]], [2, 4, 6, 8, 10, 2]],
  ["large", [200_000], { ends: "é😀", length: 600_000 }],
];

interface Begun {
  readonly runId: string;
  readonly workflow: string;
  readonly args: Json[];
  readonly result: Json;
  readonly seen: Seen;
}

/** Begins runs, ends the process in the middle, and does so again: they all end as if nothing had happened. */
async function survive(end: "dispose" | "kill", rounds: number, random: () => number): Promise<void> {
  await using folder = await temporaryFolder();
  const runs: Begun[] = [];
  let cut = 0;
  for (let round = 0; round < rounds; round++) {
    const worker = await startRuns(folder.path);
    const begun = WORK.map(([workflow, args, result]): Begun => {
      const runId = `${workflow} ${round}`;
      return { runId, workflow, args, result, seen: { journal: [], ran: new Map() } };
    });
    runs.push(...begun);
    await Promise.all(begun.map(({ runId, workflow, args }) => worker.start({ workflow, args, options: { runId } })));
    // A moment that is not a time: after so many looks at runs of now and of before.
    for (let looks = Math.floor(random() * 8); looks > 0; looks--) {
      const { runId, seen } = runs[runs.length - 1 - Math.floor(random() * Math.min(runs.length, 12))] as Begun;
      await look(worker, runId, seen);
    }
    if (end === "kill") await worker.kill();
    else await worker.dispose();
    cut += begun.filter(({ seen }) => seen.journal.at(-1)?.t !== "closed").length;
  }
  ok(cut > rounds, `Only ${cut} runs were cut off in ${rounds} rounds`);
  await using worker = await startRuns(folder.path);
  for (const { runId, workflow, args, result, seen } of runs) {
    await worker.start({ workflow, args, options: { runId } });
    deepStrictEqual(await worker.result(runId), result, `Run "${runId}"`);
    await look(worker, runId, seen);
    const closed = (await worker.journal(runId)).filter((record) => record.t === "closed");
    strictEqual(closed.length, 1, `Run "${runId}" has ended ${closed.length} times`);
  }
  // Children and those that go on are listed, too.
  await worker.until(
    () => worker.list({ state: "closed", limit: 1000 }),
    (page) => page.runs.length === rounds * (WORK.length + 6 + 9),
  );
}

for (const end of ["dispose", "kill"] as const) {
  Deno.test(`a process that is ended by ${end} at random moments loses nothing that was committed`, async () => {
    await survive(end, SOAK ? 40 : 5, seeded(end === "kill" ? 7 : 11));
  });
}

Deno.test("a run whose process was killed is brought back by its alarm, though nobody asks for it", async () => {
  await using folder = await temporaryFolder();
  {
    const worker = await startRuns(folder.path);
    await worker.start({ workflow: "naps", args: [3, 0.2], options: { runId: "alone" } });
    await worker.start({ workflow: "steps", args: [200], options: { runId: "busy" } });
    await worker.kill();
  }
  await using worker = await startRuns(folder.path);
  // The index alone is asked: it hears from the objects.
  await worker.until(
    () => worker.list({ state: "closed" }),
    ({ runs }) => ["alone", "busy"].every((id) => runs.some((run) => run.id === id)),
  );
  strictEqual(await worker.result("alone"), "rested");
  strictEqual(await worker.result("busy"), 19_900);
});

Deno.test("an alarm that comes late, while nothing ran, wakes what was due", async () => {
  await using folder = await temporaryFolder();
  {
    const worker = await startRuns(folder.path);
    await worker.start({ workflow: "naps", args: [1, 0.5], options: { runId: "late" } });
    await worker.until(() => worker.status("late"), (row) => row.state === "parked");
    await worker.dispose();
  }
  await using worker = await startRuns(folder.path);
  await worker.until(() => worker.list({ state: "closed" }), ({ runs }) => runs.some(({ id }) => id === "late"));
  deepStrictEqual(await worker.effects("late"), new Map([["before 0", 1], ["after", 1]]));
});

Deno.test("a process killed between a run's change and the index's knowledge of it: the index hears of it all the same", async () => {
  await using folder = await temporaryFolder();
  {
    const worker = await startRuns(folder.path, { bindings: { INDEX_DEAD: "1" } });
    strictEqual(await worker.run({ workflow: "plain", args: [3], options: { runId: "untold" } }), 3);
    await worker.start({ workflow: "longSleep", args: [9], options: { runId: "asleep" } });
    await worker.until(() => worker.status("asleep"), (row) => row.state === "parked");
    deepStrictEqual(await worker.list(), { runs: [] });
    // What is left to tell keeps an alarm.
    ok(await worker.alarmOf("untold") !== null);
    await worker.kill();
  }
  await using worker = await startRuns(folder.path);
  const { runs } = await worker.until(
    () => worker.list(),
    (page) => page.runs.some(({ state }) => state === "closed") && page.runs.some(({ state }) => state === "parked"),
  );
  deepStrictEqual(runs.map(({ id, state }) => [id, state]).toSorted(), [["asleep", "parked"], ["untold", "closed"]]);
  // And when it has: nothing more is to be told.
  await worker.until(() => worker.alarmOf("untold"), (at) => at === null);
  await worker.until(
    async () => [await worker.alarmOf("asleep"), (await worker.status("asleep")).wakeAt],
    ([alarm, wakeAt]) => alarm === wakeAt,
  );
});
