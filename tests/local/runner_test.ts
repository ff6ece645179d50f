/**
 * The TypeScript runner: what a script gets, gives and says, as under Windmill's Bun worker.
 *
 * @module
 */
import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { initSync, parse_deno } from "windmill-parser-wasm-ts";
import config from "../../deno.json" with { type: "json" };
import { SCRIPT_MODULES } from "../../src/runner/typescript/package_modules.ts";
import { signatureOf, workflowSignatures } from "../../src/runner/typescript/signature.ts";
import { importsOf } from "../../src/runner/typescript/imports.ts";
import { tokensOf } from "../../src/runner/typescript/tokens.ts";
import { processesOf, runnerKit } from "./_runner_kit.ts";

const kit = await runnerKit();
Deno.test.afterAll(async () => await kit[Symbol.asyncDispose]());

/** Tests whose resources are the shared runner's. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `runner: ${name}`, fn, sanitizeOps: false, sanitizeResources: false });
}

// --- Calls ---

test("arguments come by name, defaults count, and what is typed Date is one", async () => {
  const content = `
export async function main(b: string, a = "default", when?: Date, then: Date | null = new Date(0), { x } = { x: 1 }) {
  return [a, b, when instanceof Date && when.getTime(), then, x];
}`;
  const { result } = await kit.run(content, { args: { when: "2020-01-01T00:00:00Z", b: "b", unknown: 1 } });
  equal(result, ["default", "b", 1577836800000, "1970-01-01T00:00:00.000Z", 1]);
});

test("results are encoded as Windmill's wrapper does: BigInt, Date, undefined, Map", async () => {
  const { result } = await kit.run(
    `export const main = () => ({ big: 2n ** 70n, when: new Date(0), none: undefined, deep: [undefined], map: new Map() });`,
  );
  equal(result, {
    big: "1180591620717411303424",
    when: "1970-01-01T00:00:00.000Z",
    none: null,
    deep: [null],
    map: {},
  });
  equal((await kit.run("export function main() {}")).outcome, { ok: true, result: null });
  const conventions = { windmill_status_code: 201, windmill_headers: { a: "b" }, result: "made" };
  equal((await kit.run(`export const main = () => (${JSON.stringify(conventions)});`)).result, conventions);
});

test("an entry point is called in place of main; one that is missing has Windmill's error", async () => {
  const { result } = await kit.run("export function other(n: number) { return n + 1; }", {
    entrypoint: "other",
    args: { n: 1 },
  });
  equal(result, 2);
  const { error } = await kit.run("export const x = 1;");
  equal([error?.name, error?.message], ["Error", "main function is missing"]);
});

test("a preprocessor makes the arguments of main", async () => {
  const content = `
export async function preprocessor(event: { kind: string; body: unknown }) { return { kind: event.kind, when: "2020-01-01" }; }
export async function main(kind: string, when: Date) { if (kind === "bad") throw new Error("no"); return [kind, when.getTime()]; }`;
  const good = await kit.run(content, { preprocess: true, args: { event: { kind: "webhook", body: 1 } } });
  equal(good.outcome, {
    ok: true,
    result: ["webhook", 1577836800000],
    args: { kind: "webhook", when: "2020-01-01" },
  });
  const bad = await kit.run(content, { preprocess: true, args: { event: { kind: "bad" } } });
  equal([bad.error?.message, bad.outcome.args], ["no", { kind: "bad", when: "2020-01-01" }]);
  const none = await kit.run("export function main() {}", { preprocess: true });
  equal(none.error?.message, "preprocessor function is missing");
});

test("an async iterable is streamed, and is the result; marked lines of the console are pieces, too", async () => {
  const { result, stream, log } = await kit.run(`
export async function* main() {
  console.log("before");
  yield "one\\n";
  console.log("WM_STREAM: two\\\\nthree");
  Deno.stdout.writeSync(new TextEncoder().encode("half a line"));
  yield "four";
}`);
  equal([result, stream.join("|")], ["one\ntwo\nthreefour", "one\n|two\nthree|four"]);
  equal(log, "before\nhalf a line\n");
});

test("what a script streams is a field of an object that it returns, and is nothing to another result", async () => {
  const returning = async (value: string): Promise<unknown> =>
    (await kit.run(`export function main() { console.log("WM_STREAM: text"); return ${value}; }`)).result;
  equal(await returning("{ a: 1, wm_stream: 2 }"), { a: 1, wm_stream: "text" });
  equal(await returning("undefined"), "text");
  equal([await returning("[1]"), await returning("7"), await returning('""')], [[1], 7, ""]);
  equal((await kit.run("export async function* main() {}")).result, null);
  const failed = await kit.run(`export function main() { console.log("WM_STREAM: text"); throw new Error("no"); }`);
  equal(failed.error?.message, "no");
});

test("a streamed result is bounded as any is", async () => {
  await using small = await runnerKit({ maxResultCharacters: 1000 });
  const { error } = await small.run(
    `export async function* main() { for (let i = 0; i < 20; i++) yield "x".repeat(100); }`,
  );
  equal(error?.message, "The result is too long: it has more than 1000 characters");
});

test("an error has name, message, stack from the script's own files, and what else was set on it", async () => {
  const content = `class OrderError extends Error { override name = "OrderError"; code = 7; }
export function main(): void {
  throw Object.assign(new OrderError("out of stock"), { list: [1], fn: () => 1, self: globalThis });
}`;
  const { error } = await kit.run(content, { path: "f/shop/order", env: { WM_FLOW_STEP_ID: "b" } });
  equal([error?.name, error?.message, error?.["step_id"]], ["OrderError", "out of stock", "b"]);
  equal(error?.["extra"], { code: 7, list: [1] });
  match(String(error?.stack), /^OrderError: out of stock\n +at main \(f\/shop\/order\.ts:3:\d+\)$/);
  equal((await kit.run('export function main() { throw "text"; }')).error?.message, "text");
  equal((await kit.run("export function main() { throw null; }")).error?.message, "null was thrown");
});

test("code that does not parse is an error of syntax, by its own name", async () => {
  const { error } = await kit.run("export function main( {");
  equal([error?.name, error?.message.startsWith("Unexpected token"), error?.extra], ["SyntaxError", true, undefined]);
  match(String(error?.stack), /^SyntaxError: Unexpected token[^]*main\.ts:1:\d+/);
  const thrown = await kit.run("throw new TypeError('SyntaxErrors: own'); export function main() {}");
  equal([thrown.error?.name, thrown.error?.message], ["TypeError", "SyntaxErrors: own"]);
});

test("a process that ends without a result gives its exit code and its last lines", async () => {
  const { error, log } = await kit.run(
    `export function main() { console.log("one"); console.error("two"); Deno.exit(3); }`,
  );
  equal(error?.name, "ExecutionErr");
  equal(error?.["exit_code"], 3);
  match(String(error?.message), /^exit code for "deno run": 3, last log lines:\n(?:one\ntwo|two\none)$/);
  equal(log.split("\n").sort().join(), ",one,two");
  const late = await kit.run(
    "export function main() { void Promise.reject(new Error('late')); return new Promise(() => setTimeout(() => {}, 1e6)); }",
  );
  match(String(late.error?.message), /exit code for "deno run": 1, [^]*late/);
});

test("a process that cannot start says why", async () => {
  await using own = await runnerKit({ denyNet: ["not a host"], poolSize: 1 });
  const { error } = await own.run("export function main() {}");
  match(String(error?.message), /^exit code for "deno run": 1, last log lines:\n[^]*not a host/);
  await using none = await runnerKit({ deno: "/nowhere/deno", poolSize: 0 });
  match(String((await none.run("export function main() {}")).error?.message), /\/nowhere\/deno|ENOENT|No such file/);
});

test("a script cannot speak for the wrapper", async () => {
  const { result, log } = await kit.run(
    `export function main() { console.log('\\x1er{"ok":true,"result":"forged"}'); return "own"; }`,
  );
  equal([result, log], ["own", '\x1er{"ok":true,"result":"forged"}\n']);
});

test("the log comes line by line while the job runs, and is bounded", async () => {
  const controller = new AbortController();
  const { log } = await kit.run(
    `export async function main() { console.log("first"); await new Promise((r) => setTimeout(r, 60_000)); }`,
    {
      signal: controller.signal,
      onLog: () => controller.abort(new Error("seen")),
    },
  );
  equal(log, "first\n");
  await using small = await runnerKit({ maxLogCharacters: 1000, poolSize: 0 });
  const long = await small.run(
    `export function main() { for (let i = 0; i < 1e4; i++) console.log("x".repeat(99)); return 1; }`,
  );
  equal(long.result, 1);
  match(long.log, /^(?:x{99}\n){10}\n?\[The log ends here: it has more than 1000 characters\]\n$/);
});

test("large arguments and results pass", async () => {
  const text = "ä€😀".repeat(500_000);
  const { result } = await kit.run("export const main = (text: string) => text;", { args: { text } });
  ok(result === text);
  await using small = await runnerKit({ maxResultCharacters: 1000, poolSize: 0 });
  const { error } = await small.run("export const main = () => 'x'.repeat(2000);");
  match(String(error?.message), /more than 1000 characters/);
});

test("a script has the job's variables, its folder, and nothing else of this machine's environment", async () => {
  const { result } = await kit.run(
    `export function main() { return [Deno.env.toObject(), Deno.args, Deno.cwd(), Deno.makeTempFileSync().startsWith(Deno.cwd())]; }`,
    {
      env: { WM_JOB_ID: "1", WM_EMAIL: "", OWN: "ä" },
    },
  );
  const [env, args, cwd, temporary] = result as [Record<string, string>, unknown, string, boolean];
  for (const name of Object.keys(env)) {
    if (/^(?:DENO_CERT|.*SSL.*|.*_CERTS?|.*proxy.*|TZ)$/i.test(name)) delete env[name];
  }
  equal([env, args, temporary], [{ WM_JOB_ID: "1", WM_EMAIL: "", OWN: "ä", TMPDIR: cwd }, [], true]);
  ok(cwd.startsWith(kit.folder));
});

// --- Imports ---

test("windmill-client under any of its names is this package", async () => {
  const names = ["windmill-client", "windmill-client@1.500.0", "npm:windmill-client@^1", "@windkit/windmill-client"];
  for (const name of names) {
    const { outcome } = await kit.run(
      `import { getState } from "${name}"; export const main = () => typeof getState;`,
    );
    equal(outcome, { ok: true, result: "function" }, name);
  }
  const { result } = await kit.run(
    `import { sleep } from "npm:@windkit/windmill-client@0.1/workflow"; export const main = () => typeof sleep;`,
  );
  equal(result, "function");
  const { error } = await kit.run(`import "@windkit/windmill-client/cli"; export const main = () => 1;`);
  match(String(error?.message), /has no "\/cli" that a script can use/);
});

test("the names of the package are those of deno.json, the command line left out", () => {
  const names = Object.keys(config.exports).filter((name) => name !== "./cli").map((name) =>
    `${config.name}${name.slice(1)}`
  );
  equal(Object.keys(SCRIPT_MODULES).sort(), [...names, "windmill-client"].sort());
  return Promise.resolve();
});

test("scripts of the workspace are imported by relative and absolute paths, with and without ending", async () => {
  const files = {
    "f/lib/a": `import { c } from "/u/me/c.ts"; import data from "./data.json"; export const a = [c, data.n];`,
    "u/me/c": `export { d as c } from "../../f/lib/d"; export type { T } from "./gone";`,
    "f/lib/d": "export const d = 'd';",
    "f/lib/data.json": { content: '{"n":5}', language: "json" },
    "f/x/py": { content: "def main(): pass", language: "python3" },
  };
  const at = (path: string) =>
    `import { a } from "${path}"; export const main = async () => [a, (await import("./same")).e];`;
  const more = { ...files, "f/x/same": "export const e = 'e';", same: "export const e = 'top';" };
  for (const path of ["../lib/a", "../lib/a.ts", "/f/lib/a", "/f/lib/a.ts"]) {
    equal((await kit.run(at(path), { path: "f/x/y", files: more })).result, [["d", 5], "e"], path);
  }
  equal((await kit.run(at("./f/lib/a"), { files: more })).result, [["d", 5], "top"]);
  const missing = await kit.run(`\nimport { b } from "./b";\nexport const main = () => b;`, { path: "f/x/y", files });
  equal(missing.error?.message, 'Cannot import "./b" in f/x/y.ts:2: there is no script "f/x/b" in the workspace');
  const deep = await kit.run(`import "/f/lib/bad"; export const main = () => 1;`, {
    files: { "f/lib/bad": "\n\nimport './none'" },
  });
  equal(
    deep.error?.message,
    'Cannot import "./none" in f/lib/bad.ts:3: there is no script "f/lib/none" in the workspace',
  );
  const python = await kit.run(`import "./py"; export const main = () => 1;`, { path: "f/x/y", files });
  match(String(python.error?.message), /is of the language "python3"/);
});

test("names of files that mean something in an address are names", async () => {
  const bun = (content: string) => ({ content, language: "bun" });
  const modules = { "a#b.ts": bun("export const a = 1;"), "100%25.ts": bun("export { a } from './a#b.ts';") };
  const content =
    `import { a } from "./a#b"; import * as all from "./100%25.ts"; export const main = () => [a, all.a];`;
  equal((await kit.run(content, { path: "f/x/y", modules })).result, [1, 1]);
});

test("modules of a script are found beside it, before scripts of the workspace, and reach those by /f/", async () => {
  const bun = (content: string) => ({ content, language: "bun" });
  const modules = {
    "helper.ts": bun(`import { twice } from "./utils/math.ts"; export const helper = (n: number) => twice(n);`),
    "utils/math.ts": bun(
      `import { up } from "../shared"; import { one } from "./one"; import { lib } from "/f/lib/a";
import type { Gone } from "./gone"; import isOdd from "is-odd@3.0.0";
export const twice = (n: number) => [up, one, lib, isOdd(n)];`,
    ),
    "utils/one.ts": bun(`export { a as one } from "../../f/lib/a.ts";`),
    "shared.ts": bun("export const up = 'module';"),
    "query.pg.sql": { content: "select 1", language: "postgresql" },
    "fails.ts": bun("export function fail() {\n  throw new Error('in a module');\n}"),
  };
  const files = {
    "f/x/helper": "export const helper = () => 'of the workspace';",
    "f/x/other": `export { helper as other } from "./helper";`,
    "f/lib/a": "export const a = 'a'; export const lib = 'lib';",
  };
  const run = (content: string) => kit.run(content, { path: "f/x/y", files, modules });
  for (const name of ["./helper", "./helper.ts"]) {
    const { outcome } = await run(`
import { helper } from "${name}";
import { other } from "./other";
import { a } from "../lib/a";
export const main = async () => [helper(3), other(), a, (await import("./shared")).up];`);
    equal(outcome, { ok: true, result: [["module", "a", "lib", true], "of the workspace", "a", "module"] }, name);
  }
  const failed = await run(`import { fail } from "./fails"; export const main = () => fail();`);
  match(String(failed.error?.stack), /f\/x\/y__mod\/fails\.ts:2:/);
  for (
    const [key, content, words] of [
      [
        "a",
        `import "./nothing";`,
        /Cannot import "\.\/nothing" in f\/x\/y__mod\/a\.ts:1: .*no module "nothing".*"\/f\/\.\.\."/,
      ],
      // As on a worker, where the folder of modules has no place in the workspace.
      ["sub/a", `import "../other";`, /no module "other"/],
      ["a", `import "../../../../etc/passwd";`, /no module "etc\/passwd"/],
      ["a", `import "./query.pg.sql";`, /module "query\.pg\.sql" is of the language "postgresql"/],
    ] as const
  ) {
    const { error } = await kit.run(`import "./${key}"; export const main = () => 1;`, {
      path: "f/x/y",
      files,
      modules: { ...modules, [`${key}.ts`]: bun(content) },
    });
    match(String(error?.message), words);
  }
  const outside = await kit.run(`import "../a.ts"; export const main = () => 1;`, {
    path: "f/x/y",
    modules: { "../a.ts": bun("") },
  });
  match(String(outside.error?.message), /it leads out of the script's modules/);
});

test("packages come from npm: pinned in the specifier, by npm:, and by one version for all files", async () => {
  const content = `
import isOdd from "is-odd@3.0.0";
import { version } from "./v";
import { readFile } from "fs/promises";
export const main = () => [isOdd(3), version, typeof readFile];`;
  const files = {
    v: `import isNumber from "is-number@7.0.0"; import again from "npm:is-number"; import * as twice from "is-number"; export const version = isNumber === again && twice.default === again;`,
  };
  const { outcome } = await kit.run(content, { files });
  equal(outcome.ok ? outcome.result : outcome.error, [true, true, "function"]);
  const none = await kit.run(`import "windkit-no-such-package-4711"; export const main = () => 1;`);
  match(String(none.error?.message), /windkit-no-such-package-4711/);
});

Deno.test("imports: found in any form, and nowhere else", () => {
  const source = `
import a, { b as "from" } from "a"; import "b"; import type { T } from "t"; import * as ns from 'c' with { type: "json" };
export * from "d"; export { x } from "e"; export * as y from "f"; const from = "no"; export { from }; export const s = "from";
const re = /import "no"/.test('from "no"'), t = \`import "no" \${await import("g")} \${{ a: "}" }}\`; // import "no"
/* import "no" */ import.meta.url; x.import("no"); import(\`h\`); import("i", { with: { type: "json" } }); import(name);
import type from "j"; import { type U } from "k"; a / b / import("l"); import x = require("no");
export default class { import = 1 } export type { V } from "m"; export type W = "from";
`;
  const found = importsOf(tokensOf(source));
  equal(found.map((one) => one.specifier).join(), "a,b,t,c,d,e,f,g,h,i,j,k,l,m");
  equal(found.filter((one) => one.typeOnly).map((one) => one.specifier).join(), "t,m");
  equal(found.filter((one) => one.attributes).map((one) => one.specifier).join(), "c,i");
});

