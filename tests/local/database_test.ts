/** The server's database: transactions, what follows a commit, tables of parts, one owner. */
import assert from "node:assert/strict";
import { openDatabase } from "../../src/server/database.ts";

Deno.test("A transaction is all or nothing, one inside another too; what waits for the commit hears of that only", async () => {
  using database = await openDatabase({ path: ":memory:" });
  database.migrate("a", [["CREATE TABLE a(x)"]]);
  const told: string[] = [];
  const values = (): unknown[] => database.all<{ readonly x: unknown }>("SELECT x FROM a").map(({ x }) => x);
  const insert = (x: number): void => {
    database.run("INSERT INTO a VALUES (?)", x);
    database.afterCommit(() => told.push(`${x}`));
  };
  insert(1);
  database.transaction(() => {
    insert(2);
    assert.throws(() =>
      database.transaction(() => {
        insert(3);
        throw new Error("no");
      })
    );
    database.transaction(() => insert(4));
    assert.deepEqual(told, ["1"]);
  });
  assert.throws(() =>
    database.transaction(() => {
      insert(5);
      throw new Error("no");
    })
  );
  assert.throws(() => database.transaction(() => Promise.resolve()), /expected no promise/);
  assert.deepEqual(values(), [1, 2, 4]);
  assert.deepEqual(told, ["1", "2", "4"]);
});

Deno.test("A passing transaction is all or nothing too; it is not synced, and any other commit after it is", async () => {
  const dir = await Deno.makeTempDir();
  try {
    using database = await openDatabase({ path: `${dir}/server.sqlite` });
    database.migrate("a", [["CREATE TABLE a(x)"]]);
    let asked = 0;
    // What a pragma answers is fixed when it is prepared: a text of its own each time.
    const synced = (): boolean =>
      database.get<{ readonly synchronous: number }>(`PRAGMA synchronous -- ${asked++}`)?.synchronous === 2;
    const insert = (x: number): unknown => database.run("INSERT INTO a VALUES (?)", x);
    assert.equal(synced(), true);
    database.passing(() => insert(1));
    assert.equal(synced(), false);
    assert.throws(() =>
      database.passing(() => {
        insert(2);
        throw new Error("no");
      })
    );
    database.transaction(() => {
      assert.equal(synced(), true);
      database.passing(() => insert(3));
    });
    assert.equal(synced(), true);
    database.passing(() => database.transaction(() => insert(4)));
    assert.equal(synced(), false);
    insert(5);
    assert.equal(synced(), true);
    assert.deepEqual(database.all<{ readonly x: number }>("SELECT x FROM a").map(({ x }) => x), [1, 3, 4, 5]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("Tables of a part: each step once; a file of a later version is refused, and one of another program", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/server.sqlite`;
  try {
    const first = ["CREATE TABLE a(x)"], second = ["ALTER TABLE a ADD y"];
    {
      using database = await openDatabase({ path });
      database.migrate("a", [first]);
      database.migrate("b", [["CREATE TABLE b(x)"]]);
      database.run("INSERT INTO a VALUES (?)", 1n);
      database.run("INSERT INTO b VALUES (?)", new Uint8Array([1, 2]));
    }
    {
      using database = await openDatabase({ path });
      database.migrate("a", [first, second]);
      database.migrate("a", [first, second]);
      assert.deepEqual({ ...database.get<object>("SELECT * FROM a") }, { x: 1, y: null });
      assert.throws(() => database.migrate("a", [first]), /have version 2, this package knows up to 1/);
      assert.throws(() => database.run("INSERT INTO none VALUES (1)"), /no such table: none/);
      await assert.rejects(openDatabase({ path }), { name: "StorageLockedError" });
    }
    const { DatabaseSync } = await import("node:sqlite");
    const other = new DatabaseSync(`${dir}/other.sqlite`);
    other.exec("CREATE TABLE x(y)");
    other.close();
    await assert.rejects(openDatabase({ path: `${dir}/other.sqlite` }), /SQLite file of another program/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
