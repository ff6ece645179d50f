/**
 * `windkit doctor`: what is in a data folder, and whether it is sound.
 *
 * @module
 */
import { resolve } from "node:path";
import { countText } from "../base/count_text.ts";
import { verifyChain } from "../engine/read_journal.ts";
import { examineSqlite, type SqliteReport } from "../storage/doctor.ts";
import type { DoctorCommand } from "./arguments.ts";
import { checkHoldsRuns } from "./data_folder.ts";
import { EXIT } from "./exit_codes.ts";
import { clock, oneLine, type Paint, paint, size } from "./format.ts";
import type { Io } from "./terminal.ts";

/**
 * Examines a data folder.
 *
 * @param command what was asked for
 * @param io streams
 * @returns 0 when it is sound, else the code for storage
 */
export async function doctor(command: DoctorCommand, io: Io): Promise<number> {
  const dir = resolve(io.cwd, command.data);
  checkHoldsRuns(dir, command.data);
  const report = await examineSqlite(dir, { verify: verifyChain });
  io.out.write(command.json ? `${JSON.stringify(report)}\n` : `${reportText(report, paint(io.out.color))}\n`);
  return report.ok ? EXIT.ok : EXIT.storage;
}

function reportText(report: SqliteReport, colors: Paint): string {
  const { path, schemaVersion, runs, records, messages, fileBytes, logBytes, findings, ok } = report;
  const lines: string[] = [];
  const field = (name: string, value: string): void => void lines.push(`${colors.faint(name.padEnd(10))}${value}`);
  field("file", path);
  field("size", `${size(fileBytes)}${logBytes > 0 ? `, and ${size(logBytes)} in the log` : ""}`);
  if (schemaVersion !== undefined) field("version", String(schemaVersion));
  field("driver", driverText(report));
  if (runs !== undefined) {
    const all = Object.values(runs).reduce((sum, n) => sum + n, 0);
    const states = Object.entries(runs).filter(([, n]) => n > 0).map(([state, n]) => `${n} ${state}`).join(", ");
    field("runs", states === "" ? "none" : `${all}: ${states}`);
  }
  if (records !== undefined) field("records", String(records));
  if (messages !== undefined) field("messages", messages === 0 ? "none" : `${messages} not taken yet`);
  lines.push("");
  for (const { text, run } of findings) {
    lines.push(`${colors.bad("✗")} ${run === undefined ? "" : `${oneLine(run)}: `}${oneLine(text)}`);
  }
  lines.push(
    ok
      ? `${colors.good("✓")} sound: every record's check value is right`
      : colors.bad(countText(findings.length, "finding")),
  );
  return lines.join("\n");
}

function driverText({ driven, unclean, holder }: SqliteReport): string {
  const since = holder?.since === undefined ? "" : ` since ${clock(holder.since, Date.now())}`;
  const who = holder?.pid === undefined ? "a process" : `process ${holder.pid}`;
  if (driven) return `${who}${since}`;
  return unclean ? `none; ${who} ended without closing it, which the next one checks` : "none";
}
