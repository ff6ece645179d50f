/** Secrets at rest: what is in the data folder's files, who may read them, and what is hidden after a restart. */
import { chmodSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
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

/** Which of some texts are in the data folder's files as they are. */
function found(local: Local, words: readonly string[]): readonly string[] {
  const texts = dataFiles(local).map((file) => readFileSync(file).toString("latin1"));
  return words.filter((word) => texts.some((text) => text.includes(word)));
}

const MADE = "made-by-a-job-alone", SET_BEFORE = "rotated-away-by-a-job";

function turned(text: string): string {
  return [...text].reverse().join("");
}

Deno.test("what a job makes secret is hidden and encrypted, in this process and in the next", async () => {
  const folder = newFolder({
    "f/a/make.ts": `
import { setVariable, VariableService, UserService } from "windmill-client";
const workspace = Deno.env.get("WM_WORKSPACE")!;
// The code is kept, too, and must not have them.
const [made, before] = ["${turned(MADE)}", "${turned(SET_BEFORE)}"].map((text) => [...text].reverse().join(""));
export async function main() {
  const path = "u/admin/made";
  await VariableService.createVariable({ workspace, requestBody: { path, value: before, is_secret: true, description: "" } });
  await VariableService.updateVariable({ workspace, path, requestBody: { value: made } });
  const token = await UserService.createToken({ requestBody: { label: "mine" } });
  console.log("have", made, token);
  return { old: before, now: made, token };
}
`,
    "f/a/echo.ts": `
export async function main(word: string) {
  console.log("x".repeat(131_066) + word);
  return [word];
}
`,
    "f/a/stream.ts": `
export async function* main(word: string) { yield word.slice(0, 5); yield word.slice(5); }
`,
  });
  try {
    let id = "", token = "";
    {
      await using local = await openLocal({ folder });
      const { jobs } = local.dev.server.context;
      id = await (await local.ask("POST", "jobs/run/p/f/a/make", {})).text();
      const job = await jobs.wait(id, AbortSignal.timeout(20_000));
      assertEquals(job.success, true, JSON.stringify(job.result));
      // A job removes nothing: the person does.
      assertEquals((await local.ask("DELETE", "variables/delete/u/admin/made")).status, 200);
      // Callers of the API are given results as they are.
      const result = await (await local.ask("GET", `jobs_u/completed/get_result/${id}`)).json();
      token = result.token;
      assertEquals([result.old, result.now, token.length > 20], [SET_BEFORE, MADE, true]);
      assert(jobs.log(id).includes("have *** ***"), jobs.log(id));
      const echo = await (await local.ask("POST", "jobs/run/p/f/a/echo", { word: MADE })).text();
      assertEquals((await jobs.wait(echo, AbortSignal.timeout(20_000))).result, [MADE]);
      assert(/^x+\*\*\*\n$/.test(jobs.log(echo)), jobs.log(echo).replaceAll(/x+/g, "x"));
      const stream = await (await local.ask("POST", "jobs/run/p/f/a/stream", { word: MADE })).text();
      await jobs.wait(stream, AbortSignal.timeout(20_000));
      assertEquals([jobs.stream(stream), jobs.offsets(stream).stream], [MADE, MADE.length]);
      const path = "u/admin/later", value = "secret-only-later";
      const early = await (await local.ask("POST", "jobs/run/p/f/a/echo", { word: value })).text();
      await jobs.wait(early, AbortSignal.timeout(20_000));
      await local.ask("POST", "variables/create", { path, value, is_secret: true, description: "" });
      for (const address of ["get_logs/", "get_completed_logs_tail/", "get/", "getupdate/", "getupdate_sse/"]) {
        const answer = await (await local.ask("GET", `jobs_u/${address}${early}`)).text();
        const log = answer.replace(/"(?:args|result)":\s*[{[][^\]}]*[}\]]/g, "");
        assert(log.includes("xxx***") && !log.includes(value), `${address}: ${log.replaceAll(/x+/g, "x")}`);
      }
      assertEquals(found(local, [MADE, SET_BEFORE, token, MADE.slice(0, 6), MADE.slice(-6)]), []);
    }
    await using local = await openLocal({ folder });
    const page = await fetch(`${local.url}/run/${id}`, { headers: { authorization: `Bearer ${local.token}` } });
    const html = await page.text();
    assertEquals([page.status, [MADE, SET_BEFORE, token].filter((word) => html.includes(word))], [200, []]);
    assert(html.includes("***"), html);
    const again = await (await local.ask("POST", "jobs/run/p/f/a/echo", { word: SET_BEFORE })).text();
    await local.dev.server.context.jobs.wait(again, AbortSignal.timeout(20_000));
    assertEquals(found(local, [MADE, SET_BEFORE, token]), []);
    assertEquals(await (await local.ask("GET", `jobs_u/completed/get_result/${id}`)).json(), {
      old: SET_BEFORE,
      now: MADE,
      token,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
