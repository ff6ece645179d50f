/**
 * Modules of previews: code that is not deployed has no version to keep them in. They go with their job.
 *
 * @module
 */
import type { Database, Script } from "../ports.ts";
import type { StoredTexts } from "../stored_text.ts";

/** Modules by the ids of the jobs. */
export interface PreviewModules {
  put(job: string, modules: NonNullable<Script["modules"]>): void;
  get(job: string): Script["modules"];
}

const STEPS: readonly (readonly string[])[] = [[
  "CREATE TABLE preview_modules(job TEXT PRIMARY KEY, modules TEXT NOT NULL) WITHOUT ROWID",
  `CREATE TRIGGER preview_modules_dropped AFTER DELETE ON jobs BEGIN
    DELETE FROM preview_modules WHERE job = OLD.id; END`,
  `CREATE TRIGGER preview_modules_erased AFTER UPDATE OF erased ON jobs WHEN NEW.erased = 1 BEGIN
    DELETE FROM preview_modules WHERE job = OLD.id; END`,
]];

/**
 * Opens the table; that of the jobs must be there.
 *
 * @param database the data folder's tables
 * @param texts what holds a secret is encrypted
 */
export function openPreviewModules(database: Database, { open, close }: StoredTexts): PreviewModules {
  database.migrate("preview_modules", STEPS);
  return {
    put: (job, modules) => {
      database.run("INSERT OR IGNORE INTO preview_modules VALUES (?, ?)", job, close(JSON.stringify(modules)));
    },
    get: (job) => {
      const row = database.get<{ readonly modules: string }>("SELECT modules FROM preview_modules WHERE job = ?", job);
      // `as`: only `put` fills the table.
      return row === undefined ? undefined : JSON.parse(open(row.modules, "{}")) as Script["modules"];
    },
  };
}
