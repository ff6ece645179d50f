/**
 * Throw-away projects that install the tarball as a user does, with no registry in reach and nothing of this machine's
 * settings: an own home folder, an own cache, and the tried runtime first on the path.
 *
 * @module
 */
import { delimiter, dirname, join } from "node:path";
import { type CommandResult, mustRun, runCommand } from "../command.ts";
import { BIN_PATH } from "../manifest.ts";
import type { Tools } from "../tools.ts";
import type { Runtime } from "./runtimes.ts";

/** Where projects are made, and from what. */
export interface Workshop {
  /** Temporary folder that holds all of them. */
  readonly folder: string;
  /** Path of the tarball. */
  readonly tarball: string;
  /** Development tools. */
  readonly tools: Tools;
}

/** A folder with the package in it. */
export interface Project {
  /** The folder. */
  readonly folder: string;
  /** Its runtime. */
  readonly runtime: Runtime;
  /** Runs the runtime on a script. */
  script(args: readonly string[]): Promise<CommandResult>;
  /** Runs the package's command as a user does: by npx, bunx, or the file itself. */
  windkit(args: readonly string[]): Promise<CommandResult>;
  /** Runs the file behind the command: the same, without the half second that npx takes. */
  direct(args: readonly string[]): Promise<CommandResult>;
  /** Runs the runtime's package manager. */
  manager(args: readonly string[]): Promise<CommandResult>;
}

/** Longest run of one command: the slowest, an installation by npm, takes about one second. */
const LIMIT_MS = 20_000;

/** Nothing listens there: a package manager that asks a registry fails. */
const NO_REGISTRY = "http://127.0.0.1:9/";

/** Makes an empty folder with the files `fixtures` of `smoke/fixtures` in it. */
export async function createProject(
  workshop: Workshop,
  runtime: Runtime,
  options: { readonly name: string; readonly fixtures: readonly string[] },
): Promise<Project> {
  const { tools } = workshop;
  const folder = join(workshop.folder, `${runtime.name.replaceAll(" ", "_")}_${options.name}`);
  await Deno.mkdir(folder, { recursive: true });
  for (const fixture of options.fixtures) {
    await Deno.copyFile(new URL(`./fixtures/${fixture}`, import.meta.url), join(folder, fixture));
  }
  const env = projectEnv(workshop, runtime);
  const run = (program: string, args: readonly string[]): Promise<CommandResult> =>
    runCommand(program, args, { cwd: folder, env, limitMs: LIMIT_MS });
  const script = (args: readonly string[]): Promise<CommandResult> =>
    run(runtime.program, runtime.kind === "deno" ? ["run", "--quiet", "--allow-all", ...args] : args);
  const direct = (args: readonly string[]): Promise<CommandResult> =>
    script([join(folder, "node_modules", "@windkit", "windmill-client", BIN_PATH), ...args]);
  return {
    folder,
    runtime,
    script,
    direct,
    windkit(args) {
      switch (runtime.kind) {
        case "node": {
          const npx = runtime.npm?.replace(/npm$/, "npx");
          return npx === undefined
            ? run(runtime.program, [tools.npx, "windkit", ...args])
            : run(npx, ["windkit", ...args]);
        }
        case "bun":
          return run(runtime.program, ["x", "--bun", "windkit", ...args]);
        case "deno":
          return direct(args);
      }
    },
    manager(args) {
      if (runtime.kind === "bun") return run(runtime.program, args);
      if (runtime.npm !== undefined) return run(runtime.npm, args);
      if (runtime.kind === "node") return run(runtime.program, [tools.npm, ...args]);
      return script([tools.npm, ...args]);
    },
  };
}

function projectEnv({ folder }: Workshop, runtime: Runtime): Readonly<Record<string, string>> {
  const home = join(folder, "home");
  const kept = ["SystemRoot", "ComSpec", "PATHEXT", "TEMP", "TMP", "TMPDIR"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(kept),
    PATH: [dirname(runtime.program), Deno.env.get("PATH") ?? ""].join(delimiter),
    HOME: home,
    USERPROFILE: home,
    NO_COLOR: "1",
    npm_config_registry: NO_REGISTRY,
    npm_config_cache: join(home, "npm_cache"),
    npm_config_audit: "false",
    npm_config_fund: "false",
    npm_config_update_notifier: "false",
    BUN_CONFIG_REGISTRY: NO_REGISTRY,
    BUN_INSTALL_CACHE_DIR: join(home, "bun_cache"),
    DO_NOT_TRACK: "1",
    DENO_DIR: join(home, "deno"),
    DENO_NO_UPDATE_CHECK: "1",
  };
}

/** Runs the package manager to install `specifier`, and gives the names of all packages that are there afterwards. */
export async function installPackage(project: Project, specifier: string): Promise<readonly string[]> {
  const args = project.runtime.kind === "bun" ? ["add", specifier] : ["install", "--offline", specifier];
  const result = await project.manager(args);
  if (result.code !== 0) {
    throw new Error(`Command "${result.line}" ended with code ${result.code}\n${result.stdout}${result.stderr}`);
  }
  return await packagesIn(join(project.folder, "node_modules"));
}

/** Names of all packages below a `node_modules` folder, nested ones with the path to them. */
export async function packagesIn(modules: string, prefix = ""): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(modules)) {
    if (entry.name.startsWith(".") || entry.isFile) continue;
    if (entry.name.startsWith("@")) {
      names.push(...await packagesIn(join(modules, entry.name), `${prefix}${entry.name}/`));
      continue;
    }
    const name = `${prefix}${entry.name}`;
    names.push(name);
    const nested = join(modules, entry.name, "node_modules");
    const found = await packagesIn(nested, `${name} > `).catch((error: unknown) => {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    });
    names.push(...found);
  }
  return names.sort();
}

/** Compiles a project with a TypeScript compiler. */
export async function compileTypes(project: Project, script: string, config: string): Promise<void> {
  const args = ["run", "--quiet", "--allow-all", script, "--project", config, "--pretty", "false"];
  await mustRun(Deno.execPath(), args, { cwd: project.folder });
}
