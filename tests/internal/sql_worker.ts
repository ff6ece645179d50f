/**
 * Workers that run what the SQL clients send on a real PostgreSQL (PGlite) and a real DuckDB, and bind arguments as Windmill's
 * workers do: by declarations in comments, by casts that follow a place, and otherwise by the kind of the JSON.
 *
 * @module
 */
import { type DuckDBConnection, DuckDBInstance, type DuckDBPreparedStatement } from "@duckdb/node-api";
import { PGlite } from "@electric-sql/pglite";
import type { FetchFunction } from "../../src/http/transport.ts";

type Args = Readonly<Record<string, unknown>>;
type Row = Record<string, unknown>;

/** What a worker was asked to run. */
export interface Preview {
  readonly content: string;
  readonly language: string;
  readonly args: Args;
}

/** A database with a worker in front of it. */
export interface SqlWorker {
  /** Stands in for the server. */
  readonly fetch: FetchFunction;
  /** What the last request was split into. */
  readonly blocks: () => readonly string[];
  /** Runs SQL past the worker. */
  readonly direct: (sql: string) => Promise<readonly Row[]>;
  readonly close: () => Promise<void>;
}

/** Splits at semicolons outside of quotes and comments. */
function splitBlocks(content: string): string[] {
  const blocks: string[] = [];
  let block = "";
  for (const [piece] of content.matchAll(/'(?:[^']|'')*'?|"(?:[^"]|"")*"?|--[^\n]*|\/\*[^]*?(?:\*\/|$)|[^]/g)) {
    block += piece;
    if (piece === ";") {
      blocks.push(block);
      block = "";
    }
  }
  if (block.replace(/--[^\n]*/g, "").trim() !== "") blocks.push(block);
  return blocks;
}

/** The text of a block without the comments before it. */
function bare(block: string): string {
  return block.replace(/^(?:\s|--[^\n]*\n)*/, "");
}

function modeOf(content: string): string {
  return /^-- result_collection=(\w+)$/m.exec(content)?.[1] ?? "last_statement_all_rows";
}

/** The part of the results that a mode asks for. */
function collect(mode: string, results: readonly (readonly Row[])[]): unknown {
  const shaped = results.map((rows) => {
    const list = mode.includes("scalar") ? rows.map((row) => Object.values(row)[0] ?? null) : rows;
    return mode.includes("first_row") ? list[0] ?? null : list;
  });
  return mode.startsWith("all_statements") ? shaped : shaped.at(-1) ?? null;
}

function serve(run: (preview: Preview) => Promise<unknown>): FetchFunction {
  return async (_url, init) => {
    try {
      const result = await run(JSON.parse(`${init.body}`) as Preview);
      return new Response(JSON.stringify(result), { headers: { "content-type": "application/json" } });
    } catch (error) {
      return new Response(`Internal: ${error instanceof Error ? error.message : error}`, { status: 500 });
    }
  };
}

// --- PostgreSQL ---

/** Kinds of PostgreSQL types by all of their names, with their numbers: of the type, and of its array. */
const PG_TYPES: Readonly<Record<string, readonly [number, number]>> = {
  bool: [16, 1000],
  int2: [21, 1005],
  int4: [23, 1007],
  int8: [20, 1016],
  float4: [700, 1021],
  float8: [701, 1022],
  numeric: [1700, 1231],
  text: [25, 1009],
  varchar: [1043, 1015],
  date: [1082, 1182],
  timestamp: [1114, 1115],
  timestamptz: [1184, 1185],
  json: [114, 199],
  jsonb: [3802, 3807],
  bytea: [17, 1001],
};

const PG_ALIASES: Readonly<Record<string, string>> = {
  boolean: "bool",
  smallint: "int2",
  int: "int4",
  integer: "int4",
  bigint: "int8",
  real: "float4",
  double: "float8",
  decimal: "numeric",
};

