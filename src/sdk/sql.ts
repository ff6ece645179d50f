/**
 * SQL on the databases of a workspace.
 *
 * @module
 */
import type { ClientOptions } from "./connection.ts";
import { datatableOf, type DatatableOptions, type DatatableSqlTemplateFunction } from "./sql_datatable.ts";
import { ducklakeOf, type DucklakeSqlTemplateFunction } from "./sql_ducklake.ts";
import {
  appendOf,
  type DucklakeMaterializeOptions,
  type DucklakePartitionOptions,
  readOf,
  upsertOf,
} from "./sql_partitions.ts";
import { identifierOf, type RawSql, type SqlRow, type SqlStatement } from "./sql_statement.ts";

/** SQL on data tables (PostgreSQL) and ducklakes (DuckDB). */
export interface SqlGroup {
  /** Gives the tag of a data table: `name`, `name:schema` or `:schema`. @default "main" */
  readonly datatable: (name?: string, options?: DatatableOptions) => DatatableSqlTemplateFunction;
  /** Gives the tag of a ducklake: `name`, `name:schema` or `:schema`. @default "main" */
  readonly ducklake: (name?: string) => DucklakeSqlTemplateFunction;
  /** Quotes a name for a template; several are the parts of one name, such as schema and table. */
  readonly identifier: (...names: string[]) => RawSql;
  /** Makes the statement after which a table of a ducklake, or a partition of it, holds what a SELECT gives. */
  readonly upsertPartition: (options: DucklakeMaterializeOptions) => SqlStatement<SqlRow>;
  /** Makes the statement that adds what a SELECT gives to a table of a ducklake, or to a partition of it. */
  readonly appendPartition: (options: Omit<DucklakeMaterializeOptions, "uniqueKey">) => SqlStatement<SqlRow>;
  /** Makes the statement that reads a table of a ducklake, or a partition of it. */
  readonly readPartition: <T = SqlRow>(options: DucklakePartitionOptions) => SqlStatement<T>;
}

/** The functions of this group for one client. */
export function sqlGroup(client: ClientOptions): SqlGroup {
  const c = () => client;
  return {
    datatable: (name = "main", o) => datatableOf(c, name, o),
    ducklake: (name = "main") => ducklakeOf(c, name),
    identifier: identifierOf,
    upsertPartition: (o) => upsertOf(c, o),
    appendPartition: (o) => appendOf(c, o),
    readPartition: <T>(o: DucklakePartitionOptions) => readOf<T>(c, o),
  };
}
