/**
 * Runs one workflow in a test: on the real engine, in memory, with mocks, scripted answers and a clock that does not wait.
 *
 * @module
 */
import type { Jsonified } from "../base/canonical.ts";
import { hasCode } from "../base/errors.ts";
import type { ApprovalAnswer, Engine, EngineEvent, RunHandle, WorkflowFunction } from "../engine/api.ts";
import { createEngine } from "../engine/engine.ts";
import type { Work } from "../engine/ports.ts";
import { createMemoryStorage } from "../storage/memory.ts";
import { journalView, type ViewedCall } from "../workflow/journal_view.ts";
import type { JournalRecord, Json, LogLevel, Outcome } from "../workflow/journal.ts";
import { type Answer, readAnswers, type ScriptedApproval, type ScriptedEvent } from "./_answers.ts";
import { answeredBy, type Called, calledIn } from "./_called.ts";
import { type Duration, durationText, milliseconds } from "./_duration.ts";
import {
  argumentsOf,
  createMockedCalls,
  type Failures,
  type MadeCall,
  type MockedCall,
  type Mocks,
  never,
} from "./_mocked_calls.ts";
import { createSeeded } from "./_seeded.ts";
import { guess, listed, refuseUnknown } from "./_words.ts";
import { createVirtualHost, type VirtualHost } from "./virtual_host.ts";

/** What {@linkcode testWorkflow} takes. */
export interface TestWorkflowOptions {
  /** Arguments: by parameter name, or in order. @default {} */
  readonly args?: Json;
  /** Instead of steps, tasks, scripts and flows: by key, name or path. What is not mocked runs. */
  readonly mocks?: Mocks;
  /** Errors that attempts end with: by key, name or path, for all attempts or by their number from 1. */
  readonly failures?: Failures;
  /** Who answers approvals, by key. */
  readonly approvals?: Readonly<Record<string, ScriptedApproval>>;
  /** Who sends events, by name. */
  readonly events?: Readonly<Record<string, ScriptedEvent | readonly ScriptedEvent[]>>;
  /** Other workflows that the run starts, by name. */
  readonly workflows?: Readonly<Record<string, WorkflowFunction>>;
  /** Name of the workflow. @default "main" */
  readonly name?: string;
  /** Whether a step, task, script or flow without a mock runs, or fails and says so. @default "run" */
  readonly unmocked?: "run" | "fail";
  /** What `random()` and `uuid()` of the body are drawn from: a number, or the seed of a recorded run. @default 1 */
  readonly seed?: number | string;
  /** When the run begins: a date, or milliseconds since 1970. @default 1700000000000 */
  readonly start?: Date | number;
  /** `always` replays the run from its journal before every outcome, and so finds what is not deterministic. @default "when-needed" */
  readonly replay?: "when-needed" | "always";
  /** Keys in the order in which their outcomes are handed over, where that decides: as in a recorded run. @default as they come */
  readonly order?: readonly string[];
  /** Whether `result()` refuses mocks, failures and answers that nothing used. @default true */
  readonly strict?: boolean;
  /** Real time that a body may take before virtual time goes on without it, in milliseconds. @default 1000 */
  readonly patienceMs?: number;
  /** What the engine tells. */
  readonly onEvent?: (event: EngineEvent) => void;
}

/** A line that the body wrote with `log()`. */
export interface LogLine {
  /** `debug`, `info`, `warn` or `error`. */
  readonly level: LogLevel;
  /** The line. */
  readonly message: string;
  /** What was logged with it. */
  readonly data?: Json;
}

