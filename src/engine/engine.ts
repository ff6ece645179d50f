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
  NotWaitingError,
  PayloadTooLargeError,
  RunExistsError,
  UnknownRunError,
  UnknownWorkflowError,
  ValidationError,
} from "../base/errors.ts";
import { SDK_VERSION } from "../base/version.ts";
import { processId } from "../platform/process_id.ts";
import { bodyOf } from "../workflow/definition.ts";
import { failureOf } from "../workflow/failure.ts";
import { CANONICAL_CODEC, FLAGS } from "../workflow/flags.ts";
import type { Encoded, Failure, JournalRecord, Json, Key, Outcome, RunHeader } from "../workflow/journal.ts";
import { chainCheck, encodeRecord } from "../workflow/record_text.ts";
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
import {
  answeredText,
  approvalMessage,
  cancelMessage,
  eventMessage,
  fateIn,
  messageProblem,
  pendingApprovals,
  refusedText,
} from "./answers.ts";
import type { Attempt } from "./attempt.ts";
import { createBatcher } from "./batcher.ts";
import { createCallSites } from "./call_site.ts";
import { mismatchError } from "../workflow/explain.ts";
import { allMessages, headerOf, type Link, linkId, linkOf, movedTo, newestOf } from "./chain.ts";
import { cancelChild, type ChildCall, childIdProblem, settleMessage, unsettledChildren } from "./children.ts";
import { type Bounds, boundsOf, positive } from "./engine_options.ts";
import { EngineLife } from "./engine_life.ts";
import { forkWrite } from "./fork.ts";
import { createLocalHost } from "./host.ts";
import type { JournalFile } from "./journal_file.ts";
import { type StoredRun, storeRun, type StoreRunOptions } from "./journal_store.ts";
import { createMessageBounds, type MessageBounds } from "./message_bounds.ts";
import { createPlaces } from "./places.ts";
import type { Message, RowChange, RunQuery, RunRow, Write } from "./ports.ts";
import { type ReadJournal, readJournal } from "./read_journal.ts";
import { Retention } from "./retention.ts";
import { createResultWaits, type Ended } from "./result_waits.ts";
import { RunDriver } from "./run_driver.ts";
import type { Created, Shared } from "./run_shared.ts";
import type { Fate } from "./run_messages.ts";
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
/** Runs that are not in memory whose place in a chain is remembered. */
const LINKS_KNOWN = 1000;
/** Earlier runs of a chain whose journals are looked into for an event that was sent twice. */
const LINKS_LOOKED_AT = 10;

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

