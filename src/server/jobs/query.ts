/**
 * Filters of lists of jobs, as SQL.
 *
 * @module
 */
import { badRequest } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import type { JobKin, JobQuery } from "../ports.ts";

/** A condition, and its values. */
export interface Where {
  /** Empty, or begins with `WHERE`. */
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

/** Columns that a query may look into. */
export const LOOKED_INTO = ["args", "result"] as const;

/** How deep a part of the arguments is looked for. */
const MAX_DEPTH = 20;

/** What becomes of rows whose arguments or result are encrypted, in a query that looks into them. */
export type Sealed =
  /** Those that may match are found, and no others. */
  | { readonly find: (column: string) => string }
  /** Those with these numbers match. */
  | { readonly matching: readonly number[] };

/** The SQL of a query. */
export function whereOf(query: JobQuery, now: number, sealed: Sealed = { matching: [] }): Where {
  const parts: string[] = [], values: (string | number)[] = [];
  function add(sql: string, ...given: (string | number)[]): void {
    parts.push(sql);
    values.push(...given);
  }
  function addText(column: string, filter: string | undefined, wildcards = false): void {
    if (filter === undefined) return;
    const negated = filter.startsWith("!");
    const texts = filter.slice(negated ? 1 : 0).split(",").map((text) => text.trim()).filter((text) => text !== "");
    if (texts.length === 0) return;
    const tests = texts.map((text) => wildcards && text.includes("*") ? `${column} GLOB ?` : `${column} = ?`).join(
      " OR ",
    );
    // GLOB knows more than a star; what else means something is taken by itself.
    const given = texts.map((text) => wildcards && text.includes("*") ? text.replace(/[[?]/g, "[$&]") : text);
    add(negated ? `NOT coalesce(${tests}, 0)` : `(${tests})`, ...given);
  }
  function addTime(sql: string, at: number | undefined): void {
    if (at !== undefined) add(sql, at);
  }

  if (query.id !== undefined) add("id = ?", query.id);
  if (query.kin !== undefined) addKin(query.kin, add);
  if (query.running !== undefined) add(query.running ? "state = 'running'" : "state IN ('queued', 'suspended')");
  if (query.completed !== undefined) add(query.completed ? "state = 'ended'" : "state <> 'ended'");
  if (query.suspended !== undefined) add(query.suspended ? "state = 'suspended'" : "state IN ('queued', 'running')");
  if (query.success !== undefined) add("state = 'ended' AND success = ?", query.success ? 1 : 0);
  if (query.status !== undefined) {
    const canceled = query.status === "canceled";
    add(`state = 'ended' AND canceled_by IS ${canceled ? "NOT " : ""}NULL`);
    if (!canceled) add("success = ?", query.status === "success" ? 1 : 0);
  }
  if (query.scheduledForBeforeNow === true) add("state <> 'ended' AND scheduled_for <= ?", now);
  addText("path", query.scriptPathExact);
  if (query.scriptPathStart !== undefined) {
    const negated = query.scriptPathStart.startsWith("!");
    const starts = query.scriptPathStart.slice(negated ? 1 : 0).split(",").filter((text) => text !== "");
    if (starts.length > 0) {
      const tests = starts.map(() => "substr(path, 1, length(?)) = ?").join(" OR ");
      add(negated ? `NOT coalesce(${tests}, 0)` : `(${tests})`, ...starts.flatMap((start) => [start, start]));
    }
  }
  addText("hash", query.scriptHash);
  addText("created_by", query.createdBy);
  addText("tag", query.tag, query.allowWildcards);
  addText("concurrency_key", query.concurrencyKey);
  if (query.parent !== undefined) add("parent = ?", query.parent);
  if (query.hasNullParent !== undefined) add(`parent IS ${query.hasNullParent ? "" : "NOT "}NULL`);
  if (query.kinds !== undefined) add(`kind IN (${query.kinds.map(() => "?").join()})`, ...query.kinds);
  addTime("created_at <= ?", query.createdBefore);
  addTime("created_at >= ?", query.createdAfter);
  addTime("started_at <= ?", query.startedBefore);
  addTime("started_at >= ?", query.startedAfter);
  addTime("completed_at <= ?", query.completedBefore);
  addTime("completed_at >= ?", query.completedAfter);
  const columns: { readonly column: string; readonly test: string }[] = [];
  for (const column of LOOKED_INTO) {
    const part = query[column];
    if (part === undefined) continue;
    const tests: string[] = [];
    contains(column, "$", part, (sql, ...given) => {
      tests.push(sql);
      values.push(...given);
    }, 0);
    // What a script made may be deeper than SQLite reads: such a value contains nothing, and is no error of the list.
    const test = `CASE WHEN json_valid(${column}) THEN ${tests.length === 0 ? "1" : tests.join(" AND ")} ELSE 0 END`;
    columns.push({ column, test });
  }
  if ("find" in sealed) {
    parts.push(...columns.map(({ column, test }) => `(${sealed.find(column)} OR ${test})`));
    parts.push(`(${columns.map(({ column }) => sealed.find(column)).join(" OR ")})`);
  } else if (sealed.matching.length > 0) {
    const plain = columns.map(({ test }) => test).join(" AND ");
    add(`(${plain} OR no IN (SELECT value FROM json_each(?)))`, JSON.stringify(sealed.matching));
  } else parts.push(...columns.map(({ test }) => test));
  return { sql: parts.length === 0 ? "" : `WHERE ${parts.join(" AND ")}`, values };
}

/** Adds what says that a job is kin of another one, or below such a job. */
function addKin({ job, root, path }: JobKin, add: (sql: string, ...values: (string | number)[]) => void): void {
  // A path that is absent is no job's.
  const own = (row: string): string => `(coalesce(${row}.root, ${row}.id) = ? OR coalesce(${row}.path = ?, 0))`;
  const near = (row: string): string =>
    `(${own(row)} OR coalesce(${row}.started_by = ?, 0) OR
      EXISTS (SELECT 1 FROM jobs starter WHERE starter.id = ${row}.started_by AND ${own("starter")}))`;
  const values = [root, path ?? "\0", job, root, path ?? "\0"];
  add(
    `(${near("jobs")} OR EXISTS (SELECT 1 FROM jobs outermost WHERE outermost.id = jobs.root AND ${
      near("outermost")
    }))`,
    ...values,
    ...values,
  );
}

/** Adds what says that a column of JSON contains a value, as jsonb's `@>`: objects and arrays may have more than was asked for. */
function contains(
  column: string,
  path: string,
  value: Json,
  add: (sql: string, ...values: (string | number)[]) => void,
  depth: number,
): void {
  if (depth > MAX_DEPTH) {
    throw badRequest(`a part of "${column}" that is more than ${MAX_DEPTH} deep is not looked for`);
  }
  if (Array.isArray(value)) {
    add(`json_type(${column}, ?) = 'array'`, path);
    for (const item of value) {
      // `->` of SQLite gives JSON in its shortest form, which is what was written.
      const sql = `EXISTS (SELECT 1 FROM json_each(${column}, ?) item WHERE ${column} -> item.fullkey = ?)`;
      add(sql, path, JSON.stringify(item));
    }
  } else if (typeof value === "object" && value !== null) {
    add(`json_type(${column}, ?) = 'object'`, path);
    for (const [name, item] of Object.entries(value)) {
      if (item === undefined) continue;
      // A quote in a name cannot be written in a path of SQLite: nothing has it.
      if (/["\\]/.test(name)) add("0");
      else contains(column, `${path}."${name}"`, item, add, depth + 1);
    }
  } else add(`${column} -> ? = ?`, path, JSON.stringify(value));
}
