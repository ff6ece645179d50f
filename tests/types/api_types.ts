/**
 * What the types of the endpoints and of the official services say. `deno check` of this file is the test: it never runs.
 *
 * @module
 */
import {
  type Api,
  type ApiWithIds,
  type CompletedJob,
  createApi,
  createApiClient,
  type Job,
  type ListableVariable,
  operations,
  type QueuedJob,
  type UserDraftOverlay,
} from "@windkit/windmill-client/api";
import {
  type ApiError,
  type CancelablePromise,
  HelpersService,
  JobService,
  NpmProxyService,
  OpenAPI,
  UserService,
  VariableService,
} from "@windkit/windmill-client/compat";
import * as compat from "@windkit/windmill-client/compat";
import * as official from "official-windmill-client";

/** True when the two types are the same, not merely assignable to each other. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;

/** Does not compile unless its argument is true. */
type Holds<T extends true> = T;

/** Gives the type of a value. */
function expectType<Expected>() {
  return <Found>(_value: Found, ..._same: Same<Found, Expected> extends true ? [] : [never]): void => {};
}

// --- By path and by id ---

/** Never called: its types are what is looked at. */
export async function paths(api: Api): Promise<void> {
  expectType<Job[]>()(await api.GET("/w/{workspace}/jobs/list"));
  expectType<Job[]>()(await api.GET("/w/{workspace}/jobs/list", { params: { query: { success: true, per_page: 1 } } }));
  expectType<string>()(
    await api.POST("/w/{workspace}/jobs/run/p/{path}", { params: { path: { path: "f/a" } }, body: { any: [1] } }),
  );
  expectType<boolean>()(await api.GET("/w/{workspace}/variables/exists/{path}", { params: { path: { path: "a" } } }));
  expectType<void>()(await api.DELETE("/w/{workspace}/capture/{id}", { params: { path: { id: 1 } } }));
  expectType<AsyncGenerator<string, void>>()(
    await api.GET("/w/{workspace}/jobs_u/getupdate_sse/{id}", { params: { path: { id: "j" } }, timeoutMs: 1 }),
  );
  expectType<ReadableStream<Uint8Array>>()(
    await api.GET("/w/{workspace}/job_helpers/download_s3_file", { params: { query: { file_key: "k" } } }),
  );
  expectType<Response>()(
    await api.raw.GET("/w/{workspace}/jobs/list", { signal: AbortSignal.timeout(1), headers: {} }),
  );
  await api.POST("/w/{workspace}/job_helpers/upload_s3_file", { body: new Blob([]) });
  await api.POST("/w/{workspace}/job_helpers/upload_s3_file", { body: new ReadableStream<Uint8Array>() });
  await api.GET("/w/{workspace}/jobs/list", { params: { path: { workspace: "other" } }, retry: { attempts: 1 } });
  for await (const variable of api.items("/w/{workspace}/variables/list")) expectType<ListableVariable>()(variable);
  for await (const page of api.pages("/w/{workspace}/variables/list")) expectType<ListableVariable[]>()(page);

  // What the description does not tell is unknown, and never `any`.
  expectType<unknown>()(await api.GET("/w/{workspace}/trash/list", { params: { query: { page: 1, item_kind: "x" } } }));
  for await (const item of api.items("/w/{workspace}/trash/list")) expectType<unknown>()(item);

  // @ts-expect-error -- no such path
  await api.GET("/w/{workspace}/jobs/lst");
  // @ts-expect-error -- a path of another method
  await api.POST("/w/{workspace}/jobs/list");
  // @ts-expect-error -- a parameter of the path is missing
  await api.GET("/w/{workspace}/variables/get/{path}");
  // @ts-expect-error -- and so it is here
  await api.GET("/w/{workspace}/variables/get/{path}", { params: { path: {} } });
  // @ts-expect-error -- no such parameter
  await api.GET("/w/{workspace}/jobs/list", { params: { query: { sucess: true } } });
  // @ts-expect-error -- a parameter of another type
  await api.GET("/w/{workspace}/jobs/list", { params: { query: { success: "yes" } } });
  // @ts-expect-error -- one of few
  await api.GET("/w/{workspace}/audit/list", { params: { query: { action_kind: "Read" } } });
  // @ts-expect-error -- a body that must be there
  await api.POST("/w/{workspace}/variables/create");
  // @ts-expect-error -- a body of another type
  await api.POST("/w/{workspace}/variables/create", { body: 1 });
  // @ts-expect-error -- no such option
  await api.GET("/w/{workspace}/jobs/list", { timeout: 1 });
  // @ts-expect-error -- a list without pages
  api.pages("/w/{workspace}/jobs/list");
  // @ts-expect-error -- a file is bytes
  await api.POST("/w/{workspace}/job_helpers/upload_s3_file", { body: { a: 1 } });
}

