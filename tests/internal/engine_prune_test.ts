import { openSqliteStorage } from "@windkit/windmill-client/storage/sqlite";
import { openDurableObject } from "../../src/storage/_durable_storage.ts";
import { createFakeObject } from "../durable/_fake_object.ts";
import { PRUNE_CASES } from "../suite/_prune_cases.ts";
import { withFolder } from "./storage_process.ts";

for (const { name, run } of PRUNE_CASES) {
  Deno.test(`${name} (SQLite)`, () => withFolder((dir) => run({ open: () => openSqliteStorage({ dir }) })));
  Deno.test(`${name} (Durable Object)`, async () => {
    const { storage } = createFakeObject();
    await run({ open: () => Promise.resolve(openDurableObject(storage, {})) });
  });
}
