/**
 * The stand-in's own parts against the tables and the golden values of wac-protocol.
 */
import { deepStrictEqual, match, strictEqual, throws } from "node:assert";
import { injectTaskNames, isWorkflowScript, withoutVersions } from "./detect.ts";
import { failureRecord, storedResult } from "./failure_record.ts";
import { checkpointOf } from "./jobs.ts";
import { jsonb, jsonbText } from "./jsonb.ts";
import { parseOutput } from "./messages.ts";
import { resumeIdOf, resumeRowId, signatureOf } from "./signatures.ts";

const EXPORT = "\nexport default workflow(async () => 1);\n";

for (
  const [detected, script] of [
    [true, 'import { workflow, task } from "windmill-client"'],
    [true, 'import { workflow, task } from "windmill-client@1.2.3"'],
    [true, 'import { workflow, task } from "npm:windmill-client"'],
    [true, 'import { workflow } from "windmill-client/sub/path"'],
    [false, `import { workflow } from "@acme/sdk"${EXPORT}`],
    [true, `import { workflow } from "@acme/sdk"; // windmill-client${EXPORT}`],
    [true, 'import { workflow } from "@acme/windmill-client-plus"'],
    [true, `import "windmill-client";\nexport const main = workflow(async () => 1)`],
    [true, 'import * as wmill from "windmill-client"\nexport const main = wmill.workflow(async () => 1)'],
    [
      false,
      'import * as wmill from "windmill-client"\nconst main = wmill.workflow(async () => 1)\nexport default main',
    ],
    [true, 'import {\n  task,\n  workflow,\n} from "windmill-client"'],
    [true, 'import {\n  task,\n  workflow,\n}\nfrom "windmill-client"'.replace("}\nfrom", "} from")],
    [false, 'import\n{ workflow } from "windmill-client"'],
    [false, 'const { workflow } = require("windmill-client")'],
    [false, 'const { workflow } = await import("windmill-client")'],
    [false, 'import "windmill-client";\nexport default defineWorkflow(async () => 1)'],
    [true, '/*\nimport { workflow } from "windmill-client"\n*/'],
    [true, 'import { task } from "windmill-client"; // workflow helper'],
    [false, '// import { workflow } from "windmill-client"'],
    [false, 'import { task } from "windmill-client";\nexport async function main() {}'],
    [false, 'import {\n  workflow,\n} from "@acme/sdk"\nimport { task } from "windmill-client"'],
    [true, '  import { workflow } from "@windkit/windmill-client";'],
  ] as const
) {
  Deno.test(`isWorkflowScript(): ${detected} for ${JSON.stringify(script)}`, () => {
    strictEqual(isWorkflowScript(script), detected);
  });
}

for (
  const [code, injected] of [
    ["const a = task(async (n) => n)", 'const a = task("a", async (n) => n)'],
    ["export const a = task(async (n) => n)", 'export const a = task("a", async (n) => n)'],
    ["let $a_1 = task<[number], number>(async (n) => n)", 'let $a_1 = task<[number], number>("$a_1", async (n) => n)'],
    ["var a = task(\n  async function foo() {})", 'var a = task(\n  "a", async function foo() {})'],
    ["const a = task((n) => n)"],
    ["const a = wmill.task(async (n) => n)"],
    ["const a: Task = task(async (n) => n)"],
    ["const a = task<Map<string, number>>(async (n) => n)"],
    ["const a = task(/* slow */ async (n) => n)"],
    ['const a = task("b", async (n) => n)'],
    ["const a = mytask(async (n) => n)"],
  ] as readonly (readonly [string, string?])[]
) {
  Deno.test(`injectTaskNames(): ${injected === undefined ? "leaves" : "changes"} ${JSON.stringify(code)}`, () => {
    strictEqual(injectTaskNames(code), injected ?? code);
  });
}

Deno.test("withoutVersions(): takes pins out of specifiers and nothing else", () => {
  for (
    const [code, expected] of [
      ['import { a } from "windmill-client@1.818.0"', 'import { a } from "windmill-client"'],
      ['import "@windkit/windmill-client@0.1.0/workflow"', 'import "@windkit/windmill-client/workflow"'],
      ["import a from 'zod@3'", "import a from 'zod'"],
      ['import a from "@acme/sdk"', 'import a from "@acme/sdk"'],
      ['import a from "./file@2.ts"', 'import a from "./file@2.ts"'],
      ['const mail = "a@b.c"', 'const mail = "a@b.c"'],
    ] as const
  ) strictEqual(withoutVersions(code), expected);
});

Deno.test("jsonb(): orders keys by length and bytes, keeps the last of two, refuses what PostgreSQL refuses", () => {
  strictEqual(jsonbText('{"bb":1,"a":2,"B":3,"é":4,"aaa":5,"a":6}'), '{"B":3,"a":6,"bb":1,"é":4,"aaa":5}');
  strictEqual(jsonbText('{"__proto__":{"b":1},"constructor":null}'), '{"__proto__":{"b":1},"constructor":null}');
  throws(() => jsonbText('"a\\u0000b"'), /\\u0000 cannot be converted to text/);
  throws(() => jsonbText('{"\\ud800":1}'), /surrogate/);
  throws(() => jsonbText("{"), /invalid input syntax for type json/);
});