Deno.test("signatures: as Windmill's parser reads them", async () => {
  const wasm = new URL("./windmill_parser_wasm_bg.wasm", import.meta.resolve("windmill-parser-wasm-ts"));
  initSync({ module: await Deno.readFile(wasm) });
  const lists = [
    "",
    "a: Date, b?: Date, c: Date | undefined = undefined, d: Date | null, e: string = 'x,)', f = new Date()",
    "g: Array<Date>, h: Date[], i: Map<string, Date>, j: wmill.Date, k: 'Date', l: Readonly<Date>, m: (Date)",
    "{ a, b }: { a: string; b: Date }, c: Date, { d }: { d: Date }, e = { x: [1, 2] }, f = (1, 2)",
    "a: (x: Date, y: number) => Date, b = (p: Date) => [p, 1], c: { when: Date, then: Date }, d: Date",
    "a: number /* , no */, // no, no\n b: Date, c = `,${'}'})`, d: Date = new Date('2020'), e?: boolean,",
  ];
  for (const list of lists) {
    for (const head of ["export async function main", "export function main", "async function* main"]) {
      const source = `function inner() { function main(z: Date) {} }\n${head}(${list}) {}`;
      const { args = [] } = JSON.parse(parse_deno(source)) as { args: { name: string; typ: unknown }[] };
      const expected = {
        names: args.map((one) => one.name),
        dates: args.filter((one) => one.typ === "datetime").map((one) => one.name),
      };
      equal(signatureOf(tokensOf(source), "main"), expected, source);
    }
  }
  // Forms that Windmill's parser gives no parameters of, and that run there with none.
  equal(signatureOf(tokensOf("export const main = async (a: Date, b = 1) => a;"), "main"), {
    names: ["a", "b"],
    dates: ["a"],
  });
  equal(signatureOf(tokensOf("export { main } from './x';"), "main"), undefined);
});

