/** What `windkit check` finds, by rule, line and column. A `«` in a snippet marks the place of a finding. */
import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as official from "official-windmill-client";
import { checkFile, type CheckInput, type FileReport } from "../../src/cli/check_file.ts";
import { isOfficial } from "../../src/cli/check_official.ts";
import { recognise } from "../../src/cli/check_recognition.ts";
import { RULES } from "../../src/cli/check_rules.ts";
import { loadParser } from "../../src/cli/check_syntax.ts";
import { filesUnder } from "../run/deno_part.ts";

const parse = await loadParser();

/** Two lines, so that what follows begins on line 3. */
const OWN =
  'import "windmill-client";\nimport { childWorkflow, now, parallel, race, saga, sleep, step, task, taskScript, ' +
  'waitForApproval, waitForEvent, withTimeout, workflow, getVariable } from "@windkit/windmill-client";\n';
const OFFICIAL =
  '\nimport { parallel, sleep, step, task, taskScript, waitForApproval, workflow, getVariable } from "windmill-client";\n';

type Files = Readonly<Record<string, string>>;

function check(source: string, more: Partial<CheckInput> & { readonly files?: Files } = {}): FileReport {
  const { files = {}, ...rest } = more;
  return checkFile({ file: "main.ts", path: "/main.ts", source, ...rest }, parse, (specifier) => {
    const file = specifier.replace(/^\.\//, "");
    const text = files[file];
    return text === undefined ? undefined : { path: `/${file}`, file, source: text };
  });
}

/** Rule and place of each finding. */
function found(report: FileReport): readonly string[] {
  return report.findings.map(({ rule, file, line, column }) =>
    `${rule} ${file === "main.ts" ? "" : `${file}:`}${line}:${column}`
  );
}

/** The snippet without its marks, and where they were. */
function marked(text: string): { readonly source: string; readonly places: readonly string[] } {
  const places: string[] = [];
  const lines = text.split("\n").map((line, i) => {
    let left = line;
    for (let at = left.indexOf("«"); at >= 0; at = left.indexOf("«")) {
      places.push(`${i + 1}:${at + 1}`);
      left = left.slice(0, at) + left.slice(at + 1);
    }
    return left;
  });
  return { source: lines.join("\n"), places };
}

function body(text: string): string {
  return `export const main = workflow(async (items: string[]) => {\n${text}\n});\n`;
}

// --- Recognition: wac-protocol 1.1 ---

const TRUTH: readonly (readonly [boolean, string])[] = [
  [true, 'import { workflow, task } from "windmill-client"'],
  [true, 'import { workflow } from "windmill-client@1.2.3"'],
  [true, 'import { workflow } from "npm:windmill-client"'],
  [false, 'import { workflow } from "@acme/sdk"\nexport default workflow(async () => {})'],
  [true, 'import { workflow } from "@acme/sdk"; // windmill-client'],
  [true, 'import { workflow } from "@acme/windmill-client-plus"'],
  [true, 'import "windmill-client";\nexport const main = workflow(async () => {})'],
  [true, 'import * as wmill from "windmill-client"\nexport const main = wmill.workflow(async () => {})'],
  [false, 'import * as wmill from "windmill-client"\nconst main = wmill.workflow(async () => {})\nexport default main'],
  [true, 'import {\n  task,\n  workflow,\n} from "windmill-client"'],
  [false, 'import\n{ workflow } from "windmill-client"'],
  [false, 'const { workflow } = require("windmill-client")\nexport default workflow(1)'],
  [false, 'const { workflow } = await import("windmill-client")\nexport default workflow(1)'],
  [false, 'import "windmill-client"\nexport default defineWorkflow(async () => {})'],
  [true, '/*\nimport { workflow } from "windmill-client"\n*/'],
  [true, 'import { task } from "windmill-client"; // workflow helper'],
  // Each branch of the rule.
  [false, '// import { workflow } from "windmill-client"'],
  [true, '  import { workflow } from "windmill-client"'],
  [true, 'import { workflow,\n  task } from "windmill-client"'],
  [true, 'import { a,\n  b }\nfrom "x"; workflow "windmill-client"'],
  [true, 'import { a }\nfrom "windmill-client"; export default workflow('],
  [false, 'import { task } from "windmill-client"'],
  [false, 'import { task } from "windmill-client"\nexport const main = workflow (async () => {})'],
  [false, 'import {\n  workflow,\n}\nfrom "x"\nimport { task } from "windmill-client"'],
  [true, 'import {\n  workflow,\nimport { task } from "windmill-client"\nexport workflow('],
  [false, ""],
];

Deno.test("recognise() follows the worker's rule to the letter", () => {
  for (const [expected, source] of TRUTH) equal(recognise(source).recognised, expected, source);
});

Deno.test("recognise() says which lines it went by", () => {
  equal(recognise('\nimport {\n  workflow,\n} from "windmill-client"'), {
    recognised: true,
    importLine: 4,
    workflowLine: 3,
  });
  equal(recognise('import "windmill-client"'), { recognised: false, importLine: 1 });
});

// --- Rules ---

type Row = readonly [rules: string, text: string, more?: Parameters<typeof check>[1]];

const WHOLE: readonly Row[] = [
  ["", `${OWN}export const main = workflow(async () => 1);`],
  ["not-recognised", '«import { workflow } from "./sdk.ts";\nexport default workflow(async () => 1);', {
    files: { "sdk.ts": 'export { workflow } from "windmill-client";' },
  }],
  [
    "not-recognised",
    'import * as wmill from "windmill-client";\n«const main = wmill.workflow(async () => 1);\nexport default main;',
  ],
  ["no-entrypoint not-recognised not-recognised", "«««export const a = 1;\n"],
  ["syntax", `${OFFICIAL}export default workflow(async () => { «) });`],
  [
    "client-import",
    '«import { workflow } from "@windkit/windmill-client";\nexport default workflow(async () => 1);',
  ],
  [
    "client-import",
    'import type { Job } from "windmill-client";\n«import { workflow } from "@windkit/windmill-client";\nexport default workflow(async () => 1);',
  ],
  ["no-entrypoint", `${OFFICIAL}const main = «workflow(async () => 1);`],
  ["no-entrypoint", `${OFFICIAL}const w = «workflow(async () => 1);\nexport default function main() { return w(); }`],
  ["", `${OFFICIAL}const main = workflow(async () => 1);\nexport { main };`],
  ["", `${OFFICIAL}export const a = workflow(async () => 1);\nexport default workflow(async () => 2);`],
  [
    "several-workflows",
    `${OFFICIAL}export const a = workflow(async () => 1);\nexport const b = «workflow(async () => 2);`,
  ],
  ["native", `«//native\n${OFFICIAL}export default workflow(async () => 1);`],
  ["deno", `«${OFFICIAL}export default workflow(async () => 1);`, { denoBy: "its name" }],
  ["deno", `${OFFICIAL}const f = () => «Deno.readTextFile("x");\nexport default workflow(async () => 1);`],
  ["", `${OFFICIAL}const d = typeof Deno === "undefined" ? 1 : Deno.pid;\nexport default workflow(async () => 1);`],
  ["deno", `${OFFICIAL}«import { x } from "jsr:@a/b";\nexport default workflow(async () => x);`],
  ["specifier", `${OFFICIAL}«import x from "npm:left-pad@1";\nexport default workflow(async () => x);`],
  [
    "unknown-name",
    'import { «race, workflow } from "windmill-client";\nexport default workflow(async () => race([]));',
  ],
  ["", 'import { Job, workflow } from "windmill-client";\nexport default workflow(async (job: Job) => job);'],
  [
    "unknown-name",
    'import * as wmill from "windmill-client";\nexport default wmill.workflow(async () => «wmill.uuid());',
  ],
  [
    "unknown-name",
    'import * as w from "windmill-client";\nexport default w.workflow(async () => [«w.getWorkspace(), w.step("a", () => 1)]);',
  ],
  ["", 'import w from "windmill-client";\nexport default w.workflow(async () => w.getWorkspace());'],
  [
    "mixed-clients",
    '\nimport { «step } from "windmill-client";\nimport { workflow } from "@windkit/windmill-client";\nexport default workflow(async () => await step("a", () => 1));',
  ],
  [
    "unknown-option",
    `${OFFICIAL}export default workflow(async () => await step("a", () => 1, «{ retry: { attempts: 1 } }));`,
  ],
  [
    "unknown-option",
    `${OFFICIAL}export const t = task(async () => 1, { tag: "x", «undo: () => {} });\nexport default workflow(async () => await t());`,
  ],
  [
    "unknown-option",
    `${OFFICIAL}export default workflow(async (a: string[]) => await parallel(a, async () => 1, { «onError: "collect" }));`,
  ],
  [
    "unknown-option",
    `${OFFICIAL}export default workflow(async () => await waitForApproval({ timeout: 1, «onReject: 1 }));`,
  ],
  ["", `${OWN}export default workflow(async () => await step("a", () => 1, { retry: { attempts: 1 } }));`],
  // Names.
  ["unnamed-task", `${OWN}export const t = «task(() => 1);\nexport default workflow(async () => await t());`],
  ["unnamed-task", `${OWN}export const t: unknown = «task(async () => 1);\nexport default workflow(async () => 1);`],
  [
    "unnamed-task",
    `${OWN}export const t = «task<Map<string, () => 1>>(async () => 1);\nexport default workflow(async () => 1);`,
  ],
  ["unnamed-task", `${OWN}export const t = «task(/* one */ async () => 1);\nexport default workflow(async () => 1);`],
  ["unnamed-task", `${OWN}export const all = { t: «task(async () => 1) };\nexport default workflow(async () => 1);`],
  [
    "unnamed-task",
    'import * as wmill from "windmill-client";\nconst t = «wmill.task(async () => 1);\nexport default wmill.workflow(async () => await t());',
  ],
  ["", `${OWN}export const t = task("t", () => 1);\nexport default workflow(async () => await t());`],
  ["", `${OWN}export const t = task(function named() {});\nexport default workflow(async () => await t());`],
  ["", `${OWN}async function work() {}\nexport const t = task(work);\nexport default workflow(async () => await t());`],
  ["unnamed-task", `${OWN}import { t } from "./more.ts";\nexport default workflow(async () => await t());`, {
    files: { "more.ts": 'import { task } from "@windkit/windmill-client";\nexport const t = «task(async () => 1);' },
  }],
];

/** Statements of a body, in style (b). */
const BODIES: readonly Row[] = [
  ["clock", "return «Date.now();"],
  ["clock", "return «new Date();"],
  ["clock", "return «Date();"],
  ["clock", "return «performance.now();"],
  ["clock", "return items.map(«Date.now);"],
  ["clock", "return «globalThis.Date.now();"],
  ["", "return new Date(0);"],
  ["", "const Date = { now: () => 1 };\nreturn Date.now();"],
  ["", 'return await step("now", () => Date.now());'],
  ["", 'const read = () => Date.now();\nreturn await step("now", read);'],
  ["", 'const read = () => Date.now();\nreturn await step("now", () => read());'],
  ["clock", 'const read = () => «Date.now();\nreturn await step("now", () => read()) + read();'],
  ["", "return now();"],
  ["random", "return «Math.random();"],
  ["random", "return «crypto.randomUUID();"],
  ["random", "return «crypto.getRandomValues(new Uint8Array(4));"],
  ["network", 'return await «fetch("https://example.com");'],
  ["network", 'return new WebSocket("ws://x");'.replace("new", "«new")],
  ["network", 'return await «getVariable("f/a/b");'],
  ["", "const own = { get: (n: number) => n };\nreturn own.get(1);"],
  ["", 'return await step("v", () => getVariable("f/a/b"));'],
  ["environment", 'return «process.env["HOME"];'],
  ["environment", "return «process.env.HOME;"],
  ["environment", "const { HOME } = «process.env;\nreturn HOME;"],
  ["environment", 'return «Bun.env["HOME"];'],
  ["environment", "return «import.meta.env;"],
  ["timer", "await new Promise((resolve) => «setTimeout(resolve, 5));"],
  ["timer", "return «AbortSignal.timeout(5);"],
  ["process", "«process.exit(1);"],
  ["process", 'return «new Worker("x.js");'],
  ["race", 'return await «Promise.race([step("a", () => 1), sleep(5)]);'],
  ["race", 'return await «Promise.any([step("a", () => 1), sleep(5)]);'],
  ["", 'return await race([() => step("a", () => 1), () => sleep(5)]);'],
  ["", 'return await Promise.allSettled([step("a", () => 1), step("b", () => 2)]);'],
  ["unawaited", '«step("a", () => 1);'],
  ["unawaited", '«step("a", () => 1).then((n) => n);'],
  ["unawaited", 'const p = «step("a", () => 1);'],
  ["", 'const p = step("a", () => 1);\nawait p;'],
  ["", 'void step("a", () => 1);'],
  ["unawaited", "«items.forEach(async (item) => { await step(item, () => 1); });"],
  ["unawaited", 'const go = async () => { await step("a", () => 1); };\n«go();'],
  ["", "const go = () => { return 1; };\ngo();"],
  ["call-in-step", 'await step("a", () => «step("b", () => 1));'],
  ["call-in-step", 'await step("a", async () => { await «sleep(1); });'],
  ["call-in-step", 'const inner = async () => await «sleep(1);\nawait step("a", inner);'],
  ["", "const inner = async () => await sleep(1);\nawait inner();"],
  ["call-in-step", 'await step("a", async () => await «parallel(items, async () => 1));'],
  ["step-writes-outside", 'let n = 0;\nawait step("a", () => { «n = 5; });\nreturn n;'],
  ["step-writes-outside", 'const seen: string[] = [];\nawait step("a", () => { «seen.push("x"); });\nreturn seen;'],
  ["step-writes-outside", 'let n = 0;\nawait step("a", () => void «n++);\nreturn n;'],
  ["", 'await step("a", () => { let n = 0; n = 5; return n; });'],
  ["", 'let n = 0;\nn = await step("a", () => 5);\nreturn n;'],
  ["", 'let runs = 0;\nawait step("a", () => { if (runs++ === 0) throw new Error("Again"); });'],
  ["", 'const count = () => { let n = 0; n++; return n; };\nawait step("a", () => count());'],
  [
    "",
    "const collect = async (x: string) => { const out: string[] = []; await step(x, () => 1); out.push(x); return out; };\nawait parallel(items, collect);",
  ],
  ["", 'await parallel(items, (item) => step("a", () => item), { concurrency: 2 });'],
  [
    "",
    'await Promise.all(items.map((item) => step("a", () => item)));\nawait Promise.all(items.map((item) => step("a", () => item)));',
  ],
  [
    "",
    'const loop = async (name: string) => { for (let i = 0; i < 4; i++) await step(name, () => i); };\nawait Promise.all([loop("a"), loop("b")]);',
  ],
  [
    "completion-order",
    "const out: string[] = [];\nawait parallel(items, async (item) => { await step(item, () => 1); «out.push(item); });",
  ],
  [
    "",
    "const out: string[] = [];\nawait parallel(items, async (item) => { out.push(item); await step(item, () => 1); });",
  ],
  ["", "const out: string[] = [];\nfor (const item of items) { await step(item, () => 1); out.push(item); }"],
  [
    "completion-order",
    "const out: string[] = [];\nawait Promise.all(items.map(async (item) => { out.push(await step(item, () => 1)); }));"
      .replace("out.push(await", "«out.push(await"),
  ],
  [
    "same-name",
    'await parallel(items, async (item) => { await step("a", () => item); await «step("b", () => item); });',
  ],
  ["", 'await parallel(items, async (item) => { await step("a", () => item); await step(`b ${item}`, () => item); });'],
  [
    "",
    'await parallel(items, async (item) => { await step("a", () => item); await step("b", () => item); }, { concurrency: 1 });',
  ],
  [
    "same-name",
    'await Promise.all(items.map(async (item) => { await sleep(1); return await «step("b", () => item); }));',
  ],
  [
    "same-name",
    'await parallel(items, async (item) => { for (let i = 0; i < 2; i++) await «step("b", () => item); });',
  ],
  [
    "same-name",
    'const go = async (item: string) => { await sleep(1); await «step("b", () => item); };\nawait Promise.all([go("a"), go("b")]);',
  ],
  [
    "same-name",
    'const save = async (x: string) => await «step("b", () => x);\nawait parallel(items, async (item) => { await step(`a ${item}`, () => 1); await save(item); });',
  ],
  [
    "",
    'const a = async () => { await sleep(1); await step("a", () => 1); };\nconst b = async () => { await step("x", () => 1); await step("b", () => 1); };\nawait Promise.all([a(), b()]);',
  ],
  [
    "same-name",
    'await parallel(items, async (item) => await «step("b", async () => item) + await «step("b", async () => item));'
      .replace("await «step", "await step"),
  ],
  ["", 'try { await step("a", () => 1); } catch (e) { return String(e); }'],
  ["", "// windkit-ignore: asked for by a test\nreturn Date.now();"],
  ["ignore-without-reason", "«// windkit-ignore\nreturn Date.now();"],
  ["clock", "// windkit-ignore: the next line only\nconst a = 1;\nreturn a + «Date.now();"],
  ["clock", "return await withTimeout(5, async () => «Date.now());"],
  ["clock", "return await saga(async () => «Date.now());"],
  ["clock", "class A { read() { return «Date.now(); } }\nreturn new A().read();"],
  ["", "return typeof fetch;"],
  ["", "const crypto = { a: 1 };\nreturn { fetch: 1, Date: crypto.a };"],
  ["", 'return await childWorkflow("x", { items });'],
];

/** Statements of a body, in style (a). */
const OFFICIAL_BODIES: readonly Row[] = [
  ["settled-hangs", 'return await «Promise.allSettled([step("a", () => 1)]);'],
  ["settled-hangs", 'return await «Promise.any([step("a", () => 1)]);'],
  ["race", 'return await «Promise.race([step("a", () => 1)]);'],
  ["catches-suspension", 'try { await step("a", () => 1); } «catch (e) { return 1; }'],
  ["", 'try { await step("a", () => 1); } catch (e) { if (items.length > 0) return 1; throw e; }'],
  ["", 'try { await step("a", () => 1); } catch (e) { if ((e as Error).name === "StepSuspend") throw e; return 1; }'],
  ["", 'try { JSON.parse(items[0] ?? ""); } catch (e) { return 1; }'],
  [
    "completion-order",
    "const out: string[] = [];\nawait parallel(items, async (item) => { await step(item, () => 1); «out.push(item); });",
  ],
];

/** Whole files in style (b), after the imports. */
const FILES: readonly Row[] = [
  ["clock", "function stamp() { return «Date.now(); }\nexport const main = workflow(async () => stamp());"],
  ["clock", "async function run() { return «Date.now(); }\nexport const main = workflow(run);"],
  [
    "",
    "function stamp() { return Date.now(); }\nconst t = task(async () => stamp());\nexport const main = workflow(async () => await t());",
  ],
  ["clock", "const tools = { stamp: () => «Date.now() };\nexport const main = workflow(async () => tools.stamp());"],
  ["clock", 'import { stamp } from "./more.ts";\nexport const main = workflow(async () => stamp());', {
    files: { "more.ts": "export function stamp() { return «Date.now(); }" },
  }],
  [
    "file-system",
    'import { readFile } from "node:fs/promises";\nexport const main = workflow(async () => await «readFile("x"));',
  ],
  ["file-system", 'import * as fs from "fs";\nexport const main = workflow(async () => «fs.readFileSync("x"));'],
  [
    "process",
    'import { execSync } from "node:child_process";\nexport const main = workflow(async () => «execSync("x"));',
  ],
  ["random", 'import { randomUUID } from "node:crypto";\nexport const main = workflow(async () => «randomUUID());'],
  ["random", 'import { v4 } from "uuid@9";\nexport const main = workflow(async () => «v4());'],
  ["", 'import { createHash } from "node:crypto";\nexport const main = workflow(async () => createHash("x"));'],
  ["environment", 'import process from "node:process";\nexport const main = workflow(async () => «process.env.A);'],
  [
    "timer",
    'import { setTimeout as later } from "node:timers/promises";\nexport const main = workflow(async () => await «later(1));',
  ],
  ["shared-state", "let n = 0;\nexport const main = workflow(async () => { «n++; });"],
  ["shared-state", "let n = 0;\nfunction add() { n++; }\nadd();\nexport const main = workflow(async () => «n);"],
  ["", "let n = 0;\nn = 1;\nexport const main = workflow(async () => n);"],
  ["shared-state", "const cache = new Map();\nexport const main = workflow(async () => { «cache.set(1, 2); });"],
  ["", "const LIST = [1, 2];\nexport const main = workflow(async () => LIST.map((n) => n + 1));"],
  [
    "call-in-step",
    "const a = task(async () => 1);\nconst b = task(async () => await «a());\nexport const main = workflow(async () => await b());",
  ],
  ["call-in-step", "const b = task(async () => await «sleep(1));\nexport const main = workflow(async () => 1);"],
  [
    "same-name",
    "const load = task(async (x: string) => x);\nconst save = task(async (x: string) => x);\nexport const main = workflow(async (items: string[]) =>\n  await parallel(items, async (item) => await «save(await load(item))));",
  ],
  ["unawaited", "const load = task(async () => 1);\nexport const main = workflow(async () => { «load(); });"],
  [
    "",
    'const load = task(async () => 1, { unawaited: "ignore" });\nexport const main = workflow(async () => { load(); });',
  ],
  [
    "clock",
    "export const other = workflow(async () => «Date.now());\nexport default workflow(async () => await other());",
  ],
];

function run(rows: readonly Row[], whole: (text: string) => string): void {
  for (const [rules, text, more] of rows) {
    const { source, places } = marked(whole(text));
    const files: Record<string, string> = {};
    const elsewhere: string[] = [];
    for (const [name, content] of Object.entries(more?.files ?? {})) {
      const { source: clean, places: there } = marked(content);
      files[name] = clean;
      elsewhere.push(...there.map((place) => `${name}:${place}`));
    }
    const names = rules === "" ? [] : rules.split(" ");
    const expected = [...places, ...elsewhere].map((place, i) => `${names[i] ?? names[0]} ${place}`);
    equal(found(check(source, { ...more, files })), expected, source);
  }
}

Deno.test("checkFile() finds what keeps a worker from running the file", () => run(WHOLE, (text) => text));
Deno.test("checkFile() finds what a body does differently on replay", () => run(BODIES, (text) => OWN + body(text)));
Deno.test("checkFile() finds what only the official client makes of a body", () => {
  run(OFFICIAL_BODIES, (text) => OFFICIAL + body(text));
});
Deno.test("checkFile() follows functions, variables and imports", () => run(FILES, (text) => OWN + text));

Deno.test("checkFile() names tasks as the worker does", () => {
  const report = check(`${OWN}const a = task(async () => 1);
const b = task(async function own() {});
const c = task("f/x/y", async () => 1);
export const d = task(() => 1);
export default workflow(async () => [await a(), await b(), await c(), await d()]);`);
  equal(report.tasks, [
    { name: "a", line: 3, by: "worker" },
    { name: "own", line: 4, by: "function" },
    { name: "f/x/y", line: 5, by: "argument" },
    { name: "step", line: 6, by: "nobody" },
  ]);
  equal([report.recognised, report.style, report.entrypoint], [true, "own", "default"]);
});

Deno.test("checkFile() tells a name that is not there before all else, and which one was meant", () => {
  const ownExports = new Map([["@windkit/windmill-client/workflow", ["step", "workflow"]]]);
  const input = (from: string): CheckInput => ({
    file: "main.ts",
    path: "/main.ts",
    source:
      `import { ready } from "./a.ts";\nimport { workfow } from "${from}";\nexport default workfow(async () => ready);\n`,
    ownExports,
  });
  const first = (from: string): string => checkFile(input(from), parse, () => undefined).findings[0]?.what ?? "";
  equal(first("windmill-client"), `The official client 1.818.0 has no "workfow": did you mean "workflow"?`);
  for (const from of ["@windkit/windmill-client/workflow", "npm:@windkit/windmill-client@^0.1/workflow"]) {
    equal(first(from), `"${from}" has no "workfow": did you mean "workflow"?`);
  }
});

Deno.test("isOfficial() knows the exports of the official client, and no others", () => {
  const names = Object.keys(official);
  equal(names.filter((name) => !isOfficial(name)), []);
  const all = Object.keys((official as { readonly default?: object }).default ?? {});
  equal(all.filter((name) => !isOfficial(name, true)), []);
  for (const name of ["race", "withTimeout", "getWorkspace"]) equal(isOfficial(name), false, name);
});

Deno.test("checkFile() finds nothing in the examples", async () => {
  const files = await filesUnder("examples", (path) => /\/f\/.*\.ts$/.test(path));
  const sources = files.map((path) => [path, readFileSync(new URL(`../../${path}`, import.meta.url), "utf8")] as const);
  // The workspace has plain scripts, too.
  const workflows = sources.filter(([, source]) => /\bworkflow\(/.test(source));
  ok(workflows.length >= 5);
  for (const [path, source] of workflows) equal(found(check(source)), [], path);
});

/** What is not confluent in the suite, on purpose: it is about that. */
const DELIBERATE: ReadonlySet<string> = new Set(["race", "same-name", "completion-order", "unawaited"]);

Deno.test("checkFile() finds nothing wrong in the bodies of the suite", async () => {
  const files = await filesUnder("tests/suite", (path) => /\/(?:workflow|engine)_\w+\.ts$/.test(path));
  for (const path of files) {
    const source = readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
    const report = check(source, { file: path, bodiesOf: ["ended", "valueOf"] });
    // The files are no scripts: what is said of a file as a whole is not looked at.
    const inBodies = report.findings.filter(({ rule }) =>
      !DELIBERATE.has(rule) && !["not-recognised", "no-entrypoint", "client-import", "unnamed-task"].includes(rule)
    );
    equal(inBodies.map(({ line, rule, what }) => `${path}:${line} ${rule} ${what}`), []);
  }
});

Deno.test("docs/check.md has every rule, with an example that is found and one that is not", () => {
  const text = readFileSync(new URL("../../docs/check.md", import.meta.url), "utf8");
  const prelude = OWN.replace("now,", "now, random, uuid,");
  const sections = text.split(/^#### /m).slice(1).map((section) => {
    const [, rule = "", level = ""] = /^`([\w-]+)`\n+(\w+)\./.exec(section) ?? [];
    return { section, rule: rule as keyof typeof RULES, level: level.toLowerCase() };
  });
  equal(sections.map(({ rule }) => rule).toSorted(), Object.keys(RULES).toSorted());
  for (const { section, rule, level } of sections) {
    equal(level, RULES[rule].severity, rule);
    const [wrong, right] = [...section.matchAll(/^```ts ignore\n([\s\S]*?)^```/gm)].map(([, block = ""]) =>
      check(block.includes("windmill-client") ? block : prelude + body(block)).findings.map((one) => one.rule)
    );
    ok(wrong?.includes(rule), `The first example of ${rule} gives ${wrong}`);
    equal(right, [], `The second example of ${rule}`);
  }
});
