/**
 * What the types of the workflow functions say. `deno check` of this file is the test: it never runs.
 *
 * @module
 */
import {
  type ApprovalResult,
  type Jsonified,
  parallel,
  sleep,
  step,
  type Task,
  task,
  taskFlow,
  taskInfo,
  taskScript,
  waitForApproval,
  waitForEvent,
  workflow,
} from "@windkit/windmill-client/workflow";
import { createEngine, type Engine, type Json, type RunHandle } from "@windkit/windmill-client/engine";
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import { expectType, type Holds, type Same } from "./_same.ts";

// --- Jsonified ---

/** Fields survive, methods and private fields do not. */
export class Money {
  readonly amount = 1;
  readonly currency: "EUR" | "USD" = "EUR";
  #secret = 2;
  double(): number {
    return this.amount * this.#secret;
  }
}

/** Recorded as what `toJSON` gives. */
export class Temperature {
  toJSON(): { readonly celsius: number; readonly at: Date } {
    return { celsius: 20, at: new Date(0) };
  }
}

interface TreeNode {
  readonly name: string;
  readonly made: Date;
  readonly children: readonly TreeNode[];
}

interface JsonTree {
  readonly name: string;
  readonly made: string;
  readonly children: readonly JsonTree[];
}

declare const tree: Jsonified<TreeNode>;
/** A recursive type ends, and its values are what they say. */
export const sameTree: JsonTree = tree;

/** Each line holds, or this file does not compile. */
export type JsonifiedCases = [
  Holds<Same<Jsonified<string>, string>>,
  Holds<Same<Jsonified<"a" | 1 | true>, "a" | 1 | true>>,
  Holds<Same<Jsonified<null>, null>>,
  Holds<Same<Jsonified<undefined>, null>>,
  Holds<Same<Jsonified<void>, null>>,
  Holds<Same<Jsonified<string | undefined>, string | null>>,
  Holds<Same<Jsonified<bigint>, string>>,
  Holds<Same<Jsonified<Date>, string>>,
  Holds<Same<Jsonified<symbol>, null>>,
  Holds<Same<Jsonified<() => void>, null>>,
  Holds<Same<Jsonified<unknown>, unknown>>,
  Holds<Same<Jsonified<Json>, Json>>,
  Holds<Same<Jsonified<never>, never>>,
  Holds<Same<Jsonified<Date[]>, string[]>>,
  Holds<Same<Jsonified<readonly [Date, 1]>, readonly [string, 1]>>,
  Holds<Same<Jsonified<Map<string, number>>, Record<never, never>>>,
  Holds<Same<Jsonified<Set<string>>, Record<never, never>>>,
  Holds<Same<Jsonified<{ a: Date; b: number }>, { a: string; b: number }>>,
  Holds<Same<Jsonified<{ f: () => void; n: 1n }>, { n: string }>>,
  Holds<Same<Jsonified<{ [Symbol.iterator]: 1; a: Date }>, { a: string }>>,
  Holds<Same<Jsonified<{ a: Date | undefined }>, { a: string | null }>>,
  Holds<Same<Jsonified<Money>, { readonly amount: 1; readonly currency: "EUR" | "USD" }>>,
  Holds<Same<Jsonified<Temperature>, { readonly celsius: number; readonly at: string }>>,
  Holds<Same<Jsonified<{ a: 1 } | { b: Date }>, { a: 1 } | { b: string }>>,
];

// --- Calls ---

