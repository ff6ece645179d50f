/**
 * A Windmill server in memory, as a `fetch`.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts";
import type { ClientOptions } from "../sdk/client.ts";
import { useClient } from "../sdk/default_client.ts";
import { jsonResponse, Refusal, textResponse } from "../wire/refusal.ts";
import { type MockCurrentJob, startCurrentJob } from "./_current_job.ts";
import { createFailures, type MockFailure } from "./_failures.ts";
import { jobRoutes } from "./_job_routes.ts";
import { createJobs, type MockJob, type MockRunnable } from "./_jobs.ts";
import { checkUuid, findJob, type Mock, type MockApproval, type MockUser } from "./_mock.ts";
import { peopleRoutes } from "./_people.ts";
import { type Call, createRouter, type FetchInput, type MockRequest, readCall } from "./_router.ts";
import { s3Routes } from "./_s3.ts";
import { makeFile, type MockContent, type MockFile } from "./_s3_store.ts";
import { createSigner } from "./_signer.ts";
import { type MockSqlHandler, previewRoutes } from "./_sql.ts";
import { type MockResource, type MockVariable, resourceRoutes, type Store, variableRoutes } from "./_store.ts";
import { runtimeClock, until } from "./_time.ts";
import { updateRoutes } from "./_updates.ts";

/** What a mock begins with. All of it may change: the maps of {@linkcode MockWindmill} are the mock's own. */
export interface MockOptions {
  /** Variables by path: values, or values with what belongs to them. @default none */
  readonly variables?: Readonly<Record<string, string | MockVariable>>;
  /** Values of resources by path; `$var:` and `$res:` references in them are filled in. @default none */
  readonly resources?: Readonly<Record<string, unknown>>;
  /** Names of the types of resources, by path. @default "any" for each */
  readonly resourceTypes?: Readonly<Record<string, string>>;
  /** Scripts by path, or by hash: functions of the arguments. @default none */
  readonly jobs?: Readonly<Record<string, MockRunnable>>;
  /** Flows by path: functions of the arguments. @default none */
  readonly flows?: Readonly<Record<string, MockRunnable>>;
  /** Files by key, or by `s3://storage/key`. @default none */
  readonly s3?: Readonly<Record<string, MockContent>>;
  /** Answers statements of SQL, and other code that is run without being deployed. @default none */
  readonly sql?: MockSqlHandler;
  /** Id of the workspace. @default "mock" */
  readonly workspace?: string;
  /** Address. @default "http://windmill.test" */
  readonly baseUrl?: string;
  /** The token that is accepted. @default "mock-token" */
  readonly token?: string;
  /** Whose token it is. @default "mock@windmill.test", "mock" */
  readonly user?: MockUser;
  /** What the server says of its version. @default "CE v1.818.0" */
  readonly version?: string;
  /** The job that the tested code believes to run in. */
  readonly currentJob?: MockCurrentJob;
  /** Variables of the environment, over those that a worker sets. @default none */
  readonly env?: Readonly<Record<string, string>>;
  /** Clock and timers, of jobs that wait and of clients. @default the runtime's */
  readonly clock?: Clock;
}

/** What undoes {@linkcode MockWindmill.install}. */
export interface MockInstallation {
  /** Gives the top-level functions back what they had. */
  readonly restore: () => void;
  /** The same, for `using`. */
  readonly [Symbol.dispose]: () => void;
}

