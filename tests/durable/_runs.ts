/**
 * The Worker of `runs_worker.ts`, and how it is asked.
 *
 * @module
 */
import type { IndexPage, RunStatusAnswer } from "../../src/durable_object/mod.ts";
import type { JournalRecord, Json } from "../../src/workflow/journal.ts";
import { bundled, startWorkerd, type Workerd, type WorkerdOptions } from "./_workerd.ts";

/** How a run is started by the Worker. */
export interface Start {
  readonly workflow: string;
  readonly args?: Json;
  readonly options?: { readonly runId?: string; readonly deadlineMs?: number };
}

/** An error as the Worker answers it. */
export interface Told {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
}

/** The Worker. */
export interface RunsWorker extends Workerd {
  /** The value, or the error thrown. */
  call<T = Json>(path: string, body?: unknown): Promise<T>;
  /** The error that a call ends with. */
  refused(path: string, body?: unknown): Promise<Told>;
  run(start: Start): Promise<Json>;
  start(start: Start): Promise<string>;
  result(run: string): Promise<Json>;
  status(run: string): Promise<RunStatusAnswer>;
  journal(run: string, root?: string): Promise<readonly JournalRecord[]>;
  list(query?: object): Promise<IndexPage>;
  /** When the alarm of the run's object is set for. */
  alarmOf(run: string): Promise<number | null>;
  /** Effects of a run: how often each key ran. */
  effects(run: string): Promise<ReadonlyMap<string, number>>;
  /** Asks until the answer is as wanted. */
  until<T>(ask: () => Promise<T>, wanted: (value: T) => boolean): Promise<T>;
}

/** Nothing that is waited for takes this long: it is not coming. */
const PATIENCE_MS = 20_000;

/** Starts the Worker on a folder. */
export async function startRuns(persist: string, more: Partial<WorkerdOptions> = {}): Promise<RunsWorker> {
  const worker = await startWorkerd({
    code: await bundled("runs_worker.ts"),
    persist,
    objects: { RUN: "WorkflowRun", INDEX: "WorkflowIndex", LOG: "Log" },
    ...more,
  });
  async function call<T>(path: string, body?: unknown): Promise<T> {
    const { value, error } = await worker.ask(path, body) as { value: T; error?: Told };
    if (error !== undefined) throw Object.assign(new Error(error.message), error);
    return value;
  }
  const query = (run: string, root = run): string => `?${new URLSearchParams({ run, root })}`;
  return {
    ...worker,
    call,
    async refused(path, body) {
      const { error, value } = await worker.ask(path, body) as { value: unknown; error?: Told };
      if (error === undefined) throw new Error(`${path} was not refused: ${JSON.stringify(value)}`);
      return error;
    },
    run: (start) => call("/run", start),
    start: (start) => call("/start", start),
    result: (run) => call(`/result${query(run)}`),
    status: (run) => call(`/status${query(run)}`),
    journal: (run, root) => call(`/journal${query(run, root)}`),
    list: (asked = {}) => call("/list", asked),
    alarmOf: (run) => call(`/test/alarm${query(run)}`),
    async effects(run) {
      const entries = await worker.ask(`/log${query(run)}`) as readonly { readonly key: string }[];
      return new Map([...Map.groupBy(entries, ({ key }) => key)].map(([key, found]) => [key, found.length]));
    },
    async until(ask, wanted) {
      const limit = AbortSignal.timeout(PATIENCE_MS);
      for (;;) {
        const value = await ask();
        if (wanted(value)) return value;
        if (limit.aborted) {
          throw new Error(`Still not as wanted after ${PATIENCE_MS / 1000} s: ${JSON.stringify(value)}`);
        }
      }
    },
  };
}
