/**
 * What Windmill's parser sees of a script: the forms of a preprocessor that the documentation names, and parameters whose types
 * are the package's.
 *
 * @module
 */
import assert from "node:assert/strict";
import { initSync, parse_deno } from "windmill-parser-wasm-ts";

interface Signature {
  readonly has_preprocessor: boolean;
  readonly args: readonly { readonly name: string; readonly typ: unknown }[];
}

const wasm = new URL("./windmill_parser_wasm_bg.wasm", import.meta.resolve("windmill-parser-wasm-ts"));
initSync({ module: await Deno.readFile(wasm) });

function parse(code: string, entry?: string): Signature {
  return JSON.parse(parse_deno(code, entry)) as Signature;
}

const head = `import { definePreprocessor, type PreprocessorEvent } from "@windkit/windmill-client";
const toArgs = definePreprocessor((event) => ({ kind: event.kind }));
export async function main(kind: string) {}
`;

Deno.test("preprocessors: the parser finds an exported function, with its parameter", () => {
  for (const word of ["export function", "export async function"]) {
    const code = `${head}${word} preprocessor(event: PreprocessorEvent) { return toArgs(event); }`;
    assert.equal(parse(code).has_preprocessor, true);
    assert.deepEqual(parse(code, "preprocessor").args.map((arg) => arg.name), ["event"]);
  }
});

Deno.test("preprocessors: the parser does not find an exported constant, as the documentation says", () => {
  const code = `${head}export const preprocessor = toArgs;`;
  assert.equal(parse(code).has_preprocessor, false);
  assert.deepEqual(parse(code, "preprocessor").args, []);
});

Deno.test("named types: the parser knows a parameter by the name of its type", () => {
  const expected = {
    "Base64": "bytes",
    "wmill.Email": "email",
    "Sql": "sql",
    'Resource<"postgresql">': { resource: "postgresql" },
    'wmill.Resource<"c_own">': { resource: "c_own" },
    "Postgresql": { resource: "postgresql" },
    "Mysql": { resource: "mysql" },
    "MsSqlServer": { resource: "ms_sql_server" },
    "GcpServiceAccount": { resource: "gcp_service_account" },
    "Mongodb": { resource: "mongodb" },
    "S3": { resource: "s3" },
    "Slack": { resource: "slack" },
    "Smtp": { resource: "smtp" },
    "Snowflake": { resource: "snowflake" },
    "Kafka": { resource: "kafka" },
    "Nats": { resource: "nats" },
    "Mqtt": { resource: "mqtt" },
  };
  for (const [type, typ] of Object.entries(expected)) {
    const { args } = parse(`import * as wmill from "windmill-client";\nexport function main(a: ${type}) {}`);
    assert.deepEqual(args.map((arg) => arg.typ), [typ], type);
  }
});
