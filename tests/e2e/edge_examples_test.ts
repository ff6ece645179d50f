/**
 * The example projects of all platforms, started as each platform starts them, before a local server with the example workspace: each
 * answers with what a script makes of an order, serves a signed file, and refuses what it should.
 */
import { readFile } from "node:fs/promises";
import { createClient } from "@windkit/windmill-client/client";
import { bundle } from "../run/bundle.ts";
import { installTools, outFolder, removeOut, root, runtimes } from "../run/runtimes.ts";
import { assert, assertEquals } from "../suite/assert.ts";
import { startServing } from "./_edge_kit.ts";
import { EXAMPLES, openLocal } from "./_local_dev.ts";

/** Starts an example with variables, and resolves when it serves. */
type Start = (
  env: Readonly<Record<string, string>>,
  folder: string,
) => Promise<AsyncDisposable & { readonly url: string }>;

interface WranglerConfig {
  readonly main: string;
  readonly compatibility_date: string;
  readonly compatibility_flags?: readonly string[];
  readonly vars: Readonly<Record<string, string>>;
  readonly durable_objects: { readonly bindings: readonly { readonly name: string; readonly class_name: string }[] };
  readonly migrations: readonly { readonly tag: string; readonly new_sqlite_classes: readonly string[] }[];
}

const examples = `${root}examples/`;
const tools = `${root}tests/tools/`;
const node = runtimes().find(({ name }) => name === "Node 24");

/** `wrangler.jsonc` as JSON: comments are lines of their own in it. */
async function wranglerConfig(): Promise<WranglerConfig> {
  const text = await readFile(`${examples}edge-cloudflare/wrangler.jsonc`, "utf8");
  return JSON.parse(text.replace(/^\s*\/\/.*$/gm, "")) as WranglerConfig;
}

const starts: Readonly<Record<string, { readonly start: Start; readonly absent?: string | undefined }>> = {
  "edge-cloudflare": {
    async start(env, folder) {
      const { main, compatibility_date, compatibility_flags = [], vars, ...config } = await wranglerConfig();
      const { durable_objects: { bindings: objects }, migrations } = config;
      const sqlite = migrations.flatMap(({ new_sqlite_classes }) => new_sqlite_classes);
      assertEquals(Object.keys(vars).toSorted(), ["WM_BASE_URL", "WM_WORKSPACE"]);
      await bundle([`${examples}edge-cloudflare/${main}`], folder);
      return await startServing([
        Deno.execPath(),
        "run",
        "-A",
        "--quiet",
        `${tools}serve_worker.mjs`,
        JSON.stringify({
          port: 0,
          host: "127.0.0.1",
          modules: [{ type: "ESModule", path: `${folder}/worker.js` }],
          modulesRoot: folder,
          compatibilityDate: compatibility_date,
          compatibilityFlags: compatibility_flags,
          bindings: { ...vars, ...env, MANAGER_KEY: "key" },
          durableObjects: Object.fromEntries(
            objects.map((one) => [one.name, { className: one.class_name, useSQLite: sqlite.includes(one.class_name) }]),
          ),
        }),
      ]);
    },
  },
  "edge-deno": {
    async start(env) {
      const { tasks } = JSON.parse(await readFile(`${examples}edge-deno/deno.json`, "utf8")) as {
        readonly tasks: { readonly start: string };
      };
      const [, ...args] = tasks.start.split(" ");
      return await startServing([
        Deno.execPath(),
        ...args.slice(0, -1),
        // The package of this repository, which the example's own file takes from npm.
        `--config=${root}deno.json`,
        "--host=127.0.0.1",
        "--port=0",
        `${examples}edge-deno/${args.at(-1)}`,
      ], { env });
    },
  },
  "edge-vercel": {
    absent: node?.absent,
    async start(env, folder) {
      await bundle([`${examples}edge-vercel/api/edge.ts`], folder, [
        "--format=iife",
        "--global-name=found",
        "--footer:js=globalThis.handler = found.default;",
      ]);
      const program = `${tools}serve_edge_runtime.mjs`;
      const [path = ""] = node?.command("suite", "", 0) ?? [];
      return await startServing([path, program, `${folder}/edge.js`, JSON.stringify(env)]);
    },
  },
  "edge-node": {
    absent: node?.absent,
    async start(env, folder) {
      await bundle([`${examples}edge-node/server.ts`], folder);
      const [path = ""] = node?.command("suite", "", 0) ?? [];
      return await startServing([path, `${folder}/server.js`], { env: { ...env, PORT: "0" } });
    },
  },
};

