import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from "node:assert";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { auditPackage } from "../../npm/audit.ts";
import { bundleModules, CORE_PATH, installBundler } from "../../npm/bundle.ts";
import { reachable, readImports, resolveImport } from "../../npm/graph.ts";
import { BIN_PATH, buildManifest, type PackageFacts, readFacts } from "../../npm/manifest.ts";
import { createReport } from "../../npm/report.ts";
import { readTarball, writeTarball } from "../../npm/tar.ts";

const facts: PackageFacts = {
  name: "@example/thing",
  version: "1.2.3",
  license: "Apache-2.0",
  exports: { ".": "./mod.ts", "./part": "./src/part/part.ts" },
};

interface Change {
  readonly files?: Readonly<Record<string, string>>;
  readonly without?: string;
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly imports?: Readonly<Record<string, string>>;
  readonly peers?: Readonly<Record<string, string>>;
}

/** Findings for a package that breaks no rule but for `change`. */
function audit(change: Change = {}): readonly string[] {
  const manifest = { ...buildManifest(facts, change.peers), ...change.manifest };
  const texts: Record<string, string> = {
    "package.json": JSON.stringify(manifest),
    "README.md": "# Thing\n",
    "LICENSE": "Apache License\n",
    "CHANGELOG.md": "# Changes\n",
    [BIN_PATH]: "#!/usr/bin/env node\n",
    "mod.js": "export {};\n",
    "mod.d.ts": "export {};\n",
    "src/part/part.js": "export {};\n",
    "src/part/part.d.ts": "export {};\n",
    ...change.files,
  };
  const files = new Map(Object.entries(texts).map(([path, text]) => [path, new TextEncoder().encode(text)]));
  if (change.without !== undefined) files.delete(change.without);
  const graph = new Map(
    Object.entries(change.imports ?? {}).map(([path, specifier]) => [path, [resolveImport(path, specifier)]]),
  );
  return auditPackage({
    files,
    graph,
    facts,
    privateTexts: ["/build/place/"],
    ...(change.peers && { peers: change.peers }),
  });
}

/** Asserts that exactly one rule is broken, and which. */
function finds(change: Change, expected: RegExp): void {
  const found = audit(change);
  strictEqual(found.length, 1, found.join("\n"));
  match(found[0] ?? "", expected);
}

Deno.test("auditPackage() finds nothing in a package that keeps the rules", () => {
  deepStrictEqual(audit(), []);
  deepStrictEqual(audit({ imports: { "mod.js": "./src/part/part.js", "mod.d.ts": "node:http" } }), []);
});

Deno.test("auditPackage() finds files that do not belong, are missing or are empty", () => {
  finds({ files: { "src/part/part.ts": "" } }, /"src\/part\/part\.ts" does not belong/);
  finds({ files: { "tests/suite/errors.js": "" } }, /"tests\/suite\/errors\.js" does not belong/);
  finds({ files: { "src/part/part.js.map": "{}" } }, /does not belong/);
  finds({ without: "LICENSE" }, /"LICENSE" is missing/);
  finds({ files: { "LICENSE": "" } }, /"LICENSE" is empty/);
});

Deno.test("auditPackage() finds paths of the building machine, source maps, reference lines and dead file URLs", () => {
  finds({ files: { "mod.js": "const at = 'file:///build/place/mod.ts';\n" } }, /a path of the machine that built it/);
  finds({ files: { "mod.js": "export {};\n//# sourceMappingURL=data:,x\n" } }, /source map/);
  finds({ files: { "mod.d.ts": '/// <reference lib="deno.ns" />\n' } }, /global types/);
  finds({ files: { [BIN_PATH]: "export {};\n" } }, /must start with the line/);
  finds({ files: { "mod.js": 'new URL("./worker.ts", import.meta.url);\n' } }, /refers to "\.\/worker\.ts"/);
});

