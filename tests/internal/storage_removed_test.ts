import { createEngine } from "@windkit/windmill-client/engine";
import { openSqliteStorage, type SqliteStorage, type Write } from "@windkit/windmill-client/storage/sqlite";
import { waitForApproval } from "@windkit/windmill-client/workflow";
import { type Files, localFiles } from "../../src/storage/_files.ts";
import { type Internals, openSqlite } from "../../src/storage/_sqlite_open.ts";
import { SCHEMA } from "../../src/storage/_sqlite_schema.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "../suite/assert.ts";
import { evalStorage, heldOpen, withFolder } from "./storage_process.ts";

const CHECK = "0123456789abcdef";
const CREATE: Write = {
  w: "create",
  row: { id: "r", workflow: "w", state: "active", createdAt: 1 },
  records: [{ seq: 0, text: "opened", check: CHECK }],
};
const POST: Write = { w: "post", message: { id: "m", run: "r", kind: "event", name: "e", payload: "1", at: 1 } };

function append(seq: number): Write {
  return { w: "append", run: "r", records: [{ seq, text: "more", check: CHECK }] };
}

/** A driver of a folder with one run, and the clock that tells it when to look. */
async function driveAt(
  dir: string,
  internals: Partial<Internals> = {},
): Promise<{ readonly storage: SqliteStorage; pass(ms: number): void }> {
  let now = 0;
  const storage = await openSqlite({ dir }, { schema: SCHEMA, clock: () => now, ...internals });
  await storage.own({ name: "test" });
  await storage.commit([CREATE]);
  return { storage, pass: (ms) => void (now += ms) };
}

function remove(path: string): void {
  Deno.removeSync(path, { recursive: true });
}

function names(dir: string): string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}

/** Puts another file of the same bytes in a file's place. */
function replace(path: string): void {
  Deno.copyFileSync(path, `${path}.other`);
  Deno.renameSync(`${path}.other`, path);
}

Deno.test("a driver whose folder is removed: within a second every commit and read fails, and says why", () =>
  withFolder(async (dir) => {
    const data = `${dir}/data`;
    const { storage, pass } = await driveAt(data);
    remove(data);
    pass(999);
    await storage.commit([append(1)]);
    pass(1);
    const error = await assertRejects(() => storage.commit([append(2)]), "STORAGE_FAILED");
    assertEquals(
      error.message,
      `Cannot commit to "${data}/windkit.db": "${data}/windkit.db" was removed while it was open, ` +
        `so what was committed may be lost; open "${data}" again`,
    );
    await assertRejects(() => storage.commit([append(2)]), "STORAGE_FAILED", "was removed while it was open");
    await assertRejects(() => storage.run("r"), "STORAGE_FAILED", "was removed while it was open");
    await storage.backup(`${dir}/saved.db`);
    await storage.close();
    assertEquals(names(dir), ["saved.db"]);

    Deno.mkdirSync(data);
    Deno.renameSync(`${dir}/saved.db`, `${data}/windkit.db`);
    await using saved = await openSqliteStorage({ dir: data });
    const texts = (await Array.fromAsync(saved.journal("r"))).flat().map(({ text }) => text);
    assertEquals(texts, ["opened", "more"]);
  }));

for (const name of ["windkit.db", "windkit.db-wal", "owner.lock"]) {
  for (
    const [what, change, text] of [
      ["removed", remove, "was removed while it was open"],
      ["replaced", replace, "was replaced by another file while it was open"],
    ] as const
  ) {
    Deno.test(`a driver notices that ${name} was ${what}`, () =>
      withFolder(async (dir) => {
        const { storage, pass } = await driveAt(dir);
        change(`${dir}/${name}`);
        pass(1000);
        await assertRejects(() => storage.commit([append(1)]), "STORAGE_FAILED", `"${dir}/${name}" ${text}`);
        await assertRejects(() => storage.commit([append(1)]), "STORAGE_FAILED", text);
        await storage.close();
      }));
  }
}

Deno.test("a folder that was replaced and is driven by another: the first driver fails and harms nothing of it", () =>
  withFolder(async (dir) => {
    const data = `${dir}/data`;
    const first = await driveAt(data);
    Deno.renameSync(data, `${dir}/moved`);
    const second = await driveAt(data);
    await second.storage.commit([append(1)]);
    first.pass(1000);
    await assertRejects(() => first.storage.commit([append(1)]), "STORAGE_FAILED", "was replaced by another file");
    await first.storage.close();
    assertEquals(names(data), ["owner.json", "owner.lock", "windkit.db", "windkit.db-shm", "windkit.db-wal"]);
    second.pass(1000);
    await second.storage.commit([append(2)]);
    await second.storage.close();
    for (const [where, count] of [[data, 3], [`${dir}/moved`, 1]] as const) {
      await using next = await openSqliteStorage({ dir: where });
      await next.own({ name: "next" });
      assertEquals((await Array.fromAsync(next.journal("r"))).flat().length, count, where);
    }
  }));

