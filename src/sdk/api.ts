/**
 * Every endpoint of the server, typed: by path, and by the id of the operation.
 *
 * A call gives what the server answered: JSON as its value, text as a string, server-sent events as an async generator of their
 * data, files as a stream. A status other than 200 to 299 is a {@linkcode WindmillApiError}, and so is an answer that cannot be
 * read. The functions of `raw` take the same and give the `Response`: its headers, and its body unread.
 *
 * A limit of time ends where the answer has been read, or where a stream begins; a signal ends a stream too. Whoever waits for a
 * job through an endpoint sets `timeoutMs`: the client's limit is for answers that come at once.
 *
 * The types are those of the server's description of version 1.735. What was added to the server since is here by name: its
 * parameters are of simple types, its bodies and answers of type `unknown`.
 *
 * @module
 */
import type { CallOptions } from "../http/transport.ts";
import { apiError, type FailedRequest } from "../wire/answer.ts";
import type {
  DeletePaths,
  GetPaths,
  Operations,
  PagedPaths,
  PostPaths,
  PutPaths,
} from "../wire/generated/operations.gen.ts";
import { TABLE } from "../wire/generated/table.gen.ts";
import { type Operation, readSection } from "../wire/operations.ts";
import { callEndpoint, type EndpointInput, keepResponse, readData, type ReadResponse } from "./_endpoint.ts";
import { type Client, createClient } from "./client.ts";
import { checkOptions, type ClientOptions } from "./connection.ts";

export type { WindmillApiError } from "../base/errors.ts";
export type { CallOptions } from "../http/transport.ts";
export type { BinaryBody } from "../wire/binary.ts";
export type * from "../wire/generated/schemas.gen.ts";
export type { Client } from "./client.ts";
export type { ClientOptions } from "./connection.ts";
export type { DeletePaths, GetPaths, Operations, PagedPaths, PostPaths, PutPaths };

/** What a call of an operation takes: `params` with `path` and `query`, `body`, and the options of every call. */
export type ApiOptions<O> = O["takes" & keyof O] & CallOptions;

/** What a call of an operation gives. */
export type ApiData<O> = O["gives" & keyof O];

/** The options of a call, which may be left out when nothing in them must be there. */
export type ApiArguments<O> = Record<never, never> extends O["takes" & keyof O] ? [options?: ApiOptions<O>]
  : [options: ApiOptions<O>];

/** Calls an operation of one method by its path. */
export interface ApiMethod<Paths> {
  /** `{workspace}` in the path is the client's workspace, unless `params.path.workspace` says otherwise. */
  <P extends keyof Paths>(path: P, ...options: ApiArguments<Paths[P]>): Promise<ApiData<Paths[P]>>;
}

/** Calls an operation of one method by its path, and gives the response. */
export interface RawApiMethod<Paths> {
  /** The body is not read: whoever gets it reads it, or cancels it. */
  <P extends keyof Paths>(path: P, ...options: ApiArguments<Paths[P]>): Promise<Response>;
}

/** Operations by path, giving responses. */
export interface RawApi {
  /** Calls an operation of method GET. */
  readonly GET: RawApiMethod<GetPaths>;
  /** Calls an operation of method POST. */
  readonly POST: RawApiMethod<PostPaths>;
  /** Calls an operation of method PUT. */
  readonly PUT: RawApiMethod<PutPaths>;
  /** Calls an operation of method DELETE. */
  readonly DELETE: RawApiMethod<DeletePaths>;
}

/** All operations of the server by path. */
export interface Api {
  /** Calls an operation of method GET. */
  readonly GET: ApiMethod<GetPaths>;
  /** Calls an operation of method POST. */
  readonly POST: ApiMethod<PostPaths>;
  /** Calls an operation of method PUT. */
  readonly PUT: ApiMethod<PutPaths>;
  /** Calls an operation of method DELETE. */
  readonly DELETE: ApiMethod<DeletePaths>;
  /** The same operations, giving the response: its status, its headers, and its body unread. */
  readonly raw: RawApi;
  /** Reads a list page by page, from `query.page` on, as the loop over them goes on; `query.per_page` is 100 unless given. */
  readonly pages: <P extends keyof PagedPaths & keyof GetPaths>(
    path: P,
    ...options: ApiArguments<GetPaths[P]>
  ) => AsyncGenerator<PagedPaths[P][], void>;
  /** Reads a list item by item: the items of {@linkcode Api.pages}. */
  readonly items: <P extends keyof PagedPaths & keyof GetPaths>(
    path: P,
    ...options: ApiArguments<GetPaths[P]>
  ) => AsyncGenerator<PagedPaths[P], void>;
}

/** All operations of the server, by path and by id. */
export interface ApiWithIds extends Api {
  /** Calls an operation by its id. */
  readonly call: <I extends keyof Operations>(
    id: I,
    ...options: ApiArguments<Operations[I]>
  ) => Promise<ApiData<Operations[I]>>;
  /** The same operations, giving the response: its status, its headers, and its body unread. */
  readonly raw: RawApi & {
    /** Calls an operation by its id, and gives the response. */
    readonly call: <I extends keyof Operations>(id: I, ...options: ApiArguments<Operations[I]>) => Promise<Response>;
  };
}

/** The operations of the server by id, for {@linkcode createApi}: whoever calls by path alone does not need it. */
export interface OperationTable {
  /** Method and address of an operation; undefined when there is none of that id. */
  readonly find: (id: string) => { readonly method: string; readonly path: string } | undefined;
}

let byId: Map<string, Operation> | undefined;

function findOperation(id: string): Operation | undefined {
  byId ??= new Map(TABLE.split("@").flatMap((section) => [...readSection(section)]));
  return byId.get(id);
}

