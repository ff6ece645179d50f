/**
 * `windkit dev`: serves a synced folder under Windmill's own API, until it is stopped.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import { countText } from "../base/count_text.ts";
import { SDK_VERSION } from "../base/version.ts";
import type { DevCommand } from "./arguments.ts";
import { createCodeCheck } from "./dev_code.ts";
import { createDevReport, type DevReport, watchEnds } from "./dev_report.ts";
import { type DevServer, isLoopback, openDevServer } from "./dev_server.ts";
import { loadSettings, SETTINGS_FILE } from "./dev_settings.ts";
import { DEFAULT_DATA } from "./arguments.ts";
import { EXIT, UsageError } from "./exit_codes.ts";
import { paint } from "./format.ts";
import { runtimeOf } from "./runtime.ts";
import { Interruption, type Interruptions } from "./signals.ts";
import type { Io } from "./terminal.ts";

/** Jobs that run when the server is stopped get so long to end. */
const DRAIN_MS = 10_000;

/**
 * Serves a folder.
 *
 * @param command what was asked for
 * @param io streams
 * @param interruptions what ends it
 * @returns the exit code of what ended it
 */
export async function dev(command: DevCommand, io: Io, interruptions: Interruptions): Promise<number> {
  const { name } = runtimeOf();
  if (name === "Bun") throw new UsageError('Command "dev" runs on Deno and Node: this is Bun');
  const folder = resolve(io.cwd, command.folder);
  const data = command.data === undefined ? join(folder, DEFAULT_DATA) : resolve(io.cwd, command.data);
  let redact = (text: string): string => text;
  const report = createDevReport(io, command.json, (text) => redact(text));
  const code = createCodeCheck(folder);
  const server = await openDevServer({
    folder,
    data,
    host: command.host,
    port: command.port,
    settings: existsSync(folder) ? loadSettings(folder) : { net: "open", denyNet: [], datatables: {}, s3: {} },
    report: (error) => report.failed(error),
    checkCode: code.check,
  });
  try {
    greet(command, io, report, server, { folder, data });
    const { secrets, jobs } = server.server.context;
    redact = (text) => secrets.redact(text);
    const ends = watchEnds(jobs, (job) => report.job(job));
    // It ends with the folder.
    server.folder.watch((all) => {
      const files = all.filter(isServed);
      if (files.length > 0) report.changed(files);
      if (files.includes(SETTINGS_FILE)) {
        report.event(
          { event: "note", message: `${SETTINGS_FILE} changed` },
          `What ${SETTINGS_FILE} says now holds when the folder is served again`,
        );
      }
      report.problems(server.folder.problems);
    });
    void look(server, report, code.load, interruptions.signal);
    await stopped(interruptions.signal);
    tellStop(report, jobs.count({ running: true, offset: 0, limit: 1 }));
    await server.server.close({ drainMs: DRAIN_MS });
    // While the jobs can still be asked.
    ends[Symbol.dispose]();
    await server.close(0);
    report.event({ event: "stopped" }, "Stopped. What had not ended goes on when the folder is served again");
  } finally {
    await server.close(0);
  }
  const { reason } = interruptions.signal;
  return reason instanceof Interruption ? reason.exitCode : EXIT.ok;
}

/** Reads all there is once requests are answered, and says what is wrong with it. */
async function look(
  { folder }: DevServer,
  report: DevReport,
  loadCheck: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await folder.readAll();
    if (signal.aborted) return;
    const scripts = folder.scripts().length;
    report.event(
      { event: "read", scripts },
      scripts === 0 ? "No script yet: save one as f/folder/name.ts" : `${countText(scripts, "script")} can be run`,
    );
    report.problems(folder.problems);
    await loadCheck();
    if (!signal.aborted) report.problems(folder.problems);
  } catch (error) {
    report.failed(error);
  }
}

/** Files that are of interest here: another one may be the very output of this command. */
function isServed(file: string): boolean {
  return /^[fug]\/|^(?:wmill|encryption_key)\.yaml$|^[^/]+\.resource-type\.(?:yaml|json)$/.test(file) ||
    file === SETTINGS_FILE;
}

/** A path as somebody would type it. */
function shown(cwd: string, path: string): string {
  const way = relative(cwd, path);
  return way === "" ? "." : way.startsWith("..") || isAbsolute(way) ? path : way;
}

function greet(
  { json, host }: DevCommand,
  io: Io,
  report: DevReport,
  { url, token, server }: DevServer,
  places: { readonly folder: string; readonly data: string },
): void {
  const { workspace } = server.context;
  const hasConfig = existsSync(join(places.folder, "wmill.yaml"));
  if (json) {
    // The token is on this line and on no other.
    const ready = { event: "ready", url, token, workspace, data: places.data, hasConfig };
    io.out.write(`${JSON.stringify(ready)}\n`);
  } else {
    const colors = paint(io.out.color);
    const field = (name: string, value: string): void => io.out.write(`  ${colors.faint(name.padEnd(10))}${value}\n`);
    io.out.write(`${colors.strong(`Windkit ${SDK_VERSION}`)} serves "${shown(io.cwd, places.folder)}"\n`);
    field("address", url);
    field("page", `${url}/?token=${token}`);
    field("token", token);
    field("workspace", workspace);
    field("data", `${shown(io.cwd, places.data)} (the token is in the file "token" there)`);
  }
  if (!hasConfig) {
    report.event(
      { event: "note", message: "no wmill.yaml" },
      'There is no wmill.yaml: everything in "f", "u" and "g" is served, and .ts files are Bun scripts',
    );
  }
  if (!isLoopback(host)) {
    const text =
      `Warning: others on the network reach this server at ${host}. Whoever has the token runs code on this ` +
      "machine, and it is sent unencrypted";
    report.event({ event: "warning", message: text }, paint(io.out.color).bad(text));
  }
  report.line("Ctrl-C stops it.\n");
}

async function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function tellStop(report: DevReport, running: number): void {
  report.event(
    { event: "stopping", running },
    running === 0
      ? "Stopping"
      : `Stopping: waits up to ${DRAIN_MS / 1000} s for ${countText(running, "job")}; again to stop at once`,
  );
}
