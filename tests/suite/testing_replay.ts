/** The test kit: recorded runs against a workflow as it is now. */
import { exportRecords, type WorkflowFunction } from "@windkit/windmill-client/engine";
import { replay, testWorkflow, type TestWorkflowOptions } from "@windkit/windmill-client/testing";
import { sleep, step, waitForApproval, workflow } from "@windkit/windmill-client/workflow";
import { assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { test } from "./harness.ts";

type Journal = Awaited<ReturnType<ReturnType<typeof testWorkflow>["records"]>>;

async function recorded(main: WorkflowFunction, options: TestWorkflowOptions = {}): Promise<Journal> {
  await using run = testWorkflow(main, options);
  await run.result().catch(() => undefined); // a failure is recorded too
  return await run.records();
}

const main = workflow(async (n: number) => {
  const a = await step("a", () => n);
  await sleep(60);
  return a + await step("b", () => 2);
});

test("replay(): a run that fits gives its calls and its end, and runs nothing", async () => {
  let ran = 0;
  const counting = workflow(async () => [await step("a", () => ++ran), await step("b", () => ++ran)]);
  const journal = await recorded(counting);
  assertEquals(await replay(journal, counting), {
    run: "test",
    calls: 2,
    waits: [],
    ended: { status: "completed", value: [1, 2] },
  });
  assertEquals(ran, 2);
});

test("replay(): takes records, what has records, and lines of JSON with or without digests", async () => {
  const journal = await recorded(main, { args: { n: 3 } });
  const lines = journal.map((record) => JSON.stringify(record)).join("\n");
  const digests = journal.map((record) => JSON.stringify({ sha256: "0", record })).join("\n");
  const first = JSON.stringify({ sha256: "0", journal: 1 });
  for (const given of [exportRecords(journal), journal, { records: journal }, lines, `${first}\n${digests}\n`]) {
    assertEquals((await replay(given, main)).ended, { status: "completed", value: 5 });
  }
  await assertRejects(() => replay("{", main), undefined, "line 1 is not JSON");
  await assertRejects(() => replay([], main), "SCHEMA_TOO_NEW");
});

test("replay(): a run that was under way tells what it waits for", async () => {
  const asking = workflow(async () => [await step("a", () => 1), await waitForApproval({ key: "sign_off" })]);
  await using run = testWorkflow(asking);
  await run.settle();
  const { waits, ended } = await replay(await run.records(), asking);
  assertEquals([waits, ended], [["sign_off"], undefined]);
});

test("replay(): other calls, other ends, and bodies that go on are errors", async () => {
  const journal = await recorded(main, { args: { n: 3 } });
  const renamed = workflow(async (n: number) => await step("A", () => n));
  const { message } = await assertRejects(() => replay(journal, renamed), "REPLAY_MISMATCH");
  assertIncludes(message, 'recorded: record 1, step "a"');
  assertIncludes(message, 'asked:    step "A"');
  const other = workflow(async (n: number) => (await main(n)) * 2);
  assertIncludes((await assertRejects(() => replay(journal, other))).message, "recorded: 5\n  now:      10");
  const longer = workflow(async (n: number) => await main(n) + await step("c", () => 1));
  assertIncludes((await assertRejects(() => replay(journal, longer))).message, 'it now goes on with "c"');
  const waits = workflow(async () => await new Promise(() => undefined));
  const stuck = await assertRejects(() => replay(journal, waits, { patienceMs: 5 }));
  assertIncludes(stuck.message, 'its body waits for something of its own, and does not come to "a"');
});

test("replay(): what is no journal, and no workflow, is refused by name", async () => {
  const main = workflow(async () => await step("a", () => 1));
  await assertRejects(() => replay(3 as never, main), undefined, "Cannot replay a run: expected its journal");
  await assertRejects(() => replay([], 3 as never), undefined, "expected what workflow() returned, found number");
});