interface PgArgument {
  readonly name: string;
  readonly type: string;
  /** True when nothing says the type. */
  readonly guessed: boolean;
}

/** The arguments by number: a declaration with a type says it, else a cast right behind a place, else it is text. */
function pgArguments(content: string): ReadonlyMap<number, PgArgument> {
  const found = new Map<number, PgArgument>();
  const names = new Map<number, string>();
  const typed = new Set<number>();
  for (
    const [, number, name = "", type] of content.matchAll(
      /^-- \$(\d+) (\w+)(?: \(([A-Za-z0-9_[\]]+)\))?(?: ?= ?.+)? *$/gm,
    )
  ) {
    names.set(Number(number), name);
    if (type === undefined) continue;
    typed.add(Number(number));
    found.set(Number(number), { name, type: type.toLowerCase(), guessed: false });
  }
  for (const match of content.matchAll(/\$(\d+)(?:::(double precision(?:\[\])?|\w+(?:\[\])?))?/gi)) {
    const number = Number(match[1]);
    const type = match[2]?.toLowerCase().replace("double precision", "double");
    if (typed.has(number) || found.get(number)?.guessed === false) continue;
    found.set(number, { name: names.get(number) ?? `$${number}`, type: type ?? "text", guessed: type === undefined });
  }
  return found;
}

function wholeNumber(text: string): bigint {
  if (!/^[+-]?\d+$/.test(text)) throw new Error(`Cannot parse '${text}' as a whole number`);
  return BigInt(text);
}

/** A value and the number of the type that it is bound as; undefined for one that the server finds out. */
function pgBind(value: unknown, type: string, guessed: boolean): readonly [value: unknown, oid: number | undefined] {
  const base = type.replace(/\[\]$/, "");
  const kind = PG_ALIASES[base] ?? base;
  const numbers = PG_TYPES[kind];
  if (type.endsWith("[]") && (Array.isArray(value) || value === null)) {
    if (numbers === undefined) throw new Error("Unsupported JSON array type");
    if (value === null) return [null, numbers[1]];
    const items = value.map((item: unknown) => {
      if (item === null) return null;
      const [bound] = pgBind(item, base, false);
      const fits = kind === "bool"
        ? typeof bound === "boolean"
        : typeof bound !== "object" || /json|bytea|time|date/.test(kind);
      if (!fits || (typeof item === "number" && /text|varchar/.test(kind))) throw new Error("Mixed types in array");
      return bound;
    });
    return [items, numbers[1]];
  }
  if (value === null) return [null, numbers?.[0]];
  const textual = kind === "text" || kind === "varchar";
  if (typeof value === "boolean") return !guessed && textual ? [`${value}`, numbers?.[0]] : [value, 16];
  if (typeof value === "number") {
    if (!guessed && textual) return [`${value}`, numbers?.[0]];
    // Workers cut what is too large for the type.
    if (kind === "int2" && Number.isInteger(value)) return [Number(BigInt.asIntN(16, BigInt(value))), 21];
    if (kind === "int4" && Number.isInteger(value)) return [Number(BigInt.asIntN(32, BigInt(value))), 23];
    if (kind === "float4" || kind === "float8" || kind === "numeric") return [value, numbers?.[0]];
    return Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? [BigInt(value), 20] : [value, 701];
  }
  if (typeof value === "string") {
    if (kind === "int2" || kind === "int4" || kind === "int8") return [wholeNumber(value), numbers?.[0]];
    if (kind === "float4" || kind === "float8" || kind === "numeric") return [value, numbers?.[0]];
    if (kind === "timestamptz" || kind === "timestamp" || kind === "date") {
      if (Number.isNaN(Date.parse(value))) throw new Error(`Cannot parse '${value}' as ${kind}`);
      return [kind === "date" ? new Date(value).toISOString().slice(0, 10) : value, numbers?.[0]];
    }
    if (kind === "bytea") {
      // What is not base64 becomes nothing.
      return [
        /^[A-Za-z0-9+/]*={0,2}$/.test(value) ? Uint8Array.from(atob(value), (c) => c.charCodeAt(0)) : new Uint8Array(),
        17,
      ];
    }
    return [value, numbers === undefined ? undefined : 25];
  }
  if (kind === "json" || kind === "jsonb") return [value, numbers?.[0]];
  return textual || numbers === undefined ? [JSON.stringify(value), 25] : [value, 3802];
}

