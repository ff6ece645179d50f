/**
 * Two tenants that call Windmill through one isolate at the same time, and a Windmill that looks whether token, workspace, job,
 * arguments and trace of each request are of one and the same tenant. It misbehaves, too: it fails, redirects, breaks off, falls
 * silent; and requests are aborted.
 *
 * @module
 */
import { type ClientOptions, createClient } from "@windkit/windmill-client";
import {
  type Handler,
  observeHandler,
  runFlow,
  runScript,
  s3Proxy,
  streamJob,
  webhook,
} from "@windkit/windmill-client/handlers";
import { createTraceparent, type RequestEvent } from "@windkit/windmill-client/observe";
import { turn } from "./_client_kit.ts";
import { seeded } from "./_seeded.ts";

/** A tenant. Nothing of one may ever be seen beside something of the other. */
export interface Tenant {
  readonly workspace: string;
  readonly token: string;
  /** Stands in all arguments and results. */
  readonly secret: string;
  /** Of all its requests. */
  readonly trace: string;
}

function tenant(name: string): Tenant {
  return {
    workspace: `workspace-${name}`,
    token: `token-of-${name}`,
    secret: `secret-of-${name}`,
    trace: createTraceparent(),
  };
}

/** How a body ends. */
export type BodyEnd = "whole" | "half" | "silent";

/** Bodies that are counted as long as nobody read them to their end or gave them up. */
export interface CountedBodies {
  readonly make: (pieces: readonly string[], end: BodyEnd, signal: AbortSignal) => ReadableStream<Uint8Array>;
  /** What the open ones began with, and how they would end. */
  readonly open: () => readonly string[];
  readonly made: () => number;
}

/** Counts bodies, as a runtime has them: the signal of the request breaks them. */
export function countBodies(): CountedBodies {
  const bytes = new TextEncoder();
  const open = new Map<object, string>();
  let made = 0;
  return {
    open: () => [...open.values()],
    made: () => made,
    make(pieces, end, signal) {
      made++;
      const rest = [...pieces];
      let over = false;
      const key = {};
      let broken: (reason: unknown) => void = () => {};
      function close(): void {
        over = true;
        open.delete(key);
        signal.removeEventListener("abort", abort);
      }
      function abort(): void {
        if (!over) broken(signal.reason);
        close();
      }
      open.set(key, `${pieces[0]?.slice(0, 40)}: ${end}`);
      return new ReadableStream<Uint8Array>({
        start(controller) {
          broken = (reason) => controller.error(reason);
          signal.addEventListener("abort", abort);
          if (signal.aborted) abort();
        },
        async pull(controller) {
          await turn();
          if (over) return;
          const piece = rest.shift();
          if (piece !== undefined) controller.enqueue(bytes.encode(piece));
          else if (end === "silent") await new Promise(() => {});
          else {
            close();
            if (end === "whole") controller.close();
            else controller.error(new TypeError("connection lost"));
          }
        },
        cancel: close,
      }, { highWaterMark: 0 });
    },
  };
}

/** How long a call may take: much, on a machine that does other things too, and little enough for the silent ones. */
const LIMIT_MS = 500;

/** How many requests each lane makes at least, on a machine that is busy with other things too. */
const LEAST = 8;

/** How long a call may take that ignores its limit. */
const HANG_MS = 8_000;

/** What came of a run. */
export interface TenantsReport {
  /** Everything that was seen where it does not belong. */
  readonly crossed: readonly string[];
  /** How many requests Windmill got, by what they were. */
  readonly requests: Readonly<Record<string, number>>;
  /** How many requests ended in which way. */
  readonly ends: Readonly<Record<string, number>>;
  /** Bodies that nobody read to their end or gave up. */
  readonly openBodies: readonly string[];
}

/** How two tenants are let loose. */
export interface TenantsOptions {
  /** How long at least, in milliseconds. */
  readonly ms: number;
  readonly seed: number;
  /** How many requests are made at once. @default 64 */
  readonly lanes?: number;
  /** Plants the mistake that this looks for: one client for all. @default false */
  readonly planted?: boolean;
}

