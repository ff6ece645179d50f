/**
 * What `windkit dev` says while it serves: what is wrong in the folder, as it comes and goes, and a line for each job that ended.
 *
 * @module
 */
import type { FolderProblem, Job, Jobs } from "../server/ports.ts";
import { duration, oneLine, type Paint, paint } from "./format.ts";
import type { Io } from "./terminal.ts";

/** What is said, as text or as lines of JSON. */
export interface DevReport {
  /** A folder's problems: those that are new, and those that are gone. */
  problems(now: readonly FolderProblem[]): void;
  /** Files that changed. */
  changed(files: readonly string[]): void;
  job(job: Job): void;
  /** An error of this package. */
  failed(error: unknown): void;
  line(text: string): void;
  event(event: Readonly<Record<string, unknown>>, text: string): void;
}

/** Names of files that are shown at once. */
const SHOWN_FILES = 5;

/** Makes the report. `redact` takes out what must not be seen. */
export function createDevReport(io: Io, asJson: boolean, redact: (text: string) => string): DevReport {
  const colors = paint(io.out.color);
  let before: readonly FolderProblem[] = [];
  const keyOf = ({ file, message }: FolderProblem): string => `${file}\n${message}`;

  function event(data: Readonly<Record<string, unknown>>, text: string): void {
    io.out.write(asJson ? `${redact(JSON.stringify(data))}\n` : `${redact(text)}\n`);
  }

  return {
    event,
    line(text) {
      if (!asJson) io.out.write(`${redact(text)}\n`);
    },
    problems(now) {
      const old = new Set(before.map(keyOf)), current = new Set(now.map(keyOf));
      const files = new Set(now.map(({ file }) => file));
      for (const { file, message } of now.filter((problem) => !old.has(keyOf(problem)))) {
        event({ event: "problem", file, message }, `${colors.bad("✗")} ${oneLine(file)}: ${oneLine(message)}`);
      }
      const gone = new Set(before.filter((problem) => !current.has(keyOf(problem))).map(({ file }) => file));
      for (const file of gone) {
        if (!files.has(file)) event({ event: "solved", file }, `${colors.good("✓")} ${oneLine(file)}: in order again`);
      }
      before = now;
    },
    changed(files) {
      const shown = files.slice(0, SHOWN_FILES).map(oneLine).join(", ");
      const more = files.length > SHOWN_FILES ? `, and ${files.length - SHOWN_FILES} more` : "";
      event({ event: "changed", files }, colors.faint(`  changed: ${shown}${more}`));
    },
    job(job) {
      event(jobEvent(job), jobLine(job, colors));
    },
    failed(error) {
      const message = error instanceof Error ? error.stack ?? error.message : String(error);
      io.err.write(
        asJson
          ? `${redact(JSON.stringify({ event: "error", message }))}\n`
          : `${colors.bad("windkit:")} ${redact(message)}\n`,
      );
    },
  };
}

function jobEvent({ id, path, kind, success, durationMs, canceled, parent }: Job): Readonly<Record<string, unknown>> {
  return { event: "job", id, path, kind, success, canceled, durationMs, parent };
}

/** What failed, in one line. */
function errorOf(result: unknown): string {
  const { error } = Object(result) as { readonly error?: { readonly name?: unknown; readonly message?: unknown } };
  if (error === undefined) return "";
  return oneLine(`${String(error.name ?? "Error")}: ${String(error.message ?? "")}`).slice(0, 200);
}

function jobLine(job: Job, colors: Paint): string {
  const { id, path, kind, language, success, canceled, durationMs, result } = job;
  const mark = success === true ? colors.good("✓") : canceled ? colors.wait("■") : colors.bad("✗");
  const name = path === undefined || path === "" ? `${kind} (${language})` : path;
  const took = durationMs === undefined ? "" : `  ${duration(durationMs)}`;
  const why = success === true ? "" : `  ${canceled ? colors.wait("cancelled") : colors.bad(errorOf(result))}`;
  return `${mark} ${oneLine(name)}${took}  ${colors.faint(id)}${why}`;
}

/** Many events of a job come together: they are looked at so often. */
const LOOK_MS = 40;
/** A job that ended may be changed again by whoever forgets it. */
const KNOWN = 2_000;

/** Calls back once for each job that ended while it watched. */
export function watchEnds(jobs: Pick<Jobs, "watchAll" | "get">, onEnd: (job: Job) => void): Disposable {
  const changed = new Set<string>();
  const told = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function look(): void {
    timer = undefined;
    for (const id of changed) {
      const job = jobs.get(id);
      if (job?.completedAt === undefined || told.has(id)) continue;
      told.add(id);
      onEnd(job);
    }
    changed.clear();
    for (const id of told) {
      if (told.size <= KNOWN) break;
      told.delete(id);
    }
  }

  const watch = jobs.watchAll((id) => {
    changed.add(id);
    timer ??= setTimeout(look, LOOK_MS);
  });
  return {
    [Symbol.dispose]: () => {
      watch[Symbol.dispose]();
      clearTimeout(timer);
      look();
    },
  };
}
