/**
 * Named cases under the stand-in, in the process of the test: what a server does to a workflow, and what the workflow makes of it.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { race } from "../../src/cluster/race.ts";
import { step as undoable } from "../../src/cluster/authoring.ts";
import { saga } from "../../src/cluster/saga.ts";
import { now } from "../../src/cluster/values.ts";
import { type Api, type CaseOptions, type Client, officialClient, runCase, windkit } from "./clients.ts";
import { type Job, statusWith } from "./jobs.ts";
import type { Json } from "./jsonb.ts";
import { Cluster, type Fault, type RoundEnd } from "./server.ts";
import { hop } from "../../src/platform/hop.ts";
import { resumeIdOf } from "./signatures.ts";

const CLIENTS: readonly (readonly [string, Client])[] = [["windkit", windkit], ["official", officialClient]];

/** Keys of the steps that were completed, without what this package records beside them. */
function keysOf(cluster: Cluster, job: Job): readonly string[] {
  return Object.keys(cluster.checkpoint(job).completed_steps).filter((key) => !key.startsWith("__windkit/"));
}

function typesOf(job: Job): readonly string[] {
  return job.messages.map((message) => (message as { type: string }).type);
}

/** Faults for the first requests, of those for keys of the workflow. */
function faults(...list: readonly Fault[]): NonNullable<CaseOptions["fault"]> {
  const left = [...list];
  return (_job, body) => body.includes('"key":"__windkit/') ? undefined : left.shift();
}

// --- The fast path ---

for (const [who, client] of CLIENTS) {
  for (const fault of ["error", "timeout", "dropped", "lost"] as const) {
    Deno.test(`fast path: ${who} falls back when a post meets "${fault}", and runs no body twice`, async () => {
      const ran: string[] = [];
      const { result, job, cluster } = await runCase(client, (api) =>
        api.workflow(async () => {
          const out: unknown[] = [];
          for (const name of ["a", "b", "c"]) out.push(await api.step(name, () => (ran.push(name), name)));
          return out;
        }), { fault: faults(fault) });
      deepStrictEqual([result, ran], [["a", "b", "c"], ["a", "b", "c"]]);
      deepStrictEqual(keysOf(cluster, job), ["a", "b", "c"]);
      deepStrictEqual(typesOf(job), ["inline_checkpoint", "complete"]);
      match(job.logs, /WAC v2 inline fast path failed for key a, falling back to suspend/);
    });
  }

  Deno.test(`fast path: ${who} takes no notice of what a server says of a success`, async () => {
    const { result, job } = await runCase(
      client,
      (api) => api.workflow(async () => await api.step("a", () => 1)),
      { fault: faults("garbage") },
    );
    deepStrictEqual([result, typesOf(job)], [1, ["complete"]]);
  });

  Deno.test(`fast path: ${who} falls back when what a server says of a failure cannot be read`, async () => {
    const { result, job } = await runCase(client, (api) =>
      api.workflow(async () => {
        try {
          await api.step("a", () => {
            throw new RangeError("no");
          });
        } catch (error) {
          const { name, message, step_key: key } = error as Error & { step_key: string };
          return [name, message, key];
        }
      }), { fault: faults("garbage") });
    deepStrictEqual([result, typesOf(job)], [["TaskError", "no", "a"], ["inline_checkpoint", "complete"]]);
  });

  for (const fastPath of ["echo", "empty"] as const) {
    Deno.test(`fast path: ${who} gives a failure alike in its round and later, with a server that answers "${fastPath}"`, async () => {
      const seen: unknown[] = [];
      const { cluster, job } = await runCase(client, (api) =>
        api.workflow(async () => {
          try {
            await api.step("a", () => {
              throw Object.assign(new RangeError("no"), { at: 7, stack: "RangeError: no\n".repeat(1000) });
            });
          } catch (error) {
            const { name, message, step_key: key, result } = error as Error & { step_key: string; result: unknown };
            seen.push(JSON.parse(JSON.stringify({ name, message, key, result })));
          }
          await api.sleep(1);
        }), { fastPath });
      strictEqual(seen.length, 2);
      const kept = cluster.checkpoint(job).completed_steps.a as { result: unknown };
      deepStrictEqual((seen[1] as { result: unknown }).result, kept.result);
      // An older server does not say what it keeps: the official client's live error is then the one that it posted.
      if (who === "windkit" || fastPath === "echo") deepStrictEqual(seen[0], seen[1]);
    });
  }

  Deno.test(`fast path: ${who} has one post in flight`, async () => {
    let most = 0, inFlight = 0;
    const { result } = await runCase(
      client,
      (api) => api.workflow(async () => await Promise.all(["a", "b", "c"].map((n) => api.step(n, () => n)))),
      {
        before: (cluster) => {
          const { handle } = cluster;
          cluster.handle = async (request) => {
            most = Math.max(most, ++inFlight);
            // Time in which another could come.
            for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => hop(resolve));
            inFlight--;
            return await handle.call(cluster, request);
          };
        },
      },
    );
    deepStrictEqual([result, most], [["a", "b", "c"], 1]);
  });
}

