/** The generator of the endpoints' types and of their table. */
import assert from "node:assert/strict";
import { generatedFiles } from "../../generate/files.ts";
import { readInputs, staleFiles } from "../../generate/main.ts";
import type { Endpoint, Operation, Schema, Spec } from "../../generate/spec.ts";
import { readSpec } from "../../generate/spec.ts";
import { tableText } from "../../generate/table.ts";
import { argumentsText, isPaged, operationTypes, schemaText } from "../../generate/types.ts";
import { camelOf, readSection, snakeOf } from "../../src/wire/operations.ts";

const text = { type: "string" };

for (
  const [schema, expected] of [
    [{}, "unknown"],
    [{ nullable: true }, "unknown"],
    [text, "string"],
    [{ ...text, nullable: true, format: "date-time" }, "string | null"],
    [{ ...text, format: "binary" }, "Blob"],
    [{ type: "integer", format: "int64" }, "number"],
    [{ type: "boolean", default: true }, "boolean"],
    [{ ...text, enum: ["a", "b"] }, '"a" | "b"'],
    [{ type: "array", items: { ...text, enum: ["a", "b"] } }, '("a" | "b")[]'],
    [{ type: "array", items: { ...text, nullable: true } }, "(string | null)[]"],
    [{ type: "array" }, "unknown[]"],
    [{ type: "object" }, "{ [name: string]: unknown }"],
    [{ type: "object", additionalProperties: false }, "Record<string, never>"],
    [{ type: "object", additionalProperties: text }, "{ [name: string]: string }"],
    [{ properties: { a: text, "b-c": text }, required: ["a", "gone"] }, '{ a: string; "b-c"?: string }'],
    [{ properties: { a: text }, additionalProperties: true }, "{ a?: string; [name: string]: unknown }"],
    [
      { properties: { a: text }, additionalProperties: { type: "number" } },
      "{ a?: string } & { [name: string]: number }",
    ],
    [{ $ref: "#/components/schemas/Job" }, "§Job"],
    [{ $ref: "#/components/schemas/Job", nullable: true }, "§Job | null"],
    [{ allOf: [{ $ref: "#/x/A" }, { properties: { a: text } }] }, "§A & { a?: string }"],
    [{ allOf: [{ $ref: "#/x/A" }, {}] }, "§A"],
    [{ oneOf: [text, { type: "number" }, text] }, "string | number"],
    [{ oneOf: [text, {}] }, "unknown"],
    [{ type: "object", anyOf: [{ $ref: "#/x/A" }, { $ref: "#/x/B" }] }, "§A | §B"],
    [{ allOf: [{ oneOf: [{ $ref: "#/x/A" }, { $ref: "#/x/B" }] }, { $ref: "#/x/C" }] }, "(§A | §B) & §C"],
  ] as readonly (readonly [Schema, string])[]
) {
  Deno.test(`schemaText() of ${JSON.stringify(schema)}`, () => assert.equal(schemaText(schema), expected));
}

Deno.test("schemaText() refuses what it does not understand", () => {
  assert.throws(() => schemaText({ type: "file" }), /type "file"/);
  assert.throws(() => schemaText({ not: {} } as Schema), /field "not"/);
  assert.throws(() => schemaText({ type: "array", items: { type: "date" } }), /type "date"/);
});

const document = `
paths:
  /w/{workspace}/things/get/{id}:
    get:
      parameters:
        - { $ref: "#/components/parameters/Workspace" }
        - { name: id, in: path, required: true, schema: { type: integer } }
        - { name: kind, in: query, schema: { type: string, enum: [a, b] } }
        - { name: must_be, in: query, required: true, schema: { type: boolean } }
      responses: { 200: { content: { application/json: { schema: { $ref: "#/components/schemas/Thing" } } } } }
  /w/{workspace}/things/list:
    get:
      parameters:
        - { name: page, in: query, schema: { type: integer } }
        - { name: per_page, in: query, schema: { type: integer } }
      responses: { 200: { content: { application/json: { schema: { type: array, items: { $ref: "#/components/schemas/Thing" } } } } } }
  /things/upload_it:
    post:
      requestBody: { required: true, content: { application/octet-stream: { schema: { type: string, format: binary } } } }
      responses: { 200: { description: words }, 400: { content: { text/plain: {} } } }
components:
  parameters:
    Workspace: { name: workspace, in: path, required: true, schema: { type: string } }
  schemas:
    Thing: { type: object, required: [id], properties: { id: { type: integer }, flow: { $ref: "../../openflow.openapi.yaml#/components/schemas/Flow" } } }
    Flow: { $ref: "../../openflow.openapi.yaml#/components/schemas/Flow" }
`;
const flows = `
paths: {}
components: { schemas: { Flow: { type: object, description: "What nobody may copy", properties: { summary: { type: string } } } } }
`;

function row(operationId: string, method: string, path: string, more: Partial<Endpoint> = {}): Endpoint {
  const pathParams = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name), { query = [] } = more;
  const sdkArgs = Object.fromEntries([...pathParams, ...query].map((name) => [name, camelOf(name)]));
  return { operationId, service: "ThingService", method, path, pathParams, query, mediaType: null, sdkArgs, ...more };
}

function specOf(...rows: readonly Endpoint[]): Spec {
  return readSpec(document, flows, JSON.stringify(rows));
}