/** A run of a workflow in a test. It begins with the first call of a method that needs it. */
export interface TestRun<R = Json> extends AsyncDisposable {
  /** Mocks a step, task, script or flow, by key, name or path: before the run makes the call. */
  mockStep(name: string, mock: MockedCall): this;
  /** Lets time pass until the run has ended. Gives its result, or throws what `RunHandle.result()` throws. */
  result(): Promise<R>;
  /** Lets the run do all that needs no time to pass. */
  settle(): Promise<void>;
  /** Lets so much time pass, timer by timer. */
  advance(time: Duration): Promise<void>;
  /** Answers an approval, also one that is not waited for yet. `key` is optional when exactly one is waited for. */
  approve(key?: string, answer?: ApprovalAnswer): Promise<void>;
  /** Sends an event, also one that is not waited for yet. */
  signal(name: string, payload?: Json): Promise<void>;
  /** Asks the run to end. */
  cancel(reason?: string): Promise<void>;
  /** Settled calls, sorted by key: the same on every host, so good for a snapshot. Of a run that went on as another one, the last. */
  journal(): Promise<readonly ViewedCall[]>;
  /** The journal as it is recorded. */
  records(): Promise<readonly JournalRecord[]>;
  /** Calls of steps and tasks that were made, of one name or key or all, in the order of their start. */
  calls(name?: string): readonly MadeCall[];
  /** Lines that the body wrote with `log()`. */
  readonly log: readonly LogLine[];
  /** Ends the engine. Also `await using run = testWorkflow(...)`. */
  close(): Promise<void>;
  /** Virtual time, in milliseconds since 1970. */
  readonly now: number;
  /** True once the run has ended. */
  readonly ended: boolean;
  /** What the engine has told so far. */
  readonly events: readonly EngineEvent[];
}

const OPTIONS = [
  "args",
  "mocks",
  "failures",
  "approvals",
  "events",
  "workflows",
  "name",
  "unmocked",
  "seed",
  "start",
  "replay",
  "order",
  "strict",
  "patienceMs",
  "onEvent",
] as const satisfies readonly (keyof TestWorkflowOptions)[];

const START = 1_700_000_000_000;
/** Id of the run. */
const RUN = "test";
/** More timers than any test needs: what rings more often goes in circles. */
const MOST_TIMERS = 200_000;

/**
 * Runs a workflow in a test: the real engine, in memory, with a clock that only moves when nothing else is left to do. Sleeps,
 * backoffs and timeouts cost no time.
 *
 * @param workflow what `workflow()` returned, or any async function
 * @param options arguments, mocks, failures, answers
 * @returns the run; it begins with the first call that needs it
 *
 * @example Mocks, a failure that is retried, an approval after two hours
 * ```ts
 * import { testWorkflow } from "@windkit/windmill-client/testing";
 * import { sleep, task, waitForApproval, workflow } from "@windkit/windmill-client/workflow";
 *
 * const charge = task("charge", async (amount: number) => await pay(amount), { retry: { attempts: 2, delay: 30 } });
 * const order = workflow(async (amount: number) => {
 *   const { approved } = await waitForApproval({ key: "sign_off", timeout: 86_400 });
 *   if (!approved) return "rejected";
 *   const { id } = await charge(amount);
 *   await sleep(3600);
 *   return id;
 * });
 *
 * await using run = testWorkflow(order, {
 *   args: { amount: 20 },
 *   mocks: { charge: (amount: number) => ({ id: `paid ${amount}` }) },
 *   failures: { charge: { 1: new Error("busy") } },
 *   approvals: { sign_off: { approved: true, after: "2h" } },
 * });
 * const id = await run.result();
 *
 * if (id !== "paid 20") throw new Error("not paid");
 * if (run.calls("charge").length !== 2) throw new Error("not retried");
 *
 * function pay(_amount: number): Promise<{ id: string }> {
 *   throw new Error("this is a test");
 * }
 * ```
 */
export function testWorkflow<F extends WorkflowFunction>(
  workflow: F,
  options: TestWorkflowOptions = {},
): TestRun<Jsonified<Awaited<ReturnType<F>>>> {
  return new WorkflowTest(workflow, options) as unknown as TestRun<Jsonified<Awaited<ReturnType<F>>>>;
}

/** What a run waits for, and nobody answers. */
interface Unanswered {
  readonly name: string;
  readonly until: number;
}

class WorkflowTest implements TestRun<unknown> {
  readonly #workflow: WorkflowFunction;
  readonly #options: TestWorkflowOptions;
  readonly #host: VirtualHost;
  readonly #mocks: Record<string, MockedCall>;
  readonly #mocked: ReturnType<typeof createMockedCalls>;
  readonly #script: ReturnType<typeof readAnswers>;
  readonly #made: MadeCall[] = [];
  readonly #running = new Set<Promise<unknown>>();
  readonly #told: EngineEvent[] = [];
  readonly #sent = new Set<Answer>();
  readonly #unanswered = new Map<string, Unanswered>();
  readonly #waitedFor = new Set<string>();
  readonly #settledKeys = new Set<string>();
  /** Outcomes that wait for their turn, by their place in the order that was asked for. */
  readonly #held = new Map<number, () => void>();
  #begun: Promise<{ readonly engine: Engine; readonly run: RunHandle }> | undefined;
  #problem: Error | undefined;
  #ended = false;
  /** Id of the run, or of the one that goes on for it. */
  #current = RUN;
  #continued = 0;

