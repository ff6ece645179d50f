/**
 * What `windkit check` says to people.
 *
 * @module
 */
import { countText } from "../base/count_text.ts";
import type { Fingerprint } from "../workflow/journal.ts";
import type { RunCheck } from "./check_against.ts";
import type { CheckResult } from "./check_command.ts";
import type { FileReport } from "./check_file.ts";
import type { Finding } from "./check_rules.ts";
import { clip, oneLine, type Paint, paint } from "./format.ts";
import type { Io } from "./terminal.ts";

/** The whole report. */
export function reportText(result: CheckResult, io: Io): string {
  const colors = paint(io.out.color);
  const lines: string[] = [];
  for (const file of result.files) {
    for (const one of file.findings) lines.push(...findingLines(one, colors));
    lines.push(fileLine(file, colors));
  }
  const { against } = result;
  if (against !== undefined) {
    lines.push("");
    for (const run of against.runs) lines.push(...runLines(run, colors));
    const total = against.runs.length;
    lines.push(
      total === 0
        ? `No runs of ${result.files.map(({ file }) => oneLine(file)).join(", ")} in ${against.data}`
        : `${countText(total, "run")}: ${
          against.broken === 0 ? colors.good("all fit") : colors.bad(`${against.broken} would break`)
        }`,
    );
  }
  const { errors, warnings } = result;
  const sum = [
    ...(errors > 0 ? [colors.bad(countText(errors, "error"))] : []),
    ...(warnings > 0 ? [colors.wait(countText(warnings, "warning"))] : []),
  ].join(", ");
  // What was found in the runs stands above: "nothing" would be the last word on a file that breaks them.
  if (sum !== "" || (against?.broken ?? 0) === 0) {
    lines.push(`${sum === "" ? colors.good("Nothing found") : sum} in ${countText(result.files.length, "file")}`);
  }
  return `${lines.join("\n")}\n`;
}

function findingLines(
  { rule, severity, file, line, column, what, why, instead }: Finding,
  colors: Paint,
): readonly string[] {
  const level = severity === "error" ? colors.bad(severity) : colors.wait(severity);
  return [
    `${colors.strong(`${oneLine(file)}:${line}:${column}`)} ${level} ${rule}: ${oneLine(what)}`,
    `  ${colors.faint("why    ")} ${why}`,
    `  ${colors.faint("instead")} ${instead}`,
  ];
}

/** As in: f/a/report.ts: a workflow to the worker (lines 2, 9), which runs "main" and names load, save. */
function fileLine(report: FileReport, colors: Paint): string {
  const { file, recognised, importLine, workflowLine, style, entrypoint, tasks } = report;
  const parts = [
    recognised
      ? `a workflow to the worker, by line${importLine === workflowLine ? "" : "s"} ${
        [...new Set([importLine, workflowLine])].join(" and ")
      }`
      : "no workflow to the worker",
  ];
  if (style !== undefined) {
    parts.push(`run by ${style === "own" ? "@windkit/windmill-client" : "the official client"}`);
  }
  if (entrypoint !== undefined) parts.push(`entry point "${entrypoint}"`);
  const written = tasks.filter(({ by }) => by === "worker").map(({ name }) => name);
  if (written.length > 0) parts.push(`task names written in: ${written.join(", ")}`);
  return `${oneLine(file)}: ${colors.faint(parts.join("; "))}`;
}

const VERDICTS = {
  fits: "fits",
  breaks: "breaks",
  "not-finished": "stands still",
  unreadable: "cannot be read",
} as const;

function runLines(
  { run, finished, verdict, calls, waits, at, recorded, asked, message }: RunCheck,
  colors: Paint,
): readonly string[] {
  const state = finished ? "finished" : "unfinished";
  if (verdict === "fits") {
    const open = waits === undefined || waits.length === 0 ? "" : `, waits for ${waits.map(oneLine).join(", ")}`;
    return [
      `${oneLine(run)} ${colors.faint(state)} ${colors.good("fits")}: ${countText(calls ?? 0, "call")}${
        clip(open, 100)
      }`,
    ];
  }
  const where = at === undefined ? "" : ` at record ${at.seq}, after ${countText(at.handed, "outcome")}`;
  const lines = [
    `${oneLine(run)} ${colors.faint(state)} ${colors.bad(VERDICTS[verdict])}${where}: ${oneLine(message ?? "")}`,
  ];
  if (recorded !== undefined) lines.push(`  ${colors.faint("recorded")} ${fingerprintText(recorded, at?.key ?? "")}`);
  if (asked !== undefined) lines.push(`  ${colors.faint("asked   ")} ${fingerprintText(asked, asked.key)}`);
  return lines;
}

function fingerprintText({ kind, name, digest, args, site }: Fingerprint, key: string): string {
  const named = name === key ? `"${name}"` : `"${key}" (${name})`;
  const given = args !== undefined
    ? ` with ${clip(args, 80)}`
    : digest === ""
    ? ""
    : ` with arguments of digest ${digest}`;
  return oneLine(`${kind} ${named}${given}${site === undefined ? "" : ` at ${site}`}`);
}
