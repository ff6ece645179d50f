/**
 * Statements for ducklakes, which are DuckDB databases.
 *
 * @module
 */
import { checked, quoteName, readClientName } from "./sql_names.ts";
import {
  type ClientSource,
  type Parts,
  rawOf,
  type SqlRow,
  type SqlStatement,
  type SqlTemplateFunction,
  statementOf,
} from "./sql_statement.ts";
import { typeOf, wireOf } from "./sql_values.ts";

/** A tag that makes statements for a ducklake. */
export interface DucklakeSqlTemplateFunction extends SqlTemplateFunction {
  /** Makes a statement of a text with the places `$name` for the parameters of these names. */
  readonly query: <T = SqlRow>(sql: string, params?: Readonly<Record<string, unknown>>) => SqlStatement<T>;
}

/**
 * A value at its place. A worker gives DuckDB numbers and booleans as they are, and everything else as text, JSON for objects and
 * arrays: what is no text is made of it here. An explicit cast of text applies to the text.
 */
function useOf(place: string, type: string, wire: unknown, cast: boolean): string {
  // In brackets: an index behind it would be a part of the type.
  if (typeof wire === "object" && wire !== null) return `(${place}::JSON${type === "JSON" ? "" : `::${type}`})`;
  if (type === "TEXT::BYTEA") return `unhex(substr(${place}, 3))`;
  if (typeof wire !== "string" || type === "TEXT" || cast) return place;
  const large = type === "BIGINT" && BigInt.asIntN(64, BigInt(wire)) !== BigInt(wire);
  return `${place}::${large ? "HUGEINT" : type}`;
}

/** Makes the tag of a ducklake. */
export function ducklakeOf(client: ClientSource, name: string): DucklakeSqlTemplateFunction {
  const [lake, schema] = readClientName(name);
  const attach = `ATTACH 'ducklake://${lake}' AS dl;USE dl${schema ? `.${quoteName(schema)}` : ""};\n`;
  function template<T>(...parts: Parts): SqlStatement<T> {
    let content = "", number = 0;
    const args: Record<string, unknown> = {};
    return statementOf<T>(client, "duckdb", parts, args, (value, before, after = "") => {
      const wire = wireOf(value, ++number);
      const type = typeOf(value);
      // Workers replace names in the text, one after the other: none may be the start of another.
      const arg = `arg${"_".repeat(`${number}`.length - 1)}${number}`;
      // They know no type with a space or brackets with a size, and turn dates and times into wrong ones.
      const declared = typeof wire === "string" || wire === null ? "TEXT" : typeof wire === "object" ? "JSON" : type;
      content += `-- $${arg} (${declared})\n`;
      args[arg] = wire;
      return useOf(`$${arg}`, type, wire, /^\s*::/.test(after) || /CAST\s*\(\s*$/i.test(before));
    }, (query) => content + attach + query);
  }
  return Object.assign(template, {
    raw: rawOf,
    query: <T>(sql: string, params: Readonly<Record<string, unknown>> = {}) => {
      const texts = [""];
      const values: unknown[] = [];
      const unused = new Set(Object.keys(params));
      sql.split(/\$([a-z_]\w*)/i).forEach((part, i) => {
        const isPlace = i % 2 === 1;
        if (isPlace && Object.hasOwn(params, part)) {
          unused.delete(part);
          values.push(params[part]);
          texts.push("");
        } else texts.push(`${texts.pop()}${isPlace ? "$" : ""}${part}`);
      });
      for (const param of unused) checked(param, false, `parameter: the statement has no $${param}`);
      return template<T>(texts, ...values);
    },
  });
}
