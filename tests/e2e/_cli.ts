/**
 * Runs the real command line in subprocesses, in a workspace of its own.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
/**
 * A process that says nothing for so long is stuck: it is killed, and the test fails with what it said before. A check of types
 * says nothing while it works, and works long where others do.
 */
const STUCK_MS = 120_000;

/** How a process ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that runs. */
export interface Running {
  readonly pid: number;
  /** Waits for a line of either stream that matches, from the last match on; fails with all output when there is none. */
  line(pattern: RegExp | string): Promise<string>;
  kill(signal: Deno.Signal): void;
  /** Types on its input: only where it has a terminal. */
  type(text: string): void;
  readonly ended: Promise<Ended>;
}

/** A folder with files in it, removed at the end. */
export interface Workspace extends AsyncDisposable {
  readonly dir: string;
  /** Runs a command line to its end. */
  windkit(...args: readonly string[]): Promise<Ended>;
  /** The same from a folder below. */
  windkitIn(folder: string, ...args: readonly string[]): Promise<Ended>;
  start(...args: readonly string[]): Running;
  startInTerminal(...args: readonly string[]): Running;
  write(path: string, text: string): void;
  read(path: string): string;
}

/** Wraps a command line so that it runs in a terminal of its own; undefined where the program for it is missing. */
export const terminal = findTerminal();

function findTerminal(): ((program: string, args: readonly string[]) => Wrapped) | undefined {
  // The program of util-linux: that of macOS takes other arguments.
  const hasScript = Deno.build.os === "linux" && ["/usr/bin/script", "/bin/script"].some((path) => existsSync(path));
  if (!hasScript) return undefined;
  const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
  return (program, args) => ({
    program: "script",
    args: ["-qefc", [program, ...args].map(quote).join(" "), "/dev/null"],
  });
}

interface Wrapped {
  readonly program: string;
  readonly args: readonly string[];
}

/** Makes a workspace with the given files. */
export function workspace(files: Readonly<Record<string, string>> = {}): Workspace {
  const dir = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "windkit-cli-" }));
  const running = new Set<Running>();
  const write = (path: string, text: string): void => {
    const target = join(dir, path);
    Deno.mkdirSync(join(target, ".."), { recursive: true });
    Deno.writeTextFileSync(target, text);
  };
  for (const [path, text] of Object.entries(files)) write(path, text);
  const keep = (process: Running): Running => {
    running.add(process);
    void process.ended.finally(() => running.delete(process));
    return process;
  };
  const start = (...args: readonly string[]): Running =>
    keep(startProcess(Deno.execPath(), ["run", "-A", MAIN, ...args], dir));
  return {
    dir,
    start,
    startInTerminal(...args): Running {
      if (terminal === undefined) throw new Error('Cannot start in a terminal: the program "script" is missing');
      const wrapped = terminal(Deno.execPath(), ["run", "-A", MAIN, ...args]);
      return keep(startProcess(wrapped.program, wrapped.args, dir, "piped"));
    },
    windkit: (...args) => start(...args).ended,
    windkitIn: (folder, ...args) =>
      keep(startProcess(Deno.execPath(), ["run", "-A", MAIN, ...args], join(dir, folder))).ended,
    write,
    read: (path) => Deno.readTextFileSync(join(dir, path)),
    async [Symbol.asyncDispose](): Promise<void> {
      const left = [...running];
      for (const process of left) process.kill("SIGKILL");
      await Promise.all(left.map((process) => process.ended));
      Deno.removeSync(dir, { recursive: true });
    },
  };
}

/** The environment without the traces of `deno task` and npx: how the tests are run must not show in what they test. */
function untracedEnv(): Record<string, string> {
  const entries = Object.entries(Deno.env.toObject());
  return Object.fromEntries(entries.filter(([name]) => name !== "INIT_CWD" && !name.startsWith("npm_")));
}

/** Starts a program with closed input and without colours. */
export function startProcess(
  program: string,
  args: readonly string[],
  cwd: string,
  stdin: "null" | "piped" = "null",
): Running {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd,
    clearEnv: true,
    env: { ...untracedEnv(), NO_COLOR: "1", USER: "tester" },
    stdin,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = stdin === "piped" ? child.stdin.getWriter() : undefined;
  const seen: string[] = [];
  const waiting = new Set<() => void>();
  let next = 0;
  let hasEnded = false;
  let stuck = setTimeout(() => kill("SIGKILL"), STUCK_MS);
  function kill(signal: Deno.Signal): void {
    try {
      child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error; // it has ended
    }
  }
  async function read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
    let text = "";
    let rest = "";
    for await (const part of stream.pipeThrough(new TextDecoderStream())) {
      clearTimeout(stuck);
      stuck = setTimeout(() => kill("SIGKILL"), STUCK_MS);
      text += part;
      const lines = `${rest}${part}`.split("\n");
      rest = lines.pop() ?? "";
      seen.push(...lines);
      for (const wake of waiting) wake();
    }
    return text;
  }
  const ended = Promise.all([child.status, read(child.stdout), read(child.stderr)]).then(
    ([{ code }, stdout, stderr]) => {
      clearTimeout(stuck);
      hasEnded = true;
      for (const wake of waiting) wake();
      return { code, stdout, stderr };
    },
  );
  return {
    pid: child.pid,
    kill,
    type: (text) => void writer?.write(new TextEncoder().encode(text)),
    ended,
    async line(pattern): Promise<string> {
      for (;;) {
        for (; next < seen.length; next++) {
          const text = seen[next] ?? "";
          if (typeof pattern === "string" ? text.includes(pattern) : pattern.test(text)) {
            next++;
            return text;
          }
        }
        if (hasEnded) throw new Error(`No line matched ${pattern}. The process said:\n${seen.join("\n")}`);
        const { promise, resolve } = Promise.withResolvers<void>();
        waiting.add(resolve);
        await promise;
        waiting.delete(resolve);
      }
    },
  };
}

/** The lines of `--json` as data. */
export function jsonLines(text: string): readonly Readonly<Record<string, unknown>>[] {
  return text.trim().split("\n").map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
}
