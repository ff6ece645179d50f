import { openSqliteStorage, type SqliteStorage } from "@windkit/windmill-client/storage/sqlite";
import { type Database, loadSqlite, type Statement } from "../../src/storage/_sqlite_module.ts";
import { openSqlite } from "../../src/storage/_sqlite_open.ts";
import { SCHEMA, type Schema } from "../../src/storage/_sqlite_schema.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "../suite/assert.ts";
import { startChild, withFolder } from "./storage_process.ts";

const ROW = { id: "r", workflow: "w", state: "parked", createdAt: 1 } as const;
const RECORD = { seq: 0, text: "opened", check: "0".repeat(16) };

/** The schema as two later versions might have it. */
function later(version: number, migrations: Schema["migrations"]): Schema {
  return { version, create: SCHEMA.create, migrations: { ...SCHEMA.migrations, ...migrations } };
}

function addTable(name: string): (db: Database) => void {
  return (db) => void db.prepare(`CREATE TABLE ${name}(x)`).run();
}

async function open(dir: string, schema: Schema): Promise<SqliteStorage> {
  return await openSqlite({ dir }, { schema });
}

async function withRun(dir: string): Promise<void> {
  await using storage = await openSqliteStorage({ dir });
  await storage.own({ name: "old" });
  await storage.commit([{ w: "create", row: ROW, records: [RECORD] }]);
}

async function tables(dir: string): Promise<string[]> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(`${dir}/windkit.db`, { readOnly: true });
  try {
    return db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all().map(({ name }) => String(name));
  } finally {
    db.close();
  }
}

async function versionOf(dir: string): Promise<unknown> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(`${dir}/windkit.db`, { readOnly: true });
  try {
    return db.prepare("PRAGMA user_version").get()?.["user_version"];
  } finally {
    db.close();
  }
}

Deno.test("a file of a newer schema is refused, by a driver and a visitor, and not changed", () =>
  withFolder(async (dir) => {
    await (await open(dir, later(SCHEMA.version + 1, {}))).close();
    const before = Deno.readFileSync(`${dir}/windkit.db`);
    for (const mode of ["drive", "visit"] as const) {
      const error = await assertRejects(() => openSqliteStorage({ dir, mode }), "SCHEMA_TOO_NEW");
      assertIncludes(error.message, `version ${SCHEMA.version + 1}`);
      assertIncludes(error.message, `up to ${SCHEMA.version}`);
    }
    assertEquals(Deno.readFileSync(`${dir}/windkit.db`), before);
  }));

Deno.test("own() brings an earlier file up to date, step by step, and keeps what is in it", () =>
  withFolder(async (dir) => {
    await withRun(dir);
    const v = SCHEMA.version;
    const next = later(v + 2, { [v]: addTable("first_step"), [v + 1]: addTable("second_step") });
    {
      await using storage = await open(dir, next);
      await assertRejects(() => storage.run("r"), "STORAGE_FAILED", "'own' brings it up to date");
      await assertRejects(() => storage.commit([]), "STORAGE_FAILED", "'own' brings it up to date");
      assertEquals(await versionOf(dir), v, "Opening alone changed the file");
      await storage.own({ name: "new" });
      assertEquals(await storage.run("r"), ROW);
      await storage.commit([{ w: "append", run: "r", records: [{ ...RECORD, seq: 1 }] }]);
    }
    assertEquals(await versionOf(dir), v + 2);
    const names = await tables(dir);
    assert(names.includes("first_step") && names.includes("second_step"));
    await using again = await open(dir, next);
    assertEquals(await again.run("r"), ROW);
  }));

Deno.test("a migration that fails changes nothing, and the earlier version can still open the file", () =>
  withFolder(async (dir) => {
    await withRun(dir);
    const v = SCHEMA.version;
    const broken = later(v + 2, {
      [v]: addTable("first_step"),
      [v + 1]: () => {
        throw new Error("planted");
      },
    });
    {
      await using storage = await open(dir, broken);
      await assertRejects(() => storage.own({ name: "new" }), "STORAGE_FAILED", "planted");
    }
    assertEquals(await versionOf(dir), v);
    assert(!(await tables(dir)).includes("first_step"));
    await using old = await openSqliteStorage({ dir });
    await old.own({ name: "old" });
    assertEquals(await old.run("r"), ROW);
  }));

