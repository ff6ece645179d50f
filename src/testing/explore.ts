/**
 * Runs a workflow again and again, each time by another schedule: processes die, outcomes come in another order, answers early or
 * late, time passes. What must hold, holds in each of them, or the shortest schedule that breaks it is told.
 *
 * @module
 */
import type { WorkflowFunction } from "../engine/api.ts";
import { createLocalHost } from "../engine/host.ts";
import { WORKFLOW_BODY } from "../workflow/definition.ts";
import type { JournalRecord, Json, RunStatus } from "../workflow/journal.ts";
import { useAmbient } from "./_ambient.ts";
import { readAnswers, type ScriptedApproval, type ScriptedEvent } from "./_answers.ts";
import { decideBy, decideBySeed, singleCrash } from "./_decide.ts";
import { ExploreError } from "./_explore_error.ts";
import { lifeOf } from "./_life.ts";
import { createMockedCalls, type Failures, type Mocks } from "./_mocked_calls.ts";
import { refuseUnknown } from "./_words.ts";
import { type Deviation, deviationText, formatSchedule, parseSchedule } from "./_schedule.ts";
import { type Decider, EXPLORED, type Violation, World, type WorldEnd, type WorldPlan } from "./_world.ts";

/** What a world's factory is given. */
export interface Explorer {
  /**
   * A point inside the body of a step or task, or of a mock: the process may die here, and other bodies may go on first.
   * Await it where a real effect would take time, between reading and writing, say.
   */
  pause(name?: string): Promise<void>;
}

/** How one schedule ended. */
export interface ExploredEnd {
  /** How the run ended. */
  readonly status: RunStatus | undefined;
  /** Its value as JSON text, or status, name and message of its failure. */
  readonly outcome: string;
  /** Its journal. */
  readonly records: readonly JournalRecord[];
}

/** What {@linkcode explore} takes. `W` is the world outside of the run, which is made anew for each schedule. */
export interface ExploreOptions<W = undefined> {
  /** Arguments of the workflow: by parameter name, or in order. @default {} */
  readonly args?: Json;
  /** Schedules that a seed decides, beside those in which a process dies before or after each commit. @default 500 */
  readonly runs?: number;
  /** What decides about them. @default a random one; an error names it */
  readonly seed?: number;
  /** Runs this schedule alone: the one that an error names. */
  readonly schedule?: string;
  /**
   * Whether the result and the journal must be the same in every schedule. `false` for a workflow that lets the first of several
   * calls decide: then each schedule must agree with its own replay. @default true
   */
  readonly confluent?: boolean;
  /**
   * What of the end must be the same in every schedule, as JSON, instead of the result and the journal: for a workflow that records
   * `now()`, say, which is another one in each.
   */
  readonly compare?: (end: ExploredEnd) => unknown;
  /** Makes what is outside of the run, and outlives its processes: a bank, a mailbox, counters. */
  readonly world?: (explorer: Explorer) => W;
  /** Instead of steps, tasks, scripts and flows: by key, name or path. They act on the world. */
  readonly mocks?: Mocks | ((world: W) => Mocks);
  /** Errors that attempts end with: by key, name or path, for all attempts or by their number. */
  readonly failures?: Failures;
  /** Who answers approvals, by key. Schedules let answers come early and late. */
  readonly approvals?: Readonly<Record<string, ScriptedApproval>>;
  /** Who sends events, by name. Schedules let them come early and late. */
  readonly events?: Readonly<Record<string, ScriptedEvent | readonly ScriptedEvent[]>>;
  /** Other workflows that the run starts, by name. */
  readonly workflows?: Readonly<Record<string, WorkflowFunction>>;
  /** Lets some schedules cancel the run. A cancelled run's result is not compared; invariants must hold. @default false */
  readonly cancels?: boolean;
  /** Throws when something does not hold at the end of a schedule. */
  readonly invariant?: (world: W, end: ExploredEnd) => void;
  /** Throws when something does not hold at any time. Called after every commit. */
  readonly always?: (world: W) => void;
  /** The time at which the run begins, in milliseconds since 1970. @default 1700000000000 */
  readonly start?: number;
  /** Real time that a body may take before it is said to hang, in milliseconds. @default 1000 */
  readonly patienceMs?: number;
  /** Schedules that are under way at once, in one thread. @default 32 */
  readonly width?: number;
}

