/**
 * Random workflow bodies that every host must run alike: they avoid the patterns in which the official client differs
 * (`rounds_test.ts`).
 *
 * @module
 */
import fc from "fast-check";
import type { Api, External } from "./wrapper.ts";

/** External scripts: one that always works, one that fails until its second attempt, one that never works. */
export function external(script: string, key: string, args: unknown): ReturnType<External> {
  if (script === "f/x/never") return { ok: false, value: "never works" };
  if (script === "f/x/flaky" && !key.includes("#2")) return { ok: false, value: "not yet" };
  return { ok: true, value: { from: script, args } as never };
}

/** One statement of a body. */
export type Node =
  | { readonly t: "step"; readonly name: string; readonly fails: boolean }
  | { readonly t: "call"; readonly task: "double" | "boom" | "mixed"; readonly arg: number; readonly caught: boolean }
  | { readonly t: "script"; readonly path: string; readonly attempts: number; readonly delay: number }
  | { readonly t: "all"; readonly args: readonly number[] }
  | { readonly t: "fan"; readonly count: number; readonly concurrency: number }
  | { readonly t: "sleep"; readonly seconds: number }
  | { readonly t: "approval" }
  | { readonly t: "loop"; readonly times: number; readonly body: readonly Node[] };

const leaf: fc.Arbitrary<Node> = fc.oneof(
  fc.record({
    t: fc.constant("step" as const),
    name: fc.constantFrom("x", "x_2", "double", "y z", "", "__proto__", "sleep"),
    fails: fc.boolean(),
  }),
  fc.record({
    t: fc.constant("call" as const),
    task: fc.constantFrom("double" as const, "boom" as const, "mixed" as const),
    arg: fc.integer({ min: 0, max: 3 }),
    caught: fc.boolean(),
  }),
  fc.record({
    t: fc.constant("script" as const),
    path: fc.constantFrom("f/x/ok", "f/x/flaky", "f/x/never", "./mod.ts"),
    attempts: fc.integer({ min: 0, max: 2 }),
    delay: fc.constantFrom(0, 1.5, 10),
  }),
  fc.record({ t: fc.constant("all" as const), args: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }) }),
  fc.record({
    t: fc.constant("fan" as const),
    count: fc.integer({ min: 0, max: 5 }),
    concurrency: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({ t: fc.constant("sleep" as const), seconds: fc.constantFrom(1, 2.5, 60) }),
  fc.constant({ t: "approval" as const }),
);

/** Bodies of up to seven statements, loops among them. */
export const program: fc.Arbitrary<readonly Node[]> = fc.array(
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

/** The workflow of a program, written with one client's functions. */
export function build(api: Api, nodes: readonly Node[]): unknown {
  const double = api.task(async function double(n: number): Promise<unknown> {
    await Promise.resolve();
    return { n: n * 2, when: new Date(0), gone: undefined, big: [1n, NaN] };
  });
  const boom = api.task(function boom(n: number): never {
    throw Object.assign(new TypeError(`boom ${n}`), { at: n });
  });
  const mixed = api.task("mixed", async (a: number, b: string) => await Promise.resolve(`${a}${b}`));
  const tasks: Readonly<Record<string, (n: number) => Promise<unknown>>> = {
    double,
    boom,
    mixed: (n) => mixed(n, "b"),
  };

  async function run(list: readonly Node[], out: unknown[]): Promise<void> {
    for (const node of list) {
      if (node.t === "loop") {
        for (let i = 0; i < node.times; i++) await run(node.body, out);
        continue;
      }
      const caught = node.t === "call" ? node.caught : true;
      try {
        out.push(await one(node));
      } catch (error) {
        if (!caught) throw error;
        const e = error as Error & { step_key?: string; result?: { error?: { name?: string } } };
        out.push({ name: e.name, message: e.message, key: e.step_key ?? null, cause: e.result?.error?.name ?? null });
      }
    }
  }

  async function one(node: Exclude<Node, { t: "loop" }>): Promise<unknown> {
    switch (node.t) {
      case "step":
        return await api.step(node.name, () => {
          if (node.fails) throw new RangeError(`no ${node.name}`);
          return { name: node.name, list: [undefined, () => 1] };
        });
      case "call":
        return await tasks[node.task]?.(node.arg);
      case "script": {
        const retry = node.attempts === 0 ? {} : { retry: { attempts: node.attempts, delay: node.delay } };
        return await api.taskScript(node.path, { timeout: 5, tag: "t", concurrency_limit: 2, ...retry })({ a: 1 });
      }
      case "all":
        return await Promise.all(node.args.map((n) => double(n)));
      case "fan":
        // One batch: the official client's window is a barrier, this package's slides (DIFFERENCES).
        return await api.parallel(Array.from({ length: node.count }, (_, i) => i), double, {
          concurrency: Math.max(node.concurrency, node.count, 1),
        });
      case "sleep":
        return await api.sleep(node.seconds) ?? null;
      case "approval":
        return await api.waitForApproval({ timeout: 60 });
    }
  }

  return api.workflow(async () => {
    const out: unknown[] = [];
    await run(nodes, out);
    return out;
  });
}
