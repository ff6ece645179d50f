/**
 * What one name of the root drags along: code of its own group, what groups share, and the layers below, but nothing of another
 * group. Looked up in bundles, one for each name, as a program would make them.
 *
 * @module
 */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { bundle } from "../run/bundle.ts";
import { gateResult, type PartResult } from "../run/part.ts";
import { installTools, outFolder, root } from "../run/runtimes.ts";

const ownName = "@windkit/windmill-client";

/** Modules of `src/sdk` that every group may use, besides those whose names begin with `_`. */
const COMMON = ["connection", "default_client", "raw"];

/** Folders of `src` below the groups. */
const BELOW = ["base", "platform", "wire", "http"];

/** The named re-exports of values in a module: each name with the path it comes from. */
export function reExports(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [, names = "", from = ""] of text.matchAll(/^export \{([^}]*)\} from "\.\/([^"]+)";/gm)) {
    for (const name of names.split(",").map((part) => part.trim()).filter((part) => part !== "")) {
      found.set(name.split(" as ").at(-1) ?? name, from);
    }
  }
  return found;
}

/** The group that a module of `src/sdk` belongs to; undefined for what groups share. `groups` are the names of all. */
export function groupOf(path: string, groups: readonly string[]): string | undefined {
  const name = /^src\/sdk\/(?:top_level\/)?([a-z0-9_]+)\.ts$/.exec(path)?.[1];
  if (name === undefined || name.startsWith("_") || COMMON.includes(name)) return undefined;
  // The longest name goes first: "state_files" is no part of "state" if both are groups.
  const owners = groups.filter((group) => name === group || name.startsWith(`${group}_`));
  return owners.toSorted((a, b) => b.length - a.length)[0] ?? name;
}

/** What is wrong with what one name drags along; `inputs` are the modules with bytes in its bundle. */
export function bleedProblems(
  name: string,
  from: string,
  inputs: readonly string[],
  groups: readonly string[],
): readonly string[] {
  const own = groupOf(from, groups);
  return inputs.flatMap((path) => {
    const folder = /^src\/([^/]+)\//.exec(path)?.[1];
    if (folder === undefined || BELOW.includes(folder)) return [];
    const group = folder === "sdk" ? groupOf(path, groups) : folder;
    return group === undefined || group === own ? [] : [`"${name}" of ${from} drags in ${path}`];
  });
}

interface Metafile {
  readonly outputs: Readonly<
    Record<string, { readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>> }>
  >;
}

/** Bundles every function of the client that the root exports, alone. */
export async function runBleedPart(): Promise<PartResult> {
  await installTools();
  const names = [...reExports(await readFile(`${root}mod.ts`, "utf8"))]
    .filter(([, from]) => from.startsWith("src/sdk/top_level/"));
  const groups = [...new Set(names.map(([, from]) => from.slice("src/sdk/top_level/".length, -".ts".length)))];
  const folder = `${outFolder}bleed/`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await Promise.all(
    names.map(([name]) =>
      writeFile(`${folder}${name}.js`, `import { ${name} } from "${ownName}";\nconsole.log(${name});\n`)
    ),
  );
  const entries = names.map(([name]) => `${folder}${name}.js`);
  await bundle(entries, `${folder}out`, ["--minify", `--metafile=${folder}meta.json`]);
  const { outputs } = JSON.parse(await readFile(`${folder}meta.json`, "utf8")) as Metafile;
  const problems = names.flatMap(([name, from]) => {
    const [, output] = Object.entries(outputs).find(([path]) => path.endsWith(`/bleed/out/${name}.js`)) ?? [];
    if (output === undefined) return [`There is no bundle of "${name}"`];
    const inputs = Object.entries(output.inputs).filter(([, part]) => part.bytesInOutput > 0).map(([path]) => path);
    if (!inputs.includes(from)) return [`The bundle of "${name}" has nothing of ${from}`];
    return bleedProblems(name, from, inputs, groups);
  });
  return gateResult([`${names.length} names of ${groups.length} groups`], problems);
}
