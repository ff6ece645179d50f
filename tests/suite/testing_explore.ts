/** The test kit: schedules of a run. What holds in all of them, what breaks in one, and how that one is told. */
import { explore, type ExploredEnd, ExploreError, type Explorer } from "@windkit/windmill-client/testing";
import {
  now,
  parallel,
  sleep,
  step,
  task,
  taskInfo,
  waitForApproval,
  workflow,
} from "@windkit/windmill-client/workflow";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

/** What an exploration that must break something throws. */
export async function broken(exploring: Promise<unknown>): Promise<ExploreError> {
  const error = await assertRejects(() => exploring);
  if (!(error instanceof ExploreError)) throw error;
  return error;
}

const ten = workflow(async () => {
  let sum = 0;
  for (let i = 0; i < 10; i++) sum += await step("work", () => i);
  return sum;
});

test("explore(): a process dies before and after each commit, and the run ends as it does plainly", async () => {
  const explored = await explore(ten, { runs: 0, seed: 1 });
  // The run, ten outcomes, the end: twelve commits, and a process that dies before and after each.
  assertEquals([explored.schedules, explored.crashes, explored.outcome], [25, 24, "45"]);
  assertEquals(explored.seed, 1);
});

test("explore(): schedules that a seed decides let several processes die", async () => {
  const explored = await explore(ten, { runs: 60, seed: 7 });
  assertEquals(explored.schedules, 85);
  assert(explored.crashes > 60, `Expected more than one in some, found ${explored.crashes} in all`);
});

test("explore(): retries, sleeps, parallel calls and approvals give one result in every schedule", async () => {
  const flaky = task("flaky", (n: number) => n, { retry: { attempts: 2, delay: 30 } });
  const main = workflow(async (n: number) => {
    const parts = await parallel([1, 2, 3], (i) => flaky(i * n));
    await sleep(3600);
    const { approved, value } = await waitForApproval({ key: "sign_off", timeout: 7200 });
    return [parts, approved, value, await step("end", () => "done")];
  });
  const { outcome } = await explore(main, {
    args: { n: 2 },
    seed: 3,
    runs: 100,
    failures: { flaky_2: { 1: new Error("busy") } },
    approvals: { sign_off: { value: "fine", after: "20m" } },
  });
  assertEquals(JSON.parse(outcome), [[2, 4, 6], true, "fine", "done"]);
});

test("explore(): a run that fails in every schedule alike is a result like any other", async () => {
  const main = workflow(async () => {
    await step("a", () => 1);
    throw new RangeError("no");
  });
  assertEquals((await explore(main, { seed: 1, runs: 20 })).outcome, "failed: RangeError: no");
});

test("explore(): an effect that is not idempotent is found, with the one crash that shows it", async () => {
  const world = (): { booked: string[] } => ({ booked: [] });
  const invariant = ({ booked }: { booked: string[] }): void => {
    if (booked.length !== 1) throw new Error(`Booked ${booked.length} times`);
  };
  const careless = task("charge", () => 1);
  const main = workflow(async () => {
    await sleep(10);
    return await careless();
  });
  const mocks = ({ booked }: { booked: string[] }) => ({ charge: () => booked.push("charge") && 1 });
  const error = await broken(explore(main, { world, invariant, mocks, seed: 1 }));
  assertEquals([error.kind, error.schedule], ["invariant", "crash<4"]);
  assertIncludes(error.message, "Booked 2 times");
  assertIncludes(error.message, 'dies before commit 4 (outcome of "charge") is made');
  assertIncludes(error.message, 'explore(workflow, { ..., seed: 1, schedule: "crash<4" })');
  const again = await broken(explore(main, { world, invariant, mocks, seed: error.seed, schedule: error.schedule }));
  assertEquals(again.trace, error.trace);
  const careful = ({ booked }: { booked: string[] }) => ({
    charge: () => {
      const { idempotencyKey } = taskInfo();
      if (!booked.includes(idempotencyKey)) booked.push(idempotencyKey);
      return 1;
    },
  });
  await explore(main, { world, invariant, mocks: careful, seed: 1, runs: 100 });
});

test("explore(): a clock in the body is found: one that decides by itself, and one that measures", async () => {
  const parity = workflow(async () => {
    await step("a", () => 1);
    return await step(Date.now() % 2 === 0 ? "even" : "odd", () => 1);
  });
  const error = await broken(explore(parity, { seed: 1 }));
  assertEquals(error.kind, "replay");
  assertIncludes(error.message, 'recorded: record 2, step "even"');
  assertIncludes(error.message, 'asked:    step "odd"');
  const patience = workflow(async () => {
    const began = new Date();
    for (const name of ["a", "b", "c"]) await step(name, () => 1);
    return new Date().getTime() - began.getTime() > 60_000 ? "late" : "early";
  });
  const measured = await broken(explore(patience, { seed: 1 }));
  assertEquals(measured.kind, "result");
  assertIncludes(measured.message, 'plain: "early"\n  here:  "late"');
}, noAsyncLocalStorage);

