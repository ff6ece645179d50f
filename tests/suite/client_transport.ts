/** One call: what is repeated and when, redirects, ends, bodies, and what errors say. */
import { CancelledError, type Client, createClient, type WindmillApiError } from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { client, feed, json, options, serve, settle, stillClock, type Stub, text } from "./_client_kit.ts";
import { test } from "./harness.ts";

/** A server that gives its answers one after the other, the last one for ever; a function throws. */
function script(...answers: readonly (() => Response)[]): Stub {
  let next = 0;
  return serve(() => (answers[Math.min(next++, answers.length - 1)] as () => Response)());
}

function refuse(): Response {
  throw new TypeError("fetch failed");
}

async function apiError(call: Promise<unknown>, status: number, part?: string): Promise<WindmillApiError> {
  const error = await assertRejects(() => call, "WINDMILL_API", part) as WindmillApiError;
  assertEquals(error.status, status);
  return error;
}

// What is repeated

for (const status of [429, 502, 503, 504]) {
  test(`retry: a read that is answered ${status} is repeated`, async () => {
    const stub = script(() => text("later", status), () => json("v"));
    const clock = stillClock();
    assertEquals(await clock.drive(client(stub, { clock }).variables.get("a")), "v");
    assertEquals(stub.seen.length, 2);
  });
}

for (const status of [400, 401, 403, 404, 409, 422, 500, 501]) {
  test(`retry: a read that is answered ${status} is not repeated`, async () => {
    const stub = script(() => text("no", status));
    await apiError(client(stub, { clock: stillClock() }).variables.get("a"), status);
    assertEquals(stub.seen.length, 1);
  });
}

test("retry: a read whose connection fails is repeated", async () => {
  const stub = script(refuse, refuse, () => json("v"));
  const clock = stillClock();
  assertEquals(await clock.drive(client(stub, { clock }).variables.get("a")), "v");
});

test("retry: a read whose answer breaks off is repeated", async () => {
  const broken = feed(undefined, "application/json");
  const stub = script(() => broken.response, () => json("v"));
  const clock = stillClock();
  const value = client(stub, { clock }).variables.get("a");
  broken.send('"half');
  await settle();
  broken.break(new TypeError("connection reset"));
  assertEquals(await clock.drive(value), "v");
});

test("retry: an answer that cannot be read is not repeated", async () => {
  const stub = script(() => text("<html>"));
  await apiError(client(stub).variables.get("a"), 200);
  assertEquals(stub.seen.length, 1);
});

test("retry: the start of a job is never repeated, whatever fails", async () => {
  for (const answer of [refuse, () => text("later", 503)]) {
    const stub = script(answer);
    await assertRejects(() => client(stub).jobs.start("f/a"), "WINDMILL_API");
    assertEquals(stub.seen.length, 1);
  }
});

test("retry: the creation of a variable is not repeated, its update is", async () => {
  const clock = stillClock();
  const created = script(() => json(false), () => text("later", 503));
  await clock.drive(assertRejects(() => client(created, { clock }).variables.set("a", "v"), "WINDMILL_API"));
  assertEquals(created.seen.map(({ method }) => method), ["GET", "POST"]);
  const updated = script(() => json(true), () => text("later", 503), () => text("ok"));
  await clock.drive(client(updated, { clock }).variables.set("a", "v"));
  assertEquals(updated.seen.map(({ method }) => method), ["GET", "POST", "POST"]);
});

test("retry: a raw POST is repeated only when it says that it may be", async () => {
  const clock = stillClock();
  const once = script(() => text("later", 503));
  await apiError(client(once, { clock }).request("POST", "/version"), 503);
  assertEquals(once.seen.length, 1);
  const more = script(() => text("later", 503), () => text("1.0"));
  const answer = await clock.drive(client(more, { clock }).request("POST", "/version", { idempotent: true }));
  assertEquals([answer.text, more.seen.length], ["1.0", 2]);
});

test("retry: PUT, DELETE and HEAD are repeated, PATCH is not", async () => {
  for (const [method, requests] of [["PUT", 2], ["DELETE", 2], ["HEAD", 2], ["PATCH", 1]] as const) {
    const stub = script(() => text(method === "HEAD" ? "" : "later", 503), () => text(""));
    const clock = stillClock();
    await clock.drive(client(stub, { clock }).request(method, "/version").then(() => undefined, () => undefined));
    assertEquals([method, stub.seen.length], [method, requests]);
  }
});

