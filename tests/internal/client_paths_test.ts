/**
 * Every function that takes a path, an id or a key, with any text: either it is refused before a request, or it reaches one
 * route of the server with that text and no other. `WINDKIT_SOAK=1` runs 20 times as many.
 */
import { deepStrictEqual as equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { createClient } from "../../mod.ts";
import { mockWindmill } from "../../src/testing/mod.ts";
import { createApi } from "../../src/sdk/api.ts";
import { CLIENT, ID, type Named, TOP } from "../suite/_hostile_table.ts";

const numRuns = Deno.env.get("WINDKIT_SOAK") === "1" ? 3000 : 150;

/** Texts that mean something to somebody between here and the server, among any others. */
const texts = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  // Any code units: halves of characters too.
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.array(
    fc.constantFrom(
      ..."/ . .. %2e %2F %5c \\ ? # & = + ; : @ $var: $res: var:// res:// \0 \t \r\n \u2028 é 😀 \ud800 \udc00 a f w ws"
        .split(" "),
      " ",
    ),
    { maxLength: 8 },
  ).map((parts) => parts.join("")),
);

/** What a function asked for, by address. */
interface Asked {
  readonly urls: string[];
  readonly error: unknown;
}

/** Tells what is wrong with how a text reached the server; undefined when nothing is. */
function fault(named: Named, text: string, { urls, error }: Asked, workspace: string): string | undefined {
  const { at, segment = false, prefix } = named;
  const base = at.startsWith("/") ? "/api/" : `/api/w/${workspace}/${at}`;
  const bare = prefix === undefined ? text : text.replace(prefix, "");
  if (urls.length === 0) {
    const { code } = error as { readonly code?: unknown };
    const refused = error instanceof RangeError || error instanceof TypeError || code === "CONFIGURATION";
    if (!refused) return `no request, and no refusal: ${error}`;
    const parts = segment ? [bare] : bare.split("/");
    const bad = !text.isWellFormed() || parts.some((part) => /^\.{0,2}$/.test(part)) || /[/\\]|^\s*$/.test(text);
    return bad ? undefined : `a text that could be used was refused: ${error}`;
  }
  let reached = 0;
  for (const url of urls) {
    const { pathname, hash, origin, href } = new URL(url);
    // What a runtime would make of it is what was sent.
    if (href !== url || hash !== "" || !/^http:\/\/(stub|windmill)\.test$/.test(origin)) {
      return `another address: ${url}`;
    }
    const rest = pathname.startsWith(base) ? pathname.slice(base.length) : undefined;
    if (rest === undefined) continue;
    reached++;
    if (segment && rest.includes("/")) return `more than one segment: ${url}`;
    if (rest.split("/").map(decodeURIComponent).join("/") !== bare) return `another text arrives: ${url}`;
  }
  return reached > 0 || urls.every((url) => url.includes("get_root_job_id")) ? undefined : `not on its route: ${urls}`;
}

const env = { WM_JOB_ID: ID, WM_FLOW_JOB_ID: ID, WM_STATE_PATH: "u/me/state" };

async function ask(give: () => unknown): Promise<unknown> {
  try {
    await give();
  } catch (error) {
    return error;
  }
}

for (const [name, { named }] of Object.entries(CLIENT)) {
  if (named === undefined) continue;
  Deno.test(`${name}() of a client reaches its route with any text, or refuses it before a request`, async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const urls: string[] = [];
        const client = createClient({
          baseUrl: "http://stub.test",
          workspace: "ws",
          token: "tok",
          env,
          fetch: (url) => {
            urls.push(url);
            return Promise.resolve(
              url.includes("get_root_job_id")
                ? new Response(JSON.stringify(ID))
                : new Response("Bad request: no", { status: 400 }),
            );
          },
        });
        const error = await ask(() => named.give(client, text));
        equal(fault(named, text, { urls, error }, "ws"), undefined);
      }),
      { numRuns },
    );
  });
}

for (const [name, { named }] of Object.entries(TOP)) {
  if (named === undefined) continue;
  Deno.test(`${name}() reaches its route with any text, or refuses it before a request`, async () => {
    const mock = mockWindmill({ env });
    using _ = mock.install();
    mock.route(
      "GET /**",
      (_request, path = "") =>
        new Response(path.includes("get_root_job_id") ? JSON.stringify(ID) : "Bad request: no", {
          status: path.includes("get_root_job_id") ? 200 : 400,
        }),
    );
    mock.route("POST /**", () => new Response("Bad request: no", { status: 400 }));
    let before = 0;
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const error = await ask(() => named.give(createClient(mock.options), text));
        const urls = mock.requests.slice(before).map(({ url }) => url);
        before = mock.requests.length;
        // `resolveDefaultResource` puts a prefix before it.
        const given = name === "resolveDefaultResource" ? `$res:${text}` : text;
        equal(fault(named, given, { urls, error }, "mock"), undefined);
      }),
      { numRuns },
    );
    mock.close();
  });
}

Deno.test("endpoints by path put any text where it belongs, or refuse it before a request", async () => {
  await fc.assert(
    fc.asyncProperty(texts, texts, async (path, workspace) => {
      const urls: string[] = [];
      const api = createApi({
        baseUrl: "http://stub.test",
        token: "tok",
        fetch: (url) => {
          urls.push(url);
          return Promise.resolve(new Response('"v"', { headers: { "content-type": "application/json" } }));
        },
      });
      const call = () =>
        api.GET("/w/{workspace}/variables/get_value/{path}", { params: { path: { workspace, path } } });
      const error = await ask(call);
      if (urls.length === 0) {
        ok(error instanceof RangeError || error instanceof TypeError, `${error}`);
        return;
      }
      const [, ws = "", rest = ""] =
        /^\/api\/w\/([^/]+)\/variables\/get_value\/(.+)$/.exec(new URL(urls[0] ?? "").pathname) ??
          [];
      equal([decodeURIComponent(ws), rest.split("/").map(decodeURIComponent).join("/")], [workspace, path]);
      equal(new URL(urls[0] ?? "").search + new URL(urls[0] ?? "").hash, "");
    }),
    { numRuns },
  );
});