/** Never called: its types are what is looked at. */
export async function calls(): Promise<void> {
  const plain = task(function plain(n: number, when?: Date) {
    return { n, when };
  });
  expectType<{ n: number; when: string | null }>()(await plain(1));
  const named = task("named", async (text: string) => await Promise.resolve(text.length));
  expectType<Task<[text: string], Promise<number>>>()(named);
  expectType<number>()(await named("x"));
  const withOptions = task("f/path", (list: readonly Date[]) => list, { retry: { attempts: 1, max_delay: 2 } });
  expectType<readonly string[]>()(await withOptions([new Date(0)]));
  const generic = task(<T extends string>(value: T) => value);
  expectType<string>()(await generic("a"));
  expectType<unknown>()(await taskScript("f/x")({ a: 1 }));
  expectType<unknown>()(await taskFlow("f/x")(1, 2));

  expectType<string>()(await step("s", () => new Date(0)));
  expectType<string>()(await step("s", async () => await Promise.resolve(1n)));
  expectType<null>()(await step("s", () => {}));
  expectType<Json>()(await step("s", (): Json => 1));
  expectType<void>()(await sleep(1));
  expectType<ApprovalResult>()(await waitForApproval({ form: { type: "object" }, skin: "minimal" }));
  expectType<number[]>()(await parallel([1, 2], (n) => named(`${n}`)));
  expectType<(string | number)[]>()(
    await parallel(new Set(["a"]), async (s) => await Promise.resolve(Math.random() ? s : 1)),
  );
  expectType<AbortSignal>()(taskInfo().signal);

  // The combinators of the language know what calls give.
  expectType<[number, string]>()(await Promise.all([named("a"), step("s", () => "b")]));
  expectType<number | string>()(await Promise.race([named("a"), step("s", () => "b")]));
  expectType<[PromiseSettledResult<number>]>()(await Promise.allSettled([named("a")]));

  // @ts-expect-error -- an argument of another type
  await named(1);
  // @ts-expect-error -- too many arguments
  await named("a", 2);
  // @ts-expect-error -- retry needs its number of attempts
  task(() => 1, { retry: {} });
  // @ts-expect-error -- no such option
  task(() => 1, { timeoutMs: 1 });
  // @ts-expect-error -- a name without a function
  task("name");
  // @ts-expect-error -- an approval has two looks
  await waitForApproval({ skin: "large" });
  // @ts-expect-error -- a recorded Date is text
  (await step("s", () => new Date(0))).getTime();
}

/** Never called: what an event carries. */
export async function events(): Promise<void> {
  type Paid = { readonly amount: number };
  expectType<Json>()(await waitForEvent("paid"));
  expectType<Json>()(await waitForEvent("paid", { timeout: 1 }));
  expectType<Json>()(await waitForEvent("paid", { onTimeout: "late" }));
  expectType<Paid>()(await waitForEvent<Paid>("paid", { timeout: 1 }));
  expectType<Paid | null>()(await waitForEvent<Paid>("paid", { timeout: 1, onTimeout: null }));
  expectType<Paid | string>()(await waitForEvent<Paid, string>("paid", { onTimeout: "late" }));
  // @ts-expect-error -- what it is wanted for does not say what it carries
  const wanted: Paid = await waitForEvent("paid");
  // @ts-expect-error -- neither a payload nor null
  await waitForEvent<Paid>("paid", { onTimeout: "late" });
  void wanted;
}

// --- Workflows and engines ---

/** Never called, as above. */
export async function engines(): Promise<void> {
  const main = workflow(async (name: string, n = 1) => await step("s", () => name.repeat(n)));
  expectType<Promise<string>>()(main("a"));
  expectType<true>()(main._is_workflow);
  // A plain async function is a workflow too.
  const engine = await createEngine({
    storage: createMemoryStorage(),
    workflows: { main, plain: async (n: number) => await Promise.resolve(n) },
  });
  expectType<Engine>()(engine);
  const run = await engine.start("main", { name: "a" }, { runId: "r", deadlineMs: 1 });
  expectType<RunHandle>()(run);
  expectType<Json>()(await run.result());
  for (const record of await engine.journal(run.id)) {
    if (record.t === "settled" && !record.outcome.ok) expectType<string>()(record.outcome.failure.message);
  }
  // @ts-expect-error -- arguments are JSON
  await engine.start("main", { when: new Date(0) });
  // @ts-expect-error -- an engine needs a storage
  await createEngine({ workflows: {} });
  // @ts-expect-error -- a replay is one of two
  await createEngine({ storage: createMemoryStorage(), workflows: {}, replay: "sometimes" });
}
