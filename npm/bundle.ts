/**
 * Joins the compiled modules to few files: a runtime spends more on finding and linking a file than on what is in it.
 *
 * Everything that the root reaches becomes one file, the core. The other entries keep their places, share what they share in
 * files of their own, and take what is in the core from there, so that each class and each variable of a module exists
 * once, whichever subpaths a program imports. So does a module that is imported when it is needed, by the core too: the core
 * is what the root reaches at its start. The core exports single names and no objects of names: bundlers leave out what a
 * program does not use.
 *
 * @module
 */
import { OPTIONAL_PEERS } from "./manifest.ts";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { esbuildPath } from "../tests/run/runtimes.ts";
import { mustRun } from "./command.ts";
import { type ImportGraph, reachable } from "./graph.ts";

/** Compiled modules to join. */
export interface BundleInput {
  /** Path to content, for every `.js` file. */
  readonly modules: ReadonlyMap<string, Uint8Array>;
  /** Who imports whom. */
  readonly graph: ImportGraph;
  /** The module whose imports become the core. */
  readonly root: string;
  /** All modules that a program can import or run, the root too: they keep their paths. */
  readonly entries: readonly string[];
  /** Entries that the system starts, not a runtime's loader: their first line is theirs. */
  readonly programs: readonly string[];
  /** Temporary folder of the caller's. */
  readonly folder: string;
}

/** Folder of the files that entries share. It has the depth of the sources' folders: `..` leads to the same place. */
const SHARED = "src/shared";

/** The file of what the root reaches. */
export const CORE_PATH = `${SHARED}/core.js`;

/**
 * The oldest runtime of the package. Stripped are comments, spaces and lines; names stay, because stack traces show them.
 */
const OPTIONS = ["--format=esm", "--target=node20.16", "--log-level=warning", "--legal-comments=none"];
// Lines have an end: Node prints the whole line in which an error was thrown.
const BUNDLE = [
  "--bundle",
  "--minify-whitespace",
  "--minify-syntax",
  "--line-limit=160",
  "--external:node:*",
  // Where they are installed, they are loaded from there.
  ...Object.keys(OPTIONAL_PEERS).map((name) => `--external:${name}`),
];

/** Documented by Bun as the mark of a file that it need not transpile before it runs it; a comment elsewhere. */
const BUN_PRAGMA = "// @bun\n";

interface Metafile {
  readonly outputs: Readonly<
    Record<string, {
      readonly entryPoint?: string;
      readonly exports: readonly string[];
      readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>;
      readonly imports: readonly { readonly kind: string }[];
    }>
  >;
}

/** Installs the bundler, exactly as its lock file says. */
export async function installBundler(): Promise<void> {
  const cwd = fileURLToPath(new URL("../tests/tools/", import.meta.url));
  await mustRun(Deno.execPath(), ["install", "--frozen", "--quiet"], { cwd, limitMs: 300_000 });
}

/** Joins the modules, and gives the files that take their place. The same modules give the same bytes. */
export async function bundleModules(input: BundleInput): Promise<ReadonlyMap<string, Uint8Array>> {
  const { modules, graph, root, programs } = input;
  // What is imported when it is needed is no part of what is always loaded.
  const eager = new Map([...graph].map(([path, imports]) => [path, imports.filter(({ dynamic }) => dynamic !== true)]));
  const core = [...reachable(eager, [root])].filter((path) => modules.has(path)).sort();
  const lazy = [...graph].flatMap(([path, imports]) =>
    path.endsWith(".js") ? imports.filter(({ dynamic }) => dynamic === true).map((found) => found.path ?? "") : []
  ).filter((path) => modules.has(path));
  const found = core.find((path) => lazy.includes(path));
  if (found !== undefined) {
    throw new Error(`Cannot join "${found}" to the core: it is imported when it is needed, and the core is always`);
  }
  const entries = [...new Set([...input.entries, ...lazy])].sort();
  const names = await exportsOf(entries.filter((path) => core.includes(path)), input);
  const drafts = new Map<string, Draft>([...names].map(([path, list]) => [path, {
    imports: [],
    exports: list.map((name) => ({ path, name, as: name })),
    text: "",
  }]));
  const outer = entries.filter((path) => !core.includes(path));
  for (const [path, text] of await bundleOuter(input, { core, outer })) drafts.set(path, draft(text, core, names));
  const wanted = [...drafts.values()].flatMap(({ imports, exports }) => [...imports, ...exports]);
  const { text, localNames } = await bundleCore(input, { wanted, lazy });
  const files = new Map([[CORE_PATH, text]]);
  for (const [path, { imports, exports, text: body }] of drafts) {
    const address = relativePath(path, CORE_PATH);
    const clause = (list: readonly Binding[], word: string): string => {
      const parts = list.map((binding) => [localNames.get(key(binding)) ?? "", binding.as] as const)
        .map(([from, to]) => from === to ? to : `${from} as ${to}`);
      return parts.length === 0 ? "" : `${word}{${parts.join(",")}}from"${address}";`;
    };
    const [line = ""] = /^#!.*\n/.exec(body) ?? [];
    const rest = body.slice(line.length).trimEnd();
    files.set(path, `${line}${clause(imports, "import")}${clause(exports, "export")}${rest}\n`);
  }
  return new Map(
    [...files].map(([path, content]) => [
      path,
      new TextEncoder().encode(programs.includes(path) ? content : BUN_PRAGMA + content),
    ]),
  );
}

