/**
 * The embedded engine: durable runs of workflows in one process, over any storage.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import { toHex } from "../base/bytes.ts";
import {
  CancelledError,
  DeadlineError,
  EngineClosedError,
  hasCode,
  HostUnsupportedError,
  PayloadTooLargeError,
  RunExistsError,
  RunFailedError,
  SchemaTooNewError,
  StorageFailedError,
  UnknownRunError,
  UnknownWorkflowError,
} from "../base/errors.ts";
import { SDK_VERSION } from "../base/version.ts";
import { processId } from "../platform/process_id.ts";
import { bodyOf } from "../workflow/definition.ts";
import { failureOf } from "../workflow/failure.ts";
import { CANONICAL_CODEC, FLAGS, KNOWN_FLAGS } from "../workflow/flags.ts";
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
import { approvalMessage, cancelMessage, messageProblem, pendingApprovals } from "./answers.ts";
import { createBatcher } from "./batcher.ts";
import { callSite } from "./call_site.ts";
import { mismatchError } from "./explain.ts";
import { createLocalHost } from "./host.ts";
import { createPlaces } from "./places.ts";
import type { Message, RowChange, RunQuery, RunRow, Write } from "./ports.ts";
import { type ReadJournal, readJournal } from "./read_journal.ts";
import { type Attempt, RunDriver, type Shared } from "./run_driver.ts";

export type * from "./api.ts";
export type * from "./ports.ts";
export type * from "../workflow/journal.ts";
export { pendingApprovals } from "./answers.ts";
export { createLocalHost } from "./host.ts";
export { type ReadJournal, readJournal, verifyChain } from "./read_journal.ts";
export { journalView, type ViewedCall } from "../workflow/journal_view.ts";

/** Runs listed or woken at once. */
const PAGE = 256;
/** An attempt that has been running for this long is written ahead, in milliseconds. */
const SLOW_MS = 25;
/** How soon due runs are looked for again when all that were found are in memory already, in milliseconds. */
const RECHECK_MS = 100;
/** How often closed runs beyond the retention are looked for, in milliseconds. */
const RETENTION_CHECK_MS = 60_000;

