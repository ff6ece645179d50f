/**
 * Who imports whom among the files of the package, from `deno info`: a real parser, so that text in comments does not count.
 *
 * @module
 */
import { mustRun } from "./command.ts";

/** One import of a file. */
export interface Import {
  /** The specifier as written. */
  readonly specifier: string;
  /** The package file it names, or undefined when it names something outside the package. */
  readonly path?: string;
  /** Present when every such import is a call of `import()`. */
  readonly dynamic?: true;
}

/** Path of a module to its imports, for every `.js` and `.d.ts` file. */
export type ImportGraph = ReadonlyMap<string, readonly Import[]>;

interface InfoModule {
  readonly specifier: string;
  readonly error?: string;
  readonly dependencies?: readonly { readonly specifier: string; readonly isDynamic?: boolean }[];
}

/** Reads the imports of the modules `paths`, files of the folder `folder`. */
export async function readImports(folder: string, paths: readonly string[]): Promise<ImportGraph> {
  const entry = `${folder}/all_modules.entry.js`;
  await Deno.writeTextFile(entry, paths.map((path) => `import ${JSON.stringify(`./${path}`)};\n`).join(""));
  const args = ["info", "--json", "--quiet", "--no-config", "--no-lock", "--no-remote", "--no-npm", entry];
  const { stdout } = await mustRun(Deno.execPath(), args, { cwd: folder });
  await Deno.remove(entry);
  const { modules } = JSON.parse(stdout) as { readonly modules: readonly InfoModule[] };
  const base = modules.find((module) => module.specifier.endsWith("/all_modules.entry.js"));
  if (base === undefined) throw new Error("Cannot read the module graph: `deno info` does not list its entry");
  const root = base.specifier.replace(/all_modules\.entry\.js$/, "");
  const graph = new Map<string, readonly Import[]>();
  for (const path of paths) {
    const module = modules.find((candidate) => candidate.specifier === root + path);
    if (module === undefined || module.error !== undefined) {
      throw new Error(`Cannot read the imports of "${path}": ${module?.error ?? "`deno info` does not list it"}`);
    }
    const found = (module.dependencies ?? []).map(({ specifier, isDynamic }): Import => ({
      ...resolveImport(path, specifier),
      ...(isDynamic === true ? { dynamic: true } : {}),
    }));
    graph.set(path, found);
  }
  return graph;
}

/** Resolves as a consumer does: a declaration that names `x.js` means `x.d.ts`. */
export function resolveImport(from: string, specifier: string): Import {
  if (!/^\.{1,2}\//.test(specifier)) return { specifier };
  const path = new URL(specifier, `package:///${from}`).pathname.slice(1);
  return { specifier, path: from.endsWith(".d.ts") ? path.replace(/(?<!\.d)\.js$/, ".d.ts") : path };
}

/** Everything that can be reached from `roots`, the roots included. */
export function reachable(graph: ImportGraph, roots: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const open = [...roots];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    for (const target of graph.get(path) ?? []) if (target.path !== undefined) open.push(target.path);
  }
  return seen;
}
