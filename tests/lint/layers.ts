/**
 * Which folder may import which: the table of the design, and the check of the real import graph against it.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { runCommand } from "../run/command.ts";

/** What the files of one layer may import besides each other. */
interface Layer {
  /** Folders under `src/`, or single files. */
  readonly layers: readonly string[];
  /** Layers of which only types may be imported. */
  readonly typesOf?: readonly string[];
  /** Whether built-in modules of Node may be imported at load. */
  readonly node?: boolean;
  /** npm packages by name. */
  readonly packages?: readonly string[];
}

const sources = [
  "base",
  "platform",
  "wire",
  "http",
  "sdk",
  "workflow",
  "cluster",
  "engine",
  "storage",
  "durable_object",
  "forms",
  "handlers",
  "runner",
  "server",
  "ui",
  "testing",
  "compat",
];

/** The table. A layer that is not here may import nothing, and a folder of `src/` that is not here is an error. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  base: { layers: [] },
  platform: { layers: ["base"] },
  wire: { layers: ["base"] },
  http: { layers: ["base", "platform", "wire"] },
  sdk: { layers: ["base", "platform", "wire", "http"] },
  workflow: { layers: ["base"] },
  cluster: {
    layers: [
      "base",
      "platform",
      "wire",
      "http",
      "workflow",
      // A task without a workflow starts a job and waits for it as runScript does: that is imported when it happens.
      "src/sdk/connection.ts",
      "src/sdk/default_client.ts",
      "src/sdk/jobs_wait.ts",
    ],
  },
  engine: { layers: ["base", "platform", "workflow"] },
  storage: { layers: ["base", "src/engine/ports.ts"], typesOf: ["workflow"] },
  // The run context of an entry that imports its class itself; the core's types are those of journals.
  durable_object: { layers: ["base", "platform", "engine", "storage"], typesOf: ["workflow"] },
  // What pages of the local server and of approvals anywhere share: a schema's form as HTML and its answer as values, purely.
  forms: { layers: ["base"] },
  handlers: {
    layers: [
      "base",
      "wire",
      "http",
      "sdk",
      "forms",
      // The runtime's `fetch` and clock, where a client has none of its own, and what a signature's time is compared
      // with; what nobody can guess: nonces, tokens of forms.
      "src/platform/network.ts",
      "src/platform/random.ts",
    ],
  },
  runner: { layers: ["base", "platform", "wire", "workflow", "src/engine/ports.ts"], node: true },
  server: {
    // Files of the data folder, random tokens; how a failed task is written is the workflow's affair.
    layers: [
      "base",
      "platform",
      "wire",
      "engine",
      "storage",
      "runner",
      "forms",
      "ui",
      "src/workflow/failure_record.ts",
    ],
    typesOf: ["workflow"],
    node: true,
    packages: ["aws4fetch", "hono", "yaml"],
  },
  ui: { layers: ["base", "wire", "forms"] },
  cli: { layers: sources, node: true },
  testing: { layers: ["base", "wire", "http", "sdk", "workflow", "engine", "storage"] },
  compat: { layers: ["mod.ts", "sdk", "cluster", "http", "platform", "wire", "base"] },
  // Bindings of a process are its variables, each read when it is asked for.
  edge: {
    layers: ["mod.ts", "handlers", "durable_object", "engine", "storage", "server", "src/platform/env.ts"],
    node: true,
  },
  "mod.ts": { layers: ["sdk", "workflow", "cluster", "base", "src/compat/default_export.ts"] },
};

/** One import: paths are relative to the repository. */
export interface Import {
  readonly from: string;
  readonly line: number;
  /** As it is written. */
  readonly specifier: string;
  /** Path of the file it resolves to, when it is one of the repository. */
  readonly to: string | undefined;
  readonly typeOnly: boolean;
}