/** Never called, as above. */
export async function ids(api: ApiWithIds): Promise<void> {
  expectType<Job[]>()(await api.call("listJobs", { params: { query: { is_flow_step: false } } }));
  expectType<string>()(await api.call("getVariableValue", { params: { path: { path: "a" } } }));
  expectType<ListableVariable & UserDraftOverlay>()(await api.call("getVariable", { params: { path: { path: "a" } } }));
  expectType<Response>()(await api.raw.call("getVariable", { params: { path: { path: "a" } } }));
  await api.call("inlineCheckpoint", { params: { path: { job_id: "j" } }, body: { key: "k", result: null } });
  await api.GET("/w/{workspace}/s3_proxy/{storage}/{path}", { params: { path: { storage: "s", path: "k" } } });
  // @ts-expect-error -- no such operation
  await api.call("listJob");
  // @ts-expect-error -- a parameter of the path is missing
  await api.call("getVariable");

  expectType<Api>()(createApi());
  expectType<ApiWithIds>()(createApi({}, operations));
  expectType<Api>()(createApiClient({}).api);
  expectType<ApiWithIds>()(createApiClient(undefined, operations).api);
  // @ts-expect-error -- calls by id need the table
  createApi().call;
}

/** Unions are told apart by what distinguishes them. */
export function completed(job: Job): number | undefined {
  return job.type === "CompletedJob" ? job.duration_ms : undefined;
}

/** Each line holds, or this file does not compile. */
export type SchemaCases = [
  Holds<Same<Job, (CompletedJob & { type?: "CompletedJob" }) | (QueuedJob & { type?: "QueuedJob" })>>,
  Holds<Same<ListableVariable["is_secret"], boolean>>,
  Holds<Same<QueuedJob["parent_job"], string | undefined>>,
];

// --- Services ---

/** Never called, as above. */
export async function services(): Promise<void> {
  expectType<CancelablePromise<Job[]>>()(JobService.listJobs({ workspace: "w", perPage: 1, scriptPathExact: "a" }));
  expectType<Job[]>()(await JobService.listJobs());
  expectType<string>()(
    await JobService.runScriptByPath({ workspace: "w", path: "a", requestBody: {} }, { timeoutMs: 1 }),
  );
  expectType<AsyncGenerator<string, void>>()(await JobService.getJobUpdatesSse({ workspace: "w", id: "j" }));
  expectType<Blob>()(await HelpersService.fileDownload({ workspace: "w", fileKey: "k" }));
  await NpmProxyService.getNpmPackageMetadata({ workspace: "w", _package: "p" });
  expectType<boolean>()(await VariableService.existsVariable({ path: "a" }));
  OpenAPI.TOKEN = ({ method }) => Promise.resolve(method);
  OpenAPI.BASE = "http://h/api";
  // @ts-expect-error -- the names of arguments are the official ones
  await JobService.listJobs({ workspace: "w", per_page: 1 });
  // @ts-expect-error -- an argument is missing
  await UserService.getUser({ workspace: "w" });
  // @ts-expect-error -- no such function
  await JobService.list();
}

/** What an error of a service has. */
export function body(error: ApiError): readonly [number, string, unknown] {
  return [error.status, error.request.method, error.body];
}

type Names = Extract<keyof typeof official & keyof typeof compat, `${string}Service`>;

/** All official services are here, and every function of each of them. */
export type ServiceNames = [
  Holds<Same<Names, Extract<keyof typeof official, `${string}Service`>>>,
  Holds<
    Same<
      { [N in Names]: Exclude<keyof (typeof official)[N], "prototype" | keyof (typeof compat)[N]> }[Names],
      never
    >
  >,
];

type Data<F> = F extends (...args: infer A) => unknown ? A extends [] ? never : keyof Exclude<A[0], undefined> : never;
type Differing = {
  [N in Names]: {
    [F in keyof (typeof compat)[N] & keyof (typeof official)[N]]: Same<
      Data<(typeof compat)[N][F]>,
      Data<(typeof official)[N][F]>
    > extends true ? never : `${N}.${F & string}`;
  }[keyof (typeof compat)[N] & keyof (typeof official)[N]];
}[Names];

/** The arguments of every function have the official names, and there are no others. */
export type ArgumentNames = Holds<Same<Differing, never>>;
