/**
 * The text of a test that was made of a recorded run.
 *
 * @module
 */
import type { Json } from "../workflow/journal.ts";
import type { CapturedAnswer, CapturedFailure, CapturedRun } from "./captured_run.ts";

/** What the test expects: as it was when the test was made. */
export interface Expected {
  readonly outcome: { readonly value: Json } | { readonly message: string };
  /** Kind, key and arguments of each settled call, sorted by key. */
  readonly calls: readonly string[];
  /** Whether the order of outcomes must be kept. */
  readonly ordered: boolean;
}

/** Stands in what is expected for a secret that stands in the code: the test cannot name it, and takes any text there. */
export const HIDDEN = "(a secret of the code)";

/** What the test does with a text before it compares it: where it fits what is expected, but for what is hidden, it is that. */
export function like(text: string, expected: string): string {
  if (!expected.includes(HIDDEN)) return text;
  const parts = expected.split(HIDDEN).map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`^${parts.join('(?:[^"\\\\]|\\\\.)+')}$`, "s").test(text) ? expected : text;
}

/** What the test says of itself. */
export interface About {
  /** Path of the workflow file, as the test imports it. */
  readonly file: string;
  /** Names under which something was replaced. */
  readonly redacted: readonly string[];
}

const WIDTH = 100;

/** Writes the test. */
export function captureText(run: CapturedRun, expected: Expected, { file, redacted }: About): string {
  const { header } = run;
  const failing = run.calls.filter((call) => "fails" in call);
  const never = run.calls.some((call) => "never" in call);
  const options = [
    `args: ${literal(run.args, 2)}`,
    `start: ${header.createdAt}`,
    `seed: ${JSON.stringify(header.seed)}`,
    `unmocked: "fail"`,
    ...table(
      "mocks",
      run.calls.flatMap((call) => {
        if ("gives" in call) return [[call.key, literal(call.gives, 3)] as const];
        return "never" in call ? [[call.key, "never"] as const] : [];
      }),
    ),
    ...table("failures", failing.map((call) => [call.key, "fails" in call ? error(call.fails) : ""] as const)),
    ...table("approvals", [...run.approvals].map(([key, answer]) => [key, answerText(answer, "value")] as const)),
    ...table(
      "events",
      [...run.events].map(([name, answers]) => {
        const texts = answers.map((answer) => answerText(answer, "payload"));
        return [name, texts.length === 1 ? texts[0] ?? "" : `[${texts.join(", ")}]`] as const;
      }),
    ),
    ...(expected.ordered ? [`order: ${literal([...run.order], 2)}`] : []),
  ];
  const note = redacted.length === 0
    ? ""
    : `\n * Values were replaced that may be secret, under: ${redacted.map(comment).join(", ")}.`;
  const lines = [
    `/**`,
    ` * Made by \`windkit capture\` of run ${
      comment(header.id)
    }: its steps give what they gave then, and the run must end as it did.${note}`,
    ` */`,
    `import assert from "node:assert/strict";`,
    `import { test } from "node:test";`,
    `import { loadWorkflow } from "@windkit/windmill-client/cli";`,
    `import { ${never ? "never, " : ""}testWorkflow } from "@windkit/windmill-client/testing";`,
    ``,
    `test(${JSON.stringify(`${header.workflow}, as in run ${header.id}`)}, async () => {`,
    `  const workflow = await loadWorkflow(new URL(${JSON.stringify(file)}, import.meta.url));`,
    `  const run = testWorkflow(workflow, {`,
    ...options.map((option) => `    ${option},`),
    `  });`,
    // Node 22 has no `await using`.
    `  try {`,
    expectation(expected),
    `    const calls = (await run.journal()).map(({ kind, key, args }) => \`\${kind} \${key} \${args}\`.trim());`,
    ...(expected.calls.some(isHiding)
      ? [
        `    const expected = [`,
        ...expected.calls.map((call) => `      ${JSON.stringify(call)},`),
        `    ];`,
        `    assert.deepEqual(calls.map((call, i) => like(call, expected[i] ?? "")), expected);`,
      ]
      : [
        `    assert.deepEqual(calls, [`,
        ...expected.calls.map((call) => `      ${JSON.stringify(call)},`),
        `    ]);`,
      ]),
    `  } finally {`,
    `    await run.close();`,
    `  }`,
    `});`,
  ];
  if (failing.length > 0) {
    lines.push(
      ``,
      `function failure(name: string, message: string, fields: object = {}): Error {`,
      `  return Object.assign(new Error(message), { ...fields, name });`,
      `}`,
    );
  }
  if (expected.calls.some(isHiding) || isHiding(JSON.stringify(expected.outcome))) lines.push(``, ...LIKE);
  return `${lines.join("\n")}\n`;
}

