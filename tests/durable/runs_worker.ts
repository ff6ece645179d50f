/**
 * A Worker with workflows in Durable Objects, as a user writes one. What a test asks of it goes through the client, or past it to an
 * object by its own names.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import { createWorkflowObjects, type ObjectNamespace, workflowRuns } from "@windkit/windmill-client/durable-object";
import {
  childWorkflow,
  continueAsNew,
  parallel,
  progress,
  sleep,
  step,
  task,
  taskInfo,
  waitForApproval,
  waitForEvent,
  workflow,
} from "@windkit/windmill-client/workflow";

interface Env {
  readonly RUN: ObjectNamespace;
  readonly INDEX: ObjectNamespace;
  readonly LOG: ObjectNamespace;
  /** Set while the index must not be reached. */
  readonly INDEX_DEAD?: string;
}

/** Where effects are counted: an object of its own, which remembers across restarts. */
let log: ObjectNamespace | undefined;

async function effect(what: string): Promise<void> {
  const { runId, key } = taskInfo();
  const object = log?.get(log.idFromName("log"));
  await object?.fetch(
    new Request("http://log.invalid/add", { method: "POST", body: JSON.stringify([runId, key, what]) }),
  );
}

const double = task(function double(n: number): number {
  return n * 2;
});

/** Steps, each with an effect outside. */
const steps = workflow(async (count: number) => {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += await step(`s${i}`, async () => {
      await effect("ran");
      return i;
    });
  }
  return sum;
});

/** The same without effects. */
const plain = workflow(async (count: number) => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += await step("s", () => i);
  return sum;
});

const naps = workflow(async (count: number, seconds: number) => {
  for (let i = 0; i < count; i++) {
    await step(`before ${i}`, () => effect("before"));
    await sleep(seconds);
  }
  await step("after", () => effect("after"));
  return "rested";
});

const longSleep = workflow(async (days: number) => {
  await step("before", () => effect("before"));
  await sleep(days * 86_400);
  return "awake";
});

const sums = workflow(async (numbers: number[]) => {
  const all = await parallel(numbers, (n) => double(n));
  progress({ done: all.length });
  const overlap = await Promise.all([sleep(0.05), step("beside", () => 1)]);
  return [...all, overlap.length];
});

const signOff = workflow(async () => {
  const answer = await waitForApproval({ timeout: 3600 });
  return { approved: answer.approved, value: answer.value, approver: answer.approver };
});

const orders = workflow(async (count: number) => {
  const got: unknown[] = [];
  for (let i = 0; i < count; i++) got.push(await waitForEvent("order"));
  return got;
});

const family = workflow(async (count: number) => {
  const parts = await Promise.all(Array.from({ length: count }, (_, i) => childWorkflow("plain", { count: i + 1 })));
  return parts;
});

const counter = workflow(async (left: number, sum = 0) => {
  const next = await step("add", () => sum + left);
  if (left > 1) return await continueAsNew({ left: left - 1, sum: next });
  return next;
});

const large = workflow(async (length: number) => {
  const text = await step("make", () => "é😀".repeat(length));
  await sleep(0.05);
  return { length: text.length, ends: text.slice(-3) };
});

const fails = workflow(async () => {
  await step("bad", () => {
    throw Object.assign(new Error("It broke"), { name: "BrokenError" });
  });
});

/** Two of these in one isolate must not see each other's run. */
const contexts = workflow(async (name: string, rounds: number) => {
  const seen = new Set<string>();
  await parallel(Array.from({ length: 4 }, (_, i) => i), async (i) => {
    for (let n = 0; n < rounds; n++) {
      seen.add(
        await step(`${name} ${i} ${n}`, async () => {
          const { runId } = taskInfo();
          await new Promise((resolve) => setTimeout(resolve, (n + i) % 3));
          return runId === taskInfo().runId ? runId : "mixed";
        }),
      );
    }
  });
  return [...seen];
});

const classes = createWorkflowObjects({
  DurableObject,
  workflows: { steps, plain, naps, longSleep, sums, signOff, orders, family, counter, large, fails, contexts },
  heartbeatMs: 300,
});

