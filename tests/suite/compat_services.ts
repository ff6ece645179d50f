/** The official services: names, where arguments go, errors, cancelling, and what the official client does otherwise. */
import * as root from "@windkit/windmill-client";
import * as compat from "@windkit/windmill-client/compat";
import {
  ApiError,
  AppService,
  CancelablePromise,
  CancelError,
  HelpersService,
  JobService,
  NpmProxyService,
  setClient,
  UserService,
  VariableService,
  WorkspaceService,
} from "@windkit/windmill-client/compat";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { feed, json, serve, settle, type Stub, text, withEnvironment } from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import { test } from "./harness.ts";

/** Runs `use` with the top-level functions on a stub. */
async function over(stub: Pick<Stub, "fetch">, use: () => Promise<void>): Promise<void> {
  setClient("tok", "http://stub.test", "ws");
  try {
    await withEnvironment({}, stub, use);
  } finally {
    setClient();
  }
}

function targets(stub: Stub): string[] {
  return stub.seen.map(({ method, target, body }) => `${method} ${target.replace("/api/", "")}${body && ` ${body}`}`);
}

/** What a function that types do not let through is given. */
function untyped<T>(value: T): never {
  return value as never;
}

test("services: there are 66 with 912 functions, and each is there when it is asked for", () => {
  const services = Object.entries(compat).filter(([name]) => name.endsWith("Service"));
  assertEquals(services.length, 66);
  const counts = services.map(([name, service]) => {
    const has = service as object, functions = Object.entries(has);
    assert(functions.length > 0, `${name} has no functions`);
    for (const [id, f] of functions) assert(typeof f === "function" && id in has, `${name}.${id}`);
    return functions.length;
  });
  assertEquals(counts.reduce((sum, n) => sum + n, 0), 912);
  assertEquals(Object.keys(VariableService).includes("getVariableValue"), true);
  assertEquals("list" in VariableService, false);
  assertEquals((VariableService as { readonly list?: unknown }).list, undefined);
});

test("services: a function can be replaced, as tests of programs do", async () => {
  const service = compat.FavoriteService as { star: unknown };
  const { star } = service;
  service.star = () => "replaced";
  assertEquals((compat.FavoriteService.star as () => unknown)(), "replaced");
  service.star = star;
  const stub = serve(() => text(""));
  await over(stub, async () => void await compat.FavoriteService.star({ requestBody: {} }));
  assertEquals(targets(stub), ["POST w/ws/favorites/star {}"]);
});

test("services: everything of the root is here by name, and is the same", () => {
  const { default: _, ...names } = root; // the default export has more members here
  for (const [name, value] of Object.entries(names)) {
    assert((compat as Readonly<Record<string, unknown>>)[name] === value, `"${name}" is another, or not there`);
  }
});

test("services: arguments go where they belong under their official names", async () => {
  const stub = serve(() => json([]));
  await over(stub, async () => {
    await JobService.listJobs({ workspace: "other", perPage: 2, scriptPathExact: "f/a", success: false });
    await JobService.runScriptByPath({ workspace: "ws", path: "f/a b", tag: "gpu", requestBody: { x: 1 } });
    await VariableService.deleteVariable({ workspace: "ws", path: "u/a" });
    await UserService.whoami({ workspace: "ws" });
    await NpmProxyService.getNpmPackageMetadata({ workspace: "ws", _package: "@a/b" });
    await AppService.getRawAppData({ workspace: "ws", secretWithExtension: "s.js" });
    await WorkspaceService.listWorkspaces();
    await WorkspaceService.getSettings({});
  });
  assertEquals(targets(stub), [
    "GET w/other/jobs/list?per_page=2&script_path_exact=f%2Fa&success=false",
    'POST w/ws/jobs/run/p/f/a%20b?tag=gpu {"x":1}',
    "DELETE w/ws/variables/delete/u/a",
    "GET w/ws/users/whoami",
    "GET w/ws/npm_proxy/metadata/%40a%2Fb",
    "GET w/ws/apps/get_data/v/s.js",
    "GET workspaces/list",
    "GET w/ws/workspaces/get_settings",
  ]);
});

test("services: lists repeat a parameter, and what is not given or is an object is left out", async () => {
  const stub = serve(() => json([]));
  const data = { perPage: null, tag: undefined, label: ["a", "b"], nested: { secret: 1 }, createdBefore: new Date(0) };
  await over(stub, async () => void await JobService.listJobs(untyped(data)));
  assertEquals(targets(stub), ["GET w/ws/jobs/list?label=a&label=b&created_before=1970-01-01T00%3A00%3A00.000Z"]);
});

