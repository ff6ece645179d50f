import assert from "node:assert/strict";
import { bleedProblems, groupOf, reExports } from "./bleed.ts";

Deno.test("reExports() reads names over several lines, renamed ones too, and no types", () => {
  const text =
    `export { a, b as c } from "./src/x.ts";\nexport type { T } from "./src/t.ts";\nexport {\n  d,\n} from "./y.ts";\n`;
  assert.deepEqual([...reExports(text)], [["a", "src/x.ts"], ["c", "src/x.ts"], ["d", "y.ts"]]);
});

Deno.test("groupOf() knows parts of a group, and what groups share", () => {
  const groups = ["jobs", "state", "state_files"];
  assert.equal(groupOf("src/sdk/jobs_wait.ts", groups), "jobs");
  assert.equal(groupOf("src/sdk/top_level/jobs.ts", groups), "jobs");
  assert.equal(groupOf("src/sdk/state_files.ts", groups), "state_files");
  assert.equal(groupOf("src/sdk/_current_job.ts", groups), undefined);
  assert.equal(groupOf("src/sdk/connection.ts", groups), undefined);
  assert.equal(groupOf("src/sdk/other.ts", groups), "other");
});

Deno.test("bleedProblems() names code of another group and of another column, and nothing else", () => {
  const groups = ["jobs", "state"];
  const allowed = ["src/sdk/state.ts", "src/sdk/_current_job.ts", "src/http/transport.ts", "tests/dist/1/x.js"];
  assert.deepEqual(bleedProblems("getState", "src/sdk/top_level/state.ts", allowed, groups), []);
  const found = bleedProblems("getState", "src/sdk/top_level/state.ts", [
    "src/sdk/jobs_wait.ts",
    "src/workflow/session.ts",
  ], groups);
  assert.deepEqual(found, [
    '"getState" of src/sdk/top_level/state.ts drags in src/sdk/jobs_wait.ts',
    '"getState" of src/sdk/top_level/state.ts drags in src/workflow/session.ts',
  ]);
});
