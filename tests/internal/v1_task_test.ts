/**
 * Tasks that are called in a job, but in no round of a workflow: jobs of their own (wac-protocol 12).
 */
import { deepStrictEqual, rejects, strictEqual } from "node:assert";
import { task, taskScript } from "../../src/cluster/hosted.ts";
import { type Posted, serve, setEnv } from "./_worker_round_kit.ts";

const ID = "0192f0a4-0000-7000-8000-0000000000aa";

interface Answers {
  readonly args?: unknown;
  readonly success?: boolean;
  readonly result?: unknown;
  readonly env?: Readonly<Record<string, string>>;
}

let jobs = 0;

/** Calls something in a job; gives what came of it, and the requests. */
async function inJob(call: () => Promise<unknown>, answers: Answers = {}): Promise<[unknown, readonly Posted[]]> {
  const { args = {}, success = true, result = "given", env = {} } = answers;
  const back = setEnv({
    WM_JOB_ID: `job-${++jobs}`,
    WM_FLOW_JOB_ID: "",
    WM_WORKSPACE: "ws",
    WM_TOKEN: "secret",
    BASE_INTERNAL_URL: "http://windmill.test",
    MAIN_OVERRIDE: "",
    ...env,
  });
  const { requests, stop } = serve(({ url }) => {
    if (url.includes("/get_args/")) return Promise.resolve(args === "denied" ? gone() : Response.json(args));
    if (url.includes("/workflow_as_code/")) return Promise.resolve(new Response(ID, { status: 201 }));
    if (url.includes("/getupdate_sse/")) {
      return Promise.resolve(new Response("data: {}\n\n", { headers: { "content-type": "text/event-stream" } }));
    }
    return Promise.resolve(Response.json({ completed: true, success, result, started: true }));
  });
  const { log } = console;
  console.log = (): void => {};
  try {
    return [await call(), requests];
  } finally {
    console.log = log;
    stop();
    back();
  }
}

function gone(): Response {
  return new Response("not permitted", { status: 403 });
}

let ran = 0;
const add = task(async function add(a: number, { b }: { b: number }, ...rest: unknown[]): Promise<number> {
  ran++;
  return await Promise.resolve(a + b + rest.length);
}, { tag: "gpu", timeout: 1.5 });

Deno.test("a task in a job without a workflow is a job of its own: its arguments have names, its result is waited for", async () => {
  ran = 0;
  const [result, requests] = await inJob(() => add(1, { b: 2 }, 3));
  strictEqual(result, "given");
  strictEqual(ran, 0);
  const start = requests.find(({ method }) => method === "POST");
  strictEqual(start?.url, `http://windmill.test/api/w/ws/jobs/run/workflow_as_code/job-${jobs}/add?tag=gpu&timeout=2`);
  deepStrictEqual(start.body, { args: { a: 1, arg1: { b: 2 }, rest: 3 } });
  strictEqual(start.headers.get("authorization"), "Bearer secret");
});

Deno.test("in the job that was made for it, a task runs; others are jobs again", async () => {
  ran = 0;
  const args = { _ENTRYPOINT_OVERRIDE: "add" };
  const other = task(async function other(): Promise<number> {
    return await Promise.resolve(1);
  });
  const [results, requests] = await inJob(async () => [await add(1, { b: 2 }), await other()], { args });
  deepStrictEqual([results, ran], [[3, "given"], 1]);
  strictEqual(requests.filter(({ url }) => url.includes("/get_args/")).length, 1);
  deepStrictEqual((await inJob(() => add(1, { b: 2 }), { env: { MAIN_OVERRIDE: "add" } }))[0], 3);
});

Deno.test("a job that may not read its arguments starts jobs all the same", async () => {
  strictEqual((await inJob(() => add(1, { b: 2 }), { args: "denied" }))[0], "given");
});

Deno.test("a failed job is a TaskError with what the job said", async () => {
  const error = { name: "RangeError", message: "too much", stack: "RangeError: too much", extra: { at: 1 } };
  await rejects(() => inJob(() => add(1, { b: 2 }), { success: false, result: { error } }), {
    name: "TaskError",
    message: "too much",
    step_key: "add",
    child_job_id: ID,
    result: { error },
  });
});

Deno.test("a task whose name no exported function can have is refused", async () => {
  const named = task("f/a/b", () => 1);
  await rejects(() => inJob(() => named()), { name: "TypeError", message: /Cannot run task "f\/a\/b" as a job/ });
});

Deno.test("in a step of a flow, and outside jobs, a task is a call; a script's task is refused", async () => {
  for (const env of [{ WM_FLOW_JOB_ID: "flow" }, { WM_JOB_ID: "" }]) {
    const [result, requests] = await inJob(() => add(1, { b: 2 }), { env });
    deepStrictEqual([result, requests], [3, []]);
  }
  await rejects(() => inJob(() => taskScript("f/a/b")({})), { name: "HostUnsupportedError" });
});
