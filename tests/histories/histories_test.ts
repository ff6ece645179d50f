/** Every run that a version has recorded is read, verified and replayed by this one. */
import { deepStrictEqual as equal, notDeepStrictEqual as different, ok } from "node:assert/strict";
import { importRun, type JournalFile, type JournalRecord, type Outcome } from "@windkit/windmill-client/engine";
import { workflow } from "@windkit/windmill-client/workflow";
import { hasCode } from "../../src/base/errors.ts";
import { SDK_VERSION } from "../../src/base/version.ts";
import { KNOWN_FLAGS } from "../../src/workflow/flags.ts";
import { type Bench, withEngine } from "../suite/_engine_kit.ts";
import { createVirtualHost } from "../suite/_virtual_host.ts";
import { histories, writeMissing } from "./_histories.ts";
import { type Scenario, scenarios } from "./scenarios.ts";
import { workflows } from "./workflows.ts";

const table: Readonly<Record<string, Scenario | undefined>> = scenarios;
const known = histories();

/** Takes a run into an engine whose clock goes on where the records end, and works with it. */
async function withHistory<T>(
  file: JournalFile,
  replay: "when-needed" | "always",
  use: (bench: Bench, stopped: () => Error | undefined) => Promise<T>,
  flows: Readonly<Record<string, (...args: never[]) => unknown>> = workflows,
): Promise<T> {
  const host = createVirtualHost(file.records.at(-1)?.at);
  const options = table[file.workflow]?.options;
  return await withEngine({ workflows: flows, host, replay, name: "recorder", ...options }, async (bench) => {
    await bench.engine.importRun(file);
    await host.settle();
    return await use(bench, () => bench.events.flatMap((e) => e.event === "run_stopped" ? [e.error] : [])[0]);
  });
}

function cut(file: JournalFile, length: number): JournalFile {
  return { ...file, records: file.records.slice(0, length) };
}

/** Stacks are of the machine and of the version. */
function told(outcome: Outcome | undefined): unknown {
  if (outcome === undefined || outcome.ok) return outcome;
  const { failure: { message, stepKey, code, error: { name, extra } } } = outcome;
  return { message, stepKey, code, name, extra };
}

async function ended(bench: Bench, id: string): Promise<Extract<JournalRecord, { readonly t: "closed" }>> {
  await bench.host.drive((await bench.engine.run(id)).result().then(() => undefined, () => undefined));
  const last = (await bench.engine.journal(id)).at(-1);
  if (last?.t !== "closed") throw new Error(`Run "${id}" did not end`);
  return last;
}

for (const { name, version, text } of known) {
  const scenario = table[name];

  Deno.test(`history ${version}/${name}: verifies, and holds what it is for`, () => {
    ok(scenario !== undefined, `There is no scenario "${name}" any more`);
    const { records, workflow: flow } = importRun(text);
    equal(flow, name);
    const kinds = new Set<string>(records.map(({ t }) => t));
    for (const record of records) {
      if (record.t === "called") kinds.add(`call ${record.call.kind}`);
      if (record.t === "settled" && record.fp !== undefined) kinds.add(`call ${record.fp.kind}`);
    }
    equal(scenario.holds.filter((kind) => !kinds.has(kind)), []);
    equal(records.at(-1)?.t === "closed", scenario.unfinished === undefined);
  });

  for (const replay of ["when-needed", "always"] as const) {
    Deno.test(`history ${version}/${name}: replays to its end, without a call (replay: ${replay})`, async () => {
      const file = importRun(text);
      const last = file.records.at(-1);
      if (last?.t !== "closed") {
        await withHistory(file, replay, async (bench, stopped) => {
          await scenario?.unfinished?.finish?.(bench, await bench.engine.run(file.run));
          const { status, outcome } = await ended(bench, file.run);
          equal(stopped(), undefined);
          equal([status, outcome?.ok === true && JSON.parse(outcome.value)], [
            "completed",
            scenario?.unfinished?.result,
          ]);
          equal((await bench.engine.journal(file.run)).slice(0, file.records.length), file.records, "records changed");
        });
        return;
      }
      // As it is, it is readable; without its last record the body has to come to the same end again.
      await withHistory(file, replay, async (bench) => equal(await ended(bench, file.run), last));
      await withHistory(cut(file, last.seq), replay, async (bench, stopped) => {
        const again = await ended(bench, file.run);
        equal(stopped(), undefined);
        equal([again.status, told(again.outcome)], [last.status, told(last.outcome)]);
        equal(bench.events.filter(({ event }) => event === "call_started"), [], "something ran again");
        equal((await bench.engine.journal(file.run)).slice(0, -1), file.records.slice(0, -1), "records changed");
      });
    });
  }

  Deno.test(`history ${version}/${name}: goes on from each of its records`, async () => {
    const file = importRun(text);
    const last = file.records.at(-1);
    // What nothing from outside decides comes to the same end from everywhere.
    const alone = scenario?.during === undefined && scenario?.readsClock !== true && last?.t === "closed" &&
      last.outcome?.ok === true;
    for (let length = 1; length < file.records.length; length++) {
      await withHistory(cut(file, length), "when-needed", async (bench, stopped) => {
        equal(stopped(), undefined, `after ${length} records`);
        if (alone) equal(told((await ended(bench, file.run)).outcome), told(last.outcome), `after ${length} records`);
      });
    }
  });

  Deno.test(`history ${version}/${name}: another body is told from the one that it was recorded from`, async () => {
    const file = importRun(text);
    const calls = file.records.filter((r) => r.t === "settled" || r.t === "called");
    if (calls.length === 0) return; // asks for nothing: there is nothing to tell it by
    await withHistory(
      file.records.at(-1)?.t === "closed" ? cut(file, file.records.length - 1) : file,
      "when-needed",
      async (_bench, stopped) => ok(hasCode(stopped(), "REPLAY_MISMATCH"), String(stopped())),
      { [name]: workflow(async () => await Promise.resolve(1)) },
    );
  });
}

Deno.test("histories: each scenario is recorded by this version, and none is written again", async () => {
  const mine = known.filter(({ version }) => version === SDK_VERSION).map(({ name }) => name);
  equal(Object.keys(scenarios).filter((name) => !mine.includes(name)), [], "Run deno task histories:record");
  equal(await writeMissing(scenarios), []);
  equal(histories(), known);
});

Deno.test("histories: every flag that a history was opened with is known", () => {
  for (const { name, version, text } of known) {
    const [first] = importRun(text).records;
    ok(first?.t === "opened");
    equal(first.header.flags.filter((flag) => !KNOWN_FLAGS.has(flag)), [], `${version}/${name}`);
  }
});

Deno.test("histories: fan_out and same_name_in_branches have outcomes in another order than their calls", () => {
  for (const name of ["fan_out", "same_name_in_branches"]) {
    const keys = importRun(known.find((h) => h.name === name)?.text ?? "").records.flatMap((r) =>
      r.t === "settled" && r.key.startsWith("slow_first") ? [r.key] : []
    );
    different(keys, [...keys].sort());
  }
});
