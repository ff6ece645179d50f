/**
 * A workflow of this package under the official client's context: what it posts, what it logs, what it throws.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert";
import * as official from "official-windmill-client";
import { sleep, step, task, waitForApproval, workflow } from "../../src/cluster/hosted.ts";
import { post, type Posted, type Round, round, until } from "./_worker_round_kit.ts";

const double = task(async function double(n: number): Promise<number> {
  await Promise.resolve();
  return n * 2;
});

/** Failure of a round, or an error that says what came instead. */
function failed({ end }: Round): { readonly [name: string]: unknown } {
  if (end.type !== "failed") throw new Error(`Expected a failure, found ${JSON.stringify(end)}`);
  return end.error;
}

Deno.test("workflow() under the official context ends a round with a dispatch and completes from the checkpoint", async () => {
  const main = workflow(async (n: number) => await double(n) + 1);
  const first = await round(main, {}, { args: [20] });
  deepStrictEqual(first.end, {
    type: "suspended",
    info: {
      mode: "sequential",
      steps: [{ name: "double", script: "double", args: { n: 20 }, key: "double", dispatch_type: "inline" }],
    },
  });
  deepStrictEqual((await round(main, { completed_steps: { double: 40 } }, { args: [20] })).end, {
    type: "complete",
    result: 41,
  });
});

Deno.test("a child round runs its one call and gives its result, awaited or not", async () => {
  for (const main of [workflow(async () => await double(4)), workflow(async () => void double(4))]) {
    const { end } = await round(main, { _executing_key: "double" });
    deepStrictEqual(end, { type: "suspended", info: { mode: "step_complete", steps: [], result: 8 } });
  }
});

Deno.test("a child round fails when its call is not made: the body ends, fails, or waits for another", async () => {
  const bodies: readonly (readonly [() => unknown, string])[] = [
    [() => 1, "ended without asking"],
    [() => Promise.reject(new Error("no")), "ended without asking"],
    [() => double(1), "waits for other calls"],
    [() => sleep(5), "waits for other calls"],
    [() => void double(1), "ended without asking"],
  ];
  for (const [body, says] of bodies) {
    const error = failed(await round(workflow(body), { _executing_key: "gone" }, { patienceMs: 0 }));
    strictEqual(error.name, "ReplayMismatchError");
    ok(String(error.message).startsWith(`Cannot run "gone": `), String(error.message));
    ok(String(error.message).includes(says), String(error.message));
  }
});

Deno.test("a child round waits for a body that comes to its call after I/O of its own", async () => {
  const main = workflow(async () => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 0));
    return await double(3);
  });
  const { end } = await round(main, { _executing_key: "double" });
  deepStrictEqual(end, { type: "suspended", info: { mode: "step_complete", steps: [], result: 6 } });
});

Deno.test("an argument keeps what the wrapper makes of it: a Date, and nothing where there is none", async () => {
  const main = workflow((when: Date, n = 5, o?: { a: number }) => [when.getTime(), n, o?.a]);
  const { end } = await round(main, {}, { args: [new Date(7), undefined, { a: 1 }] });
  deepStrictEqual(end, { type: "complete", result: [7, 5, 1] });
});

Deno.test("a step is posted with its headers and its canonical value, and logged as the worker reads it", async () => {
  const main = workflow(async () => await step("when", () => ({ b: undefined, a: new Date(0), n: [1n, NaN] })));
  const { end, posts, log } = await round(main, {}, { server: post() });
  const value = { a: "1970-01-01T00:00:00.000Z", b: null, n: ["1", null] };
  deepStrictEqual(end, { type: "complete", result: value });
  const [{ url, headers, body }] = posts as readonly [Posted];
  strictEqual(url, "http://windmill.test/api/w/my%20ws/jobs/wac/inline_checkpoint/job-1");
  deepStrictEqual([headers.get("content-type"), headers.get("authorization")], ["application/json", "Bearer secret"]);
  const { started_at, duration_ms, ...rest } = body;
  deepStrictEqual(rest, { key: "when", result: value });
  ok(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(String(started_at)) && Number.isInteger(duration_ms));
  deepStrictEqual(log, ["\n--- WAC: when ---", `WM_WAC_STEP: ${JSON.stringify({ key: "when", started_at })}`]);
});

Deno.test("posts go out one at a time while bodies run together, each body once", async () => {
  const ran: string[] = [];
  let inFlight = 0, most = 0;
  const main = workflow(async () =>
    await Promise.all(["a", "b", "c"].map((name) => step(name, () => (ran.push(name), name))))
  );
  const { end, posts } = await round(main, {}, {
    server: async () => {
      most = Math.max(most, ++inFlight);
      await until(() => ran.length === 3);
      inFlight--;
      return new Response("");
    },
  });
  deepStrictEqual([end, ran, posts.length, most], [
    { type: "complete", result: ["a", "b", "c"] },
    ["a", "b", "c"],
    3,
    1,
  ]);
});

