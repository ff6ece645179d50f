/**
 * `deno task size`: what importing the package adds to a bundle, minified and compressed, against the budgets.
 *
 * Counted is what a program loads at its start: each import is a bundle of its own, split at `import()`, and what is imported
 * when it is needed (the mocked API) is shown, not counted.
 *
 * @module
 */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { bundle } from "../tests/run/bundle.ts";
import { gateResult, type Part, type PartResult, runParts, table } from "../tests/run/part.ts";
import { installTools, outFolder, root } from "../tests/run/runtimes.ts";

const ownName = "@windkit/windmill-client";

interface Budget {
  readonly name: string;
  readonly code: string;
  /** In bytes, compressed. */
  readonly limit: number;
  /** Name of an import further up that the limit is over: its own size is added. */
  readonly over?: string;
  /** Folders of `src/`, or folders in them, of which not one byte may be in the bundle. */
  readonly without: readonly string[];
}

/** Folders that whoever only calls Windmill must not pay for. */
const machinery = ["workflow", "cluster", "engine", "storage", "cli"];

const workerNames = ["_workflowCtx", "setWorkflowCtx", "StepSuspend", "WorkflowCtx"];
const servicesAndRoot = Object.keys(await import("../src/compat/mod.ts"))
  .filter((name) => name !== "default" && !workerNames.includes(name));

const budgets: readonly Budget[] = [
  {
    name: "one function",
    code: `import { getVariable } from "${ownName}";\nconsole.log(getVariable);\n`,
    limit: 3000,
    without: machinery,
  },
  {
    name: "running a script",
    code: `import { runScriptByPath } from "${ownName}";\nconsole.log(runScriptByPath);\n`,
    // 4000 in the end; 3000 of it are what every call needs.
    limit: 4520,
    without: machinery,
  },
  {
    name: "writeS3File",
    code: `import { writeS3File } from "${ownName}";\nconsole.log(writeS3File);\n`,
    limit: 4096,
    without: machinery,
  },
  {
    name: "loadS3FileStream",
    code: `import { loadS3FileStream } from "${ownName}";\nconsole.log(loadS3FileStream);\n`,
    limit: 4000,
    without: machinery,
  },
  {
    name: "presigned addresses of S3",
    code: `import { getPresignedS3PublicUrl } from "${ownName}";\nconsole.log(getPresignedS3PublicUrl);\n`,
    limit: 4000,
    without: machinery,
  },
  {
    name: "settings of connections",
    code: `import { boto3ConnectionSettings, duckdbConnectionSettings } from "${ownName}";\n` +
      "console.log(boto3ConnectionSettings, duckdbConnectionSettings);\n",
    limit: 4000,
    without: machinery,
  },
  {
    name: "datatable",
    code: `import { datatable } from "${ownName}";\nconsole.log(datatable);\n`,
    // 4 KiB: what is over 4000 bytes is for values that the official client loses.
    limit: 4096,
    without: machinery,
  },
  {
    name: "workflow set",
    code: `import { parallel, sleep, step, task, waitForApproval, workflow } from "${ownName}/workflow";\n` +
      "console.log(parallel, sleep, step, task, waitForApproval, workflow);\n",
    // 6500 is the bar. The host of the cluster is not in it: it is loaded when a round begins.
    limit: 5500,
    without: ["sdk", "http", "engine", "storage", "cli"],
  },
  {
    name: "workflow set, from the root",
    code: `import { parallel, sleep, step, task, waitForApproval, workflow } from "${ownName}";\n` +
      "console.log(parallel, sleep, step, task, waitForApproval, workflow);\n",
    limit: 5500,
    without: ["sdk", "http", "engine", "storage", "cli"],
  },
  ...[
    ["approvals", "getApprovalUrls, getResumeUrls, requestInteractiveSlackApproval, requestInteractiveTeamsApproval"],
    ["Kafka offsets", "commitKafkaOffsets"],
    ["tokens", "createToken, getIdToken"],
    ["users", "user, usernameToEmail, whoami"],
    ["resources", "getResource, setResource"],
  ].map(([name = "", names]) => ({
    name,
    code: `import { ${names} } from "${ownName}";\nconsole.log(${names});\n`,
    limit: 4000,
    without: machinery,
  })),
  {
    name: "everything in the root",
    // As names: the object of all names, and the default export, which is one, are what a program makes of them.
    code: `export * from "${ownName}";\n`,
    // 22000 is the goal, which the whole of S3 and SQL in the root leaves behind, and the functions of workflows too, which no peer
    // has; the official client's root has 34000.
    limit: 31500,
    without: ["engine", "storage", "cli", "wire/generated"],
  },
  {
    name: "the root and the official services",
    // All but the four names that only the worker's wrapper imports: they come with the core, which runs rounds.
    code: `import { ${servicesAndRoot.join(", ")} } from "${ownName}/compat";\n` +
      `console.log(${servicesAndRoot.join(", ")});\n`,
    limit: 12000,
    over: "everything in the root",
    without: ["engine", "storage", "cli"],
  },
  {
    name: "endpoints by path",
    code: `import { createApi } from "${ownName}/api";\nconsole.log(createApi({}).GET);\n`,
    limit: 5000,
    without: [...machinery, "compat", "wire/generated"],
  },
  {
    name: "endpoints by path and id",
    code: `import { createApi, operations } from "${ownName}/api";\nconsole.log(createApi({}, operations).call);\n`,
    limit: 14000,
    without: [...machinery, "compat"],
  },
  {
    name: "one official service",
    code: `import { JobService } from "${ownName}/compat";\nconsole.log(JobService);\n`,
    limit: 14000,
    without: machinery,
  },
  {
    name: "a Worker that runs a script",
    code: `import { runScript } from "${ownName}/handlers";\nconst handler = runScript("f/a");\n` +
      "export default { fetch: (request, env) => handler(request, { env }) };\n",
    // The bar of the edge.
    limit: 8000,
    without: [...machinery, "compat"],
  },
  {
    name: "the same, with an entry's routes",
    code:
      `import { createHandler } from "${ownName}/edge/cloudflare";\nimport { runScript } from "${ownName}/handlers";\n` +
      'export default createHandler({ routes: { "POST /run": runScript("f/a") } });\n',
    limit: 1800,
    over: "a Worker that runs a script",
    without: [...machinery, "compat"],
  },
  {
    name: "the same, watched",
    code: `import { observeHandler, runScript } from "${ownName}/handlers";\n` +
      `import { jsonLogger } from "${ownName}/observe";\nconst handler = observeHandler(runScript("f/a"), jsonLogger());\n` +
      "export default { fetch: (request, env) => handler(request, { env }) };\n",
    limit: 3000,
    over: "a Worker that runs a script",
    without: [...machinery, "compat"],
  },
  {
    name: "objects for browsers",
    code: `import { s3Proxy } from "${ownName}/handlers";\nconsole.log(s3Proxy);\n`,
    limit: 8000,
    without: [...machinery, "compat"],
  },
  {
    name: "Hono alone",
    code: 'import { Hono } from "hono";\nexport default new Hono().get("/", (c) => c.text("ok"));\n',
    limit: 9000,
    without: [...machinery, "compat", "sdk", "http", "handlers", "base", "platform", "wire"],
  },
  ...[
    // The bar of the edge is 6000. The group of all about jobs has 5 kB itself; `runs` has what runs scripts and flows.
    ["runs", 6000],
    ["variables", 6000],
    ["jobs", 9000],
  ].map(([group = "", limit]) => ({
    name: `Hono with a client of ${group}`,
    code: `import { Hono } from "hono";\nimport { ${group}, windmill } from "${ownName}/hono";\n` +
      `export default new Hono().use(windmill({ groups: { ${group} } })).get("/", (c) => c.text("ok"));\n`,
    limit: Number(limit),
    over: "Hono alone",
    without: [...machinery, "compat"],
  })),
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
    Record<string, {
      readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>;
      readonly imports: readonly { readonly path: string; readonly kind: string }[];
    }>
  >;
}

