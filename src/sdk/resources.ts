/**
 * Resources of a workspace.
 *
 * @module
 */
import { ConfigurationError } from "../base/errors.ts";
import { checkSchema, type SchemaOutput, type StandardSchema } from "../base/standard_schema.ts";
import type { ResourceName, ResourceValue } from "../base/windmill_types.ts";
import type { CallOptions } from "../http/transport.ts";
import { readResources, type ResourceRecord } from "../wire/resources.ts";
import {
  findResource,
  type GetResourceOptions,
  readResource,
  resourceExists,
  type SetResourceOptions,
  writeResource,
} from "./_resource_values.ts";
import { type ClientOptions, inWorkspace, queryOf, request } from "./connection.ts";

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

/** Reads one page of resources. */
export async function readResourcePage(
  client: ClientOptions,
  options: ListResourcesOptions = {},
): Promise<ResourceRecord[]> {
  const { resourceType, pathStart, page, perPage } = options;
  for (const [name, number, most] of [["page", page, Infinity], ["perPage", perPage, 100]] as const) {
    if (number !== undefined && !(number >= 1 && number <= most && Number.isFinite(number))) {
      throw new RangeError(`'${name}' must be from 1 to ${most}: current value is ${number}`);
    }
  }
  const query = queryOf({ resource_type: resourceType, page, per_page: perPage, path_start: pathStart });
  return readResources(await request(client, { route: inWorkspace(client, "resources/list"), query }, options));
}

/** Reads all resources, page by page, as the loop over them goes on. */
async function* readAllResources(
  client: ClientOptions,
  options: ResourceFilter = {},
): AsyncGenerator<ResourceRecord, void> {
  const { perPage = 100 } = options;
  let before: string | undefined;
  for (let page = 1;; page++) {
    const records = await readResourcePage(client, { ...options, page, perPage });
    const text = JSON.stringify(records);
    if (text === before) throw new RangeError(`Page ${page} repeats the one before`);
    before = text;
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

/** Options of reading a resource that must fit a schema. */
export interface CheckedResourceOptions<S extends StandardSchema> extends GetResourceOptions {
  /** What it must fit: a schema of Zod, Valibot, ArkType or any other library with the Standard Schema interface. */
  readonly schema: S;
}

/** Reads the value of a resource, or finds it, and checks it when the options have a schema. */
export async function readChecked(
  read: typeof readResource,
  client: ClientOptions,
  path: string,
  options: GetResourceOptions & { readonly schema?: StandardSchema } = {},
): Promise<unknown> {
  const { schema } = options;
  const value = await read(client, path, options);
  // What `findResource` did not find is undefined, which no resource is.
  if (schema === undefined || value === undefined) return value;
  return await checkSchema(schema, value, `resource ${JSON.stringify(path)}`);
}

/** Reads the value of a resource. */
export interface GetResource {
  /** With a schema: gives what the schema makes of the value; ValidationError when it does not fit. */
  <S extends StandardSchema>(path: string, options: CheckedResourceOptions<S>): Promise<SchemaOutput<S>>;
  /** A resource that is declared in {@linkcode WindmillTypes}. */
  <P extends ResourceName>(path: P, options?: GetResourceOptions): Promise<ResourceValue<P>>;
  /** Another resource. The type is the caller's word: nothing checks it. */
  <T = unknown>(path: string, options?: GetResourceOptions): Promise<T>;
}

/** Finds the value of a resource: undefined when there is none. */
export interface FindResource {
  /** With a schema: gives what the schema makes of the value; ValidationError when it does not fit. */
  <S extends StandardSchema>(path: string, options: CheckedResourceOptions<S>): Promise<SchemaOutput<S> | undefined>;
  /** A resource that is declared in {@linkcode WindmillTypes}. */
  <P extends ResourceName>(path: P, options?: GetResourceOptions): Promise<ResourceValue<P> | undefined>;
  /** Another resource. The type is the caller's word: nothing checks it. */
  <T = unknown>(path: string, options?: GetResourceOptions): Promise<T | undefined>;
}

/** Resources. A path may be written as `$res:path` or `res://path`. */
export interface ResourcesGroup {
  /** Reads the value of a resource. Its type is the schema's, if there is one, else the caller's word. */
  readonly get: GetResource;
  /** Reads the value of a resource, or gives undefined when there is none (status 404); other errors stay errors. */
  readonly find: FindResource;
  /** Tells whether a resource exists. */
  readonly exists: (path: string, options?: CallOptions) => Promise<boolean>;
  /** Writes the value of a resource, and creates it if there is none and its type is given. */
  readonly set: (path: string, value: unknown, options?: SetResourceOptions) => Promise<void>;
  /** Reads one page of resources. */
  readonly list: (options?: ListResourcesOptions) => Promise<ResourceRecord[]>;
  /** Reads all resources, a page at a time, as the loop over them goes on. */
  readonly listAll: (options?: ResourceFilter) => AsyncGenerator<ResourceRecord, void>;
  /** Makes the connection string of a `postgresql` resource. */
  readonly databaseUrl: (path: string, options?: CallOptions) => Promise<string>;
}

/** The functions of this group for one client. */
export function resourcesGroup(c: ClientOptions): ResourcesGroup {
  // `as` below: what the server stores has the type that the caller says it has; nothing here could know better.
  return {
    get: (path: string, o?: GetResourceOptions) => readChecked(readResource, c, path, o) as Promise<never>,
    find: (path: string, o?: GetResourceOptions) => readChecked(findResource, c, path, o) as Promise<never>,
    exists: (path, o) => resourceExists(c, path, o),
    set: (path, value, o) => writeResource(c, path, value, o),
    list: (o) => readResourcePage(c, o),
    listAll: (o) => readAllResources(c, o),
    databaseUrl: (path, o) => readDatabaseUrl(c, path, o),
  };
}
