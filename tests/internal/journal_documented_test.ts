/** `docs/journal.md` names every kind and every field that `src/workflow/journal.ts` declares for records. */
import { deepStrictEqual as equal, ok } from "node:assert/strict";

const source = Deno.readTextFileSync(new URL("../../src/workflow/journal.ts", import.meta.url));
const document = Deno.readTextFileSync(new URL("../../docs/journal.md", import.meta.url));

/** The text of an exported type, up to the next one. */
function declared(name: string): string {
  const start = source.search(new RegExp(`^export (?:interface|type) ${name}\\b`, "m"));
  ok(start >= 0, `journal.ts has no ${name}`);
  const end = source.slice(start + 1).search(/^(?:export|\/\*\* A record as it is read back)/m);
  return source.slice(start, start + 1 + end);
}

for (
  const name of ["RunHeader", "Call", "Fingerprint", "Failure", "TaskWire", "RetryPolicy", "RecordBody", "Outcome"]
) {
  Deno.test(`docs/journal.md documents every field of ${name}`, () => {
    const fields = new Set([...declared(name).matchAll(/readonly (\w+)\??:/g)].map(([, field = ""]) => field));
    ok(fields.size > 1, `found ${fields.size} fields`);
    equal([...fields].filter((field) => !new RegExp(`["\`]${field}["\`]`).test(document)), []);
  });
}

Deno.test("docs/journal.md has a section for each kind of record, and a row for each kind of call", () => {
  const kinds = [...declared("RecordBody").matchAll(/readonly t: "(\w+)"/g)].map(([, kind]) => kind);
  ok(kinds.length > 7, `found ${kinds.length} kinds`);
  equal(kinds.filter((kind) => !document.includes(`\n### ${kind}\n`)), []);
  const calls = [...declared("Call").matchAll(/readonly kind: "(\w+)"/g)].map(([, kind]) => kind);
  ok(calls.length > 6, `found ${calls.length} kinds of calls`);
  equal(calls.filter((kind) => !document.includes(`| \`${kind}\` `)), []);
});
