/** Schemas of the three libraries that most people use: values, types, and errors without values. */
import assert from "node:assert/strict";
import { createClient, hasCode, ValidationError } from "@windkit/windmill-client";
import * as wmill from "@windkit/windmill-client";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";

const stored = { host: "db.test", port: "5432", tags: ["a"] };

function resources(value: unknown) {
  const fetch = () => Promise.resolve(new Response(JSON.stringify(value)));
  return createClient({ baseUrl: "http://stub.test", workspace: "ws", token: "tok", env: {}, fetch }).resources;
}

/** Compiles only when both types are the same. */
function sameType<A, B>(
  _same: (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false,
): void {}

const zod = z.object({
  host: z.string(),
  port: z.coerce.number().int(),
  tags: z.array(z.string()),
  ssl: z.boolean().default(true),
});
const valibot = v.object({
  host: v.string(),
  port: v.pipe(v.string(), v.transform(Number), v.integer()),
  tags: v.array(v.string()),
  ssl: v.optional(v.boolean(), true),
});
const arktype = type({ host: "string", port: "string.integer.parse", tags: "string[]", ssl: "boolean = true" });

const fitting = { host: "db.test", port: 5432, tags: ["a"], ssl: true };

Deno.test("resources.get() gives what a schema of Zod, Valibot or ArkType makes of the value, typed", async () => {
  const byZod = await resources(stored).get("f/a/db", { schema: zod });
  sameType<typeof byZod, z.infer<typeof zod>>(true);
  const byValibot = await resources(stored).get("f/a/db", { schema: valibot });
  sameType<typeof byValibot, v.InferOutput<typeof valibot>>(true);
  const byArktype = await resources(stored).get("f/a/db", { schema: arktype });
  sameType<typeof byArktype, typeof arktype.infer>(true);
  for (const found of [byZod, byValibot, byArktype]) assert.deepEqual({ ...found }, fitting);
  const maybe = await resources(stored).find("f/a/db", { schema: zod });
  sameType<typeof maybe, z.infer<typeof zod> | undefined>(true);
  // Without a schema the type is the caller's word, or unknown.
  const unchecked = await resources(stored).get("f/a/db");
  sameType<typeof unchecked, unknown>(true);
  const told = await resources(stored).get<{ host: string }>("f/a/db");
  sameType<typeof told, { host: string }>(true);
});

Deno.test("getResource() has the same types", () => {
  // Only compiled: there is no server.
  const calls = async () => {
    const byZod = await wmill.getResource("f/a/db", false, { schema: zod });
    sameType<typeof byZod, z.infer<typeof zod>>(true);
    const unchecked = await wmill.getResource("f/a/db");
    sameType<typeof unchecked, unknown>(true);
  };
  assert.equal(typeof calls, "function");
});

Deno.test("a schema that changes its value asynchronously is awaited", async () => {
  const slow = zod.transform(async (value) => ({ url: await Promise.resolve(`${value.host}:${value.port}`) }));
  assert.deepEqual(await resources(stored).get("f/a/db", { schema: slow }), { url: "db.test:5432" });
});

for (const [name, schema] of [["Zod", zod], ["Valibot", valibot], ["ArkType", arktype]] as const) {
  Deno.test(`a value that does not fit a schema of ${name} is told by its places, without the value`, async () => {
    const secret = "hunter2-hunter2";
    const wrong = { host: 7, port: secret, tags: ["a", { secret }] };
    const error = await resources(wrong).get("f/a/db", { schema }).then(() => undefined, (thrown: unknown) => thrown);
    assert.ok(error instanceof ValidationError && hasCode(error, "VALIDATION_FAILED"));
    assert.match(error.message, /^Expected resource "f\/a\/db" to fit its schema, found differences at /);
    for (const place of ["host (found number)", "port (found string)", "tags.1 (found object)"]) {
      assert.ok(error.message.includes(place), `${place} in: ${error.message}`);
    }
    assert.ok(!error.message.includes(secret) && !JSON.stringify({ ...error }).includes(secret));
    assert.equal(error.issues.length, 3);
    const whole = await resources("text").get("f/a/db", { schema }).then(() => undefined, (thrown: unknown) => thrown);
    assert.match(String(whole), /found differences at the top \(found string\);/);
    assert.ok(error.issues.every(({ message }) => message.length > 0));
  });
}
