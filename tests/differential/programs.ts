/**
 * Random workflow bodies that every host must run alike: they avoid the patterns in which the official client differs
 * (`rounds_test.ts`).
 *
 * @module
 */
import fc from "fast-check";
import type { Answer } from "../cluster/server.ts";
import type { Api, External } from "./wrapper.ts";

/** External scripts: one that always works, one that fails until its second attempt, one that never works. */
export function external(script: string, key: string, args: unknown): ReturnType<External> {
  if (script === "f/x/never") return { ok: false, value: "never works" };
  if ((script === "f/x/flaky" || script === "f/flaky/x") && !key.includes("#2")) return { ok: false, value: "not yet" };
  return { ok: true, value: { from: script, args } as never };
}

/** How answers to approvals are given: by key. */
export function answer(key: string): Answer | undefined {
  if (key.startsWith("late")) return undefined;
  return {
    value: { for: key },
    approved: !key.startsWith("no"),
    ...(key.startsWith("anon") ? {} : { approver: "anna" }),
  };
}

/** One statement of a body. */
export type Node =
  | { readonly t: "step"; readonly name: string; readonly fails: boolean; readonly value: number }
  | {
    readonly t: "call";
    readonly task: TaskName;
    readonly arg: number;
    readonly caught: boolean;
    readonly attempts: number;
  }
  | { readonly t: "script"; readonly path: string; readonly attempts: number; readonly delay: number }
  | { readonly t: "named"; readonly name: string }
  | { readonly t: "all"; readonly args: readonly number[] }
  | { readonly t: "mix"; readonly calls: readonly { readonly task: TaskName; readonly arg: number }[] }
  | { readonly t: "fan"; readonly count: number; readonly concurrency: number }
  | { readonly t: "sleep"; readonly seconds: number }
  | { readonly t: "approval"; readonly key: string }
  | { readonly t: "loop"; readonly times: number; readonly body: readonly Node[] }
  | Pattern;

/** Statements in which messages differ, and results do not: `differences_test.ts` says why. */
export type Pattern =
  | { readonly t: "pending"; readonly across: "sleep" | "approval"; readonly arg: number }
  | { readonly t: "beside"; readonly arg: number }
  | { readonly t: "retries"; readonly delay: number; readonly count: number }
  | { readonly t: "race"; readonly tasks: readonly TaskName[] }
  | { readonly t: "single"; readonly way: "any" | "allSettled"; readonly task: TaskName }
  | { readonly t: "branches"; readonly first: number; readonly second: number };

type TaskName = "double" | "boom" | "mixed";

const taskName = fc.constantFrom("double" as const, "boom" as const, "mixed" as const);

