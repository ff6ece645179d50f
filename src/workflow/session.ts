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
import { CancelledError, DeadlineError, TaskError } from "../base/errors.ts";
import { hash64 } from "../base/hash.ts";
import { CallPromise } from "./call_promise.ts";
import { errorOf, failureOf } from "./failure.ts";
import type {
  Call,
  Command,
  Encoded,
  Failure,
  Fingerprint,
  Input,
  JournalRecord,
  Json,
  Key,
  Outcome,
  RetryPolicy,
  RunHeader,
  RunStatus,
  Session,
  TaskInfo,
  TaskWire,
} from "./journal.ts";
import { createKeys } from "./keys.ts";
import { parameterNames } from "./parameters.ts";
import { backoffSeconds } from "./retry.ts";

/** What the session needs from its driver. */
export interface SessionPorts {
  /** The workflow's function. */
  readonly body: (...args: never[]) => unknown;
  /** Calls back in a later macrotask. */
  hop(then: () => void): void;
  /** Runs `fn` so that calls made in it, at once or after an `await`, find this session. */
  enter<T>(session: Session, info: TaskInfo | undefined, fn: () => T): T;
  /** There are commands to take. May be called within a call of the body: do not call back at once. */
  wake(): void;
  /** Where in the source the running call was made; asked once per name, never on replay. */
  site?(name: string): string | undefined;
  /** The body, or something that it left behind, called after the end: the call never settles. */
  late?(): void;
  /** A round: the history is a set of outcomes without order, each handed over at its call. */
  readonly unordered?: boolean;
}

/** A task as the body calls it. */
export interface TaskSpec {
  readonly name: string;
  readonly via: "inline" | "script" | "flow";
  readonly script?: string;
  readonly options: TaskWire;
  readonly retry?: RetryPolicy | undefined;
  /** The closure of an inline task. */
  readonly fn?: (...args: never[]) => unknown;
  /** What a failure that nobody awaits does to the run. */
  readonly unawaited?: "fail" | "ignore" | undefined;
}

/** An approval as the body asks for it. */
export interface ApprovalSpec {
  /** Chosen by the body; drawn from `"approval"` otherwise. */
  readonly key?: Key | undefined;
  readonly timeoutMs: number;
  readonly form?: Json | undefined;
  readonly options?: Json | undefined;
}

/** The calls that a body may make: what `cluster/authoring.ts` uses. */
export interface BodySession extends Session {
  task(spec: TaskSpec, args: readonly unknown[]): Promise<unknown>;
  step(name: string, fn: () => unknown): Promise<unknown>;
  sleep(ms: number): Promise<void>;
  approval(spec: ApprovalSpec): Promise<unknown>;
  /** Marks the calls that `fn` makes before it returns as ordered by the caller, so that their keys do not depend on a race. */
  ordered<T>(fn: () => T): T;
  /** True while something is about to be handed over, or the body has ended and its run is about to. */
  readonly busy: boolean;
  /** Parameter names of an inline task that has not settled. */
  names(key: Key): readonly (string | undefined)[];
}

interface Pending {
  /** Number of the call, from 1. Set when it is added. */
  n: number;
  readonly key: Key;
  readonly call: Call;
  readonly fp: Fingerprint;
  readonly closure: (() => unknown) | undefined;
  readonly source: (() => string) | undefined;
  readonly settle: (outcome: Outcome) => void;
}

/** A call's promise, whatever it gives. */
type Fallible = Pick<CallPromise<unknown>, "fail" | "observed" | "error">;

type HandedOver = Extract<JournalRecord, { readonly after: number }>;
type Called = Extract<JournalRecord, { readonly t: "called" }>;

/** Longest arguments that a fingerprint keeps (design.md 4.7). */
const SHOWN_ARGS = 512;

/** Causes that are kept although nothing asks for them any more. */
const FORGET = 256;

/** A session for one run. */
export function createSession(ports: SessionPorts): BodySession {
  CallPromise.prepare();
  return new RunSession(ports);
}

