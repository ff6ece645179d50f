/**
 * What one `getVariable` costs over the least that could do it: `fetch` with the same headers and the same time limit, and
 * `json()`. The server is a process of its own, so the processor time of this process is that of the callers alone. Blocks of calls go
 * A B B A, so that a machine that gets slower or faster meanwhile does so for both.
 *
 * @module
 */
import process from "node:process";
import { createClient } from "../src/sdk/client.ts";
import { lineStream } from "./_lines.ts";
import { installPeers, peersFolder, versionOf } from "./_peers.ts";
import { bench, median, option, ratios } from "./_report.ts";

/** What is used of the official client. */
interface Official {
  setClient(token: string, baseUrl: string): void;
  getVariable(path: string): Promise<string>;
}

const PATH = "f/bench/variable";
const TIMEOUT_MS = 120_000;

async function official(baseUrl: string): Promise<() => Promise<unknown>> {
  Deno.env.set("WM_WORKSPACE", "bench"); // it takes its workspace from nowhere else
  const path = new URL(`file://${peersFolder}node_modules/windmill-client/dist/index.mjs`).href;
  const client = await import(path) as Official;
  client.setClient("token", baseUrl);
  return () => client.getVariable(PATH);
}

/** The least that does the same. */
function raw(baseUrl: string): () => Promise<unknown> {
  const url = `${baseUrl}/api/w/bench/variables/get_value/${PATH}`;
  return async () => {
    const headers = { accept: "application/json", authorization: "Bearer token" };
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    return await response.json();
  };
}

/** What a block of calls took. */
interface Block {
  /** Processor time of this process, in microseconds a call. */
  readonly cpu: number;
  /** Time by the clock, in microseconds a call. */
  readonly wall: number;
}

async function block(call: () => Promise<unknown>, calls: number, inFlight: number): Promise<Block> {
  let left = calls;
  const cpu = process.cpuUsage(), begun = performance.now();
  async function lane(): Promise<void> {
    while (left-- > 0) {
      if (await call() !== "value") throw new Error("The server of variables answered something else");
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane));
  const wall = performance.now() - begun, { user, system } = process.cpuUsage(cpu);
  return { cpu: (user + system) / calls, wall: wall * 1000 / calls };
}

/** A block of each in the order A B B A: the sums of both. */
async function paired(
  [a, b]: readonly [() => Promise<unknown>, () => Promise<unknown>],
  calls: number,
  inFlight: number,
): Promise<readonly [Block, Block]> {
  const a1 = await block(a, calls, inFlight), b1 = await block(b, calls, inFlight);
  const b2 = await block(b, calls, inFlight), a2 = await block(a, calls, inFlight);
  const mean = (x: Block, y: Block): Block => ({ cpu: (x.cpu + y.cpu) / 2, wall: (x.wall + y.wall) / 2 });
  return [mean(a1, a2), mean(b1, b2)];
}

await bench("call", import.meta.main, async (b) => {
  const rounds = option("rounds", 41), calls = option("calls", 200);
  await installPeers();
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-net", new URL("_variable_server.ts", import.meta.url).href],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  try {
    const lines = server.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(lineStream()).getReader();
    const { value: port } = await lines.read();
    if (port === undefined) throw new Error("The server of variables did not start");
    const baseUrl = `http://127.0.0.1:${port}`;
    const least = raw(baseUrl), theirs = await official(baseUrl);
    const client = createClient({ baseUrl, workspace: "bench", token: "token" });
    const ours = (): Promise<unknown> => client.variables.get(PATH);
    b.setting("windmill-client", await versionOf("windmill-client"));
    b.setting("calls a block", calls);
    b.setting("time limit of a call, in ms (not the official client's: it has none)", TIMEOUT_MS);
    for (const [inFlight, limit] of [[1, 8], [32, 6]] as const) {
      const title = inFlight === 1 ? "one after the other" : `${inFlight} in flight`;
      for (const call of [least, ours, theirs]) await block(call, calls, inFlight);
      const own: number[] = [], other: number[] = [];
      const walls: Record<"raw" | "own" | "other", number[]> = { raw: [], own: [], other: [] };
      for (let round = 0; round < rounds; round++) {
        const [base, mine] = await paired([least, ours], calls, inFlight);
        const [base2, yours] = await paired([least, theirs], calls, inFlight);
        own.push(mine.cpu - base.cpu);
        other.push(yours.cpu - base2.cpu);
        walls.own.push(mine.wall);
        walls.other.push(yours.wall);
        walls.raw.push((base.wall + base2.wall) / 2);
      }
      b.measure(`Windkit, ${title}: processor time over the least`, "µs a call", own);
      b.measure(`windmill-client, ${title}: processor time over the least`, "µs a call", other);
      b.measure(`Windkit, ${title}: calls a second over those of the least`, "ratio", ratios(walls.raw, walls.own));
      b.measure(
        `windmill-client, ${title}: calls a second over those of the least`,
        "ratio",
        ratios(walls.raw, walls.other),
      );
      b.measure(`Windkit, ${title}: calls a second over windmill-client's`, "ratio", ratios(walls.other, walls.own));
      b.bar(`own cost of getVariable, ${title}`, "µs", median(own), "at most", limit);
    }
  } finally {
    server.kill("SIGKILL");
    await server.status;
  }
});
