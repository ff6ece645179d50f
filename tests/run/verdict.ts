/**
 * Judges what the runtimes reported: same cases everywhere, skips with a known reason only, planted failures all seen.
 *
 * @module
 */

import { BLOCKING_CASE, EXITING_CASE, INVENTED_REASON, planted } from "./planted.ts";
import type { RuntimeOutcome } from "./run_runtime.ts";
import type { Runtime } from "./runtimes.ts";

/** Differences between the cases of the runtimes; the first outcome is the reference. */
export function parityProblems(outcomes: readonly RuntimeOutcome[]): readonly string[] {
  const [reference, ...others] = outcomes;
  if (reference === undefined) return ["No runtime ran the suite"];
  const problems: string[] = [];
  const expected = new Set(reference.names);
  for (const { runtime, names, problem } of others) {
    // A runtime that never came to its plan has told so already; a list of every case says nothing more.
    if (names.length === 0 && problem !== undefined) continue;
    const found = new Set(names);
    for (const name of expected.difference(found)) problems.push(`${runtime} lacks the case "${name}"`);
    for (const name of found.difference(expected)) {
      problems.push(`${runtime} has the case "${name}", ${reference.runtime} does not`);
    }
  }
  return problems;
}

/** Cases that a runtime skipped for a reason that it may not have. */
export function skipProblems(outcome: RuntimeOutcome, runtime: Runtime): readonly string[] {
  return outcome.cases
    .filter((c) => c.status === "skipped" && !runtime.mayLack.includes(c.detail ?? ""))
    .map((c) => `${runtime.name} skips "${c.name}" for "${c.detail ?? ""}", which is no reason there`);
}

/** Cases that no runtime ran. */
export function deadCases(outcomes: readonly RuntimeOutcome[]): readonly string[] {
  const ran = new Set(outcomes.flatMap((o) => o.cases.filter((c) => c.status !== "skipped").map((c) => c.name)));
  return [...new Set(outcomes.flatMap((o) => o.names))].filter((name) => !ran.has(name))
    .map((name) => `No runtime runs the case "${name}"`);
}

/** What a runner did not see of the planted suite. */
export function plantedProblems(outcome: RuntimeOutcome, runtime: Runtime): readonly string[] {
  const problems: string[] = [];
  const found = new Map(outcome.cases.map((c) => [c.name, c]));
  if (outcome.problem !== undefined) problems.push(outcome.problem);
  for (const { name, status, detail = "" } of planted) {
    const result = found.get(name);
    if (result === undefined) problems.push(`"${name}" was not reported`);
    else if (result.status !== status) problems.push(`"${name}" is reported ${result.status}, not ${status}`);
    else if (!(result.detail ?? "").includes(detail)) {
      problems.push(`"${name}" is reported without "${detail}": ${result.detail ?? ""}`);
    }
  }
  for (const name of found.keys()) {
    if (!planted.some((p) => p.name === name)) problems.push(`"${name}" was reported and not planted`);
  }
  if (!skipProblems(outcome, runtime).some((text) => text.includes(INVENTED_REASON))) {
    problems.push(`The invented reason "${INVENTED_REASON}" was accepted`);
  }
  return problems.map((text) => `${runtime.name}, planted suite: ${text}`);
}

/** What a runner did not see of a planted case that takes the process down. */
export function downfallProblems(outcome: RuntimeOutcome, name: string): readonly string[] {
  const [only, ...more] = outcome.cases;
  const words = name === BLOCKING_CASE ? "said nothing" : name === EXITING_CASE ? "ended before its suite" : "";
  const seen = more.length === 0 && only?.name === name && only.status === "failed" &&
    (only.detail ?? "").includes(words) && (outcome.problem ?? "").includes(words);
  return seen
    ? []
    : [`${outcome.runtime}, planted case "${name}": not reported as it should be: ${JSON.stringify(only)}`];
}