/** A name that a file takes out of the core. */
interface Binding {
  /** The module that exported it before it was in the core. */
  readonly path: string;
  readonly name: string;
  /** What the file calls it. */
  readonly as: string;
}

/** A file whose ways into the core are to be filled in. */
interface Draft {
  readonly imports: readonly Binding[];
  readonly exports: readonly Binding[];
  readonly text: string;
}

function key({ path, name }: Binding): string {
  return `${path} ${name}`;
}

/**
 * Cuts the imports of modules of the core out of what the bundler wrote. It names such a module from its folder "out". Where
 * all of one is exported, its names are listed: those that the file exports itself go before them, and `default` is not one.
 */
function draft(written: string, core: readonly string[], namesOf: ReadonlyMap<string, readonly string[]>): Draft {
  const lists = { import: [] as Binding[], export: [] as Binding[] };
  const own = [...written.matchAll(/\bexport\{([^{}]*)\}/g)].flatMap(([, list = ""]) =>
    list.split(",").map((part) => part.trim().split(" as ").at(-1) ?? "")
  );
  const pattern = /\b(import|export)(?:\{([^{}]*)\}from|(\*)from)?"\.\.\/([^"]+)";?/g;
  const text = written.replaceAll(
    pattern,
    (all, word: "import" | "export", names: string | undefined, star: string | undefined, path: string) => {
      if (!core.includes(path)) return all;
      if (star !== undefined) {
        const list = namesOf.get(path);
        if (list === undefined) throw new Error(`Cannot list what "${path}" exports: it is no entry of the package`);
        const rest = list.filter((name) => name !== "default" && !own.includes(name));
        lists.export.push(...rest.map((name) => ({ path, name, as: name })));
      }
      for (const part of names?.split(",") ?? []) {
        const [name = "", as = name] = part.trim().split(/\s+as\s+/);
        lists[word].push({ path, name, as });
      }
      return "";
    },
  );
  return { imports: lists.import, exports: lists.export, text };
}

async function writeModules(folder: string, texts: ReadonlyMap<string, Uint8Array | string>): Promise<void> {
  for (const [path, text] of texts) {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    if (typeof text === "string") await Deno.writeTextFile(join(folder, path), text);
    else await Deno.writeFile(join(folder, path), text);
  }
  // What the manifest of the package says too: a module that nothing is used of is left out.
  await Deno.writeTextFile(join(folder, "package.json"), '{ "type": "module", "sideEffects": false }\n');
}

/** Runs the bundler in `folder`, from which all paths in its answer start. */
async function esbuild(folder: string, entries: readonly string[], options: readonly string[]): Promise<Metafile> {
  const args = [...entries, ...OPTIONS, ...options, "--outbase=.", "--outdir=out", "--metafile=meta.json"];
  await mustRun(esbuildPath(), args, { cwd: folder });
  return JSON.parse(await Deno.readTextFile(join(folder, "meta.json"))) as Metafile;
}

/** Names of all exports, by module. */
async function exportsOf(
  paths: readonly string[],
  input: BundleInput,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const folder = join(input.folder, "names");
  await writeModules(folder, input.modules);
  const { outputs } = await esbuild(folder, paths, ["--bundle"]);
  return new Map(paths.map((path) => [path, [...outputs[`out/${path}`]?.exports ?? []].sort()]));
}