/** The files that are loaded with the file `entry`, itself included. */
function loadedWith({ outputs }: Metafile, entry: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const open = Object.keys(outputs).filter((path) => path.endsWith(entry));
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    for (const { path: to, kind } of outputs[path]?.imports ?? []) if (kind === "import-statement") open.push(to);
  }
  return seen;
}

/** Files of `src/` that have bytes in some files of a bundle. */
function sourcesIn({ outputs }: Metafile, files: ReadonlySet<string>): readonly string[] {
  return [...files].flatMap((path) => Object.entries(outputs[path]?.inputs ?? {}))
    .filter(([, part]) => part.bytesInOutput > 0)
    .flatMap(([path]) => /(?:^|\/)src\/(.+)$/.exec(path)?.[1] ?? []);
}

/** Sizes of files, each compressed by itself, as it is served. */
async function weigh(paths: readonly string[]): Promise<{ readonly minified: number; readonly gzip: number }> {
  let minified = 0, gzip = 0;
  for (const path of paths) {
    // Names of files have a hash in them that depends on the folder they were made in: the size must not.
    const text = (await readFile(path, "utf8")).replaceAll(/-[A-Z0-9]{8}\.js/g, "-K3W7Q2ZD.js");
    minified += text.length;
    gzip += gzipSync(text, { level: 9 }).length;
  }
  return { minified, gzip };
}

/** Bundles each import, weighs it, and looks what is in it. */
export async function runSizePart(): Promise<PartResult> {
  await installTools();
  const folder = `${outFolder}size/`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const failures: string[] = [];
  const rows: (readonly (string | number)[])[] = [];
  const sizes = new Map<string, number>();
  for (const [i, { name, code, limit: own, over = "", without }] of budgets.entries()) {
    const entry = `entry_${i}.js`;
    await writeFile(`${folder}${entry}`, code);
    await bundle([`${folder}${entry}`], `${folder}out_${i}`, [
      "--minify",
      "--splitting",
      `--metafile=${folder}meta_${i}.json`,
    ]);
    const meta = JSON.parse(await readFile(`${folder}meta_${i}.json`, "utf8")) as Metafile;
    const loaded = loadedWith(meta, `/${entry}`);
    const late = Object.keys(meta.outputs).filter((path) => !loaded.has(path));
    const { minified, gzip } = await weigh([...loaded].map((path) => root + path));
    const sources = sourcesIn(meta, loaded);
    const folders = new Set(sources.map((path) => path.slice(0, path.indexOf("/"))));
    const limit = own + (sizes.get(over) ?? 0);
    sizes.set(name, gzip);
    rows.push([
      name,
      minified,
      gzip,
      limit,
      (await weigh(late.map((path) => root + path))).gzip,
      [...folders].toSorted().join(" "),
    ]);
    if (gzip > limit) failures.push(`Import of ${name}: ${gzip} bytes compressed, the budget is ${limit}`);
    const dragged = without.filter((part) => sources.some((path) => path.startsWith(`${part}/`)));
    if (dragged.length > 0) failures.push(`Import of ${name} drags in ${dragged.map((d) => `src/${d}`).join(", ")}`);
  }
  return gateResult(table(["import of", "minified", "gzip", "budget", "later", "folders in it"], rows), failures);
}

const part: Part = { name: "size", run: runSizePart };

if (import.meta.main) {
  const code = await runParts([part], (line) => console.log(line));
  await rm(outFolder, { recursive: true, force: true });
  Deno.exit(code);
}
