/**
 * The embedded engine: durable runs of workflows in one process, over any storage.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import { EngineClosedError, hasCode, HostUnsupportedError, RunExistsError, UnknownRunError } from "../base/errors.ts";
import { processId } from "../platform/process_id.ts";
import type { Failure, JournalRecord, Json, Key, RunHeader } from "../workflow/journal.ts";
import { createAlarmClock } from "./alarm_clock.ts";
import type {
  ApprovalAnswer,
  Engine,
  EngineEvent,
  EngineOptions,
  EngineStats,
  ForkOptions,
  PendingApproval,
  RunHandle,
  SignalOptions,
  StartOptions,
  TypedEvent,
} from "./api.ts";
import { type AnsweredEngine, Answering } from "./answering.ts";
import { cancelMessage, messageProblem, pendingApprovals } from "./answers.ts";
import type { Attempt } from "./attempt.ts";
import { createBatcher } from "./batcher.ts";
import { createCallSites } from "./call_site.ts";
import { mismatchError } from "../workflow/explain.ts";
import { newestOf } from "./chain.ts";
import { type ChildCall, childIdProblem } from "./children.ts";
import { EngineLife } from "./engine_life.ts";
import { type Bounds, boundsOf, positive } from "./engine_options.ts";
import { forkWrite } from "./fork.ts";
import { createLocalHost } from "./host.ts";
import type { JournalFile } from "./journal_file.ts";
import { type StoredRun, storeRun, type StoreRunOptions } from "./journal_store.ts";
import { type DeliveringEngine, MessageDelivery } from "./message_delivery.ts";
import { checkOpened, newHeader, openRun } from "./opened_run.ts";
import { createPlaces } from "./places.ts";
import type { Message, RunQuery, RunRow, Write } from "./ports.ts";
import { type ReadJournal, readJournal } from "./read_journal.ts";
import { Registered } from "./registered.ts";
import { Retention } from "./retention.ts";
import type { Ended } from "./result_waits.ts";
import { RunDriver } from "./run_driver.ts";
import type { Created, Shared } from "./run_shared.ts";
import { checkRunId, checkSameRun, newId, readableHeader } from "./run_header.ts";
import { type AskedEngine, RunResults } from "./run_results.ts";
import { createSlowAttempts, type SlowAttempts } from "./slow_attempts.ts";
import { createStartQueue, type StartQueue } from "./start_queue.ts";
import { undoAgainWrite } from "./undo_again.ts";
import { cancelUnrunnable } from "./unrunnable.ts";

export type * from "./api.ts";
export type * from "./ports.ts";
export type * from "../workflow/journal.ts";
export { pendingApprovals } from "./answers.ts";
export { createLocalHost } from "./host.ts";
export {
  exportLines,
  type ExportOptions,
  exportRecords,
  exportRun,
  type ImportOptions,
  importRun,
  type JournalFile,
} from "./journal_file.ts";
export { type StoredRun, storeRun, type StoreRunOptions } from "./journal_store.ts";
export { type ReadJournal, readJournal, verifyChain } from "./read_journal.ts";
export { journalView, type ViewedCall } from "../workflow/journal_view.ts";

/** Runs listed or woken at once. */
const PAGE = 256;
/** How soon due runs are looked for again when all that were found are in memory already, in milliseconds. */
const RECHECK_MS = 100;

/**
 * Opens an engine: takes the storage for its own, goes on with the runs that were under way, and listens for messages.
 *
 * @param options storage, workflows and bounds
 * @returns the running engine; close it with `await engine.close()` or `await using`
 * @throws StorageLockedError when another process drives the storage, and what the storage throws when it is damaged
 *
 * @example A run in memory
 * ```ts
 * import { createEngine } from "@windkit/windmill-client/engine";
 * import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
 * import { step, workflow } from "@windkit/windmill-client/workflow";
 *
 * const greet = workflow(async (name: string) => await step("greeting", () => `Hello ${name}`));
 *
 * await using engine = await createEngine({ storage: createMemoryStorage(), workflows: { greet } });
 * const run = await engine.start("greet", { name: "Ada" });
 * if (await run.result() !== "Hello Ada") throw new Error("no greeting");
 * ```
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const bounds = boundsOf(options);
  const pid = processId();
  await options.storage.own({ name: bounds.name, ...(pid === undefined ? undefined : { pid }) });
  const engine = new LocalEngine(options, bounds, pid);
  try {
    await engine.recover();
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

/** A run that is about to be stored. */
interface Opened {
  readonly header: RunHeader;
  readonly write: Write;
  /** None when it waits to begin. */
  readonly driver: RunDriver | undefined;
}

