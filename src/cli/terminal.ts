/**
 * The world as a command sees it: where text goes, what is a terminal, who the user is. Handed in, so that commands read
 * nothing ambient.
 *
 * @module
 */
import process from "node:process";

/** One output stream. */
export interface Sink {
  /** True on a terminal. */
  readonly isTerminal: boolean;
  /** True when colour is wanted. */
  readonly color: boolean;
  /** Width in columns. */
  columns(): number;
  write(text: string): void;
  /** Resolves when everything written so far has left the process. */
  flush(): Promise<void>;
}

/** What a command may use of its process. */
export interface Io {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: Sink;
  readonly err: Sink;
  /** True when somebody can be asked. */
  readonly interactive: boolean;
  /** How this program was called, for commands that it tells the user to type. */
  readonly program: string;
}

/** Stream types that the three runtimes agree on. */
interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string, done?: (error?: Error | null) => void): boolean;
  on(event: "error", listener: (error: { readonly code?: string }) => void): unknown;
}

/**
 * The Io of this process.
 *
 * @param program how to call this program
 * @param onBrokenPipe called when the reader of an output has gone away
 * @returns streams, environment, folder
 */
export function processIo(program: string, onBrokenPipe: () => void): Io {
  const { env } = process;
  return {
    cwd: process.cwd(),
    env,
    out: sink(process.stdout, env, onBrokenPipe),
    err: sink(process.stderr, env, onBrokenPipe),
    interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
    program,
  };
}

function sink(stream: Stream, env: Io["env"], onBrokenPipe: () => void): Sink {
  const isTerminal = stream.isTTY === true && env["TERM"] !== "dumb";
  let last: Promise<void> = Promise.resolve();
  let broken = false;
  const fail = (error: { readonly code?: string }): void => {
    if (broken) return;
    broken = true;
    if (error.code === "EPIPE") onBrokenPipe();
  };
  stream.on("error", fail);
  return {
    isTerminal,
    color: wantsColor(env, isTerminal),
    // 0 where the terminal does not know: a pseudo-terminal without a size.
    columns: () => (stream.columns === undefined || stream.columns < 20 ? 80 : stream.columns),
    write(text): void {
      if (broken || text === "") return;
      last = new Promise((resolve) => {
        stream.write(text, (error) => {
          if (error !== undefined && error !== null) fail(error as { readonly code?: string });
          resolve();
        });
      });
    },
    flush: () => last,
  };
}

/** NO_COLOR wins over FORCE_COLOR, and both win over what the stream is (no-color.org). */
function wantsColor(env: Io["env"], isTerminal: boolean): boolean {
  if (env["NO_COLOR"] !== undefined && env["NO_COLOR"] !== "") return false;
  const { FORCE_COLOR: forced } = env;
  if (forced !== undefined && forced !== "" && forced !== "0") return true;
  return isTerminal;
}
