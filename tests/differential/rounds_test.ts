/**
 * Keys and rounds against the official client: the same bodies under both, message by message. What may differ is listed in
 * `differences_test.ts`: generated bodies avoid exactly those patterns.
 */
import { deepStrictEqual } from "node:assert";
import fc from "fast-check";
import type { Fault } from "../cluster/server.ts";
import { taskInfo } from "../../src/cluster/authoring.ts";
import { answer, build, external, type Node, patterned, program } from "./programs.ts";
import { type Api, drive, type Driven, type DriveOptions, officialClient, windkit, windkitAlone } from "./wrapper.ts";

const ALL_RUNS = 2000;
const RUNS = Deno.env.get("WINDKIT_SOAK") === "1" ? ALL_RUNS : 150;

function shown({ messages, completed, dispatched, end }: Driven): Partial<Driven> {
  return { messages, completed, dispatched, end };
}

/** The same without what is a matter of rounds: which of them did what, and in which order. */
function summed({ completed, dispatched, end }: Driven): Partial<Driven> {
  return { completed, dispatched: dispatched.toSorted((a, b) => keyOf(a) < keyOf(b) ? -1 : 1), end };
}

function keyOf(step: unknown): string {
  return (step as { key: string }).key;
}

async function both(nodes: readonly Node[], options: DriveOptions): Promise<readonly [mine: Driven, theirs: Driven]> {
  return [
    await drive(windkit, build(windkit.api, nodes), external, { answer, ...options }),
    await drive(officialClient, build(officialClient.api, nodes), external, { answer, ...options }),
  ];
}

for (const fastPath of [false, true]) {
  const path = fastPath ? "with the fast path" : "without the fast path";
  Deno.test(`a round gives the official client's messages, keys, dispatches and result for generated bodies, ${path}`, async () => {
    await fc.assert(
      fc.asyncProperty(program, async (nodes) => {
        const [mine, theirs] = await both(nodes, { fastPath });
        deepStrictEqual(shown(mine), shown(theirs));
      }),
      { numRuns: fastPath ? RUNS : ALL_RUNS },
    );
  });
}

Deno.test("a workflow has the official client's result, values and dispatches where its messages differ", async () => {
  await fc.assert(
    fc.asyncProperty(patterned, fc.boolean(), async (nodes, fastPath) => {
      const [mine, theirs] = await both(nodes, { fastPath });
      deepStrictEqual(summed(mine), summed(theirs));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("a round is the same under the older wrapper, which takes nothing that a body has caught", async () => {
  await fc.assert(
    fc.asyncProperty(program, fc.boolean(), async (nodes, fastPath) => {
      const newest = await drive(windkit, build(windkit.api, nodes), external, { answer, fastPath });
      const older = await drive(windkit, build(windkit.api, nodes), external, { answer, fastPath, newest: false });
      // The older wrapper does not hand on how an approval looks.
      const messages = newest.messages.map((m) => {
        const { skin: _skin, description: _description, ...rest } = m as Record<string, unknown>;
        return rest;
      });
      deepStrictEqual(shown(older), { ...shown(newest), messages });
    }),
    { numRuns: RUNS },
  );
});

Deno.test("a workflow comes to the same end whichever posts fail, and no step's body runs twice", async () => {
  const fault = fc.constantFrom<Fault | undefined>(
    undefined,
    undefined,
    "error",
    "timeout",
    "dropped",
    "lost",
    "garbage",
  );
  await fc.assert(
    fc.asyncProperty(program, fc.infiniteStream(fault), async (nodes, stream) => {
      const expected = await drive(windkit, build(windkit.api, nodes), external, { answer, fastPath: true });
      const ran: string[] = [];
      const api: Api = {
        ...windkit.api,
        step: (name, fn) => windkit.api.step(name, () => (ran.push(taskInfo().key), fn())),
      };
      const fault = (): Fault | undefined => stream.next().value;
      const met = await drive(windkit, build(api, nodes), external, { answer, fastPath: true, fault });
      deepStrictEqual(summed(met), summed(expected));
      deepStrictEqual(ran.toSorted(), [...new Set(ran)].toSorted());
    }),
    { numRuns: RUNS },
  );
});

Deno.test("a round is the same beside the official client and in its place", async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(program, patterned), fc.boolean(), async (nodes, fastPath) => {
      const options = { answer, fastPath };
      const beside = await drive(windkit, build(windkit.api, nodes), external, options);
      const alone = await drive(windkitAlone, build(windkitAlone.api, nodes), external, options);
      deepStrictEqual(shown(alone), shown(beside));
    }),
    { numRuns: RUNS },
  );
});

Deno.test("runRound() carries the whole dispatch entry: options under their wire names, arguments by name", async () => {
  const body = (api: Api): unknown => {
    const t = api.task(
      "f/a/named",
      async (first: number, second: { x: number }) => await Promise.resolve([first, second]),
      {
        timeout: 7,
        tag: "gpu",
        cache_ttl: 60,
        priority: 3,
        concurrency_limit: 2,
        concurrency_key: "k",
        concurrency_time_window_s: 9,
      },
    );
    const double = api.task(async function double(n: number) {
      return await Promise.resolve(n * 2);
    });
    return api.workflow(async () =>
      await Promise.all([t(1, { x: 2 }), api.taskScript("./h.ts")([1, 2] as never, 3), double(5)])
    );
  };
  const theirs = await drive(officialClient, body(officialClient.api), external);
  const mine = await drive(windkit, body(windkit.api), external);
  deepStrictEqual(mine.messages, theirs.messages);
});

Deno.test("runRound() posts steps one at a time on the fast path and runs each body once", async () => {
  const { runRound } = await import("../../src/workflow/round.ts");
  const { createLocalHost } = await import("../../src/engine/host.ts");
  const { step } = await import("../../src/cluster/authoring.ts");
  const host = createLocalHost();
  const ran: string[] = [];
  const posted: string[] = [];
  let inFlight = 0;
  const message = await runRound(
    {
      body: async () => await Promise.all(["a", "b", "c"].map((n) => step(n, () => (ran.push(n), n)))),
      hop: host.hop,
      now: host.now,
      runId: "job",
      signal: new AbortController().signal,
      enter: (session, info, fn) => host.context.run(info === undefined ? { session } : { session, info }, fn),
      post: async ({ key }) => {
        if (++inFlight > 1) throw new Error("two posts in flight");
        await new Promise<void>((resolve) => host.hop(resolve));
        posted.push(key);
        inFlight--;
        return true;
      },
    },
    {},
    {},
  );
  deepStrictEqual(message, { type: "complete", result: ["a", "b", "c"] });
  deepStrictEqual([ran, posted], [["a", "b", "c"], ["a", "b", "c"]]);
});
