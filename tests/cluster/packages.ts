/**
 * What a job folder's `node_modules` has: the official client, and this package as it is published. Built once for the state of the
 * sources, and shared by all tests that run at the same time.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPackage } from "../../npm/build.ts";
import { installTools, root, runtimes } from "../run/runtimes.ts";

/** Where things are. */
export interface Packages {
  /** Path of Bun's program. */
  readonly bun: string;
  /** A `node_modules` folder with both packages. */
  readonly modules: string;
}

let prepared: Promise<Packages | string> | undefined;

/** The packages, or why there are none on this machine. */
export function packages(): Promise<Packages | string> {
  return prepared ??= prepare();
}

/** Path of Bun's program, or why there is none here. */
async function findBun(): Promise<{ readonly path?: string; readonly absent?: string }> {
  let bun = runtimes().find((runtime) => runtime.name === "Bun");
  if (bun?.absent !== undefined) {
    await installTools();
    bun = runtimes().find((runtime) => runtime.name === "Bun");
  }
  const path = bun?.command("suite", "", 0)[0];
  return bun?.absent !== undefined || path === undefined ? { absent: bun?.absent ?? "There is no Bun" } : { path };
}

async function prepare(): Promise<Packages | string> {
  const { path: bun, absent } = await findBun();
  if (bun === undefined) return absent ?? "There is no Bun";
  const folder = `${root}tests/dist/cluster/`;
  const modules = `${folder}${stateOfSources()}/node_modules`;
  if (existsSync(modules)) return { bun, modules };
  await mkdir(folder, { recursive: true });
  const made = await mkdtemp(`${folder}making-`);
  const { files } = await buildPackage();
  for (const [path, bytes] of files) {
    const target = join(made, "node_modules", "@windkit", "windmill-client", path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, bytes);
  }
  const official = dirname(dirname(fileURLToPath(import.meta.resolve("official-windmill-client"))));
  await cp(official, join(made, "node_modules", "windmill-client"), { recursive: true, dereference: true });
  try {
    await rename(made, dirname(modules));
  } catch (error) {
    // Another process was faster.
    await rm(made, { recursive: true });
    if (!existsSync(modules)) throw error;
  }
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    // One that is being made may be another process's; one that is not made within an hour was left by a killed one.
    const old = name.startsWith("making-") ? await changedAt(path) < Date.now() - 3_600_000 : path !== dirname(modules);
    if (old) await rm(path, { recursive: true, force: true });
  }
  return { bun, modules };
}

async function changedAt(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0; // its maker may have removed it
}

function stateOfSources(): string {
  const hash = createHash("sha256");
  for (const file of ["deno.json", "mod.ts", "tests/deno.json"]) hash.update(readFileSync(`${root}${file}`));
  for (const folder of ["src", "npm"]) {
    const names = readdirSync(`${root}${folder}`, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"));
    for (const name of names.sort()) {
      hash.update(`\n${folder}/${name}\n`).update(readFileSync(`${root}${folder}/${name}`));
    }
  }
  return hash.digest("hex").slice(0, 16);
}
