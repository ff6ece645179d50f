/**
 * What rounds record beside values, and what they make of it: order, fingerprints, markers, the seed.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert";
import fc from "fast-check";
import {
  now,
  patched,
  progress,
  race,
  random,
  saga,
  sleep,
  step,
  task,
  taskInfo,
  uuid,
  workflow,
} from "../../src/cluster/hosted.ts";
import { hop } from "../../src/platform/hop.ts";
import { type Job, type JobOptions, round, runJob } from "./_worker_round_kit.ts";

const double = task(async function double(n: number): Promise<number> {
  await Promise.resolve();
  return n * 2;
});

/** Some macrotasks, as a step's own I/O takes them. */
async function turns(n: number): Promise<void> {
  for (let i = 0; i < 10 * n; i++) await new Promise<void>(hop);
}

function result({ end }: Pick<Job, "end">): unknown {
  if (end.type !== "complete") throw new Error(`Expected a result, found ${JSON.stringify(end)}`);
  return end.result;
}

function failure({ end }: Pick<Job, "end">): Readonly<Record<string, unknown>> {
  if (end.type !== "failed") throw new Error(`Expected a failure, found ${JSON.stringify(end)}`);
  return end.error;
}

/** The records of a job, and what was logged about them. */
function records({ completed }: Job): readonly unknown[] {
  return Object.entries(completed).filter(([key]) => key.startsWith("__windkit/")).map(([, value]) => value);
}

function unchecked(job: { readonly rounds: readonly { readonly log: readonly string[] }[] }): readonly string[] {
  return job.rounds.flatMap(({ log }) => log.filter((line) => line.includes("not checked")));
}

/** The order in which two steps end is their own. */
const racing = workflow(async () => {
  const order: string[] = [];
  await Promise.all([
    step("slow", () => turns(5)).then(() => order.push("slow")),
    step("fast", () => turns(1)).then(() => order.push("fast")),
  ]);
  await double(order.length);
  return order;
});

Deno.test("a round hands outcomes over in the order in which an earlier one did", async () => {
  const job = await runJob(racing);
  deepStrictEqual(result(job), ["fast", "slow"]);
  deepStrictEqual(records(job), [{
    v: 1,
    run: "job-1",
    markers: [],
    calls: {
      slow: { kind: "step", name: "slow", digest: "" },
      fast: { kind: "step", name: "fast", digest: "" },
      double: { kind: "task", name: "double", digest: (await digests()).double, args: "[2]" },
    },
    order: [{ key: "fast", after: 2 }, { key: "slow", after: 2 }],
  }]);
  deepStrictEqual(unchecked(job), []);
});

async function digests(): Promise<{ readonly double: string }> {
  const { hash64 } = await import("../../src/base/hash.ts");
  return { double: hash64("[2]") };
}

Deno.test("without the fast path nothing is recorded, and outcomes come in the order of their calls", async () => {
  const job = await runJob(racing, { fast: false });
  deepStrictEqual([result(job), records(job), unchecked(job)], [["slow", "fast"], [], []]);
});

Deno.test("code that asks for something else fails the job with what was recorded and what was asked", async () => {
  const first = workflow(async () => {
    await step("charge", () => 1);
    await double(2);
    return await double(3);
  });
  const { rounds } = await runJob(first);
  const completed: Record<string, unknown> = { double: 4 };
  for (const { body } of rounds[0]?.posts ?? []) completed[body.key as string] = body.result;
  const edits: readonly (readonly [string, () => unknown, readonly string[]])[] = [
    ["other arguments", async () => {
      await step("charge", () => 1);
      await double(5);
    }, ['task "double" with [2]', 'task "double" with [5]', "the arguments, from character 1"]],
    ["another kind", async () => await task("charge", () => 1)(), ['step "charge"', 'task "charge"', "the kind"]],
    ["another name", async () => await step("refund", () => 1), ['step "charge"', 'step "refund"']],
    ["nothing", () => 1, ['step "charge"', "nothing at this point"]],
    ["less", async () => await step("charge", () => 1), ['task "double" with [2]', "nothing at this point"]],
    ["it after something else", async () => {
      await sleep(1);
      await step("charge", () => 1);
    }, ['step "charge"', 'sleep "sleep" with 1000']],
  ];
  for (const [what, body, says] of edits) {
    const found = await round(workflow(body), { completed_steps: completed }, {
      patienceMs: 0,
      server: () => Promise.reject(new Error("posted")),
    });
    const error = failure(found);
    strictEqual(error.name, "ReplayMismatchError", what);
    for (const text of says) ok(String(error.message).includes(text), `${what}: ${error.message}`);
    const { code, stepKey } = error.extra as Record<string, unknown>;
    strictEqual(code, "REPLAY_MISMATCH", what);
    ok(stepKey === "charge" || stepKey === "double", what);
    deepStrictEqual(found.posts, [], what);
  }
});

