/**
 * What one run waits for: times, approvals, events, children; and the messages that were left for it.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import { RunExistsError } from "../base/errors.ts";
import type { DrivenSession } from "../workflow/body_session.ts";
import { failureOf } from "../workflow/failure.ts";
import { formProblem } from "../workflow/form_check.ts";
import type { Call, Encoded, JournalRecord, Json, Key, Outcome, RunHeader } from "../workflow/journal.ts";
import type { Alarm } from "./alarm_clock.ts";
import { messageProblem } from "./answers.ts";
import { cancelChild, type ChildCall, childOrigin } from "./children.ts";
import type { Message, Write } from "./ports.ts";
import type { CallCommand, RunAttempts } from "./run_attempts.ts";
import type { Called, RunJournal } from "./run_journal.ts";
import { RunMessages } from "./run_messages.ts";
import type { Shared } from "./run_shared.ts";

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

/** What comes with an outcome. */
export interface SettledBy {
  /** Who ran the attempt. */
  readonly by?: string;
  /** The message that it came with. */
  readonly inbox?: string;
  readonly writes?: readonly Write[];
}

/** The run, as its waits see it. */
export interface WaitingRun {
  readonly id: string;
  readonly header: RunHeader;
  readonly session: DrivenSession;
  readonly isClosed: boolean;
  /** It is cancelled: nothing answers what it waits for. */
  readonly isCancelling: boolean;
  /** It goes on as another run, which gets what is left for it. */
  readonly isContinuing: boolean;
  /** Such a call does not count any more. */
  refuses(call: Call): boolean;
  /** Calls back when the session has caught up; never when the run has left memory. */
  whenLive(then: () => void): void;
  settle(key: Key, command: CallCommand | undefined, outcome: Outcome, startedAt: number, extra?: SettledBy): void;
  cancel(reason: string, writes: readonly Write[]): void;
  /** Something is under way that memory alone knows of: the run is not put aside meanwhile. */
  busy(by: 1 | -1): void;
  /** It may have nothing to do but to wait. */
  parkSoon(): void;
  /** The engine cannot go on with it. */
  stop(error: Error): void;
}

/** What a wait gives when its time is over. */
const OVERDUE: Readonly<Record<string, Encoded>> = {
  sleep: "true",
  approval: encode({ value: null, approver: null, approved: false }),
  event: encode({ payload: null, timedOut: true }),
};

/** Children that a parked run's row names: the row is written anew whenever one of them ends. */
const CHILDREN_SHOWN = 100;

/** Waits of one run. */
export class RunWaits {
  readonly #shared: Shared;
  readonly #journal: RunJournal;
  readonly #attempts: RunAttempts;
  readonly #run: WaitingRun;
  readonly #waits = new Map<Key, Wait>();
  /** Messages that were refused, until that is recorded. */
  readonly #refusing = new Set<string>();
  /** Made when something waits for a message, or one comes: most runs have none. */
  #lazyMessages: RunMessages | undefined;
  /** The inbox was read once. */
  #looked = false;
  /** Events that are recorded as taken, and may not be handed over: whatever waited for them may be given up first. */
  readonly #taken = new Map<Key, Taken>();

  constructor(shared: Shared, journal: RunJournal, attempts: RunAttempts, run: WaitingRun) {
    this.#shared = shared;
    this.#journal = journal;
    this.#attempts = attempts;
    this.#run = run;
  }

  get size(): number {
    return this.#waits.size;
  }