Deno.test("auditPackage() finds imports of what is not there or may not be used", () => {
  finds(
    { imports: { "mod.js": "./src/part/gone.js" } },
    /imports "\.\/src\/part\/gone\.js", which is not in the package/,
  );
  finds({ imports: { "mod.d.ts": "./src/part/gone.js" } }, /File "mod\.d\.ts" imports/);
  finds({ imports: { "mod.js": "left-pad" } }, /imports "left-pad"/);
  finds({ imports: { "mod.js": "npm:left-pad@1" } }, /imports "npm:left-pad@1"/);
  deepStrictEqual(audit({ imports: { "mod.js": "left-pad/x" }, peers: { "left-pad": "^1" } }), []);
});

Deno.test("auditPackage() finds a manifest that would install more than one package or exports something else", () => {
  finds({ manifest: { dependencies: { "left-pad": "^1" } } }, /Field "dependencies" must not be there/);
  finds({ manifest: { scripts: { postinstall: "x" } } }, /Field "scripts" must not be there/);
  finds({ manifest: { version: "9.9.9" } }, /Field "version" is "9\.9\.9", but "deno\.json" says "1\.2\.3"/);
  finds({ manifest: { bin: { windkit: "bin/other.js" } } }, /Command "windkit" names "bin\/other\.js"/);
  finds({ manifest: { types: "./other.d.ts" } }, /Field "types" names/);
  finds({ without: "src/part/part.d.ts" }, /Export "\.\/part" \(types\) names/);
  const peers = { "left-pad": "^1" };
  finds({ peers, manifest: { peerDependenciesMeta: {} } }, /Peer "left-pad" must be optional/);
  finds({ peers, manifest: { peerDependencies: { "left-pad": "^2" } } }, /Peer "left-pad" has range "\^2"/);
  const { "./part": _left, ...fewer } = buildManifest(facts).exports;
  finds({ manifest: { exports: fewer } }, /Field "exports" has/);
});

Deno.test("readFacts() refuses a configuration without name, version, license or exports", () => {
  strictEqual(readFacts(JSON.stringify(facts)).name, facts.name);
  throws(() => readFacts("[]"), /must have "name"/);
  throws(() => readFacts(JSON.stringify({ ...facts, version: 1 })), /must have "name", "version"/);
  throws(() => readFacts(JSON.stringify({ ...facts, exports: { ".": 1 } })), /Export "\."/);
});

