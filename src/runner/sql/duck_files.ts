/**
 * Where a DuckDB statement names objects of the workspace: an address `s3://storage/key` that stands as a whole where the name of a
 * file is expected. An address anywhere else is a text, and stays one.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";
import { type Declaration, valueOf } from "./declarations.ts";
import { endOfComment, literal, PIECE, type Place, type Statement } from "./statements.ts";

/** Begins an address. */
const SCHEME = "s3://";

/** An object, or a pattern of objects. */
export interface ObjectAddress {
  /** Name of the storage; empty for the default one. */
  readonly storage: string;
  readonly key: string;
}

/** What a statement does with a file that it names. */
export type FileRole = "read" | "write" | "attach";

/** A place of a statement that names a file. */
export interface FilePlace {
  readonly start: number;
  readonly end: number;
  readonly role: FileRole;
  /** Name of the argument, or the text that is written there. */
  readonly from: { readonly argument: string } | { readonly text: string };
}

/** Functions whose first argument is a file, or a list of files. */
const FILE_FUNCTION =
  /^(?:READ_(?:PARQUET|CSV|CSV_AUTO|JSON|JSON_AUTO|JSON_OBJECTS|JSON_OBJECTS_AUTO|NDJSON|NDJSON_AUTO|NDJSON_OBJECTS|TEXT|BLOB)|PARQUET_(?:SCAN|METADATA|SCHEMA|FILE_METADATA|KV_METADATA|FULL_METADATA|BLOOM_PROBE)|SNIFF_CSV|GLOB)$/;

/** Behind these, a text names a table. */
const BEFORE_TABLE = /^(?:FROM|JOIN|SUMMARIZE|DESCRIBE|DESC|PIVOT|UNPIVOT|TABLE)$/;

/** What begins a part of a query, and so ends the list of its tables. */
const CLAUSE = /^(?:SELECT|FROM|WHERE|GROUP|ORDER|HAVING|LIMIT|OFFSET|QUALIFY|WINDOW|ON|USING|SET|VALUES|SAMPLE)$/;

/** What may stand between a name and a parenthesis that is no call. */
const NO_CALL =
  /^(?:AS|IN|FROM|JOIN|EXISTS|ANY|ALL|SOME|NOT|AND|OR|ON|WHERE|SELECT|COPY|UNION|EXCEPT|INTERSECT|LATERAL|TO|VALUES|THEN|ELSE|WHEN)$/;

/** A pair of brackets that is open. */
interface Frame {
  readonly bracket: string;
  /** Name of the function that is called, in capital letters. */
  readonly call: string | undefined;
  /** The part of a query that is read. */
  clause: string | undefined;
  /** True when a query is in it. */
  isQuery: boolean;
  isEmpty: boolean;
}