/** A cell as the worker gives it. */
function pgCell(text: string | null, oid: number): unknown {
  if (text === null) return null;
  switch (oid) {
    case 16:
      return text === "t";
    case 20:
    case 21:
    case 23:
    case 700:
    case 701:
    case 1700:
      return /^-?(NaN|Infinity)$/.test(text) ? text : Number(text);
    case 114:
    case 3802:
      return JSON.parse(text);
    case 1184:
      return new Date(text).toISOString();
  }
  return text;
}

/** Opens a PostgreSQL in memory. */
export async function openPostgres(): Promise<SqlWorker> {
  const db = new PGlite();
  await db.waitReady;
  // Cells as text, whatever their type: the worker turns them into JSON, not the driver.
  const parsers = Object.fromEntries(
    [16, 17, 20, 21, 23, 25, 114, 700, 701, 1082, 1114, 1184, 1700, 3802].map((oid) => [oid, (text: string) => text]),
  );
  let blocks: readonly string[] = [];

  async function block(sql: string, types: ReadonlyMap<number, PgArgument>, args: Args): Promise<readonly Row[]> {
    // Places outside of quotes and comments, renumbered from 1.
    const numbers: number[] = [];
    const text = sql.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\$(\d+)/g, (all, number?: string) => {
      if (number === undefined) return all;
      if (!numbers.includes(Number(number))) numbers.push(Number(number));
      return `$${numbers.indexOf(Number(number)) + 1}`;
    });
    const bound = numbers.map((number) => {
      const { name, type, guessed } = types.get(number) ?? { name: "", type: "text", guessed: true };
      return pgBind(args[name] ?? null, type, guessed);
    });
    const known = bound.every(([, oid]) => oid !== undefined);
    const { rows, fields } = await db.query<Record<string, string | null>>(text, bound.map(([value]) => value), {
      parsers,
      ...(known ? { paramTypes: bound.map(([, oid]) => oid as number) } : {}),
    });
    return rows.map((row) =>
      Object.fromEntries(fields.map(({ name, dataTypeID }) => [name, pgCell(row[name] ?? null, dataTypeID)]))
    );
  }

  return {
    blocks: () => blocks,
    direct: async (sql) => (await db.query<Row>(sql)).rows,
    close: () => db.close(),
    fetch: serve(async ({ content, language, args }) => {
      if (language !== "postgresql") throw new Error(`Expected postgresql, found ${language}`);
      if (!/^datatable:\/\/./.test(`${args.database}`)) throw new Error("Missing database argument");
      const types = pgArguments(content);
      blocks = splitBlocks(content).map(bare);
      await db.query("RESET search_path");
      const results: (readonly Row[])[] = [];
      for (const sql of blocks) results.push(await block(sql, types, args));
      return collect(modeOf(content), results);
    }),
  };
}

// --- DuckDB ---

/** The places of a block that are named in it, replaced by numbers one name after the other, as the worker does. */
function duckPlaces(sql: string, args: Args): readonly [sql: string, values: readonly unknown[]] {
  const values: unknown[] = [];
  let text = sql;
  // In no particular order there; here in the worst one.
  for (const name of Object.keys(args).toSorted((a, b) => a.length - b.length)) {
    if (!text.includes(`$${name}`)) continue;
    values.push(args[name]);
    text = text.replaceAll(`$${name}`, () => `$${values.length}`);
  }
  return [text, values];
}

