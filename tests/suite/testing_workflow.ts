/** The test kit: one workflow run with mocks, failures, scripted answers and virtual time. */
import { createEngine } from "@windkit/windmill-client/engine";
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import { createVirtualHost, never, testWorkflow } from "@windkit/windmill-client/testing";
import {
  childWorkflow,
  log,
  parallel,
  race,
  random,
  sleep,
  step,
  task,
  taskFlow,
  taskInfo,
  taskScript,
  uuid,
  waitForApproval,
  withTimeout,
  workflow,
} from "@windkit/windmill-client/workflow";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

function refuse(): never {
  throw new Error("The real one ran");
}

const charge = task("charge", (amount: number) => refuse() as { id: string } | typeof amount, {
  retry: { attempts: 2, delay: 30 },
});
const order = workflow(async (amount: number) => {
  const { approved } = await waitForApproval({ key: "sign_off", timeout: 86_400 });
  if (!approved) return "rejected";
  await sleep(3600);
  const paid = await charge(amount);
  const sent = await step("ship", () => refuse());
  return [paid, sent];
});

test("testWorkflow(): values and functions stand for steps and tasks, by name; what was called is kept", async () => {
  await using run = testWorkflow(order, {
    args: [20],
    mocks: { charge: (amount: number) => ({ id: `paid ${amount}` }), ship: "sent" },
    approvals: { sign_off: {} },
  });
  assertEquals(await run.result(), [{ id: "paid 20" }, "sent"]);
  assertEquals(run.calls(), [
    { key: "charge", name: "charge", kind: "task", attempt: 1, args: [20] },
    { key: "ship", name: "ship", kind: "step", attempt: 1, args: [] },
  ]);
  assertEquals(
    (await run.journal()).map(({ key, kind }) => `${kind} ${key}`),
    [
      "task charge",
      "step ship",
      "sleep sleep",
      "approval sign_off",
    ].toSorted((a, b) => (a.split(" ")[1] ?? "") < (b.split(" ")[1] ?? "") ? -1 : 1),
  );
});

test("testWorkflow(): mockStep() by key tells calls of one name apart, and a key comes before a name", async () => {
  const main = workflow(async () =>
    await parallel(["a", "b", "c"], (item) => step("load", () => refuse() as typeof item))
  );
  await using run = testWorkflow(main).mockStep("load", "other").mockStep("load_2", () => "second");
  assertEquals(await run.result(), ["other", "second", "other"]);
});

test("testWorkflow(): scripts and flows are mocked by path or name; one without a mock says so", async () => {
  const resize = taskScript("f/images/resize");
  const publish = taskFlow("f/images/publish");
  const main = workflow(async () => [await resize({ width: 2 }), await publish({ to: "web" })]);
  await using run = testWorkflow(main, {
    mocks: { "f/images/resize": ({ width }: { width: number }) => width * 2, publish: null },
  });
  assertEquals(await run.result(), [4, null]);
  await using none = testWorkflow(main, { mocks: { "f/images/resize": 1 } });
  const error = await assertRejects(() => none.result(), "RUN_FAILED");
  assertIncludes(error.message, 'Cannot run taskFlow("f/images/publish") in this test: it has no mock');
  assertIncludes(error.message, 'mocks: { "f/images/publish": value }');
});

test("testWorkflow(): a failure for some attempts is retried, one for all ends the call", async () => {
  const options = { args: [1], mocks: { charge: 7, ship: 8 }, approvals: { sign_off: {} } } as const;
  await using run = testWorkflow(order, {
    ...options,
    failures: { charge: { 1: new Error("busy"), 2: new Error("busy") } },
  });
  assertEquals(await run.result(), [7, 8]);
  assertEquals(run.calls("charge").map(({ key, attempt }) => [key, attempt]), [
    ["charge", 1],
    ["charge#2", 2],
    ["charge#3", 3],
  ]);
  assertEquals(run.now - 1_700_000_000_000, 3_660_000, "An hour of sleep and two delays of 30 s");
  await using failing = testWorkflow(order, {
    ...options,
    failures: { charge: new TypeError("broken") },
    strict: false,
  });
  const error = await assertRejects(() => failing.result(), "RUN_FAILED");
  assertIncludes(error.message, "broken");
  assertEquals(failing.calls("charge").length, 3);
});

