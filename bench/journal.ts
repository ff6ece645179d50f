/**
 * What a journal costs beyond its storage: the digest of a step's arguments, the place in the source that called it, and the
 * SHA-256 of each record when a run is exported or imported.
 *
 * @module
 */
import { step, task, workflow } from "../src/cluster/authoring.ts";
import { encode } from "../src/base/canonical.ts";
import { hash64 } from "../src/base/hash.ts";
import { sha256 } from "../src/engine/sha256.ts";
import { createCallSites } from "../src/engine/call_site.ts";
import { createEngine, exportRun, importRun } from "../src/engine/engine.ts";
import { createMemoryStorage } from "../src/storage/memory.ts";
import { cpuTime } from "./_machine.ts";
import { type Bench, bench, option } from "./_report.ts";

const LIMIT = 200;
const AGAIN = 200_000;

/** Arguments as tasks get them, all with fewer than 200 bytes of canonical text. */
const ARGUMENTS: readonly (readonly [name: string, args: readonly unknown[]])[] = [
  ["one number", [1]],
  ["an id and a count", ["user-18273", 3]],
  ["an object of five fields", [{
    id: 18_273,
    name: "Ada Lovelace",
    email: "ada@example.com",
    active: true,
    tags: ["a"],
  }]],
  ["199 bytes of text", ["x".repeat(LIMIT - 5)]],
];

let sink = 0;

/** Microseconds of the processor that one call takes, a number for each round. */
function perCall(rounds: number, again: number, call: (i: number) => string | undefined): number[] {
  const values: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const begin = cpuTime();
    for (let i = 0; i < again; i++) sink += call(i)?.length ?? 0;
    if (round >= 0) values.push((cpuTime() - begin) * 1000 / again);
  }
  return values;
}

function digests(b: Bench, rounds: number): void {
  let most = 0;
  for (const [name, args] of ARGUMENTS) {
    const bytes = encode(args).length;
    if (bytes >= LIMIT) throw new RangeError(`"${name}" has ${bytes} bytes, expected fewer than ${LIMIT}`);
    // Texts that were just made, as those of steps are: the first look at one costs more than the next.
    const form = perCall(rounds, AGAIN, (i) => encode([...args, i & 1023]));
    const both = perCall(rounds, AGAIN, (i) => hash64(encode([...args, i & 1023])));
    b.measure(`canonical form, which is recorded anyway, ${name} (${bytes} bytes)`, "µs/step", form);
    const { median } = b.measure(
      `digest of that, ${name}`,
      "µs/step",
      both.map((value, i) => value - (form[i] as number)),
    );
    most = Math.max(most, median);
  }
  b.bar("digest of a step's arguments, under 200 bytes", "µs/step", most, "at most", 1.5);
}

/** Captures are counted where V8 formats a stack. */
function counted(run: () => void): number {
  const before = Error.prepareStackTrace;
  let captured = 0;
  Error.prepareStackTrace = (error, frames) => {
    captured++;
    return `${error}\n${frames.map((frame) => `    at ${frame}`).join("\n")}`;
  };
  try {
    run();
  } finally {
    Error.prepareStackTrace = before;
  }
  return captured;
}

function sites(b: Bench, rounds: number): void {
  const known = createCallSites();
  const names = Array.from({ length: 100 }, (_, i) => `step ${i}`);
  const captured = counted(() => {
    for (let i = 0; i < 100_000; i++) known("workflow", names[i % 100] as string);
  });
  b.bar("stacks captured by 100,000 calls of 100 names", "stacks", captured, "at most", 100);
  b.measure("call site, known", "µs/call", perCall(rounds, AGAIN, (i) => known("workflow", names[i % 100] as string)));
  b.measure(
    "call site, first of its name",
    "µs/name",
    perCall(rounds, 2000, () => createCallSites()("workflow", "step")),
  );
}

/** Whole steps, with call sites and without: what of a step they are. */
async function steps(b: Bench, rounds: number): Promise<void> {
  const count = 20_000;
  const add = task(async function add(a: number, n: number) {
    return a + n;
  });
  const tasks = workflow(async () => {
    for (let i = 0; i < count; i++) await add(i, 1);
  });
  const plain = workflow(async () => {
    for (let i = 0; i < count; i++) await step("add", () => i + 1);
  });
  const found: Record<string, number[]> = {};
  for (let round = -1; round < rounds; round++) {
    for (const callSites of [true, false]) {
      for (const [name, main] of Object.entries({ "task with two arguments": tasks, "step": plain })) {
        await using engine = await createEngine({ storage: createMemoryStorage(), workflows: { main }, callSites });
        const begin = cpuTime();
        await (await engine.start("main")).result();
        const value = (cpuTime() - begin) * 1000 / count;
        if (round >= 0) (found[`a whole ${name}, callSites: ${callSites}`] ??= []).push(value);
      }
    }
  }
  for (const [name, values] of Object.entries(found)) b.measure(name, "µs/step", values);
}

async function files(b: Bench, rounds: number): Promise<void> {
  const count = 100_000;
  const storage = createMemoryStorage();
  const main = workflow(async () => {
    for (let i = 0; i < count; i++) await step("work", () => ({ index: i, name: "item" }));
  });
  {
    await using engine = await createEngine({ storage, workflows: { main } });
    await (await engine.start("main", {}, { runId: "r" })).result();
  }
  const visitor = storage.visit();
  const text = await exportRun(visitor, "r");
  b.setting("records in the file", count + 2);
  b.setting("bytes a record in the file", Math.round(text.length / (count + 2)));
  const lines = text.split("\n").slice(0, 10_000);
  const own: number[] = [], native: number[] = [], writing: number[] = [], reading: number[] = [];
  const encoder = new TextEncoder();
  for (let round = -1; round < Math.min(rounds, 5); round++) {
    let digest = "";
    let begin = performance.now();
    for (const line of lines) digest = sha256(digest + line);
    const first = performance.now() - begin;
    let bytes = "";
    begin = performance.now();
    for (const line of lines) {
      bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(bytes + line))).toHex();
    }
    const second = performance.now() - begin;
    if (bytes !== digest) throw new Error("The two ways to a SHA-256 differ");
    begin = performance.now();
    await exportRun(visitor, "r");
    const third = performance.now() - begin;
    begin = performance.now();
    importRun(text);
    const fourth = performance.now() - begin;
    if (round < 0) continue;
    own.push(first * 1000 / lines.length);
    native.push(second * 1000 / lines.length);
    writing.push(third * 1000 / count);
    reading.push(fourth * 1000 / count);
  }
  b.measure("SHA-256 of a record, own", "µs/record", own);
  b.measure("SHA-256 of a record, crypto.subtle, one after the other", "µs/record", native);
  b.measure("exported, read and verified first", "µs/record", writing);
  b.measure("imported: verified, looked at field by field", "µs/record", reading);
}

await bench("journal", import.meta.main, async (b) => {
  const rounds = option("rounds", 9);
  digests(b, rounds);
  sites(b, rounds);
  await steps(b, rounds);
  await files(b, rounds);
  b.note(
    "A digest covers the canonical text of a call's arguments, which is made in any case: it is what is recorded. The file's " +
      `SHA-256 are by the clock, the rest is time of the processor (${sink === 0 ? "none" : "checked"}).`,
  );
});
