/**
 * What a script takes, read from its code when no metadata says it: the schema that Windmill's own parser would infer, for the types
 * that people write. A type that is not understood gives a field without a type, never an error.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";
import { nameDeclarationsOf } from "../../runner/sql/interpolate.ts";
import { blank, closingOf, splitTop } from "./source_text.ts";

/** What a script's code says about itself. */
export interface Signature {
  readonly schema: Json;
  /** `main` is exported: a default export of that name is none. */
  readonly hasMain: boolean;
  /** `preprocessor` is exported. */
  readonly hasPreprocessor: boolean;
}

type Field = { readonly [name: string]: Json };

interface Parameter {
  readonly name: string;
  readonly field: Field;
  readonly required: boolean;
}

const PLAIN: Readonly<Record<string, Field>> = {
  string: { type: "string" },
  number: { type: "number" },
  bigint: { type: "integer" },
  boolean: { type: "boolean" },
  object: { type: "object" },
  any: {},
  unknown: {},
  Date: { type: "string", format: "date-time" },
  Base64: { type: "string", contentEncoding: "base64" },
  Email: { type: "string", format: "email" },
  Sql: { type: "string", format: "sql" },
  S3Object: { type: "object", format: "resource-s3_object" },
};

/**
 * Reads what a script takes.
 *
 * @param source its code
 * @param language in Windmill's names
 * @returns its schema, and what it exports
 */
export function readSignature(source: string, language: string): Signature {
  if (["bun", "deno", "nativets", "bunnative"].includes(language)) return readTypeScript(source);
  if (language === "postgresql" || language === "duckdb") {
    return { schema: schemaOf(sqlParameters(source, language)), hasMain: true, hasPreprocessor: false };
  }
  const hasPreprocessor = language === "python3" && /^(?:async\s+)?def\s+preprocessor\s*\(/m.test(source);
  return { schema: schemaOf([]), hasMain: true, hasPreprocessor };
}

function schemaOf(parameters: readonly Parameter[]): Json {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    order: parameters.map(({ name }) => name),
    properties: Object.fromEntries(parameters.map(({ name, field }) => [name, field])),
    required: parameters.filter(({ required }) => required).map(({ name }) => name),
  };
}

// --- TypeScript ---

function readTypeScript(source: string): Signature {
  const { code, texts } = blank(source);
  const open = parametersAt(code);
  const inside = open === undefined ? "" : texts.slice(open + 1, closingOf(code, open) - 1);
  const parameters = splitTop(inside, ",").map((text, at) => parameterOf(text, at, texts));
  return {
    schema: schemaOf(parameters),
    hasMain: open !== undefined || exportsName(code, "main"),
    hasPreprocessor: exportsName(code, "preprocessor"),
  };
}

function exportsName(code: string, name: string): boolean {
  return new RegExp(`\\bexport\\s+(?:async\\s+)?(?:function\\s*\\*?|const|let|var)\\s*${name}\\b`).test(code) ||
    new RegExp(`\\bexport\\s*\\{[^}]*\\b${name}\\b\\s*(?:,|\\})`).test(code);
}

