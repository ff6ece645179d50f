/** Handlers on a server of Node's: streams at the pace of the slower side, clients that hang up, and requests that are none. */
import { installTools, outFolder, removeOut, root, runtimes } from "../run/runtimes.ts";
import { bundle } from "../run/bundle.ts";
import { assert, assertEquals, assertRejects } from "../suite/assert.ts";
import { type Serving, startServing } from "./_edge_kit.ts";
import { openLocal } from "./_local_dev.ts";

const MIB = 1024 * 1024;

interface State {
  readonly pulled: number;
  readonly cancelled: number;
  readonly aborted: number;
  readonly broken: number;
  /** Bytes of buffers that are held. */
  readonly held: number;
}

type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

async function stateOf(edge: Serving, fetch: Fetch): Promise<State> {
  return await (await fetch(`${edge.url}/state`)).json() as State;
}

/** Asks for the state until it is as wanted: what a connection's end does is done a little later. */
async function until(edge: Serving, fetch: Fetch, wanted: (state: State) => boolean): Promise<State> {
  for (let tries = 0; tries < 500; tries++) {
    const state = await stateOf(edge, fetch);
    if (wanted(state)) return state;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`Still ${JSON.stringify(await stateOf(edge, fetch))}`);
}

/** Says a text to a server and gives what it says until it hangs up. */
async function say(edge: Serving, text: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(edge.url).port) });
  const writer = connection.writable.getWriter();
  void writer.write(new TextEncoder().encode(text)).catch(() => {}); // the server may have heard enough
  return await new Response(connection.readable).text();
}

function nodeTest(name: string, run: (edge: Serving, fetch: Fetch) => Promise<void>, versions = /^Node/): void {
  for (const runtime of runtimes().filter((one) => versions.test(one.name))) {
    Deno.test({
      name: `edge/node on ${runtime.name}: ${name}${runtime.absent === undefined ? "" : ` (${runtime.absent})`}`,
      ignore: runtime.absent !== undefined,
      async fn() {
        await installTools();
        const folder = `${outFolder}edge_node`;
        await using _files = { [Symbol.asyncDispose]: () => removeOut(folder) };
        await bundle([`${root}tests/e2e/edge_node_program.ts`], folder);
        await using local = await openLocal();
        const [path = ""] = runtime.command("suite", "", 0);
        await using edge = await startServing([path, "--expose-gc", `${folder}/edge_node_program.js`], {
          env: { WM_BASE_URL: local.url, WM_WORKSPACE: local.workspace, WM_TOKEN: local.token },
        });
        using client = Deno.createHttpClient({});
        await run(edge, (url, init = {}) => fetch(url, { ...init, ...{ client } }));
      },
    });
  }
}

/** Content that is made as it is asked for. */
function made(mebibytes: number, onMebibyte: (at: number) => Promise<void> = async () => {}) {
  let at = 0;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (at % 16 === 0) await onMebibyte(at / 16);
      if (at++ < mebibytes * 16) controller.enqueue(new Uint8Array(MIB / 16).fill(at));
      else controller.close();
    },
  }, { highWaterMark: 0 });
}

nodeTest("bodies stream both ways, at once and in constant memory", async (edge, fetch) => {
  const echo = await fetch(`${edge.url}/echo`, { method: "POST", body: made(16), ...{ duplex: "half" } });
  let length = 0;
  for await (const piece of echo.body ?? []) length += piece.length;
  assertEquals(length, 16 * MIB);
  let most = 0;
  const look = async (at: number) => {
    if (at % 8 === 7) most = Math.max(most, (await stateOf(edge, fetch)).held);
  };
  const put = await fetch(`${edge.url}/files/big`, { method: "PUT", body: made(64, look), ...{ duplex: "half" } });
  assertEquals([put.status, await put.json()], [200, { s3: "big" }]);
  assert(most < 32 * MIB, `${most / MIB} MiB are held of an upload of 64 MiB`);
  const got = await fetch(`${edge.url}/files/big`);
  assertEquals(got.headers.get("content-length"), `${64 * MIB}`);
  let read = 0;
  for await (const piece of got.body ?? []) {
    if (Math.floor(read / MIB) < Math.floor((read += piece.length) / MIB)) await look(Math.floor(read / MIB));
  }
  assertEquals(read, 64 * MIB);
  assert(most < 32 * MIB, `${most / MIB} MiB are held of a download of 64 MiB`);
  assertEquals((await fetch(`${edge.url}/files/big`, { method: "DELETE" })).status, 204);
  const gone = await fetch(`${edge.url}/files/big`);
  assertEquals([gone.status, (await gone.json() as { error: { name: string } }).error.name], [404, "NotFoundError"]);
}, /^Node 24/);

