/** The test kit with events, children and runs that go on as others. */
import type { WorkflowFunction } from "@windkit/windmill-client/engine";
import { explore, ExploreError, type ExploreOptions, testWorkflow } from "@windkit/windmill-client/testing";
import {
  childWorkflow,
  continueAsNew,
  parallel,
  race,
  sleep,
  step,
  waitForApproval,
  waitForEvent,
  workflow,
} from "@windkit/windmill-client/workflow";
import { settledKeys } from "./_engine_kit.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

async function find(main: WorkflowFunction & { _is_workflow: true }, options: ExploreOptions): Promise<ExploreError> {
  const error = await explore(main, options).then(({ seed }) => new Error(`Not found, seed ${seed}`), (e: Error) => e);
  if (!(error instanceof ExploreError)) throw error;
  return error;
}

test("planted: a race of two waits for one event is found", async () => {
  const ask = (named: boolean) =>
    workflow(async () =>
      await parallel(["ada", "bob"], async (who) => {
        await step(`ask ${who}`, () => who); // who is asked first need not answer first
        return [who, await waitForEvent(named ? `answer of ${who}` : "answer")];
      })
    );
  const error = await find(ask(false), { events: { answer: [{ payload: "from ada" }, { payload: "from bob" }] } });
  assertEquals([error.kind, error.schedule], ["result", "1:done:ask%20bob"]);
  assertIncludes(error.message, `seed: ${error.seed}`);
  const events = { "answer of ada": { payload: "from ada" }, "answer of bob": { payload: "from bob" } };
  const { outcome } = await explore(ask(true), { events, runs: 100 });
  assertEquals(JSON.parse(outcome), [["ada", "from ada"], ["bob", "from bob"]]);
});

test("planted: an event that may come before and after what it stops is found", async () => {
  const main = workflow(async () => {
    const { winner } = await race({
      cancelled: () => waitForEvent("cancel"),
      sent: async () => {
        await step("pack", () => 1);
        await sleep(60);
        return await step("send", () => 2);
      },
    });
    return winner;
  });
  const error = await find(main, { events: { cancel: { after: "2m" } } });
  assertEquals(error.kind, "result");
  await explore(main, { events: { cancel: { after: "2m" } }, runs: 100, confluent: false });
}, noAsyncLocalStorage);

test("explore(): an event early and late, and one that does not come", async () => {
  const main = workflow(async () => {
    await step("a", () => 1);
    return await waitForEvent("paid", { timeout: 3600, onTimeout: "unpaid" });
  });
  assertEquals((await explore(main, { events: { paid: { payload: 5, after: "10m" } }, runs: 100 })).outcome, "5");
  assertEquals((await explore(main, { events: { paid: "timeout" }, runs: 100 })).outcome, '"unpaid"');
  const { message } = await assertRejects(() => explore(main, { runs: 0 }));
  assertIncludes(message, 'waits for the event "paid", and nothing comes: give events: { "paid"');
});

test("testWorkflow(): events by the script and by hand", async () => {
  const main = workflow(async () => [await waitForEvent("a"), await waitForEvent("a"), await waitForEvent("b")]);
  await using run = testWorkflow(main, { events: { a: [{ payload: 1 }, { payload: 2, after: "1h" }] } });
  await assertRejects(() => run.result(), undefined, 'it waits for event "b", and nothing answers');
  await run.signal("b", 3);
  assertEquals(await run.result(), [1, 2, 3]);
  assert(run.now - 1_700_000_000_000 >= 3_600_000, "The second event comes an hour after it is waited for");
  await using unused = testWorkflow(workflow(async () => await waitForEvent("a")), { events: { a: [{}, {}], c: {} } });
  const { message } = await assertRejects(() => unused.result());
  assertIncludes(message, 'The event "a" was never waited for so often: it waited for "a"');
  assertIncludes(message, 'The event "c" was never waited for: it waited for "a"');
});

test("explore() and testWorkflow(): children are run, answered and mocked like the run", async () => {
  const kid = workflow(async (n: number) => {
    const { value } = await waitForApproval({ key: "sign_off" });
    return [n, value, await step("count", () => 2)];
  });
  const main = workflow(async () => [await childWorkflow("kid", { n: 3 }), await step("own", () => 1)]);
  const options = { workflows: { kid }, approvals: { sign_off: { value: 9 } } };
  assertEquals(JSON.parse((await explore(main, { ...options, runs: 100 })).outcome), [[3, 9, 2], 1]);
  await using run = testWorkflow(main, { ...options, mocks: { count: 7 } });
  assertEquals(await run.result(), [[3, 9, 7], 1]);
});

test("explore() and testWorkflow(): a run that goes on as another one ends when that one does", async () => {
  const main = workflow(async (n: number = 0) => {
    await step("turn", () => n);
    if (n < 3) await continueAsNew({ n: n + 1 });
    return n;
  });
  assertEquals((await explore(main, { runs: 100 })).outcome, "3");
  await using run = testWorkflow(main);
  assertEquals(await run.result(), 3);
  assertEquals(run.calls("turn").length, 4);
});

test("explore(): a child of a continued run is no part of the chain", async () => {
  const inner = workflow(async () => await step("inner", () => 1));
  const main = workflow(async (n = 0) => {
    if (n === 0) await continueAsNew({ n: 1 });
    await childWorkflow("inner");
    return await step("last", () => 2);
  });
  const ends = new Set<string>();
  await explore(main, {
    seed: 1,
    runs: 20,
    workflows: { inner },
    invariant: (_: undefined, { records }) => void ends.add(settledKeys(records).join()),
  });
  assertEquals([...ends], ["inner,last"]);
});
