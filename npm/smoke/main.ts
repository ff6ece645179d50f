/**
 * Installs the tarball in throw-away projects, as its users do, and uses it on every runtime that is here: all subpaths,
 * the client, the engine, the command, the types. Run it with `deno task npm:smoke`.
 *
 * @module
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bundle } from "../../tests/run/bundle.ts";
import { esbuildPath } from "../../tests/run/runtimes.ts";
import { buildPackage, type BuiltPackage, REPOSITORY, writePackage } from "../build.ts";
import { type CommandResult, mustRun } from "../command.ts";
import { createReport, type Report } from "../report.ts";
import { installTools } from "../tools.ts";
import { compileTypes, createProject, installPackage, type Project, type Workshop } from "./project.ts";
import { findRuntimes, isAtLeast, type Runtime } from "./runtimes.ts";

/** Oldest Node that has `node:sqlite` without a flag, which the command needs. */
const NODE_WITH_SQLITE = [22, 13] as const;
/** Oldest Node that runs TypeScript without a flag. */
const NODE_WITH_TYPESCRIPT = [22, 18] as const;

/** Tried with Deno 2.9.6: its load hook is passed by, the resolve hook is not. */
const NO_LOAD_HOOK = 'Deno calls no load hook for "commonjs"';

const GREETING = { text: "Hello, Ada", length: 10 };
const SCRIPTS = ["greet.mjs", "greet.js", "greet_official_name.mjs"] as const;
const TYPED = ["greet.ts", "greet_official_name.ts"] as const;
const FIXTURES = ["list_exports.mjs", "use_package.mjs", "fails.mjs", ...SCRIPTS, ...TYPED];

/** What all checks share. */
interface Smoke {
  readonly report: Report;
  readonly workshop: Workshop;
  readonly built: BuiltPackage;
  /** Every subpath's module specifier. */
  readonly specifiers: readonly string[];
  /** What the sources export, by specifier. */
  readonly exported: unknown;
}

/** Output of a command that has to succeed. */
function output(result: CommandResult): string {
  if (result.code !== 0) {
    throw new Error(`Command "${result.line}" ended with code ${result.code}\n${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}

/** Checks everything on one runtime. */
async function checkRuntime(smoke: Smoke, runtime: Runtime): Promise<void> {
  const { report, workshop, built } = smoke;
  const label = `${runtime.name} ${runtime.version}`;
  const canRun = runtime.kind !== "node" || isAtLeast(runtime.version, NODE_WITH_SQLITE);
  const canType = runtime.kind !== "node" || isAtLeast(runtime.version, NODE_WITH_TYPESCRIPT);
  const plain = await createProject(workshop, runtime, { name: "empty", fixtures: FIXTURES });
  const init = await createProject(workshop, runtime, { name: "init", fixtures: FIXTURES });
  const prepared = [
    await report.check(`${label}: installing in an empty folder installs one package`, async () => {
      deepStrictEqual(await installPackage(plain, workshop.tarball), [built.manifest.name]);
    }),
    await report.check(`${label}: installing in a folder of \`npm init -y\` installs one package`, async () => {
      if (runtime.kind === "bun") await Deno.writeTextFile(join(init.folder, "package.json"), INIT_MANIFEST);
      else output(await init.manager(["init", "-y"]));
      match(await Deno.readTextFile(join(init.folder, "package.json")), /"type": "commonjs"/);
      deepStrictEqual(await installPackage(init, workshop.tarball), [built.manifest.name]);
    }),
  ];
  if (prepared.includes(false)) return;

  await report.check(`${label}: every subpath exports what its source exports`, async () => {
    const text = output(await plain.script(["list_exports.mjs", ...smoke.specifiers]));
    deepStrictEqual(JSON.parse(text), smoke.exported);
  });
  await report.check(`${label}: client and engine work`, () => checkUse(plain, canRun));
  await report.check(`${label}: under the official client's name by an alias`, async () => {
    const alias = await createProject(workshop, runtime, { name: "alias", fixtures: ["list_exports.mjs"] });
    deepStrictEqual(await installPackage(alias, `windmill-client@${workshop.tarball}`), ["windmill-client"]);
    const text = output(await alias.script(["list_exports.mjs", "windmill-client"]));
    const [root] = Object.values(smoke.exported as Readonly<Record<string, unknown>>);
    deepStrictEqual(JSON.parse(text), { "windmill-client": root });
  });
  for (const [place, project] of [["empty", plain], ["npm init -y", init]] as const) {
    if (!canRun) {
      const name = `${label}: windkit run says which versions it needs (${place})`;
      await report.check(name, () => checkRefusal(project, "greet.mjs"));
      continue;
    }
    for (const file of [...SCRIPTS, ...TYPED]) {
      const name = `${label}: windkit run ${file} (${place})`;
      if (file.endsWith(".ts") && !canType) {
        report.skip(name, `Node ${runtime.version} does not run TypeScript`);
        continue;
      }
      const isHooked = runtime.kind !== "deno" || project !== init || file.endsWith(".mjs");
      if (isHooked) await report.check(name, () => checkRun(project, file));
      else await report.check(`${name} is refused, because ${NO_LOAD_HOOK}`, () => checkUnnamed(project, file));
    }
  }
  if (!canRun) return;
  await report.check(`${label}: windkit --version`, async () => {
    ok(output(await plain.windkit(["--version"])).includes(built.manifest.version));
  });
  await report.check(`${label}: windkit run of a workflow that fails tells its own lines`, () => checkFailure(plain));
  await report.check(`${label}: windkit run of a workflow that is not there`, async () => {
    const { code, stderr } = await plain.windkit(["run", "missing.mjs", "--no-input"]);
    strictEqual(code, 2);
    match(stderr, /missing\.mjs/);
  });
}

