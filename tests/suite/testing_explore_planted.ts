/**
 * Bugs planted in workflows that look right. Each is found by `explore()` with whatever seed it draws, in well under 5 seconds, and
 * is not found once it is mended; the error says the seed.
 */
import { type Explorable, explore, ExploreError, type ExploreOptions } from "@windkit/windmill-client/testing";
import { now, parallel, sleep, step, task, taskInfo, workflow } from "@windkit/windmill-client/workflow";
import { assert, assertEquals, assertIncludes } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

/** Explores with a seed of its own; what it found must be found again by the schedule that the error names. */
async function find<W = undefined>(workflow: Explorable<W>, options: ExploreOptions<W> = {}): Promise<ExploreError> {
  const error = await explore(workflow, options).then(
    ({ seed }) => new Error(`Expected the planted bug to be found, seed ${seed}`),
    (error: Error) => error,
  );
  if (!(error instanceof ExploreError)) throw error;
  assertIncludes(error.message, `seed: ${error.seed}`);
  const again = await explore(workflow, { ...options, seed: error.seed, schedule: error.schedule }).then(
    () => undefined,
    (error: Error) => error,
  );
  assert(again instanceof ExploreError, `Expected the schedule "${error.schedule}" to fail again, seed ${error.seed}`);
  assertEquals([again.kind, again.schedule], [error.kind, error.schedule], `seed ${error.seed}`);
  return error;
}

// --- A caught suspension: a `catch` takes the end of a call for its failure, and goes on as if the effect had not been ---

interface Shop {
  charged: Set<string>;
  shipped: boolean;
  refused: boolean;
}

function shop(): Shop {
  return { charged: new Set(), shipped: false, refused: false };
}

function paidAndSent({ charged, shipped, refused }: Shop): void {
  if (charged.size === 1 && !shipped && !refused) throw new Error("Charged, and neither sent nor refused");
}

function charging(state: Shop) {
  return task("charge", () => void state.charged.add(taskInfo().idempotencyKey));
}

test("planted: a catch that swallows a cancellation is found", async () => {
  const swallows = (state: Shop) =>
    workflow(async () => {
      await charging(state)();
      try {
        await sleep(600); // the warehouse has its break
        await step("ship", () => void (state.shipped = true));
      } catch {
        await step("refuse", () => void (state.refused = true)); // a cancelled run makes no further call
      }
    });
  const error = await find(swallows, { world: shop, invariant: paidAndSent, cancels: true });
  assertEquals(error.kind, "invariant");
  assertIncludes(error.message, "somebody cancels the run");
});

test("planted: a catch that gives a call up after real time, and remembers it, is found", async () => {
  // What the process knew of its impatience is not recorded: another one waits, and asks for other keys.
  const impatient = () => {
    let slow = 0;
    const ask = task("ask", () => {
      if (slow++ === 0) throw new Error("slow");
      return "answer";
    });
    return workflow(async () => {
      for (let tries = 0; tries < 3; tries++) {
        try {
          return await ask();
        } catch {
          await step(slow > 1 ? "give up" : "wait", () => slow);
        }
      }
      return "nothing";
    });
  };
  const error = await find(impatient);
  assert(["replay", "result", "journal"].includes(error.kind), error.message);
});

// --- A clock in the body ---

test("planted: a clock in the body is found", async () => {
  const byTheClock = workflow(async () => {
    const began = Date.now();
    await step("load", () => 1);
    await step("check", () => 2);
    // "If it took long, tell somebody": a process that goes on an hour later has a clock of its own.
    if (Date.now() - began > 30_000) await step("tell", () => 3);
    return await step("store", () => 4);
  });
  const error = await find(byTheClock);
  assert(["replay", "result", "journal"].includes(error.kind), error.message);
  const recorded = workflow(async () => {
    const began = now();
    await step("load", () => 1);
    await step("check", () => 2);
    const took = now() - began;
    return await step(took > 30_000 ? "store late" : "store", () => 4);
  });
  await explore(recorded, { runs: 100, confluent: false });
}, noAsyncLocalStorage);

// --- A lost update in a saga: what takes an effect back is repeated, and takes back too much ---

interface Stock {
  left: number;
  readonly done: Set<string>;
}

function stock(): Stock {
  return { left: 5, done: new Set() };
}

function unchanged({ left }: Stock): void {
  if (left !== 5) throw new Error(`There are ${left} of 5, and nothing was sold`);
}

/** Effects once for each call, however often its body runs. */
function once(state: Stock, effect: () => void): void {
  const { idempotencyKey } = taskInfo();
  if (state.done.has(idempotencyKey)) return;
  state.done.add(idempotencyKey);
  effect();
}

function reserving(undo: (state: Stock) => void) {
  return (state: Stock) =>
    workflow(async () => {
      await step("reserve", () => once(state, () => state.left--), { undo: () => undo(state) });
      await step("charge", () => {
        throw new Error("No money");
      });
    });
}

test("planted: an undo in a saga that is not idempotent is found", async () => {
  const error = await find(reserving((state) => void state.left++), { world: stock, invariant: unchanged });
  assertEquals([error.kind, error.schedule], ["invariant", "crash<4"]);
  assertIncludes(error.message, 'dies before commit 4 (outcome of "reserve#undo") is made');
  await explore(reserving((state) => once(state, () => state.left++)), {
    world: stock,
    invariant: unchanged,
    runs: 100,
  });
});

test("planted: an update in a saga that another one overwrites is found", async () => {
  interface Paused extends Stock {
    readonly pause: (name?: string) => Promise<void>;
  }
  const sell = (state: Paused) =>
    workflow(async () => {
      await parallel([1, 2], (n) =>
        step(`sell ${n}`, async () => {
          const { left } = state;
          await state.pause("read");
          state.left = left - 1;
        }));
    });
  const error = await find(sell, {
    world: ({ pause }) => ({ ...stock(), pause }),
    invariant: ({ left }: Paused) => {
      if (left > 3) throw new Error(`There are ${left} of 5, and two were sold`);
    },
  });
  assertIncludes(error.message, "There are 4 of 5, and two were sold");
});
