/**
 * Where a workflow of this package does otherwise than one of the official client: a table, each row with its reason and a body that
 * shows it under both.
 */
import { deepStrictEqual } from "node:assert";
import { external } from "./programs.ts";
import { type Api, drive, officialClient, windkit } from "./wrapper.ts";

/** What this package does otherwise than the official client, and why. */
interface Difference {
  readonly what: string;
  readonly why: string;
  readonly body: (api: Api) => unknown;
  readonly official: (end: string) => boolean;
  readonly windkit: unknown;
}

function double(api: Api): (n: number) => Promise<number> {
  return api.task(async function double(n: number): Promise<number> {
    return await Promise.resolve(n * 2);
  });
}

const DIFFERENCES: readonly Difference[] = [
  {
    what: "Promise.allSettled over two uncached tasks",
    why: "wac-protocol 14.4: the official client hangs",
    body: (api) =>
      api.workflow(async () => (await Promise.allSettled([double(api)(1), double(api)(2)])).map((r) => r.status)),
    official: (end) => end.includes("timed out"),
    windkit: { type: "complete", result: ["fulfilled", "fulfilled"] },
  },
  {
    what: "Promise.any over two uncached tasks",
    why: "wac-protocol 14.4: the official client hangs",
    body: (api) => api.workflow(async () => await Promise.any([double(api)(1), double(api)(2)])),
    official: (end) => end.includes("timed out"),
    windkit: { type: "complete", result: 2 },
  },
  {
    what: "a task that is never awaited",
    why: "wac-protocol 14.5: the official child reports the workflow's value as the task's result",
    body: (api) =>
      api.workflow(async () => {
        void double(api)(21);
        return await Promise.resolve("body");
      }),
    official: () => true,
    windkit: { type: "complete", result: "body" },
  },
  {
    what: "a failed task that nobody awaits",
    why: "the official client ends green and logs a line; here it fails the run",
    body: (api) => {
      const bad = api.task(async function bad(): Promise<never> {
        await Promise.resolve();
        throw new Error("lost");
      });
      return api.workflow(async () => {
        void bad();
        return await Promise.resolve("green");
      });
    },
    official: () => true,
    windkit: { type: "failed", name: "TaskError", message: "lost" },
  },
  {
    what: "a suspension that the body catches and replaces",
    why: "wac-protocol 10: the official suspension is an Error that `catch` sees",
    body: (api) =>
      api.workflow(async () => {
        try {
          return await double(api)(4);
        } catch {
          throw new Error("caught the suspension");
        }
      }),
    official: (end) => end.includes("caught the suspension"),
    windkit: { type: "complete", result: 8 },
  },
  {
    what: "a task that is called before a sleep and awaited after it",
    why:
      "wac-protocol 14.7: the official round loses the task and begins it only after the sleep; here it goes out first",
    body: (api) =>
      api.workflow(async () => {
        const pending = double(api)(3);
        await api.sleep(60);
        return await pending;
      }),
    official: () => true,
    windkit: { type: "complete", result: 6 },
  },
  {
    what: "parallel() with concurrency 0",
    why: "sdk-contract I 15: the official client runs nothing",
    body: (api) => api.workflow(async () => await api.parallel([1, 2], double(api), { concurrency: 0 })),
    official: (end) => end === JSON.stringify({ type: "complete", result: [] }),
    windkit: { type: "complete", result: [2, 4] },
  },
  {
    what: "a task that is called before another and awaited after it",
    why: "wac-protocol 5.1: the official child's body waits for the other task, which never settles in it, and hangs",
    body: (api) =>
      api.workflow(async () => {
        const first = double(api)(1);
        const second = await double(api)(2);
        return [await first, second];
      }),
    official: (end) => end.includes("timed out"),
    windkit: { type: "complete", result: [2, 4] },
  },
  {
    what: "a branch that catches, beside another",
    why: "wac-protocol 5.1: in the official child the branch catches the end of its round, and the other never settles",
    body: (api) =>
      api.workflow(async () => {
        const careful = async (): Promise<unknown> => {
          try {
            return await double(api)(2);
          } catch {
            return "caught";
          }
        };
        return await Promise.all([double(api)(1), careful()]);
      }),
    official: (end) => end.includes("timed out"),
    windkit: { type: "complete", result: [2, 4] },
  },
  {
    what: "a step that throws text",
    why: "wac-protocol 5.5: the text is not in the record that the server keeps",
    body: (api) => api.workflow(async () => await messageOf(api.step("s", () => fail("text")))),
    official: (end) => end.includes("WAC step 's' failed"),
    windkit: { type: "complete", result: "text" },
  },
  {
    what: "a task that throws text",
    why: "wac-protocol 5.4: the official child records the text's letters as fields, and no message",
    body: (api) => {
      const t = api.task("t", async () => await Promise.resolve().then(() => fail("text")));
      return api.workflow(async () => await messageOf(t()));
    },
    official: (end) => end.includes("WAC step 't' failed"),
    windkit: { type: "complete", result: "text" },
  },
  {
    what: "a task that throws null",
    why: "wac-protocol 3: the wrapper's own handler fails, and its process ends without a result",
    body: (api) => {
      const t = api.task("t", async () => await Promise.resolve().then(() => fail(null)));
      return api.workflow(async () => await messageOf(t()));
    },
    official: (end) => end.includes("exit code for"),
    windkit: { type: "complete", result: "null was thrown" },
  },
  {
    what: "a step inside a step",
    why: "a step is recorded as one outcome; the official slow path runs the outer body again (wac-protocol 7)",
    body: (api) => api.workflow(async () => await api.step("a", async () => await api.step("b", () => 1))),
    official: (end) => end === JSON.stringify({ type: "complete", result: 1 }),
    windkit: {
      type: "failed",
      name: "HostUnsupportedError",
      message: 'Cannot call step("b") inside the body of "a": a task or step is recorded as one outcome; ' +
        "call it from the workflow's body, or call a plain function here",
    },
  },
  {
    what: "a step inside a task",
    why: "wac-protocol 14.6: the official child hangs",
    body: (api) => {
      const t = api.task("t", async () => await api.step("b", () => 1));
      return api.workflow(async () => (await messageOf(t()))?.includes("inside the body of"));
    },
    official: (end) => end === JSON.stringify({ type: "complete", result: false }),
    windkit: { type: "complete", result: true },
  },
  {
    what: "a list as the only argument of a script",
    why: "wac-protocol 3: the official client sends a list, which the worker does not read",
    body: (api) => api.workflow(async () => await api.taskScript("f/x/ok")([1, 2])),
    official: (end) => end.includes("sequence, expected a map"),
    windkit: { type: "complete", result: { from: "f/x/ok", args: { arg0: [1, 2] } } },
  },
  {
    what: "a sleep of less than no time",
    why: "wac-protocol 9: the official client sleeps a second",
    body: (api) => api.workflow(async () => await api.sleep(-5) ?? "slept"),
    official: (end) => end.includes("slept"),
    windkit: {
      type: "failed",
      name: "RangeError",
      message: "Cannot sleep: 'seconds' must be a number from 0 to 4294967295, found -5",
    },
  },
  {
    what: "a sleep of more than 136 years",
    why: "wac-protocol 14.16: the worker does not read the official message, and the job fails",
    body: (api) =>
      api.workflow(async () => {
        try {
          return await api.sleep(5e9) ?? "slept";
        } catch (error) {
          return (error as Error).name;
        }
      }),
    official: (end) => end.includes("expected u32"),
    windkit: { type: "complete", result: "RangeError" },
  },
  {
    what: "an approval with a part of a second",
    why: "wac-protocol 14.16: the worker does not read the official message, and the job fails",
    body: (api) => api.workflow(async () => (await nameOf(api.waitForApproval, { timeout: 1.5 }))),
    official: (end) => end.includes("expected u32"),
    windkit: { type: "complete", result: "RangeError" },
  },
  {
    what: "a step's name of 10 kB",
    why: "a name is part of each record: 1,024 characters are the most",
    body: (api) => api.workflow(async () => await api.step("n".repeat(10_000), () => 1)),
    official: (end) => end === JSON.stringify({ type: "complete", result: 1 }),
    windkit: {
      type: "failed",
      name: "TypeError",
      message: "Cannot run a step: 'name' must be text of at most 1024 characters, found one of 10000",
    },
  },
  {
    what: "a step's value that contains itself",
    why: "wac-protocol 7.5: the official job fails; here the step does, and the body sees it",
    body: (api) => {
      const value: Record<string, unknown> = {};
      value.self = value;
      return api.workflow(async () => await messageOf(api.step("s", () => value)));
    },
    official: (end) => end.includes("circular structure"),
    windkit: { type: "complete", result: "Cannot record value.self: it contains itself" },
  },
  {
    what: "a step's value with U+0000",
    why: "wac-protocol 2.3: the server refuses it and the official job fails; here the step does, and the body sees it",
    body: (api) => api.workflow(async () => await messageOf(api.step("s", () => "a\0b"))),
    official: (end) => end.includes("cannot be converted to text"),
    windkit: { type: "complete", result: "Cannot record value: it contains U+0000, which jsonb refuses" },
  },
  {
    what: "an argument that is undefined before another",
    why: "arguments are recorded, and undefined is recorded as null; the official child gets what the body gave",
    body: (api) => {
      const t = api.task("t", async (a: number | null = 7, b: number) => await Promise.resolve([a, b]));
      return api.workflow(async () => await t(undefined, 2));
    },
    official: (end) => end === JSON.stringify({ type: "complete", result: [7, 2] }),
    windkit: { type: "complete", result: [null, 2] },
  },
  {
    what: "an approval's key that is used already",
    why: "the message is this package's own",
    body: (api) =>
      api.workflow(async () => {
        await api.step("k", () => 1);
        await api.waitForApproval({ key: "k" });
      }),
    official: (end) => end.includes('WAC step key \\"k\\" is already used in this workflow. Give each'),
    windkit: {
      type: "failed",
      name: "Error",
      message: 'WAC step key "k" is already used in this workflow: give each approval a key of its own',
    },
  },
];