/** What `npm init -y` writes, for package managers whose `init` writes more. */
const INIT_MANIFEST = `${
  JSON.stringify({ name: "init", version: "1.0.0", main: "index.js", license: "ISC", "type": "commonjs" }, null, 2)
}\n`;

async function checkUse(project: Project, hasSqlite: boolean): Promise<void> {
  const text = output(await project.script(["use_package.mjs", ...(hasSqlite ? ["sqlite"] : [])]));
  const found = JSON.parse(text) as Readonly<Record<string, unknown>>;
  const { variable, official, mocked, later, urls, memory, sqlite, resumed } = found;
  deepStrictEqual([variable, official, mocked, memory], ["blue", "blue", 14, 18]);
  deepStrictEqual(later, ["green", { n: 1 }]);
  const [url] = urls as readonly string[];
  match(url ?? "", /^http:\/\/wm\.test\/api\/w\/lab\/variables\/get_value\/u\/ada\/colour/);
  deepStrictEqual(urls, [url, url]);
  if (hasSqlite) return deepStrictEqual([sqlite, resumed], [18, 18]);
  match(String(sqlite), /22\.13/);
}

/** Runs a workflow, looks at its journal, and runs it again under the same id. */
async function checkRun(project: Project, file: string): Promise<void> {
  const id = `run-${file.replace(/\W/g, "-")}`;
  const args = ["run", file, "--args", '{"name": "Ada"}', "--run-id", id, "--no-input"];
  deepStrictEqual(JSON.parse(output(await project.windkit(args))), GREETING);
  const journal = output(await project.direct(["runs", "show", id, "--json"]));
  match(journal, /"t":"closed".*"status":"completed"/);
  ok(journal.includes('"measure"'), `The journal should name the task after its constant "measure":\n${journal}`);
  deepStrictEqual(JSON.parse(output(await project.direct(args))), GREETING);
}

/** What is told of a failure, and kept of its call, are places in the workflow's file, not in the package. */
async function checkFailure(project: Project): Promise<void> {
  const args = ["run", "fails.mjs", "--args", '{"count": 3}', "--run-id", "failing", "--no-input"];
  const { code, stdout, stderr } = await project.windkit(args);
  const told = `${stdout}${stderr}`;
  strictEqual(code, 1, `It ended with code ${code}\n${told}`);
  match(told, /Out of stock: 3/);
  match(told, /^\s+at .*fails\.mjs:3:\d+/m);
  ok(!told.includes("node_modules"), `It should name no file of the package:\n${told}`);
  match(output(await project.direct(["runs", "show", "failing", "--json"])), /fails\.mjs:5:\d+/);
}