Deno.test("the fast path is off: without its variables, with WM_WAC_INLINE_FAST_PATH, and for one step a round", async () => {
  const main = workflow(async () => await Promise.all([step("a", () => 1), step("b", () => 2)]));
  for (const env of [{ WM_JOB_ID: "" }, { WM_TOKEN: "" }, { WM_WORKSPACE: "" }, { WM_WAC_INLINE_FAST_PATH: " Off " }]) {
    const { end, posts } = await round(main, {}, { server: post(), env });
    strictEqual(posts.length, 0);
    ok(end.type === "suspended");
    const { started_at: _, duration_ms: __, ...info } = end.info;
    deepStrictEqual(info, { mode: "inline_checkpoint", key: "a", result: 1, steps: [] });
  }
});

Deno.test("a post that fails ends the round with the outcome, after the others have been posted, and no body runs twice", async () => {
  const answers: readonly (readonly [string, () => Promise<Response>, string])[] = [
    ["a status", () => Promise.resolve(new Response("down", { status: 503 })), "503"],
    ["no connection", () => Promise.reject(new TypeError("no route")), "no route"],
  ];
  for (const [what, fails, says] of answers) {
    const ran: string[] = [];
    const main = workflow(async () => {
      const named = (name: string): Promise<string> => step(name, () => (ran.push(name), name));
      await Promise.all([named("a"), named("b").then(() => named("later"))]);
    });
    const { end, posts, log } = await round(main, {}, {
      server: (request) => request.body.key === "a" ? fails() : Promise.resolve(new Response("")),
    });
    deepStrictEqual([ran, posts.map(({ body }) => body.key)], [["a", "b"], ["a", "b"]], what);
    ok(end.type === "suspended" && end.info.mode === "inline_checkpoint" && end.info.key === "a", what);
    const line = log.find((text) =>
      text.startsWith("WAC v2 inline fast path failed for key a, falling back to suspend: ")
    );
    ok(line?.includes(says) && !line.includes("secret"), `${what}: ${line}`);
  }
});

Deno.test("a failed step gives the same TaskError live, from an old server, and on replay", async () => {
  const thrown: readonly (readonly [string, () => unknown])[] = [
    ["an error", () => Object.assign(new RangeError("no"), { at: 1, code: "E" })],
    ["a text", () => "s"],
    ["null", () => null],
    ["undefined", () => undefined],
    ["no message", () => new Error("")],
    ["a long stack", () => Object.assign(new Error("x"), { stack: "é".repeat(9000) })],
    ["a large extra", () => Object.assign(new Error("x"), { big: "é".repeat(5000) })],
    ["a bigint", () => 5n],
    ["a hostile proxy", () =>
      new Proxy({}, {
        get: () => {
          throw new Error("trap");
        },
      })],
  ];
  const seen = (error: unknown): unknown => {
    const { name, message, step_key, result, child_job_id } = error as Record<string, unknown>;
    return JSON.parse(JSON.stringify({ name, message, step_key, result, child_job_id: child_job_id ?? null }));
  };
  for (const [what, make] of thrown) {
    const main = workflow(async () => {
      try {
        await step("s", () => {
          throw make();
        });
      } catch (error) {
        return seen(error);
      }
    });
    let kept: unknown;
    const live = await round(main, {}, { server: post((stored) => kept = stored) });
    const old = await round(main, {}, { server: () => Promise.resolve(new Response("")) });
    const replay = await round(main, { completed_steps: { s: kept } });
    ok(live.end.type === "complete", what);
    deepStrictEqual(old.end, live.end, what);
    // What is in a checkpoint has the order of jsonb, what the body sees has it too.
    strictEqual(JSON.stringify(replay.end), JSON.stringify(live.end), what);
    strictEqual((live.end.result as { name: string }).name, "TaskError", what);
  }
});

Deno.test("a failed step whose answer cannot be read is left to the worker", async () => {
  const main = workflow(async () => {
    await step("s", () => {
      throw new Error("no");
    });
  });
  const { end } = await round(main, {}, {
    server: () => Promise.resolve(new Response("{", { headers: { "content-type": "application/json" } })),
  });
  ok(end.type === "suspended" && end.info.mode === "inline_checkpoint");
});

