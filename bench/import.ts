/**
 * What importing the root costs, over an empty program, in turns with the official client: whole processes, from start to exit.
 *
 * Deno imports the sources, as it gets them from JSR; Node and Bun import the files of the npm package.
 *
 * @module
 */
import { buildPackage } from "../npm/build.ts";
import { installPeers, peersFolder, runtimePath, versionOf } from "./_peers.ts";
import { type Bench, bench, median, option, withFolder } from "./_report.ts";

interface Runtime {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Specifier of ours. */
  readonly ours: string;
  /** Most that ours may cost, as a part of what the official client costs. */
  readonly limit: number;
}

const PACKAGE = "@windkit/windmill-client";

function runtimes(b: Bench): readonly Runtime[] {
  const source = new URL("../mod.ts", import.meta.url).href;
  const found: Runtime[] = [{
    name: "Deno",
    command: Deno.execPath(),
    args: ["run", "-A", "--quiet", "--no-lock", "--node-modules-dir=manual"],
    ours: source,
    limit: 0.25,
  }];
  for (const [name, folder, limit] of [["Bun", "bun", 0.25], ["Node 24", "node24", 0.35]] as const) {
    const command = runtimePath(folder);
    if (command === undefined) b.note(`npm has no ${name} for this platform: it was not measured.`);
    else found.push({ name, command, args: [], ours: PACKAGE, limit });
  }
  return found;
}

/** A folder with both packages and the programs. */
async function prepare(dir: string): Promise<void> {
  const { files } = await buildPackage();
  for (const [path, bytes] of files) {
    const file = `${dir}/node_modules/${PACKAGE}/${path}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await Deno.writeFile(file, bytes);
  }
  const theirs = `${peersFolder}node_modules/windmill-client`;
  await copy(await Deno.realPath(theirs), `${dir}/node_modules/windmill-client`);
  await Deno.writeTextFile(`${dir}/package.json`, JSON.stringify({ type: "module", private: true }));
}

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copy(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

/** Milliseconds that a program takes, from its start to its exit. */
async function time(runtime: Runtime, cwd: string, program: string): Promise<number> {
  const begin = performance.now();
  const { success, stderr } = await new Deno.Command(runtime.command, {
    args: [...runtime.args, program],
    cwd,
    stdout: "null",
    stderr: "piped",
  }).output();
  const ms = performance.now() - begin;
  if (!success) throw new Error(`"${program}" failed on ${runtime.name}: ${new TextDecoder().decode(stderr)}`);
  return ms;
}

async function measure(b: Bench, runtime: Runtime, dir: string, rounds: number): Promise<void> {
  const { name, ours, limit } = runtime;
  const programs = { empty: "", ours: whole(ours), theirs: whole("windmill-client") };
  const slug = name.toLowerCase().replace(" ", "_");
  for (const [kind, text] of Object.entries(programs)) await Deno.writeTextFile(`${dir}/${slug}_${kind}.mjs`, text);
  const empty: number[] = [], own: number[] = [], other: number[] = [];
  for (let round = -3; round < rounds; round++) {
    const found = {
      empty: await time(runtime, dir, `${slug}_empty.mjs`),
      ours: await time(runtime, dir, `${slug}_ours.mjs`),
      theirs: await time(runtime, dir, `${slug}_theirs.mjs`),
    };
    if (round < 0) continue; // fills the caches
    empty.push(found.empty);
    own.push(found.ours);
    other.push(found.theirs);
  }
  b.measure(`${name}: empty program`, "ms", empty);
  b.measure(`${name}: import * of Windkit`, "ms", own);
  b.measure(`${name}: import * of windmill-client`, "ms", other);
  const over = median(own) - median(empty), theirs = median(other) - median(empty);
  b.measure(`${name}: Windkit over the empty program`, "ms", [over]);
  b.measure(`${name}: windmill-client over the empty program`, "ms", [theirs]);
  b.bar(
    `cost of importing the root, ${name}, as a part of windmill-client's`,
    "ratio",
    over / theirs,
    "at most",
    limit,
  );
}

/** A program that keeps the whole module. */
function whole(specifier: string): string {
  return `import * as all from ${JSON.stringify(specifier)};\nglobalThis.kept = all;\n`;
}

await bench("import", import.meta.main, async (b) => {
  await installPeers();
  b.setting("windmill-client", await versionOf("windmill-client"));
  await withFolder(async (dir) => {
    await prepare(dir);
    for (const runtime of runtimes(b)) await measure(b, runtime, dir, option("rounds", 30));
  });
});
