/** The 64-bit hash: a difference must show. */
import { deepStrictEqual as equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { hash64 } from "../../src/base/hash.ts";

function bits(hash: string): readonly number[] {
  return [...hash].flatMap((digit) => [3, 2, 1, 0].map((i) => (Number.parseInt(digit, 16) >> i) & 1));
}

/** Texts that differ little, as arguments and records do. */
function* similar(): Generator<string> {
  for (let i = 0; i < 100_000; i++) yield `{"id":${i}}`;
  for (let i = 0; i < 50_000; i++) yield `["s",${1_700_000_000_000 + i},"work_${i % 97}",${i}]`;
  for (let i = 0; i < 2000; i++) yield "\0".repeat(i);
  for (let i = 0; i < 2000; i++) yield "a".repeat(i);
}

Deno.test("hash64(): 16 digits, the same each time", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), fc.string(), (text, seed) => {
    ok(/^[0-9a-f]{16}$/.test(hash64(text, seed)));
    equal(hash64(text, seed), hash64(text, seed));
  }));
});

Deno.test("hash64(): 150,000 similar texts have no hash in common, and few halves", () => {
  const whole = new Set<string>();
  const first = new Set<string>(), second = new Set<string>();
  let count = 0;
  for (const text of new Set(similar())) {
    const hash = hash64(text);
    whole.add(hash);
    first.add(hash.slice(0, 8));
    second.add(hash.slice(8));
    count++;
  }
  equal(whole.size, count);
  // Of n random 32-bit numbers about n²/2³³ are repeated: 3 of 154,000. Ten times that would be a weak half.
  for (const half of [first, second]) ok(count - half.size < 30, `${count - half.size} repeated halves`);
});

Deno.test("hash64(): each bit is set half of the time, and half of them flip with one bit of the text", () => {
  const set = Array<number>(64).fill(0);
  const flipped = Array<number>(64).fill(0);
  const count = 4000;
  for (let i = 0; i < count; i++) {
    const text = `["f",${i},"step",{"n":${i * 7}}]`;
    const at = i % text.length;
    const changed = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << (i % 7))) + text.slice(at + 1);
    const [a, b] = [bits(hash64(text)), bits(hash64(changed))];
    for (let j = 0; j < 64; j++) {
      set[j] = (set[j] ?? 0) + (a[j] ?? 0);
      flipped[j] = (flipped[j] ?? 0) + ((a[j] ?? 0) ^ (b[j] ?? 0));
    }
  }
  // Six standard deviations of 4,000 coin tosses are 190.
  for (const [name, counts] of Object.entries({ set, flipped })) {
    for (const [j, n] of counts.entries()) {
      ok(Math.abs(n - count / 2) < 190, `Bit ${j} was ${name} ${n} times of ${count}`);
    }
  }
});

Deno.test("hash64(): a chain changes with every text in it, their order and their borders", () => {
  const chain = (texts: readonly string[]): string => texts.reduce((seed, text) => hash64(text, seed), "");
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 2, maxLength: 6 }), fc.nat(), (texts, at) => {
      const i = at % (texts.length - 1);
      const [one = "", two = ""] = [texts[i], texts[i + 1]];
      const whole = chain(texts);
      if (one !== two) ok(whole !== chain(texts.with(i, two).with(i + 1, one)), "Order");
      ok(whole !== chain(texts.with(i, `${one}.`)), "Text");
      ok(whole !== chain(texts.toSpliced(i, 1)), "Length");
      if (one !== "") ok(whole !== chain(texts.with(i, one.slice(0, -1)).with(i + 1, one.slice(-1) + two)), "Border");
    }),
  );
});