test("signatures of workflows: those of the functions that make them", async () => {
  const of = (text: string) =>
    Object.entries(workflowSignatures(tokensOf(text))).map(([name, { names, dates }]) =>
      `${name}(${names.map((one) => dates.includes(one) ? `${one}!` : one).join()})`
    ).join(" ");
  equal(of("export const main = workflow(async (a: string, b: Date) => a);"), "main(a,b!)");
  equal(of("export default wmill.workflow(async function order(a?: Date) {}); const x = 1;"), "default(a!)");
  equal(
    of("export const main: Workflow<(a: Date) => void> = workflow<() => void>(async <T>(a: Date, b: T) => {});"),
    "main(a!,b)",
  );
  equal(
    of("async function body(a: Date) {}\nconst w = workflow(body);\nexport { w as flow };\nexport default w;"),
    "w(a!) flow(a!) default(a!)",
  );
  equal(of("export async function main(a: Date) { const inner = workflow((b: Date) => {}); }"), "");
});

// --- Ends ---

test("a timeout ends an endless loop", async () => {
  const { error } = await kit.run("export function main() { for (;;); }", { timeoutMs: 200 });
  match(String(error?.message), /^Job timed out after 0\.2s$/);
});

test("a cancel says SIGTERM first, SIGKILL after a while, and leaves no process and no folder", async () => {
  // One that is told has the time that it needs; one that does not listen has none.
  await using patient = await runnerKit({ poolSize: 0, killGraceMs: 60_000 });
  const controller = new AbortController();
  const polite = await patient.run(
    `export async function main() {
  Deno.addSignalListener("SIGTERM", () => { console.log("cleaned up"); Deno.exit(0); });
  console.log("ready");
  await new Promise((r) => setTimeout(r, 60_000));
}`,
    {
      signal: controller.signal,
      onLog: (text) => text.includes("ready") && controller.abort(new Error("by ann: enough")),
    },
  );
  equal(polite.error, { name: "Canceled", message: "by ann: enough" });
  equal(polite.log, "ready\ncleaned up\n");
  await using own = await runnerKit({ poolSize: 0, killGraceMs: 300 });
  const second = new AbortController();
  const stubborn = await own.run(
    `export function main() { Deno.addSignalListener("SIGTERM", () => {}); console.log("ready"); for (;;); }`,
    { signal: second.signal, onLog: () => second.abort("stop") },
  );
  equal(stubborn.error, { name: "Canceled", message: "stop" });
  for (const { runner, folder } of [patient, own]) {
    await runner[Symbol.asyncDispose]();
    equal(processesOf(folder), []);
    equal([...Deno.readDirSync(`${folder}/jobs`)], []);
  }
});

test("closing the runner ends running jobs", async () => {
  await using own = await runnerKit();
  const { promise: started, resolve } = Promise.withResolvers<void>();
  const job = own.run("export async function main() { console.log('on'); for (;;); }", { onLog: () => resolve() });
  await started;
  await own.runner[Symbol.asyncDispose]();
  equal((await job).error?.name, "Canceled");
  equal(processesOf(own.folder), []);
});

test("a waiting process serves one job: nothing of one is seen by the next", async () => {
  await using own = await runnerKit({ poolSize: 2 });
  const content = `declare const seen: unknown; export async function main() {
  const before = typeof seen; (globalThis as Record<string, unknown>).seen = 1; Deno.writeTextFileSync("left", "x");
  return [before, [...Deno.readDirSync(".")].map((one) => one.name).filter((name) => !name.startsWith(".")).sort().join()];
}`;
  const all = await Promise.all(Array.from({ length: 6 }, () => own.run(content)));
  equal(all.map((one) => one.result), Array.from({ length: 6 }, () => ["undefined", "left,main.ts"]));
});