test("retry: there are three attempts, or as many as the options say", async () => {
  for (const [retry, requests] of [[undefined, 3], [{ attempts: 1 }, 1], [{ attempts: 5 }, 5]] as const) {
    const stub = script(refuse);
    const clock = stillClock();
    const call = client(stub, { clock, ...(retry === undefined ? {} : { retry }) }).variables.get("a");
    const error = await clock.drive(apiError(call, 0, "fetch failed"));
    assertEquals(stub.seen.length, requests);
    assert(error.cause instanceof TypeError);
  }
});

test("retry: waits have full jitter below a limit that doubles", async () => {
  for (const [random, total] of [[0, 0], [0.5, 125 + 250 + 500], [1, 250 + 500 + 1000]] as const) {
    const clock = stillClock();
    const start = clock.now();
    const stub = script(refuse);
    const call = client(stub, { clock, random: () => random, retry: { attempts: 4 } }).variables.get("a");
    await clock.drive(apiError(call, 0));
    assertEquals(clock.now() - start, total);
  }
});

test("retry: waits stay below 'maxMs', and options of a call go over the client's", async () => {
  const clock = stillClock();
  const start = clock.now();
  const stub = script(refuse);
  const call = client(stub, { clock, retry: { attempts: 9, maxMs: 300 } }).variables.get("a", {
    retry: { attempts: 4 },
  });
  await clock.drive(apiError(call, 0));
  assertEquals([clock.now() - start, stub.seen.length], [250 + 300 + 300, 4]);
});

test("retry: Retry-After in seconds is waited exactly", async () => {
  const clock = stillClock();
  const start = clock.now();
  const stub = script(() => text("later", 429, { "retry-after": "7" }), () => json("v"));
  await clock.drive(client(stub, { clock }).variables.get("a"));
  assertEquals(clock.now() - start, 7_000);
});

test("retry: Retry-After as a date is waited exactly", async () => {
  const clock = stillClock(Date.UTC(2026, 0, 1));
  const start = clock.now();
  const stub = script(() => text("later", 503, { "retry-after": "Thu, 01 Jan 2026 00:00:09 GMT" }), () => json("v"));
  await clock.drive(client(stub, { clock }).variables.get("a"));
  assertEquals(clock.now() - start, 9_000);
});

test("retry: a Retry-After that makes no sense or lies in the past gives way to the ordinary wait or none", async () => {
  for (const value of ["soon", "-3", "Thu, 01 Jan 1970 00:00:00 GMT"]) {
    const clock = stillClock();
    const start = clock.now();
    const stub = script(() => text("later", 503, { "retry-after": value }), () => json("v"));
    await clock.drive(client(stub, { clock }).variables.get("a"));
    assertEquals([value, clock.now() - start], [value, 250]);
  }
});

test("retry: a wait that would outlast the deadline is not begun", async () => {
  const clock = stillClock();
  const start = clock.now();
  const stub = script(() => text("later", 503, { "retry-after": "60" }));
  await apiError(client(stub, { clock, timeoutMs: 30_000 }).variables.get("a"), 503, "later");
  assertEquals([clock.now() - start, stub.seen.length, clock.timers()], [0, 1, 0]);
});

test("retry: a refusal of permission is not repeated", async () => {
  const denied = Object.assign(new Error("Requires net access to stub.test"), { name: "NotCapable" });
  const stub = serve(() => {
    throw denied;
  });
  await apiError(client(stub).variables.get("a"), 0, "Requires net access to stub.test");
  assertEquals(stub.seen.length, 1);
});

// Ends

test("timeoutMs: a call that takes too long ends with DeadlineError, and leaves no timer", async () => {
  const clock = stillClock();
  let hungUp = false;
  const stub = serve((_, signal) => {
    signal.addEventListener("abort", () => hungUp = true, { once: true });
    return new Promise<Response>(() => {});
  });
  const call = assertRejects(
    () => client(stub, { clock, timeoutMs: 400 }).variables.get("a"),
    "DEADLINE_EXCEEDED",
    "400 ms",
  );
  await clock.pass(400);
  assertIncludes((await call).message, "GET http://stub.test/api/w/ws/variables/get_value/a");
  assertEquals([hungUp, clock.timers()], [true, 0]);
});

