/**
 * The local server: Windmill's API over a folder. It answers requests and never listens.
 *
 * @module
 */
import { Hono } from "hono";
import type { Clock } from "../base/clock.ts";
import { wallClock } from "../platform/clock.ts";
import { randomBytes } from "../platform/random.ts";
import type { Runner } from "../runner/ports.ts";
import { toHex } from "../base/bytes.ts";
import { Refusal, refusalResponse, textResponse } from "../wire/refusal.ts";
import { createGate, passCaller } from "./auth.ts";
import { createJobs, type JobsOptions } from "./jobs/jobs.ts";
import { jobGuard } from "./job_rights.ts";
import type { Approvals, Database, Folder, Identity, Objects, Secrets, ServerContext } from "./ports.ts";
import { MAX_BODY_BYTES } from "./routes/_request.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { editionRoutes } from "./routes/edition.ts";
import { previewRoutes } from "./routes/previews.ts";
import { updateRoutes } from "./routes/updates.ts";
import { approvalRoutes } from "./routes/approvals.ts";
import { wacRoutes } from "./routes/wac.ts";
import { createWorkflowJobs, type WorkflowJobs, type WorkflowJobsOptions } from "./workflow_jobs/workflow_jobs.ts";

/** Routes of one part, mounted under `/api`. */
export type RouteModule = (context: ServerContext) => Hono;

/** What a server is made of. */
export interface ServerParts {
  /** Id of the one workspace. */
  readonly workspace: string;
  /** Address under which people reach the server. It is read when it is needed: a port may be known only later. */
  readonly baseUrl: string;
  /** Address under which the jobs of this machine reach it. @default baseUrl */
  readonly internalUrl?: string;
  readonly folder: Folder;
  readonly secrets: Secrets;
  readonly identity: Identity;
  readonly objects: Objects;
  readonly database: Database;
  /** One for each language; of two for one language the first. */
  readonly runners: readonly Runner[];
  /** Time and timers. @default those of the machine */
  readonly clock?: Clock;
  /** How jobs are kept and run. */
  readonly jobs?: JobsOptions;
  /** How workflows are run. Without it they are scripts like any other, and fail for what they call. */
  readonly workflows?: WorkflowJobsOptions;
  /** Routes besides those that every server has. */
  readonly routes?: readonly RouteModule[];
  /** Of these, what jobs may ask with their tokens: `POST /w/:workspace/mine`. @default none but those of `job_rights.ts` */
  readonly jobRoutes?: readonly string[];
  /** Questions of workflows to people: for their pages. @default none */
  readonly approvals?: (context: ServerContext) => Approvals;
  /** Pages, mounted at the root. */
  readonly pages?: RouteModule;
  /** Further host names that requests may be for, without port. @default none but this machine's and that of `baseUrl` */
  readonly hosts?: readonly string[];
  /** Further origins whose pages may ask. @default none but the server's own */
  readonly origins?: readonly string[];
  /** Longest body that is read into memory. @default 32 MiB */
  readonly maxBodyBytes?: number;
  /** Hears errors that are of this package: they are answered with status 500. @default none hears them */
  readonly report?: (error: unknown) => void;
}

/** A server: to be given requests. */
export interface Server {
  /** Answers a request. Never rejects. */
  readonly fetch: (request: Request) => Promise<Response>;
  /** What its routes use. */
  readonly context: ServerContext;
  /** Begins no more jobs, lets those that run end for so many milliseconds, and stops what is left. */
  readonly close: (options?: { readonly drainMs?: number }) => Promise<void>;
}

/** The routes that every server has. */
export const ROUTES: readonly RouteModule[] = [
  editionRoutes,
  updateRoutes,
  previewRoutes,
  wacRoutes,
  approvalRoutes,
  jobRoutes,
];

/** How much of an error that nobody expected is said, in characters. */
const MOST_SAID = 500;

/** Bodies of these are not read into memory: their routes stream them. */
const STREAMED = /^\/api\/w\/[^/]+\/job_helpers\/upload_[^/]+$/;

/** The machine's clock, looked up at the call. */
function machineClock(): Clock {
  return {
    now: wallClock,
    setTimeout: (wake, ms) => setTimeout(wake, ms),
    // `as`: it is what the line above gave.
    clearTimeout: (timer) => clearTimeout(timer as number),
  };
}

