/**
 * Statements for data tables, which are PostgreSQL databases.
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

/** Options of {@linkcode datatable}. */
export interface DatatableOptions {
  /** Role to connect as: letters, digits, `_` and `-`, 63 at most. @default the data table's */
  readonly role?: string;
}

/** A tag that makes statements for a data table. */
export interface DatatableSqlTemplateFunction extends SqlTemplateFunction {
  /** Makes a statement of a text with the places `$1`, `$2`, ... for the parameters. */
  readonly query: <T = SqlRow>(sql: string, ...params: unknown[]) => SqlStatement<T>;
}

/**
 * Makes the tag of a data table. Each value gets its own type at its place, and an explicit cast applies to that: PostgreSQL reads
 * and converts it, not the worker, which knows some types only, and cuts numbers that are too large.
 */
export function datatableOf(
  client: ClientSource,
  name: string,
  { role }: DatatableOptions = {},
): DatatableSqlTemplateFunction {
  const [database, schema] = readClientName(name);
  const head = role === undefined ? "" : `-- role ${checked(role, /^[\w-]{1,63}$/.test(role), "role")}\n`;
  const path = schema ? `SET search_path TO ${quoteName(schema)};\n` : "";
  function template<T>(...parts: Parts): SqlStatement<T> {
    let content = head, number = 0;
    const args: Record<string, unknown> = { database: `datatable://${database}` };
    return statementOf<T>(client, "postgresql", parts, args, (value, before, after) => {
      const wire = wireOf(value, ++number);
      const type = typeOf(value);
      const place = `$${number}`;
      args[`arg${number}`] = wire;
      content += `-- ${place} arg${number}`;
      if (after === undefined) {
        // The text has its places already: the type goes into the declaration.
        content += ` (${type.replace(/:.*/, "")})\n`;
        return "";
      }
      content += "\n";
      // A NULL of a type could not be written into columns of other types.
      if (wire === null) return "NULL";
      const cast = /^\s*::\s*(json)?/i.exec(after);
      // Only a worker makes arrays of JSON.
      if (cast && typeof wire === "object" && (cast[1] || type === "JSON")) return place;
      return `${place}::${typeof wire === "string" && (cast || /CAST\s*\(\s*$/i.test(before)) ? "TEXT" : type}`;
    }, (query) => content + path + query);
  }
  return Object.assign(template, {
    raw: rawOf,
    query: <T>(sql: string, ...params: unknown[]) => template<T>([sql], ...params),
  });
}