test("timeoutMs: covers the repetitions together", async () => {
  const clock = stillClock();
  let attempts = 0;
  const stub = serve(() => ++attempts < 3 ? text("later", 503) : new Promise<Response>(() => {}));
  const call = client(stub, { clock, timeoutMs: 1_000 }).variables.get("a");
  const failed = assertRejects(() => call, "DEADLINE_EXCEEDED");
  const start = clock.now();
  await clock.drive(failed);
  assertEquals([clock.now() - start, attempts], [1_000, 3]);
});

test("timeoutMs: covers the body", async () => {
  const clock = stillClock();
  const stub = serve((_, signal) => feed(signal, "application/json").response);
  const call = assertRejects(() => client(stub, { clock, timeoutMs: 50 }).variables.get("a"), "DEADLINE_EXCEEDED");
  await clock.drive(call);
});

test("timeoutMs: a fetch that ignores its signal cannot hold the call", async () => {
  const clock = stillClock();
  const call = createClient(options({ fetch: () => new Promise(() => {}) }, { clock, timeoutMs: 50 })).variables.get(
    "a",
  );
  await clock.drive(assertRejects(() => call, "DEADLINE_EXCEEDED"));
});

test("timeoutMs: a call's goes over the client's, Infinity is no limit, others than positive numbers are refused", async () => {
  const clock = stillClock();
  const stub = serve(() => new Promise<Response>(() => {}));
  const c = client(stub, { clock, timeoutMs: 50 });
  const controller = new AbortController();
  const endless = assertRejects(
    () => c.variables.get("a", { timeoutMs: Infinity, signal: controller.signal }),
    "CANCELLED",
  );
  await clock.pass(10_000_000);
  controller.abort(new CancelledError("Enough"));
  await endless;
  for (const timeoutMs of [0, -1, NaN]) {
    const error = await assertRejects(() => c.variables.get("a", { timeoutMs }));
    assert(error instanceof RangeError);
    await assertRejects(() => createClient({ timeoutMs }), "CONFIGURATION");
  }
  assertEquals(stub.seen.length, 1);
});

test("signal: its reason passes through as it is, before, during and between attempts", async () => {
  const reason = { why: "changed my mind" };
  const never = serve(() => new Promise<Response>(() => {}));
  const later = script(() => text("later", 503));
  for (const [stub, when] of [[never, "before"], [never, "during"], [later, "between"]] as const) {
    const clock = stillClock();
    const controller = new AbortController();
    if (when === "before") controller.abort(reason);
    const call = client(stub, { clock }).variables.get("a", { signal: controller.signal });
    const thrown = call.then(() => "nothing", (error: unknown) => error);
    await settle();
    controller.abort(reason);
    assertEquals([when, await thrown === reason, clock.timers()], [when, true, 0]);
  }
  assertEquals([never.seen.length, later.seen.length], [1, 1]);
});

test("signal: an abort in the middle of the body ends the call", async () => {
  const controller = new AbortController();
  const stub = serve((_, signal) => feed(signal, "application/json").response);
  const call = client(stub).variables.get("a", { signal: controller.signal });
  const thrown = call.then(() => "nothing", (error: unknown) => error);
  await settle();
  controller.abort("stop");
  assertEquals(await thrown, "stop");
});

test("signal: keeps no listener of a call that ended, however it ended", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...given: Parameters<typeof add>) => {
    listeners.add(given[1]);
    add(...given);
  };
  signal.removeEventListener = (...given: Parameters<typeof remove>) => {
    listeners.delete(given[1]);
    remove(...given);
  };
  await client(script(() => json("v"))).variables.get("a", { signal });
  await apiError(client(script(() => text("no", 404))).variables.get("a", { signal }), 404);
  const clock = stillClock();
  const late = client(serve(() => new Promise<Response>(() => {})), { clock, timeoutMs: 5 }).variables.get("a", {
    signal,
  });
  await clock.drive(assertRejects(() => late, "DEADLINE_EXCEEDED"));
  assertEquals(listeners.size, 0);
});

// Redirects

function redirect(status: number, location: string): Response {
  return new Response(null, { status, headers: { location } });
}