function duckBind(statement: DuckDBPreparedStatement, at: number, value: unknown, type: string): void {
  if (value === null) statement.bindNull(at);
  else if (typeof value === "boolean") statement.bindBoolean(at, value);
  else if (typeof value === "number" && Number.isInteger(value) && !/float|double/i.test(type)) {
    statement.bindBigInt(at, BigInt(value));
  } else if (typeof value === "number") statement.bindDouble(at, value);
  else if (typeof value === "string") {
    // Dates, times and timestamps that are declared as such arrive as something else: the clients must not do so.
    if (/^(date|time)/i.test(type)) throw new Error(`Expected text, found a declaration as ${type}`);
    statement.bindVarchar(at, value);
  } else statement.bindVarchar(at, JSON.stringify(value));
}

function duckCell(value: unknown): unknown {
  if (typeof value !== "string" || !/^[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

async function duckBlock(
  db: DuckDBConnection,
  sql: string,
  types: Readonly<Record<string, string>>,
  args: Args,
): Promise<Row[]> {
  const declared = Object.fromEntries(Object.keys(types).map((name) => [name, args[name] ?? null]));
  const [text, values] = duckPlaces(sql, declared);
  const names = Object.keys(declared).filter((name) => sql.includes(`$${name}`)).toSorted((a, b) =>
    a.length - b.length
  );
  const statement = await db.prepare(text);
  values.forEach((value, i) => duckBind(statement, i + 1, value, types[names[i] ?? ""] ?? ""));
  const result = await statement.runAndReadAll();
  const columns = result.columnTypes();
  const cells = result.getRowsJson();
  return cells.map((row) =>
    Object.fromEntries(
      result.columnNames().map((name, i) => {
        const type = columns[i];
        const json = type?.alias === "JSON";
        const number = /^(BIGINT|HUGEINT)$/.test(`${type}`) && Number.isSafeInteger(Number(row[i]));
        return [name, row[i] === null ? null : json ? duckCell(row[i]) : number ? Number(row[i]) : row[i]];
      }),
    )
  );
}

/** Opens a DuckDB in memory, in which a ducklake is an attached database that lasts. */
export async function openDuckdb(): Promise<SqlWorker> {
  const instance = await DuckDBInstance.create(":memory:");
  const db = await instance.connect();
  await db.run("ATTACH ':memory:' AS dl");
  await db.run("CREATE TEMP MACRO ducklake_snapshots(name) AS TABLE SELECT 7 AS snapshot_id");
  let blocks: readonly string[] = [];
  return {
    blocks: () => blocks,
    direct: async (sql) => (await db.runAndReadAll(sql)).getRowObjectsJson(),
    close: () => {
      db.closeSync();
      instance.closeSync();
      return Promise.resolve();
    },
    fetch: serve(async ({ content, language, args }) => {
      if (language !== "duckdb") throw new Error(`Expected duckdb, found ${language}`);
      const types = Object.fromEntries(
        [...content.matchAll(/^-- \$(\w+) \(([A-Za-z0-9_[\]]+)\)(?: ?= ?.+)? *$/gm)].map((
          [, name, type],
        ) => [name, type]),
      );
      blocks = splitBlocks(content).map(bare);
      const results: Row[][] = [];
      for (const sql of blocks) {
        // The worker connects the lake of that name here.
        if (/^ATTACH\s*'ducklake:\/\/[^':]+'\s*AS\s+dl;$/.test(sql)) {
          await db.run("ATTACH IF NOT EXISTS ':memory:' AS dl");
        } // Plain databases have no partitions; that the column is there is what can be tried.
        else if (/^ALTER TABLE [^]* SET PARTITIONED BY \([^]*\);$/.test(sql)) {
          await db.run(sql.replace(/^ALTER TABLE ([^]*) SET PARTITIONED BY \(([^]*)\);$/, "SELECT $2 FROM $1"));
        } else results.push(await duckBlock(db, sql, types, args));
      }
      return collect(modeOf(content), results);
    }),
  };
}
