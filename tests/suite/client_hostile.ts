/**
 * Hostile answers, missing configuration and malformed paths, for every function of a client and of the top level. The tables
 * are in `_hostile_table.ts`: a function that is not there is an error here.
 *
 * @module
 */
import * as wmill from "@windkit/windmill-client";
import { type CallOptions, type Client, createClient } from "@windkit/windmill-client";
import { mockWindmill } from "@windkit/windmill-client/testing";
import { json, loadLater, serve, settle, stillClock, type Stub, text } from "./_client_kit.ts";
import { CLIENT, ELSEWHERE, ID, type Row, TOP } from "./_hostile_table.ts";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { test } from "./harness.ts";

const SECRET = "s3cr3t-t0ken";

const env = {
  WM_JOB_ID: ID,
  WM_JOB_PATH: "f/job",
  WM_FLOW_JOB_ID: ID,
  WM_ROOT_FLOW_JOB_ID: ID,
  WM_FLOW_STEP_ID: "a",
  WM_STATE_PATH: "u/me/state",
};

/** What became of a call. */
type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** Everything that an error says when it is printed, its causes included. */
function printed(error: unknown): string {
  if (!(error instanceof Error)) return `${JSON.stringify(error)}`;
  const { cause, ...fields } = error;
  return `${error.name} ${error.message} ${error.stack} ${JSON.stringify(fields)} ${
    cause === undefined ? "" : printed(cause)
  }`;
}

/** An answer that no server of Windmill gives, and what may come of it. */
interface Answer {
  readonly make: (signal: AbortSignal) => Response | Promise<Response>;
  /** What a call of that kind may give; undefined when it must end with an error. */
  readonly gives?: (row: Row) => readonly unknown[] | undefined;
  /** Code and status of the error. */
  readonly error: string;
}

const HTML = "<!doctype html><title>Sign in</title>", HALF = '{"completed": true, "result": [1, 2';

function typed(body: string, type: string, status = 200): Response {
  return new Response(body, { status, headers: { "content-type": type } });
}

/** A body that goes on for ever, or says something and then nothing more. */
function body(first: string, endless: boolean, status: number, signal: AbortSignal): Response {
  const bytes = new TextEncoder();
  let begun = false, open = true;
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      signal.addEventListener("abort", () => {
        if (open) controller.error(signal.reason);
      }, { once: true });
    },
    cancel() {
      open = false;
    },
    pull(controller) {
      if (endless || !begun) controller.enqueue(bytes.encode(first));
      else return new Promise(() => {});
      begun = true;
    },
  }, { highWaterMark: 0 });
  return new Response(stream, { status, headers: { "content-type": "text/plain" } });
}

function broken(first: string): Response {
  const bytes = new TextEncoder();
  let begun = false;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (begun) controller.error(new Error(`connection of ${SECRET} lost`));
      else controller.enqueue(bytes.encode(first));
      begun = true;
    },
  }, { highWaterMark: 0 });
  return new Response(stream, { headers: { "content-type": "application/json" } });
}

/** What asks for no more than a confirmation takes silence for one. */
function done({ kind }: Row): readonly unknown[] | undefined {
  return kind === "done" ? [undefined] : undefined;
}

const ANSWERS: Readonly<Record<string, Answer>> = {
  "HTML": {
    make: () => typed(HTML, "text/html; charset=utf-8"),
    // A script may give HTML as its result.
    gives: ({ kind }) => kind === "result" ? [HTML] : undefined,
    error: "WINDMILL_API 200",
  },
  "HTML that says it is JSON": { make: () => typed(HTML, "application/json"), error: "WINDMILL_API 200" },
  "half a JSON": { make: () => typed(HALF, "application/json"), error: "WINDMILL_API 200" },
  "nothing": {
    make: () => new Response(""),
    gives: (row) => row.kind === "result" ? [null] : done(row),
    error: "WINDMILL_API 200",
  },
  "status 204": {
    make: () => new Response(null, { status: 204 }),
    gives: (row) => /result|row/.test(row.kind) ? [null] : done(row),
    error: "WINDMILL_API 204",
  },
  "an error in HTML": { make: () => typed(HTML, "text/html", 404), error: "WINDMILL_API 404" },
  "an error that repeats the token": {
    make: () => text(`Not authorized: Bearer ${SECRET}`, 401),
    error: "WINDMILL_API 401",
  },
  "an endless error": {
    make: (signal) => body("no ".repeat(5000), true, 400, signal),
    error: "WINDMILL_API 400",
  },
  "an error that stalls": { make: (signal) => body("no", false, 400, signal), error: "DEADLINE_EXCEEDED" },
  "an answer that stalls": { make: (signal) => body('"a', false, 200, signal), error: "DEADLINE_EXCEEDED" },
  "an answer that breaks": { make: () => broken('"a'), error: "WINDMILL_API 0" },
  "a connection that fails, with the token in its error": {
    make: () => Promise.reject(new TypeError(`cannot send Bearer ${SECRET}`)),
    error: "WINDMILL_API 0",
  },
  "never": { make: () => new Promise(() => {}), error: "DEADLINE_EXCEEDED" },
};

