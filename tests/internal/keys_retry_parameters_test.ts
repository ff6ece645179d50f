/** Keys against the protocol's algorithm, back-offs against its formula, parameter names against the language. */
import { deepStrictEqual as equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { createKeys } from "../../src/workflow/keys.ts";
import { parameterNames } from "../../src/workflow/parameters.ts";
import { backoffSeconds, retryPolicy } from "../../src/workflow/retry.ts";

const names = fc.array(
  fc.oneof(
    fc.tuple(
      fc.constantFrom("x", "y", "x_2", "x_3", "x_2_2", "__proto__", "toString", "", "1"),
      fc.constant("draw" as const),
    ),
    fc.tuple(fc.constantFrom("x", "x_2", "x_4", "z"), fc.constant("claim" as const)),
  ),
  { maxLength: 40 },
);

Deno.test("createKeys(): hands out what the protocol's algorithm does, and no key twice", () => {
  fc.assert(
    fc.property(names, (calls) => {
      const keys = createKeys();
      const counters = new Map<string, number>();
      const used = new Set<string>();
      for (const [name, how] of calls) {
        if (how === "claim") {
          equal(keys.claim(name), !used.has(name));
          used.add(name);
          continue;
        }
        let n = (counters.get(name) ?? 0) + 1;
        let key = n === 1 ? name : `${name}_${n}`;
        while (used.has(key)) key = `${name}_${++n}`;
        counters.set(name, n);
        used.add(key);
        equal(keys.draw(name), key);
      }
    }),
    { numRuns: 2000 },
  );
});

for (
  const [delay, multiplier, max, expected] of [
    [1.5, undefined, undefined, [1, 1, 1]],
    [30, 0, undefined, [30, 0, 0]],
    [10, 10, 25, [10, 25, 25]],
    [0, 5, undefined, [0, 0, 0]],
    [undefined, undefined, undefined, [0, 0, 0]],
    [0.5, 2, undefined, [0, 1, 2]],
    [1e9, 1e9, undefined, [1e9, 4294967295, 4294967295]],
    [5, 2, 0, [0, 0, 0]],
  ] as const
) {
  Deno.test(`backoffSeconds(): delay ${delay}, multiplier ${multiplier}, at most ${max}`, () => {
    const policy = retryPolicy({
      attempts: 3,
      ...(delay === undefined ? {} : { delay }),
      ...(multiplier === undefined ? {} : { multiplier }),
      ...(max === undefined ? {} : { max_delay: max }),
    });
    ok(policy !== undefined);
    equal([0, 1, 2].map((i) => backoffSeconds(policy, i)), expected);
  });
}

Deno.test("backoffSeconds(): is a whole number that a cluster can hold, whatever the policy", () => {
  const amount = fc.double({ min: 0, noNaN: true });
  fc.assert(
    fc.property(
      amount,
      amount,
      fc.option(amount, { nil: undefined }),
      fc.nat(100),
      (delayS, multiplier, maxDelayS, i) => {
        const seconds = backoffSeconds({
          attempts: 100,
          delayS,
          multiplier,
          ...(maxDelayS === undefined ? {} : { maxDelayS }),
        }, i);
        ok(Number.isInteger(seconds) && seconds >= 0 && seconds <= 4294967295, `Found ${seconds}`);
      },
    ),
  );
});

const functions: readonly (readonly [(...args: never[]) => unknown, readonly (string | undefined)[]])[] = [
  [() => 1, []],
  [(a: number) => a, ["a"]],
  [(a: number, b: string) => [a, b], ["a", "b"]],
  [async (a: number) => await Promise.resolve(a), ["a"]],
  [function named(a: number, $b: number) {
    return [a, $b];
  }, ["a", "$b"]],
  [async function* (a: number) {
    yield await Promise.resolve(a);
  }, ["a"]],
  [({ a }: { a: number }, b: number) => [a, b], [undefined, "b"]],
  [([a]: number[], b: number) => [a, b], [undefined, "b"]],
  [(a = ")", b = [1, 2].join(","), c = { d: "(" }) => [a, b, c], ["a", "b", "c"]],
  [(a = (x: number, y: number) => x + y, b = 1) => [a, b], ["a", "b"]],
  [(a: number, ...rest: number[]) => [a, rest], ["a", "rest"]],
  [(_: number, $: number) => [_, $], ["_", "$"]],
  [
    {
      method(a: number, b: number) {
        return [a, b];
      },
    }.method,
    ["a", "b"],
  ],
  [
    {
      async method(a: number) {
        return await Promise.resolve(a);
      },
    }.method,
    ["a"],
  ],
];
for (const [fn, expected] of functions) {
  const text = Function.prototype.toString.call(fn).replaceAll(/\s+/g, " ").slice(0, 60);
  Deno.test(`parameterNames(): ${text}`, () => {
    equal(parameterNames(Function.prototype.toString.call(fn)), expected);
  });
}

for (
  const [source, expected] of [
    ["function (a /* , b */, c // d\n, e) {}", ["a", "c", "e"]],
    ["async a => a", ["a"]],
    ["async => async", ["async"]],
    ["async(a, b) => 1", ["a", "b"]],
    ["(a = `x${1},)y`, b) => 1", ["a", "b"]],
    ['(a = "\\"),", b) => 1', ["a", "b"]],
    ["(ñame, 名) => 1", ["ñame", "名"]],
    ["function f() { [native code] }", []],
    ["", []],
  ] as const
) {
  Deno.test(`parameterNames(): ${JSON.stringify(source)}`, () => {
    equal(parameterNames(source), expected);
  });
}

Deno.test("parameterNames(): ends for any text", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(..."(){}[],=>`'\"/*\\$ abasyncfunction\n"), maxLength: 60 }),
      (text) => {
        ok(Array.isArray(parameterNames(text)));
      },
    ),
    { numRuns: 3000 },
  );
});