/** A new id: a UUID of version 7, whose first digits are the time, so that ids are in the order of their jobs. */
function uuidAt(now: number): string {
  const bytes = randomBytes(16);
  new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(0, (BigInt(now) << 16n) | 0x7000n | randomBits(bytes));
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = toHex(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function randomBits(bytes: Uint8Array): bigint {
  return BigInt((bytes[6] ?? 0) & 0x0f) << 8n | BigInt(bytes[7] ?? 0);
}

/** Makes a server and takes up the jobs that an earlier one left. */
export function createServer(parts: ServerParts): Server {
  const { workspace, folder, secrets, identity, objects, database, runners, report = () => {} } = parts;
  const { clock = machineClock(), maxBodyBytes = MAX_BODY_BYTES, hosts = [], origins = [] } = parts;
  const byLanguage = new Map<string, Runner>();
  for (const runner of runners) {
    for (const language of runner.languages) if (!byLanguage.has(language)) byLanguage.set(language, runner);
  }
  const runnerOf = (language: string): Runner | undefined => byLanguage.get(language);
  const jobs = createJobs({
    workspace,
    get baseUrl() {
      return parts.baseUrl;
    },
    get internalUrl() {
      return parts.internalUrl ?? parts.baseUrl;
    },
    database,
    folder,
    secrets,
    identity,
    clock,
    newId: () => uuidAt(clock.now()),
    runnerOf,
    report,
    options: parts.jobs ?? {},
  });
  let workflows: WorkflowJobs | undefined;
  const context: ServerContext = {
    workspace,
    get workflows() {
      return workflows;
    },
    get baseUrl() {
      return parts.baseUrl;
    },
    get internalUrl() {
      return parts.internalUrl ?? parts.baseUrl;
    },
    now: () => clock.now(),
    clock,
    runnerOf,
    folder,
    jobs,
    secrets,
    identity,
    objects,
    database,
    get approvals() {
      return approvals;
    },
  };
  if (parts.workflows !== undefined) workflows = createWorkflowJobs(context, { report, ...parts.workflows });
  const approvals = parts.approvals?.(context) ?? workflows?.approvals;
  const gate = createGate({ identity, now: () => clock.now(), baseUrl: () => parts.baseUrl, hosts, origins });

  const api = new Hono();
  api.use("/w/:workspace/*", async (c, next) => {
    const asked = c.req.param("workspace");
    if (asked !== workspace) {
      throw new Refusal(401, `Not authorized: this Windkit server has the workspace "${workspace}", not "${asked}"`);
    }
    await next();
  });
  for (const module of [...ROUTES, ...parts.routes ?? []]) {
    const routes = module(context);
    for (const { method, path } of routes.routes) api.on(method, path, jobGuard(jobs, method, path, parts.jobRoutes));
    api.route("/", routes);
  }
  const app = new Hono();
  app.route("/api", api);
  if (parts.pages !== undefined) app.route("/", parts.pages(context));
  app.notFound((c) => textResponse(unknownText(c.req.method, new URL(c.req.url).pathname), 404));
  app.onError((error) => {
    if (error instanceof Refusal) return refusalResponse(error);
    report(error);
    // What went wrong may quote what nobody is to see, and the places of code that it went through.
    const [said = ""] = secrets.redact(error.message).slice(0, MOST_SAID).split("\n");
    return textResponse(`Internal: ${said}`, 500);
  });

  /** Who opens a page and is not signed in is shown where to do that. */
  async function signIn(request: Request, refusal: Refusal): Promise<Response | undefined> {
    // Only of a request that has an address it is said that nobody is signed in.
    if (parts.pages === undefined || refusal.status !== 401) return undefined;
    const { pathname, search, origin } = new URL(request.url);
    const wantsPage = request.method === "GET" && request.headers.get("accept")?.includes("text/html") === true;
    if (pathname.startsWith("/api/") || !wantsPage) return undefined;
    const page = await app.fetch(new Request(`${origin}/login?next=${encodeURIComponent(pathname + search)}`));
    return new Response(page.body, { status: 401, headers: page.headers });
  }

  async function answer(request: Request): Promise<Response> {
    try {
      const ended = gate.admit(request);
      if (ended !== undefined) return ended;
      return await app.fetch(bounded(request, maxBodyBytes));
    } catch (error) {
      if (error instanceof Refusal) return await signIn(request, error) ?? refusalResponse(error);
      report(error);
      return textResponse("Internal: the request could not be answered", 500);
    }
  }

  jobs.begin();
  return {
    context,
    fetch: async (request) => gate.finish(request, await answer(request)),
    close: ({ drainMs = 0 } = {}) => jobs.close(drainMs),
  };
}

function unknownText(method: string, path: string): string {
  return `Windkit does not serve ${method} ${path}: this is Windkit's local server, which has a part of Windmill's API`;
}

/** A request whose body ends with an error where it is longer than it may be. */
function bounded(request: Request, maxBytes: number): Request {
  if (request.body === null || STREAMED.test(new URL(request.url).pathname)) return request;
  const said = request.headers.get("content-length");
  const tooLarge = (): Refusal => new Refusal(413, `Payload too large: the body is bounded to ${maxBytes} bytes`);
  if (Number(said ?? 0) > maxBytes) throw tooLarge();
  // The server that listens holds whoever says a length to it.
  if (said !== null) return request;
  let length = 0;
  const body = request.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        length += chunk.byteLength;
        if (length > maxBytes) controller.error(tooLarge());
        else controller.enqueue(chunk);
      },
    }),
  );
  // `as`: the types of some runtimes do not know `duplex`, which all want for a stream.
  const copy = new Request(request, { body, duplex: "half" } as RequestInit);
  passCaller(request, copy);
  return copy;
}
