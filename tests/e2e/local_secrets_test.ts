/** Secrets at rest: what is in the data folder's files, who may read them, and what is hidden after a restart. */
import { chmodSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals } from "../suite/assert.ts";
import { type Local, newFolder, openLocal } from "./_local_dev.ts";

/** Files of a server's tables and of its runs. */
function dataFiles({ data }: Local): readonly string[] {
  return ["", "runs"].flatMap((name) =>
    readdirSync(join(data, name), { withFileTypes: true }).filter((one) => one.isFile())
      .map((one) => join(data, name, one.name))
  );
}

Deno.test({
  name: "dev keeps its data folder's files for its owner, those that were open to others too",
  ignore: Deno.build.os === "windows", // has no such modes
  fn: async () => {
    const folder = newFolder({ "f/a/one.ts": "export function main() { return 1; }\n" });
    try {
      {
        await using first = await openLocal({ folder });
        assertEquals((await first.run("f/a/one")).body, 1);
      }
      for (const file of ["server.sqlite", "runs/windkit.db"]) chmodSync(join(folder, ".windkit", file), 0o644);
      await using local = await openLocal({ folder });
      assertEquals((await local.run("f/a/one")).body, 1);
      const files = dataFiles(local);
      assert(files.some((file) => file.endsWith("server.sqlite-wal")), files.join());
      assertEquals(files.filter((file) => (statSync(file).mode & 0o077) !== 0), []);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
});
