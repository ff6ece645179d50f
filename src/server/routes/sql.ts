/**
 * What pipelines record of the tables that they write.
 *
 * @module
 */
import { Hono } from "hono";
import { badRequest, textResponse } from "../../wire/refusal.ts";
import { callerOf } from "../auth.ts";
import type { ServerContext } from "../ports.ts";
import type { Json } from "../../workflow/journal.ts";
import { optionalText, readFields } from "./_request.ts";

/** Bounds what one record takes. */
const MOST_CHARS = 10_000;

const TABLE = `CREATE TABLE IF NOT EXISTS materialized_partitions (
  asset_kind TEXT NOT NULL,
  asset_path TEXT NOT NULL,
  partition TEXT NOT NULL,
  status TEXT NOT NULL,
  snapshot_id INTEGER,
  row_count INTEGER,
  job_id TEXT,
  error TEXT,
  recorded_by TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  PRIMARY KEY (asset_kind, asset_path, partition)
) WITHOUT ROWID`;

function textOf(fields: Readonly<Record<string, Json>>, name: string): string {
  const text = optionalText(fields, name) ?? "";
  if (text.length > MOST_CHARS) throw badRequest(`${name}: expected ${MOST_CHARS} characters at most`);
  return text;
}

function countOf(fields: Readonly<Record<string, Json>>, name: string): number | null {
  const count = fields[name] ?? null;
  if (count === null || (typeof count === "number" && Number.isSafeInteger(count) && count >= 0)) return count;
  throw badRequest(`${name}: expected a whole number, found ${JSON.stringify(count).slice(0, 40)}`);
}

/** The endpoint that records what became of a table or partition; the newest record of each is kept. */
export function sqlRoutes(context: ServerContext): Hono {
  const app = new Hono();
  const { database } = context;
  database.run(TABLE);

  app.post("/w/:workspace/assets/record_materialization", async (c) => {
    const fields = await readFields(c.req.raw);
    const kind = textOf(fields, "asset_kind"), path = textOf(fields, "asset_path"), status = textOf(fields, "status");
    if (kind === "" || path === "") throw badRequest("asset_kind and asset_path are missing");
    if (status !== "materialized" && status !== "failed") {
      throw badRequest(`status: expected materialized or failed, found ${JSON.stringify(status.slice(0, 40))}`);
    }
    database.run(
      `INSERT INTO materialized_partitions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET status = excluded.status, snapshot_id = excluded.snapshot_id, row_count = excluded.row_count,
         job_id = excluded.job_id, error = excluded.error, recorded_by = excluded.recorded_by, recorded_at = excluded.recorded_at`,
      kind,
      path,
      textOf(fields, "partition"),
      status,
      countOf(fields, "snapshot_id"),
      countOf(fields, "row_count"),
      textOf(fields, "job_id") || null,
      context.secrets.redact(textOf(fields, "error")) || null,
      callerOf(c.req.raw).username,
      context.now(),
    );
    return textResponse("");
  });
  return app;
}