test("testWorkflow(): approvals are answered by the script, at once, later, or never", async () => {
  const ask = workflow(async () => await waitForApproval({ key: "sign_off", timeout: 3600 }));
  const answer = { approved: false, value: { why: "no" }, approver: "Eve", after: "30m" } as const;
  await using run = testWorkflow(ask, { approvals: { sign_off: answer } });
  assertEquals(await run.result(), { approved: false, approver: "Eve", value: { why: "no" } });
  assertEquals(run.now - 1_700_000_000_000, 1_800_000);
  await using silent = testWorkflow(ask, { approvals: { sign_off: "timeout" } });
  assertEquals(await silent.result(), { approved: false, approver: null, value: null });
  assertEquals(silent.now - 1_700_000_000_000, 3_600_000);
});

test("testWorkflow(): an approval that nobody answers is an error that says what to give", async () => {
  await using run = testWorkflow(order, { args: [1] });
  const error = await assertRejects(() => run.result());
  assertIncludes(
    error.message,
    'waits for the approval "sign_off", and nothing answers it: give approvals: { "sign_off"',
  );
  await run.approve("sign_off", { approved: false });
  assertEquals(await run.result(), "rejected");
});

test("testWorkflow(): mocks, failures and approvals that nothing used are errors with the name that was meant", async () => {
  const main = workflow(async () => await step("charge", () => 1));
  await using run = testWorkflow(main, {
    mocks: { chrage: 2 },
    failures: { charge: { 2: new Error("x") } },
    approvals: { sign_off: {}, other: "timeout" },
  });
  const { message } = await assertRejects(() => run.result());
  assertIncludes(message, 'The mock of "chrage" was not used: the run called "charge". Did you mean "charge"?');
  assertIncludes(message, 'The failure of attempt 2 of "charge" was not used');
  assertIncludes(message, 'The approval "sign_off" was never waited for: it waited for none');
  assertIncludes(message, 'The approval "other" was never waited for');
  await using lenient = testWorkflow(main, { mocks: { chrage: 2 }, strict: false });
  assertEquals(await lenient.result(), 1);
});

test("testWorkflow(): a failure of a body whose mock has another name says so", async () => {
  const main = workflow(async () => await step("charge", () => refuse()));
  const pay = testWorkflow(main, { mocks: { pay: 2 } });
  const { message, stack = "" } = await assertRejects(() => pay.result());
  assertIncludes(message, 'The real one ran\nThe mock of "pay" was not used: the run called "charge"');
  assertIncludes(stack, 'The mock of "pay" was not used');
  await pay.close();
  // What the failure kept from being called is no mistake; a name that is nearly right is.
  const options = { mocks: { charge: () => refuse(), ship: 1 } };
  await using later = testWorkflow(main, options);
  assertEquals((await assertRejects(() => later.result())).message.includes("was not used"), false);
  await using misspelt = testWorkflow(main, { mocks: { ...options.mocks, chrage: 1 } });
  assertIncludes((await assertRejects(() => misspelt.result())).message, 'Did you mean "charge"?');
  await using lenient = testWorkflow(main, { mocks: { pay: 2 }, strict: false });
  assertEquals((await assertRejects(() => lenient.result())).message.includes("was not used"), false);
});

test("testWorkflow(): other workflows are given as 'workflows', and the error without them says so", async () => {
  const double = workflow(async (n: number) => await Promise.resolve(n * 2));
  const main = workflow(async () => await childWorkflow<number>("double", { n: 21 }));
  await using run = testWorkflow(main, { workflows: { double } });
  assertEquals(await run.result(), 42);
  await using alone = testWorkflow(main);
  const { message } = await assertRejects(() => alone.result());
  assertIncludes(message, '"double"');
  assertIncludes(message, "workflows: { ");
});

test("testWorkflow(): what it does not know is refused by name", async () => {
  const main = workflow(async () => await step("a", () => 1));
  await assertRejects(
    async () => await testWorkflow(main, { mock: {} } as never).result(),
    undefined,
    'Cannot test a workflow: there is no option "mock". Did you mean "mocks"?',
  );
  await assertRejects(
    async () => await testWorkflow(3 as never).result(),
    undefined,
    "Cannot test a workflow: expected what workflow() returned, found number",
  );
});

test("testWorkflow(): unmocked 'fail' runs no body that has no mock", async () => {
  let ran = 0;
  const main = workflow(async () => await step("charge", () => ++ran));
  await using run = testWorkflow(main, { unmocked: "fail" });
  const { message } = await assertRejects(() => run.result(), "RUN_FAILED");
  assertIncludes(message, 'Cannot run step "charge" in this test: it has no mock');
  assertEquals(ran, 0);
});

