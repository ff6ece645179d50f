/**
 * The process of DuckDB jobs. DuckDB is native code: what it takes of memory, and a crash of it, stay out of the server, and what
 * has to stop can be killed. It runs one job at a time, each in a database in memory of its own, with the lakes that the job attaches.
 * Nothing else of the machine is open to it: no files but copies of the objects that it names, no network, no extensions, and no way
 * to change that.
 *
 * @module
 */
import { existsSync, mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import process from "node:process";
import { isCollected, resultOf, rowCollector } from "./collect.ts";
import type { Collection } from "./declarations.ts";
import { duckText, type DuckType } from "./duck_cells.ts";
import {
  type DuckAttach,
  type DuckConfig,
  type DuckCopy,
  type DuckJob,
  type DuckStatement,
  type DuckValue,
  TEMPORARY,
} from "./duck_job.ts";
import { meterOf, type ResultLimits } from "./limits.ts";
import type { SqlResult } from "./pg_run.ts";
import { answer, exitAnswered, frameError, frameResult, onRequests, READY } from "./program_io.ts";
import { literal, quoted } from "./statements.ts";

// --- The part of @duckdb/node-api that is used here ---

interface Chunk {
  readonly rowCount: number;
  getRows(): readonly (readonly unknown[])[];
}

interface StreamedResult {
  columnNames(): readonly string[];
  columnTypes(): readonly DuckType[];
  fetchChunk(): Promise<Chunk | null>;
}

interface Prepared {
  bindNull(at: number): void;
  bindBoolean(at: number, value: boolean): void;
  bindBigInt(at: number, value: bigint): void;
  bindDouble(at: number, value: number): void;
  bindVarchar(at: number, value: string): void;
  stream(): Promise<StreamedResult>;
  destroySync(): void;
}

interface Connection {
  run(sql: string): Promise<unknown>;
  prepare(sql: string): Promise<Prepared>;
  closeSync(): void;
}

interface Instance {
  connect(): Promise<Connection>;
  closeSync(): void;
}

interface DuckModule {
  readonly DuckDBInstance: {
    create(path: string, options: Readonly<Record<string, string>>): Promise<Instance>;
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : `${error}`;
}

// --- Lakes ---

/** Loads the extension: undefined when that worked, else why not. */
async function loadDucklake(db: Connection, { ducklake, ducklakeFile }: DuckConfig): Promise<string | undefined> {
  if (ducklake === "off") return "the ducklake extension is turned off";
  const ways = ducklakeFile === undefined
    ? ["LOAD ducklake", ...(ducklake === "download" ? ["INSTALL ducklake", "LOAD ducklake"] : [])]
    : [`LOAD ${literal(ducklakeFile)}`];
  let reason: string | undefined;
  for (const sql of ways) {
    try {
      await db.run(sql);
      reason = undefined;
    } catch (error) {
      reason = `the ducklake extension cannot be loaded (${messageOf(error).split("\n")[0]})`;
    }
  }
  return reason;
}

/** Waits this long for a lake, which the process of a server that was killed may still hold. */
const LOCK_MS = 2000;

async function attached(db: Connection, sql: string): Promise<void> {
  const until = performance.now() + LOCK_MS;
  while (true) {
    try {
      await db.run(sql);
      return;
    } catch (error) {
      if (!messageOf(error).includes("Could not set lock") || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

const DIFFERENCE =
  "there are no snapshots, PARTITIONED BY does nothing, and rows are kept in one file instead of Parquet files";

/** Attaches lakes; gives the warnings, and whether one of them is a plain file. */
async function attachAll(
  db: Connection,
  config: DuckConfig,
  attach: readonly DuckAttach[],
): Promise<{ readonly warnings: readonly string[]; readonly plain: boolean; readonly open: string[] }> {
  const warnings: string[] = [];
  const open: string[] = [];
  let plain = false;
  let reason: string | undefined;
  let isTried = false;
  for (const { alias, lake, readOnly } of attach) {
    const file = `${config.folder}/${lake}.duckdb`;
    const folder = `${config.folder}/${lake}`;
    const isFile = existsSync(file);
    if (!isFile && !isTried) {
      isTried = true;
      reason = await loadDucklake(db, config);
    }
    if (!isFile && reason !== undefined && existsSync(`${folder}/catalog.ducklake`)) {
      throw new Error(`Cannot attach ducklake "${lake}": it was made with the ducklake extension, and ${reason}`);
    }
    const only = readOnly ? "READ_ONLY" : "";
    if (!isFile && reason === undefined) {
      mkdirSync(`${folder}/files`, { recursive: true });
      // The data folder may have moved since: the catalog has the path of before.
      const path = `DATA_PATH ${literal(`${folder}/files/`)}, OVERRIDE_DATA_PATH true`;
      const options = readOnly ? `${path}, ${only}` : path;
      await attached(db, `ATTACH ${literal(`ducklake:${folder}/catalog.ducklake`)} AS ${quoted(alias)} (${options})`);
      open.push(`${folder}/`);
    } else {
      plain = true;
      const why = isFile && reason === undefined ? "it was made without the ducklake extension" : reason;
      warnings.push(`Warning: ducklake "${lake}" is a plain DuckDB file, as ${why}: ${DIFFERENCE}`);
      await attached(db, `ATTACH ${literal(file)} AS ${quoted(alias)}${readOnly ? ` (${only})` : ""}`);
      open.push(file, `${file}.wal`);
    }
  }
  return { warnings, plain, open };
}

/** The value of a column, of its text in PostgreSQL. */
function fromText(column: string, type: string): string {
  return type === "BLOB" ? `unhex(substr(${column}, 3))` : `CAST(${column} AS ${type})`;
}

/** Fills a database with the copy of a data table, and attaches it so that it can be read only. */
async function attachCopy(db: Connection, { alias, datatable, tables }: DuckCopy, file: string): Promise<string> {
  const catalog = quoted(alias);
  await db.run(`ATTACH ${literal(file)} AS ${catalog}`);
  for (const { schema, name, columns, file: rows } of tables) {
    // Where a data table has "public", DuckDB has "main"; it is known by both names.
    const target = `${catalog}.${quoted(schema === "public" ? "main" : schema)}.${quoted(name)}`;
    await db.run(`CREATE SCHEMA IF NOT EXISTS ${catalog}.${quoted(schema)}`);
    const values = columns.map((column, i) => `${fromText(`c${i}`, column.type)} AS ${quoted(column.name)}`);
    const texts = columns.map((_, i) => `c${i}: 'VARCHAR'`);
    const source = `read_json(${literal(rows)}, format = 'array', columns = {${texts.join()}})`;
    await db.run(`CREATE TABLE ${target} AS SELECT ${values.join()} FROM ${source}`);
    if (schema === "public") await db.run(`CREATE VIEW ${catalog}.public.${quoted(name)} AS FROM ${target}`);
  }
  await db.run(`DETACH ${catalog}`);
  await db.run(`ATTACH ${literal(file)} AS ${catalog} (READ_ONLY)`);
  return `Warning: data table "${datatable}" is a copy of the tables that the script names, as they were when it began, to be read only`;
}

// --- Jobs ---

function bind(statement: Prepared, values: readonly DuckValue[]): void {
  values.forEach((value, i) => {
    const at = i + 1;
    if (value === null) statement.bindNull(at);
    else if (typeof value === "boolean") statement.bindBoolean(at, value);
    else if (typeof value === "string") statement.bindVarchar(at, value);
    else if ("bigint" in value) statement.bindBigInt(at, BigInt(value.bigint));
    else statement.bindDouble(at, value.double);
  });
}

/** What stands for a statement that a plain file does not know: it fails when the table or a column is not there. */
function plainText(text: string): string {
  const [, table, columns] = /^ALTER\s+TABLE\s+([^]+?)\s+SET\s+PARTITIONED\s+BY\s*\(([^]*)\)\s*$/i.exec(text) ?? [];
  if (table !== undefined) return `SELECT ${columns} FROM ${table} WHERE false`;
  return /^ALTER\s+TABLE\s+[^]+?\s+RESET\s+PARTITIONED\s+BY\s*$/i.test(text) ? "SELECT 1 WHERE false" : text;
}

/** Settings that a script may change: they open nothing, and take no memory. */
const FREE_SETTINGS = [
  "TimeZone",
  "Calendar",
  "schema",
  "search_path",
  "preserve_insertion_order",
  "default_order",
  "default_null_order",
  "errors_as_json",
];

async function runJob(module: DuckModule, config: DuckConfig, job: DuckJob): Promise<SqlResult> {
  const { collection, limits, statements } = job;
  const temporary = `${config.folder}/${TEMPORARY}${process.pid}`;
  const instance = await module.DuckDBInstance.create(":memory:", {
    memory_limit: config.memoryLimit,
    threads: `${config.threads}`,
    temp_directory: temporary,
    max_temp_directory_size: `${config.maxDiskBytes}B`,
    extension_directory: `${config.folder}/.extensions`,
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    // A file that is named has the signature of whoever made it.
    allow_unsigned_extensions: config.ducklakeFile === undefined ? "false" : "true",
  });
  try {
    const db = await instance.connect();
    try {
      await db.run("SET TimeZone = 'UTC'");
      const { warnings, plain, open } = await attachAll(db, config, job.attach);
      const copied: string[] = [];
      for (const [i, copy] of job.copies.entries()) {
        mkdirSync(temporary, { recursive: true });
        copied.push(await attachCopy(db, copy, `${temporary}/copy_${i}.duckdb`));
      }
      if (plain) {
        await db.run(
          "CREATE TEMP MACRO ducklake_snapshots(catalog) AS TABLE SELECT NULL::BIGINT AS snapshot_id, NULL::TIMESTAMPTZ AS snapshot_time WHERE false",
        );
      }
      if (job.files !== undefined) open.push(`${job.files}/`);
      if (open.length > 0) {
        const folders = open.filter((path) => path.endsWith("/"));
        const files = open.filter((path) => !path.endsWith("/"));
        await db.run(`SET allowed_directories = [${folders.map(literal).join(", ")}]`);
        await db.run(`SET allowed_paths = [${files.map(literal).join(", ")}]`);
      }
      await db.run("SET enable_external_access = false");
      await db.run(`SET allowed_configs = [${FREE_SETTINGS.map(literal).join(", ")}]`);
      await db.run("SET lock_configuration = true");
      return {
        text: await runStatements(db, statements, plain, collection, limits),
        warnings: [...warnings, ...copied],
      };
    } finally {
      db.closeSync();
    }
  } finally {
    instance.closeSync();
    await rm(temporary, { recursive: true, force: true });
  }
}

async function runStatements(
  db: Connection,
  statements: readonly DuckStatement[],
  plain: boolean,
  collection: Collection,
  limits: ResultLimits,
): Promise<string> {
  const parts: string[] = [];
  const meter = meterOf(limits);
  for (const [index, statement] of statements.entries()) {
    const wanted = isCollected(collection, index, statements.length);
    if (statement === null) {
      if (wanted) parts.push(rowCollector(collection, [], meter).text());
      continue;
    }
    const prepared = await db.prepare(plain ? plainText(statement.text) : statement.text);
    try {
      bind(prepared, statement.values);
      const result = await prepared.stream();
      const types = result.columnTypes();
      const rows = rowCollector(collection, result.columnNames(), meter);
      let isOpen = wanted;
      // To its end, whatever becomes of its rows: they may do something.
      for (
        let chunk = await result.fetchChunk();
        chunk !== null && chunk.rowCount > 0;
        chunk = await result.fetchChunk()
      ) {
        if (!isOpen) continue;
        for (const row of chunk.getRows()) {
          if (isOpen) isOpen = rows.add(row.map((value, i) => duckText(value, types[i])));
        }
      }
      if (wanted) parts.push(rows.text());
    } finally {
      prepared.destroySync();
    }
  }
  return resultOf(collection, parts);
}

/** Runs the program. */
export async function runDuckdb(): Promise<void> {
  const config = JSON.parse(process.argv[2] ?? "{}") as DuckConfig;
  mkdirSync(config.folder, { recursive: true });
  // A name in a variable, so that no bundler wants it to be there.
  const name = "@duckdb/node-api";
  const module = await import(name) as DuckModule;

  async function handle(line: string): Promise<void> {
    let text: string;
    try {
      text = frameResult(await runJob(module, config, JSON.parse(line) as DuckJob));
    } catch (error) {
      text = frameError(error, messageOf);
    }
    answer(text);
  }

  let last: Promise<void> = Promise.resolve();
  onRequests((line) => {
    last = line === "" ? last.then(exitAnswered) : last.then(() => handle(line));
  });
  answer(READY);
}