for (const [name, { start, absent }] of Object.entries(starts)) {
  Deno.test({
    name: `examples/${name} answers as its README says${absent === undefined ? "" : ` (${absent})`}`,
    ignore: absent !== undefined,
    async fn() {
      await installTools();
      const folder = `${outFolder}${name}`;
      await using local = await openLocal({ copyOf: EXAMPLES });
      const { url: baseUrl, workspace, token } = local;
      try {
        await using edge = await start({ WM_BASE_URL: baseUrl, WM_WORKSPACE: workspace, WM_TOKEN: token }, folder);
        // Its connections end with it: one that was opened and never used would keep a server that waits for all of them.
        using http = Deno.createHttpClient({});
        const ask = (url: string, init: RequestInit = {}) => fetch(url, { ...init, ...{ client: http } });
        if (name === "edge-cloudflare") await judgeRefunds(edge.url, ask);
        await judge(name, edge.url, ask, createClient({ baseUrl, workspace, token, env: {}, fetch: ask }));
      } finally {
        await removeOut(folder);
      }
      assertEquals(local.reported, []);
    },
  });
}

async function judge(
  name: string,
  url: string,
  fetch: (url: string, init?: RequestInit) => Promise<Response>,
  client: ReturnType<typeof createClient>,
): Promise<void> {
  const health = await fetch(`${url}/health`);
  assertEquals([health.status, await health.json()], [200, { ok: true }]);

  const body = JSON.stringify({ lines: [{ item: "cake", quantity: 2 }] });
  const headers = { "content-type": "application/json" };
  const total = await fetch(`${url}/orders/total`, { method: "POST", headers, body });
  assertEquals([total.status, await total.json()], [200, { cents: 820, text: "8.20 EUR" }]);
  const failed = await fetch(`${url}/orders/total`, {
    method: "POST",
    headers,
    body: JSON.stringify({ lines: [{ item: "tea", quantity: 1 }] }),
  });
  assertEquals(failed.status, 422);
  assert((await failed.text()).includes('There is no \\"tea\\" on the menu'));
  for (const method of ["GET", "DELETE"]) {
    const other = await fetch(`${url}/orders/total`, { method });
    assert(other.status === 404 || other.status === 405, `${method} ${other.status}`);
    await other.body?.cancel();
  }
  assertEquals((await fetch(`${url}/nothing`)).status, 404);

  const bytes = new Uint8Array(3_000_000).map((_, i) => i % 251);
  await client.s3.upload({ s3: "menus/b \u00fc.bin" }, bytes, { contentType: "application/x-menu" });
  const address = await client.s3.presign({ s3: "menus/b \u00fc.bin" }, { baseUrl: url });
  const whole = await fetch(address);
  assertEquals([whole.status, whole.headers.get("content-type")], [200, "application/x-menu"]);
  assertEquals(new Uint8Array(await whole.arrayBuffer()), bytes);
  const part = await fetch(address, { headers: { range: "bytes=1000000-1000009" } });
  assertEquals([part.status, part.headers.get("content-range")], [206, "bytes 1000000-1000009/3000000"]);
  assertEquals(new Uint8Array(await part.arrayBuffer()), bytes.slice(1_000_000, 1_000_010));
  const etag = whole.headers.get("etag") ?? "";
  const same = await fetch(address, { headers: { "if-none-match": etag } });
  assertEquals([same.status, await same.text()], [304, ""]);
  const head = await fetch(address, { method: "HEAD" });
  assertEquals(head.status, 200);
  // Vercel's sandbox takes the length off every answer.
  const length = name === "edge-vercel" ? null : "3000000";
  assertEquals([whole, head].map((answer) => answer.headers.get("content-length")), [length, length]);
  for (const forged of [address.replace(/.$/, (last) => last === "0" ? "1" : "0"), address.replace(/\?.*/, "")]) {
    const refused = await fetch(forged);
    assertEquals(refused.status, 401);
    await refused.body?.cancel();
  }
}

/** The workflow of the Worker: one refund for each order, which waits for the manager. */
async function judgeRefunds(url: string, fetch: (url: string, init?: RequestInit) => Promise<Response>): Promise<void> {
  const post = (path: string, body: unknown, headers = {}) =>
    fetch(`${url}/refunds/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  for (let twice = 0; twice < 2; twice++) {
    const started = await post("7", { cents: 1500 });
    assertEquals([started.status, await started.json()], [202, { order: "7" }]);
  }
  const others = [await post("7", { cents: 1 }), await fetch(`${url}/refunds/none`)];
  assertEquals(others.map(({ status }) => status), [409, 404]);
  for (const { body } of others) await body?.cancel();
  assertEquals((await post("7/allow", {})).status, 403);
  const allowed = await post("7/allow", {}, { "x-manager-key": "key" });
  assertEquals([allowed.status, await allowed.json()], [200, { order: "7", refunded: 1500, by: "manager" }]);
  assertEquals(await (await fetch(`${url}/refunds/7`)).json(), { state: "closed" });
  const again = await post("7/allow", {}, { "x-manager-key": "key" });
  assertEquals([again.status, await again.json()], [409, { error: "Nobody waits for this answer" }]);
  await (await post("8", { cents: 1 })).body?.cancel();
  const refused = await post("8/refuse", {}, { "x-manager-key": "key" });
  assertEquals(await refused.json(), { order: "8", refunded: 0, by: "manager" });
}
