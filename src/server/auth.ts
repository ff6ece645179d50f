/**
 * The gate: which requests get in, and as whom.
 *
 * A page of another origin must not use this server through its reader's browser: names that lead to this machine (DNS
 * rebinding) are refused by `Host`, requests of other origins by `Origin` and `Sec-Fetch-Site`. Everybody needs a token: a bearer
 * token, or the cookie that a page got in exchange for one.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import { sha256 } from "../engine/sha256.ts";
import { randomBytes } from "../platform/random.ts";
import { badRequest, denied, Refusal } from "../wire/refusal.ts";
import type { Caller, Identity, Jobs } from "./ports.ts";

/** How long a page stays signed in. */
const SESSION_MS = 12 * 3_600_000;

/** Paths that need no token: they are of no interest, or their own signature is looked at. */
const PUBLIC: readonly RegExp[] = [
  /^\/api\/version$/,
  /^\/api\/w\/[^/]+\/jobs_u\/(?:resume|cancel|get_flow)\/[^/]+\/[^/]+\/[^/]+$/,
  /^\/api\/w\/[^/]+\/jobs_u\/flow\/(?:approval_info|resume_suspended)\/[^/]+$/,
  /^\/api\/w\/[^/]+\/s3_proxy\//,
  /^\/approve\//,
  /^\/login$/,
  /^\/assets\//,
];

/** Names under which this machine is reached. */
const LOOPBACK = /^(?:localhost|127\.0\.0\.1|\[::1\])$/;

/** Methods that change nothing, by their meaning. */
const SAFE = /^(?:GET|HEAD|OPTIONS)$/;

/** Who asks, by request. */
const callers = /* @__PURE__ */ new WeakMap<Request, Caller>();

/** What {@linkcode createGate} needs. */
export interface GateParts {
  readonly identity: Identity;
  readonly now: () => number;
  /** Address under which people reach the server: its host is let in. */
  readonly baseUrl: () => string;
  /** Further hosts that are let in, without port. */
  readonly hosts: readonly string[];
  /** Further origins that are let in, `https://app.example.com`. */
  readonly origins: readonly string[];
}

/** The gate of a server. */
export interface Gate {
  /**
   * Lets a request in or refuses it.
   *
   * @returns an answer that ends the request, undefined for one that goes on
   * @throws Refusal
   */
  admit(request: Request): Response | undefined;
  /** Adds what an answer to another origin needs. */
  finish(request: Request, response: Response): Response;
}

/** Who asks; undefined on paths that need no token. */
export function findCaller(request: Request): Caller | undefined {
  return callers.get(request);
}

/** Who asks. Takes the request that the route sees: `callerOf(c.req.raw)`. */
export function callerOf(request: Request): Caller {
  const caller = callers.get(request);
  if (caller === undefined) throw new Refusal(401, "Unauthorized");
  return caller;
}

/** Says who asks with a request that was made out of another one. */
export function passCaller(from: Request, to: Request): void {
  const caller = callers.get(from);
  if (caller !== undefined) callers.set(to, caller);
}

/** The outermost job of the tree that a job is in. */
export function rootOf(jobs: Pick<Jobs, "get">, id: string): string {
  return jobs.get(id)?.root ?? id;
}

/** Refuses a job that meddles with another one: a job's token is good for that job, and those that it belongs together with. */
export function refuseOtherJobs(jobs: Pick<Jobs, "get">, caller: Caller, id: string): void {
  if (caller.job === undefined || caller.job === id) return;
  if (rootOf(jobs, caller.job) === rootOf(jobs, id)) return;
  throw denied(`the token of job ${caller.job} is not good for job ${id}`);
}

/** The name of the cookie: a browser sends cookies of one port to all ports of a host. */
function cookieNameOf(baseUrl: string): string {
  return `windkit_${new URL(baseUrl).port || "80"}`;
}

/** The value of a page's cookie; undefined when there is none. */
export function sessionCookie(request: Request, baseUrl: string): string | undefined {
  const wanted = `${cookieNameOf(baseUrl)}=`;
  const cookies = (request.headers.get("cookie") ?? "").split(/;\s*/);
  return cookies.find((cookie) => cookie.startsWith(wanted))?.slice(wanted.length);
}

/** The address of a host without its port, in small letters. */
function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, "");
}

/**
 * The address that a request is for: it is made of what `Host` says, and need be none at all.
 *
 * @throws Refusal
 */
