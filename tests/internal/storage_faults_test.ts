import { openSqliteStorage, type SqliteStorage, type Write } from "@windkit/windmill-client/storage/sqlite";
import { verifyChain } from "../../src/engine/read_journal.ts";
import { openSqlite } from "../../src/storage/_sqlite_open.ts";
import { SCHEMA } from "../../src/storage/_sqlite_schema.ts";
import { examineSqlite } from "../../src/storage/doctor.ts";
import { chainCheck } from "../../src/workflow/record_text.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "../suite/assert.ts";
import { startChild, withFolder } from "./storage_process.ts";

/** A run with records whose check values are right. */
function createRun(id: string, count: number, text = "x".repeat(200)): Write {
  let check = "";
  const records = Array.from({ length: count }, (_, seq) => {
    const line = `${seq} ${text}`;
    check = chainCheck(check, line);
    return { seq, text: line, check };
  });
  return { w: "create", row: { id, workflow: "w", state: "parked", wakeAt: 5, createdAt: 1 }, records };
}

/** Fills a folder and closes it. */
async function filled(dir: string): Promise<void> {
  await using storage = await openSqliteStorage({ dir });
  await storage.own({ name: "filler" });
  for (let i = 0; i < 20; i++) await storage.commit([createRun(`run ${i}`, 100)]);
}

async function drive(dir: string): Promise<SqliteStorage> {
  const storage = await openSqliteStorage({ dir });
  try {
    await storage.own({ name: "test" });
    return storage;
  } catch (error) {
    await storage.close();
    throw error;
  }
}

/** The bytes of the file, to see that nothing was written to it. */
function bytesOf(dir: string): Uint8Array {
  return Deno.readFileSync(`${dir}/windkit.db`);
}

/** Expects that the folder cannot be driven, that its file is left as it was, and that the doctor says so too. */
async function expectDamage(dir: string, part: string): Promise<void> {
  const before = bytesOf(dir);
  const error = await assertRejects(() => drive(dir), "JOURNAL_CORRUPT", part);
  assertIncludes(error.message, "windkit.db");
  assertEquals(bytesOf(dir).length, before.length);
  assert(bytesOf(dir).every((byte, i) => byte === before[i]), "A damaged file was written to");
  const report = await examineSqlite(dir, { verify: verifyChain });
  assert(!report.ok && report.findings.length > 0, "The doctor found nothing");
}

for (
  const [what, cut] of [["by a part of a page", 1000], ["by many pages", 100_000], [
    "to its header",
    undefined,
  ]] as const
) {
  Deno.test(`a file that was cut ${what} is refused and left alone`, () =>
    withFolder(async (dir) => {
      await filled(dir);
      const path = `${dir}/windkit.db`;
      Deno.truncateSync(path, cut === undefined ? 100 : Deno.statSync(path).size - cut);
      await expectDamage(dir, "");
    }));
}

Deno.test("a file of other bytes is refused and left alone", () =>
  withFolder(async (dir) => {
    Deno.writeFileSync(`${dir}/windkit.db`, new TextEncoder().encode("no database at all ".repeat(1000)));
    await expectDamage(dir, "not a database");
  }));

Deno.test("an empty file is refused, with a log beside it and without, and the log is left alone", () =>
  withFolder(async (dir) => {
    Deno.writeFileSync(`${dir}/windkit.db`, new Uint8Array());
    await expectDamage(dir, "empty");
    Deno.writeFileSync(`${dir}/windkit.db-wal`, new Uint8Array(8192));
    await expectDamage(dir, "empty");
    assertEquals(Deno.statSync(`${dir}/windkit.db-wal`).size, 8192);
    Deno.removeSync(`${dir}/windkit.db`);
    await assertRejects(() => drive(dir), "JOURNAL_CORRUPT", "it is gone");
    await assertRejects(() => openSqliteStorage({ dir, mode: "visit" }), "JOURNAL_CORRUPT", "it is gone");
    assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name).includes("windkit.db"), false);
    assertEquals(Deno.statSync(`${dir}/windkit.db-wal`).size, 8192);
  }));

Deno.test("a folder in place of the file, and a file in place of the folder, are named", () =>
  withFolder(async (dir) => {
    Deno.mkdirSync(`${dir}/a/windkit.db`, { recursive: true });
    await assertRejects(() => drive(`${dir}/a`), "JOURNAL_CORRUPT", "is a folder");
    Deno.writeTextFileSync(`${dir}/b`, "");
    await assertRejects(() => drive(`${dir}/b`), "STORAGE_FAILED", "is a file");
    assertEquals((await examineSqlite(`${dir}/a`)).ok, false);
    assertEquals((await examineSqlite(`${dir}/missing`)).findings.length, 1);
  }));

