/**
 * The embedded engine: durable runs of workflows in one process, over any storage.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import { toHex } from "../base/bytes.ts";
import {
  CancelledError,
  EngineClosedError,
  hasCode,
  HostUnsupportedError,
  PayloadTooLargeError,
  UnknownRunError,
  UnknownWorkflowError,
} from "../base/errors.ts";
import { SDK_VERSION } from "../base/version.ts";
import { processId } from "../platform/process_id.ts";
import { bodyOf } from "../workflow/definition.ts";
import { failureOf } from "../workflow/failure.ts";
import { CANONICAL_CODEC, FLAGS } from "../workflow/flags.ts";
import type { Failure, JournalRecord, Json, Key, Outcome, RunHeader, RunStatus } from "../workflow/journal.ts";
import { chainCheck, encodeRecord } from "../workflow/record_text.ts";
import { createAlarmClock } from "./alarm_clock.ts";
import type {
  ApprovalAnswer,
  Engine,
  EngineEvent,
  EngineOptions,
  EngineStats,
  PendingApproval,
  RunHandle,
  StartOptions,
} from "./api.ts";
import { answerStands, approvalMessage, cancelMessage, messageProblem, pendingApprovals } from "./answers.ts";
import type { Attempt } from "./attempt.ts";
import { createBatcher } from "./batcher.ts";
import { createCallSites } from "./call_site.ts";
import { mismatchError } from "../workflow/explain.ts";
import { createLocalHost } from "./host.ts";
import type { JournalFile } from "./journal_file.ts";
import { storeRun, type StoreRunOptions } from "./journal_store.ts";
import { createMessageBounds, type MessageBounds } from "./message_bounds.ts";
import { createPlaces } from "./places.ts";
import type { Message, RowChange, RunQuery, RunRow, Write } from "./ports.ts";
import { type ReadJournal, readJournal } from "./read_journal.ts";
import { createResultWaits, type Ended } from "./result_waits.ts";
import { RunDriver, type Shared } from "./run_driver.ts";
import { checkArguments, checkRunId, checkSameRun, readableHeader, resultOf } from "./run_header.ts";
import { createSlowAttempts, type SlowAttempts } from "./slow_attempts.ts";
import { createStartQueue, type StartQueue } from "./start_queue.ts";

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
/** How often closed runs beyond the retention are looked for, in milliseconds. */
const RETENTION_CHECK_MS = 60_000;

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
  const { name = "engine", concurrency = 256, maxActiveRuns = 1000, maxQueuedRuns = 10_000, maxParkedInMemory = 256 } =
    options;
  for (const [key, value] of Object.entries({ concurrency, maxActiveRuns, maxQueuedRuns })) positive(key, value, 1);
  positive("maxParkedInMemory", maxParkedInMemory, 0);
  checkWorkflows(options.workflows);
  const pid = processId();
  await options.storage.own({ name, ...(pid === undefined ? undefined : { pid }) });
  const engine = new LocalEngine(options, { name, concurrency, maxActiveRuns, maxQueuedRuns, maxParkedInMemory, pid });
  try {
    await engine.recover();
  } catch (error) {
    await engine.close();
    throw error;
  }
  return engine;
}

interface Bounds {
  readonly name: string;
  readonly concurrency: number;
  readonly maxActiveRuns: number;
  readonly maxQueuedRuns: number;
  readonly maxParkedInMemory: number;
  readonly pid: number | undefined;
}

