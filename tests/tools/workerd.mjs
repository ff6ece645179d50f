/**
 * Runs one bundled worker in workerd, case by case, and says what became of each.
 *
 * Usage: workerd.mjs <bundle> <mark of a report line> <filter> <limit in ms> [compatibility flag ...]
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { Miniflare } from "miniflare";

const [bundle, mark, filter, limit, ...compatibilityFlags] = process.argv.slice(
  2,
);
const contents = await readFile(bundle, "utf8");

function start() {
  return new Miniflare({
    modules: [{ type: "ESModule", path: "worker.js", contents }],
    compatibilityDate: "2026-04-24",
    compatibilityFlags,
  });
}

let miniflare = start();

function say(report) {
  return new Promise((resolve) => process.stdout.write(`${mark}${JSON.stringify(report)}\n`, resolve));
}

async function ask(path, query) {
  const response = await miniflare.dispatchFetch(
    `http://suite.invalid${path}?${new URLSearchParams(query)}`,
  );
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`Worker answered ${response.status} to ${path}: ${text}`);
  }
  return JSON.parse(text);
}

try {
  const names = await ask("/plan", { filter });
  await say({ kind: "plan", names });
  for (const name of names) {
    await say({ kind: "start", name });
    // A worker that is never going to answer makes workerd give the request up: that is the case's failure.
    const reports = await ask("/case", { name, limit }).catch((error) => [
      {
        kind: "result",
        name,
        status: "failed",
        detail: error.stack ?? String(error),
        ms: 0,
      },
    ]);
    for (const report of reports) await say(report);
    if (reports.every((report) => report.status !== "failed")) continue;
    // What a failed case left in the isolate must not fail those after it.
    await miniflare.dispose();
    miniflare = start();
  }
  await say({ kind: "end" });
} finally {
  await miniflare.dispose();
}
process.exit(0);
