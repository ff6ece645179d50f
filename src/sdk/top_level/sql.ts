/**
 * SQL under the official client's names, with its arguments, on the client that the environment describes or
 * {@linkcode setClient} set when a statement is run. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status,
 * body, and the statement as `query`), names are checked and quoted, a value that JSON would lose is an error that says which one
 * it is, `execute()` gives nothing, a missing workspace or token is a ConfigurationError before any request, and calls take
 * signals and time limits. Rows of which no type is given are records of unknown values, not `any`.
 *
 * @module
 */
import { defaultClient } from "../default_client.ts";
import { datatableOf, type DatatableOptions, type DatatableSqlTemplateFunction } from "../sql_datatable.ts";
import { ducklakeOf, type DucklakeSqlTemplateFunction } from "../sql_ducklake.ts";
import { readClientName, type SqlClientName } from "../sql_names.ts";
import {
  appendOf,
  type DucklakeMaterializeOptions,
  type DucklakePartitionOptions,
  readOf,
  upsertOf,
} from "../sql_partitions.ts";
import { identifierOf, type RawSql, type SqlRow, type SqlStatement } from "../sql_statement.ts";
import { typeOf } from "../sql_values.ts";

/**
 * Gives the tag that makes statements for a data table, a PostgreSQL database of the workspace.
 *
 * Each value of a template is an argument of its own, whatever is in it. At its place it gets its own type, to which an explicit
 * cast then applies: BIGINT and FLOAT8 (numbers), BIGINT (bigint), TEXT, BOOLEAN, TIMESTAMPTZ (Date), BYTEA (Uint8Array,
 * ArrayBuffer), arrays of one of the first four, JSON (other arrays, objects), NULL. Before a cast with `::`, text, bigints and
 * dates stay text, and objects and arrays JSON, for PostgreSQL and the worker to convert. A statement or {@linkcode sqlIdentifier}
 * as a value is a part of the statement.
 *
 * Different from the official client: bigints in arrays and objects, bytes, and NULL for columns of any type work; `name:` and
 * `a:b:c` are errors; the schema is quoted.
 *
 * @param name `name`, `name:schema` or `:schema`
 * @returns the tag, with `query` for a text with the places `$1`, `$2`, ... (where bytes are text: cast them with `$1::bytea`)
 * @throws RangeError when the name or role cannot be one, and from the tag when a value cannot be sent
 *
 * @example Read rows
 * ```ts
 * import { createClient } from "@windkit/windmill-client/client";
 *
 * const client = createClient({
 *   baseUrl: "http://localhost:8000",
 *   workspace: "acme",
 *   token: "secret",
 *   fetch: () => Promise.resolve(new Response('[{"id": 7, "name": "Ada"}]')),
 * });
 * const sql = client.sql.datatable("main:people"); // or datatable("main:people"), of the environment's client
 * const statement = sql<{ id: number; name: string }>`SELECT id, name FROM friends WHERE name = ${"Ada"} AND age = ${36}`;
 * const [ada] = await statement.fetch();
 * if (ada?.id !== 7) throw new Error("nobody");
 * if (!statement.content.endsWith("WHERE name = $1::TEXT AND age = $2::BIGINT")) throw new Error(statement.content);
 * ```
 */
export function datatable(name: string = "main", options?: DatatableOptions): DatatableSqlTemplateFunction {
  return datatableOf(defaultClient, name, options);
}

/**
 * Gives the tag that makes statements for a ducklake, a DuckDB database of the workspace. Values are as in
 * {@linkcode datatable}, with BLOB for bytes, and HUGEINT for bigints that need it.
 *
 * Different from the official client: explicit casts are DuckDB's matter, so all of them work; arrays are lists; dates, bytes and
 * bigints have their types; ten values and more are not mixed up.
 *
 * @param name `name`, `name:schema` or `:schema`
 * @returns the tag, with `query` for a text with the places `$name` for named parameters
 * @throws RangeError when the name cannot be one, and from the tag when a value cannot be sent
 */
export function ducklake(name: string = "main"): DucklakeSqlTemplateFunction {
  return ducklakeOf(defaultClient, name);
}

/**
 * Makes the statement after which a table of a ducklake, or a partition of it, holds what a SELECT gives. It can be run again. With
 * `uniqueKey`, only rows are replaced whose key comes in again. In a job of a pipeline (`WM_PIPELINE`), running it also records the
 * outcome.
 *
 * Different from the official client: names are quoted here, so give them bare; `uniqueKey` may be several columns; where the
 * outcome is recorded, `fetch()` still gives what the statement gives.
 *
 * @throws RangeError when a name cannot be one
 */
export function upsertPartition(options: DucklakeMaterializeOptions): SqlStatement<SqlRow> {
  return upsertOf(defaultClient, options);
}

/**
 * Makes the statement that adds what a SELECT gives to a table of a ducklake, or to a partition of it. Run again, it adds the rows
 * again. Otherwise as {@linkcode upsertPartition}.
 *
 * @throws RangeError when a name cannot be one
 */
export function appendPartition(options: Omit<DucklakeMaterializeOptions, "uniqueKey">): SqlStatement<SqlRow> {
  return appendOf(defaultClient, options);
}

/**
 * Makes the statement that reads a table of a ducklake, or a partition of it: the Python client's `read`.
 *
 * @throws RangeError when a name cannot be one
 */
export function readPartition<T = SqlRow>(options: DucklakePartitionOptions): SqlStatement<T> {
  return readOf<T>(defaultClient, options);
}

/**
 * Quotes a name for a template; several are the parts of one name, such as schema and table. Names that hold a line break, or
 * `$` before a digit or `arg`, are refused: a worker looks for these in quotes too.
 *
 * @returns what a template takes in as it is
 * @throws RangeError when it cannot be a name
 *
 * @example Choose the column by which rows are sorted
 * ```ts
 * import { datatable, sqlIdentifier } from "@windkit/windmill-client";
 *
 * const sql = datatable();
 * const { content } = sql`SELECT * FROM t ORDER BY ${sqlIdentifier('a" DESC; DROP TABLE t; --')}`;
 * if (content !== 'SELECT * FROM t ORDER BY "a"" DESC; DROP TABLE t; --"') throw new Error(content);
 * ```
 */
export function sqlIdentifier(...names: string[]): RawSql {
  return identifierOf(...names);
}

/**
 * Gives the type in SQL that a value has in a statement without a cast.
 *
 * @returns such as `BIGINT`, `DOUBLE PRECISION`, `TEXT[]` or `JSON`; BYTEA for bytes, which the official client calls JSON
 */
export function inferSqlType(value: unknown): string {
  return typeOf(value).replace("FLOAT8", "DOUBLE PRECISION").replace("TEXT::", "");
}

/**
 * Reads the name of a data table or ducklake: `name`, `name:schema` or `:schema`.
 *
 * @param name the text; the empty one is "main"
 * @throws RangeError for an empty schema and for more than one colon, which the official client reads as something else
 */
export function parseSqlClientName(name: string): SqlClientName {
  const [client, schema] = readClientName(name);
  return { name: client, ...(schema === undefined ? {} : { schema }) };
}
