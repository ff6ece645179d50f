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
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import { CancelledError, DeadlineError, HostUnsupportedError, ReplayMismatchError, TaskError } from "../base/errors.ts";
import { hash64 } from "../base/hash.ts";
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
import { compensationFailure, errorOf, failureOf } from "./failure.ts";
import type {
  BeginOptions,
  Call,
  Capability,
  ChangeMode,
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
  RetryPolicy,
  RunHeader,
  RunStatus,
  TaskInfo,
} from "./journal.ts";
import { createKeys } from "./keys.ts";
import { givenArguments, parameterNames } from "./parameters.ts";
import { backoffSeconds } from "./retry.ts";
import { createSeededRandom, type SeededRandom } from "./seeded_random.ts";

export type * from "./body_session.ts";

/** A call that has not settled. Optional fields are there in all, so that all have one shape: a step costs less so. */
interface Pending {
  /** Number of the call, from 1. Set when it is added. */
  n: number;
  readonly key: Key;
  readonly call: Call;
  readonly fp: Fingerprint;
  readonly scope: Scope | undefined;
  /** What runs in this process. */
  readonly closure: (() => unknown) | undefined;
  /** The function that the user wrote: its source is compared, and has the names of a task's arguments. */
  readonly fn: ((...args: never[]) => unknown) | undefined;
  readonly check: ((value: Json) => Promise<string | undefined>) | undefined;
  /** Part of an undo: asked for, and waited for, whatever has become of the run. */
  readonly undoing: boolean;
  readonly settle: (outcome: Outcome) => void;
}

/** What a call is made of, as its kind gives it. */
interface Asked {
  readonly key: Key;
  readonly call: Call;
  readonly fp: Fingerprint;
  readonly scope: Scope | undefined;
  readonly closure?: (() => unknown) | undefined;
  readonly fn?: ((...args: never[]) => unknown) | undefined;
  readonly check?: ((value: Json) => Promise<string | undefined>) | undefined;
  readonly undoing?: boolean | undefined;
  readonly settle: (outcome: Outcome) => void;
}

/** A call that may be repeated: how each attempt is asked for, and what the last one does. */
interface Repeated {
  readonly base: Key;
  readonly retry: RetryPolicy | undefined;
  readonly scope: Scope | undefined;
  readonly undoing?: boolean | undefined;
  readonly attempt: (key: Key, attempt: number, settle: (outcome: Outcome) => void) => Asked;
  readonly done: (outcome: Outcome) => void;
}

/** What takes the effect of a call back. */
interface Undo {
  readonly of: Key;
  readonly scope: Scope | undefined;
  readonly retry: RetryPolicy | undefined;
  readonly run: () => unknown;
  /** The function that the user wrote. */
  readonly fn: (...args: never[]) => unknown;
  running: boolean;
}

/** A call's promise, whatever it gives. */
type Fallible = Pick<CallPromise<unknown>, "fail" | "observed" | "error">;

type HandedOver = Exclude<Extract<JournalRecord, { readonly after: number }>, { readonly t: "marker" }>;
type Marker = Extract<JournalRecord, { readonly t: "marker" }>;
type Called = Extract<JournalRecord, { readonly t: "called" }>;

/** Longest arguments that a fingerprint keeps (design.md 4.7). */
const SHOWN_ARGS = 512;

/** Causes that are kept although nothing asks for them any more. */
const FORGET = 256;

/** Causes that are kept while something is pending. */
const LONGEST_TRAIL = 16_384;

/** Calls that are refused at once, of a body that was cancelled or of a branch that was given up. */
const PATIENT = 100;

/** How an undo is repeated that says nothing of it: an undo that fails leaves an effect behind. */
const UNDO_RETRY: RetryPolicy = { attempts: 3, delayS: 1, multiplier: 2 };

const NOT_ASKING = /* @__PURE__ */ Promise.resolve();

const NOTHING: ReadonlySet<Capability> = /* @__PURE__ */ new Set<Capability>();

/** A session for one run. */
export function createSession(ports: SessionPorts): BodySession {
  CallPromise.prepare();
  return new RunSession(ports);
}

class RunSession implements BodySession {
  readonly #ports: SessionPorts;
  readonly #keys = createKeys();
  readonly #pending = new Map<Key, Pending>();
  /** Failures that somebody should look at; those that were looked at are thrown out now and then. */
  #promises: { readonly promise: Fallible; readonly failure: Failure }[] = [];
  #crowded = FORGET;
  readonly #sited = new Set<string>();
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
  #undos: Undo[] = [];
  /** Calls that were refused. */
  #refused = 0;
  /** Sagas that have failed, and wait for what still runs in them. */
  #ending: { readonly scope: Scope; readonly unwind: () => void }[] = [];
  /** Sagas whose next undo waits for one that runs already, for another saga. */
  #queued: (() => void)[] = [];
  /** The undo that failed: no other runs until the run is opened again. */
  #undoFailed: Failure | undefined;
  #compensating = false;
  /** Questions for times that are under way. */
  #held = 0;
  #asking: Promise<unknown> = NOT_ASKING;
  scope: Scope | undefined;

