/**
 * A process with a runner of SQL whose jobs never end. It is killed by the test, and says when they have begun.
 *
 * @module
 */
import { createSqlRunner } from "../../src/runner/sql/sql_runner.ts";

const [dataFolder = "", cacheFolder = ""] = Deno.args;
const runner = createSqlRunner({ dataFolder, cacheFolder, ducklake: "off" });

function run(language: string, content: string): ReturnType<typeof runner.run> {
  return runner.run({
    id: "job",
    language,
    content,
    args: { database: "datatable://main" },
    env: {},
    resolve: () => Promise.resolve(undefined),
  }, { log: () => {}, stream: () => {}, signal: new AbortController().signal });
}

const lake = "ATTACH 'ducklake://main' AS dl; USE dl;";
await run("postgresql", "CREATE TABLE t AS SELECT 1 AS a");
await run("duckdb", `${lake} CREATE TABLE t AS SELECT 1 AS a`);
void run("postgresql", "BEGIN; INSERT INTO t VALUES (2); SELECT pg_sleep(600)");
void run(
  "duckdb",
  `${lake} BEGIN; INSERT INTO t VALUES (2); SELECT count(*) FROM range(100000000000) a, range(1000) b`,
);
console.log("begun");
