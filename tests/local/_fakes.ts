/**
 * Stand-ins for the parts of a server: a folder in memory, a runner whose scripts are functions of the test, objects that are not
 * there, secrets that are only hidden.
 */
import type { JobError, JobOutcome, Runner, RunnerIo, RunnerJob } from "../../src/runner/ports.ts";
import type { Folder, Objects, Script, Secrets, Variable } from "../../src/server/ports.ts";
import type { Json } from "../../src/workflow/journal.ts";

/** A script of a test: what it returns is its result, what it throws its error. */
export type FakeScript = (args: Readonly<Record<string, Json>>, io: RunnerIo, job: RunnerJob) => unknown;

/** A script, with what its file would say. */
export interface FakeFile extends Partial<Script> {
  readonly run: FakeScript;
}

/** Scripts by path. */
export type FakeFiles = Readonly<Record<string, FakeScript | FakeFile>>;

function errorOf(thrown: unknown): JobError {
  if (!(thrown instanceof Error)) return { name: "Error", message: String(thrown) };
  return { name: thrown.name, message: thrown.message };
}

/** Runs the function whose name the job's code is; of a job that is cancelled it does not wait for the end. */
export function fakeRunner(functions: Readonly<Record<string, FakeScript>>, languages = ["bun", "deno"]): Runner {
  return {
    languages,
    run: async (job, io): Promise<JobOutcome> => {
      const run = functions[job.content];
      if (run === undefined) return { ok: false, error: { name: "Error", message: `No function ${job.content}` } };
      try {
        const stopped = new Promise<never>((_, reject) => {
          io.signal.addEventListener("abort", () => reject(io.signal.reason), { once: true });
        });
        const result = await Promise.race([Promise.resolve(run(job.args, io, job)), stopped]);
        return { ok: true, result: JSON.parse(JSON.stringify(result ?? null)) as Json };
      } catch (error) {
        return { ok: false, error: errorOf(error) };
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The functions of a test's scripts, by the names that stand for their code. */
export function functionsOf(files: FakeFiles): Record<string, FakeScript> {
  return Object.fromEntries(
    Object.entries(files).map(([path, file]) => [path, typeof file === "function" ? file : file.run]),
  );
}

/** The hash of a fake script. */
export function hashOf(path: string): string {
  return [...path].reduce((hash, char) => (hash * 31n + BigInt(char.charCodeAt(0))) % (1n << 64n), 7n).toString(16)
    .padStart(16, "0");
}

/** A folder that has scripts, and variables that arguments may refer to. */
export function fakeFolder(files: FakeFiles, variables: Readonly<Record<string, string>> = {}): Folder {
  const scripts = new Map(
    Object.entries(files).map(([path, file]): [string, Script] => {
      const { run: _, ...more } = typeof file === "function" ? { run: file } : file;
      return [path, {
        path,
        hash: hashOf(path),
        content: path,
        language: "bun",
        summary: "",
        description: "",
        schema: {},
        hasPreprocessor: false,
        createdAt: 0,
        createdBy: "admin",
        extra: {},
        ...more,
      }];
    }),
  );
  const none = (): never => {
    throw new Error("The fake folder cannot do that");
  };
  function interpolate(value: Json): Json {
    if (typeof value === "string" && value.startsWith("$var:")) {
      const found = variables[value.slice(5)];
      if (found === undefined) throw new Error(`Variable ${value.slice(5)} not found`);
      return found;
    }
    if (Array.isArray(value)) return value.map(interpolate);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, interpolate(item)]));
  }
  return {
    script: (path) => scripts.get(path),
    scriptByHash: (hash) => [...scripts.values()].find((script) => script.hash === hash),
    scripts: () => [...scripts.values()],
    writeScript: none,
    variable: (path): Variable | undefined => {
      const value = variables[path];
      return value === undefined ? undefined : { path, value, isSecret: false, description: "" };
    },
    variables: () => [],
    writeVariable: none,
    deleteVariable: none,
    resource: () => undefined,
    resources: () => [],
    writeResource: none,
    deleteResource: none,
    resourceType: () => undefined,
    resourceTypes: () => [],
    deleteScript: () => false,
    scriptVersions: () => [],
    forgetVersions: () => 0,
    deleteResourceType: () => false,
    writeResourceType: none,
    interpolate,
    dataFile: () => undefined,
    problems: [],
    problemOf: () => undefined,
    watch: () => ({ [Symbol.dispose]: () => {} }),
  };
}

/** Secrets that are hidden in texts, and encrypted by nothing. */
export function fakeSecrets(values: readonly string[] = []): Secrets {
  const known = [...values];
  return {
    encrypt: (text) => btoa(encodeURIComponent(text)),
    decrypt: (text) => decodeURIComponent(atob(text)),
    remember: (value) => void known.push(value),
    holds: (text) => known.some((value) => text.includes(value)),
    cutAt: (text) => text.length,
    redact: (text) => known.reduce((clean, value) => clean.replaceAll(value, "***"), text),
    signingKey: new Uint8Array(32),
  };
}

/** No objects. */
export function fakeObjects(): Objects {
  const none = (): never => {
    throw new Error("The fake server has no objects");
  };
  return { storage: none, resource: none, names: () => [] };
}