Deno.test("a child whose code differs fails instead of running", async () => {
  const { rounds } = await runJob(workflow(async () => await double(2)));
  const completed = Object.fromEntries(rounds[0]?.posts.map(({ body }) => [body.key, body.result]) ?? []);
  let ran = 0;
  const spy = task(async function double(n: number): Promise<number> {
    ran++;
    return await Promise.resolve(n);
  });
  const { end } = await round(workflow(async () => await spy(3)), {
    completed_steps: completed,
    _executing_key: "double",
  });
  const error = failure({ end });
  deepStrictEqual([error.name, ran], ["ReplayMismatchError", 0]);
  ok(String(error.message).includes('task "double" with [2]'));
});

Deno.test("a completed key that the body never asks for fails the job when the body ends, with and without records", async () => {
  const { end } = await round(workflow(() => "done"), { completed_steps: { gone: 1 } });
  const error = failure({ end });
  strictEqual(error.name, "ReplayMismatchError");
  ok(String(error.message).includes('"gone" was completed in an earlier round'));
});

Deno.test("a record that is missing or cannot be used is a line of the log, and what follows is not checked", async () => {
  const main = workflow(async (n: number) => {
    await step("a", () => 1);
    await double(n);
    await step("b", () => 2);
    return await double(n);
  });
  const { rounds } = await runJob(main, { args: [2] });
  const completed: Record<string, unknown> = { double: 4, double_2: 4 };
  for (const { posts } of rounds) for (const { body } of posts) completed[body.key as string] = body.result;
  ok("__windkit/1" in completed && "__windkit/2" in completed);
  const bad: readonly (readonly [string, unknown, string])[] = [
    ["__windkit/1", undefined, "__windkit/1 is missing"],
    ["__windkit/1", 5, "is no object"],
    ["__windkit/1", null, "is no object"],
    ["__windkit/1", { ...completed["__windkit/1"] as object, v: 2 }, "has the version 2"],
    ["__windkit/2", { v: 1, markers: [], calls: { b: 1 }, order: [] }, "__windkit/2 does not parse"],
    ["__windkit/2", { v: 1, markers: [], calls: {}, order: [{ key: "b", after: -1 }] }, "does not parse"],
    ["__windkit/2", { v: 1, markers: {}, calls: {}, order: [] }, "does not parse"],
    ["__windkit/2", { v: 1, markers: [], calls: {}, order: [{ key: "lost", after: 1 }] }, '"lost" of __windkit/2'],
  ];
  for (const [key, value, says] of bad) {
    const steps = { ...completed, [key]: value };
    if (value === undefined) delete steps[key];
    // Other arguments than recorded: it goes unnoticed from the bad record on.
    const found = await round(main, { completed_steps: steps }, { args: key.endsWith("1") ? [3] : [2] });
    strictEqual(result(found), 4, says);
    const lines = found.log.filter((line) => line.includes("not checked"));
    deepStrictEqual([lines.length, lines[0]?.includes(says)], [1, true], `${says}: ${lines}`);
  }
});

Deno.test("keys of the runtime's own prefix that are no records are nobody's", async () => {
  const found = await round(workflow(() => 1), {
    completed_steps: { "__windkit/": 1, "__windkit/x": 2, "__windkit/-1": 3 },
  });
  deepStrictEqual([result(found), found.log], [1, []]);
});

Deno.test("a call may not have a name of the runtime's own", async () => {
  const error = failure(await round(workflow(() => step("__windkit/1", () => 1)), {}));
  deepStrictEqual([error.name, String(error.message).includes("__windkit/")], ["TypeError", true]);
});

/** A body that draws from everything that is recorded beside calls. */
const drawing = workflow(async () => {
  const seen: unknown[] = [now(), random(), patched("v2")];
  await step("a", () => seen.length);
  seen.push(uuid(), now());
  seen.push(await double(Number(seen[0])));
  seen.push(random());
  await sleep(1);
  return [...seen, now() > 0, patched("v2"), patched("v3")];
});