  // Replay: the records still to come, the next one to hand over, calls recorded ahead that were not asked for yet.
  #records: readonly JournalRecord[] = [];
  #position = 0;
  #head: HandedOver | undefined;
  #called = new Map<Key, Called>();
  #replaying = true;
  /** Outcomes without an order that were not asked for yet. */
  #rest: Map<Key, Outcome> | undefined;
  /** Markers that were not asked for yet, by name: two branches may record theirs in another order than outcomes. */
  #markers: Map<string, Marker[]> | undefined;
  readonly #patched = new Map<string, boolean>();
  /** Calls that the body has given up, while their records may still come. */
  readonly #given = new Map<Key, "race" | "timeout" | undefined>();
  /** Calls that it has given up, and whose outcome is waited for all the same. */
  readonly #hurried = new Map<Key, "race" | "timeout">();

  // Which hand-over led to which call, since the last moment at which nothing was pending: what is older is of no interest, and
  // thrown out now and then, because clearing a map costs more than a call.
  #turn = 0;
  #quiet = 0;
  #cause: Key | undefined;
  #ordered = false;
  readonly #causes = new Map<Key, Key | undefined>();
  readonly #drawn = new Map<string, { readonly turn: number; readonly key: Key }>();
  #noticed: Set<string> | undefined;

  constructor(ports: SessionPorts) {
    this.#ports = ports;
  }

  get calls(): number {
    return this.#calls;
  }

  get pending(): number {
    return this.#pending.size;
  }

  get replaying(): boolean {
    return this.#replaying;
  }

  get busy(): boolean {
    return this.#scheduled;
  }

  get undos(): number {
    return this.#undos.length;
  }

  get compensating(): boolean {
    return this.#compensating;
  }

  get seeded(): boolean {
    return this.#random !== undefined;
  }

  get unasked(): readonly Key[] {
    return [...this.#rest?.keys() ?? []];
  }

  get can(): ReadonlySet<Capability> {
    return this.#ports.can ?? NOTHING;
  }

  get hostName(): string {
    return this.#ports.hostName ?? "this host";
  }

  /** Nothing is left of what was recorded: what the body does now, it does for the first time. */
  get #live(): boolean {
    if (this.#rest !== undefined && this.#rest.size > 0) return false;
    return !this.#replaying || (this.#head === undefined && this.#called.size === 0);
  }

  begin(header: RunHeader, history: Iterable<JournalRecord>, { only, rest }: BeginOptions = {}): void {
    this.#header = header;
    this.#only = only;
    if (rest !== undefined && rest.size > 0) this.#rest = new Map(rest);
    const records = Array.isArray(history) ? history as readonly JournalRecord[] : [...history];
    for (const record of records) if (record.t === "marker") this.#expect(record);
    this.#records = records;
    this.#pull();
    // Nothing to replay: the calls of the body's first turn are live already, and their sites are worth to be kept.
    if (this.#head === undefined && this.#called.size === 0) this.#replaying = false;
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
    if (!this.#replaying || this.#closed) return;
    const [called] = this.#called.values();
    const head = this.#head ?? called;
    if (head !== undefined) this.#mismatch(head, undefined, "not-asked");
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

  ordered<T>(fn: () => T): T {
    const before = this.#ordered;
    this.#ordered = true;
    try {
      return fn();
    } finally {
      this.#ordered = before;
    }
  }

  // --- What the body calls ---

  task(spec: TaskSpec, args: readonly unknown[]): Promise<unknown> {
    const promise = new CallPromise<unknown>();
    const { name, via, script, options, retry, fn, unawaited, undo } = spec;
    const encoded = this.#encode(() => via === "inline" ? givenArguments(args) : argumentObject(args), promise);
    if (encoded === undefined) return promise;
    const base = this.#draw(name);
    const fp = this.#fingerprint("task", name, encoded === "[]" ? "" : encoded, fn);
    const closure = fn === undefined ? undefined : (): unknown => fn(...decode(encoded) as never[]);
    const { scope } = this;
    this.#repeat({
      base,
      retry,
      scope,
      attempt: (key, attempt, settle) => ({
        key,
        call: {
          kind: "task",
          name,
          via,
          ...(script === undefined ? undefined : { script }),
          args: encoded,
          options,
          ...(retry === undefined ? undefined : { retry }),
          ...(undo === undefined ? undefined : { undoable: true }),
          base,
          attempt,
        },
        fp,
        scope,
        closure,
        fn,
        settle,
      }),
      done: (outcome) => {
        if (!outcome.ok) return this.#reject(promise, outcome.failure, unawaited);
        if (undo !== undefined) {
          const passed = (): unknown[] => {
            const all: unknown = decode(encoded);
            return Array.isArray(all) ? all : [all];
          };
          this.#undoable(base, scope, undo, () => [decode(outcome.value), ...passed()]);
        }
        promise.settle(decode(outcome.value));
      },
    });
    return promise;
  }

  step(spec: StepSpec): Promise<unknown> {
    const promise = new CallPromise<unknown>();
    if (this.#refuse(promise)) return promise;
    const { name, fn, retry, undo } = spec;
    const base = this.#draw(name);
    const fp = this.#fingerprint("step", name, "", fn);
    const { scope } = this;
    // Most steps are not repeated: they do without the closures of those that are.
    if (retry === undefined) {
      const call: Call = undo === undefined
        ? { kind: "step", name, base, attempt: 1 }
        : { kind: "step", name, undoable: true, base, attempt: 1 };
      this.#addStep(base, call, fp, fn, (outcome) => this.#stepDone(outcome, spec, base, scope, promise));
      return promise;
    }
    this.#repeat({
      base,
      retry,
      scope,
      attempt: (key, attempt, settle) => ({
        key,
        call: { kind: "step", name, retry, ...(undo === undefined ? undefined : { undoable: true }), base, attempt },
        fp,
        scope,
        closure: fn,
        fn,
        settle,
      }),
      done: (outcome) => this.#stepDone(outcome, spec, base, scope, promise),
    });
    return promise;
  }

  /** `settle` is an argument, and so has no name: a bundler that keeps names would set it anew for each step, at 2 µs. */
  #addStep(key: Key, call: Call, fp: Fingerprint, fn: StepSpec["fn"], settle: (outcome: Outcome) => void): void {
    this.#add({ n: 0, key, call, fp, scope: this.scope, closure: fn, fn, check: undefined, undoing: false, settle });
  }

