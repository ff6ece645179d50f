/**
 * The worker: a folder for each round, with what the Bun worker writes into it, and a real Bun process (wac-protocol 1.4, 13).
 *
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { injectTaskNames, withoutVersions } from "./detect.ts";
import type { Job } from "./jobs.ts";
import { type Packages, packages } from "./packages.ts";
import { parametersIn } from "./parameters.ts";
import type { RoundEnd, RoundInput, Runner } from "./options.ts";
import { NoAnswer } from "./routes.ts";
import type { Cluster } from "./server.ts";
import { BUNDLE_HEAD, plainWrapperSource, wrapperSource } from "./wrapper.ts";

/** How the worker works. */
export interface WorkerOptions {
  /** Deployed scripts are bundled; others are not. @default false */
  readonly bundled?: boolean;
  /** For what the bundler builds. @default "bun" */
  readonly target?: "bun" | "node";
  /** @default true */
  readonly newest?: boolean;
  /** Variables beside those of wac-protocol 13. */
  readonly env?: Readonly<Record<string, string>>;
  /** How long a process may take that hangs. @default 20000 */
  readonly limitMs?: number;
}

/** A worker, and the server's port that its processes call. */
export interface Worker extends AsyncDisposable {
  readonly runner: Runner;
}

/** Starts a worker; throws where there is no Bun. */
export async function startWorker(cluster: () => Cluster, options: WorkerOptions = {}): Promise<Worker> {
  const found = await packages();
  if (typeof found === "string") throw new Error(found);
  const folder = await mkdtemp(join(tmpdir(), "windkit_worker_"));
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => undefined }, async (request) => {
    try {
      return await cluster().handle(request);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      if (error.fault === "timeout") return await new Promise<Response>(() => undefined);
      // The body ends before its announced end: for the process, a connection that broke.
      const broken = new ReadableStream({ start: (controller) => controller.error(error) });
      return new Response(broken, { status: 500, headers: { "content-type": "application/json" } });
    }
  });
  let rounds = 0;
  return {
    runner: async (round) => {
      const place = join(folder, `${++rounds}`);
      await mkdir(place);
      await symlink(found.modules, join(place, "node_modules"), "dir");
      try {
        return await runProcess({ round, place, port: server.addr.port, options, found, folder });
      } finally {
        await rm(place, { recursive: true });
      }
    },
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await rm(folder, { recursive: true });
    },
  };
}

interface ProcessInput {
  readonly round: RoundInput;
  /** The round's own folder. */
  readonly place: string;
  readonly port: number;
  readonly options: WorkerOptions;
  readonly found: Packages;
  /** The worker's folder. */
  readonly folder: string;
}

async function runProcess({ round, place, port, options, found, folder }: ProcessInput): Promise<RoundEnd> {
  const { job, workflow, args, checkpoint, token, preprocess } = round;
  const { bundled = false, newest = true, env = {}, limitMs = 20_000, target = "bun" } = options;
  const code = workflow ? withoutVersions(injectTaskNames(job.script.code)) : withoutVersions(job.script.code);
  const parameters = parametersIn(code, job.entrypoint);
  const wrapper = workflow
    ? wrapperSource({ parameters, newest, bundled, preprocess })
    : plainWrapperSource(job.entrypoint ?? "main", parameters);
  if (workflow && bundled) {
    await copyFile(await bundle(BUNDLE_HEAD + code, target, found, folder), join(place, "main.js"));
  } else await writeFile(join(place, "main.ts"), code);
  await writeFile(join(place, "args.json"), args);
  await writeFile(join(place, "checkpoint.json"), checkpoint);
  await writeFile(join(place, "wrapper.mjs"), wrapper);
  const base = `http://127.0.0.1:${port}`;
  const { code: exit, output } = await runBun(found.bun, ["run", "wrapper.mjs"], place, limitMs, {
    WM_JOB_ID: job.id,
    WM_WORKSPACE: "standin",
    WM_TOKEN: token,
    WM_BASE_URL: "http://windmill.test",
    BASE_INTERNAL_URL: base,
    BASE_URL: base,
    ...parentsOf(job),
    ...env,
  });
  const result = await textOf(join(place, "result.json"));
  const given = await textOf(join(place, "args.json"));
  return {
    code: exit,
    logs: output,
    ...(result === undefined ? undefined : { result }),
    ...(preprocess && given !== undefined ? { args: given } : undefined),
  };
}

/** A job that another started has the other's id: that is how a task of v1 knows that it is not to start itself again. */
function parentsOf({ parent, root }: Pick<Job, "parent" | "root">): Readonly<Record<string, string>> {
  return { WM_FLOW_JOB_ID: parent ?? "", WM_ROOT_FLOW_JOB_ID: parent === undefined ? "" : root };
}

async function runBun(
  bun: string,
  args: readonly string[],
  cwd: string,
  limitMs: number,
  env: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | undefined; readonly output: string }> {
  const child = new Deno.Command(bun, {
    args: [...args],
    cwd,
    clearEnv: true,
    env: { PATH: Deno.env.get("PATH") ?? "", HOME: cwd, NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let ended = false;
  const limit = setTimeout(() => {
    ended = true;
    child.kill("SIGKILL");
  }, limitMs);
  try {
    const { code, stdout, stderr } = await child.output();
    const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    return { code: ended ? undefined : code, output };
  } finally {
    clearTimeout(limit);
  }
}

/** Bundles a script as deploying it does: once. */
async function bundle(code: string, target: string, { bun, modules }: Packages, folder: string): Promise<string> {
  const name = createHash("sha256").update(target + code).digest("hex").slice(0, 24);
  const bundled = join(folder, `${name}.js`);
  if (existsSync(bundled)) return bundled;
  const place = await mkdtemp(join(folder, "bundle-"));
  await symlink(modules, join(place, "node_modules"), "dir");
  await writeFile(join(place, "main.ts"), code);
  await writeFile(
    join(place, "build.mjs"),
    `const built = await Bun.build({ entrypoints: ["./main.ts"], outdir: "./out", target: ${
      JSON.stringify(target)
    }, minify: false });
if (!built.success) throw new AggregateError(built.logs, "bundling failed");`,
  );
  const { code: exit, output } = await runBun(bun, ["run", "build.mjs"], place, 60_000, {});
  if (exit !== 0) throw new Error(`Cannot bundle the script: ${output}`);
  await rename(join(place, "out", "main.js"), bundled);
  return bundled;
}

async function textOf(path: string): Promise<string | undefined> {
  return existsSync(path) ? await readFile(path, "utf8") : undefined;
}
