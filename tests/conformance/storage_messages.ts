/**
 * Messages to runs: their order, their ids and how many there may be, and who is told of them.
 *
 * @module
 */
import type { Write } from "@windkit/windmill-client/storage/memory";
import { assertEquals, assertRejects } from "../suite/assert.ts";
import { create, ids, message, post, records, type StorageCase } from "./_storage_kit.ts";

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

/** Registers how messages are kept and told of. */
export function messageCases(storageCase: StorageCase): void {
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
}
