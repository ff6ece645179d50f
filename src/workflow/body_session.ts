/**
 * The calls that a body may make of its session, and what a session needs from its driver. `src/cluster` gives authors functions
 * for them; `session.ts` carries them out.
 *
 * @module
 */
import type {
  Capability,
  ChangeModes,
  Encoded,
  Json,
  Key,
  LogLevel,
  RetryPolicy,
  Session,
  TaskInfo,
  TaskWire,
} from "./journal.ts";

/** What the session needs from its driver. */
export interface SessionPorts {
  /** The workflow's function. */
  readonly body: (...args: never[]) => unknown;
  /** What the body gets as its argument at a place: JSON may not have it. @default as it is */
  argument?(value: unknown, at: number): unknown;
  /** What the host can do beyond the protocol. @default nothing */
  readonly can?: ReadonlySet<Capability>;
  /** Name of the host, for errors. @default "this host" */
  readonly hostName?: string;
  /** Milliseconds since 1970: asked for `now()` markers only. Without it they are an error. */
  now?(): number;
  /** Calls back in a later macrotask. */
  hop(then: () => void): void;
  /** Runs `fn` so that calls made in it, at once or after an `await`, find this session. */
  enter<T>(session: Session, info: TaskInfo | undefined, fn: () => T): T;
  /** There are commands to take. May be called within a call of the body: do not call back at once. */
  wake(): void;
  /** Where in the source the running call was made; asked once per name. */
  site?(name: string): string | undefined;
  /** Asks for sites while replaying too: a stack costs 5 to 90 µs, so only to explain a mismatch. @default false */
  readonly siteOnReplay?: boolean;
  /** The body, or something that it left behind, called after the end: the call never settles. */
  late?(): void;
  /** The body has made a call, recorded or not. */
  asked?(): void;
  /** An outcome of `rest`, or one that was fed, is handed over to call number `n` when the body has made `after` calls. */
  handed?(key: Key, after: number, n: number): void;
  /** What changes of the code a replay takes. @default arguments: fail, code: follow */
  readonly changes?: ChangeModes;
  /** When calls ended, in milliseconds since 1970, by key: for `race` where the order of outcomes is not seen. */
  endedAt?(keys: readonly Key[]): Promise<ReadonlyMap<Key, number>>;
}

/**
 * Calls that belong together: a branch of a race, a saga. Calls of a stopped scope are given up and refused; what is to be undone
 * is found by scope.
 */
export interface Scope {
  /** The scope around it. */
  readonly parent: Scope | undefined;
  /** Where only tasks and steps may be called: keys of the calls that its end depends on. */
  readonly keys: Key[];
  /** Only tasks and steps may be called in it. */
  readonly tasksOnly: boolean;
  /** Why it was stopped. */
  stopped: Error | undefined;
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
  /** Takes the effect back when the workflow fails: called with the result and the arguments. */
  readonly undo?: UndoSpec | undefined;
}

/** A step as the body calls it. */
export interface StepSpec {
  readonly name: string;
  readonly fn: () => unknown;
  readonly retry?: RetryPolicy | undefined;
  readonly unawaited?: "fail" | "ignore" | undefined;
  /** Takes the effect back when the workflow fails: called with the result. */
  readonly undo?: UndoSpec | undefined;
}

/** How an effect is taken back. */
export interface UndoSpec {
  readonly fn: (...args: never[]) => unknown;
  readonly retry?: RetryPolicy | undefined;
}

/** An approval as the body asks for it. */
export interface ApprovalSpec {
  /** Chosen by the body; drawn from `"approval"` otherwise. */
  readonly key?: Key | undefined;
  readonly timeoutMs: number;
  readonly form?: Json | undefined;
  readonly options?: Json | undefined;
  /** What is wrong with an answer, where the form is made of a schema; undefined when it fits. */
  readonly check?: ((value: Json) => Promise<string | undefined>) | undefined;
}

