/**
 * `node:sqlite`, found when a storage is opened and never at import, and how its errors become this package's.
 *
 * @module
 */
import {
  JournalCorruptError,
  MissingPackageError,
  StorageFailedError,
  StorageFullError,
  StorageReadOnlyError,
  type WindkitErrorCode,
} from "../base/errors.ts";

/** What SQLite takes and gives. */
export type SqlValue = null | number | string;

/** One row, by column name. */
export type SqlRow = Readonly<Record<string, SqlValue>>;

/** A prepared statement: the part of `node:sqlite` that is used here. */
export interface Statement {
  run(...values: readonly SqlValue[]): { readonly changes: number | bigint; readonly lastInsertRowid: number | bigint };
  get(...values: readonly SqlValue[]): SqlRow | undefined;
  all(...values: readonly SqlValue[]): SqlRow[];
  /** Makes rows arrays of their values. Absent in early versions of Node 22. */
  setReturnArrays?(enabled: boolean): void;
}

/** An open database: the part of `node:sqlite` that is used here. */
export interface Database {
  prepare(sql: string): Statement;
  close(): void;
}

/** The module. */
export interface SqliteModule {
  readonly DatabaseSync: new (path: string, options?: { readonly readOnly?: boolean }) => Database;
}

interface Runtime {
  readonly Deno?: { readonly version: { readonly deno: string } };
  readonly navigator?: { readonly userAgent?: string };
  readonly process?: {
    readonly versions?: Readonly<Record<string, string>>;
    getBuiltinModule?(name: string): unknown;
  };
}

const NEEDED = "Deno 2.9, Node 22.13 or Bun 1.4, or newer";

/**
 * Loads `node:sqlite`.
 *
 * @throws MissingPackageError when this runtime has none
 */
export async function loadSqlite(): Promise<SqliteModule> {
  const runtime = globalThis as Runtime;
  // A name in a variable, so that no bundler resolves it. In Deno this takes 1 ms, `process.getBuiltinModule` 15.
  const name = "node:sqlite";
  if (runtime.Deno !== undefined) return await import(name) as SqliteModule;
  // Workers have a module of that name that opens nothing.
  const found = isWorkers(runtime)
    ? undefined
    : runtime.process?.getBuiltinModule?.(name) as Partial<SqliteModule> | undefined;
  if (found?.DatabaseSync !== undefined) return found as SqliteModule;
  throw new MissingPackageError(
    `Cannot open the SQLite storage: it needs 'node:sqlite' (${NEEDED}), and this is ${runtimeName(runtime)}`,
  );
}

function isWorkers(runtime: Runtime): boolean {
  return runtime.navigator?.userAgent?.startsWith("Cloudflare") === true;
}

function runtimeName(runtime: Runtime): string {
  if (isWorkers(runtime)) return "Cloudflare Workers";
  const { bun, node } = runtime.process?.versions ?? {};
  if (bun !== undefined) return `Bun ${bun}`;
  return node === undefined ? "a runtime without it" : `Node ${node}`;
}

/** Runs statements that give no rows, or whose rows do not matter. `exec` would do, but its errors carry no code in Deno. */
export function runAll(db: Database, statements: readonly string[]): void {
  for (const sql of statements) db.prepare(sql).all();
}

/** The one number that a pragma or a query answers with. */
export function numberOf(db: Database, sql: string): number {
  const row = db.prepare(sql).get() ?? {};
  return Number(Object.values(row)[0] ?? 0);
}

/** Result code of SQLite without its extension, undefined when the error is not SQLite's. */
export function resultCode(error: unknown): number | undefined {
  const { errcode, message } = error as { readonly errcode?: unknown; readonly message?: unknown };
  if (typeof errcode === "number") return errcode & 0xff;
  // Errors of opening and closing carry no number in Deno.
  for (const [code, text] of MESSAGES) if (typeof message === "string" && message.includes(text)) return code;
  return undefined;
}

const MESSAGES: readonly (readonly [number, string])[] = [
  [5, "database is locked"],
  [8, "readonly database"],
  [11, "disk image is malformed"],
  [13, "database or disk is full"],
  [14, "unable to open database"],
  [26, "is not a database"],
];

/** Extended code of an input/output error that means "cannot make or grow the file": how a full tmpfs shows in the `-shm` file. */
const SHM_CANNOT_GROW = 4874;

/**
 * Names the condition behind an error of SQLite; this package's own errors pass.
 *
 * @param error what was thrown
 * @param action what failed, to follow "Cannot"
 */
export function storageError(error: unknown, action: string): Error {
  const { errcode, message } = error as { readonly errcode?: unknown; readonly message?: unknown };
  if (isOwn(error)) return error;
  const sqlite = resultCode(error);
  // A caller's mistake.
  if (sqlite === undefined && (error instanceof TypeError || error instanceof RangeError)) return error;
  const options = { cause: error };
  const text = String(message);
  switch (sqlite) {
    case 5:
    case 6:
      return new StorageFailedError(`Cannot ${action}: another process kept the file busy (${text})`, options);
    case 8:
      return new StorageReadOnlyError(`Cannot ${action}: the folder or the file is read-only (${text})`, options);
    case 10:
      return errcode === SHM_CANNOT_GROW
        ? new StorageFullError(`Cannot ${action}: the disk is full (${text})`, options)
        : new StorageFailedError(
          `Cannot ${action}: reading or writing failed (${text}, code ${String(errcode)})`,
          options,
        );
    case 11:
    case 26:
      return new JournalCorruptError(
        `Cannot ${action}: the file is damaged (${text}); run 'windkit doctor', or restore a backup`,
        {},
        options,
      );
    case 13:
      return new StorageFullError(`Cannot ${action}: the disk is full (${text})`, options);
    case 14:
      return new StorageReadOnlyError(
        `Cannot ${action}: the file cannot be opened for writing: it is gone, or its folder is read-only (${text})`,
        options,
      );
    default:
      return new StorageFailedError(`Cannot ${action}: ${text}`, options);
  }
}

/** Tells whether an error is one that this package made. */
export function isOwn(error: unknown): error is Error {
  const { code } = error as { readonly code?: unknown };
  return error instanceof Error && typeof code === "string" && Object.hasOwn(OWN, code);
}

const OWN = {
  STORAGE_LOCKED: true,
  STORAGE_FULL: true,
  STORAGE_READ_ONLY: true,
  STORAGE_FAILED: true,
  SCHEMA_TOO_NEW: true,
  JOURNAL_CORRUPT: true,
  UNKNOWN_RUN: true,
  RUN_EXISTS: true,
  PAYLOAD_TOO_LARGE: true,
  MISSING_PACKAGE: true,
} satisfies Partial<Record<WindkitErrorCode, true>>;