/** Position of the bracket that opens the parameters of the function that a job calls. */
function parametersAt(code: string): number | undefined {
  const patterns = [
    /\bexport\s+(?:async\s+)?function\s*\*?\s*main\s*(?:<[^(]*>)?\s*(?=\()/,
    // A workflow: the parameters are those of the function that it is made of.
    /\bexport\s+(?:const|let|var)\s+main\b[^=]*=\s*(?:\w+\.)?workflow\s*(?:<[^(]*>)?\s*\(\s*(?:async\s*)?(?:function\s*\*?\s*\w*\s*)?(?=\()/,
    /\bexport\s+default\s+(?:\w+\.)?workflow\s*(?:<[^(]*>)?\s*\(\s*(?:async\s*)?(?:function\s*\*?\s*\w*\s*)?(?=\()/,
    /\bexport\s+(?:const|let|var)\s+main\b[^=]*=\s*(?:async\s*)?(?:function\s*\*?\s*\w*\s*)?(?=\()/,
  ];
  if (/\bexport\s*\{[^}]*\bmain\b/.test(code)) {
    patterns.push(/\bfunction\s*\*?\s*main\s*(?:<[^(]*>)?\s*(?=\()/, /\bconst\s+main\b[^=]*=\s*(?:async\s*)?(?=\()/);
  }
  for (const pattern of patterns) {
    const found = pattern.exec(code);
    if (found !== null) return found.index + found[0].length;
  }
  return undefined;
}

function parameterOf(text: string, at: number, source: string): Parameter {
  const [head, fallback] = cutAt(text.replace(/^\.\.\./, ""), isDefault);
  const [pattern, type] = cutAt(head, (char) => char === ":");
  const optional = pattern.endsWith("?");
  const bare = pattern.replace(/\?$/, "").trim();
  const name = /^[\w$]+$/.test(bare) ? bare : `arg${at}`;
  const value = fallback === undefined ? undefined : literalOf(fallback);
  // A value that may be null may be left out.
  const nullable = type !== undefined && splitTop(type, "|").some((one) => one === "null" || one === "undefined");
  const inferred = type === undefined ? fieldOfValue(value) : fieldOf(type, source);
  return {
    name,
    field: { ...inferred, ...value === undefined ? optional ? { default: null } : {} : { default: value } },
    required: !optional && !nullable && fallback === undefined,
  };
}

/** An equals sign that is neither an arrow nor a comparison. */
function isDefault(char: string, next: string, before: string): boolean {
  return char === "=" && next !== ">" && next !== "=" && !"=!<>".includes(before || " ");
}

/** Cuts at the first fitting character outside of brackets and texts. */
function cutAt(
  text: string,
  fits: (char: string, next: string, before: string) => boolean,
): readonly [head: string, tail: string | undefined] {
  const { code } = blank(text);
  let depth = 0;
  for (let at = 0; at < code.length; at++) {
    const char = code[at] ?? "";
    if ("([{<".includes(char)) depth++;
    else if (")]}".includes(char) || (char === ">" && code[at - 1] !== "=")) depth--;
    else if (depth === 0 && fits(char, code[at + 1] ?? "", code[at - 1] ?? "")) {
      return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
    }
  }
  return [text.trim(), undefined];
}

/** True when the bracket that a text begins with ends at its end. */
function isWhole(text: string): boolean {
  return closingOf(blank(text).code, 0) === text.length;
}

/** Aliases that lead to each other end somewhere. */
const MAX_TYPE_DEPTH = 12;

function fieldOf(type: string, source: string, depth = 0): Field {
  if (depth > MAX_TYPE_DEPTH) return {};
  const members = splitTop(type.trim().replace(/^\|/, ""), "|").filter((one) => one !== "null" && one !== "undefined");
  if (members.length > 1) {
    const texts = members.map(literalOf);
    if (texts.every((text) => typeof text === "string")) return { type: "string", enum: texts as readonly string[] };
    if (members.every((one) => one === "true" || one === "false")) return { type: "boolean" };
    const fields = members.map((one) => fieldOf(one, source, depth + 1));
    return fields.every((one) => one.type === fields[0]?.type && one.format === undefined) &&
        fields[0]?.type !== undefined
      ? { type: fields[0].type }
      : {};
  }
  const one = (members[0] ?? "").replace(/^readonly\s+/, "").trim();
  const literal = literalOf(one);
  if (typeof literal === "string") return { type: "string", enum: [literal] };
  if (one.endsWith("[]")) return { type: "array", items: fieldOf(one.slice(0, -2), source, depth + 1) };
  if (one.startsWith("(") && isWhole(one)) return fieldOf(one.slice(1, -1), source, depth + 1);
  if (one.startsWith("{")) return objectField(one, source, depth);
  const list = /^(?:Readonly)?Array<(.+)>$/s.exec(one);
  if (list !== null) return { type: "array", items: fieldOf(list[1] ?? "", source, depth + 1) };
  if (/^(?:Record|Map|Partial|Pick|Omit)</.test(one)) return { type: "object" };
  const resource = /^(?:\w+\.)?Resource<\s*["'](\w+)["']\s*>$/.exec(one);
  if (resource !== null) return { type: "object", format: `resource-${resource[1]}` };
  const name = one.replace(/^\w+\./, "");
  return (Object.hasOwn(PLAIN, name) ? PLAIN[name] : undefined) ?? namedField(name, source, depth);
}

function objectField(text: string, source: string, depth: number): Field {
  const parameters = splitTop(text.slice(1, closingOf(blank(text).code, 0) - 1), ";,\n")
    .filter((member) => /^(?:readonly\s+)?["']?[\w$]+["']?\??\s*:/.test(member))
    .map((member) => {
      const [name, type = "any"] = cutAt(member.replace(/^readonly\s+/, ""), (char) => char === ":");
      return {
        name: name.replace(/\?$/, "").replace(/^["']|["']$/g, ""),
        field: fieldOf(type, source, depth + 1),
        required: !name.endsWith("?"),
      };
    });
  return {
    type: "object",
    properties: Object.fromEntries(parameters.map(({ name, field }) => [name, field])),
    ...parameters.some(({ required }) => required)
      ? { required: parameters.filter(({ required }) => required).map(({ name }) => name) }
      : {},
  };
}

/** A type of the file when it is no object; else, as Windmill reads it, the resource type of that name. */
function namedField(name: string, source: string, depth: number): Field {
  if (!/^[A-Za-z_$][\w$]*$/.test(name)) return {};
  const alias = new RegExp(`\\btype\\s+${name.replaceAll("$", "\\$")}\\s*=\\s*`).exec(source);
  if (alias !== null) {
    const rest = source.slice(alias.index + alias[0].length);
    const text = /^\s*\{/.test(rest) ? undefined : splitTop(rest, ";")[0]?.split(/\n(?!\s*\|)/)[0];
    if (text !== undefined) return fieldOf(text, source, depth + 1);
  }
  const snake = name.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase();
  return { type: "object", format: `resource-${snake}` };
}

function fieldOfValue(value: Json | undefined): Field {
  if (value === undefined || value === null) return {};
  if (Array.isArray(value)) return { type: "array", items: fieldOfValue((value as readonly Json[])[0]) };
  return { type: Number.isInteger(value) ? "integer" : typeof value };
}

/** Value of a literal; undefined for everything that would have to be computed. */
function literalOf(text: string): Json | undefined {
  const code = text.trim();
  if (/^-?(?:\d[\d_]*(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?$/i.test(code)) return Number(code.replaceAll("_", ""));
  if (code === "true" || code === "false") return code === "true";
  if (code === "null") return null;
  if (/^(["'`])(?:(?!\1)[^\\\n]|\\.)*\1$/s.test(code) && !(code.startsWith("`") && code.includes("${"))) {
    try {
      const inner = code.slice(1, -1).replace(/\\(['`])/g, "$1").replace(/(?<!\\)"/g, '\\"').replaceAll("\n", "\\n");
      return JSON.parse(`"${inner}"`) as string;
    } catch {
      return undefined;
    }
  }
  if (code.startsWith("[") && isWhole(code)) {
    const items = splitTop(code.slice(1, -1), ",").map(literalOf);
    return items.some((item) => item === undefined) ? undefined : items as readonly Json[];
  }
  if (code.startsWith("{") && isWhole(code)) {
    const entries = splitTop(code.slice(1, -1), ",").map((one) => cutAt(one, (char) => char === ":"));
    const values = entries.map(([name, value]) => {
      const key = literalOf(name) ?? (/^[\w$]+$/.test(name) ? name : undefined);
      return [key, value === undefined ? undefined : literalOf(value)] as const;
    });
    if (values.some(([name, value]) => typeof name !== "string" || value === undefined)) return undefined;
    return Object.fromEntries(values) as Json;
  }
  return undefined;
}

// --- SQL ---

/** `-- $1 name (type) = default` of PostgreSQL, `-- $name (type) = default` of DuckDB. */
function sqlParameters(source: string, language: string): readonly Parameter[] {
  const pattern = language === "duckdb"
    ? /^--\s*\$()(\w+)\s*\(\s*([^)]*?)\s*\)\s*(?:=\s*(.*?))?\s*$/gm
    : /^--\s*\$(\d+)\s+(\w+)(?:\s*\(\s*([^)]*?)\s*\))?\s*(?:=\s*(.*?))?\s*$/gm;
  const values = [...source.matchAll(pattern)].map(([, , name = "", type = "text", fallback]): Parameter => {
    const field = sqlField(type);
    return {
      name,
      field: fallback === undefined ? field : { ...field, default: sqlDefault(fallback, field) },
      required: fallback === undefined,
    };
  });
  // Names of tables and columns come behind values.
  const names = [...nameDeclarationsOf(source)].map(([name, { variants, byDefault }]): Parameter => ({
    name,
    field: {
      type: "string",
      ...variants === undefined ? {} : { enum: variants },
      ...byDefault === undefined ? {} : { default: byDefault },
    },
    required: byDefault === undefined,
  }));
  const found = [...values, ...names.filter(({ name }) => values.every((value) => value.name !== name))];
  if (language === "duckdb" || /^--\s*database\s+\S+/m.test(source)) return found;
  return [{ name: "database", field: { type: "object", format: `resource-${language}` }, required: true }, ...found];
}

function sqlDefault(text: string, { type }: Field): Json {
  if (text.toLowerCase() === "null") return null;
  if (type === "string") return text.replace(/^'(.*)'$/s, "$1");
  return literalOf(text.toLowerCase()) ?? text;
}

function sqlField(type: string): Field {
  const name = type.toLowerCase().trim();
  const list = /^(.*)\[\]$/.exec(name);
  if (list !== null) return { type: "array", items: sqlField(list[1] ?? "text") };
  if (/^(?:small|big)?int(?:eger|[248])?$|^(?:small|big)?serial$|^u?(?:tiny|huge)int$/.test(name)) {
    return { type: "integer" };
  }
  if (/^(?:real|double|double precision|float[48]?|numeric|decimal|money|oid)/.test(name)) return { type: "number" };
  if (/^bool/.test(name)) return { type: "boolean" };
  if (/^jsonb?$|^struct|^map/.test(name)) return { type: "object" };
  if (/^timestamp/.test(name)) return { type: "string", format: "date-time" };
  if (name === "date") return { type: "string", format: "date" };
  if (name === "s3object") return { type: "object", format: "resource-s3_object" };
  if (name === "bytea" || name === "blob") return { type: "string", contentEncoding: "base64" };
  return { type: "string" };
}
