/**
 * The runtimes that the suite runs on, how each is started, and what each may lack.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { runCommand } from "./command.ts";
import { REPORT_MARK } from "./report.ts";

/** One way to run the suite. */
export interface Runtime {
  readonly name: string;
  /** Reasons of `tests/suite/env.ts` for which a case may be skipped here. */
  readonly mayLack: readonly string[];
  /** True where a case can end the process it runs in. */
  readonly hasProcess: boolean;
  /** Why it cannot run on this machine. */
  readonly absent?: string | undefined;
  /** The command that runs the `suite` or the `planted` cases. */
  command(set: "suite" | "planted", filter: string, limitMs: number): readonly string[];
}

/** The folder of the repository, with `/` at its end. */
export const root: string = fileURLToPath(new URL("../../", import.meta.url));

/** Where bundles and lists of this process go: two pipelines may run at once. */
export const outFolder = `${root}tests/dist/${process.pid}/`;

/** Removes a folder of {@linkcode outFolder}, and that too when nothing else is in it: whoever searches the repository finds neither. */
export async function removeOut(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await rmdir(outFolder).catch(() => {}); // another test has something in it, or has removed it
}

/** Removes the folders that processes left which were killed. */
export async function removeLeftFolders(): Promise<void> {
  for (const name of await readdir(`${root}tests/dist`).catch(() => [])) {
    if (/^\d+$/.test(name) && !isAlive(Number(name))) {
      await rm(`${root}tests/dist/${name}`, { recursive: true, force: true });
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process may not be asked.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

const tools = `${root}tests/tools/`;
const platform = `${process.platform}-${process.arch}`;
const platformTools = `${tools}${platform}/`;

/** What workerd does not have in any configuration of ours. */
const noMachine = ["no file system", "no node:sqlite", "no environment variables", "no listening sockets"];

/** Path of the bundler's program: the binary itself, because its launcher is a script that needs Node. */
export function esbuildPath(): string {
  const folder = `${tools}node_modules/.deno/node_modules/@esbuild/${platform}/`;
  return process.platform === "win32" ? `${folder}esbuild.exe` : `${folder}bin/esbuild`;
}

/** Installs the bundler, Miniflare and the runtimes of this platform, exactly as their lock files say. */
export async function installTools(): Promise<void> {
  for (const folder of [tools, platformTools]) {
    if (!existsSync(folder)) continue;
    await runCommand([Deno.execPath(), "install", "--frozen", "--quiet"], { cwd: folder });
  }
}

function program(folder: string): string | undefined {
  const paths = [`${platformTools}node_modules/${folder}/bin/${folder.replace(/\d+$/, "")}`];
  return [...paths, ...paths.map((path) => `${path}.exe`)].find((path) => existsSync(path));
}

function processRuntime(name: string, folder: string): Runtime {
  const path = program(folder);
  return {
    name,
    mayLack: [],
    hasProcess: true,
    absent: path === undefined ? `npm has no package of ${name} for ${platform}` : undefined,
    command: (set, filter, limitMs) => [path ?? folder, `${outFolder}process_${set}.js`, filter, String(limitMs)],
  };
}

function workerdRuntime(name: string, flags: readonly string[], mayLack: readonly string[]): Runtime {
  return {
    name,
    mayLack,
    hasProcess: false,
    command: (set, filter, limitMs) => [
      Deno.execPath(),
      "run",
      "-A",
      "--quiet",
      `${tools}workerd.mjs`,
      `${outFolder}worker_${set}.js`,
      REPORT_MARK,
      filter,
      String(limitMs),
      ...flags,
    ],
  };
}

/** All runtimes, the reference first: the others must have the same cases as Deno. */
export function runtimes(): readonly Runtime[] {
  return [
    {
      name: "Deno",
      mayLack: [],
      hasProcess: true,
      command: (set, filter, limitMs) => [
        Deno.execPath(),
        "run",
        "-A",
        "--quiet",
        `${root}tests/run/process_${set}.ts`,
        filter,
        String(limitMs),
      ],
    },
    processRuntime("Node 24", "node24"),
    processRuntime("Node 22", "node22"),
    processRuntime("Bun", "bun"),
    workerdRuntime("workerd", [], [...noMachine, "no AsyncLocalStorage"]),
    workerdRuntime("workerd nodejs_compat", ["nodejs_compat"], noMachine),
  ];
}
