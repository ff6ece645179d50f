/**
 * The pure core: the body of one run, what it asked for, and what it was given. It does no I/O, reads no clock and no
 * randomness; what it needs (a macrotask hop, the run context) is passed in.
 *
 * How replay and live agree: outcomes are handed over in record order, one at a time, each when the body has made at least
 * `after` calls and its microtasks are drained (a hop). The body is therefore in the same state at each hand-over, live and
 * on replay, as long as it does nothing but compute and call. The hop is a macrotask even where a run is sequential:
 * counting microtasks instead would be 1 µs faster a step, but a second branch of the body that only computes (`await`s
 * without calls) could then be overtaken on replay, silently.
 *
 * Suspension cannot be caught, because there is nothing to catch: a call that is not settled is a promise that does not settle.
 *
 * How each kind of call is made is in `body_calls.ts`, what is still to come of the journal in `history.ts`. What is here is one
 * state machine, and longer than a file should be: which calls are pending, what is handed over next, and when the run is over.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import { CancelledError, DeadlineError, HostUnsupportedError, ReplayMismatchError } from "../base/errors.ts";
import {
  callApproval,
  callChild,
  type Caller,
  callEvent,
  callSleep,
  callStep,
  callTask,
  callUndo,
} from "./body_calls.ts";
import type {
  ApprovalSpec,
  BodySession,
  ChildSpec,
  EventOutcome,
  EventSpec,
  Scope,
  SessionPorts,
  StepSpec,
  TaskSpec,
  UndoSpec,
} from "./body_session.ts";
import { CallPromise } from "./call_promise.ts";
import { bodyFailure, compensationFailure, errorOf, failureOf } from "./failure.ts";
import { Fingerprints } from "./fingerprints.ts";
import { type Called, type HandedOver, History, mismatchFailure } from "./history.ts";
import type {
  BeginOptions,
  Call,
  Capability,
  Command,
  Encoded,
  Failure,
  Fingerprint,
  Input,
  JournalRecord,
  Json,
  Key,
  LogLevel,
  Outcome,
  RunHeader,
  RunStatus,
  TaskInfo,
} from "./journal.ts";
import { KeyTrail } from "./key_trail.ts";
import { parameterNames, positional } from "./parameters.ts";
import {
  acts,
  isAwaitedAtEnd,
  isCarriedOut,
  isUndoable,
  isWithin,
  type Pending,
  scopeIn,
  stoppedBy,
} from "./pending_call.ts";
import { createSeededRandom, type SeededRandom } from "./seeded_random.ts";
import { type Undo, type UndoHost, Undos } from "./undos.ts";
import { type Fallible, UnseenFailures } from "./unseen_failures.ts";

export type * from "./body_session.ts";

/** Calls that are refused at once, of a body that was cancelled or of a branch that was given up. */
const PATIENT = 100;

const NOT_ASKING = /* @__PURE__ */ Promise.resolve();

const NOTHING: ReadonlySet<Capability> = /* @__PURE__ */ new Set<Capability>();

/** A session for one run. */
export function createSession(ports: SessionPorts): BodySession {
  CallPromise.prepare();
  return new RunSession(ports);
}

class RunSession implements BodySession, Caller, UndoHost {
  readonly #ports: SessionPorts;
  readonly #history = new History();
  readonly #keys: KeyTrail;
  readonly #fingerprints: Fingerprints;
  readonly #failures = new UnseenFailures();
  readonly #undos = new Undos(this);
  readonly #pending = new Map<Key, Pending>();
  #commands: Command[] = [];
  #inputs: Input[] = [];
  #next = 0;
  #calls = 0;
  #scheduled = false;
  #closed = false;
  /** Calls are given up: that is no failure that somebody should have looked at. */
  #isGivingUp = false;
  #only: Key | undefined;
  #ended: Outcome | undefined;
  #stopped: { readonly error: Error; readonly status: RunStatus } | undefined;
  /** Arguments of the run that goes on for this one. */
  #continuing: { readonly args: Encoded; readonly promise: Fallible } | undefined;
  readonly #onCancel: ((reason: Error) => void)[] = [];
  #header: RunHeader | undefined;
  #random: SeededRandom | undefined;
  /** Calls that were refused. */
  #refused = 0;
  /** Questions for times that are under way. */
  #held = 0;
  #asking: Promise<unknown> = NOT_ASKING;
  scope: Scope | undefined;

