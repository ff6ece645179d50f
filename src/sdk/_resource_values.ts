/**
 * Values of resources: what resources and state have in common.
 *
 * @module
 */
import { ConfigurationError } from "../base/errors.ts";
import { encodePath } from "../base/url.ts";
import type { CallOptions } from "../http/transport.ts";
import { readBoolean, readJson } from "../wire/answer.ts";
import { mocked } from "./_mocked.ts";
import { type ClientOptions, inWorkspace, post, queryOf, request } from "./connection.ts";

/** Options of reading a resource. */
export interface GetResourceOptions extends CallOptions {
  /** True gives the value as it is stored, without the variables and resources it refers to. @default false */
  readonly raw?: boolean;
  /** Job whose context `$WM_...` references take. @default none */
  readonly jobId?: string;
  /** Lets the server answer from its cache. @default false */
  readonly allowCache?: boolean;
}

/** Options of writing a resource. */
export interface SetResourceOptions extends CallOptions {
  /** Type of the resource if there is none yet; without it, only one that exists can be set. */
  readonly resourceType?: string;
  /** Description of the resource if there is none yet. @default none */
  readonly description?: string;
}

/** References of both forms name the path behind the prefix. */
const PREFIX = /^(\$res:|res:\/\/)/;

/** The path that a `$res:` or `res://` reference names; undefined for other values. */
export function resourceReference(value: unknown): string | undefined {
  return typeof value === "string" && PREFIX.test(value) ? value.replace(PREFIX, "") : undefined;
}

function route(client: ClientOptions, action: string, path: string): string {
  return inWorkspace(client, `resources/${action}/${encodePath(path, "resource", PREFIX)}`);
}

/** Asks the server for the value of a resource. */
async function ask(client: ClientOptions, path: string, options: GetResourceOptions = {}): Promise<unknown> {
  const { raw = false, jobId, allowCache } = options;
  const query = raw ? "" : queryOf({ job_id: jobId, allow_cache: allowCache });
  const action = raw ? "get_value" : "get_value_interpolated";
  return readJson(await request(client, { route: route(client, action, path), query }, options), "JSON");
}

/** Reads the value of a resource, with what it refers to filled in unless `raw`. */
export function readResource(client: ClientOptions, path: string, options?: GetResourceOptions): Promise<unknown> {
  return mocked(client, () => ask(client, path, options), path, "get", "resources");
}

/** Reads the value of a resource, or gives undefined when the server says that there is none. Other errors stay errors. */
export function findResource(client: ClientOptions, path: string, options?: GetResourceOptions): Promise<unknown> {
  async function find(): Promise<unknown> {
    try {
      return await ask(client, path, options);
    } catch (error) {
      // `as`: other errors than those of the API have neither.
      const { status, body } = error as { readonly status?: unknown; readonly body?: unknown };
      // In the server's words: a page of HTML, or nothing, is of somebody who does not know such an address.
      if (/^404[^<]/.test(`${status}${body}`)) return undefined;
      throw error;
    }
  }
  return mocked(client, find, path, "find", "resources");
}

/** Tells whether a resource exists. */
export function resourceExists(client: ClientOptions, path: string, options?: CallOptions): Promise<boolean> {
  return mocked(
    client,
    async () => readBoolean(await request(client, { route: route(client, "exists", path) }, options)),
    path,
    "exists",
    "resources",
  );
}

/** Writes the value of a resource, and creates it if there is none and its type is given. */
export function writeResource(
  client: ClientOptions,
  path: string,
  value: unknown,
  options?: SetResourceOptions,
): Promise<void> {
  return mocked(client, () => store(client, path, value, options), path, "set", "resources", value);
}

async function store(
  client: ClientOptions,
  path: string,
  value: unknown,
  options: SetResourceOptions = {},
): Promise<void> {
  const { resourceType, description } = options;
  // JSON has no undefined: a body without the field would not be accepted.
  const stored = value ?? null;
  async function update(): Promise<void> {
    const call = { route: route(client, "update_value", path), body: { value: stored }, idempotent: true };
    await post(client, call, options);
  }
  if (await resourceExists(client, path, options)) return await update();
  const bare = path.replace(PREFIX, "");
  if (resourceType === undefined) {
    throw new ConfigurationError(`No resource at ${JSON.stringify(bare)}: expected option 'resourceType' to create it`);
  }
  const body = { path: bare, value: stored, resource_type: resourceType, description };
  try {
    await post(client, { route: inWorkspace(client, "resources/create"), body }, options);
  } catch (error) {
    // Somebody else may have created it since: the server then answers 400, as it does to other mistakes.
    const lost = (error as { status?: unknown }).status === 400;
    if (!lost || !(await resourceExists(client, path, options))) throw error;
    await update();
  }
}
