/**
 * A served folder for the benchmark of the server: prints its address and token, and when each job's end was committed. Arguments: the
 * folder, and how many processes wait for jobs.
 *
 * @module
 */
import { openDevServer } from "../src/cli/dev_server.ts";

const [folder = "", pool = "1"] = Deno.args;
const { url, token, server } = await openDevServer({
  folder,
  data: `${folder}/.windkit-${pool}`,
  port: 0,
  poolSize: Number(pool),
  settings: { net: "open", denyNet: [], datatables: {}, s3: {} },
  report: (error) => console.error(error),
});
const { jobs, workspace } = server.context;
const told = new Set<string>();
// Watchers are told right after the commit.
jobs.watchAll((id) => {
  const at = performance.timeOrigin + performance.now();
  if (told.has(id) || jobs.get(id)?.completedAt === undefined) return;
  told.add(id);
  console.log(JSON.stringify({ id, at }));
});
console.log(JSON.stringify({ url, token, workspace }));