function fail(thrown: unknown): never {
  throw thrown;
}

/** The message of what a call throws. */
async function messageOf(call: PromiseLike<unknown>): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function nameOf(call: (options: unknown) => PromiseLike<unknown>, options: unknown): Promise<unknown> {
  try {
    return await call(options);
  } catch (error) {
    return (error as Error).name;
  }
}

Deno.test("a destructured parameter keeps its place here; the official names shift (wac-protocol 6.6)", async () => {
  const body = (api: Api): unknown => {
    const t = api.task("t", async ({ a }: { a: number }, b: number) => await Promise.resolve([a, b]));
    return api.workflow(async () => await t({ a: 1 }, 2));
  };
  const theirs = await drive(officialClient, body(officialClient.api), external);
  const mine = await drive(windkit, body(windkit.api), external);
  deepStrictEqual(mine.end, theirs.end);
  const args = [mine, theirs].map(({ dispatched: [step] }) => (step as { args: unknown }).args);
  deepStrictEqual(args, [{ arg0: { a: 1 }, b: 2 }, { b: { a: 1 }, arg1: 2 }]);
});

for (const { what, why, body, official, windkit: expected } of DIFFERENCES) {
  Deno.test(`a workflow differs from the official client: ${what} (${why})`, async () => {
    const theirs = await drive(officialClient, body(officialClient.api), external);
    if (!official(JSON.stringify(theirs.end))) {
      throw new Error(`The official client has changed: ${JSON.stringify(theirs.end)}`);
    }
    const mine = await drive(windkit, body(windkit.api), external);
    deepStrictEqual(mine.end, expected);
  });
}