Deno.test("close() looks once more: a driver that was done before the next look is told, and only then", () =>
  withFolder(async (dir) => {
    const data = `${dir}/data`;
    const first = await driveAt(data);
    remove(data);
    const second = await driveAt(data);
    const error = await assertRejects(() => first.storage.close(), "STORAGE_FAILED", "was replaced by another file");
    assertIncludes(error.message, "Cannot close");
    assert(names(data).includes("owner.json"), "The note of another driver was removed");
    await second.storage.close();
    assertEquals(names(data), ["owner.lock", "windkit.db"]);
  }));

Deno.test("own() does not take the lock of a folder that was replaced after it was opened", () =>
  withFolder(async (dir) => {
    const data = `${dir}/data`;
    await using storage = await openSqliteStorage({ dir: data });
    remove(data);
    await using other = await openSqliteStorage({ dir: data });
    await assertRejects(() => storage.own({ name: "late" }), "STORAGE_FAILED", "was replaced by another file");
    await other.own({ name: "other" });
  }));

for (
  const [what, change, text] of [
    ["removed", remove, "was removed while it was open"],
    ["replaced", (data: string) => {
      Deno.renameSync(data, `${data}.old`);
      Deno.mkdirSync(data);
      Deno.copyFileSync(`${data}.old/windkit.db`, `${data}/windkit.db`);
    }, "was replaced by another file while it was open"],
  ] as const
) {
  Deno.test(`a visitor's next read and next post say that the folder was ${what}`, () =>
    withFolder(async (dir) => {
      const data = `${dir}/data`;
      const { storage } = await driveAt(data);
      await storage.close();
      await using reader = await openSqliteStorage({ dir: data, mode: "visit" });
      await using poster = await openSqliteStorage({ dir: data, mode: "visit" });
      await poster.commit([POST]);
      assertEquals((await reader.inbox("r", 9)).length, 1);
      change(data);
      await assertRejects(() => reader.run("r"), "STORAGE_FAILED", text);
      await assertRejects(() => Array.fromAsync(reader.journal("r")), "STORAGE_FAILED", text);
      await assertRejects(() => poster.commit([POST]), "STORAGE_FAILED", text);
    }));
}

Deno.test("an engine whose runs are all parked is told, though it commits nothing", () =>
  withFolder(async (dir) => {
    const data = `${dir}/data`;
    let looks = 0;
    const storage = await openSqlite({ dir: data }, { schema: SCHEMA, clock: () => 1000 * looks++ });
    const waiting = Promise.withResolvers<void>();
    const engine = await createEngine({
      storage,
      workflows: { wait: async (): Promise<boolean> => (await waitForApproval()).approved },
      onEvent: ({ event }) => event === "approval_waiting" && waiting.resolve(),
    });
    const handle = await engine.start("wait");
    await waiting.promise;
    remove(data);
    const result = heldOpen(handle.result({ signal: AbortSignal.timeout(20_000) }));
    await assertRejects(() => result, "STORAGE_FAILED", "was removed while it was open");
    assertIncludes(engine.failed?.message ?? "", "was removed while it was open");
    await engine.close();
    assertEquals(names(dir), []);
  }));

/** The file operations of a runtime that gives no inodes. */
function filesWithoutInodes(): Files {
  const files = localFiles();
  return { ...files, look: (path) => ({ ...files.look(path), identity: "" }) };
}

Deno.test("a runtime that knows no inodes still notices a file that is gone, and takes one that is there", () =>
  withFolder(async (dir) => {
    const { storage, pass } = await driveAt(dir, { files: filesWithoutInodes() });
    pass(1000);
    await storage.commit([append(1)]);
    remove(`${dir}/windkit.db`);
    pass(1000);
    await assertRejects(() => storage.commit([append(2)]), "STORAGE_FAILED", "was removed while it was open");
    await storage.close();
  }));

Deno.test("a folder that was named relative to the working directory is found again when that changes", () =>
  withFolder(async (dir) => {
    Deno.mkdirSync(`${dir}/elsewhere`);
    await evalStorage(
      dir,
      `const storage = await openSqliteStorage({ dir: "data" });
       await storage.own({ name: "test" });
       await using visitor = await openSqliteStorage({ dir: "data", mode: "visit" });
       Deno.chdir("elsewhere");
       await storage.commit(${JSON.stringify([CREATE])});
       if ((await visitor.run("r"))?.id !== "r") throw new Error("Not found");
       Deno.removeSync(${JSON.stringify(`${dir}/data`)}, { recursive: true });
       const error = await visitor.run("r").catch((error) => error);
       if (!String(error.message).includes('"data/windkit.db" was removed')) throw error;
       const late = await storage.close().catch((error) => error);
       if (!String(late?.message).includes('"data/windkit.db" was removed')) throw new Error("Not told");`,
    );
  }));
