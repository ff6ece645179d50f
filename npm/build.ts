/**
 * Builds the npm tarball: `deno pack` compiles, `bundle.ts` joins the modules to few files, this file adds what they cannot know
 * (command, peers, side effects, engines), leaves out what no export reaches, and refuses to write a package that breaks a rule
 * of `audit.ts`.
 *
 * The same sources give the same bytes. Run it with `deno task npm:build`.
 *
 * @module
 */
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { auditPackage, REQUIRED_FILES } from "./audit.ts";
import { bundleModules, installBundler } from "./bundle.ts";
import { mustRun } from "./command.ts";
import { type ImportGraph, reachable, readImports } from "./graph.ts";
import { BIN_PATH, buildManifest, type Manifest, type PackageFacts, readFacts } from "./manifest.ts";
import { readTarball, type TarFile, writeTarball } from "./tar.ts";

/** A built package. */
export interface BuiltPackage {
  /** The tarball's file name, as npm names it. */
  readonly name: string;
  /** The tarball. */
  readonly bytes: Uint8Array;
  /** Path to content, in the order of the tarball. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The manifest inside. */
  readonly manifest: Manifest;
  /** Files of `src` that `deno pack` wrote and that no export reaches: modules of types only, for the most part. */
  readonly leftOut: readonly string[];
}

/** The repository's folder. */
export const REPOSITORY: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** Compiles and assembles the package of the repository at `root`, and audits it. */
export async function buildPackage(root: string = REPOSITORY): Promise<BuiltPackage> {
  const facts = readFacts(await Deno.readTextFile(join(root, "deno.json")));
  await installBundler();
  const folder = await Deno.makeTempDir({ prefix: "windkit_pack_" });
  try {
    const packed = join(folder, "packed.tgz");
    await mustRun(Deno.execPath(), ["pack", "--no-source-maps", "--allow-dirty", "--output", packed], { cwd: root });
    const compiled = new Map<string, Uint8Array>();
    for (const { path, bytes } of readTarball(await Deno.readFile(packed))) {
      compiled.set(path.replace(/^package\//, ""), bytes);
    }
    return await assemblePackage({ compiled, facts, root, folder });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface AssembleInput {
  readonly compiled: ReadonlyMap<string, Uint8Array>;
  readonly facts: PackageFacts;
  readonly root: string;
  readonly folder: string;
}

async function assemblePackage({ compiled, facts, root, folder }: AssembleInput): Promise<BuiltPackage> {
  const manifest = buildManifest(facts);
  const encoder = new TextEncoder();
  const all = new Map(compiled).set("package.json", encoder.encode(`${JSON.stringify(manifest, null, 2)}\n`));
  const graph = await importsOf(all, join(folder, "modules"));
  const entries = [BIN_PATH, ...entryFiles(manifest)];
  const kept = reachable(graph, entries);
  const modules = new Map([...all].filter(([path]) => path.endsWith(".js") && kept.has(path)));
  const joined = await bundleModules({
    modules,
    graph: new Map([...graph].filter(([path]) => modules.has(path))),
    root: manifest.main.replace(/^\.\//, ""),
    entries: entries.filter((path) => path.endsWith(".js")),
    programs: [BIN_PATH],
    folder,
  });
  const rest = [...all].filter(([path]) => !modules.has(path) && (kept.has(path) || REQUIRED_FILES.includes(path)));
  const files = new Map(
    [...rest, ...joined].sort(([a], [b]) =>
      Number(b === "package.json") - Number(a === "package.json") || (a < b ? -1 : 1)
    ),
  );
  const findings = auditPackage({
    files,
    graph: await importsOf(files, join(folder, "package")),
    facts,
    privateTexts: privateTexts([root, folder]),
  });
  if (findings.length > 0) {
    throw new Error(
      `The package breaks ${findings.length} rule(s):\n${findings.map((line) => `  ${line}`).join("\n")}`,
    );
  }
  const tarFiles: TarFile[] = [...files].map(([path, bytes]) => ({
    path: `package/${path}`,
    bytes,
    executable: path === BIN_PATH,
  }));
  return {
    name: `${facts.name.replace(/^@/, "").replace("/", "-")}-${facts.version}.tgz`,
    bytes: writeTarball(tarFiles),
    files,
    manifest,
    leftOut: [...compiled.keys()].filter((path) => path.startsWith("src/") && !kept.has(path)).sort(),
  };
}

async function importsOf(files: ReadonlyMap<string, Uint8Array>, folder: string): Promise<ImportGraph> {
  const modules = [...files].filter(([path]) => path.endsWith(".js") || path.endsWith(".d.ts"));
  for (const [path, bytes] of modules) {
    const file = join(folder, path);
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeFile(file, bytes);
  }
  return await readImports(folder, modules.map(([path]) => path));
}

function entryFiles(manifest: Manifest): readonly string[] {
  const files = Object.values(manifest.exports)
    .flatMap((target) => typeof target === "string" ? [target] : Object.values(target))
    .map((file) => file.replace(/^\.\//, ""));
  return [...new Set(files)];
}

/** Paths of this machine, in the spellings in which they could end up in a file. */
function privateTexts(folders: readonly string[]): readonly string[] {
  const places = [...folders, homedir()].filter((place) => place.length > 1);
  return places.flatMap((place) => [`${place}/`, `${place}\\`, `${place}"`, `${place.replaceAll("\\", "/")}/`]);
}

/** Writes the tarball to `npm/dist` of the repository and returns its path. Older tarballs there are removed. */
export async function writePackage(built: BuiltPackage, root: string = REPOSITORY): Promise<string> {
  const folder = join(root, "npm", "dist");
  await Deno.mkdir(folder, { recursive: true });
  const target = join(folder, built.name);
  const part = await Deno.makeTempFile({ dir: folder, suffix: ".part" });
  await Deno.writeFile(part, built.bytes);
  if (Deno.build.os !== "windows") await Deno.chmod(part, 0o644); // A temporary file is its owner's alone.
  await Deno.rename(part, target); // A reader sees the old tarball or the new one, never half of one.
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".tgz") && name !== built.name) await Deno.remove(join(folder, name));
  }
  return target;
}

/** Prints what is in the package, one line per folder. */
export function describePackage(built: BuiltPackage): string {
  const groups = new Map<string, { files: number; bytes: number }>();
  for (const [path, bytes] of built.files) {
    const folder = path.startsWith("src/") ? path.split("/").slice(0, 2).join("/") : "(top)";
    const kind = path.endsWith(".d.ts") ? "types" : path.endsWith(".js") ? "code" : "other";
    const key = `${folder.padEnd(20)} ${kind}`;
    const group = groups.get(key) ?? { files: 0, bytes: 0 };
    groups.set(key, { files: group.files + 1, bytes: group.bytes + bytes.length });
  }
  const lines = [...groups].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([key, { files, bytes }]) => `  ${key.padEnd(28)} ${String(files).padStart(3)} files ${kilobytes(bytes)}`);
  const unpacked = [...built.files.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  return [
    `${built.name}: ${built.files.size} files, ${kilobytes(built.bytes.length).trim()} packed, ` +
    `${kilobytes(unpacked).trim()} unpacked`,
    ...lines,
    `  left out, because no export reaches them: ${built.leftOut.join(", ") || "none"}`,
  ].join("\n");
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1).padStart(8)} kB`;
}

if (import.meta.main) {
  const built = await buildPackage();
  const path = await writePackage(built);
  console.log(describePackage(built));
  console.log(`Wrote ${path.slice(REPOSITORY.length + 1)}`);
}