for (const status of [301, 302, 303, 307, 308]) {
  test(`redirect: a read follows ${status} and keeps its headers on the same origin`, async () => {
    const stub = script(() => redirect(status, "/elsewhere?x=1"), () => json("v"));
    assertEquals(await client(stub).variables.get("a"), "v");
    assertEquals(stub.seen.map(({ url }) => url)[1], "http://stub.test/elsewhere?x=1");
    assertEquals(stub.seen[1]?.headers.get("authorization"), "Bearer tok");
    assertEquals(stub.seen.map(({ init }) => init.redirect), ["manual", "manual"]);
  });

  test(`redirect: a read that ${status} leads to another origin takes no header there`, async () => {
    for (const elsewhere of ["https://stub.test/x", "http://stub.test:8080/x", "http://evil.test/x", "//evil.test/x"]) {
      const stub = script(() => redirect(status, elsewhere), () => json("v"));
      await client(stub, { headers: { "x-secret": "s" } }).variables.get("a", { headers: { cookie: "c=1" } });
      assertEquals([elsewhere, [...stub.seen[1]?.headers ?? []]], [elsewhere, []]);
    }
  });
}

test("redirect: headers that another origin did not get do not come back with the next redirect", async () => {
  const stub = script(
    () => redirect(302, "http://evil.test/"),
    () => redirect(302, "http://stub.test/back"),
    () => json("v"),
  );
  await client(stub).variables.get("a");
  assertEquals([...stub.seen[2]?.headers ?? []], []);
});

test("redirect: a body goes on with 307 and 308 on the same origin, and nowhere else", async () => {
  const id = "00000000-0000-0000-0000-00000000c0de";
  for (const status of [307, 308]) {
    const stub = script(() => redirect(status, "/moved"), () => text(id, 201));
    assertEquals(await client(stub).jobs.start("f/a", { x: 1 }), id);
    assertEquals(stub.seen.map(({ method, body }) => [method, body]), [["POST", '{"x":1}'], ["POST", '{"x":1}']]);
  }
  for (
    const answer of [
      redirect(301, "/moved"),
      redirect(302, "/moved"),
      redirect(303, "/moved"),
      redirect(307, "http://evil.test/"),
    ]
  ) {
    const stub = script(() => answer);
    await apiError(client(stub).jobs.start("f/a", { x: 1 }), answer.status, "baseUrl");
    assertEquals(stub.seen.length, 1);
  }
});

test("redirect: one that a job answers with is not followed", async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    const stub = script(() => redirect(status, "/api/users/tokens/create"), () => text('"a token"', 201));
    await apiError(client(stub).jobs.runInOneRequest("f/a", { x: 1 }), status, "");
    assertEquals(stub.seen.length, 1);
  }
});

test("redirect: a circle ends after five redirects with an error", async () => {
  const stub = script(() => redirect(302, "/again"));
  await apiError(client(stub).variables.get("a"), 302, "a redirect to http://stub.test");
  assertEquals(stub.seen.length, 6);
});

test("redirect: one that leads to no address is an error", async () => {
  const stub = script(() => redirect(302, "http://[oops/"));
  await apiError(client(stub).variables.get("a"), 302, "redirect");
});

test("redirect: in a browser, which hides where it leads, a read lets the browser follow and a write fails", async () => {
  function opaque(): Response {
    const response = new Response(null);
    Object.defineProperties(response, {
      type: { value: "opaqueredirect" },
      status: { value: 0 },
      ok: { value: false },
    });
    return response;
  }
  const read = script(opaque, () => json("v"));
  assertEquals(await client(read).variables.get("a"), "v");
  assertEquals(read.seen.map(({ init }) => init.redirect), ["manual", "follow"]);
  const write = script(opaque);
  await assertRejects(() => client(write).jobs.start("f/a"), "WINDMILL_API", "baseUrl");
  assertEquals(write.seen.length, 1);
});

// Bodies

test("error body: the error has status, request and body", async () => {
  const error = await apiError(client(script(() => text("Not found: thing", 404))).variables.get("u/me/v"), 404);
  assertEquals(
    error.message,
    "GET http://stub.test/api/w/ws/variables/get_value/u/me/v answered 404: Not found: thing",
  );
  assertEquals(error.request, { method: "GET", url: "http://stub.test/api/w/ws/variables/get_value/u/me/v" });
  assertEquals(error.body, "Not found: thing");
});

