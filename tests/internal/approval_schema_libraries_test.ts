/** Approvals and errors with schemas of the three libraries that most people use: forms, answers, types, refusals without values. */
import assert from "node:assert/strict";
import { toStandardJsonSchema } from "@valibot/to-json-schema";
import {
  type ApprovalGranted,
  type ApprovalRejected,
  type ApprovalTimedOut,
  defineError,
  type StandardSchema,
  TaskError,
  waitForApproval,
} from "@windkit/windmill-client/workflow";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import { formOf } from "../../src/cluster/approval_form.ts";
import { schemaCheck } from "../../src/cluster/schema_check.ts";
import { runWith } from "../../src/platform/run_context.ts";
import type { ApprovalSpec } from "../../src/workflow/body_session.ts";

/** Compiles only when both types are the same. */
function sameType<A, B>(
  _same: (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false,
): void {}

const zod = z.object({
  amount: z.number().min(1).max(100).describe("In euros"),
  due: z.iso.date().optional(),
  level: z.enum(["low", "high"]),
  ask: z.boolean().default(false),
});
const valibot = v.object({
  amount: v.pipe(v.number(), v.minValue(1), v.maxValue(100), v.description("In euros")),
  due: v.optional(v.pipe(v.string(), v.isoDate())),
  level: v.picklist(["low", "high"]),
  ask: v.optional(v.boolean(), false),
});
const described = toStandardJsonSchema(valibot);
const arktype = type({
  amount: "1 <= number <= 100",
  "due?": "string.date.iso",
  level: "'low' | 'high'",
  ask: "boolean = false",
});

/** A session that takes one approval and answers it. */
function answering(answer: unknown): { readonly specs: ApprovalSpec[]; run<T>(fn: () => T): T } {
  const specs: ApprovalSpec[] = [];
  const session = {
    approval: (spec: ApprovalSpec) => {
      specs.push(spec);
      return Promise.resolve(structuredClone(answer));
    },
  };
  return { specs, run: (fn) => runWith({ session }, fn, true) };
}

for (const [name, schema] of [["Zod", zod], ["Valibot", described], ["ArkType", arktype]] as const) {
  Deno.test(`a schema of ${name} makes the form: what people enter, not what comes out`, () => {
    const { schema: { properties, required, order, type } } = formOf(schema) as {
      readonly schema: {
        readonly type: string;
        readonly properties: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
        readonly required: readonly string[];
        readonly order: readonly string[];
      };
    };
    assert.equal(type, "object");
    assert.deepEqual(new Set(order), new Set(["amount", "due", "level", "ask"]));
    assert.deepEqual(new Set(required), new Set(["amount", "level"]));
    assert.deepEqual([properties.amount?.type, properties.amount?.minimum, properties.amount?.maximum], [
      "number",
      1,
      100,
    ]);
    assert.deepEqual(new Set(properties.level?.enum as string[]), new Set(["low", "high"]));
    assert.equal(properties.ask?.type, "boolean");
  });

  Deno.test(`a schema of ${name} takes an answer and gives what it makes of it`, async () => {
    const { specs, run } = answering({ approved: true, value: { amount: 5, level: "low" }, approver: "ada" });
    const result = await run(() => waitForApproval({ form: schema }));
    assert.deepEqual(structuredClone(result), {
      approved: true,
      value: { amount: 5, level: "low", ask: false },
      approver: "ada",
    });
    assert.deepEqual(specs[0]?.form, formOf(schema));
    assert.equal(await specs[0]?.check?.({ amount: 5, level: "low" }), undefined);
  });

  Deno.test(`a schema of ${name} refuses an answer by places and expectations, without the value`, async () => {
    const secret = "hunter2-hunter2";
    const reason = await schemaCheck(schema)({ amount: secret, level: { secret }, ask: null });
    assert.ok(reason !== undefined && !reason.includes("hunter"), reason);
    for (const place of ["amount (found string, expected ", "level (found object", "ask (found null"]) {
      assert.ok(reason.includes(place), `${place} in: ${reason}`);
    }
    for (const value of [secret, [secret], { amount: 5, level: secret, ask: secret, due: secret }]) {
      const told = await schemaCheck(schema)(value);
      assert.ok(told !== undefined && !told.includes("hunter"), told);
    }
    const top = await schemaCheck(schema)(null);
    assert.match(top ?? "", /^the top \(found null, expected .*\)$/i);
  });

  Deno.test(`a schema of ${name} says which bound or choice an answer breaks`, async () => {
    const told =
      await schemaCheck(schema, Object(formOf(schema)).schema)({ amount: 12_345, level: "middle", due: "soon-ish" }) ??
        "";
    assert.match(told, /amount \(found number, expected [^)]*100/);
    assert.match(told, /level \(found string, expected [^)]*"(?:low|high)".*"(?:low|high)"/);
    assert.match(told, /due \(found string, expected [^)]*(?:date|ISO)/i);
    for (const entered of ["12345", "middle", "soon"]) assert.ok(!told.includes(entered), told);
  });

  Deno.test(`a schema of ${name} makes errors whose data is checked at the throw`, () => {
    const Refused = defineError("Refused", schema as StandardSchema<{ amount: number; level: string }>);
    const error = new Refused({ amount: 5, level: "low" });
    // What it would add is not added: the data is what is recorded.
    assert.deepEqual(error.data, { amount: 5, level: "low" });
    const recorded = new TaskError("m", "s", { error: { name: "Refused", message: "m", extra: { data: error.data } } });
    assert.ok(recorded instanceof Refused && recorded.cause instanceof Refused);
    assert.throws(() => new Refused({ amount: 500, level: "low" }), {
      name: "TypeError",
      message: /at amount \(found number/,
    });
  });
}

Deno.test("the types of answers and errors are those of the library", () => {
  // Only compiled.
  const calls = async () => {
    type Otherwise = ApprovalRejected | ApprovalTimedOut;
    const byZod = await waitForApproval({ form: zod });
    sameType<typeof byZod, ApprovalGranted<z.infer<typeof zod>> | Otherwise>(true);
    const byValibot = await waitForApproval({ form: described });
    sameType<typeof byValibot, ApprovalGranted<v.InferOutput<typeof valibot>> | Otherwise>(true);
    const beside = await waitForApproval({ form: { schema: valibot, jsonSchema: { type: "object" } } });
    sameType<typeof beside, ApprovalGranted<v.InferOutput<typeof valibot>> | Otherwise>(true);
    const byArktype = await waitForApproval({ form: arktype });
    sameType<typeof byArktype, ApprovalGranted<typeof arktype.infer> | Otherwise>(true);
    const Refused = defineError("Refused", zod);
    const error: unknown = new Refused({ amount: 5, level: "low" });
    if (error instanceof Refused) sameType<typeof error.data.level, "low" | "high">(true);
    // @ts-expect-error: no level of the schema
    new Refused({ amount: 5, level: "middle" });
  };
  assert.equal(typeof calls, "function");
});

Deno.test("a schema of Valibot alone has no JSON schema: the error says what to pass", async () => {
  const { run } = answering(null);
  await assert.rejects(() => run(() => waitForApproval({ form: valibot })), {
    name: "TypeError",
    message:
      /no JSON schema of this schema of "valibot" \(.*toStandardJsonSchema.*\)\. Pass `form: \{ schema, jsonSchema \}`/,
  });
});

Deno.test("what JSON schema cannot say is an error with the library's reason, and the cure", async () => {
  const { run } = answering({ approved: true, value: { at: "2026-01-01" }, approver: "ada" });
  const schema = z.object({ at: z.coerce.date() });
  const dated = z.object({ at: z.date() });
  await assert.rejects(() => run(() => waitForApproval({ form: dated })), {
    name: "TypeError",
    message: /this schema of "zod" \(Date cannot .*\)\. Pass `form: \{ schema, jsonSchema \}`/,
  });
  const jsonSchema = { type: "object", properties: { at: { type: "string", format: "date" } } };
  const answer = await run(() => waitForApproval({ form: { schema, jsonSchema } }));
  assert.ok(answer.approved && answer.value.at instanceof Date);
});

Deno.test("variants of an object are one form, and each is checked", async () => {
  const union = z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("pay"), amount: z.number() }),
    z.object({ kind: z.literal("ask"), text: z.string() }),
  ]);
  const { schema } = formOf(union) as {
    readonly schema: { readonly properties: Record<string, unknown>; readonly required: unknown };
  };
  assert.deepEqual(Object.keys(schema.properties).sort(), ["amount", "kind", "text"]);
  assert.deepEqual(schema.properties.kind, { enum: ["pay", "ask"], type: "string" });
  assert.deepEqual(schema.required, ["kind"]);
  assert.equal(await schemaCheck(union)({ kind: "ask", text: "?" }), undefined);
  assert.match(await schemaCheck(union)({ kind: "ask", amount: 1 }) ?? "", /^text \(found nothing, expected string\)$/);
  const both = type({ a: "string" }).and({ b: "number" });
  assert.deepEqual((formOf(both) as { readonly schema: { readonly required: unknown } }).schema.required, ["a", "b"]);
});

Deno.test("an ArkType schema from before the interface describes itself by its own function", () => {
  const { "~standard": { jsonSchema: _, ...standard } } = arktype as unknown as {
    readonly "~standard": Record<string, unknown>;
  };
  const old = Object.assign(() => {}, {
    "~standard": standard,
    toJsonSchema: () => ({ type: "object", properties: {} }),
  });
  assert.deepEqual(formOf(old as unknown as StandardSchema), {
    schema: { type: "object", properties: {}, required: [], order: [] },
  });
});

Deno.test("a reason is short, however much is wrong, and a schema that throws refuses", async () => {
  const many = z.record(z.string(), z.number());
  const wrong = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`${i}${"x".repeat(500)}`, "no"]));
  const reason = await schemaCheck(many)(wrong) ?? "";
  assert.ok(reason.length < 1000, `${reason.length}`);
  assert.match(reason, / and 995 more$/);
  const throws = z.object({}).refine(() => {
    throw new RangeError("secret");
  });
  assert.equal(
    await schemaCheck(throws)({}),
    "the top (found object, expected no RangeError)",
  );
});
