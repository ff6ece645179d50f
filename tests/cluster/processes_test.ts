/**
 * Named cases as real Bun processes: what only a process shows.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import type { Job, Script } from "./jobs.ts";
import type { Json } from "./jsonb.ts";
import { packages } from "./packages.ts";
import { Cluster, type ClusterOptions } from "./server.ts";
import { startWorker, type WorkerOptions } from "./worker.ts";

const found = await packages();
const ignore = typeof found === "string";

const NAMES = "parallel, sleep, step, task, taskScript, waitForApproval, workflow";
const IMPORTS = {
  official: `import { ${NAMES}, getApprovalUrls } from "windmill-client@1.818.0";`,
  windkit: `import { ${NAMES} } from "@windkit/windmill-client@0.1.0/workflow";\n` +
    `import { getApprovalUrls } from "@windkit/windmill-client";\nimport "windmill-client";`,
} as const;
type Who = keyof typeof IMPORTS;
const BOTH: readonly Who[] = ["windkit", "official"];

interface Options extends WorkerOptions, Omit<Partial<ClusterOptions>, "runner"> {
  readonly args?: Record<string, Json>;
  readonly script?: Partial<Script>;
  readonly mostRounds?: number;
}

interface Ran {
  readonly success: boolean;
  readonly result: Json;
  readonly cluster: Cluster;
  readonly job: Job;
  /** Logs of all jobs. */
  readonly logs: string;
}

async function run(who: Who, body: string, options: Options = {}): Promise<Ran> {
  const { bundled = false, target = "bun", newest = true, env = {}, limitMs = 20_000, args, script, ...rest } = options;
  await using worker = await startWorker(() => cluster, { bundled, target, newest, env, limitMs });
  const cluster: Cluster = new Cluster({ runner: worker.runner, workers: 2, ...rest });
  const job = cluster.start({ code: `${IMPORTS[who]}\n${body}`, ...script }, args);
  const completed = await cluster.drive(job);
  const logs = [...cluster.jobs.values()].map((j) => j.logs).join("\n");
  return { ...completed, cluster, job, logs };
}

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `in Bun: ${name}`, ignore, fn });
}

const SLOW_STEP = `
async function slow() {
  console.log("ran the slow step");
  await new Promise((resolve) => setTimeout(resolve, 60));
  return 2;
}`;

test("a step beside a task runs once; the official client's runs again (wac-protocol 14.8)", async () => {
  const body = `${SLOW_STEP}
const double = task(async (n: number) => n * 2);
export const main = workflow(async () => await Promise.all([double(1), step("s", slow)]));`;
  const [mine, theirs] = [await run("windkit", body), await run("official", body)];
  deepStrictEqual([mine.result, theirs.result], [[2, 2], [2, 2]]);
  strictEqual(count(mine.logs, "ran the slow step"), 1);
  strictEqual(count(theirs.logs, "ran the slow step"), 2);
});

test("a task that nobody awaits ends as a job of its own (wac-protocol 14.5)", async () => {
  const body = `
const late = task(async () => {
  await new Promise((resolve) => setTimeout(resolve, 30));
  console.log("the task has ended");
  return "task";
});
export const main = workflow(async () => {
  void late();
  return "body";
});`;
  const [mine, theirs] = [await run("windkit", body), await run("official", body)];
  const results = [mine, theirs].map(({ result, cluster, job }) => [
    result,
    cluster.checkpoint(job).completed_steps.late,
  ]);
  // The official child reports the workflow's value as the task's, and ends the task in its middle.
  deepStrictEqual(results, [["body", "task"], ["body", "body"]]);
  deepStrictEqual([count(mine.logs, "the task has ended"), count(theirs.logs, "the task has ended")], [1, 0]);
});

