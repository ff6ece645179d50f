/** Servers that are killed while jobs run: every job ends once, and what ended stays as it was. */
import assert from "node:assert/strict";
import type { Job } from "../../src/server/ports.ts";
import { crashFiles } from "../local/_crash_files.ts";
import { openTestServer } from "../local/_server.ts";
import { runAndKill } from "./_killed_server.ts";

const CHILD = new URL("../local/_crash_child.ts", import.meta.url).pathname;
const ROUNDS = Deno.env.get("WINDKIT_SOAK") === "1" ? 30 : 3;
const JOBS = 24;

function outcomeOf({ id, success, result, completedAt, canceled }: Job): unknown {
  return { id, success, result, completedAt, canceled };
}

Deno.test("Jobs of a server that is killed again and again each end once, and no outcome is replaced", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const started: string[] = [];
    const ended = new Map<string, unknown>();
    for (let round = 0; round < ROUNDS; round++) {
      // A line is said for each job: the server dies in the middle of its work, not after.
      started.push(
        ...await runAndKill([CHILD, dir, `${JOBS}`], (line, no) => line === "ready" || no === 5 + (round * 7) % JOBS),
      );
      await using server = await openTestServer({
        dir,
        files: crashFiles(),
        jobs: { maxRestarts: 100, concurrency: 1 },
      });
      const { jobs } = server.server.context;
      for (const [id, outcome] of ended) assert.deepEqual(outcomeOf(jobs.get(id) as Job), outcome);
      for (const job of jobs.list({ completed: true, offset: 0, limit: 10_000 })) ended.set(job.id, outcomeOf(job));
      for (const id of started) assert.ok(jobs.get(id), `job ${id} was acknowledged and is gone`);
    }
    await using server = await openTestServer({ dir, files: crashFiles(false), jobs: { maxRestarts: 100 } });
    const { jobs } = server.server.context;
    for (const id of started) {
      const { path, args, success, result, canceled } = await jobs.wait(id);
      if (canceled) continue;
      assert.equal(success, path !== "f/fail");
      if (success === true) assert.equal(result, args.n);
    }
    assert.equal(jobs.count({ completed: false, offset: 0, limit: 1 }), 0);
    for (const [id, outcome] of ended) assert.deepEqual(outcomeOf(jobs.get(id) as Job), outcome);
    assert.deepEqual(server.reported, []);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("A job that brings the server down every time is begun again so often and no more", async () => {
  const dir = await Deno.makeTempDir();
  try {
    // A job may begin before it is said that it was started.
    const both = (jobs: number) => {
      let began = false;
      return (line: string, _: number, started: number): boolean => {
        began ||= line === "began 7";
        return began && started === jobs;
      };
    };
    const ids = await runAndKill([CHILD, dir, "8"], both(8));
    const [canceled = "", hanging = ""] = [ids[3], ids[7]];
    await runAndKill([CHILD, dir, "0"], both(0));
    {
      await using server = await openTestServer({ dir, files: crashFiles(), jobs: { maxRestarts: 2, concurrency: 8 } });
      const { jobs } = server.server.context;
      assert.equal(jobs.get(canceled)?.canceled, true);
      assert.equal(jobs.get(hanging)?.restarts, 2);
      assert.match(jobs.log(hanging), /the server stopped while the job ran; it is begun again/);
    }
    await using server = await openTestServer({ dir, files: crashFiles(), jobs: { maxRestarts: 2 } });
    const job = await server.server.context.jobs.wait(hanging);
    assert.equal(job.success, false);
    assert.match(JSON.stringify(job.result), /JobInterrupted.*The server stopped while the job ran, 3 times/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
