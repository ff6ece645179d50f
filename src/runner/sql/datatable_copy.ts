/**
 * Data tables in DuckDB jobs. DuckDB cannot speak to PGlite, and its extension for PostgreSQL is no part of it: the tables that a
 * script names are copied when the job begins.
 *
 * @module
 */
import type { DuckCopy, DuckCopyTable } from "./duck_job.ts";
import type { ResultLimits } from "./limits.ts";
import type { PgJob, SqlResult } from "./pg_run.ts";
import { quoted } from "./statements.ts";

/** What a copy is made of. */
export interface CopyOptions {
  readonly alias: string;
  readonly datatable: string;
  /** Text of the script: tables whose names are not in it are left out. */
  readonly content: string;
  /** Folder for the rows. */
  readonly folder: string;
  readonly limits: ResultLimits;
  /** Runs a job on the data table. */
  readonly run: (job: PgJob) => Promise<SqlResult>;
}

/** Types of DuckDB by those of `information_schema`; others are text. */
const TYPES: Readonly<Record<string, string>> = {
  boolean: "BOOLEAN",
  smallint: "SMALLINT",
  integer: "INTEGER",
  bigint: "BIGINT",
  real: "FLOAT",
  "double precision": "DOUBLE",
  numeric: "DOUBLE",
  date: "DATE",
  "time without time zone": "TIME",
  "timestamp without time zone": "TIMESTAMP",
  "timestamp with time zone": "TIMESTAMPTZ",
  interval: "INTERVAL",
  uuid: "UUID",
  bytea: "BLOB",
  json: "JSON",
  jsonb: "JSON",
};

interface Column {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly precision: number | null;
  readonly scale: number | null;
}

const COLUMNS = `SELECT table_schema AS schema, table_name AS "table", column_name AS name, data_type AS type,
  numeric_precision AS precision, numeric_scale AS scale
FROM information_schema.columns WHERE table_schema <> 'information_schema' AND table_schema NOT LIKE 'pg\\_%'
ORDER BY table_schema, table_name, ordinal_position`;

function typeOf({ type, precision, scale }: Column): string {
  const isExact = type === "numeric" && precision !== null && precision <= 38 && scale !== null && scale >= 0;
  return isExact ? `DECIMAL(${precision},${scale})` : TYPES[type] ?? "VARCHAR";
}

function oneStatement(text: string, limits: ResultLimits): PgJob {
  return {
    statements: [{ text, types: [], values: [] }],
    collection: { statements: "last", firstRow: false, scalar: false },
    limits,
  };
}

/**
 * Copies the tables of a data table that a script names.
 *
 * @throws ResultTooLargeError when a table has more rows than a statement may give
 */
export async function copyDatatable(options: CopyOptions): Promise<DuckCopy> {
  const { alias, datatable, content, folder, limits, run } = options;
  const { writeFile } = await import("node:fs/promises");
  const columns = JSON.parse((await run(oneStatement(COLUMNS, limits))).text) as readonly Column[]; // `as`: the columns of the query
  const tables: DuckCopyTable[] = [];
  const lower = content.toLowerCase();
  for (const [key, found] of Map.groupBy(columns, ({ schema, table }) => `${quoted(schema)}.${quoted(table)}`)) {
    const [first] = found;
    if (first === undefined || !lower.includes(first.table.toLowerCase())) continue;
    // In one form, whatever the session is set to: DuckDB reads it.
    const texts = found.map(({ name }, i) => `${quoted(name)}::text AS c${i}`);
    const { text } = await run(oneStatement(`SELECT ${texts.join(", ")} FROM ${key}`, limits));
    const file = `${folder}/${datatable}_${tables.length}.json`;
    await writeFile(file, text, { mode: 0o600 });
    tables.push({
      schema: first.schema,
      name: first.table,
      columns: found.map((column) => ({ name: column.name, type: typeOf(column) })),
      file,
    });
  }
  return { alias, datatable, tables };
}
