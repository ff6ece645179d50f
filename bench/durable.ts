/**
 * Steps in a Durable Object, beside inserts that nobody awaits and beside Cloudflare Workflows, in one workerd. Timed from outside,
 * because clocks stand still inside an object.
 *
 * workerd ends each turn of its loop with a commit that it forces to the disk. That is Miniflare's disk, not the platform's: where it is
 * in memory, what is left is what the code costs.
 *
 * The bar of 0.15 of inserts that nobody awaits is not reached, and one insert a turn of the loop alone was at 0.15 when both were measured
 * in turn (20.8 µs against 3.1): what a turn that wrote costs (BEGIN, COMMIT, the output gate) is as much as the bar gives a whole step.
 * An outcome has a turn to itself because the body's microtasks must be drained before it (`session.ts`). Tried, each hop with one
 * insert, in µs, in two runs of which the first had a busy machine; an insert without a hop took 3.9 and 3.7:
 *
 * | hop                                       | busy       | at rest    | microtasks are drained first               |
 * | ----------------------------------------- | ---------- | ---------- | ------------------------------------------ |
 * | `setTimeout(0)`, as it is                 | 32.5       | 15.7       | yes                                        |
 * | 16 of them booked ahead                   | 40.0       |            | yes: each is a turn with a commit          |
 * | `setImmediate`; 16 booked ahead           | 42.9; 32.8 |            | yes: the same                              |
 * | `scheduler.wait(0)`                       | 37.7       |            | yes                                        |
 * | a message of a WebSocketPair; 16 ahead    |            | 25.5; 16.9 | yes                                        |
 * | `new Response("x").text()`; 16 ahead      |            | 23.1; 20.1 | yes                                        |
 * | an IdentityTransformStream                |            | 40.4       | yes                                        |
 * | MessageChannel; `process.nextTick`        | 10.8; 11.3 |            | no: both are microtasks here               |
 * | 20 microtasks in a row                    | 8.0        |            | no: a branch that computes may take more   |
 * | `storage.get()`, `getAlarm()`, Blob, hash |            |            | no                                         |
 *
 * What hops without a turn makes a step 14 to 19 µs instead of 30 to 36, and may hand an outcome over before a branch that only computes has made its
 * call: on replay keys of one name are then drawn in another order, silently. `storage.transaction()` around many turns saves their
 * commits, but lets requests of steps leave before what they depend on is durable. A records table without its index would save
 * 3 to 4 µs. A step is one insert and one hop already; closures with names on its path, which a bundler that keeps names (wrangler does)
 * defines anew for each, are gone (2 to 5 µs).
 *
 * @module
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { bundled, startWorkerd, type Workerd } from "../tests/durable/_workerd.ts";
import { type Bench, bench, median, option, ratios } from "./_report.ts";

const STEPS = { memory: 4000, disk: 500 } as const;
const PEER_STEPS = { memory: 400, disk: 100 } as const;
const ROWS = 40_000;

/** Things a second, by one request. */
async function rate(worker: Workerd, path: string, count: number): Promise<number> {
  const begun = performance.now();
  await worker.ask(`${path}?count=${count}`);
  return count / (performance.now() - begun) * 1000;
}

async function measure(
  b: Bench,
  code: string,
  where: "memory" | "disk",
  parent: string,
  rounds: number,
): Promise<void> {
  const folder = await mkdtemp(`${parent}/windkit-bench-`);
  try {
    await using worker = await startWorkerd({
      code,
      persist: folder,
      objects: { RUN: "WorkflowRun", INDEX: "WorkflowIndex", RAW: "Raw" },
      workflows: { PEER: "Peer" },
    });
    // First calls make tables and compile.
    await rate(worker, "/raw", 1000);
    for (let i = 0; i < 3; i++) await rate(worker, "/ours", STEPS[where] / 4);
    await rate(worker, "/peer", 20);
    const raw: number[] = [], turns: number[] = [], ours: number[] = [], peer: number[] = [];
    for (let round = 0; round < rounds; round++) {
      raw.push(await rate(worker, "/raw", ROWS));
      turns.push(await rate(worker, "/turns", STEPS[where]));
      ours.push(await rate(worker, "/ours", STEPS[where]));
      peer.push(await rate(worker, "/peer", PEER_STEPS[where]));
    }
    b.measure(`inserts that nobody awaits, ${where}`, "rows/s", raw);
    b.measure(`inserts, one a turn of the loop, ${where}`, "rows/s", turns);
    b.measure(`steps one after the other, ${where}`, "steps/s", ours);
    b.measure(`steps of Cloudflare Workflows, ${where}`, "steps/s", peer);
    const overRaw = b.measure(`steps over inserts, ${where}, by round`, "ratio", ratios(ours, raw));
    b.measure(`steps over inserts of one a turn, ${where}, by round`, "ratio", ratios(ours, turns));
    const overPeer = b.measure(`steps over Cloudflare Workflows', ${where}, by round`, "ratio", ratios(ours, peer));
    if (where === "memory") {
      b.bar("steps in a Durable Object over inserts that nobody awaits", "ratio", overRaw.median, "at least", 0.15);
    }
    b.bar(`steps in a Durable Object over Cloudflare Workflows', ${where}`, "ratio", overPeer.median, "at least", 3);
    b.measure(`a step, ${where}`, "µs", [1e6 / median(ours)]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await bench("durable", import.meta.main, async (b) => {
  const rounds = option("rounds", 5);
  b.setting("steps", `${STEPS.memory} in memory, ${STEPS.disk} on disk`);
  const code = await bundled("bench/_durable_worker.ts");
  if (existsSync("/dev/shm")) await measure(b, code, "memory", "/dev/shm", rounds);
  await measure(b, code, "disk", tmpdir(), rounds);
  b.note(
    "Outcomes are handed to a body in a turn of the loop of their own (the body's microtasks must be drained), and workerd ends a turn " +
      "that wrote with a commit: on disk a step costs an fsync, inserts that nobody awaits cost one together. What one bare insert a " +
      "turn comes to is the most that steps one after the other can.",
  );
});
