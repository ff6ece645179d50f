/**
 * What a DuckDB job asks of its process. It crosses as JSON.
 *
 * @module
 */
import type { Collection } from "./declarations.ts";
import type { ResultLimits } from "./limits.ts";

/** Folders of what DuckDB keeps on disk while a job runs begin so; the process id follows. */
export const TEMPORARY = ".temporary-";

/** What the process is told at its start. */
export interface DuckConfig {
  /** Folder of lakes: `<name>.duckdb`, or `<name>/` of the ducklake extension. */
  readonly folder: string;
  /** Memory that DuckDB may take: `512MB`. */
  readonly memoryLimit: string;
  readonly threads: number;
  /** Most that a job writes to the disk, but for lakes, in bytes. */
  readonly maxDiskBytes: number;
  /** `off`: lakes are plain DuckDB files. `local`: the extension when it is there. `download`: fetched when it is not. */
  readonly ducklake: "off" | "local" | "download";
  /** A file with the extension, instead of one that DuckDB finds. */
  readonly ducklakeFile?: string;
}

/** A value for a place. */
export type DuckValue = null | boolean | string | { readonly bigint: string } | { readonly double: number };

/** What is attached before the job begins. */
export interface DuckAttach {
  /** Name in SQL. */
  readonly alias: string;
  /** Name of the lake. */
  readonly lake: string;
  readonly readOnly: boolean;
}

/** A copy of a data table's database, made for the job: it can be read only. */
export interface DuckCopy {
  /** Name in SQL. */
  readonly alias: string;
  /** Name of the data table. */
  readonly datatable: string;
  readonly tables: readonly DuckCopyTable[];
}

/** A table of a copy. */
export interface DuckCopyTable {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** A file with its rows: an array of objects with the texts of the columns, named `c0`, `c1` and so on. */
  readonly file: string;
}

/** A statement; null for one that was an ATTACH. */
export type DuckStatement = null | { readonly text: string; readonly values: readonly DuckValue[] };

/** What a job asks. */
export interface DuckJob {
  readonly attach: readonly DuckAttach[];
  readonly copies: readonly DuckCopy[];
  /** Folder of the objects that the job names: it is open to it. */
  readonly files?: string;
  readonly statements: readonly DuckStatement[];
  readonly collection: Collection;
  readonly limits: ResultLimits;
}
