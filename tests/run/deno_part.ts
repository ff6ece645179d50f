/**
 * The parts of the pipeline that `deno test` runs: tests of internals, and the examples in documents.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { runCommand } from "./command.ts";
import { gateResult, type PartResult } from "./part.ts";
import { outFolder, root } from "./runtimes.ts";

/** Paths of all files under a folder of the repository, without those of packages and of generated folders. */
export async function filesUnder(folder: string, accepts: (path: string) => boolean): Promise<readonly string[]> {
  const found: string[] = [];
  async function walk(path: string): Promise<void> {
    for (const entry of await readdir(`${root}${path}`, { withFileTypes: true })) {
      if (entry.name === "node_modules" || entry.name === "dist" || entry.name.startsWith(".")) continue;
      const inner = path === "" ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) await walk(inner);
      else if (accepts(inner)) found.push(inner);
    }
  }
  if (existsSync(`${root}${folder}`)) await walk(folder);
  return found.toSorted();
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What the closing line of `deno test` counts, or undefined where there is none. */
export function denoCounts(output: string): Counts | undefined {
  const line = output.split("\n").findLast((text) => /^(?:ok|FAILED) \| /.test(text));
  if (line === undefined) return undefined;
  function count(word: string): number {
    return Number(new RegExp(`(\\d+) ${word}`).exec(line ?? "")?.[1] ?? 0);
  }
  return { passed: count("passed"), failed: count("failed"), skipped: count("ignored") };
}

/** The tests that took longest, from a JUnit report. */
function slowest(junit: string): readonly string[] {
  const cases = [...junit.matchAll(/<testcase name="([^"]*)"[^>]* time="([\d.]+)"/g)]
    .map(([, name = "", time = "0"]) => ({ name, seconds: Number(time) }))
    .filter((c) => c.seconds >= 1)
    .toSorted((a, b) => b.seconds - a.seconds);
  return cases.slice(0, 5).map((c) => `${c.seconds.toFixed(1)} s  ${c.name}`);
}

/** Runs `deno test` with arguments and counts. */
export async function denoTest(name: string, args: readonly string[]): Promise<PartResult> {
  await mkdir(outFolder, { recursive: true });
  const junit = `${outFolder}${name}.xml`;
  const { code, output } = await runCommand(
    [Deno.execPath(), "test", "--allow-all", "--quiet", `--junit-path=${junit}`, ...args],
    { cwd: root, mayFail: true },
  );
  const counts = denoCounts(output);
  if (counts === undefined) return gateResult([], [`deno test ended with exit code ${code} and no count:\n${output}`]);
  const lines = slowest(await readFile(junit, "utf8"));
  if (code === 0) return { ...counts, lines, failures: [] };
  // The list of errors comes after all tests, and says all that is needed; a file that does not load has no such list.
  const start = output.search(/^ ?ERRORS ?$/m);
  const failures = [start === -1 ? output : output.slice(start)];
  return { ...counts, failed: Math.max(1, counts.failed), lines, failures };
}

/** Tests that run by themselves: each kind is a folder. */
const ALONE = ["local", "e2e", "durable"] as const;

/**
 * Runs the tests of internals, several files at once; those of the local server, whose databases take the memory of the machine, the
 * end-to-end tests, which want it for themselves, or those of Durable Objects, which start and kill workerd.
 */
export async function runInternalPart(
  kind: "internal" | (typeof ALONE)[number],
  filter = "",
): Promise<PartResult> {
  const kindOf = (path: string): string => ALONE.find((name) => path.startsWith(`tests/${name}/`)) ?? "internal";
  const files = (await filesUnder("", (path) => path.endsWith("_test.ts"))).filter((path) => kindOf(path) === kind);
  if (files.length === 0) return gateResult([], [`There are no test files of kind "${kind}"`]);
  const filtering = filter === "" ? [] : [`--filter=${filter}`];
  return await denoTest(kind, [...(kind === "internal" ? ["--parallel"] : []), ...filtering, ...files]);
}

/** Documents and sources whose examples are run. */
async function filesWithExamples(): Promise<readonly string[]> {
  const candidates = [
    ...await filesUnder("", (path) => /^[^/]+\.(?:md|ts)$/.test(path)),
    ...await filesUnder("docs", (path) => path.endsWith(".md")),
    ...await filesUnder("src", (path) => path.endsWith(".ts")),
    ...await filesUnder("edge", (path) => path.endsWith(".ts")),
  ];
  const texts = await Promise.all(candidates.map((path) => readFile(`${root}${path}`, "utf8")));
  return candidates.filter((_, i) => /```(?:ts|tsx|typescript|js|javascript)\b(?! ignore)/.test(texts[i] ?? ""));
}

/** Runs each example of the documents and of the doc comments. */
export async function runExamplesPart(): Promise<PartResult> {
  const files = await filesWithExamples();
  return await denoTest("examples", ["--doc", ...files]);
}
