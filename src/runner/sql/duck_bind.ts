/**
 * Arguments of a DuckDB script, and what it attaches.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";
import { type Declaration, valueOf } from "./declarations.ts";
import type { DuckAttach, DuckStatement, DuckValue } from "./duck_job.ts";
import { checkedAddress, declarationOf } from "./duck_files.ts";
import { replacePlaces, type Statement } from "./statements.ts";

/** Types whose values DuckDB gets as they are; texts of others are cast where they are used. */
const NATIVE = /^(?:text|varchar|string|char|bpchar|json|bool|boolean|bigint|int8|double|float8|double precision)$/;

/** The type of an argument that is an object of the workspace: its address takes its place. */
const OBJECT = "s3object";

/** How a value is bound: objects and arrays as text of their JSON. */
function bound(value: Json, type: string | undefined): DuckValue {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "object") return JSON.stringify(value);
  const isFloat = /^(?:double|float|real|decimal|numeric)/.test(type ?? "");
  return Number.isInteger(value) && !isFloat && Math.abs(value) < 2 ** 63
    ? { bigint: `${BigInt(value)}` }
    : { double: value };
}

/** Numbers the places of a statement, and binds what goes there. */
export function bindDuck(
  statement: Statement,
  declared: ReadonlyMap<string, Declaration>,
  args: Readonly<Record<string, Json>>,
): Exclude<DuckStatement, null> {
  const numbers = new Map<string, number>();
  const values: DuckValue[] = [];
  const text = replacePlaces(statement, ({ name }) => {
    // One without a declaration, when the job has an argument of its name: the official client's text of some casts.
    const declaration = declarationOf(name, declared, args);
    if (declaration === undefined) return `$${name}`;
    let number = numbers.get(name);
    if (number === undefined) {
      number = numbers.size + 1;
      numbers.set(name, number);
      const value = valueOf(declaration, args);
      values.push(declaration.type === OBJECT ? checkedAddress(name, value) : bound(value, declaration.type));
    }
    const { type } = declaration;
    return type === undefined || type === OBJECT || NATIVE.test(type) ? `$${number}` : `CAST($${number} AS ${type})`;
  });
  return { text, values };
}

/** What an ATTACH names. */
export type Attachment =
  | ({ readonly kind: "ducklake" } & DuckAttach)
  | { readonly kind: "datatable"; readonly alias: string; readonly name: string };

/**
 * Reads an ATTACH of a ducklake or data table; undefined for other statements.
 *
 * @throws TypeError for one that names none
 */
export function readAttach(text: string): Attachment | undefined {
  const [, kind, rest] =
    /^ATTACH\s+(?:DATABASE\s+)?(?:IF\s+NOT\s+EXISTS\s+)?'(ducklake|datatable)\b([^]*)$/i.exec(text) ??
      [];
  if (kind === undefined || rest === undefined) return undefined;
  const [, name = "main", inQuotes, word, options = ""] =
    /^(?::\/\/([\w-][\w.-]*))?'\s*(?:AS\s+(?:"((?:[^"]|"")+)"|(\w+)))?\s*(\([^()]*\))?\s*$/i.exec(rest) ?? [];
  const alias = inQuotes?.replaceAll('""', '"') ?? word;
  if (alias === undefined) {
    throw new TypeError(
      `Cannot read ${JSON.stringify(text)}: expected ATTACH '${kind.toLowerCase()}://name' AS alias`,
    );
  }
  if (kind.toLowerCase() === "datatable") return { kind: "datatable", alias, name };
  return { kind: "ducklake", alias, lake: name, readOnly: /\bREAD_ONLY\b/i.test(options) };
}
