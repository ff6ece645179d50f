/** The official configuration object: the client of the top-level functions from another side. */
import {
  getVariable,
  getWorkspace,
  JobService,
  OpenAPI,
  type OpenAPIConfig,
  setClient,
  VariableService,
} from "@windkit/windmill-client/compat";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { json, serve, type Stub, text, withEnvironment } from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import { test } from "./harness.ts";

/** Runs `use` on a stub, with nothing configured before or afterwards. */
async function clean(stub: Pick<Stub, "fetch">, use: () => Promise<void>, environment = {}): Promise<void> {
  const reset = (): void => {
    OpenAPI.HEADERS = OpenAPI.USERNAME = OpenAPI.PASSWORD = undefined;
    OpenAPI.TOKEN = undefined;
    OpenAPI.WITH_CREDENTIALS = false;
    OpenAPI.CREDENTIALS = "include";
    setClient();
  };
  try {
    reset();
    await withEnvironment(environment, stub, use);
  } finally {
    reset();
  }
}

const ambient = { BASE_URL: "http://env.test/", WM_TOKEN: "env-token", WM_WORKSPACE: "ws" };

test("OpenAPI: what setClient() says is read, and what is written is what every function uses", async () => {
  const stub = serve(() => json("v"));
  await clean(stub, async () => {
    setClient("one", "http://one.test/sub/", "ws");
    assertEquals([OpenAPI.BASE, OpenAPI.TOKEN], ["http://one.test/sub/api", "one"]);
    OpenAPI.BASE = "http://two.test/api";
    OpenAPI.TOKEN = "two";
    assertEquals([OpenAPI.BASE, OpenAPI.TOKEN, getWorkspace()], ["http://two.test/api", "two", "ws"]);
    await getVariable("a");
    await VariableService.getVariableValue({ workspace: "other", path: "a" });
    setClient("three", "http://three.test", "ws");
    await getVariable("a");
  });
  assertEquals(stub.seen.map(({ url, headers }) => [url, headers.get("authorization")]), [
    ["http://two.test/api/w/ws/variables/get_value/a", "Bearer two"],
    ["http://two.test/api/w/other/variables/get_value/a", "Bearer two"],
    ["http://three.test/api/w/ws/variables/get_value/a", "Bearer three"],
  ]);
});

test("OpenAPI: what is not set is the environment's, read when it is asked for", async () => {
  await clean(serve(() => json("v")), async () => {
    assertEquals([OpenAPI.BASE, OpenAPI.TOKEN], ["http://env.test/api", "env-token"]);
    await Promise.resolve();
  }, ambient);
  assertEquals([OpenAPI.BASE, OpenAPI.TOKEN], ["", undefined]);
}, noEnvironment);

test("OpenAPI: a base with and without slashes and /api at its end is one and the same", async () => {
  await clean(serve(() => json("v")), async () => {
    for (const base of ["http://h.test", "http://h.test/", "http://h.test/api", "http://h.test/api/"]) {
      OpenAPI.BASE = base;
      assertEquals(OpenAPI.BASE, "http://h.test/api");
    }
    OpenAPI.TOKEN = "tok";
    OpenAPI.BASE = "not an address";
    assertEquals(OpenAPI.BASE, "");
    await assertRejects(() => JobService.listJobs({ workspace: "ws" }), "CONFIGURATION", "'baseUrl'");
  });
});

test("OpenAPI: no token, or an empty one, sends none", async () => {
  const stub = serve(() => json("v"));
  await clean(stub, async () => {
    for (const token of [undefined, ""]) {
      setClient("old", "http://stub.test", "ws");
      OpenAPI.TOKEN = token;
      assertEquals(OpenAPI.TOKEN === undefined || OpenAPI.TOKEN === "", true);
      await getVariable("a");
    }
  });
  assertEquals(stub.seen.map(({ headers }) => headers.get("authorization")), [null, null]);
});

test("OpenAPI: a function gives the token of each request, until a token is set", async () => {
  const stub = serve(() => json("v"));
  let made = 0;
  await clean(stub, async () => {
    setClient("old", "http://stub.test", "ws");
    const resolver: OpenAPIConfig["TOKEN"] = ({ method, url }) =>
      Promise.resolve(`${++made}-${method}-${url.slice(-1)}`);
    OpenAPI.TOKEN = resolver;
    assert(OpenAPI.TOKEN === resolver);
    await getVariable("a");
    await VariableService.getVariableValue({ path: "b" });
    setClient("new", "http://stub.test", "ws");
    assertEquals(OpenAPI.TOKEN, "new");
    await getVariable("c");
  });
  assertEquals(stub.seen.map(({ headers }) => headers.get("authorization")), [
    "Bearer 1-GET-a",
    "Bearer 2-GET-b",
    "Bearer new",
  ]);
});

