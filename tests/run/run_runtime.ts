/**
 * Runs the suite on one runtime and collects what it reports.
 *
 * @module
 */

import { runCommand } from "./command.ts";
import { type Report, REPORT_MARK } from "./report.ts";
import type { Runtime } from "./runtimes.ts";

/** What became of one case. */
export interface CaseOutcome {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  readonly detail?: string | undefined;
  readonly ms: number;
}

/** What became of the suite on one runtime. */
export interface RuntimeOutcome {
  readonly runtime: string;
  /** Names of all cases it has, run or not. */
  readonly names: readonly string[];
  readonly cases: readonly CaseOutcome[];
  /** Why it is not to be trusted as a whole. */
  readonly problem?: string | undefined;
  readonly ms: number;
}

/** How to run the suite on a runtime. */
export interface RunOptions {
  readonly set: "suite" | "planted";
  readonly filter?: string;
  /** After how many milliseconds a case fails. */
  readonly limitMs: number;
  /** How long a runtime may say nothing, beyond the limit of a case, before it is ended. */
  readonly silenceMs: number;
  /** How long it may take to say the first thing. @default as for any other */
  readonly startMs?: number;
}

/** Every line that a suite may say, or undefined for what a case prints. */
function reportOf(line: string): Report | undefined {
  const start = line.indexOf(REPORT_MARK);
  if (start === -1) return undefined;
  return JSON.parse(line.slice(start + REPORT_MARK.length)) as Report;
}

/** Runs the suite on one runtime. Cases that were planned and never reported count as failed. */
export async function runRuntime(runtime: Runtime, options: RunOptions): Promise<RuntimeOutcome> {
  const { set, filter = "", limitMs, silenceMs, startMs = limitMs + silenceMs } = options;
  const begun = performance.now();
  const silence = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  function watch(ms = limitMs + silenceMs): void {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), ms);
  }
  let names: readonly string[] = [];
  let running: string | undefined;
  let ended = false;
  const cases: CaseOutcome[] = [];
  watch(startMs);
  try {
    const { code, output } = await runCommand(runtime.command(set, filter, limitMs), {
      mayFail: true,
      signal: silence.signal,
      onLine(line) {
        const report = reportOf(line);
        if (report === undefined) return;
        watch();
        if (report.kind === "plan") names = report.names;
        if (report.kind === "start") running = report.name;
        if (report.kind === "result") {
          cases.push(report);
          running = undefined;
        }
        if (report.kind === "end") ended = true;
      },
    });
    const problem = problemOf({ code, ended, silent: silence.signal.aborted, planned: names.length });
    const shown = output.split("\n").filter((line) => !line.includes(REPORT_MARK)).slice(-60).join("\n");
    const reported = new Set(cases.map((c) => c.name));
    for (const name of names) {
      if (reported.has(name)) continue;
      const reason = name === running ? `Was running when the runtime ended: ${problem}` : `Never ran: ${problem}`;
      cases.push({ name, status: "failed", detail: name === running ? `${reason}\n${shown}` : reason, ms: 0 });
    }
    return {
      runtime: runtime.name,
      names,
      cases,
      problem: problem === undefined ? undefined : `${problem}\n${shown}`,
      ms: performance.now() - begun,
    };
  } finally {
    clearTimeout(timer);
  }
}

interface Ending {
  readonly code: number;
  readonly ended: boolean;
  readonly silent: boolean;
  readonly planned: number;
}

function problemOf({ code, ended, silent, planned }: Ending): string | undefined {
  if (silent) return "The runtime said nothing for too long and was ended";
  if (!ended) return `The runtime ended before its suite did, with exit code ${code}`;
  if (code !== 0) return `The runtime ended with exit code ${code}`;
  if (planned === 0) return "The runtime found no case";
  return undefined;
}