export class WorkflowRun extends classes.WorkflowRun {
  readonly #ctx;
  constructor(ctx: ConstructorParameters<typeof classes.WorkflowRun>[0], env: Env) {
    super(ctx, env);
    this.#ctx = ctx;
    log = env.LOG;
  }
  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/test/alarm") return Response.json(await this.#ctx.storage.getAlarm());
    if (pathname === "/test/ring") {
      const times = await request.json() as number;
      await Promise.all(Array.from({ length: times }, () => this.alarm()));
      return Response.json(await this.#ctx.storage.getAlarm());
    }
    if (pathname === "/test/tables") {
      return Response.json(
        this.#ctx.storage.sql.exec(
          "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
        )
          .toArray(),
      );
    }
    return await super.fetch(request);
  }
}

export class WorkflowIndex extends classes.WorkflowIndex {
  readonly #dead;
  constructor(ctx: ConstructorParameters<typeof classes.WorkflowIndex>[0], env: Env) {
    super(ctx, env);
    this.#dead = env.INDEX_DEAD !== undefined;
  }
  override async fetch(request: Request): Promise<Response> {
    // Neither answers nor fails, as one that is cut off.
    if (this.#dead && new URL(request.url).pathname === "/update") await new Promise(() => undefined);
    return await super.fetch(request);
  }
}

export class Log extends DurableObject {
  override async fetch(request: Request): Promise<Response> {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS log(run TEXT, key TEXT, what TEXT)");
    if (request.method === "POST") sql.exec("INSERT INTO log VALUES(?, ?, ?)", ...await request.json());
    const run = new URL(request.url).searchParams.get("run");
    return Response.json(sql.exec("SELECT key, what FROM log WHERE run = ?", run).toArray());
  }
}

/** `POST /<what>`, with arguments in the body. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/log") {
      return await env.LOG.get(env.LOG.idFromName("log")).fetch(new Request(request.url));
    }
    const namespace = searchParams.get("namespace") ?? "default";
    const runs = workflowRuns(env.RUN, env.INDEX, { namespace });
    // deno-lint-ignore no-explicit-any -- what a test sends, the test knows
    const body: any = request.method === "POST" ? await request.json() : undefined;
    const run = runs.run(searchParams.get("run") ?? "", {
      root: searchParams.get("root") ?? searchParams.get("run") ?? "",
    });
    try {
      const value = await (async () => {
        switch (pathname) {
          case "/ping":
            return "pong";
          case "/start":
            return (await runs.start(body.workflow, body.args, body.options)).id;
          case "/run":
            return await (await runs.start(body.workflow, body.args, body.options)).result();
          case "/result":
            return await run.result();
          case "/status":
            return await run.status();
          case "/signal":
            return await run.signal(body.name, body.payload, body.options);
          case "/approve":
            return await run.approve(body.key, body.answer);
          case "/approvals":
            return await run.approvals();
          case "/cancel":
            return await run.cancel(body?.reason);
          case "/journal":
            return await run.journal();
          case "/list":
            return await runs.list(body);
          case "/many":
            return await Promise.all(
              // deno-lint-ignore no-explicit-any -- see above
              body.map(async (one: any) => await (await runs.start(one.workflow, one.args, one.options)).result()),
            );
          case "/rpc": {
            // deno-lint-ignore no-explicit-any -- a stub has the methods of its class
            const object: any = env.RUN.get(env.RUN.idFromName(`${namespace}/${body.root}`));
            return await object[body.method](body.request);
          }
          default: {
            // Past the client: to the object itself.
            const object: { fetch(request: Request): Promise<Response> } = env.RUN.get(
              env.RUN.idFromName(`${namespace}/${searchParams.get("run")}`),
            );
            const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
            const response = await object.fetch(new Request(`http://run.invalid${pathname}`, sent));
            return await response.json();
          }
        }
      })();
      return Response.json({ value: value ?? null });
    } catch (error) {
      const { name, message, code } = error as Error & { readonly code?: string };
      return Response.json({ error: { name, message, code } });
    }
  },
};