test("OpenAPI: headers go with every request, and those of a call go before", async () => {
  const stub = serve(() => json("v"));
  await clean(stub, async () => {
    setClient("tok", "http://stub.test", "ws");
    OpenAPI.HEADERS = { "X-A": "all", "X-B": "all", authorization: "none" };
    await VariableService.getVariableValue({ path: "a" }, { headers: { "x-b": "call" } });
    OpenAPI.HEADERS = () => Promise.resolve({ "X-A": "made" });
    await getVariable("a");
  });
  assertEquals(stub.seen.map(({ headers }) => ["x-a", "x-b", "authorization"].map((name) => headers.get(name))), [
    ["all", "call", "Bearer tok"],
    ["made", null, "Bearer tok"],
  ]);
});

test("OpenAPI: a name and a password go before the token, and need none", async () => {
  const stub = serve(() => json("v"));
  await clean(stub, async () => {
    setClient(undefined, "http://stub.test", "ws");
    OpenAPI.USERNAME = "me";
    OpenAPI.PASSWORD = () => "secret";
    await getVariable("a");
    setClient("tok", "http://stub.test", "ws");
    await getVariable("a");
  });
  const basic = `Basic ${btoa("me:secret")}`;
  assertEquals(stub.seen.map(({ headers }) => headers.get("authorization")), [basic, basic]);
});

test("OpenAPI: interceptors change requests and responses, in the order in which they were added", async () => {
  const stub = serve(() => text("Not found", 404));
  const first = (init: RequestInit): RequestInit => ({
    ...init,
    headers: { ...Object.fromEntries(new Headers(init.headers)), "x-order": "1" },
  });
  const second = (init: RequestInit): RequestInit => {
    new Headers(init.headers).forEach((value, name) => name === "x-order" && order.push(value));
    return init;
  };
  const rescue = (response: Response): Promise<Response> => Promise.resolve(response.ok ? response : json("rescued"));
  const order: string[] = [];
  const { request, response } = OpenAPI.interceptors;
  await clean(stub, async () => {
    setClient("tok", "http://stub.test", "ws");
    request.use(first);
    request.use(second);
    response.use(rescue);
    try {
      assertEquals(await getVariable("a"), "rescued");
      assertEquals(await VariableService.getVariableValue({ path: "a" }), "rescued");
    } finally {
      request.eject(first);
      request.eject(second);
      response.eject(rescue);
    }
    await assertRejects(() => getVariable("a"), "WINDMILL_API", "Not found");
  });
  assertEquals(order, ["1", "1"]);
  assertEquals(stub.seen.map(({ headers }) => headers.get("x-order")), ["1", "1", null]);
});

test("OpenAPI: another origin, to which a redirect leads, gets nothing of what is secret", async () => {
  const stub = serve(({ url }) =>
    url.startsWith("http://stub.test") ? text("", 302, { location: "http://else.test/api/x" }) : json("v")
  );
  await clean(stub, async () => {
    setClient(undefined, "http://stub.test", "ws");
    OpenAPI.TOKEN = () => "made";
    OpenAPI.HEADERS = { "x-secret": "s" };
    OpenAPI.USERNAME = OpenAPI.PASSWORD = "p";
    assertEquals(await getVariable("a"), "v");
  });
  assertEquals(stub.seen.map(({ url, headers }) => [new URL(url).host, headers.get("x-secret")]), [
    ["stub.test", "s"],
    ["else.test", null],
  ]);
  assertEquals(stub.seen[1]?.headers.get("authorization"), null);
});

test("OpenAPI: cookies go along only when that is asked for", async () => {
  const stub = serve(() => json("v"));
  await clean(stub, async () => {
    setClient("tok", "http://stub.test", "ws");
    assertEquals([OpenAPI.WITH_CREDENTIALS, OpenAPI.CREDENTIALS], [false, "include"]);
    await getVariable("a");
    OpenAPI.WITH_CREDENTIALS = true;
    await getVariable("a");
    OpenAPI.CREDENTIALS = "same-origin";
    await getVariable("a");
    assertEquals([OpenAPI.WITH_CREDENTIALS, OpenAPI.CREDENTIALS], [true, "same-origin"]);
  });
  // Where there are no cookies, the field is not sent.
  const known = "credentials" in Request.prototype;
  assertEquals(
    stub.seen.map(({ init }) => init.credentials),
    known ? ["omit", "include", "same-origin"] : [undefined, undefined, undefined],
  );
});

test("OpenAPI: it has the official fields, and can be copied", () => {
  assertEquals(Object.keys(OpenAPI).toSorted(), [
    "BASE",
    "CREDENTIALS",
    "ENCODE_PATH",
    "HEADERS",
    "PASSWORD",
    "TOKEN",
    "USERNAME",
    "VERSION",
    "WITH_CREDENTIALS",
    "interceptors",
  ]);
  setClient("tok", "http://stub.test");
  assertEquals({ ...OpenAPI }.BASE, "http://stub.test/api");
  assertEquals(OpenAPI.VERSION, "1.818.0");
  setClient();
});