/** A file whose tasks cannot be named is not run under other names. */
async function checkUnnamed(project: Project, file: string): Promise<void> {
  const { code, stderr } = await project.windkit(["run", file, "--args", '{"name": "Ada"}', "--no-input"]);
  strictEqual(code, 2, `It ended with code ${code}\n${stderr}`);
  match(stderr, /Cannot name the tasks/);
}

/** A Node that is too old for the command says so, and which ones are not. */
async function checkRefusal(project: Project, file: string): Promise<void> {
  const { code, stdout, stderr } = await project.windkit(["run", file, "--args", '{"name": "Ada"}']);
  strictEqual(code, 2, `It ended with code ${code}\n${stdout}${stderr}`);
  strictEqual(stdout, "");
  match(stderr, /22\.13/);
  match(stderr, new RegExp(project.runtime.version.replaceAll(".", "\\.")));
  ok(!stderr.includes("    at "), `It should print no stack:\n${stderr}`);
}

/** What a program's bundle may weigh, over the same program's from the sources. */
const HEAVIER = 1.1;

/** Imports that a bundler must be able to take alone. */
const IMPORTS: Readonly<Record<string, string>> = {
  "one function": 'import { getVariable } from "@windkit/windmill-client";\nconsole.log(getVariable);\n',
  "workflow functions":
    'import { step, task, workflow } from "@windkit/windmill-client";\nconsole.log(step, task, workflow);\n',
  "endpoints by path": 'import { createApi } from "@windkit/windmill-client/api";\nconsole.log(createApi);\n',
  "one service": 'import { JobService } from "@windkit/windmill-client/compat";\nconsole.log(JobService);\n',
  "one error": 'import { TaskError } from "@windkit/windmill-client/errors";\nconsole.log(TaskError);\n',
};

/** Bundles programs with the installed package, and with the sources: what a bundler can leave out must be the same. */
async function checkBundles({ report, workshop }: Smoke, runtime: Runtime): Promise<void> {
  const { folder } = await createProject(workshop, runtime, { name: "types", fixtures: [] });
  for (const [name, code] of Object.entries(IMPORTS)) {
    await report.check(`bundle: ${name} weighs what it weighs from the sources`, async () => {
      const entry = join(folder, "bundled.mjs");
      await Deno.writeTextFile(entry, code);
      const options = ["--minify", "--out-extension:.js=.mjs"];
      await bundle([entry], join(folder, "from_sources"), options);
      const args = [entry, "--bundle", "--format=esm", "--target=es2024", "--external:node:*", "--log-level=warning"];
      await mustRun(esbuildPath(), [...args, ...options, `--outdir=${join(folder, "from_package")}`], { cwd: folder });
      const [sources = 0, installed = 0] = await Promise.all(
        ["from_sources", "from_package"].map(async (place) =>
          gzipSync(await Deno.readFile(join(folder, place, "bundled.mjs")), { level: 9 }).length
        ),
      );
      ok(
        installed <= sources * HEAVIER,
        `It has ${installed} bytes, compressed, and ${sources} from the sources: it may have ${HEAVIER} times as many`,
      );
    });
  }
}

/** A program that declares by a subpath's name. It is no file: TypeScript merges what all files of a program declare. */
const DECLARED_BY_SUBPATH = `import { getResource, runScriptByPath, taskScript } from "@windkit/windmill-client";
import { createClient } from "@windkit/windmill-client/client";
import { taskScript as subpathTaskScript } from "@windkit/windmill-client/workflow";

declare module "@windkit/windmill-client/client" {
  interface WindmillTypes {
    scripts: { "f/a/b": { args: { x: number }; result: string } };
    resources: { "u/a/r": { readonly dark: boolean } };
  }
}

export const results: Promise<string>[] = [
  runScriptByPath("f/a/b", { x: 1 }),
  createClient().jobs.run("f/a/b", { x: 1 }),
  taskScript("f/a/b")({ x: 1 }),
  subpathTaskScript("f/a/b")({ x: 1 }),
];
export const dark: boolean = (await getResource("u/a/r")).dark;
// @ts-expect-error: an argument of another type
void runScriptByPath("f/a/b", { x: "1" });
`;

