/**
 * The same workload on other durable engines, in turns with ours and with raw commits on the same disk.
 *
 * They are not equal products: Restate pays for a server, a network and access by many processes, which an embedded engine
 * does not offer.
 *
 * @module
 */
import { lineStream } from "./_lines.ts";
import { installPeers, peersFolder, restateServer, runtimePath, versionOf } from "./_peers.ts";
import { openRaw } from "./_raw.ts";
import { bench, option, ratios, withFolder } from "./_report.ts";
import { newMark, openEngine, timesOf, timeSteps } from "./_workflows.ts";
import { openSqliteStorage } from "../src/storage/sqlite.ts";
import type { Engine } from "../src/engine/engine.ts";

interface Rates {
  readonly sequential: number;
  readonly many: number;
}

/** One engine under measurement: steps a second of 1 run of 1,000 steps, and of 100 runs of 10. */
interface Peer {
  readonly name: string;
  round(): Promise<Rates>;
  close(): Promise<void>;
}

async function ours(dir: string): Promise<Peer> {
  const engine = await openEngine(await openSqliteStorage({ dir }));
  return {
    name: "Windkit, 'power'",
    round: async () => ({ sequential: 1000 / await timeSteps(engine, 1000), many: await many(engine) }),
    close: () => engine.close(),
  };
}

async function many(engine: Engine): Promise<number> {
  const marks = Array.from({ length: 100 }, newMark);
  const runs = await Promise.all(marks.map((mark) => engine.start("sequence", [10, mark])));
  await Promise.all(runs.map((run) => run.result()));
  const times = marks.map(timesOf);
  return 1000 * 1000 / (Math.max(...times.map((t) => t.last)) - Math.min(...times.map((t) => t.first)));
}

/** A peer in a process of its own, which does one round for each line that it is given. */
function inProcess(name: string, command: string, args: readonly string[]): Peer {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd: peersFolder,
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const input = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(lineStream()).getReader();
  return {
    name,
    async round(): Promise<Rates> {
      await input.write(new TextEncoder().encode("round\n"));
      for (;;) {
        const { value, done } = await lines.read();
        if (done) throw new Error(`"${name}" ended in the middle of a round`);
        if (value.startsWith('{"sequential"')) return JSON.parse(value) as Rates; // what else it prints are logs
      }
    },
    async close(): Promise<void> {
      await input.close();
      await child.status;
    },
  };
}

await bench("peers", import.meta.main, async (b) => {
  const rounds = option("rounds", 5);
  await installPeers();
  const node = runtimePath("node24");
  await withFolder(async (dir) => {
    const peers: Peer[] = [await ours(`${dir}/windkit`)];
    if (node === undefined) b.note("npm has no Node 24 for this platform: no peer was measured.");
    else {
      b.setting("OpenWorkflow", `${await versionOf("openworkflow")}, SQLite, its defaults, Node 24`);
      peers.push(inProcess("OpenWorkflow", node, ["--no-warnings", "openworkflow.mjs", dir]));
      const server = await restateServer();
      if (server === undefined) b.note("npm has no Restate server for this platform: it was not measured.");
      else {
        b.setting(
          "Restate",
          `server ${await versionOf("@restatedev/restate-server")}, its defaults, SDK ${await versionOf(
            "@restatedev/restate-sdk",
          )}, Node 24`,
        );
        peers.push(inProcess("Restate", node, ["restate.mjs", dir, server]));
      }
    }
    await Deno.mkdir(`${dir}/raw`);
    const raw = openRaw(`${dir}/raw`, "FULL");
    const single: number[] = [];
    const found = peers.map(() => ({ raw: [] as number[], sequential: [] as number[], many: [] as number[] }));
    for (let round = -1; round < rounds; round++) {
      for (const [i, peer] of peers.entries()) {
        const before = raw.single(300);
        const rates = await peer.round();
        const after = raw.single(300);
        if (round < 0) continue;
        const rate = 2 / (1 / before + 1 / after);
        single.push(rate);
        found[i]?.raw.push(rate);
        found[i]?.sequential.push(rates.sequential);
        found[i]?.many.push(rates.many);
      }
    }
    for (const peer of peers) await peer.close();
    raw.close();
    b.measure("raw single-row commits, FULL", "commits/s", single);
    for (const [i, { name }] of peers.entries()) {
      const { raw: own = [], sequential = [], many = [] } = found[i] ?? {};
      b.measure(`${name}: 1 run of 1,000 steps`, "steps/s", sequential);
      b.measure(`${name}: 1 run of 1,000 steps, over raw commits`, "ratio", ratios(sequential, own));
      b.measure(`${name}: 100 runs of 10 steps`, "steps/s", many);
      b.measure(`${name}: 100 runs of 10 steps, over raw commits`, "ratio", ratios(many, own));
    }
  });
});
