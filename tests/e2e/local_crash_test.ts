/** `windkit dev` is killed again and again while jobs of all kinds run: each ends once, and nothing is left behind. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { requestInit } from "../local/_http.ts";
import { seeded } from "../suite/_seeded.ts";
import { assert, assertEquals } from "../suite/assert.ts";
import { type Running, startProcess } from "./_cli.ts";
import { newFolder, openLocal } from "./_local_dev.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const KILLS = Deno.env.get("WINDKIT_SOAK") === "1" ? 30 : 5;
const JOBS = 200;

const FILES = {
  "wmill.yaml": "",
  "f/c/quick.ts": "export async function main(n: number) { return n; }\n",
  "f/c/slow.ts": "export async function main(n: number) { await new Promise((r) => setTimeout(r, 150)); return n; }\n",
  "f/c/fail.ts": "export async function main(n: number) { throw new Error(`of ${n}`); }\n",
  "f/c/state.ts": `import * as wmill from "windmill-client";
export async function main(n: number) { await wmill.setState({ n }); return n; }
`,
  "f/c/steps.ts": `import { sleep, step, task, workflow } from "windmill-client";
const doubled = task(async (n: number) => n * 2);
export const main = workflow(async (n: number) => {
  const one = await step("one", () => crypto.randomUUID());
  const two = await doubled(n);
  await sleep(0);
  return { n, two, one, same: await step("three", () => one) };
});
`,
} as const;

const KINDS = ["quick", "slow", "fail", "state", "steps"] as const;

interface Ended {
  readonly success: boolean;
  readonly result: unknown;
}

/** A server's process, and what it can be asked. */
async function start(dir: string): Promise<{
  readonly process: Running;
  ask(method: string, path: string, body?: unknown): Promise<Response>;
}> {
  const process = startProcess(Deno.execPath(), ["run", "-A", "--no-check", MAIN, "dev", "--port", "0", "--json"], dir);
  const { url, token, workspace } = JSON.parse(await process.line(/"event":"ready"/)) as Record<string, string>;
  return {
    process,
    ask: (method, path, body) => fetch(`${url}/api/w/${workspace}/${path}`, requestInit(method, token ?? "", body)),
  };
}

/** A number below a limit; the same ones in each run. */
function dice(seed: number): (below: number) => number {
  const next = seeded(seed);
  return (below) => Math.floor(next() * below);
}

function processesWith(text: string): readonly string[] {
  if (!existsSync("/proc/self/cmdline")) return []; // only Linux tells
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

function check(kind: typeof KINDS[number], n: number, { success, result }: Ended): void {
  const { error } = Object(result) as { readonly error?: { readonly name: string; readonly message: string } };
  // A job that was begun and killed too often fails, and says so.
  if (error?.name === "JobInterrupted") return;
  const shown = `${kind} ${n}: ${JSON.stringify(result)}`;
  if (kind === "fail") return assert(!success && error?.message === `of ${n}`, shown);
  assert(success, shown);
  if (kind !== "steps") return assertEquals(result, n);
  const { n: own, two, one, same } = result as Record<string, unknown>;
  assertEquals([own, two, one], [n, n * 2, same]);
}

Deno.test("A server that is killed again and again ends each job once, and leaves nothing behind", async () => {
  const dir = newFolder(FILES), data = join(dir, ".windkit");
  const random = dice(20_26);
  const jobs = Array.from(
    { length: JOBS },
    (_, n) => ({ id: crypto.randomUUID(), n, kind: KINDS[n % KINDS.length] ?? "quick" }),
  );
  const accepted = new Set<string>();
  const ended = new Map<string, Ended>();
  try {
    for (let round = 0; round <= KILLS; round++) {
      const { process, ask } = await start(dir);
      const outcomeOf = async (id: string): Promise<Ended | undefined> => {
        const response = await ask("GET", `jobs_u/get/${id}`);
        const { type, success = false, result } = await response.json() as Record<string, unknown>;
        return type === "CompletedJob" ? { success: success === true, result } : undefined;
      };
      for (const id of accepted) {
        const now = await outcomeOf(id), before = ended.get(id);
        if (before !== undefined) assertEquals([id, now], [id, before]);
        else if (now !== undefined) ended.set(id, now);
      }
      const isLast = round === KILLS;
      // A part of the jobs in each round; what the death of the server left unsaid is asked for again.
      const until = isLast ? JOBS : Math.ceil(JOBS * (round + 1) / (KILLS + 1));
      const sending = Promise.all(
        jobs.slice(0, until).filter(({ id }) => !accepted.has(id)).map(async ({ id, n, kind }) => {
          const response = await ask("POST", `jobs/run/p/f/c/${kind}?job_id=${id}`, { n }).catch(() => undefined);
          const text = await response?.text().catch(() => undefined);
          if (text === id) accepted.add(id);
          else if (text !== undefined && response?.status === 400 && /exists/.test(text)) accepted.add(id);
        }),
      );
      if (!isLast) {
        const after = 1 + random(Math.min(15, Math.floor(JOBS / (KILLS + 1) * 0.8)));
        for (let seen = 0; seen < after; seen++) await process.line(/"event":"job"/);
        process.kill("SIGKILL");
        await process.ended;
        await sending;
        continue;
      }
      await sending;
      assertEquals(jobs.filter(({ id }) => !accepted.has(id)), []);
      for (const { id, n, kind } of jobs) {
        let now = await outcomeOf(id);
        while (now === undefined) {
          // It answers when there is news.
          await (await ask("GET", `jobs_u/getupdate_sse/${id}?no_logs=true`)).text();
          now = await outcomeOf(id);
        }
        check(kind, n, now);
      }
      process.kill("SIGTERM");
      assertEquals((await process.ended).code, 143);
    }
    // What was committed of each workflow: no call twice.
    {
      await using local = await openLocal({ folder: dir });
      const { workflows } = local.dev.server.context;
      const engine = await workflows?.engine;
      for (const { id } of jobs.filter(({ kind }) => kind === "steps")) {
        const records = await engine?.journal(id) ?? [];
        const settled = records.flatMap((record) => record.t === "settled" ? [record.key] : []);
        assert(settled.length >= 4 || ended.get(id)?.success === false, `${id}: ${settled.join()}`);
        assertEquals(settled.length, new Set(settled).size);
      }
      assertEquals(local.reported, []);
    }
    assertEquals(processesWith(data), []);
    assertEquals(readdirSync(join(data, "jobs")), []);
    assertEquals(existsSync(join(data, "server.json")), false);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});
