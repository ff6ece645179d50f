/**
 * Generated bodies that mix all primitives of a workflow, as data that can be shrunk, and what runs them.
 *
 * @module
 */
import fc from "fast-check";
import { childWorkflow, continueAsNew, waitForEvent } from "../../src/cluster/waits.ts";
import { log, now, patched, progress, random, uuid } from "../../src/cluster/values.ts";
import { parallel, sleep, step, task, taskInfo, workflow } from "../../src/cluster/authoring.ts";
import { race, withTimeout } from "../../src/cluster/race.ts";
import { waitForApproval } from "../../src/cluster/approval.ts";
import { saga } from "../../src/cluster/saga.ts";
import type { WorkflowFunction } from "@windkit/windmill-client/engine";

/** One part of a body. */
export type Node =
  | {
    readonly op: "call";
    readonly kind: "step" | "task";
    /** Attempts that fail. */
    readonly fails: number;
    readonly retry: 0 | 1;
    readonly delay: 0 | 1;
    readonly undo: "none" | "plain" | "flaky";
    /** Microtasks that it takes. */
    readonly turns: number;
  }
  | { readonly op: "sequence" | "all" | "settled" | "collect"; readonly items: readonly Node[] }
  | { readonly op: "race"; readonly items: readonly Node[] }
  | { readonly op: "timeout"; readonly seconds: number; readonly body: Node; readonly instead: boolean }
  | { readonly op: "saga" | "try" | "beside"; readonly body: Node }
  | { readonly op: "sleep"; readonly seconds: number }
  | { readonly op: "approval"; readonly answer: "approve" | "reject" | "timeout" }
  | { readonly op: "event"; readonly sent: "early" | "late" | "never" }
  | { readonly op: "child"; readonly fails: boolean; readonly seconds: number }
  | { readonly op: "value"; readonly what: "now" | "random" | "uuid" | "patched" | "progress" | "log" }
  | { readonly op: "compute"; readonly turns: number }
  | { readonly op: "throw" | "continue" };

const call: fc.Arbitrary<Node> = fc.record({
  op: fc.constant("call" as const),
  kind: fc.constantFrom("step" as const, "task" as const),
  fails: fc.constantFrom(0, 0, 0, 1, 1, 2),
  retry: fc.constantFrom(0 as const, 1 as const),
  delay: fc.constantFrom(0 as const, 1 as const),
  undo: fc.constantFrom("none" as const, "none" as const, "plain" as const, "flaky" as const),
  turns: fc.nat(12),
});

const leaf: fc.Arbitrary<Node> = fc.oneof(
  { weight: 8, arbitrary: call },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant("sleep" as const), seconds: fc.constantFrom(0, 1, 60) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant("approval" as const),
      answer: fc.constantFrom("approve" as const, "reject" as const, "timeout" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant("event" as const),
      sent: fc.constantFrom("early" as const, "late" as const, "never" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant("child" as const),
      fails: fc.boolean(),
      seconds: fc.constantFrom(0, 1, 60),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant("value" as const),
      what: fc.constantFrom("now", "random", "uuid", "patched", "progress", "log"),
    }) as fc.Arbitrary<Node>,
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("compute" as const), turns: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom("throw" as const, "continue" as const) }) },
);

/** Bodies of all kinds. */
export const programs: fc.Arbitrary<Node> = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    { weight: 4, arbitrary: leaf },
    {
      weight: 6,
      arbitrary: fc.record({
        op: fc.constantFrom("sequence", "sequence", "sequence", "all", "settled", "collect", "race"),
        items: fc.array(tie("node"), { minLength: 1, maxLength: 4 }),
      }) as fc.Arbitrary<Node>,
    },
    {
      weight: 3,
      arbitrary: fc.record({
        op: fc.constantFrom("saga", "try", "beside"),
        body: tie("node"),
      }) as fc.Arbitrary<Node>,
    },
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constant("timeout" as const),
        seconds: fc.constantFrom(0, 1, 30, 1_000_000),
        body: tie("node"),
        instead: fc.boolean(),
      }),
    },
  ),
})).node.map((node) => ({ op: "sequence", items: [node] }));

/** Where a body may be run: `racing` lets the first of several calls decide. */
export interface Kind {
  readonly racing: boolean;
  readonly cluster: boolean;
}

const NOTHING: Node = { op: "compute", turns: 0 };

/**
 * The same without what lets the order of outcomes decide: no race, no failure that overtakes others, sleeps (which share a name) of
 * one length. For a cluster also without what a cluster has not.
 */
export function confluent(node: Node, cluster: boolean, beside = false): Node {
  switch (node.op) {
    case "race":
    case "all":
      return { op: "settled", items: node.items.map((item) => confluent(item, cluster, true)) };
    case "settled":
    case "collect":
      return { ...node, items: node.items.map((item) => confluent(item, cluster, true)) };
    case "sequence":
      return { ...node, items: node.items.map((item) => confluent(item, cluster, beside)) };
    case "timeout": {
      const body = confluent(node.body, cluster, beside);
      return cluster ? body : { ...node, seconds: 1_000_000, body };
    }
    case "saga":
    case "try":
      return { ...node, body: confluent(node.body, cluster, beside) };
    case "beside":
      // What nobody waits for goes on while the body ends: a call that succeeds does so wherever it is.
      return node.body.op === "call" && !cluster
        ? { ...node, body: { ...node.body, fails: 0, undo: "none" } }
        : confluent(node.body, cluster, beside);
    case "sleep":
      return { ...node, seconds: 60 };
    case "continue":
      return beside || cluster ? NOTHING : node;
    case "event":
    case "child":
      return cluster ? NOTHING : node;
    default:
      return node;
  }
}

