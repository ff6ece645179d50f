/**
 * Drives one run: turns what its body asks for into attempts, timers and waits, writes what came of them, and hands it over
 * once it is durable.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import {
  CancelledError,
  DeadlineError,
  EngineClosedError,
  PayloadTooLargeError,
  RunExistsError,
} from "../base/errors.ts";
import { failureOf, shortened } from "../workflow/failure.ts";
import { formProblem } from "../workflow/form_check.ts";
import type {
  AbandonReason,
  Call,
  ChangeModes,
  Command,
  Encoded,
  Failure,
  JournalRecord,
  Json,
  Key,
  Outcome,
  RecordBody,
  RunHeader,
  RunStatus,
} from "../workflow/journal.ts";
import { chainCheck, encodeRecord } from "../workflow/record_text.ts";
import { createSession, type DrivenSession, type SessionPorts } from "../workflow/session.ts";
import type { Alarm, AlarmClock } from "./alarm_clock.ts";
import { type Attempt, AttemptInfo, noExecutor } from "./attempt.ts";
import { messageProblem } from "./answers.ts";
import type { EngineEvent, WorkflowFunction } from "./api.ts";
import type { Batcher } from "./batcher.ts";
import { changeNotice, lateCallNotice, nonConfluentNotice } from "../workflow/explain.ts";
import { allMessages, linkId, linkOf, movedTo, nextLink } from "./chain.ts";
import { cancelChild, type ChildCall, childOrigin, settleMessage } from "./children.ts";
import { findSite } from "./find_site.ts";
import type { Places } from "./places.ts";
import type { Executor, Host, Message, RowChange, RunState, Storage, StoredRecord, Write } from "./ports.ts";
import type { ReadJournal } from "./read_journal.ts";
import { type Fate, RunMessages } from "./run_messages.ts";
import { sessionFactoryOf } from "./session_factory.ts";

/** What all runs of an engine share. */
export interface Shared {
  readonly host: Host;
  readonly storage: Storage;
  readonly batcher: Batcher;
  readonly alarms: AlarmClock;
  readonly places: Places;
  readonly executor: Executor | undefined;
  /** Engine name and process id: who runs an attempt. */
  readonly by: string;
  readonly cancelGraceMs: number;
  readonly alwaysReplay: boolean;
  readonly changes: ChangeModes | undefined;
  /** Attempts that run now, in the order of their start. */
  readonly running: Set<Attempt>;
  readonly emit: ((event: EngineEvent) => void) | undefined;
  site(workflow: string, name: string): string | undefined;
  /** False: where calls are made is not looked for. */
  readonly sites: boolean;
  watchSlow(): void;
  /** The journal as it is stored now. */
  read(run: string): Promise<ReadJournal>;
  parked(run: RunDriver): void;
  unparked(run: RunDriver): void;
  closed(run: RunDriver, status: RunStatus, outcome: Outcome | undefined, next?: string): void;
  /** The run cannot go on here, but its journal stands. */
  stopped(run: RunDriver, failure: Failure | Error): void;
  /** What became of a message. */
  told(message: string, fate: Fate): void;
  /** A message was committed for a run: bring it there. */
  deliver(run: string): void;
  /** Why a run of this workflow cannot be started by another one; undefined when it can. */
  childProblem(call: ChildCall): Error | undefined;
  /** Keeps an id for a run that is about to be created. False when it is taken. */
  reserve(id: string): Promise<boolean>;
  /** Gives a reserved id back. */
  release(id: string): void;
  /** A run under a reserved id: `write` goes into a commit, and `stored` is called once that is made. Throws what is wrong with it. */
  create(created: Created): { readonly write: Write; stored(): void };
}

/** A run that another one begins. */
export interface Created
  extends Pick<RunHeader, "id" | "workflow" | "args" | "parent" | "root" | "chain" | "deadlineAt"> {}

/** A call that waits for a time or for a message. */
interface Wait {
  readonly call: Call;
  readonly dueAt: number | undefined;
  readonly startedAt: number;
  readonly alarm: Alarm | undefined;
}

/** An event that a wait took. */
interface Taken {
  readonly name: string;
  readonly inbox: string;
  readonly value: Encoded;
}

type AbandonCommand = Extract<Command, { readonly c: "abandon" }>;
type CallCommand = Extract<Command, { readonly c: "call" }>;
type Called = Extract<JournalRecord, { readonly t: "called" }>;
type SettledBody = Extract<RecordBody, { readonly t: "settled" }>;
type Settled = { -readonly [K in keyof SettledBody]: SettledBody[K] };

const RESOLVED = Promise.resolve();
/** What a wait gives when its time is over. */
const OVERDUE: Readonly<Record<string, Encoded>> = {
  sleep: "true",
  approval: encode({ value: null, approver: null, approved: false }),
  event: encode({ payload: null, timedOut: true }),
};
/** A body may do I/O of its own between two recorded calls for this long before a replay is given up, in milliseconds. */
const REPLAY_PATIENCE_MS = 30_000;
/** Children that a parked run's row names: the row is written anew whenever one of them ends. */
const CHILDREN_SHOWN = 100;

/** One run in memory. */
export class RunDriver {
  readonly header: RunHeader;
  readonly #shared: Shared;
  readonly #body: WorkflowFunction;
  readonly #attempts = new Map<Key, Attempt>();
  readonly #waits = new Map<Key, Wait>();
  /** Calls that have a `called` record and have not settled. */
  readonly #called = new Map<Key, Called | undefined>();
  /** Messages that were refused, until that is recorded. */
  readonly #refusing = new Set<string>();
  #session: DrivenSession;
  #nextSeq: number;
  #check: string;
  #stored: RunState;
  #storedWake: string | undefined;
  #closed = false;
  /** It is no run of this engine any more. */
  #left = false;
  /** It goes on as another run, which gets what is left for it. */
  #continuing = false;
  #driving = false;
  #deferred: (() => void)[] = [];
  #patience: Alarm | undefined;
  #grace: Alarm | undefined;
  #deadline: Alarm | undefined;
  #cancelling = false;
  /** The session has not heard of the cancel: it is being recorded. */
  #cancelUntold = false;
  /** The body has ended before its session heard of the cancel. */
  #endedEarly = false;
  /** Looks into the inbox that are under way: a run is not put aside meanwhile. */
  #looking = 0;
  /** The engine counts this run among the parked ones in memory. */
  #aside = false;
  /** Made when something waits for a message, or one comes: most runs have none. */
  #lazyMessages: RunMessages | undefined;
  /** The inbox was read once. */
  #looked = false;
  /** First attempts of the undos that this run has asked for. */
  readonly #undos = new Set<Key>();
  /** Events that are recorded as taken, and may not be handed over: whatever waited for them may be given up first. */
  readonly #taken = new Map<Key, Taken>();
  /** What the body said last of how far it is. */
  #progress: Json | undefined;