for (
  const [what, raw, key, error] of [
    ["an error", { error: { name: "RangeError", message: "no" } }, "k", { name: "RangeError", message: "no" }],
    ["text", { error: "plain" }, "k", { name: "Error", message: "plain" }],
    ["nothing", { error: null }, "k", { name: "Error", message: "WAC step 'k' failed" }],
    ["an empty object", {}, "k", { name: "Error", message: "WAC step 'k' failed" }],
    ["a number", 5, "k", { name: "Error", message: "5" }],
    ["a list", { error: [1, 2] }, "k", { name: "Error", message: "[1,2]" }],
    ["no error key", { a: 1 }, "k", { name: "Error", message: '{"a":1}' }],
    ["wrong types", { error: { name: 5, message: "", stack: 1, more: [1] } }, "k", {
      name: "Error",
      message: "WAC step 'k' failed",
      more: [1],
    }],
    ["a large extra", { error: { message: "m", extra: { x: "x".repeat(9000) } } }, "k", {
      name: "Error",
      message: "m",
      extra_omitted: true,
    }],
    ["a long stack", { error: { message: "m", stack: `${"x".repeat(8191)}éé` } }, "k", {
      name: "Error",
      message: "m",
      stack: `${"x".repeat(8191)}\n... (truncated)`,
    }],
  ] as const
) {
  Deno.test(`failureRecord(): of ${what}`, () => {
    deepStrictEqual(failureRecord(jsonb(raw), key, "child"), {
      __wmill_error: true,
      message: error.message,
      step_key: key,
      child_job_id: "child",
      result: { error },
    });
  });
}

Deno.test("storedResult(): puts failures into their form, and nothing else", () => {
  const posted = { __wmill_error: true, message: "s", step_key: "f", result: { error: {} } };
  strictEqual((storedResult(posted, "f") as { message: string }).message, "WAC step 'f' failed");
  for (
    const other of [{ __wmill_error: 1, result: { error: {} } }, { __wmill_error: true, result: { error: "old" } }, 5]
  ) strictEqual(storedResult(other as never, "f"), other);
});

Deno.test("links: resume ids, signatures and row ids are the server's", () => {
  deepStrictEqual([resumeIdOf("approval"), resumeIdOf("approval_2"), resumeIdOf("manager")], [
    0x9deb65b8,
    0x50d1eeca,
    0x6ee4a469,
  ]);
  const job = "01900000-0000-7000-8000-000000000001";
  strictEqual(resumeRowId(job, 0), job);
  strictEqual(resumeRowId(job, 0x9deb65b8), "01900000-0000-7000-8000-00009deb65b9");
  match(signatureOf("s", job, 1), /^[0-9a-f]{64}$/);
  const all = [
    signatureOf("s", job, 1),
    signatureOf("s", job, 1, "ada"),
    signatureOf("s", job, 2),
    signatureOf("t", job, 1),
  ];
  strictEqual(new Set(all).size, 4);
});

const step = { name: "t", script: "t", args: {}, key: "t" };
for (
  const [what, message, problem] of [
    ["no JSON", "{", /Failed to parse WAC output: /],
    ["no type", "{}", /missing field `type`/],
    [
      "an unknown type",
      '{"type":"step_complete","result":1}',
      /unknown variant `step_complete`, expected one of `complete`/,
    ],
    ["complete without a result", '{"type":"complete"}', /missing field `result`/],
    ["sleep with null seconds", '{"type":"sleep","key":"s","seconds":null}', /invalid type: null, expected u32/],
    ["sleep beyond u32", '{"type":"sleep","key":"s","seconds":4294967296}', /invalid value: integer `4294967296`/],
    [
      "a step whose key is a number",
      '{"type":"inline_checkpoint","key":5,"result":1}',
      /integer `5`, expected a string/,
    ],
    ["a fractional timeout", '{"type":"approval","key":"a","timeout":1.5}', /floating point `1.5`, expected u32/],
    [
      "arguments in a list",
      JSON.stringify({ type: "dispatch", mode: "sequential", steps: [{ ...step, args: [1] }] }),
      /sequence, expected a map/,
    ],
    ["a dispatch of nothing", '{"type":"dispatch","mode":"parallel","steps":[]}', /dispatch without steps/],
    [
      "negative time",
      '{"type":"inline_checkpoint","key":"a","result":1,"duration_ms":-1}',
      /invalid value: integer `-1`/,
    ],
  ] as const
) {
  Deno.test(`parseOutput(): refuses ${what}`, () => void throws(() => parseOutput(message), problem));
}

Deno.test("parseOutput(): takes unknown fields, and null where a field may be absent", () => {
  const text = JSON.stringify({ type: "dispatch", mode: "x", steps: [{ ...step, timeout: null, retry: 5 }], more: 1 });
  const output = parseOutput(text);
  strictEqual(output.type === "dispatch" && output.steps[0]?.dispatch_type, "inline");
  strictEqual(parseOutput('{"type":"complete","result":null}').type, "complete");
});

Deno.test("checkpointOf(): what does not read as a checkpoint is an empty one", () => {
  const lines: string[] = [];
  for (
    const broken of ["5", '{"completed_steps":[]}', '{"completed_steps":{},"source_hash":5}', '{"pending_steps":5}']
  ) {
    deepStrictEqual(checkpointOf(`{"_checkpoint":${broken}}`, (line) => lines.push(line)).completed_steps, {});
  }
  strictEqual(lines.length, 4);
  deepStrictEqual(checkpointOf('{"_checkpoint":{"completed_steps":{"a":1}}}').completed_steps, { a: 1 });
});