/** What is wrong with the outcome of a call; undefined when nothing is. */
function fault(name: string, row: Row, answer: Answer, outcome: Outcome): string | undefined {
  const { error } = outcome as { readonly error?: unknown };
  if (error === undefined) {
    const { value } = outcome as { readonly value: unknown };
    // What is raw says itself what came.
    if (row.kind === "raw" && typeof value === "object" && value !== null && "status" in value) return undefined;
    // Whatever it looks like, it may be what is stored.
    if (row.kind === "content" && answer.error === "WINDMILL_API 200" && [HTML, HALF, ""].includes(`${value}`)) {
      return undefined;
    }
    const allowed = answer.gives?.(row);
    return allowed?.some((one) => Object.is(one, value)) ? undefined : `${name} gave ${JSON.stringify(value)}`;
  }
  const { code, status, body } = error as { readonly code?: string; readonly status?: number; readonly body?: string };
  if (printed(error).includes(SECRET)) return `${name} shows the token: ${error}`;
  if (code === "WINDMILL_API" && typeof body !== "string") return `${name} has no body`;
  if ((body ?? "").length > 65_536 || `${(error as Error).message}`.length > 2000) return `${name} says too much`;
  const found = code === "WINDMILL_API" ? `${code} ${status}` : code;
  return found === answer.error ? undefined : `${name} ended with ${found}: ${error}`;
}

/** A signal that counts who listens. */
function countedSignal(): { readonly signal: AbortSignal; readonly listeners: () => number } {
  const { signal } = new AbortController();
  const live: unknown[] = [];
  const add = signal.addEventListener.bind(signal), remove = signal.removeEventListener.bind(signal);
  Object.assign(signal, {
    addEventListener: (type: string, listener: () => void, how?: AddEventListenerOptions) => {
      live.push(listener);
      add(type, listener, how);
    },
    removeEventListener: (type: string, listener: () => void) => {
      const at = live.indexOf(listener);
      if (at >= 0) live.splice(at, 1);
      remove(type, listener);
    },
  });
  return { signal, listeners: () => live.length };
}

/** Calls all functions of a table that ask a server. */
async function outcomes(
  table: Readonly<Record<string, Row>>,
  client: Client,
  options: CallOptions,
): Promise<[string, Row, Outcome][]> {
  const rows = Object.entries(table).filter(([, { kind }]) => kind !== "local");
  return await Promise.all(rows.map(async ([name, row]): Promise<[string, Row, Outcome]> => {
    try {
      return [name, row, { value: await row.call(client, options) }];
    } catch (error) {
      return [name, row, { error: error ?? new Error("undefined was thrown") }];
    }
  }));
}

function faults(list: readonly [string, Row, Outcome][], answer: Answer): string {
  return list.map(([name, row, outcome]) => fault(name, row, answer, outcome)).filter(Boolean).join("\n");
}

for (const [title, answer] of Object.entries(ANSWERS)) {
  test(`hostile: every function of a client, answered with ${title}`, async () => {
    const clock = stillClock();
    const stub = serve((_, signal) => answer.make(signal));
    const client = createClient({
      baseUrl: "http://stub.test",
      workspace: "ws",
      token: SECRET,
      env,
      fetch: stub.fetch,
      clock,
      random: () => 1,
    });
    const { signal, listeners } = countedSignal();
    const begun = clock.now();
    await loadLater();
    const list = await clock.drive(outcomes(CLIENT, client, { signal }));
    assertEquals(faults(list, answer), "");
    // Three attempts, or one that is waited for to its end; jobs are followed with more patience, and then cancelled.
    assert(clock.now() - begun <= 300_000, `Expected an end within 300 s, found one after ${clock.now() - begun} ms`);
    await settle();
    assertEquals([clock.timers(), listeners()], [0, 0], "Timers or listeners are left");
  });

  test(`hostile: every function of the top level, answered with ${title}`, async () => {
    const clock = stillClock();
    const mock = mockWindmill({ token: SECRET, currentJob: { flowPath: "f/flow" }, clock });
    for (const method of ["GET", "POST", "DELETE"]) {
      mock.route(`${method} /**`, () => answer.make(new AbortController().signal));
    }
    const { signal, listeners } = countedSignal();
    using _ = mock.install();
    await loadLater();
    const list = await clock.drive(outcomes(TOP, createClient(mock.options), { signal }));
    assertEquals(faults(list, answer), "");
    await settle();
    mock.close();
    assertEquals([clock.timers(), listeners()], [0, 0], "Timers or listeners are left");
  });
}

test("hostile: the tables have every function of a client and of the top level", () => {
  const found = Object.entries(createClient({})).flatMap(([name, value]) =>
    typeof value === "function" ? [name] : Object.keys(value).map((inner) => `${name}.${inner}`)
  );
  assertEquals(found.sort(), Object.keys(CLIENT).sort(), "Functions of a client");
  const top = Object.entries(wmill).filter(([, value]) => typeof value === "function").map(([name]) => name);
  assertEquals(top.sort(), [...Object.keys(TOP), ...ELSEWHERE].sort(), "Functions of the top level");
});