Deno.test("what leaves the body is an error that the wrapper can write down: null, undefined, a bigint, a TaskError", async () => {
  const cases: readonly (readonly [unknown, string, string])[] = [
    [null, "Error", "null was thrown"],
    [undefined, "Error", "undefined was thrown"],
    [5n, "Error", "5"],
    [Object.assign(new TypeError("bad"), { at: 7, fn: () => 1, name: "Mine" }), "Mine", "bad"],
  ];
  for (const [thrown, name, message] of cases) {
    const error = failed(
      await round(
        workflow(() => {
          throw thrown;
        }),
        {},
      ),
    );
    deepStrictEqual([error.name, error.message], [name, message]);
    if (name === "Mine") deepStrictEqual(error.extra, { at: 7 });
  }
  const record = {
    __wmill_error: true,
    message: "boom",
    step_key: "double",
    child_job_id: "c-1",
    result: { error: { name: "RangeError", message: "boom", extra: { at: 1 } } },
  };
  const error = failed(await round(workflow(async () => await double(1)), { completed_steps: { double: record } }));
  deepStrictEqual([error.name, error.message], ["TaskError", "boom"]);
  const { result, step_key, child_job_id } = error.extra as Record<string, unknown>;
  deepStrictEqual({ result, step_key, child_job_id }, {
    result: record.result,
    step_key: "double",
    child_job_id: "c-1",
  });
});

Deno.test("functions of the official client in a body of this package are refused, and the other way round", async () => {
  const theirs = official.task(async function theirs(): Promise<number> {
    return await Promise.resolve(1);
  });
  const mixed = failed(await round(workflow(async () => await theirs()), {}));
  deepStrictEqual([mixed.name, String(mixed.message).includes("from one package")], ["HostUnsupportedError", true]);
  const ours = failed(await round(official.workflow(async () => await double(1)), {}));
  deepStrictEqual([ours.name, String(ours.message).includes("outside a workflow")], ["HostUnsupportedError", true]);
});

Deno.test("approvals and sleeps have the fields and the log lines of the protocol", async () => {
  const asks = workflow(async () =>
    await waitForApproval({
      timeout: 60,
      form: { a: 1 },
      selfApproval: false,
      skin: "minimal",
      description: "d",
      key: "k",
    })
  );
  const { end, log } = await round(asks, {});
  deepStrictEqual(end, {
    type: "suspended",
    info: {
      mode: "approval",
      key: "k",
      timeout: 60,
      form: { a: 1 },
      self_approval_disabled: true,
      skin: "minimal",
      description: "d",
      steps: [],
    },
  });
  deepStrictEqual(log, ["\n--- WAC: approval(k) ---"]);
  const sleeps: readonly (readonly [number, number])[] = [[0, 1], [2.5, 3], [3.7, 4], [4294967295, 4294967295]];
  for (const [asked, seconds] of sleeps) {
    const slept = await round(workflow(() => sleep(asked)), {});
    deepStrictEqual(slept.end, { type: "suspended", info: { mode: "sleep", key: "sleep", seconds, steps: [] } });
    deepStrictEqual(slept.log, [`\n--- WAC: sleep(sleep, ${asked}s) ---`]);
  }
  for (const asked of [4294967296, Infinity, NaN, -1]) {
    strictEqual(failed(await round(workflow(() => sleep(asked)), {})).name, "RangeError");
  }
});

Deno.test("a back-off is a sleep that says what it is for", async () => {
  const flaky = task("flaky", () => 1, { retry: { attempts: 1, delay: 5 } });
  const record = { __wmill_error: true, message: "no", step_key: "flaky", result: { error: { message: "no" } } };
  const { end, log } = await round(workflow(() => flaky()), { completed_steps: { flaky: record } });
  deepStrictEqual(end, {
    type: "suspended",
    info: { mode: "sleep", key: "flaky#retry2", seconds: 5, steps: [] },
  });
  deepStrictEqual(log, ["\n--- WAC: sleep(flaky#retry2, 5s) before retrying flaky ---"]);
});

Deno.test("a step that runs beside a dispatch is awaited and posted before the round ends", async () => {
  let ran = 0;
  const main = workflow(async () =>
    await Promise.all([
      double(1),
      step("slow", async () => {
        ran++;
        for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 0));
        return "done";
      }),
    ])
  );
  const first = await round(main, {}, { server: post() });
  ok(first.end.type === "suspended" && first.end.info.mode === "sequential");
  deepStrictEqual(first.posts.map(({ body }) => body.key), ["slow", "__windkit/1"]);
  const second = await round(main, { completed_steps: { slow: "done", double: 2 } }, { server: post() });
  deepStrictEqual([second.end, ran], [{ type: "complete", result: [2, "done"] }, 1]);
});

Deno.test("options that the worker reads as whole seconds are whole", async () => {
  const timed = task("timed", () => 1, { timeout: 0.5, cache_ttl: 1.2, concurrency_time_window_s: 1e12 });
  const { end } = await round(workflow(() => timed()), {});
  ok(end.type === "suspended");
  const [{ timeout, cache_ttl, concurrency_time_window_s }] = end.info.steps as [Record<string, unknown>];
  deepStrictEqual([timeout, cache_ttl, concurrency_time_window_s], [1, 2, 2147483647]);
});
