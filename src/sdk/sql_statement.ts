/**
 * Statements made of templates, and how they are run.
 *
 * @module
 */
import { WindmillApiError } from "../base/errors.ts";
import type { CallOptions } from "../http/transport.ts";
import { readValue } from "../wire/answer.ts";
import { previewCall } from "./_inline_preview.ts";
import { type ClientOptions, post } from "./connection.ts";
import { checked, quoteName } from "./sql_names.ts";

/** Which of a statement's rows are wanted: of the last part or of all parts between semicolons, all or the first, whole or its first column. */
export type ResultCollection =
  | "last_statement_all_rows"
  | "last_statement_first_row"
  | "last_statement_all_rows_scalar"
  | "last_statement_first_row_scalar"
  | "all_statements_all_rows"
  | "all_statements_first_row"
  | "all_statements_all_rows_scalar"
  | "all_statements_first_row_scalar"
  | "legacy";

/** Options of running a statement. */
export interface SqlFetchOptions<R extends ResultCollection = ResultCollection> extends CallOptions {
  /** Which rows are wanted, and in which shape. @default "last_statement_all_rows" */
  readonly resultCollection?: R;
}

/** A row of which nothing is known. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** A value in a row: one of its columns; a type that is no object stands for the value itself. */
export type SqlScalar<T> = T extends object ? T[keyof T] : T;

/** What a statement gives, by `resultCollection`. */
export type SqlResult<T, R extends ResultCollection> = {
  readonly last_statement_all_rows: T[];
  readonly last_statement_first_row: T | null;
  readonly last_statement_all_rows_scalar: SqlScalar<T>[];
  readonly last_statement_first_row_scalar: SqlScalar<T> | null;
  readonly all_statements_all_rows: T[][];
  readonly all_statements_first_row: (T | null)[];
  readonly all_statements_all_rows_scalar: SqlScalar<T>[][];
  readonly all_statements_first_row_scalar: (SqlScalar<T> | null)[];
  readonly legacy: unknown;
}[R];

/** Text that a template takes in as it is. */
export interface RawSql {
  /** The text. */
  readonly value: string;
}

/** A statement. It is run by its functions only: it is no promise. As a value in another template it is a part of that. */
export interface SqlStatement<T> {
  /** What is sent: declarations, what is set up, and the statement with places instead of values. */
  readonly content: string;
  /** The values, by name. */
  readonly args: Readonly<Record<string, unknown>>;
  /** Runs the statement and gives its rows. Their type is the caller's word: nothing checks it. */
  readonly fetch: <R extends ResultCollection = "last_statement_all_rows">(
    options?: SqlFetchOptions<R>,
  ) => Promise<SqlResult<T, R>>;
  /** Runs the statement and gives the first row; null when there is none. */
  readonly fetchOne: (options?: CallOptions) => Promise<T | null>;
  /** Runs the statement and gives the first column of the first row; null when there is no row. */
  readonly fetchOneScalar: (options?: CallOptions) => Promise<SqlScalar<T> | null>;
  /** Runs the statement. */
  readonly execute: (options?: CallOptions) => Promise<void>;
}

/** A tag that makes statements of templates. */
export interface SqlTemplateFunction {
  /** Makes a statement, in which each value is an argument of its own. */
  <T = SqlRow>(texts: TemplateStringsArray, ...values: unknown[]): SqlStatement<T>;
  /** Makes text that is taken in as it is: never of what somebody else wrote. For names there is {@linkcode sqlIdentifier}. */
  readonly raw: (text: string) => RawSql;
}

/** Under this key a piece of SQL has its texts and values. No JSON has it, wherever a value may come from. */
const PARTS: unique symbol = /* @__PURE__ */ Symbol();

/** Texts, and the values between them. */
export type Parts = readonly [texts: readonly string[], ...values: unknown[]];

interface Fragment {
  readonly [PARTS]: Parts;
}

/** Text that goes into a statement as it is. */
export function rawOf(text: string): RawSql & Fragment {
  return { [PARTS]: [[text]], value: text };
}

/** A name that goes into a statement in quotes; several are parts of one name. */
export function identifierOf(...names: readonly string[]): RawSql {
  return rawOf(names.map(quoteName).join("."));
}

/** Which client runs a statement: asked when it is run, as {@linkcode setClient} may come after the statement. */
export type ClientSource = () => ClientOptions;

/**
 * Makes the statement of a template. `bind` gives what stands for a value; its `after` is undefined behind the last text. `frame`
 * gives what is sent for the text.
 */
export function statementOf<T>(
  client: ClientSource,
  language: string,
  parts: Parts,
  args: Readonly<Record<string, unknown>>,
  bind: (value: unknown, before: string, after: string | undefined) => string,
  frame: (query: string) => string,
): SqlStatement<T> & Fragment {
  let query = "";
  function add([texts, ...values]: Parts): void {
    query += texts[0];
    values.forEach((value, i) => {
      const after = texts[i + 1];
      const inner = (value as Fragment | undefined)?.[PARTS]; // `as`: other values have no such key
      // Parameters of a text that has its places already go nowhere else: there is no text behind them.
      if (inner && inner[0].length === inner.length) add(inner);
      else query += bind(value, query, after);
      query += after ?? "";
    });
  }
  // A tag that is called, with parentheses, would take the letters of its text for the texts of a template.
  checked(`${parts[0]}`, Array.isArray(parts[0]), "template: without parentheses");
  add(parts);
  const content = frame(query);
  async function fetch<R>(options: SqlFetchOptions = {}, mode = options.resultCollection): Promise<R> {
    const line = mode ? `-- result_collection=${checked(mode, /^\w+$/.test(mode), "mode")}\n` : "";
    const c = client();
    try {
      const call = previewCall(c, { args, content: line + content, language });
      // No time limit unless one is given: statements take as long as they take.
      const answer = await post(c, call, { timeoutMs: c.timeoutMs ?? Infinity, ...options });
      // `as`: what the database gives has the type that the caller says it has. The result null comes without a body.
      return (answer.response.status === 204 ? null : readValue(answer)) as R;
    } catch (error) {
      if (error instanceof WindmillApiError) error.query = query;
      throw error;
    }
  }
  return {
    [PARTS]: parts,
    content,
    args,
    fetch,
    fetchOne: (options) => fetch(options, "last_statement_first_row"),
    fetchOneScalar: (options) => fetch(options, "last_statement_first_row_scalar"),
    execute: (options) => fetch(options).then(() => {}),
  };
}