Deno.test("fast path: a token of another job is refused, and the step goes the slow way", async () => {
  const { result, job } = await runCase(windkit, (api) => api.workflow(async () => await api.step("a", () => 1)), {
    before: (cluster) => {
      cluster.tokenOf = () => "user_token";
      const { handle } = cluster;
      cluster.handle = async (request) => {
        cluster.tokenOf = (of: Job) => `jwt_ephemeral_${of.id}`;
        try {
          return await handle.call(cluster, request);
        } finally {
          cluster.tokenOf = () => "user_token";
        }
      };
    },
  });
  deepStrictEqual([result, typesOf(job)], [1, ["inline_checkpoint", "complete"]]);
});

Deno.test("a value that looks like a failure is one at once, and not only in later rounds", async () => {
  const body = (api: Api): unknown =>
    api.workflow(async () => {
      await api.step("s", () => ({ __wmill_error: 1, message: "marked" }));
      await api.sleep(1);
    });
  const mine = await runCase(windkit, body);
  deepStrictEqual([mine.failure, typesOf(mine.job)], [["TaskError", "marked"], []]);
  // The official client sleeps first: the round that runs the step gets the value.
  const theirs = await runCase(officialClient, body);
  deepStrictEqual([theirs.failure, typesOf(theirs.job)], [["TaskError", "marked"], ["sleep"]]);
});

// --- Suspensions ---

for (const newest of [true, false]) {
  Deno.test(`suspension: a body that catches everything changes nothing, under the ${newest ? "newest" : "older"} wrapper`, async () => {
    const body = (api: Api): unknown => {
      const t = api.task("t", async (n: number) => await Promise.resolve(n));
      return api.workflow(async () => {
        const out: unknown[] = [];
        for (
          const call of [() => t(1), () => api.sleep(5), () => api.waitForApproval(), () => api.step("s", () => 2)]
        ) {
          try {
            out.push(await call() ?? "slept");
          } catch (error) {
            out.push(`caught ${(error as Error).name}`);
          }
        }
        return out;
      });
    };
    const options: CaseOptions = { newest, answer: () => ({ value: 1, approver: "ann" }) };
    const mine = await runCase(windkit, body, options);
    deepStrictEqual(mine.result, [1, "slept", { value: 1, approved: true, approver: "ann" }, 2]);
    const theirs = await runCase(officialClient, body, options);
    // Under the older wrapper the official client's round completes with what its body made of the suspension.
    strictEqual(JSON.stringify(theirs.result).includes("caught StepSuspend"), !newest);
  });
}

// --- Children ---

function taskOf(api: Api, fn: (n: number) => unknown): (n: number) => Promise<unknown> {
  return api.task("t", async (n: number) => await Promise.resolve(fn(n)));
}

async function shown(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    const e = error as Error & { step_key?: string; child_job_id?: string; result?: { error?: { name?: string } } };
    return [e.name, e.message, e.step_key, e.child_job_id !== undefined, e.result?.error?.name];
  }
}

