/** Removing what ended long ago, in memory; `tests/internal` has the same cases on the other storages. */
import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
import { PRUNE_CASES } from "./_prune_cases.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

for (const { name, run } of PRUNE_CASES) {
  test(name, async () => {
    const data = createMemoryStorage();
    await run({ open: () => Promise.resolve(data.visit()) });
  }, noAsyncLocalStorage);
}