/** All but the core, whose modules are imported from where they were. */
async function bundleOuter(
  { modules, ...input }: BundleInput,
  { core, outer }: { readonly core: readonly string[]; readonly outer: readonly string[] },
): Promise<ReadonlyMap<string, string>> {
  const folder = join(await Deno.realPath(input.folder), "outer"); // The bundler compares real paths.
  await writeModules(folder, modules);
  const { outputs } = await esbuild(folder, outer, [
    ...BUNDLE,
    "--splitting",
    `--chunk-names=${SHARED}/[name]-[hash]`,
    ...core.map((path) => `--external:${join(folder, path)}`),
  ]);
  for (const [path, { inputs }] of Object.entries(outputs)) checkPlaces(modules, path.slice(4), inputs);
  // The hash in a name depends on where the files were built; a number does not.
  const chunks = Object.entries(outputs).filter(([path]) => path.startsWith(`out/${SHARED}/`))
    .map(([path, { inputs }]) => ({ path: path.slice(4), first: Object.keys(inputs).sort()[0] ?? "" }))
    .sort((a, b) => a.first < b.first ? -1 : 1);
  const renamed = chunks.map(({ path }, at) => [posix.basename(path), `part_${at + 1}.js`] as const);
  const rename = (text: string): string => renamed.reduce((changed, [from, to]) => changed.replaceAll(from, to), text);
  const files = new Map<string, string>();
  for (const path of Object.keys(outputs)) {
    files.set(rename(path.slice(4)), rename(await Deno.readTextFile(join(folder, path))));
  }
  return files;
}

/** The core, with the names that the others want, and by which name in it each is known. */
async function bundleCore(
  { modules, ...input }: BundleInput,
  { wanted, lazy }: { readonly wanted: readonly Binding[]; readonly lazy: readonly string[] },
): Promise<{ readonly text: string; readonly localNames: ReadonlyMap<string, string> }> {
  const folder = join(await Deno.realPath(input.folder), "core"); // The bundler compares real paths.
  const unique = [...new Map(wanted.map((binding) => [key(binding), binding]))].sort(([a], [b]) => a < b ? -1 : 1);
  const lines = unique.map(([, { path, name }], at) =>
    `export { ${name} as wanted_${at} } from "${relativePath(CORE_PATH, path)}";\n`
  );
  await writeModules(folder, new Map<string, Uint8Array | string>([...modules, [CORE_PATH, lines.join("")]]));
  const { outputs } = await esbuild(folder, [CORE_PATH], [
    ...BUNDLE,
    ...lazy.map((path) => `--external:${join(folder, path)}`),
  ]);
  for (const [path, { inputs }] of Object.entries(outputs)) checkPlaces(modules, path.slice(4), inputs);
  // The bundler names what it left outside from its folder "out".
  const written = (await Deno.readTextFile(join(folder, "out", CORE_PATH))).trimEnd()
    .replaceAll(/\bimport\("\.\.\/([^"]+)"\)/g, (_, path: string) => `import("${relativePath(CORE_PATH, path)}")`);
  const end = /export\{([^{}]*)\};?$/.exec(written);
  const pairs = (end?.[1] ?? "").split(",").map((part) => part.trim().split(/\s+as\s+wanted_/));
  const locals = new Map(pairs.map(([local = "", at]) => [Number(at), local]));
  if (end === null || unique.some((_, at) => !locals.has(at))) {
    throw new Error("Cannot join the core: the bundler's list of its exports cannot be read");
  }
  const list = [...new Set(locals.values())].sort().join(",");
  return {
    text: `${written.slice(0, end.index)}export{${list}};\n`,
    localNames: new Map(unique.map(([text], at) => [text, locals.get(at) ?? ""])),
  };
}

/**
 * Modules that ask where they are, and find the package's folder above `src/`, a package, or a program of the machine, from any file below
 * `src/`: their tests run them joined.
 */
const FIND_THEIR_WAY: readonly string[] = [
  "src/runner/typescript/package_modules.js",
  "src/runner/typescript/deno_binary.js",
  "src/runner/sql/program_file.js",
  "src/runner/sql/pglite_program.js",
];

/** A module that asks where it is must get an answer that means the same. */
function checkPlaces(
  modules: ReadonlyMap<string, Uint8Array>,
  output: string,
  inputs: Readonly<Record<string, unknown>>,
): void {
  for (const path of Object.keys(inputs)) {
    const text = new TextDecoder().decode(modules.get(path));
    // A text that begins so is a name, and no question.
    if (!/(?<!["'`])\bimport\.meta\b/.test(text) || posix.dirname(path) === posix.dirname(output)) continue;
    if (FIND_THEIR_WAY.includes(path) && output.startsWith("src/")) continue;
    const asked = text.match(/\bimport\.meta\.url\b/g)?.length ?? 0;
    const upward = text.match(/["']\.\.\/?["'],\s*import\.meta\.url\b/g)?.length ?? 0;
    const isBeside = posix.dirname(posix.dirname(path)) === posix.dirname(posix.dirname(output));
    if (isBeside && asked === upward && asked === text.match(/\bimport\.meta\b/g)?.length) continue;
    throw new Error(`Cannot join "${path}" to "${output}": it uses "import.meta", which means another place there`);
  }
}

function relativePath(from: string, to: string): string {
  const path = posix.relative(posix.dirname(from), to);
  return path.startsWith(".") ? path : `./${path}`;
}
