/**
 * S3 objects of 256 MiB up and down, beside the runtime's own `fetch` with a stream, and the official client. Each transfer is a
 * process of its own; the ways take turns. Memory is the most that the process had, whatever it was for.
 *
 * @module
 */
import { lineStream } from "./_lines.ts";
import { installPeers, peersFolder, runtimePath, versionOf } from "./_peers.ts";
import { type Bench, bench, median, option, ratios } from "./_report.ts";

const WAYS = ["raw_down", "own_down", "official_down", "raw_up", "own_up", "official_up"] as const;

type Way = (typeof WAYS)[number];

const titles: Readonly<Record<Way, string>> = {
  raw_down: "fetch, streamed down",
  own_down: "Windkit s3.download",
  official_down: "windmill-client loadS3FileStream (a Blob)",
  raw_up: "fetch, streamed up",
  own_up: "Windkit s3.upload of a stream",
  official_up: "windmill-client writeS3File of a Blob in memory",
};

interface Transfer {
  readonly mibPerSecond: number;
  readonly peakMib: number;
}

interface Runtime {
  readonly name: string;
  readonly command: readonly string[];
}

function runtimes(b: Bench): readonly Runtime[] {
  const deno = { name: "Deno", command: [Deno.execPath(), "run", "-A", "--quiet", "--no-check"] };
  const node = runtimePath("node24");
  if (node === undefined) b.note("npm has no Node 24 for this platform: it was not measured.");
  return node === undefined ? [deno] : [deno, { name: "Node 24", command: [node, "--no-warnings"] }];
}

async function transfer({ name, command }: Runtime, way: Way, baseUrl: string, size: number): Promise<Transfer> {
  const [program = "", ...args] = command;
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [
      ...args,
      new URL("_s3_transfer.ts", import.meta.url).pathname,
      way,
      baseUrl,
      `${size}`,
      new URL(`file://${peersFolder}node_modules/windmill-client/dist/index.mjs`).href,
    ],
  }).output();
  if (code !== 0) {
    throw new Error(`"${way}" ended on ${name} with exit code ${code}: ${new TextDecoder().decode(stderr)}`);
  }
  return JSON.parse(new TextDecoder().decode(stdout)) as Transfer;
}

async function measure(b: Bench, runtime: Runtime, baseUrl: string, size: number, rounds: number): Promise<void> {
  const { name } = runtime;
  const found = new Map<Way, Transfer[]>(WAYS.map((way) => [way, []]));
  for (let round = -1; round < rounds; round++) {
    // Each way is now the first, now the last: what a round before left behind hits all alike.
    for (let i = 0; i < WAYS.length; i++) {
      const way = WAYS[(i + Math.max(0, round)) % WAYS.length] as Way;
      const one = await transfer(runtime, way, baseUrl, size);
      if (round >= 0) found.get(way)?.push(one);
    }
  }
  const speeds = (way: Way): number[] => (found.get(way) ?? []).map(({ mibPerSecond }) => mibPerSecond);
  const peaks = (way: Way): number[] => (found.get(way) ?? []).map(({ peakMib }) => peakMib);
  for (const way of WAYS) {
    b.measure(`${name}: ${titles[way]}`, "MiB/s", speeds(way));
    b.measure(`${name}: most memory, ${titles[way]}`, "MiB", peaks(way));
  }
  for (const [raw, own, direction] of [["raw_down", "own_down", "down"], ["raw_up", "own_up", "up"]] as const) {
    const ratio = b.measure(`${name}: ${direction}, Windkit over fetch`, "ratio", ratios(speeds(own), speeds(raw)));
    b.bar(`a stream ${direction}, ${name}, over fetch`, "ratio", ratio.median, "at least", 0.95);
    const more = median(peaks(own)) - median(peaks(raw));
    b.bar(`memory of a stream ${direction}, ${name}, more than fetch`, "MiB", more, "at most", 32);
  }
}

await bench("s3", import.meta.main, async (b) => {
  const size = option("mib", 256);
  await installPeers();
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-net", new URL("_s3_server.ts", import.meta.url).href, `${size}`],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  try {
    const lines = server.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(lineStream()).getReader();
    const { value: port } = await lines.read();
    if (port === undefined) throw new Error("The server of objects did not start");
    b.setting("windmill-client", await versionOf("windmill-client"));
    b.setting("an object, in MiB", size);
    for (const runtime of runtimes(b)) {
      await measure(b, runtime, `http://127.0.0.1:${port}`, size, option("rounds", 9));
    }
  } finally {
    server.kill("SIGKILL");
    await server.status;
  }
});