  #stepDone(
    outcome: Outcome,
    { undo, unawaited }: StepSpec,
    base: Key,
    scope: Scope | undefined,
    promise: CallPromise<unknown>,
  ): void {
    if (!outcome.ok) return this.#reject(promise, outcome.failure, unawaited);
    if (undo !== undefined) this.#undoable(base, scope, undo, () => [decode(outcome.value)]);
    promise.settle(decode(outcome.value));
  }

  sleep(time: { readonly ms: number } | { readonly until: number }, name = "sleep"): Promise<void> {
    const promise = new CallPromise<void>();
    if (this.#refuseWait("sleep", promise)) return promise;
    this.#ask({
      key: this.#draw(name),
      call: { kind: "sleep", ...time },
      fp: this.#fingerprint("sleep", name, "ms" in time ? `${time.ms}` : `until ${time.until}`),
      scope: this.scope,
      settle: (outcome) => outcome.ok ? promise.settle() : this.#reject(promise, outcome.failure, "ignore"),
    });
    return promise;
  }

  approval(spec: ApprovalSpec): Promise<unknown> {
    const promise = new CallPromise<unknown>();
    const { key: chosen, timeoutMs, form, options, check } = spec;
    if (this.#refuseWait("waitForApproval", promise)) return promise;
    // The form of a schema is not compared: another version of its library may describe it in other words, and an answer that does
    // not fit a changed schema says so itself.
    const compared = check === undefined ? form : undefined;
    const described = this.#encode(() => ({ timeoutMs, form: compared, options }), promise);
    if (described === undefined) return promise;
    if (chosen !== undefined && !this.#keys.claim(chosen)) {
      promise.fail(
        new Error(`WAC step key "${chosen}" is already used in this workflow: give each approval a key of its own`),
      );
      return promise;
    }
    this.#ask({
      key: chosen ?? this.#draw("approval"),
      call: {
        kind: "approval",
        timeoutMs,
        ...(form === undefined ? undefined : { form }),
        ...(check === undefined ? undefined : { typed: true }),
        ...(options === undefined ? undefined : { options }),
      },
      fp: this.#fingerprint("approval", "approval", described),
      scope: this.scope,
      check,
      settle: (outcome) =>
        outcome.ok ? promise.settle(decode(outcome.value)) : this.#reject(promise, outcome.failure, "ignore"),
    });
    return promise;
  }

  event(spec: EventSpec): Promise<EventOutcome> {
    const promise = new CallPromise<EventOutcome>();
    if (this.#refuseWait("waitForEvent", promise)) return promise;
    const { name, timeoutMs, check } = spec;
    this.#ask({
      key: this.#draw(name),
      call: { kind: "event", name, ...(timeoutMs === undefined ? undefined : { timeoutMs }) },
      fp: this.#fingerprint("event", name, timeoutMs === undefined ? "" : `${timeoutMs}`),
      scope: this.scope,
      check,
      settle: (outcome) =>
        outcome.ok
          ? promise.settle(decode(outcome.value) as EventOutcome)
          : this.#reject(promise, outcome.failure, "ignore"),
    });
    return promise;
  }

  child(spec: ChildSpec, args: unknown): Promise<unknown> {
    const promise = new CallPromise<unknown>();
    const encoded = this.#encode(() => args, promise);
    if (encoded === undefined) return promise;
    const { workflow, runId = `${this.#header?.id}.${this.#calls + 1}` } = spec;
    const name = workflow.split("/").at(-1) || "child";
    this.#ask({
      key: this.#draw(name),
      call: { kind: "child", workflow, args: encoded, runId },
      fp: this.#fingerprint("child", name, encoded),
      scope: this.scope,
      settle: (outcome) =>
        outcome.ok ? promise.settle(decode(outcome.value)) : this.#reject(promise, outcome.failure, "fail"),
    });
    return promise;
  }

  // --- What is recorded beside calls ---

  marker(name: string, make: () => Json): Json {
    if (this.#closed) {
      this.#ports.late?.();
      return make();
    }
    const recorded = this.#markers?.get(name)?.shift();
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
    return this.#markers?.get(name)?.[0]?.value;
  }

  now(): number {
    return this.marker("now", () => {
      const { now } = this.#ports;
      if (now === undefined) throw new HostUnsupportedError(`Cannot call now() on ${this.hostName}: it has no clock`);
      return now();
    }) as number;
  }

  patched(id: string): boolean {
    const known = this.#patched.get(id);
    if (known !== undefined) return known;
    const isNew = !this.#wentOn();
    this.#patched.set(id, isNew);
    if (isNew && !this.#closed) this.#mark(`patched:${id}`, true);
    return isNew;
  }

  /**
   * The journal tells of calls that the body made from here on. Outcomes of calls that it has made by now do not: they may have been
   * recorded together with the one that brought it here.
   */
  #wentOn(): boolean {
    if (this.#live) return false;
    if (this.#called.size > 0 || (this.#rest !== undefined && this.#rest.size > 0)) return true;
    const isMade = (key: Key): boolean => this.#pending.has(key) || this.#given.has(key);
    const isLater = (record: JournalRecord): boolean => {
      if ("after" in record && record.after > this.#calls) return true;
      return (record.t === "called" || record.t === "settled") && !isMade(record.key);
    };
    if (this.#head !== undefined && isLater(this.#head)) return true;
    for (let i = this.#position; i < this.#records.length; i++) {
      if (isLater(this.#records[i] as JournalRecord)) return true;
    }
    return false;
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
    if (this.#closed || !(inner || this.#live)) return;
    this.#commands.push({ c: "log", level, message, ...(data === undefined ? undefined : { data }) });
    this.#ports.wake();
  }

  #mark(name: string, value: Json): void {
    this.#commands.push({ c: "marker", name, after: this.#calls, value });
    this.#ports.wake();
  }

  #expect(record: Marker): void {
    const { name } = record;
    if (name.startsWith("patched:")) return void this.#patched.set(name.slice("patched:".length), true);
    const queue = (this.#markers ??= new Map()).get(name);
    if (queue === undefined) this.#markers.set(name, [record]);
    else queue.push(record);
  }

  // --- Scopes, undo, the end by other means ---

  openScope(parent: Scope | undefined, tasksOnly?: boolean): Scope {
    if (tasksOnly !== undefined) return { parent, keys: [], tasksOnly, stopped: undefined };
    return { parent, keys: parent?.keys ?? [], tasksOnly: parent?.tasksOnly ?? false, stopped: undefined };
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
        if (this.#replaying) this.#hurried.set(p.key, why);
        else this.#commands.push({ c: "abandon", key: p.key, why });
        this.#refuseFor(p, error);
        continue;
      }
      this.#pending.delete(p.key);
      // Its record may be there, or a record of its outcome, which came too late to count: both are passed over.
      if (this.#replaying) this.#given.set(p.key, why);
      else this.#commands.push({ c: "abandon", key: p.key, why });
      this.#refuseFor(p, error);
    }
    // A saga that failed may have waited for what was given up just now.
    if (this.#ending.length > 0) this.#unwindEnding();
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
    if (this.#refuse(promise)) return promise;
    this.#continuing = { args, promise };
    this.#schedule();
    return promise;
  }

  compensate(scope: Scope): Promise<void> {
    const error = new CancelledError("What it belongs to has failed");
    scope.stopped ??= error;
    this.#giveUp(scope, "race", error, (p) => !acts(p.call));
    return new Promise((resolve, reject) => {
      const unwind = (): void =>
        this.#unwind(scope, (failure) => failure === undefined ? resolve() : reject(errorOf(failure)));
      this.#ending.push({ scope, unwind });
      this.#unwindEnding();
    });
  }

  /** Begins the undos of sagas that have nothing running any more. */
  #unwindEnding(): void {
    for (const ending of this.#ending) {
      const { scope, unwind } = ending;
      if ([...this.#pending.values()].some((p) => !p.undoing && isWithin(p.scope, scope))) continue;
      this.#ending = this.#ending.filter((e) => e !== ending);
      unwind();
    }
  }

  #undoable(of: Key, scope: Scope | undefined, { fn, retry = UNDO_RETRY }: UndoSpec, args: () => unknown[]): void {
    this.#undos.push({ of, scope, retry, run: () => fn(...args() as never[]), fn, running: false });
  }

  /** Runs the undos of a scope, or all, newest first, until one fails. */
  #unwind(scope: Scope | undefined, done: (failure?: Failure) => void): void {
    const undo = this.#undos.findLast((u) => scope === undefined || isWithin(u.scope, scope));
    if (undo === undefined) return done();
    // A saga within this one, or around it, is at it.
    if (undo.running) return void this.#queued.push(() => this.#unwind(scope, done));
    undo.running = true;
    const { of, retry, run, fn } = undo;
    const base = this.#draw(`${of}#undo`);
    const fp = this.#fingerprint("undo", `${of}#undo`, "", fn);
    this.#repeat({
      base,
      retry,
      scope: undefined,
      undoing: true,
      attempt: (key, attempt, settle) => ({
        key,
        call: { kind: "undo", of, ...(retry === undefined ? undefined : { retry }), base, attempt },
        fp,
        scope: undefined,
        closure: run,
        fn,
        undoing: true,
        settle,
      }),
      done: (outcome) => {
        undo.running = false;
        if (outcome.ok) {
          this.#undos = this.#undos.filter((u) => u !== undo);
          this.#unwind(scope, done);
        } else {
          done(outcome.failure);
        }
        const queued = this.#queued;
        this.#queued = [];
        for (const next of queued) next();
      },
    });
  }

  // --- Calls ---

  /** Canonical text of arguments; undefined when the call was refused and its promise failed. */
  #encode(value: () => unknown, promise: Fallible): Encoded | undefined {
    if (this.#refuse(promise)) return undefined;
    try {
      return encode(value());
    } catch (error) {
      promise.fail(error as Error);
      return undefined;
    }
  }

  /** After a cancel the body may clean up, but it may not call. After the end nobody is there to call. */
  #refuse(promise: Fallible): boolean {
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

  /** A wait, which some branches cannot have on some hosts. */
  #refuseWait(what: string, promise: Fallible): boolean {
    if (this.#refuse(promise)) return true;
    if (this.scope?.tasksOnly !== true) return false;
    promise.fail(
      new HostUnsupportedError(
        `Cannot call ${what} in a branch of race() on ${this.hostName}: the body wakes there only when all jobs have ended. ` +
          `Call tasks and steps only, and give a task a 'timeout' of its own`,
      ),
    );
    return true;
  }

  #reject(
    promise: Fallible,
    failure: Failure,
    unawaited: "fail" | "ignore" = "fail",
  ): void {
    // It was given up, and what came of it is known now: only its undo asks for that.
    if (promise.error !== undefined) return;
    promise.fail(errorOf(failure));
    if (unawaited !== "fail" || this.#isGivingUp || promise.observed) return;
    this.#promises.push({ promise, failure });
    if (this.#promises.length < this.#crowded) return;
    this.#promises = this.#promises.filter((p) => !p.promise.observed);
    this.#crowded = Math.max(FORGET, this.#promises.length * 2);
  }

  #fingerprint(kind: Call["kind"], name: string, args: string, fn?: (...args: never[]) => unknown): Fingerprint {
    const known = args === "" ? { kind, name, digest: "" } : {
      kind,
      name,
      digest: hash64(args),
      ...(args.length > SHOWN_ARGS ? undefined : { args }),
    };
    const { site, siteOnReplay } = this.#ports;
    if ((this.#replaying && siteOnReplay !== true) || site === undefined || this.#sited.has(name)) return known;
    this.#sited.add(name);
    const where = site(name);
    return {
      ...known,
      ...(where === undefined ? undefined : { site: where }),
      ...(fn === undefined ? undefined : { code: codeOf(fn) }),
    };
  }

  #draw(name: string): Key {
    if (this.#pending.size === 0) {
      // Nothing runs beside the body: whatever raced before, this call comes after all of it.
      this.#quiet = this.#turn;
      if (this.#causes.size > FORGET) {
        this.#drawn.clear();
        this.#causes.clear();
      }
    }
    const key = this.#keys.draw(name);
    const last = this.#drawn.get(name);
    if (
      last !== undefined && last.turn >= this.#quiet && last.turn !== this.#turn && !this.#ordered &&
      this.#noticed?.has(name) !== true && !this.#follows(last.key)
    ) {
      (this.#noticed ??= new Set()).add(name);
      if (!this.#replaying) this.#commands.push({ c: "notice", notice: "non-confluent", key, name });
    }
    this.#drawn.set(name, { turn: this.#turn, key });
    this.#causes.set(key, this.#cause);
    if (this.#causes.size > LONGEST_TRAIL) {
      let left = LONGEST_TRAIL / 2;
      for (const old of this.#causes.keys()) if (left-- > 0) this.#causes.delete(old);
    }
    return key;
  }

  /** True when the running turn was caused, at some distance, by the outcome of `key`. */
  #follows(key: Key): boolean {
    for (let cause = this.#cause; cause !== undefined; cause = this.#causes.get(cause)) {
      // Of what is forgotten nothing is said.
      if (cause === key || !this.#causes.has(cause)) return true;
    }
    return false;
  }

  /** Asks for the first attempt, and for the next one whenever one has failed that may be repeated. */
  #repeat({ base, retry, scope, undoing, attempt, done }: Repeated): void {
    const repeats = retry?.attempts ?? 0;
    const backoffs: Key[] = [];
    const attempts: Key[] = [base];
    for (let i = 0; i < repeats; i++) {
      backoffs.push(this.#keys.draw(`${base}#retry${i + 2}`));
      attempts.push(this.#keys.draw(`${base}#${i + 2}`));
    }
    const start = (index: number): void =>
      this.#ask(attempt(attempts[index] as Key, index + 1, (outcome) => {
        if (outcome.ok || index >= repeats || retry === undefined) return done(outcome);
        const over = this.#stopped !== undefined || this.#ended?.ok === false || stoppedBy(scope) !== undefined;
        if (over && undoing !== true) return done(outcome);
        const { retryable, retryAfterMs = 0 } = outcome.failure;
        if (retryable === false) return done(outcome);
        // A cluster sleeps whole seconds, and so does everybody.
        const seconds = Math.max(backoffSeconds(retry, index), Math.ceil(retryAfterMs / 1000));
        if (seconds < 1) return start(index + 1);
        this.#ask({
          key: backoffs[index] as Key,
          call: { kind: "sleep", ms: seconds * 1000, backoffOf: base },
          fp: this.#fingerprint("sleep", "sleep", `${seconds * 1000}`),
          scope,
          undoing,
          settle: (slept) => slept.ok ? start(index + 1) : done(slept),
        });
      }));
    start(0);
  }

  #ask({ key, call, fp, scope, closure, fn, check, undoing = false, settle }: Asked): void {
    this.#add({ n: 0, key, call, fp, scope, closure, fn, check, undoing, settle });
  }

  #add(p: Pending): void {
    const { key } = p;
    p.n = ++this.#calls;
    this.#ports.asked?.();
    // The run has failed: what other branches of the body still ask for is not begun. Undos are.
    if (this.#ended?.ok === false && !p.undoing) return;
    if (p.scope?.tasksOnly === true && acts(p.call)) p.scope.keys.push(key);
    this.#pending.set(key, p);
    if (this.#replaying) {
      const called = this.#called.get(key);
      if (called !== undefined) {
        this.#called.delete(key);
        if (this.#differs(called, called.fp, p)) return this.#mismatch(called, p, "differs");
      }
      this.#schedule();
    } else {
      this.#begin(p);
    }
  }

  /** Live: an outcome that is there is handed over; what has none is begun. */
  #begin(p: Pending): void {
    const { key } = p;
    const done = this.#rest?.get(key);
    if (done !== undefined) {
      this.#rest?.delete(key);
      this.#inputs.push({ c: "settle", key, outcome: done });
      this.#schedule();
    } else if (this.#only === undefined || this.#only === key) {
      this.#commands.push({ c: "call", n: p.n, key, call: p.call, fp: p.fp });
      this.#ports.wake();
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
    if (this.#replaying) {
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
    const head = this.#head;
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
    const [called] = this.#called.values();
    if (called !== undefined) {
      if (this.#ended !== undefined) this.#mismatch(called, undefined, "not-asked");
      return false;
    }
    this.#replaying = false;
    this.#records = [];
    for (const [key, why] of this.#given) if (why !== undefined) this.#commands.push({ c: "abandon", key, why });
    this.#given.clear();
    for (const p of this.#pending.values()) this.#begin(p);
    for (const [key, why] of this.#hurried) {
      if (this.#pending.has(key)) this.#commands.push({ c: "abandon", key, why });
    }
    this.#hurried.clear();
    return true;
  }

  /** Replay: the body has failed, and the next record is of what takes back what it did. */
  #takesBack(head: HandedOver | undefined): boolean {
    if (this.#compensating || this.#undos.length === 0 || this.#undoFailed !== undefined) return false;
    if (this.#ended?.ok !== false && this.#stopped === undefined && this.#lost() === undefined) return false;
    if (head === undefined) {
      // One that ran for a while is recorded ahead of its outcome: the process may have ended in it.
      if (![...this.#called.values()].some(({ fp }) => fp.kind === "undo")) return false;
    } else if (head.t !== "settled" || this.#pending.has(head.key) || this.#given.has(head.key)) return false;
    this.#takeBack();
    this.#schedule();
    return true;
  }

  #pull(): void {
    this.#head = undefined;
    while (this.#position < this.#records.length) {
      const record = this.#records[this.#position++] as JournalRecord;
      if (record.t === "called") {
        const p = this.#pending.get(record.key);
        if (p !== undefined) {
          if (this.#differs(record, record.fp, p)) return this.#mismatch(record, p, "differs");
        } else if (!this.#given.has(record.key)) {
          this.#called.set(record.key, record);
        }
      } else if ("after" in record && record.t !== "marker") {
        this.#head = record;
        return;
      }
    }
  }

  #hand(record: HandedOver): void {
    switch (record.t) {
      case "settled": {
        const p = this.#pending.get(record.key);
        if (p === undefined) {
          if (this.#given.has(record.key)) return;
          return this.#mismatch(record, this.#unrecorded(), "not-asked");
        }
        if (record.fp !== undefined && this.#differs(record, record.fp, p)) return this.#mismatch(record, p, "differs");
        return this.#settle(record.key, record.outcome);
      }
      case "cancelling":
        return this.#cancelAll(record.reason, record.deadline === true);
      case "abandoned":
        // The body has given it up itself, unless it had ended beside it.
        if (this.#given.has(record.key)) this.#given.set(record.key, undefined);
        else if (record.why === "end") this.#pending.delete(record.key);
        else this.#mismatch(record, this.#pending.get(record.key), "not-asked");
        return;
      case "dropped":
        return this.#drop();
      case "reopened":
        this.#undoFailed = undefined;
        this.#compensating = false;
        return;
    }
  }

  /** True when a call is not the one that was recorded. Notes a difference that is taken. */
  #differs(record: JournalRecord, recorded: Fingerprint, p: Pending): boolean {
    const asked = p.fp;
    if (recorded.kind !== asked.kind || recorded.name !== asked.name) return true;
    const { arguments: onArguments = "fail", code: onCode = "follow" } = this.#ports.changes ?? {};
    if (recorded.digest !== asked.digest && this.#changed(onArguments, "changed-arguments", record, recorded, asked)) {
      return true;
    }
    if (onCode === "follow" || recorded.code === undefined || p.fn === undefined) return false;
    const code = codeOf(p.fn);
    return recorded.code !== code && this.#changed(onCode, "changed-code", record, recorded, { ...asked, code });
  }

  #changed(
    mode: ChangeMode,
    notice: "changed-arguments" | "changed-code",
    record: JournalRecord,
    recorded: Fingerprint,
    asked: Fingerprint,
  ): boolean {
    if (mode === "warn") {
      const key = "key" in record ? record.key : asked.name;
      this.#commands.push({ c: "notice", notice, key, recorded, asked });
      this.#ports.wake();
    }
    return mode === "fail";
  }

  #settle(key: Key, outcome: Outcome): void {
    const p = this.#pending.get(key);
    if (p === undefined) return;
    this.#pending.delete(key);
    this.#turn++;
    this.#refused = 0;
    this.#cause = key;
    p.settle(outcome);
    if (this.#ending.length > 0) this.#unwindEnding();
  }

  #cancelAll(reason: string, deadline: boolean): void {
    // A run that takes back what it did is at its end already.
    if (this.#stopped !== undefined || this.#compensating) return;
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
    if (this.#ending.length > 0) this.#unwindEnding();
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
    for (const { call, undoing } of this.#pending.values()) {
      // What acts on the world is waited for, so that its outcome is recorded; after a failure nothing is begun any more.
      if (acts(call)) return;
      if (call.kind === "child" && !failed) return;
      if (call.kind === "sleep" && call.backoffOf !== undefined && (!failed || undoing)) return;
    }
    if (failed && this.#undoFailed === undefined && this.#undos.length > 0) return this.#takeBack();
    const { error, status = "failed" } = this.#stopped ?? {};
    const failure = error !== undefined ? bodyFailure(error) : ended.ok ? undefined : ended.failure;
    if (failure !== undefined) {
      this.#abandonAll();
      if (this.#undoFailed === undefined) return this.#close(status, { ok: false, failure });
      return this.#close("failed", { ok: false, failure: compensationFailure(failure, this.#undoFailed) });
    }
    this.#abandonAll();
    const lost = this.#lost();
    if (lost === undefined) return this.#close("completed", ended);
    if (this.#undos.length > 0) return this.#takeBack();
    this.#close("failed", { ok: false, failure: lost });
  }

  /** The first failure that nobody has looked at. */
  #lost(): Failure | undefined {
    const lost = this.#promises.find(({ promise }) => !promise.observed);
    if (lost?.promise.error === undefined) return undefined;
    return { ...bodyFailure(lost.promise.error), stepKey: lost.failure.stepKey };
  }

  /** The run fails: what has an undo is taken back first. */
  #takeBack(): void {
    if (this.#compensating) return;
    this.#compensating = true;
    // What waits for nothing but time or people is not waited for.
    this.#abandonAll();
    if (this.#ended?.ok !== false) {
      const lost = this.#stopped === undefined ? this.#lost() : undefined;
      this.#ended = { ok: false, failure: lost ?? bodyFailure(this.#stopped?.error) };
    }
    this.#unwind(undefined, (failure) => {
      this.#undoFailed = failure;
      this.#schedule();
    });
  }

  #abandonAll(): void {
    for (const key of this.#pending.keys()) {
      if (!this.#replaying) this.#commands.push({ c: "abandon", key, why: "end" });
    }
    this.#pending.clear();
  }

  /** The run goes on as another one. */
  #continue(nextArgs: Encoded): void {
    for (const { call } of this.#pending.values()) {
      if (acts(call) || (call.kind === "sleep" && call.backoffOf !== undefined)) return;
    }
    const lost = this.#lost();
    if (lost !== undefined) {
      // As at the end: the next run would know nothing of it.
      this.#continuing = undefined;
      this.#ended = { ok: false, failure: lost };
      return this.#finish(this.#ended);
    }
    this.#abandonAll();
    this.#closed = true;
    this.#commands.push({ c: "close", status: "continued", nextArgs });
    this.#ports.wake();
  }

  #close(status: RunStatus, outcome: Outcome, mismatch?: boolean): void {
    this.#closed = true;
    this.#commands.push({ c: "close", status, outcome, ...(mismatch === true ? { mismatch } : undefined) });
    this.#ports.wake();
  }

  /** What the body asked for instead: the first call that the journal knows nothing of, else one that comes too early. */
  #unrecorded(): Pending | undefined {
    const recorded = new Set<Key>();
    for (const record of this.#records.slice(this.#position)) if ("key" in record) recorded.add(record.key);
    const pending = [...this.#pending.values()];
    return pending.find((p) => !recorded.has(p.key)) ?? pending[0];
  }

  #mismatch(record: JournalRecord, asked: Pending | undefined, reason: "differs" | "not-asked"): void {
    const key = "key" in record ? record.key : "name" in record ? record.name : "";
    const recorded = "fp" in record ? record.fp : undefined;
    const extra = {
      reason,
      seq: record.seq,
      key,
      recorded: recorded ?? null,
      asked: asked?.fp ?? null,
      askedKey: asked?.key ?? null,
    };
    const message = `The journal and the code differ at "${key}"`;
    this.#close("failed", {
      ok: false,
      failure: {
        message,
        stepKey: key,
        code: "REPLAY_MISMATCH",
        error: { name: "ReplayMismatchError", message, extra: JSON.parse(JSON.stringify(extra)) as Json },
      },
    }, true);
  }
}

/** The failure of a run: what left its body, and the key of the call that it came from. */
function bodyFailure(error: unknown): Failure {
  return failureOf(error, error instanceof TaskError ? error.step_key : "");
}

/** What tells one version of a function from the next. */
function codeOf(fn: (...args: never[]) => unknown): string {
  return hash64(Function.prototype.toString.call(fn));
}

/** Whether a call acts on the world: what has begun is waited for, so that its outcome is recorded. */
function acts({ kind }: Call): boolean {
  return kind === "task" || kind === "step" || kind === "undo";
}

/** Whether a call's effect can be taken back. */
function isUndoable(call: Call): boolean {
  return "undoable" in call;
}

/** Why a scope, or one around it, was stopped. */
function stoppedBy(scope: Scope | undefined): Error | undefined {
  for (let s = scope; s !== undefined; s = s.parent) if (s.stopped !== undefined) return s.stopped;
  return undefined;
}

function isWithin(scope: Scope | undefined, outer: Scope): boolean {
  for (let s = scope; s !== undefined; s = s.parent) if (s === outer) return true;
  return false;
}

/** One object is the arguments by name; anything else is `arg0`, `arg1`, ... (wac-protocol 6.4). */
function argumentObject(args: readonly unknown[]): unknown {
  const [only] = args;
  if (args.length === 1 && typeof only === "object" && only !== null && !Array.isArray(only)) return only;
  return Object.fromEntries(args.map((value, i) => [`arg${i}`, value]));
}

/** A run's arguments in the order of its body's parameters: an array is that order already, an object goes by name. */
function positional(args: unknown, body: (...args: never[]) => unknown): readonly unknown[] {
  if (Array.isArray(args)) return args;
  if (typeof args !== "object" || args === null) return args === null ? [] : [args];
  const byName = args as Record<string, unknown>;
  const names = parameterNames(Function.prototype.toString.call(body));
  // A single parameter that is destructured has no name: it takes them all.
  if (names.length === 1 && names[0] === undefined) return [byName];
  return names.map((name) => name !== undefined && Object.hasOwn(byName, name) ? byName[name] : undefined);
}