class RunSession implements BodySession {
  readonly #ports: SessionPorts;
  readonly #keys = createKeys();
  readonly #pending = new Map<Key, Pending>();
  readonly #promises: { readonly promise: Fallible; readonly failure: Failure }[] = [];
  readonly #sited = new Set<string>();
  #commands: Command[] = [];
  #inputs: Input[] = [];
  #next = 0;
  #calls = 0;
  #scheduled = false;
  #closed = false;
  #only: Key | undefined;
  #ended: Outcome | undefined;
  #stopped: { readonly error: Error; readonly status: RunStatus } | undefined;

  // Replay: the records still to come, the next one to hand over, calls recorded ahead that were not asked for yet.
  #records: Iterator<JournalRecord> | undefined;
  #head: HandedOver | undefined;
  #called = new Map<Key, Called>();
  #completed: Map<Key, Outcome> | undefined;
  #replaying = true;

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

  begin(header: RunHeader, history: Iterable<JournalRecord>, only?: Key): void {
    this.#only = only;
    if (this.#ports.unordered === true) {
      this.#completed = new Map();
      for (const r of history) if (r.t === "settled") this.#completed.set(r.key, r.outcome);
      this.#replaying = false;
    } else {
      this.#records = history[Symbol.iterator]();
      this.#pull();
      // Nothing to replay: the calls of the body's first turn are live already, and their sites are worth to be kept.
      if (this.#head === undefined && this.#called.size === 0) this.#replaying = false;
    }
    const { body } = this.#ports;
    const args = positional(decode(header.args), body);
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

  names(key: Key): readonly (string | undefined)[] {
    const source = this.#pending.get(key)?.source;
    return source === undefined ? [] : parameterNames(source());
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
    const { name, via, script, options, retry, fn, unawaited } = spec;
    const encoded = this.#encode(() => via === "inline" ? args : argumentObject(args), promise);
    if (encoded === undefined) return promise;
    const base = this.#draw(name);
    const repeats = retry?.attempts ?? 0;
    const backoffs: Key[] = [];
    const attempts: Key[] = [base];
    for (let i = 0; i < repeats; i++) {
      backoffs.push(this.#keys.draw(`${base}#retry${i + 2}`));
      attempts.push(this.#keys.draw(`${base}#${i + 2}`));
    }
    const fp = this.#fingerprint("task", name, encoded === "[]" ? "" : encoded);
    const closure = fn === undefined ? undefined : (): unknown => fn(...decode(encoded) as never[]);
    const source = fn === undefined ? undefined : (): string => Function.prototype.toString.call(fn);
    const start = (index: number): void => {
      const call: Call = {
        kind: "task",
        name,
        via,
        ...(script === undefined ? undefined : { script }),
        args: encoded,
        options,
        ...(retry === undefined ? undefined : { retry }),
        base,
        attempt: index + 1,
      };
      this.#add({
        n: 0,
        key: attempts[index] as Key,
        call,
        fp,
        closure,
        source,
        settle: (outcome) => {
          if (outcome.ok) return promise.settle(decode(outcome.value));
          const { failure } = outcome;
          const again = index < repeats && retry !== undefined && failure.retryable !== false &&
            this.#stopped === undefined && this.#ended?.ok !== false;
          if (!again) return this.#reject(promise, failure, unawaited);
          const seconds = backoffSeconds(retry, index);
          if (seconds < 1) return start(index + 1);
          this.#add({
            n: 0,
            key: backoffs[index] as Key,
            call: { kind: "sleep", ms: seconds * 1000, backoffOf: base },
            fp: this.#fingerprint("sleep", "sleep", `${seconds * 1000}`),
            closure: undefined,
            source: undefined,
            settle: (slept) => slept.ok ? start(index + 1) : this.#reject(promise, slept.failure, unawaited),
          });
        },
      });
    };
    start(0);
    return promise;
  }

