import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { jsonLines, workspace } from "./_cli.ts";

const IMPORT =
  "import { childWorkflow, continueAsNew, log, progress, sleep, step, task, waitForApproval, waitForEvent, workflow } " +
  'from "@windkit/windmill-client";\nimport "windmill-client";\n';

/** Takes numbers only. */
const NUMBER = `const number = { "~standard": { version: 1, vendor: "test", validate: (value: unknown) =>
  typeof value === "number" ? { value } : { issues: [{ message: "Expected a number" }] } } } as const;
`;

Deno.test("signal reaches a run of another process, and tells a payload that does not fit", async () => {
  await using space = workspace({
    "f/a/paid.ts": `${IMPORT}${NUMBER}
export const main = workflow(async () => {
  progress({ step: 1 });
  log("begins", { n: 1 });
  const amount = await waitForEvent("paid", { schema: number });
  return [amount, await waitForEvent("note")];
});`,
  });
  const run = space.start("run", "f/a/paid.ts", "--run-id", "r", "--json");
  await run.line('"event":"run_parked"');
  match((await space.windkit("runs")).stdout, /^r +f\/a\/paid +waits for event paid/m);

  const refused = await space.windkit("signal", "r", "paid", '"much"');
  equal(refused.code, 2);
  match(
    refused.stderr,
    /The event's payload does not fit what "paid" of run "r" waits for, which still waits: .*found string/,
  );
  const early = await space.windkit("signal", "r", "note", '"early"');
  match(early.stderr, /^The run waits for "paid" now: this event is for "note" alone$/m);
  equal([early.code, early.stdout], [0, '✓ Sent "note" to run r: kept until the run waits for it\n']);
  const sent = await space.windkit("signal", "r", "paid", "3", "--id", "x", "--json");
  equal(jsonLines(sent.stdout), [{ run: "r", event: "paid", id: "x" }]);
  const events = jsonLines((await run.ended).stdout);
  equal(events.at(-1)?.["result"], [3, "early"]);
  equal(events.filter((e) => e["event"] === "progress").map((e) => e["value"]), [{ step: 1 }]);
  equal(events.filter((e) => e["event"] === "log").map((e) => [e["message"], e["data"]]), [["begins", { n: 1 }]]);
  equal(events.filter((e) => e["event"] === "answer_refused").length, 1);

  const late = await space.windkit("signal", "r", "paid", "3");
  equal(late.code, 2);
  match(late.stderr, /has ended \(completed\)/);
  const shown = (await space.windkit("runs", "show", "r")).stdout;
  match(shown, /^progress +\{"step":1\}$/m);
  match(shown, /paid +refused/);
});

Deno.test("signal to a run that nobody drives is taken when it goes on, once for each id", async () => {
  await using space = workspace({
    "f/a/two.ts": `${IMPORT}
export const main = workflow(async () => [await waitForEvent("x"), await waitForEvent("x")]);`,
  });
  const run = space.start("run", "f/a/two.ts", "--run-id", "r", "--json");
  await run.line('"event":"run_parked"');
  run.kill("SIGKILL");
  await run.ended;
  match((await space.windkit("signal", "r", "x", "1", "--id", "a")).stderr, /No process drives it now/);
  match((await space.windkit("signal", "r", "x", "1", "--id", "a")).stdout, /it was sent already/);
  await space.windkit("signal", "r", "x", "2", "--id", "b");
  const { code, stdout } = await space.windkit("run", "f/a/two.ts", "--run-id", "r");
  equal([code, JSON.parse(stdout)], [0, [1, 2]]);
});

Deno.test("run loads the workflows that a file starts, shows them as children, and ends them with it", async () => {
  await using space = workspace({
    "f/a/parent.ts": `${IMPORT}
export const main = workflow(async (n: number = 1) => await childWorkflow("f/a/child", { n }));`,
    "f/a/child.ts": `${IMPORT}
export const main = workflow(async (n: number) => {
  const next = await step("next", () => n + 1);
  const more = await waitForEvent("more");
  return [next, more];
});`,
  });
  const run = space.start("run", "f/a/parent.ts", "--run-id", "r", "--json");
  const listed = async (): Promise<string> => (await space.windkit("runs")).stdout;
  while (!/waits for event more/.test(await listed()));
  run.kill("SIGKILL");
  await run.ended;
  const list = await listed();
  match(list, /^r\.1 +r +f\/a\/child +waits for event more/m);
  match(list, /^r +f\/a\/parent +waits for child child/m);
  match((await space.windkit("runs", "show", "r.1")).stdout, /^child of +r \(child\)$/m);
  match((await space.windkit("runs", "show", "r")).stdout, /begins a run.*run r\.1 of f\/a\/child/);
  // The child goes on although nobody names it.
  const again = space.start("run", "f/a/parent.ts", "--run-id", "r", "--json");
  await again.line('"event":"child_waiting"');
  equal((await space.windkit("signal", "r.1", "more", '"m"')).code, 0);
  equal(jsonLines((await again.ended).stdout).at(-1)?.["result"], [2, "m"]);
});

