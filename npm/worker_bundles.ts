/**
 * Builds files that a Worker, or a page, imports without a bundler, into `edge/dist/`: the client alone, the handlers with Hono, and
 * the engine's host. Each has its source map and the licences of what is in it.
 *
 * The first two have no built-in module of Node in them, and are started in workerd without a compatibility flag. The same sources give
 * the same bytes. Run it with `deno task build`, which builds the packages too.
 *
 * @module
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { bundle } from "../tests/run/bundle.ts";
import { runCommand } from "../tests/run/command.ts";
import { gateResult, type Part, type PartResult, runParts, table } from "../tests/run/part.ts";
import { installTools, outFolder, root } from "../tests/run/runtimes.ts";

const ownName = "@windkit/windmill-client";

/** A file that is imported as it is. */
interface WorkerBundle {
  readonly name: string;
  readonly code: string;
  /** In bytes, compressed. */
  readonly limit: number;
  /** Whether it must do without built-in modules of Node, and without a compatibility flag. */
  readonly bare: boolean;
  /** A Worker that uses it, from `bundle`, and answers "ok". */
  readonly trial: string;
}

const bundles: readonly WorkerBundle[] = [
  {
    name: "client",
    code: `export { createClient } from "${ownName}/client";\nexport * from "${ownName}/errors";\n`,
    limit: 23_000,
    bare: true,
    trial: `export default { async fetch() {
      const client = bundle.createClient({
        baseUrl: "https://windmill.example", workspace: "w", token: "t", fetch: () => Promise.resolve(Response.json("ok")),
      });
      return new Response(await client.variables.get("f/a"));
    } };`,
  },
  {
    name: "handlers",
    code: `export { Hono } from "hono";\nexport { createHandler } from "${ownName}/edge/cloudflare";\n` +
      `export * from "${ownName}/hono";\nexport { createClient } from "${ownName}/client";\n`,
    limit: 55_000,
    bare: true,
    trial: `const app = new bundle.Hono();
      const client = {
        baseUrl: "https://windmill.example", workspace: "w", token: "t", fetch: () => Promise.resolve(Response.json("ok")),
      };
      app.get("/", bundle.windmill({ groups: { variables: bundle.variables }, client }), async (c) =>
        c.text(await c.var.windmill.variables.get("f/a")));
      export default bundle.createHandler({ routes: app });`,
  },
  {
    name: "durable_object",
    code: `export * from "${ownName}/durable-object";\nexport * from "${ownName}/workflow";\n`,
    limit: 58_000,
    // Runs are told apart by AsyncLocalStorage.
    bare: false,
    trial: `const hello = bundle.workflow(async (name) => {
        await bundle.sleep(0.01);
        return await bundle.step("answer", () => name);
      });
      export const { WorkflowRun, WorkflowIndex } = bundle.createWorkflowObjects({ workflows: { hello } });
      export default { async fetch(_request, env) {
        const run = await bundle.workflowRuns(env.RUN, env.INDEX).start("hello", ["ok"]);
        return new Response(await run.result());
      } };`,
  },
];

interface Metafile {
  readonly outputs: Readonly<
    Record<string, {
      readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>;
      readonly imports: readonly { readonly path: string; readonly external?: boolean }[];
    }>
  >;
}

/** Folder of the bundles. */
const BUNDLES: string = `${root}edge/dist/`;

/** The folder of the package that a file belongs to; undefined for files of this repository. */
function packageFolder(path: string): string | undefined {
  return /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
}

/** The licence of a package, in its own words. */
async function licenceOf(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(`${root}${folder}/package.json`, "utf8")) as {
    readonly name: string;
    readonly version: string;
    readonly license?: string;
  };
  const file = (await readdir(`${root}${folder}`)).find((entry) => /^licen[cs]e(?:\.(?:md|txt))?$/i.test(entry));
  if (file === undefined || license === undefined) {
    throw new Error(`Cannot bundle ${name}: it has no licence file, or its package.json says no licence`);
  }
  const text = await readFile(`${root}${folder}/${file}`, "utf8");
  return `${name} ${version} (${license})\n\n${text.trim()}\n`;
}

