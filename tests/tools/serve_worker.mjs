/**
 * Serves one bundled worker with Miniflare until it is told to end, and says where.
 *
 * Usage: serve_worker.mjs <options of Miniflare as JSON>; prints `Listening on <address>`
 */
import process from "node:process";
import { Miniflare } from "miniflare";

const miniflare = new Miniflare(JSON.parse(process.argv[2] ?? "{}"));
const { origin } = await miniflare.ready;
process.stdout.write(`Listening on ${origin}\n`);
process.once("SIGTERM", async () => {
  await miniflare.dispose();
  process.exit(0);
});