Deno.test("runs remove of a child tells its parent, which goes on", async () => {
  await using space = workspace({
    "f/a/parent.ts": `${IMPORT}
export const main = workflow(async () => await childWorkflow("f/a/child").catch((error: Error) => error.message));`,
    "f/a/child.ts": `${IMPORT}
export const main = workflow(async () => await waitForEvent("never"));`,
  });
  const run = space.start("run", "f/a/parent.ts", "--run-id", "r", "--json");
  while (!/waits for event never/.test((await space.windkit("runs")).stdout));
  run.kill("SIGKILL");
  await run.ended;
  equal((await space.windkit("runs", "remove", "r.1", "--yes")).code, 0);
  equal(JSON.parse((await space.windkit("run", "f/a/parent.ts", "--run-id", "r")).stdout), 'Run "r.1" was removed');
});

Deno.test("run follows a run that goes on as another one, also when it is asked for again", async () => {
  await using space = workspace({
    "f/a/chain.ts": `${IMPORT}
export const main = workflow(async (n: number = 0) => {
  const next = await step("next", () => n + 1);
  if (next === 2) await waitForEvent("go");
  return next === 3 ? next : await continueAsNew({ n: next });
});`,
  });
  const run = space.start("run", "f/a/chain.ts", "--run-id", "r");
  await run.line("goes on as run r~1");
  const waits = async (): Promise<string> => (await space.windkit("runs")).stdout;
  while (!/r~1 .*waits for event go/.test(await waits()));
  run.kill("SIGKILL");
  await run.ended;
  match((await space.windkit("runs", "show", "r")).stdout, /^chain +r~1 goes on for it$/m);
  match((await space.windkit("runs", "show", "r~1")).stdout, /^chain +goes on for r$/m);
  equal((await space.windkit("signal", "r", "go")).stdout, '✓ Sent "go" to run r~1\n');
  const again = await space.windkit("run", "f/a/chain.ts", "--run-id", "r");
  equal([again.code, again.stdout], [0, "3\n"]);
  const once = await space.windkit("run", "f/a/chain.ts", "--run-id", "r");
  equal([once.code, once.stdout], [0, "3\n"]);
  match(once.stderr, /as recorded: nothing was run/);
});

Deno.test("runs prune leaves a run that goes on as another one to be found by its id", async () => {
  await using space = workspace({
    "f/a/chain.ts": `${IMPORT}
export const main = workflow(async (n: number = 0) => {
  const next = await step("next", () => n + 1);
  if (next === 4) await waitForEvent("go");
  return next === 4 ? next : await continueAsNew({ n: next });
});`,
  });
  const run = space.start("run", "f/a/chain.ts", "--run-id", "r");
  await run.line("goes on as run r~3");
  while (!/r~3 .*waits for event go/.test((await space.windkit("runs")).stdout));
  run.kill("SIGKILL");
  await run.ended;
  const prune = async (): Promise<string> =>
    (await space.windkit("runs", "prune", "--older-than", "0s", "--yes", "--json")).stdout;
  equal(await prune(), '{"pruned":2}\n');
  equal(await prune(), '{"pruned":0}\n');
  match((await space.windkit("runs", "show", "r")).stdout, /^chain +r~3 goes on for it$/m);
  equal((await space.windkit("signal", "r", "go")).stdout, '✓ Sent "go" to run r~3\n');
  for (const note of [/^/, /as recorded: nothing was run/]) {
    const again = await space.windkit("run", "f/a/chain.ts", "--run-id", "r");
    equal([again.code, again.stdout], [0, "4\n"]);
    match(again.stderr, note);
  }
  equal(await prune(), '{"pruned":2}\n');
});

