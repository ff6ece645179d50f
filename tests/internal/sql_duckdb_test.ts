/**
 * Statements for ducklakes on a real DuckDB, behind a worker that binds arguments as Windmill's do.
 *
 * @module
 */
import { duckdbCases } from "./sql_duckdb_cases.ts";
import { openDuckdb } from "./sql_worker.ts";

await duckdbCases("", openDuckdb);
