/**
 * Serves one bundled Edge Function in Vercel's edge runtime until it is told to end, and says where. The runtime has the variables
 * that are given and nothing of Node.
 *
 * Usage: serve_edge_runtime.mjs <bundle, which sets globalThis.handler> <variables as JSON>; prints `Listening on <address>`
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { EdgeRuntime, runServer } from "edge-runtime";

const [bundle = "", variables = "{}"] = process.argv.slice(2);
const code = await readFile(bundle, "utf8");
const runtime = new EdgeRuntime({
  initialCode: `globalThis.process = { env: ${variables} };\n${code}\n` +
    `addEventListener("fetch", (event) => event.respondWith(globalThis.handler(event.request, {
      waitUntil: (work) => event.waitUntil(work),
    })));`,
});
const { url } = await runServer({ runtime, port: 0, host: "127.0.0.1" });
process.stdout.write(`Listening on ${new URL(url).origin}\n`);