Deno.test("a file of another program is refused and not changed", () =>
  withFolder(async (dir) => {
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(`${dir}/windkit.db`);
    db.exec("CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)");
    db.close();
    const before = bytesOf(dir);
    await assertRejects(() => drive(dir), "STORAGE_FAILED", "another program");
    await assertRejects(() => openSqliteStorage({ dir, mode: "visit" }), "STORAGE_FAILED", "another program");
    assertEquals(bytesOf(dir), before);
  }));

Deno.test("damage inside the file is found after an unclean end, and by the doctor always", () =>
  withFolder(async (dir) => {
    await filled(dir);
    const file = Deno.openSync(`${dir}/windkit.db`, { write: true });
    const pages = Deno.statSync(`${dir}/windkit.db`).size / 4096;
    for (let page = 20; page < pages - 1; page += 5) {
      file.seekSync(page * 4096, Deno.SeekMode.Start);
      file.writeSync(new Uint8Array(200).fill(0x5a));
    }
    file.close();
    // A clean end was noted: the file is not read at the next start.
    await (await drive(dir)).close();
    Deno.writeTextFileSync(`${dir}/owner.json`, JSON.stringify({ name: "died", pid: 1, since: 1 }));
    const error = await assertRejects(() => drive(dir), "JOURNAL_CORRUPT");
    assertIncludes(error.message, "windkit doctor");
    // Until it is repaired, each start looks again.
    await assertRejects(() => drive(dir), "JOURNAL_CORRUPT");
    const report = await examineSqlite(dir, { verify: verifyChain });
    assertEquals([report.ok, report.unclean, report.driven], [false, true, false]);
  }));

Deno.test("an unclean end of an undamaged file is checked once and then forgotten", () =>
  withFolder(async (dir) => {
    {
      await using child = startChild(dir);
      await child.ask("open");
      await child.ask("own", "victim");
      await child.ask("create", "r");
      await child.kill();
    }
    const report = await examineSqlite(dir);
    assertEquals([report.ok, report.unclean, report.driven, report.holder?.name], [true, true, false, "victim"]);
    await using storage = await drive(dir);
    assertEquals((await storage.run("r"))?.state, "active");
    assertEquals((await examineSqlite(dir)).driven, true);
    await storage.close();
    const clean = await examineSqlite(dir);
    assertEquals([clean.ok, clean.unclean, clean.driven, clean.holder], [true, false, false, undefined]);
  }));

Deno.test("a record that was changed in the file is found by the doctor, with run and position", () =>
  withFolder(async (dir) => {
    await filled(dir);
    const { DatabaseSync } = await import("node:sqlite");
    const db = new DatabaseSync(`${dir}/windkit.db`);
    const run = "(SELECT no FROM runs WHERE id = 'run 7')";
    db.exec(`UPDATE records SET text = replace(text, 'x', 'y') WHERE run = ${run} AND seq = 42`);
    db.exec("DELETE FROM records WHERE run = (SELECT no FROM runs WHERE id = 'run 9') AND seq = 13");
    db.exec("DELETE FROM runs WHERE id = 'run 3'");
    db.close();
    const { ok, findings, runs, records } = await examineSqlite(dir, { verify: verifyChain });
    assertEquals(ok, false);
    assertEquals(findings.map(({ run, seq }) => ({ run, seq })), [
      { run: undefined, seq: undefined },
      { run: "run 7", seq: 42 },
      { run: "run 9", seq: 13 },
    ]);
    assertEquals([runs?.parked, records], [19, 1999]);
    assertIncludes(findings[0]?.text ?? "", "100 records");
  }));

Deno.test("examineSqlite() counts what is there and finds nothing in a sound file", () =>
  withFolder(async (dir) => {
    await filled(dir);
    await using storage = await drive(dir);
    await storage.commit([
      { w: "append", run: "run 0", records: [], row: { state: "closed", closedAt: 9 } },
      { w: "post", message: { id: "m", run: "run 1", kind: "event", name: "e", payload: "1", at: 1 } },
      createRun("large", 3, "y".repeat(100_000)),
    ]);
    const report = await examineSqlite(dir, { verify: verifyChain });
    assertEquals(report.findings, []);
    assertEquals(report.runs, { ready: 0, active: 0, parked: 20, closed: 1, orphan: 0 });
    assertEquals([report.records, report.messages, report.schemaVersion], [2003, 1, SCHEMA.version]);
    assertEquals([report.driven, report.holder?.pid], [true, Deno.pid]);
    assert(report.fileBytes > 0 && report.logBytes > 0);
    // The examination let nobody else's lock go.
    await using other = await openSqliteStorage({ dir });
    await assertRejects(() => other.own({ name: "other" }), "STORAGE_LOCKED");
  }));

