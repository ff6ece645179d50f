/**
 * Tables of a ducklake that are written slice by slice.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import { inWorkspace, post, variable } from "./connection.ts";
import { ducklakeOf, type DucklakeSqlTemplateFunction } from "./sql_ducklake.ts";
import { checked, quoteName, readClientName } from "./sql_names.ts";
import type { ClientSource, RawSql, SqlRow, SqlStatement } from "./sql_statement.ts";

/** Which table of a ducklake, and which partition of it. */
export interface DucklakePartitionOptions {
  /** Name of the ducklake, or `name:schema`. @default "main" */
  readonly ducklake?: string;
  /** Name of the table, or `schema.table`, without quotes: it is quoted here. */
  readonly table: string;
  /** The partition: the value of its column. @default the whole table */
  readonly partition?: string;
  /** Name of the column that says the partition, without quotes. @default "_wm_partition" */
  readonly partitionCol?: string;
}

/** What is written, and where. */
export interface DucklakeMaterializeOptions extends DucklakePartitionOptions {
  /** The SELECT that gives the rows. It goes into the statement as it is: never write it of what somebody else wrote. */
  readonly selectSql: string;
  /** Column, or columns together, without quotes: only rows with a key that comes in are replaced. @default all rows are replaced */
  readonly uniqueKey?: string | readonly string[];
}

/** What a template takes in as a piece of SQL. */
type Piece = RawSql | SqlStatement<SqlRow>;

/** A table, and the pieces of SQL that are about it. */
interface Target {
  readonly sql: DucklakeSqlTemplateFunction;
  readonly table: Piece;
  readonly column: Piece;
  /** `WHERE` and the condition that picks the partition; nothing for the whole table. */
  readonly slice: Piece;
  /** Its name in the list of assets. */
  readonly asset: string;
}

