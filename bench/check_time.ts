/**
 * What importing `./api` and `./compat` costs a type check, over importing the root: whole compilers, from start to exit, in turns.
 *
 * Deno checks the sources, as it gets them from JSR; the TypeScript compilers read the declarations of the npm package, of which
 * one of them also reads every line (`skipLibCheck` off).
 *
 * @module
 */
import { buildPackage } from "../npm/build.ts";
import { installTools } from "../npm/tools.ts";
import { type Bench, bench, median, option, withFolder } from "./_report.ts";

const PACKAGE = "@windkit/windmill-client";

/** Seconds that the endpoints may cost. */
const LIMIT_S = 2;

/** What each program has, and what the others have in its place. */
const COMMON = `import { createClient } from "${PACKAGE}";
export const value: Promise<string> = createClient({ workspace: "w" }).variables.get("u/a/v");
`;

/** Programs by what they import. */
const PROGRAMS: Readonly<Record<string, string>> = {
  "the root": COMMON,
  "./api": `${COMMON}import { createApi, operations } from "${PACKAGE}/api";
const api = createApi({ workspace: "w" }, operations);
export const jobs = api.GET("/w/{workspace}/jobs/list", { params: { query: { success: true } } });
export const run = api.POST("/w/{workspace}/jobs/run/p/{path}", { params: { path: { path: "f/a" } }, body: {} });
export const events = api.call("getJobUpdatesSse", { params: { path: { id: "j" } } });
export const flow = api.call("createFlow", { body: { path: "f/a", summary: "", value: { modules: [] } } });
export const items = api.items("/w/{workspace}/variables/list");
`,
  "./compat": `${COMMON}import { FlowService, JobService, OpenAPI } from "${PACKAGE}/compat";
OpenAPI.TOKEN = "t";
export const jobs = JobService.listJobs({ workspace: "w", success: true });
export const flow = FlowService.createFlow({ requestBody: { path: "f/a", summary: "", value: { modules: [] } } });
`,
};

/** One way to check a program. */
interface Checker {
  readonly name: string;
  readonly args: (file: string) => readonly string[];
}

function slugOf(name: string): string {
  return name.replace(/\W+/g, "_");
}

/** A folder with the package, and configurations of the compilers. */
async function prepare(dir: string): Promise<readonly Checker[]> {
  const { files } = await buildPackage();
  for (const [path, bytes] of files) {
    const file = `${dir}/node_modules/${PACKAGE}/${path}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await Deno.writeFile(file, bytes);
  }
  await Deno.writeTextFile(`${dir}/package.json`, '{ "type": "module", "private": true }\n');
  const imports = Object.fromEntries(
    [["", "mod.ts"], ["/api", "src/sdk/api.ts"], ["/compat", "src/compat/mod.ts"]].map((
      [subpath, path],
    ) => [PACKAGE + subpath, new URL(`../${path}`, import.meta.url).href]),
  );
  await Deno.writeTextFile(`${dir}/sources.json`, JSON.stringify({ imports }));
  const compilerOptions = {
    module: "nodenext",
    target: "es2022",
    lib: ["esnext", "dom", "dom.iterable", "dom.asynciterable"],
    types: [],
    strict: true,
    noEmit: true,
  };
  const { tsc } = await installTools();
  const checkers: Checker[] = [{
    name: "deno check",
    args: (file) => ["check", "--quiet", "--no-lock", `--config=${dir}/sources.json`, file],
  }];
  for (const [version, script] of Object.entries(tsc)) {
    for (const skipLibCheck of version.startsWith("5") ? [true, false] : [true]) {
      const name = `tsc ${version}${skipLibCheck ? "" : ", skipLibCheck off"}`;
      for (const program of Object.keys(PROGRAMS)) {
        const options = { compilerOptions: { ...compilerOptions, skipLibCheck }, files: [`${slugOf(program)}.ts`] };
        await Deno.writeTextFile(`${dir}/${slugOf(name + program)}.json`, JSON.stringify(options));
      }
      checkers.push({
        name,
        args: (file) => {
          const program = Object.keys(PROGRAMS).find((key) => file === `${slugOf(key)}.ts`) ?? "";
          return ["run", "-A", "--quiet", script, "--project", `${slugOf(name + program)}.json`];
        },
      });
    }
  }
  return checkers;
}

/** Seconds that a check takes, from its start to its exit. */
async function time(checker: Checker, cwd: string, file: string): Promise<number> {
  const begin = performance.now();
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...checker.args(file)],
    cwd,
    stdout: "piped",
    stderr: "piped",
  }).output();
  const seconds = (performance.now() - begin) / 1000;
  const told = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (!success) throw new Error(`${checker.name} found mistakes in "${file}": ${told}`);
  return seconds;
}

async function measure(b: Bench, checker: Checker, dir: string, rounds: number): Promise<void> {
  const times = new Map(Object.keys(PROGRAMS).map((name) => [name, [] as number[]]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, code] of Object.entries(PROGRAMS)) {
      const file = `${slugOf(name)}.ts`;
      // Deno remembers what it has checked: each round is a program of its own.
      await Deno.writeTextFile(`${dir}/${file}`, `${code}// ${checker.name} ${round} ${crypto.randomUUID()}\n`);
      const seconds = await time(checker, dir, file);
      if (round >= 0) times.get(name)?.push(seconds); // the first fills the caches
    }
  }
  const root = times.get("the root") ?? [];
  for (const [name, list] of times) b.measure(`${checker.name}: ${name}`, "s", list);
  for (const name of ["./api", "./compat"]) {
    const over = (times.get(name) ?? []).map((seconds, i) => seconds - (root[i] ?? NaN));
    b.bar(`type check with ${checker.name}, ${name} over the root`, "s", median(over), "at most", LIMIT_S);
  }
}

/** Files of the endpoints' types that a check of the root loads. */
async function draggedIn(): Promise<number> {
  const root = new URL("../mod.ts", import.meta.url).pathname;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", root] }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    readonly modules: readonly { readonly specifier: string }[];
  };
  return modules.filter(({ specifier }) => /\/generated\/|\/compat\/(?!default_export)|sdk\/api\.ts$/.test(specifier))
    .length;
}

await bench("check_time", import.meta.main, async (b) => {
  await withFolder(async (dir) => {
    const checkers = await prepare(await Deno.realPath(dir));
    for (const checker of checkers) await measure(b, checker, dir, option("rounds", 7));
    b.bar("files of the endpoints that a type check of the root loads", "files", await draggedIn(), "at most", 0);
  });
});