/** What was explored, when nothing broke. */
export interface Explored {
  /** The seed. */
  readonly seed: number;
  /** Schedules that were run. */
  readonly schedules: number;
  /** Processes that died in them. */
  readonly crashes: number;
  /** Commits that were made or lost in them. */
  readonly commits: number;
  /** How the plain schedule ended: status and result. */
  readonly outcome: string;
}

/** What `workflow()` returned, whatever it takes: nothing of it says anything about a world. */
export interface ExploredWorkflow {
  /** What tells it from a function that makes one. */
  readonly _is_workflow: true;
}

/** A function that makes a workflow for a world. Never what `workflow()` returned: its first parameter is not the world. */
export type ExploredFactory<W> = ((world: W) => WorkflowFunction) & { readonly _is_workflow?: never };

/** A workflow, or a function that makes one for a world. */
export type Explorable<W> = ExploredWorkflow | ExploredFactory<W>;

const OPTIONS = [
  "args",
  "runs",
  "seed",
  "schedule",
  "confluent",
  "compare",
  "world",
  "mocks",
  "failures",
  "approvals",
  "events",
  "workflows",
  "cancels",
  "invariant",
  "always",
  "start",
  "patienceMs",
  "width",
] as const satisfies readonly (keyof ExploreOptions)[];

/** Random schedules that are run at first, and more when nothing broke. */
const RUNS = 500;
/** Tries of the search for the shortest schedule. */
const MOST_TRIES = 1000;

/**
 * Runs a workflow by many schedules, on the real engine: first plainly, then with a process that dies before and after each
 * commit, then by schedules that a seed decides. In each of them the run must end, with the same result and the same journal;
 * nothing is recorded twice or changed once it is recorded; and your invariants hold. `Date` and `Math.random` are the schedule's
 * while code of the run is running, so that a clock in the body is found too.
 *
 * Bodies of steps run at least once for each recorded outcome: what they do outside belongs into `world`, which outlives the
 * processes and is made anew for each schedule. A plain function in place of the workflow makes one for the world, once for each
 * process: variables in it are lost as memory is.
 *
 * @param workflow what `workflow()` returned, or a function of the world that makes one
 * @param options arguments, answers, mocks, invariants
 * @returns how much was explored
 * @throws ExploreError with the seed, the shortest schedule that fails, and what happened in it
 *
 * @example A charge that is repeated must not be booked twice
 * ```ts
 * import { explore, ExploreError } from "@windkit/windmill-client/testing";
 * import { step, taskInfo, workflow } from "@windkit/windmill-client/workflow";
 *
 * const world = () => ({ booked: [] as string[] });
 * type World = ReturnType<typeof world>;
 * const invariant = ({ booked }: World) => {
 *   if (booked.length !== 1) throw new Error(`Booked ${booked.length} times`);
 * };
 *
 * const careless = ({ booked }: World) =>
 *   workflow(async () => await step("charge", () => void booked.push("charge")));
 * const found = await explore(careless, { world, invariant, seed: 1 }).catch((error: unknown) => error);
 * if (!(found instanceof ExploreError) || found.schedule !== "crash<2") throw new Error("not found");
 *
 * const careful = ({ booked }: World) =>
 *   workflow(async () =>
 *     await step("charge", () => {
 *       const { idempotencyKey } = taskInfo();
 *       if (!booked.includes(idempotencyKey)) booked.push(idempotencyKey);
 *     })
 *   );
 * await explore(careful, { world, invariant, seed: 1 });
 * ```
 */
export function explore<W = undefined>(workflow: ExploredWorkflow, options?: ExploreOptions<W>): Promise<Explored>;
/** The same with a workflow that is made for each world. */
export function explore<W = undefined>(
  workflow: ExploredFactory<W>,
  options?: ExploreOptions<W>,
): Promise<Explored>;
/** The same with what may be either. */
export function explore<W = undefined>(workflow: Explorable<W>, options?: ExploreOptions<W>): Promise<Explored>;
export async function explore<W = undefined>(
  workflow: Explorable<W>,
  options: ExploreOptions<W> = {},
): Promise<Explored> {
  return await new Exploration(workflow, options).run();
}