class LocalEngine implements Engine {
  readonly #options: EngineOptions;
  readonly #bounds: Bounds;
  readonly #shared: Shared;
  readonly #live = new Map<string, RunDriver>();
  /** Parked runs in memory, the longest parked first. */
  readonly #parked = new Set<RunDriver>();
  readonly #loading = new Map<string, Promise<RunDriver | undefined>>();
  readonly #starting = new Map<string, Promise<RunHandle>>();
  readonly #queue: StartQueue;
  readonly #results = createResultWaits();
  readonly #bounded: MessageBounds;
  /** Callers who wait for a commit of their own. */
  readonly #onFailure = new Set<(error: Error) => void>();
  readonly #stopped = new Map<string, Error>();
  readonly #slow: SlowAttempts;
  #wakeAt = Infinity;
  #wakeTimer: Disposable | undefined;
  #waking = false;
  /** More runs are due than there is room for. */
  #crowded = false;
  #retentionTimer: Disposable | undefined;
  #watch: Disposable | undefined;
  #idle: (() => void)[] = [];
  #replays = 0;
  #failed: Error | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: EngineOptions, bounds: Bounds) {
    this.#options = options;
    this.#bounds = bounds;
    this.#queue = createStartQueue(bounds.maxQueuedRuns);
    this.#bounded = createMessageBounds(options.storage);
    const { storage, executor, onEvent, host = createLocalHost(), cancelGraceMs = 5000, replay } = options;
    const emit = onEvent === undefined ? undefined : (event: EngineEvent): void => {
      // A hook of the user's must not decide about a run, nor end the process: not by throwing, nor by rejecting.
      try {
        const told: unknown = onEvent(event);
        if (told instanceof Promise) told.catch(() => undefined);
      } catch {
        return;
      }
    };
    const batcher = createBatcher(storage, host.hop, host.now, {
      committed: emit === undefined ? undefined : (writes, ms) => emit({ event: "committed", writes, ms }),
      failed: (error) => this.#fail(error),
      settled: () => this.#checkIdle(),
    });
    this.#shared = {
      host,
      storage,
      batcher,
      alarms: createAlarmClock(host),
      places: createPlaces(bounds.concurrency),
      executor,
      by: bounds.pid === undefined ? bounds.name : `${bounds.name}/${bounds.pid}`,
      cancelGraceMs,
      alwaysReplay: replay === "always",
      changes: options.changes,
      running: new Set<Attempt>(),
      emit,
      site: options.callSites === false ? () => undefined : createCallSites(),
      watchSlow: () => this.#slow.watch(),
      read: async (run) => {
        this.#replays++;
        return await readJournal(storage, run);
      },
      parked: (run) => this.#onParked(run),
      unparked: (run) => void this.#parked.delete(run),
      closed: (run, status, outcome) => this.#onClosed(run, status, outcome),
      stopped: (run, failure) => this.#onStopped(run, failure),
    };
    this.#slow = createSlowAttempts(host, this.#shared.running);
  }

  get failed(): Error | undefined {
    return this.#failed;
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
          if (state !== "orphan" || Object.hasOwn(this.#options.workflows, row.workflow)) this.#queue.push(row.id);
        }
        after = page.at(-1)?.id;
        if (page.length < PAGE) break;
      }
    }
    this.#wakeAt = await storage.nextWake() ?? Infinity;
    this.#armWake();
    this.#watch = storage.watch(
      (run) => void this.#deliver(run).catch((error) => this.#fail(error as Error)),
      (error) => this.#fail(error),
    );
    const { retentionMs } = this.#options;
    if (retentionMs !== undefined) this.#retain(positive("retentionMs", retentionMs, 0));
    host.hop(() => this.#serve());
  }

  async start(workflow: string, args: Json = {}, options: StartOptions = {}): Promise<RunHandle> {
    this.#open();
    const { runId = this.#newId(), deadlineMs, signal } = options;
    checkRunId(runId);
    if (deadlineMs !== undefined) positive("deadlineMs", deadlineMs, 0);
    if (!Object.hasOwn(this.#options.workflows, workflow)) {
      const known = Object.keys(this.#options.workflows);
      throw new UnknownWorkflowError(
        `Cannot start workflow "${workflow}": it is not registered. Registered: ${
          known.map((k) => `"${k}"`).join(", ") || "none"
        }`,
      );
    }
    checkArguments(workflow, bodyOf(this.#options.workflows[workflow] as (...args: never[]) => unknown), args);
    const encoded = encode(args);
    if (options.runId === undefined) return await this.#create(workflow, encoded, runId, deadlineMs, signal);
    for (let other = this.#starting.get(runId); other !== undefined; other = this.#starting.get(runId)) {
      await other.then(() => undefined, () => undefined); // how it ends is its own caller's affair
      this.#open();
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
    const { batcher } = this.#shared;
    await this.#queue.reserve(signal);
    let header: RunHeader;
    let text: string;
    try {
      this.#open();
      header = this.#newHeader(workflow, args, id, deadlineMs);
      text = encodeRecord({ t: "opened", header }, header.createdAt);
      this.#checkSize(text, id);
    } catch (error) {
      this.#queue.begin(); // its place is another's
      throw error;
    }
    const { createdAt } = header;
    const check = chainCheck("", text);
    const begin = this.#active() < this.#bounds.maxActiveRuns && this.#queue.free;
    const row: RunRow = { id, workflow, state: begin ? "active" : "ready", createdAt };
    const driver = begin ? this.#driver(header, { records: [], nextSeq: 1, check }, row) : undefined;
    if (driver === undefined) {
      this.#queue.store();
    } else {
      this.#live.set(id, driver);
      this.#queue.begin();
    }
    return await new Promise<RunHandle>((resolve, reject) => {
      this.#onFailure.add(reject);
      batcher.add([{ w: "create", row, records: [{ seq: 0, text, check }] }], () => {
        this.#onFailure.delete(reject);
        if (driver === undefined) this.#queue.stored(id);
        this.#shared.emit?.({ event: "run_started", run: id, workflow });
        resolve(this.#handle(id));
        if (driver !== undefined) driver.begin([{ t: "opened", seq: 0, at: createdAt, header }]);
        else this.#serve();
      });
    });
  }

  /** Not through the batcher: what the storage refuses of it is its caller's affair, and nobody else's. */
  async importRun(file: JournalFile, options: StoreRunOptions = {}): Promise<RunHandle> {
    this.#open();
    const { row, created } = await storeRun(this.#shared.storage, file, options);
    if (created && row.state !== "closed") {
      this.#queue.push(row.id);
      this.#serve();
    }
    return this.#handle(row.id);
  }

  #newHeader(workflow: string, args: string, id: string, deadlineMs: number | undefined): RunHeader {
    const { host } = this.#shared;
    if (!host.context.concurrent && this.#live.size > 0) {
      const [other] = this.#live.keys();
      throw new HostUnsupportedError(
        `Cannot start run "${id}" while run "${other}" is in memory: this runtime has no AsyncLocalStorage, so one run at a time. ` +
          `On Cloudflare, set the compatibility flag nodejs_compat`,
      );
    }
    const createdAt = host.now();
    return {
      v: 1,
      id,
      workflow,
      sourceHash: this.#options.sources?.[workflow] ?? "",
      sdk: SDK_VERSION,
      flags: FLAGS,
      codec: CANONICAL_CODEC,
      seed: toHex(host.random(16)),
      args,
      createdAt,
      ...(deadlineMs === undefined ? undefined : { deadlineAt: createdAt + deadlineMs }),
    };
  }

  #checkSize(text: string, id: string): void {
    const { maxRecordBytes } = this.#shared.storage.limits;
    if (text.length * 3 <= maxRecordBytes) return;
    const bytes = new TextEncoder().encode(text).length;
    if (bytes <= maxRecordBytes) return;
    throw new PayloadTooLargeError(
      `Cannot start run "${id}": its arguments take ${bytes} bytes, the limit is ${maxRecordBytes}`,
    );
  }

  #driver(header: RunHeader, journal: ReadJournal, row: RunRow): RunDriver {
    const body = bodyOf(this.#options.workflows[header.workflow] as (...args: never[]) => unknown);
    return new RunDriver(this.#shared, body, header, journal, row.state);
  }

  #active(): number {
    return this.#live.size - this.#parked.size + this.#loading.size;
  }

  /** Begins queued runs while there is room. */
  #serve(): void {
    while (this.#active() < this.#room()) {
      const id = this.#queue.shift();
      if (id === undefined) break;
      void this.#load(id).catch((error) => this.#fail(error as Error));
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
    if (this.#stopped.has(id) || this.#closing !== undefined || this.#failed !== undefined) return undefined;
    const row = await storage.run(id);
    if (row === undefined || row.state === "closed") return undefined;
    if (!Object.hasOwn(this.#options.workflows, row.workflow)) {
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
    if (this.#closing !== undefined) return undefined;
    const driver = this.#driver(header, journal, row);
    this.#live.set(id, driver);
    if (row.state === "orphan" || row.state === "ready") {
      batcher.add([{ w: "append", run: id, records: [], row: { state: "active" } }]);
    }
    if (journal.records.length > 1) {
      emit?.({ event: "run_resumed", run: id, workflow: row.workflow, records: journal.records.length });
    }
    driver.begin(journal.records);
    void driver.checkInbox().catch((error) => this.#fail(error as Error));
    return driver;
  }

  // --- Parked runs ---

  #onParked(run: RunDriver): void {
    this.#parked.add(run);
    // Without run context the place of the one run must be given up for another to begin.
    const kept = this.#shared.host.context.concurrent ? this.#bounds.maxParkedInMemory : 0;
    if (this.#parked.size > kept) {
      const [oldest] = this.#parked;
      if (oldest !== undefined) this.#evict(oldest);
    }
    this.#serve();
  }

  #evict(run: RunDriver): void {
    this.#parked.delete(run);
    this.#live.delete(run.id);
    const { wakeAt } = run;
    run.leave(new EngineClosedError(`Run "${run.id}" was put aside`));
    if (!this.#shared.host.context.concurrent) this.#shared.host.context.clear();
    if (wakeAt !== undefined && wakeAt < this.#wakeAt) {
      this.#wakeAt = wakeAt;
      this.#armWake();
    }
  }

  #armWake(): void {
    this.#wakeTimer?.[Symbol.dispose]();
    this.#wakeTimer = undefined;
    if (this.#wakeAt === Infinity || this.#closing !== undefined) return;
    this.#wakeTimer = this.#shared.host.timer(
      this.#wakeAt,
      () => void this.#wakeDue().catch((error) => this.#fail(error as Error)),
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

  /** A message was left for a run: bring it back if it waits for one. */
  async #deliver(id: string): Promise<void> {
    if (this.#closing !== undefined || this.#failed !== undefined) return;
    for (;;) {
      const live = this.#live.get(id) ?? await this.#loading.get(id);
      if (live === undefined) break;
      await live.checkInbox();
      // It may have been put aside while its messages were read.
      if (this.#live.get(id) === live) return;
      if (this.#closing !== undefined || this.#failed !== undefined) return;
    }
    const { storage, batcher } = this.#shared;
    const row = await storage.run(id);
    const messages = await storage.inbox(id, 1000);
    const cancel = messages.find((m) => m.kind === "cancel");
    if (cancel !== undefined && row !== undefined && (this.#stopped.has(id) || row.state === "orphan")) {
      return await this.#cancelUnrunnable(row, cancel);
    }
    if (row === undefined || row.state === "closed") {
      if (messages.length > 0) batcher.add(messages.map((m): Write => ({ w: "take", id: m.id })));
      return;
    }
    const wanted = messages.some((m) =>
      m.kind === "cancel" || m.kind === "settle" || row.waits?.includes(`${m.kind}:${m.name}`) === true
    );
    if (wanted && row.state === "parked") await this.#load(id);
  }

  /** Ends a run whose code cannot be run here: it is unknown, or it no longer fits the journal. */
  async #cancelUnrunnable(row: RunRow, message: Message): Promise<void> {
    const { id } = row;
    const { batcher, host } = this.#shared;
    const { nextSeq, check } = await readJournal(this.#shared.storage, id);
    const { reason = "Cancelled" } = decode(message.payload) as { readonly reason?: string };
    const outcome: Outcome = { ok: false, failure: failureOf(new CancelledError(reason), "") };
    const text = encodeRecord({ t: "closed", status: "cancelled", outcome }, host.now());
    const change: RowChange = { state: "closed", status: "cancelled", closedAt: host.now(), wakeAt: null, waits: null };
    const records = [{ seq: nextSeq, text, check: chainCheck(check, text) }];
    batcher.add([{ w: "append", run: id, records, row: change }, { w: "take", id: message.id }], () => {
      this.#stopped.delete(id);
      this.#notifyClosed(id, "cancelled", outcome);
    });
  }

  // --- Ends ---

  #onClosed(run: RunDriver, status: RunStatus, outcome: Outcome): void {
    const { id } = run;
    this.#parked.delete(run);
    this.#live.delete(id);
    if (!this.#shared.host.context.concurrent) this.#shared.host.context.clear();
    this.#notifyClosed(id, status, outcome);
    this.#serve();
  }

  #notifyClosed(id: string, status: RunStatus, outcome: Outcome): void {
    const failure = outcome.ok ? undefined : { failure: outcome.failure };
    this.#shared.emit?.({ event: "run_closed", run: id, status, ...failure });
    this.#results.resolve(id, { status, outcome });
  }

  #onStopped(run: RunDriver, failure: Failure | Error): void {
    this.#parked.delete(run);
    this.#live.delete(run.id);
    const error = failure instanceof Error ? failure : mismatchError(run.id, failure);
    run.leave(error);
    if (!this.#shared.host.context.concurrent) this.#shared.host.context.clear();
    this.#stopRun(run.id, error);
    this.#serve();
  }

  /** The run does not go on in this engine. Its journal stands as it is. */
  #stopRun(id: string, error: Error): void {
    this.#stopped.set(id, error);
    this.#shared.emit?.({ event: "run_stopped", run: id, error });
    this.#results.reject(id, error);
  }

  /** A commit failed: nothing after it is acknowledged. */
  #fail(error: Error): void {
    if (this.#failed !== undefined || this.#closing !== undefined) return;
    this.#failed = error;
    this.#shared.emit?.({ event: "failed", error });
    this.#leaveAll(error);
  }

  #leaveAll(error: Error): void {
    this.#shared.alarms.stop();
    this.#slow.stop();
    for (const timer of [this.#wakeTimer, this.#retentionTimer, this.#watch]) {
      timer?.[Symbol.dispose]();
    }
    this.#wakeTimer =
      this.#retentionTimer =
      this.#watch =
        undefined;
    for (const run of this.#live.values()) run.leave(error);
    this.#live.clear();
    this.#parked.clear();
    this.#results.rejectAll(error);
    for (const reject of this.#onFailure) reject(error);
    this.#onFailure.clear();
    this.#queue.release();
    for (const go of this.#idle) go();
    this.#idle = [];
    if (!this.#shared.host.context.concurrent) this.#shared.host.context.clear();
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const { batcher, storage } = this.#shared;
    this.#watch?.[Symbol.dispose]();
    // What has settled is committed; a commit that is under way may let a body make another call, which is not begun.
    for (const run of this.#live.values()) run.leave(new EngineClosedError("The engine was closed"));
    await batcher.drained();
    this.#leaveAll(this.#failed ?? new EngineClosedError("The engine was closed"));
    await storage[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #open(): void {
    if (this.#failed !== undefined) throw this.#failed;
    if (this.#closing !== undefined) throw new EngineClosedError("Cannot use the engine: it was closed");
  }

  async idle(): Promise<void> {
    this.#open();
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#open();
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
    this.#open();
    const row = await this.#shared.storage.run(id);
    if (row === undefined) throw new UnknownRunError(`Run "${id}" is not stored`);
    return row;
  }

  async runs(query: Partial<RunQuery> = {}): Promise<readonly RunRow[]> {
    this.#open();
    return await this.#shared.storage.runs({ limit: 100, ...query });
  }

  async journal(id: string): Promise<readonly JournalRecord[]> {
    await this.#row(id);
    return (await readJournal(this.#shared.storage, id)).records;
  }

  #handle(id: string): RunHandle {
    return {
      id,
      result: (options = {}) => this.#result(id, options.signal),
      row: () => this.#row(id),
      cancel: (reason) => this.cancel(id, reason),
    };
  }

  async #result(id: string, signal: AbortSignal | undefined): Promise<Json> {
    signal?.throwIfAborted();
    this.#open();
    // A run in memory is stored and has not ended: there is nothing to read.
    if (!this.#live.has(id)) {
      const row = await this.#row(id);
      const stopped = this.#stopped.get(id);
      if (stopped !== undefined) throw stopped;
      if (row.state === "closed") return await this.#recordedResult(id);
    }
    const { status, outcome } = await this.#results.wait(id, signal, async () => {
      // It may have stopped or ended while its row was read.
      const stopped = this.#stopped.get(id);
      if (stopped !== undefined) throw stopped;
      if (this.#live.has(id) || (await this.#shared.storage.run(id))?.state !== "closed") return undefined;
      return await this.#recordedEnd(id);
    });
    return resultOf(id, status, outcome);
  }

  async #recordedEnd(id: string): Promise<Ended | undefined> {
    const last = (await readJournal(this.#shared.storage, id)).records.at(-1);
    return last?.t === "closed" && last.outcome !== undefined
      ? { status: last.status, outcome: last.outcome }
      : undefined;
  }

  async #recordedResult(id: string): Promise<Json> {
    const ended = await this.#recordedEnd(id);
    if (ended === undefined) throw new UnknownRunError(`Run "${id}" has no recorded result`);
    return resultOf(id, ended.status, ended.outcome);
  }

  async approvals(id: string): Promise<readonly PendingApproval[]> {
    const row = await this.#row(id);
    if (row.state === "closed") return [];
    return pendingApprovals((await readJournal(this.#shared.storage, id)).records);
  }

  async approve(id: string, key?: Key, answer: ApprovalAnswer = {}): Promise<void> {
    const row = await this.#row(id);
    const { records } = await readJournal(this.#shared.storage, id);
    const message = approvalMessage(row, records, key, answer, this.#shared.host.now());
    await this.#post(message);
    // Whoever came first has answered: a message of a known id is not taken, and its sender must learn that.
    const { storage } = this.#shared;
    const kept = (await storage.inbox(id, storage.limits.maxMessages)).find((m) => m.id === message.id);
    const settled = kept === undefined ? (await readJournal(storage, id)).records : [];
    if (!answerStands(message, kept, settled)) {
      throw new Error(
        `Cannot answer approval "${message.name}" of run "${id}": it was answered already, in another way`,
      );
    }
  }

  async cancel(id: string, reason = "Cancelled"): Promise<void> {
    const row = await this.#row(id);
    if (row.state === "closed") return;
    await this.#post(cancelMessage(id, reason, this.#newId(), this.#shared.host.now()));
  }

  async post(message: Omit<Message, "at">): Promise<void> {
    const wrong = messageProblem(message);
    if (wrong !== undefined) throw new TypeError(`Cannot post message "${message.id}": ${wrong}`);
    await this.#row(message.run);
    await this.#post({ ...message, at: this.#shared.host.now() });
  }

  async #post(message: Message): Promise<void> {
    await this.#bounded.check(message);
    try {
      this.#open();
    } catch (error) {
      this.#bounded.done(message);
      throw error;
    }
    await new Promise<void>((resolve, reject) => {
      this.#onFailure.add(reject);
      this.#shared.batcher.add([{ w: "post", message }], () => {
        this.#onFailure.delete(reject);
        this.#bounded.done(message);
        resolve();
        void this.#deliver(message.run).catch((error) => this.#fail(error as Error));
      });
    });
  }

  async prune(olderThanMs: number): Promise<number> {
    this.#open();
    positive("olderThanMs", olderThanMs, 0);
    const { storage, batcher, host } = this.#shared;
    const closedBefore = host.now() - olderThanMs;
    let pruned = 0;
    for (;;) {
      const page = await storage.runs({ state: "closed", closedBefore, limit: PAGE });
      if (page.length === 0) return pruned;
      batcher.add(page.map((row): Write => ({ w: "drop", run: row.id })));
      await batcher.drained();
      this.#open();
      pruned += page.length;
    }
  }

  #retain(retentionMs: number): void {
    const { host } = this.#shared;
    this.#retentionTimer = host.timer(host.now() + Math.min(RETENTION_CHECK_MS, Math.max(retentionMs, 1000)), () => {
      this.prune(retentionMs).then(
        () => this.#closing === undefined && this.#retain(retentionMs),
        (error) => this.#fail(error as Error),
      );
    });
  }

  // --- Small things ---

  #newId(): string {
    // Sorts by time of creation: 12 digits of it, then randomness.
    return `${Math.floor(this.#shared.host.now()).toString(16).padStart(12, "0")}-${
      toHex(this.#shared.host.random(8))
    }`;
  }
}

/** What cannot be driven is refused before a run of it is stored: it could not go on, nor end. */
function checkWorkflows(workflows: EngineOptions["workflows"]): void {
  for (const [name, workflow] of Object.entries(workflows)) {
    const body: unknown = typeof workflow === "function" ? bodyOf(workflow) : workflow;
    const is = typeof body === "function" ? Object.prototype.toString.call(body) : typeof body;
    if (typeof body === "function" && !is.endsWith("GeneratorFunction]")) continue;
    throw new TypeError(
      `Cannot use workflow "${name}": it must be an async function, found ${
        typeof body === "function" ? "a generator function, which nothing would run to its end" : is
      }`,
    );
  }
}

function positive(name: string, value: number, least: number): number {
  if (typeof value === "number" && value >= least) return value;
  throw new RangeError(`Cannot use '${name}': it must be a number of at least ${least}, found ${String(value)}`);
}