Deno.test("a file from a version with no way to this one is refused", () =>
  withFolder(async (dir) => {
    await withRun(dir);
    await using storage = await open(dir, later(SCHEMA.version + 1, {}));
    await assertRejects(() => storage.own({ name: "new" }), "STORAGE_FAILED", "no way from that");
  }));

Deno.test("a visitor does not migrate: it says what to do", () =>
  withFolder(async (dir) => {
    await withRun(dir);
    const next = later(SCHEMA.version + 1, { [SCHEMA.version]: addTable("step") });
    const error = await assertRejects(() => openSqlite({ dir, mode: "visit" }, { schema: next }), "STORAGE_FAILED");
    assertIncludes(error.message, "start an engine");
    assertEquals(await versionOf(dir), SCHEMA.version);
  }));

Deno.test("two openers of an earlier file: the one that owns later finds it migrated", () =>
  withFolder(async (dir) => {
    await withRun(dir);
    let steps = 0;
    const next = later(SCHEMA.version + 1, {
      [SCHEMA.version]: (db) => {
        steps++;
        addTable("step")(db);
      },
    });
    await using first = await open(dir, next);
    await using second = await open(dir, next);
    await first.own({ name: "first" });
    await first.close();
    await second.own({ name: "second" });
    assertEquals(steps, 1);
    assertEquals(await second.run("r"), ROW);
  }));

Deno.test("backup() while another process writes is complete, and opens as a folder of its own", () =>
  withFolder(async (dir) => {
    await using child = startChild(`${dir}/data`);
    await child.ask("open");
    await child.ask("own");
    await child.ask("create", "r");
    child.send("appendForEver", "r");
    let before = 0;
    while (before < 50) before = (await child.next()).committed ?? 0;
    await using visitor = await openSqliteStorage({ dir: `${dir}/data`, mode: "visit" });
    Deno.mkdirSync(`${dir}/copy`);
    await visitor.backup(`${dir}/copy/windkit.db`);
    let after = before;
    while (after === before) after = (await child.next()).committed ?? before;
    await child.kill();

    await using copy = await openSqliteStorage({ dir: `${dir}/copy` });
    await copy.own({ name: "restored" });
    const seqs: number[] = [];
    for await (const page of copy.journal("r")) seqs.push(...page.map(({ seq }) => seq));
    assertEquals(seqs, seqs.map((_, i) => i));
    assert(seqs.length > before, `The copy has ${seqs.length} records, ${before} were committed before it began`);
    await copy.commit([{ w: "append", run: "r", records: [{ ...RECORD, seq: seqs.length }] }]);
  }));

Deno.test("backup() of a driver copies what is committed, and never replaces a file", () =>
  withFolder(async (dir) => {
    await using storage = await openSqliteStorage({ dir: `${dir}/data` });
    await storage.own({ name: "driver" });
    await storage.commit([{ w: "create", row: ROW, records: [RECORD] }]);
    Deno.writeTextFileSync(`${dir}/taken`, "precious");
    await assertRejects(() => storage.backup(`${dir}/taken`), "STORAGE_FAILED", "it exists");
    assertEquals(Deno.readTextFileSync(`${dir}/taken`), "precious");
    await assertRejects(() => storage.backup(`${dir}/missing/windkit.db`));
    Deno.mkdirSync(`${dir}/copy`);
    Deno.writeTextFileSync(`${dir}/copy/windkit.db.partial`, "left by a backup that was killed");
    await storage.backup(`${dir}/copy/windkit.db`);
    assertEquals([...Deno.readDirSync(`${dir}/copy`)].map(({ name }) => name), ["windkit.db"]);
    await using copy = await openSqliteStorage({ dir: `${dir}/copy`, mode: "visit" });
    assertEquals(await copy.run("r"), ROW);
  }));

