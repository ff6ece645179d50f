/**
 * Starts {@linkcode runDuckdb}: the program that the SQL runner runs for DuckDB jobs.
 *
 * @module
 */
import { runDuckdb } from "./duckdb_program.ts";

await runDuckdb();
