/**
 * The runtimes that the tarball is tried on: the machine's own Node, and those that the tests get from npm.
 *
 * @module
 */
import { delimiter, dirname, join } from "node:path";
import { REPOSITORY } from "../build.ts";
import { mustRun, runCommand } from "../command.ts";

/** A runtime that may be on this machine. */
export interface Runtime {
  /** As in reports. */
  readonly name: string;
  /** Which family it is of. */
  readonly kind: "node" | "bun" | "deno";
  /** Path of its program. */
  readonly program: string;
  /** Its version, without a leading letter. */
  readonly version: string;
  /** Its own npm client, where it has one. */
  readonly npm?: string;
}

/** A runtime that is not on this machine, and why. */
export interface AbsentRuntime {
  /** As in reports. */
  readonly name: string;
  /** Why it is not there. */
  readonly absent: string;
}

/** Finds the runtimes, after installing those that npm has for this platform exactly as their lock file says. */
export async function findRuntimes(): Promise<readonly (Runtime | AbsentRuntime)[]> {
  const platform = `${Deno.build.os === "windows" ? "win32" : Deno.build.os}-${archName()}`;
  const folder = join(REPOSITORY, "tests", "tools", platform);
  if (await exists(join(folder, "package.json"))) {
    await mustRun(Deno.execPath(), ["install", "--frozen", "--quiet"], { cwd: folder, limitMs: 300_000 });
  }
  const fromNpm = async (name: string, kind: "node" | "bun"): Promise<Runtime | AbsentRuntime> => {
    const modules = join(folder, "node_modules", name);
    for (const program of [join(modules, "bin", kind), join(modules, "bin", `${kind}.exe`)]) {
      if (await exists(program)) return { name, kind, program, version: await versionOf(program) };
    }
    return { name, absent: `npm has no package of it for ${platform}` };
  };
  return [
    await fromNpm("node24", "node"),
    await fromNpm("node22", "node"),
    await systemNode(),
    await fromNpm("bun", "bun"),
    { name: "deno", kind: "deno", program: Deno.execPath(), version: Deno.version.deno },
  ];
}

async function systemNode(): Promise<Runtime | AbsentRuntime> {
  const name = "system node";
  const suffix = Deno.build.os === "windows" ? ".exe" : "";
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter).filter((folder) => !folder.includes("node_modules"));
  for (const folder of folders) {
    const program = join(folder, `node${suffix}`);
    if (!await exists(program)) continue;
    const version = await versionOf(program);
    const npm = join(folder, "npm");
    const hasNpm = Deno.build.os !== "windows" && await exists(npm);
    return { name, kind: "node", program, version, ...(hasNpm ? { npm } : {}) };
  }
  return { name, absent: "no Node is installed on this machine" };
}

async function versionOf(program: string): Promise<string> {
  const { code, stdout } = await runCommand(program, ["--version"], { cwd: dirname(program) });
  if (code !== 0) throw new Error(`Cannot ask "${program}" for its version: it ended with code ${code}`);
  return stdout.trim().replace(/^v/, "");
}

function archName(): string {
  return Deno.build.arch === "x86_64" ? "x64" : "arm64";
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

/** Compares a version with the oldest one of something. */
export function isAtLeast(version: string, oldest: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
}