Deno.test("close() leaves one file and an unlocked lock", () =>
  withFolder(async (dir) => {
    await withRun(dir);
    assertEquals([...Deno.readDirSync(dir)].map(({ name }) => name).toSorted(), ["owner.lock", "windkit.db"]);
  }));

Deno.test("openSqliteStorage() refuses options that are none", async () => {
  for (
    const [options, part] of [
      [{ dir: "" }, "'dir'"],
      [{ dir: 7 }, "'dir'"],
      [{ dir: "x", durability: "none" }, "'durability'"],
      [{ dir: "x", mode: "steer" }, "'mode'"],
      [{ dir: "x", maxMessages: 0 }, "'maxMessages'"],
      [{ dir: "x", maxRecordBytes: 1.5 }, "'maxRecordBytes'"],
    ] as const
  ) {
    const error = await assertRejects(() => openSqliteStorage(options as never), undefined, part);
    assert(error instanceof TypeError || error instanceof RangeError);
  }
});

Deno.test("no question of the port is answered by a scan or a sort", () =>
  withFolder(async (dir) => {
    const module = await loadSqlite();
    const prepared = new Set<string>();
    class Noting implements Database {
      readonly #db: Database;
      constructor(path: string) {
        this.#db = new module.DatabaseSync(path);
      }
      prepare(sql: string): Statement {
        prepared.add(sql);
        return this.#db.prepare(sql);
      }
      close(): void {
        this.#db.close();
      }
    }
    {
      await using storage = await openSqlite({ dir }, { schema: SCHEMA, sqlite: { DatabaseSync: Noting } });
      await storage.own({ name: "test" });
      await storage.commit([
        { w: "create", row: ROW, records: [{ ...RECORD, text: "" }] },
        { w: "append", run: "r", records: [{ ...RECORD, seq: 1 }], row: { state: "closed", closedAt: 1, wakeAt: 2 } },
        { w: "post", message: { id: "m", run: "r", kind: "event", name: "e", payload: "1", at: 1 } },
        { w: "take", id: "m" },
      ]);
      for (const after of [undefined, "r"]) {
        for (const state of [undefined, "active", "closed"] as const) {
          for (const workflow of [undefined, "w"]) {
            for (const closedBefore of [undefined, 5]) {
              await storage.runs({
                limit: 5,
                ...(after === undefined ? undefined : { after }),
                ...(state === undefined ? undefined : { state }),
                ...(workflow === undefined ? undefined : { workflow }),
                ...(closedBefore === undefined ? undefined : { closedBefore }),
              });
            }
          }
        }
      }
      await storage.run("r");
      await storage.inbox("r", 5);
      await storage.due(5, 5);
      await storage.nextWake();
      for await (const page of storage.journal("r")) assertEquals(page.length, 2);
      using _watch = storage.watch(() => {});
      // How commits are synced is changed between them, and only where it differs.
      await storage.commit([{ w: "append", run: "r", records: [], row: { waits: null } }], false);
      await storage.commit([{ w: "append", run: "r", records: [], row: { waits: null } }], false);
      assertEquals([...prepared].filter((sql) => /synchronous/.test(sql)).at(-1), "PRAGMA synchronous = NORMAL");
      prepared.delete("PRAGMA synchronous = FULL");
      await storage.commit([{ w: "drop", run: "r" }]);
      assertEquals([...prepared].filter((sql) => /synchronous/.test(sql)).at(-1), "PRAGMA synchronous = FULL");
    }
    const db = new module.DatabaseSync(`${dir}/windkit.db`);
    const planned: string[] = [];
    for (const sql of prepared) {
      if (!/^(SELECT|UPDATE|DELETE)/.test(sql)) continue;
      // Newest first without a filter walks the table from its end, and stops at the limit.
      const walk = sql.includes("FROM runs r") && !sql.includes("WHERE");
      const plan = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all().map(({ detail }) => String(detail)).join("; ");
      assert(!plan.includes("TEMP B-TREE") && (walk || !plan.includes("SCAN")), `${sql}: ${plan}`);
      planned.push(sql);
    }
    db.close();
    assert(planned.length > 25, `Only ${planned.length} statements were seen`);
  }));