test("explore(): chance in the body is found, and the seed gives it again", async () => {
  const main = workflow(async () => {
    await step("a", () => 1);
    return await step(Math.random() < 0.5 ? "heads" : "tails", () => 1);
  });
  const error = await broken(explore(main, { seed: 5 }));
  const again = await broken(explore(main, { seed: 5, schedule: error.schedule }));
  assertEquals([again.kind, again.trace], [error.kind, error.trace]);
}, noAsyncLocalStorage);

test("explore(): Date and Math.random are the machine's again afterwards, and for code outside of the run", async () => {
  const { Date: before } = globalThis;
  const { random } = Math;
  let inside = 0;
  const exploring = explore(
    workflow(async () => {
      await step("a", () => void (inside = Date.now()));
    }),
    { seed: 1, runs: 0, start: 1_000_000 },
  );
  const outside = Date.now();
  await exploring;
  assert(outside > 1_600_000_000_000, "Outside is not virtual");
  assert(inside >= 1_000_000 && inside < 1_600_000_000_000, `Inside is virtual, found ${inside}`);
  assert(globalThis.Date === before && Math.random === random, "Expected both to be given back");
});

test("explore(): what a process keeps in memory is found to be lost", async () => {
  const forgetful = () => {
    let token = "none";
    return workflow(async () => {
      await step("log in", () => void (token = "abc"));
      return await step("use", () => token);
    });
  };
  const error = await broken(explore(forgetful, { seed: 1 }));
  assertEquals([error.kind, error.schedule], ["result", "crash>2"]);
});

test("explore(): a result that depends on which call ends first is found, and allowed where it is meant", async () => {
  const first = workflow(async () => await Promise.race([step("a", () => "a"), step("b", () => "b")]));
  const error = await broken(explore(first, { seed: 1 }));
  assertEquals([error.kind, error.schedule], ["result", "1:done:b"]);
  assertIncludes(error.message, 'the outcome of "b" comes before others that are ready');
  await explore(first, { seed: 1, runs: 100, confluent: false });
});

test("explore(): 'compare' says what of the end must be the same", async () => {
  const main = workflow(async () => {
    const began = now();
    await step("a", () => began);
    return { began, sum: await step("b", () => 3) };
  });
  const error = await broken(explore(main, { seed: 1, runs: 50 }));
  assert(["result", "journal"].includes(error.kind), error.kind);
  const sum = ({ outcome }: ExploredEnd): unknown => (JSON.parse(outcome) as { readonly sum: number }).sum;
  await explore(main, { seed: 1, runs: 50, compare: sum });
  const differs = await broken(explore(main, { seed: 1, runs: 50, compare: ({ outcome }) => outcome }));
  assertIncludes(differs.message, "What is compared is another one than in the plain schedule");
});

test("explore(): without confluence, each schedule must still agree with its own replay", async () => {
  const made = (): ReturnType<typeof workflow> => {
    let calls = 0;
    return workflow(async () => {
      await step("a", () => void calls++);
      return calls;
    });
  };
  const error = await broken(explore(made, { seed: 1, confluent: false }));
  assertEquals(error.kind, "replay");
  assertIncludes(error.message, "Replayed from its journal, the run ends otherwise");
});

test("explore(): a lost update between bodies that pause is found", async () => {
  interface Account {
    balance: number;
    readonly pause: Explorer["pause"];
  }
  const world = ({ pause }: Explorer): Account => ({ balance: 0, pause });
  const make = (account: Account) =>
    workflow(async () => {
      await parallel([10, 20], (n) =>
        step(`add ${n}`, async () => {
          const { balance } = account;
          await account.pause("read");
          account.balance = balance + n;
        }));
    });
  const invariant = ({ balance }: Account): void => {
    if (balance !== 30) throw new Error(`The balance is ${balance}`);
  };
  const error = await broken(explore(make, { world, invariant, seed: 1 }));
  assertIncludes(error.message, "The balance is 20");
  assertEquals(error.trace.filter((line) => line.includes(":read")), ["→ go:add 10:read", "→ go:add 20:read"]);
});

