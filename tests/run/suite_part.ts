/**
 * The part of the pipeline that runs the suite on every runtime.
 *
 * @module
 */

import { mkdir, readdir, readFile } from "node:fs/promises";
import { buildPackage, bundle, bundleBeside } from "./bundle.ts";
import { type PartResult, table } from "./part.ts";
import { BLOCKING_CASE, EXITING_CASE, PLANTED_LIMIT_MS } from "./planted.ts";
import { runRuntime, type RuntimeOutcome } from "./run_runtime.ts";
import { installTools, outFolder, root, type Runtime, runtimes } from "./runtimes.ts";
import { deadCases, downfallProblems, parityProblems, plantedProblems, skipProblems } from "./verdict.ts";

/** Files of the suite that hold no cases. */
const support = new Set(["all.ts", "assert.ts", "env.ts", "harness.ts", "wire_differences.ts"]);

const CASE_LIMIT_MS = 30_000;
const SILENCE_MS = 30_000;
const PLANTED_SILENCE_MS = 5_000;
const RUNTIMES_AT_ONCE = 2;

/** How to run the suite. */
export interface SuiteOptions {
  /** Only cases whose name contains this text. */
  readonly filter?: string;
  /** Only runtimes whose name contains this text, in small letters. */
  readonly runtime?: string;
}

/** Files of the suite that `all.ts` does not import. */
export async function forgottenFiles(): Promise<readonly string[]> {
  const files = (await readdir(`${root}tests/suite`)).filter((name) =>
    name.endsWith(".ts") && !name.startsWith("_") && !support.has(name)
  );
  const all = await readFile(`${root}tests/suite/all.ts`, "utf8");
  return files.filter((name) => !all.includes(`import "./${name}";`))
    .map((name) => `tests/suite/all.ts does not import "./${name}"`);
}

async function inTurns<T, R>(items: readonly T[], atOnce: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  async function lane(): Promise<void> {
    for (const [index, item] of queue) results[index] = await work(item);
  }
  await Promise.all(Array.from({ length: atOnce }, lane));
  return results;
}

/** Runs the planted suite on a runtime: what its runner did not see. */
async function provePlanted(runtime: Runtime): Promise<readonly string[]> {
  // Starting is not what is tried here, and takes what it takes on a machine that has other things to do.
  const base = {
    set: "planted",
    limitMs: PLANTED_LIMIT_MS,
    silenceMs: PLANTED_SILENCE_MS,
    startMs: SILENCE_MS,
  } as const;
  const problems = [...plantedProblems(await runRuntime(runtime, base), runtime)];
  if (runtime.hasProcess) {
    const exiting = await runRuntime(runtime, { ...base, filter: EXITING_CASE });
    problems.push(...downfallProblems(exiting, EXITING_CASE));
  }
  // Waiting for silence takes seconds, and the watch is the same for all: once for a process, once for a worker.
  if (runtime.name === "Deno" || runtime.name === "workerd") {
    const blocking = await runRuntime(runtime, { ...base, filter: BLOCKING_CASE });
    problems.push(...downfallProblems(blocking, BLOCKING_CASE));
  }
  return problems;
}

/** The failed cases, each once, with the runtimes it fails on and what the first of them says. */
function failureTexts(outcomes: readonly RuntimeOutcome[]): readonly string[] {
  const failed = outcomes.flatMap((o) =>
    o.cases.filter((c) => c.status === "failed").map((c) => ({ ...c, runtime: o.runtime }))
  );
  return [...Map.groupBy(failed, (c) => c.name)].map(([name, found]) => {
    const detail = (found[0]?.detail ?? "").replaceAll(/^/gm, "    ");
    return `${name}\n  fails on ${found.map((c) => c.runtime).join(", ")}:\n${detail}`;
  });
}

const SLOW_MS = 2000;

/** The cases that take long, each with the runtime on which it took longest. */
function slowCases(outcomes: readonly RuntimeOutcome[]): readonly string[] {
  const slow = outcomes.flatMap((o) =>
    o.cases.filter((c) => c.ms >= SLOW_MS).map((c) => ({ ...c, runtime: o.runtime }))
  )
    .toSorted((a, b) => b.ms - a.ms);
  const longest = [...new Map(slow.toReversed().map((c) => [c.name, c])).values()].toReversed();
  return longest.slice(0, 5).map((c) => `${(c.ms / 1000).toFixed(1)} s  ${c.name} (${c.runtime})`);
}

/** Runs the suite on every runtime of this machine and compares them. */
export async function runSuitePart(options: SuiteOptions = {}): Promise<PartResult> {
  const { filter = "", runtime: wanted = "" } = options;
  const problems = [...await forgottenFiles()];
  await installTools();
  await mkdir(outFolder, { recursive: true });
  // Node and Bun import the package as compiled modules of its own, a Worker is one file with everything in it. Names of
  // functions are kept: keys are made of them, and one file for two modules with the same name must rename one.
  const packageFolder = `${outFolder}package/`;
  await buildPackage(packageFolder);
  await bundleBeside(packageFolder, ["tests/run/process_suite.ts", "tests/run/process_planted.ts"], outFolder);
  await bundle(["tests/run/worker_suite.ts", "tests/run/worker_planted.ts"], outFolder, ["--keep-names"]);

  const chosen = runtimes().filter((r) => r.name.toLowerCase().includes(wanted));
  const present = chosen.filter((r) => r.absent === undefined);
  const outcomes = await inTurns(present, RUNTIMES_AT_ONCE, async (runtime) => {
    const outcome = await runRuntime(runtime, { set: "suite", filter, limitMs: CASE_LIMIT_MS, silenceMs: SILENCE_MS });
    if (filter === "") problems.push(...await provePlanted(runtime));
    return outcome;
  });

  problems.push(...parityProblems(outcomes));
  if (wanted === "") problems.push(...deadCases(outcomes));
  for (const [index, runtime] of present.entries()) {
    const outcome = outcomes[index];
    if (outcome === undefined) continue;
    problems.push(...skipProblems(outcome, runtime));
    // Failed cases carry the problem when one was running; otherwise nobody would tell.
    if (outcome.problem !== undefined && outcome.cases.every((c) => c.status !== "failed")) {
      problems.push(`${runtime.name}: ${outcome.problem}`);
    }
  }

  const rows = outcomes.map((o) => {
    const count = (status: string): number => o.cases.filter((c) => c.status === status).length;
    return [o.runtime, count("passed"), count("failed"), count("skipped"), `${(o.ms / 1000).toFixed(1)} s`] as const;
  });
  const absent = chosen.flatMap((r) => r.absent === undefined ? [] : [`${r.name}: not run: ${r.absent}`]);
  const total = (column: 1 | 2 | 3): number => rows.reduce((sum, row) => sum + row[column], 0);
  return {
    passed: total(1),
    failed: total(2) + problems.length,
    skipped: total(3),
    lines: [...table(["runtime", "passed", "failed", "skipped", "time"], rows), ...absent, ...slowCases(outcomes)],
    failures: [...problems, ...failureTexts(outcomes)],
  };
}
