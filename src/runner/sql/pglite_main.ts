/**
 * Starts {@linkcode runPglite}: the program that the SQL runner runs for a data table.
 *
 * @module
 */
import { runPglite } from "./pglite_program.ts";

await runPglite();
