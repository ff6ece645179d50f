/**
 * A process of a database, from the server's side: one request at a time, and killed when one has to stop.
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { MissingPackageError } from "../../base/errors.ts";
import type { SqlResult } from "./pg_run.ts";
import { type Answer, ANSWERS } from "./program_io.ts";

/** How a process is started. */
export interface SqlProcessOptions {
  /** What it serves, for errors: `data table "main"`. */
  readonly label: string;
  readonly program: URL;
  /** What the program is told, as JSON. */
  readonly config: unknown;
  /** npm package that it loads. */
  readonly package: string;
  /** Permissions of Deno. */
  readonly permissions: readonly string[];
  /** Further variables of its environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A running process. */
export interface SqlProcess {
  /** Process id. */
  readonly pid: number;
  /** False when it has ended. */
  isAlive(): boolean;
  /**
   * Runs a request; the next one has to wait for its end. An abort kills the process.
   *
   * @throws SqlError with the database's words; the signal's reason
   */
  run(request: unknown, signal: AbortSignal): Promise<SqlResult>;
  /** Ends it: after what it does now. */
  close(): Promise<void>;
  /** Ends it at once. */
  kill(): Promise<void>;
}

/** An error of a database, or about its process. */
export class SqlError extends Error {
  /** Name that a failed job shows. */
  override readonly name: string;

  /** Makes an error with the name that a failed job shows. */
  constructor(message: string, name = "Error", options?: ErrorOptions) {
    super(message, options);
    this.name = name;
  }
}

/** What a process of a database needs of the environment to find its packages. */
const ENVIRONMENT = [
  "PATH",
  "HOME",
  "DENO_DIR",
  "XDG_CACHE_HOME",
  "TMPDIR",
  "TEMP",
  "SystemRoot",
  "USERPROFILE",
  "LOCALAPPDATA",
];

/** Error text that is kept of a process. */
const KEPT_STDERR = 4000;

/** Waits this long for a process to end by itself. */
const CLOSE_MS = 3000;

interface Waiting {
  readonly resolve: (result: SqlResult) => void;
  readonly reject: (error: unknown) => void;
}

function commandLine({ program, permissions, config }: SqlProcessOptions): readonly string[] {
  const url = program.protocol === "file:" ? decodeURIComponent(program.pathname) : program.href;
  const told = JSON.stringify(config);
  if (!("Deno" in globalThis)) return ["--no-warnings", url, told];
  return ["run", "--quiet", "--no-prompt", "--no-lock", ...permissions, url, told];
}

/** Says why a process ended. */
function endedError({ label, package: name }: SqlProcessOptions, why: string, stderr: string): Error {
  const text = stderr.trim();
  if (
    /(Cannot find (package|module)|Could not (find|resolve)|not a dependency|ERR_MODULE_NOT_FOUND|Import ".*" not)/
      .test(text) && text.includes(name)
  ) {
    const add = "Deno" in globalThis ? "deno add npm:" : "npm install ";
    return new MissingPackageError(
      `Cannot open ${label}: the package "${name}" is not installed. Add it: ${add}${name}`,
    );
  }
  const last = text.split("\n").slice(-12).join("\n");
  return new SqlError(`The process of ${label} ended (${why})${last === "" ? "" : `: ${last}`}`);
}

/** Starts a process, and resolves when it can be asked. */
export async function startProcess(options: SqlProcessOptions): Promise<SqlProcess> {
  const { spawn } = await import("node:child_process");
  const { default: process } = await import("node:process");
  const env = Object.fromEntries(
    ENVIRONMENT.flatMap((name) => process.env[name] === undefined ? [] : [[name, process.env[name]]]),
  );
  const child: ChildProcess = spawn(process.execPath, commandLine(options), {
    stdio: ["pipe", "ignore", "pipe", "pipe"],
    env: { ...env, NO_COLOR: "1", ...options.env },
  });
  let waiting: Waiting | undefined;
  let stderr = "";
  let ended: Error | undefined;

  function settle(act: (waiting: Waiting) => void): void {
    const now = waiting;
    waiting = undefined;
    if (now !== undefined) act(now);
  }

  let head: Answer | undefined;
  function onLine(line: string): void {
    if (head?.kind === "result") {
      const { warnings } = head;
      head = undefined;
      return settle(({ resolve }) => resolve({ text: line, warnings }));
    }
    const answer = JSON.parse(line) as Answer;
    switch (answer.kind) {
      case "ready":
        return settle(({ resolve }) => resolve({ text: "", warnings: [] }));
      case "result":
        head = answer;
        return;
      case "error":
        return settle(({ reject }) => reject(new SqlError(answer.message, answer.name)));
    }
  }

  let parts: string[] = [];
  // `as`: it is read from.
  const answers = child.stdio[ANSWERS] as Readable | null;
  answers?.setEncoding("utf8");
  answers?.on("data", (text: string) => {
    const lines = text.split("\n");
    parts.push(lines[0] ?? "");
    for (const next of lines.slice(1)) {
      onLine(parts.join(""));
      parts = [next];
    }
  });
  child.stderr?.setEncoding("utf8");
  child.stderr?.on("data", (text: string) => stderr = (stderr + text).slice(-KEPT_STDERR));
  // Its end tells of a pipe that is gone.
  child.stdin?.on("error", () => "The process has ended");
  const end = new Promise<void>((resolve) => {
    function onEnd(why: string): void {
      ended ??= endedError(options, why, stderr);
      const error = ended;
      settle(({ reject }) => reject(error));
      resolve();
    }
    child.on("error", (error) => onEnd(error.message));
    child.on("close", (code, signal) => onEnd(signal ?? `exit code ${code}`));
  });

  function wait(): Promise<SqlResult> {
    return new Promise((resolve, reject) => {
      if (ended !== undefined) return reject(ended);
      waiting = { resolve, reject };
    });
  }

  async function kill(): Promise<void> {
    child.kill("SIGKILL");
    await end;
  }

  const ready = wait();
  await ready;
  return {
    pid: child.pid ?? 0,
    isAlive: () => ended === undefined,
    async run(request, signal) {
      signal.throwIfAborted();
      const result = wait();
      function onAbort(): void {
        settle(({ reject }) => reject(signal.reason));
        void kill(); // awaited by whoever opens the database again: its lock is free when the process is gone
      }
      signal.addEventListener("abort", onAbort, { once: true });
      child.stdin?.write(`${JSON.stringify(request)}\n`);
      try {
        return await result;
      } finally {
        signal.removeEventListener("abort", onAbort);
      }
    },
    async close() {
      if (ended !== undefined) return;
      // An empty line: it ends after what it does now.
      child.stdin?.write("\n");
      const timer = setTimeout(() => child.kill("SIGKILL"), CLOSE_MS);
      try {
        await end;
      } finally {
        clearTimeout(timer);
      }
    },
    kill,
  };
}