for (const [who, client] of CLIENTS) {
  Deno.test(`children: ${who} gets a failing child's failure, and its siblings go on`, async () => {
    const { result, cluster } = await runCase(client, (api) => {
      const t = taskOf(api, (n) => {
        if (n === 2) throw new RangeError("two");
        return n;
      });
      return api.workflow(async () => {
        return await shown(Promise.all([t(1), t(2), t(3)]));
      });
    });
    deepStrictEqual(result, ["TaskError", "two", "t_2", true, "RangeError"]);
    deepStrictEqual([...cluster.jobs.values()].map((j) => j.completed?.success), [true, true, false, true]);
  });

  Deno.test(`children: ${who} gets a cancelled child as a failure`, async () => {
    const { result } = await runCase(client, (api) => {
      const t = taskOf(api, (n) => n);
      return api.workflow(async () => await shown(Promise.all([t(1), t(2)])));
    }, {
      onRoundEnd: function cancelSecond(job) {
        if (job.step?.key === "t") { for (const j of jobsOf(job)) if (j.step?.key === "t_2") j.canceledBy = "eve"; }
      },
      before: (cluster, job) => void all.set(job.id, cluster),
    });
    deepStrictEqual(result, ["TaskError", "Job canceled: no reason by eve", "t_2", true, "Canceled"]);
  });

  Deno.test(`children: ${who} gets what an external script fails with, attempt by attempt, with back-offs between`, async () => {
    const { result, cluster, job } = await runCase(client, (api) =>
      api.workflow(async () =>
        await shown(
          api.taskScript("f/x/flaky", { retry: { attempts: 3, delay: 2, multiplier: 3, max_delay: 10 } })({ a: 1 }),
        )
      ), {
      external: () => (_args, child) => {
        throw Object.assign(new Error(`no ${child.step?.key}`), { name: "FlakyError" });
      },
    });
    deepStrictEqual(result, ["TaskError", "no flaky#4", "flaky#4", true, "FlakyError"]);
    const status = JSON.parse(job.status ?? "{}") as Record<string, { sleep_duration_s?: number }>;
    deepStrictEqual(
      [2, 3, 4].map((n) => status[`_step/flaky#retry${n}`]?.sleep_duration_s),
      [2, 6, 10],
    );
    strictEqual(cluster.now, 1_750_000_000_000 + 18_000);
  });

  Deno.test(`children: ${who} fails when not all of them can be pushed, and those that were are cancelled`, async () => {
    const { failure, cluster, job } = await runCase(client, (api) => {
      const t = taskOf(api, (n) => n);
      return api.workflow(async () => await Promise.all([t(1), t(2)]));
    }, { pushFails: ({ key }) => key === "t_2" ? "Tag gpu is not allowed" : undefined });
    deepStrictEqual(failure, ["InternalErr", "Tag gpu is not allowed"]);
    strictEqual(cluster.checkpoint(job).pending_steps, undefined);
    const [, child] = cluster.jobs.values();
    strictEqual(child?.canceledReason, "WAC dispatch failed: not all children could be pushed");
  });
}

const all = new Map<string, Cluster>();

/** Jobs of the same stand-in. */
function jobsOf(job: Job): Iterable<Job> {
  return all.get(job.parent ?? job.id)?.jobs.values() ?? [];
}

Deno.test("children: seeds, options and the parent's timeline are the protocol's", async () => {
  const { cluster, job } = await runCase(windkit, (api) => {
    const t = api.task("t", async (n: number) => await Promise.resolve(n), { tag: "gpu", timeout: 30 });
    return api.workflow(async (a: number) => {
      await api.step("s", () => ({ z: 1, a: 2 }));
      await t(a);
      await api.sleep(3);
    });
  }, { args: { a: 5 }, script: { hash: "77", path: "f/a/b" } });
  const [, child] = cluster.jobs.values();
  ok(child !== undefined);
  const seed = cluster.checkpoint(child);
  strictEqual(seed._executing_key, "t");
  deepStrictEqual(seed.completed_steps.s, { a: 2, z: 1 });
  deepStrictEqual([child.args, child.tag, child.timeout, child.parent, child.root], [
    { a: 5 },
    "gpu",
    30,
    job.id,
    job.id,
  ]);
  const checkpoint = cluster.checkpoint(job);
  deepStrictEqual([checkpoint.source_hash, checkpoint.input_args, checkpoint.job_ids], ["77", { a: 5 }, {
    t: child.id,
  }]);
  const status = JSON.parse(job.status ?? "{}") as Record<string, Record<string, unknown>>;
  strictEqual(status[child.id]?.name, "t");
  strictEqual(typeof status[child.id]?.duration_ms, "number");
  strictEqual(status["_step/s"]?.name, "s");
  strictEqual(status["_step/sleep"]?.sleep_duration_s, 3);
});

Deno.test("children: those that are still missing when a park ends after 14 days are dispatched again", async () => {
  let runs = 0;
  const { result, cluster } = await runCase(windkit, (api) => {
    const t = taskOf(api, (n) => n);
    return api.workflow(async () => await Promise.all([t(1), t(2)]));
  }, {
    onRoundEnd: (job) => {
      // The first child for t_2 is lost: its parent waits until the park is over.
      if (job.step?.key === "t_2" && ++runs === 1) (job as { parent?: string }).parent = "nobody";
    },
  });
  deepStrictEqual(result, [1, 2]);
  strictEqual(cluster.now, 1_750_000_000_000 + 14 * 86_400_000);
  deepStrictEqual([...cluster.jobs.values()].map((j) => j.step?.key), [undefined, "t", "t_2", "t_2"]);
});

