/**
 * The packages that Windkit is compared with, and the runtimes that they run on. They are installed by their lock file when they
 * are wanted; nothing of them is needed to build or test.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { installTools } from "../tests/run/runtimes.ts";

/** Folder of the peers' packages, with `/` at its end. */
export const peersFolder: string = fileURLToPath(new URL("peers/", import.meta.url));

const platform = `${Deno.build.os === "windows" ? "win32" : Deno.build.os}-${
  Deno.build.arch === "aarch64" ? "arm64" : "x64"
}`;

/** Installs them. Throws when they cannot be. */
export async function installPeers(): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--frozen", "--quiet"],
    cwd: peersFolder,
  }).output();
  if (!success) throw new Error(`Cannot install the peers: ${new TextDecoder().decode(stderr)}`);
  await installTools();
}

/** Version of an installed package, as its manifest says. */
export async function versionOf(name: string): Promise<string> {
  const manifest = JSON.parse(await Deno.readTextFile(`${peersFolder}node_modules/${name}/package.json`));
  return String((manifest as { readonly version: unknown }).version);
}

/** Path of a runtime from npm; undefined where npm has none for this platform. */
export function runtimePath(folder: "node24" | "bun"): string | undefined {
  const name = folder === "bun" ? "bun" : "node";
  const base = fileURLToPath(new URL(`../tests/tools/${platform}/node_modules/${folder}/bin/${name}`, import.meta.url));
  return [base, `${base}.exe`].find((path) => existsSync(path));
}

/** Path of Restate's server; undefined where npm has none for this platform. */
export async function restateServer(): Promise<string | undefined> {
  const name = `restate-server-${platform}`;
  const version = await versionOf("@restatedev/restate-server");
  const path =
    `${peersFolder}node_modules/.deno/@restatedev+${name}@${version}/node_modules/@restatedev/${name}/bin/restate-server`;
  return existsSync(path) ? path : undefined;
}