test("testWorkflow(): advance() moves the clock by hand, timer by timer", async () => {
  const seen: number[] = [];
  const main = workflow(async () => {
    for (let i = 0; i < 3; i++) {
      await sleep(600);
      await step("note", () => void seen.push(i));
    }
  });
  await using run = testWorkflow(main);
  await run.settle();
  assertEquals([seen.length, run.ended], [0, false]);
  await run.advance("10m");
  assertEquals(seen, [0]);
  await run.advance("599s");
  assertEquals([seen.length, run.now], [1, 1_700_000_000_000 + 1_199_000]);
  await run.advance("1h");
  assertEquals([seen, run.ended], [[0, 1, 2], true]);
  await assertRejects(() => run.advance("soon" as "1s"), undefined, 'as in "2h", found "soon"');
});

test("testWorkflow(): approve() and cancel() act at their moment", async () => {
  await using run = testWorkflow(order, { args: [1], mocks: { charge: 1, ship: 2 } });
  await run.advance("1h");
  await run.approve();
  await run.advance("30m");
  await run.cancel("Enough");
  const error = await assertRejects(() => run.result(), "CANCELLED");
  assertEquals(error.message, "Enough");
  assertEquals(run.calls(), []);
});

test("testWorkflow(): bodies that take real time are waited for before the clock moves", async () => {
  const slow = task("slow", async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return "done";
  }, { timeout: 1 });
  await using run = testWorkflow(workflow(async () => await slow()));
  assertEquals(await run.result(), "done");
});

test("testWorkflow(): a body that never ends is told after its timeout, and one that waits for nothing at once", async () => {
  const stuck = task("stuck", () => new Promise(() => undefined), { timeout: 60 });
  await using late = testWorkflow(workflow(async () => await stuck()), { patienceMs: 5 });
  assertIncludes((await assertRejects(() => late.result(), "RUN_FAILED")).message, "timed out after 60 s");
  await using none = testWorkflow(workflow(async () => await new Promise(() => undefined)));
  const error = await assertRejects(() => none.result());
  assertIncludes(error.message, "its body waits for something that is no call");
});

test("testWorkflow(): replay 'always' finds a body that is not deterministic, and runs mocks once", async () => {
  let replays = 0;
  let ran = 0;
  const main = workflow(async () => {
    const turn = replays++;
    await step("first", () => 1);
    return await step(`turn ${turn}`, () => 2);
  });
  await using run = testWorkflow(main, { replay: "always", mocks: { first: () => ++ran } });
  await assertRejects(() => run.result(), "REPLAY_MISMATCH");
  assertEquals(ran, 1);
});

test("testWorkflow(): random() and uuid() of the body are the seed's; a mock knows taskInfo()", async () => {
  const main = workflow(async () => [random(), uuid(), await step("key", () => refuse())]);
  const once = async (seed?: number | string): Promise<unknown> => {
    await using run = testWorkflow(main, {
      mocks: { key: () => taskInfo().idempotencyKey },
      ...(seed === undefined ? {} : { seed }),
    });
    return await run.result();
  };
  assertEquals(await once(), await once());
  assertEquals(await once("00112233445566778899aabbccddeeff"), await once("00112233445566778899aabbccddeeff"));
  assert(JSON.stringify(await once(1)) !== JSON.stringify(await once(2)));
  await assertRejects(() => once("short"), undefined, "'seed' must be a number or 32 hex digits");
});

test("testWorkflow(): never is a mock that a timeout or a race gives up; log() and order are seen", async () => {
  const main = workflow(async () => {
    log("begun", { n: 1 });
    const late = await withTimeout(30, () => step("slow", () => 1), { onTimeout: "late" });
    const first = await race({ a: () => step("a", () => 1), b: () => step("b", () => 2) });
    log("raced", undefined, "warn");
    return [late, first];
  });
  await using run = testWorkflow(main, { mocks: { slow: never }, order: ["timeout", "b", "a"] });
  assertEquals(await run.result(), ["late", { winner: "b", value: 2 }]);
  assertEquals(run.now - 1_700_000_000_000, 30_000);
  assertEquals(run.log, [{ level: "info", message: "begun", data: { n: 1 } }, { level: "warn", message: "raced" }]);
}, noAsyncLocalStorage);

test("createVirtualHost(): an engine on it does what needs time when time is let pass", async () => {
  const host = createVirtualHost(1000);
  await using engine = await createEngine({
    storage: createMemoryStorage(),
    workflows: { main: workflow(async () => await sleep(60)) },
    host,
  });
  const run = await host.drive(engine.start("main"));
  await host.advance(59_000);
  assertEquals([(await run.row()).state, host.next], ["parked", 61_000]);
  await host.advance(1000);
  assertEquals((await run.row()).state, "closed");
});
