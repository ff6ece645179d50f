/**
 * Starts programs that serve: each says where, and is ended at the end.
 *
 * @module
 */
import { lineStream } from "../../bench/_lines.ts";

/** A program that serves. */
export interface Serving extends AsyncDisposable {
  readonly url: string;
  /** What it printed so far. */
  readonly output: () => string;
}

/** Starts a program and resolves when it says `Listening on <address or port>`. */
export async function startServing(
  command: readonly string[],
  { env = {}, cwd }: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Promise<Serving> {
  const [path = "", ...args] = command;
  const child = new Deno.Command(path, {
    args,
    env: { NO_COLOR: "1", ...env },
    ...(cwd !== undefined && { cwd }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const said: string[] = [];
  const found = Promise.withResolvers<string>();
  const ended = Promise.all([child.stdout, child.stderr].map(async (stream) => {
    for await (const line of stream.pipeThrough(new TextDecoderStream()).pipeThrough(lineStream())) {
      said.push(line);
      const [, address, port] = /[Ll]istening on (?:(http:\/\/\S*?)\/?(?:$|\s)|port (\d+))/.exec(line) ?? [];
      if (address ?? port) found.resolve(address ?? `http://127.0.0.1:${port}`);
    }
  }));
  const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
  void child.status.then(({ code }) => found.reject(new Error(`Ended with ${code}:\n${said.join("\n")}`)));
  async function stop(): Promise<void> {
    try {
      child.kill("SIGTERM");
    } catch (error) {
      void error; // it has ended by itself
    }
    const late = setTimeout(() => child.kill("SIGKILL"), 8_000);
    await child.status;
    clearTimeout(late);
    await ended;
  }
  try {
    return {
      url: (await found.promise).replace("0.0.0.0", "127.0.0.1").replace("localhost", "127.0.0.1"),
      output: () => said.join("\n"),
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