/** A name that is quoted here. One with quotes was quoted by the caller, and would name something else. */
function quoted(name: string): string {
  return quoteName(checked(name, !/"/.test(name), "name: expected it without quotes"));
}

function targetOf(client: ClientSource, options: DucklakePartitionOptions): Target {
  const { ducklake = "main", table, partition, partitionCol = "_wm_partition" } = options;
  // The whole table would be replaced for a partition that is missing by mistake.
  if (partition !== undefined && typeof partition !== "string") {
    throw new TypeError(
      `Cannot use a partition of table ${JSON.stringify(table)}: expected a string, found ${partition}`,
    );
  }
  const [lake, schema] = readClientName(ducklake);
  const sql = ducklakeOf(client, ducklake);
  const column = sql.raw(quoted(partitionCol));
  const path = [...(schema === undefined ? [] : [quoteName(schema)]), ...table.split(".").map(quoted)];
  return {
    sql,
    table: sql.raw(`dl.${path.join(".")}`),
    column,
    slice: partition === undefined ? sql.raw("") : sql` WHERE ${column} = ${partition}`,
    asset: `${lake}/${schema === undefined ? "" : `${schema}.`}${table}`,
  };
}

/** The SELECT in brackets, what makes the table if there is none, and what writes the rows. */
function writesOf({ sql, table, column }: Target, { selectSql, partition }: DucklakeMaterializeOptions): Piece[] {
  // A comment at its end must not hide the bracket.
  const rows = sql.raw(`(${selectSql.replace(/[;\s]+$/, "")}${selectSql.includes("--") ? "\n" : ""})`);
  const create = sql`CREATE TABLE IF NOT EXISTS ${table} AS SELECT `;
  if (partition === undefined) {
    return [rows, sql`${create}* FROM ${rows} WHERE false;`, sql`INSERT INTO ${table} SELECT * FROM ${rows};`];
  }
  return [
    rows,
    sql`${create}*, CAST(NULL AS VARCHAR) AS ${column} FROM ${rows} WHERE false;
ALTER TABLE ${table} SET PARTITIONED BY (${column});`,
    sql`INSERT INTO ${table} SELECT *, ${partition} AS ${column} FROM ${rows};`,
  ];
}

/** The statement after which a table, or a partition of it, holds what a SELECT gives. */
export function upsertOf(client: ClientSource, options: DucklakeMaterializeOptions): SqlStatement<SqlRow> {
  const target = targetOf(client, options);
  const { sql, table, slice } = target;
  const [rows, create, insert] = writesOf(target, options);
  const { partition, uniqueKey = [] } = options;
  const keys = [uniqueKey].flat().map(quoted);
  if (partition === undefined && keys.length === 0) {
    return recorded(client, options, target, sql`CREATE OR REPLACE TABLE ${table} AS SELECT * FROM ${rows};`);
  }
  const key = sql.raw(keys.join(", "));
  const whole = keys.length > 1 ? sql`(${key})` : key;
  const next = sql.raw(partition === undefined ? "WHERE" : "AND");
  const old = keys.length === 0 ? slice : sql`${slice} ${next} ${whole} IN (SELECT ${key} FROM ${rows})`;
  return recorded(
    client,
    options,
    target,
    sql`${create}
BEGIN TRANSACTION;
DELETE FROM ${table}${old};
${insert}
COMMIT;`,
  );
}

/** The statement that adds what a SELECT gives to a table, or to a partition of it. */
export function appendOf(client: ClientSource, options: DucklakeMaterializeOptions): SqlStatement<SqlRow> {
  const target = targetOf(client, options);
  const [, create, insert] = writesOf(target, options);
  return recorded(client, options, target, target.sql`${create}\n${insert}`);
}

/** The statement that reads a table, or a partition of it. */
export function readOf<T>(client: ClientSource, options: DucklakePartitionOptions): SqlStatement<T> {
  const { sql, table, slice } = targetOf(client, options);
  return sql<T>`SELECT * FROM ${table}${slice}`;
}

/** What a write has left. */
interface Summary {
  readonly rows: number;
  readonly snapshot_id: number;
}

/** A statement that tells the server what became of it, when the environment says that it is part of a pipeline. */
function recorded(
  client: ClientSource,
  { partition = "" }: DucklakePartitionOptions,
  { sql, table, slice, asset }: Target,
  statement: SqlStatement<SqlRow>,
): SqlStatement<SqlRow> {
  const summary = sql<
    Summary
  >`SELECT (SELECT count(*) FROM ${table}${slice}) AS rows, (SELECT max(snapshot_id) FROM ducklake_snapshots('dl')) AS snapshot_id`;

  async function record(
    status: string,
    options: CallOptions | undefined,
    found: Summary | null,
    error: string | null = null,
  ): Promise<void> {
    const c = client();
    const body = {
      asset_kind: "ducklake",
      asset_path: asset,
      partition,
      status,
      snapshot_id: found?.snapshot_id ?? null,
      row_count: found?.rows ?? null,
      job_id: variable(c, "WM_JOB_ID") ?? null,
      error,
    };
    const call = { route: inWorkspace(c, "assets/record_materialization"), body, accept: "*/*" };
    // The rows are what counts: that a record is lost must not fail the script.
    await post(c, call, options).catch(() => {});
  }

  async function run<T>(work: () => Promise<T>, options?: CallOptions): Promise<T> {
    if (variable(client(), "WM_PIPELINE") !== "true") return await work();
    let result: T;
    try {
      result = await work();
    } catch (error) {
      await record("failed", options, null, `${error}`);
      throw error;
    }
    await record("materialized", options, await summary.fetchOne(options).catch(() => null));
    return result;
  }

  return {
    ...statement,
    fetch: (options) => run(() => statement.fetch(options), options),
    fetchOne: (options) => run(() => statement.fetchOne(options), options),
    fetchOneScalar: (options) => run(() => statement.fetchOneScalar(options), options),
    execute: (options) => run(() => statement.execute(options), options),
  };
}
