/** The official npm client, unchanged, against the server: what it says of jobs. */
import assert from "node:assert/strict";
import * as wmill from "official-windmill-client";
import { openTestServer } from "./_server.ts";

const { JobService, SettingsService, TeamsService, MetricsService, ConcurrencyGroupsService } = wmill;

/** The client's own settings are the process's: they are put back. */
async function withEnv(variables: Readonly<Record<string, string>>, run: () => Promise<void>): Promise<void> {
  const before = Object.fromEntries(Object.keys(variables).map((name) => [name, Deno.env.get(name)]));
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  try {
    await run();
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
}

Deno.test("The official client runs, waits for, lists, follows and cancels jobs", async () => {
  const open = Promise.withResolvers<void>();
  await using server = await openTestServer({
    files: {
      "u/me/add": ({ a, b }, io) => {
        io.log("adding\n");
        return Number(a) + Number(b);
      },
      "u/me/fail": () => Promise.reject(new Error("boom")),
      "u/me/hang": () => open.promise,
    },
    previews: { code: ({ x }) => ({ x }) },
  });
  const { url, token, workspace } = server;
  const jobId = crypto.randomUUID();
  await withEnv({ WM_WORKSPACE: workspace, WM_JOB_ID: "", BASE_URL: url, WM_TOKEN: token }, async () => {
    wmill.setClient(token, url);
    assert.equal(await wmill.runScriptByPath("u/me/add", { a: 1, b: 2 }), 3);
    const hash = server.server.context.folder.script("u/me/add")?.hash ?? "";
    assert.equal(await wmill.runScriptByHash(hash, { a: 2, b: 2 }), 4);
    const id = await wmill.runScriptByPathAsync("u/me/add", { a: 3, b: 3 });
    assert.equal(await wmill.waitJob(id), 6);
    assert.equal(await JobService.getCompletedJobResult({ workspace, id }), 6);
    assert.deepEqual(await JobService.getCompletedJobResultMaybe({ workspace, id }), {
      started: true,
      success: true,
      completed: true,
      result: 6,
    });
    assert.equal(await wmill.getRootJobId(id), id);
    await assert.rejects(wmill.runScriptByPath("u/me/fail"), /boom/);

    const job = await JobService.getJob({ workspace, id });
    assert.deepEqual([job.type, job.script_path, job.logs], ["CompletedJob", "u/me/add", "adding\n"]);
    assert.equal(await JobService.getJobLogs({ workspace, id }), "adding\n");
    assert.deepEqual(await JobService.getJobArgs({ workspace, id }), { a: 3, b: 3 });
    const list = await JobService.listCompletedJobs({
      workspace,
      success: true,
      scriptPathExact: "u/me/add",
      perPage: 1,
    });
    assert.deepEqual(list.map((found) => found.id), [id]);
    assert.equal((await JobService.listJobs({ workspace, success: false })).length, 1);
    assert.equal((await JobService.getCompletedCount({ workspace })).database_length, 4);
    const update = await JobService.getJobUpdates({ workspace, id, logOffset: 0, running: false });
    assert.deepEqual([update.completed, update.new_logs], [true, "adding\n"]);

    const wait = { workspace, path: "u/me/add", requestBody: { a: 5, b: 5 } };
    assert.equal(await JobService.runWaitResultScriptByPath(wait), 10);
    const preview = { workspace, requestBody: { content: "code", language: "bun" as const, args: { x: 1 } } };
    assert.deepEqual(await JobService.runScriptPreviewInline(preview), { x: 1 });
    const previewed = await JobService.runScriptPreview(preview);
    assert.deepEqual(await wmill.waitJob(previewed), { x: 1 });

    await JobService.runScriptByPath({ workspace, path: "u/me/hang", jobId, requestBody: {} });
    await wmill.setProgress(55, jobId);
    assert.equal(await wmill.getProgress(jobId), 55);
    assert.equal(await MetricsService.getJobProgress({ workspace, id: jobId }), 55);
    await wmill.cancelJob(jobId, "enough");
    await assert.rejects(wmill.waitJob(jobId), /enough/);
    assert.deepEqual(await ConcurrencyGroupsService.listConcurrencyGroups(), []);

    assert.match(await SettingsService.backendVersion(), /^CE v1\./);
    await assert.rejects(wmill.getIdToken("sts.amazonaws.com"), /Bad Request/);
    await assert.rejects(wmill.commitKafkaOffsets("f/k/t", "topic", 0, 1), /Bad Request/);
    await assert.rejects(
      TeamsService.sendMessageToConversation({ requestBody: { conversation_id: "x", text: "y" } }),
      /Bad Request/,
    );
    // It looks at no status: the words are what it gives.
    assert.match(await wmill.runFlowAsync("f/flow", {}), /^Not found: flow not found/);
  });
  open.resolve();
});
