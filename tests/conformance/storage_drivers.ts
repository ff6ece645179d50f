/**
 * Who may write: one driver, visitors beside it, and nobody once it is closed.
 *
 * @module
 */
import type { Write } from "@windkit/windmill-client/storage/memory";
import { assertEquals, assertIncludes, assertRejects } from "../suite/assert.ts";
import { create, everything, ids, journal, post, records, row, type StorageCase } from "./_storage_kit.ts";

/** Registers who may write. */
export function driverCases(storageCase: StorageCase): void {
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
}