nodeTest("a reader that waits holds the source, and one that hangs up ends it", async (edge, fetch) => {
  const response = await fetch(`${edge.url}/endless`);
  const reader = response.body?.getReader();
  await reader?.read();
  // As much as the buffers of two sockets take, and no more.
  let { pulled } = await stateOf(edge, fetch);
  for (let still = 0; still < 5;) {
    const next = await stateOf(edge, fetch);
    still = next.pulled === pulled ? still + 1 : 0;
    pulled = next.pulled;
    assert(pulled < 2000, `${pulled} pieces of 64 KiB were taken`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await reader?.cancel();
  await until(edge, fetch, ({ cancelled, aborted }) => cancelled === 1 && aborted === 1);
  const controller = new AbortController();
  const { signal } = controller;
  // Their headers come before any of their bodies. By the second one, the handler's request is one that was made of Node's.
  await fetch(`${edge.url}/silent`, { signal });
  await fetch(`${edge.url}/silent`, { signal, headers: { "x-moved": "1" } });
  await stateOf(edge, fetch); // collects garbage
  controller.abort();
  await until(edge, fetch, ({ cancelled, aborted }) => cancelled === 3 && aborted === 3);
});

nodeTest(
  "an upload that breaks off is an error of its handler, and a source that breaks cuts the answer",
  async (edge, fetch) => {
    const port = Number(new URL(edge.url).port);
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(
      new TextEncoder().encode("POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf"),
    );
    connection.close();
    await until(edge, fetch, ({ broken }) => broken === 1);
    const cut = await fetch(`${edge.url}/broken`);
    await assertRejects(() => cut.arrayBuffer());
  },
);

nodeTest("what a handler does not read does not harm the next request of its connection", async (edge) => {
  const body = "x".repeat(200_000);
  const text = await say(
    edge,
    `POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}` +
      "GET /url/second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  );
  assert(text.startsWith("HTTP/1.1 404 "), text);
  assert(text.includes("http://a/url/second"), text);
});

nodeTest("a body that is longer or shorter than it says is no other answer's part", async (edge) => {
  const ask = (said: number) =>
    say(
      edge,
      `GET /length/${said} HTTP/1.1\r\nHost: a\r\n\r\nGET /url/second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    );
  const right = await ask(19);
  assert(/content-length: 19\r\n/i.test(right) && right.includes("http://a/url/second"), right);
  assert(!/connection: x/i.test(right), right);
  const next = "GET /url/second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const empty = await say(edge, `GET /empty HTTP/1.1\r\nHost: a\r\n\r\n${next}`);
  assert(!/content-length: 5/i.test(empty) && empty.includes("http://a/url/second"), empty);
  const head = await say(edge, `HEAD /empty HTTP/1.1\r\nHost: a\r\n\r\n${next}`);
  assert(/content-length: 5\r\n/i.test(head) && head.includes("http://a/url/second"), head);
  for (const said of [2, 500]) {
    const text = await ask(said);
    assert(!text.includes("second") && !text.includes("HTTP/1.1 200 OK\r\n\r\n"), text);
  }
});

nodeTest("addresses are those that were asked for, and hosts that are none are refused", async (edge) => {
  const get = (path: string, host: string) =>
    say(edge, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  assert((await get("/url/a?b=c", "shop.example:81")).includes("http://shop.example:81/url/a?b=c"));
  assert((await get("//evil.example/x", "shop.example")).includes("http://shop.example//evil.example/x"));
  assert((await get("http://evil.example/url/a", "shop.example")).includes("http://shop.example/url/a"));
  for (const host of ["", " "]) assert((await get("/url/a", host)).includes("http://localhost/url/a"));
  for (const host of ["shop.example/evil?", "user@shop.example", "a b", "shop.example#", "[", "a:b", "\\x"]) {
    const text = await get("/url/a", host);
    assert(text.startsWith("HTTP/1.1 400 "), `${host}: ${text}`);
  }
  const cookies = await get("/cookies", "a");
  assert(/set-cookie: a=1\r\nset-cookie: b=2\r\n/i.test(cookies), cookies);
  const trace = await say(edge, "TRACE /url/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  assert(trace.startsWith("HTTP/1.1 400 "), trace);
});
