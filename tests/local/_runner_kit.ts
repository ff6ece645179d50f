/**
 * A TypeScript runner in a folder of its own, and jobs on it.
 *
 * @module
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JobOutcome, Runner, RunnerIo, RunnerJob } from "../../src/runner/ports.ts";
import { createTypeScriptRunner, type TypeScriptRunnerOptions } from "../../src/runner/typescript/mod.ts";

/** What is asked of a job, beside its code. */
export interface Asked extends Partial<Omit<RunnerJob, "resolve">> {
  /** Scripts of the workspace by path. */
  readonly files?: Readonly<Record<string, string | { readonly content: string; readonly language: string }>>;
  readonly signal?: AbortSignal;
  readonly session?: RunnerIo["session"];
  /** Called with each piece of the log. */
  readonly onLog?: (text: string) => void;
}

/** What a job did. */
export interface Did {
  readonly outcome: JobOutcome;
  /** The result, or undefined when it failed. */
  readonly result: unknown;
  readonly error: Extract<JobOutcome, { readonly ok: false }>["error"] | undefined;
  readonly log: string;
  readonly stream: readonly string[];
}

/** A runner for tests. */
export interface RunnerKit extends AsyncDisposable {
  readonly runner: Runner;
  readonly folder: string;
  run(content: string, asked?: Asked): Promise<Did>;
}

/** Packages that tests import are fetched once, for all runners of this process. */
const cacheFolder = mkdtempSync(join(realpathSync(tmpdir()), "windkit-runner-cache-"));
Deno.test.afterAll(() => rmSync(cacheFolder, { recursive: true, force: true }));

/** Makes a runner. */
export async function runnerKit(options: Partial<TypeScriptRunnerOptions> = {}): Promise<RunnerKit> {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "windkit-runner-"));
  const runner = await createTypeScriptRunner({ jobsFolder: `${folder}/jobs`, cacheFolder, ...options });
  return {
    runner,
    folder,
    async run(content, { files = {}, signal = new AbortController().signal, session, onLog, ...job } = {}) {
      let log = "";
      const stream: string[] = [];
      const outcome = await runner.run({
        id: crypto.randomUUID(),
        language: "bun",
        content,
        args: {},
        env: {},
        resolve: (path) => {
          const found = Object.hasOwn(files, path) ? files[path] : undefined;
          return Promise.resolve(typeof found === "string" ? { content: found, language: "bun" } : found);
        },
        ...job,
      }, {
        log(text) {
          log += text;
          onLog?.(text);
        },
        stream: (text) => void stream.push(text),
        signal,
        ...(session === undefined ? {} : { session }),
      });
      return {
        outcome,
        result: outcome.ok ? outcome.result : undefined,
        error: outcome.ok ? undefined : outcome.error,
        log,
        stream,
      };
    },
    async [Symbol.asyncDispose]() {
      await runner[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Processes whose command line or open folder names a path: what a runner left. */
export function processesOf(path: string): readonly number[] {
  return [...Deno.readDirSync("/proc")].flatMap(({ name }) => {
    if (!/^\d+$/.test(name) || Number(name) === Deno.pid) return [];
    try {
      return Deno.readTextFileSync(`/proc/${name}/cmdline`).includes(path) ? [Number(name)] : [];
    } catch {
      return []; // it has ended
    }
  });
}
