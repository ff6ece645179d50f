/**
 * `deno task size`: what importing the package adds to a bundle, minified and compressed, against the budgets.
 *
 * @module
 */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { bundle } from "../tests/run/bundle.ts";
import { gateResult, type Part, type PartResult, runParts, table } from "../tests/run/part.ts";
import { installTools, outFolder } from "../tests/run/runtimes.ts";

const ownName = "@windkit/windmill-client";

interface Budget {
  readonly name: string;
  readonly code: string;
  /** In bytes, compressed. */
  readonly limit: number;
  /** Folders of `src/` of which not one byte may be in the bundle. */
  readonly without: readonly string[];
}

/** Folders that whoever only calls Windmill must not pay for. */
const machinery = ["workflow", "cluster", "engine", "storage", "cli"];

const budgets: readonly Budget[] = [
  {
    name: "one function",
    code: `import { getVariable } from "${ownName}";\nconsole.log(getVariable);\n`,
    limit: 3000,
    without: machinery,
  },
  {
    name: "workflow set",
    code: `import { parallel, sleep, step, task, waitForApproval, workflow } from "${ownName}/workflow";\n` +
      "console.log(parallel, sleep, step, task, waitForApproval, workflow);\n",
    // 6500 in the end; the host of the cluster, which comes later, has 1500 of them.
    limit: 5000,
    without: ["sdk", "http", "engine", "storage", "cli"],
  },
  {
    name: "workflow set, from the root",
    code: `import { parallel, sleep, step, task, waitForApproval, workflow } from "${ownName}";\n` +
      "console.log(parallel, sleep, step, task, waitForApproval, workflow);\n",
    limit: 5000,
    without: ["sdk", "http", "engine", "storage", "cli"],
  },
  {
    name: "everything in the root",
    code: `import * as all from "${ownName}";\nconsole.log(all);\n`,
    limit: 18000,
    without: ["engine", "storage", "cli"],
  },
  {
    name: "nothing",
    code: `import "${ownName}";\n`,
    // What is left when no name is used is work done at import. 20 bytes are the empty file's own.
    limit: 20,
    without: [...machinery, "sdk", "http", "wire", "base", "platform"],
  },
];

interface Metafile {
  readonly outputs: Readonly<
    Record<string, { readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>> }>
  >;
}

/** Folders of `src/` that have bytes in a bundle. */
function foldersIn(meta: Metafile, output: string): ReadonlySet<string> {
  const found = Object.entries(meta.outputs).find(([path]) => path.endsWith(output));
  const inputs = Object.entries(found?.[1].inputs ?? {}).filter(([, part]) => part.bytesInOutput > 0);
  return new Set(inputs.flatMap(([path]) => /(?:^|\/)src\/([^/]+)\//.exec(path)?.[1] ?? []));
}

/** Bundles each import, weighs it, and looks what is in it. */
export async function runSizePart(): Promise<PartResult> {
  await installTools();
  const folder = `${outFolder}size/`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await Promise.all(budgets.map(({ code }, i) => writeFile(`${folder}entry_${i}.js`, code)));
  const entries = budgets.map((_, i) => `${folder}entry_${i}.js`);
  await bundle(entries, `${folder}out`, ["--minify", `--metafile=${folder}meta.json`]);
  const meta = JSON.parse(await readFile(`${folder}meta.json`, "utf8")) as Metafile;
  const failures: string[] = [];
  const rows: (readonly (string | number)[])[] = [];
  for (const [i, { name, limit, without }] of budgets.entries()) {
    const text = await readFile(`${folder}out/entry_${i}.js`);
    const size = gzipSync(text, { level: 9 }).length;
    const folders = foldersIn(meta, `out/entry_${i}.js`);
    rows.push([name, text.length, size, limit, [...folders].toSorted().join(" ")]);
    if (size > limit) failures.push(`Import of ${name}: ${size} bytes compressed, the budget is ${limit}`);
    const dragged = without.filter((part) => folders.has(part));
    if (dragged.length > 0) failures.push(`Import of ${name} drags in ${dragged.map((d) => `src/${d}`).join(", ")}`);
  }
  return gateResult(table(["import of", "minified", "gzip", "budget", "folders in it"], rows), failures);
}

const part: Part = { name: "size", run: runSizePart };

if (import.meta.main) {
  const code = await runParts([part], (line) => console.log(line));
  await rm(outFolder, { recursive: true, force: true });
  Deno.exit(code);
}
