/**
 * Statements for data tables on a real PostgreSQL, behind a worker that binds arguments as Windmill's do.
 *
 * @module
 */
import { postgresCases } from "./sql_postgres_cases.ts";
import { openPostgres } from "./sql_worker.ts";

await postgresCases("", openPostgres);