const leaf: fc.Arbitrary<Node> = fc.oneof(
  fc.record({
    t: fc.constant("step" as const),
    name: fc.constantFrom("x", "x_2", "double", "y z", "", "__proto__", "sleep", "a/b#2", "\u{1f680}"),
    fails: fc.boolean(),
    value: fc.nat(15),
  }),
  fc.record({
    t: fc.constant("call" as const),
    task: taskName,
    arg: fc.integer({ min: 0, max: 3 }),
    caught: fc.boolean(),
    attempts: fc.constantFrom(0, 0, 1),
  }),
  fc.record({
    t: fc.constant("script" as const),
    path: fc.constantFrom("f/x/ok", "f/x/flaky", "f/x/never", "./mod.ts"),
    attempts: fc.integer({ min: 0, max: 2 }),
    delay: fc.constantFrom(0, 1.5, 10),
  }),
  fc.record({ t: fc.constant("all" as const), args: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }) }),
  fc.record({
    t: fc.constant("mix" as const),
    calls: fc.array(fc.record({ task: taskName, arg: fc.nat(3) }), { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    t: fc.constant("fan" as const),
    count: fc.integer({ min: 0, max: 5 }),
    concurrency: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({ t: fc.constant("sleep" as const), seconds: fc.constantFrom(1, 2.5, 60) }),
  fc.record({ t: fc.constant("approval" as const), key: fc.constantFrom("", "sign", "no", "late", "anon") }),
);

const pattern: fc.Arbitrary<Pattern> = fc.oneof(
  fc.record({
    t: fc.constant("pending" as const),
    across: fc.constantFrom("sleep" as const, "approval" as const),
    arg: fc.nat(3),
  }),
  fc.record({ t: fc.constant("beside" as const), arg: fc.nat(3) }),
  fc.record({
    t: fc.constant("retries" as const),
    delay: fc.constantFrom(0, 5),
    count: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ t: fc.constant("race" as const), tasks: fc.array(taskName, { minLength: 1, maxLength: 3 }) }),
  fc.record({
    t: fc.constant("single" as const),
    way: fc.constantFrom("any" as const, "allSettled" as const),
    task: taskName,
  }),
  fc.record({
    t: fc.constant("branches" as const),
    first: fc.integer({ min: 1, max: 3 }),
    second: fc.integer({ min: 1, max: 3 }),
  }),
);

/** Bodies with some statements of the patterns among others. */
export const patterned: fc.Arbitrary<readonly Node[]> = fc.array(
  fc.oneof({ weight: 2, arbitrary: leaf }, { weight: 3, arbitrary: pattern as fc.Arbitrary<Node> }),
  { minLength: 1, maxLength: 5 },
);

/** Calls whose names get in each other's way: names that look like other calls' keys, and a script of the same name that is repeated. */
const crowded: fc.Arbitrary<readonly Node[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        t: fc.constant("named" as const),
        name: fc.constantFrom("x", "x", "x_2", "x_3", "x_2_2", "x#2", "x#retry2"),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        t: fc.constant("script" as const),
        path: fc.constant("f/flaky/x"),
        attempts: fc.nat(2),
        delay: fc.constantFrom(0, 5),
      }),
    },
  ),
  { minLength: 2, maxLength: 8 },
);

/** Up to seven statements, loops among them. */
const mixed: fc.Arbitrary<readonly Node[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: leaf },
    {
      weight: 1,
      arbitrary: fc.record({
        t: fc.constant("loop" as const),
        times: fc.integer({ min: 1, max: 3 }),
        body: fc.array(leaf, { maxLength: 2 }),
      }),
    },
  ),
  { maxLength: 7 },
);

/** Bodies of all kinds of statements, and bodies in which names collide. */
export const program: fc.Arbitrary<readonly Node[]> = fc.oneof(
  { weight: 4, arbitrary: mixed },
  { weight: 1, arbitrary: crowded },
);

