/** The canonical form against a slow reference: JSON.stringify's rules, then jsonb's order. */
import { deepStrictEqual as equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { decode, encode, jsonbOrder } from "../../src/base/canonical.ts";

const utf8 = new TextEncoder();

/** jsonb's order, byte by byte. */
function slowOrder(a: string, b: string): number {
  const x = utf8.encode(a), y = utf8.encode(b);
  if (x.length !== y.length) return x.length - y.length;
  for (const [i, byte] of x.entries()) if (byte !== y[i]) return byte - (y[i] ?? 0);
  return 0;
}

/** The protocol's rules, done the slow way. */
function slow(value: unknown): string {
  const text = JSON.stringify(value, (_key, v) => v === undefined ? null : typeof v === "bigint" ? v.toString() : v) ??
    "null";
  return print(JSON.parse(text));
}

function print(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(print).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => slowOrder(a, b));
  return `{${fields.map(([k, v]) => `${JSON.stringify(k)}:${print(v)}`).join(",")}}`;
}

const letters = fc.string({ unit: "grapheme", maxLength: 6 }).filter((s) => !s.includes("\0"));
const value: fc.Arbitrary<unknown> = fc.anything({
  key: fc.oneof(letters, fc.constantFrom("__proto__", "10", "2", "toString", "é", "\u{1F680}", "zz")),
  values: [
    letters,
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.constantFrom(null, undefined, NaN, -0, Infinity, -Infinity, 1e21, 1e-7, 5e-324),
    fc.bigInt(),
    fc.date({ noInvalidDate: false }),
    fc.constantFrom<unknown>(() => 1, Symbol("s"), Object(1), Object("boxed"), Object(false)),
    fc.constantFrom<unknown>({ toJSON: () => [1, undefined] }, { toJSON: () => undefined }, {
      toJSON: (k: string) => k,
    }),
  ],
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withSparseArray: true,
  maxDepth: 4,
});

Deno.test("encode(): gives what JSON.stringify gives, in jsonb's order", () => {
  fc.assert(fc.property(value, (v) => equal(encode(v), slow(v))), { numRuns: 3000 });
});

Deno.test("encode(): its own output is encoded to itself", () => {
  fc.assert(
    fc.property(value, (v) => {
      const text = encode(v);
      equal(encode(decode(text)), text);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("jsonbOrder(): is the order of UTF-8 texts by length, then by byte", () => {
  const any = fc.string({ unit: "binary", maxLength: 4 });
  fc.assert(
    fc.property(fc.oneof(any, letters), fc.oneof(any, letters), (a, b) => {
      equal(Math.sign(jsonbOrder(a, b)), Math.sign(slowOrder(a, b)));
    }),
    { numRuns: 3000 },
  );
});

Deno.test("encode(): a lone surrogate or U+0000 is refused wherever it stands, with a path that leads to it", () => {
  const bad = fc.tuple(letters, fc.constantFrom("\0", "\ud800", "\udc00", "\udc00\ud800"), letters).map((p) =>
    p.join("")
  );
  const steps = fc.array(fc.oneof(fc.nat(3), letters), { maxLength: 5 });
  fc.assert(
    fc.property(bad, steps, (text, way) => {
      let nested: unknown = text;
      for (const step of way.toReversed()) {
        if (typeof step === "number") nested = Object.assign(Array(step).fill(0), { [step]: nested });
        else nested = Object.defineProperty({}, step, { value: nested, enumerable: true });
      }
      throws(() => encode(nested), (error: unknown) => {
        const { message } = error as Error;
        const path = /^Cannot record value(.*): it contains /s.exec(message)?.[1];
        ok(path !== undefined, message);
        const found = Function("value", `return value${path}`)(nested);
        equal(found, text);
        return true;
      });
    }),
  );
});

Deno.test("encode(): the same object in two places is no cycle", () => {
  const shared = { n: 1 };
  equal(encode([shared, { shared }]), '[{"n":1},{"shared":{"n":1}}]');
});
