/**
 * One schedule of one run: the real engine over a storage in memory, on a host that does one thing at a time, in an order that
 * the schedule decides. A process that dies is an engine that is forgotten; the next one finds what was committed.
 *
 * @module
 */
import { createEngine, readJournal } from "../engine/engine.ts";
import type { EngineEvent, WorkflowFunction } from "../engine/api.ts";
import type { Host, Storage, Work, Write } from "../engine/ports.ts";
import { createMemoryStorage, type MemoryStorage } from "../storage/memory.ts";
import { journalView } from "../workflow/journal_view.ts";
import type { JournalRecord, Json, Outcome, RunStatus } from "../workflow/journal.ts";
import type { Answer, AnswerScript } from "./_answers.ts";
import { closingOf, outcomeText, writesText } from "./_commit_text.ts";
import { durationText } from "./_duration.ts";
import { Life, lifeOf, type Ready } from "./_life.ts";
import type { MockedCalls } from "./_mocked_calls.ts";
import type { Deviation } from "./_schedule.ts";
import { createSeeded } from "./_seeded.ts";
import { Waits } from "./_waits.ts";

/** What is the same in all schedules. */
export interface WorldPlan {
  readonly local: Host;
  readonly seed: number;
  readonly args: Json;
  readonly start: number;
  readonly script: AnswerScript;
  readonly cancels: boolean;
  /** Replays the whole run before its end is recorded. */
  readonly checkReplay: boolean;
  /** Real time that a body may take, in milliseconds. */
  readonly patienceMs: number;
}

/** What a schedule begins with. Made anew for each. */
export interface WorldParts {
  /** Workflows by name, as a new process loads them. */
  readonly workflows: () => Readonly<Record<string, WorkflowFunction>>;
  readonly calls: MockedCalls;
  /** Throws when something does not hold. Called after every commit. */
  readonly always: (() => void) | undefined;
  /** The same, at the end. */
  readonly invariant: ((end: WorldEnd) => void) | undefined;
}

/** Who decides what happens. */
export interface Decider {
  /** The process dies at this commit. */
  crash(commit: number, mayDelayMs: number): Extract<Deviation, { readonly t: "crash" }> | undefined;
  /** Which of several things happens: an index; 0 is the plain one. */
  pick(choice: number, labels: readonly string[]): number;
}

/** What broke. */
export interface Violation {
  readonly kind:
    | "result"
    | "journal"
    | "replay"
    | "twice"
    | "changed"
    | "hang"
    | "invariant"
    | "always"
    | "unanswered"
    | "error";
  readonly message: string;
  readonly cause?: unknown;
}

/** How a schedule ended. */
export interface WorldEnd {
  readonly status: RunStatus | undefined;
  /** The run's value, or name and message of its failure, as text. */
  readonly outcome: string;
  /** The run's journal, as `journalView` gives it, as text. */
  readonly view: string;
  readonly records: readonly JournalRecord[];
  readonly crashes: number;
  readonly commits: number;
}

/** Name and id of the run that is explored. */
export const EXPLORED = "explored";

/** Choices after which a run that has not ended is said to go in circles. */
const MOST_CHOICES = 100_000;
/** How long something may take that a schedule makes slow, in milliseconds. */
const LONG_MS = [60_001, 86_400_001] as const;
/** Turns without anything to do after which the real clock is looked at. */
const QUIET_TURNS = 3;

/** One schedule. */
export class World {
  readonly #plan: WorldPlan;
  readonly #parts: WorldParts;
  readonly #decider: Decider;
  /** What deviated, in order. */
  readonly deviations: Deviation[] = [];
  /** What each commit wrote, and everything that happened: only while tracing. */
  readonly commitTexts: string[] = [];
  readonly trace: string[] = [];
  readonly warnings: string[] = [];
  readonly #tracing: boolean;
  readonly #waits: Waits;
  #storage: MemoryStorage = createMemoryStorage();
  #life: Life;
  #lives = 0;
  #now: number;
  #commits = 0;
  #choices = 0;
  #created = false;
  #parked = false;
  #closed = false;
  #cancelled = false;
  #dying: Extract<Deviation, { readonly t: "crash" }> | undefined;
  #crashes = 0;
  /** Check values of what is committed, by run: each covers its record and all before it. */
  readonly #checks = new Map<string, string[]>();
  /** The run, and those that went on for it. */
  readonly #chain: string[] = [EXPLORED];
  /** The end that a replay of the whole run must come to again. */
  #expectedEnd: string | undefined;
  #quiet = 0;
  #quietSince = 0;
  #ending = false;
  violation: Violation | undefined;
  end: WorldEnd | undefined;

