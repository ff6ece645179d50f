/** Servers that are killed while workflows run: no recorded step runs again, and every job ends once. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import type { Job } from "../../src/server/ports.ts";
import { COUNTING, countingRoutes } from "../local/_workflow_crash_child.ts";
import { type WorkflowServer, workflowServer } from "../local/_workflow_kit.ts";
import { runAndKill } from "./_killed_server.ts";

const CHILD = new URL("../local/_workflow_crash_child.ts", import.meta.url).pathname;
const ROUNDS = Deno.env.get("WINDKIT_SOAK") === "1" ? 30 : 5;
const JOBS = 3;

/** How often each call of each job was made. */
function didIn(root: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const text = existsSync(`${root}/did.txt`) ? readFileSync(`${root}/did.txt`, "utf8") : "";
  for (const line of text.split("\n")) if (line !== "") counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

/** Calls whose outcomes are recorded: in the journal, or as the end of a task's job. */
async function recorded(server: WorkflowServer, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const engine = await server.server.context.workflows?.engine;
  const found = new Set<string>();
  for (const id of ids) {
    const records = await engine?.journal(id).catch(() => []) ?? [];
    for (const record of records) if (record.t === "settled") found.add(`${id} ${record.key}`);
    for (const child of server.list({ parent: id, completed: true })) {
      const { _checkpoint } = child.workflowAsCodeStatus as unknown as {
        readonly _checkpoint?: { readonly _executing_key?: string };
      };
      if (_checkpoint?._executing_key !== undefined) found.add(`${id} ${_checkpoint._executing_key}`);
    }
  }
  return found;
}

function outcomeOf({ id, success, result, completedAt }: Job): unknown {
  return { id, success, result, completedAt };
}

Deno.test({
  name: "Workflows of a server that is killed again and again each end once, and what is recorded runs once",
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const root = await Deno.makeTempDir();
    try {
      const started: string[] = [];
      /** What had been recorded at a kill, and how often it had been done by then. */
      const settled = new Map<string, number>();
      const ended = new Map<string, unknown>();
      for (let round = 0; round < ROUNDS; round++) {
        let lines = 1 + (round * 5) % 14;
        started.push(...await runAndKill([CHILD, root, `${JOBS}`], (_, __, jobs) => jobs >= JOBS && --lines <= 0));
        // Looked at by a server that begins nothing: it stops at once.
        await using look = await workflowServer({ root, jobs: { concurrency: 0, maxRestarts: 100 } });
        const did = didIn(root);
        for (const [call, times] of settled) assert.equal(did.get(call), times, `${call} ran after it was recorded`);
        for (const call of await recorded(look, started)) if (did.has(call)) settled.set(call, did.get(call) ?? 0);
        for (const job of look.list({ completed: true, hasNullParent: true })) {
          if (ended.has(job.id)) assert.deepEqual(outcomeOf(job), ended.get(job.id));
          ended.set(job.id, outcomeOf(job));
        }
      }
      assert.ok(settled.size > 0, "nothing was recorded before a kill");
      await using server = await workflowServer({
        root,
        routes: [countingRoutes(root)],
        jobRoutes: COUNTING,
        jobs: { maxRestarts: 100 },
      });
      for (const id of started) {
        const job = await server.ended(id);
        const n = Number(job.args.n);
        assert.deepEqual([job.success, job.result], [true, 2 * (n + 3) + 101], `${id} ${JSON.stringify(job.result)}`);
        if (ended.has(id)) assert.deepEqual(outcomeOf(job), ended.get(id));
        const tasks = server.list({ parent: id });
        assert.deepEqual(tasks.map(({ success }) => success), [true, true, true, true]);
      }
      const did = didIn(root);
      for (const [call, times] of settled) assert.equal(did.get(call), times, `${call} ran after it was recorded`);
      assert.equal(server.list({ completed: false }).length, 0);
      assert.deepEqual(server.reported, []);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  },
});