  constructor(ports: SessionPorts) {
    this.#ports = ports;
    this.#keys = new KeyTrail((key, name) => {
      if (!this.replaying) this.#commands.push({ c: "notice", notice: "non-confluent", key, name });
    });
    this.#fingerprints = new Fingerprints(ports, (notice) => this.#command(notice));
  }

  get calls(): number {
    return this.#calls;
  }

  get pending(): number {
    return this.#pending.size;
  }

  get replaying(): boolean {
    return this.#history.isReplaying;
  }

  get busy(): boolean {
    return this.#scheduled;
  }

  get undos(): number {
    return this.#undos.size;
  }

  get compensating(): boolean {
    return this.#undos.isTakingBack;
  }

  get seeded(): boolean {
    return this.#random !== undefined;
  }

  get unasked(): readonly Key[] {
    return this.#history.unaskedRest;
  }

  get can(): ReadonlySet<Capability> {
    return this.#ports.can ?? NOTHING;
  }

  get hostName(): string {
    return this.#ports.hostName ?? "this host";
  }

  begin(header: RunHeader, history: Iterable<JournalRecord>, { only, rest }: BeginOptions = {}): void {
    this.#header = header;
    this.#only = only;
    this.#history.load(history, rest);
    this.#pull();
    // Nothing to replay: the calls of the body's first turn are live already, and their sites are worth to be kept.
    if (this.#history.isUsedUp) this.#history.end();
    const { body, argument = (value) => value } = this.#ports;
    const args = positional(decode(header.args), body).map(argument);
    this.#ports.enter(this, undefined, () => {
      // A body that throws at once ends like one that rejects.
      new Promise((resolve) => resolve(body(...args as never[]))).then(
        (value) => this.#end(() => ({ ok: true, value: encode(value) })),
        (error) => this.#end(() => ({ ok: false, failure: bodyFailure(error) })),
      );
    });
    this.#schedule();
  }

  feed(inputs: readonly Input[]): void {
    for (const input of inputs) this.#inputs.push(input);
    this.#schedule();
  }

  take(): readonly Command[] {
    const commands = this.#commands;
    this.#commands = [];
    return commands;
  }

  async invoke(key: Key, info: TaskInfo): Promise<Outcome> {
    const closure = this.#pending.get(key)?.closure;
    try {
      if (closure === undefined) throw new Error(`Cannot run "${key}": it has no function in this session`);
      return { ok: true, value: encode(await this.#ports.enter(this, info, closure)) };
    } catch (error) {
      return { ok: false, failure: failureOf(error, key) };
    }
  }

  giveUp(): void {
    if (!this.replaying || this.#closed) return;
    const awaited = this.#history.head ?? this.#history.unaskedCall;
    if (awaited !== undefined) this.#mismatch(awaited, undefined, "not-asked");
  }

  isPending(key: Key): boolean {
    return this.#pending.has(key);
  }

  names(key: Key): readonly (string | undefined)[] {
    const fn = this.#pending.get(key)?.fn;
    return fn === undefined ? [] : parameterNames(Function.prototype.toString.call(fn));
  }

  async check(key: Key, value: Json): Promise<string | undefined> {
    return await this.#pending.get(key)?.check?.(value);
  }

  async endedAt(keys: readonly Key[]): Promise<ReadonlyMap<Key, number>> {
    // What comes of it is recorded and is there at once on replay: nothing is handed over meanwhile, and one is asked for at a time.
    this.#held++;
    const before = this.#asking;
    const asked = before.then(() => this.#ports.endedAt?.(keys) ?? new Map());
    this.#asking = asked;
    try {
      return await asked;
    } finally {
      this.#held--;
      this.#schedule();
    }
  }

  // --- What the body calls ---

  task(spec: TaskSpec, args: readonly unknown[]): Promise<unknown> {
    return callTask(this, spec, args);
  }

  step(spec: StepSpec): Promise<unknown> {
    return callStep(this, spec);
  }

  sleep(time: { readonly ms: number } | { readonly until: number }, name = "sleep"): Promise<void> {
    return callSleep(this, time, name);
  }

  approval(spec: ApprovalSpec): Promise<unknown> {
    return callApproval(this, spec);
  }

  event(spec: EventSpec): Promise<EventOutcome> {
    return callEvent(this, spec);
  }

  child(spec: ChildSpec, args: unknown): Promise<unknown> {
    return callChild(this, spec, args);
  }

  ordered<T>(fn: () => T): T {
    return this.#keys.ordered(fn);
  }

  // --- What is recorded beside calls ---

  marker(name: string, make: () => Json): Json {
    if (this.#closed) {
      this.#ports.late?.();
      return make();
    }
    const recorded = this.#history.takeMarker(name);
    if (recorded === undefined) {
      // Also while replaying: one that was lost in a crash, with nothing that followed it, is made again.
      const value = decode(encode(make())) as Json;
      this.#mark(name, value);
      return value;
    }
    if (recorded.after === this.#calls) return recorded.value;
    this.#mismatch(recorded, undefined, "not-asked");
    throw new ReplayMismatchError(
      `The journal and the code differ at marker "${name}": it was recorded after ${recorded.after} calls, ` +
        `and is asked for after ${this.#calls}`,
      name,
    );
  }

  peekMarker(name: string): Json | undefined {
    return this.#history.peekMarker(name);
  }

  now(): number {
    return this.marker("now", () => {
      const { now } = this.#ports;
      if (now === undefined) throw new HostUnsupportedError(`Cannot call now() on ${this.hostName}: it has no clock`);
      return now();
    }) as number;
  }

  patched(id: string): boolean {
    const { patched } = this.#history;
    const known = patched.get(id);
    if (known !== undefined) return known;
    const isNew = !this.#history.wentOn(this.#calls, (key) => this.#pending.has(key));
    patched.set(id, isNew);
    if (isNew && !this.#closed) this.#mark(`patched:${id}`, true);
    return isNew;
  }

  random(): number {
    return this.#seeded().number();
  }

  uuid(): string {
    return this.#seeded().uuid();
  }

  #seeded(): SeededRandom {
    return this.#random ??= createSeededRandom(this.#header?.seed ?? "");
  }

  log(level: LogLevel, message: string, data: Json | undefined, inner: boolean): void {
    if (this.#closed || !(inner || this.#history.isLive)) return;
    this.#command({ c: "log", level, message, ...(data === undefined ? undefined : { data }) });
  }

  #mark(name: string, value: Json): void {
    this.#command({ c: "marker", name, after: this.#calls, value });
  }

  #command(command: Command): void {
    this.#commands.push(command);
    this.#ports.wake();
  }

  // --- Scopes, undo, the end by other means ---

  openScope(parent: Scope | undefined, tasksOnly?: boolean): Scope {
    return scopeIn(parent, tasksOnly);
  }

  stopScope(scope: Scope, why: "race" | "timeout", error: Error): void {
    if (scope.stopped !== undefined || this.#closed) return;
    scope.stopped = error;
    this.#giveUp(scope, why, error, () => true);
  }

  #giveUp(scope: Scope, why: "race" | "timeout", error: Error, which: (p: Pending) => boolean): void {
    for (const p of [...this.#pending.values()]) {
      if (p.undoing || !isWithin(p.scope, scope) || !which(p)) continue;
      const queued = this.#commands.findIndex((command) => command.c === "call" && command.key === p.key);
      if (queued >= 0) {
        // It has not begun, and does not: not even a record of it is needed.
        this.#commands.splice(queued, 1);
        this.#pending.delete(p.key);
        this.#refuseFor(p, error);
        continue;
      }
      if (isUndoable(p.call)) {
        // Its effect may be there already: what comes of it is waited for, so that it can be taken back.
        if (this.replaying) this.#history.hurry(p.key, why);
        else this.#commands.push({ c: "abandon", key: p.key, why });
        this.#refuseFor(p, error);
        continue;
      }
      this.#pending.delete(p.key);
      if (this.replaying) this.#history.passOver(p.key, why);
      else this.#commands.push({ c: "abandon", key: p.key, why });
      this.#refuseFor(p, error);
    }
    // A saga that failed may have waited for what was given up just now.
    this.#undos.unwindEnded();
    this.#ports.wake();
  }

  #refuseFor(p: Pending, error: Error): void {
    this.#isGivingUp = true;
    p.settle({ ok: false, failure: failureOf(error, p.key) });
    this.#isGivingUp = false;
  }

  onCancel(then: (reason: Error) => void): void {
    if (this.#stopped !== undefined) then(this.#stopped.error);
    else this.#onCancel.push(then);
  }

  continueAsNew(args: Encoded): Promise<never> {
    const promise = new CallPromise<never>();
    if (this.refuses(promise)) return promise;
    this.#continuing = { args, promise };
    this.#schedule();
    return promise;
  }

  compensate(scope: Scope): Promise<void> {
    const error = new CancelledError("What it belongs to has failed");
    scope.stopped ??= error;
    this.#giveUp(scope, "race", error, (p) => !acts(p.call));
    return this.#undos.compensate(scope);
  }

  undoable(of: Key, scope: Scope | undefined, undo: UndoSpec, args: () => unknown[]): void {
    this.#undos.add(of, scope, undo, args);
  }

  isRunning(scope: Scope): boolean {
    return [...this.#pending.values()].some((p) => !p.undoing && isWithin(p.scope, scope));
  }

  callUndo(undo: Undo, done: (outcome: Outcome) => void): void {
    callUndo(this, undo, done);
  }

  // --- Calls ---

  /** After a cancel the body may clean up, but it may not call. After the end nobody is there to call. */
  refuses(promise: Fallible): boolean {
    if (this.#closed) {
      this.#ports.late?.();
      return true;
    }
    const error = this.#stopped?.error ?? stoppedBy(this.scope);
    if (error === undefined) return this.#continuing !== undefined;
    // A body that swallows the error and calls again, in a loop, must not keep the process to itself: not for ever either.
    if (++this.#refused <= PATIENT) promise.fail(error);
    else if (this.#refused <= PATIENT * 10) this.#ports.hop(() => promise.fail(error));
    return true;
  }

  reject(promise: Fallible, failure: Failure, unawaited: "fail" | "ignore" = "fail"): void {
    // It was given up, and what came of it is known now: only its undo asks for that.
    if (promise.error !== undefined) return;
    promise.fail(errorOf(failure));
    if (unawaited !== "fail" || this.#isGivingUp || promise.observed) return;
    this.#failures.add(promise, failure);
  }

  isOver(scope: Scope | undefined): boolean {
    return this.#stopped !== undefined || this.#ended?.ok === false || stoppedBy(scope) !== undefined;
  }

  childId(): string {
    return `${this.#header?.id}.${this.#calls + 1}`;
  }

  fingerprint(kind: Call["kind"], name: string, args: string, fn?: (...args: never[]) => unknown): Fingerprint {
    return this.#fingerprints.of(kind, name, args, fn, this.replaying);
  }

  draw(name: string): Key {
    return this.#keys.draw(name, this.#pending.size === 0);
  }

  drawPart(name: string): Key {
    return this.#keys.drawPart(name);
  }

  claim(key: Key): boolean {
    return this.#keys.claim(key);
  }

  ask(p: Pending): void {
    const { key } = p;
    p.n = ++this.#calls;
    this.#ports.asked?.();
    // The run has failed: what other branches of the body still ask for is not begun. Undos are.
    if (this.#ended?.ok === false && !p.undoing) return;
    if (p.scope?.tasksOnly === true && acts(p.call)) p.scope.keys.push(key);
    this.#pending.set(key, p);
    if (this.replaying) {
      const called = this.#history.takeCalled(key);
      if (called !== undefined && this.#fingerprints.differs(called, called.fp, p)) {
        return this.#mismatch(called, p, "differs");
      }
      this.#schedule();
    } else {
      this.#begin(p);
    }
  }

  /** Live: an outcome that is there is handed over; what has none is begun. */
  #begin(p: Pending): void {
    const { key } = p;
    const outcome = this.#history.takeRest(key);
    if (outcome !== undefined) {
      this.#inputs.push({ c: "settle", key, outcome });
      this.#schedule();
    } else if (this.#only === undefined || this.#only === key) {
      this.#command({ c: "call", n: p.n, key, call: p.call, fp: p.fp });
    }
  }

  // --- Hand-over ---

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#ports.hop(this.#onHop);
  }

  readonly #onHop = (): void => {
    this.#scheduled = false;
    this.#advance();
  };

  /** Runs with the body's microtasks drained. Hands one thing over and comes back, or finds that nothing is left to hand over. */
  #advance(): void {
    if (this.#closed || this.#held > 0) return;
    if (this.replaying) {
      if (!this.#replay()) return;
      this.#ports.wake();
    }
    const input = this.#inputs[this.#next];
    if (input !== undefined) {
      this.#next++;
      if (this.#next === this.#inputs.length) {
        this.#inputs = [];
        this.#next = 0;
      }
      if (input.c === "cancel") this.#cancelAll(input.reason, input.deadline === true);
      else if (input.c === "drop") this.#drop();
      else {
        this.#ports.handed?.(input.key, this.#calls, this.#pending.get(input.key)?.n ?? 0);
        this.#settle(input.key, input.outcome);
      }
      // With nothing pending the body is the only one to go on, and what it does announces itself: its next call, or its end.
      const more = this.#pending.size > 0 || this.#inputs.length > 0 || this.#ended !== undefined ||
        this.#continuing !== undefined;
      if (more) this.#schedule();
      return;
    }
    if (this.#continuing !== undefined && this.#ended === undefined) this.#continue(this.#continuing.args);
    else if (this.#ended !== undefined) this.#finish(this.#ended);
    // Also without a command: that nothing is left to hand over is news to the driver.
    this.#ports.wake();
  }

  /** One record of the history. True when the history is used up. */
  #replay(): boolean {
    const { head } = this.#history;
    if ((this.#ended !== undefined || this.#continuing !== undefined) && this.#takesBack(head)) return false;
    if (head !== undefined) {
      if (this.#calls < head.after) {
        // The body waits for something of its own, or it has changed.
        if (this.#ended !== undefined) this.#mismatch(head, undefined, "not-asked");
        return false;
      }
      this.#hand(head);
      if (this.#closed) return false;
      this.#pull();
      this.#schedule();
      return false;
    }
    const called = this.#history.unaskedCall;
    if (called !== undefined) {
      if (this.#ended !== undefined) this.#mismatch(called, undefined, "not-asked");
      return false;
    }
    const { given, hurried } = this.#history.end();
    for (const [key, why] of given) this.#commands.push({ c: "abandon", key, why });
    for (const p of this.#pending.values()) this.#begin(p);
    for (const [key, why] of hurried) {
      if (this.#pending.has(key)) this.#commands.push({ c: "abandon", key, why });
    }
    return true;
  }

  /** Replay: the body has failed, and the next record is of what takes back what it did. */
  #takesBack(head: HandedOver | undefined): boolean {
    if (this.compensating || this.undos === 0 || this.#undos.failed !== undefined) return false;
    if (this.#ended?.ok !== false && this.#stopped === undefined && this.#failures.first() === undefined) return false;
    if (head === undefined) {
      // One that ran for a while is recorded ahead of its outcome: the process may have ended in it.
      if (![...this.#history.unaskedCalls].some(({ fp }) => fp.kind === "undo")) return false;
    } else if (head.t !== "settled" || this.#pending.has(head.key) || this.#history.isPassedOver(head.key)) {
      return false;
    }
    this.#takeBack();
    this.#schedule();
    return true;
  }

  #pull(): void {
    const other = this.#history.next(this.#isOther);
    if (other !== undefined) this.#mismatch(other, this.#pending.get(other.key), "differs");
  }

  /** Whether the body has asked for another call than was recorded; undefined when it has not asked yet. */
  readonly #isOther = (record: Called): boolean | undefined => {
    const p = this.#pending.get(record.key);
    return p === undefined ? undefined : this.#fingerprints.differs(record, record.fp, p);
  };

  #hand(record: HandedOver): void {
    switch (record.t) {
      case "settled": {
        const p = this.#pending.get(record.key);
        if (p === undefined) {
          if (this.#history.isPassedOver(record.key)) return;
          return this.#mismatch(record, this.#history.unrecorded([...this.#pending.values()]), "not-asked");
        }
        if (record.fp !== undefined && this.#fingerprints.differs(record, record.fp, p)) {
          return this.#mismatch(record, p, "differs");
        }
        return this.#settle(record.key, record.outcome);
      }
      case "cancelling":
        return this.#cancelAll(record.reason, record.deadline === true);
      case "abandoned":
        // The body has given it up itself, unless it had ended beside it.
        if (this.#history.passedOver(record.key)) return;
        if (record.why === "end") this.#pending.delete(record.key);
        else this.#mismatch(record, this.#pending.get(record.key), "not-asked");
        return;
      case "dropped":
        return this.#drop();
      case "reopened":
        return this.#undos.reopen();
    }
  }

  #settle(key: Key, outcome: Outcome): void {
    const p = this.#pending.get(key);
    if (p === undefined) return;
    this.#pending.delete(key);
    this.#keys.handOver(key);
    this.#refused = 0;
    p.settle(outcome);
    this.#undos.unwindEnded();
  }

  #cancelAll(reason: string, deadline: boolean): void {
    // A run that takes back what it did is at its end already.
    if (this.#stopped !== undefined || this.compensating) return;
    const error = deadline ? new DeadlineError(reason) : new CancelledError(reason);
    this.#stopped = { error, status: deadline ? "failed" : "cancelled" };
    const pending = [...this.#pending.values()].filter((p) => !p.undoing);
    // The effect of what can be taken back may be there already: what comes of it is waited for.
    for (const { key, call } of pending) if (!isUndoable(call)) this.#pending.delete(key);
    for (const then of this.#onCancel) then(error);
    // Nothing goes on for a run that is cancelled.
    this.#continuing?.promise.fail(error);
    this.#continuing = undefined;
    for (const p of pending) p.settle({ ok: false, failure: failureOf(error, p.key) });
    this.#undos.unwindEnded();
  }

  /** The body of a cancelled run has had its time. */
  #drop(): void {
    if (this.#stopped !== undefined) this.#ended ??= { ok: false, failure: bodyFailure(this.#stopped.error) };
    for (const p of [...this.#pending.values()]) if (!p.undoing) this.#pending.delete(p.key);
    this.#schedule();
  }

  // --- The end ---

  #end(outcome: () => Outcome): void {
    try {
      this.#ended = outcome();
    } catch (error) {
      this.#ended = { ok: false, failure: bodyFailure(error) };
    }
    this.#schedule();
  }

  #finish(ended: Outcome): void {
    const failed = !ended.ok || this.#stopped !== undefined;
    for (const p of this.#pending.values()) if (isAwaitedAtEnd(p, failed)) return;
    const undoFailed = this.#undos.failed;
    if (failed && undoFailed === undefined && this.undos > 0) return this.#takeBack();
    const { error, status = "failed" } = this.#stopped ?? {};
    const failure = error !== undefined ? bodyFailure(error) : ended.ok ? undefined : ended.failure;
    this.#abandonAll();
    if (failure !== undefined) {
      if (undoFailed === undefined) return this.#close(status, { ok: false, failure });
      return this.#close("failed", { ok: false, failure: compensationFailure(failure, undoFailed) });
    }
    const unseen = this.#failures.first();
    if (unseen === undefined) return this.#close("completed", ended);
    if (this.undos > 0) return this.#takeBack();
    this.#close("failed", { ok: false, failure: unseen });
  }

  /** The run fails: what has an undo is taken back first. */
  #takeBack(): void {
    if (this.compensating) return;
    // What waits for nothing but time or people is not waited for.
    this.#abandonAll();
    if (this.#ended?.ok !== false) {
      const unseen = this.#stopped === undefined ? this.#failures.first() : undefined;
      this.#ended = { ok: false, failure: unseen ?? bodyFailure(this.#stopped?.error) };
    }
    this.#undos.takeBack(() => this.#schedule());
  }

  #abandonAll(): void {
    for (const key of this.#pending.keys()) {
      if (!this.replaying) this.#commands.push({ c: "abandon", key, why: "end" });
    }
    this.#pending.clear();
  }

  /** The run goes on as another one. */
  #continue(nextArgs: Encoded): void {
    for (const { call } of this.#pending.values()) if (isCarriedOut(call)) return;
    const failure = this.#failures.first();
    if (failure !== undefined) {
      // As at the end: the next run would know nothing of it.
      this.#continuing = undefined;
      this.#ended = { ok: false, failure };
      return this.#finish(this.#ended);
    }
    this.#abandonAll();
    this.#closed = true;
    this.#command({ c: "close", status: "continued", nextArgs });
  }

  #close(status: RunStatus, outcome: Outcome, mismatch?: boolean): void {
    this.#closed = true;
    this.#command({ c: "close", status, outcome, ...(mismatch === true ? { mismatch } : undefined) });
  }

  #mismatch(record: JournalRecord, asked: Pending | undefined, reason: "differs" | "not-asked"): void {
    this.#close("failed", { ok: false, failure: mismatchFailure(record, asked, reason) }, true);
  }
}
