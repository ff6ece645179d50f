/**
 * Runs in Durable Objects: what a caller is promised, beside the same workflows on an SQLite engine.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { createEngine, journalView } from "../../src/engine/engine.ts";
import { openSqliteStorage } from "../../src/storage/sqlite.ts";
import type { Json } from "../../src/workflow/journal.ts";
import { type RunsWorker, startRuns } from "./_runs.ts";
import { bundled, startWorkerd, temporaryFolder } from "./_workerd.ts";
import { workflows } from "./_workflows.ts";

/** Every test's steps share one Worker: it takes a second to start. */
Deno.test("runs in Durable Objects", async (t) => {
  await using folder = await temporaryFolder();
  await using worker = await startRuns(folder.path);
  const told = (step: string, use: (worker: RunsWorker) => Promise<void>): Promise<boolean> =>
    t.step(step, () => use(worker));

  await told("end as on an SQLite engine, with an equal journal", async () => {
    await using engineFolder = await temporaryFolder();
    await using engine = await createEngine({
      storage: await openSqliteStorage({ dir: engineFolder.path, durability: "process" }),
      workflows,
    });
    const cases: readonly (readonly [keyof typeof workflows, Json])[] = [
      ["plain", [20]],
      ["naps", [2, 0.02]],
      ["sums", [[3, 1, 2]]],
      ["large", [700_000]],
      ["family", [3]],
      ["fails", []],
    ];
    for (const [workflow, args] of cases) {
      const runId = `same ${workflow}`;
      const there = await engine.start(workflow, args, { runId });
      const expected = await there.result().catch((error) => [error.name, error.message]);
      await worker.start({ workflow, args, options: { runId } });
      const got = await worker.result(runId).catch((error) => [error.name, error.message]);
      deepStrictEqual(got, expected, workflow);
      deepStrictEqual(
        journalView(await worker.journal(runId)),
        journalView(await engine.journal(runId)),
        `The journal of "${workflow}"`,
      );
    }
  });

  await told("a start is idempotent by its id, and refused when it asks for something else", async () => {
    const start = { workflow: "plain", args: [3], options: { runId: "again" } };
    const ids = await Promise.all(Array.from({ length: 5 }, () => worker.start(start)));
    deepStrictEqual(new Set(ids), new Set(["again"]));
    strictEqual(await worker.result("again"), 3);
    strictEqual((await worker.journal("again")).filter((r) => r.t === "settled").length, 3);
    const other = await worker.refused("/start", { ...start, args: [4] });
    deepStrictEqual([other.name, other.code], ["RunExistsError", "RUN_EXISTS"]);
    const elsewhere = await worker.refused("/rpc", {
      root: "again",
      method: "start",
      request: { namespace: "default", runId: "another", workflow: "plain" },
    });
    match(elsewhere.message, /this is the object of run "again"/);
  });

  await told("what was never started, or was refused, leaves nothing behind", async () => {
    strictEqual((await worker.refused("/status?run=nobody")).code, "UNKNOWN_RUN");
    strictEqual((await worker.refused("/signal?run=nobody", { name: "order" })).code, "UNKNOWN_RUN");
    deepStrictEqual(await worker.call("/test/tables?run=nobody"), []);
    const refused = await worker.refused("/start", { workflow: "none", options: { runId: "refused" } });
    strictEqual(refused.code, "UNKNOWN_WORKFLOW");
    const args = await worker.refused("/start", { workflow: "plain", args: { x: 1 }, options: { runId: "refused" } });
    strictEqual(args.name, "TypeError");
    deepStrictEqual(await worker.call("/test/tables?run=refused"), []);
    strictEqual(await worker.alarmOf("refused"), null);
    strictEqual(await worker.run({ workflow: "plain", args: [2], options: { runId: "refused" } }), 1);
  });

  await told("errors of runs keep their class, code and message", async () => {
    const failed = await worker.refused("/run", { workflow: "fails" });
    deepStrictEqual(failed, { name: "RunFailedError", message: "It broke", code: "RUN_FAILED" });
    const late = await worker.refused("/run", { workflow: "orders", args: [1], options: { deadlineMs: 30 } });
    strictEqual(late.code, "DEADLINE_EXCEEDED");
  });

  await told("an approval is shown, and answered once", async () => {
    await worker.start({ workflow: "signOff", options: { runId: "sign" } });
    const found = await worker.until(
      () => worker.call<{ key: string }[]>("/approvals?run=sign"),
      (approvals) => approvals.length > 0,
    );
    strictEqual(found[0]?.key, "approval");
    await worker.call("/approve?run=sign", { answer: { value: { ok: 1 }, approver: "ada" } });
    deepStrictEqual(await worker.result("sign"), { approved: true, value: { ok: 1 }, approver: "ada" });
    const again = await worker.refused("/approve?run=sign", { key: "approval", answer: { approved: false } });
    match(again.message, /ended|answered/);
  });

  await told("events are taken in order, early ones are kept, one of a known id is not sent again", async () => {
    await worker.start({ workflow: "orders", args: [3], options: { runId: "orders" } });
    for (const [payload, id] of [["a", "1"], ["a", "1"], ["b", "2"], ["c", "3"]]) {
      await worker.call("/signal?run=orders", { name: "order", payload, options: { id } });
    }
    deepStrictEqual(await worker.result("orders"), ["a", "b", "c"]);
  });

  await told("a cancel ends a run that sleeps", async () => {
    await worker.start({ workflow: "longSleep", args: [30], options: { runId: "tired" } });
    await worker.call("/cancel?run=tired", { reason: "No time" });
    const ended = await worker.refused("/result?run=tired");
    deepStrictEqual([ended.code, ended.message], ["CANCELLED", "No time"]);
    // Nothing is to come: the object is not woken again.
    await worker.until(() => worker.alarmOf("tired"), (at) => at === null);
  });

  await told("children and those that go on for a run are in its object, and listed with it", async () => {
    strictEqual(await worker.run({ workflow: "counter", args: [3], options: { runId: "count" } }), 6);
    strictEqual((await worker.status("count")).status, "continued");
    const last = await worker.call<{ status: string }>("/status?run=count~2&root=count");
    strictEqual(last.status, "completed");
    deepStrictEqual(await worker.run({ workflow: "family", args: [2], options: { runId: "family" } }), [0, 1]);
    const page = await worker.until(
      () => worker.list({ limit: 1000 }),
      ({ runs }) =>
        ["count", "family"].every((root) =>
          runs.filter((run) => run.root === root && run.state === "closed").length === 3
        ),
    );
    const children = page.runs.filter((run) => run.parent === "family");
    deepStrictEqual(children.map(({ root, workflow }) => [root, workflow]), [["family", "plain"], ["family", "plain"]]);
  });

  await told("the index lists by state and by workflow, page by page", async () => {
    await worker.start({ workflow: "longSleep", args: [1], options: { runId: "dozing" } });
    await worker.until(() => worker.list({ state: "parked" }), ({ runs }) => runs.some(({ id }) => id === "dozing"));
    const all = (await worker.list({ workflow: "plain", limit: 1000 })).runs.map(({ id }) => id);
    ok(all.length > 5);
    const paged: string[] = [];
    let after: string | undefined;
    do {
      const page = await worker.list({ workflow: "plain", limit: 2, ...(after === undefined ? {} : { after }) });
      paged.push(...page.runs.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    deepStrictEqual(paged, all);
    match((await worker.refused("/list", { limit: 0 })).message, /'limit' must be an integer/);
  });

  await told(
    "a sleep of days leaves an alarm and nothing else; one that rings early or often changes nothing",
    async () => {
      await worker.start({ workflow: "longSleep", args: [30], options: { runId: "month" } });
      const { wakeAt = 0, createdAt } = await worker.until(
        () => worker.status("month"),
        (row) => row.state === "parked",
      );
      ok(wakeAt >= createdAt + 30 * 86_400_000);
      strictEqual(await worker.alarmOf("month"), wakeAt);
      const before = await worker.journal("month");
      strictEqual(await worker.call("/test/ring?run=month", 5), wakeAt);
      deepStrictEqual(await worker.journal("month"), before);
      deepStrictEqual(await worker.effects("month"), new Map([["before", 1]]));
      strictEqual((await worker.status("month")).state, "parked");
    },
  );

  await told("an alarm that rings all the time while a run works changes nothing", async () => {
    await worker.start({ workflow: "naps", args: [6, 0.03], options: { runId: "shaken" } });
    let open = true;
    const result = worker.result("shaken").finally(() => open = false);
    while (open) await worker.call("/test/ring?run=shaken", 3);
    strictEqual(await result, "rested");
    deepStrictEqual([...(await worker.effects("shaken")).values()], Array.from({ length: 7 }, () => 1));
  });

  await told("runs of two namespaces do not see each other, also under one id", async () => {
    for (const [namespace, count] of [["a", 2], ["a/b", 3]] as const) {
      await worker.call(`/start?${new URLSearchParams({ namespace })}`, {
        workflow: "plain",
        args: [count],
        options: { runId: namespace === "a" ? "b/x" : "x" },
      });
    }
    strictEqual(await worker.call("/result?namespace=a&run=b/x"), 1);
    strictEqual(await worker.call("/result?namespace=a%2Fb&run=x"), 3);
    const listed = await worker.until(
      () => worker.call<{ runs: { id: string }[] }>("/list?namespace=a", {}),
      ({ runs }) => runs.length > 0,
    );
    deepStrictEqual(listed.runs.map(({ id }) => id), ["b/x"]);
  });

  await told("the methods are there by RPC, too", async () => {
    const rpc = (method: string, request: object): Promise<Json> =>
      worker.call("/rpc", { root: "rpc", method, request });
    const runId = "rpc";
    await rpc("start", { namespace: "default", runId, workflow: "orders", args: [1] });
    await rpc("signal", { runId, name: "order", payload: { n: 1 }, id: "one" });
    await worker.until(() => rpc("outcome", { runId, waitMs: 1000 }), (answer) => (answer as { done: boolean }).done);
    deepStrictEqual(await rpc("outcome", { runId }), { done: true, value: [{ n: 1 }] });
    strictEqual((await rpc("status", { runId }) as { state: string }).state, "closed");
    strictEqual((await rpc("runs", {}) as Json[]).length, 1);
    match(
      (await worker.refused("/rpc", { root: "rpc", method: "status", request: { runId: "x" } })).message,
      /not stored/,
    );
  });

  await told("many runs in one isolate keep their contexts", async () => {
    const names = Array.from({ length: 20 }, (_, i) => `context ${i}`);
    const seen = await worker.call(
      "/many",
      names.map((runId) => ({ workflow: "contexts", args: [runId, 5], options: { runId } })),
    );
    deepStrictEqual(seen, names.map((runId) => [runId]));
  });
});

Deno.test("createWorkflowObjects() refuses to start without AsyncLocalStorage, and says what to set", async () => {
  const lines: string[] = [];
  let started = true;
  try {
    await using worker = await startWorkerd({
      code: await bundled("runs_worker.ts"),
      objects: { RUN: "WorkflowRun", INDEX: "WorkflowIndex", LOG: "Log" },
      flags: [],
      onError: (line) => lines.push(line),
    });
    await worker.ask("/ping");
  } catch (error) {
    started = false;
    lines.push(String(error));
  }
  ok(!started, "It started");
  match(lines.join("\n"), /without AsyncLocalStorage.*nodejs_compat/s);
});

Deno.test("createWorkflowObjects() takes AsyncLocalStorage from an entry that imports it, under nodejs_als", async () => {
  await using worker = await startWorkerd({
    code: await bundled("als_worker.ts"),
    objects: { RUN: "WorkflowRun", INDEX: "WorkflowIndex" },
    flags: ["nodejs_als"],
  });
  deepStrictEqual(await worker.ask("/"), ["one", "two", "three"]);
});