/** Lets two tenants call Windmill for some time. */
export async function runTenants({ ms, seed, lanes = 64, planted = false }: TenantsOptions): Promise<TenantsReport> {
  const random = seeded(seed);
  const tenants = [tenant("ada"), tenant("bob")] as const;
  const crossed: string[] = [];
  const requests: Record<string, number> = {}, ends: Record<string, number> = {};
  const owners = new Map<string, Tenant>();
  const bodies = countBodies();

  function count(counts: Record<string, number>, name: string): void {
    counts[name] = (counts[name] ?? 0) + 1;
  }

  function cross(what: string): void {
    if (crossed.length < 20) crossed.push(what);
  }

  /** Looks for something of the other tenant, and for tokens, in what one tenant sees. */
  function look(mine: Tenant, text: string, where: string): void {
    for (const { workspace, token, secret } of tenants) {
      if (text.includes(token)) cross(`${where}: a token in ${text}`);
      if (workspace === mine.workspace) continue;
      if (text.includes(secret) || text.includes(workspace)) cross(`${where}: found ${text} for ${mine.workspace}`);
    }
  }

  /** Whose request it is, by its token; everything else in it has to agree. */
  function ownerOf(url: URL, headers: Headers, body: string): Tenant {
    const mine = tenants.find(({ token }) => headers.get("authorization") === `Bearer ${token}`);
    if (mine === undefined) {
      cross(`${url} came with ${headers.get("authorization")}`);
      return tenants[0];
    }
    const { pathname } = url;
    if (!pathname.startsWith(`/api/w/${mine.workspace}/`)) cross(`${mine.token} came to ${pathname}`);
    look(mine, `${url}${body}`, "request");
    for (const [name, value] of headers) if (name !== "authorization") look(mine, value, `header ${name}`);
    const trace = headers.get("traceparent");
    if (trace !== null && !trace.startsWith(mine.trace.slice(0, 36))) cross(`${mine.token} came with trace ${trace}`);
    for (const id of pathname.match(/[0-9a-f]{8}-[0-9a-f-]{27}/g) ?? []) {
      const owner: Tenant = owners.get(id) ?? mine;
      owners.set(id, owner);
      if (owner !== mine) cross(`${mine.token} asked for the job of ${owner.token}`);
    }
    return mine;
  }

  function answer(mine: Tenant, url: URL, signal: AbortSignal): Response {
    const { pathname, searchParams } = url;
    const result = JSON.stringify({ said: mine.secret });
    const drawn = random();
    const end: BodyEnd = drawn < 0.06 ? "half" : drawn < 0.067 ? "silent" : "whole";
    function whole(...pieces: readonly string[]): Response {
      return new Response(bodies.make(pieces, end, signal), { headers: { "content-type": "application/json" } });
    }
    function cut(text: string): Response {
      return whole(text.slice(0, 7), text.slice(7));
    }
    if (/\/jobs\/run\//.test(pathname)) {
      count(requests, "start");
      const id = searchParams.get("job_id") ?? crypto.randomUUID();
      owners.set(id, mine);
      return new Response(id, { status: 201 });
    }
    if (/\/run_wait_result\//.test(pathname)) return count(requests, "run"), cut(result);
    if (/\/getupdate_sse\//.test(pathname)) {
      count(requests, "updates");
      const logs = { type: "update", new_logs: mine.secret, log_offset: mine.secret.length };
      return whole(...[logs, { type: "update", completed: true }].map((event) => `data: ${JSON.stringify(event)}\n\n`));
    }
    if (/\/get_result_maybe\//.test(pathname)) {
      return count(requests, "result"), cut(`{"completed":true,"success":true,"result":${result}}`);
    }
    if (/\/get_value\//.test(pathname)) return count(requests, "variable"), cut(JSON.stringify(mine.secret));
    if (/\/download_s3_file/.test(pathname)) return count(requests, "download"), whole(mine.secret, mine.secret);
    if (/\/upload_s3_file/.test(pathname)) return count(requests, "upload"), cut(`{"file_key":"${mine.secret}"}`);
    // Never silent: a request to cancel has a limit of its own, of seconds.
    count(requests, "cancel");
    return new Response("cancelled");
  }

  async function respond(address: string, init: RequestInit): Promise<Response> {
    const signal = init.signal as AbortSignal; // `as`: every call has one
    const headers = new Headers(init.headers);
    let url = new URL(address);
    if (url.host !== "windmill.test") {
      // Redirected: nobody there may learn who asked, or what.
      if ([...headers].length > 0 || init.body) cross(`${url.host} got ${JSON.stringify([...headers])}`);
      count(requests, "elsewhere");
      return new Response('"from elsewhere"');
    }
    let body = "";
    if (typeof init.body === "string") body = init.body;
    else if (init.body instanceof ReadableStream) {
      const reader = init.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) body += piece.value;
    }
    if (url.pathname === "/moved") url = new URL(url.searchParams.get("to") ?? "", url);
    const mine = ownerOf(url, headers, body);
    for (let turns = random() * 3; turns > 0; turns--) await turn();
    const drawn = random();
    if (drawn < 0.04) {
      throw new TypeError(`connection with ${headers.get("authorization")} refused`);
    }
    if (drawn < 0.1) return new Response(bodies.make(["busy"], "whole", signal), { status: 503 });
    if (drawn < 0.13) return new Response(bodies.make(["no ", mine.secret], "whole", signal), { status: 404 });
    if (drawn < 0.16) {
      return new Response(null, { status: 307, headers: { location: `/moved?to=${encodeURIComponent(url.href)}` } });
    }
    if (drawn < 0.2) return new Response(null, { status: 302, headers: { location: "https://elsewhere.test/" } });
    if (drawn < 0.207) return await new Promise<Response>(() => {});
    return answer(mine, url, signal);
  }

  /** As a runtime's `fetch`: the signal ends it. */
  function fetch(address: string, init: RequestInit): Promise<Response> {
    const signal = init.signal as AbortSignal; // `as`: every call has one
    return new Promise((resolve, reject) => {
      const stop = () => reject(signal.reason);
      if (signal.aborted) return stop();
      signal.addEventListener("abort", stop);
      respond(address, init).then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
    });
  }

  function optionsOf({ workspace, token }: Tenant): ClientOptions {
    const retry = { baseMs: 1, maxMs: 2 };
    return { baseUrl: "https://windmill.test", workspace, token, env: {}, fetch, retry, timeoutMs: LIMIT_MS };
  }

  let latest: Tenant | undefined;
  function tenantOf(request: Request): Tenant {
    const found = tenants.find(({ workspace }) => request.headers.get("x-tenant") === workspace);
    if (found === undefined) throw new Error("Expected a tenant");
    latest = planted ? latest ?? found : found;
    return latest;
  }
  // Made once, for everybody: what is different is chosen by request.
  const chosen = { client: (request: Request) => optionsOf(tenantOf(request)), timeoutMs: LIMIT_MS };
  const bound = { client: { fetch, retry: { baseMs: 1, maxMs: 2 }, timeoutMs: LIMIT_MS }, timeoutMs: LIMIT_MS };
  function hooksOf(check: (event: RequestEvent) => void, handler: Handler): Handler {
    return observeHandler(handler, { onRequest: check, onResponse: check, onRetry: check });
  }
  const handlers: Readonly<Record<string, Handler>> = {
    script: runScript("f/app/echo", { ...chosen, cancelOnDisconnect: true }),
    "script by bindings": runScript("f/app/echo", bound),
    // Ids of deliveries are the senders': two of them may say the same one.
    webhook: webhook({
      client: chosen.client,
      verify: () => true,
      id: () => `${Math.floor(random() * 500)}`,
      run: { script: "f/app/hook" },
      wait: { timeoutMs: LIMIT_MS },
    }),
    object: s3Proxy({ ...chosen, basePath: "/", storage: "", authorize: () => true }),
    "flow, detached": runFlow("f/app/flow", { ...chosen, detached: true }),
    "stream of a script": streamJob({ ...chosen, run: { script: "f/app/echo" } }),
    "stream of a flow, by bindings": streamJob({ ...bound, run: { flow: "f/app/flow" } }),
  };

  async function callHandler(name: string, mine: Tenant, signal: AbortSignal): Promise<void> {
    const { workspace, token, secret, trace } = mine;
    function check(event: RequestEvent): void {
      look(mine, JSON.stringify(event), "event");
      if (event.workspace !== undefined && event.workspace !== workspace) {
        cross(`${workspace} was told of ${event.url}`);
      }
    }
    const handler = hooksOf(check, handlers[name] as Handler); // `as`: the name is one of them
    const reads = name === "object";
    const request = new Request(reads ? `https://edge.test/${secret}` : `https://edge.test/?said=${secret}`, {
      method: reads ? "GET" : "POST",
      headers: { "x-tenant": workspace, "content-type": "application/json", traceparent: trace },
      body: reads ? null : JSON.stringify({ said: secret }),
      signal,
    });
    const env = { WM_BASE_URL: "https://windmill.test", WM_WORKSPACE: workspace, WM_TOKEN: token };
    const response = await handler(request, { ...(name.includes("bindings") ? { env } : {}), waitUntil: () => {} });
    for (const [key, value] of response.headers) look(mine, value, `header ${key}`);
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    let text = "";
    try {
      const pieces = random() < 0.2 ? 1 : Infinity;
      for (let read = 0; reader && read < pieces; read++) {
        const { done, value } = await reader.read();
        if (done) break;
        text += decoder.decode(value, { stream: true });
      }
    } finally {
      await reader?.cancel().catch(() => {});
    }
    look(mine, text, "response");
    count(ends, `${name}: ${response.status}`);
  }

  async function* twice({ secret }: Tenant): AsyncGenerator<string, void> {
    for (let piece = 0; piece < 2; piece++) {
      await turn();
      yield secret;
    }
  }

  async function callClient(mine: Tenant, signal: AbortSignal): Promise<void> {
    // A client of this request alone.
    const client = createClient(optionsOf(mine));
    const limits = { signal, timeoutMs: LIMIT_MS };
    const values = [
      () => client.variables.get("f/app/value", limits),
      () => client.jobs.run("f/app/echo", { said: mine.secret }, limits),
      async () => await (await client.s3.download({ s3: mine.secret }, limits)).text(),
      () => client.s3.upload({ s3: mine.secret }, twice(mine), limits),
    ];
    const call = values[Math.floor(random() * values.length)] as () => Promise<unknown>; // `as`: the index is below the length
    look(mine, JSON.stringify(await call()), "value");
    count(ends, "client: value");
  }

  const names = Object.keys(handlers);
  async function one(mine: Tenant): Promise<void> {
    const controller = new AbortController();
    const kind = Math.floor(random() * (names.length + 2));
    const name = names[kind];
    const work = name === undefined ? callClient(mine, controller.signal) : callHandler(name, mine, controller.signal);
    const abort = random() < 0.25;
    if (abort) {
      void (async () => {
        for (let turns = random() * 8; turns > 0; turns--) await turn();
        controller.abort(new Error("left"));
      })();
    }
    let hangs: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      hangs = setTimeout(() => reject(new Error(`Expected ${name ?? "client"} to end, aborted: ${abort}`)), HANG_MS);
    });
    try {
      await Promise.race([work, late]);
    } catch (error) {
      // `as`: what is thrown here are errors
      const { name, message, cause } = error as Error;
      look(mine, `${name} ${message} ${cause}`, "error");
      if (message.startsWith("Expected ")) cross(message);
      count(ends, `thrown: ${abort ? "aborted" : name}`);
    } finally {
      clearTimeout(hangs);
    }
  }

  const end = Date.now() + ms;
  await Promise.all(Array.from({ length: lanes }, async (_, lane) => {
    const mine = tenants[lane % 2 === 0 ? 0 : 1];
    for (let made = 0; made < LEAST || Date.now() < end; made++) await one(mine);
  }));
  // What was given up ends in its own time: the last ones have a time limit.
  for (let turns = 0; turns < 1_000 && bodies.open().length > 0; turns++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { crossed, requests, ends, openBodies: bodies.open() };
}
