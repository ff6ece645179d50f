import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { createRedactor } from "../../src/cli/redact.ts";
import type { Json } from "../../src/workflow/journal.ts";

function redacted(value: Json, more: readonly string[] = [], name = ""): Json {
  const redactor = createRedactor(more);
  redactor.learn(value, name);
  return JSON.parse(JSON.stringify(redactor.redact(value, name))) as Json;
}

Deno.test("createRedactor() replaces what stands under the name of a secret, however it is written", () => {
  const names = [
    "token",
    "API_KEY",
    "x-auth-token",
    "clientSecret",
    "db.password",
    "Authorization",
    "set-cookie",
    "pwd",
  ];
  for (const name of names) equal(redacted({ [name]: "abcdef" }), { [name]: "redacted-1" }, name);
  for (const name of ["user", "amount", "keyboard", "author", "tot"]) {
    equal(redacted({ [name]: "abcdef" }), { [name]: "abcdef" }, name);
  }
});

Deno.test("createRedactor() replaces one secret by one text, wherever it is", () => {
  equal(
    redacted({ token: "s3cr3t", sent: ["Bearer s3cr3t", "s3cr3t"], "of s3cr3t": 1, other: { secret: "another" } }),
    {
      token: "redacted-1",
      sent: ["Bearer redacted-1", "redacted-1"],
      "of redacted-1": 1,
      other: { secret: "redacted-2" },
    },
  );
});

Deno.test("createRedactor() takes everything below a secret's name, and what a step of such a name gave", () => {
  equal(redacted({ credentials: { user: "ada", codes: ["1234"], active: true } }), {
    credentials: { user: "redacted-1", codes: ["redacted-2"], active: true },
  });
  equal(redacted("abcdef", [], "fetch_token"), "redacted-1");
});

Deno.test("createRedactor() knows secrets by their look", () => {
  const secrets = [
    "Bearer abcdef123456",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "-----BEGIN RSA PRIVATE KEY-----\nabc",
    "sk_live_abcdefgh1234",
    "ghp_abcdefgh12345678",
    "AKIAABCDEFGHIJKLMNOP",
    "postgres://ada:hunter2@db.example.com/shop",
  ];
  for (const secret of secrets) equal(redacted({ a: secret }), { a: "redacted-1" }, secret);
  const plain = ["https://example.com/a:b", "ada@example.com", "sk", "Bearer", "eyJ", "task_live"];
  for (const text of plain) equal(redacted({ a: text }), { a: text }, text);
});

Deno.test("createRedactor() leaves references to secrets, short secrets elsewhere, numbers and the empty text", () => {
  equal(redacted({ password: "$var:f/shop/password", token: "" }), { password: "$var:f/shop/password", token: "" });
  equal(redacted({ pwd: "ab", text: "cab" }), { pwd: "redacted-1", text: "cab" });
  equal(redacted({ max_tokens: 4096, token: null }), { max_tokens: 4096, token: null });
});

Deno.test("createRedactor() replaces what it was asked to, numbers too, and __proto__ is a name like any other", () => {
  const value = JSON.parse('{"PIN": 1234, "iban": "DE00", "__proto__": {"pin": "9876"}}') as Json;
  const redactor = createRedactor(["pin", "__proto__"]);
  redactor.learn(value);
  equal(JSON.stringify(redactor.redact(value)), '{"PIN":0,"iban":"DE00","__proto__":{"pin":"redacted-1"}}');
  ok(redactor.names.has("PIN") && redactor.names.has("pin"));
});