/** All operations of the server by id. */
export const operations: OperationTable = { find: findOperation };

/** What a call takes, whichever operation it is of. */
interface AnyOptions extends CallOptions {
  readonly params?: EndpointInput;
  readonly body?: unknown;
}

/**
 * Makes functions for every endpoint of the server.
 *
 * @param options where calls go, and as who; what is missing is taken from the environment at each call
 * @param table {@linkcode operations}, to call operations by id too
 * @returns the functions
 * @throws ConfigurationError when an option cannot be used
 *
 * @example List the jobs that failed
 * ```ts
 * import { createApi } from "@windkit/windmill-client/api";
 *
 * const api = createApi({
 *   baseUrl: "https://windmill.example.com",
 *   workspace: "acme",
 *   token: "secret",
 *   fetch: (url) => Promise.resolve(Response.json([{ id: url }])),
 * });
 * const jobs = await api.GET("/w/{workspace}/jobs/list", { params: { query: { success: false } } });
 * if (jobs[0]?.id !== "https://windmill.example.com/api/w/acme/jobs/list?success=false") throw new Error("wrong address");
 * ```
 */
export function createApi(options?: ClientOptions): Api;
/** Makes functions for every endpoint of the server, by path and by id. */
export function createApi(options: ClientOptions | undefined, table: OperationTable): ApiWithIds;
export function createApi(options: ClientOptions = {}, table?: OperationTable): Api | ApiWithIds {
  const c: ClientOptions = { ...options };
  checkOptions(c);
  async function* pages(path: string, { params, ...rest }: AnyOptions = {}): AsyncGenerator<unknown[], void> {
    const { page: first = 1, per_page = 100 } = params?.query ?? {};
    let before = "";
    for (let page = Number(first);; page++) {
      const input = { ...params, query: { ...params?.query, page, per_page } };
      // `as` -- readList gives nothing else
      const list = await callEndpoint(c, "GET", path, input, rest, readList) as unknown[];
      const text = JSON.stringify(list);
      if (text === before && list.length > 0) {
        throw new RangeError(`Cannot read pages of ${path}: page ${page} is the same as the one before`);
      }
      before = text;
      if (list.length > 0) yield list;
      // The server sends 100 when it is asked for, and may send fewer when it is asked for more.
      if (list.length === 0 || (list.length < Number(per_page) && Number(per_page) <= 100)) return;
    }
  }
  async function* items(path: string, given?: AnyOptions): AsyncGenerator<unknown, void> {
    for await (const page of pages(path, given)) yield* page;
  }
  // `as` below: what the types say of each operation is what the server's description says; the code is the same for all.
  return {
    ...functionsOf(c, table, readData),
    raw: functionsOf(c, table, keepResponse),
    pages,
    items,
  } as unknown as ApiWithIds;
}

/** Reads a page. */
async function readList(response: Response, request: FailedRequest, signal?: AbortSignal): Promise<unknown> {
  const list = await readData(response, request, signal);
  if (Array.isArray(list)) return list;
  throw apiError(request, response.status, "expected a list, found something else", "");
}

type AnyMethod = (path: string, options?: AnyOptions) => Promise<unknown>;

/** The functions of one client, by method and, with a table, by id. */
function functionsOf(
  client: ClientOptions,
  table: OperationTable | undefined,
  read: ReadResponse,
): Readonly<Record<"GET" | "POST" | "PUT" | "DELETE", AnyMethod>> {
  function method(name: string): AnyMethod {
    return async (path, { params, body, ...options } = {}) =>
      await callEndpoint(client, name, path, { ...params, body }, options, read);
  }
  const byPath = { GET: method("GET"), POST: method("POST"), PUT: method("PUT"), DELETE: method("DELETE") };
  if (table === undefined) return byPath;
  async function call(id: string, options?: AnyOptions): Promise<unknown> {
    const found = table?.find(id);
    if (found === undefined) {
      throw new RangeError(`Cannot call operation ${JSON.stringify(id)}: there is none of that id`);
    }
    return await method(found.method)(found.path, options);
  }
  return Object.assign(byPath, { call });
}

/** A client with the functions of every endpoint. */
export interface ApiClient extends Client {
  /** Every endpoint of the server. */
  readonly api: Api;
}

/** A client with the functions of every endpoint, by path and by id. */
export interface ApiClientWithIds extends Client {
  /** Every endpoint of the server. */
  readonly api: ApiWithIds;
}

/**
 * Makes a client that has every endpoint of the server as `api`.
 *
 * @param options where it goes, and as who; what is missing is taken from the environment at each call
 * @param table {@linkcode operations}, to call operations by id too
 * @returns the client
 * @throws ConfigurationError when an option cannot be used
 *
 * @example Call an operation by its id
 * ```ts
 * import { createApiClient, operations } from "@windkit/windmill-client/api";
 *
 * const client = createApiClient({
 *   baseUrl: "https://windmill.example.com",
 *   workspace: "acme",
 *   token: "secret",
 *   fetch: () => Promise.resolve(Response.json(true)),
 * }, operations);
 * const found = await client.api.call("existsVariable", { params: { path: { path: "f/team/greeting" } } });
 * if (!found) throw new Error("not found");
 * ```
 */
export function createApiClient(options?: ClientOptions): ApiClient;
/** Makes a client that has every endpoint of the server as `api`, by path and by id. */
export function createApiClient(options: ClientOptions | undefined, table: OperationTable): ApiClientWithIds;
export function createApiClient(options: ClientOptions = {}, table?: OperationTable): ApiClient | ApiClientWithIds {
  const api = table === undefined ? createApi(options) : createApi(options, table);
  return { ...createClient(options), api };
}
