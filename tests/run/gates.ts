/**
 * `deno task ok`: every gate that a change must pass. All of them run, also after one failed.
 *
 * Options: `--only NAME` (may be repeated).
 *
 * @module
 */

import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { runSizePart } from "../../bench/size.ts";
import { runBundlesPart } from "../../npm/worker_bundles.ts";
import { runBleedPart } from "../lint/bleed.ts";
import { staleDocuments, staleFiles } from "../../generate/main.ts";
import { layerProblems } from "../lint/layers.ts";
import { endProgramsOnSignal, runCommand } from "./command.ts";
import { filesUnder, runExamplesPart, runInternalPart } from "./deno_part.ts";
import { gateResult, type Part, type PartResult, runParts } from "./part.ts";
import { outFolder, removeLeftFolders, root } from "./runtimes.ts";
import { runSuitePart } from "./suite_part.ts";

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
  readonly tasks: Readonly<Record<string, unknown>>;
}

const manifest = JSON.parse(await readFile(`${root}deno.json`, "utf8")) as Manifest;

/** A command that takes longer hangs: the whole pipeline has ten minutes. */
const COMMAND_LIMIT_MS = 150_000;

interface Ended {
  readonly output: string;
  /** What went wrong, in the words of the gate's report. */
  readonly failure: string | undefined;
}

/** Runs Deno with arguments, for as long as a gate may take. */
async function runDeno(args: readonly string[]): Promise<Ended> {
  const signal = AbortSignal.timeout(COMMAND_LIMIT_MS);
  const { code, output } = await runCommand([Deno.execPath(), ...args], { cwd: root, mayFail: true, signal });
  const ending = signal.aborted ? `still running after ${COMMAND_LIMIT_MS / 1000} s, ended` : `exit code ${code}`;
  const failed = signal.aborted || code !== 0;
  return { output, failure: failed ? `deno ${args.slice(0, 6).join(" ")}: ${ending}\n${output}` : undefined };
}

function isTypeScript(path: string): boolean {
  return path.endsWith(".ts");
}

/** A gate that is one command: it holds when the command succeeds. */
async function commandGate(args: readonly string[]): Promise<PartResult> {
  const { failure } = await runDeno(args);
  return gateResult([], failure === undefined ? [] : [failure]);
}

/** The gate that is a task of `deno.json`; the task's last lines are shown. */
async function taskGate(name: string): Promise<PartResult> {
  if (manifest.tasks[name] === undefined) return gateResult([], [`deno.json has no task "${name}"`]);
  const { output, failure } = await runDeno(["task", "--quiet", name]);
  return gateResult(output.split("\n").slice(-6), failure === undefined ? [] : [failure]);
}

async function checkGate(): Promise<PartResult> {
  const files = await filesUnder("", isTypeScript);
  return await commandGate(["check", "--quiet", ...files.filter((path) => !path.startsWith("tests/lint/core"))]);
}

/** The types of every export, as a project sees them that has Deno's own options: this one's are stricter, and not the same. */
async function outsideGate(): Promise<PartResult> {
  const folder = await mkdtemp(join(tmpdir(), "windkit-outside-"));
  try {
    // What the package's own imports name comes with it, as it does when it is published.
    const own = Object.entries(manifest.imports).filter(([, target]) => target.startsWith("npm:"));
    await writeFile(join(folder, "deno.json"), JSON.stringify({ imports: Object.fromEntries(own) }));
    const file = join(folder, "program.ts");
    const paths = Object.values(manifest.exports).map((path) => pathToFileURL(root + path.slice(2)).href);
    await writeFile(file, paths.map((path) => `import ${JSON.stringify(path)};\n`).join(""));
    return await commandGate(["check", "--quiet", "--config", join(folder, "deno.json"), file]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function coreGate(): Promise<PartResult> {
  const files = [...await filesUnder("src/base", isTypeScript), ...await filesUnder("src/workflow", isTypeScript)];
  return await commandGate(["check", "--quiet", "--config", "tests/lint/core.json", ...files]);
}

async function layersGate(): Promise<PartResult> {
  const files = await filesUnder("", isTypeScript);
  const problems = await layerProblems(root, files.filter((path) => !path.endsWith(".d.ts")), manifest.name);
  return gateResult([`${files.length} files`], problems);
}

/** Lock files pin what is installed, and must not say where it was downloaded from. */
async function locksGate(): Promise<PartResult> {
  const locks = ["deno.lock", ...await filesUnder("tests/tools", (p) => p.endsWith("deno.lock"))];
  const others = [
    ...await filesUnder("npm", (p) => p.endsWith(".lock")),
    ...await filesUnder("bench", (p) => p.endsWith(".lock")),
  ];
  const all = [...locks, ...others];
  const problems = await Promise.all(all.map(async (path) => {
    const found = /https?:\/\/[^"\s]+/.exec(await readFile(`${root}${path}`, "utf8"));
    return found === null ? [] : [`${path} contains the address "${found[0]}"`];
  }));
  return gateResult([all.join(" ")], problems.flat());
}

async function docsGate(): Promise<PartResult> {
  const files = Object.values(manifest.exports);
  const missing = files.filter((path) => !existsSync(`${root}${path}`));
  if (missing.length > 0) {
    return gateResult(
      [],
      missing.map((path) => `deno.json exports ${path}, which does not exist`),
    );
  }
  return await commandGate(["doc", "--lint", ...files]);
}

/** What is generated must be what would be generated now, where that can be told. */
async function generatedGate(): Promise<PartResult> {
  const stale = await staleFiles();
  const all = [...stale ?? [], ...await staleDocuments()];
  const notes = stale === undefined ? ["Inputs not here: the types are not checked"] : [];
  return gateResult(notes, all.map((path) => `${path} is not what would be written: run \`deno task generate\``));
}

const gates: readonly Part[] = [
  { name: "fmt", run: () => commandGate(["fmt", "--check"]) },
  { name: "lint", run: () => commandGate(["lint"]) },
  { name: "check", run: checkGate },
  { name: "outside", run: outsideGate },
  { name: "core", run: coreGate },
  { name: "layers", run: layersGate },
  { name: "generated", run: generatedGate },
  { name: "locks", run: locksGate },
  { name: "docs", run: docsGate },
  { name: "publish", run: () => commandGate(["publish", "--dry-run", "--allow-dirty"]) },
  { name: "suite", run: () => runSuitePart() },
  { name: "internal", run: () => runInternalPart("internal") },
  { name: "local", run: () => runInternalPart("local") },
  { name: "e2e", run: () => runInternalPart("e2e") },
  { name: "durable", run: () => runInternalPart("durable") },
  { name: "examples", run: runExamplesPart },
  { name: "npm:build", run: () => taskGate("npm:build") },
  { name: "npm:check", run: () => taskGate("npm:check") },
  { name: "npm:smoke", run: () => taskGate("npm:smoke") },
  { name: "build", run: runBundlesPart },
  { name: "size", run: runSizePart },
  { name: "bleed", run: runBleedPart },
];

const { values } = parseArgs({ options: { only: { type: "string", multiple: true, default: [] } } });
const unknown = values.only.filter((name) => !gates.some((gate) => gate.name === name));
if (unknown.length > 0) {
  throw new RangeError(
    `No gate is named "${unknown.join('", "')}": expected one of ${gates.map((g) => g.name).join(", ")}`,
  );
}
const chosen = gates.filter((gate) => values.only.length === 0 || values.only.includes(gate.name));

endProgramsOnSignal();
await removeLeftFolders();
const code = await runParts(chosen, (line) => console.log(line));
await rm(outFolder, { recursive: true, force: true });
Deno.exit(code);
