/** Records as text: what is written is read back, for every kind of record. */
import { deepStrictEqual as equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { encode } from "../../src/base/canonical.ts";
import type { Call, Failure, Fingerprint, Outcome, RecordBody, RunHeader } from "../../src/workflow/journal.ts";
import { chainCheck, decodeRecord, encodeRecord, isChainCheck } from "../../src/workflow/record_text.ts";

const text = fc.string({ unit: "binary", maxLength: 20 });
const key = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 12 }),
  fc.constantFrom("a\nb", '"', "\\", "__proto__"),
);
const time = fc.integer({ min: 1, max: 4_000_000_000_000 });
const count = fc.nat(1_000_000);
const encoded = fc.jsonValue().map(encode);
const json = encoded.map((t) => JSON.parse(t));

/** Every field of a record there or not, never undefined. */
function fields<T>(
  required: { [K in keyof T]?: fc.Arbitrary<T[K]> },
  optional: { [K in keyof T]?: fc.Arbitrary<T[K]> },
) {
  return fc.record({ ...required, ...optional } as { [K in keyof T]: fc.Arbitrary<T[K]> }, {
    requiredKeys: Object.keys(required) as (keyof T)[],
  }) as fc.Arbitrary<T>;
}

const failure: fc.Arbitrary<Failure> = fields<Failure>({
  message: text,
  stepKey: key,
  error: fields<Failure["error"]>({ name: text, message: text }, { stack: text, extra: json }),
}, { childJobId: text, code: text, retryable: fc.boolean(), retryAfterMs: count });
const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  encoded.map((value) => ({ ok: true as const, value })),
  failure.map((f) => ({ ok: false as const, failure: f })),
);
const kind = fc.constantFrom<Call["kind"]>("task", "step", "sleep", "approval", "event", "child", "undo");
const fingerprint: fc.Arbitrary<Fingerprint> = fields<Fingerprint>(
  { kind, name: fc.oneof(key, fc.constant("")), digest: fc.oneof(fc.constant(""), fc.constant("0123456789abcdef")) },
  { args: text, site: text, code: fc.constant("fedcba9876543210") },
);
const retry = fc.record({ attempts: fc.nat(100), delayS: fc.nat(60) }, { requiredKeys: ["attempts"] });
const call: fc.Arbitrary<Call> = fc.oneof(
  fields<Extract<Call, { kind: "task" }>>({
    kind: fc.constant("task"),
    name: key,
    via: fc.constantFrom("inline", "script", "flow"),
    args: encoded,
    options: fc.record({ timeoutS: fc.nat(9), tag: text }, { requiredKeys: [] }),
    base: key,
    attempt: fc.integer({ min: 1, max: 101 }),
  }, { script: text, retry, undoable: fc.constant(true) }),
  fields<Extract<Call, { kind: "step" }>>(
    { kind: fc.constant("step"), name: key, base: key, attempt: fc.constant(1) },
    { retry, undoable: fc.constant(true) },
  ),
  fields<Extract<Call, { kind: "sleep" }>>({ kind: fc.constant("sleep") }, { until: time, ms: count, backoffOf: key }),
  fields<Extract<Call, { kind: "approval" }>>(
    { kind: fc.constant("approval"), timeoutMs: count },
    { form: json, options: json },
  ),
  fields<Extract<Call, { kind: "event" }>>({ kind: fc.constant("event"), name: key }, { timeoutMs: count }),
  fc.record({ kind: fc.constant("child" as const), workflow: key, args: encoded, runId: key }),
  fields<Extract<Call, { kind: "undo" }>>({ kind: fc.constant("undo"), of: key, base: key, attempt: count }, { retry }),
);
const header: fc.Arbitrary<RunHeader> = fields<RunHeader>({
  v: fc.constant(1),
  id: key,
  workflow: key,
  sourceHash: text,
  sdk: text,
  flags: fc.array(fc.nat(99), { maxLength: 3 }),
  codec: fc.constant(1),
  seed: fc.constant("00".repeat(16)),
  args: encoded,
  createdAt: time,
}, {
  deadlineAt: time,
  parent: fc.record({ run: key, key }),
  root: key,
  chain: fc.record({ first: key, n: count }),
  forkedFrom: fc.record({ run: key, key }),
});
const why = fc.constantFrom<"race" | "timeout" | "cancel" | "end">("race", "timeout", "cancel", "end");
const status = fc.constantFrom<"completed" | "failed" | "cancelled" | "continued">(
  "completed",
  "failed",
  "cancelled",
  "continued",
);

