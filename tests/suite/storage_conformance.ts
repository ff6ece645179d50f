/**
 * Every storage of the package through the conformance suite.
 *
 * @module
 */
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import { openSqliteStorage } from "@windkit/windmill-client/storage/sqlite";
import { storageConformance, type StoragePlace } from "../conformance/storage.ts";
import { assertEquals, assertRejects } from "./assert.ts";
import { builtin, noSqlite } from "./env.ts";
import { test } from "./harness.ts";

interface FileSystem {
  mkdtempSync(prefix: string): string;
  rmSync(path: string, options: { recursive: boolean; force: boolean }): void;
}

function makeFolder(): { readonly dir: string; remove(): void } {
  const fs = builtin<FileSystem>("node:fs");
  const os = builtin<{ tmpdir(): string }>("node:os");
  if (fs === undefined || os === undefined) throw new Error("Cannot make a folder: this runtime has no file system");
  const dir = fs.mkdtempSync(`${os.tmpdir()}/windkit-storage-`);
  return { dir, remove: () => fs.rmSync(dir, { recursive: true, force: true }) };
}

storageConformance("memory", (limits) => {
  const data = createMemoryStorage(limits);
  return Promise.resolve<StoragePlace>({
    open: () => Promise.resolve(data.visit()),
    [Symbol.asyncDispose]: () => data.close(),
  });
});

for (const durability of ["power", "process"] as const) {
  storageConformance(`sqlite (${durability})`, (limits) => {
    const { dir, remove } = makeFolder();
    return Promise.resolve<StoragePlace>({
      open: () => openSqliteStorage({ dir, durability, ...limits }),
      [Symbol.asyncDispose]: () => Promise.resolve(remove()),
    });
  }, noSqlite);
}

test("openSqliteStorage() opens a folder, or names the runtimes that can", async () => {
  if (noSqlite !== undefined) {
    await assertRejects(() => openSqliteStorage({ dir: "unused" }), "MISSING_PACKAGE", "Node 22.13");
    return;
  }
  const { dir, remove } = makeFolder();
  try {
    await using storage = await openSqliteStorage({ dir });
    assertEquals(storage.dir, dir);
    assertEquals(await storage.runs({ limit: 1 }), []);
  } finally {
    remove();
  }
});

test(
  "openSqliteStorage(): a folder that is removed while it is open fails a visitor's reads and a driver's close()",
  async () => {
    const { dir, remove } = makeFolder();
    const driver = await openSqliteStorage({ dir });
    await driver.own({ name: "driver" });
    await using visitor = await openSqliteStorage({ dir, mode: "visit" });
    assertEquals(await visitor.runs({ limit: 1 }), []);
    remove();
    await assertRejects(() => visitor.runs({ limit: 1 }), "STORAGE_FAILED", "was removed while it was open");
    try {
      await using next = await openSqliteStorage({ dir });
      await next.own({ name: "next" });
      await assertRejects(() => driver.close(), "STORAGE_FAILED", "was replaced by another file while it was open");
    } finally {
      remove();
    }
  },
  noSqlite,
);

test("createMemoryStorage() forks what is committed, without its driver, and apart from then on", async () => {
  await using first = createMemoryStorage();
  await first.own({ name: "first" });
  const record = { seq: 0, text: "opened", check: "0123456789abcdef" };
  const message = { id: "m1", run: "a", kind: "event", name: "e", payload: "1", at: 1 } as const;
  const row = { id: "a", workflow: "w", state: "parked", wakeAt: 5, createdAt: 1 } as const;
  await first.commit([{ w: "create", row, records: [record] }, { w: "post", message }]);

  await using fork = first.fork();
  await fork.own({ name: "fork" });
  await first.commit([{ w: "append", run: "a", records: [{ ...record, seq: 1 }], row: { state: "active" } }]);
  await first.commit([{ w: "take", id: "m1" }]);
  assertEquals(await fork.run("a"), row);
  assertEquals(await fork.nextWake(), 5);
  assertEquals(await fork.inbox("a", 9), [message]);
  await fork.commit([{ w: "drop", run: "a" }]);
  assertEquals((await first.run("a"))?.state, "active");

  await first.close();
  await using late = first.fork();
  assertEquals((await late.run("a"))?.state, "active");
  await late.own({ name: "late" });
  await late.commit([{ w: "post", message }]);
  assertEquals(await late.inbox("a", 9), [], "A fork forgot that a message was taken");
});
