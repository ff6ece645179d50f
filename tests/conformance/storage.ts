/**
 * What every storage does, case by case: an adapter that passes this can be given to the engine.
 *
 * The cases use the port alone. They run wherever the adapter does, so times are not measured and nothing waits for a clock,
 * except for a watch, whose report comes when it comes.
 *
 * @module
 */
import type { Message, RunRow, Storage, StoredRecord, Write } from "@windkit/windmill-client/storage/memory";
import { assert, assertEquals, assertIncludes, assertRejects } from "../suite/assert.ts";
import { test } from "../suite/harness.ts";

/** Limits that a case asks for, so that it need not write a gigabyte. */
export interface PlaceLimits {
  readonly maxRecordBytes?: number;
  readonly maxMessages?: number;
}

/** Somewhere to keep runs, empty at first. */
export interface StoragePlace extends AsyncDisposable {
  /** A new storage object on what is kept here; nobody's driver yet. */
  open(): Promise<Storage>;
}

/** Makes places. */
export type PlaceFactory = (limits: PlaceLimits) => Promise<StoragePlace>;

type Use = (storage: Storage, place: StoragePlace) => Promise<void>;

/** Check value number `n`: any 16 hex digits will do, the storage does not compute them. */
function checkOf(n: number): string {
  return (n * 2654435761 % 2 ** 32).toString(16).padStart(8, "0") + "fedcba98";
}

function records(from: number, count: number, text = (seq: number) => `record ${seq}`): StoredRecord[] {
  return Array.from({ length: count }, (_, i) => ({ seq: from + i, text: text(from + i), check: checkOf(from + i) }));
}

function row(id: string, more: Partial<RunRow> = {}): RunRow {
  return { id, workflow: "w", state: "ready", createdAt: 1000, ...more };
}

function create(id: string, more: Partial<RunRow> = {}, count = 1): Write {
  return { w: "create", row: row(id, more), records: records(0, count) };
}

function message(id: string, run: string, more: Partial<Message> = {}): Message {
  return { id, run, kind: "event", name: "paid", payload: `"${id}"`, at: 5000, ...more };
}

function post(id: string, run: string, more: Partial<Message> = {}): Write {
  return { w: "post", message: message(id, run, more) };
}

async function journal(storage: Storage, run: string, from?: number): Promise<StoredRecord[]> {
  const all: StoredRecord[] = [];
  for await (const page of storage.journal(run, from)) {
    assert(page.length > 0, "A page of a journal is empty");
    all.push(...page);
  }
  return all;
}

function ids(rows: readonly { readonly id: string }[]): string[] {
  return rows.map(({ id }) => id);
}

/** All that can be read of some runs: two equal ones are the same to an engine. */
async function everything(storage: Storage, runs: readonly string[]): Promise<unknown> {
  const parts: unknown[] = [ids(await storage.runs({ limit: 1000 })), await storage.nextWake()];
  parts.push(await storage.due(Number.MAX_SAFE_INTEGER, 1000));
  for (const run of runs) {
    parts.push([await storage.run(run), await journal(storage, run), await storage.inbox(run, 1000)]);
  }
  return parts;
}