type Body<T extends RecordBody["t"]> = Extract<RecordBody, { readonly t: T }>;

/** One generator for each kind of record: a new kind does not compile until it has one. */
const bodies: { [T in RecordBody["t"]]: fc.Arbitrary<Body<T>> } = {
  opened: fc.record({ t: fc.constant("opened" as const), header }),
  called: fields<Body<"called">>({ t: fc.constant("called"), key, call, fp: fingerprint }, {
    dueAt: time,
    ref: text,
    by: text,
  }),
  settled: fields<Body<"settled">>({ t: fc.constant("settled"), key, after: count, outcome, startedAt: time }, {
    fp: fingerprint,
    by: text,
    inbox: text,
  }),
  marker: fc.record({ t: fc.constant("marker" as const), name: key, after: count, value: json }),
  abandoned: fc.record({ t: fc.constant("abandoned" as const), key, after: count, why }),
  refused: fc.record({ t: fc.constant("refused" as const), key, inbox: text, reason: text }),
  dropped: fc.record({ t: fc.constant("dropped" as const), after: count }),
  reopened: fc.record({ t: fc.constant("reopened" as const), after: count }),
  cancelling: fields<Body<"cancelling">>(
    { t: fc.constant("cancelling"), after: count, reason: text, graceUntil: time },
    { deadline: fc.constant(true) },
  ),
  closed: fields<Body<"closed">>({ t: fc.constant("closed"), status }, { outcome, next: text }),
};

for (const [t, arbitrary] of Object.entries(bodies)) {
  Deno.test(`encodeRecord(): a "${t}" record is read back as it was`, () => {
    fc.assert(
      fc.property(arbitrary as fc.Arbitrary<RecordBody>, time, count, (body, at, seq) => {
        // A call cannot settle before it started: a clock that was set back is taken for no time at all.
        const written = body.t === "settled" ? { ...body, startedAt: Math.min(body.startedAt, at) } : body;
        const line = encodeRecord(body, at);
        equal(line.includes("\0"), false);
        equal(decodeRecord(line, seq), JSON.parse(JSON.stringify({ ...written, seq, at })));
      }),
      { numRuns: 400 },
    );
  });
}

for (
  const [what, line] of [
    ["no JSON", "nothing"],
    ["no tuple", "{}"],
    ["a tuple without a time", '["s"]'],
    ["an unknown kind of record", '["q",1]'],
    ["an unknown kind of call", '["s",1,"k",1,0,0,"q"]\nnull'],
    ["empty text", ""],
  ] as const
) {
  Deno.test(`decodeRecord(): ${what} is refused`, () => {
    throws(() => decodeRecord(line, 0), Error);
  });
}

Deno.test("isChainCheck(): is true for chainCheck()'s value and for no other", () => {
  fc.assert(
    fc.property(text, text, text, (previous, line, other) => {
      const check = chainCheck(previous, line);
      equal(isChainCheck(previous, line, check), true);
      equal(isChainCheck(previous, `${line}.`, check), false);
      if (other !== line) equal(isChainCheck(previous, other, check), false);
      if (other !== previous) equal(isChainCheck(other, line, check), false);
      for (const bad of ["", check.slice(1), `${check}0`, check.toUpperCase() === check ? "x" : check.toUpperCase()]) {
        equal(isChainCheck(previous, line, bad), false);
      }
    }),
  );
});