test("error body: one without end is cut after 64 KiB and given up", async () => {
  let pieces = 0, cancelled = false;
  const stub = serve(() =>
    new Response(
      new ReadableStream({
        pull: (c) => {
          pieces++;
          c.enqueue(new TextEncoder().encode("x".repeat(10_000)));
        },
        cancel: () => {
          cancelled = true;
        },
      }),
      { status: 500 },
    )
  );
  const error = await apiError(client(stub).variables.get("a"), 500);
  await settle();
  assertEquals([error.body.length, cancelled], [65_536, true]);
  assert(pieces < 12, `Expected 7 pieces and a few ahead, found ${pieces}`);
  assert(error.message.length < 700, `Expected a short text, found ${error.message.length} characters`);
});

test("error body: characters that are split between pieces stay whole", async () => {
  const bytes = new TextEncoder().encode("naïve 🙂");
  const stub = serve(() =>
    new Response(
      new ReadableStream({
        start: (c) => {
          for (const byte of bytes) c.enqueue(new Uint8Array([byte]));
          c.close();
        },
      }),
      { status: 400 },
    )
  );
  assertEquals((await apiError(client(stub).variables.get("a"), 400)).body, "naïve 🙂");
});

const unreadable: readonly (readonly [string, () => Response, string])[] = [
  ["an HTML page", () => text("<!doctype html><title>Login</title>"), "found HTML"],
  ["half a JSON", () => text('"secret val'), "found broken JSON"],
  ["nothing", () => text(""), "found nothing"],
  ["204", () => new Response(null, { status: 204 }), "answered 204: expected a string, found nothing"],
  ["null", () => json(null), "found a value of type null"],
  ["an array", () => json([1]), "found a value of type object"],
  ["a number", () => json(7), "found a value of type number"],
];

for (const [name, answer, part] of unreadable) {
  test(`answer: ${name} where a string should be is an error that says so`, async () => {
    const error = await assertRejects(() => client(script(answer)).variables.get("a"), "WINDMILL_API", part);
    assertIncludes(error.message, "expected a string");
    assert(!error.message.includes("secret"), "Expected a text without the value");
    assertEquals(error.cause, undefined);
  });
}

test("answer: every other decoder refuses what it does not know", async () => {
  const cases: readonly (readonly [unknown, (c: Client) => Promise<unknown>])[] = [
    ["yes", (c) => c.variables.exists("a")],
    [{}, (c) => c.resources.list()],
    [[{ path: 1 }], (c) => c.resources.list()],
    [[null], (c) => c.resources.list()],
    [{ id: "x" }, (c) => c.jobs.get("x")],
    [{ id: 1, type: "QueuedJob" }, (c) => c.jobs.get("x")],
    [{ id: "x", type: "Job" }, (c) => c.jobs.status("x")],
    [[], (c) => c.jobs.get("x")],
    [{ result: 1 }, (c) => c.jobs.resultMaybe("x")],
    [{ completed: true, result: 1 }, (c) => c.jobs.resultMaybe("x")],
    ["half", (c) => c.jobs.getProgress({ jobId: "x" })],
    [1, (c) => c.jobs.rootJobId("x")],
    ["not a uuid", (c) => c.jobs.start("f/a")],
    [["a"], (c) => c.jobs.start("f/a")],
  ];
  for (const [value, call] of cases) {
    await assertRejects(() => call(client(serve(() => json(value)))), "WINDMILL_API", "expected");
  }
  await assertRejects(() => client(serve(() => text("<html>"))).jobs.start("f/a"), "WINDMILL_API", "found HTML");
  await assertRejects(() => client(serve(() => text("x"))).jobs.result("x"), "WINDMILL_API", "found broken JSON");
  await assertRejects(() => client(serve(() => text(""))).resources.get("a"), "WINDMILL_API", "found nothing");
});

// Secrets

