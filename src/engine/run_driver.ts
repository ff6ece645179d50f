/**
 * Drives one run: turns what its body asks for into attempts, timers and waits, writes what came of them, and hands it over
 * once it is durable.
 *
 * @module
 */
import { encode } from "../base/canonical.ts";
import { CancelledError, DeadlineError, EngineClosedError, PayloadTooLargeError } from "../base/errors.ts";
import { failureOf, shortened } from "../workflow/failure.ts";
import type {
  AbandonReason,
  Call,
  ChangeModes,
  Command,
  Failure,
  JournalRecord,
  Key,
  Outcome,
  RecordBody,
  RunHeader,
  RunStatus,
} from "../workflow/journal.ts";
import { chainCheck, encodeRecord } from "../workflow/record_text.ts";
import { type BodySession, createSession } from "../workflow/session.ts";
import type { Alarm, AlarmClock } from "./alarm_clock.ts";
import { type Attempt, AttemptInfo, noExecutor } from "./attempt.ts";
import { messageProblem } from "./answers.ts";
import type { EngineEvent, WorkflowFunction } from "./api.ts";
import type { Batcher } from "./batcher.ts";
import { changeNotice, lateCallNotice, nonConfluentNotice } from "../workflow/explain.ts";
import type { Places } from "./places.ts";
import type { Executor, Host, Message, RowChange, RunState, Storage, StoredRecord, Write } from "./ports.ts";
import type { ReadJournal } from "./read_journal.ts";

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
  watchSlow(): void;
  /** The journal as it is stored now. */
  read(run: string): Promise<ReadJournal>;
  parked(run: RunDriver): void;
  unparked(run: RunDriver): void;
  closed(run: RunDriver, status: RunStatus, outcome: Outcome): void;
  /** The run cannot go on here, but its journal stands. */
  stopped(run: RunDriver, failure: Failure | Error): void;
}

/** A call that waits for a time or for a message. */
interface Wait {
  readonly call: Call;
  readonly dueAt: number;
  readonly startedAt: number;
  readonly alarm: Alarm | undefined;
}

type Called = Extract<JournalRecord, { readonly t: "called" }>;
type SettledBody = Extract<RecordBody, { readonly t: "settled" }>;
type Settled = { -readonly [K in keyof SettledBody]: SettledBody[K] };

const RESOLVED = Promise.resolve();
const NOT_APPROVED = encode({ value: null, approver: null, approved: false });
/** A body may do I/O of its own between two recorded calls for this long before a replay is given up, in milliseconds. */
const REPLAY_PATIENCE_MS = 30_000;
/** Messages that one look into the inbox takes. */
const INBOX_PAGE = 1000;

/** One run in memory. */
export class RunDriver {
  readonly header: RunHeader;
  readonly #shared: Shared;
  readonly #body: WorkflowFunction;
  readonly #attempts = new Map<Key, Attempt>();
  readonly #waits = new Map<Key, Wait>();
  /** Calls that have a `called` record and have not settled. */
  readonly #called = new Map<Key, Called | undefined>();
  #session: BodySession;
  #nextSeq: number;
  #check: string;
  #stored: RunState;
  #storedWake: string | undefined;
  #closed = false;
  #driving = false;
  #deferred: (() => void)[] = [];
  #patience: Alarm | undefined;
  #grace: Alarm | undefined;
  #deadline: Alarm | undefined;
  #cancelling = false;
  /** Looks into the inbox that are under way: a run is not put aside meanwhile. */
  #looking = 0;
  /** The engine counts this run among the parked ones in memory. */
  #aside = false;
  /** Message ids that are being taken. */
  readonly #taking = new Set<string>();

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

