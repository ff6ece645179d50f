/**
 * Runs `storage_child.ts` and talks to it.
 *
 * @module
 */

/** One line that the child wrote. */
export interface Answer {
  readonly done?: string;
  readonly value?: unknown;
  readonly failed?: string;
  readonly code?: string;
  readonly message?: string;
  readonly committed?: number;
}

/** A running child. */
export interface StorageChild extends AsyncDisposable {
  readonly pid: number;
  /** Sends a command and waits for its answer. */
  ask(...command: readonly string[]): Promise<Answer>;
  /** Sends a command and does not wait. */
  send(...command: readonly string[]): void;
  /** The next line. */
  next(): Promise<Answer>;
  /** SIGKILL, and waits until the system has taken everything back. Gives the lines that were written and not read. */
  kill(): Promise<readonly Answer[]>;
}

/** Starts a child on a folder. */
export function startChild(dir: string): StorageChild {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", "-A", new URL("./storage_child.ts", import.meta.url).pathname, dir],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = process.stdin.getWriter();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let ended = false;

  async function nextLine(): Promise<Answer | undefined> {
    for (;;) {
      const end = rest.indexOf("\n");
      if (end >= 0) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        return JSON.parse(line) as Answer;
      }
      const { value, done } = await reader.read();
      if (done) return undefined;
      rest += value;
    }
  }

  async function next(): Promise<Answer> {
    const answer = await nextLine();
    if (answer === undefined) throw new Error("The child ended without an answer");
    return answer;
  }

  function send(...command: readonly string[]): void {
    // A child that was killed takes no more: what the test then misses is its answer.
    writer.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`)).catch(() => undefined);
  }

  async function kill(): Promise<readonly Answer[]> {
    if (ended) return [];
    ended = true;
    process.kill("SIGKILL");
    await process.status;
    const left: Answer[] = [];
    for (let answer = await nextLine(); answer !== undefined; answer = await nextLine()) left.push(answer);
    await writer.abort().catch(() => undefined);
    return left;
  }

  return {
    pid: process.pid,
    async ask(...command) {
      send(...command);
      return await next();
    },
    send,
    next,
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
    },
  };
}

/** Runs a test in a folder of its own. */
export async function withFolder(use: (dir: string) => Promise<void>): Promise<void> {
  const dir = Deno.makeTempDirSync({ prefix: "windkit-storage-" });
  try {
    await use(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** Runs a program that has `openSqliteStorage` in a process of its own, in a folder; its code is the rest of the program. */
export async function evalStorage(cwd: string, code: string): Promise<void> {
  const storage = JSON.stringify(import.meta.resolve("@windkit/windmill-client/storage/sqlite"));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", `import { openSqliteStorage } from ${storage};\n${code}`],
    cwd,
    signal: AbortSignal.timeout(20_000),
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** Waits for something that only a timer which lets the process go will bring. */
export async function heldOpen<T>(promise: Promise<T>): Promise<T> {
  const hold = setInterval(() => {}, 60_000);
  try {
    return await promise;
  } finally {
    clearInterval(hold);
  }
}