  step(name: string, fn: () => unknown): Promise<unknown> {
    const promise = new CallPromise<unknown>();
    if (this.#refuse(promise)) return promise;
    const key = this.#draw(name);
    this.#add({
      n: 0,
      key,
      call: { kind: "step", name, base: key, attempt: 1 },
      fp: this.#fingerprint("step", name, ""),
      closure: fn,
      source: undefined,
      settle: (outcome) =>
        outcome.ok ? promise.settle(decode(outcome.value)) : this.#reject(promise, outcome.failure, "fail"),
    });
    return promise;
  }

  sleep(ms: number): Promise<void> {
    const promise = new CallPromise<void>();
    if (this.#refuse(promise)) return promise;
    this.#add({
      n: 0,
      key: this.#draw("sleep"),
      call: { kind: "sleep", ms },
      fp: this.#fingerprint("sleep", "sleep", `${ms}`),
      closure: undefined,
      source: undefined,
      settle: (outcome) => outcome.ok ? promise.settle() : this.#reject(promise, outcome.failure, "ignore"),
    });
    return promise;
  }

  approval(spec: ApprovalSpec): Promise<unknown> {
    const promise = new CallPromise<unknown>();
    const { key: chosen, timeoutMs, form, options } = spec;
    const described = this.#encode(() => ({ timeoutMs, form, options }), promise);
    if (described === undefined) return promise;
    if (chosen !== undefined && !this.#keys.claim(chosen)) {
      promise.fail(
        new Error(`WAC step key "${chosen}" is already used in this workflow: give each approval a key of its own`),
      );
      return promise;
    }
    this.#add({
      n: 0,
      key: chosen ?? this.#draw("approval"),
      call: {
        kind: "approval",
        timeoutMs,
        ...(form === undefined ? undefined : { form }),
        ...(options === undefined ? undefined : { options }),
      },
      fp: this.#fingerprint("approval", "approval", described),
      closure: undefined,
      source: undefined,
      settle: (outcome) =>
        outcome.ok ? promise.settle(decode(outcome.value)) : this.#reject(promise, outcome.failure, "ignore"),
    });
    return promise;
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
    if (this.#stopped === undefined) return false;
    promise.fail(this.#stopped.error);
    return true;
  }

  #reject(
    promise: Fallible,
    failure: Failure,
    unawaited: "fail" | "ignore" = "fail",
  ): void {
    promise.fail(errorOf(failure));
    if (unawaited === "fail") this.#promises.push({ promise, failure });
  }

  #fingerprint(kind: Call["kind"], name: string, args: string): Fingerprint {
    let site: string | undefined;
    if (!this.#replaying && this.#ports.site !== undefined && !this.#sited.has(name)) {
      this.#sited.add(name);
      site = this.#ports.site(name);
    }
    if (args === "") return site === undefined ? { kind, name, digest: "" } : { kind, name, digest: "", site };
    return {
      kind,
      name,
      digest: hash64(args),
      ...(args.length > SHOWN_ARGS ? undefined : { args }),
      ...(site === undefined ? undefined : { site }),
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
      !this.#follows(last.key) &&
      this.#noticed?.has(name) !== true
    ) {
      (this.#noticed ??= new Set()).add(name);
      if (!this.#replaying) this.#commands.push({ c: "notice", notice: "non-confluent", key, name });
    }
    this.#drawn.set(name, { turn: this.#turn, key });
    this.#causes.set(key, this.#cause);
    return key;
  }

  /** True when the running turn was caused, at some distance, by the outcome of `key`. */
  #follows(key: Key): boolean {
    for (let cause = this.#cause; cause !== undefined; cause = this.#causes.get(cause)) if (cause === key) return true;
    return false;
  }

  #add(p: Pending): void {
    const { key } = p;
    p.n = ++this.#calls;
    // The run has failed: what other branches of the body still ask for is not begun.
    if (this.#ended?.ok === false) return;
    const done = this.#completed?.get(key);
    if (done !== undefined) return p.settle(done);
    this.#pending.set(key, p);
    if (this.#replaying) {
      const called = this.#called.get(key);
      if (called !== undefined) {
        this.#called.delete(key);
        if (differs(called.fp, p.fp)) return this.#mismatch(called, p, "differs");
      }
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
    if (this.#closed) return;
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
      if (input.c === "cancel") this.#cancel(input.reason, input.deadline === true);
      else this.#settle(input.key, input.outcome);
      // With nothing pending the body is the only one to go on, and what it does announces itself: its next call, or its end.
      const more = this.#pending.size > 0 || this.#inputs.length > 0 || this.#ended !== undefined;
      if (more) this.#schedule();
      return;
    }
    if (this.#ended !== undefined) this.#finish(this.#ended);
    // Also without a command: that nothing is left to hand over is news to the driver.
    this.#ports.wake();
  }

  /** One record of the history. True when the history is used up. */
  #replay(): boolean {
    const head = this.#head;
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
    this.#records = undefined;
    for (const p of this.#pending.values()) {
      if (this.#only === undefined || this.#only === p.key) {
        this.#commands.push({ c: "call", n: p.n, key: p.key, call: p.call, fp: p.fp });
      }
    }
    return true;
  }

  #pull(): void {
    this.#head = undefined;
    for (let next = this.#records?.next(); next !== undefined && next.done !== true; next = this.#records?.next()) {
      const record = next.value;
      if (record.t === "called") {
        const p = this.#pending.get(record.key);
        if (p === undefined) this.#called.set(record.key, record);
        else if (differs(record.fp, p.fp)) return this.#mismatch(record, p, "differs");
      } else if ("after" in record) {
        this.#head = record;
        return;
      }
    }
  }

  #hand(record: HandedOver): void {
    switch (record.t) {
      case "settled": {
        const p = this.#pending.get(record.key);
        if (p === undefined) return this.#mismatch(record, this.#unrecorded(), "not-asked");
        if (record.fp !== undefined && differs(record.fp, p.fp)) return this.#mismatch(record, p, "differs");
        return this.#settle(record.key, record.outcome);
      }
      case "cancelling":
        return this.#cancel(record.reason, record.deadline === true);
      case "abandoned":
        this.#pending.delete(record.key);
        return;
      default:
        return this.#mismatch(record, undefined, "not-asked");
    }
  }

  #settle(key: Key, outcome: Outcome): void {
    const p = this.#pending.get(key);
    if (p === undefined) return;
    this.#pending.delete(key);
    this.#turn++;
    this.#cause = key;
    p.settle(outcome);
  }

  #cancel(reason: string, deadline: boolean): void {
    if (this.#stopped !== undefined) return;
    const error = deadline ? new DeadlineError(reason) : new CancelledError(reason);
    this.#stopped = { error, status: deadline ? "failed" : "cancelled" };
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const p of pending) p.settle({ ok: false, failure: failureOf(error, p.key) });
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
    if (this.#stopped !== undefined) {
      const { error, status } = this.#stopped;
      return this.#close(status, { ok: false, failure: bodyFailure(error) });
    }
    for (const p of this.#pending.values()) {
      // What acts on the world is waited for, so that its outcome is recorded; after a failure nothing is begun any more.
      if (p.call.kind === "task" || p.call.kind === "step") return;
      if (ended.ok && p.call.kind === "sleep" && p.call.backoffOf !== undefined) return;
    }
    for (const key of this.#pending.keys()) this.#commands.push({ c: "abandon", key, why: "end" });
    const lost = ended.ok ? this.#promises.find(({ promise }) => !promise.observed) : undefined;
    if (lost?.promise.error !== undefined) {
      return this.#close("failed", {
        ok: false,
        failure: { ...bodyFailure(lost.promise.error), stepKey: lost.failure.stepKey },
      });
    }
    this.#close(ended.ok ? "completed" : "failed", ended);
  }

  #close(status: RunStatus, outcome: Outcome, mismatch?: boolean): void {
    this.#closed = true;
    this.#commands.push({ c: "close", status, outcome, ...(mismatch === true ? { mismatch } : undefined) });
    this.#ports.wake();
  }

  /** What the body asked for instead: the first call that the journal knows nothing of, else one that comes too early. */
  #unrecorded(): Pending | undefined {
    const recorded = new Set<Key>();
    for (let next = this.#records?.next(); next !== undefined && next.done !== true; next = this.#records?.next()) {
      if ("key" in next.value) recorded.add(next.value.key);
    }
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

function differs(recorded: Fingerprint, asked: Fingerprint): boolean {
  return recorded.kind !== asked.kind || recorded.name !== asked.name || recorded.digest !== asked.digest;
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