/** An event as the body waits for it. */
export interface EventSpec {
  readonly name: string;
  readonly timeoutMs?: number | undefined;
  /** What is wrong with a payload; undefined when it fits. */
  readonly check?: ((value: Json) => Promise<string | undefined>) | undefined;
}

/** What a wait for an event gives. */
export interface EventOutcome {
  /** What was sent; null when nobody sent anything in time. */
  readonly payload: Json;
  /** True when the time was over first. */
  readonly timedOut: boolean;
}

/** A workflow that the body starts. */
export interface ChildSpec {
  /** Name under which the host knows the workflow. */
  readonly workflow: string;
  /** Id of the child's run. @default the run's own id and the number of the call */
  readonly runId?: string | undefined;
}

/** A session as its driver sees it. */
export interface DrivenSession extends Session {
  /** True while something is about to be handed over, or the body has ended and its run is about to. */
  readonly busy: boolean;
  /** True for a call that was made and has neither settled nor been given up. */
  isPending(key: Key): boolean;
  /** The driver asks nothing more: the run has ended, or left memory. */
  leave?(): void;
}

/** A session as its body sees it. */
export interface BodySession extends DrivenSession {
  /** What the host can do beyond the protocol. */
  readonly can: ReadonlySet<Capability>;
  /** Name of the host, for errors. */
  readonly hostName: string;
  /** Scope of the code that calls next. Whoever calls sets it before each call. */
  scope: Scope | undefined;
  task(spec: TaskSpec, args: readonly unknown[]): Promise<unknown>;
  step(spec: StepSpec): Promise<unknown>;
  /** `name`: what the key is drawn from; `"sleep"`, but for the timer of a `withTimeout`. */
  sleep(time: { readonly ms: number } | { readonly until: number }, name?: string): Promise<void>;
  approval(spec: ApprovalSpec): Promise<unknown>;
  event(spec: EventSpec): Promise<EventOutcome>;
  child(spec: ChildSpec, args: unknown): Promise<unknown>;
  /** A value that is made once and recorded: the journal's next marker of this name, else what `make` gives. */
  marker(name: string, make: () => Json): Json;
  /** The journal's next marker of this name, which is not taken; undefined when it has none. */
  peekMarker(name: string): Json | undefined;
  /** Milliseconds since 1970 when this was first reached. */
  now(): number;
  /** False while replaying what was recorded without the patch. */
  patched(id: string): boolean;
  random(): number;
  uuid(): string;
  /** A line for the log, unless this is a replay of what was logged; of a task or step, which is not replayed, always. */
  log(level: LogLevel, message: string, data: Json | undefined, inner: boolean): void;
  /** Ends this run and begins another one of the same workflow. Never settles, unless the arguments cannot be recorded. */
  continueAsNew(args: Encoded): Promise<never>;
  /** Calls back when the run is cancelled, with the reason; at once when it was. */
  onCancel(then: (reason: Error) => void): void;
  /** A scope in another one. Without `tasksOnly` it is like that one, and its calls count as calls of it. */
  openScope(parent: Scope | undefined, tasksOnly?: boolean): Scope;
  /** Gives up what is pending in a scope: its calls reject with `error`, and further ones are refused. */
  stopScope(scope: Scope, why: "race" | "timeout", error: Error): void;
  /**
   * Ends a scope that failed: nothing else is begun in it, what runs is waited for, and what was done is taken back, newest first.
   * Rejects with the failure of an undo, after which no other runs.
   */
  compensate(scope: Scope): Promise<void>;
  /** When calls ended, by key, on a host that does not see the order of outcomes. */
  endedAt(keys: readonly Key[]): Promise<ReadonlyMap<Key, number>>;
  /** Marks the calls that `fn` makes before it returns as ordered by the caller, so that their keys do not depend on a race. */
  ordered<T>(fn: () => T): T;
  /** Parameter names of an inline task that has not settled. */
  names(key: Key): readonly (string | undefined)[];
}
