/**
 * The scripts that a running workflow has imported: those of its first process are those of all that follow, whatever becomes of
 * the folder meanwhile.
 *
 * @module
 */
import type { RunnerJob } from "../../runner/ports.ts";
import type { Database } from "../ports.ts";

type Resolve = RunnerJob["resolve"];

/** Kept texts of imported scripts. */
export interface Sources {
  /** The same, with what the job has imported before as it was then. */
  pinned(job: string, resolve: Resolve): Resolve;
  /** Forgets those of a job. */
  forget(job: string): void;
}

/** Opens the kept texts of a server. */
export function createSources(database: Database): Sources {
  database.migrate("workflow_sources", [[
    `CREATE TABLE workflow_sources(job TEXT NOT NULL, path TEXT NOT NULL, language TEXT NOT NULL, content TEXT NOT NULL,
      PRIMARY KEY (job, path)) WITHOUT ROWID`,
  ]]);
  return {
    pinned: (job, resolve) => async (path) => {
      const sql = "SELECT language, content FROM workflow_sources WHERE job = ? AND path = ?";
      const kept = database.get<{ readonly language: string; readonly content: string }>(sql, job, path);
      if (kept !== undefined) return { ...kept };
      const found = await resolve(path);
      if (found !== undefined) {
        database.run(
          "INSERT OR IGNORE INTO workflow_sources VALUES (?, ?, ?, ?)",
          job,
          path,
          found.language,
          found.content,
        );
      }
      return found;
    },
    forget: (job) => void database.run("DELETE FROM workflow_sources WHERE job = ?", job),
  };
}