  constructor(shared: Shared, body: WorkflowFunction, header: RunHeader, journal: ReadJournal, stored: RunState) {
    this.#shared = shared;
    this.#body = body;
    this.header = header;
    this.#nextSeq = journal.nextSeq;
    this.#check = journal.check;
    this.#stored = stored;
    this.#session = this.#createSession();
  }

  get id(): string {
    return this.header.id;
  }

  get state(): RunState {
    return this.#stored;
  }

  /** Earliest time at which this run has something to do of itself. */
  get wakeAt(): number | undefined {
    let at = this.header.deadlineAt ?? Infinity;
    for (const wait of this.#waits.values()) at = Math.min(at, wait.dueAt ?? Infinity);
    return at === Infinity ? undefined : at;
  }

  /** What the body said last of how far it is. */
  get progress(): Json | undefined {
    return this.#progress;
  }

  /** Calls back when it is known of a message that was read whether the run takes it; `kept`: nothing waits for it. */
  whenConsidered(message: string, kept: () => void): void {
    if (this.#closed) kept();
    else this.#whenLive(() => this.#messages.isChecking(message) || this.#refusing.has(message) || kept());
  }

  /** Starts or replays the body. */
  begin(records: readonly JournalRecord[]): void {
    if (this.#closed) return; // the engine was closed while the run was being stored
    let grace: Extract<JournalRecord, { readonly t: "cancelling" }> | undefined;
    for (const record of records) {
      if ((record.t === "called" || record.t === "settled") && record.fp?.kind === "undo") this.#undos.add(record.key);
      if (record.t === "called") this.#called.set(record.key, record);
      else if (record.t === "settled" || record.t === "abandoned") this.#noteEnd(record);
      else if (record.t === "marker" && record.name === "progress") this.#progress = record.value;
      else if (record.t === "cancelling") {
        if (!this.#cancelling) grace = record;
        this.#forgetCalled();
      } else if (record.t === "dropped" || record.t === "closed") {
        this.#cancelling ||= grace !== undefined;
        grace = undefined;
      }
    }
    if (grace !== undefined) this.#startGrace(grace.graceUntil, grace.reason, grace.deadline === true);
    const { deadlineAt } = this.header;
    if (deadlineAt !== undefined && this.#deadline === undefined && !this.#cancelling) {
      this.#deadline = this.#shared.alarms.set(deadlineAt, () => this.#whenLive(() => this.#overdue()));
    }
    if (records.length > 1) {
      const session = this.#session;
      this.#patience = this.#shared.alarms.set(this.#shared.host.now() + REPLAY_PATIENCE_MS, () => session.giveUp());
    }
    this.#session.begin(this.header, records);
  }

  #noteEnd(record: Extract<JournalRecord, { readonly t: "settled" | "abandoned" }>): void {
    const { key } = record;
    const call = this.#called.get(key)?.call;
    this.#called.delete(key);
    if (record.t === "abandoned") this.#taken.delete(key);
    else if (call?.kind === "event" && record.inbox !== undefined && record.outcome.ok) {
      this.#taken.set(key, { name: call.name, inbox: record.inbox, value: record.outcome.value });
    }
  }

  get #messages(): RunMessages {
    return this.#lazyMessages ??= new RunMessages(this.#shared.storage, this.id, {
      whenLive: (then) => this.#whenLive(then),
      waitOf: (key) => this.#closed || this.#cancelling ? undefined : this.#waits.get(key),
      check: (key, value) => this.#problem(key, value),
      answer: (key, message, late) => this.#answer(key, message, late),
      refuse: (key, message, reason) => this.#refuse(key, message, reason),
      settle: (message) => this.#settleBy(message),
      busy: (by) => this.#busy(by),
    });
  }

