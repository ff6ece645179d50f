/** The approval page by generated answers of Windmill: whatever is in them, the page is HTML of its own, and no error of ours. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { approval } from "../../src/handlers/mod.ts";

const runs = Deno.env.get("WINDKIT_SOAK") === "1" ? 20_000 : 400;
const JOB = "0190f8a2-1111-7222-8333-444444444444";
const LINK = `https://edge.test/?job=${JOB}&resume_id=7&signature=${"5f".repeat(32)}`;

/** What would be an element, an attribute or the end of one. */
const hostile = fc.array(
  fc.constantFrom("<i7>", '"i7=', "'i7=", "</i7>", "&lt;i7", "a", "\u0000", "\ud800", "\u202e", "\n"),
  { maxLength: 6 },
)
  .map((parts) => parts.join(""));
const anything = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    hostile,
    fc.constantFrom(null, true, false, 0, -1, 1e308, 8.64e15, 2.5),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(
      fc.oneof(
        hostile,
        fc.constantFrom("properties", "type", "enum", "default", "title", "schema", "markdown", "__proto__"),
      ),
      tie("value"),
      { maxKeys: 4 },
    ),
  ),
})).value;

const field = fc.record({
  type: fc.oneof(fc.constantFrom("string", "number", "integer", "boolean", "array", "object"), anything),
  title: anything,
  description: anything,
  default: anything,
  enum: anything,
  format: fc.oneof(fc.constantFrom("date", "date-time", "email", "password", "textarea", "resource-x"), anything),
  items: anything,
  minimum: anything,
  pattern: anything,
}, { requiredKeys: [] });
const form = fc.oneof(
  anything,
  fc.record({
    properties: fc.dictionary(hostile, fc.oneof(field, anything), { maxKeys: 4 }),
    required: anything,
    order: anything,
  }),
);
const state = fc.record({
  approvers: fc.array(fc.record({ resume_id: anything, approver: anything }), { maxLength: 2 }),
  job: fc.record({
    id: fc.oneof(fc.constant(JOB), anything),
    type: fc.constantFrom("QueuedJob", "CompletedJob"),
    script_path: anything,
    suspend: fc.oneof(fc.constant(1), anything),
    workflow_as_code_status: fc.oneof(
      anything,
      fc.record({
        _approval: fc.record({
          key: fc.oneof(fc.constant("k"), anything),
          form,
          description: anything,
          timeout: anything,
          default_args: anything,
        }),
        "_step/k": fc.record({
          approval: fc.constant(true),
          started_at: fc.oneof(fc.constant("2026-03-01T10:00:00Z"), anything),
          form,
        }),
      }),
    ),
    flow_status: anything,
    raw_flow: anything,
  }),
});

/** Tags, with what is between them left out. */
function tagsOf(html: string): readonly string[] {
  return html.replace(/<style[^]*<\/style>/, "").match(/<[^>]*>/g) ?? [];
}

Deno.test("approval properties: whatever Windmill says of an approval is shown as words, and asked in both forms", async () => {
  let asked = 0;
  await fc.assert(
    fc.asyncProperty(state, fc.dictionary(hostile, hostile, { maxKeys: 3 }), async (said, filled) => {
      const errors: unknown[] = [];
      const handler = approval({
        onError: (error) => errors.push(error),
        client: {
          baseUrl: "http://stub.test",
          workspace: "ws",
          token: null,
          fetch: async (_, { method }) => method === "GET" ? Response.json(said) : new Response("", { status: 201 }),
        },
      });
      const cookie = `__Host-windkit_form=${"0".repeat(32)}`;
      const sent = new URLSearchParams({ form_token: "0".repeat(32), answer: "approve" });
      for (const [name, value] of Object.entries(filled)) sent.append(`a.${name}`, value);
      const form = {
        accept: "text/html",
        "content-type": "application/x-www-form-urlencoded",
        cookie,
        "sec-fetch-site": "same-origin",
      };
      for (
        const request of [
          new Request(LINK, { headers: { accept: "text/html", cookie } }),
          new Request(LINK, { headers: { accept: "application/json" } }),
          new Request(LINK, { method: "POST", headers: form, body: `${sent}` }),
          new Request(LINK, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ approved: true, payload: filled }),
          }),
        ]
      ) {
        const response = await handler(request);
        const text = await response.text();
        assert.ok([200, 409, 422].includes(response.status), `${response.status} ${errors[0]}`);
        if (response.headers.get("content-type") === "application/json") {
          JSON.parse(text);
          continue;
        }
        if (text.includes("<form")) asked++;
        for (const tag of tagsOf(text)) {
          assert.ok(
            /^<[/!]?[a-zA-Z\d]+(?: [a-z-]+(?:="[^"<>]*")?)*>$/.test(tag) && !/^<\/?i7/.test(tag) && !/ i7=/.test(tag),
            tag,
          );
        }
      }
    }),
    { numRuns: runs },
  );
  assert.ok(asked > runs / 20, `${asked} pages asked something`);
});