function addressOf(request: Request): URL {
  let url: URL;
  try {
    url = new URL(request.url);
  } catch (cause) {
    void cause;
    throw badRequest("the header Host and the path make no address");
  }
  // The routes are found with what was sent, and the gate must not look at another path.
  const [, sent = ""] = /^[^/]*\/\/[^/?#]*([^?#]*)/.exec(request.url) ?? [];
  if (/(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)|\\/i.test(sent)) {
    throw badRequest('the path has a part that is "." or "..", or a "\\"');
  }
  return url;
}

/** A path as the routes see it: letters that need not be encoded are read as they are. */
function routedPath(path: string): string {
  // What is encoded twice stays encoded once; what encodes nothing is what it is.
  return path.replace(/%25/g, "%2525").replace(/(?:%[\da-f]{2})+/gi, (text) => {
    try {
      return decodeURI(text);
    } catch (error) {
      void error;
      return text;
    }
  });
}

/** What a scope is about: the first words of a path, and whether it is read, written or run. */
function wantedScope(
  method: string,
  path: string,
): { readonly domain: string; readonly action: string; readonly what: string } {
  const [, rest = ""] = /^\/api\/(?:w\/[^/]+\/)?(.*)$/.exec(path) ?? [];
  const [first = "", ...more] = rest.split("/");
  const domain = first === "jobs_u" || first === "job_metrics" || first === "concurrency_groups" ? "jobs" : first;
  const run = /^jobs\/run(?:_wait_result|_and_stream|_inline)?\/(?:(p|h|f|fv)\/)?(.*)$/.exec(rest);
  if (run !== null) {
    const [, kind = "", what = ""] = run;
    return {
      domain: "jobs",
      action: "run",
      what: `${kind.startsWith("f") ? "flows" : "scripts"}:${kind === "" ? "" : what}`,
    };
  }
  return { domain, action: SAFE.test(method) ? "read" : "write", what: more.slice(1).join("/") };
}

/** True when one of a token's scopes covers a request: `domain:action`, with a path or not, `*` for any text. */
export function isInScope(scopes: readonly string[], method: string, path: string): boolean {
  const { domain, action, what } = wantedScope(method, path);
  const whole = `${domain}:${action}`;
  return scopes.some((scope) => {
    const [scoped = "", acts = "", ...rest] = scope.split(":");
    if (scoped !== "*" && scoped !== domain) return false;
    // Whoever may write may read.
    if (acts !== "*" && acts !== action && !(acts === "write" && action === "read")) return false;
    if (rest.length === 0) return true;
    const pattern = rest.join(":").split("*").map((text) => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*");
    return whole !== "" && new RegExp(`^${pattern}$`).test(what);
  });
}

/** Name of the token in the query of an address, where a request has no header with it. */
export const TOKEN_IN_QUERY = "token";

/** For a document that anybody may have written: it loads nothing from elsewhere, and runs nothing. */
export const INERT_DOCUMENT =
  "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; sandbox";

/** The token that a request came with; undefined when it came with a session, or none. */
export function tokenOf(request: Request): string | undefined {
  return bearerOf(request) ?? new URL(request.url).searchParams.get(TOKEN_IN_QUERY) ?? undefined;
}

/** The token in a request's headers. */
function bearerOf(request: Request): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
}

/** Makes the gate of a server. */
export function createGate({ identity, now, baseUrl, hosts, origins }: GateParts): Gate {
  // By the hashes of their values. They end with the server.
  const sessions = new Map<string, number>();
  /** Requests whose address may have a token in it. */
  const addressed = new WeakSet<Request>();

  function checkHost(request: Request, url: URL): string {
    const host = request.headers.get("host") ?? url.host;
    const own = new URL(baseUrl());
    for (const name of [hostName(host), hostName(url.host)]) {
      if (!LOOPBACK.test(name) && name !== own.hostname && !hosts.includes(name)) {
        throw denied(`this server is not called ${JSON.stringify(name)}; name it with --host to let it be`);
      }
    }
    return host;
  }

  function isOwnOrigin(origin: string, host: string): boolean {
    return origin === `http://${host}` || origin === `https://${host}` || origin === new URL(baseUrl()).origin;
  }

  /** Refuses requests that pages of other origins make. */
  function checkOrigin(request: Request, host: string, isPublic: boolean): void {
    const origin = request.headers.get("origin"), site = request.headers.get("sec-fetch-site");
    if (origin !== null) {
      if (isOwnOrigin(origin, host) || origins.includes(origin)) return;
      throw denied(`requests of the origin ${JSON.stringify(origin)} are not let in`);
    }
    // Somebody who follows a link in a mail to an address that is signed.
    const follows = isPublic && SAFE.test(request.method) && request.headers.get("sec-fetch-mode") === "navigate";
    if (site === "cross-site" && !follows) throw denied("requests of other sites are not let in");
  }

  function sessionCaller(request: Request, path: string): Caller | undefined {
    const value = sessionCookie(request, baseUrl());
    if (value === undefined) return undefined;
    const ends = sessions.get(sha256(value));
    if (ends === undefined || ends <= now()) return undefined;
    const site = request.headers.get("sec-fetch-site");
    // Another port of this host is the same site: it gets the cookie sent along, and must not get in with it. Who says no site
    // (an old browser, or one that reaches this machine by a name) sees pages; the API also starts jobs when it is only read.
    const isPage = SAFE.test(request.method) && !path.startsWith("/api/");
    if (site !== null ? !/^(?:same-origin|none)$/.test(site) : !isPage && !request.headers.has("origin")) {
      throw denied("a page of another origin may not use the session of this one");
    }
    return identity.owner;
  }

  /** Webhooks of services that send no header of ours have the token in their address, as on a Windmill server. */
  function queryCaller(url: URL, path: string): Caller | undefined {
    const token = path.startsWith("/api/") ? url.searchParams.get(TOKEN_IN_QUERY) : null;
    return token === null ? undefined : identity.callerOf(token);
  }

  /** Exchanges the token of a page's address for a cookie. */
  function openSession(request: Request, url: URL): Response | undefined {
    const token = url.searchParams.get(TOKEN_IN_QUERY);
    if (token === null || request.method !== "GET" || url.pathname.startsWith("/api/")) return undefined;
    const caller = identity.callerOf(token);
    if (caller === undefined || caller.job !== undefined || caller.scopes !== undefined) return undefined;
    for (const [hash, ends] of sessions) if (ends <= now()) sessions.delete(hash);
    const value = toHex(randomBytes(32));
    sessions.set(sha256(value), now() + SESSION_MS);
    url.searchParams.delete(TOKEN_IN_QUERY);
    const cookie = `${cookieNameOf(baseUrl())}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${
      SESSION_MS / 1000
    }`;
    // A path that begins with two slashes would be another host.
    const location = `${url.pathname.replace(/^\/+/, "/")}${url.search}`;
    return new Response(null, {
      status: 303,
      headers: { location, "set-cookie": cookie, "cache-control": "no-store" },
    });
  }

  function admit(request: Request): Response | undefined {
    const url = addressOf(request);
    const host = checkHost(request, url);
    const path = routedPath(url.pathname);
    if (path.startsWith("/api/") && url.searchParams.has(TOKEN_IN_QUERY)) addressed.add(request);
    const isPublic = PUBLIC.some((pattern) => pattern.test(path));
    checkOrigin(request, host, isPublic);
    if (request.method === "OPTIONS" && request.headers.has("access-control-request-method")) {
      return new Response(null, { status: 204 });
    }
    if (!isPublic) {
      const opened = openSession(request, url);
      if (opened !== undefined) return opened;
    }
    const bearer = bearerOf(request);
    const caller = bearer === undefined
      ? sessionCaller(request, path) ?? queryCaller(url, path)
      : identity.callerOf(bearer);
    if (caller === undefined) {
      if (isPublic) return undefined;
      throw new Refusal(401, path.startsWith("/api/") ? "Unauthorized" : NO_SESSION);
    }
    if (caller.scopes !== undefined && !isInScope(caller.scopes, request.method, path)) {
      throw denied(`the scopes of the token do not cover ${request.method} ${path}`);
    }
    callers.set(request, caller);
    return undefined;
  }

  return {
    admit,
    finish: (request, response) => {
      const origin = request.headers.get("origin");
      const isShared = origin !== null && origins.includes(origin), isAddressed = addressed.has(request);
      if (!isShared && !isAddressed) return response;
      const headers = new Headers(response.headers);
      if (isAddressed) {
        // A script's HTML could tell others the address that it was opened by.
        headers.set("referrer-policy", "no-referrer");
        headers.append("content-security-policy", INERT_DOCUMENT);
      }
      if (isShared) {
        headers.set("access-control-allow-origin", origin);
        headers.append("vary", "origin");
        headers.set("access-control-allow-headers", "authorization, content-type");
        headers.set("access-control-allow-methods", "GET, POST, PUT, DELETE, OPTIONS");
      }
      const { status, statusText } = response;
      return new Response(response.body, { status, statusText, headers });
    },
  };
}

const NO_SESSION = "Not signed in: open the address that 'windkit dev' printed, it has the token";
