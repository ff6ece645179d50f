/**
 * Random workflow programs: a tree of calls, an interpreter that makes the calls, and a reference that computes what comes of it
 * without any engine.
 *
 * @module
 */
import fc from "fast-check";
import type { Json } from "../../src/workflow/journal.ts";
import { parallel, sleep, step, task, taskInfo, waitForApproval } from "../../src/cluster/authoring.ts";

/** One node of a program. */
export type Program =
  | { readonly op: "step"; readonly fails: boolean }
  | { readonly op: "task"; readonly failures: number; readonly retries: number; readonly delay: number }
  | { readonly op: "sleep"; readonly seconds: number }
  | { readonly op: "approval"; readonly timeout: number }
  | { readonly op: "compute"; readonly turns: number }
  /** The body does something of its own that takes macrotasks. */
  | { readonly op: "io"; readonly hops: number }
  | { readonly op: "unawaited"; readonly fails: boolean }
  | { readonly op: "sequence"; readonly items: readonly Program[] }
  | { readonly op: "branches"; readonly items: readonly Program[] }
  | { readonly op: "settled"; readonly items: readonly Program[] }
  | { readonly op: "parallel"; readonly items: readonly Program[]; readonly width: number }
  | { readonly op: "try"; readonly body: Program; readonly handler: Program }
  | { readonly op: "race"; readonly items: readonly Program[] }
  | { readonly op: "any"; readonly items: readonly Program[] };

/** Programs. With `racing`, also those whose result depends on which call ends first. */
export function programs(racing: boolean): fc.Arbitrary<Program> {
  const leaf: fc.Arbitrary<Program> = fc.oneof(
    fc.record({ op: fc.constant("step" as const), fails: fc.boolean() }),
    fc.record({
      op: fc.constant("task" as const),
      failures: fc.nat(3),
      retries: fc.nat(2),
      delay: fc.constantFrom(0, 0, 1, 7),
    }),
    fc.record({ op: fc.constant("sleep" as const), seconds: fc.constantFrom(0, 0.02, 1, 60, 100_000) }),
    fc.record({ op: fc.constant("approval" as const), timeout: fc.constantFrom(0, 5, 3600) }),
    fc.record({ op: fc.constant("compute" as const), turns: fc.nat(40) }),
    fc.record({ op: fc.constant("unawaited" as const), fails: fc.boolean() }),
    // Which call comes first then depends on the machine: only for programs whose keys do not.
    ...(racing ? [] : [fc.record({ op: fc.constant("io" as const), hops: fc.nat(9) })]),
  );
  return fc.letrec((tie) => {
    const inner = tie("program") as fc.Arbitrary<Program>; // what the one entry below gives
    const items = fc.array(inner, { maxLength: 4 });
    const some = fc.array(inner, { minLength: 1, maxLength: 3 });
    return {
      program: fc.oneof(
        { maxDepth: 4, depthSize: "small", withCrossShrink: true },
        leaf,
        fc.record({ op: fc.constant("sequence" as const), items }),
        fc.record({ op: fc.constant("branches" as const), items }),
        fc.record({ op: fc.constant("settled" as const), items }),
        fc.record({ op: fc.constant("parallel" as const), items, width: fc.nat(3) }),
        fc.record({ op: fc.constant("try" as const), body: inner, handler: inner }),
        ...(racing
          ? [
            fc.record({ op: fc.constant("race" as const), items: some }),
            fc.record({ op: fc.constant("any" as const), items: some }),
          ]
          : []),
      ),
    };
  }).program;
}

/** What the interpreter tells and asks. */
export interface World {
  /** Makes an execution wait until the test lets it end. */
  enter(): Promise<void>;
  /** Passes a macrotask. */
  hop(): Promise<void>;
  /** An execution begins. */
  executed(run: string, key: string): void;
  /** A call got the outcome of another. */
  swapped(message: string): void;
  /** One name for all calls of a kind, instead of one a place: keys then depend on the order of the calls. */
  readonly sharedNames: boolean;
}