// Configuration

/** A server that nobody may ask. */
function nobody(): Stub {
  return serve(() => json("asked"));
}

test("hostile: what is missing of the connection is named by every function, before any request", async () => {
  const stub = nobody();
  const full = { baseUrl: "http://stub.test", workspace: "ws", token: "tok" };
  const variables = { baseUrl: "BASE_URL", workspace: "WM_WORKSPACE", token: "WM_TOKEN" } as const;
  for (const option of ["baseUrl", "workspace", "token"] as const) {
    const { [option]: _, ...rest } = full;
    for (const unset of [{}, { [variables[option]]: "" }]) {
      const client = createClient({ ...rest, env: { ...env, ...unset }, fetch: stub.fetch });
      for (const [name, row] of Object.entries(CLIENT)) {
        if (row.kind === "local" || (option === "workspace" && row.global)) continue;
        const error = await assertRejects(async () => await row.call(client, {}));
        assertEquals((error as { code?: unknown }).code, "CONFIGURATION", `${name} without ${option}: ${error}`);
        for (const word of [`'${option}'`, variables[option]]) {
          assert(error.message.includes(word), `Expected ${word} of ${name}, found: ${error.message}`);
        }
      }
    }
  }
  assertEquals(stub.seen.length, 0);
});

test("hostile: what is missing of the running job is named by every function, before any request", async () => {
  const stub = nobody();
  for (const [name, row] of Object.entries(CLIENT)) {
    for (const variable of row.needs ?? []) {
      const client = createClient({
        baseUrl: "http://stub.test",
        workspace: "ws",
        token: "tok",
        env: { ...env, [variable]: "" },
        fetch: stub.fetch,
      });
      const error = await assertRejects(async () => await row.call(client, {}), "CONFIGURATION", variable);
      assert(error instanceof Error, name);
    }
  }
  assertEquals(stub.seen.length, 0);
});

test("hostile: the top level names what is missing, before any request", async () => {
  const stub = nobody();
  const before = globalThis.fetch;
  globalThis.fetch = stub.fetch as typeof fetch;
  try {
    for (
      const [variable, ...given] of [
        ["WM_WORKSPACE", "tok", "http://stub.test"],
        ["WM_TOKEN", undefined, "http://stub.test", "ws"],
        ["BASE_URL", "tok", undefined, "ws"],
      ] as const
    ) {
      wmill.setClient(...given);
      for (const [name, row] of Object.entries(TOP)) {
        if (row.kind === "local" || row.needs || (variable === "WM_WORKSPACE" && row.global)) continue;
        const error = await assertRejects(async () => await row.call(createClient({}), {}));
        assertEquals((error as { code?: unknown }).code, "CONFIGURATION", `${name} without ${variable}: ${error}`);
        assert(error.message.includes(variable), `Expected ${variable} of ${name}, found: ${error.message}`);
      }
    }
    wmill.setClient("tok", "http://stub.test", "ws");
    for (const [name, row] of Object.entries(TOP)) {
      for (const variable of row.needs ?? []) {
        const error = await assertRejects(async () => await row.call(createClient({}), {}), "CONFIGURATION", variable);
        assert(error instanceof Error, name);
      }
    }
  } finally {
    globalThis.fetch = before;
    wmill.setClient();
  }
  assertEquals(stub.seen.length, 0);
});

// Paths

test("hostile: empty, dotted and malformed paths, ids and keys are refused by every function, before any request", async () => {
  const stub = serve(({ target }) => target.includes("get_root_job_id") ? json(ID) : text("asked", 404));
  const client = createClient({ baseUrl: "http://stub.test", workspace: "ws", token: "tok", env, fetch: stub.fetch });
  const mock = mockWindmill({ currentJob: { flowPath: "f/flow" } });
  using _ = mock.install();
  const segments: unknown[] = ["", ".", "..", "\ud800", 7, {}, Symbol.iterator];
  const paths: unknown[] = [...segments, "/a", "a/", "a//b", "a/../b", "./a", "a/\udfff"];
  for (const [name, { named }] of [...Object.entries(CLIENT), ...Object.entries(TOP)]) {
    if (named === undefined) continue;
    for (const bad of named.segment ? segments : paths) {
      // What is put into a text here is text, and what one slash may stand before is no worse for it.
      if (name === "resolveDefaultResource" && typeof bad !== "string") continue;
      if (bad === "/a" && named.prefix?.test(bad)) continue;
      // `as`: programs without types give anything.
      const error = await assertRejects(async () => await named.give(client, bad as string)).catch((failed) => {
        throw new Error(`${name}(${String(bad)}): ${failed.message}`);
      });
      const { code } = error as { readonly code?: unknown };
      const refused = error instanceof RangeError || error instanceof TypeError || code === "CONFIGURATION";
      assert(refused, `Expected a refusal of ${String(bad)} by ${name}, found ${error}`);
    }
  }
  const seen = [...stub.seen.map(({ url }) => url), ...mock.requests.map(({ url }) => url)];
  assertEquals(seen, [], "Requests were made");
  mock.close();
});
