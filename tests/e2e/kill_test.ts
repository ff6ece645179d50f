/**
 * Kills a process that drives runs with SIGKILL, again and again on the same folder, and looks at what is left at the end. 10
 * kills; 50 with `WINDKIT_SOAK=1`.
 *
 * @module
 */
import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { readJournal } from "../../src/engine/engine.ts";
import { openSqliteStorage } from "../../src/storage/sqlite.ts";

const soak = Deno.env.get("WINDKIT_SOAK") === "1";
const KILLS = soak ? 50 : 10;
const NEW_RUNS = 25;
const child = fileURLToPath(new URL("kill_child.ts", import.meta.url));

interface Shift {
  readonly acknowledged: readonly number[];
  readonly drained: boolean;
  readonly problems: readonly string[];
  readonly errors: string;
}

/** Lets a process work, and kills it when it has told `lines` things; it lives to its end when that is Infinity. */
async function work(dir: string, side: string, first: number, count: number, lines: number): Promise<Shift> {
  const durability = first % 2 === 0 ? "process" : "power";
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", child, dir, side, `${first}`, `${count}`, durability, `${first + 7}`],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(process.stderr).text();
  const acknowledged: number[] = [];
  const problems: string[] = [];
  let drained = false;
  let told = 0;
  let rest = "";
  // Read to the end also after the kill: what was acknowledged before it counts.
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) {
      const [word, ...words] = line.split(" ");
      if (word === "acknowledged") acknowledged.push(Number(words[0]));
      else if (word === "problem") problems.push(words.join(" "));
      else if (word === "drained") drained = true;
      if (++told === lines) kill(process);
    }
  }
  await process.status;
  return { acknowledged, drained, problems, errors: await errors };
}

function kill(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // it has ended by itself
  }
}

function expected(n: number): unknown {
  const charges = [1, 2, 3, 4].map((i) => n * 10 + i);
  return { a: n, charges, x: null, y: null, value: n % 3 === 0 ? n : null };
}

/** What the side file says went on: committed calls that ran again, calls that ran more than once, keys of each call. */
function readSide(
  text: string,
): { readonly again: readonly string[]; readonly repeated: number; readonly ran: number } {
  const settled = new Set<string>();
  const ran = new Map<string, Set<string>>();
  const again: string[] = [];
  let repeated = 0;
  for (const line of text.split("\n")) {
    const [what, run = "", key = "", idempotencyKey = ""] = line.split(" ");
    const call = `${run} ${key}`;
    if (what === "settled") settled.add(call);
    if (what !== "ran") continue;
    if (settled.has(call)) again.push(call);
    const keys = ran.get(call);
    if (keys === undefined) ran.set(call, new Set([idempotencyKey]));
    else {
      repeated++;
      keys.add(idempotencyKey);
    }
  }
  for (const [call, keys] of ran) {
    equal(keys.size, 1, `The idempotency keys of ${call} differ: ${[...keys].join(", ")}`);
  }
  return { again, repeated, ran: ran.size };
}

Deno.test(`kill -9: ${KILLS} times at random moments, and nothing that was acknowledged is lost or done twice`, async () => {
  const folder = await Deno.makeTempDir({ prefix: "windkit-kill-" });
  const dir = `${folder}/data`, side = `${folder}/effects`;
  try {
    const acknowledged = new Set<number>();
    for (let i = 0; i < KILLS; i++) {
      const lines = 1 + Math.floor(Math.random() * 900);
      const shift = await work(dir, side, i * NEW_RUNS, NEW_RUNS, lines);
      equal([shift.problems, shift.errors], [[], ""], `Process ${i}, killed after ${lines} lines`);
      for (const n of shift.acknowledged) acknowledged.add(n);
    }
    const last = await work(dir, side, KILLS * NEW_RUNS, 1, Infinity);
    equal([last.problems, last.errors, last.drained], [[], "", true]);

    await using storage = await openSqliteStorage({ dir, mode: "visit" });
    const rows = await storage.runs({ limit: 100_000 });
    const stored = new Set(rows.map((row) => row.id));
    for (const n of acknowledged) ok(stored.has(`run-${n}`), `run-${n} was acknowledged and is not there`);
    for (const row of rows) {
      const n = Number(row.id.slice("run-".length));
      equal([row.state, row.status], ["closed", "completed"], row.id);
      const { records } = await readJournal(storage, row.id);
      const end = records.at(-1);
      ok(end?.t === "closed" && end.outcome?.ok === true, `${row.id} has no result`);
      equal(JSON.parse(end.outcome.value), expected(n), row.id);
      const keys = records.flatMap((r) => r.t === "settled" ? [r.key] : []);
      equal(keys.length, new Set(keys).size, `${row.id} settled a call twice`);
    }
    const { again, repeated, ran } = readSide(await Deno.readTextFile(side));
    equal(again, [], "Committed calls ran again");
    ok(ran >= rows.length * 8, `Expected the effects of ${rows.length} runs, found ${ran}`);
    // Otherwise no kill found anything under way, and this test has shown nothing.
    ok(repeated > 0, "No kill cut an attempt short");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