/** Collects reports, and waits for them. */
function collector(): { readonly onMessage: (run: string) => void; until(runs: readonly string[]): Promise<void> } {
  const seen = new Set<string>();
  let wake: (() => void) | undefined;
  return {
    onMessage(run) {
      seen.add(run);
      wake?.();
    },
    async until(runs) {
      while (!runs.every((run) => seen.has(run))) {
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
  };
}

/**
 * Registers the cases for one adapter.
 *
 * @param name of the adapter: starts every case's name
 * @param factory makes an empty place for each case
 * @param skip why the adapter cannot run here
 */
export function storageConformance(name: string, factory: PlaceFactory, skip?: string): void {
  /** One case in a place of its own; `storage` drives it. */
  function storageCase(title: string, use: Use, limits: PlaceLimits = {}): void {
    test(`storage ${name}: ${title}`, async () => {
      await using place = await factory(limits);
      await using storage = await place.open();
      await storage.own({ name: "conformance" });
      await use(storage, place);
    }, skip);
  }

  storageCase("an empty one has nothing and answers every question", async (storage) => {
    assertEquals(await storage.run("a"), undefined);
    assertEquals(await storage.runs({ limit: 10 }), []);
    assertEquals(await journal(storage, "a"), []);
    assertEquals(await storage.due(Number.MAX_SAFE_INTEGER, 10), []);
    assertEquals(await storage.nextWake(), undefined);
    assertEquals(await storage.inbox("a", 10), []);
    await storage.commit([]);
  });

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

  storageCase("a long journal comes in pages, in order, from any record", async (storage) => {
    const count = 5000;
    await storage.commit([create("other", {}, 50), create("a", {}, count)]);
    await storage.commit([{ w: "append", run: "other", records: records(50, 50) }]);
    assertEquals(await journal(storage, "a"), records(0, count));
    assertEquals(await journal(storage, "a", 4321), records(4321, count - 4321));
    assertEquals(await journal(storage, "a", count), []);
    let pages = 0;
    for await (const _page of storage.journal("a")) pages++;
    assert(pages > 1, "A journal of 5000 records came in one page");
  });

  storageCase(
    "a journal that grows while it is read is read to its end, and one that is dropped ends",
    async (storage) => {
      await storage.commit([create("a", {}, 2000)]);
      let seen = 0;
      for await (const page of storage.journal("a")) {
        if (seen === 0) await storage.commit([{ w: "append", run: "a", records: records(2000, 1000) }]);
        seen += page.length;
      }
      assertEquals(seen, 3000);
      seen = 0;
      for await (const page of storage.journal("a")) {
        if (seen === 0) await storage.commit([{ w: "drop", run: "a" }]);
        seen += page.length;
      }
      assert(seen > 0 && seen < 3000, `A dropped journal gave ${seen} records`);
    },
  );

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

  storageCase("messages are kept in order until they are taken, with every field", async (storage) => {
    const first = message("m1", "a", { kind: "approval", name: "sign_off", payload: '{"approved":true}', from: "Ada" });
    await storage.commit([create("a"), { w: "post", message: first }, post("m2", "b")]);
    await storage.commit([post("m4", "a", { at: 1 }), post("m3", "a", { kind: "cancel", name: "" })]);
    assertEquals(await storage.inbox("a", 10), [
      first,
      message("m4", "a", { at: 1 }),
      message("m3", "a", { kind: "cancel", name: "" }),
    ]);
    assertEquals(ids(await storage.inbox("a", 2)), ["m1", "m4"]);
    assertEquals(await storage.inbox("a", 0), []);
    assertEquals(ids(await storage.inbox("b", 10)), ["m2"]);
    await storage.commit([
      { w: "append", run: "a", records: records(1, 1) },
      { w: "take", id: "m4" },
      { w: "take", id: "unknown" },
    ]);
    assertEquals(ids(await storage.inbox("a", 10)), ["m1", "m3"]);
  });

  storageCase("a second message of one id is ignored, also after the first was taken", async (storage) => {
    await storage.commit([create("a"), post("m1", "a"), post("m1", "a", { payload: '"second"' })]);
    await storage.commit([post("m1", "a", { payload: '"third"' }), post("m1", "b")]);
    assertEquals(await storage.inbox("a", 10), [message("m1", "a")]);
    assertEquals(await storage.inbox("b", 10), []);
    await storage.commit([{ w: "take", id: "m1" }]);
    await storage.commit([post("m1", "a")]);
    assertEquals(await storage.inbox("a", 10), []);
    await storage.commit([{ w: "drop", run: "a" }]);
    await storage.commit([post("m1", "a")]);
    assertEquals(ids(await storage.inbox("a", 10)), ["m1"], "A dropped run's ids are free again");
  });

  storageCase("a message that one run took can be passed on to another under its id", async (storage) => {
    await storage.commit([create("a"), create("a~1"), post("m1", "a"), post("m2", "a"), post("m3", "a~1")]);
    await storage.commit([{ w: "take", id: "m1" }, post("m1", "a~1", { payload: '"moved"' })]);
    assertEquals(ids(await storage.inbox("a", 10)), ["m2"]);
    assertEquals(await storage.inbox("a~1", 10), [
      message("m3", "a~1"),
      message("m1", "a~1", { payload: '"moved"' }),
    ]);
    await storage.commit([{ w: "drop", run: "a" }]);
    assertEquals(ids(await storage.inbox("a~1", 10)), ["m3", "m1"]);
  });

  storageCase("only so many messages may wait for one run", async (storage) => {
    await storage.commit([create("a"), post("m1", "a"), post("m2", "a")]);
    await assertRejects(() => storage.commit([post("m3", "a"), post("m4", "a")]), "STORAGE_FAILED", '"m4"');
    assertEquals(ids(await storage.inbox("a", 10)), ["m1", "m2"]);
    await storage.commit([post("m3", "a"), post("n1", "b")]);
    await assertRejects(() => storage.commit([post("m4", "a")]), "STORAGE_FAILED", "3 messages");
    // One that is known changes nothing, so it is no error.
    await storage.commit([post("m2", "a")]);
    await storage.commit([{ w: "take", id: "m1" }, post("m4", "a")]);
    assertEquals(ids(await storage.inbox("a", 10)), ["m2", "m3", "m4"]);
  }, { maxMessages: 3 });

  storageCase("ends of children and cancels fit into a full inbox", async (storage) => {
    await storage.commit([create("a"), post("m1", "a")]);
    await assertRejects(() => storage.commit([post("m2", "a", { kind: "approval" })]), "STORAGE_FAILED", "1 messages");
    await storage.commit([post("m3", "a", { kind: "settle" }), post("m4", "a", { kind: "cancel" })]);
    assertEquals(ids(await storage.inbox("a", 10)), ["m1", "m3", "m4"]);
  }, { maxMessages: 1 });

  storageCase("inbox() goes on after a message, also after one that was taken", async (storage) => {
    await storage.commit([create("a"), ...Array.from({ length: 200 }, (_, i) => post(`m${i}`, "a"))]);
    assertEquals(ids(await storage.inbox("a", 2, "m3")), ["m4", "m5"]);
    // All but a few are taken, so that what was taken may have been thrown out.
    await storage.commit(Array.from({ length: 195 }, (_, i): Write => ({ w: "take", id: `m${i}` })));
    await storage.commit([post("n", "a"), post("o", "b")]);
    assertEquals(ids(await storage.inbox("a", 9, "m3")), ["m195", "m196", "m197", "m198", "m199", "n"]);
    assertEquals(ids(await storage.inbox("a", 9, "m197")), ["m198", "m199", "n"]);
    assertEquals(ids(await storage.inbox("a", 9, "n")), []);
    await assertRejects(() => storage.commit([{ w: "take", id: "m198" }, post("p", "a"), create("a")]), "RUN_EXISTS");
    assertEquals(ids(await storage.inbox("a", 9, "m197")), ["m198", "m199", "n"]);
    await storage.commit([post("p", "a")]);
    assertEquals(ids(await storage.inbox("a", 9, "m197")), ["m198", "m199", "n", "p"]);
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

  storageCase("ids, names and texts of any language are kept as they are", async (storage) => {
    const odd = [
      "__proto__",
      "constructor",
      "é",
      "e\u0301",
      "日本",
      "😀 run",
      "a'b\"c;--",
      " ",
      "%_*?",
      "A",
      "a",
      "\u001f",
      "\ufeff",
    ];
    for (const id of odd) {
      await storage.commit([
        { w: "create", row: row(id, { workflow: id, waits: [id] }), records: records(0, 1, () => id) },
        post(id, id, { name: id, from: id, payload: JSON.stringify(id) }),
      ]);
    }
    for (const id of odd) {
      assertEquals(await storage.run(id), row(id, { workflow: id, waits: [id] }));
      assertEquals((await journal(storage, id)).map(({ text }) => text), [id]);
      assertEquals(await storage.inbox(id, 9), [message(id, id, { name: id, from: id, payload: JSON.stringify(id) })]);
      assertEquals(ids(await storage.runs({ workflow: id, limit: 9 })), [id]);
    }
    assertEquals(ids(await storage.runs({ limit: 99 })), odd.toReversed());
  });

  storageCase("texts that could not be read back are refused before anything is written", async (storage) => {
    for (const bad of ["a\0b", "\ud800", "x\udc00y"]) {
      const writes: Write[] = [
        create(bad),
        create("a", { workflow: bad }),
        create("a", { waits: [bad] }),
        { w: "create", row: row("a"), records: records(0, 1, () => bad) },
        post(bad, "a"),
        post("m1", bad),
        post("m1", "a", { name: bad }),
        post("m1", "a", { payload: bad }),
      ];
      for (const write of writes) {
        const error = await assertRejects(() => storage.commit([create("before"), write]));
        assertEquals(error.name, "TypeError", error.message);
      }
    }
    assertEquals((await assertRejects(() => storage.commit([create("")]))).name, "TypeError");
    assertEquals(await storage.runs({ limit: 9 }), []);
  });

  storageCase("states, times and check values that are none are refused", async (storage) => {
    const wrong: Write[] = [
      create("a", { state: "open" as never }),
      create("a", { createdAt: NaN }),
      create("a", { wakeAt: Infinity }),
      { w: "create", row: row("a"), records: [{ seq: 0, text: "t", check: "0123" }] },
      { w: "create", row: row("a"), records: [{ seq: 0, text: "t", check: "0123456789ABCDEF" }] },
      post("m", "a", { at: NaN }),
    ];
    for (const write of wrong) {
      const error = await assertRejects(() => storage.commit([write]));
      assert(error instanceof TypeError || error instanceof RangeError, `${error.name}: ${error.message}`);
    }
    assertEquals(await storage.runs({ limit: 9 }), []);
  });

  storageCase("large texts come back whole, between small ones and in order", async (storage) => {
    const sizes = [0, 1, 65_535, 65_536, 65_537, 3, 1_000_000, 10];
    const text = (seq: number): string => "é".repeat(sizes[seq] ?? 0);
    await storage.commit([{ w: "create", row: row("a"), records: records(0, 4, text) }]);
    await storage.commit([{ w: "append", run: "a", records: records(4, 4, text) }]);
    assertEquals((await journal(storage, "a")).map((r) => r.text.length), sizes);
    assertEquals(await journal(storage, "a"), records(0, 8, text));
    assertEquals(await journal(storage, "a", 6), records(6, 2, text));
    await storage.commit([post("m1", "a", { payload: JSON.stringify("x".repeat(200_000)) })]);
    assertEquals((await storage.inbox("a", 1))[0]?.payload.length, 200_002);
  });

  storageCase("a text over the limit is refused in bytes, before anything is written", async (storage) => {
    const limit = 3000;
    assertEquals(storage.limits.maxRecordBytes, limit);
    const fits = ["x".repeat(3000), "é".repeat(1500), "日".repeat(1000), "😀".repeat(750)];
    await storage.commit([{ w: "create", row: row("a"), records: records(0, 4, (seq) => fits[seq] ?? "") }]);
    for (const over of ["x".repeat(3001), "é".repeat(1501), "日".repeat(1001), "😀".repeat(751)]) {
      const write: Write = { w: "append", run: "a", records: records(4, 1, () => over) };
      const error = await assertRejects(() => storage.commit([create("b"), write]), "PAYLOAD_TOO_LARGE", "3000");
      assertIncludes(error.message, '"a"');
      await assertRejects(() => storage.commit([create("b"), post("m", "a", { payload: over })]), "PAYLOAD_TOO_LARGE");
    }
    assertEquals(await storage.run("b"), undefined);
    assertEquals((await journal(storage, "a")).map(({ text }) => text), fits);
  }, { maxRecordBytes: 3000 });

  storageCase("the largest text that is allowed is kept", async (storage) => {
    assertEquals(storage.limits.maxRecordBytes, 16 * 1024 * 1024);
    const text = "0123456789abcdef".repeat(1024 * 1024);
    await storage.commit([{ w: "create", row: row("a"), records: records(0, 1, () => text) }]);
    assert((await journal(storage, "a"))[0]?.text === text, "A text of 16 MiB came back different");
    await assertRejects(
      () => storage.commit([{ w: "append", run: "a", records: records(1, 1, () => `${text}.`) }]),
      "PAYLOAD_TOO_LARGE",
    );
  });

  storageCase("one at a time drives, and an error says who", async (storage, place) => {
    const again = await assertRejects(() => storage.own({ name: "again" }), "STORAGE_LOCKED");
    assertIncludes(again.message, "conformance");
    {
      await using second = await place.open();
      const error = await assertRejects(() => second.own({ name: "second" }), "STORAGE_LOCKED", "conformance");
      assertEquals((error as { holder?: { name?: string } }).holder?.name, "conformance");
      await storage.commit([create("a")]);
      assertEquals(await second.run("a"), row("a"));
      await storage[Symbol.asyncDispose]();
      await second.own({ name: "second" });
      await second.commit([{ w: "append", run: "a", records: records(1, 1) }]);
    }
    await using third = await place.open();
    await third.own({ name: "third", pid: 7 });
    assertEquals(await journal(third, "a"), records(0, 2));
  });

  storageCase("who does not drive may read and post, and nothing else", async (storage, place) => {
    await storage.commit([create("a", { state: "parked", wakeAt: 4 }, 3)]);
    await using visitor = await place.open();
    const refused: Write[] = [
      create("b"),
      { w: "append", run: "a", records: records(3, 1) },
      { w: "take", id: "m1" },
      { w: "drop", run: "a" },
    ];
    for (const write of refused) {
      await assertRejects(() => visitor.commit([post("m1", "a"), write]), "STORAGE_FAILED", `'${write.w}'`);
    }
    assertEquals(await storage.inbox("a", 9), []);
    await visitor.commit([post("m1", "a"), post("m2", "a")]);
    assertEquals(ids(await storage.inbox("a", 9)), ["m1", "m2"]);
    await storage.commit([{ w: "append", run: "a", records: records(3, 1) }, { w: "take", id: "m1" }]);
    assertEquals(await everything(visitor, ["a"]), await everything(storage, ["a"]));
  });

  storageCase("a closed one refuses everything, closes twice, and keeps what was committed", async (storage, place) => {
    await storage.commit([create("a", {}, 2), post("m1", "a")]);
    const pages = storage.journal("a")[Symbol.asyncIterator]();
    await storage[Symbol.asyncDispose]();
    await storage[Symbol.asyncDispose]();
    const calls: (() => unknown)[] = [
      () => storage.commit([create("b")]),
      () => storage.commit([]),
      () => storage.run("a"),
      () => storage.runs({ limit: 1 }),
      () => journal(storage, "a"),
      () => pages.next(),
      () => storage.due(1, 1),
      () => storage.nextWake(),
      () => storage.inbox("a", 1),
      () => storage.own({ name: "late" }),
      () => storage.watch(() => {}),
    ];
    for (const call of calls) await assertRejects(call, "STORAGE_FAILED", "closed");
    await using next = await place.open();
    await next.own({ name: "next" });
    assertEquals(await next.run("a"), row("a"));
    assertEquals(await journal(next, "a"), records(0, 2));
    assertEquals(ids(await next.inbox("a", 9)), ["m1"]);
    await next.commit([{ w: "append", run: "a", records: records(2, 1) }]);
  });

  storageCase("watch reports runs that have messages already", async (storage) => {
    await storage.commit([create("a"), post("m1", "a"), post("m2", "b"), post("m3", "c"), post("m4", "a")]);
    await storage.commit([{ w: "take", id: "m3" }]);
    const { onMessage, until } = collector();
    const seen: string[] = [];
    using _watch = storage.watch((run) => {
      seen.push(run);
      onMessage(run);
    });
    assertEquals(seen, [], "A report came inside the call of watch");
    await until(["a", "b"]);
    assertEquals(seen.toSorted(), ["a", "b"]);
  });

  storageCase("watch reports messages that others leave, and not its own", async (storage, place) => {
    const seen: string[] = [];
    const { onMessage, until } = collector();
    using _watch = storage.watch((run) => {
      seen.push(run);
      onMessage(run);
    });
    await using visitor = await place.open();
    await storage.commit([create("a"), post("own 1", "mine")]);
    await visitor.commit([post("m1", "a")]);
    await until(["a"]);
    await visitor.commit([post("m2", "b")]);
    // Between the other's message and its report: neither may hide the other.
    await storage.commit([post("own 2", "mine")]);
    await visitor.commit([post("m3", "c"), post("m4", "c")]);
    await until(["b", "c"]);
    await storage.commit([post("own 3", "mine")]);
    await visitor.commit([post("m5", "d")]);
    await until(["d"]);
    assertEquals(seen.filter((run) => run === "mine"), []);
  });

  storageCase("watch does not miss a message that takes the place of one taken", async (storage, place) => {
    await using visitor = await place.open();
    const { onMessage, until } = collector();
    using _watch = storage.watch(onMessage);
    for (let i = 0; i < 5; i++) {
      await visitor.commit([post(`m${i}`, `run ${i}`)]);
      await until([`run ${i}`]);
      await storage.commit([{ w: "take", id: `m${i}` }, { w: "drop", run: `run ${i}` }]);
    }
  });

  storageCase("a watch that was ended reports nothing, and another goes on", async (storage, place) => {
    await using visitor = await place.open();
    const ended: string[] = [];
    const { onMessage, until } = collector();
    const watch = storage.watch((run) => ended.push(run));
    using _other = storage.watch(onMessage);
    watch[Symbol.dispose]();
    watch[Symbol.dispose]();
    await visitor.commit([post("m1", "a")]);
    await until(["a"]);
    assertEquals(ended, []);
  });

  storageCase("commits that are made at once are all kept, in the order in which they were made", async (storage) => {
    await storage.commit([create("a")]);
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => storage.commit([{ w: "append", run: "a", records: records(1 + i, 1) }])),
    );
    assertEquals(await journal(storage, "a"), records(0, 201));
  });

  storageCase("appends to many runs in turn are kept apart", async (storage) => {
    const runs = Array.from({ length: 100 }, (_, i) => `run ${i}`);
    await storage.commit(runs.map((id) => create(id)));
    for (let seq = 1; seq < 30; seq++) {
      await storage.commit(
        runs.map((run) => ({ w: "append", run, records: records(seq, 1, () => `${run} at ${seq}`) })),
      );
    }
    for (const run of runs) {
      const texts = (await journal(storage, run)).map(({ text }) => text);
      assertEquals(texts, ["record 0", ...Array.from({ length: 29 }, (_, i) => `${run} at ${i + 1}`)]);
    }
  });

  storageCase("many runs in one commit are found again one by one", async (storage, place) => {
    const count = 10_000;
    await storage.commit(Array.from({ length: count }, (_, i) => create(`run ${i}`, { state: "parked" }, 1)));
    // More than any cache of places holds: the first ones have left it.
    await storage.commit([{ w: "append", run: "run 0", records: records(1, 1) }]);
    await storage.commit([{ w: "append", run: `run ${count - 1}`, records: records(1, 1) }]);
    await storage[Symbol.asyncDispose]();
    await using next = await place.open();
    await next.own({ name: "next" });
    await next.commit([{ w: "append", run: "run 5", records: records(1, 1) }]);
    assertEquals((await next.runs({ limit: 20_000, state: "parked" })).length, count);
    assertEquals(await journal(next, "run 0"), records(0, 2));
    assertEquals(await journal(next, "run 5"), records(0, 2));
  });

  storageCase("the limits say how durable a commit is", (storage) => {
    const { durable, maxMessages, maxRecordBytes } = storage.limits;
    assert(["power", "process", "none"].includes(durable));
    assert(maxMessages > 0 && maxRecordBytes > 0);
    return Promise.resolve();
  });
}
