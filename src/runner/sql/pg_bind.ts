/**
 * Arguments of a PostgreSQL script: each travels as text with the number of its type. What the text holds is PostgreSQL's to judge:
 * a number that its type cannot hold is an error there, not another number.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";
import { type Declaration, valueOf } from "./declarations.ts";
import { replacePlaces, type Statement } from "./statements.ts";

/** A statement as it is sent. */
export interface PgStatement {
  readonly text: string;
  /** Numbers of the types; 0 lets the server find out. */
  readonly types: readonly number[];
  readonly values: readonly (string | null)[];
}

/** Numbers of a type and of its array. */
const OIDS: Readonly<Record<string, readonly [type: number, array: number]>> = {
  bool: [16, 1000],
  bytea: [17, 1001],
  bpchar: [1042, 1014],
  int8: [20, 1016],
  int2: [21, 1005],
  int4: [23, 1007],
  text: [25, 1009],
  oid: [26, 1028],
  json: [114, 199],
  float4: [700, 1021],
  float8: [701, 1022],
  varchar: [1043, 1015],
  date: [1082, 1182],
  time: [1083, 1183],
  timestamp: [1114, 1115],
  timestamptz: [1184, 1185],
  interval: [1186, 1187],
  timetz: [1266, 1270],
  numeric: [1700, 1231],
  uuid: [2950, 2951],
  jsonb: [3802, 3807],
};

/** Other names of types. */
const ALIASES: Readonly<Record<string, string>> = {
  boolean: "bool",
  char: "bpchar",
  character: "bpchar",
  bigint: "int8",
  bigserial: "int8",
  serial8: "int8",
  smallint: "int2",
  smallserial: "int2",
  serial2: "int2",
  int: "int4",
  integer: "int4",
  serial: "int4",
  serial4: "int4",
  real: "float4",
  double: "float8",
  "double precision": "float8",
  "character varying": "varchar",
  decimal: "numeric",
};

const TEXT = 25;

/** A scalar as text. */
function textOf(value: Json, type: string): string {
  if (type === "json" || type === "jsonb") return JSON.stringify(value);
  if (type === "bytea" && typeof value === "string") return bytesOf(value);
  return typeof value === "object" ? JSON.stringify(value) : `${value}`;
}

/** Bytes arrive as base64. */
function bytesOf(text: string): string {
  let bytes: string;
  try {
    bytes = atob(text);
  } catch (cause) {
    throw new TypeError(`Expected base64 for bytea, found ${JSON.stringify(text.slice(0, 40))}`, { cause });
  }
  return `\\x${Array.from(bytes, (char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join("")}`;
}

/** An array as PostgreSQL writes it. */
function arrayOf(items: readonly Json[], type: string): string {
  const texts = items.map((item) => {
    if (item === null) return "NULL";
    if (Array.isArray(item) && !/^jsonb?$/.test(type)) return arrayOf(item, type);
    return `"${textOf(item, type).replace(/["\\]/g, "\\$&")}"`;
  });
  return `{${texts.join(",")}}`;
}

/** Text and type number of a value. `type` is undefined when nothing says it: then the JSON says it. */
export function bindValue(value: Json, type: string | undefined): readonly [text: string | null, oid: number] {
  const base = type?.replace(/\[\]$/, "");
  const oids = base === undefined ? undefined : OIDS[ALIASES[base] ?? base];
  if (base !== type) {
    if (value === null) return [null, oids?.[1] ?? 0];
    if (Array.isArray(value)) return [arrayOf(value, base ?? ""), oids?.[1] ?? 0];
  }
  if (value === null) return [null, type === undefined ? TEXT : oids?.[0] ?? 0];
  if (type === undefined) {
    if (typeof value === "boolean") return [`${value}`, 16];
    if (typeof value === "number") return [`${value}`, Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? 20 : 701];
    return [textOf(value, ""), TEXT];
  }
  // An array literal as text, a type of the database's own: the server reads it.
  return [textOf(value, type), oids?.[0] ?? 0];
}

/** Numbers the places of a statement from 1 on, and binds what goes there. */
export function bindStatement(
  statement: Statement,
  declared: ReadonlyMap<string, Declaration>,
  args: Readonly<Record<string, Json>>,
): PgStatement {
  const numbers = new Map<string, number>();
  const types: number[] = [];
  const values: (string | null)[] = [];
  const text = replacePlaces(statement, ({ name }) => {
    const declaration = declared.get(name);
    if (declaration === undefined || !/^\d+$/.test(name)) return `$${name}`;
    let number = numbers.get(name);
    if (number === undefined) {
      number = numbers.size + 1;
      numbers.set(name, number);
      try {
        const [bound, oid] = bindValue(valueOf(declaration, args), declaration.type);
        values.push(bound);
        types.push(oid);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : `${cause}`;
        throw new TypeError(`Cannot bind argument "${declaration.name}": ${reason.replace(/^E/, "e")}`, { cause });
      }
    }
    return `$${number}`;
  });
  return { text, types, values };
}