Deno.test("a full file: the commit fails as full, nothing of it is kept, and nothing after it is acknowledged", () =>
  withFolder(async (dir) => {
    const storage = await openSqlite({ dir }, { schema: SCHEMA, pragmas: ["PRAGMA max_page_count = 60"] });
    await storage.own({ name: "test" });
    let kept = 0;
    const error = await assertRejects(async () => {
      for (;; kept++) await storage.commit([createRun(`run ${kept}`, 100)]);
    }, "STORAGE_FULL");
    assertIncludes(error.message, "full");
    assert(kept > 0);
    await assertRejects(() => storage.commit([{ w: "drop", run: "run 0" }]), "STORAGE_FAILED", "failed earlier");
    assertEquals((await storage.runs({ limit: 1000 })).length, kept, "A failed storage can be read");
    await storage.close();
    await using next = await drive(dir);
    assertEquals((await next.runs({ limit: 1000 })).length, kept);
    await next.commit([createRun("next", 100)]);
    assertEquals((await examineSqlite(dir, { verify: verifyChain })).findings, []);
  }));

/** Mounts something on a folder, where this process may; gives why it may not. */
function mount(...args: readonly string[]): string | undefined {
  try {
    const { success, stderr } = new Deno.Command("mount", { args: [...args] }).outputSync();
    return success ? undefined : new TextDecoder().decode(stderr).trim();
  } catch (error) {
    return String(error);
  }
}

function unmount(dir: string): void {
  const { success, stderr } = new Deno.Command("umount", { args: [dir] }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}

/** Why no file system can be mounted here: a full disk and a read-only one then have no stand-in. */
const noMount: string | undefined = ((): string | undefined => {
  const dir = Deno.makeTempDirSync({ prefix: "windkit-mount-" });
  try {
    const problem = mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", dir);
    if (problem === undefined) unmount(dir);
    return problem;
  } finally {
    Deno.removeSync(dir);
  }
})();
if (noMount !== undefined) console.log(`Cannot mount a tmpfs, so two tests are ignored: ${noMount}`);

Deno.test({
  name: "a full disk: everything acknowledged is there when space is free again",
  ignore: noMount !== undefined,
  fn: () =>
    withFolder(async (dir) => {
      assertEquals(mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", dir), undefined);
      try {
        Deno.writeFileSync(`${dir}/ballast`, new Uint8Array(2560 * 1024));
        const storage = await drive(`${dir}/data`);
        let kept = 0;
        await assertRejects(async () => {
          for (;; kept++) await storage.commit([createRun(`run ${kept}`, 100)]);
        }, "STORAGE_FULL");
        assert(kept > 0);
        await assertRejects(() => storage.commit([createRun("late", 1)]), "STORAGE_FAILED", "failed earlier");
        await storage.close();
        Deno.removeSync(`${dir}/ballast`);
        await using next = await drive(`${dir}/data`);
        assertEquals((await next.runs({ limit: 1000 })).length, kept);
        await next.commit([createRun("next", 1)]);
        assertEquals((await examineSqlite(`${dir}/data`, { verify: verifyChain })).findings, []);
      } finally {
        unmount(dir);
      }
    }),
});

Deno.test({
  name: "a read-only folder is named as such, for a driver and a visitor; the doctor reads it",
  ignore: noMount !== undefined,
  fn: () =>
    withFolder(async (dir) => {
      assertEquals(mount("-t", "tmpfs", "-o", "size=8m", "tmpfs", dir), undefined);
      try {
        await filled(`${dir}/data`);
        assertEquals(mount("-o", "remount,ro", dir), undefined);
        await assertRejects(() => drive(`${dir}/data`), "STORAGE_READ_ONLY", "windkit.db");
        await assertRejects(() => openSqliteStorage({ dir: `${dir}/data`, mode: "visit" }), "STORAGE_READ_ONLY");
        await assertRejects(() => openSqliteStorage({ dir: `${dir}/new` }), "STORAGE_READ_ONLY", "make the folder");
        const report = await examineSqlite(`${dir}/data`, { verify: verifyChain });
        assertEquals([report.findings, report.records], [[], 2000]);
      } finally {
        unmount(dir);
      }
    }),
});