/** The layer of a file, or undefined for files outside the table (tests, tools, examples). */
function layerOf(path: string): string | undefined {
  if (path === "mod.ts") return path;
  if (path.startsWith("edge/")) return "edge";
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

function packageName(specifier: string): string {
  return /^(@[^/]+\/[^/]+|[^/]+)/.exec(specifier)?.[1] ?? specifier;
}

/** Judges one import of a published source: what is wrong, or undefined. */
function judgeSource(layer: string, rules: Layer, { specifier, to, typeOnly }: Import): string | undefined {
  if (specifier.startsWith("node:")) {
    return rules.node === true ? undefined : `${layer} may not import built-in modules of Node: load them when needed`;
  }
  if (/^(?:npm|https?|data|file):/.test(specifier)) return "Packages are imported by bare name, files by relative path";
  if (!specifier.startsWith(".")) {
    const name = packageName(specifier);
    return rules.packages?.includes(name) === true ? undefined : `${layer} may not import the package "${name}"`;
  }
  if (to === undefined) return "It resolves to no file of the repository";
  const target = layerOf(to);
  if (target === layer) return undefined;
  if (target === undefined) return `${layer} may import published sources only, not ${to}`;
  if (rules.layers.includes(target) || rules.layers.includes(to)) return undefined;
  if (rules.typesOf?.includes(target) === true) {
    return typeOnly ? undefined : `${layer} may import types of ${target} only`;
  }
  return `${layer} may not import ${target}`;
}

/** True for tests that every runtime runs: the suite, and what an adapter has to pass. */
function isNeutral(path: string): boolean {
  return path.startsWith("tests/suite/") || (path.startsWith("tests/conformance/") && !path.endsWith("_test.ts"));
}

/** Judges one import of a file: what is wrong, or undefined. `ownName` is the name of the package. */
export function judgeImport(found: Import, ownName: string): string | undefined {
  const { from, specifier, to } = found;
  if (specifier.startsWith("jsr:")) return "The registry of `jsr:` cannot be reached where this is built";
  const layer = layerOf(from);
  if (layer !== undefined) {
    const rules = LAYERS[layer];
    return rules === undefined ? `The folder "${layer}" has no line in the table` : judgeSource(layer, rules, found);
  }
  const isOwn = specifier === ownName || specifier.startsWith(`${ownName}/`);
  if (isNeutral(from)) {
    if (isOwn || (to !== undefined && isNeutral(to))) return undefined;
    return "The suite runs everywhere: it imports the public names of the package, its own files and those of tests/conformance";
  }
  // A workspace is an example; a program beside them that shows one off is none.
  if (/^examples\/[^/]+\//.test(from) && to !== undefined && layerOf(to) !== undefined && specifier.startsWith(".")) {
    return "An example imports the package by name, as a user would";
  }
  return undefined;
}

interface Resolved {
  readonly specifier?: string;
  readonly span?: { readonly start: { readonly line: number } };
}

interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: Resolved;
      readonly type?: Resolved;
    }[];
  }[];
}

/** Reads the imports of files of a repository, as Deno resolves them. */
export async function readImports(root: string, files: readonly string[]): Promise<readonly Import[]> {
  const base = pathToFileURL(root.endsWith("/") ? root : `${root}/`).href;
  const folder = `${root}/tests/dist/`;
  await mkdir(folder, { recursive: true });
  const entry = `${folder}all_files_${Deno.pid}.ts`;
  await writeFile(entry, files.map((path) => `import "../../${path}";\n`).join(""));
  try {
    const { stdout } = await runCommand([Deno.execPath(), "info", "--json", entry], { cwd: root });
    const graph = JSON.parse(stdout) as Graph;
    const listed = new Set(files);
    return graph.modules.flatMap(({ specifier: url, dependencies = [] }) => {
      const from = url.startsWith(base) ? decodeURI(url.slice(base.length)) : "";
      if (!listed.has(from)) return [];
      return dependencies.map(({ specifier, code, type }): Import => {
        const target = code?.specifier ?? type?.specifier;
        return {
          from,
          line: ((code ?? type)?.span?.start.line ?? 0) + 1,
          specifier,
          to: target?.startsWith(base) === true ? decodeURI(target.slice(base.length)) : undefined,
          typeOnly: code === undefined,
        };
      });
    });
  } finally {
    if (existsSync(entry)) await rm(entry);
  }
}

/** What is wrong with the imports and the names of files of a repository. */
export async function layerProblems(
  root: string,
  files: readonly string[],
  ownName: string,
): Promise<readonly string[]> {
  const imports = await readImports(root, files);
  const wrong = imports.flatMap((found) => {
    const problem = judgeImport(found, ownName);
    return problem === undefined ? [] : [`${found.from}:${found.line} imports "${found.specifier}": ${problem}`];
  });
  const names = files.filter((path) =>
    !/^_?[a-z0-9]+(?:_[a-z0-9]+)*(?:\.gen|\.d|\.deno)?\.ts$/.test(path.split("/").at(-1) ?? "")
  )
    .map((path) => `${path}: A file is named in snake_case`);
  return [...wrong, ...names];
}
