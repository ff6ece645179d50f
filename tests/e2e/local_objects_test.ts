/** DuckDB scripts of a served folder on the workspace's objects. */
import { assert, assertEquals } from "../suite/assert.ts";
import { openLocal } from "./_local_dev.ts";

Deno.test("a DuckDB script reads what another script wrote, and its own objects are there for all", async () => {
  await using local = await openLocal({
    settings: { limits: { disk: "1m" } },
    files: {
      "f/a/save.ts": `
import * as wmill from "windmill-client";
export async function main(key: string, text: string, storage?: string) {
  return await wmill.writeS3File({ s3: key, storage }, text);
}
`,
      "f/a/load.ts": `
import * as wmill from "windmill-client";
export async function main(key: string) { return new TextDecoder().decode(await wmill.loadS3File({ s3: key })); }
`,
      "f/a/sum.duckdb.sql": `-- $file (s3object)
-- %%column%% cents/number
COPY (SELECT sum(%%column%%)::INT AS total, '%%WM_JOB_PATH%%' AS made_by FROM read_csv($file)) TO 's3:///out/sum.csv';
FROM 's3:///out/sum.csv';
`,
      "f/a/all.duckdb.sql": "SELECT sum(cents)::INT AS total FROM read_csv('s3://other/in/*.csv');\n",
    },
  });
  const saved = await local.run("f/a/save", { key: "in/a.csv", text: "cents,number\n5,1\n7,2\n" });
  assertEquals(saved.status, 200);
  assertEquals(await local.run("f/a/sum", { file: saved.body, column: "cents" }), {
    status: 200,
    body: [{ total: 12, made_by: "f/a/sum" }],
  });
  assertEquals(await local.run("f/a/load", { key: "out/sum.csv" }), {
    status: 200,
    body: "total,made_by\n12,f/a/sum\n",
  });
  const refused = await local.run("f/a/sum", { file: saved.body, column: "sum(1) --" });
  assert(JSON.stringify(refused).includes("expected one of cents, number"), JSON.stringify(refused));
  for (const name of ["a", "b"]) {
    await local.run("f/a/save", { key: `in/${name}.csv`, text: "cents\n3\n", storage: "other" });
  }
  assertEquals((await local.run("f/a/all")).body, [{ total: 6 }]);
  await local.run("f/a/save", { key: "in/large.csv", text: `cents\n${"1\n".repeat(2 ** 20)}`, storage: "other" });
  assert(JSON.stringify(await local.run("f/a/all")).includes("more than 1048576 bytes"));
  assertEquals(local.reported, []);
});