interface Waiter {
  readonly resolve: (outcome: { readonly status: RunStatus; readonly outcome: Outcome }) => void;
  readonly reject: (error: Error) => void;
}

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
  /** Runs that wait to begin or to be replayed. */
  #queue: string[] = [];
  #queueHead = 0;
  /** Starts that wait for a place in the queue, and places that are promised to starts under way. */
  #full: (() => void)[] = [];
  #reserved = 0;
  /** Runs that will be queued once they are stored: before that nobody could load them. */
  #storing = 0;
  readonly #waiters = new Map<string, Set<Waiter>>();
  /** Ids of messages that are being left, by run. */
  readonly #posting = new Map<string, Set<string>>();
  readonly #stopped = new Map<string, Error>();
  readonly #sites = new Map<string, string | undefined>();
  #wakeAt = Infinity;
  #wakeTimer: Disposable | undefined;
  #waking = false;
  /** More runs are due than there is room for. */
  #crowded = false;
  #slowTimer: Disposable | undefined;
  #retentionTimer: Disposable | undefined;
  #watch: Disposable | undefined;
  #idle: (() => void)[] = [];
  #replays = 0;
  #ids = 0;
  #failed: Error | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: EngineOptions, bounds: Bounds) {
    this.#options = options;
    this.#bounds = bounds;
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
      running: new Set<Attempt>(),
      emit,
      site: (workflow, call) => this.#site(workflow, call),
      watchSlow: () => this.#watchSlow(),
      read: async (run) => {
        this.#replays++;
        return await readJournal(storage, run);
      },
      parked: (run) => this.#onParked(run),
      unparked: (run) => void this.#parked.delete(run),
      closed: (run, status, outcome) => this.#onClosed(run, status, outcome),
      stopped: (run, failure) => this.#onStopped(run, failure),
    };
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
      queued: this.#queue.length - this.#queueHead + this.#storing,
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
    this.#watch = storage.watch((run) => void this.#deliver(run).catch((error) => this.#fail(error as Error)));
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
    await this.#sameRun(id, workflow, args);
    return this.#handle(id);
  }

  async #create(
    workflow: string,
    args: string,
    id: string,
    deadlineMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<RunHandle> {
    const { host, batcher, storage } = this.#shared;
    await this.#place(signal);
    this.#reserved--;
    this.#open();
    if (!host.context.concurrent && this.#live.size > 0) {
      const [other] = this.#live.keys();
      throw new HostUnsupportedError(
        `Cannot start run "${id}" while run "${other}" is in memory: this runtime has no AsyncLocalStorage, so one run at a time. ` +
          `On Cloudflare, set the compatibility flag nodejs_compat`,
      );
    }
    const createdAt = host.now();
    const header: RunHeader = {
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
    const text = encodeRecord({ t: "opened", header }, createdAt);
    if (text.length * 3 > storage.limits.maxRecordBytes) this.#checkSize(text, id);
    const check = chainCheck("", text);
    const begin = this.#active() < this.#bounds.maxActiveRuns && this.#queueHead === this.#queue.length &&
      this.#storing === 0;
    const row: RunRow = { id, workflow, state: begin ? "active" : "ready", createdAt };
    const driver = begin ? this.#driver(header, { records: [], nextSeq: 1, check }, row) : undefined;
    if (driver !== undefined) this.#live.set(id, driver);
    else this.#storing++;
    this.#admit();
    return await new Promise<RunHandle>((resolve, reject) => {
      this.#onFailure.add(reject);
      batcher.add([{ w: "create", row, records: [{ seq: 0, text, check }] }], () => {
        this.#onFailure.delete(reject);
        if (driver === undefined) {
          this.#storing--;
          this.#queue.push(id);
        }
        this.#shared.emit?.({ event: "run_started", run: id, workflow });
        resolve(this.#handle(id));
        if (driver !== undefined) driver.begin([{ t: "opened", seq: 0, at: createdAt, header }]);
        else this.#serve();
      });
    });
  }

  readonly #onFailure = new Set<(error: Error) => void>();

  #checkSize(text: string, id: string): void {
    const bytes = new TextEncoder().encode(text).length;
    const { maxRecordBytes } = this.#shared.storage.limits;
    if (bytes <= maxRecordBytes) return;
    throw new PayloadTooLargeError(
      `Cannot start run "${id}": its arguments take ${bytes} bytes, the limit is ${maxRecordBytes}`,
    );
  }

  async #sameRun(id: string, workflow: string, args: string): Promise<void> {
    const { records } = await readJournal(this.#shared.storage, id);
    const [first] = records;
    if (first?.t !== "opened") return;
    const { header } = first;
    const differs: string[] = [];
    if (header.workflow !== workflow) differs.push(`workflow (recorded "${header.workflow}", asked for "${workflow}")`);
    if (header.args !== args) differs.push(`args (recorded ${header.args}, asked for ${args})`);
    if (differs.length === 0) return;
    const names = differs.map((d) => d.slice(0, d.indexOf(" ")));
    throw new RunExistsError(`Run "${id}" exists with another ${differs.join(" and another ")}`, names);
  }

  /** Waits for a place in the queue and reserves it: the caller gives the reservation back when it takes the place. */
  async #place(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#full.length === 0 && this.#hasPlace()) {
      this.#reserved++;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#full = this.#full.filter((other) => other !== enter);
        reject(signal?.reason as Error);
      };
      const enter = (): void => {
        signal?.removeEventListener("abort", leave);
        this.#reserved++;
        resolve();
      };
      this.#full.push(enter);
      signal?.addEventListener("abort", leave, { once: true });
    });
  }

  #hasPlace(): boolean {
    return this.#queue.length - this.#queueHead + this.#storing + this.#reserved < this.#bounds.maxQueuedRuns;
  }

  /** Lets waiting starts in, in their order, as far as there are places. */
  #admit(): void {
    let admitted = 0;
    for (; admitted < this.#full.length && this.#hasPlace(); admitted++) this.#full[admitted]?.();
    if (admitted > 0) this.#full = this.#full.slice(admitted);
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
    while (this.#queueHead < this.#queue.length && this.#active() < this.#room()) {
      const id = this.#queue[this.#queueHead++] as string;
      void this.#load(id).catch((error) => this.#fail(error as Error));
    }
    if (this.#queueHead > 1024 && this.#queueHead > this.#queue.length / 2) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
    if (this.#crowded && this.#active() < this.#room()) {
      this.#crowded = false;
      this.#wakeAt = this.#shared.host.now();
      this.#armWake();
    }
    this.#admit();
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
      header = readable(id, journal.records);
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
    const waiters = this.#waiters.get(id);
    this.#waiters.delete(id);
    for (const w of waiters ?? []) w.resolve({ status, outcome });
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
    const waiters = this.#waiters.get(id);
    this.#waiters.delete(id);
    for (const w of waiters ?? []) w.reject(error);
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
    for (const timer of [this.#wakeTimer, this.#slowTimer, this.#retentionTimer, this.#watch]) {
      timer?.[Symbol.dispose]();
    }
    this.#wakeTimer =
      this.#slowTimer =
      this.#retentionTimer =
      this.#watch =
        undefined;
    for (const run of this.#live.values()) run.leave(error);
    this.#live.clear();
    this.#parked.clear();
    for (const waiters of this.#waiters.values()) for (const w of waiters) w.reject(error);
    this.#waiters.clear();
    for (const reject of this.#onFailure) reject(error);
    this.#onFailure.clear();
    for (const go of [...this.#full, ...this.#idle]) go();
    this.#full = [];
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
    return this.#active() === 0 && this.#queueHead === this.#queue.length && !this.#waking && !this.#crowded &&
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
    const { status, outcome } = await new Promise<Parameters<Waiter["resolve"]>[0]>((resolve, reject) => {
      const waiters = this.#waiters.get(id) ?? new Set();
      const forget = (): void => {
        waiters.delete(waiter);
        if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id);
      };
      const onAbort = (): void => {
        forget();
        reject(signal?.reason as Error);
      };
      const waiter: Waiter = {
        resolve: (ended) => {
          signal?.removeEventListener("abort", onAbort);
          resolve(ended);
        },
        reject: (error) => {
          signal?.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      waiters.add(waiter);
      this.#waiters.set(id, waiters);
      signal?.addEventListener("abort", onAbort, { once: true });
      // It may have stopped or ended while its row was read.
      const stoppedNow = this.#stopped.get(id);
      if (stoppedNow !== undefined) {
        forget();
        waiter.reject(stoppedNow);
      } else if (!this.#live.has(id)) {
        void this.#shared.storage.run(id).then(async (now) => {
          if (now?.state !== "closed") return;
          const closed = (await readJournal(this.#shared.storage, id)).records.at(-1);
          if (closed?.t === "closed" && closed.outcome !== undefined) {
            forget();
            waiter.resolve({ status: closed.status, outcome: closed.outcome });
          }
        }).catch(waiter.reject);
      }
    });
    return resultOf(id, status, outcome);
  }

  async #recordedResult(id: string): Promise<Json> {
    const { records } = await readJournal(this.#shared.storage, id);
    const last = records.at(-1);
    if (last?.t !== "closed" || last.outcome === undefined) {
      throw new UnknownRunError(`Run "${id}" has no recorded result`);
    }
    return resultOf(id, last.status, last.outcome);
  }

  async approvals(id: string): Promise<readonly PendingApproval[]> {
    const row = await this.#row(id);
    if (row.state === "closed") return [];
    return pendingApprovals((await readJournal(this.#shared.storage, id)).records);
  }

  async approve(id: string, key?: Key, answer: ApprovalAnswer = {}): Promise<void> {
    const row = await this.#row(id);
    const { records } = await readJournal(this.#shared.storage, id);
    await this.#post(approvalMessage(row, records, key, answer, this.#shared.host.now()));
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
    await this.#checkPost(message);
    await new Promise<void>((resolve, reject) => {
      this.#onFailure.add(reject);
      this.#shared.batcher.add([{ w: "post", message }], () => {
        this.#onFailure.delete(reject);
        this.#posted(message);
        resolve();
        void this.#deliver(message.run).catch((error) => this.#fail(error as Error));
      });
    });
  }

  /** What the storage would refuse is refused here: there it would stop the engine. */
  async #checkPost(message: Message): Promise<void> {
    const { id, run, payload } = message;
    const { storage } = this.#shared;
    const { maxRecordBytes, maxMessages } = storage.limits;
    if (payload.length * 3 > maxRecordBytes) {
      const bytes = new TextEncoder().encode(payload).length;
      if (bytes > maxRecordBytes) {
        throw new PayloadTooLargeError(
          `Cannot post message "${id}": its payload has ${bytes} bytes, the limit is ${maxRecordBytes}`,
        );
      }
    }
    const posting = this.#posting.get(run) ?? new Set();
    this.#posting.set(run, posting);
    posting.add(id);
    try {
      const waiting = await storage.inbox(run, maxMessages);
      this.#open();
      const others = new Set([...posting, ...waiting.map((m) => m.id)]);
      if (others.size > maxMessages && !waiting.some((m) => m.id === id)) {
        throw new StorageFailedError(
          `Cannot post message "${id}": ${waiting.length} messages wait for run "${run}", the limit is ${maxMessages}`,
        );
      }
    } catch (error) {
      this.#posted(message);
      throw error;
    }
  }

  #posted({ id, run }: Message): void {
    const posting = this.#posting.get(run);
    posting?.delete(id);
    if (posting?.size === 0) this.#posting.delete(run);
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

  #site(workflow: string, call: string): string | undefined {
    const id = `${workflow}\n${call}`;
    if (!this.#sites.has(id)) {
      // Names can be made of data: what is remembered of them is bounded.
      if (this.#sites.size >= 10_000) this.#sites.clear();
      this.#sites.set(id, callSite());
    }
    return this.#sites.get(id);
  }

  /** One timer for all attempts: those that have been running for a while are written ahead. */
  #watchSlow(): void {
    if (this.#slowTimer !== undefined) return;
    const { host, running } = this.#shared;
    this.#slowTimer = host.timer(host.now() + SLOW_MS, () => {
      this.#slowTimer = undefined;
      const before = host.now() - SLOW_MS;
      let younger = false;
      for (const attempt of running) {
        if (attempt.startedAt > before) {
          younger = true;
          break;
        }
        running.delete(attempt);
        attempt.driver.recordRunning(attempt);
      }
      if (younger) this.#watchSlow();
    });
  }

  #newId(): string {
    this.#ids++;
    // Sorts by time of creation: 12 digits of it, then randomness.
    return `${Math.floor(this.#shared.host.now()).toString(16).padStart(12, "0")}-${
      toHex(this.#shared.host.random(8))
    }`;
  }
}

/** Longest id of a run, in characters. */
const LONGEST_ID = 1024;

function checkRunId(id: string): void {
  const fits = id !== "" && id.length <= LONGEST_ID && id.isWellFormed() && !/\0/.test(id);
  if (fits && !id.startsWith("__windkit/")) return;
  throw new TypeError(
    `Cannot start a run: 'runId' must have 1 to ${LONGEST_ID} characters, no U+0000 and no lone surrogate, ` +
      `and not start with "__windkit/", found ${JSON.stringify(id.slice(0, 80))} of ${id.length} characters`,
  );
}

function positive(name: string, value: number, least: number): number {
  if (typeof value === "number" && value >= least) return value;
  throw new RangeError(`Cannot use '${name}': it must be a number of at least ${least}, found ${String(value)}`);
}

/** The header of a journal that this version can replay. */
function readable(id: string, records: readonly JournalRecord[]): RunHeader {
  const [first] = records;
  if (first?.t !== "opened") throw new SchemaTooNewError(`Cannot replay run "${id}": its journal has no header`);
  const { header } = first;
  const unknown = header.flags.filter((flag) => !KNOWN_FLAGS.has(flag));
  if (header.v !== 1 || header.codec !== CANONICAL_CODEC || unknown.length > 0) {
    throw new SchemaTooNewError(
      `Cannot replay run "${id}": it was written by version ${header.sdk} with journal version ${header.v}, codec ${header.codec}, ` +
        `flags [${
          header.flags.join(", ")
        }]; this is version ${SDK_VERSION}, which knows journal version 1, codec ${CANONICAL_CODEC}, ` +
        `flags [${[...KNOWN_FLAGS].join(", ")}]`,
    );
  }
  return header;
}

function resultOf(id: string, status: RunStatus, outcome: Outcome): Json {
  if (outcome.ok) return decode(outcome.value) as Json;
  const { failure } = outcome;
  if (status === "cancelled") throw new CancelledError(failure.message);
  if (failure.code === "DEADLINE_EXCEEDED") throw new DeadlineError(failure.message);
  throw new RunFailedError(id, failure.error, failure.stepKey === "" ? undefined : failure.stepKey);
}
