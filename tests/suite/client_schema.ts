/** Resources that must fit a schema. */
import * as wmill from "@windkit/windmill-client";
import { createClient, type StandardSchema, ValidationError, type ValidationIssue } from "@windkit/windmill-client";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { json, options, serve, text, withEnvironment } from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import { test } from "./harness.ts";

interface Database {
  readonly host: string;
  readonly port: number;
}

/** A schema that takes the port as text too, as a library would write it; `late` answers with a promise. */
function database(late = false): StandardSchema<Database> {
  function validate(value: unknown): { readonly value: Database } | { readonly issues: readonly ValidationIssue[] } {
    const { host, port } = value as { readonly host?: unknown; readonly port?: unknown };
    const issues: ValidationIssue[] = [];
    if (typeof host !== "string") issues.push({ message: `not text: ${JSON.stringify(host)}`, path: ["host"] });
    if (!Number.isInteger(Number(port))) {
      issues.push({ message: `no port: ${JSON.stringify(port)}`, path: [{ key: "port" }] });
    }
    return issues.length > 0 ? { issues } : { value: { host: `${host}`, port: Number(port) } };
  }
  return {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => late ? Promise.resolve(validate(value)) : validate(value),
    },
  };
}

test("resources.get() and find() give what the schema makes of the value", async () => {
  const stub = serve(({ target }) =>
    target.endsWith("none") ? text("Not found: x", 404) : json({ host: "h", port: "5432" })
  );
  const { resources } = createClient(options(stub));
  for (const schema of [database(), database(true)]) {
    const found: Database = await resources.get("f/a/db", { schema });
    assertEquals(found, { host: "h", port: 5432 });
    const maybe: Database | undefined = await resources.find("f/a/db", { schema, raw: true });
    assertEquals(maybe, { host: "h", port: 5432 });
    assertEquals(await resources.find("f/a/none", { schema }), undefined);
  }
  // Without a schema nothing is checked.
  assertEquals(await resources.get<{ port: string }>("f/a/db"), { host: "h", port: "5432" });
  assertEquals(stub.seen[1]?.target, "/api/w/ws/resources/get_value/f/a/db");
});

test("getResource() takes a schema after the official arguments", async () => {
  const ambient = { BASE_URL: "http://stub.test", WM_WORKSPACE: "ws", WM_TOKEN: "tok" };
  await withEnvironment(ambient, serve(() => json({ host: "h", port: "1" })), async () => {
    const found: Database = await wmill.getResource("f/a/db", false, { schema: database() });
    assertEquals(found.port, 1);
  });
}, noEnvironment);

test("a resource that does not fit is a ValidationError with the issues, whose text has no values", async () => {
  const secret = "hunter2";
  const { resources } = createClient(options(serve(() => json({ host: [secret], port: secret }))));
  const error = await assertRejects(
    () => resources.get("f/a/db", { schema: database(true) }),
    "VALIDATION_FAILED",
    'Expected resource "f/a/db" to fit its schema, found differences at host (found array), port (found string)',
  );
  assert(error instanceof ValidationError, error.name);
  assertEquals(error.issues.map(({ message }) => message), ['not text: ["hunter2"]', 'no port: "hunter2"']);
  // A worker copies the fields of an error to the result of its job.
  assert(!JSON.stringify({ ...error }).includes(secret) && !`${error.stack}`.includes(secret), "Expected no value");
});

test("a null or empty resource is checked like any other", async () => {
  const never: StandardSchema<never> = {
    "~standard": { version: 1, vendor: "test", validate: () => ({ issues: [{ message: "no" }] }) },
  };
  for (const [value, kind] of [[null, "null"], [0, "number"], ["", "string"], [{}, "object"], [false, "boolean"]]) {
    const { resources } = createClient(options(serve(() => json(value))));
    await assertRejects(() => resources.get("r", { schema: never }), "VALIDATION_FAILED", `at the top (found ${kind})`);
    await assertRejects(() => resources.find("r", { schema: never }), "VALIDATION_FAILED");
  }
});

test("issues at places that are not there are told as nothing", async () => {
  const deep: StandardSchema<never> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: () => ({ issues: [{ message: "a", path: ["a", 0, "b"] }, { message: "b", path: ["a", 0, "b"] }] }),
    },
  };
  for (const value of [{}, { a: null }, { a: [] }, { a: "x" }]) {
    const { resources } = createClient(options(serve(() => json(value))));
    await assertRejects(() => resources.get("r", { schema: deep }), "VALIDATION_FAILED", "at a.0.b (found nothing);");
  }
});

test("what is no schema is refused", async () => {
  const { resources } = createClient(options(serve(() => json({}))));
  for (const bad of [null, {}, { "~standard": {} }, { parse: () => 1 }, "schema"]) {
    const error = await assertRejects(() => resources.get("r", { schema: bad as unknown as StandardSchema }));
    assert(error instanceof TypeError && error.message.includes("Standard Schema"), error.message);
  }
});

test("the error of a schema that throws is its own", async () => {
  const throwing: StandardSchema<never> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: () => {
        throw new RangeError("broken schema");
      },
    },
  };
  const { resources } = createClient(options(serve(() => json({}))));
  await assertRejects(() => resources.get("r", { schema: throwing }), undefined, "broken schema");
});

test("a mocked resource is checked too", async () => {
  const c = createClient({ env: {}, mockedApi: { resources: { db: { host: "h", port: "x" } } } });
  await assertRejects(() => c.resources.get("db", { schema: database() }), "VALIDATION_FAILED", "port (found string)");
});