  constructor(plan: WorldPlan, parts: WorldParts, decider: Decider, tracing = false) {
    this.#plan = plan;
    this.#parts = parts;
    this.#decider = decider;
    this.#tracing = tracing;
    this.#now = plan.start;
    this.#waits = new Waits(plan.script);
    this.#life = this.#live();
  }

  get ended(): boolean {
    return this.end !== undefined || this.violation !== undefined;
  }

  /** Does one thing. The microtasks that it leads to are drained before the next turn. False when it waits for real time. */
  turn(): boolean {
    if (this.ended) return false;
    if (this.#dying !== undefined) {
      this.#restart(this.#dying.delayMs);
      return true;
    }
    const then = this.#life.takeHop();
    if (then === undefined) return this.#choose();
    this.#quiet = 0;
    then();
    return true;
  }

  // --- Processes ---

  #live(): Life {
    const { local, seed } = this.#plan;
    const { calls } = this.#parts;
    this.#lives++;
    // Every process draws the same bytes: what a run is given must not depend on how often it died before it was stored.
    const life: Life = new Life(local, () => this.#now, createSeeded(seed, 1), createSeeded(seed, 100 + this.#lives));
    const isCurrent = (): boolean => life === this.#life;
    void createEngine({
      storage: this.#watched(this.#storage, life),
      workflows: this.#parts.workflows(),
      host: life.host,
      name: `process ${this.#lives}`,
      // A stack for each name and process costs more than the rest of a short schedule.
      callSites: this.#tracing,
      executor: {
        accepts: () => true,
        start: (work) => new Promise((resolve) => this.#attempt(life, work, calls, resolve)),
      },
      onEvent: (event) => {
        if (isCurrent()) this.#onEvent(life, event);
      },
    }).then(async (engine) => {
      life.engine = engine;
      if (isCurrent() && !this.#created) await engine.start(EXPLORED, this.#plan.args, { runId: EXPLORED });
    }).catch((error) => isCurrent() && this.#fail("error", `The run could not be started: ${textOf(error)}`, error));
    return life;
  }

  #restart(delayMs: number): void {
    this.#dying = undefined;
    this.#crashes++;
    this.#now += delayMs;
    this.#note(
      `✗ the process dies; another one goes on ${delayMs === 0 ? "at once" : `after ${durationText(delayMs)}`}`,
    );
    const before = this.#storage;
    this.#storage = before.visit();
    void before.close();
    this.#waits.sendAgain();
    if (!this.#plan.local.context.concurrent) this.#plan.local.context.clear();
    this.#quiet = 0;
    this.#life = this.#live();
  }

  #watched(storage: MemoryStorage, life: Life): Storage {
    return { ...storage, commit: (writes) => this.#commit(storage, life, writes) };
  }

  async #commit(storage: MemoryStorage, life: Life, writes: readonly Write[]): Promise<void> {
    if (life !== this.#life || this.#dying !== undefined) return await never();
    const closing = closingOf(writes, this.#chain.at(-1));
    if (closing !== undefined && this.#plan.checkReplay) {
      if (this.#expectedEnd === undefined) {
        this.#expectedEnd = closing;
        // What comes before the end in its commit is part of the way there.
        const run = this.#chain.at(-1);
        const end = writes.findIndex((write) =>
          write.w === "append" && write.run === run && write.row?.state === "closed"
        );
        if (end > 0) await storage.commit(writes.slice(0, end));
        this.#note("(the whole run is replayed before its end is recorded)");
        this.#dying = { t: "crash", when: "before", commit: 0, delayMs: 0 };
        this.#crashes--;
        return await never();
      }
      if (closing !== this.#expectedEnd) {
        this.#fail(
          "replay",
          `Replayed from its journal, the run ends otherwise\n  first:  ${this.#expectedEnd}\n  replay: ${closing}`,
        );
        return await never();
      }
    }
    const commit = ++this.#commits;
    if (this.#tracing) this.commitTexts.push(writesText(writes));
    const crash = this.#decider.crash(commit, this.#mayDelay());
    if (crash !== undefined) this.deviations.push(crash);
    if (crash?.when === "before") {
      this.#dying = crash;
      return await never();
    }
    await storage.commit(writes);
    if (this.#tracing) this.#note(`commit ${commit}: ${this.commitTexts.at(-1)}`);
    this.#learn(writes);
    this.#checked("always", this.#parts.always);
    if (crash !== undefined) {
      this.#dying = crash;
      return await never();
    }
  }

  /** What a commit says of the run. */
  #learn(writes: readonly Write[]): void {
    for (const write of writes) {
      if (write.w === "create") {
        const { id } = write.row;
        this.#checks.set(id, write.records.map(({ check }) => check));
        if (id === EXPLORED) this.#created = true;
        // Not its children, whose ids begin with it.
        else if (id === `${EXPLORED}~${this.#chain.length}`) this.#chain.push(id);
      }
      if (write.w !== "append") continue;
      const checks = this.#checks.get(write.run);
      for (const { seq, check } of write.records) if (checks !== undefined) checks[seq] = check;
      if (write.row?.state === undefined || !this.#chain.includes(write.run)) continue;
      this.#parked = write.row.state === "parked";
    }
    // A run that goes on as another one ends in the commit that begins that one.
    const last = this.#chain.at(-1);
    this.#closed ||= writes.some((write) =>
      write.w === "append" && write.run === last && write.row?.state === "closed"
    );
    const unanswered = this.#waits.learn(writes, this.#now);
    if (unanswered === undefined) return;
    const [kind, name] = unanswered;
    const option = kind === "approval"
      ? `approvals: { ${JSON.stringify(name)}: { approved: true } }`
      : `events: { ${JSON.stringify(name)}: { payload: null } }`;
    this.#fail(
      "unanswered",
      `The run waits for the ${kind} "${name}", and nothing comes: give ${option}, or "timeout" to let the time pass`,
    );
  }

  // --- Attempts ---

  #attempt(
    life: Life,
    work: Work,
    calls: MockedCalls,
    resolve: (outcome: Outcome) => void,
  ): void {
    const { key, call } = work;
    const timeoutS = call.kind === "task" ? call.options.timeoutS : undefined;
    const id = waitId(work.run, key);
    life.attempts.set(id, timeoutS === undefined ? Infinity : this.#now + timeoutS * 1000);
    life.busy++;
    this.#note(`start ${id}`);
    const ending = calls.start(work, life.host);
    if (ending === undefined) return void life.busy--;
    void ending.then((outcome) => {
      life.busy--;
      this.#note(`${outcome.ok ? "done " : "failed "} ${id}`);
      life.ready.push({
        label: `done:${id}`,
        go: () => {
          life.attempts.delete(id);
          resolve(outcome);
        },
      });
    });
  }

  /** Stops the running body of a step until the schedule lets it go on. */
  pause(name: string): Promise<void> {
    const current = this.#plan.local.context.current();
    const { info } = current ?? {};
    const life = lifeOf(current);
    if (info === undefined || life === undefined) {
      return Promise.reject(new Error("Cannot pause: only the body of a step or task, or what stands for it, can"));
    }
    life.busy--;
    return new Promise((resolve) => {
      life.ready.push({
        label: `go:${info.key}${name === "" ? "" : `:${name}`}`,
        go: () => {
          life.busy++;
          resolve();
        },
      });
    });
  }

  // --- What the engine tells ---

  #onEvent(life: Life, event: EngineEvent): void {
    switch (event.event) {
      case "sleep_started":
        life.waits.add(event.key);
        return;
      case "call_settled":
        life.waits.delete(event.key);
        return;
      case "run_started":
        life.loaded = true;
        return;
      case "run_resumed":
        life.loaded = true;
        return this.#note(`replay of ${event.records} records`);
      case "run_stopped":
        return this.#fail("replay", `The workflow does not fit its own journal: ${event.error.message}`, event.error);
      case "failed":
        return this.#fail("error", `The engine failed: ${event.error.message}`, event.error);
      case "warning":
        if (!this.warnings.includes(event.message)) this.warnings.push(event.message);
        return;
      default:
        // `approval_waiting` and its like.
        if ("key" in event && event.event.endsWith("_waiting")) life.waits.add(event.key);
        return;
    }
  }

  // --- Choices ---

  /** Until when time may pass without something that is ready coming too late. */
  #bound(): number {
    return Math.min(this.#waits.bound(), ...this.#life.attempts.values());
  }

  #mayDelay(): number {
    return Math.max(0, this.#waits.bound() - this.#now - 1);
  }

  /** Called when nothing happens of itself any more. */
  #choose(): boolean {
    if (this.#closed) return this.#finish();
    const life = this.#life;
    const { ready } = life;
    if (life.busy > 0 && !this.#isOverdue()) return false;
    const options: Ready[] = [];
    for (const one of ready) {
      options.push({
        label: one.label,
        go: () => {
          ready.splice(ready.indexOf(one), 1);
          one.go();
        },
      });
    }
    let target = life.nextTimer() ?? Infinity;
    const others: Ready[] = [];
    if (this.#created && life.engine !== undefined) {
      for (const { answer, at, run } of this.#waits.toSend()) {
        const label = `answer:${answer.kind}:${answer.name}:${answer.no}`;
        const option = { label, go: () => this.#answer(life, answer, run) };
        if (at <= this.#now) options.push(option);
        else others.push(option);
        if (at > this.#now) target = Math.min(target, at);
      }
      if (this.#plan.cancels && !this.#cancelled) others.push({ label: "cancel", go: () => this.#cancel(life) });
    }
    const plain = options.length;
    // A process that neither runs nor waits for anything is at something of the body's own, which takes real time.
    const isParked = this.#parked && !life.loaded;
    const isIdle = plain === 0 && life.busy === 0 && life.waits.size === 0 && !isParked;
    if (isIdle && !this.#isOverdue()) return false;
    const bound = plain === 0 ? Infinity : this.#bound();
    if (target < Infinity && (plain === 0 || target < bound)) {
      const at = target;
      options.push({ label: "time", go: () => this.#passTime(life, at) });
    }
    if (options.length === 0) return this.#hang();
    options.push(...others);
    if (plain > 0) {
      // What is ready may have taken its time.
      for (const ms of LONG_MS) {
        if (this.#now + ms < bound) {
          options.push({
            label: `time:${ms}`,
            go: () => this.#passTime(life, this.#now + ms),
          });
        }
      }
    }
    let picked = 0;
    if (options.length > 1) {
      const choice = ++this.#choices;
      if (choice > MOST_CHOICES) return this.#hang();
      picked = this.#decider.pick(choice, options.map(({ label }) => label));
      const label = options[picked]?.label;
      if (picked > 0 && label !== undefined) this.deviations.push({ t: "pick", choice, label });
    }
    const chosen = options[picked];
    if (this.#tracing && chosen !== undefined && !chosen.label.startsWith("time")) this.#note(`→ ${chosen.label}`);
    chosen?.go();
    return true;
  }

  #passTime(life: Life, at: number): void {
    if (at > this.#now) {
      this.#note(`time passes: ${durationText(at - this.#now)}`);
      this.#now = at;
    }
    life.ring(this.#now);
  }

  #answer(life: Life, answer: Answer, waiting: string | undefined): void {
    const { engine } = life;
    if (engine === undefined) return;
    this.#waits.note(answer, "sending");
    const { kind, name, no, value, approved, approver } = answer;
    const run = waiting ?? this.#chain.at(-1) ?? EXPLORED;
    const sent = kind === "approval"
      ? engine.approve(run, name, { approved, value, ...(approver === undefined ? undefined : { approver }) })
      : engine.signal(run, name, value, { id: `event:${name}:${no}` });
    sent.then(
      () => life === this.#life && this.#waits.note(answer, "sent"),
      (error: Error) => {
        if (life !== this.#life) return;
        // Its sender died before it heard that it was taken, and sends it again.
        if (error.message.includes("answered already")) this.#waits.note(answer, "sent");
        else this.#fail("error", `The ${kind} "${name}" could not be answered: ${error.message}`, error);
      },
    );
  }

  #cancel(life: Life): void {
    this.#cancelled = true;
    life.engine?.cancel(EXPLORED, "Cancelled by explore()").catch((error) => {
      if (life === this.#life) this.#fail("error", `The run could not be cancelled: ${textOf(error)}`, error);
    });
  }

  /** True when real time has passed for long enough. */
  #isOverdue(): boolean {
    if (++this.#quiet < QUIET_TURNS) return false;
    const now = performance.now();
    if (this.#quiet === QUIET_TURNS) this.#quietSince = now;
    return now - this.#quietSince >= this.#plan.patienceMs;
  }

  // --- The end ---

  #hang(): boolean {
    const { busy, attempts } = this.#life;
    const { keys } = this.#waits;
    const at = busy > 0
      ? `the bodies of ${[...attempts.keys()].map((key) => `"${key}"`).join(", ")} have not ended`
      : keys.length > 0
      ? `it waits for ${keys.map((key) => `"${key}"`).join(", ")}, and nothing will come`
      : "its body waits for something that is no call: a promise that nobody settles";
    this.#fail(
      "hang",
      this.#choices > MOST_CHOICES ? `The run goes in circles: ${MOST_CHOICES} choices` : `The run does not end: ${at}`,
    );
    return true;
  }

  #finish(): boolean {
    if (this.#ending) return false;
    this.#ending = true;
    this.#readEnd().then(
      (end) => {
        if (this.violation !== undefined) return;
        const { invariant } = this.#parts;
        this.#checked("invariant", invariant === undefined ? undefined : () => invariant(end));
        this.end = end;
      },
      (error) => this.#fail("error", `The run's journal cannot be read: ${textOf(error)}`, error),
    );
    return true;
  }

  async #readEnd(): Promise<WorldEnd> {
    const records: JournalRecord[] = [];
    for (const run of this.#chain) {
      const checks = this.#checks.get(run) ?? [];
      for await (const page of this.#storage.journal(run)) {
        for (const { seq, check } of page) {
          if ((checks[seq] ?? check) !== check) this.#fail("changed", `Record ${seq} was changed after its commit`);
        }
      }
      const read = await readJournal(this.#storage, run);
      const settled = new Set<string>();
      for (const record of read.records) {
        records.push(record);
        if (record.t !== "settled") continue;
        if (settled.has(record.key)) this.#fail("twice", `The outcome of "${record.key}" is recorded twice`);
        settled.add(record.key);
      }
    }
    const last = records.at(-1);
    const closed = last?.t === "closed" ? last : undefined;
    return {
      status: closed?.status,
      outcome: outcomeText(closed),
      view: JSON.stringify(journalView(records)),
      records,
      crashes: this.#crashes,
      commits: this.#commits,
    };
  }

  #checked(kind: "always" | "invariant", check: (() => void) | undefined): void {
    if (check === undefined) return;
    try {
      const result: unknown = check();
      if (result instanceof Promise) {
        result.catch(() => undefined);
        throw new TypeError(`'${kind}' must not be asynchronous: the next thing would happen before it has looked`);
      }
    } catch (error) {
      const when = kind === "always" ? "after a commit" : "at the end";
      this.#fail(kind, `The invariant does not hold ${when}: ${textOf(error)}`, error);
    }
  }

  #fail(kind: Violation["kind"], message: string, cause?: unknown): void {
    this.#note(`! ${message.split("\n", 1)[0]}`);
    this.violation ??= { kind, message, ...(cause === undefined ? undefined : { cause }) };
  }

  #note(text: string): void {
    if (this.#tracing) this.trace.push(text);
  }
}

/** A promise of its own each time: one that is shared would keep whoever awaits it in memory. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}

function waitId(run: string, key: string): string {
  return run === EXPLORED ? key : `${run}/${key}`;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