class LocalEngine implements Engine {
  readonly #options: EngineOptions;
  readonly #bounds: Bounds;
  readonly #workflows: Registered;
  readonly #shared: Shared;
  readonly #live = new Map<string, RunDriver>();
  /** Parked runs in memory, the longest parked first. */
  readonly #parked = new Set<RunDriver>();
  readonly #loading = new Map<string, Promise<RunDriver | undefined>>();
  readonly #starting = new Map<string, Promise<RunHandle>>();
  /** Ids of runs that other runs are about to create. */
  readonly #creating = new Set<string>();
  readonly #life: EngineLife;
  readonly #retention: Retention;
  readonly #messages: MessageDelivery;
  readonly #answers: Answering;
  readonly #queue: StartQueue;
  readonly #results: RunResults;
  readonly #stopped = new Map<string, Error>();
  readonly #slow: SlowAttempts;
  #wakeAt = Infinity;
  #wakeTimer: Disposable | undefined;
  #waking = false;
  /** More runs are due than there is room for. */
  #crowded = false;
  #watch: Disposable | undefined;
  #idle: (() => void)[] = [];
  #replays = 0;
  #closing: Promise<void> | undefined;

  constructor(options: EngineOptions, bounds: Bounds, pid: number | undefined) {
    this.#options = options;
    this.#bounds = bounds;
    this.#workflows = new Registered(options.workflows);
    this.#queue = createStartQueue(bounds.maxQueuedRuns);
    const { storage, executor, onEvent, host = createLocalHost(), cancelGraceMs = 5000, replay, changes } = options;
    const { callSites: sites = true } = options;
    const emit = onEvent === undefined ? undefined : (event: EngineEvent): void => {
      // A hook of the user's must not decide about a run, nor end the process: not by throwing, nor by rejecting.
      try {
        const told: unknown = onEvent(event);
        if (told instanceof Promise) told.catch(() => undefined);
      } catch {
        return;
      }
    };
    const batcher = createBatcher(storage, host, {
      committed: emit === undefined ? undefined : (writes, ms) => emit({ event: "committed", writes, ms }),
      failed: (error) => this.#life.fail(error),
      settled: () => this.#checkIdle(),
    });
    this.#life = new EngineLife(batcher, (error) => {
      emit?.({ event: "failed", error });
      this.#leaveAll(error);
    });
    this.#shared = {
      host,
      storage,
      batcher,
      alarms: createAlarmClock(host),
      places: createPlaces(bounds.concurrency),
      executor,
      by: pid === undefined ? bounds.name : `${bounds.name}/${pid}`,
      cancelGraceMs,
      alwaysReplay: replay === "always",
      changes,
      running: new Set<Attempt>(),
      emit,
      site: sites ? createCallSites() : () => undefined,
      sites,
      watchSlow: () => this.#slow.watch(),
      read: async (run) => {
        this.#replays++;
        return await readJournal(storage, run);
      },
      parked: (run) => this.#onParked(run),
      unparked: (run) => void this.#parked.delete(run),
      closed: (run, status, outcome, next) => this.#onClosed(run, { status, outcome, next }),
      stopped: (run, failure) => this.#onStopped(run, failure),
      told: (message, fate) => this.#messages.told(message, fate),
      deliver: (run) => this.#messages.bring(run),
      childProblem: (call) => this.#childProblem(call),
      reserve: (id) => this.#reserve(id),
      release: (id) => void this.#creating.delete(id),
      create: (created) => this.#createWithin(created),
    };
    this.#slow = createSlowAttempts(host, this.#shared.running);
    this.#retention = new Retention(storage, host, this.#life);
    const inside: DeliveringEngine & AskedEngine & AnsweredEngine = {
      live: (run) => this.#live.get(run),
      loading: (run) => this.#loading.get(run),
      load: (run) => this.#load(run),
      stoppedBy: (run) => this.#stopped.get(run),
      isTaken: (run) => this.#isTaken(run),
      cancelUnrunnable: (run, message) => this.#cancelUnrunnable(run, message),
      row: (run) => this.#row(run),
      newest: (run) => this.#newest(run),
    };
    this.#results = new RunResults(storage, this.#life, inside);
    this.#messages = new MessageDelivery(this.#shared, this.#life, this.#retention, inside);
    this.#answers = new Answering(this.#shared, this.#messages, inside);
  }

  get failed(): Error | undefined {
    return this.#life.failed;
  }

  stats(): EngineStats {
    const { places, batcher } = this.#shared;
    return {
      live: this.#live.size,
      running: places.taken,
      waiting: places.waiting,
      queued: this.#queue.size,
      commits: batcher.commits,
      writes: batcher.writes,
      replays: this.#replays,
    };
  }

  // --- Beginning ---

  /** Finds what was under way: never looks at a run that is parked. */
  async recover(): Promise<void> {
    const { storage, host } = this.#shared;
    for (const state of ["orphan", "active", "ready"] as const) {
      let after: string | undefined;
      for (;;) {
        const page = await storage.runs({ state, limit: PAGE, ...(after === undefined ? undefined : { after }) });
        for (const row of page) {
          if (state !== "orphan" || this.#workflows.has(row.workflow)) this.#queue.push(row.id);
        }
        after = page.at(-1)?.id;
        if (page.length < PAGE) break;
      }
    }
    this.#wakeAt = await storage.nextWake() ?? Infinity;
    this.#armWake();
    this.#watch = storage.watch((run) => this.#messages.found(run), this.#life.fail);
    const { retentionMs } = this.#options;
    if (retentionMs !== undefined) this.#retention.begin(positive("retentionMs", retentionMs, 0));
    host.hop(() => this.#serve());
  }

  async start(workflow: string, args: Json = {}, options: StartOptions = {}): Promise<RunHandle> {
    this.#life.open();
    const { runId = newId(this.#shared.host), deadlineMs, signal } = options;
    checkRunId(runId);
    if (deadlineMs !== undefined) positive("deadlineMs", deadlineMs, 0);
    this.#workflows.check(workflow, args);
    const encoded = encode(args);
    if (options.runId === undefined) return await this.#create(workflow, encoded, runId, deadlineMs, signal);
    for (let other = this.#starting.get(runId); other !== undefined; other = this.#starting.get(runId)) {
      await other.then(() => undefined, () => undefined); // how it ends is its own caller's affair
      this.#life.open();
    }
    const starting = this.#startNamed(workflow, encoded, runId, deadlineMs, signal);
    this.#starting.set(runId, starting);
    try {
      return await starting;
    } finally {
      this.#starting.delete(runId);
    }
  }

  /** One at a time for each id. */
  async #startNamed(
    workflow: string,
    args: string,
    id: string,
    deadlineMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<RunHandle> {
    while (this.#creating.has(id)) await this.#life.committed([]);
    if (await this.#shared.storage.run(id) === undefined) {
      return await this.#create(workflow, args, id, deadlineMs, signal);
    }
    checkSameRun(id, (await readJournal(this.#shared.storage, id)).records, workflow, args);
    return this.#handle(id);
  }

  async #create(
    workflow: string,
    args: string,
    id: string,
    deadlineMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<RunHandle> {
    await this.#queue.reserve(signal);
    let opened: Opened;
    try {
      this.#life.open();
      this.#checkAlone(id);
      const deadlineAt = deadlineMs === undefined ? undefined : { deadlineAt: this.#shared.host.now() + deadlineMs };
      opened = this.#newRun({ workflow, args, id, ...deadlineAt }, true);
    } catch (error) {
      this.#queue.begin(); // its place is another's
      throw error;
    }
    const waits = opened.driver === undefined;
    if (waits) this.#queue.store();
    else this.#queue.begin();
    await this.#life.committed([opened.write], () => {
      if (waits) this.#queue.stored(id);
      this.#begin(opened);
      if (waits) this.#serve();
    });
    return this.#handle(id);
  }

  /** A run that is about to be stored: in memory at once, when it may begin and there is room. Throws what is wrong with it. */
  #newRun(created: Created, mayBegin: boolean): Opened {
    const { host, storage } = this.#shared;
    const header = newHeader(host, this.#options.sources?.[created.workflow] ?? "", created);
    const isActive = mayBegin && this.#active() < this.#bounds.maxActiveRuns && this.#queue.free;
    const { row, write, journal } = openRun(header, isActive, storage.limits.maxRecordBytes);
    const driver = isActive ? this.#driver(header, journal, row) : undefined;
    if (driver !== undefined) this.#live.set(row.id, driver);
    return { header, write, driver };
  }

  /** A new run is stored. */
  #begin({ header, driver }: Opened): void {
    const { id, workflow, createdAt } = header;
    this.#shared.emit?.({ event: "run_started", run: id, workflow });
    driver?.begin([{ t: "opened", seq: 0, at: createdAt, header }]);
  }

  /** Not through the batcher: what the storage refuses of it is its caller's affair, and nobody else's. */
  async importRun(file: JournalFile, options: StoreRunOptions = {}): Promise<RunHandle> {
    this.#life.open();
    const id = options.runId ?? file.run;
    while (this.#creating.has(id)) await this.#life.committed([]);
    this.#creating.add(id);
    let stored: StoredRun;
    try {
      stored = await storeRun(this.#shared.storage, file, options);
    } finally {
      this.#creating.delete(id);
    }
    const { row, created } = stored;
    if (created && row.state !== "closed") {
      this.#queue.push(row.id);
      this.#serve();
    }
    return this.#handle(row.id);
  }

  #checkAlone(id: string): void {
    if (this.#shared.host.context.concurrent || this.#live.size === 0) return;
    const [other] = this.#live.keys();
    throw new HostUnsupportedError(
      `Cannot start run "${id}" while run "${other}" is in memory: this runtime has no AsyncLocalStorage, so one run at a time. ` +
        `On Cloudflare, set the compatibility flag nodejs_compat`,
    );
  }

  // --- Runs that runs begin ---

  #childProblem(call: ChildCall): Error | undefined {
    const { workflow, args } = call;
    const wrongId = childIdProblem(call);
    if (wrongId !== undefined) return wrongId;
    try {
      this.#workflows.check(workflow, decode(args) as Json);
    } catch (error) {
      return error as Error;
    }
    return undefined;
  }

  /** A run is being begun under this id, or is in memory. */
  #isTaken(id: string): boolean {
    return this.#creating.has(id) || this.#starting.has(id) || this.#live.has(id);
  }

  async #reserve(id: string): Promise<boolean> {
    if (this.#isTaken(id)) return false;
    this.#creating.add(id);
    let isFree = false;
    try {
      isFree = await this.#shared.storage.run(id) === undefined;
    } finally {
      if (!isFree) this.#creating.delete(id);
    }
    return isFree;
  }

  #createWithin(created: Created): { readonly write: Write; stored(): void } {
    // Its starter makes room for it by waiting: whoever cannot begin now begins then.
    const opened = this.#newRun(created, this.#shared.host.context.concurrent);
    const { id } = created;
    return {
      write: opened.write,
      stored: (): void => {
        this.#creating.delete(id);
        this.#begin(opened);
        if (opened.driver !== undefined) return;
        this.#queue.push(id);
        this.#serve();
      },
    };
  }

  #driver(header: RunHeader, journal: ReadJournal, row: RunRow): RunDriver {
    return new RunDriver(this.#shared, this.#workflows.body(header.workflow), header, journal, row.state);
  }

  #active(): number {
    return this.#live.size - this.#parked.size + this.#loading.size;
  }

  /** Begins queued runs while there is room. */
  #serve(): void {
    while (this.#active() < this.#room()) {
      const id = this.#queue.shift();
      if (id === undefined) break;
      void this.#load(id).catch(this.#life.fail);
    }
    if (this.#crowded && this.#active() < this.#room()) {
      this.#crowded = false;
      this.#wakeAt = this.#shared.host.now();
      this.#armWake();
    }
    this.#checkIdle();
  }

  /** Without run context a single run is in memory at a time. */
  #room(): number {
    return this.#shared.host.context.concurrent ? this.#bounds.maxActiveRuns : 1;
  }

  /** Brings a stored run into memory. Undefined when it cannot or need not go on. */
  #load(id: string): Promise<RunDriver | undefined> {
    const live = this.#live.get(id);
    if (live !== undefined) return Promise.resolve(live);
    const loading = this.#loading.get(id);
    if (loading !== undefined) return loading;
    const promise = this.#read(id).finally(() => {
      this.#loading.delete(id);
      this.#serve();
    });
    this.#loading.set(id, promise);
    return promise;
  }

  async #read(id: string): Promise<RunDriver | undefined> {
    const { storage, batcher, emit } = this.#shared;
    if (this.#stopped.has(id) || this.#life.isOver) return undefined;
    const row = await storage.run(id);
    if (row === undefined || row.state === "closed") return undefined;
    if (!this.#workflows.has(row.workflow)) {
      if (row.state !== "orphan") batcher.add([{ w: "append", run: id, records: [], row: { state: "orphan" } }]);
      emit?.({
        event: "warning",
        run: id,
        message: `Run "${id}" is of workflow "${row.workflow}", which is not registered: it waits`,
      });
      return undefined;
    }
    let journal: ReadJournal;
    let header: RunHeader;
    try {
      journal = await this.#shared.read(id);
      header = readableHeader(id, journal.records);
    } catch (error) {
      if (!hasCode(error, "JOURNAL_CORRUPT") && !hasCode(error, "SCHEMA_TOO_NEW")) throw error;
      this.#stopRun(id, error);
      return undefined;
    }
    if (this.#life.isClosing) return undefined;
    const driver = this.#driver(header, journal, row);
    this.#live.set(id, driver);
    if (row.state === "orphan" || row.state === "ready") {
      batcher.add([{ w: "append", run: id, records: [], row: { state: "active" } }]);
    }
    if (journal.records.length > 1) {
      emit?.({ event: "run_resumed", run: id, workflow: row.workflow, records: journal.records.length });
    }
    driver.begin(journal.records);
    void driver.checkInbox().catch(this.#life.fail);
    return driver;
  }

  // --- Parked runs ---

  #onParked(run: RunDriver): void {
    this.#parked.add(run);
    // Without run context the place of the one run must be given up for another to begin.
    const kept = this.#shared.host.context.concurrent ? this.#bounds.maxParkedInMemory : 0;
    if (this.#parked.size > kept) {
      for (const oldest of this.#parked) {
        if (oldest.isBusy) continue;
        this.#evict(oldest);
        break;
      }
    }
    this.#serve();
  }

  #evict(run: RunDriver): void {
    this.#parked.delete(run);
    this.#live.delete(run.id);
    const { wakeAt } = run;
    run.leave(new EngineClosedError(`Run "${run.id}" was put aside`));
    this.#messages.left(run.id);
    if (!this.#shared.host.context.concurrent) this.#shared.host.context.clear();
    if (wakeAt !== undefined && wakeAt < this.#wakeAt) {
      this.#wakeAt = wakeAt;
      this.#armWake();
    }
  }

  #armWake(): void {
    this.#wakeTimer?.[Symbol.dispose]();
    this.#wakeTimer = undefined;
    if (this.#wakeAt === Infinity || this.#life.isClosing) return;
    this.#wakeTimer = this.#shared.host.timer(
      this.#wakeAt,
      () => void this.#wakeDue().catch(this.#life.fail),
    );
  }

  /** Brings parked runs back whose time has come, as many as there is room for. Those in memory have alarms of their own. */
  async #wakeDue(): Promise<void> {
    if (this.#waking) return;
    this.#waking = true;
    try {
      const { storage, host } = this.#shared;
      const due = await storage.due(host.now(), PAGE + this.#live.size + this.#stopped.size);
      const stored = due.filter((row) => !this.#live.has(row.id) && !this.#stopped.has(row.id));
      const room = Math.max(0, this.#room() - this.#active());
      await Promise.all(stored.slice(0, room).map((row) => this.#load(row.id)));
      this.#crowded = stored.length > room;
      const next = await storage.nextWake() ?? Infinity;
      // What is left and due is in memory (its row changes with its next commit), stopped, or waits for room (`#serve`).
      this.#wakeAt = next <= host.now() && stored.length <= room ? host.now() + RECHECK_MS : next;
    } finally {
      this.#waking = false;
    }
    if (!this.#crowded) this.#armWake();
    this.#checkIdle();
  }

  /** Ends a run whose code cannot be run here: it is unknown, or it no longer fits the journal. */
  async #cancelUnrunnable(id: string, message: Message): Promise<void> {
    const { batcher, host, storage } = this.#shared;
    const journal = await readJournal(storage, id);
    const { outcome, writes, told } = cancelUnrunnable(journal, message, host.now(), storage.limits.maxRecordBytes);
    batcher.add(writes, () => {
      this.#stopped.delete(id);
      this.#notifyClosed(id, { status: "cancelled", outcome });
      for (const run of told) this.#messages.bring(run);
    });
  }

  // --- Ends ---

  #onClosed(run: RunDriver, ended: Ended): void {
    const { id } = run;
    this.#parked.delete(run);
    this.#live.delete(id);
    if (!this.#shared.host.context.concurrent) this.#shared.host.context.clear();
    this.#notifyClosed(id, ended);
    this.#messages.left(id);
    this.#serve();
  }

  #notifyClosed(id: string, ended: Ended): void {
    const { status, outcome, next } = ended;
    const failure = outcome === undefined || outcome.ok ? undefined : { failure: outcome.failure };
    const goesOn = next === undefined ? undefined : { next };
    this.#shared.emit?.({ event: "run_closed", run: id, status, ...failure, ...goesOn });
    this.#results.waits.resolve(id, ended);
  }

  #onStopped(run: RunDriver, failure: Failure | Error): void {
    this.#parked.delete(run);
    this.#live.delete(run.id);
    const error = failure instanceof Error ? failure : mismatchError(run.id, failure);
    run.leave(error);
    if (!this.#shared.host.context.concurrent) this.#shared.host.context.clear();
    this.#stopRun(run.id, error);
    this.#messages.left(run.id);
    this.#serve();
  }

  /** The run does not go on in this engine. Its journal stands as it is. */
  #stopRun(id: string, error: Error): void {
    this.#stopped.set(id, error);
    this.#shared.emit?.({ event: "run_stopped", run: id, error });
    this.#results.waits.reject(id, error);
  }

  #leaveAll(error: Error): void {
    this.#shared.alarms.stop();
    this.#slow.stop();
    this.#retention.stop();
    for (const timer of [this.#wakeTimer, this.#watch]) timer?.[Symbol.dispose]();
    this.#wakeTimer = this.#watch = undefined;
    for (const run of this.#live.values()) run.leave(error);
    this.#live.clear();
    this.#parked.clear();
    this.#results.waits.rejectAll(error);
    this.#messages.allLeft();
    this.#life.leave(error);
    this.#queue.release();
    for (const go of this.#idle) go();
    this.#idle = [];
    if (!this.#shared.host.context.concurrent) this.#shared.host.context.clear();
  }

  close(): Promise<void> {
    const closed = this.#closing ??= this.#close();
    this.#life.close();
    return closed;
  }

  async #close(): Promise<void> {
    const { batcher, storage } = this.#shared;
    this.#watch?.[Symbol.dispose]();
    // What has settled is committed; a commit that is under way may let a body make another call, which is not begun.
    for (const run of this.#live.values()) run.leave(new EngineClosedError("The engine was closed"));
    await batcher.drained();
    this.#leaveAll(this.#life.failed ?? new EngineClosedError("The engine was closed"));
    await storage[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async idle(): Promise<void> {
    this.#life.open();
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#life.open();
  }

  #isIdle(): boolean {
    return this.#active() === 0 && this.#queue.length === 0 && !this.#waking && !this.#crowded &&
      this.#shared.batcher.empty;
  }

  #checkIdle(): void {
    if (this.#idle.length === 0) return;
    this.#shared.host.hop(() => {
      if (!this.#isIdle()) return;
      const idle = this.#idle;
      this.#idle = [];
      for (const go of idle) go();
    });
  }

  // --- Asking ---

  async run(id: string): Promise<RunHandle> {
    await this.#row(id);
    return this.#handle(id);
  }

  async #row(id: string): Promise<RunRow> {
    this.#life.open();
    const row = await this.#shared.storage.run(id);
    if (row === undefined) throw new UnknownRunError(`Run "${id}" is not stored`);
    return row;
  }

  async runs(query: Partial<RunQuery> = {}): Promise<readonly RunRow[]> {
    this.#life.open();
    return await this.#shared.storage.runs({ limit: 100, ...query });
  }

  async journal(id: string): Promise<readonly JournalRecord[]> {
    await this.#row(id);
    return (await readJournal(this.#shared.storage, id)).records;
  }

  #handle(id: string): RunHandle {
    return {
      id,
      result: (options = {}) => this.#results.of(id, options.signal),
      row: () => this.#row(id),
      cancel: (reason) => this.cancel(id, reason),
      signal: (event: string | TypedEvent<unknown>, payload?: unknown, options?: SignalOptions) =>
        this.#answers.signal(id, event, payload, options),
      progress: () => this.progress(id),
    };
  }

  /** The run, or the newest that goes on for it. */
  async #newest(id: string): Promise<RunRow> {
    this.#life.open();
    const row = await newestOf(this.#shared.storage, id);
    if (row === undefined) throw new UnknownRunError(`Run "${id}" is not stored`);
    return row;
  }

  async approvals(id: string): Promise<readonly PendingApproval[]> {
    const row = await this.#newest(id);
    if (row.state === "closed") return [];
    return pendingApprovals((await readJournal(this.#shared.storage, row.id)).records);
  }

  async progress(id: string): Promise<Json | undefined> {
    const row = await this.#newest(id);
    const live = this.#live.get(row.id);
    if (live !== undefined) return live.progress;
    const { records } = await readJournal(this.#shared.storage, row.id);
    const last = records.findLast((r) => r.t === "marker" && r.name === "progress");
    return last?.t === "marker" ? last.value : undefined;
  }

  async approve(id: string, key?: Key, answer: ApprovalAnswer = {}): Promise<void> {
    await this.#answers.approve(id, key, answer);
  }

  async signal(
    id: string,
    event: string | TypedEvent<unknown>,
    payload?: unknown,
    options?: SignalOptions,
  ): Promise<void> {
    await this.#answers.signal(id, event, payload, options);
  }

  async cancel(id: string, reason = "Cancelled"): Promise<void> {
    const row = await this.#newest(id);
    if (row.state === "closed") return;
    await this.#messages.post(cancelMessage(row.id, reason, newId(this.#shared.host), this.#shared.host.now()));
  }

  async fork(runId: string, options: ForkOptions): Promise<RunHandle> {
    const { from, runId: id = newId(this.#shared.host), args } = options;
    await this.#row(runId);
    checkRunId(id);
    const { storage, host, emit } = this.#shared;
    if (!await this.#reserve(id)) {
      throw new RunExistsError(`Cannot fork run "${runId}" as "${id}": a run of that id exists`, []);
    }
    try {
      const { records } = await readJournal(storage, runId);
      const header = readableHeader(runId, records);
      this.#workflows.check(header.workflow, args);
      const encoded = args === undefined ? undefined : encode(args);
      const write = forkWrite({ records, from, id, args: encoded, now: host.now() });
      for (const { text } of write.records.slice(0, 1)) checkOpened(text, id, storage.limits.maxRecordBytes);
      await this.#life.committed([write]);
      emit?.({ event: "run_started", run: id, workflow: header.workflow });
    } finally {
      this.#creating.delete(id);
    }
    this.#queue.push(id);
    this.#serve();
    return this.#handle(id);
  }

  async resumeUndo(runId: string): Promise<RunHandle> {
    const { storage, host } = this.#shared;
    this.#life.open();
    if (!this.#retention.keep(runId)) {
      throw new Error(`Cannot go on with the undos of run "${runId}": that is under way already`);
    }
    try {
      // A removal that is on its way is made first.
      await this.#life.committed([]);
      const row = await this.#row(runId);
      const write = undoAgainWrite(row, await readJournal(storage, runId), host.now());
      this.#workflows.check(row.workflow);
      await this.#life.committed([write]);
    } finally {
      this.#retention.release(runId);
    }
    this.#queue.push(runId);
    this.#serve();
    return this.#handle(runId);
  }

  async post(message: Omit<Message, "at">): Promise<void> {
    const wrong = messageProblem(message);
    if (wrong !== undefined) throw new TypeError(`Cannot post message "${message.id}": ${wrong}`);
    await this.#row(message.run);
    await this.#messages.post({ ...message, at: this.#shared.host.now() });
  }

  async prune(olderThanMs: number): Promise<number> {
    this.#life.open();
    return await this.#retention.prune(positive("olderThanMs", olderThanMs, 0));
  }
}