/** Runs a program with the calls of a workflow. `handed` notes each settled call, in the order in which the body sees them. */
export async function interpret(
  program: Program,
  world: World,
  handed: (path: string) => void,
  path = "p",
): Promise<Json> {
  const inner = (item: Program, i: number | string): Promise<Json> => interpret(item, world, handed, `${path}.${i}`);
  const caught = (item: Program, i: number): Promise<Json> => inner(item, i).catch((e: Error) => `caught ${e.message}`);
  const name = (kind: string): string => world.sharedNames ? kind : `${kind} ${path}`;
  const noted = async (call: Promise<unknown>, key: string): Promise<Json> => {
    try {
      return await call as Json;
    } finally {
      if (!world.sharedNames) handed(key);
    }
  };
  switch (program.op) {
    case "step": {
      const got = await noted(
        step(name("step"), async () => {
          const { runId, key } = taskInfo();
          world.executed(runId, key);
          await world.enter();
          if (program.fails) throw new Error(`step ${path}`);
          return path;
        }),
        name("step"),
      );
      if (got !== path) world.swapped(`The step at ${path} got the outcome of the one at ${String(got)}`);
      return got;
    }
    case "task": {
      const { failures, retries, delay } = program;
      const call = task(name("task"), async () => {
        const { runId, key, attempt } = taskInfo();
        world.executed(runId, key);
        await world.enter();
        if (attempt <= failures) throw new Error(`task ${path}`);
        return attempt;
      }, { retry: { attempts: retries, delay } });
      return await noted(
        call(),
        failures <= retries && failures > 0
          ? `${name("task")}#${failures + 1}`
          : failures > 0 && retries > 0
          ? `${name("task")}#${retries + 1}`
          : name("task"),
      );
    }
    case "sleep":
      await sleep(program.seconds);
      return null;
    case "approval": {
      const key = `approval ${path}`;
      const { approved } = await waitForApproval({ timeout: program.timeout, key });
      handed(key);
      return approved;
    }
    case "compute":
      for (let i = 0; i < program.turns; i++) await null;
      return program.turns;
    case "io":
      for (let i = 0; i < program.hops; i++) await world.hop();
      return program.hops;
    case "unawaited":
      void task(name("unawaited"), async () => {
        const { runId, key } = taskInfo();
        world.executed(runId, key);
        await world.enter();
        if (program.fails) throw new Error("Nobody sees this");
      }, { unawaited: "ignore" })();
      return null;
    case "sequence": {
      const list: Json[] = [];
      for (const [i, item] of program.items.entries()) list.push(await inner(item, i));
      return list;
    }
    case "branches":
      return await Promise.all(program.items.map(caught));
    case "settled":
      return (await Promise.allSettled(program.items.map(inner))).map((s) =>
        s.status === "fulfilled" ? s.value : `caught ${(s.reason as Error).message}`
      );
    case "parallel":
      return await parallel(program.items.entries(), ([i, item]) => caught(item, i), { concurrency: program.width });
    case "try":
      try {
        return await inner(program.body, "body");
      } catch (error) {
        return [(error as Error).message, await inner(program.handler, "handler")];
      }
    case "race":
      return await Promise.race(program.items.map(caught));
    case "any":
      try {
        return await Promise.any(program.items.map(inner));
      } catch (error) {
        return (error as AggregateError).errors.map((e: Error) => e.message);
      }
  }
}

/** What a program without races gives: its value, or a failure's message. */
export function reference(program: Program, path = "p"): { readonly value: Json } | { readonly failure: string } {
  const all = (items: readonly Program[]): Json[] =>
    items.map((item, i) => {
      const got = reference(item, `${path}.${i}`);
      return "value" in got ? got.value : `caught ${got.failure}`;
    });
  switch (program.op) {
    case "step":
      return program.fails ? { failure: `step ${path}` } : { value: path };
    case "task":
      return program.failures > program.retries ? { failure: `task ${path}` } : { value: program.failures + 1 };
    case "sleep":
    case "unawaited":
      return { value: null };
    case "approval":
      return { value: false };
    case "compute":
      return { value: program.turns };
    case "io":
      return { value: program.hops };
    case "sequence": {
      const list: Json[] = [];
      for (const [i, item] of program.items.entries()) {
        const got = reference(item, `${path}.${i}`);
        if ("failure" in got) return got;
        list.push(got.value);
      }
      return { value: list };
    }
    case "branches":
    case "settled":
    case "parallel":
      return { value: all(program.items) };
    case "try": {
      const got = reference(program.body, `${path}.body`);
      if ("value" in got) return got;
      const handled = reference(program.handler, `${path}.handler`);
      return "failure" in handled ? handled : { value: [got.failure, handled.value] };
    }
    case "race":
    case "any":
      throw new Error(`Cannot foretell what "${program.op}" gives`);
  }
}
