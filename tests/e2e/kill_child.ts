/**
 * The process that `kill_test.ts` kills: drives runs on a data folder, and writes what it does to a side file.
 *
 * Arguments: the folder, the side file, number of the first new run, how many new runs, durability, a seed.
 *
 * @module
 */
import { createEngine, type EngineEvent, readJournal } from "../../src/engine/engine.ts";
import { openSqliteStorage } from "../../src/storage/sqlite.ts";
import { parallel, sleep, step, task, taskInfo, waitForApproval, workflow } from "../../src/cluster/authoring.ts";

const [dir = "", sideFile = "", first = "0", count = "0", durability = "power", seed = "1"] = Deno.args;
const side = Deno.openSync(sideFile, { append: true, create: true });
const encoder = new TextEncoder();
let state = Number(seed);

/** A line that is in the side file before anything else happens: one write, which survives the process. */
function note(...words: readonly (string | number)[]): void {
  side.writeSync(encoder.encode(`${words.join(" ")}\n`));
}

/** Tells the parent that something happened: it counts these to choose its moment. */
function tell(...words: readonly (string | number)[]): void {
  Deno.stdout.writeSync(encoder.encode(`${words.join(" ")}\n`));
}

/** Work of up to 3 ms: a kill must find some of it under way. */
async function work(): Promise<void> {
  const { runId, key, idempotencyKey } = taskInfo();
  note("ran", runId, key, idempotencyKey);
  state = (state * 1103515245 + 12345) & 0x7fffffff;
  await new Promise((resolve) => setTimeout(resolve, state % 4));
}

const charge = task("charge", async (n: number, i: number) => {
  await work();
  if ((n + i) % 5 === 0 && taskInfo().attempt === 1) throw new Error(`Charge ${n} ${i} was refused`);
  return n * 10 + i;
}, { retry: { attempts: 1 } });

const main = workflow(async (n: number) => {
  const a = await step("a", async () => {
    await work();
    return n;
  });
  const charges = await parallel([1, 2, 3, 4], (i) => charge(n, i), { concurrency: 2 });
  await sleep(0.004 * (n % 4));
  const [x, y] = await Promise.all([
    step("x", work),
    sleep(0.006).then(() => step("y", work)),
  ]);
  const { value } = n % 3 === 0 ? await waitForApproval({ key: "ok", timeout: 86_400 }) : { value: null };
  await step("z", work);
  return { a, charges, x, y, value };
});

function number(run: string): number {
  return Number(run.slice("run-".length));
}

const storage = await openSqliteStorage({ dir, durability: durability === "process" ? "process" : "power" });
const owned: Promise<void> = storage.own({ name: "reader" });
await owned;
// What an earlier process committed counts from here on, also where it was killed before it could note it.
for (const row of await storage.runs({ limit: 100_000 })) {
  for (const record of (await readJournal(storage, row.id)).records) {
    if (record.t === "settled") note("settled", row.id, record.key);
  }
}
await storage.close();

const engine = await createEngine({
  storage: await openSqliteStorage({ dir, durability: durability === "process" ? "process" : "power" }),
  workflows: { main },
  concurrency: 16,
  maxActiveRuns: 24,
  maxParkedInMemory: 4,
  onEvent: (event: EngineEvent): void => {
    if (event.event === "call_settled") note("settled", event.run, event.key);
    if (event.event === "approval_waiting") answer(event.run);
    if (event.event === "failed" || event.event === "run_stopped") tell("problem", event.error.message);
    if (event.event !== "warning") tell(event.event);
  },
});

/** Grants the approval, before or while it is waited for. A second answer does nothing. */
function answer(run: string): void {
  engine.approve(run, "ok", { value: number(run) }).catch((error: Error) => {
    if (!/answered already|has ended|was closed/.test(error.message)) tell("problem", error.message);
  });
}

for (const row of await engine.runs({ state: "parked", limit: 100_000 })) {
  if (row.waits?.includes("approval:ok") === true) answer(row.id);
}
await Promise.all(Array.from({ length: Number(count) }, async (_, i) => {
  const n = Number(first) + i;
  await engine.start("main", { n }, { runId: `run-${n}` });
  tell("acknowledged", n);
  if (n % 6 === 0) answer(`run-${n}`);
}));
const all = await engine.runs({ limit: 100_000 });
await Promise.all(all.map(async (row) => await (await engine.run(row.id)).result()));
await engine.close();
tell("drained");
