/**
 * Statements of SQL, as the data table and ducklake clients send them, and code that is run without being deployed.
 *
 * @module
 */
import { isRecord } from "../wire/answer.ts";
import { jsonResponse, notFound, Refusal } from "../wire/refusal.ts";
import { answerResult } from "./_job_routes.ts";
import { argsOf, errorOf } from "./_jobs.ts";
import type { Mock } from "./_mock.ts";
import { type Call, fields, requiredText, type RouteTable } from "./_router.ts";

/** A statement, or other code, that was sent to be run. */
export interface MockSqlStatement {
  /** Language: `postgresql` for data tables, `duckdb` for ducklakes. */
  readonly language: string;
  /** What was sent, whole. */
  readonly content: string;
  /** The statement alone, without the lines that declare its arguments and choose schema and lake. */
  readonly sql: string;
  /** Values of the arguments, by name. */
  readonly args: Readonly<Record<string, unknown>>;
  /** Values of `$1`, `$2` and so on, in this order; of `arg1`, `arg2` for a ducklake. */
  readonly values: readonly unknown[];
  /** Name of the data table or ducklake; undefined for other code. */
  readonly database: string | undefined;
  /** Schema that was chosen. */
  readonly schema: string | undefined;
  /** Role that was chosen. */
  readonly role: string | undefined;
  /** Which part of the result was asked for, such as `last_statement_first_row`. */
  readonly mode: string;
}

/** Answers statements: with the rows of the last statement, as an array of objects. What it throws is the statement's error. */
export type MockSqlHandler = (statement: MockSqlStatement) => unknown;

const DEFAULT_MODE = "last_statement_all_rows";

/** Takes a first line off that matches, as often as one does. */
function takeLines(content: string, pattern: RegExp, take: (match: RegExpExecArray) => void): string {
  let rest = content;
  for (let match = pattern.exec(rest); match !== null; match = pattern.exec(rest)) {
    take(match);
    rest = rest.slice(match[0].length);
  }
  return rest;
}

function unquote(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}

/** Takes apart what the SQL clients put together. */
function parseStatement(
  language: string,
  content: string,
  args: Readonly<Record<string, unknown>>,
): MockSqlStatement {
  let mode = DEFAULT_MODE, role: string | undefined, schema: string | undefined, database: string | undefined;
  const names: string[] = [];
  let rest = takeLines(content, /^-- (result_collection|role)[= ](.*)\n/, ([, name, value = ""]) => {
    if (name === "role") role = value.trim();
    else mode = value.trim();
  });
  rest = takeLines(rest, /^-- \$(\w+)(?: (\w+))?[^\n]*\n/, ([, first = "", second]) => names.push(second ?? first));
  rest = takeLines(rest, /^\s*SET search_path TO ("(?:[^"]|"")*"|\w+);\n?/, ([, name = ""]) => schema = unquote(name));
  const attach = /^\s*ATTACH 'ducklake:\/\/([^']*)' AS dl;\s*USE dl(?:\.("(?:[^"]|"")*"|\w+))?;\n?/;
  rest = takeLines(rest, attach, ([, name = "", inside]) => {
    database = name;
    if (inside !== undefined) schema = unquote(inside);
  });
  rest = takeLines(rest, /^\s*USE dl\.("(?:[^"]|"")*"|\w+);\n?/, ([, name = ""]) => schema = unquote(name));
  const named = args.database;
  if (typeof named === "string") database = named.replace(/^datatable:\/\//, "");
  return {
    language,
    content,
    sql: rest.trim(),
    args,
    values: names.map((name) => args[name]),
    database,
    schema,
    role,
    mode,
  };
}

/** The part of the rows that a mode asks for. What is no array of rows is given as it is. */
function shapeRows(mode: string, rows: unknown): unknown {
  if (!Array.isArray(rows) || !rows.every(isRecord)) return rows ?? null;
  const scalars = rows.map((row) => Object.values(row)[0] ?? null);
  switch (mode) {
    case "last_statement_first_row":
      return rows[0] ?? null;
    case "last_statement_all_rows_scalar":
      return scalars;
    case "last_statement_first_row_scalar":
      return scalars[0] ?? null;
    case "all_statements_all_rows":
      return [rows];
    case "all_statements_first_row":
      return [rows[0] ?? null];
    case "all_statements_all_rows_scalar":
      return [scalars];
    case "all_statements_first_row_scalar":
      return [scalars[0] ?? null];
    default:
      return rows;
  }
}

function readStatement(
  mock: Mock,
  call: Call,
): { readonly statement: MockSqlStatement; readonly handler: MockSqlHandler } {
  const body = fields(call);
  const statement = parseStatement(requiredText(body, "language"), requiredText(body, "content"), argsOf(body.args));
  if (mock.sql !== undefined) return { statement, handler: mock.sql };
  throw notFound(`this mock has no option 'sql', which answers code that is run as ${statement.language}`);
}

/** The endpoints that run code without its being deployed. */
export function previewRoutes(mock: Mock): RouteTable {
  return {
    "POST jobs/run_inline/preview": async (call) => {
      const { statement, handler } = readStatement(mock, call);
      try {
        return jsonResponse(shapeRows(statement.mode, await handler(statement)));
      } catch (error) {
        throw new Refusal(500, `Internal: ${errorOf(error).message}`);
      }
    },
    "POST jobs/run_wait_result/preview": (call) => {
      const { statement, handler } = readStatement(mock, call);
      const run = async (): Promise<unknown> => shapeRows(statement.mode, await handler(statement));
      const job = mock.jobs.start({ kind: "preview", path: "", args: statement.args, run });
      return answerResult(mock, call, job);
    },
  };
}