/** Finds what names a file: a text in quotes that begins as an address, or an argument. */
export function filePlaces({ text }: Statement): readonly FilePlace[] {
  const found: FilePlace[] = [];
  const frames: Frame[] = [{ bracket: "", call: undefined, clause: undefined, isQuery: true, isEmpty: true }];
  let first = "", before = "", last = "";

  function roleOf(frame: Frame): FileRole | undefined {
    const outer = frame.bracket === "[" ? frames.at(-2) : frame;
    if (outer?.call !== undefined && FILE_FUNCTION.test(outer.call)) return /^[([,]$/.test(last) ? "read" : undefined;
    if (first === "COPY" && last === "TO" && frames.length === 1) return "write";
    if (first === "ATTACH" && /^(?:ATTACH|DATABASE|EXISTS)$/.test(last) && frames.length === 1) return "attach";
    if (!frame.isQuery && frame.call !== undefined) return undefined;
    if (BEFORE_TABLE.test(last)) return last === "FROM" && before === "DISTINCT" ? undefined : "read";
    return last === "," && frame.clause === "FROM" && frame.bracket !== "[" ? "read" : undefined;
  }

  PIECE.lastIndex = 0;
  for (let piece = PIECE.exec(text); piece !== null; piece = PIECE.exec(text)) {
    const [token] = piece, { index } = piece, end = PIECE.lastIndex;
    const { place, word, space } = piece.groups ?? {};
    if (token === "/*") {
      PIECE.lastIndex = endOfComment(text, index);
      continue;
    }
    if (space !== undefined || token.startsWith("--")) continue;
    const frame = frames.at(-1) ?? frames[0];
    if (frame === undefined) break;
    let now = token;
    if (word !== undefined) {
      now = word.toUpperCase();
      if (first === "") first = now;
      if (now === "SELECT" || (now === "FROM" && frame.isEmpty)) frame.isQuery = true;
      if (now === "JOIN") frame.clause = "FROM";
      else if (CLAUSE.test(now) && !(now === "FROM" && last === "DISTINCT")) frame.clause = now;
    } else if (/^[([{]$/.test(token)) {
      frame.isEmpty = false;
      const call = token === "(" && /^[A-Z_]\w*$/.test(last) && !NO_CALL.test(last) ? last : undefined;
      frames.push({ bracket: token, call, clause: undefined, isQuery: false, isEmpty: true });
    } else if (/^[)\]}]$/.test(token)) {
      if (frames.length > 1) frames.pop();
    } else if (place !== undefined || /^['"]s3:\/\//.test(token)) {
      const role = isWhole(text, end) ? roleOf(frame) : undefined;
      // A name in quotes is one of a table: it is a file where a table is expected, and a column's name elsewhere.
      const isTable = !token.startsWith('"') || BEFORE_TABLE.test(last) || last === ",";
      if (role !== undefined && isTable) {
        const from = place === undefined ? { text: unquoted(token) } : { argument: place };
        found.push({ start: index, end, role, from });
      }
    } else if (/^\$\w*\$$/.test(token)) {
      const close = text.indexOf(token, end);
      PIECE.lastIndex = close < 0 ? text.length : close + token.length;
    }
    if (!/^[([{]$/.test(token)) frame.isEmpty = false;
    before = last;
    last = now;
  }
  return found;
}

/** False when what stands behind makes more of it than it is: `'s3:///a' || x`. */
function isWhole(text: string, end: number): boolean {
  return !/^\s*(?:\|\||::|[+\-*.:])/.test(text.slice(end, end + 100));
}

function unquoted(token: string): string {
  const quote = token.slice(0, 1);
  return token.slice(1, -1).replaceAll(quote + quote, quote);
}

/**
 * The address that a value of an argument means: a text, or an object `{ s3, storage }` as the SDKs make them; undefined for others.
 */
export function addressOf(value: Json): string | undefined {
  if (typeof value === "string") return value.startsWith(SCHEME) ? value : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  const { s3, storage } = value as Readonly<Record<string, Json>>; // `as`: a list has neither
  if (typeof s3 !== "string" || s3 === "") return undefined;
  return `${SCHEME}${typeof storage === "string" ? storage : ""}/${s3}`;
}

/** The address of an argument of the type `s3object`, which must be one. */
export function checkedAddress(name: string, value: Json): string {
  const address = addressOf(value);
  if (address !== undefined) return address;
  throw new TypeError(
    `Cannot use argument "${name}" as an object: expected { "s3": "key" } or "s3://storage/key", found ${
      value === null ? "nothing" : typeof value === "object" ? `fields ${Object.keys(value).join()}` : typeof value
    }`,
  );
}

/** Reads an address. */
export function readAddress(address: string): ObjectAddress {
  const [, storage, key] = /^s3:\/\/([^/]*)\/([^]+)$/.exec(address) ?? [];
  if (storage !== undefined && key !== undefined) return { storage, key };
  throw new TypeError(`Cannot read the address ${JSON.stringify(address)}: expected s3:///key or s3://storage/key`);
}

/** A declared argument; one without a declaration, when the job has an argument of its name. */
export function declarationOf(
  name: string,
  declared: ReadonlyMap<string, Declaration>,
  args: Readonly<Record<string, Json>>,
): Declaration | undefined {
  return declared.get(name) ?? (Object.hasOwn(args, name) ? { name } : undefined);
}

/** What a statement that names objects may not be. */
function checkStatement(text: string, role: FileRole, address: string): void {
  const what = `Cannot open ${JSON.stringify(address)}`;
  if (role === "attach" && !/\bREAD_ONLY\b/i.test(text)) {
    throw new TypeError(
      `${what}: a database among the objects is read only; say so with ATTACH '...' AS name (READ_ONLY)`,
    );
  }
  if (role === "write" && /\bOVERWRITE\b/i.test(text)) {
    throw new TypeError(
      `${what} with OVERWRITE: no objects are removed by COPY; use OVERWRITE_OR_IGNORE, or another folder`,
    );
  }
}

/** A statement with files in place of its addresses, and whether it names any. */
export function withFiles(
  statement: Statement,
  declared: ReadonlyMap<string, Declaration>,
  args: Readonly<Record<string, Json>>,
  use: (address: ObjectAddress, role: FileRole, text: string) => string,
): { readonly statement: Statement; readonly uses: boolean } {
  let text = "", at = 0, uses = false;
  const places: Place[] = [];
  const files = new Map(filePlaces(statement).map((place) => [place.start, place]));
  // In the order of the text: what is replaced moves all that comes after it.
  const all = [...statement.places, ...files.values()].sort((a, b) => a.start - b.start);
  for (const { start, end } of all) {
    if (start < at) continue;
    const file = files.get(start);
    const address = file === undefined ? undefined : fileAddress(file, declared, args);
    text += statement.text.slice(at, start);
    at = end;
    if (file !== undefined && address !== undefined) {
      uses = true;
      checkStatement(statement.text, file.role, address);
      text += literal(use(readAddress(address), file.role, statement.text));
      continue;
    }
    const place = statement.places.find((one) => one.start === start);
    if (place !== undefined) places.push({ ...place, start: text.length, end: text.length + end - start });
    text += statement.text.slice(start, end);
  }
  return { statement: { text: text + statement.text.slice(at), places }, uses };
}

function fileAddress(
  { from }: FilePlace,
  declared: ReadonlyMap<string, Declaration>,
  args: Readonly<Record<string, Json>>,
): string | undefined {
  if ("text" in from) return from.text;
  const declaration = declarationOf(from.argument, declared, args);
  if (declaration === undefined) return undefined;
  const value = valueOf(declaration, args);
  return declaration.type === "s3object" ? checkedAddress(declaration.name, value) : addressOf(value);
}