test("explore(): 'always' is asked after every commit", async () => {
  const world = (): { open: number } => ({ open: 0 });
  const make = (state: { open: number }) =>
    workflow(async () => {
      await step("open", () => void state.open++);
      await step("close", () => void state.open--);
    });
  const always = ({ open }: { open: number }): void => {
    if (open > 0) throw new Error("It is open");
  };
  const error = await broken(explore(make, { world, always, seed: 1 }));
  assertEquals([error.kind, error.schedule], ["always", ""]);
  assertIncludes(error.message, "It happens in the plain schedule");
  const late = (): Promise<void> => Promise.resolve();
  assertIncludes((await broken(explore(make, { world, always: late, seed: 1 }))).message, "must not be asynchronous");
});

test("explore(): a schedule that fails by accident is cut down to what it takes", async () => {
  // Fails when the second step runs three times: two crashes, wherever the others were.
  const world = (): { ran: number } => ({ ran: 0 });
  const make = (state: { ran: number }) =>
    workflow(async () => {
      await parallel([1, 2, 3], (n) => step(`before ${n}`, () => n));
      await step("second", () => void state.ran++);
      await sleep(5);
    });
  const invariant = ({ ran }: { ran: number }): void => {
    if (ran > 2) throw new Error(`It ran ${ran} times`);
  };
  const error = await broken(explore(make, { world, invariant, seed: 11, runs: 4000 }));
  assertEquals(error.schedule.split(" ").map((part) => part.replace(/\d.*/, "")), ["crash<", "crash<"]);
});

test("explore(): a run that waits for an answer that nobody gives is an error, as is one that does not end", async () => {
  const ask = workflow(async () => await waitForApproval({ key: "sign_off" }));
  const error = await assertRejects(() => explore(ask, { seed: 1 }));
  assertIncludes(
    error.message,
    'The run waits for the approval "sign_off", and nothing comes: give approvals: { "sign_off"',
  );
  assertEquals(
    (await explore(ask, { seed: 1, runs: 50, approvals: { sign_off: "timeout" } })).outcome,
    '{"value":null,"approved":false,"approver":null}',
  );
  const stuck = workflow(async () => await new Promise(() => undefined));
  const hangs = await broken(explore(stuck, { seed: 1, patienceMs: 5 }));
  assertEquals(hangs.kind, "hang");
  assertIncludes(hangs.message, "its body waits for something that is no call");
});

test("explore(): a caught cancellation is found: what the catch block asks for is refused", async () => {
  interface Seats {
    held: boolean;
    sold: boolean;
  }
  const world = (): Seats => ({ held: false, sold: false });
  const make = (seats: Seats) =>
    workflow(async () => {
      await step("hold", () => void (seats.held = true));
      try {
        await sleep(600);
        await step("sell", () => void (seats.sold = true));
      } catch {
        await step("release", () => void (seats.held = false)); // a cancelled run may call no more
      }
    });
  const invariant = ({ held, sold }: Seats): void => {
    if (held && !sold) throw new Error("The seat is held, and nobody will buy it");
  };
  await explore(make, { world, invariant, seed: 1, runs: 200 });
  const error = await broken(explore(make, { world, invariant, seed: 1, runs: 200, cancels: true }));
  assertEquals(error.kind, "invariant");
  assertIncludes(error.message, "somebody cancels the run");
});

test("explore(): bodies that take real time keep their schedules", async () => {
  const slow = (ms: number): Promise<number> => new Promise((resolve) => setTimeout(() => resolve(ms), ms));
  const main = workflow(async () => await Promise.all([step("a", () => slow(2)), step("b", () => slow(0))]));
  const explored = await explore(main, { seed: 1, runs: 10 });
  assertEquals(explored.outcome, "[2,0]");
});

test("explore(): state that outlives a schedule is said to be what decides", async () => {
  let before = 0;
  const main = workflow(async () => await step("count", () => ++before > 30 ? "late" : "early"));
  const error = await broken(explore(main, { seed: 1 }));
  assertEquals(error.kind, "result");
});

test("explore(): what it cannot use is refused by name", async () => {
  await assertRejects(
    () => explore(ten, { runs: -1 }),
    undefined,
    "'runs' must be a whole number of at least 0, found -1",
  );
  await assertRejects(() => explore(ten, { width: 0 }), undefined, "'width' must be a whole number of at least 1");
  await assertRejects(() => explore(ten, { schedule: "crash!3" }), undefined, 'found "crash!3"');
  await assertRejects(
    () => explore(ten, { invariants: () => {} } as never),
    undefined,
    'Cannot explore a workflow: there is no option "invariants". Did you mean "invariant"?',
  );
  await assertRejects(() => explore(undefined as never), undefined, "expected a function, found undefined");
  await assertRejects(
    () => explore((() => 5) as never, { seed: 1 }),
    undefined,
    "found one that returns number",
  );
});

test("explore(): a time that is recorded in the commit of the end is replayed, also when the next process comes later", async () => {
  await explore(workflow(async () => await Promise.resolve(now())), { confluent: false, seed: 0, runs: 20 });
});
