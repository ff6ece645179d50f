/**
 * The same body on the embedded engine, live and always replayed, and under the server's rounds: the same journal and the same end.
 */
import { deepStrictEqual } from "node:assert";
import fc from "fast-check";
import type { Executor, Json } from "@windkit/windmill-client/engine";
import { runTrial } from "../suite/_engine_kit.ts";
import { build, external, type Node, program } from "./programs.ts";
import { drive, windkit } from "./wrapper.ts";

const RUNS = Deno.env.get("WINDKIT_SOAK") === "1" ? 1000 : 100;

const executor: Executor = {
  accepts: (call) => call.kind === "task" && call.via === "script",
  start: ({ call, key }) => {
    if (call.kind !== "task") throw new Error(`Expected a task, found a ${call.kind}`);
    const { ok, value } = external(call.script ?? "", key, JSON.parse(call.args) as Json);
    return Promise.resolve(
      ok ? { ok, value: JSON.stringify(value) } : {
        ok: false,
        failure: { message: String(value), stepKey: key, error: { name: "Error", message: String(value) } },
      },
    );
  },
};

interface Journal {
  readonly end: { readonly value?: unknown; readonly name?: unknown; readonly message?: unknown };
  readonly calls: Readonly<Record<string, unknown>>;
}

async function onEngine(nodes: readonly Node[], replay: "when-needed" | "always"): Promise<Journal> {
  let approve: ((run: string, key: string) => void) | undefined;
  const early: (readonly [string, string])[] = [];
  const ended = await runTrial({
    main: build(windkit.api, nodes) as () => unknown,
    options: {
      executor,
      onEvent: (e) => {
        if (e.event !== "approval_waiting") return;
        if (approve === undefined) early.push([e.run, e.key]);
        else approve(e.run, e.key);
      },
    },
    during: ({ engine }) => {
      // A second answer, after a replay, finds the approval answered: that is no failure of the run.
      approve = (run, key) =>
        void engine.approve(run, key, { value: { for: key }, approver: "anna" }).catch(() => undefined);
      for (const [run, key] of early) approve(run, key);
    },
  }, replay);
  const calls = Object.fromEntries(
    ended.view.map(({ key, outcome }) => [key, outcome.ok ? { value: outcome.value } : { failed: outcome.message }]),
  );
  const { error } = ended;
  if (error === undefined) return { end: { value: ended.value }, calls };
  return { end: { name: (error as { errorName?: string }).errorName, message: error.message }, calls };
}

async function inRounds(nodes: readonly Node[]): Promise<Journal> {
  const { end, completed } = await drive(windkit, build(windkit.api, nodes), external);
  const calls = Object.fromEntries(
    Object.entries(completed).map(([key, value]) => {
      const failed = typeof value === "object" && value !== null && "__wmill_error" in value;
      return [key, failed ? { failed: (value as { message?: unknown }).message } : { value }];
    }),
  );
  if (end.type === "complete") return { end: { value: end.result }, calls };
  return { end: { name: end.name, message: end.message }, calls };
}

Deno.test("A confluent body has one journal on the engine, live and always replayed, and in rounds", async () => {
  await fc.assert(
    fc.asyncProperty(program, async (nodes) => {
      const rounds = await inRounds(nodes);
      deepStrictEqual(await onEngine(nodes, "when-needed"), rounds);
      deepStrictEqual(await onEngine(nodes, "always"), rounds);
    }),
    { numRuns: RUNS },
  );
});