/** A Windmill server in memory. */
export interface MockWindmill {
  /** Answers requests, in place of the runtime's `fetch`. */
  readonly fetch: (input: FetchInput, init?: RequestInit) => Promise<Response>;
  /** Options that reach it, for `createClient`: address, workspace, token, `fetch`, the environment of a worker, the clock. */
  readonly options: ClientOptions;
  /** Variables of the environment, as a worker sets them. */
  readonly env: Readonly<Record<string, string>>;
  /** Variables by path. */
  readonly variables: Map<string, MockVariable>;
  /** Resources by path. */
  readonly resources: Map<string, MockResource>;
  /** Files: by key, or by `s3://storage/key` for other storages than the workspace's. */
  readonly s3: Map<string, MockFile>;
  /**
   * Jobs by id, in the order in which they were made. The one that the tested code believes to run in (`env.WM_JOB_ID`) is there
   * from the beginning, and so is its flow.
   */
  readonly jobs: ReadonlyMap<string, MockJob>;
  /** Answers to requests for approval. */
  readonly approvals: readonly MockApproval[];
  /** What it was asked so far, in order. */
  readonly requests: readonly MockRequest[];
  /** Lets the next requests that match fail. */
  readonly fail: (failure?: MockFailure) => void;
  /**
   * Answers requests that the mock does not know, or answers others its own way: `route("GET scripts/list", () => [])`. `*` is
   * one segment of the path, `**` at its end all that follow; a path is below `/api/w/{workspace}/`, or below `/api/` when it
   * begins with a slash. What the handler gives is sent as JSON unless it is a Response.
   */
  readonly route: (pattern: string, handler: (request: MockRequest, ...params: string[]) => unknown) => void;
  /** Lets the top-level functions use the mock (`getVariable` and the others), until that is undone. */
  readonly install: () => MockInstallation;
  /** Ends jobs that have not ended, and their timers. */
  readonly close: () => void;
}

/** Routes that need no token: what they are about says who may use it. */
const PUBLIC = /^w\/[^/]+\/(s3_proxy|jobs_u\/(resume|cancel)\/[^/]+\/)/;

function startingStore(options: MockOptions, env: Readonly<Record<string, string>>, user: MockUser): Store {
  const { variables = {}, resources = {}, resourceTypes = {}, workspace = "mock" } = options;
  return {
    variables: new Map(
      Object.entries(variables).map(([path, given]) => [path, typeof given === "string" ? { value: given } : given]),
    ),
    resources: new Map(
      Object.entries(resources).map(([path, value]) => {
        const resourceType = resourceTypes[path];
        return [path, resourceType === undefined ? { value } : { value, resourceType }];
      }),
    ),
    env,
    workspace,
    username: user.username,
  };
}

/**
 * Makes a Windmill server in memory, for tests of scripts: variables, resources, jobs that run as functions, files, SQL by a
 * handler, and what else the client asks for. It answers as the server does, with its paths, status codes and texts. A request
 * that it does not know is answered with 404 and a text that names it.
 *
 * @param options what there is at the beginning
 * @returns the mock
 *
 * @example Test a script
 * ```ts
 * import { getVariable, runScriptByPath } from "@windkit/windmill-client";
 * import { mockWindmill } from "@windkit/windmill-client/testing";
 *
 * async function main(name: string): Promise<unknown> { // the script that is tested
 *   const greeting = await getVariable("f/team/greeting");
 *   return await runScriptByPath("f/team/send", { text: `${greeting}, ${name}` });
 * }
 *
 * const mock = mockWindmill({
 *   variables: { "f/team/greeting": "Hello" },
 *   jobs: { "f/team/send": ({ text }) => ({ sent: text }) },
 * });
 * using _ = mock.install();
 * const result = await main("Ada");
 *
 * if (JSON.stringify(result) !== '{"sent":"Hello, Ada"}') throw new Error("sent something else");
 * if (mock.requests[0]?.path !== "w/mock/variables/get_value/f/team/greeting") throw new Error("asked for something else");
 * ```
 *
 * @example Failures, and a client of its own
 * ```ts
 * import { createClient, hasCode } from "@windkit/windmill-client";
 * import { mockWindmill } from "@windkit/windmill-client/testing";
 *
 * const mock = mockWindmill({ resources: { "u/ada/theme": { dark: true } } });
 * mock.fail({ path: "resources/", status: 503, times: 1 });
 * const client = createClient({ ...mock.options, retry: { baseMs: 1 } });
 * const theme = await client.resources.get<{ dark: boolean }>("u/ada/theme"); // repeated after the 503
 * if (!theme.dark) throw new Error("not dark");
 *
 * const missing = await client.resources.get("u/ada/nothing").catch((error: unknown) => error);
 * if (!hasCode(missing, "WINDMILL_API")) throw new Error("it is not there");
 * ```
 */
