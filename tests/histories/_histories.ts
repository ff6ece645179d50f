/**
 * Histories as files: where they are, and how one is recorded.
 *
 * @module
 */
import { exportRecords, type JournalRecord } from "@windkit/windmill-client/engine";
import { SDK_VERSION } from "../../src/base/version.ts";
import { withEngine } from "../suite/_engine_kit.ts";
import type { Scenario } from "./scenarios.ts";
import { recording, workflows } from "./workflows.ts";

const FOLDER = new URL("./", import.meta.url);

/** One recorded run. */
export interface History {
  /** Name of its workflow, and of its scenario. */
  readonly name: string;
  /** Version that recorded it: the folder it is in. */
  readonly version: string;
  readonly text: string;
}

/** All recorded runs, of all versions. */
export function histories(): readonly History[] {
  const found: History[] = [];
  for (const { name: version, isDirectory } of Deno.readDirSync(FOLDER)) {
    if (!isDirectory) continue;
    for (const { name: file } of Deno.readDirSync(new URL(`${version}/`, FOLDER))) {
      const text = Deno.readTextFileSync(new URL(`${version}/${file}`, FOLDER));
      found.push({ name: file.replace(/\.jsonl$/, ""), version, text });
    }
  }
  return found.sort((a, b) => (`${a.version}/${a.name}` < `${b.version}/${b.name}` ? -1 : 1));
}

/** Records a scenario; the text of its file. */
export async function record(name: string, scenario: Scenario): Promise<string> {
  const { args = {}, start, options, before, during, unfinished } = scenario;
  try {
    before?.();
    return await withEngine({ workflows, name: "recorder", ...options }, async (bench) => {
      const { engine, host } = bench;
      const run = await host.drive(engine.start(name, args, { runId: `history ${name}`, ...start }));
      await during?.(bench, run);
      if (unfinished === undefined) await host.drive(run.result().then(() => undefined, () => undefined));
      return exportRecords(withoutMachine(await engine.journal(run.id)));
    });
  } finally {
    recording.hang = false;
  }
}

/** Paths and process ids are of the machine that recorded, and none of the project's. */
function withoutMachine(records: readonly JournalRecord[]): readonly JournalRecord[] {
  const root = new URL("../../", import.meta.url).href;
  const text = JSON.stringify(records).replaceAll(root, "file:///windkit/").replaceAll(
    /"recorder\/\d+"/g,
    '"recorder/1"',
  );
  return JSON.parse(text) as JournalRecord[];
}

/** Writes the files that the running version has not got yet, and no other. Their names. */
export async function writeMissing(scenarios: Readonly<Record<string, Scenario>>): Promise<readonly string[]> {
  const folder = new URL(`${SDK_VERSION}/`, FOLDER);
  const known = new Set(histories().filter(({ version }) => version === SDK_VERSION).map(({ name }) => name));
  const written: string[] = [];
  Deno.mkdirSync(folder, { recursive: true });
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (known.has(name)) continue;
    const text = await record(name, scenario);
    // `createNew`: fails where a file is, whatever was known.
    Deno.writeTextFileSync(new URL(`${name}.jsonl`, folder), text, { createNew: true });
    written.push(`${SDK_VERSION}/${name}.jsonl`);
  }
  return written;
}