Deno.test("markers and the seed are the same in every round and every child, with and without the fast path", async () => {
  for (const fast of [true, false]) {
    const job = await runJob(drawing, { fast });
    const seen = result(job) as unknown[];
    strictEqual(seen[5], Number(seen[0]) * 2);
    deepStrictEqual(seen.slice(-2), [true, true]);
    // Replayed again, all is as it was.
    const again = await round(drawing, { completed_steps: job.completed }, {
      server: () => Promise.resolve(new Response("")),
    });
    const times = [0, 1, 2, 3, 4, 5, 6];
    deepStrictEqual(times.map((i) => (result(again) as unknown[])[i]), times.map((i) => seen[i]));
  }
});

Deno.test("markers are durable before a step that follows them begins", async () => {
  const posted: string[] = [];
  let before: readonly string[] = [];
  const main = workflow(async () => {
    now();
    await step("a", () => void (before = [...posted]));
  });
  await round(main, {}, {
    server: ({ body }) => {
      posted.push(String(body.key));
      return Promise.resolve(new Response(""));
    },
  });
  deepStrictEqual([before, posted], [["__windkit/1"], ["__windkit/1", "a"]]);
  // Without posts, or when one is refused, the round ends with the record.
  for (const options of [{}, { server: () => Promise.resolve(new Response("no", { status: 500 })) }]) {
    before = ["not run"];
    const { end } = await round(main, {}, options);
    ok(end.type === "suspended" && end.info.mode === "inline_checkpoint" && end.info.key === "__windkit/1");
    deepStrictEqual(before, ["not run"]);
  }
});

Deno.test("a record that is refused ends the round only when the body could see another order without it", async () => {
  const refuse = (key: string): boolean => key.startsWith("__windkit/");
  const ordered = await runJob(workflow(async () => await double(await step("a", () => 1))), { refuse });
  deepStrictEqual(ordered.rounds.map(({ end }) => end.type === "suspended" ? end.info.mode : end.type), [
    "sequential",
    "complete",
  ]);
  const job = await runJob(racing, { refuse });
  deepStrictEqual(result(job), ["fast", "slow"]);
  strictEqual(job.rounds[0]?.end.type === "suspended" && job.rounds[0].end.info.key, "__windkit/1");
});

Deno.test("progress is recorded, and delays nothing", async () => {
  const main = workflow(async () => {
    await step("a", () => 1);
    progress({ done: 1 });
    await step("b", () => 2);
    return await double(1);
  });
  const job = await runJob(main);
  strictEqual(result(job), 2);
  deepStrictEqual(job.rounds[0]?.posts.map(({ body }) => body.key), ["a", "b", "__windkit/1"]);
  const [{ markers }] = records(job) as [{ markers: unknown }];
  deepStrictEqual(markers, [{ name: "progress", after: 1, value: { done: 1 } }]);
});

Deno.test("steps that begin while a record is refused run, and its order is kept", async () => {
  const gate = Promise.withResolvers<void>();
  const ran: string[] = [];
  const main = workflow(async () => {
    const named = (name: string): Promise<string> =>
      step(name, async () => {
        ran.push(name);
        await turns(1);
        return name;
      });
    const later = async (): Promise<void> => {
      await Promise.all([named("a"), named("b")]);
      await Promise.all([named("c"), named("d")]);
    };
    await Promise.all([sleep(60), gate.promise.then(later)]);
  });
  const { end, posts } = await round(main, {}, {
    server: async ({ body }) => {
      if (body.key !== "__windkit/1") return new Response("");
      gate.resolve();
      await turns(2);
      return new Response("no", { status: 500 });
    },
  });
  // Whether the second pair still begins in this round depends on when the answer is seen: a later round runs it else.
  ok(ran.length === 2 || ran.length === 4);
  deepStrictEqual(ran, ["a", "b", "c", "d"].slice(0, ran.length));
  deepStrictEqual(posts.map(({ body }) => body.key), ["__windkit/1", ...ran, "__windkit/1"]);
  // All came before "sleep", which is called first: the order must be kept.
  ok(end.type === "suspended" && end.info.mode === "inline_checkpoint" && end.info.key === "__windkit/1");
  deepStrictEqual(
    (end.info.result as { order: unknown }).order,
    [{ key: "a", after: 3 }, { key: "b", after: 3 }, { key: "c", after: 5 }, { key: "d", after: 5 }].slice(
      0,
      ran.length,
    ),
  );
});