export function mockWindmill(options: MockOptions = {}): MockWindmill {
  const {
    workspace = "mock",
    token = "mock-token",
    user = { email: "mock@windmill.test", username: "mock" },
    version = "CE v1.818.0",
    currentJob = {},
    clock = runtimeClock,
    s3 = {},
  } = options;
  const baseUrl = (options.baseUrl ?? "http://windmill.test").replace(/\/+$/, "");
  let ids = 0;
  const nextId = (): string => `00000000-0000-4000-8000-${`${++ids}`.padStart(12, "0")}`;
  const jobs = createJobs(clock, nextId);
  const requests: MockRequest[] = [];
  const approvals: MockApproval[] = [];
  const failures = createFailures(clock);
  const parts: Omit<Mock, "store"> = {
    baseUrl,
    workspace,
    user,
    version,
    clock,
    jobs,
    approvals,
    nextId,
    tokens: new Set([token]),
    s3: new Map(
      Object.entries(s3).map(([name, given]) => {
        const { content, contentType } = typeof given === "object" && "content" in given
          ? given
          : { content: given, contentType: undefined };
        const type = contentType ?? (typeof content === "string" ? "text/plain" : undefined);
        return [name, makeFile(content, type, new Date(clock.now()))];
      }),
    ),
    signer: createSigner(`key of ${workspace}`),
    scripts: new Map(Object.entries(options.jobs ?? {})),
    flows: new Map(Object.entries(options.flows ?? {})),
    sql: options.sql,
    checkId: checkUuid,
    jobOf: (id, what) => findJob(jobs, id, what),
  };
  const env = { ...startCurrentJob(parts, currentJob), ...options.env };
  const mock: Mock = { ...parts, store: startingStore(options, env, user) };
  const router = createRouter();
  for (const routes of [variableRoutes(mock.store), resourceRoutes(mock.store)]) router.add(routes);
  for (const routesOf of [jobRoutes, updateRoutes, previewRoutes, s3Routes, peopleRoutes]) router.add(routesOf(mock));

  /** Refuses whoever has no token, or another workspace's. */
  function authorize(call: Call, asked: string | undefined): void {
    if (PUBLIC.test(call.path)) return;
    const [, given = ""] = /^Bearer (.+)$/.exec(call.headers.get("authorization") ?? "") ?? [];
    if (!mock.tokens.has(given)) throw new Refusal(401, "Unauthorized");
    if (asked !== undefined && asked !== workspace) {
      throw new Refusal(401, `Not authorized: this mock has the workspace "${workspace}", not "${asked}"`);
    }
  }

  async function answer(call: Call): Promise<Response> {
    const failed = await failures.apply(call);
    if (failed !== undefined) return failed;
    try {
      const match = router.find(call.method, call.path);
      if (match === undefined) {
        return textResponse(`Not found: mockWindmill() knows no ${call.method} ${new URL(call.url).pathname}`, 404);
      }
      authorize(call, match.workspace);
      return await match.handler(call, ...match.params);
    } catch (error) {
      if (error instanceof Refusal) return textResponse(error.message, error.status);
      throw error;
    }
  }

  async function mockFetch(input: FetchInput, init?: RequestInit): Promise<Response> {
    (init?.signal ?? (input instanceof Request ? input.signal : undefined))?.throwIfAborted();
    const call = await readCall(input, init);
    requests.push(call);
    return await until(answer(call), call.signal);
  }

  const clientOptions: ClientOptions = {
    baseUrl,
    workspace,
    token,
    env,
    fetch: mockFetch,
    ...(options.clock === undefined ? {} : { clock }),
  };
  return {
    fetch: mockFetch,
    options: clientOptions,
    env,
    variables: mock.store.variables,
    resources: mock.store.resources,
    s3: mock.s3,
    jobs: jobs.all,
    approvals,
    requests,
    fail: (failure = {}) => failures.add(failure),
    route: (pattern, handler) =>
      router.add({
        [pattern]: async (call, ...params) => {
          const given = await handler(call, ...params);
          return given instanceof Response ? given : jsonResponse(given);
        },
      }),
    install: () => {
      const restore = useClient(clientOptions);
      return { restore, [Symbol.dispose]: restore };
    },
    close: () => jobs.close(),
  };
}