  /** What is wrong with an answer: the body's schema says, or a form of plain JSON schema. */
  async #problem(key: Key, value: Json): Promise<string | undefined> {
    const call = this.#waits.get(key)?.call;
    const isPlain = call?.kind === "approval" && call.typed !== true;
    return await this.#session.check(key, value) ?? (isPlain ? formProblem(call.form, value) : undefined);
  }

  /** Leaves memory. What is recorded stands; attempts that run are aborted and their outcomes dropped. */
  leave(reason: Error): void {
    this.#closed = true;
    this.#left = true;
    // What goes on without this process is left alone: it is found again by its handle.
    this.#dropAttempts(reason, false);
    this.#clearAlarms();
    this.#session.take();
    this.#session.leave?.();
  }

  /** Looks into the inbox and takes what the run waits for. */
  async checkInbox(): Promise<void> {
    this.#looked = true;
    this.#busy(1);
    try {
      await this.#messages.read((messages) => this.#whenLive(() => this.#receive(messages)));
    } finally {
      this.#busy(-1);
      if (this.#waits.size > 0) this.#shared.batcher.beforeCommit(() => this.#maybePark());
    }
  }

  /** Something is under way that memory alone knows of: the run must not leave it. */
  get isBusy(): boolean {
    return this.#looking > 0;
  }

  #busy(by: 1 | -1): void {
    this.#looking += by;
    // It may leave now.
    if (this.#looking === 0 && this.#aside && !this.#closed) this.#shared.parked(this);
  }

  /** Writes ahead that this attempt runs: it has been running for a while. */
  recordRunning(attempt: Attempt): void {
    const { key, command } = attempt;
    if (this.#refuses(command.call) || this.#attempts.get(key) !== attempt || this.#session.replaying) return;
    this.#called.set(key, undefined);
    this.#append([{ t: "called", key, call: command.call, fp: command.fp, by: this.#shared.by }], this.#unparkedRow());
  }

  // --- Commands ---

  #createSession(): DrivenSession {
    const { host, site, emit, changes } = this.#shared;
    const ports: SessionPorts = {
      body: this.#body as (...args: never[]) => unknown,
      can: host.can,
      hostName: host.name === "engine" ? "the embedded engine" : host.name,
      now: host.now,
      ...(changes === undefined ? undefined : { changes }),
      hop: host.hop,
      enter: (current, info, fn) =>
        host.context.run(info === undefined ? { session: current } : { session: current, info }, fn),
      wake: () => this.#wake(session),
      site: (name) => site(this.header.workflow, name),
      late: () => emit?.({ event: "warning", run: this.id, message: lateCallNotice(this.id) }),
    };
    const session: DrivenSession = sessionFactoryOf(this.#body)?.(this.header, ports) ?? createSession(ports);
    return session;
  }

  #wake(session: DrivenSession): void {
    if (this.#driving || this.#closed || session !== this.#session) return;
    this.#driving = true;
    // Half the price of `queueMicrotask` in Node, which makes an asynchronous resource for each.
    void RESOLVED.then(() => {
      this.#driving = false;
      if (session === this.#session) this.#drive();
    });
  }

  #drive(): void {
    if (this.#closed) return;
    const session = this.#session;
    const commands = session.take();
    if (!session.replaying) {
      this.#shared.alarms.cancel(this.#patience);
      this.#patience = undefined;
    }
    let ready: CallCommand[] = [];
    const hurried: AbandonCommand[] = [];
    for (const [i, command] of commands.entries()) {
      if (this.#closed) return;
      switch (command.c) {
        case "call": {
          const { call, key } = command;
          if (call.kind === "undo") this.#undos.add(key);
          // The session hears of the cancel with the next commit and refuses this call then.
          if (this.#refuses(call) || this.#tooLarge(command)) break;
          if (startable(call)) ready.push(command);
          else if (call.kind === "child") this.#startChild(command, call);
          else this.#wait(command);
          break;
        }
        case "abandon":
          // It may have been asked for in the same turn; what can be taken back may have begun in an earlier process.
          if (ready.some(({ key, call }) => key === command.key && "undoable" in call)) {
            hurried.push(command);
            break;
          }
          if (ready.length > 0) ready = ready.filter(({ key }) => key !== command.key);
          this.#abandon(command.key, command.why, callsBefore(commands, i) ?? session.calls);
          break;
        case "marker":
          // Before what comes after it: nothing that follows is durable without it.
          this.#mark(command);
          break;
        case "log": {
          const { level, message, data } = command;
          const more = data === undefined ? undefined : { data };
          this.#shared.emit?.({ event: "log", run: this.id, level, message, ...more, at: this.#shared.host.now() });
          break;
        }
        case "notice":
          this.#shared.emit?.({
            event: "warning",
            run: this.id,
            message: command.notice === "non-confluent"
              ? nonConfluentNotice(command.key, command.name)
              : changeNotice(command.notice, command.key, command.recorded, command.asked),
          });
          break;
        case "close":
          if (this.#cancelUntold) this.#endedEarly = true;
          else this.#close(command);
          break;
      }
    }
    if (ready.length > 0) {
      // A parked run is not looked at after a crash before its time: what runs now must not be forgotten.
      if (this.#stored === "parked") {
        this.#append([], this.#unparkedRow(), () => this.#startAll(ready, hurried, session));
      } else this.#startAll(ready, hurried, session);
    }
    if (!session.replaying) {
      const deferred = this.#deferred;
      this.#deferred = [];
      for (const then of deferred) then();
    }
    if (this.#taken.size > 0 && !session.replaying) {
      for (const key of this.#taken.keys()) if (session.isPending?.(key) === false) this.#taken.delete(key);
    }
    if (this.#waits.size > 0) this.#shared.batcher.beforeCommit(() => this.#maybePark());
  }

  #mark({ name, after, value }: Extract<Command, { readonly c: "marker" }>): void {
    if (name !== "progress") return this.#append([{ t: "marker", name, after, value }]);
    this.#progress = value;
    this.#append([{ t: "marker", name, after, value }], undefined, () => {
      const { emit, host } = this.#shared;
      emit?.({ event: "progress", run: this.id, value, at: host.now() });
    });
  }

  /** After the record of a cancel nothing begins and nothing counts but what takes back what was done. */
  #refuses(call: Call): boolean {
    return this.#closed || (this.#cancelling && !this.#takesBack(call));
  }

  /** True for an undo, what it waits for between its attempts, and what has one: its outcome decides whether the undo runs. */
  #takesBack(call: Call): boolean {
    if (call.kind === "undo" || "undoable" in call) return true;
    return call.kind === "sleep" && call.backoffOf !== undefined && this.#undos.has(call.backoffOf);
  }

  #forgetCalled(): void {
    for (const [key, record] of this.#called) {
      const call = record?.call ?? this.#attempts.get(key)?.call ?? this.#waits.get(key)?.call;
      if (call === undefined || !this.#takesBack(call)) this.#called.delete(key);
    }
  }

  #whenLive(then: () => void): void {
    if (this.#closed) return;
    if (this.#session.replaying) this.#deferred.push(then);
    else then();
  }

  // --- Attempts ---

  #startAll(commands: readonly CallCommand[], hurried: readonly AbandonCommand[], session: DrivenSession): void {
    for (const command of commands) {
      if (this.#closed) break;
      if (this.#attempts.has(command.key)) continue; // goes on from before a replay
      this.#startAttempt(command);
    }
    for (const { key, why } of hurried) this.#abandon(key, why, session.calls);
  }

  #startAttempt(command: CallCommand): void {
    const { key, call } = command;
    if (!startable(call)) return;
    const attempt: Attempt = {
      driver: this,
      key,
      call,
      command,
      startedAt: 0,
      controller: undefined,
      timeout: undefined,
      leave: nothing,
      holdsPlace: false,
      ref: this.#called.get(key)?.ref,
    };
    this.#attempts.set(key, attempt);
    const { ref } = attempt;
    if (ref !== undefined) return void this.#reattach(attempt, ref);
    this.#queueAttempt(attempt);
  }

  /** Finds work again that went on without a driver: what it left, else what the executor knows of it. */
  async #reattach(attempt: Attempt, ref: string): Promise<void> {
    const { key, call } = attempt;
    const { executor, alarms, host } = this.#shared;
    const current = (): boolean => !this.#closed && this.#attempts.get(key) === attempt;
    attempt.startedAt = this.#called.get(key)?.at ?? host.now();
    try {
      await this.checkInbox();
      if (!current()) return;
      this.#messages.expect(key, call);
      if (!current()) return;
      const found = executor?.reattach === undefined ? "lost" : await executor.reattach(ref);
      if (!current()) return;
      if (found === "lost") {
        attempt.ref = undefined;
        return this.#queueAttempt(attempt);
      }
      if (found !== "running") return this.#finished(attempt, found);
    } catch (error) {
      return this.#finished(attempt, { ok: false, failure: failureOf(error, key) });
    }
    const timeoutS = call.kind === "task" && executor?.timesItself !== true ? call.options.timeoutS : undefined;
    if (timeoutS === undefined) return;
    attempt.timeout = alarms.set(
      attempt.startedAt + timeoutS * 1000,
      () => this.#whenLive(() => this.#timedOut(attempt, timeoutS)),
    );
  }

  #queueAttempt(attempt: Attempt): void {
    attempt.leave = this.#shared.places.take(() => {
      attempt.holdsPlace = true;
      // With `replay: "always"` the session may be under way to the call when its place comes.
      if (this.#session.replaying) this.#deferred.push(() => this.#run(attempt));
      else this.#run(attempt);
    });
  }

  #run(attempt: Attempt): void {
    const { key, call, command } = attempt;
    if (this.#closed || this.#attempts.get(key) !== attempt) return this.#freePlace(attempt);
    const { host, emit, executor, running, alarms } = this.#shared;
    attempt.startedAt = host.now();
    running.add(attempt);
    this.#shared.watchSlow();
    emit?.({
      event: "call_started",
      run: this.id,
      key,
      kind: call.kind,
      name: call.kind === "undo" ? command.fp.name : call.name,
      attempt: call.attempt,
      at: attempt.startedAt,
    });
    const timeoutS = call.kind === "task" && executor?.timesItself !== true ? call.options.timeoutS : undefined;
    if (timeoutS !== undefined) {
      attempt.timeout = alarms.set(
        attempt.startedAt + timeoutS * 1000,
        () => this.#whenLive(() => this.#timedOut(attempt, timeoutS)),
      );
    }
    const info = new AttemptInfo(this.id, attempt);
    const session = this.#session;
    const inline = call.kind !== "task" || call.via === "inline";
    let work: Promise<Outcome | { readonly ref: string }>;
    let accepted: boolean;
    try {
      accepted = executor?.accepts(call) === true;
    } catch (error) {
      return this.#finished(attempt, { ok: false, failure: failureOf(error, key) });
    }
    if (executor !== undefined && accepted) {
      const invoke = inline ? { invoke: (): Promise<Outcome> => session.invoke(key, info) } : undefined;
      work = new Promise((resolve) => resolve(executor.start({ run: this.id, key, call, info, ...invoke })));
    } else if (inline) {
      work = session.invoke(key, info);
    } else {
      work = Promise.resolve({ ok: false, failure: noExecutor(call, key) });
    }
    work.then(
      (outcome) => this.#finished(attempt, outcome),
      (error) => this.#finished(attempt, { ok: false, failure: failureOf(error, key) }),
    );
  }

  #finished(attempt: Attempt, result: Outcome | { readonly ref: string }): void {
    const { key, call, command } = attempt;
    const { running, alarms, emit } = this.#shared;
    running.delete(attempt);
    this.#freePlace(attempt);
    if (this.#refuses(call) || this.#attempts.get(key) !== attempt) {
      if ("ref" in result) this.#cancelDetached(result.ref);
      emit?.({ event: "call_dropped", run: this.id, key, why: this.#closed ? "run-closed" : "superseded" });
      return;
    }
    if ("ref" in result) {
      const { ref } = result;
      attempt.ref = ref;
      this.#called.set(key, undefined);
      this.#append([{ t: "called", key, call, fp: command.fp, ref, by: this.#shared.by }]);
      return;
    }
    alarms.cancel(attempt.timeout);
    this.#whenLive(() => {
      // Known as under way until it settles: a replay must not begin it again.
      if (this.#attempts.get(key) !== attempt) return;
      this.#attempts.delete(key);
      this.#settle(key, command, result, attempt.startedAt, { by: this.#shared.by });
    });
  }

  #timedOut(attempt: Attempt, timeoutS: number): void {
    const { key, command } = attempt;
    if (this.#closed || this.#attempts.get(key) !== attempt) return;
    const message = `Task "${command.fp.name}" timed out after ${timeoutS} s`;
    this.#attempts.delete(key);
    this.#abort(attempt, new DeadlineError(message));
    const failure: Failure = { message, stepKey: key, error: { name: "TimeoutError", message } };
    this.#settle(key, command, { ok: false, failure }, attempt.startedAt, { by: this.#shared.by });
  }

  #abort(attempt: Attempt, reason: Error, detachedToo = true): void {
    this.#shared.alarms.cancel(attempt.timeout);
    attempt.leave();
    this.#shared.running.delete(attempt);
    this.#freePlace(attempt);
    attempt.controller ??= new AbortController();
    attempt.controller.abort(reason);
    if (detachedToo) this.#cancelDetached(attempt.ref);
  }

  /** The run needs the work no more. That it cannot be ended is told, and changes nothing for the run. */
  #cancelDetached(ref: string | undefined): void {
    const { executor, cancelGraceMs, emit } = this.#shared;
    if (ref === undefined || executor?.cancel === undefined) return;
    const told = (error: unknown): void =>
      emit?.({ event: "warning", run: this.id, message: `Cannot cancel detached work "${ref}": ${String(error)}` });
    try {
      executor.cancel(ref, cancelGraceMs).catch(told);
    } catch (error) {
      told(error);
    }
  }

  #freePlace(attempt: Attempt): void {
    if (!attempt.holdsPlace) return;
    attempt.holdsPlace = false;
    this.#shared.places.free();
  }

  #dropAttempts(reason: Error, detachedToo: boolean, which: (attempt: Attempt) => boolean = () => true): void {
    for (const attempt of [...this.#attempts.values()].filter(which)) {
      this.#attempts.delete(attempt.key);
      this.#abort(attempt, reason, detachedToo);
    }
  }

  // --- Waits ---

  #wait(command: CallCommand): void {
    const { key, call, fp } = command;
    if (this.#waits.has(key)) return; // goes on from before a replay
    const { host, alarms } = this.#shared;
    const now = host.now();
    const known = this.#called.get(key);
    const dueAt = known?.dueAt ?? dueTime(call, now);
    const alarm = dueAt === undefined
      ? undefined
      : alarms.set(dueAt, () => this.#whenLive(() => this.#due(key, command)));
    this.#waits.set(key, { call, dueAt, startedAt: known?.at ?? now, alarm });
    // Only once it is recorded may somebody answer: what is not recorded cannot be answered.
    const announce = (): void => this.#announce(key, call, dueAt);
    if (known === undefined) {
      this.#called.set(key, undefined);
      this.#append(
        [{ t: "called", key, call, fp, ...(dueAt === undefined ? undefined : { dueAt }) }],
        undefined,
        announce,
      );
    } else {
      announce();
    }
    if (call.kind !== "sleep") this.#expect(key, call);
  }

  #announce(key: Key, call: Call, dueAt: number | undefined): void {
    const { emit } = this.#shared;
    if (emit === undefined) return;
    const expires = dueAt === undefined ? undefined : { expiresAt: dueAt };
    switch (call.kind) {
      case "sleep":
        return emit({ event: "sleep_started", run: this.id, key, dueAt: dueAt ?? 0 });
      case "approval": {
        const { form, options, timeoutMs } = call;
        return emit({
          event: "approval_waiting",
          run: this.id,
          key,
          ...(form === undefined ? undefined : { form }),
          ...(options === undefined ? undefined : { options }),
          timeoutMs,
          expiresAt: dueAt ?? 0,
        });
      }
      case "event":
        return emit({ event: "event_waiting", run: this.id, key, name: call.name, ...expires });
      case "child":
        return emit({ event: "child_waiting", run: this.id, key, workflow: call.workflow, child: call.runId });
      case "task":
      case "step":
      case "undo":
        return;
    }
  }

  /** A call waits for a message. The first one looks into the inbox; from then on the engine tells of each that comes. */
  #expect(key: Key, call: Call): void {
    this.#messages.expect(key, call);
    if (this.#looked) return;
    void this.checkInbox().catch((error) => this.#shared.stopped(this, error as Error));
  }

  #due(key: Key, command: CallCommand): void {
    const wait = this.#waits.get(key);
    if (wait === undefined) return;
    this.#settle(key, command, { ok: true, value: OVERDUE[command.call.kind] ?? "null" }, wait.startedAt);
  }

  #receive(messages: readonly Message[]): void {
    for (const message of messages) {
      if (this.#closed || this.#continuing) return;
      const wrong = messageProblem(message);
      if (wrong !== undefined) {
        const { emit, batcher } = this.#shared;
        emit?.({ event: "warning", run: this.id, message: `Message "${message.id}" was thrown away: ${wrong}` });
        batcher.add([{ w: "take", id: message.id }]);
      } else if (message.kind === "cancel") {
        const { reason = "Cancelled" } = JSON.parse(message.payload) as { readonly reason?: string };
        this.#cancel(reason, false, [{ w: "take", id: message.id }]);
      } else {
        this.#messages.add(message);
      }
    }
  }

  /** The first message that fits settles a wait. */
  #answer(key: Key, message: Message, late: readonly Message[]): void {
    const wait = this.#waits.get(key);
    if (wait === undefined) return;
    const payload = decode(message.payload) as Json;
    let value: unknown = { payload, timedOut: false };
    if (message.kind === "approval") {
      const { value: entered = null, approver = "anonymous", approved = true } = payload as Record<string, Json>;
      value = { value: entered, approver, approved };
    }
    const writes = [message, ...late].map(({ id }): Write => ({ w: "take", id }));
    const text = encode(value);
    if (wait.call.kind === "event") this.#taken.set(key, { name: wait.call.name, inbox: message.id, value: text });
    this.#settle(key, undefined, { ok: true, value: text }, wait.startedAt, { inbox: message.id, writes });
    this.#shared.told(message.id, { fate: "taken" });
    for (const { id } of late) this.#shared.told(id, { fate: "late" });
  }

  #refuse(key: Key, { id, kind }: Message, reason: string): void {
    this.#refusing.add(id);
    this.#append([{ t: "refused", key, inbox: id, reason }], undefined, () => {
      const { emit, told } = this.#shared;
      this.#refusing.delete(id);
      if (kind === "event" || kind === "approval") {
        emit?.({ event: "answer_refused", run: this.id, key, kind, inbox: id, reason });
      }
      told(id, { fate: "refused", key, reason });
    }, [{ w: "take", id }]);
  }

  /** A job that goes on elsewhere has ended, or a child. False when nothing waits for it yet. */
  #settleBy(message: Message): boolean {
    const { id, name: key, from, payload } = message;
    const writes: readonly Write[] = [{ w: "take", id }];
    const wait = this.#waits.get(key);
    if (wait?.call.kind === "child" && wait.call.runId === from && this.#called.has(key)) {
      this.#settle(key, undefined, JSON.parse(payload) as Outcome, wait.startedAt, { inbox: id, writes });
      return true;
    }
    const attempt = this.#attempts.get(key);
    if (attempt === undefined) {
      // A child that was given up: nothing will ask for it any more.
      if (from === undefined || wait !== undefined) return false;
      this.#shared.batcher.add(writes);
      return true;
    }
    this.#attempts.delete(key);
    this.#shared.alarms.cancel(attempt.timeout);
    const settled = { inbox: id, by: this.#shared.by, writes };
    this.#settle(key, attempt.command, JSON.parse(payload) as Outcome, attempt.startedAt, settled);
    return true;
  }

  // --- Children ---

  #startChild(command: CallCommand, call: ChildCall): void {
    const { key, fp } = command;
    if (this.#waits.has(key)) return; // goes on from before a replay
    const { host, childProblem, reserve, release, create } = this.#shared;
    const now = host.now();
    const known = this.#called.get(key);
    const recorded = known?.call.kind === "child" ? known.call : call;
    const wait: Wait = { call: recorded, dueAt: undefined, startedAt: known?.at ?? now, alarm: undefined };
    if (known !== undefined) {
      this.#waits.set(key, wait);
      this.#announce(key, recorded, undefined);
      return this.#expect(key, recorded);
    }
    const fail = (error: unknown): void =>
      this.#settle(key, command, { ok: false, failure: failureOf(error, key) }, now);
    const problem = childProblem(call);
    if (problem !== undefined) return fail(problem);
    this.#waits.set(key, wait);
    this.#busy(1);
    const begin = (isFree: boolean): void => {
      this.#busy(-1);
      const wanted = this.#waits.get(key) === wait && !this.#refuses(call);
      if (!wanted && isFree) release(call.runId);
      if (!wanted) return;
      if (!isFree) {
        const differs =
          `Cannot start child workflow "${call.workflow}": run "${call.runId}" exists. Give the child another 'runId'`;
        return fail(new RunExistsError(differs, []));
      }
      try {
        const { workflow, args, runId: id } = call;
        const child = create({ id, workflow, args, ...childOrigin(this.header, key) });
        this.#called.set(key, undefined);
        this.#append([{ t: "called", key, call, fp }], undefined, () => {
          child.stored();
          this.#announce(key, call, undefined);
        }, [child.write]);
        this.#expect(key, call);
      } catch (error) {
        release(call.runId);
        fail(error);
      }
    };
    reserve(call.runId).then(
      (isFree) => this.#closed ? isFree && release(call.runId) : this.#whenLive(() => begin(isFree)),
      (error) => this.#shared.stopped(this, error as Error),
    );
  }

  /** Messages that end the children which nothing waits for any more. */
  #cancelChildren(
    why: string,
    which: (key: Key) => boolean = () => true,
  ): { readonly writes: Write[]; deliver(): void } {
    const children = [...this.#waits].flatMap(([key, { call }]) =>
      call.kind === "child" && this.#called.has(key) && which(key) ? [call.runId] : []
    );
    const { host, deliver } = this.#shared;
    return {
      writes: children.map((id) => ({ w: "post", message: cancelChild(this.id, id, why, host.now()) })),
      deliver: () => children.forEach(deliver),
    };
  }

  // --- Outcomes ---

  #settle(
    key: Key,
    command: CallCommand | undefined,
    given: Outcome,
    startedAt: number,
    extra: { readonly by?: string; readonly inbox?: string; readonly writes?: readonly Write[] } = {},
  ): void {
    // After the record of a cancel comes nothing but undos and the end: the cancel settles every call that is pending.
    const wait = this.#waits.get(key);
    const call = command?.call ?? wait?.call;
    if (this.#closed || (this.#cancelling && (call === undefined || !this.#takesBack(call)))) return;
    const outcome = this.#bounded(key, given);
    const { by, inbox, writes } = extra;
    if (wait !== undefined) this.#endWait(key, wait);
    const ahead = this.#called.delete(key);
    // Fields are set one by one: a spread of each costs as much as writing the record.
    const record: Settled = { t: "settled", key, after: this.#session.calls, outcome, startedAt };
    if (by !== undefined) record.by = by;
    if (inbox !== undefined) record.inbox = inbox;
    if (!ahead && command !== undefined) record.fp = command.fp;
    const kind = call?.kind ?? "task";
    this.#append([record], this.#unparkedRow(), () => {
      const { emit, host } = this.#shared;
      if (emit !== undefined) {
        const failure = outcome.ok ? undefined : { failure: outcome.failure };
        emit({ event: "call_settled", run: this.id, key, kind, ok: outcome.ok, startedAt, at: host.now(), ...failure });
      }
      if (this.#closed) return;
      if (this.#shared.alwaysReplay) this.#replayAll();
      else this.#session.feed([{ c: "settle", key, outcome }]);
      if (this.#waits.size > 0) this.#shared.batcher.beforeCommit(() => this.#maybePark());
    }, writes);
  }

  /** A value that the storage cannot take is a failure of its call, which it can. */
  #bounded(key: Key, outcome: Outcome): Outcome {
    const { maxRecordBytes } = this.#shared.storage.limits;
    if (!outcome.ok) {
      // Six characters of JSON a unit at most, and the message is there twice.
      const { failure } = outcome;
      const { message, error } = failure;
      if ((message.length + error.message.length + error.name.length) * 6 + 65_536 <= maxRecordBytes) return outcome;
      return { ok: false, failure: shortened(failure, Math.floor(maxRecordBytes / 64)) };
    }
    const room = maxRecordBytes - 4096;
    if (outcome.value.length * 3 <= room) return outcome;
    const bytes = new TextEncoder().encode(outcome.value).length;
    if (bytes <= room) return outcome;
    const error = new PayloadTooLargeError(
      `Cannot record the result of "${key}": it has ${bytes} bytes, the limit is ${room}. Store it elsewhere and record where`,
    );
    return { ok: false, failure: failureOf(error, key) };
  }

  /** What a call says of itself must fit into a record too: a call that does not fit fails. */
  #tooLarge(command: CallCommand): boolean {
    const { key, call } = command;
    const length = key.length +
      ("args" in call ? call.args.length : call.kind === "approval" ? encode(call).length : 0);
    const room = this.#shared.storage.limits.maxRecordBytes / 4;
    if (length <= room) return false;
    const shown = key.length > 100 ? `${key.slice(0, 100)}…` : key;
    const error = new PayloadTooLargeError(
      `Cannot record the call of "${shown}": its name and arguments have ${length} characters, the limit is ${room}. ` +
        `Store them elsewhere and pass where`,
    );
    this.#settle(key, command, { ok: false, failure: failureOf(error, key) }, this.#shared.host.now());
    return true;
  }

  #replayAll(): void {
    // What the old session asks for from now on is not done: the new one asks for it again.
    this.#session.leave?.();
    const session = this.#session = this.#createSession();
    const { batcher, read, stopped } = this.#shared;
    // What was written for the old session is durable first: a marker must not be made twice.
    batcher.add([], () => {
      read(this.id).then(
        ({ records }) => {
          if (!this.#closed && this.#session === session) this.begin(records);
        },
        (error) => stopped(this, error as Error),
      );
    });
  }

  #endWait(key: Key, wait: Wait): void {
    this.#shared.alarms.cancel(wait.alarm);
    this.#waits.delete(key);
    this.#lazyMessages?.forget(key, wait.call);
  }

  /** The body needs a call no more: what runs is aborted, and its late outcome does not count. */
  #abandon(key: Key, why: AbandonReason, after: number): void {
    const wait = this.#waits.get(key);
    const attempt = this.#attempts.get(key);
    const known = this.#called.get(key);
    // It has settled meanwhile, or was never recorded.
    if (wait === undefined && attempt === undefined && !this.#called.has(key)) return this.#giveBack(key, why, after);
    if (attempt !== undefined && why !== "end" && "undoable" in attempt.call) {
      return this.#hurry(attempt, new CancelledError(`"${key}" was given up (${why})`));
    }
    if (attempt !== undefined) {
      this.#attempts.delete(key);
      this.#abort(attempt, new CancelledError(`"${key}" was given up (${why})`));
    } else if (known?.ref !== undefined) {
      this.#cancelDetached(known.ref);
    }
    // On replay a child that was given up before the crash is not asked for again: it is known by its record alone.
    if (wait === undefined && known?.call.kind === "child") {
      this.#waits.set(key, { call: known.call, dueAt: undefined, startedAt: known.at, alarm: undefined });
    }
    const { writes, deliver } = this.#cancelChildren(`"${key}" was given up by its parent`, (k) => k === key);
    const given = this.#waits.get(key);
    if (given !== undefined) this.#endWait(key, given);
    this.#called.delete(key);
    this.#append([{ t: "abandoned", key, after, why }], this.#unparkedRow(), deliver, writes);
  }

  /** An event came for a wait that had lost by then: it is left for the next one. */
  #giveBack(key: Key, why: AbandonReason, after: number): void {
    const taken = this.#taken.get(key);
    if (taken === undefined) return;
    this.#taken.delete(key);
    const { name, inbox, value } = taken;
    const { payload } = decode(value) as { readonly payload: Json };
    const { host, deliver } = this.#shared;
    const message: Message = {
      id: `${inbox}~`,
      run: this.id,
      kind: "event",
      name,
      payload: encode(payload),
      at: host.now(),
    };
    const write: Write = { w: "post", message };
    this.#append([{ t: "abandoned", key, after, why }], this.#unparkedRow(), () => deliver(this.id), [write]);
  }

  // --- Ends ---

  #overdue(): void {
    const after = (this.header.deadlineAt ?? 0) - this.header.createdAt;
    this.#cancel(`The run's deadline passed, ${after} ms after it was created`, true, []);
  }

  #cancel(reason: string, deadline: boolean, writes: readonly Write[]): void {
    if (this.#cancelling || this.#session.compensating) {
      if (writes.length > 0) this.#shared.batcher.add(writes);
      return;
    }
    const graceUntil = this.#shared.host.now() + this.#shared.cancelGraceMs;
    const record: RecordBody = {
      t: "cancelling",
      after: this.#session.calls,
      reason,
      graceUntil,
      ...(deadline ? { deadline } : undefined),
    };
    this.#startGrace(graceUntil, reason, deadline);
    const children = this.#cancelChildren(reason);
    this.#cancelUntold = true;
    this.#append([record], this.#unparkedRow(), () => {
      this.#cancelUntold = false;
      children.deliver();
      if (this.#closed) return;
      for (const [key, wait] of [...this.#waits]) if (!this.#takesBack(wait.call)) this.#endWait(key, wait);
      this.#forgetCalled();
      this.#dropAttempts(failureError(reason, deadline), true, ({ call }) => !this.#takesBack(call));
      for (const attempt of this.#attempts.values()) this.#hurry(attempt, failureError(reason, deadline));
      // The body may have ended meanwhile: the journal says that the cancel came first.
      if (this.#shared.alwaysReplay || this.#endedEarly || this.#session.compensating) this.#replayAll();
      else this.#session.feed([{ c: "cancel", reason, ...(deadline ? { deadline } : undefined) }]);
    }, [...writes, ...children.writes]);
  }

  #startGrace(until: number, reason: string, deadline: boolean): void {
    this.#cancelling = true;
    this.#shared.alarms.cancel(this.#deadline);
    this.#shared.alarms.cancel(this.#grace);
    this.#grace = this.#shared.alarms.set(until, () =>
      this.#whenLive(() => {
        const session = this.#session;
        // What is taken back takes its time.
        if (session.compensating) return;
        if (session.undos > 0) return this.#drop();
        const failure = failureOf(failureError(reason, deadline), "");
        this.#close({ c: "close", status: deadline ? "failed" : "cancelled", outcome: { ok: false, failure } });
      }));
  }

  /** Asks what can be taken back to end soon; what has not begun ends at once. */
  #hurry(attempt: Attempt, reason: Error): void {
    const { key, call, command, startedAt } = attempt;
    if (!("undoable" in call)) return;
    if (startedAt > 0) {
      attempt.controller ??= new AbortController();
      attempt.controller.abort(reason);
    } else {
      this.#attempts.delete(key);
      this.#abort(attempt, reason);
      this.#settle(key, command, { ok: false, failure: failureOf(reason, key) }, this.#shared.host.now());
    }
  }

  /** The body of a cancelled run has had its time: what it did is taken back without it. */
  #drop(): void {
    this.#append([{ t: "dropped", after: this.#session.calls }], undefined, () => {
      if (this.#closed) return;
      this.#dropAttempts(new CancelledError("The body was given up"), true, ({ call }) => "undoable" in call);
      if (this.#shared.alwaysReplay) this.#replayAll();
      else this.#session.feed([{ c: "drop" }]);
    });
  }

  #close(command: Extract<Command, { readonly c: "close" }>): void {
    if (this.#closed) return;
    const { status, outcome, mismatch, nextArgs } = command;
    if (status === "continued" && nextArgs !== undefined) return void this.#continue(nextArgs);
    if (outcome === undefined) throw new Error(`Cannot close run "${this.id}": its session gave no outcome`);
    if (mismatch === true) {
      if (!outcome.ok) this.#stop(outcome.failure);
      return;
    }
    const bounded = this.#bounded("the run", outcome);
    const ended: RunStatus = bounded.ok === outcome.ok ? status : "failed";
    const children = this.#cancelChildren("Its parent has ended");
    this.#closed = true;
    if (this.#attempts.size > 0) this.#dropAttempts(new EngineClosedError(`Run "${this.id}" has ended`), true);
    this.#clearAlarms();
    const { host, storage, closed, deliver } = this.#shared;
    const { parent } = this.header;
    const writes: Write[] = children.writes;
    if (parent !== undefined) {
      const child = linkOf(this.header).first;
      const message = settleMessage(parent, child, bounded, host.now(), storage.limits.maxRecordBytes);
      writes.push({ w: "post", message });
    }
    this.#append([{ t: "closed", status: ended, outcome: bounded }], this.#closedRow(ended), () => {
      this.#session.leave?.();
      closed(this, ended, bounded);
      if (parent !== undefined) deliver(parent.run);
      children.deliver();
      // What came meanwhile is for nobody.
      if (this.#lazyMessages !== undefined) deliver(this.id);
    }, writes);
  }

  #closedRow(status: RunStatus): RowChange {
    return { ...this.#unparkedRow(), state: "closed", status, closedAt: this.#shared.host.now() };
  }

  /** Goes on as another run: one commit ends this one and begins the next, which gets the messages that nothing has taken. */
  async #continue(args: Encoded): Promise<void> {
    const { storage, reserve, release, create, closed, stopped, deliver } = this.#shared;
    const { workflow, parent, root, deadlineAt } = this.header;
    const chain = nextLink(linkOf(this.header));
    const id = linkId(chain);
    this.#continuing = true;
    this.#busy(1);
    this.#clearAlarms();
    let isReserved = false;
    try {
      isReserved = await reserve(id);
      if (!isReserved) {
        throw new RunExistsError(`Cannot continue run "${this.id}" as "${id}": a run of that id exists`, []);
      }
      const moved = movedTo(id, await allMessages(storage, this.id));
      if (this.#closed) return release(id);
      const next = create({
        id,
        workflow,
        args,
        chain,
        ...(parent === undefined ? undefined : { parent }),
        ...(root === undefined ? undefined : { root }),
        ...(deadlineAt === undefined ? undefined : { deadlineAt }),
      });
      this.#closed = true;
      this.#append([{ t: "closed", status: "continued", next: id }], this.#closedRow("continued"), () => {
        next.stored();
        this.#session.leave?.();
        closed(this, "continued", undefined, id);
        // What came in between goes on from here.
        deliver(this.id);
        if (moved.length > 0) deliver(id);
      }, [next.write, ...moved]);
    } catch (error) {
      if (isReserved) release(id);
      if (this.#closed) return;
      const isOurs = error instanceof RunExistsError || error instanceof PayloadTooLargeError;
      if (!isOurs) return stopped(this, error as Error);
      this.#close({ c: "close", status: "failed", outcome: { ok: false, failure: failureOf(error, "") } });
    }
  }

  /** The code does not fit the journal: the run stops, and its journal stands. Where the code asks is found out first. */
  #stop(failure: Failure): void {
    const { stopped, host, read, sites } = this.#shared;
    if (!sites) return stopped(this, failure);
    this.#closed = true;
    this.#clearAlarms();
    findSite(failure, {
      host,
      body: this.#body as (...args: never[]) => unknown,
      header: this.header,
      read: async () => (await read(this.id)).records,
      changes: this.#shared.changes,
    }).then((found) => {
      if (!this.#left) stopped(this, found);
    });
  }

  #clearAlarms(): void {
    const { alarms } = this.#shared;
    for (const alarm of [this.#patience, this.#grace, this.#deadline]) alarms.cancel(alarm);
    for (const wait of this.#waits.values()) alarms.cancel(wait.alarm);
  }

  // --- Writing ---

  #append(bodies: readonly RecordBody[], row?: RowChange, done?: () => void, more: readonly Write[] = []): void {
    const now = this.#shared.host.now();
    const records: StoredRecord[] = [];
    for (const body of bodies) {
      const text = encodeRecord(body, now);
      this.#check = chainCheck(this.#check, text);
      records.push({ seq: this.#nextSeq++, text, check: this.#check });
    }
    if (row?.state !== undefined) this.#noteState(row.state);
    const write: Write = row === undefined
      ? { w: "append", run: this.id, records }
      : { w: "append", run: this.id, records, row };
    this.#shared.batcher.add(more.length === 0 ? [write] : [write, ...more], done);
  }

  #noteState(state: RunState): void {
    const before = this.#stored;
    this.#stored = state;
    if (before === "parked" && state !== "parked") {
      this.#storedWake = undefined;
      this.#aside = false;
      this.#shared.unparked(this);
    }
  }

  #unparkedRow(): RowChange | undefined {
    return this.#stored === "parked" ? { state: "active", wakeAt: null, waits: null } : undefined;
  }

  /** What a parked run waits for, apart from time. */
  #waitNames(): readonly string[] {
    const names = new Set<string>();
    let children = 0;
    for (const [key, { call }] of this.#waits) {
      if (call.kind === "approval") names.add(`approval:${key}`);
      else if (call.kind === "event") names.add(`event:${call.name}`);
      else if (call.kind === "child" && children++ < CHILDREN_SHOWN) names.add(`child:${key}`);
    }
    return [...names].sort();
  }

  /** Called with the body's microtasks drained, before a commit. */
  #maybePark(): void {
    if (this.#closed || this.#cancelling || this.#session.replaying) return;
    if (this.#attempts.size > 0 || this.#deferred.length > 0 || this.#looking > 0) return;
    if (this.#waits.size === 0 || this.#session.pending !== this.#waits.size) return;
    // A body that has ended beside these waits closes its run in the next macrotask: put aside, it would stay until one is due.
    if (this.#session.busy) return;
    const { wakeAt } = this;
    // What is due settles in a moment: were the run put aside, it would be brought back at once.
    if (wakeAt !== undefined && wakeAt <= this.#shared.host.now()) return;
    const waits = this.#waitNames();
    const wake = `${wakeAt ?? ""} ${waits.join(" ")}`;
    if (this.#stored === "parked" && wake === this.#storedWake) return;
    this.#storedWake = wake;
    this.#append([], { state: "parked", wakeAt: wakeAt ?? null, waits: waits.length === 0 ? null : waits }, () => {
      if (this.#closed || this.#stored !== "parked") return;
      this.#shared.emit?.({
        event: "run_parked",
        run: this.id,
        ...(wakeAt === undefined ? undefined : { wakeAt }),
        waits,
      });
      if (this.#aside) return;
      this.#aside = true;
      this.#shared.parked(this);
    });
  }
}

/** Whether a call is something to run, and no wait. */
function startable(call: Call): call is Extract<Call, { readonly kind: "task" | "step" | "undo" }> {
  return call.kind === "task" || call.kind === "step" || call.kind === "undo";
}

function nothing(): void {}

function failureError(reason: string, deadline: boolean): Error {
  return deadline ? new DeadlineError(reason) : new CancelledError(reason);
}

/** How many calls the body had made when it asked for command `i`, as a later call of the same list tells; undefined without one. */
function callsBefore(commands: readonly Command[], i: number): number | undefined {
  for (let j = i + 1; j < commands.length; j++) {
    const command = commands[j];
    if (command?.c === "call") return command.n - 1;
  }
  return undefined;
}

/** When a wait ends by itself; undefined when it does not. */
function dueTime(call: Call, now: number): number | undefined {
  switch (call.kind) {
    case "sleep":
      return call.until ?? now + (call.ms ?? 0);
    case "approval":
      return now + call.timeoutMs;
    case "event":
      return call.timeoutMs === undefined ? undefined : now + call.timeoutMs;
    case "task":
    case "step":
    case "child":
    case "undo":
      return undefined;
  }
}
