import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRedactor } from "../../src/server/redaction.ts";
import { openDatabase } from "../../src/server/database.ts";
import { rememberAlways } from "../../src/server/secret_memory.ts";
import { openSecrets } from "../../src/server/secrets.ts";
import { assert, assertEquals, assertIncludes } from "../suite/assert.ts";

function withDir(run: (dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), "windkit-secrets-"));
  try {
    run(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

Deno.test("openSecrets() makes the key once, for its owner only, and opens what it sealed", () =>
  withDir((dir) => {
    const first = openSecrets(dir);
    assertEquals(statSync(join(dir, "key")).mode & 0o777, 0o600);
    const sealed = first.encrypt("väl\u0000ue");
    assert(sealed !== first.encrypt("väl\u0000ue"), "Equal values must not look equal");
    const second = openSecrets(dir);
    assertEquals(second.decrypt(sealed), "väl\u0000ue");
    assertEquals([...second.signingKey], [...first.signingKey]);
    assertEquals(first.signingKey.length, 32);
    assert(!readFileSync(join(dir, "key"), "utf8").includes(first.signingKey.toString()), "It is derived");
  }));

Deno.test("openSecrets() refuses a key that others may read, that is a link, or that is none", () =>
  withDir((dir) => {
    openSecrets(dir);
    const key = join(dir, "key");
    for (const mode of [0o640, 0o604, 0o620, 0o666]) {
      chmodSync(key, mode);
      const { message } = assertThrows(() => openSecrets(dir), "CONFIGURATION");
      assertIncludes(message, `0${mode.toString(8)}`);
      assertIncludes(message, "chmod 600");
    }
    chmodSync(key, 0o600);
    writeFileSync(key, "not a key\n");
    assertIncludes(assertThrows(() => openSecrets(dir), "CONFIGURATION").message, "64 hex digits");
    rmSync(key);
    writeFileSync(join(dir, "elsewhere"), `${"ab".repeat(32)}\n`, { mode: 0o600 });
    symlinkSync(join(dir, "elsewhere"), key);
    assertIncludes(assertThrows(() => openSecrets(dir), "CONFIGURATION").message, "must be a file");
  }));

Deno.test("decrypt() refuses what was changed, cut, or sealed with another key", () =>
  withDir((dir) => {
    const secrets = openSecrets(dir);
    const bytes = Uint8Array.from(atob(secrets.encrypt("a secret value")), (char) => char.charCodeAt(0));
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      throwsText(() => secrets.decrypt(btoa(String.fromCharCode(...changed))), "Cannot decrypt");
    }
    throwsText(() => secrets.decrypt("YWJj"), "too short");
    withDir((other) => throwsText(() => openSecrets(other).decrypt(secrets.encrypt("x")), "another key"));
  }));

/** Expects an error of a code. */
function assertThrows(run: () => unknown, code: string): Error {
  try {
    run();
  } catch (error) {
    assertEquals((error as { readonly code?: unknown }).code, code);
    return error as Error;
  }
  throw new Error("Nothing was thrown");
}

function throwsText(run: () => unknown, part: string): void {
  let message = "";
  try {
    run();
  } catch (error) {
    message = (error as Error).message;
  }
  assertIncludes(message, part);
}

const SECRET = 'p@ss w/o"quotes"\\&+ünï~';

Deno.test("redact() hides a value in every form that it takes", () => {
  const { remember, redact } = createRedactor();
  remember(SECRET);
  const bytes = new TextEncoder().encode(SECRET);
  const binary = String.fromCharCode(...bytes);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const forms: Record<string, string> = {
    plain: SECRET,
    json: JSON.stringify(SECRET).slice(1, -1),
    "json in json": JSON.stringify(JSON.stringify({ a: SECRET })),
    percent: encodeURIComponent(SECRET),
    form: new URLSearchParams({ a: SECRET }).toString().slice(2),
    "base64 alone": btoa(binary),
    "base64 behind one byte": btoa(`:${binary}`),
    "base64 of a basic login": btoa(`user:${binary}`),
    "base64 url": btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""),
    hex,
    "hex in capitals": hex.toUpperCase(),
  };
  for (const [name, form] of Object.entries(forms)) {
    const out = redact(`before ${form} after`);
    assert(out.includes("***"), `${name}: ${out}`);
    assert(out.startsWith("before ") && out.endsWith(" after"), `${name}: ${out}`);
    // A whole group of base 64 at either end may hold bits of its neighbour, no more.
    assert(out.length < 40, `${name} leaves ${out}`);
  }
});

