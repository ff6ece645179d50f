/**
 * The same body on the embedded engine, live and always replayed, and under the server's rounds: the same journal and the same end.
 */
import { deepStrictEqual } from "node:assert";
import fc from "fast-check";
import type { Executor, Json } from "@windkit/windmill-client/engine";
import { expectedView, type Viewed, viewOf } from "../cluster/view.ts";
import { type Ended, runTrial } from "../suite/_engine_kit.ts";
import { answer, build, external, type Node, program } from "./programs.ts";
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

type End = { readonly value: unknown } | { readonly name: unknown; readonly message: unknown };

async function onEngine(nodes: readonly Node[], replay: "when-needed" | "always"): Promise<readonly [End, Ended]> {
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
      approve = (run, key) => {
        const given = answer(key);
        // A second answer, after a replay, finds the approval answered: that is no failure of the run.
        if (given !== undefined) void engine.approve(run, key, given).catch(() => undefined);
      };
      for (const [run, key] of early) approve(run, key);
    },
  }, replay);
  const { error } = ended;
  return error === undefined
    ? [{ value: ended.value }, ended]
    : [{ name: (error as { errorName?: string }).errorName, message: error.message }, ended];
}

async function inRounds(nodes: readonly Node[], fastPath: boolean): Promise<readonly [End, readonly Viewed[]]> {
  const { end, cluster, job } = await drive(windkit, build(windkit.api, nodes), external, { answer, fastPath });
  const { type, result, ...failure } = end;
  return [type === "complete" ? { value: result } : failure as unknown as End, viewOf(cluster, job)];
}

Deno.test("A confluent body has one journal on the engine, live and always replayed, and in rounds", async () => {
  await fc.assert(
    fc.asyncProperty(program, async (nodes) => {
      const [end, { view }] = await onEngine(nodes, "when-needed");
      const [again, replayed] = await onEngine(nodes, "always");
      deepStrictEqual(again, end);
      deepStrictEqual(replayed.view, view);
      for (const fastPath of [true, false]) {
        const [ended, viewed] = await inRounds(nodes, fastPath);
        deepStrictEqual(ended, end);
        deepStrictEqual(viewed, expectedView(view, viewed));
      }
    }),
    { numRuns: RUNS },
  );
});
