/**
 * A program for Node: the runner of SQL, on PGlite and DuckDB. It prints what its jobs gave.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createSqlRunner } from "../../src/runner/sql/sql_runner.ts";

const dataFolder = mkdtempSync(join(tmpdir(), "windkit-sql-"));
const runner = createSqlRunner({ dataFolder, cacheFolder: process.argv[2] ?? "", ducklake: "off" });
const outcomes = [];
for (
  const [language, content] of [
    ["postgresql", "SELECT 1 AS a, 9007199254740993 AS b"],
    ["postgresql", "SELECT * FROM absent"],
    ["duckdb", "ATTACH 'ducklake' AS dl; USE dl; CREATE TABLE t AS SELECT 1 AS a; SELECT * FROM t"],
  ] as const
) {
  outcomes.push(
    await runner.run({
      id: "job",
      language,
      content,
      args: { database: "datatable://main" },
      env: {},
      resolve: () => Promise.resolve(undefined),
    }, { log: () => {}, stream: () => {}, signal: new AbortController().signal }),
  );
}
await runner[Symbol.asyncDispose]();
rmSync(dataFolder, { recursive: true, force: true });
console.log(JSON.stringify(outcomes));
