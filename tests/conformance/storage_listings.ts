/**
 * Which runs there are: newest first, last closed first, and those that are due.
 *
 * @module
 */
import type { RunRow, Write } from "@windkit/windmill-client/storage/memory";
import { assert, assertEquals, assertRejects } from "../suite/assert.ts";
import { create, ids, type StorageCase } from "./_storage_kit.ts";

/** Registers which runs are found. */
export function listingCases(storageCase: StorageCase): void {
  storageCase("runs are listed newest first, by state and by workflow, in pages", async (storage) => {
    const states = ["ready", "active", "parked", "closed", "orphan"] as const;
    const all: { id: string; state: RunRow["state"]; workflow: string }[] = [];
    const writes: Write[] = [];
    for (let i = 0; i < 60; i++) {
      const state = states[i % 5] ?? "ready";
      const made = { id: `run ${i}`, state, workflow: i % 3 === 0 ? "third" : "other" };
      all.unshift(made);
      // The clock may stand still, or go back: the order is that of creation.
      writes.push(create(made.id, { ...made, createdAt: 1000 - (i % 7) }));
    }
    await storage.commit(writes.slice(0, 31));
    await storage.commit(writes.slice(31));
    assertEquals(ids(await storage.runs({ limit: 1000 })), ids(all));
    assertEquals(await storage.runs({ limit: 0 }), []);
    assertEquals(await storage.runs({ limit: 10, workflow: "unknown" }), []);
    for (const state of [undefined, ...states]) {
      for (const workflow of [undefined, "third", "other"]) {
        const filter = {
          ...(state === undefined ? undefined : { state }),
          ...(workflow === undefined ? undefined : { workflow }),
        };
        const expected = ids(
          all.filter((r) =>
            (state === undefined || r.state === state) && (workflow === undefined || r.workflow === workflow)
          ),
        );
        const found: string[] = [];
        for (;;) {
          const after = found.at(-1);
          const page = await storage.runs({ ...filter, limit: 7, ...(after === undefined ? undefined : { after }) });
          found.push(...ids(page));
          if (page.length < 7) break;
        }
        assertEquals(found, expected, `Listing of ${JSON.stringify(filter)}`);
      }
    }
    const first = all[0];
    assert(first !== undefined);
    assertEquals((await storage.runs({ limit: 1 }))[0], await storage.run(first.id));
  });

  storageCase("runs closed before a time are listed last closed first, in pages", async (storage) => {
    const writes: Write[] = [];
    for (let i = 0; i < 30; i++) {
      const closedAt = (i * 7) % 30;
      writes.push(create(`run ${i}`, { state: "closed", closedAt, workflow: i % 2 === 0 ? "even" : "odd" }));
      writes.push(create(`open ${i}`, { state: "parked" }));
    }
    await storage.commit(writes);
    const found: RunRow[] = [];
    for (;;) {
      const after = found.at(-1)?.id;
      const page = await storage.runs({ closedBefore: 20, limit: 6, ...(after === undefined ? undefined : { after }) });
      found.push(...page);
      if (page.length < 6) break;
    }
    assertEquals(found.map(({ closedAt }) => closedAt), Array.from({ length: 20 }, (_, i) => 19 - i));
    const even = await storage.runs({ closedBefore: 20, workflow: "even", state: "closed", limit: 100 });
    assertEquals(
      even.map(({ closedAt }) => closedAt),
      found.filter((r) => r.workflow === "even").map((r) => r.closedAt),
    );
    assertEquals(await storage.runs({ closedBefore: 20, state: "parked", limit: 100 }), []);
    await storage.commit([
      { w: "append", run: "open 1", records: [], row: { state: "closed", closedAt: 5 } },
      create("tie", { state: "closed", closedAt: 5 }),
    ]);
    const five = (await storage.runs({ closedBefore: 6, limit: 100 })).filter((r) => r.closedAt === 5);
    assertEquals(five.length, 3);
    assertEquals(five[0]?.id, "tie");
  });

  storageCase("a listing refuses a limit that is none, a state that is none, and an unknown start", async (storage) => {
    await storage.commit([create("a")]);
    for (const limit of [-1, 1.5, NaN]) {
      const error = await assertRejects(() => storage.runs({ limit }));
      assertEquals(error.name, "RangeError");
      assertEquals((await assertRejects(() => storage.due(0, limit))).name, "RangeError");
      assertEquals((await assertRejects(() => storage.inbox("a", limit))).name, "RangeError");
    }
    await assertRejects(() => storage.runs({ limit: 1, after: "b" }), "UNKNOWN_RUN", '"b"');
    assertEquals((await assertRejects(() => storage.runs({ limit: 1, state: "open" as never }))).name, "TypeError");
  });

  storageCase("due gives parked runs whose time has come, earliest first", async (storage) => {
    await storage.commit([
      create("late", { state: "parked", wakeAt: 300 }),
      create("tie 1", { state: "parked", wakeAt: 200 }),
      create("early", { state: "parked", wakeAt: 100 }),
      create("tie 2", { state: "parked", wakeAt: 200 }),
      create("for an event", { state: "parked" }),
      create("active", { state: "active", wakeAt: 1 }),
      create("closed", { state: "closed", wakeAt: 2 }),
    ]);
    assertEquals(await storage.nextWake(), 100);
    assertEquals(await storage.due(99, 10), []);
    assertEquals(ids(await storage.due(100, 10)), ["early"]);
    assertEquals(ids(await storage.due(250, 10)), ["early", "tie 1", "tie 2"]);
    assertEquals(ids(await storage.due(250, 2)), ["early", "tie 1"]);
    assertEquals(ids(await storage.due(999, 10)), ["early", "tie 1", "tie 2", "late"]);
    assertEquals((await storage.due(100, 1))[0], await storage.run("early"));
    await storage.commit([
      { w: "append", run: "early", records: [], row: { state: "active" } },
      { w: "append", run: "late", records: [], row: { wakeAt: 150 } },
      { w: "append", run: "tie 1", records: [], row: { wakeAt: null } },
      { w: "append", run: "active", records: [], row: { state: "parked" } },
    ]);
    assertEquals(await storage.nextWake(), 1);
    assertEquals(ids(await storage.due(999, 10)), ["active", "late", "tie 2"]);
    await storage.commit([
      { w: "append", run: "early", records: [], row: { state: "parked" } },
      { w: "drop", run: "active" },
      { w: "drop", run: "late" },
    ]);
    assertEquals(ids(await storage.due(999, 10)), ["early", "tie 2"]);
    assertEquals(await storage.nextWake(), 100);
  });

  storageCase("due stays in order over many runs and many changes", async (storage) => {
    const wakeAt = new Map<string, number>();
    const writes: Write[] = [];
    let random = 1;
    function next(below: number): number {
      random = (random * 48271) % 2147483647;
      return random % below;
    }
    for (let i = 0; i < 300; i++) {
      const at = next(1000);
      wakeAt.set(`run ${i}`, at);
      writes.push(create(`run ${i}`, { state: "parked", wakeAt: at }, 0));
    }
    await storage.commit(writes);
    for (let round = 0; round < 20; round++) {
      const changes: Write[] = [];
      for (let i = 0; i < 100; i++) {
        const id = `run ${next(300)}`;
        const parked = next(4) !== 0;
        const at = next(1000);
        changes.push({ w: "append", run: id, records: [], row: { state: parked ? "parked" : "active", wakeAt: at } });
        if (parked) wakeAt.set(id, at);
        else wakeAt.delete(id);
      }
      await storage.commit(changes);
      const expected = [...wakeAt.values()].sort((a, b) => a - b);
      const due = await storage.due(500, 1000);
      assertEquals(due.map((r) => r.wakeAt), expected.filter((at) => at <= 500));
      assertEquals(new Set(ids(due)).size, due.length, "A run is due twice");
      assertEquals(await storage.nextWake(), expected[0]);
    }
  });
}