Deno.test("times are asked for while other branches go on, also where one step runs in a round", async () => {
  for (const fast of [true, false]) {
    const main = workflow(async () =>
      await Promise.all([
        race({ a: () => step("a", () => 1), b: () => step("b", () => 2) }),
        step("c", () => 3).then(() => step("d", () => 4)).then(() => double(1)),
      ])
    );
    const job = await runJob(main, { fast, timeline: () => ({}) });
    deepStrictEqual(result(job), [{ value: 1, winner: "a" }, 2]);
  }
});

Deno.test("a body that differs after I/O of its own fails, too", async () => {
  const made = await runJob(workflow(async () => {
    await step("a", () => 1);
    await turns(3);
    await step("b", () => 2);
    return await double(1);
  }));
  const other = workflow(async () => {
    await step("a", () => 1);
    await turns(3);
    await sleep(1);
    return await step("b", () => 2);
  });
  const error = failure(await round(other, { completed_steps: made.completed }, { patienceMs: 0 }));
  ok(String(error.message).includes('step "b"') && String(error.message).includes("sleep"), String(error.message));
});

Deno.test("the idempotency key of a task is the run's in every attempt", async () => {
  const keys: string[] = [];
  const flaky = task(async function flaky(): Promise<number> {
    const { idempotencyKey, attempt, runId } = taskInfo();
    keys.push(`${idempotencyKey} ${attempt} ${runId}`);
    if (attempt === 1) throw new Error("once");
    return await Promise.resolve(attempt);
  }, { retry: { attempts: 1 } });
  strictEqual(result(await runJob(workflow(() => flaky()))), 2);
  deepStrictEqual(keys, ["job-1/flaky 1 job-1", "job-1/flaky 2 job-1"]);
});

Deno.test("race() gives the branch that ended first by the server's times, and the same one ever after", async () => {
  const main = workflow(async () => {
    const { winner } = await race({ a: () => double(1), b: () => step("b", () => 2), c: () => double(3) });
    await double(9);
    return winner;
  });
  const entry = (name: string, second: number, duration_ms: number): unknown => ({
    name,
    started_at: `2026-01-01T00:00:0${second}.000Z`,
    duration_ms,
  });
  let asked = 0;
  const timeline = (): unknown => {
    asked++;
    return { x: entry("double", 1, 5000), "_step/b": entry("b", 5, 0), y: entry("double_2", 2, 2000), z: null };
  };
  const job = await runJob(main, { timeline });
  deepStrictEqual([result(job), asked], ["c", 1]);
});

Deno.test("a saga, and a run that fails, take back what was done, with posts and without", async () => {
  for (const fast of [true, false]) {
    const undone: string[] = [];
    const main = workflow(async () => {
      const made = (name: string): Promise<string> => step(name, () => name, { undo: (n) => void undone.push(n) });
      await saga(async () => {
        await made("a");
        await made("b");
        throw new Error("no");
      }).catch(() => undefined);
      await made("c");
      await double(1);
      throw new Error("at the end");
    });
    const job = await runJob(main, { fast });
    strictEqual(failure(job).message, "at the end");
    deepStrictEqual(undone, ["b", "a", "c"], `fast: ${fast}`);
  }
});

Deno.test("a wait that the body has given up is not waited for", async () => {
  const main = workflow(async () => {
    await saga(async () => {
      await Promise.all([sleep(1000), double(1), step("bad", () => Promise.reject(new Error("no")))]);
    }).catch(() => undefined);
    await sleep(1);
    return "done";
  });
  const job = await runJob(main);
  deepStrictEqual(result(job), "done");
  deepStrictEqual(Object.keys(job.completed).filter((key) => key.startsWith("sleep")), ["sleep_2"]);
});

Deno.test("a step is repeated as its retry says", async () => {
  let ran = 0;
  const main = workflow(async () =>
    await step("s", () => {
      if (++ran < 3) throw new Error("not yet");
      return ran;
    }, { retry: { attempts: 2, delay: 2 } })
  );
  const job = await runJob(main);
  deepStrictEqual([result(job), ran], [3, 3]);
  deepStrictEqual(Object.keys(job.completed).filter((key) => !key.startsWith("__windkit/")), [
    "s",
    "s#retry2",
    "s#2",
    "s#retry3",
    "s#3",
  ]);
});

/** One statement of a branch. */
type Act = { readonly t: "step"; readonly turns: number } | { readonly t: "task" | "sleep" | "now" | "random" };

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ t: fc.constant("step" as const), turns: fc.integer({ min: 0, max: 6 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ t: fc.constantFrom("task" as const, "sleep" as const, "now" as const, "random" as const) }),
  },
);

/** Branches that run at the same time and share names: which is called what depends on who comes first. */
const branches = fc.array(fc.array(act, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 });