interface Job {
  readonly decider: Decider;
  readonly done: (world: World) => void;
  readonly tracing?: boolean;
}

class Exploration<W> {
  readonly #workflow: Explorable<W>;
  readonly #options: ExploreOptions<W>;
  readonly #seed: number;
  readonly #plan: WorldPlan;
  readonly #confluent: boolean;
  readonly #width: number;
  #reference: WorldEnd | undefined;
  #schedules = 0;
  #crashes = 0;
  #commits = 0;

  constructor(workflow: Explorable<W>, options: ExploreOptions<W>) {
    if (typeof workflow !== "function") {
      throw new TypeError(`Cannot explore a workflow: expected a function, found ${typeof workflow}`);
    }
    refuseUnknown("Cannot explore a workflow", options, OPTIONS);
    const { args = {}, seed, approvals, events, cancels = false, confluent = true, start = 1_700_000_000_000 } =
      options;
    const { patienceMs = 1000, width = 32 } = options;
    const local = createLocalHost();
    this.#workflow = workflow;
    this.#options = options;
    this.#seed = seed ?? new DataView(local.random(4).buffer).getUint32(0);
    this.#confluent = confluent;
    count("width", width, 1);
    this.#width = local.context.concurrent ? width : 1;
    this.#plan = {
      local,
      seed: this.#seed,
      args,
      start,
      script: readAnswers(approvals, events),
      cancels,
      checkReplay: !confluent,
      patienceMs,
    };
  }

  async run(): Promise<Explored> {
    const { context } = this.#plan.local;
    const ambient = useAmbient(() => lifeOf(context.current())?.ambient);
    try {
      return await this.#run();
    } finally {
      ambient[Symbol.dispose]();
    }
  }

  async #run(): Promise<Explored> {
    const { runs = RUNS, schedule } = this.#options;
    count("runs", runs, 0);
    const plain = await this.#one([]);
    await this.#judge(plain);
    this.#reference = plain.end;
    if (schedule !== undefined) {
      await this.#judge(await this.#one(parseSchedule(schedule)));
      return this.#explored();
    }
    await this.#all(2 * (plain.end?.commits ?? 0), (no) => decideBy([singleCrash(no)]));
    await this.#all(runs, (no) => decideBySeed(this.#seed, no));
    return this.#explored();
  }

  #explored(): Explored {
    const { outcome = "" } = this.#reference ?? {};
    return { seed: this.#seed, schedules: this.#schedules, crashes: this.#crashes, commits: this.#commits, outcome };
  }

  // --- Running ---

  async #all(runs: number, decider: (no: number) => Decider): Promise<void> {
    let no = 0;
    let broken: World | undefined;
    await this.#drive(() => {
      if (no >= runs || broken !== undefined) return undefined;
      return {
        decider: decider(no++),
        done: (world) => {
          if (this.#violation(world) !== undefined) broken ??= world;
        },
      };
    });
    if (broken !== undefined) await this.#judge(broken);
  }

  async #one(deviations: readonly Deviation[], tracing = false): Promise<World> {
    let job: Job | undefined;
    let ended: World | undefined;
    job = { decider: decideBy(deviations), tracing, done: (world) => ended = world };
    await this.#drive(() => {
      const next = job;
      job = undefined;
      return next;
    });
    if (ended === undefined) throw new Error("Cannot explore: a schedule was not run");
    return ended;
  }

  /** Many schedules at once: each does one thing, then the microtasks of all of them are drained in one turn of the event loop. */
  async #drive(next: () => Job | undefined): Promise<void> {
    const { hop } = this.#plan.local;
    let active: { readonly world: World; readonly job: Job }[] = [];
    for (;;) {
      while (active.length < this.#width) {
        const job = next();
        if (job === undefined) break;
        active.push({ world: this.#world(job), job });
      }
      if (active.length === 0) return;
      await new Promise<void>((resolve) => hop(resolve));
      let moved = false;
      let ended = false;
      for (const { world } of active) {
        moved = world.turn() || moved;
        ended ||= world.ended;
      }
      if (ended) {
        const done = active.filter(({ world }) => world.ended);
        active = active.filter(({ world }) => !world.ended);
        for (const { world, job } of done) {
          this.#schedules++;
          this.#crashes += world.end?.crashes ?? 0;
          this.#commits += world.end?.commits ?? 0;
          job.done(world);
        }
      } else if (!moved) {
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
  }

  #world(job: Job): World {
    const { world: make, mocks = {}, failures = {}, invariant, always, workflows = {} } = this.#options;
    const begun: { world?: World } = {};
    const explorer: Explorer = {
      pause: (name = "") =>
        begun.world?.pause(name) ?? Promise.reject(new Error("Cannot pause: the run has not begun")),
    };
    const state = make?.(explorer) as W; // undefined is a W where no factory is given
    const calls = createMockedCalls(typeof mocks === "function" ? mocks(state) : mocks, failures);
    const world = new World(
      this.#plan,
      {
        workflows: () => ({ ...workflows, [EXPLORED]: this.#made(state) }),
        calls,
        always: always === undefined ? undefined : () => always(state),
        invariant: invariant === undefined ? undefined : (end) => invariant(state, end),
      },
      job.decider,
      job.tracing,
    );
    begun.world = world;
    return world;
  }

  #made(state: W): WorkflowFunction {
    const given = this.#workflow;
    if (WORKFLOW_BODY in given) return given as WorkflowFunction;
    const made: unknown = (given as (world: W) => unknown)(state);
    if (typeof made === "function") return made as WorkflowFunction;
    const found = made instanceof Promise ? "a promise" : typeof made;
    throw new TypeError(
      `Cannot explore this function: give what workflow() returned, or a function that returns it for a world, found one that returns ${found}`,
    );
  }

  // --- Judging ---

  /** What is wrong with a schedule that has ended. */
  #violation(world: World): Violation | undefined {
    if (world.violation !== undefined) return world.violation;
    const { end } = world;
    const reference = this.#reference;
    if (!this.#confluent || end === undefined || reference === undefined || end.status === "cancelled") {
      return undefined;
    }
    const { compare } = this.#options;
    if (compare !== undefined) {
      const [expected, found] = [reference, end].map((one) => JSON.stringify(compare(one)) ?? "undefined");
      if (expected === found) return undefined;
      return { kind: "result", message: differing("What is compared", expected ?? "", found ?? "") };
    }
    if (end.outcome !== reference.outcome) {
      return { kind: "result", message: differing("The result", reference.outcome, end.outcome) };
    }
    if (end.view === reference.view) return undefined;
    return { kind: "journal", message: differing("The journal", reference.view, end.view) };
  }

  async #judge(world: World): Promise<void> {
    const violation = this.#violation(world);
    if (violation === undefined) return;
    if (violation.kind === "unanswered") throw new Error(violation.message);
    const { deviations, tries, last } = await this.#shrink(world, violation);
    const found = this.#violation(last) ?? violation;
    const failed = this.#violation(last) !== undefined;
    const schedule = formatSchedule(deviations);
    const lines = [
      found.message,
      "",
      deviations.length === 0
        ? `It happens in the plain schedule, without a process that dies and with nothing out of order (seed ${this.#seed}).`
        : `The shortest schedule that fails (${deviations.length} of ${world.deviations.length} deviations are left after ${tries} tries, seed ${this.#seed}):`,
      ...deviations.map((d, i) => `  ${i + 1}. ${deviationText(d, last.commitTexts)}`),
      ...(failed ? [] : [
        "",
        "It did not fail when it was run again: something decides that is not of the schedule, such as real time, real I/O,",
        "or state that outlives a schedule. Make that part of 'world', or mock it.",
      ]),
      "",
      "What happened:",
      ...shortened(last.trace).map((line) => `  ${line}`),
      ...(last.warnings.length === 0 ? [] : ["", ...last.warnings.map((warning) => `Warning: ${warning}`)]),
      "",
      `Run it again: explore(workflow, { ..., seed: ${this.#seed}, schedule: ${JSON.stringify(schedule)} })`,
    ];
    throw new ExploreError(
      lines.join("\n"),
      { seed: this.#seed, schedule, kind: found.kind, trace: last.trace },
      found.cause === undefined ? undefined : { cause: found.cause },
    );
  }

  /** Takes deviations away while it still fails in the same way: halves first, then one by one. */
  async #shrink(world: World, violation: Violation): Promise<{
    readonly deviations: readonly Deviation[];
    readonly tries: number;
    readonly last: World;
  }> {
    let deviations: readonly Deviation[] = world.deviations;
    let tries = 0;
    const fails = async (candidate: readonly Deviation[]): Promise<readonly Deviation[] | undefined> => {
      tries++;
      const tried = await this.#one(candidate);
      // What did not come to pass (a commit that is not reached any more) falls away by itself.
      return this.#violation(tried)?.kind === violation.kind ? tried.deviations : undefined;
    };
    /** Without a deviation, what comes later has other numbers: the ones near by are tried too. */
    const failsWithout = async (from: number, size: number): Promise<readonly Deviation[] | undefined> => {
      const head = deviations.slice(0, from);
      const tail = deviations.slice(from + size);
      for (const [commits, choices] of tail.length === 0 ? SHIFTS.slice(0, 1) : SHIFTS) {
        if (tries >= MOST_TRIES) return undefined;
        const rest = [...head, ...tail.map((d) => shifted(d, commits, choices))];
        const left = await fails(rest);
        if (left !== undefined && left.length <= rest.length) return left;
      }
      return undefined;
    };
    for (let size = deviations.length; size >= 1 && tries < MOST_TRIES;) {
      let removed = false;
      for (let from = 0; from < deviations.length && tries < MOST_TRIES;) {
        const left = await failsWithout(from, size);
        if (left === undefined) {
          from += size;
        } else {
          deviations = left;
          removed = true;
        }
      }
      if (size > 1) size = Math.ceil(size / 2);
      else if (!removed) break;
    }
    // Taking away finds what is short near by. Two processes that die are the shortest of all, and quickly tried.
    const most = 2 * (this.#reference?.commits ?? 0) + 4;
    search: for (let i = 0; deviations.length > 2 && i < most; i++) {
      for (let j = i + 1; j < most && tries < MOST_TRIES; j++) {
        const left = await fails([{ ...singleCrash(i), delayMs: 0 }, { ...singleCrash(j), delayMs: 0 }]);
        if (left === undefined) continue;
        deviations = left;
        break search;
      }
    }
    // A delay that is not needed says nothing.
    for (const [i, d] of deviations.entries()) {
      if (d.t !== "crash" || d.delayMs === 0 || tries >= MOST_TRIES) continue;
      const candidate = deviations.with(i, { ...d, delayMs: 0 });
      if (await fails(candidate) !== undefined) deviations = candidate;
    }
    return { deviations, tries, last: await this.#one(deviations, true) };
  }
}

/** By how much the numbers of commits and choices change when something that came before them does not happen. */
const SHIFTS = [[0, 0], [-1, 0], [0, -1], [-1, -1], [1, 0], [0, 1], [-2, 0], [-2, -1], [-2, -2]] as const;

function shifted(d: Deviation, commits: number, choices: number): Deviation {
  return d.t === "crash" ? { ...d, commit: d.commit + commits } : { ...d, choice: d.choice + choices };
}

function differing(what: string, expected: string, found: string): string {
  const most = 2000;
  const cut = (text: string): string =>
    text.length > most ? `${text.slice(0, most)}... (${text.length} characters)` : text;
  return `${what} is another one than in the plain schedule\n  plain: ${cut(expected)}\n  here:  ${cut(found)}`;
}

/** The beginning and the end of a long story. */
function shortened(lines: readonly string[]): readonly string[] {
  if (lines.length <= 120) return lines;
  return [...lines.slice(0, 60), `... ${lines.length - 110} lines ...`, ...lines.slice(-50)];
}

function count(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(`Cannot explore: '${name}' must be a whole number of at least ${least}, found ${String(value)}`);
}