/** Compiles a consumer with every compiler, in the ways that projects resolve modules. */
async function checkTypes({ report, workshop, built }: Smoke, runtime: Runtime): Promise<void> {
  const project = await createProject(workshop, runtime, { name: "types", fixtures: ["consumer.ts", "declared.ts"] });
  await Deno.writeTextFile(join(project.folder, "by_subpath.ts"), DECLARED_BY_SUBPATH);
  const installed = await report.check("types: installing for a TypeScript project installs one package", async () => {
    await Deno.writeTextFile(join(project.folder, "package.json"), '{ "name": "consumer", "type": "module" }\n');
    deepStrictEqual(await installPackage(project, workshop.tarball), [built.manifest.name]);
  });
  if (!installed) return;
  const web = { lib: ["esnext", "dom", "dom.iterable", "dom.asynciterable"], types: [] };
  const node = { lib: ["es2022"], types: ["node"], typeRoots: [join(workshop.tools.nodeTypes, "..")] };
  const styles = {
    "nodenext, web types": { module: "nodenext", moduleResolution: "nodenext", ...web },
    "bundler, web types": { module: "esnext", moduleResolution: "bundler", ...web },
    "nodenext, ES2022 and Node types": { module: "nodenext", moduleResolution: "nodenext", ...node },
  };
  const programs = [
    ...Object.entries(styles).map(([style, options]) => ({ style, options, files: ["consumer.ts", "declared.ts"] })),
    { style: "declared by a subpath's name", options: styles["nodenext, web types"], files: ["by_subpath.ts"] },
  ];
  for (const { style, options, files } of programs) {
    const config = `tsconfig.${style.replace(/\W+/g, "_")}.json`;
    const compilerOptions = {
      ...options,
      target: "es2022",
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      verbatimModuleSyntax: true,
      skipLibCheck: false,
      noEmit: true,
    };
    await Deno.writeTextFile(join(project.folder, config), JSON.stringify({ compilerOptions, files }));
    for (const [version, script] of Object.entries(workshop.tools.tsc)) {
      await report.check(`types: TypeScript ${version}, ${style}`, () => compileTypes(project, script, config));
    }
  }
}

/** What the sources export, by specifier: the measure for what the package exports. */
async function exportsOfSources(specifiers: readonly string[]): Promise<unknown> {
  const cwd = join(REPOSITORY, "npm", "smoke");
  const script = join(cwd, "fixtures", "list_exports.mjs");
  const { stdout } = await mustRun(Deno.execPath(), ["run", "--quiet", "--allow-all", script, ...specifiers], { cwd });
  return JSON.parse(stdout);
}

if (import.meta.main) {
  const folder = await Deno.realPath(await Deno.makeTempDir({ prefix: "windkit_smoke_" }));
  const report = createReport();
  try {
    const built = await buildPackage();
    const tarball = await writePackage(built);
    const specifiers = Object.keys(built.manifest.exports)
      .filter((subpath) => !subpath.endsWith(".json"))
      .map((subpath) => built.manifest.name + subpath.slice(1));
    const workshop = { folder, tarball, tools: await installTools() };
    const smoke = { report, workshop, built, specifiers, exported: await exportsOfSources(specifiers) };
    const runtimes = await findRuntimes();
    for (const runtime of runtimes) {
      if ("absent" in runtime) report.skip(`${runtime.name}: everything`, runtime.absent);
      else if (runtime.kind === "node" && !isAtLeast(runtime.version, [20, 16])) {
        report.skip(`${runtime.name} ${runtime.version}: everything`, "the package needs Node 20.16 or newer");
      } else await checkRuntime(smoke, runtime);
    }
    const installer = runtimes.find((runtime): runtime is Runtime => !("absent" in runtime));
    if (installer !== undefined) {
      await checkTypes(smoke, installer);
      await checkBundles(smoke, installer);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  Deno.exit(report.close());
}
