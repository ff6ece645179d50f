/**
 * Runs a program to its end, with a time limit that takes its children along.
 *
 * @module
 */

/** How to run a program. */
export interface CommandOptions {
  /** Working folder. */
  readonly cwd: string;
  /** The whole environment of the program. @default this process's environment */
  readonly env?: Readonly<Record<string, string>>;
  /** Longest run. @default 60000 */
  readonly limitMs?: number;
}

/** What a program left behind. */
export interface CommandResult {
  /** The command line, for messages. */
  readonly line: string;
  /** Exit code; -1 when the time limit ended it. */
  readonly code: number;
  /** Everything it wrote to its standard output. */
  readonly stdout: string;
  /** Everything it wrote to its standard error. */
  readonly stderr: string;
  /** Wall time. */
  readonly ms: number;
}

/** Runs `program` with `args` and collects its output. A program that cannot be started is an error, a failing one is not. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const { cwd, env, limitMs = 60_000 } = options;
  const start = performance.now();
  const grouped = Deno.build.os !== "windows"; // A process group of its own, so that the limit reaches grandchildren.
  const child = new Deno.Command(program, {
    args: [...args],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: grouped,
    ...(env === undefined ? {} : { env: { ...env }, clearEnv: true }),
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    if (grouped) Deno.kill(-child.pid, "SIGKILL");
    else child.kill("SIGKILL");
  }, limitMs);
  try {
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    const note = late ? `\nStopped after ${limitMs} ms` : "";
    return {
      line: [program, ...args].join(" "),
      code: late ? -1 : code,
      stdout: text.decode(stdout),
      stderr: text.decode(stderr) + note,
      ms: Math.round(performance.now() - start),
    };
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a program that has to succeed, and says what it printed when it does not. */
export async function mustRun(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const result = await runCommand(program, args, options);
  if (result.code !== 0) {
    throw new Error(`Command "${result.line}" ended with code ${result.code}\n${result.stdout}${result.stderr}`);
  }
  return result;
}
