/**
 * Generated programs by explored schedules: the engine's processes die at every commit, and outcomes come in any order. Programs
 * without races must give what the reference computes, in every schedule; programs with races must agree with their own replay.
 * `WINDKIT_SOAK=1` runs 20 times as many.
 */
import fc from "fast-check";
import { workflow } from "../../src/cluster/authoring.ts";
import { explore, type ScriptedApproval } from "../../src/testing/mod.ts";
import { deepStrictEqual as equal } from "node:assert/strict";
import { interpret, type Program, programs, reference, type World } from "./journal_programs.ts";

const soak = Deno.env.get("WINDKIT_SOAK") === "1";

/** Approvals of a program: nobody answers them. */
function approvals(program: Program, path = "p"): Readonly<Record<string, ScriptedApproval>> {
  switch (program.op) {
    case "approval":
      return { [`approval ${path}`]: "timeout" };
    case "try":
      return { ...approvals(program.body, `${path}.body`), ...approvals(program.handler, `${path}.handler`) };
    case "sequence":
    case "branches":
    case "settled":
    case "parallel":
    case "race":
    case "any":
      return Object.assign({}, ...program.items.map((item, i) => approvals(item, `${path}.${i}`)));
    default:
      return {};
  }
}

/**
 * The same without what makes a journal depend on the order of outcomes: sleeps have no names of their own, so all of them take the
 * same time, and which of them is the first says nothing; and no I/O of the body's own, which takes real time.
 */
function confluent(program: Program): Program {
  switch (program.op) {
    case "sleep":
      return { ...program, seconds: 60 };
    case "io":
      return { op: "compute", turns: program.hops };
    case "try":
      return { ...program, body: confluent(program.body), handler: confluent(program.handler) };
    case "sequence":
    case "branches":
    case "settled":
    case "parallel":
    case "race":
    case "any":
      return { ...program, items: program.items.map(confluent) };
    default:
      return program;
  }
}

interface State {
  readonly world: World;
  swapped: string | undefined;
}

function state(sharedNames: boolean, pause: () => Promise<void>): State {
  const made: State = {
    swapped: undefined,
    world: {
      sharedNames,
      enter: pause,
      hop: () => new Promise((resolve) => setTimeout(resolve, 0)),
      executed: () => undefined,
      swapped: (message) => void (made.swapped ??= message),
    },
  };
  return made;
}

function invariant({ swapped }: State): void {
  if (swapped !== undefined) throw new Error(swapped);
}

async function exploreProgram(program: Program, seed: number, racing: boolean): Promise<string> {
  const main = ({ world }: State) => workflow(() => interpret(program, world, () => undefined));
  const { outcome } = await explore(main, {
    seed,
    runs: 20,
    confluent: !racing,
    approvals: approvals(program),
    world: ({ pause }) => state(false, pause),
    invariant,
  });
  return outcome;
}

Deno.test("explore(): generated programs without races give what the reference computes, in every schedule", async () => {
  await fc.assert(
    fc.asyncProperty(programs(false).map(confluent), fc.nat(), async (program, seed) => {
      const outcome = await exploreProgram(program, seed, false);
      const expected = reference(program);
      equal(
        outcome.startsWith("failed: ") ? outcome.replace(/^failed: \w+: /, "failed: ") : JSON.parse(outcome),
        "value" in expected ? expected.value : `failed: ${expected.failure}`,
      );
    }),
    { numRuns: soak ? 600 : 30 },
  );
});

Deno.test("explore(): generated programs with races agree with their own replay, in every schedule", async () => {
  await fc.assert(
    fc.asyncProperty(programs(true), fc.nat(), async (program, seed) => {
      await exploreProgram(program, seed, true);
    }),
    { numRuns: soak ? 600 : 30 },
  );
});
