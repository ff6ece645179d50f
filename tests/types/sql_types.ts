/**
 * What the types of SQL statements say. `deno check` of this file is the test: it never runs.
 *
 * @module
 */
import {
  appendPartition,
  createClient,
  datatable,
  type DatatableSqlTemplateFunction,
  ducklake,
  type DucklakeMaterializeOptions,
  inferSqlType,
  parseSqlClientName,
  type RawSql,
  readPartition,
  type ResultCollection,
  type SqlClientName,
  sqlIdentifier,
  type SqlRow,
  type SqlStatement,
  type SqlTemplateFunction,
  upsertPartition,
  WindmillApiError,
} from "@windkit/windmill-client";

/** True when the two types are the same, not merely assignable to each other. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;

/** Gives the type of a value, for `Holds<Same<...>>`. */
function expectType<Expected>() {
  return <Found>(_value: Found, ..._same: Same<Found, Expected> extends true ? [] : [never]): void => {};
}

interface Person {
  readonly name: string;
  readonly age: number;
}

/** Never called: its types are what is looked at. */
export async function statements(): Promise<void> {
  const sql = datatable("main:sch", { role: "reader" });
  expectType<DatatableSqlTemplateFunction>()(sql);
  expectType<SqlStatement<SqlRow>>()(sql`SELECT 1`);
  // Where nothing is said, a row is a record of unknown values.
  expectType<SqlRow[]>()(await sql`SELECT 1`.fetch());
  expectType<unknown>()((await sql`SELECT 1`.fetchOne())?.anything);
  expectType<unknown>()(await sql`SELECT 1`.fetchOneScalar());

  const people = sql<Person>`SELECT name, age FROM people WHERE age > ${18}`;
  expectType<Person[]>()(await people.fetch());
  expectType<Person | null>()(await people.fetchOne());
  expectType<string | number | null>()(await people.fetchOneScalar());
  expectType<void>()(await people.execute());
  expectType<string>()(people.content);
  expectType<Readonly<Record<string, unknown>>>()(people.args);

  // A type that is no object is the value itself.
  expectType<number | null>()(await sql<number>`SELECT count(*) FROM people`.fetchOneScalar());
  expectType<string[]>()(
    await sql<string>`SELECT name FROM people`.fetch({ resultCollection: "last_statement_all_rows_scalar" }),
  );

  // Each mode has its shape.
  expectType<Person[]>()(await people.fetch({ resultCollection: "last_statement_all_rows" }));
  expectType<Person | null>()(await people.fetch({ resultCollection: "last_statement_first_row" }));
  expectType<(string | number)[]>()(await people.fetch({ resultCollection: "last_statement_all_rows_scalar" }));
  expectType<string | number | null>()(await people.fetch({ resultCollection: "last_statement_first_row_scalar" }));
  expectType<Person[][]>()(await people.fetch({ resultCollection: "all_statements_all_rows" }));
  expectType<(Person | null)[]>()(await people.fetch({ resultCollection: "all_statements_first_row" }));
  expectType<(string | number)[][]>()(await people.fetch({ resultCollection: "all_statements_all_rows_scalar" }));
  expectType<(string | number | null)[]>()(await people.fetch({ resultCollection: "all_statements_first_row_scalar" }));
  expectType<unknown>()(await people.fetch({ resultCollection: "legacy" }));
  // Options of a call go with it; without a mode the shape is the usual one.
  expectType<Person[]>()(await people.fetch({ timeoutMs: 5, signal: AbortSignal.timeout(1) }));
  // As with the official client, the mode may be named by a type argument.
  expectType<Person | null>()(
    await people.fetch<"last_statement_first_row">({ resultCollection: "last_statement_first_row" }),
  );

  expectType<SqlStatement<Person>>()(sql.query<Person>("SELECT * FROM people WHERE age > $1", 18));
  expectType<RawSql>()(sql.raw("now()"));
  expectType<RawSql>()(sqlIdentifier("schema", "table"));
  sql`SELECT ${sql.raw("x")}, ${sqlIdentifier("y")}, ${people}`;

  const lake = ducklake("lake");
  expectType<SqlTemplateFunction>()(lake as SqlTemplateFunction);
  expectType<SqlStatement<Person>>()(lake<Person>`SELECT * FROM people`);
  expectType<SqlStatement<Person>>()(lake.query<Person>("SELECT * FROM people WHERE age > $age", { age: 18 }));

  const options: DucklakeMaterializeOptions = { table: "t", selectSql: "SELECT 1", uniqueKey: ["a", "b"] };
  expectType<SqlStatement<SqlRow>>()(upsertPartition(options));
  expectType<SqlStatement<SqlRow>>()(appendPartition({ table: "t", selectSql: "SELECT 1", partition: "p" }));
  expectType<SqlStatement<Person>>()(readPartition<Person>({ table: "t" }));

  expectType<string>()(inferSqlType([1n]));
  expectType<SqlClientName>()(parseSqlClientName("a:b"));
  expectType<ResultCollection>()("legacy" as ResultCollection);
  expectType<string | undefined>()(
    new WindmillApiError("", { status: 0, request: { method: "", url: "" }, body: "" }).query,
  );

  const { sql: group } = createClient();
  expectType<SqlStatement<Person>>()(group.datatable()<Person>`SELECT 1`);
  expectType<RawSql>()(group.identifier("a"));

  // A statement is no promise: whoever awaits it by mistake gets the statement.
  expectType<SqlStatement<Person>>()(await people);

  // @ts-expect-error -- a mode that there is not
  await people.fetch({ resultCollection: "first_row" });
  // @ts-expect-error -- a text that was put together is no template
  sql("SELECT " + people.content);
  // @ts-expect-error -- nor is a list of texts
  sql(["SELECT ", ""], 1);
  // @ts-expect-error -- the mode of these is theirs
  await people.fetchOne({ resultCollection: "legacy" });
  // @ts-expect-error -- parameters of a ducklake have names
  lake.query("SELECT $1", 1);
  // @ts-expect-error -- what is added has no key
  appendPartition({ table: "t", selectSql: "SELECT 1", uniqueKey: "id" });
  // @ts-expect-error -- a partition is text
  upsertPartition({ table: "t", selectSql: "SELECT 1", partition: 1 });
  // @ts-expect-error -- reading needs no SELECT
  readPartition({ table: "t", selectSql: "SELECT 1" });
  // @ts-expect-error -- the row may be null
  (await people.fetchOne()).name;
  // @ts-expect-error -- a row has these fields only
  (await people.fetch())[0]?.email;
  // @ts-expect-error -- statements are not changed
  people.args = {};
}