  /** Approvals that are waited for now. */
  get approvals(): readonly { readonly key: Key; readonly call: Call; readonly dueAt: number }[] {
    return [...this.#waits].filter(([, w]) => w.call.kind === "approval").map(([key, w]) => ({
      key,
      call: w.call,
      dueAt: w.dueAt,
    }));
  }

  /** Earliest time at which this run has something to do of itself. */
  get wakeAt(): number | undefined {
    let at = this.header.deadlineAt ?? Infinity;
    for (const wait of this.#waits.values()) at = Math.min(at, wait.dueAt);
    return at === Infinity ? undefined : at;
  }

  /** Starts or replays the body. */
  begin(records: readonly JournalRecord[]): void {
    if (this.#closed) return; // the engine was closed while the run was being stored
    for (const record of records) {
      if (record.t === "called") this.#called.set(record.key, record);
      else if (record.t === "settled" || record.t === "abandoned") this.#called.delete(record.key);
      else if (record.t === "cancelling" && !this.#cancelling) {
        this.#startGrace(record.graceUntil, record.reason, record.deadline === true);
      }
    }
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

  /** Leaves memory. What is recorded stands; attempts that run are aborted and their outcomes dropped. */
  leave(reason: Error): void {
    this.#closed = true;
    // What goes on without this process is left alone: it is found again by its handle.
    this.#dropAttempts(reason, false);
    this.#clearAlarms();
    this.#session.take();
  }

  /** Looks into the inbox and takes what the run waits for. */
  async checkInbox(): Promise<void> {
    this.#looking++;
    try {
      const messages = await this.#shared.storage.inbox(this.id, INBOX_PAGE);
      if (messages.length > 0) this.#whenLive(() => this.#receive(messages));
    } finally {
      this.#looking--;
      if (this.#waits.size > 0) this.#shared.batcher.beforeCommit(() => this.#maybePark());
    }
  }

  /** Writes ahead that this attempt runs: it has been running for a while. */
  recordRunning(attempt: Attempt): void {
    const { key, command } = attempt;
    if (this.#closed || this.#cancelling || this.#attempts.get(key) !== attempt || this.#session.replaying) return;
    this.#called.set(key, undefined);
    this.#append([{ t: "called", key, call: command.call, fp: command.fp, by: this.#shared.by }], this.#unparkedRow());
  }

  // --- Commands ---

  #createSession(): BodySession {
    const { host, site, emit, changes } = this.#shared;
    const session: BodySession = createSession({
      body: this.#body as (...args: never[]) => unknown,
      can: host.can,
      hostName: `the host "${host.name}"`,
      now: host.now,
      ...(changes === undefined ? undefined : { changes }),
      hop: host.hop,
      enter: (current, info, fn) =>
        host.context.run(info === undefined ? { session: current } : { session: current, info }, fn),
      wake: () => this.#wake(session),
      site: (name) => site(this.header.workflow, name),
      late: () => emit?.({ event: "warning", run: this.id, message: lateCallNotice(this.id) }),
    });
    return session;
  }

  #wake(session: BodySession): void {
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
    const ready: Extract<Command, { readonly c: "call" }>[] = [];
    for (const command of commands) {
      if (this.#closed) return;
      switch (command.c) {
        case "call":
          // The session hears of the cancel with the next commit and refuses this call then.
          if (this.#cancelling || this.#tooLarge(command)) break;
          if (startable(command.call)) ready.push(command);
          else this.#wait(command);
          break;
        case "abandon":
          this.#abandon(command.key, command.why);
          break;
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
          this.#close(command);
          break;
        case "marker":
          // In the order of the commands: what follows a marker is recorded after it.
          this.#append([{ t: "marker", name: command.name, after: command.after, value: command.value }]);
          break;
        case "log": {
          const { level, message, data } = command;
          const shown = data === undefined ? undefined : { data };
          this.#shared.emit?.({ event: "log", run: this.id, level, message, ...shown, at: this.#shared.host.now() });
          break;
        }
        case "undoable":
          throw new Error(
            `Cannot drive run "${this.id}": its session asked for "${command.c}", which nothing in this version does`,
          );
      }
    }
    if (ready.length > 0) {
      // A parked run is not looked at after a crash before its time: what runs now must not be forgotten.
      if (this.#stored === "parked") this.#append([], this.#unparkedRow(), () => this.#startAll(ready));
      else this.#startAll(ready);
    }
    if (!session.replaying) {
      const deferred = this.#deferred;
      this.#deferred = [];
      for (const then of deferred) then();
    }
    if (this.#waits.size > 0) this.#shared.batcher.beforeCommit(() => this.#maybePark());
  }

  #whenLive(then: () => void): void {
    if (this.#closed) return;
    if (this.#session.replaying) this.#deferred.push(then);
    else then();
  }

  // --- Attempts ---

  #startAll(commands: readonly Extract<Command, { readonly c: "call" }>[]): void {
    for (const command of commands) {
      if (this.#closed) return;
      if (this.#attempts.has(command.key)) continue; // goes on from before a replay
      this.#startAttempt(command);
    }
  }

  #startAttempt(command: Extract<Command, { readonly c: "call" }>): void {
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
    const timeoutS = call.kind === "task" ? call.options.timeoutS : undefined;
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
    const { key, call } = attempt;
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
      name: call.kind === "undo" ? key : call.name,
      attempt: call.attempt,
      at: attempt.startedAt,
    });
    const timeoutS = call.kind === "task" ? call.options.timeoutS : undefined;
    if (timeoutS !== undefined) {
      attempt.timeout = alarms.set(attempt.startedAt + timeoutS * 1000, () => this.#timedOut(attempt, timeoutS));
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
    if (this.#closed || this.#cancelling || this.#attempts.get(key) !== attempt) {
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
    this.#attempts.delete(key);
    this.#whenLive(() => this.#settle(key, command, result, attempt.startedAt, { by: this.#shared.by }));
  }

  #timedOut(attempt: Attempt, timeoutS: number): void {
    const { key, call, command } = attempt;
    if (this.#closed || this.#attempts.get(key) !== attempt) return;
    const message = `Task "${call.kind === "task" ? call.name : key}" timed out after ${timeoutS} s`;
    this.#attempts.delete(key);
    this.#abort(attempt, new DeadlineError(message));
    const failure: Failure = { message, stepKey: key, error: { name: "TimeoutError", message } };
    this.#whenLive(() =>
      this.#settle(key, command, { ok: false, failure }, attempt.startedAt, { by: this.#shared.by })
    );
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

  #dropAttempts(reason: Error, detachedToo: boolean): void {
    const attempts = [...this.#attempts.values()];
    this.#attempts.clear();
    for (const attempt of attempts) this.#abort(attempt, reason, detachedToo);
  }

  // --- Waits ---

  #wait(command: Extract<Command, { readonly c: "call" }>): void {
    const { key, call, fp } = command;
    if (this.#waits.has(key)) return; // goes on from before a replay
    const now = this.#shared.host.now();
    const known = this.#called.get(key);
    if (call.kind !== "sleep" && call.kind !== "approval") {
      const failure = failureOf(
        new Error(`Cannot make a call of kind "${call.kind}": nothing in this version does`),
        key,
      );
      return this.#settle(key, command, { ok: false, failure }, now);
    }
    const dueAt = known?.dueAt ?? (call.kind === "sleep" ? call.until ?? now + (call.ms ?? 0) : now + call.timeoutMs);
    const startedAt = known?.at ?? now;
    const alarm = this.#shared.alarms.set(dueAt, () => this.#whenLive(() => this.#due(key, command)));
    this.#waits.set(key, { call, dueAt, startedAt, alarm });
    const { emit } = this.#shared;
    const form = call.kind === "approval" && call.form !== undefined ? { form: call.form } : undefined;
    const announce = (): void => {
      // Only now may somebody answer: what is not recorded cannot be answered.
      if (call.kind === "approval") emit?.({ event: "approval_waiting", run: this.id, key, ...form, expiresAt: dueAt });
      else emit?.({ event: "sleep_started", run: this.id, key, dueAt });
    };
    if (known === undefined) {
      this.#called.set(key, undefined);
      this.#append([{ t: "called", key, call, fp, dueAt }], undefined, announce);
    } else {
      announce();
    }
    if (call.kind === "approval") void this.checkInbox().catch((error) => this.#shared.stopped(this, error as Error));
  }

  #due(key: Key, command: Extract<Command, { readonly c: "call" }>): void {
    const wait = this.#waits.get(key);
    if (wait === undefined) return;
    const value = command.call.kind === "approval" ? NOT_APPROVED : "true";
    this.#settle(key, command, { ok: true, value }, wait.startedAt);
  }

  #receive(messages: readonly Message[]): void {
    for (const message of messages) {
      if (this.#closed) return;
      if (this.#taking.has(message.id)) continue;
      const wrong = messageProblem(message);
      if (wrong !== undefined) {
        this.#taking.add(message.id);
        const { emit, batcher } = this.#shared;
        emit?.({ event: "warning", run: this.id, message: `Message "${message.id}" was thrown away: ${wrong}` });
        batcher.add([{ w: "take", id: message.id }]);
        continue;
      }
      if (message.kind === "cancel") {
        this.#taking.add(message.id);
        const { reason = "Cancelled" } = JSON.parse(message.payload) as { readonly reason?: string };
        this.#cancel(reason, false, [{ w: "take", id: message.id }]);
      } else if (message.kind === "approval") {
        const wait = this.#waits.get(message.name);
        if (wait?.call.kind !== "approval") continue; // kept until somebody waits for it
        this.#taking.add(message.id);
        const { value = null, approver = "anonymous", approved = true } = JSON.parse(message.payload) as Record<
          string,
          unknown
        >;
        const outcome: Outcome = { ok: true, value: encode({ value, approver, approved }) };
        const settled = { inbox: message.id, writes: [{ w: "take", id: message.id }] as const };
        this.#settle(message.name, undefined, outcome, wait.startedAt, settled);
      } else if (message.kind === "settle") {
        const attempt = this.#attempts.get(message.name);
        if (attempt === undefined) continue;
        this.#taking.add(message.id);
        this.#attempts.delete(message.name);
        this.#shared.alarms.cancel(attempt.timeout);
        const outcome = JSON.parse(message.payload) as Outcome;
        const settled = { inbox: message.id, by: this.#shared.by, writes: [{ w: "take", id: message.id }] as const };
        this.#settle(message.name, attempt.command, outcome, attempt.startedAt, settled);
      }
    }
  }

  // --- Outcomes ---

  #settle(
    key: Key,
    command: Extract<Command, { readonly c: "call" }> | undefined,
    given: Outcome,
    startedAt: number,
    extra: { readonly by?: string; readonly inbox?: string; readonly writes?: readonly Write[] } = {},
  ): void {
    // After the record of a cancel comes nothing but the end: the cancel settles every call that is pending.
    if (this.#closed || this.#cancelling) return;
    const outcome = this.#bounded(key, given);
    const { by, inbox, writes } = extra;
    const wait = this.#waits.get(key);
    if (wait !== undefined) {
      this.#shared.alarms.cancel(wait.alarm);
      this.#waits.delete(key);
    }
    const ahead = this.#called.delete(key);
    // Fields are set one by one: a spread of each costs as much as writing the record.
    const record: Settled = { t: "settled", key, after: this.#session.calls, outcome, startedAt };
    if (by !== undefined) record.by = by;
    if (inbox !== undefined) record.inbox = inbox;
    if (!ahead && command !== undefined) record.fp = command.fp;
    const kind = command?.call.kind ?? wait?.call.kind ?? "task";
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
  #tooLarge(command: Extract<Command, { readonly c: "call" }>): boolean {
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
    const before = this.#session;
    this.#shared.read(this.id).then(
      ({ records }) => {
        if (this.#closed || this.#session !== before) return;
        before.take();
        this.#session = this.#createSession();
        this.begin(records);
      },
      (error) => this.#shared.stopped(this, error as Error),
    );
  }

  #abandon(key: Key, why: AbandonReason): void {
    const attempt = this.#attempts.get(key);
    if (attempt !== undefined) {
      this.#attempts.delete(key);
      this.#abort(attempt, new CancelledError(`"${key}" was given up: ${why}`));
    }
    const wait = this.#waits.get(key);
    this.#shared.alarms.cancel(wait?.alarm);
    this.#waits.delete(key);
    this.#called.delete(key);
    this.#append([{ t: "abandoned", key, after: this.#session.calls, why }]);
  }

  // --- Ends ---

  #overdue(): void {
    const after = (this.header.deadlineAt ?? 0) - this.header.createdAt;
    this.#cancel(`The run's deadline passed, ${after} ms after it was created`, true, []);
  }

  #cancel(reason: string, deadline: boolean, writes: readonly Write[]): void {
    if (this.#cancelling) {
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
    this.#append([record], this.#unparkedRow(), () => {
      if (this.#closed) return;
      for (const wait of this.#waits.values()) this.#shared.alarms.cancel(wait.alarm);
      this.#waits.clear();
      this.#called.clear();
      this.#dropAttempts(failureError(reason, deadline), true);
      if (this.#shared.alwaysReplay) this.#replayAll();
      else this.#session.feed([{ c: "cancel", reason, ...(deadline ? { deadline } : undefined) }]);
    }, writes);
  }

  #startGrace(until: number, reason: string, deadline: boolean): void {
    this.#cancelling = true;
    this.#shared.alarms.cancel(this.#deadline);
    this.#grace = this.#shared.alarms.set(until, () => {
      const failure = failureOf(failureError(reason, deadline), "");
      this.#close({ c: "close", status: deadline ? "failed" : "cancelled", outcome: { ok: false, failure } });
    });
  }

  #close(command: Extract<Command, { readonly c: "close" }>): void {
    if (this.#closed) return;
    const { status, outcome, mismatch } = command;
    if (outcome === undefined) throw new Error(`Cannot close run "${this.id}": its session gave no outcome`);
    if (mismatch === true) {
      if (!outcome.ok) this.#shared.stopped(this, outcome.failure);
      return;
    }
    const bounded = this.#bounded("the run", outcome);
    const ended: RunStatus = bounded.ok === outcome.ok ? status : "failed";
    this.#closed = true;
    if (this.#attempts.size > 0) this.#dropAttempts(new EngineClosedError(`Run "${this.id}" has ended`), true);
    this.#clearAlarms();
    const row: RowChange = {
      ...this.#unparkedRow(),
      state: "closed",
      status: ended,
      closedAt: this.#shared.host.now(),
    };
    this.#append(
      [{ t: "closed", status: ended, outcome: bounded }],
      row,
      () => this.#shared.closed(this, ended, bounded),
    );
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
    const waits = this.approvals.map(({ key }) => `approval:${key}`).sort();
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
