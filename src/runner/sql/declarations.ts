/**
 * What a SQL script says about itself in comments: its arguments, the database, the role, and which rows it gives.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";
import { splitStatements } from "./statements.ts";

/** Which rows are the result: of the last statement or of all, all or the first, whole or its first column. */
export interface Collection {
  readonly statements: "last" | "all";
  readonly firstRow: boolean;
  readonly scalar: boolean;
}

/** A declared argument. */
export interface Declaration {
  /** Name in the job's arguments. */
  readonly name: string;
  /** Type, in lower case; undefined when nothing says it. */
  readonly type?: string;
  /** Value when the job has none. */
  readonly byDefault?: Json;
}

/** What the comments at the top say. */
export interface Header {
  /** Undefined for `legacy`: one statement gives its rows, several give all of theirs. */
  readonly collection: Collection | undefined;
  /** Path of a resource: `-- database f/folder/name`. */
  readonly database?: string;
  /** Role to run as: `-- role name`. */
  readonly role?: string;
}

const MODE = /^(last_statement|all_statements)_(all_rows|first_row)(_scalar)?$/;

/** Reads the comments before the first statement. A mode that is unknown is the default, as on a cluster. */
export function readHeader(content: string): Header {
  const lines: string[] = [];
  for (const line of content.split(/\r?\n/)) {
    if (line.trim() !== "" && !line.startsWith("--")) break;
    lines.push(line);
  }
  const top = lines.join("\n");
  const mode = /^-- result_collection=(\w+) *$/m.exec(top)?.[1] ?? "";
  const [, statements, rows, scalar] = MODE.exec(mode) ?? [];
  const last = /^-- return_last_result *$/m.test(top);
  const database = /^-- database (\S+) *$/m.exec(content)?.[1];
  const role = /^-- role (.*?) *$/m.exec(top)?.[1];
  return {
    collection: mode === "legacy" && !last ? undefined : {
      statements: statements === "all_statements" && !last ? "all" : "last",
      firstRow: rows === "first_row" && !last,
      scalar: scalar !== undefined && !last,
    },
    ...(database === undefined ? {} : { database }),
    ...(role === undefined ? {} : { role }),
  };
}

/** The mode for a number of statements: `legacy` depends on it. */
export function collectionOf({ collection }: Header, count: number): Collection {
  return collection ?? { statements: count === 1 ? "last" : "all", firstRow: false, scalar: false };
}

const TYPE = String.raw`double precision(?:\[\])?|character varying(?:\[\])?|[A-Za-z0-9_]+(?:\[\])?`;

/** A default as it is written: a number, a truth value, a text in quotes or not. */
function defaultOf(text: string | undefined, type: string | undefined): { readonly byDefault?: Json } {
  if (text === undefined || /^null$/i.test(text)) return {};
  const quotes = /^'(.*)'$/.exec(text);
  if (quotes !== null) return { byDefault: (quotes[1] ?? "").replaceAll("''", "'") };
  if (/^(?:bool|boolean)$/i.test(type ?? "") && /^(?:true|false)$/i.test(text)) {
    return { byDefault: text.toLowerCase() === "true" };
  }
  // What is declared as a text keeps its zeros.
  const isText = /^(?:text|varchar|char.*|string)$/i.test(type ?? "text");
  return {
    byDefault: !isText && /^-?\d+(?:\.\d+)?$/.test(text) && Number.isFinite(Number(text)) ? Number(text) : text,
  };
}

/**
 * Arguments of a PostgreSQL script by number: `-- $1 name (type) = default`. Without a declared type, the first cast right behind a
 * place says it; without a declaration, the name is `$1`.
 */
export function postgresArguments(content: string): ReadonlyMap<string, Declaration> {
  const found = new Map<string, Declaration>();
  const line = new RegExp(String.raw`^-- \$(\d+) (\w+)(?: \((${TYPE})\))?(?: ?= ?(.+?))? *\r?$`, "gm");
  for (const [, number = "", name = "", type, text] of content.matchAll(line)) {
    found.set(number, { name, ...(type === undefined ? {} : { type: type.toLowerCase() }), ...defaultOf(text, type) });
  }
  const cast = new RegExp(String.raw`^::(${TYPE})`, "i");
  for (const { text, places } of splitStatements(content)) {
    for (const { name: number, end } of places) {
      const known = found.get(number);
      if (known?.type !== undefined) continue;
      const type = cast.exec(text.slice(end))?.[1]?.toLowerCase();
      found.set(number, { ...known, name: known?.name ?? `$${number}`, ...(type === undefined ? {} : { type }) });
    }
  }
  return found;
}

/** Arguments of a DuckDB script by name: `-- $name (type) = default`. */
export function duckdbArguments(content: string): ReadonlyMap<string, Declaration> {
  const found = new Map<string, Declaration>();
  const line = new RegExp(String.raw`^-- \$(\w+) \((${TYPE})\)(?: ?= ?(.+?))? *\r?$`, "gm");
  for (const [, name = "", type = "", text] of content.matchAll(line)) {
    found.set(name, { name, type: type.toLowerCase(), ...defaultOf(text, type) });
  }
  return found;
}

/** An argument's value: the job's, else the declared default, else null. */
export function valueOf(declaration: Declaration, args: Readonly<Record<string, Json>>): Json {
  const value = Object.hasOwn(args, declaration.name) ? args[declaration.name] : declaration.byDefault;
  return value ?? null;
}