  constructor(workflow: WorkflowFunction, options: TestWorkflowOptions) {
    if (typeof workflow !== "function") {
      throw new TypeError(`Cannot test a workflow: expected what workflow() returned, found ${typeof workflow}`);
    }
    refuseUnknown("Cannot test a workflow", options, OPTIONS);
    const { mocks = {}, failures = {}, approvals, events, start = START, unmocked = "run", seed = 1 } = options;
    this.#workflow = workflow;
    this.#options = options;
    const host = createVirtualHost(Number(start));
    this.#host = withSeed(host, seed);
    this.#mocks = { ...mocks };
    this.#mocked = createMockedCalls(this.#mocks, failures, unmocked === "run");
    this.#script = readAnswers(approvals, events);
  }

  get now(): number {
    return this.#host.now();
  }

  get ended(): boolean {
    return this.#ended;
  }

  get log(): readonly LogLine[] {
    return this.#told.flatMap((event) => {
      if (event.event !== "log") return [];
      const { level, message, data } = event;
      return [{ level, message, ...(data === undefined ? {} : { data }) }];
    });
  }

  get events(): readonly EngineEvent[] {
    return this.#told;
  }

  mockStep(name: string, mock: MockedCall): this {
    this.#mocks[name] = mock;
    return this;
  }

  calls(name?: string): readonly MadeCall[] {
    return name === undefined ? this.#made : this.#made.filter((call) => call.name === name || call.key === name);
  }

  // --- The run ---

  #begin(): Promise<{ readonly engine: Engine; readonly run: RunHandle }> {
    return this.#begun ??= this.#open();
  }

  async #open(): Promise<{ readonly engine: Engine; readonly run: RunHandle }> {
    const { name = "main", args = {}, workflows = {}, replay = "when-needed" } = this.#options;
    const storage = createMemoryStorage();
    const engine = await createEngine({
      storage: {
        ...storage,
        commit: async (writes) => {
          await storage.commit(writes);
          for (const called of calledIn(writes)) this.#onCalled(called);
        },
      },
      workflows: { ...workflows, [name]: this.#workflow },
      host: this.#host,
      replay,
      executor: { accepts: () => true, start: (work) => this.#attempt(work) },
      onEvent: (event) => this.#onEvent(event),
    });
    try {
      const run = await this.#host.drive(engine.start(name, args, { runId: RUN }));
      return { engine, run };
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  async #attempt(work: Work): Promise<Outcome> {
    const { key, call, info } = work;
    const name = call.kind === "undo" ? call.base : "name" in call ? call.name : key;
    this.#made.push({ key, name, kind: call.kind, attempt: info.attempt, args: argumentsOf(work) });
    const ending = this.#mocked.start(work, this.#host);
    if (ending === undefined) return await never();
    this.#running.add(ending);
    const outcome = await ending;
    this.#running.delete(ending);
    const place = this.#options.order?.indexOf(key) ?? -1;
    if (place > 0) {
      await new Promise<void>((resolve) => {
        this.#held.set(place, resolve);
        this.#releaseHeld();
      });
    }
    return outcome;
  }

  #releaseHeld(): void {
    const { order = [] } = this.#options;
    for (const [place, go] of this.#held) {
      if (order.slice(0, place).some((key) => !this.#settledKeys.has(key))) continue;
      this.#held.delete(place);
      go();
    }
  }

  /** What was to come before does not: the first of those that wait goes on. False when none does. */
  #releaseFirst(): boolean {
    const place = Math.min(...this.#held.keys());
    const go = this.#held.get(place);
    this.#held.delete(place);
    go?.();
    return go !== undefined;
  }

  #onEvent(event: EngineEvent): void {
    this.#told.push(event);
    if (event.event === "call_settled") this.#onSettled(event.key);
    if (event.event === "run_closed" && event.run === this.#current) {
      // A run that goes on as another one has not ended.
      if (event.status === "continued") this.#current = `${RUN}~${++this.#continued}`;
      else this.#ended = true;
    }
    if (event.event === "run_stopped" || event.event === "failed") this.#problem ??= event.error;
    this.#options.onEvent?.(event);
  }

  #onSettled(key: string): void {
    this.#unanswered.delete(key);
    this.#settledKeys.add(key);
    this.#releaseHeld();
  }

  /** What waits is recorded when it is asked for: only then can it be answered. */
  #onCalled(called: Called): void {
    const { run, record } = called;
    const answered = answeredBy(called);
    if (answered === undefined) return;
    const [kind, name] = answered;
    this.#waitedFor.add(`${kind}:${name}`);
    const { answers, expire } = this.#script;
    if (expire.has(`${kind}:${name}`)) return;
    const scripted = answers.filter((a) => a.kind === kind && a.name === name);
    const answer = scripted.find((a) => !this.#sent.has(a));
    if (answer === undefined) {
      if (scripted.length > 0) return;
      this.#unanswered.set(record.key, { name: `${kind} "${name}"`, until: record.dueAt ?? Infinity });
      return;
    }
    this.#sent.add(answer);
    this.#host.timer(this.#host.now() + answer.afterMs, () => {
      this.#answer(run, answer).catch((error) => this.#problem ??= error as Error);
    });
  }

  async #answer(run: string, answer: Answer): Promise<void> {
    const { engine } = await this.#begin();
    const { kind, name, no, value, approved, approver } = answer;
    if (kind === "event") return await engine.signal(run, name, value, { id: `event:${name}:${no}` });
    await engine.approve(run, name, { approved, value, ...(approver === undefined ? undefined : { approver }) });
  }

  // --- Time ---

  /** Lets time pass until the run has ended, or until a time. */
  async #drive(until: number | undefined): Promise<void> {
    await this.#begin();
    const host = this.#host;
    for (let rung = 0;; rung++) {
      await host.settle();
      if (this.#problem !== undefined) throw this.#problem;
      if (this.#ended) break;
      if (this.#running.size > 0 && await this.#outlasts()) continue;
      const { next } = host;
      if (until !== undefined && (next === undefined || next > until)) {
        if (this.#releaseFirst()) continue;
        break;
      }
      if (next === undefined && this.#releaseFirst()) continue;
      if (next === undefined) throw this.#stuck();
      if (until === undefined) this.#refuseSilence(next);
      if (rung > MOST_TIMERS) throw new Error(`The run goes in circles: ${rung} timers rang without an end`);
      await host.tick();
    }
    if (until !== undefined && until > host.now()) await host.advance(until - host.now());
  }

  /** Waits in real time for a body that runs. False when that takes too long. */
  async #outlasts(): Promise<boolean> {
    const { patienceMs = 1000 } = this.#options;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), patienceMs));
    try {
      return await Promise.race([late, ...[...this.#running].map((body) => body.then(() => true))]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Nobody would answer before the time is over: that must be said, not be waited out. */
  #refuseSilence(next: number): void {
    for (const { name, until } of this.#unanswered.values()) {
      if (next < until) continue;
      const [kind, quoted] = name.split(/ (.*)/s);
      throw new Error(
        `The run waits for the ${name}, and nothing answers it: give ${kind}s: { ${quoted}: { ... } }, ` +
          `or "timeout" to let its time pass, or call ${kind === "approval" ? "approve()" : "signal()"} first`,
      );
    }
  }

  #stuck(): Error {
    const waits = [...this.#unanswered.values()].map(({ name }) => name);
    const running = this.#made.filter(({ key }) => !this.#settledKeys.has(key)).map(({ key }) => key);
    if (running.length > 0) return new Error(`The run does not end: the body of ${listed(running)} has not ended`);
    if (waits.length > 0) {
      return new Error(`The run does not end: it waits for ${waits.join(", ")}, and nothing answers`);
    }
    return new Error("The run does not end: its body waits for something that is no call, which nothing settles");
  }

  async settle(): Promise<void> {
    await this.#drive(this.#host.now());
  }

  async advance(time: Duration): Promise<void> {
    await this.#drive(this.#host.now() + milliseconds(time, "time"));
  }

  // --- From outside ---

  async approve(key?: string, answer: ApprovalAnswer = {}): Promise<void> {
    const { engine } = await this.#begin();
    await this.#host.settle();
    await this.#host.drive(engine.approve(this.#current, key, answer));
    await this.settle();
  }

  async signal(name: string, payload: Json = null): Promise<void> {
    const { engine } = await this.#begin();
    await this.#host.drive(engine.signal(this.#current, name, payload));
    await this.settle();
  }

  async cancel(reason?: string): Promise<void> {
    const { engine } = await this.#begin();
    await this.#host.drive(engine.cancel(this.#current, reason));
    await this.settle();
  }

  // --- What came of it ---

  async result(): Promise<unknown> {
    const { run } = await this.#begin();
    await this.#drive(undefined);
    const value = await this.#host.drive(run.result()).catch((error: unknown) => {
      throw this.#explained(error);
    });
    if (this.#options.strict !== false) this.#refuseUnused();
    return value;
  }

  /** A failure may come of a name in the test that fits nothing: the real body ran in place of its mock. */
  #explained(error: unknown): unknown {
    if (!hasCode(error, "RUN_FAILED")) return error;
    const { message, stepKey } = error as Error & { readonly stepKey?: string };
    const more = message.includes("it is not registered. Registered:")
      ? ["To give the run another workflow to start: workflows: { name: workflow }"]
      : [];
    const ranItself = stepKey !== undefined && this.#mocked.unmocked.has(stepKey);
    const unused = this.#options.strict === false ? [] : this.#mocked.unused();
    more.push(...unused.filter((line) => ranItself || line.includes(". Did you mean ")));
    if (more.length === 0) return error;
    const told = error as Error;
    const explained = [message, ...more].join("\n");
    const stack = told.stack?.replace(message, () => explained);
    return Object.defineProperties(told, {
      message: { value: explained },
      ...(stack === undefined ? {} : { stack: { value: stack } }),
    });
  }

  #refuseUnused(): void {
    const unused = [...this.#mocked.unused()];
    const { answers, expire } = this.#script;
    const scripted = [
      ...answers.filter((answer) => !this.#sent.has(answer)).map(({ kind, name }) => `${kind}:${name}`),
      ...[...expire].filter((id) => !this.#waitedFor.has(id)),
    ];
    for (const id of new Set(scripted)) {
      const [kind = "", name = ""] = id.split(/:(.*)/s);
      const others = [...this.#waitedFor].filter((one) => one.startsWith(`${kind}:`)).map((one) =>
        one.slice(kind.length + 1)
      );
      const waited = `it waited for ${others.length === 0 ? "none" : listed(others)}${guess(name, others)}`;
      unused.push(`The ${kind} "${name}" was never waited for${others.includes(name) ? " so often" : ""}: ${waited}`);
    }
    if (unused.length === 0) return;
    throw new Error(
      [...unused, `(The run ended ${durationText(this.#elapsed())} after its start. To allow this: strict: false)`]
        .join("\n"),
    );
  }

  #elapsed(): number {
    return this.now - Number(this.#options.start ?? START);
  }

  async records(): Promise<readonly JournalRecord[]> {
    const { engine } = await this.#begin();
    return await engine.journal(this.#current);
  }

  async journal(): Promise<readonly ViewedCall[]> {
    return journalView(await this.records());
  }

  async close(): Promise<void> {
    if (this.#begun === undefined) return;
    const begun = await this.#begun.catch(() => undefined); // told already to whoever began it
    await begun?.engine.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** A host whose randomness a seed decides. The 16 bytes of a run's own seed may be given whole. */
function withSeed(host: VirtualHost, seed: number | string): VirtualHost {
  if (typeof seed === "string" && !/^[0-9a-f]{32}$/.test(seed)) {
    throw new TypeError(
      `Cannot test a workflow: 'seed' must be a number or 32 hex digits, found ${JSON.stringify(seed)}`,
    );
  }
  const seeded = createSeeded(typeof seed === "number" ? seed : 1);
  const whole = typeof seed === "string"
    ? Uint8Array.from(seed.match(/../g) ?? [], (pair) => parseInt(pair, 16))
    : undefined;
  return Object.defineProperties(host, {
    random: { value: (count: number): Uint8Array => whole?.length === count ? whole : seeded.bytes(count) },
  });
}
