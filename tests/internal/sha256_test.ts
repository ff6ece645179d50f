/** SHA-256 against the runtime's own. */
import { deepStrictEqual as equal } from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { sha256 } from "../../src/engine/sha256.ts";

function theirs(text: string): string {
  return createHash("sha256").update(new TextEncoder().encode(text)).digest("hex");
}

Deno.test("sha256() gives what the runtime's own gives, at every length around a block", () => {
  equal(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  for (let length = 0; length < 300; length++) {
    for (const unit of ["x", "ä", "€"]) equal(sha256(unit.repeat(length)), theirs(unit.repeat(length)), `${length}`);
  }
  const long = "𝄞x".repeat(1_000_000);
  equal(sha256(long), theirs(long));
  equal(sha256("after a long one"), theirs("after a long one"));
});

Deno.test("sha256() gives what the runtime's own gives for any text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => equal(sha256(text), theirs(text))));
});