test("Promise.allSettled and Promise.any see all of several tasks; the official client hangs (wac-protocol 14.4)", async () => {
  const body = `
const t = task(async (n: number) => {
  if (n > 1) throw new RangeError("no " + n);
  return n;
});
export const main = workflow(async () => {
  const all = await Promise.allSettled([t(1), t(2)]);
  return [all.map((a) => a.status), await Promise.any([t(3), t(1)])];
});`;
  const { result } = await run("windkit", body, { bundled: true });
  deepStrictEqual(result, [["fulfilled", "rejected"], 1]);
  const theirs = await run("official", body, { limitMs: 1500 });
  deepStrictEqual([theirs.success, theirs.job.hung], [false, 1]);
});

for (const who of BOTH) {
  for (const target of [undefined, "bun", "node"] as const) {
    test(`${who}: names, values, dates and markers of the log, ${target === undefined ? "not bundled" : `bundled for ${target}`}`, async () => {
      const { result, job, cluster } = await run(
        who,
        `
const first = task(async (when: Date) => ({ when, big: 10n, none: undefined }));
export const second = task(async function named(n: number) { return n; });
export const main = workflow(async (when: Date, n: number) => {
  const got = [await first(when), await second(n), await step("s", () => new Map([[1, 2]]))];
  await sleep(1.2);
  return [when instanceof Date, got];
});`,
        {
          bundled: target !== undefined,
          ...(target && { target }),
          args: { n: 5, when: "2026-01-02T03:04:05.000Z" },
          script: { hash: "9" },
        },
      );
      deepStrictEqual(result, [true, [{ big: "10", none: null, when: "2026-01-02T03:04:05.000Z" }, 5, {}]]);
      const steps = job.messages.flatMap((m) => (m as { steps?: { name: string; script: string }[] }).steps ?? []);
      deepStrictEqual(steps.map(({ name, script }) => [name, script]), [["first", "first"], ["named", "second"]]);
      ok(cluster.requests.some((line) => line === `POST jobs/wac/inline_checkpoint/${job.id}`));
      for (
        const marker of ["\n--- WAC: first ---", "\n--- WAC: s ---", "--- WAC: sleep(sleep, ", "--- WAC: complete ---"]
      ) {
        ok(job.logs.includes(marker), `The log has no ${JSON.stringify(marker)}:\n${job.logs}`);
      }
      match(job.logs, /WM_WAC_STEP: \{"key":"s","started_at":"[^"]+Z"\}/);
    });
  }

  test(`${who}: links of an approval are for its step, and the wrong signature opens nothing`, async () => {
    const answers: Promise<Response>[] = [];
    const { result, cluster, job } = await run(
      who,
      `
export const main = workflow(async () => {
  const urls = await step("urls", () => getApprovalUrls("manager", "ann"));
  const early = await step("early", async () => {
    return (await fetch(urls.resume.replace("http://windmill.test", process.env.BASE_URL ?? ""))).status;
  });
  const { value, approver, approved } = await waitForApproval({ key: "manager", timeout: 60 });
  return { urls, early, value, approver, approved };
});`,
      {
        answer: (key, of, server) => {
          const { resume } = server.urls(of, key, "ann");
          const payload = btoa(JSON.stringify({ n: 1 }));
          answers.push(
            server.handle(new Request(resume.replace("approver=ann", "approver=eve"))),
            server.handle(new Request(`${resume}&payload=${payload}`)),
          );
          return undefined;
        },
      },
    );
    ok(cluster.requests.includes(`GET jobs/wac_approval_urls/${job.id}/manager`));
    deepStrictEqual((await Promise.all(answers)).map(({ status }) => status), [401, 201]);
    deepStrictEqual(result, {
      urls: cluster.urls(job, "manager", "ann"),
      early: 400,
      value: { n: 1 },
      approver: "ann",
      approved: true,
    });
  });

  test(`${who}: a child whose process dies is a failure with the exit code`, async () => {
    const { result } = await run(
      who,
      `
const dies = task(async () => process.exit(3));
export const main = workflow(async () => {
  try {
    return await dies();
  } catch (error) {
    const e = error as any;
    if (e.name === "StepSuspend") throw e; // for the official client, whose suspensions are errors
    return [e.name, e.message.split(",")[0], e.result.error.exit_code];
  }
});`,
    );
    deepStrictEqual(result, ["TaskError", 'exit code for "bun run": 3', 3]);
  });

  test(`${who}: a failure that leaves the body fails the job, with fields and step id`, async () => {
    const { success, result } = await run(
      who,
      `
const bad = task(async () => {
  throw Object.assign(new RangeError("bad"), { at: { n: 1n }, when: new Date(0) });
});
export const main = workflow(async () => await bad());`,
      { env: { WM_FLOW_STEP_ID: "c" } },
    );
    const { error } = result as {
      error: { name: string; message: string; step_id: string; extra: Record<string, Json> };
    };
    strictEqual(success, false);
    deepStrictEqual([error.name, error.message, error.step_id, error.extra.step_key], ["TaskError", "bad", "c", "bad"]);
    const cause = (error.extra.result as { error: { name: string; extra: Json; step_id: string } }).error;
    deepStrictEqual([cause.name, cause.extra, cause.step_id], ["RangeError", {
      at: { n: "1" },
      when: "1970-01-01T00:00:00.000Z",
    }, "c"]);
  });

  test(`${who}: the preprocessor runs once, and later rounds have its arguments`, async () => {
    const { result, job, logs } = await run(
      who,
      `
export async function preprocessor(event: { kind: string }) {
  console.log("preprocessed");
  return { n: 20 };
}
const double = task(async (n: number) => n * 2);
export const main = workflow(async (n: number) => await double(n) + n);`,
      { args: { event: { kind: "webhook" } }, script: { preprocess: true } },
    );
    deepStrictEqual([result, job.args, count(logs, "preprocessed")], [60, { n: 20 }, 1]);
  });

  for (
    const [what, env, expected] of [["a job of its own", {}, 2], [
      "a call in a flow's step",
      { WM_FLOW_JOB_ID: "f" },
      1,
    ]] as const
  ) {
    test(`${who}: a task of a script that is no workflow is ${what} (wac-protocol 12)`, async () => {
      const { result, cluster } = await run(
        who,
        "",
        {
          args: { n: 4 },
          env,
          script: {
            // The path "/workflow" would make a workflow of it, for the worker (wac-protocol 1.1).
            code: `import { task } from "${who === "windkit" ? "@windkit/" : ""}windmill-client";
export async function twice(n: number) {
  return { n: n * 2 };
}
export async function main(n: number) {
  return (await task(twice)(n)).n;
}`,
          },
        },
      );
      strictEqual(result, 8);
      strictEqual(cluster.jobs.size, expected);
    });
  }
}

test("a call inside a task fails it; the official child hangs (wac-protocol 14.6)", async () => {
  const { result } = await run(
    "windkit",
    `
const outer = task(async () => await step("inner", () => 1));
export const main = workflow(async () => {
  try {
    return await outer();
  } catch (error) {
    return (error as any).name;
  }
});`,
  );
  strictEqual(result, "HostUnsupportedError");
});

test("two slow steps without the fast path run once each", async () => {
  const { result, logs } = await run(
    "windkit",
    `${SLOW_STEP}
export const main = workflow(async () => await Promise.all([step("a", slow), step("b", slow)]));`,
    { env: { WM_WAC_INLINE_FAST_PATH: " No " } },
  );
  deepStrictEqual([result, count(logs, "ran the slow step")], [[2, 2], 2]);
});

test("a connection that breaks sends the step the slow way", async () => {
  const left = ["dropped", "error"] as ("dropped" | "error")[];
  const { result, job } = await run(
    "windkit",
    `export const main = workflow(async () => [await step("a", () => 1), await step("b", () => 2), await step("c", () => 3)]);`,
    { fault: (_job, body) => body.includes('"key":"__windkit/') ? undefined : left.shift() },
  );
  deepStrictEqual(result, [1, 2, 3]);
  deepStrictEqual(job.messages.map((m) => (m as { type: string }).type), [
    "inline_checkpoint",
    "inline_checkpoint",
    "complete",
  ]);
});
