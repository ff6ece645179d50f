/**
 * The official services: functions for every endpoint, under the official names of services, functions and arguments.
 *
 * Differences from the official client: what identifies a workspace may be left out; `?` and `#` in a parameter of an address
 * are encoded; an argument that a function does not know goes into the query; server-sent events come one by one, as an async
 * generator; reads that fail for now are repeated; an answer that cannot be read is an error. A second argument takes a signal,
 * a limit of time, headers and the rules of repetition.
 *
 * @module
 */
import { hasCode, type WindmillApiError } from "../base/errors.ts";
import type { CallOptions } from "../http/transport.ts";
import { systemFetch } from "../platform/network.ts";
import { callEndpoint, readData } from "../sdk/_endpoint.ts";
import type { ClientOptions } from "../sdk/connection.ts";
import { defaultClient } from "../sdk/default_client.ts";
import type { FailedRequest } from "../wire/answer.ts";
import type { Services } from "../wire/generated/services.gen.ts";
import { TABLE } from "../wire/generated/table.gen.ts";
import { type Operation, readSection, snakeOf } from "../wire/operations.ts";
import { type ApiRequestOptions, asApiError } from "./api_error.ts";
import { CancelablePromise } from "./cancelable.ts";

/** A function of a service. */
export type ServiceFunction<Data, Gives> = Record<never, never> extends Data
  ? (data?: Data, options?: CallOptions) => CancelablePromise<Gives>
  : (data: Data, options?: CallOptions) => CancelablePromise<Gives>;

/** The functions of an official service. */
export type Service<N extends keyof Services> = {
  readonly [F in keyof Services[N]]: ServiceFunction<
    Services[N][F]["data" & keyof Services[N][F]],
    Services[N][F]["gives" & keyof Services[N][F]]
  >;
};

type ServiceCall = (data?: Readonly<Record<string, unknown>>, options?: CallOptions) => CancelablePromise<unknown>;

/** Makes a service of a section of the table, which is read when the service is used. */
export function makeService<N extends keyof Services>(at: number): Service<N> {
  const functions: Record<string, ServiceCall> = {};
  let read = false;
  function filled(): Record<string, ServiceCall> {
    if (!read) {
      for (const [id, operation] of readSection(TABLE.split("@", at + 1)[at] ?? "")) {
        functions[id] ??= (data, options) => callService(operation, data, options);
      }
    }
    read = true;
    return functions;
  }
  // `as` -- the table says which functions there are, and so do the types: both are made of the same description
  return new Proxy(functions, {
    get: (_, name) => Reflect.get(filled(), name),
    has: (_, name) => Reflect.has(filled(), name),
    ownKeys: () => Reflect.ownKeys(filled()),
    getOwnPropertyDescriptor: (_, name) => Reflect.getOwnPropertyDescriptor(filled(), name),
  }) as unknown as Service<N>;
}

/** Puts the arguments of a function where they belong. */
function requestOf({ method, path: url }: Operation, data: Readonly<Record<string, unknown>>): ApiRequestOptions {
  const path: Record<string, unknown> = {}, query: Record<string, unknown> = {};
  let body: unknown;
  for (const [argument, value] of Object.entries(data)) {
    // `_package`, because `package` is a word of the language.
    const name = argument.replace(/^_/, ""), words = snakeOf(name);
    if (argument === "requestBody") body = value;
    else if (argument === "formData") body = formOf(value);
    else if (url.includes(`{${name}}`)) path[name] = value;
    else if (url.includes(`{${words}}`)) path[words] = value;
    // What no function takes is left out. Other names go along: a newer server may have got them.
    else if (Object(value) !== value || Array.isArray(value) || value instanceof Date) query[words] = value;
  }
  return { method, url, path, query, body };
}

/** A form of the fields of an object: text and files as they are, the rest as JSON, lists item by item. */
function formOf(value: unknown): FormData {
  if (value instanceof FormData) return value;
  const form = new FormData();
  for (const [name, field] of Object.entries(value ?? {})) {
    for (const item of [field].flat()) {
      if (item === undefined || item === null) continue;
      form.append(name, item instanceof Blob || typeof item === "string" ? item : JSON.stringify(item));
    }
  }
  return form;
}

/** Files are given whole, as the official client gives them. */
async function readWhole(
  response: Response,
  request: FailedRequest,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  const data = await readData(response, request, signal);
  if (!(data instanceof ReadableStream)) return data;
  return new Blob([await new Response(data).blob()], { type: response.headers.get("content-type") ?? "" });
}

function callService(
  operation: Operation,
  data: Readonly<Record<string, unknown>> = {},
  options: CallOptions = {},
): CancelablePromise<unknown> {
  const request = requestOf(operation, data);
  const cancelling = new AbortController();
  const signal = options.signal === undefined
    ? cancelling.signal
    : AbortSignal.any([cancelling.signal, options.signal]);
  let statusText = "";
  const { fetch = systemFetch, ...client } = defaultClient();
  const watching: ClientOptions = {
    // A job may run for long, and the answer is its result.
    ...(operation.path.includes("/jobs/run") ? { timeoutMs: Infinity } : {}),
    ...client,
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      statusText = response.statusText;
      return response;
    },
  };
  return new CancelablePromise((resolve, reject, onCancel) => {
    onCancel(() => cancelling.abort());
    callEndpoint(watching, request.method, request.url, request, { ...options, signal }, readWhole).then(
      resolve,
      (error) =>
        // `as` -- the code is that of this class
        reject(hasCode(error, "WINDMILL_API") ? asApiError(request, error as WindmillApiError, statusText) : error),
    );
  });
}