test("services: a form has the fields of its object", async () => {
  const stub = serve(() => text("created"));
  const file = new Blob(["x"]);
  const formData = { app: { path: "f/a" }, js: file, css: "text", list: ["a", 1], none: null };
  await over(stub, async () => void await AppService.createAppRaw({ workspace: "ws", formData: untyped(formData) }));
  const form = stub.seen[0]?.init.body as FormData;
  assertEquals([...form.keys()], ["app", "js", "css", "list", "list"]);
  assertEquals([form.get("app"), form.get("css"), form.getAll("list")], ['{"path":"f/a"}', "text", ["a", "1"]]);
  assertEquals(await (form.get("js") as Blob).text(), "x");
  assertEquals(stub.seen[0]?.headers.get("content-type"), null);
});

test("services: a file is sent as it is, and given whole with its type", async () => {
  const stub = serve(({ method }) =>
    method === "GET" ? new Response("abc", { headers: { "content-type": "image/png" } }) : json({ file_key: "k" })
  );
  const sent = new Blob(["x"]);
  await over(stub, async () => {
    await HelpersService.fileUpload({ workspace: "ws", fileKey: "k", requestBody: sent });
    const file = await HelpersService.fileDownload({ workspace: "ws", fileKey: "k" });
    assert(file instanceof Blob);
    assertEquals([file.type, await file.text()], ["image/png", "abc"]);
  });
  assert(stub.seen[0]?.init.body === sent);
});

test("services: events come one by one: the official client gives them as one text when the last has come", async () => {
  const updates = feed();
  await over(serve(() => updates.response), async () => {
    const events = await JobService.getJobUpdatesSse({ workspace: "ws", id: "j", onlyResult: true });
    updates.event({ n: 1 });
    assertEquals((await events.next()).value, '{"n":1}');
    await events.return();
  });
  await settle();
  assert(updates.cancelled());
});

test("services: a second argument takes headers, a signal and a limit of time", async () => {
  const stub = serve(() => json([]));
  const reason = new Error("enough");
  await over(stub, async () => {
    await JobService.listJobs({ workspace: "ws" }, { headers: { "X-A": "b" } });
    const call = () => JobService.listJobs({ workspace: "ws" }, { signal: AbortSignal.abort(reason) });
    assert(await assertRejects(call) === reason);
    await assertRejects(() => JobService.listJobs({}, { timeoutMs: -1 }), undefined, "timeoutMs");
  });
  assertEquals(stub.seen.map(({ headers }) => headers.get("x-a")), ["b"]);
});

test("services: what is missing is named before any request", async () => {
  const stub = serve(() => json([]));
  setClient("tok", "http://stub.test");
  try {
    await withEnvironment({}, stub, async () => {
      await assertRejects(() => JobService.listJobs(), "CONFIGURATION", "WM_WORKSPACE");
      await assertRejects(() => JobService.getJob(untyped({ workspace: "w" })), undefined, "parameter 'id'");
      await assertRejects(() => JobService.getJob({ workspace: "w", id: ".." }), undefined, "parameter 'id'");
      await assertRejects(() => JobService.getJob({ workspace: "w", id: "" }), undefined, "parameter 'id'");
    });
  } finally {
    setClient();
  }
  assertEquals(stub.seen, []);
}, noEnvironment);

// Errors

test("services: an error is an ApiError with the official fields", async () => {
  const stub = serve(() => new Response("Not found: job", { status: 404, statusText: "Not Found" }));
  await over(stub, async () => {
    const call = () => JobService.runScriptByPath({ workspace: "ws", path: "f/a?", tag: "t", requestBody: { x: 1 } });
    const error = await assertRejects(call, "WINDMILL_API", "Not found: job") as ApiError;
    assert(error instanceof ApiError && error instanceof Error);
    const { name, status, statusText, url, body, request } = error;
    assertEquals({ name, status, statusText, url, body }, {
      name: "ApiError",
      status: 404,
      statusText: "Not Found",
      url: "http://stub.test/api/w/ws/jobs/run/p/f/a%3F",
      body: "Not found: job",
    });
    assertEquals(request, {
      method: "POST",
      url: "/w/{workspace}/jobs/run/p/{path}",
      path: { workspace: "ws", path: "f/a?" },
      query: { tag: "t" },
      body: { x: 1 },
    });
    assert(root.hasCode(error.cause, "WINDMILL_API"));
  });
});

