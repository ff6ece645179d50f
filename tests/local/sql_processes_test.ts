/**
 * Processes of databases when the server is killed: they end, and what was committed is there for the next server.
 *
 * @module
 */
import { deepStrictEqual as equal } from "node:assert/strict";
import { CACHE_FOLDER, openSql } from "./_sql_kit.ts";

/** Processes whose command names a folder. */
function processesOf(folder: string): readonly string[] {
  return [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name)).flatMap(({ name }) => {
    try {
      const command = Deno.readTextFileSync(`/proc/${name}/cmdline`).replaceAll("\0", " ");
      return command.includes(folder) ? [command] : [];
    } catch (error) {
      void error; // it has ended meanwhile
      return [];
    }
  });
}

Deno.test({
  name: "SQL processes end with a server that is killed, and lose nothing that was committed",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "windkit-sql-" });
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        new URL("./_sql_orphan.ts", import.meta.url).pathname,
        folder,
        CACHE_FOLDER,
      ],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    equal(processesOf(`${folder}/`).length, 2);
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    await using sql = await openSql({ dataFolder: folder });
    // Each is open in one process only: that these work says that the others are gone.
    equal(await sql.result("SELECT a FROM t"), [{ a: 1 }]);
    equal(await sql.result("ATTACH 'ducklake://main' AS dl; SELECT a FROM dl.t", {}, "duckdb"), [{ a: 1 }]);
    equal(processesOf(`${folder}/`).length, 2);
    await sql[Symbol.asyncDispose]();
    equal(processesOf(`${folder}/`), []);
    await Deno.remove(folder, { recursive: true });
  },
});
