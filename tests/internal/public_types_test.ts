import assert from "node:assert/strict";
import { readApiNames } from "../run/api_names.ts";
import pinned from "./public_types.json" with { type: "json" };

Deno.test("public API: every subpath exports the pinned types and no other", async () => {
  const names = await readApiNames();
  const types = Object.fromEntries(Object.entries(names).map(([subpath, { types }]) => [subpath, types]));
  assert.deepEqual(types, pinned, "After a look at the difference: deno task pin");
});

Deno.test("public API: every subpath exports something", async () => {
  for (const [subpath, { values }] of Object.entries(await readApiNames())) {
    assert.ok(values.length > 0, `"${subpath}" exports no value`);
  }
});