/** {@linkcode like}, as it is written into a test. */
const LIKE = [
  `/** Where a secret stood that is in the code, any text may stand. */`,
  `function like(text: string, expected: string): string {`,
  `  const parts = expected.split(${
    JSON.stringify(HIDDEN)
  }).map((part) => part.replace(/[\\\\^$.*+?()[\\]{}|]/g, "\\\\$&"));`,
  `  return new RegExp(\`^\${parts.join('(?:[^"\\\\\\\\]|\\\\\\\\.)+')}$\`, "s").test(text) ? expected : text;`,
  `}`,
] as const;

function isHiding(text: string): boolean {
  return text.includes(HIDDEN);
}

function expectation({ outcome }: Expected): string {
  if ("value" in outcome) {
    const text = JSON.stringify(outcome.value);
    if (!isHiding(text)) return `    assert.deepEqual(await run.result(), ${literal(outcome.value, 2)});`;
    return [
      `    const result = ${JSON.stringify(text)};`,
      `    assert.equal(like(JSON.stringify(await run.result()), result), result);`,
    ].join("\n");
  }
  const message = JSON.stringify(outcome.message);
  if (!isHiding(message)) return `    await assert.rejects(run.result(), { message: ${message} });`;
  return [
    `    const message = ${message};`,
    `    await assert.rejects(run.result(), (error: Error) => like(error.message, message) === message);`,
  ].join("\n");
}

function table(name: string, entries: readonly (readonly [string, string])[]): readonly string[] {
  if (entries.length === 0) return [];
  const lines = entries.map(([key, text]) => `      ${property(key)}: ${text},`);
  return [`${name}: {\n${lines.join("\n")}\n    }`];
}

function answerText(answer: CapturedAnswer, field: "value" | "payload"): string {
  if (answer === "timeout") return `"timeout"`;
  const { value, approved, approver, afterMs } = answer;
  const parts = [
    ...(approved === undefined ? [] : [`approved: ${approved}`]),
    `${field}: ${literal(value, 3)}`,
    ...(approver === undefined ? [] : [`approver: ${JSON.stringify(approver)}`]),
    ...(afterMs === 0 ? [] : [`after: "${afterMs}ms"`]),
  ];
  return `{ ${parts.join(", ")} }`;
}

function error({ name, message, extra }: CapturedFailure): string {
  const fields = extra === undefined ? "" : `, ${literal(extra, 3)}`;
  return `failure(${JSON.stringify(name)}, ${JSON.stringify(message)}${fields})`;
}

/** A value as code, on one line where it fits. */
function literal(value: Json, depth: number): string {
  const line = inline(value);
  if (line.length + depth * 2 <= WIDTH || typeof value !== "object" || value === null) return line;
  const indent = "  ".repeat(depth + 1);
  const end = "  ".repeat(depth);
  if (Array.isArray(value)) {
    return `[\n${
      (value as readonly Json[]).map((item) => `${indent}${literal(item, depth + 1)},`).join("\n")
    }\n${end}]`;
  }
  const fields = Object.entries(value).map(([key, item]) => `${indent}${property(key)}: ${literal(item, depth + 1)},`);
  return `{\n${fields.join("\n")}\n${end}}`;
}

function inline(value: Json): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(inline).join(", ")}]`;
  const fields = Object.entries(value).map(([key, item]) => `${property(key)}: ${inline(item)}`);
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
}

/** A name as code. `__proto__` in brackets is a field like any other. */
function property(name: string): string {
  if (name === "__proto__") return `["__proto__"]`;
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

/** Text that may stand in a comment. */
function comment(text: string): string {
  return JSON.stringify(text).replaceAll("*/", "*\\/");
}
