/**
 * What a commit does: to a run's row and its records, to several at once, and not at all when a part of it fails.
 *
 * @module
 */
import type { Write } from "@windkit/windmill-client/storage/memory";
import { assertEquals, assertIncludes, assertRejects } from "../suite/assert.ts";
import { create, everything, ids, journal, post, records, row, type StorageCase } from "./_storage_kit.ts";

/** Registers what a commit does. */
export function commitCases(storageCase: StorageCase): void {
  storageCase("a created run is read back with every field, and without those it does not have", async (storage) => {
    const full = row("a", {
      state: "parked",
      status: "failed",
      wakeAt: 77,
      waits: ["approval:sign_off", "event:paid"],
      closedAt: 99,
      createdAt: 1790000000123,
    });
    await storage.commit([{ w: "create", row: full, records: records(0, 2) }, create("b", {}, 0)]);
    assertEquals(await storage.run("a"), full);
    assertEquals(await storage.run("b"), row("b"));
    assertEquals(await journal(storage, "a"), records(0, 2));
    assertEquals(await journal(storage, "b"), []);
  });

  storageCase("a row change touches the fields it names, and null clears one", async (storage) => {
    const waits = ["event:paid"];
    await storage.commit([create("a", { state: "parked", wakeAt: 50, waits })]);
    await storage.commit([{ w: "append", run: "a", records: [], row: { state: "active" } }]);
    assertEquals(await storage.run("a"), row("a", { state: "active", wakeAt: 50, waits }));
    await storage.commit([{ w: "append", run: "a", records: [], row: { wakeAt: null } }]);
    assertEquals(await storage.run("a"), row("a", { state: "active", waits }));
    await storage.commit([{ w: "append", run: "a", records: [], row: { waits: null, wakeAt: 0 } }]);
    assertEquals(await storage.run("a"), row("a", { state: "active", wakeAt: 0 }));
    await storage.commit([{
      w: "append",
      run: "a",
      records: records(1, 1),
      row: { state: "closed", status: "completed", closedAt: 9, wakeAt: null, waits: [] },
    }]);
    assertEquals(await storage.run("a"), row("a", { state: "closed", status: "completed", closedAt: 9, waits: [] }));
    assertEquals(await journal(storage, "a"), records(0, 2));
  });

  storageCase("a commit that need not last yet is there at once, and after opening again", async (storage, place) => {
    await storage.commit([create("a", {}, 1)], false);
    assertEquals(await storage.run("a"), row("a"));
    await storage.commit([{ w: "append", run: "a", records: records(1, 1) }], true);
    await storage.commit([{ w: "append", run: "a", records: records(2, 1), row: { state: "closed" } }], false);
    assertEquals(await journal(storage, "a"), records(0, 3));
    await assertRejects(() => storage.commit([create("b"), create("a")], false), "RUN_EXISTS", '"a"');
    assertEquals(await storage.run("b"), undefined);
    await storage[Symbol.asyncDispose]();
    await using again = await place.open();
    assertEquals(await journal(again, "a"), records(0, 3));
  });

  storageCase("what a caller does with its objects afterwards changes nothing", async (storage) => {
    const waits = ["event:paid"];
    const made = { ...row("a"), waits };
    const list = records(0, 1);
    await storage.commit([{ w: "create", row: made, records: list }]);
    waits.push("event:late");
    made.workflow = "other";
    list.push(...records(1, 1));
    assertEquals(await storage.run("a"), row("a", { waits: ["event:paid"] }));
    assertEquals((await journal(storage, "a")).length, 1);
  });

  storageCase("creating a run twice fails, in one commit as in two", async (storage) => {
    await storage.commit([create("a", {}, 2)]);
    await assertRejects(() => storage.commit([create("a", { workflow: "other" })]), "RUN_EXISTS", '"a"');
    await assertRejects(() => storage.commit([create("b"), create("b")]), "RUN_EXISTS", '"b"');
    assertEquals(await storage.run("b"), undefined);
    assertEquals(await storage.run("a"), row("a"));
    assertEquals((await journal(storage, "a")).length, 2);
  });

  storageCase("an append to a run that is not stored fails", async (storage) => {
    const append: Write = { w: "append", run: "a", records: records(0, 1) };
    await assertRejects(() => storage.commit([append]), "UNKNOWN_RUN", '"a"');
    await assertRejects(() => storage.commit([append, create("a")]), "UNKNOWN_RUN");
    assertEquals(await storage.run("a"), undefined);
  });

  storageCase("a record with a taken number, or one that leaves a gap, fails", async (storage) => {
    await storage.commit([create("a", {}, 3)]);
    for (const wrong of [records(2, 1), records(0, 1), records(4, 1), [...records(3, 1), ...records(3, 1)]]) {
      const error = await assertRejects(
        () => storage.commit([{ w: "append", run: "a", records: wrong }]),
        "STORAGE_FAILED",
      );
      assertIncludes(error.message, '"a"');
      assertEquals((await journal(storage, "a")).length, 3);
    }
    await assertRejects(
      () => storage.commit([{ w: "create", row: row("b"), records: records(1, 1) }]),
      "STORAGE_FAILED",
    );
    await storage.commit([{ w: "append", run: "a", records: records(3, 2) }]);
    assertEquals(await journal(storage, "a"), records(0, 5));
  });

  storageCase("a commit is all or nothing: a part that fails takes back every part before it", async (storage) => {
    const runs = ["a", "b", "c", "d", "new"];
    await storage.commit([
      create("a", { state: "parked", wakeAt: 30, waits: ["event:x"] }, 2),
      create("b", { state: "parked", wakeAt: 20 }),
      create("c", {}, 3),
      post("m1", "a"),
      post("m2", "a"),
      post("m3", "c"),
      post("m4", "d"),
    ]);
    const before = await everything(storage, runs);
    const parts: Write[] = [
      create("new", { state: "parked", wakeAt: 1 }),
      {
        w: "append",
        run: "a",
        records: records(2, 2),
        row: { state: "closed", wakeAt: null, waits: null, closedAt: 7 },
      },
      { w: "append", run: "b", records: records(1, 1), row: { wakeAt: 10 } },
      { w: "take", id: "m1" },
      post("m5", "a"),
      post("m1", "b"),
      { w: "drop", run: "c" },
      post("m6", "c"),
    ];
    const failing: Write = { w: "append", run: "nowhere", records: records(0, 1) };
    for (let length = 1; length <= parts.length; length++) {
      await assertRejects(() => storage.commit([...parts.slice(0, length), failing]), "UNKNOWN_RUN");
      assertEquals(await everything(storage, runs), before, `After ${length} parts that were taken back`);
    }
    await storage.commit(parts);
    assertEquals(await journal(storage, "a"), records(0, 4));
    assertEquals(ids(await storage.inbox("a", 10)), ["m2", "m5"]);
    assertEquals(ids(await storage.inbox("b", 10)), ["m1"]);
    assertEquals(ids(await storage.inbox("c", 10)), ["m6"]);
    assertEquals(await storage.run("c"), undefined);
    assertEquals(await storage.nextWake(), 1);
  });

  storageCase("after a refused commit the next one works", async (storage) => {
    await storage.commit([create("a")]);
    await assertRejects(() => storage.commit([{ w: "append", run: "a", records: records(1, 2) }, create("a")]));
    await storage.commit([{ w: "append", run: "a", records: records(1, 1, () => "second try") }]);
    assertEquals((await journal(storage, "a")).map(({ text }) => text), ["record 0", "second try"]);
  });

  storageCase("the parts of a commit are applied in order", async (storage) => {
    await storage.commit([
      create("a"),
      { w: "append", run: "a", records: records(1, 1), row: { state: "active" } },
      { w: "append", run: "a", records: records(2, 1), row: { state: "parked", wakeAt: 5 } },
      post("m1", "a"),
      { w: "take", id: "m1" },
      create("b", { workflow: "old" }, 4),
      { w: "drop", run: "b" },
      create("b"),
    ]);
    assertEquals(await storage.run("a"), row("a", { state: "parked", wakeAt: 5 }));
    assertEquals(await journal(storage, "a"), records(0, 3));
    assertEquals(await storage.inbox("a", 10), []);
    assertEquals(await storage.run("b"), row("b"));
    assertEquals(await journal(storage, "b"), records(0, 1));
  });

  storageCase("a run keeps who its parent is, and a closed one can be opened again", async (storage) => {
    await storage.commit([create("a", { parent: "p" }), create("b")]);
    const change = { state: "closed", status: "failed", closedAt: 7000 } as const;
    await storage.commit([{ w: "append", run: "a", records: [], row: change }]);
    assertEquals(await storage.run("a"), row("a", { parent: "p", ...change }));
    await storage.commit([{
      w: "append",
      run: "a",
      records: [],
      row: { state: "active", status: null, closedAt: null },
    }]);
    assertEquals(await storage.run("a"), row("a", { parent: "p", state: "active" }));
    assertEquals(await storage.runs({ closedBefore: 9000, limit: 9 }), []);
    assertEquals(await storage.run("b"), row("b"));
  });

  storageCase("drop removes a run, its records and its messages, and no others", async (storage) => {
    const large = "x".repeat(100_000);
    await storage.commit([
      create("a", { state: "parked", wakeAt: 1, workflow: "wa" }, 20),
      create("b", { state: "parked", wakeAt: 2 }, 20),
      { w: "append", run: "a", records: records(20, 2, () => large) },
      { w: "append", run: "b", records: records(20, 1, () => large) },
      post("m1", "a"),
      post("m2", "b"),
    ]);
    await storage.commit([{ w: "drop", run: "a" }, { w: "drop", run: "unknown" }]);
    assertEquals(await storage.run("a"), undefined);
    assertEquals(await journal(storage, "a"), []);
    assertEquals(await storage.inbox("a", 10), []);
    assertEquals(ids(await storage.due(9, 9)), ["b"]);
    assertEquals(ids(await storage.runs({ limit: 10 })), ["b"]);
    assertEquals(await storage.runs({ limit: 10, workflow: "wa" }), []);
    await assertRejects(() => storage.commit([{ w: "append", run: "a", records: records(22, 1) }]), "UNKNOWN_RUN");
    await storage.commit([create("a", {}, 2)]);
    assertEquals(await journal(storage, "a"), records(0, 2));
    assertEquals(await journal(storage, "b"), [...records(0, 20), ...records(20, 1, () => large)]);
    assertEquals(ids(await storage.inbox("b", 10)), ["m2"]);
  });

  storageCase("commits that are made at once are all kept, in the order in which they were made", async (storage) => {
    await storage.commit([create("a")]);
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => storage.commit([{ w: "append", run: "a", records: records(1 + i, 1) }])),
    );
    assertEquals(await journal(storage, "a"), records(0, 201));
  });
}