function bodyOf(
  program: readonly (readonly Act[])[],
  traces: unknown[][],
  ran: Map<string, number>,
  drawn: boolean,
): unknown {
  return workflow(async () => {
    const trace: unknown[] = [];
    if (traces.at(-1)?.length !== 0) traces.push(trace);
    else traces[traces.length - 1] = trace;
    await Promise.all(program.map(async (acts, b) => {
      for (const [i, one] of acts.entries()) {
        const value = one.t === "step"
          ? await step("s", async () => {
            const { key } = taskInfo();
            ran.set(key, (ran.get(key) ?? 0) + 1);
            await turns(one.turns);
            return `${b}.${i}`;
          })
          : one.t === "task"
          ? await double(b)
          : one.t === "sleep"
          ? await sleep(1)
          : one.t === "now"
          ? now()
          : random();
        // What is drawn beside a step whose outcome ends the round is drawn again.
        trace.push(`${b}.${i} ${drawn || one.t === "step" || one.t === "task" ? value : one.t}`);
      }
    }));
    // What comes before this is recorded; what comes after the last suspension of a run need not be.
    await double(100);
    return trace;
  });
}

async function selfAgreement(program: readonly (readonly Act[])[], options: JobOptions): Promise<void> {
  const traces: unknown[][] = [];
  const ran = new Map<string, number>();
  const main = bodyOf(program, traces, ran, options.fast !== false && options.refuse === undefined);
  const job = await runJob(main, options);
  const last = result(job) as unknown[];
  // Every round saw the beginning of what the last one saw, and replaying it once more gives the same.
  for (const trace of traces) deepStrictEqual(trace, last.slice(0, trace.length));
  const again = await round(main, { completed_steps: job.completed }, {
    server: () => Promise.reject(new Error("posted")),
  });
  deepStrictEqual([result(again), again.posts], [last, []]);
  if (options.crash === undefined && options.refuse === undefined) {
    for (const [key, times] of ran) strictEqual(times, 1, key);
  }
}

const RUNS = Deno.env.get("WINDKIT_SOAK") === "1" ? 2000 : 60;

Deno.test("bodies whose keys depend on a race agree with themselves in every round, and run each step once", async () => {
  await fc.assert(fc.asyncProperty(branches, (program) => selfAgreement(program, {})), { numRuns: RUNS });
});

Deno.test("they do so without the fast path, and when it comes and goes", async () => {
  await fc.assert(fc.asyncProperty(branches, (program) => selfAgreement(program, { fast: false })), { numRuns: RUNS });
  await fc.assert(
    fc.asyncProperty(
      branches,
      fc.infiniteStream(fc.boolean()),
      (program, coin) => selfAgreement(program, { refuse: () => coin.next().value === true }),
    ),
    { numRuns: RUNS },
  );
});

/** The same with a name for each call: the keys do not depend on who comes first, and neither may the result. */
function confluent(program: readonly (readonly Act[])[]): unknown {
  return workflow(async () => {
    const seen = await Promise.all(program.map(async (acts, b) => {
      const found: unknown[] = [];
      for (const [i, one] of acts.entries()) {
        const name = `${b}.${i}`;
        if (one.t === "step") {
          found.push(await step(name, async () => (await turns(one.turns), name)));
        } else if (one.t === "task") found.push(await double(b));
        else if (one.t === "sleep") found.push(await sleep(1));
        else found.push(typeof (one.t === "now" ? now() : random()));
      }
      return found;
    }));
    return [seen, await double(100)];
  });
}

Deno.test("a process that ends at any post changes no result, and what was committed does not run again", async () => {
  const ends = fc.infiniteStream(fc.constantFrom("before" as const, "after" as const, undefined, undefined, undefined));
  await fc.assert(
    fc.asyncProperty(branches, ends, async (program, end) => {
      // Tasks share a name: with several branches their keys would depend on the order.
      const acts = program.map((branch, b) => b === 0 ? branch : branch.filter(({ t }) => t !== "task"));
      const calm = await runJob(confluent(acts));
      const torn = await runJob(confluent(acts), { crash: () => end.next().value, rounds: 1000 });
      deepStrictEqual(result(torn), result(calm));
      deepStrictEqual(unchecked(torn), []);
      const values = ({ completed }: Job): unknown =>
        Object.entries(completed).filter(([key]) => !key.startsWith("__windkit/")).toSorted();
      deepStrictEqual(values(torn), values(calm));
    }),
    { numRuns: RUNS },
  );
});
