/**
 * What is kept of a journal: its records in order and in pages, and its texts as they were written or not at all.
 *
 * @module
 */
import type { Write } from "@windkit/windmill-client/storage/memory";
import { assert, assertEquals, assertIncludes, assertRejects } from "../suite/assert.ts";
import { create, ids, journal, message, post, records, row, type StorageCase } from "./_storage_kit.ts";

/** Registers what is kept of journals. */
export function journalCases(storageCase: StorageCase): void {
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
}
