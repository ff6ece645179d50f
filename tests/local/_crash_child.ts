/**
 * A server that is to be killed: it takes up what is in the folder, starts more jobs, and says which. Arguments: the folder, and
 * how many jobs to start.
 */
import { crashFiles } from "./_crash_files.ts";
import { openTestServer } from "./_server.ts";

const [dir = "", count = "0"] = Deno.args;
const files = crashFiles(true, (n) => console.log(`began ${n}`));
const { server } = await openTestServer({ dir, files, jobs: { concurrency: 3, maxRestarts: 100 } });
const { jobs, identity } = server.context;
for (let n = 0; n < Number(count); n++) {
  const path = ["f/quick", "f/slow", "f/fail", "f/hang"][n % 4] ?? "";
  const job = await jobs.start({
    kind: "script",
    path,
    hash: server.context.folder.script(path)?.hash ?? "",
    language: "bun",
    args: { n },
    caller: identity.owner,
  });
  // Who reads this has the word that the job is on record.
  console.log(`started ${job.id}`);
  if (path === "f/hang" && n % 8 === 3) await jobs.cancel(job.id, "admin", "of the test");
}
console.log("ready");
