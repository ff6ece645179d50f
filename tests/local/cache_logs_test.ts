/** The logs of Deno's caches: moved into their files, and never in the way of who uses them. */
import assert from "node:assert/strict";
import { statSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { shortenLogs } from "../../src/runner/typescript/cache_logs.ts";

function write(file: DatabaseSync, rows: number): void {
  file.exec("PRAGMA wal_autocheckpoint = 0; CREATE TABLE IF NOT EXISTS a(x)");
  const insert = file.prepare("INSERT INTO a VALUES (?)");
  for (let i = 0; i < rows; i++) insert.run("x".repeat(2000));
}

Deno.test("A long log is moved into its file while others have it open; a short one stays", async () => {
  const dir = await Deno.makeTempDir();
  const long = new DatabaseSync(`${dir}/long`), short = new DatabaseSync(`${dir}/short`);
  try {
    for (const file of [long, short]) file.exec("PRAGMA journal_mode = WAL");
    write(long, 100);
    write(short, 1);
    const before = statSync(`${dir}/short-wal`).size;
    assert.ok(statSync(`${dir}/long-wal`).size > 200_000);
    await shortenLogs(dir);
    assert.equal(statSync(`${dir}/long-wal`).size, 0);
    assert.equal(statSync(`${dir}/short-wal`).size, before);
    write(long, 50);
    // Somebody reads: what may be moved is, and nothing fails.
    long.exec("BEGIN");
    long.prepare("SELECT count(*) FROM a").get();
    await shortenLogs(dir);
    assert.deepEqual({ ...long.prepare("SELECT count(*) AS n FROM a").get() }, { n: 150 });
    long.exec("COMMIT");
    writeFileSync(`${dir}/broken`, "no database");
    writeFileSync(`${dir}/broken-wal`, "x".repeat(100_000));
    await shortenLogs(dir);
    assert.deepEqual({ ...long.prepare("SELECT count(*) AS n FROM a").get() }, { n: 150 });
  } finally {
    long.close();
    short.close();
    await Deno.remove(dir, { recursive: true });
  }
});
