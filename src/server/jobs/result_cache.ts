/**
 * Results of jobs that say how long they hold.
 *
 * @module
 */
import { encode } from "../../base/canonical.ts";
import { parseExact } from "../../base/exact_numbers.ts";
import { sha256 } from "../../engine/sha256.ts";
import type { Json } from "../../workflow/journal.ts";
import type { Database, Job, Script } from "../ports.ts";
import type { StoredTexts } from "../stored_text.ts";

/** Results by what made them. */
export interface ResultCache {
  /** The result of an equal job, when one holds still. */
  get(job: Job, now: number): Json | undefined;
  put(job: Job, result: Json, now: number): void;
  expire(now: number): void;
}

/** Jobs of one key give one result: same code, same function of it, same arguments. A version's hash is of its modules, too. */
function keyOf(job: Job, modules: Script["modules"]): string {
  const { path, hash, content, language, entrypoint, args, workflowAsCodeStatus } = job;
  // A task of a workflow is the job of its file: which task it is, and with what, is in what it is given.
  const { _checkpoint } = Object(workflowAsCodeStatus) as { readonly _checkpoint?: unknown };
  const { _executing_fn, _executing_key, _executing_args } = Object(_checkpoint) as Readonly<Record<string, unknown>>;
  const task = _executing_fn ?? _executing_key ?? null;
  const parts = [hash ?? content ?? path, language, entrypoint, args, task, _executing_args];
  return sha256(encode(modules === undefined ? parts : [...parts, modules]));
}

/**
 * Makes the cache; its table is one of the jobs'.
 *
 * @param database the data folder's tables
 * @param texts what holds a secret is encrypted
 * @param sentModules modules of code that is not deployed
 */
export function createResultCache(
  database: Database,
  { open, close }: StoredTexts,
  sentModules: (job: Job) => Script["modules"],
): ResultCache {
  return {
    get: (job, now) => {
      if (job.cacheTtlS === undefined || !(job.cacheTtlS > 0)) return undefined;
      const sql = "SELECT result FROM results WHERE key = ? AND expires_at > ?";
      const row = database.get<{ readonly result: string }>(sql, keyOf(job, sentModules(job)), now);
      const text = row && open(row.result, "");
      // `as`: only JSON is written to it. One that cannot be read is none.
      return text === undefined || text === "" ? undefined : parseExact(text) as Json;
    },
    put: (job, result, now) => {
      if (job.cacheTtlS === undefined || !(job.cacheTtlS > 0)) return;
      database.run(
        `INSERT INTO results VALUES (?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET expires_at = excluded.expires_at, result = excluded.result`,
        keyOf(job, sentModules(job)),
        now + job.cacheTtlS * 1000,
        close(JSON.stringify(result)),
      );
    },
    expire: (now) => void database.run("DELETE FROM results WHERE expires_at <= ?", now),
  };
}
