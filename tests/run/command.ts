/**
 * Runs programs: whole process groups, so that nothing is left when one is ended.
 *
 * @module
 */

/** How to run a program. */
export interface CommandOptions {
  /** Where it runs. */
  readonly cwd?: string;
  /** Variables added to those of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Takes each line of standard output as it comes. */
  readonly onLine?: (line: string) => void;
  /** Ends the program when it aborts. */
  readonly signal?: AbortSignal;
  /**
   * Whether an exit code other than 0 is returned and not thrown.
   *
   * @default false
   */
  readonly mayFail?: boolean;
}

/** What a program left. */
export interface CommandResult {
  readonly code: number;
  /** Standard output and error, in the order they came. */
  readonly output: string;
  /** Standard output alone. */
  readonly stdout: string;
}

async function readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  }
  if (rest !== "") onLine(rest);
}

/** Ends a program and all that it started. */
function killGroup(pid: number): void {
  try {
    Deno.kill(Deno.build.os === "windows" ? pid : -pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
  }
}

/** Groups that run now: they have their own, so that the terminal's Ctrl-C does not reach them. */
const running = new Set<number>();

/** Ends every program that runs, when this process is told to end. */
export function endProgramsOnSignal(): void {
  const signals: readonly Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) {
    Deno.addSignalListener(signal, () => {
      for (const pid of running) killGroup(pid);
      Deno.exit(130);
    });
  }
}

/** Runs a program to its end and returns what it printed; throws when it fails, unless it may. */
export async function runCommand(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { cwd, env, onLine, signal, mayFail = false } = options;
  const [path, ...args] = command;
  if (path === undefined) throw new Error("Cannot run a command: it is empty");
  const child = new Deno.Command(path, {
    args,
    ...(cwd === undefined ? {} : { cwd }),
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: Deno.build.os !== "windows",
  }).spawn();
  running.add(child.pid);
  function kill(): void {
    killGroup(child.pid);
  }
  if (signal?.aborted === true) kill();
  signal?.addEventListener("abort", kill, { once: true });
  const all: string[] = [], out: string[] = [];
  try {
    const [status] = await Promise.all([
      child.status,
      readLines(child.stdout, (line) => {
        all.push(line);
        out.push(line);
        onLine?.(line);
      }),
      readLines(child.stderr, (line) => all.push(line)),
    ]);
    const output = all.join("\n");
    if (status.code !== 0 && !mayFail) {
      throw new Error(`Command failed with exit code ${status.code}: ${command.join(" ")}\n${output}`);
    }
    return { code: status.code, output, stdout: out.join("\n") };
  } finally {
    signal?.removeEventListener("abort", kill);
    running.delete(child.pid);
  }
}