Deno.test("readImports() sees static, dynamic and type imports, and no text in comments", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/a.js`, '// import "./no.js";\nimport "./b.js";\nawait import("./c.js");\n');
    await Deno.writeTextFile(`${folder}/b.js`, 'export const text = `import "./no.js"`;\n');
    await Deno.writeTextFile(`${folder}/c.js`, "export {};\n");
    await Deno.writeTextFile(`${folder}/d.js`, "export {};\n");
    await Deno.writeTextFile(`${folder}/a.d.ts`, 'export type T = import("./b.js").U;\n');
    await Deno.writeTextFile(`${folder}/b.d.ts`, "export type U = 1;\n");
    const graph = await readImports(folder, ["a.js", "b.js", "c.js", "d.js", "a.d.ts", "b.d.ts"]);
    deepStrictEqual([...reachable(graph, ["a.js"])].sort(), ["a.js", "b.js", "c.js"]);
    deepStrictEqual([...reachable(graph, ["a.d.ts"])].sort(), ["a.d.ts", "b.d.ts"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Joins the modules, with "mod.js" as the root, and leaves the files in `folder`, where they can be imported. */
async function join(folder: string, texts: Readonly<Record<string, string>>): Promise<ReadonlyMap<string, string>> {
  const modules = new Map(Object.entries(texts).map(([path, text]) => [path, new TextEncoder().encode(text)]));
  for (const [path, bytes] of modules) {
    await Deno.mkdir(`${folder}/in/${path}`.replace(/\/[^/]+$/, ""), { recursive: true });
    await Deno.writeFile(`${folder}/in/${path}`, bytes);
  }
  const entries = ["mod.js", "src/engine/engine.js", "src/base/errors.js", "src/cli/main.js", "src/compat/mod.js"]
    .filter((path) => modules.has(path));
  const files = await bundleModules({
    modules,
    graph: await readImports(`${folder}/in`, [...modules.keys()]),
    root: "mod.js",
    entries,
    programs: ["src/cli/main.js"],
    folder,
  });
  for (const [path, bytes] of files) {
    await Deno.mkdir(`${folder}/out/${path}`.replace(/\/[^/]+$/, ""), { recursive: true });
    await Deno.writeFile(`${folder}/out/${path}`, bytes);
  }
  return new Map([...files].map(([path, bytes]) => [path, new TextDecoder().decode(bytes)]));
}

const MODULES: Readonly<Record<string, string>> = {
  "mod.js": 'export { count } from "./src/sdk/sdk.js";\nexport { Failure } from "./src/base/errors.js";\n',
  "src/sdk/sdk.js": 'import { next } from "../base/errors.js";\nexport function count() { return next(); }\n',
  "src/base/errors.js": "// Why.\nlet n = 0;\nexport function next() { return ++n; }\nexport function unused() {}\n" +
    "export class Failure extends Error { static base() { return Failure.name; } }\n",
  "src/engine/engine.js":
    'import { Failure, next as step } from "../base/errors.js";\nimport { folder } from "./own.js";\n' +
    "export { Failure as EngineFailure };\nexport function next() { return [step(), folder()]; }\n",
  "src/engine/own.js": 'export function folder() { return new URL("../", import.meta.url).href; }\n',
  "src/cli/main.js": '#!/usr/bin/env node\nimport { next } from "../engine/engine.js";\nexport { next };\n' +
    'export async function run() { return (await import("./lazy.js")).place(); }\n',
  "src/cli/lazy.js": 'export function place() { return new URL("./main.js", import.meta.url).href; }\n',
};

Deno.test("bundleModules() keeps one copy of each module, the exports, the places and the programs' first line", async () => {
  await installBundler();
  const folder = await Deno.makeTempDir();
  try {
    const files = await join(folder, MODULES);
    const at = (path: string): string => pathToFileURL(`${folder}/out/${path}`).href;
    const load = (path: string): Promise<Record<string, unknown>> => import(at(path));
    const root = await load("mod.js"), errors = await load("src/base/errors.js");
    const engine = await load("src/engine/engine.js"), cli = await load("src/cli/main.js");
    deepStrictEqual(Object.keys(root), ["Failure", "count"]);
    deepStrictEqual(Object.keys(errors), ["Failure", "next", "unused"]);
    deepStrictEqual(Object.keys(engine), ["EngineFailure", "next"]);
    strictEqual(root["Failure"], engine["EngineFailure"]);
    strictEqual(root["Failure"], errors["Failure"]);
    const [count, next, run] = [root["count"], cli["next"], cli["run"]] as (() => unknown)[];
    strictEqual(count?.(), 1);
    deepStrictEqual(next?.(), [2, at("src/")]);
    strictEqual(await run?.(), at("src/cli/main.js"));
    match(files.get("src/cli/main.js") ?? "", /^#!\/usr\/bin\/env node\n/);
    match(files.get("mod.js") ?? "", /^\/\/ @bun\nexport\{[^{}]*\}from"\.\/src\/shared\/core\.js";\n$/);
    ok(!(files.get(CORE_PATH) ?? "").includes("Why."), "Comments should be gone");
    const again = await join(`${folder}/again`, MODULES);
    deepStrictEqual([...again], [...files]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("bundleModules() leaves what the core imports when it is needed in files of their own, which share its modules", async () => {
  await installBundler();
  const folder = await Deno.makeTempDir();
  try {
    const files = await join(folder, {
      ...MODULES,
      "src/sdk/sdk.js": 'import { next } from "../base/errors.js";\nexport function count() { return next(); }\n' +
        'export async function late() { return (await import("./_late.js")).count(); }\n',
      "src/sdk/_late.js":
        'import { next, Failure } from "../base/errors.js";\nimport { text } from "./_only_late.js";\n' +
        "export function count() { return [next(), text, new Failure() instanceof Error]; }\n",
      "src/sdk/_only_late.js": 'export const text = "late";\n',
      "mod.js": `${MODULES["mod.js"]}export { late } from "./src/sdk/sdk.js";\n`,
    });
    const core = files.get(CORE_PATH) ?? "";
    ok(!core.includes("_only_late") && !core.includes('"late"'), "What is needed later should not be in the core");
    match(core, /import\("\.\.\/sdk\/_late\.js"\)/);
    const root: Record<string, unknown> = await import(pathToFileURL(`${folder}/out/mod.js`).href);
    const [count, late] = [root["count"], root["late"]] as (() => unknown)[];
    strictEqual(count?.(), 1);
    deepStrictEqual(await late?.(), [2, "late", true]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("bundleModules() lists what a module exports that exports all of the core, its own names before them", async () => {
  await installBundler();
  const folder = await Deno.makeTempDir();
  try {
    const root = `${MODULES["mod.js"]}export default 1;\n`;
    const compat = 'export * from "../../mod.js";\nexport { default } from "../../mod.js";\n' +
      "export const count = 7, own = 8;\n";
    await join(folder, { ...MODULES, "mod.js": root, "src/compat/mod.js": compat });
    const load = (path: string): Promise<Record<string, unknown>> =>
      import(pathToFileURL(`${folder}/out/${path}`).href);
    const all = await load("src/compat/mod.js"), core = await load("mod.js");
    deepStrictEqual(Object.keys(all), ["Failure", "count", "default", "own"]);
    deepStrictEqual([all["count"], all["own"], all["default"]], [7, 8, 1]);
    strictEqual(all["Failure"], core["Failure"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("bundleModules() refuses what would mean something else in another file", async () => {
  await installBundler();
  const folder = await Deno.makeTempDir();
  try {
    const moved = { ...MODULES, "src/sdk/sdk.js": "export function count() { return import.meta.url; }\n" };
    await rejects(join(folder, moved), /Cannot join "src\/sdk\/sdk\.js" to "src\/shared\/core\.js"/);
    const late = { ...MODULES, "src/cli/lazy.js": 'export const place = () => import("../sdk/sdk.js");\n' };
    await rejects(join(folder, late), /Cannot join "src\/sdk\/sdk\.js" to the core/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("writeTarball() gives back through readTarball() what it was given, and the same bytes each time", () => {
  const long = `package/${"folder_of_some_length/".repeat(6)}file.js`;
  const files = [
    { path: "package/empty.txt", bytes: new Uint8Array(0), executable: false },
    { path: "package/bin/run.js", bytes: new TextEncoder().encode("#!/bin/sh\n"), executable: true },
    { path: long, bytes: new Uint8Array(512).fill(65), executable: false },
    { path: "package/odd.bin", bytes: new Uint8Array(1_025).map((_, at) => at % 256), executable: false },
  ];
  const packed = writeTarball(files);
  deepStrictEqual(readTarball(packed), files);
  deepStrictEqual(writeTarball(files), packed);
  throws(() => writeTarball([{ path: "x".repeat(101), bytes: new Uint8Array(0) }]), RangeError);
});

Deno.test("readTarball() refuses links and archives that end early", () => {
  const header = new Uint8Array(512);
  header.set(new TextEncoder().encode("package/link"), 0);
  header.set(new TextEncoder().encode("2"), 156);
  throws(() => readTarball(new Uint8Array(gzipSync(header))), /Cannot read tar entry "package\/link": its type is "2"/);
  const short = new Uint8Array(512);
  short.set(new TextEncoder().encode("package/file"), 0);
  short.set(new TextEncoder().encode("00000001000"), 124);
  throws(() => readTarball(new Uint8Array(gzipSync(short))), /the archive ends inside it/);
});

Deno.test("createReport() counts every check and fails when one failed or none was made", async () => {
  const lines: string[] = [];
  const report = createReport((line) => lines.push(line));
  ok(await report.check("good", () => {}));
  ok(!await report.check("bad", () => Promise.reject(new Error("Reason of the failure"))));
  report.skip("absent", "not here");
  strictEqual(report.close(), 1);
  strictEqual(lines.at(-1), "1 passed, 1 failed, 1 skipped");
  ok(lines.some((line) => line.includes("Reason of the failure")));
  strictEqual(createReport(() => {}).close(), 1);
});