const get = row("getThing", "GET", "/w/{workspace}/things/get/{id}", { query: ["kind", "must_be", "newer"] });
const list = row("listThings", "GET", "/w/{workspace}/things/list", { query: ["page", "per_page", "kind"] });
const upload = row("uploadIt", "POST", "/things/upload_it", {
  mediaType: "application/octet-stream",
  sdkArgs: { "(body)": "requestBody" },
});
const newer = row("createThing", "POST", "/w/{workspace}/things/create/{path}", {
  query: ["kind", "unheard_of"],
  mediaType: "application/json",
  sdkArgs: { workspace: "workspace", path: "path", kind: "kind", unheard_of: "unheardOf", "(body)": "requestBody" },
});

function own(spec: Spec): readonly Operation[] {
  return spec.operations.filter(({ services }) => services.length > 0);
}

Deno.test("operationTypes() has the document's types, and simple ones for what only the list has", () => {
  const spec = specOf(get, list, upload, newer);
  const [first, second, third, fourth] = own(spec).map((operation) => operationTypes(operation, spec.schemas));
  const any = "string | number | boolean | readonly (string | number | boolean)[]";
  assert.deepEqual(first, {
    takes: "{ params: { path: { workspace?: string; id: number }; " +
      `query: { kind?: "a" | "b"; must_be: boolean; newer?: ${any} } } }`,
    gives: "§Thing",
    item: undefined,
  });
  // The list has a parameter that the document has elsewhere, always of one type.
  assert.deepEqual(second, {
    takes: "{ params?: { path?: { workspace?: string }; " +
      'query?: { page?: number; per_page?: number; kind?: "a" | "b" } } }',
    gives: "§Thing[]",
    item: "§Thing[]",
  });
  assert.deepEqual(third, { takes: "{ body: BinaryBody }", gives: "void", item: undefined });
  assert.deepEqual(fourth, {
    takes: "{ params: { path: { workspace?: string; path: string | number }; " +
      `query?: { kind?: "a" | "b"; unheard_of?: ${any} } }; body?: unknown }`,
    gives: "unknown",
    item: undefined,
  });
});

Deno.test("argumentsText() has the official names", () => {
  const [first, , third, fourth] = own(specOf(get, list, upload, newer)).map((operation) => argumentsText(operation));
  assert.match(
    first?.text ?? "",
    /^\{ workspace\?: string; id: number; kind\?: "a" \| "b"; mustBe: boolean; newer\?: /,
  );
  assert.deepEqual(third, { text: "{ requestBody: BinaryBody }", required: true });
  assert.match(fourth?.text ?? "", /unheardOf\?: .*; requestBody\?: unknown \}$/);
});

Deno.test("isPaged() wants a list with both parameters", () => {
  const spec = specOf(get, list);
  assert.deepEqual(own(spec).map((operation) => isPaged(operation, spec.schemas)), [false, true]);
});

Deno.test("readSpec() joins what two services have, and takes schemas from the document that has them", () => {
  const spec = specOf(get, { ...get, service: "OtherService" });
  assert.deepEqual(own(spec).map(({ services }) => services), [["ThingService", "OtherService"]]);
  assert.deepEqual([...spec.schemas.keys()], ["Flow", "Thing"]);
});

Deno.test("readSpec() refuses a list that does not fit the document", () => {
  assert.throws(() => specOf({ ...get, pathParams: [] }), /no parameter "workspace" in its list/);
  assert.throws(() => specOf({ ...get, sdkArgs: {} }), /without an argument/);
  assert.throws(() => specOf({ ...upload, mediaType: "application/json" }), /is not described/);
  assert.throws(() => readSpec(document, "paths: {}\ncomponents: { schemas: {} }", "[]"), /Schema "Flow"/);
});

Deno.test("generatedFiles() copies no description", () => {
  for (const [path, content] of generatedFiles(specOf(get, list, upload, newer))) {
    assert.match(content, /^\/\/ Generated by generate\/main\.ts/, path);
    assert.doesNotMatch(content, /nobody|words/, path);
    assert.doesNotMatch(content, /§/, path);
  }
});

Deno.test("the table of operations is read back as what it was made of", () => {
  const odd = [
    row("getThingThings", "GET", "/w/{workspace}/things/get_thing_things/{path}/v/{secretWithExtension}"),
    row("things", "PUT", "/things"),
    row("deleteThing", "POST", "/w/{workspace}/things/delete/{id}"),
    row("a", "DELETE", "/srch/w/{workspace}/a/a1/{a}", { service: "XyService" }),
    row("getS3File", "GET", "/get/s3/file_s3", { service: "XyService" }),
  ];
  const spec = specOf(get, list, upload, newer, ...odd);
  const read = new Map(tableText(spec).split("@").flatMap((section) => [...readSection(section)]));
  assert.deepEqual(
    [...read].sort(),
    spec.operations.map(({ id, method, path }) => [id, { method, path }] as const).sort(),
  );
});

Deno.test("snakeOf() and camelOf() are each other's opposite", () => {
  for (const name of ["getJob", "listS3Files", "a", "getMcpTools", "existsByXY"]) {
    assert.equal(camelOf(snakeOf(name)), name);
  }
  for (const name of ["s3_resource_path", "path", "a_b_c", "log_offset"]) assert.equal(snakeOf(camelOf(name)), name);
});

const inputs = await readInputs();

Deno.test({
  name: "what is generated is what would be generated",
  ignore: inputs === undefined, // the inputs lie beside the repository, where they are at all
  fn: async () => assert.deepEqual(await staleFiles(), []),
});
