/** A stack is captured once for each name of a workflow and process, whatever runs. */
import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { createEngine, type JournalRecord } from "../../src/engine/engine.ts";
import { createMemoryStorage } from "../../src/storage/memory.ts";
import { step, workflow } from "../../src/cluster/authoring.ts";

/** Counts the stacks that are formatted for call sites while `run` runs. */
async function captures(run: () => Promise<void>): Promise<number> {
  const before = Error.prepareStackTrace;
  let count = 0;
  Error.prepareStackTrace = (error, frames) => {
    if (frames.some((frame) => frame.getFileName()?.endsWith("engine/call_site.ts"))) count++;
    return `${error}\n${frames.map((frame) => `    at ${frame}`).join("\n")}`;
  };
  try {
    await run();
  } finally {
    Error.prepareStackTrace = before;
  }
  return count;
}

const main = workflow(async () => {
  for (let i = 0; i < 200; i++) await step(i % 2 === 0 ? "even" : "odd", () => i);
});

function sites(records: readonly JournalRecord[]): readonly string[] {
  return records.flatMap((r) => r.t === "settled" && r.fp?.site !== undefined ? [r.key] : []);
}

Deno.test("call sites: one stack a name and process, and one site a name and run", async () => {
  const storage = createMemoryStorage();
  const count = await captures(async () => {
    await using engine = await createEngine({ storage, workflows: { main } });
    for (let i = 0; i < 5; i++) await (await engine.start("main", {}, { runId: `r${i}` })).result();
    equal(sites(await engine.journal("r0")), ["even", "odd"]);
    equal(sites(await engine.journal("r4")), ["even", "odd"]);
  });
  equal(count, 2);
});

Deno.test("call sites: none with callSites: false", async () => {
  const count = await captures(async () => {
    await using engine = await createEngine({ storage: createMemoryStorage(), workflows: { main }, callSites: false });
    const run = await engine.start("main");
    await run.result();
    equal(sites(await engine.journal(run.id)), []);
  });
  equal(count, 0);
  ok(
    await captures(async () => {
      await using engine = await createEngine({ storage: createMemoryStorage(), workflows: { main } });
      await (await engine.start("main")).result();
    }) > 0,
    "The counter counts nothing",
  );
});