// --- The earliest of several ---

function raced(count: number): (api: Api) => unknown {
  return (api) => {
    const t = api.task("t", async (n: number) => await Promise.resolve(n * 10));
    return api.workflow(async () => {
      const first = await race(Array.from({ length: count }, (_, n) => () => t(n)));
      await api.sleep(5);
      return [first, await t(9)];
    });
  };
}

/** Seconds that the children of `raced` take. */
function seconds(...list: readonly number[]): NonNullable<CaseOptions["duration"]> {
  return ({ step }) => (list[Number(step?.key.replace(/^t_?/, "") || 1) - 1] ?? 0) * 1000;
}

Deno.test("race(): the winner is the earliest to end by the server's times, in every later round", async () => {
  const { result, cluster, job } = await runCase(windkit, raced(3), { duration: seconds(7, 2, 4) });
  deepStrictEqual(result, [{ winner: 1, value: 10 }, 90]);
  // The parent was woken when the last of them had ended.
  strictEqual(cluster.now, 1_750_000_000_000 + 7_000 + 5_000);
  ok(cluster.requests.some((line) => line.startsWith(`GET jobs_u/getupdate/${job.id}`)));
  const records = Object.entries(cluster.checkpoint(job).completed_steps).filter(([key]) =>
    key.startsWith("__windkit/")
  );
  ok(records.some(([, value]) => JSON.stringify(value).includes('"markers":[{')), "The winner is no marker");
});

Deno.test("race(): without the server's times the first in order wins, and the log says so", async () => {
  const { result, job } = await runCase(windkit, raced(2), {
    duration: seconds(7, 2),
    before: (cluster) => {
      const { handle } = cluster;
      cluster.handle = async (request) =>
        request.url.includes("/jobs_u/getupdate/")
          ? new Response("down", { status: 500 })
          : await handle.call(cluster, request);
    },
  });
  deepStrictEqual(result, [{ winner: 0, value: 0 }, 90]);
  match(job.logs, /the times of the branches of race\(\) are not known/);
});

Deno.test("race(): what a branch calls within a saga or another race counts as the branch's", async () => {
  const { result, failure } = await runCase(windkit, ({ workflow, task }) => {
    const t = task("t", async (n: number) => await Promise.resolve(n));
    return workflow(async () => {
      const first = await race({
        nested: async () => (await race([() => t(0), () => t(1)])).value,
        saga: () => saga(() => t(2)),
        plain: () => t(3),
      });
      return first.winner;
    });
  }, { duration: seconds(20, 10, 8, 3) });
  deepStrictEqual([result, failure], ["plain", undefined]);
});

Deno.test("race(): two that end in one round keep their winners, whichever the server tells of first", async () => {
  let asked = 0;
  const { result, failure } = await runCase(windkit, ({ workflow, task, step, sleep }) => {
    const t = task("t", async (n: number) => await Promise.resolve(n));
    return workflow(async () => {
      const one = async () => (await race([() => t(0), () => t(1)])).value;
      const two = async () => (await race([() => t(2), () => t(3)])).value;
      const beside = async () => {
        await t(4);
        for (let i = 0; i < 3; i++) await step(`s${i}`, () => i);
      };
      const values = await Promise.all([one(), two(), beside()]);
      await sleep(1);
      return values;
    });
  }, {
    duration: seconds(7, 2, 1, 9, 1),
    before: (cluster) => {
      const { handle } = cluster;
      cluster.handle = async (request) => {
        // The answer to the first question comes after the second one's.
        if (request.url.includes("getupdate") && ++asked % 2 === 1) {
          for (let i = 0; i < 40; i++) await new Promise<void>((resolve) => hop(resolve));
        }
        return await handle.call(cluster, request);
      };
    },
  });
  deepStrictEqual([result, failure], [[1, 2, null], undefined]);
});

Deno.test("undo: is found again in the round after one that ended with a marker's record", async () => {
  for (const posts of [true, false]) {
    const ran: string[] = [];
    const { failure } = await runCase(windkit, ({ workflow }) =>
      workflow(async () => {
        await undoable("a", () => 1, { undo: () => void ran.push("undo") });
        now();
        throw new Error("No");
      }), { posts });
    deepStrictEqual([failure?.[1], ran], ["No", ["undo"]]);
  }
});

