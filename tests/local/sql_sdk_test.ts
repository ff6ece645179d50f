/**
 * The cases of the SQL clients, on the runner: each kind of value, casts, modes, and properties about texts and names.
 *
 * @module
 */
import { duckdbCases } from "../internal/sql_duckdb_cases.ts";
import { postgresCases } from "../internal/sql_postgres_cases.ts";
import type { SqlWorker } from "../internal/sql_worker.ts";
import { splitStatements } from "../../src/runner/sql/statements.ts";
import { openSql } from "./_sql_kit.ts";

/** A runner in the place of the worker that the cases were made for. */
async function open(language: string, before: string): Promise<SqlWorker> {
  const sql = await openSql();
  let blocks: readonly string[] = [];
  return {
    blocks: () => blocks,
    // `as`: rows of objects are the default mode.
    direct: async (text) => await sql.result(before + text, {}, language) as readonly Record<string, unknown>[],
    close: () => sql[Symbol.asyncDispose]() as Promise<void>,
    fetch: async (url, init) => {
      const { content } = JSON.parse(`${init.body}`) as { readonly content: string };
      blocks = splitStatements(content).map(({ text }) => `${text};`);
      return await sql.fetch(url, init);
    },
  };
}

// Each DuckDB job attaches its lake anew: a share of the tries keeps the time short.
await postgresCases("runner: ", () => open("postgresql", ""), 0.3);
await duckdbCases("runner: ", () => open("duckdb", "ATTACH 'ducklake://main' AS dl;"), 0.15);
