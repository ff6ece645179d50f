/**
 * Starts one worker in workerd, asks it once, and prints what it says.
 *
 * Usage: ask_worker.mjs <file with options of Miniflare as JSON>
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { Miniflare } from "miniflare";

const miniflare = new Miniflare(JSON.parse(await readFile(process.argv[2] ?? "", "utf8")));
try {
  const response = await miniflare.dispatchFetch("http://worker.invalid/");
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  process.stdout.write(`${text}\n`);
} finally {
  await miniflare.dispose();
}
process.exit(0);
