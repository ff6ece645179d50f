/**
 * The second look at what a script imports, by the runtime's own reading of the graph (`deno info`): nothing outside the job's folder,
 * and packages are fetched into the cache, from which alone the boxed process takes them. The first look is the box itself.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parentEnv } from "./box.ts";
import { ScriptError } from "./errors.ts";
import type { Prepared } from "./prepare.ts";

/** What the check needs of its runner. */
export interface GraphCheckOptions {
  readonly deno: string;
  readonly cacheFolder: string;
  /** Names of this package stand for nothing there. */
  readonly stubMap: string;
}

/** Looks at a job's files, once for each content. */
export interface GraphCheck {
  /**
   * @param prepared the files, which are in the folder
   * @param folder the job's folder
   * @throws ScriptError when something is imported that may not be, or cannot be fetched
   */
  check(prepared: Prepared, folder: string, signal: AbortSignal): Promise<void>;
}

interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: {
        readonly specifier?: string;
        readonly error?: string;
        readonly span?: { readonly start: { readonly line: number } };
      };
    }[];
  }[];
}

/** Contents that are remembered as good. */
const REMEMBERED = 5000;
const LONGEST_GRAPH = 64 * 2 ** 20;

/** Makes a check, which remembers what it has seen. */
export function createGraphCheck(options: GraphCheckOptions): GraphCheck {
  const good = new Set<string>();
  return {
    async check(prepared, folder, signal) {
      if (!prepared.imports) return;
      const key = digestOf(prepared);
      if (good.has(key)) return;
      judge(await readGraph(options, join(folder, prepared.entry), folder, signal), folder);
      if (good.size >= REMEMBERED) good.delete(good.values().next().value ?? "");
      good.add(key);
    },
  };
}

function digestOf({ files }: Prepared): string {
  const hash = createHash("sha256");
  for (const [path, text] of files) hash.update(`${path.length}:${path}${text.length}:${text}`);
  return hash.digest("base64");
}

function readGraph(options: GraphCheckOptions, entry: string, cwd: string, signal: AbortSignal): Promise<Graph> {
  const { deno, cacheFolder, stubMap } = options;
  const args = ["info", "--json", "--no-config", "--no-lock", "--node-modules-dir=none", `--import-map=${stubMap}`];
  return new Promise((resolve, reject) => {
    execFile(deno, [...args, entry], {
      cwd,
      env: parentEnv(cacheFolder) as NodeJS.ProcessEnv,
      maxBuffer: LONGEST_GRAPH,
      signal,
    }, (error, stdout, stderr) => {
      if (error === null) return resolve(JSON.parse(stdout) as Graph);
      if (signal.aborted) return reject(signal.reason);
      const text = stderr.split("\n").filter((line) => !/^(?:Download|Initialize) /.test(line)).join("\n").trim();
      reject(new ScriptError(`Cannot load the script's imports: ${text.replace(/^error: /, "") || error.message}`));
    });
  });
}

function judge({ modules }: Graph, folder: string): void {
  const base = `${pathToFileURL(folder).href}/`;
  const errors = new Map(modules.flatMap(({ specifier, error }) => error === undefined ? [] : [[specifier, error]]));
  for (const { specifier: file, dependencies = [] } of modules) {
    if (!file.startsWith(base)) continue;
    const path = decodeURI(file.slice(base.length));
    for (const { specifier, code } of dependencies) {
      if (code === undefined) continue; // types
      const refuse = (why: string): never => {
        const line = (code.span?.start.line ?? 0) + 1;
        throw new ScriptError(`Cannot import ${JSON.stringify(specifier)} in ${path}:${line}: ${why}`);
      };
      const { specifier: target } = code;
      if (target === undefined) return refuse(code.error ?? "it leads nowhere");
      if (target.startsWith(base)) {
        // What is wrong within a file of the script's own is said when it is loaded.
        const found = lstatSync(fileURLToPath(target), { throwIfNoEntry: false });
        if (found === undefined) refuse("there is no such file in the job's folder");
        if (found?.isSymbolicLink() === true) refuse("it is a link");
      } else if (!/^(?:npm|jsr|node|https|data|blob):/.test(target)) {
        refuse("it is outside the job's folder");
      } else {
        const error = errors.get(target);
        if (error !== undefined) refuse(error);
      }
    }
  }
}
