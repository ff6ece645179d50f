/**
 * Runs a workflow on an engine in memory with a virtual clock, live and replayed before every outcome, and compares the two.
 *
 * @module
 */
import {
  createEngine,
  type Engine,
  type EngineEvent,
  type EngineOptions,
  type JournalRecord,
  journalView,
  type Json,
  type RunHandle,
  type StartOptions,
  type StoredRecord,
  type ViewedCall,
  type WorkflowFunction,
} from "@windkit/windmill-client/engine";
import { createMemoryStorage, type MemoryStorage } from "@windkit/windmill-client/storage/memory";
import { createVirtualHost, type VirtualHost } from "./_virtual_host.ts";
import { assertEquals } from "./assert.ts";

/** An engine and what it stands on. */
export interface Bench {
  readonly engine: Engine;
  readonly host: VirtualHost;
  readonly storage: MemoryStorage;
  /** What the engine has told, in order. */
  readonly events: EngineEvent[];
}

/** Options of an engine for a case; storage and host are made when they are not given. */
export interface BenchOptions extends Omit<EngineOptions, "storage" | "host"> {
  readonly storage?: MemoryStorage;
  readonly host?: VirtualHost;
}

/** Opens an engine, lets `use` work with it, and closes it. */
export async function withEngine<T>(options: BenchOptions, use: (bench: Bench) => T | Promise<T>): Promise<T> {
  const { storage = createMemoryStorage(), host = createVirtualHost(), onEvent, ...rest } = options;
  const events: EngineEvent[] = [];
  const engine = await createEngine({
    ...rest,
    storage,
    host,
    onEvent: (event) => {
      events.push(event);
      return onEvent?.(event);
    },
  });
  try {
    return await use({ engine, host, storage, events });
  } finally {
    await engine.close();
  }
}

/** One workflow and what happens to its run. Made anew for each way to run it, so that it may count in variables. */
export interface Trial {
  readonly main: WorkflowFunction;
  readonly args?: Json;
  readonly start?: StartOptions;
  readonly options?: Partial<BenchOptions>;
  /** Works beside the run: answers, cancels. */
  readonly during?: (bench: Bench, run: RunHandle) => unknown;
}

/** How a run ended. */
export interface Ended {
  readonly value?: Json;
  readonly error?: Error;
  readonly records: readonly JournalRecord[];
  readonly view: readonly ViewedCall[];
  readonly events: readonly EngineEvent[];
}

/** Runs a trial to its end, one way. */
export async function runTrial(trial: Trial, replay: "when-needed" | "always" = "when-needed"): Promise<Ended> {
  const { main, args = {}, start, options, during } = trial;
  return await withEngine({ workflows: { main }, replay, ...options }, async (bench) => {
    const { engine, host, events } = bench;
    const run = await host.drive(engine.start("main", args, start));
    const result = run.result();
    result.catch(() => undefined); // looked at below: `during` may take longer than the run
    await during?.(bench, run);
    const ended = await host.drive(result.then((value) => ({ value }), (error: Error) => ({ error })));
    const records = await engine.journal(run.id);
    return { ...ended, records, view: journalView(records), events };
  });
}

/** A further host on which the trial of a confluent workflow is run, and compared with how it ended live. */
export type FurtherHost = (make: () => Trial, live: Ended) => Promise<void>;

let further: FurtherHost | undefined;

/** From now on, `bothWays` runs its trials on another host, too: for the tests of that host. */
export function alsoOn(host: FurtherHost | undefined): void {
  further = host;
}

/** Runs a trial live and replayed before every outcome; fails unless both end the same with equal journals. */
export async function bothWays(make: () => Trial): Promise<Ended> {
  const live = await runTrial(make());
  const replayed = await runTrial(make(), "always");
  assertEquals(
    [replayed.value, replayed.error?.name, replayed.error?.message],
    [live.value, live.error?.name, live.error?.message],
    "Live and replayed ended differently",
  );
  assertEquals(replayed.view, live.view, "Live and replayed have different journals");
  await further?.(make, live);
  return live;
}

/**
 * Runs a trial, and then again from every beginning of its journal, as after a crash between two commits. Fails unless each ends
 * with the same result.
 *
 * @returns how the first one ended
 */
export async function fromEveryCut(make: () => Trial): Promise<Ended> {
  const storage = createMemoryStorage();
  const first = await runTrial({ ...make(), options: { ...make().options, storage } });
  const [opened] = first.records;
  if (opened?.t !== "opened") throw new Error("Expected a run that was opened");
  const { id, createdAt } = opened.header;
  const stored: StoredRecord[] = [];
  for await (const page of storage.visit().journal(id)) stored.push(...page);
  const closed = first.records.findIndex((record) => record.t === "closed");
  for (let length = 1; length <= closed; length++) {
    const { main, options, during } = make();
    const cut = createMemoryStorage();
    await cut.own({ name: "cut" });
    const row = { id, workflow: "main", state: "active" as const, createdAt };
    await cut.commit([{ w: "create", row, records: stored.slice(0, length) }]);
    await withEngine({ workflows: { main }, ...options, storage: cut.fork() }, async (bench) => {
      const run = await bench.engine.run(id);
      const result = run.result();
      result.catch(() => undefined);
      await during?.(bench, run);
      const ended = await bench.host.drive(result.then((value) => ({ value }), (error: Error) => ({ error })));
      const { value, error } = { value: undefined, error: undefined, ...ended };
      assertEquals(
        [value, error?.name, error?.message],
        [first.value, first.error?.name, first.error?.message],
        `From ${length} of ${stored.length} records (the last: ${stored[length - 1]?.text.slice(0, 100)})`,
      );
    });
  }
  return first;
}

/** The keys of a run's settled calls, in the order of their outcomes. */
export function settledKeys(records: readonly JournalRecord[]): readonly string[] {
  return records.flatMap((r) => r.t === "settled" ? [r.key] : []);
}

/** The keys for which a call was started, in order. */
export function startedKeys(events: readonly EngineEvent[]): readonly string[] {
  return events.flatMap((e) => e.event === "call_started" ? [e.key] : []);
}

/** A promise that the case settles itself. */
export interface Gate<T = void> {
  readonly promise: Promise<T>;
  open(value: T): void;
  fail(error: Error): void;
}

/** A closed gate. */
export function createGate<T = void>(): Gate<T> {
  let open: (value: T) => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open: (value) => open(value), fail: (error) => fail(error) };
}
