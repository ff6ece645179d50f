/**
 * The exported names of each subpath, values as the modules have them, types as `deno doc` reads them.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { runCommand } from "./command.ts";
import { root } from "./runtimes.ts";

interface DocOutput {
  readonly nodes: Readonly<
    Record<string, {
      readonly symbols?: readonly {
        readonly name: string;
        readonly declarations: readonly { readonly declarationKind?: string }[];
      }[];
    }>
  >;
}

/** What one subpath exports. */
export interface SubpathNames {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

/** Reads the exported names of every subpath of the package. */
export async function readApiNames(): Promise<Readonly<Record<string, SubpathNames>>> {
  const manifest = JSON.parse(await readFile(`${root}deno.json`, "utf8")) as {
    readonly exports: Readonly<Record<string, string>>;
  };
  const { stdout } = await runCommand([Deno.execPath(), "doc", "--json", ...Object.values(manifest.exports)], {
    cwd: root,
  });
  const { nodes } = JSON.parse(stdout) as DocOutput;
  const entries = await Promise.all(
    Object.entries(manifest.exports).map(async ([subpath, path]) => {
      const url = pathToFileURL(`${root}${path.slice(2)}`).href;
      const values = Object.keys(await import(url) as object).toSorted();
      const types = (nodes[url]?.symbols ?? [])
        .filter(({ name, declarations }) =>
          !values.includes(name) && declarations.some((d) => d.declarationKind !== "private")
        )
        .map(({ name }) => name).toSorted();
      return [subpath, { values, types }] as const;
    }),
  );
  return Object.fromEntries(entries);
}
