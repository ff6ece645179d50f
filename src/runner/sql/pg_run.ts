/**
 * Runs the statements of a PostgreSQL job one after the other, on whatever speaks PostgreSQL's protocol.
 *
 * @module
 */
import { isCollected, resultOf, rowCollector } from "./collect.ts";
import type { Collection } from "./declarations.ts";
import { meterOf, type ResultLimits } from "./limits.ts";
import type { PgStatement } from "./pg_bind.ts";
import { cellText, type Losses } from "./pg_cells.ts";

/** What a job asks of a database. It crosses to another process as JSON. */
export interface PgJob {
  readonly statements: readonly PgStatement[];
  readonly collection: Collection;
  readonly limits: ResultLimits;
}

/** What a job gave. */
export interface SqlResult {
  /** JSON text on one line. */
  readonly text: string;
  /** Lines for the job's log. */
  readonly warnings: readonly string[];
}

/** A column of a result. */
export interface PgColumn {
  readonly name: string;
  /** Number of its type. */
  readonly oid: number;
}

/** What a statement's rows are told to. It throws when there are too many. */
export interface PgSink {
  columns(columns: readonly PgColumn[]): void;
  row(row: readonly (string | null)[]): void;
}

/** Runs one statement to its end, whatever becomes of its rows: they may do something. Holds few of them at a time. */
export type PgExecute = (statement: PgStatement, sink: PgSink) => Promise<void>;

/** Runs a job. Rejects with the database's error. */
export async function runPgJob(execute: PgExecute, { statements, collection, limits }: PgJob): Promise<SqlResult> {
  const parts: string[] = [];
  const meter = meterOf(limits);
  const losses: Losses = { numeric: false };
  for (const [index, statement] of statements.entries()) {
    const wanted = isCollected(collection, index, statements.length);
    let columns: readonly PgColumn[] = [];
    let rows = rowCollector(collection, [], meter);
    let isOpen = wanted;
    await execute(statement, {
      columns(found) {
        columns = found;
        rows = rowCollector(collection, columns.map(({ name }) => name), meter);
      },
      row(row) {
        if (isOpen) isOpen = rows.add(row.map((text, i) => cellText(text, columns[i]?.oid ?? 0, losses)));
      },
    });
    if (wanted) parts.push(rows.text());
  }
  return {
    text: resultOf(collection, parts),
    warnings: losses.numeric
      ? ["Warning: a numeric value has more digits than a JSON number holds; cast it to text to keep them all"]
      : [],
  };
}

/** An error as the driver of Windmill's workers words it. */
export function pgErrorText(error: unknown): string {
  const { severity, message, detail, hint } = error as Readonly<Record<string, unknown>>;
  const text = `${message ?? error}`;
  if (typeof severity !== "string") return text;
  const more = [["DETAIL", detail], ["HINT", hint]].flatMap(([title, part]) =>
    typeof part === "string" && part !== "" ? [`\n${title}: ${part}`] : []
  );
  return `db error: ${severity}: ${text}${more.join("")}`;
}