test("token: no error shows it, whoever repeats it", async () => {
  const token = "tok-SECRET-0123456789";
  const answers: readonly (() => Response)[] = [
    () => text(`Bad token ${token}`, 401),
    () => text(`Bearer ${token}`, 200),
    () => redirect(307, `http://evil.test/?t=${token}`),
    () => {
      throw new TypeError(`Header "Bearer ${token}" refused`);
    },
    () => {
      throw new Error("outer", { cause: "harmless" });
    },
  ];
  for (const answer of answers) {
    const c = client(script(answer), { token, retry: { attempts: 1 } });
    for (const call of [() => c.jobs.start("f/a"), () => c.variables.get("a")]) {
      let error: unknown;
      try {
        await call();
      } catch (thrown) {
        error = thrown;
      }
      if (error === undefined) continue;
      assert(error instanceof Error);
      const { message, stack = "", cause } = error;
      const shown = `${message} ${stack} ${cause instanceof Error ? `${cause.message} ${cause.stack}` : cause}`;
      assert(!shown.includes(token), `Found the token in: ${shown}`);
    }
  }
  const refused = await apiError(client(script(answers[0] as () => Response), { token }).variables.get("a"), 401);
  assertEquals(refused.body, "Bad token ***");
});

test("token: one that cannot be in a header is refused before a request, without being shown", async () => {
  const stub = serve(() => json("v"));
  for (const token of ["se cret\n", "sécret", "se\u0000cret", ""]) {
    const error = await assertRejects(() => createClient(options(stub, { token })), "CONFIGURATION", "token");
    assert(token === "" || !error.message.includes(token), "Expected a text without the token");
    const env = { WM_TOKEN: token };
    const late = createClient({ baseUrl: "http://stub.test", workspace: "ws", fetch: stub.fetch, env });
    await assertRejects(() => late.variables.get("a"), "CONFIGURATION", "WM_TOKEN");
  }
  assertEquals(stub.seen.length, 0);
});

test("token: null sends no Authorization", async () => {
  const stub = serve(() => json("v"));
  await createClient(options(stub, { token: null, env: { WM_TOKEN: "ambient" } })).variables.get("a");
  assertEquals(stub.seen[0]?.headers.get("authorization"), null);
});

test("baseUrl: a password in it is refused and not shown", async () => {
  for (
    const baseUrl of [
      "https://me:hunter2@host",
      "https://hunter2@host/x",
      "ftp://hunter2",
      "hunter2",
      "https://h?hunter2",
      "https://h/#hunter2",
    ]
  ) {
    const error = await assertRejects(() => createClient({ baseUrl }), "CONFIGURATION", "baseUrl");
    assert(!error.message.includes("hunter2"), `Found the value in: ${error.message}`);
  }
});

test("two clients at once never see each other's token, workspace or headers", async () => {
  const stub = serve(async ({ headers, target }) => {
    await settle();
    return json(`${headers.get("authorization")} ${headers.get("x-tenant")} ${target}`);
  });
  const clients = ["a", "b", "c"].map((name) =>
    createClient(options(stub, { token: `token-${name}`, workspace: name, headers: { "x-tenant": name } }))
  );
  const values = await Promise.all(clients.flatMap((c) => [c.variables.get("v"), c.variables.get("v")]));
  assertEquals(
    values,
    ["a", "a", "b", "b", "c", "c"].map((n) => `Bearer token-${n} ${n} /api/w/${n}/variables/get_value/v`),
  );
});

test("headers: a call's go over the client's, whatever their case; the token cannot be replaced by accident", async () => {
  const stub = serve(() => json("v"));
  const c = client(stub, { headers: { "X-One": "client", "x-two": "client", Authorization: "other" } });
  await c.variables.get("a", { headers: { "x-one": "call", Accept: "text/plain" } });
  const { headers } = stub.seen[0] ?? {};
  assertEquals(
    ["x-one", "x-two", "accept", "authorization"].map((name) => headers?.get(name)),
    ["call", "client", "text/plain", "Bearer tok"],
  );
});

test("credentials: no cookies unless they are asked for, and nothing said where the runtime has none", async () => {
  const stub = serve(() => json("v"));
  await client(stub).variables.get("a");
  await client(stub, { credentials: "include" }).variables.get("a");
  const known = "credentials" in Request.prototype;
  assertEquals(
    stub.seen.map(({ init }) => [Object.hasOwn(init, "credentials"), init.credentials]),
    known ? [[true, "omit"], [true, "include"]] : [[false, undefined], [false, undefined]],
  );
});