test("services: the body of an error is a value when it is JSON, else text", async () => {
  for (const [body, expected] of [['{"a":1}', { a: 1 }], ["[1]", [1]], ["{a", "{a"], ["12", "12"], ["", ""]] as const) {
    await over(serve(() => text(body, 500)), async () => {
      const error = await assertRejects(() => JobService.listJobs()) as ApiError;
      assertEquals(error.body, expected);
    });
  }
});

test("services: no answer, HTML and half a JSON are ApiErrors too", async () => {
  const html = { "content-type": "text/html" }, type = { "content-type": "application/json" };
  const cases: readonly (readonly [() => Response, number, string])[] = [
    [() => text("<html>", 200, html), 200, "HTML"],
    [() => text('{"a"', 200, type), 200, "broken JSON"],
    [
      () => {
        throw new TypeError("connection refused");
      },
      0,
      "connection refused",
    ],
  ];
  for (const [make, status, part] of cases) {
    await over(serve(make), async () => {
      const call = () => JobService.listJobs({}, { retry: { attempts: 1 } });
      const error = await assertRejects(call, "WINDMILL_API", part) as ApiError;
      assert(error instanceof ApiError);
      assertEquals(error.status, status);
    });
  }
});

test("services: an error of somebody else is not turned into an ApiError", async () => {
  await over(serve(() => json([])), async () => {
    const error = await assertRejects(() => JobService.getJob({ workspace: "w", id: ".." }));
    assertEquals([error instanceof ApiError, error.name], [false, "RangeError"]);
  });
});

// Cancelling

test("cancel() aborts the request, and the promise rejects with a CancelError", async () => {
  let aborted: unknown;
  const stub = serve((_, signal) => {
    signal.addEventListener("abort", () => aborted = signal.reason);
    return new Promise<Response>(() => {});
  });
  await over(stub, async () => {
    const call = JobService.listJobs();
    assert(call instanceof CancelablePromise);
    await settle();
    assertEquals([stub.seen.length, call.isCancelled], [1, false]);
    call.cancel();
    const error = await assertRejects(() => call) as CancelError;
    assert(error instanceof CancelError && error.isCancelled);
    assertEquals([error.name, call.isCancelled], ["CancelError", true]);
    await settle();
    assert(aborted !== undefined, "The request goes on");
  });
});

test("cancel() before the request is sent sends none, and after the answer changes nothing", async () => {
  const stub = serve(() => json(["a"]));
  await over(stub, async () => {
    const answered = JobService.listJobs();
    assertEquals(await answered, untyped(["a"]));
    answered.cancel();
    assertEquals([answered.isCancelled, await answered], [false, untyped(["a"])]);
  });
});

test("CancelablePromise is a promise like any other", async () => {
  const done: string[] = [];
  const good = new CancelablePromise<number>((resolve) => resolve(1));
  assertEquals(await good.then((n) => n + 1).finally(() => done.push("finally")), 2);
  assertEquals(String(Object.prototype.toString.call(good)), "[object Cancellable Promise]");
  const bad = new CancelablePromise<number>((_, reject) => reject(new Error("bad")));
  assertEquals(await bad.catch((error) => (error as Error).message), "bad");
  assertEquals(await Promise.all([good, good.promise]), [1, 1]);
  assertEquals(done, ["finally"]);
  const thrown = new CancelablePromise<number>(() => {
    throw new Error("thrown");
  });
  await assertRejects(() => thrown, undefined, "thrown");
});

test("CancelablePromise tells its work how it is, and calls each handler once", async () => {
  const seen: unknown[] = [];
  let handle: { readonly isResolved: boolean; readonly isRejected: boolean; readonly isCancelled: boolean } | undefined;
  const promise = new CancelablePromise<number>((resolve, reject, onCancel) => {
    handle = onCancel;
    onCancel(() => seen.push("first"));
    onCancel(() => {
      seen.push("second");
      resolve(1);
      reject(new Error("late"));
    });
  });
  assertEquals([handle?.isResolved, handle?.isRejected, handle?.isCancelled], [false, false, false]);
  promise.cancel();
  promise.cancel();
  await assertRejects(() => promise, undefined, "Request aborted");
  assertEquals(seen, ["first", "second"]);
  assertEquals([handle?.isResolved, handle?.isRejected, handle?.isCancelled], [false, false, true]);
});

test("services: an error of a function is an ApiError too, for programs that ask", async () => {
  const stub = serve(() => text("Not found: no variable", 404));
  let caught: unknown;
  await over(stub, () => compat.setVariable("f/a", "v").catch((error) => void (caught = error)));
  assert(caught instanceof ApiError && caught.status === 404, "Expected an ApiError of status 404");
  assert(!(new Error("no") instanceof ApiError) && !(null as unknown instanceof ApiError), "Expected no ApiError");
});
