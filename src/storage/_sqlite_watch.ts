/**
 * Notices messages that other processes leave in the file: SQLite counts the commits of other connections, and asking for that
 * count reads a few bytes of shared memory. No events of the file system are used: they differ by system, and network folders have none.
 *
 * @module
 */
import { resultCode, type SqlRow, type Statement } from "./_sqlite_module.ts";

const POLL_MS = 40;

/** SQLITE_BUSY. */
const BUSY = 5;

/** Runs with messages that are reported at once when a watcher comes; the others follow in later turns. */
const FIRST_PAGE = 1000;

/** The watch of one open file. */
export interface SqliteWatch {
  /** Adds a watcher, and reports to it every run that has messages, or that the watch has ended because of an error. */
  add(onMessage: (run: string) => void, onFailure?: (error: Error) => void): Disposable;
  /** Looks for messages of others now: called before this connection posts, inside its transaction. */
  scan(): void;
  /** Messages up to this number are this connection's own. */
  skip(no: number): void;
  stop(): void;
}

/** What the owner of a watch wants to know and says. */
export interface WatchHooks {
  /** Called at each look; throws when there is no point in looking. */
  check(): void;
  /** Told when the file cannot be read any more: the watch has ended then. Gives the error that watchers are told. */
  failed(error: unknown): Error;
}

type Timer = ReturnType<typeof setTimeout>;

interface Runtime {
  readonly Deno?: { unrefTimer(timer: Timer): void };
}

/**
 * Makes the watch.
 *
 * @param sql prepares statements
 * @param hooks what its owner wants to know and says
 */
export function createSqliteWatch(sql: (text: string) => Statement, hooks: WatchHooks): SqliteWatch {
  const watchers = new Map<(run: string) => void, ((error: Error) => void) | undefined>();
  const timers = new Set<Timer>();
  let poll: Timer | undefined;
  let version = -1;
  let last = 0;

  function later(ms: number, run: () => void): Timer {
    const timer = setTimeout(() => {
      timers.delete(timer);
      run();
    }, ms);
    letGo(timer);
    timers.add(timer);
    return timer;
  }

  function currentVersion(): number {
    return Number(sql("PRAGMA data_version").get()?.["data_version"]);
  }

  function scan(): void {
    const now = currentVersion();
    if (now === version) return;
    version = now;
    const runs = new Set<string>();
    for (const { no, run } of sql("SELECT no, run FROM inbox WHERE no > ? AND waiting = 1 ORDER BY no").all(last)) {
      last = Number(no);
      runs.add(String(run));
    }
    // In a turn of its own: a scan may be part of a commit.
    if (runs.size > 0) later(0, () => report(runs));
  }

  function report(runs: Iterable<string>): void {
    for (const run of runs) for (const watcher of watchers.keys()) watcher(run);
  }

  function tick(): void {
    attempt(() => {
      hooks.check();
      scan();
    });
    if (watchers.size > 0) poll = later(POLL_MS, tick);
  }

  /** A busy file is one that another process repairs after a crash: the next tick finds it free. */
  function attempt(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (resultCode(error) === BUSY) return;
      const told = [...watchers.values()];
      stop();
      const known = hooks.failed(error);
      for (const onFailure of told) onFailure?.(known);
    }
  }

  function stop(): void {
    watchers.clear();
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
  }

  function reportWaiting(watcher: (run: string) => void, upTo: number, after: string): void {
    if (!watchers.has(watcher)) return;
    let rows: readonly SqlRow[] = [];
    attempt(() => rows = waitingRuns(upTo, after));
    for (const { run } of rows) watcher(String(run));
    const end = rows.at(-1);
    if (end !== undefined && rows.length === FIRST_PAGE) {
      later(0, () => reportWaiting(watcher, upTo, String(end["run"])));
    }
  }

  function waitingRuns(upTo: number, after: string): readonly SqlRow[] {
    return sql(
      `SELECT DISTINCT run FROM inbox INDEXED BY inbox_waiting WHERE waiting = 1 AND run > ? AND no <= ?
       ORDER BY run LIMIT ${FIRST_PAGE}`,
    ).all(after, upTo);
  }

  return {
    add(onMessage, onFailure) {
      // A function of its own: the same callback may be added twice.
      const watcher = (run: string): void => onMessage(run);
      if (watchers.size === 0) version = currentVersion();
      const upTo = Number(sql("SELECT max(no) AS last FROM inbox").get()?.["last"] ?? 0);
      if (watchers.size === 0) {
        last = upTo;
        poll = later(POLL_MS, tick);
      }
      watchers.set(watcher, onFailure);
      later(0, () => reportWaiting(watcher, upTo, ""));
      return {
        [Symbol.dispose]: () => {
          watchers.delete(watcher);
          if (watchers.size === 0 && poll !== undefined) {
            clearTimeout(poll);
            timers.delete(poll);
          }
        },
      };
    },
    scan,
    skip(no) {
      last = no;
    },
    stop,
  };
}

/** The timer does not keep the process alive: whoever waits for messages has reasons of his own to stay. */
function letGo(timer: Timer): void {
  const { Deno: deno } = globalThis as Runtime;
  if (deno !== undefined) return deno.unrefTimer(timer);
  (timer as { unref?(): unknown }).unref?.();
}
