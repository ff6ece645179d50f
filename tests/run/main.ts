/**
 * `deno task test`: the suite on every runtime, the tests of internals, and the examples of the documents.
 *
 * Options: `--part suite|internal|local|e2e|durable|examples`, `--filter TEXT` (names of cases), `--runtime NAME` (part of a name).
 *
 * @module
 */

import { rm } from "node:fs/promises";
import { parseArgs } from "node:util";
import { endProgramsOnSignal } from "./command.ts";
import { runExamplesPart, runInternalPart } from "./deno_part.ts";
import { type Part, runParts } from "./part.ts";
import { outFolder, removeLeftFolders } from "./runtimes.ts";
import { runSuitePart } from "./suite_part.ts";

const { values } = parseArgs({
  options: {
    part: { type: "string", default: "" },
    filter: { type: "string", default: "" },
    runtime: { type: "string", default: "" },
  },
});
const { part, filter, runtime } = values;

const parts: readonly Part[] = [
  { name: "suite", run: () => runSuitePart({ filter, runtime: runtime.toLowerCase() }) },
  { name: "internal", run: () => runInternalPart("internal", filter) },
  { name: "local", run: () => runInternalPart("local", filter) },
  { name: "e2e", run: () => runInternalPart("e2e", filter) },
  { name: "durable", run: () => runInternalPart("durable", filter) },
  { name: "examples", run: runExamplesPart },
];
const chosen = parts.filter((p) => part === "" || p.name === part);
if (chosen.length === 0) throw new RangeError(`'--part' must be one of ${parts.map((p) => p.name).join(", ")}`);

endProgramsOnSignal();
await removeLeftFolders();
const code = await runParts(chosen, (line) => console.log(line));
await rm(outFolder, { recursive: true, force: true });
Deno.exit(code);
