/**
 * Generated bodies as real Bun processes, round by round, under both clients: the same messages, and the same as in the process of
 * the test.
 */
import { deepStrictEqual } from "node:assert";
import fc from "fast-check";
import { Cluster } from "../cluster/server.ts";
import { packages } from "../cluster/packages.ts";
import { startWorker, type WorkerOptions } from "../cluster/worker.ts";
import { answer, build, external, type Node, program } from "./programs.ts";
import { drive, type Driven, driven, modulesOf, scriptOf, windkit } from "./wrapper.ts";

const BODIES = Deno.env.get("WINDKIT_SOAK") === "1" ? 400 : 40;
/** Bodies that run at once. */
const AT_ONCE = 2;

const found = await packages();
const ignore = typeof found === "string";

const CLIENTS = {
  official: 'import * as api from "windmill-client";',
  windkit: 'import "windmill-client";\nimport * as api from "@windkit/windmill-client/workflow";',
} as const;

/** A body as a script: the worker knows it by the words of its last line. */
function scriptFor(client: keyof typeof CLIENTS, nodes: readonly Node[]): string {
  return `${CLIENTS[client]}\n\n${build}\n\nexport const main = build(api, ${
    JSON.stringify(nodes)
  }); // of workflow()\n`;
}

async function inBun(code: string, options: WorkerOptions): Promise<Driven> {
  await using worker = await startWorker(() => cluster, options);
  const cluster: Cluster = new Cluster({
    runner: worker.runner,
    answer,
    external: (path) => scriptOf(external, path),
  });
  return await driven(cluster, cluster.start({ code, hash: "1", modules: modulesOf(external) }));
}

function shown({ messages, completed, dispatched, end }: Driven): Partial<Driven> {
  return { messages, completed, dispatched, end };
}

Deno.test({
  name: `${BODIES} generated bodies give the official client's messages in real Bun processes`,
  ignore,
  fn: async () => {
    const bodies = fc.sample(program, { numRuns: BODIES, seed: 20_260_901 });
    const inProcesses: Partial<Driven>[] = [];
    const queue = [...bodies.entries()];
    async function work(): Promise<void> {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const [i, nodes] = next;
        const options = { bundled: i % 4 > 1, env: isFast(i) ? {} : { WM_WAC_INLINE_FAST_PATH: "off" } };
        const mine = inProcesses[i] = shown(await inBun(scriptFor("windkit", nodes), options));
        deepStrictEqual(mine, shown(await inBun(scriptFor("official", nodes), options)));
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    for (const [i, nodes] of bodies.entries()) {
      const here = await drive(windkit, build(windkit.api, nodes), external, { answer, fastPath: isFast(i) });
      deepStrictEqual(shown(here), inProcesses[i]);
    }
  },
});

function isFast(i: number): boolean {
  return i % 2 === 0;
}