/** The workflow of a program, written with one client's functions. Its text is a script, too: it uses nothing from outside. */
export function build(api: Api, nodes: readonly Node[]): unknown {
  const double = api.task(async function double(n: number): Promise<unknown> {
    await Promise.resolve();
    return { n: n * 2, when: new Date(0), gone: undefined, big: [1n, NaN] };
  });
  function boom(n: number): never {
    throw Object.assign(new TypeError(n === 2 ? "" : `boom ${n}`), { at: n });
  }
  async function mixed(a: number, b: string): Promise<unknown> {
    return await Promise.resolve(`${a}${b}`);
  }
  const booms = [0, 1].map((attempts) => api.task(boom, { retry: { attempts } }));
  const named = [0, 1].map((attempts) => api.task("mixed", mixed, { retry: { attempts } }));
  const values: readonly unknown[] = [
    undefined,
    null,
    0,
    "",
    false,
    12345678901234567890n,
    new Date(86400000),
    new Map([[1, 2]]),
    new Set([1]),
    { b: undefined, aa: 1, c: [undefined] },
    () => 1,
    Symbol("s"),
    -Infinity,
    { f: () => 1, toJSON: () => ({ given: 1 }) },
    "na\u00efve \u{1f680} \u2028",
    JSON.parse('{"__proto__":{"x":1},"constructor":2}'),
  ];
  let approvals = 0;
  let calls = 0;

  function call(task: TaskName, n: number, attempts = 0): Promise<unknown> {
    if (task === "double") return double(n);
    return task === "boom" ? booms[attempts]?.(n) : named[attempts]?.(n, "b");
  }

  function shown(error: unknown): unknown {
    const e = error as Error & {
      step_key?: string;
      result?: { error?: { name?: string; extra?: unknown } };
    };
    const { name, extra } = e.result?.error ?? {};
    return {
      name: e.name,
      message: e.message,
      key: e.step_key ?? null,
      cause: name ?? null,
      extra: extra ?? null,
    };
  }

  async function run(list: readonly Node[], out: unknown[]): Promise<void> {
    for (const node of list) {
      if (node.t === "loop") {
        for (let i = 0; i < node.times; i++) await run(node.body, out);
        continue;
      }
      const isCaught = node.t === "call" ? node.caught : true;
      try {
        out.push(await one(node));
      } catch (error) {
        if (!isCaught) throw error;
        out.push(shown(error));
      }
    }
  }

  async function one(node: Exclude<Node, { t: "loop" }>): Promise<unknown> {
    switch (node.t) {
      case "step":
        return await api.step(node.name, () => {
          if (node.fails) {
            throw Object.assign(new RangeError(`no ${node.name}`), {
              value: values[node.value],
            });
          }
          return values[node.value];
        });
      case "call":
        return await call(node.task, node.arg, node.attempts);
      case "script": {
        const retry = node.attempts === 0 ? {} : { retry: { attempts: node.attempts, delay: node.delay } };
        return await api.taskScript(node.path, { timeout: 5, tag: "t", concurrency_limit: 2, ...retry })({ a: 1 });
      }
      case "named": {
        // A value of its own: a call that got another's would show.
        const value = `${node.name}, call ${++calls}`;
        return await api.step(node.name, () => value);
      }
      case "all":
        return await Promise.all(node.args.map((n) => double(n)));
      case "mix":
        return await Promise.all(node.calls.map(({ task, arg }) => call(task, arg)));
      case "fan":
        // One batch: the official client's window is a barrier, this package's slides (differences_test.ts).
        return await api.parallel(Array.from({ length: node.count }, (_, i) => i), double, {
          concurrency: Math.max(node.concurrency, node.count, 1),
        });
      case "sleep":
        return await api.sleep(node.seconds) ?? null;
      case "approval":
        return await api.waitForApproval({
          timeout: 60,
          form: { type: "object" },
          ...(node.key === "" ? {} : { key: `${node.key} ${++approvals}`, description: "Pay?", skin: "minimal" }),
        });
      case "pending": {
        const pending = double(node.arg);
        if (node.across === "sleep") await api.sleep(60);
        else await api.waitForApproval({ timeout: 60 });
        return await pending;
      }
      case "beside":
        return await Promise.all([double(node.arg), api.step("beside", () => node.arg)]);
      case "retries": {
        const flaky = api.taskScript("f/x/flaky", { retry: { attempts: 2, delay: node.delay } });
        return await Promise.all(Array.from({ length: node.count }, () => flaky({ a: 1 })));
      }
      case "race":
        return await Promise.race(node.tasks.map((task, i) => call(task, i)));
      case "single":
        if (node.way === "any") return await Promise.any([call(node.task, 1)]).catch((e) => shown(e.errors[0]));
        return await Promise.allSettled([call(node.task, 1)]).then(([r]) =>
          r?.status === "fulfilled" ? r.value : shown(r?.reason)
        );
      case "branches": {
        const first = async (): Promise<void> => {
          for (let i = 0; i < node.first; i++) await double(i);
        };
        const second = async (): Promise<void> => {
          for (let i = 0; i < node.second; i++) await call("mixed", i);
        };
        return await Promise.all([first(), second()]).then(() => "both");
      }
    }
  }

  return api.workflow(async () => {
    approvals = calls = 0;
    const out: unknown[] = [];
    await run(nodes, out);
    return out;
  });
}
