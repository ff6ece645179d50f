/**
 * The root and `./client` in a real Chromium, from a plain ESM file: a page of one origin calls a Windmill of another one, which allows
 * it by CORS, and sends it no cookies unless told to.
 */
import { readFile, writeFile } from "node:fs/promises";
import { bundle } from "../run/bundle.ts";
import { installTools, outFolder, removeOut } from "../run/runtimes.ts";
import { assert, assertEquals } from "../suite/assert.ts";
import { findChromium, openBrowser, type Tab } from "./_browser.ts";

const program = findChromium();

const JOB = "0197f0c4-5d1b-7c3e-8a2f-6f1d2b3c4d5e";

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly origin: string | null;
  readonly cookie: string | null;
  readonly authorization: string | null;
}

/** A Windmill of another origin, behind CORS as strict as it can be. */
function openStub(pageOrigin: () => string) {
  const seen: Seen[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { pathname } = new URL(request.url);
    const header = (name: string) => request.headers.get(name);
    const allow = {
      "access-control-allow-origin": pageOrigin(),
      "access-control-allow-headers": "authorization, content-type",
      "access-control-allow-methods": "GET, POST, DELETE",
      "access-control-allow-credentials": "true",
      // Every request asks first.
      "access-control-max-age": "0",
    };
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: allow });
    seen.push({
      method: request.method,
      path: pathname,
      origin: header("origin"),
      cookie: header("cookie"),
      authorization: header("authorization"),
    });
    if (pathname.endsWith("/jobs/run/p/f/a/b")) return new Response(JOB, { status: 201, headers: allow });
    if (pathname.endsWith("/download_s3_file")) {
      const pieces = ["first ", "second"];
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          const piece = pieces.shift();
          if (piece === undefined) controller.close();
          else controller.enqueue(new TextEncoder().encode(piece));
        },
      });
      return new Response(body, { headers: { ...allow, "content-type": "text/plain" } });
    }
    if (pathname.endsWith("/upload_s3_file")) return Response.json({ file_key: "up" }, { headers: allow });
    if (pathname.endsWith("/missing")) return new Response("Not found: x", { status: 404, headers: allow });
    if (pathname.includes("/variables/get_value/")) return Response.json("hello", { headers: allow });
    return new Response("?", { status: 500, headers: allow });
  });
  return { server, seen, url: `http://127.0.0.1:${server.addr.port}` };
}

/** Files of the page's origin, whose answers set a cookie: cookies know no ports, so it would be the other server's too. */
function openPageServer(files: Readonly<Record<string, string>>) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const name = new URL(request.url).pathname.slice(1);
    const found = files[name];
    return new Response(found ?? "<!doctype html><title>page</title>", {
      headers: {
        "content-type": found === undefined ? "text/html" : "text/javascript",
        "set-cookie": "session=secret; Path=/; SameSite=Lax",
        "content-security-policy": "script-src 'self'",
      },
    });
  });
  return { server, url: `http://127.0.0.1:${server.addr.port}` };
}

/** Bundles as a page loads them: no bundler, no import map. */
async function builtFiles(): Promise<Record<string, string>> {
  await installTools();
  const folder = `${outFolder}browser/`;
  const entries = { root: "@windkit/windmill-client", client: "@windkit/windmill-client/client" };
  const files: Record<string, string> = {};
  try {
    for (const [name, specifier] of Object.entries(entries)) {
      await Deno.mkdir(folder, { recursive: true });
      await writeFile(`${folder}${name}.js`, `export * from "${specifier}";\n`);
      await bundle([`${folder}${name}.js`], `${folder}out`, ["--minify", "--platform=browser"]);
      files[`${name}.js`] = await readFile(`${folder}out/${name}.js`, "utf8");
    }
  } finally {
    await removeOut(folder);
  }
  return files;
}

Deno.test({
  name: `The root and ./client work in a page of another origin${
    program === undefined ? " (no Chromium on this machine)" : ""
  }`,
  ignore: program === undefined,
  async fn() {
    const files = await builtFiles();
    for (const [name, text] of Object.entries(files)) {
      assert(!/\bfrom\s*"node:|\bimport\s*"node:/.test(text), `${name} imports a built-in module of Node`);
    }
    const pages = openPageServer(files);
    const stub = openStub(() => pages.url);
    try {
      await using browser = await openBrowser(program ?? "");
      const tab = await browser.open();
      await tab.go(`${pages.url}/`);
      assertEquals(await tab.run("document.cookie"), "session=secret");
      for (const file of Object.keys(files)) await judge(tab, file, stub);
      // The failed one's status is said by the browser itself.
      assertEquals(tab.complaints.filter((text) => !text.includes("404")), []);
      await tab.go("about:blank");
    } finally {
      await Promise.all([pages.server.shutdown(), stub.server.shutdown()]);
    }
  },
});

async function judge(tab: Tab, file: string, stub: ReturnType<typeof openStub>): Promise<void> {
  stub.seen.length = 0;
  const options = `{ baseUrl: "${stub.url}", workspace: "w", token: "browser-token" }`;
  const found = await tab.run(`(async () => {
    const { createClient } = await import("/${file}");
    const client = createClient(${options});
    const download = await client.s3.download("s3:///k");
    let pieces = 0, text = "";
    for (const reader = download.getReader(), decoder = new TextDecoder();;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces++;
      text += decoder.decode(value);
    }
    const missing = await client.variables.get("f/missing").catch((error) => [error.name, error.status]);
    const uploaded = await client.s3.upload("s3:///up", new Blob(["content"], { type: "text/plain" }));
    return [
      await client.variables.get("f/a"),
      await client.jobs.start("f/a/b", { x: 1 }),
      text, pieces > 0, missing, uploaded,
    ];
  })()`);
  assertEquals(found, ["hello", JOB, "first second", true, ["WindmillApiError", 404], { s3: "up" }]);
  assert(stub.seen.length >= 4, `${stub.seen.length} requests`);
  for (const { origin, cookie, authorization, path } of stub.seen) {
    assertEquals([path, cookie, authorization, origin !== null], [path, null, "Bearer browser-token", true]);
  }
  // Told to, it sends them: so the page has one that could have been sent.
  stub.seen.length = 0;
  await tab.run(`import("/${file}").then(({ createClient }) =>
    createClient({ ...${options}, credentials: "include" }).variables.get("f/a"))`);
  assertEquals(stub.seen.map(({ cookie }) => cookie), ["session=secret"]);
}