Deno.test("redact() leaves other text, ignores values under four characters, and hides overlapping ones whole", () => {
  const { remember, redact } = createRedactor();
  assertEquals(redact("nothing is known"), "nothing is known");
  remember("abc");
  remember("");
  assertEquals(redact("abc abcabc"), "abc abcabc");
  remember("abcdef");
  remember("defghi");
  remember("abcdefgh");
  assertEquals(redact("abcdefghi!"), "***!");
  assertEquals(redact("abcdefdefghi"), "***");
  assertEquals(redact("xabcdefx defghi"), "x***x ***");
  assertEquals(redact("abcde"), "abcde");
});

Deno.test("redact() hides the lines of a value of many lines, as they are printed one by one", () => {
  const { remember, redact } = createRedactor();
  remember("-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n  AASCBKcwggSjAgEAAoIBAQ\n-----END KEY-----\n");
  assertEquals(redact("key: MIIEvQIBADANBgkq"), "key: ***");
  assertEquals(redact("AASCBKcwggSjAgEAAoIBAQ\n"), "***\n");
});

Deno.test("redact() needs one pass, whatever the number of values", () => {
  const { remember, redact } = createRedactor();
  const values = Array.from({ length: 500 }, (_, i) => `value-${i}-${"x".repeat(i % 30)}`);
  values.forEach(remember);
  const line = "2026-01-01 12:00:00 value- INFO a line of a log that has nothing to hide, valve-3-xxx\n";
  const log = line.repeat(20_000) + values.at(-1) + "\n" + line.repeat(20_000);
  const out = redact(log);
  assertEquals(out.length, log.length - (values.at(-1) ?? "").length + 3);
  assert(!out.includes(values.at(-1) ?? "-"), "It is hidden");
});

Deno.test("holds() and cutAt() find values whole and begun, among few and many", () => {
  for (const others of [0, 500]) {
    const { remember, holds, cutAt, redact } = createRedactor();
    assertEquals([holds("a word to hide"), cutAt("a word")], [false, 6]);
    for (let i = 0; i < others; i++) remember(`another-${i}-${"y".repeat(i % 40)}`);
    remember("word to hide");
    remember("word to hide it better");
    assert(holds("a word to hide.") && !holds("a word to hid"), "whole");
    assertEquals(redact("a word to hide it better, a word to hide it"), "a ***, a *** it");
    const text = "see the word to hide it bettez";
    // What is behind the beginning of a value may be one; of what is there as a whole, only more may come.
    for (const [length, at] of [[9, 8], [10, 8], [19, 8], [20, 8], [24, 8], [29, 8], [30, 30]] as const) {
      assertEquals(cutAt(text.slice(0, length)), at, `${others} others, ${text.slice(0, length)}`);
    }
    assertEquals(cutAt(`d29yZCB0`), 0, "of a form, too");
  }
});

Deno.test("rememberAlways() knows the values of earlier processes, encrypted, until nobody can have seen them", async () => {
  const dir = mkdtempSync(join(tmpdir(), "windkit-secrets-"));
  const HOUR = 3_600_000;
  try {
    using database = await openDatabase({ path: ":memory:" });
    let now = 1_000 * HOUR;
    const open = () => rememberAlways(openSecrets(dir), database, () => now);
    const first = open();
    first.remember("used-once");
    first.remember("used-again");
    first.remember("abc");
    now += 100 * HOUR;
    first.remember("used-again");
    const stored = JSON.stringify(database.all("SELECT * FROM secret_values"));
    assert(!/used-|dXNlZ/.test(stored) && stored.split("digest").length === 3, stored);
    assertEquals(open().redact("used-once used-again abc"), "*** *** abc");
    // It is written down once an hour: a value may have been used so much later.
    first.forget?.(1_000 * HOUR + 1);
    assertEquals(open().redact("used-once used-again"), "*** ***");
    first.forget?.(1_002 * HOUR);
    assertEquals(open().redact("used-once used-again"), "used-once ***");
    assertEquals(first.redact("used-once"), "***");
    // Nothing is undone with a transaction that fails.
    try {
      database.transaction(() => {
        first.remember("of-a-failed-one");
        throw new Error("no");
      });
    } catch (error) {
      assertEquals((error as Error).message, "no");
    }
    first.remember("of-a-failed-one");
    assertEquals(open().redact("of-a-failed-one"), "***");
    withDir((other) =>
      assertEquals(rememberAlways(openSecrets(other), database, () => now).redact("used-again"), "used-again")
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
});