Deno.test("Promise.race(): the first in order, whichever ended first, under both clients", async () => {
  for (const [, client] of CLIENTS) {
    const { result } = await runCase(client, (api) => {
      const t = taskOf(api, (n) => n);
      return api.workflow(async () => await Promise.race([t(1), t(2)]));
    }, { duration: seconds(7, 2) });
    strictEqual(result, 1);
  }
});

// --- Approvals ---

function approve(key?: string): (api: Api) => unknown {
  return (api) =>
    api.workflow(async () => await api.waitForApproval({ timeout: 90, ...(key === undefined ? {} : { key }) }));
}

for (const [who, client] of CLIENTS) {
  for (
    const [what, answer, expected] of [
      ["is approved", () => ({ value: { n: 1 }, approver: "ann" }), {
        value: { n: 1 },
        approver: "ann",
        approved: true,
      }],
      ["is rejected", () => ({ approved: false }), { value: null, approver: "anonymous", approved: false }],
      ["runs out of time", () => undefined, { value: null, approver: null, approved: false }],
    ] as const
  ) {
    Deno.test(`approvals: ${who} goes on when one ${what}`, async () => {
      const { result, cluster } = await runCase(client, approve("manager"), { answer });
      deepStrictEqual(result, expected);
      strictEqual(cluster.now, 1_750_000_000_000 + (answer() === undefined ? 90_000 : 0));
    });
  }

  Deno.test(`approvals: ${who} takes an answer that was banked before, and one answer once`, async () => {
    const { result, job } = await runCase(client, (api) =>
      api.workflow(async () => {
        const first = await api.waitForApproval({ timeout: 5 });
        return [first.value, (await api.waitForApproval({ timeout: 7 })).value];
      }), {
      before: (cluster, of) => cluster.resume(of, 12345, { value: "early" }),
    });
    deepStrictEqual(result, ["early", null]);
    strictEqual(job.resumes.length, 1);
  });

  Deno.test(`approvals: ${who} may ask for an approval that its asker cannot give, but not of a community build`, async () => {
    const body = (api: Api): unknown => api.workflow(async () => await api.waitForApproval({ selfApproval: false }));
    const { job } = await runCase(client, body, { answer: () => ({}) });
    deepStrictEqual(job.approvalConditions, { self_approval_disabled: true });
    const { failure } = await runCase(client, body, { enterprise: false });
    deepStrictEqual(failure, ["InternalErr", "Disabling self-approval is an enterprise only feature"]);
  });
}

Deno.test("approvals: an answer is for its key when links were made for it", async () => {
  const refused: string[] = [];
  const { result } = await runCase(windkit, (api) =>
    api.workflow(async () => {
      const one = await api.waitForApproval({ key: "one", timeout: 60 });
      return [one.value, (await api.waitForApproval({ key: "two", timeout: 60 })).value];
    }), {
    before: (cluster, job) => {
      job.status = statusWith(job.status, { _minted_approval_keys: { one: true, two: true } });
      try {
        cluster.resume(job, resumeIdOf("two"), { value: 2 });
      } catch (error) {
        refused.push((error as Error).message);
      }
    },
    answer: (key) => ({ value: key }),
  });
  deepStrictEqual(result, ["one", "two"]);
  deepStrictEqual(refused, ["this approval link is bound to step `two`, which is not currently awaiting approval"]);
});

Deno.test("approvals: the second use of a link is refused", () => {
  const cluster = new Cluster({ runner: () => Promise.reject(new Error("no round")) });
  const job = cluster.start({ code: "" });
  cluster.resume(job, 1, {});
  let message = "";
  try {
    cluster.resume(job, 1, {});
  } catch (error) {
    message = (error as Error).message;
  }
  strictEqual(message, "resume request already sent");
});

// --- Sources, cancels, checkpoints ---