Deno.test("runs fork makes a run that goes another way from a call on", async () => {
  await using space = workspace({
    "f/a/price.ts": `${IMPORT}import { readFileSync } from "node:fs";
export const main = workflow(async () => {
  const a = await step("a", () => "a");
  return [a, await step("price", () => readFileSync("price.txt", "utf8"))];
});`,
    "price.txt": "1",
  });
  equal(JSON.parse((await space.windkit("run", "f/a/price.ts", "--run-id", "r")).stdout), ["a", "1"]);
  space.write("price.txt", "2");
  const none = await space.windkit("runs", "fork", "r", "--from", "prise");
  equal(none.code, 2);
  match(none.stderr, /no call of that key that has begun; it has "price", "a"/);
  const fork = await space.windkit("runs", "fork", "r", "--from", "price", "--as", "f");
  equal([fork.code, fork.stdout], [0, '✓ Run f goes its own way from "price" on\n']);
  match(fork.stderr, /run f\/a\/price\.ts --run-id f$/m);
  match((await space.windkit("runs", "show", "f")).stdout, /^fork of +r from price on$/m);
  equal(JSON.parse((await space.windkit("run", "f/a/price.ts", "--run-id", "f")).stdout), ["a", "2"]);
  equal((await space.windkit("runs", "fork", "r", "--from", "a", "--as", "f")).code, 2);
  ok(JSON.parse((await space.windkit("runs", "fork", "r", "--from", "a", "--json")).stdout));
  match((await space.windkit("runs", "fork", "r", "--from", "a", "--run-id", "g")).stdout, /^✓ Run g goes/);
  const both = await space.windkit("runs", "fork", "r", "--from", "a", "--run-id", "h", "--as", "h");
  match(both.stderr, /Options "--run-id" and "--as" are the same/);
});

Deno.test("run prints a command that grants with what the form needs", async () => {
  await using space = workspace({
    "f/a/form.ts": `${IMPORT}${NUMBER}
const jsonSchema = {
  type: "object",
  properties: { amount: { type: "number", minimum: 5 }, level: { enum: ["low", "high"] }, note: { type: "string" } },
  required: ["amount", "level"],
};
export const main = workflow(async () => (await waitForApproval({ form: { schema: number, jsonSchema } })).value);`,
  });
  const run = space.start("run", "f/a/form.ts", "--run-id", "r", "--no-input");
  await run.line(`approve r approval --value '{"amount":5,"level":"low"}'`);
  equal((await space.windkit("approve", "r", "--value", "4")).code, 0);
  equal((await run.ended).stdout, "4\n");
});

Deno.test("run warns of a parameter that is not given and has no default", async () => {
  await using space = workspace({
    "f/a/needs.ts": `${IMPORT}
export const main = workflow(async (name: string, { n = 1 } = {}, more?: string) => [name ?? "nobody", n, more ?? ""]);`,
  });
  for (const args of [[], ["--args", "{}"], ["--args", "[]"], ["--args", '{"nam": "Ada"}']]) {
    const { code, stderr } = await space.windkit("run", "f/a/needs.ts", ...args);
    equal(code, 0, stderr);
    match(stderr, /"name" is not given, and has no default: the workflow gets undefined for it/);
  }
  for (const args of ['{"name": "Ada"}', '["Ada"]', '{"name": null}']) {
    const { stderr } = await space.windkit("run", "f/a/needs.ts", "--args", args);
    ok(!stderr.includes("is not given"), stderr);
  }
});

Deno.test("approve tells that an answer does not fit, and takes another one", async () => {
  await using space = workspace({
    "f/a/form.ts": `${IMPORT}${NUMBER}
export const main = workflow(async () =>
  (await waitForApproval({ form: { schema: number, jsonSchema: { type: "object", properties: {} } } })).value);`,
  });
  const run = space.start("run", "f/a/form.ts", "--run-id", "r", "--json");
  await run.line("approval_waiting");
  const refused = await space.windkit("approve", "r", "--value", '"x"');
  equal(refused.code, 2, refused.stdout + refused.stderr);
  match(refused.stderr, /The answer does not fit what "approval" of run "r" waits for, which still waits/);
  equal((await space.windkit("approve", "r", "--value", "4")).code, 0);
  equal(jsonLines((await run.ended).stdout).at(-1)?.["result"], 4);
});