  /** The earliest time at which a wait is over; Infinity without one. */
  get dueAt(): number {
    let at = Infinity;
    for (const wait of this.#waits.values()) at = Math.min(at, wait.dueAt ?? Infinity);
    return at;
  }

  /** Something waited for a message, or one came. */
  get hasMessages(): boolean {
    return this.#lazyMessages !== undefined;
  }

  get(key: Key): Wait | undefined {
    return this.#waits.get(key);
  }

  /** What a parked run waits for, apart from time. */
  names(): readonly string[] {
    const names = new Set<string>();
    let children = 0;
    for (const [key, { call }] of this.#waits) {
      if (call.kind === "approval") names.add(`approval:${key}`);
      else if (call.kind === "event") names.add(`event:${call.name}`);
      else if (call.kind === "child" && children++ < CHILDREN_SHOWN) names.add(`child:${key}`);
    }
    return [...names].sort();
  }

  // --- Waits ---

  /** A sleep, an approval or an event is waited for. */
  begin(command: CallCommand): void {
    const { key, call, fp } = command;
    if (this.#waits.has(key)) return; // goes on from before a replay
    const { host, alarms } = this.#shared;
    const now = host.now();
    const known = this.#journal.called.get(key);
    const dueAt = known?.dueAt ?? dueTime(call, now);
    const alarm = dueAt === undefined
      ? undefined
      : alarms.set(dueAt, () => this.#run.whenLive(() => this.#due(key, command)));
    this.#waits.set(key, { call, dueAt, startedAt: known?.at ?? now, alarm });
    // Only once it is recorded may somebody answer: what is not recorded cannot be answered.
    const announce = (): void => this.#announce(key, call, dueAt);
    if (known === undefined) {
      const due = dueAt === undefined ? undefined : { dueAt };
      this.#journal.writeAhead({ t: "called", key, call, fp, ...due }, undefined, announce);
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
        return emit({ event: "sleep_started", run: this.#run.id, key, dueAt: dueAt ?? 0 });
      case "approval": {
        const { form, options, timeoutMs } = call;
        return emit({
          event: "approval_waiting",
          run: this.#run.id,
          key,
          ...(form === undefined ? undefined : { form }),
          ...(options === undefined ? undefined : { options }),
          timeoutMs,
          expiresAt: dueAt ?? 0,
        });
      }
      case "event":
        return emit({ event: "event_waiting", run: this.#run.id, key, name: call.name, ...expires });
      case "child":
        return emit({ event: "child_waiting", run: this.#run.id, key, workflow: call.workflow, child: call.runId });
      case "task":
      case "step":
      case "undo":
        return;
    }
  }

  /** A call waits for a message. The first one looks into the inbox; from then on the engine tells of each that comes. */
  #expect(key: Key, call: Call): void {
    this.considerMessages(key, call);
    if (this.#looked) return;
    void this.checkInbox().catch((error) => this.#run.stop(error as Error));
  }

  #due(key: Key, command: CallCommand): void {
    const wait = this.#waits.get(key);
    if (wait === undefined) return;
    this.#run.settle(key, command, { ok: true, value: OVERDUE[command.call.kind] ?? "null" }, wait.startedAt);
  }

  /** What was waited for is not any more. */
  end(key: Key): void {
    const wait = this.#waits.get(key);
    if (wait === undefined) return;
    this.#shared.alarms.cancel(wait.alarm);
    this.#waits.delete(key);
    this.#lazyMessages?.forget(key, wait.call);
  }

  /** Ends all waits but those that `stays` names. */
  endAll(stays: (call: Call) => boolean): void {
    for (const [key, { call }] of [...this.#waits]) if (!stays(call)) this.end(key);
  }

  /** The run needs a call no more. `known`: what was recorded of it before this process. A child is told. */
  giveUp(key: Key, known: Called | undefined): { readonly writes: Write[]; deliver(): void } {
    // On replay a child that was given up before the crash is not asked for again: it is known by its record alone.
    if (!this.#waits.has(key) && known?.call.kind === "child") {
      this.#waits.set(key, { call: known.call, dueAt: undefined, startedAt: known.at, alarm: undefined });
    }
    const told = this.cancelChildren(`"${key}" was given up by its parent`, (k) => k === key);
    this.end(key);
    return told;
  }

  clearAlarms(): void {
    for (const wait of this.#waits.values()) this.#shared.alarms.cancel(wait.alarm);
  }

  // --- Children ---

  /** A child is begun, and waited for. */
  beginChild(command: CallCommand, call: ChildCall): void {
    const { key, fp } = command;
    if (this.#waits.has(key)) return; // goes on from before a replay
    const { host, childProblem, reserve, release, create } = this.#shared;
    const now = host.now();
    const known = this.#journal.called.get(key);
    const recorded = known?.call.kind === "child" ? known.call : call;
    const wait: Wait = { call: recorded, dueAt: undefined, startedAt: known?.at ?? now, alarm: undefined };
    if (known !== undefined) {
      this.#waits.set(key, wait);
      this.#announce(key, recorded, undefined);
      return this.#expect(key, recorded);
    }
    const fail = (error: unknown): void =>
      this.#run.settle(key, command, { ok: false, failure: failureOf(error, key) }, now);
    const problem = childProblem(call);
    if (problem !== undefined) return fail(problem);
    this.#waits.set(key, wait);
    this.#run.busy(1);
    const begin = (isFree: boolean): void => {
      this.#run.busy(-1);
      const wanted = this.#waits.get(key) === wait && !this.#run.refuses(call);
      if (!wanted && isFree) release(call.runId);
      if (!wanted) return;
      if (!isFree) {
        const differs =
          `Cannot start child workflow "${call.workflow}": run "${call.runId}" exists. Give the child another 'runId'`;
        return fail(new RunExistsError(differs, []));
      }
      try {
        const { workflow, args, runId: id } = call;
        const child = create({ id, workflow, args, ...childOrigin(this.#run.header, key) });
        this.#journal.writeAhead({ t: "called", key, call, fp }, undefined, () => {
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
      (isFree) => this.#run.isClosed ? isFree && release(call.runId) : this.#run.whenLive(() => begin(isFree)),
      (error) => this.#run.stop(error as Error),
    );
  }

  /** Messages that end the children which nothing waits for any more. */
  cancelChildren(
    why: string,
    which: (key: Key) => boolean = () => true,
  ): { readonly writes: Write[]; deliver(): void } {
    const children = [...this.#waits].flatMap(([key, { call }]) =>
      call.kind === "child" && this.#journal.called.has(key) && which(key) ? [call.runId] : []
    );
    const { host, deliver } = this.#shared;
    return {
      writes: children.map((id) => ({ w: "post", message: cancelChild(this.#run.id, id, why, host.now()) })),
      deliver: () => children.forEach(deliver),
    };
  }

  // --- Messages ---

  get #messages(): RunMessages {
    return this.#lazyMessages ??= new RunMessages(this.#shared.storage, this.#run.id, {
      whenLive: (then) => this.#run.whenLive(then),
      waitOf: (key) => this.#run.isClosed || this.#run.isCancelling ? undefined : this.#waits.get(key),
      check: (key, value) => this.#problem(key, value),
      answer: (key, message, late) => this.#answer(key, message, late),
      refuse: (key, message, reason) => this.#refuse(key, message, reason),
      settle: (message) => this.#settleBy(message),
      busy: (by) => this.#run.busy(by),
    });
  }

  /** What is wrong with an answer: the body's schema says, or a form of plain JSON schema. */
  async #problem(key: Key, value: Json): Promise<string | undefined> {
    const call = this.#waits.get(key)?.call;
    const isPlain = call?.kind === "approval" && call.typed !== true;
    return await this.#run.session.check(key, value) ?? (isPlain ? formProblem(call.form, value) : undefined);
  }

  /** Looks into the inbox and takes what the run waits for. */
  async checkInbox(): Promise<void> {
    this.#looked = true;
    this.#run.busy(1);
    try {
      await this.#messages.read((messages) => this.#run.whenLive(() => this.#receive(messages)));
    } finally {
      this.#run.busy(-1);
      this.#run.parkSoon();
    }
  }

  /** It is being found out what becomes of a message. */
  isConsidering(message: string): boolean {
    return this.#messages.isChecking(message) || this.#refusing.has(message);
  }

  /** Takes what was left for a call. */
  considerMessages(key: Key, call: Call): void {
    this.#messages.expect(key, call);
  }

  #receive(messages: readonly Message[]): void {
    for (const message of messages) {
      if (this.#run.isClosed || this.#run.isContinuing) return;
      const wrong = messageProblem(message);
      if (wrong !== undefined) {
        const { emit, batcher } = this.#shared;
        emit?.({ event: "warning", run: this.#run.id, message: `Message "${message.id}" was thrown away: ${wrong}` });
        batcher.add([{ w: "take", id: message.id }]);
      } else if (message.kind === "cancel") {
        const { reason = "Cancelled" } = JSON.parse(message.payload) as { readonly reason?: string };
        this.#run.cancel(reason, [{ w: "take", id: message.id }]);
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
    this.#run.settle(key, undefined, { ok: true, value: text }, wait.startedAt, { inbox: message.id, writes });
    this.#shared.told(message.id, { fate: "taken" });
    for (const { id } of late) this.#shared.told(id, { fate: "late" });
  }

  #refuse(key: Key, { id, kind }: Message, reason: string): void {
    this.#refusing.add(id);
    this.#journal.append([{ t: "refused", key, inbox: id, reason }], undefined, () => {
      const { emit, told } = this.#shared;
      this.#refusing.delete(id);
      if (kind === "event" || kind === "approval") {
        emit?.({ event: "answer_refused", run: this.#run.id, key, kind, inbox: id, reason });
      }
      told(id, { fate: "refused", key, reason });
    }, [{ w: "take", id }]);
  }

  /** A job that goes on elsewhere has ended, or a child. False when nothing waits for it yet. */
  #settleBy(message: Message): boolean {
    const { id, name: key, from, payload } = message;
    const writes: readonly Write[] = [{ w: "take", id }];
    const wait = this.#waits.get(key);
    if (wait?.call.kind === "child" && wait.call.runId === from && this.#journal.called.has(key)) {
      this.#run.settle(key, undefined, JSON.parse(payload) as Outcome, wait.startedAt, { inbox: id, writes });
      return true;
    }
    const attempt = this.#attempts.takeDetached(key);
    if (attempt === undefined) {
      // A child that was given up: nothing will ask for it any more.
      if (from === undefined || wait !== undefined) return false;
      this.#shared.batcher.add(writes);
      return true;
    }
    const settled = { inbox: id, by: this.#shared.by, writes };
    this.#run.settle(key, attempt.command, JSON.parse(payload) as Outcome, attempt.startedAt, settled);
    return true;
  }

  /** On the way through the journal: a call ended so. */
  noteEnd(record: Extract<JournalRecord, { readonly t: "settled" | "abandoned" }>, call: Call | undefined): void {
    const { key } = record;
    if (record.t === "abandoned") this.#taken.delete(key);
    else if (call?.kind === "event" && record.inbox !== undefined && record.outcome.ok) {
      this.#taken.set(key, { name: call.name, inbox: record.inbox, value: record.outcome.value });
    }
  }

  /** The session has caught up: events whose waits have ended have been handed over. */
  forgetTaken(session: DrivenSession): void {
    if (this.#taken.size === 0) return;
    for (const key of this.#taken.keys()) if (session.isPending?.(key) === false) this.#taken.delete(key);
  }

  /** An event came for a wait that had lost by then: the message that leaves it for the next one. */
  giveBack(key: Key): Message | undefined {
    const taken = this.#taken.get(key);
    if (taken === undefined) return undefined;
    this.#taken.delete(key);
    const { name, inbox, value } = taken;
    const { payload } = decode(value) as { readonly payload: Json };
    const { host } = this.#shared;
    return { id: `${inbox}~`, run: this.#run.id, kind: "event", name, payload: encode(payload), at: host.now() };
  }
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
