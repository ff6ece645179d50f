/**
 * Drives one run: turns what its body asks for into attempts, timers and waits, writes what came of them, and hands it over
 * once it is durable. Attempts (`run_attempts.ts`), waits (`run_waits.ts`) and what is stored (`run_journal.ts`) keep what they
 * know to themselves; which calls count after a cancel, and how a run ends, is decided here.
 *
 * @module
 */
import {
  CancelledError,
  DeadlineError,
  EngineClosedError,
  PayloadTooLargeError,
  RunExistsError,
} from "../base/errors.ts";
import { changeNotice, lateCallNotice, nonConfluentNotice } from "../workflow/explain.ts";
import { failureOf } from "../workflow/failure.ts";
import type {
  AbandonReason,
  Call,
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
import { createSession, type DrivenSession, type SessionPorts } from "../workflow/session.ts";
import type { Alarm } from "./alarm_clock.ts";
import type { WorkflowFunction } from "./api.ts";
import { allMessages, linkId, linkOf, movedTo, nextLink } from "./chain.ts";
import { settleMessage } from "./children.ts";
import { findSite } from "./find_site.ts";
import type { RunState, Write } from "./ports.ts";
import type { ReadJournal } from "./read_journal.ts";
import { boundedOutcome, callTooLarge } from "./record_bounds.ts";
import { type AttemptedRun, type CallCommand, isAttemptable, RunAttempts } from "./run_attempts.ts";
import { RunJournal } from "./run_journal.ts";
import type { Shared } from "./run_shared.ts";
import { RunWaits, type SettledBy, type WaitingRun } from "./run_waits.ts";
import { sessionFactoryOf } from "./session_factory.ts";

type AbandonCommand = Extract<Command, { readonly c: "abandon" }>;
type SettledBody = Extract<RecordBody, { readonly t: "settled" }>;
type Settled = { -readonly [K in keyof SettledBody]: SettledBody[K] };

const RESOLVED = Promise.resolve();
/** A body may do I/O of its own between two recorded calls for this long before a replay is given up, in milliseconds. */
const REPLAY_PATIENCE_MS = 30_000;

/** One run in memory. What its parts ask of it is in the interfaces that it implements; the rest is for the engine. */
export class RunDriver implements AttemptedRun, WaitingRun {
  readonly header: RunHeader;
  readonly #shared: Shared;
  readonly #body: WorkflowFunction;
  readonly #journal: RunJournal;
  readonly #attempts: RunAttempts;
  readonly #waits: RunWaits;
  #session: DrivenSession;
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
  /** First attempts of the undos that this run has asked for. */
  readonly #undos = new Set<Key>();
  /** What the body said last of how far it is. */
  #progress: Json | undefined;

  constructor(shared: Shared, body: WorkflowFunction, header: RunHeader, journal: ReadJournal, stored: RunState) {
    this.#shared = shared;
    this.#body = body;
    this.header = header;
    this.#journal = new RunJournal(shared, header.id, journal, stored, () => this.#unparked());
    this.#attempts = new RunAttempts(shared, this.#journal, this);
    this.#waits = new RunWaits(shared, this.#journal, this.#attempts, this);
    this.#session = this.#createSession();
  }

  get id(): string {
    return this.header.id;
  }

  get state(): RunState {
    return this.#journal.state;
  }

  /** Earliest time at which this run has something to do of itself. */
  get wakeAt(): number | undefined {
    const at = Math.min(this.header.deadlineAt ?? Infinity, this.#waits.dueAt);
    return at === Infinity ? undefined : at;
  }

  /** What the body said last of how far it is. */
  get progress(): Json | undefined {
    return this.#progress;
  }

  /** Something is under way that memory alone knows of: the run must not leave it. */
  get isBusy(): boolean {
    return this.#looking > 0;
  }

  get session(): DrivenSession {
    return this.#session;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get isCancelling(): boolean {
    return this.#cancelling;
  }

  get isContinuing(): boolean {
    return this.#continuing;
  }

  /** Calls back when it is known of a message that was read whether the run takes it; `kept`: nothing waits for it. */
  whenConsidered(message: string, kept: () => void): void {
    if (this.#closed) kept();
    else this.whenLive(() => this.#waits.isConsidering(message) || kept());
  }

  /** Starts or replays the body. */
  begin(records: readonly JournalRecord[]): void {
    if (this.#closed) return; // the engine was closed while the run was being stored
    let grace: Extract<JournalRecord, { readonly t: "cancelling" }> | undefined;
    for (const record of records) {
      if ((record.t === "called" || record.t === "settled") && record.fp?.kind === "undo") this.#undos.add(record.key);
      if (record.t === "called") this.#journal.called.set(record.key, record);
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
      this.#deadline = this.#shared.alarms.set(deadlineAt, () => this.whenLive(() => this.#overdue()));
    }
    if (records.length > 1) {
      const session = this.#session;
      this.#patience = this.#shared.alarms.set(this.#shared.host.now() + REPLAY_PATIENCE_MS, () => session.giveUp());
    }
    this.#session.begin(this.header, records);
  }

  #noteEnd(record: Extract<JournalRecord, { readonly t: "settled" | "abandoned" }>): void {
    const { called } = this.#journal;
    const call = called.get(record.key)?.call;
    called.delete(record.key);
    this.#waits.noteEnd(record, call);
  }

  /** Leaves memory. What is recorded stands; attempts that run are aborted and their outcomes dropped. */
  leave(reason: Error): void {
    this.#closed = true;
    this.#left = true;
    // What goes on without this process is left alone: it is found again by its handle.
    this.#attempts.dropAll(reason, false);
    this.#clearAlarms();
    this.#session.take();
    this.#session.leave?.();
  }

  /** Looks into the inbox and takes what the run waits for. */
  checkInbox(): Promise<void> {
    return this.#waits.checkInbox();
  }

  considerMessages(key: Key, call: Call): void {
    this.#waits.considerMessages(key, call);
  }

  busy(by: 1 | -1): void {
    this.#looking += by;
    // It may leave now.
    if (this.#looking === 0 && this.#aside && !this.#closed) this.#shared.parked(this);
  }

  stop(error: Error): void {
    this.#shared.stopped(this, error);
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
          if (this.refuses(call) || this.#tooLarge(command)) break;
          if (isAttemptable(call)) ready.push(command);
          else if (call.kind === "child") this.#waits.beginChild(command, call);
          else this.#waits.begin(command);
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
      if (this.#journal.state === "parked") {
        this.#journal.append([], this.#journal.goesOn(), () => this.#startAll(ready, hurried, session));
      } else this.#startAll(ready, hurried, session);
    }
    if (!session.replaying) {
      const deferred = this.#deferred;
      this.#deferred = [];
      for (const then of deferred) then();
      this.#waits.forgetTaken(session);
    }
    this.parkSoon();
  }

  #mark({ name, after, value }: Extract<Command, { readonly c: "marker" }>): void {
    if (name !== "progress") return this.#journal.append([{ t: "marker", name, after, value }]);
    this.#progress = value;
    this.#journal.append([{ t: "marker", name, after, value }], undefined, () => {
      const { emit, host } = this.#shared;
      emit?.({ event: "progress", run: this.id, value, at: host.now() });
    });
  }

  /** After the record of a cancel nothing begins and nothing counts but what takes back what was done. */
  refuses(call: Call): boolean {
    return this.#closed || (this.#cancelling && !this.#takesBack(call));
  }

  /** True for an undo, what it waits for between its attempts, and what has one: its outcome decides whether the undo runs. */
  #takesBack(call: Call): boolean {
    if (call.kind === "undo" || "undoable" in call) return true;
    return call.kind === "sleep" && call.backoffOf !== undefined && this.#undos.has(call.backoffOf);
  }

  #forgetCalled(): void {
    for (const [key, record] of this.#journal.called) {
      const call = record?.call ?? this.#attempts.get(key)?.call ?? this.#waits.get(key)?.call;
      if (call === undefined || !this.#takesBack(call)) this.#journal.called.delete(key);
    }
  }

  whenLive(then: () => void): void {
    if (this.#closed) return;
    if (this.#session.replaying) this.#deferred.push(then);
    else then();
  }

  #startAll(commands: readonly CallCommand[], hurried: readonly AbandonCommand[], session: DrivenSession): void {
    for (const command of commands) {
      if (this.#closed) break;
      this.#attempts.start(command);
    }
    for (const { key, why } of hurried) this.#abandon(key, why, session.calls);
  }

  // --- Outcomes ---

  settle(
    key: Key,
    command: CallCommand | undefined,
    given: Outcome,
    startedAt: number,
    extra: SettledBy = {},
  ): void {
    // After the record of a cancel comes nothing but undos and the end: the cancel settles every call that is pending.
    const wait = this.#waits.get(key);
    const call = command?.call ?? wait?.call;
    if (this.#closed || (this.#cancelling && (call === undefined || !this.#takesBack(call)))) return;
    const outcome = this.#bounded(key, given);
    const { by, inbox, writes } = extra;
    if (wait !== undefined) this.#waits.end(key);
    const ahead = this.#journal.called.delete(key);
    // Fields are set one by one: a spread of each costs as much as writing the record.
    const record: Settled = { t: "settled", key, after: this.#session.calls, outcome, startedAt };
    if (by !== undefined) record.by = by;
    if (inbox !== undefined) record.inbox = inbox;
    if (!ahead && command !== undefined) record.fp = command.fp;
    const kind = call?.kind ?? "task";
    this.#journal.append([record], this.#journal.goesOn(), () => {
      const { emit, host } = this.#shared;
      if (emit !== undefined) {
        const failure = outcome.ok ? undefined : { failure: outcome.failure };
        emit({ event: "call_settled", run: this.id, key, kind, ok: outcome.ok, startedAt, at: host.now(), ...failure });
      }
      if (this.#closed) return;
      if (this.#shared.alwaysReplay) this.#replayAll();
      else this.#session.feed([{ c: "settle", key, outcome }]);
      this.parkSoon();
    }, writes);
  }

  #bounded(key: Key, outcome: Outcome): Outcome {
    return boundedOutcome(key, outcome, this.#shared.storage.limits.maxRecordBytes);
  }

  /** A call that does not fit into a record fails. */
  #tooLarge(command: CallCommand): boolean {
    const { key, call } = command;
    const { host, storage } = this.#shared;
    const error = callTooLarge(key, call, storage.limits.maxRecordBytes);
    if (error === undefined) return false;
    this.settle(key, command, { ok: false, failure: failureOf(error, key) }, host.now());
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

  /** The body needs a call no more: what runs is aborted, and its late outcome does not count. */
  #abandon(key: Key, why: AbandonReason, after: number): void {
    const { called } = this.#journal;
    const attempt = this.#attempts.get(key);
    const known = called.get(key);
    // It has settled meanwhile, or was never recorded.
    if (this.#waits.get(key) === undefined && attempt === undefined && !called.has(key)) {
      return this.#giveBack(key, why, after);
    }
    const reason = attempt === undefined ? undefined : new CancelledError(`"${key}" was given up (${why})`);
    if (attempt !== undefined && reason !== undefined) {
      if (why !== "end" && "undoable" in attempt.call) return this.#attempts.hurry(attempt, reason);
      this.#attempts.drop(attempt, reason);
    } else if (known?.ref !== undefined) {
      this.#attempts.cancelDetached(known.ref);
    }
    const { writes, deliver } = this.#waits.giveUp(key, known);
    called.delete(key);
    this.#journal.append([{ t: "abandoned", key, after, why }], this.#journal.goesOn(), deliver, writes);
  }

  /** An event came for a wait that had lost by then: it is left for the next one. */
  #giveBack(key: Key, why: AbandonReason, after: number): void {
    const message = this.#waits.giveBack(key);
    if (message === undefined) return;
    this.#journal.append(
      [{ t: "abandoned", key, after, why }],
      this.#journal.goesOn(),
      () => this.#shared.deliver(this.id),
      [{ w: "post", message }],
    );
  }

  // --- Ends ---

  #overdue(): void {
    const after = (this.header.deadlineAt ?? 0) - this.header.createdAt;
    this.#cancel(`The run's deadline passed, ${after} ms after it was created`, true, []);
  }

  cancel(reason: string, writes: readonly Write[]): void {
    this.#cancel(reason, false, writes);
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
    const children = this.#waits.cancelChildren(reason);
    this.#cancelUntold = true;
    this.#journal.append([record], this.#journal.goesOn(), () => {
      this.#cancelUntold = false;
      children.deliver();
      if (this.#closed) return;
      this.#waits.endAll((call) => this.#takesBack(call));
      this.#forgetCalled();
      this.#attempts.dropAll(failureError(reason, deadline), true, ({ call }) => !this.#takesBack(call));
      for (const attempt of this.#attempts.values()) this.#attempts.hurry(attempt, failureError(reason, deadline));
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
      this.whenLive(() => {
        const session = this.#session;
        // What is taken back takes its time.
        if (session.compensating) return;
        if (session.undos > 0) return this.#drop();
        const failure = failureOf(failureError(reason, deadline), "");
        this.#close({ c: "close", status: deadline ? "failed" : "cancelled", outcome: { ok: false, failure } });
      }));
  }

  /** The body of a cancelled run has had its time: what it did is taken back without it. */
  #drop(): void {
    this.#journal.append([{ t: "dropped", after: this.#session.calls }], undefined, () => {
      if (this.#closed) return;
      this.#attempts.dropAll(new CancelledError("The body was given up"), true, ({ call }) => "undoable" in call);
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
    const children = this.#waits.cancelChildren("Its parent has ended");
    this.#closed = true;
    if (this.#attempts.size > 0) this.#attempts.dropAll(new EngineClosedError(`Run "${this.id}" has ended`), true);
    this.#clearAlarms();
    const { host, storage, closed, deliver } = this.#shared;
    const { parent } = this.header;
    const writes: Write[] = children.writes;
    if (parent !== undefined) {
      const child = linkOf(this.header).first;
      const message = settleMessage(parent, child, bounded, host.now(), storage.limits.maxRecordBytes);
      writes.push({ w: "post", message });
    }
    this.#journal.append([{ t: "closed", status: ended, outcome: bounded }], this.#journal.ends(ended), () => {
      this.#session.leave?.();
      closed(this, ended, bounded);
      if (parent !== undefined) deliver(parent.run);
      children.deliver();
      // What came meanwhile is for nobody.
      if (this.#waits.hasMessages) deliver(this.id);
    }, writes);
  }

  /** Goes on as another run: one commit ends this one and begins the next, which gets the messages that nothing has taken. */
  async #continue(args: Encoded): Promise<void> {
    const { storage, reserve, release, create, closed, stopped, deliver } = this.#shared;
    const { workflow, parent, root, deadlineAt } = this.header;
    const chain = nextLink(linkOf(this.header));
    const id = linkId(chain);
    this.#continuing = true;
    this.busy(1);
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
      this.#journal.append([{ t: "closed", status: "continued", next: id }], this.#journal.ends("continued"), () => {
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
    this.#waits.clearAlarms();
  }

  // --- Parking ---

  #unparked(): void {
    this.#aside = false;
    this.#shared.unparked(this);
  }

  parkSoon(): void {
    if (this.#waits.size > 0) this.#shared.batcher.beforeCommit(() => this.#maybePark());
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
    const waits = this.#waits.names();
    this.#journal.park(wakeAt, waits, () => {
      if (this.#closed || this.state !== "parked") return;
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
