/**
 * Lists of jobs by what is in their arguments or result, where those are encrypted: SQLite cannot look into them. The newest of them
 * that fit all else that was asked for are decrypted and compared, or the oldest of a list that begins with those; how many and how
 * long ones is bounded, as each request pays for it. The same ones are looked at for each page of a list.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";
import type { Database, JobQuery } from "../ports.ts";
import { isSealed, type StoredTexts } from "../stored_text.ts";
import { LOOKED_INTO, type Where, whereOf } from "./query.ts";

/** Most encrypted jobs that one request looks at. */
export const MAX_SEALED = 2000;

/** Most characters, as they are stored, that one request decrypts. */
export const MAX_SEALED_CHARACTERS = 4 * 1024 * 1024;

/** As {@linkcode whereOf}, with the encrypted rows that match. */
export function whereOpened(
  database: Pick<Database, "all" | "get">,
  { open }: Pick<StoredTexts, "open">,
  query: JobQuery,
  now: number,
): Where {
  const columns = LOOKED_INTO.filter((column) => query[column] !== undefined);
  if (columns.length === 0) return whereOf(query, now);
  const { sql, values } = whereOf(query, now, { find: isSealed });
  const found = database.all<{ readonly no: number; readonly size: number }>(
    `SELECT no, ${columns.map((column) => `iif(${isSealed(column)}, length(${column}), 0)`).join(" + ")} AS size
    FROM jobs ${sql} ORDER BY no ${query.orderDesc === false ? "ASC" : "DESC"} LIMIT ${MAX_SEALED}`,
    ...values,
  );
  const matching: number[] = [];
  let left = MAX_SEALED_CHARACTERS;
  for (const { no, size } of found) {
    left -= size;
    if (left < 0) break;
    // One by one: together they may be long.
    const row = database.get<Readonly<Record<string, string | number | null>>>(
      `SELECT ${
        columns.map((column) => `${column}, ${isSealed(column)} AS ${column}_sealed`).join()
      } FROM jobs WHERE no = ?`,
      no,
    );
    const fits = columns.every((column) =>
      // What is not encrypted has been compared.
      row?.[`${column}_sealed`] !== 1 || containsText(open(`${row[column]}`, ""), query[column] ?? null)
    );
    if (fits) matching.push(no);
  }
  return whereOf(query, now, { matching });
}

function containsText(text: string, part: Json): boolean {
  // Its key is gone.
  if (text === "") return false;
  // `as`: only JSON is written to these columns.
  return contains(JSON.parse(text) as Json, part);
}

/** As the SQL of `query.ts` compares: objects and arrays may have more than was asked for. */
function contains(value: Json | undefined, part: Json): boolean {
  if (Array.isArray(part)) {
    if (!Array.isArray(value)) return false;
    const items = new Set(value.map((item) => JSON.stringify(item)));
    return part.every((item) => items.has(JSON.stringify(item)));
  }
  if (typeof part !== "object" || part === null) {
    return value !== undefined && JSON.stringify(value) === JSON.stringify(part);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const fields = new Map(Object.entries(value));
  return Object.entries(part).every(([name, item]) => item === undefined || contains(fields.get(name), item));
}
