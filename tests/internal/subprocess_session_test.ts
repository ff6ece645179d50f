/** A run in a subprocess over JSON lines gives the journal that the engine gives. */
import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { createEngine } from "../../src/engine/engine.ts";
import { createMemoryStorage } from "../../src/storage/memory.ts";
import { journalView } from "../../src/workflow/journal_view.ts";
import type { JournalRecord, RunHeader } from "../../src/workflow/journal.ts";
import { createVirtualHost } from "../suite/_virtual_host.ts";
import { driveSubprocess, sample } from "./subprocess_session.ts";

/** The sample on the engine. */
async function onEngine(): Promise<readonly JournalRecord[]> {
  const host = createVirtualHost();
  const engine = await createEngine({ storage: createMemoryStorage(), host, workflows: { sample } });
  const run = await host.drive(engine.start("sample", { from: 1, to: 7 }, { runId: "run-1" }));
  await host.drive(run.result());
  const records = await engine.journal(run.id);
  await engine.close();
  return records;
}

function headerOf(records: readonly JournalRecord[]): RunHeader {
  const [first] = records;
  ok(first?.t === "opened");
  return first.header;
}

function resultOf(records: readonly JournalRecord[]): unknown {
  const last = records.at(-1);
  ok(last?.t === "closed" && last.outcome?.ok === true, "The run did not complete");
  return JSON.parse(last.outcome.value);
}

Deno.test("subprocess: the same body gives the same journal and result as on the engine", async () => {
  const local = await onEngine();
  const remote = await driveSubprocess(headerOf(local));
  equal(remote.view, journalView(local));
  equal(resultOf(remote.records), resultOf(local));
  // One execution a task, and the second attempts of those that were refused.
  equal(
    remote.invoked.toSorted(),
    remote.view.filter((c) => c.kind === "task" || c.kind === "step").map((c) => c.key).toSorted(),
  );
});

Deno.test("subprocess: goes on from any part of the engine's journal, and runs nothing that is in it", async () => {
  const local = await onEngine();
  for (const kept of [2, 5, local.length - 2]) {
    const history = local.slice(0, kept);
    const remote = await driveSubprocess(headerOf(local), history);
    equal(resultOf(remote.records), resultOf(local), `after ${kept} records`);
    const known = new Set(history.flatMap((r) => r.t === "settled" ? [r.key] : []));
    equal(remote.invoked.filter((key) => known.has(key)), []);
  }
});