for (const [who, client] of CLIENTS) {
  Deno.test(`source: ${who} is stopped at the next dispatch when the code changed between rounds`, async () => {
    const { failure } = await runCase(client, (api) => {
      const t = taskOf(api, (n) => n);
      return api.workflow(async () => [await t(1), await api.sleep(1), await t(2)]);
    }, {
      script: { hash: "1" },
      onRoundEnd: (job) => {
        if (job.parent === undefined) Object.assign(job, { script: { ...job.script, hash: `${job.messages.length}` } });
      },
    });
    strictEqual(failure?.[0], "InternalErr");
    match(String(failure?.[1]), /^Workflow source code changed between replays/);
  });

  Deno.test(`cancel: ${who} ends when it is cancelled while a round runs, and does not park`, async () => {
    const { failure, cluster, job } = await runCase(client, (api) => {
      const t = taskOf(api, (n) => n);
      return api.workflow(async () => await t(1));
    }, { onRoundEnd: (of) => void (of.canceledBy = "eve") });
    deepStrictEqual(failure, ["Canceled", "Job canceled: no reason by eve"]);
    deepStrictEqual([job.suspendUntil, cluster.jobs.size], [undefined, 1]);
  });

  Deno.test(`cancel: ${who} ends when it is cancelled while it is parked, with its children`, async () => {
    let runs = 0;
    const { failure, cluster } = await runCase(client, (api) => {
      const t = taskOf(api, (n) => n);
      return api.workflow(async () => await Promise.all([t(1), t(2)]));
    }, {
      before: (c, job) => void all.set(job.id, c),
      onRoundEnd: (job) => {
        const own = all.get(job.parent ?? job.id);
        if (job.parent !== undefined && ++runs === 1) own?.cancel(own.jobs.get(job.parent) ?? job, "eve", "enough");
      },
    });
    deepStrictEqual(failure, ["Canceled", "Job canceled: enough by eve"]);
    deepStrictEqual([...cluster.jobs.values()].map((j) => j.canceledBy), ["eve", "eve", "eve"]);
  });

  Deno.test(`checkpoint: ${who} begins anew when it does not parse`, async () => {
    const { result, cluster } = await runCase(client, (api) => api.workflow(async () => await api.step("s", () => 1)), {
      before: (_, job) => void (job.status = '{"_checkpoint":{"completed_steps":{"s":7},"job_ids":[]}}'),
    });
    strictEqual(result, 1);
    ok(cluster.log.some((line) => line.startsWith("Failed to deserialize WAC checkpoint")));
  });

  Deno.test(`checkpoint: ${who} takes values that look like nothing for completed, and keys that look like fields`, async () => {
    const planted: Record<string, Json> = JSON.parse(
      '{"a":null,"b":false,"c":0,"d":"","__proto__":{"x":1},"constructor":5}',
    );
    const { result } = await runCase(client, (api) =>
      api.workflow(async () => {
        const out: unknown[] = [];
        for (const name of Object.keys(planted)) out.push(await api.step(name, () => "ran"));
        out.push(await api.step("toString", () => "ran"));
        return out;
      }), {
      before: (_, job) => void (job.status = JSON.stringify({ _checkpoint: { completed_steps: planted } })),
    });
    deepStrictEqual(result, [null, false, 0, "", { x: 1 }, 5, "ran"]);
  });

  for (
    const [what, failure, message] of [
      ["a text as its error", { __wmill_error: true, message: "m", result: { error: "old" } }, "m"],
      ["nothing but the mark", { __wmill_error: true }, "Step 's' failed"],
    ] as const
  ) {
    Deno.test(`checkpoint: ${who} throws a record that has ${what}`, async () => {
      const { result } = await runCase(client, (api) => api.workflow(async () => await shown(api.step("s", () => 1))), {
        before: (_, job) => void (job.status = JSON.stringify({ _checkpoint: { completed_steps: { s: failure } } })),
      });
      const [name, text] = result as readonly Json[];
      // The server's words stand in for what a record does not say; the official client has words of its own.
      const expected = who === "windkit" && message.startsWith("Step") ? "WAC step 's' failed" : message;
      deepStrictEqual([name, text], ["TaskError", expected]);
    });
  }
}

Deno.test("a process that dies without a result fails its job with the last lines of its log", async () => {
  const ends: RoundEnd[] = [{ code: 137, logs: "one\ntwo\nthree\nfour\n" }, { code: undefined, logs: "" }, {
    code: 0,
    logs: "",
  }];
  const failures: unknown[] = [];
  for (const end of ends) {
    const cluster = new Cluster({ runner: () => Promise.resolve(end) });
    const { result } = await cluster.drive(cluster.start({ code: "" }));
    failures.push((result as { error: { message: string } }).error.message);
  }
  deepStrictEqual(failures, [
    'exit code for "bun run": 137, last log lines:\n\ntwo\nthree\nfour',
    "Job timed out",
    "Job did not write a result",
  ]);
});
