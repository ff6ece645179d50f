/**
 * A real S3 server in a process of its own, from npm, on files of a temporary folder.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../tools/s3/", import.meta.url));

/** A running S3 server, ended at the end. */
export interface S3Server extends AsyncDisposable {
  /** Its address, without a slash at its end. */
  readonly endpoint: string;
}

/** Installs it as its lock file says; gives the reason when that cannot be done. */
export async function installS3Server(): Promise<string | undefined> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--frozen", "--quiet"],
    cwd: FOLDER,
    env: { NO_COLOR: "1" },
  }).output();
  return success ? undefined : `no S3 server: ${new TextDecoder().decode(stderr).trim().split("\n")[0]}`;
}

/** Starts it with empty buckets. */
export async function startS3Server(buckets: readonly string[]): Promise<S3Server> {
  const data = await Deno.makeTempDir({ prefix: "windkit-s3-" });
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--quiet",
      "node_modules/s3rver/bin/s3rver.js",
      `--directory=${data}`,
      "--address=127.0.0.1",
      "--port=0",
      // As two words: it looks for the second one by itself.
      ...buckets.flatMap((bucket) => ["--configure-bucket", bucket]),
    ],
    cwd: FOLDER,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  async function stop(): Promise<void> {
    child.kill("SIGKILL");
    await child.status;
    await Deno.remove(data, { recursive: true });
  }
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  async function watch(): Promise<void> {
    let said = "";
    // To its end: a pipe that nobody reads would stop the server.
    for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
      said = (said + piece).slice(-4096);
      const [, endpoint] = /listening on (\S+:\d+)/.exec(said) ?? [];
      if (endpoint !== undefined) resolve(`http://${endpoint}`);
    }
    reject(new Error(`The S3 server ended before it listened: ${said}`));
  }
  void watch(); // it ends with the process
  try {
    return { endpoint: await promise, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
