/**
 * Resources of a workspace.
 *
 * @module
 */
import { ConfigurationError, hasCode } from "../base/errors.ts";
import { encodePath } from "../base/url.ts";
import type { CallOptions } from "../http/transport.ts";
import { readBoolean, readJson } from "../wire/answer.ts";
import { readResources, type ResourceRecord } from "../wire/resources.ts";
import { type ClientOptions, inWorkspace, queryOf, request } from "./connection.ts";

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

/** What a list of resources is narrowed to. */
export interface ResourceFilter extends CallOptions {
  /** Only resources of this type. */
  readonly resourceType?: string;
  /** Only resources whose path begins so. */
  readonly pathStart?: string;
  /** How many there are in a page, 1 to 100. @default the server's 30, 100 when all pages are read */
  readonly perPage?: number;
}

/** Options of reading one page of resources. */
export interface ListResourcesOptions extends ResourceFilter {
  /** Which page, from 1. @default 1 */
  readonly page?: number;
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

/** Reads the value of a resource, with what it refers to filled in unless `raw`. */
export async function readResource(
  client: ClientOptions,
  path: string,
  options: GetResourceOptions = {},
): Promise<unknown> {
  const { raw = false, jobId, allowCache } = options;
  const query = raw ? "" : queryOf({ job_id: jobId, allow_cache: allowCache });
  const action = raw ? "get_value" : "get_value_interpolated";
  return readJson(await request(client, { route: route(client, action, path), query }, options), "JSON");
}

/** Reads the value of a resource, or gives undefined when the server says that there is none. Other errors stay errors. */
export async function findResource(
  client: ClientOptions,
  path: string,
  options?: GetResourceOptions,
): Promise<unknown> {
  try {
    return await readResource(client, path, options);
  } catch (error) {
    if (hasCode(error, "WINDMILL_API") && (error as { status?: unknown }).status === 404) return undefined;
    throw error;
  }
}

/** Tells whether a resource exists. */
export async function resourceExists(client: ClientOptions, path: string, options?: CallOptions): Promise<boolean> {
  return readBoolean(await request(client, { route: route(client, "exists", path) }, options));
}

/** Writes the value of a resource, and creates it if there is none and its type is given. */
export async function writeResource(
  client: ClientOptions,
  path: string,
  value: unknown,
  options: SetResourceOptions = {},
): Promise<void> {
  const { resourceType, description } = options;
  // JSON has no undefined: a body without the field would not be accepted.
  const stored = value ?? null;
  async function update(): Promise<void> {
    const call = {
      method: "POST",
      route: route(client, "update_value", path),
      body: { value: stored },
      idempotent: true,
    };
    await request(client, call, options);
  }
  if (await resourceExists(client, path, options)) return await update();
  const bare = path.replace(PREFIX, "");
  if (resourceType === undefined) {
    throw new ConfigurationError(`No resource at ${JSON.stringify(bare)}: expected option 'resourceType' to create it`);
  }
  const body = { path: bare, value: stored, resource_type: resourceType, description };
  try {
    await request(client, { method: "POST", route: inWorkspace(client, "resources/create"), body }, options);
  } catch (error) {
    // Somebody else may have created it since: the server then answers 400, as it does to other mistakes.
    const lost = hasCode(error, "WINDMILL_API") && (error as { status?: unknown }).status === 400;
    if (!lost || !(await resourceExists(client, path, options))) throw error;
    await update();
  }
}

/** Reads one page of resources. */
export async function readResourcePage(
  client: ClientOptions,
  options: ListResourcesOptions = {},
): Promise<ResourceRecord[]> {
  const { resourceType, pathStart, page, perPage } = options;
  for (const [name, number, most] of [["page", page, Infinity], ["perPage", perPage, 100]] as const) {
    if (number !== undefined && !(number >= 1 && number <= most && Number.isFinite(number))) {
      throw new RangeError(`Cannot list resources: '${name}' must be from 1 to ${most}: current value is ${number}`);
    }
  }
  const query = queryOf({ resource_type: resourceType, page, per_page: perPage, path_start: pathStart });
  return readResources(await request(client, { route: inWorkspace(client, "resources/list"), query }, options));
}

/** Reads all resources, page by page, as the loop over them goes on. */
export async function* readAllResources(
  client: ClientOptions,
  options: ResourceFilter = {},
): AsyncGenerator<ResourceRecord, void> {
  const { perPage = 100 } = options;
  for (let page = 1;; page++) {
    const records = await readResourcePage(client, { ...options, page, perPage });
    yield* records;
    if (records.length < perPage) return;
  }
}

/**
 * Makes the connection string of a `postgresql` resource. Every part is percent-encoded, and a part that is missing is an
 * error; the official client does neither.
 */
export async function readDatabaseUrl(client: ClientOptions, path: string, options?: CallOptions): Promise<string> {
  const resource = await readResource(client, path, options);
  const fields = (typeof resource === "object" ? resource : null) as Readonly<Record<string, unknown>> | null;
  function part(name: string): string {
    const value = fields?.[name];
    if ((typeof value !== "string" && typeof value !== "number") || value === "") {
      throw new ConfigurationError(
        `Cannot make a database URL of resource ${JSON.stringify(path)}: it has no '${name}'`,
      );
    }
    return `${value}`;
  }
  function optional(name: string): string | undefined {
    const value = fields?.[name] ?? "";
    return value === "" ? undefined : `${value}`;
  }
  const host = part("host");
  // An address of IPv6 goes into brackets, where its colons mean no port.
  const place = host.includes(":") ? `[${host.replace(/^\[|\]$/g, "")}]` : encodeURIComponent(host);
  const port = optional("port");
  const query = queryOf({ sslmode: optional("sslmode"), options: optional("options") }).replaceAll("+", "%20");
  const user = `${encodeURIComponent(part("user"))}:${encodeURIComponent(part("password"))}`;
  return `postgresql://${user}@${place}${port === undefined ? "" : `:${encodeURIComponent(port)}`}/` +
    `${encodeURIComponent(part("dbname"))}${query === "" ? "" : `?${query}`}`;
}
