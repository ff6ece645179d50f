/**
 * The two adapters against each other: whatever is written, refused, forked or opened again, they answer alike.
 *
 * @module
 */
import fc from "fast-check";
import {
  createMemoryStorage,
  type MemoryStorage,
  type Storage,
  type Write,
} from "@windkit/windmill-client/storage/memory";
import { openSqliteStorage } from "@windkit/windmill-client/storage/sqlite";
import { assertEquals } from "../suite/assert.ts";
import { withFolder } from "./storage_process.ts";

// Few of each: a generated write should meet one that was there before.
const RUNS = ["a", "b", "c"];
const IDS = ["m1", "m2", "m3"];
const STATES = ["ready", "active", "parked", "closed", "orphan"] as const;

const run = fc.constantFrom(...RUNS);
const id = fc.constantFrom(...IDS);
const time = fc.integer({ min: 0, max: 9 });
const records = fc.tuple(fc.nat(6), fc.nat(3)).map(([from, count]) =>
  Array.from(
    { length: count },
    (_, i) => ({ seq: from + i, text: `${from} ${i}`, check: `${from + i}`.padStart(16, "0") }),
  )
);
const change = fc.record({
  state: fc.constantFrom(...STATES),
  status: fc.constantFrom("completed" as const, "failed" as const),
  wakeAt: fc.option(time),
  waits: fc.option(fc.subarray(["event:x", "approval:y"])),
  closedAt: time,
}, { requiredKeys: [] });

/** Appends are written with their number relative to what is there, so that most fit. */
type Step = Write | { readonly w: "grow"; readonly run: string; readonly count: number; readonly slip: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    w: fc.constant("create" as const),
    row: fc.record({
      id: run,
      workflow: fc.constantFrom("w1", "w2"),
      state: fc.constantFrom(...STATES),
      wakeAt: time,
      waits: fc.subarray(["event:x", "approval:y"]),
      closedAt: time,
      createdAt: time,
    }, { requiredKeys: ["id", "workflow", "state", "createdAt"] }),
    records: fc.nat(3).map((count) =>
      Array.from({ length: count }, (_, seq) => ({ seq, text: `created ${seq}`, check: "0123456789abcdef" }))
    ),
  }),
  fc.record({ w: fc.constant("append" as const), run, records, row: change }),
  fc.record({
    w: fc.constant("grow" as const),
    run,
    count: fc.nat(3),
    slip: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 1, -1),
  }),
  fc.record({
    w: fc.constant("post" as const),
    message: fc.record({
      id,
      run,
      kind: fc.constantFrom("event" as const, "approval" as const, "cancel" as const, "settle" as const),
      name: fc.constantFrom("", "x"),
      payload: fc.constantFrom("null", '"p"'),
      from: fc.constantFrom("Ada", "Bob"),
      at: time,
    }, { requiredKeys: ["id", "run", "kind", "name", "payload", "at"] }),
  }),
  fc.record({ w: fc.constant("take" as const), id }),
  fc.record({ w: fc.constant("drop" as const), run }),
);

type Turn = { readonly do: "commit"; readonly steps: readonly Step[] } | { readonly do: "reopen" | "fork" };

const turn: fc.Arbitrary<Turn> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant("commit" as const), steps: fc.array(step, { minLength: 1, maxLength: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("reopen" as const, "fork" as const) }) },
);

async function length(storage: Storage, of: string): Promise<number> {
  let count = 0;
  for await (const page of storage.journal(of)) count += page.length;
  return count;
}

/** Turns growth into appends; `lengths` is what the journals of the commit's runs have come to. */
async function writesOf(storage: Storage, steps: readonly Step[]): Promise<Write[]> {
  const lengths = new Map<string, number>();
  for (const known of RUNS) lengths.set(known, await length(storage, known));
  return steps.map((one) => {
    if (one.w !== "grow") return one;
    const from = Math.max(0, (lengths.get(one.run) ?? 0) + one.slip);
    lengths.set(one.run, from + one.count);
    return {
      w: "append",
      run: one.run,
      records: Array.from({ length: one.count }, (_, i) => ({ seq: from + i, text: "grown", check: "f".repeat(16) })),
    };
  });
}

async function commit(storage: Storage, writes: readonly Write[]): Promise<string> {
  try {
    await storage.commit(writes);
    return "committed";
  } catch (error) {
    const { name, message } = error as Error;
    return `${name}: ${message}`;
  }
}

async function everything(storage: Storage): Promise<unknown> {
  const seen: unknown[] = [await storage.nextWake(), await storage.due(5, 3), await storage.runs({ limit: 9 })];
  for (const state of STATES) seen.push(await storage.runs({ state, workflow: "w1", limit: 2 }));
  seen.push(await storage.runs({ closedBefore: 6, limit: 9 }));
  for (const known of RUNS) {
    const all: unknown[] = [];
    for await (const page of storage.journal(known)) all.push(...page);
    seen.push([await storage.run(known), all, await storage.inbox(known, 9)]);
  }
  return seen;
}

Deno.test("memory and sqlite give the same answers and the same refusals to the same writes", async () => {
  let committed = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(turn, { minLength: 1, maxLength: 60, size: "max" }),
      (turns) =>
        withFolder(async (dir) => {
          const options = { maxMessages: 2 } as const;
          let memory: MemoryStorage = createMemoryStorage(options);
          let sqlite = await openSqliteStorage({ dir, durability: "process", ...options });
          try {
            await memory.own({ name: "model" });
            await sqlite.own({ name: "model" });
            for (const one of turns) {
              if (one.do === "commit") {
                const writes = await writesOf(memory, one.steps);
                const expected = await commit(memory, writes);
                assertEquals(await commit(sqlite, writes), expected);
                if (expected === "committed") committed++;
                else refused++;
              } else {
                // Both must find again what was committed: the file when it is opened, the memory in a copy or behind a new handle.
                const before = memory;
                memory = one.do === "fork" ? before.fork() : before.visit();
                await before.close();
                await sqlite.close();
                sqlite = await openSqliteStorage({ dir, durability: "process", ...options });
                await memory.own({ name: "model" });
                await sqlite.own({ name: "model" });
              }
              assertEquals(await everything(sqlite), await everything(memory));
            }
          } finally {
            await memory.close();
            await sqlite.close();
          }
        }),
    ),
    { numRuns: 60 },
  );
  // The generator is no good when it makes writes of one kind only.
  assertEquals([committed > 100, refused > 50], [true, true], `${committed} committed, ${refused} refused`);
});