/** All nodes with the paths by which they are known. */
export function* nodesOf(node: Node, path = "p"): Generator<readonly [Node, string]> {
  yield [node, path];
  if ("items" in node) { for (const [i, item] of node.items.entries()) yield* nodesOf(item, `${path}.${i}`); }
  if ("body" in node) yield* nodesOf(node.body, `${path}.b`);
}

/** How a body is run. */
export interface Setting {
  /** Calls of one name wherever they are. */
  readonly shared?: boolean;
  /** What differs from run to run is part of the result. */
  readonly exact?: boolean;
  /** Takes time within a call. */
  readonly pause?: () => Promise<void>;
}

function name(error: unknown): string {
  const { message } = error as Error;
  return `caught ${message}`;
}

/** Seconds after which a wait ends: whatever time passes, what comes at all comes before. */
function limit(isReached: boolean): number {
  return isReached ? 60 : 100_000_000;
}

async function turns(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await undefined;
}

async function run(node: Node, path: string, n: number, setting: Setting): Promise<unknown> {
  const { shared = false, exact = false, pause } = setting;
  const go = (inner: Node, at: string): Promise<unknown> => run(inner, at, n, setting);
  switch (node.op) {
    case "call": {
      const { kind, fails, retry, delay, undo } = node;
      const label = shared ? "call" : `call ${path}`;
      const act = async (): Promise<string> => {
        await turns(node.turns);
        await pause?.();
        if (taskInfo().attempt <= fails) throw new Error(`failed ${path}`);
        return path;
      };
      // A task is known by the name of its function.
      Object.defineProperty(act, "name", { value: label });
      const back = async (): Promise<void> => {
        await turns(node.turns);
        if (undo === "flaky" && taskInfo().attempt === 1) throw new Error(`not undone ${path}`);
      };
      const options = {
        retry: { attempts: retry, delay },
        ...(undo === "none" ? undefined : { undo: back }),
      };
      return await (kind === "step" ? step(label, act, options) : task(act, options)());
    }
    case "sequence": {
      const all: unknown[] = [];
      for (const [i, item] of node.items.entries()) all.push(await go(item, `${path}.${i}`));
      return all;
    }
    case "all":
      return await Promise.all(node.items.map((item, i) => go(item, `${path}.${i}`)));
    case "settled": {
      const all = await Promise.allSettled(node.items.map((item, i) => go(item, `${path}.${i}`)));
      return all.map((one) => one.status === "fulfilled" ? one.value : name(one.reason));
    }
    case "collect": {
      const all = await parallel([...node.items.entries()], ([i, item]) => go(item, `${path}.${i}`), {
        onError: "collect",
        concurrency: 2,
      });
      return all.map((one) => one.status === "fulfilled" ? one.value : name(one.reason));
    }
    case "race":
      return await race(node.items.map((item, i) => () => go(item, `${path}.${i}`)));
    case "timeout":
      return await withTimeout(
        node.seconds,
        () => go(node.body, `${path}.b`),
        ...(node.instead ? [{ onTimeout: "instead" }] : []) as [],
      );
    case "saga":
      return await saga(() => go(node.body, `${path}.b`));
    case "try":
      return await go(node.body, `${path}.b`).catch(name);
    case "beside":
      if (node.body.op === "call") {
        void go(node.body, `${path}.b`).catch(() => undefined);
      } else {
        go(node.body, `${path}.b`).catch(() => undefined);
      }
      return "beside";
    case "sleep":
      await sleep(node.seconds);
      return "slept";
    case "approval":
      return (await waitForApproval({ key: `approval ${path} ${n}`, timeout: limit(node.answer === "timeout") }))
        .approved;
    case "event":
      return await waitForEvent(`event ${path}`, { timeout: limit(node.sent === "never"), onTimeout: "nothing" });
    case "child":
      return await childWorkflow(`child ${path}`, { fails: node.fails, seconds: node.seconds });
    case "value":
      return valueOf(node.what, path, exact);
    case "compute":
      return await turns(node.turns);
    case "throw":
      throw new Error(`thrown ${path}`);
    case "continue":
      return n > 0 ? "went on" : await continueAsNew({ n: n + 1 });
  }
}

function valueOf(what: Extract<Node, { readonly op: "value" }>["what"], path: string, exact: boolean): unknown {
  switch (what) {
    case "now":
      return exact ? now() : typeof now();
    case "random":
      return exact ? random() : typeof random();
    case "uuid":
      return exact ? uuid() : uuid().length;
    case "patched":
      return patched(path);
    case "progress":
      return progress(path);
    case "log":
      return log(path);
  }
}

/** The workflow of a program. */
export function mainOf(program: Node, setting: Setting = {}): WorkflowFunction {
  return workflow(async (n: number = 0) => await run(program, "p", n ?? 0, setting));
}

const child: WorkflowFunction = workflow(async (fails: boolean, seconds: number) => {
  await step("begin", () => 1, { undo: () => 1 });
  if (seconds > 0) await sleep(seconds);
  if (fails) throw new Error("child failed");
  return "child";
});

/** The workflows that a program starts, by name. */
export function childrenOf(program: Node): Readonly<Record<string, WorkflowFunction>> {
  const paths = [...nodesOf(program)].flatMap(([{ op }, path]) => op === "child" ? [path] : []);
  return Object.fromEntries(paths.map((path) => [`child ${path}`, child]));
}
