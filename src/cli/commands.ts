/**
 * From a command line to an exit code.
 *
 * @module
 */
import process from "node:process";
import { MissingPackageError } from "../base/errors.ts";
import { SDK_VERSION } from "../base/version.ts";
import { type Command, parseCommand } from "./arguments.ts";
import { EXIT, exitCodeOf, UsageError } from "./exit_codes.ts";
import { paint } from "./format.ts";
import { helpText } from "./help.ts";
import { programName } from "./program.ts";
import { errorData } from "./reports.ts";
import { runtimeOf } from "./runtime.ts";
import { Interruption, type Interruptions, listenForSignals } from "./signals.ts";
import { type Io, processIo } from "./terminal.ts";

/**
 * Does what a command line asks for.
 *
 * @param argv the arguments after the program's name
 * @param main URL of the main module
 * @returns the exit code
 */
export async function runCommandLine(argv: readonly string[], main: string): Promise<number> {
  hushSqliteWarning();
  let interruptions: Interruptions | undefined;
  let readerLeft = false;
  const io = processIo(programName(main), () => {
    readerLeft = true;
    interruptions?.stop(new Interruption("the reader of its output, which went away", EXIT.pipe));
  });
  let command: Command | undefined;
  try {
    command = parseCommand(argv);
    if (command.command === "run" || command.command === "dev") interruptions = listenForSignals();
    const code = await perform(command, io, interruptions);
    return readerLeft ? EXIT.pipe : code;
  } catch (error) {
    const code = exitCodeOf(error);
    const isUnexpected = code === EXIT.failed;
    const asJson = command === undefined ? argv.includes("--json") : "json" in command && command.json;
    if (asJson) io.out.write(`${JSON.stringify({ event: "error", error: errorData(error), exitCode: code })}\n`);
    else io.err.write(errorLines(error, isUnexpected, io));
    return code;
  } finally {
    interruptions?.close();
    await Promise.all([io.out.flush(), io.err.flush()]);
  }
}

/** Node 22 announces at the first use of `node:sqlite` that it is experimental: news for nobody who runs a workflow. */
function hushSqliteWarning(): void {
  if (runtimeOf().name !== "Node") return;
  const { emitWarning } = process;
  process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
    if (rest[0] === "ExperimentalWarning" && String(warning).includes("SQLite")) return;
    Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
}

/** Each command's modules are loaded when it is asked for: no other one waits for them. */
async function perform(command: Command, io: Io, interruptions: Interruptions | undefined): Promise<number> {
  switch (command.command) {
    case "help":
      io.out.write(`${helpText(command.topic)}\n`);
      return EXIT.ok;
    case "version":
      io.out.write(`windkit ${SDK_VERSION}\n`);
      return EXIT.ok;
    case "run":
      return await (await import("./run_command.ts")).run(command, io, listening(interruptions));
    case "dev":
      return await (await loadDev()).dev(command, io, listening(interruptions));
    case "list":
      return await (await import("./runs_command.ts")).listRuns(command, io);
    case "show":
      return await (await import("./runs_command.ts")).showRun(command, io);
    case "prune":
      return await (await import("./remove_commands.ts")).pruneRuns(command, io);
    case "remove":
      return await (await import("./remove_commands.ts")).removeRun(command, io);
    case "export":
      return await (await import("./file_commands.ts")).exportRunFile(command, io);
    case "import":
      return await (await import("./file_commands.ts")).importRunFile(command, io);
    case "fork":
      return await (await import("./fork_command.ts")).forkRun(command, io);
    case "approve":
      return await (await import("./answer_commands.ts")).approve(command, io);
    case "signal":
      return await (await import("./answer_commands.ts")).signal(command, io);
    case "cancel":
      return await (await import("./answer_commands.ts")).cancel(command, io);
    case "doctor":
      return await (await import("./doctor_command.ts")).doctor(command, io);
    case "capture":
      return await (await import("./capture_command.ts")).capture(command, io);
    case "check":
      return await (await import("./check_command.ts")).check(command, io);
  }
}

function listening(interruptions: Interruptions | undefined): Interruptions {
  if (interruptions === undefined) throw new TypeError("Cannot run this command: nothing listens for signals");
  return interruptions;
}

/** The server's packages are for who serves: other commands do without. */
async function loadDev(): Promise<typeof import("./dev_command.ts")> {
  try {
    return await import("./dev_command.ts");
  } catch (cause) {
    const [, name] = /["'](hono)(?:\/[\w/]+)?["']/.exec(cause instanceof Error ? cause.message : "") ?? [];
    if (name === undefined) throw cause;
    throw new MissingPackageError(
      `Cannot serve a folder: the package "${name}" is not installed. Add it: npm install ${name} yaml`,
      { cause },
    );
  }
}

/** What went wrong, and what to do about it. A condition that has no name of its own is a defect: then with its stack. */
function errorLines(error: unknown, isUnexpected: boolean, io: Io): string {
  const colors = paint(io.err.color);
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof UsageError ? error.hint : undefined;
  const stack = isUnexpected && error instanceof Error ? error.stack : undefined;
  const lines = [`${colors.bad("windkit:")} ${message}`];
  if (hint !== undefined) lines.push(colors.faint(hint));
  if (stack !== undefined) lines.push(colors.faint(stack));
  return `${lines.join("\n")}\n`;
}