/** Starts a Worker of the bundle in workerd; what it answers. */
async function tryBundle({ name, trial, bare }: WorkerBundle, folder: string): Promise<string> {
  const options = {
    modulesRoot: folder,
    modules: [
      {
        type: "ESModule",
        path: `${folder}trial_${name}.js`,
        contents: `import * as bundle from "./${name}.js";\n${trial}`,
      },
      { type: "ESModule", path: `${folder}${name}.js`, contents: await readFile(`${BUNDLES}${name}.js`, "utf8") },
    ],
    compatibilityDate: "2026-04-24",
    compatibilityFlags: bare ? [] : ["nodejs_compat"],
    // Of classes that only one of the trials has.
    ...(trial.includes("WorkflowRun") && {
      durableObjects: {
        RUN: { className: "WorkflowRun", useSQLite: true },
        INDEX: { className: "WorkflowIndex", useSQLite: true },
      },
    }),
  };
  const file = `${folder}trial_${name}.json`;
  await writeFile(file, JSON.stringify(options));
  const { code: exit, output, stdout } = await runCommand(
    [Deno.execPath(), "run", "-A", "--quiet", `${root}tests/tools/ask_worker.mjs`, file],
    { mayFail: true, signal: AbortSignal.timeout(60_000) },
  );
  return exit === 0 ? stdout.trim() : `exit code ${exit}: ${output}`;
}

/** Builds one bundle: its size, and what is wrong with it. */
async function build(one: WorkerBundle, folder: string): Promise<{ readonly row: string[]; readonly wrong: string[] }> {
  const { name, code, limit, bare } = one;
  await writeFile(`${folder}${name}.js`, code);
  const options = [
    "--minify",
    "--sourcemap=linked",
    // Paths of the machine stay out of the map: sources are in it by their place in the repository.
    "--sources-content=true",
    "--legal-comments=none",
    `--banner:js=/*! ${ownName} (Apache-2.0); licences of what is in this file: LICENSES.txt */`,
    `--metafile=${folder}${name}.json`,
  ];
  await bundle([`${folder}${name}.js`], BUNDLES.replace(/\/$/, ""), options);
  const { outputs } = JSON.parse(await readFile(`${folder}${name}.json`, "utf8")) as Metafile;
  const [, found] = Object.entries(outputs).find(([path]) => path.endsWith(`/${name}.js`)) ?? [];
  const wrong: string[] = [];
  const outside = found?.imports.filter(({ external }) => external) ?? [];
  if (bare && outside.length > 0) wrong.push(`${name}: imports ${outside.map(({ path }) => path).join(", ")}`);
  const text = await readFile(`${BUNDLES}${name}.js`, "utf8");
  const map = await readFile(`${BUNDLES}${name}.js.map`, "utf8");
  if (map.includes(root) || text.includes(root)) wrong.push(`${name}: has "${root}" in it, a path of this machine`);
  const gzip = gzipSync(text, { level: 9 }).length;
  if (gzip > limit) wrong.push(`${name}: ${gzip} bytes compressed, the budget is ${limit}`);
  const packages = new Set(
    Object.entries(found?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .flatMap(([path]) => packageFolder(path) ?? []),
  );
  const licences = await Promise.all([...packages].toSorted().map(licenceOf));
  await writeFile(`${folder}${name}.licences`, licences.join(`\n${"-".repeat(80)}\n\n`));
  const said = await tryBundle(one, folder);
  if (said !== "ok") wrong.push(`${name}: a Worker of it did not answer "ok" but ${said}`);
  const names = licences.map((licence) => licence.split("\n")[0] ?? "").join(", ");
  return { row: [`${name}.js`, `${text.length}`, `${gzip}`, `${limit}`, names || "nothing"], wrong };
}

/** Builds all of them. */
export async function runBundlesPart(): Promise<PartResult> {
  await installTools();
  const folder = `${outFolder}worker_bundles/`;
  await rm(BUNDLES, { recursive: true, force: true });
  for (const path of [folder, BUNDLES]) await mkdir(path, { recursive: true });
  const rows: string[][] = [], failures: string[] = [], licences = new Set<string>();
  for (const one of bundles) {
    const { row, wrong } = await build(one, folder);
    rows.push(row);
    failures.push(...wrong);
    const text = await readFile(`${folder}${one.name}.licences`, "utf8");
    if (text !== "") licences.add(text);
  }
  const own = `${ownName} (Apache-2.0)\n\n${(await readFile(`${root}LICENSE`, "utf8")).trim()}\n`;
  await writeFile(`${BUNDLES}LICENSES.txt`, [own, ...licences].join(`\n${"-".repeat(80)}\n\n`));
  return gateResult(table(["edge/dist", "minified", "gzip", "budget", "has in it"], rows), failures);
}

const part: Part = { name: "build", run: runBundlesPart };

if (import.meta.main) {
  const code = await runParts([part], (line) => console.log(line));
  await rm(outFolder, { recursive: true, force: true });
  Deno.exit(code);
}
