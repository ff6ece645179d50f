/**
 * What a Worker with `runScript` costs over an empty one, from a fresh isolate to its first response, in turns, in workerd.
 *
 * Each isolate is a new one of the same workerd, made by a worker loader: its code is compiled and run, and asked once. Times are taken
 * outside, because clocks stand still inside. Beside it, the same Worker as an application of Hono.
 *
 * @module
 */
import { bundle } from "../tests/run/bundle.ts";
import { installTools, root } from "../tests/run/runtimes.ts";
import { startServing } from "../tests/e2e/_edge_kit.ts";
import { type Bench, bench, median, option, withFolder } from "./_report.ts";

const PACKAGE = "@windkit/windmill-client";

/** A Windmill that answers at once: what is measured is the Worker. */
const CLIENT = `const client = {
  baseUrl: "https://windmill.example", workspace: "w", token: "t", fetch: () => Promise.resolve(Response.json("ok")),
};\n`;

/** Workers by name. */
const WORKERS: Readonly<Record<string, string>> = {
  empty: 'export default { fetch: () => Response.json("ok") };\n',
  ours: `import { runScript } from "${PACKAGE}/handlers";\n${CLIENT}const handler = runScript("f/a", { client });\n` +
    "export default { fetch: (request, env) => handler(request, { env }) };\n",
  hono: 'import { Hono } from "hono";\nexport default new Hono().post("/", (c) => c.json("ok"));\n',
  ours_in_hono: `import { Hono } from "hono";\nimport { runScript } from "${PACKAGE}/hono";\n${CLIENT}` +
    'export default new Hono().post("/", runScript("f/a", { client }));\n',
};

/** Makes an isolate for each path, `/worker/number`, and hands the request to it. */
const LOADER = `export default {
  fetch(request, env) {
    const { pathname } = new URL(request.url);
    const worker = env.LOADER.get(pathname, () => ({
      compatibilityDate: "2026-04-24",
      mainModule: "worker.js",
      modules: { "worker.js": env[pathname.split("/")[1]] },
      env: {},
    }));
    return worker.getEntrypoint().fetch("http://worker.invalid/", { method: "POST" });
  },
};`;

async function measure(b: Bench, dir: string, isolates: number): Promise<void> {
  const bindings: Record<string, string> = {};
  for (const [name, code] of Object.entries(WORKERS)) {
    await Deno.writeTextFile(`${root}bench/results/${name}.js`, code);
    await bundle([`${root}bench/results/${name}.js`], dir, ["--minify"]);
    await Deno.remove(`${root}bench/results/${name}.js`);
    bindings[name] = await Deno.readTextFile(`${dir}/${name}.js`);
  }
  await Deno.writeTextFile(`${dir}/loader.js`, LOADER);
  await using served = await startServing([
    Deno.execPath(),
    "run",
    "-A",
    "--quiet",
    `${root}tests/tools/serve_worker.mjs`,
    JSON.stringify({
      host: "127.0.0.1",
      port: 0,
      modulesRoot: dir,
      modules: [{ type: "ESModule", path: `${dir}/loader.js` }],
      compatibilityDate: "2026-04-24",
      workerLoaders: { LOADER: {} },
      bindings,
    }),
  ]);

  async function ask(path: string): Promise<number> {
    const begin = performance.now();
    const response = await fetch(`${served.url}/${path}`);
    const text = await response.text();
    const ms = performance.now() - begin;
    if (text !== '"ok"') throw new Error(`${path} answered ${response.status} ${text}`);
    return ms;
  }

  const times: Record<string, number[]> = Object.fromEntries(Object.keys(WORKERS).map((name) => [name, []]));
  const warm: number[] = [];
  for (let i = -5; i < isolates; i++) {
    // The order changes: what comes first may find the machine in another state.
    const names = Object.keys(WORKERS);
    for (const name of i % 2 === 0 ? names : names.toReversed()) {
      const ms = await ask(`${name}/${i}`);
      if (i >= 0) times[name]?.push(ms);
    }
    const again = await ask(`ours/${i}`);
    if (i >= 0) warm.push(again);
  }
  b.measure("empty Worker, fresh", "ms", times.empty ?? []);
  b.measure("runScript, fresh", "ms", times.ours ?? []);
  b.measure("runScript, its second request", "ms", warm);
  b.measure("empty Hono, fresh", "ms", times.hono ?? []);
  b.measure("runScript in Hono, fresh", "ms", times.ours_in_hono ?? []);
  for (const [name, base, title] of [["ours", "empty", "runScript"], ["ours_in_hono", "hono", "runScript in Hono"]]) {
    const without = times[base ?? ""] ?? [];
    const over = (times[name ?? ""] ?? []).map((ms, i) => ms - (without[i] ?? NaN));
    b.measure(`${title}, more than without it, in pairs`, "ms", over);
    b.bar(
      `first response of ${title}, more than without it`,
      "ms",
      median(over),
      "at most",
      Math.max(3, median(without) * 0.15),
    );
  }
  b.note("The limit is 0.15 of the Worker without it, or 3 ms, whichever is more.");
}

await bench("cold_start", import.meta.main, async (b) => {
  await installTools();
  await Deno.mkdir(`${root}bench/results`, { recursive: true });
  const isolates = option("rounds", 20);
  b.setting("fresh isolates of each", isolates);
  await withFolder((dir) => measure(b, dir, isolates));
});