/** Somebody who waits to hear what becomes of a message. */
interface Sender {
  readonly tell: (fate: Fate) => void;
  isStored: boolean;
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
  /** Ids of runs that other runs are about to create. */
  readonly #creating = new Set<string>();
  readonly #life: EngineLife;
  readonly #retention: Retention;
  /** Senders who wait to hear of their messages, by run. */
  readonly #senders = new Map<string, Map<string, Sender>>();
  readonly #links = new Map<string, Link>();
  /** Messages on their way to the run that goes on for the one they were left for. */
  readonly #forwarding = new Map<string, Promise<string | undefined>>();
  /** Answers to a run's approvals are given one at a time. */
  readonly #answering = new Map<string, Promise<void>>();
  readonly #queue: StartQueue;
  readonly #results = createResultWaits();
  readonly #bounded: MessageBounds;
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
    this.#queue = createStartQueue(bounds.maxQueuedRuns);
    this.#bounded = createMessageBounds(options.storage);
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
      told: (message, fate) => this.#tell(message, fate),
      deliver: (run) => this.#bring(run),
      childProblem: (call) => this.#childProblem(call),
      reserve: (id) => this.#reserve(id),
      release: (id) => void this.#creating.delete(id),
      create: (created) => this.#createWithin(created),
    };
    this.#slow = createSlowAttempts(host, this.#shared.running);
    this.#retention = new Retention(storage, host, this.#life);
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
          if (state !== "orphan" || Object.hasOwn(this.#options.workflows, row.workflow)) this.#queue.push(row.id);
        }
        after = page.at(-1)?.id;
        if (page.length < PAGE) break;
      }
    }
    this.#wakeAt = await storage.nextWake() ?? Infinity;
    this.#armWake();
    this.#watch = storage.watch((run) => {
      this.#bounded.forget(run);
      this.#bring(run);
    }, this.#life.fail);
    const { retentionMs } = this.#options;
    if (retentionMs !== undefined) this.#retention.begin(positive("retentionMs", retentionMs, 0));
    host.hop(() => this.#serve());
  }

  async start(workflow: string, args: Json = {}, options: StartOptions = {}): Promise<RunHandle> {
    this.#life.open();
    const { runId = this.#newId(), deadlineMs, signal } = options;
    checkRunId(runId);
    if (deadlineMs !== undefined) positive("deadlineMs", deadlineMs, 0);
    this.#checkWorkflow(workflow);
    checkArguments(workflow, bodyOf(this.#options.workflows[workflow] as (...args: never[]) => unknown), args);
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

  #checkWorkflow(workflow: string): void {
    if (Object.hasOwn(this.#options.workflows, workflow)) return;
    const known = Object.keys(this.#options.workflows);
    throw new UnknownWorkflowError(
      `Cannot start workflow "${workflow}": it is not registered. Registered: ${
        known.map((k) => `"${k}"`).join(", ") || "none"
      }`,
    );
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
    let header: RunHeader;
    let text: string;
    try {
      this.#life.open();
      this.#checkAlone(id);
      const deadlineAt = deadlineMs === undefined ? undefined : { deadlineAt: this.#shared.host.now() + deadlineMs };
      header = this.#newHeader({ workflow, args, id, ...deadlineAt });
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
    await this.#life.committed([{ w: "create", row, records: [{ seq: 0, text, check }] }], () => {
      if (driver === undefined) this.#queue.stored(id);
      this.#shared.emit?.({ event: "run_started", run: id, workflow });
      if (driver !== undefined) driver.begin([{ t: "opened", seq: 0, at: createdAt, header }]);
      else this.#serve();
    });
    return this.#handle(id);
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

  #newHeader({ workflow, args, id, ...more }: Created): RunHeader {
    const { host } = this.#shared;
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
      createdAt: host.now(),
      ...more,
    };
  }

  // --- Runs that runs begin ---

  #childProblem(call: ChildCall): Error | undefined {
    const { workflow, args } = call;
    const wrongId = childIdProblem(call);
    if (wrongId !== undefined) return wrongId;
    try {
      this.#checkWorkflow(workflow);
      const body = bodyOf(this.#options.workflows[workflow] as (...args: never[]) => unknown);
      checkArguments(workflow, body, decode(args) as Json);
    } catch (error) {
      return error as Error;
    }
    return undefined;
  }

  async #reserve(id: string): Promise<boolean> {
    if (this.#creating.has(id) || this.#live.has(id) || this.#starting.has(id)) return false;
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
    const { host, emit } = this.#shared;
    const header = this.#newHeader(created);
    const { id, workflow, createdAt, parent } = header;
    const text = encodeRecord({ t: "opened", header }, createdAt);
    this.#checkSize(text, id);
    const check = chainCheck("", text);
    // Its starter makes room for it by waiting: whoever cannot begin now begins then.
    const begin = host.context.concurrent && this.#active() < this.#bounds.maxActiveRuns && this.#queue.free;
    const row: RunRow = {
      id,
      workflow,
      state: begin ? "active" : "ready",
      createdAt,
      ...(parent === undefined ? undefined : { parent: parent.run }),
    };
    const driver = begin ? this.#driver(header, { records: [], nextSeq: 1, check }, row) : undefined;
    if (driver !== undefined) this.#live.set(id, driver);
    return {
      write: { w: "create", row, records: [{ seq: 0, text, check }] },
      stored: (): void => {
        this.#creating.delete(id);
        emit?.({ event: "run_started", run: id, workflow });
        if (driver !== undefined) return driver.begin([{ t: "opened", seq: 0, at: createdAt, header }]);
        this.#queue.push(id);
        this.#serve();
      },
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
    this.#tellAll(run.id);
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

  /** As `#deliver`, for whoever does not wait for it. */
  #bring(id: string): void {
    void this.#deliver(id).catch(this.#life.fail);
  }

  /**
   * A message was left for a run: bring it back if it waits for one. Gives the run, when it is in memory and has read the message.
   *
   * @param known the message, when it is known; else the inbox is read
   */
  async #deliver(id: string, known?: Message): Promise<RunDriver | undefined> {
    const { storage, batcher } = this.#shared;
    for (;;) {
      if (this.#life.isOver) return undefined;
      const live = this.#live.get(id) ?? await this.#loading.get(id);
      if (live !== undefined) {
        await live.checkInbox();
        // It may have been put aside while its messages were read.
        if (this.#live.get(id) === live) return live;
        continue;
      }
      const row = await storage.run(id);
      const ended = row === undefined || row.state === "closed";
      const messages = known === undefined || ended ? await allMessages(storage, id) : [known];
      if (messages.length === 0) return undefined;
      if (row === undefined) {
        await this.#clear(id);
        return undefined;
      }
      if (row.status === "continued") return await this.#forward(id);
      if (ended) {
        batcher.add(messages.map((m): Write => ({ w: "take", id: m.id })));
        return undefined;
      }
      const cancel = messages.find((m) => m.kind === "cancel");
      if (cancel !== undefined && (this.#stopped.has(id) || row.state === "orphan")) {
        await this.#cancelUnrunnable(row, cancel);
        return undefined;
      }
      const isWanted = messages.some(({ kind, name }) =>
        kind === "cancel" || kind === "settle" || row.waits?.includes(`${kind}:${name}`) === true
      );
      if (!isWanted || row.state !== "parked" || await this.#load(id) === undefined) return undefined;
    }
  }

  /** Removes messages for a run that is not stored (any more): their ids count for nothing, should another one begin under its id. */
  async #clear(id: string): Promise<void> {
    if (await this.#shared.storage.run(id) !== undefined) return;
    // What is being begun under this id is written before, and would be removed.
    if (this.#creating.has(id) || this.#starting.has(id) || this.#live.has(id)) return;
    this.#shared.batcher.add([{ w: "drop", run: id }]);
  }

  /** Moves messages along that were left for a run which went on as another one. */
  async #forward(id: string): Promise<RunDriver | undefined> {
    // One at a time: what was moved already must not be taken away from where it is now.
    const before = this.#forwarding.get(id);
    const moved = (async (): Promise<string | undefined> => {
      await before?.catch(() => undefined); // its own caller hears of it
      return await this.#moveAlong(id);
    })();
    this.#forwarding.set(id, moved);
    try {
      const next = await moved;
      return next === undefined ? undefined : await this.#deliver(next);
    } finally {
      if (this.#forwarding.get(id) === moved) this.#forwarding.delete(id);
    }
  }

  /** The run that has the messages now; undefined when none was moved. */
  async #moveAlong(id: string): Promise<string | undefined> {
    const { storage, emit } = this.#shared;
    const next = (await newestOf(storage, id))?.id;
    const messages = await allMessages(storage, id);
    if (next === undefined || messages.length === 0) return undefined;
    if (next === id) {
      // Whoever went on for it was removed.
      await this.#life.committed(messages.map((m): Write => ({ w: "take", id: m.id })));
      return undefined;
    }
    const writes = movedTo(next, messages);
    const waiting = (await allMessages(storage, next)).length;
    if (waiting + messages.length > storage.limits.maxMessages) {
      emit?.({
        event: "warning",
        run: next,
        message:
          `${messages.length} messages stay with run "${id}": ${waiting} wait for run "${next}", which goes on for it`,
      });
      return undefined;
    }
    await this.#life.committed(writes);
    return next;
  }

  /** Ends a run whose code cannot be run here: it is unknown, or it no longer fits the journal. */
  async #cancelUnrunnable(row: RunRow, message: Message): Promise<void> {
    const { id } = row;
    const { batcher, host, storage } = this.#shared;
    const { records: journal, nextSeq, check } = await readJournal(storage, id);
    const { reason = "Cancelled" } = decode(message.payload) as { readonly reason?: string };
    const outcome: Outcome = { ok: false, failure: failureOf(new CancelledError(reason), "") };
    const text = encodeRecord({ t: "closed", status: "cancelled", outcome }, host.now());
    const change: RowChange = { state: "closed", status: "cancelled", closedAt: host.now(), wakeAt: null, waits: null };
    const records = [{ seq: nextSeq, text, check: chainCheck(check, text) }];
    const writes: Write[] = [{ w: "append", run: id, records, row: change }, { w: "take", id: message.id }];
    const tell = new Set<string>();
    const [first] = journal;
    if (first?.t === "opened" && first.header.parent !== undefined) {
      const { parent } = first.header;
      const child = linkOf(first.header).first;
      writes.push({
        w: "post",
        message: settleMessage(parent, child, outcome, host.now(), storage.limits.maxRecordBytes),
      });
      tell.add(parent.run);
    }
    for (const { runId } of unsettledChildren(journal).values()) {
      writes.push({ w: "post", message: cancelChild(id, runId, reason, host.now()) });
      tell.add(runId);
    }
    batcher.add(writes, () => {
      this.#stopped.delete(id);
      this.#notifyClosed(id, { status: "cancelled", outcome });
      for (const run of tell) this.#bring(run);
    });
  }

  // --- Ends ---

  #onClosed(run: RunDriver, ended: Ended): void {
    const { id } = run;
    this.#parked.delete(run);
    this.#live.delete(id);
    if (!this.#shared.host.context.concurrent) this.#shared.host.context.clear();
    this.#notifyClosed(id, ended);
    this.#tellAll(id);
    this.#serve();
  }

  #notifyClosed(id: string, ended: Ended): void {
    const { status, outcome, next } = ended;
    const failure = outcome === undefined || outcome.ok ? undefined : { failure: outcome.failure };
    const goesOn = next === undefined ? undefined : { next };
    this.#shared.emit?.({ event: "run_closed", run: id, status, ...failure, ...goesOn });
    this.#results.resolve(id, ended);
  }

  #onStopped(run: RunDriver, failure: Failure | Error): void {
    this.#parked.delete(run);
    this.#live.delete(run.id);
    const error = failure instanceof Error ? failure : mismatchError(run.id, failure);
    run.leave(error);
    if (!this.#shared.host.context.concurrent) this.#shared.host.context.clear();
    this.#stopRun(run.id, error);
    this.#tellAll(run.id);
    this.#serve();
  }

  /** The run does not go on in this engine. Its journal stands as it is. */
  #stopRun(id: string, error: Error): void {
    this.#stopped.set(id, error);
    this.#shared.emit?.({ event: "run_stopped", run: id, error });
    this.#results.reject(id, error);
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
    this.#results.rejectAll(error);
    for (const id of [...this.#senders.keys()]) this.#tellAll(id);
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
      result: (options = {}) => this.#result(id, options.signal),
      row: () => this.#row(id),
      cancel: (reason) => this.cancel(id, reason),
      signal: (event: string | TypedEvent<unknown>, payload?: unknown, options?: SignalOptions) =>
        this.#signal(id, event, payload, options),
      progress: () => this.progress(id),
    };
  }

  async #result(first: string, signal: AbortSignal | undefined): Promise<Json> {
    for (let id = first;;) {
      const { status, outcome, next } = await this.#end(id, signal);
      if (next !== undefined) id = await this.#follow(id, next);
      else if (outcome !== undefined) return resultOf(id, status, outcome);
      else throw new UnknownRunError(`Run "${id}" has no recorded result`);
    }
  }

  /** The run that goes on for another one, or the newest of the chain when that one was removed already. */
  async #follow(id: string, next: string): Promise<string> {
    const { storage } = this.#shared;
    if (this.#live.has(next)) return next;
    for (const known of [next, id, next.slice(0, next.lastIndexOf("~"))]) {
      const newest = await newestOf(storage, known);
      if (newest !== undefined && newest.id !== id) return newest.id;
    }
    throw new UnknownRunError(`Run "${next}", which went on for run "${id}", is not stored`);
  }

  async #end(id: string, signal: AbortSignal | undefined): Promise<Ended> {
    signal?.throwIfAborted();
    this.#life.open();
    // A run in memory is stored and has not ended: there is nothing to read.
    if (!this.#live.has(id)) {
      const row = await this.#row(id);
      const stopped = this.#stopped.get(id);
      if (stopped !== undefined) throw stopped;
      if (row.state === "closed") {
        const ended = await this.#recordedEnd(id);
        if (ended === undefined) throw new UnknownRunError(`Run "${id}" has no recorded result`);
        return ended;
      }
    }
    return await this.#results.wait(id, signal, async () => {
      // It may have stopped or ended while its row was read.
      const stopped = this.#stopped.get(id);
      if (stopped !== undefined) throw stopped;
      if (this.#live.has(id) || (await this.#shared.storage.run(id))?.state !== "closed") return undefined;
      return await this.#recordedEnd(id);
    });
  }

  async #recordedEnd(id: string): Promise<Ended | undefined> {
    const last = (await readJournal(this.#shared.storage, id)).records.at(-1);
    return last?.t === "closed" ? { status: last.status, outcome: last.outcome, next: last.next } : undefined;
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
    const { id: run } = await this.#newest(id);
    const before = this.#answering.get(run);
    const answered = (async (): Promise<void> => {
      await before?.catch(() => undefined); // its own caller hears of it
      await this.#approve(run, key, answer);
    })();
    this.#answering.set(run, answered);
    try {
      await answered;
    } finally {
      if (this.#answering.get(run) === answered) this.#answering.delete(run);
    }
  }

  async #approve(id: string, key: Key | undefined, answer: ApprovalAnswer): Promise<void> {
    const { storage, batcher, host } = this.#shared;
    const row = await this.#row(id);
    const { records } = await readJournal(storage, id);
    const message = approvalMessage(row, records, key, answer, this.#newId(), host.now());
    const { name } = message;
    // Whoever came first has answered, also when the run has not asked yet.
    const first = (await allMessages(storage, id)).find((m) => m.kind === "approval" && m.name === name);
    if (first !== undefined) {
      if (first.payload === message.payload) return;
      throw new Error(answeredText(id, name));
    }
    let fate = await this.#send(message);
    if (fate.fate === "kept") fate = fateIn((await readJournal(storage, id)).records, message);
    if (fate.fate === "refused") throw new ValidationError(refusedText(id, message, fate.key, fate.reason), []);
    if (fate.fate !== "late") return;
    batcher.add([{ w: "take", id: message.id }]);
    throw new Error(answeredText(id, name));
  }

  async signal(
    id: string,
    event: string | TypedEvent<unknown>,
    payload?: unknown,
    options?: SignalOptions,
  ): Promise<void> {
    await this.#signal(id, event, payload, options);
  }

  async #signal(
    id: string,
    event: string | TypedEvent<unknown>,
    payload: unknown = null,
    options: SignalOptions = {},
  ): Promise<void> {
    const { name } = typeof event === "object" && event !== null ? event : { name: event };
    if (typeof name !== "string" || name === "") {
      throw new TypeError(`Cannot send an event to run "${id}": its name must be text and not empty`);
    }
    const { host } = this.#shared;
    const row = await this.#newest(id);
    const nonce = options.id ?? this.#newId();
    const { first, n } = await this.#linkOf(row);
    const messageId = `event:${first}:${nonce}`;
    const hasEnded = row.state === "closed";
    if (options.id !== undefined && await this.#hasTaken(messageId, first, hasEnded ? n : n - 1)) return;
    if (hasEnded) {
      throw new NotWaitingError(`Cannot send event "${name}" to run "${row.id}": it has ended (${row.status})`);
    }
    const message = eventMessage(row.id, name, payload, messageId, host.now());
    const fate = await this.#send(message);
    if (fate.fate === "refused") throw new ValidationError(refusedText(row.id, message, fate.key, fate.reason), []);
  }

  /** Where a run stands in its chain: that is in its header, which most events are sent without reading. */
  async #linkOf(row: RunRow): Promise<Link> {
    const live = this.#live.get(row.id);
    if (live !== undefined) return linkOf(live.header);
    const known = this.#links.get(row.id);
    if (known !== undefined) return known;
    const link = linkOf(await headerOf(this.#shared.storage, row.id) ?? row);
    if (this.#links.size >= LINKS_KNOWN) this.#links.clear();
    this.#links.set(row.id, link);
    return link;
  }

  /** True when a run of a chain, up to the given one, has taken the message: under its id it could be left for the next one again. */
  async #hasTaken(messageId: string, first: string, last: number): Promise<boolean> {
    const { storage } = this.#shared;
    for (let earlier = last; earlier >= Math.max(0, last - LINKS_LOOKED_AT + 1); earlier--) {
      const id = linkId({ first, n: earlier });
      if (await storage.run(id) === undefined) return false;
      const { records } = await readJournal(storage, id);
      if (records.some((r) => (r.t === "settled" || r.t === "refused") && r.inbox === messageId)) return true;
    }
    return false;
  }

  /** Leaves a message, and waits until it is known whether the run takes it now. */
  async #send(message: Message): Promise<Fate> {
    const { id, run } = message;
    const senders = this.#senders.get(run) ?? new Map<string, Sender>();
    this.#senders.set(run, senders);
    try {
      return await new Promise<Fate>((resolve, reject) => {
        const sender: Sender = { tell: resolve, isStored: false };
        senders.set(id, sender);
        const kept = (): void => resolve({ fate: "kept" });
        this.#commitPost(message).then(() => {
          sender.isStored = true;
          return this.#deliver(run, message);
        }).then((driver) => driver === undefined ? kept() : driver.whenConsidered(id, kept)).catch(reject);
      });
    } finally {
      senders.delete(id);
      if (senders.size === 0 && this.#senders.get(run) === senders) this.#senders.delete(run);
    }
  }

  #tell(message: string, fate: Fate): void {
    for (const senders of this.#senders.values()) senders.get(message)?.tell(fate);
  }

  /** Whoever waits to hear of a message to this run: it has left memory, and takes the message later, if at all. */
  #tellAll(run: string): void {
    for (const { tell, isStored } of this.#senders.get(run)?.values() ?? []) if (isStored) tell({ fate: "kept" });
  }

  async cancel(id: string, reason = "Cancelled"): Promise<void> {
    const row = await this.#newest(id);
    if (row.state === "closed") return;
    await this.#post(cancelMessage(row.id, reason, this.#newId(), this.#shared.host.now()));
  }

  async fork(runId: string, options: ForkOptions): Promise<RunHandle> {
    const { from, runId: id = this.#newId(), args } = options;
    await this.#row(runId);
    checkRunId(id);
    const { storage, host, emit } = this.#shared;
    if (!await this.#reserve(id)) {
      throw new RunExistsError(`Cannot fork run "${runId}" as "${id}": a run of that id exists`, []);
    }
    try {
      const { records } = await readJournal(storage, runId);
      const header = readableHeader(runId, records);
      this.#checkWorkflow(header.workflow);
      let encoded: Encoded | undefined;
      if (args !== undefined) {
        checkArguments(
          header.workflow,
          bodyOf(this.#options.workflows[header.workflow] as (...args: never[]) => unknown),
          args,
        );
        encoded = encode(args);
      }
      const write = forkWrite({ records, from, id, args: encoded, now: host.now() });
      if (write.w === "create") { for (const { text } of write.records.slice(0, 1)) this.#checkSize(text, id); }
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
      const { records, nextSeq, check } = await readJournal(storage, runId);
      const last = records.at(-1);
      const failure = last?.t === "closed" && last.outcome?.ok === false ? last.outcome.failure : undefined;
      if (row.state !== "closed" || row.status !== "failed" || failure?.error.name !== "CompensationError") {
        const found = row.state === "closed" ? `it has ended (${row.status})` : `it has not ended (${row.state})`;
        throw new Error(`Cannot go on with the undos of run "${runId}": no undo of it has failed, ${found}`);
      }
      this.#checkWorkflow(row.workflow);
      const text = encodeRecord({ t: "reopened", after: 0 }, host.now());
      const appended = [{ seq: nextSeq, text, check: chainCheck(check, text) }];
      const change: RowChange = { state: "active", status: null, closedAt: null };
      await this.#life.committed([{ w: "append", run: runId, records: appended, row: change }]);
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
    await this.#post({ ...message, at: this.#shared.host.now() });
  }

  async #post(message: Message): Promise<void> {
    await this.#commitPost(message);
    void this.#deliver(message.run, message).catch(this.#life.fail);
  }

  async #commitPost(message: Message): Promise<void> {
    this.#retention.spare(message.run);
    await this.#bounded.check(message);
    try {
      this.#life.open();
      await this.#life.committed([{ w: "post", message }]);
    } finally {
      this.#bounded.done(message);
    }
  }

  async prune(olderThanMs: number): Promise<number> {
    this.#life.open();
    return await this.#retention.prune(positive("olderThanMs", olderThanMs, 0));
  }

  // --- Small things ---

  #newId(): string {
    // Sorts by time of creation: 12 digits of it, then randomness.
    return `${Math.floor(this.#shared.host.now()).toString(16).padStart(12, "0")}-${
      toHex(this.#shared.host.random(8))
    }`;
  }
}
