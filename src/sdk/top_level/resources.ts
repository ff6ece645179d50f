/**
 * Resources under the official client's names, with its arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status and
 * body), paths are encoded, a missing workspace, token or job id is a ConfigurationError before any request, `""` in the
 * environment is unset, and calls have time limits, repetition where it is safe, and signals.
 *
 * @module
 */
import type { SchemaOutput, StandardSchema } from "../../base/standard_schema.ts";
import type { ResourceName, ResourceValue } from "../../base/windmill_types.ts";
import type { ResourceRecord } from "../../wire/resources.ts";
import {
  findResource,
  type GetResourceOptions,
  readResource,
  resourceReference,
  writeResource,
} from "../_resource_values.ts";
import { statePathOf } from "../_state_path.ts";
import { defaultClient } from "../default_client.ts";
import { type CheckedResourceOptions, readChecked, readDatabaseUrl, readResourcePage } from "../resources.ts";

/**
 * Reads the value of a resource, with the variables and resources it refers to, and checks it: ValidationError when it does not
 * fit the schema. The official client has no schemas.
 *
 * @param path path of the resource; that of the script's state when it is not given
 * @param undefinedIfEmpty true gives undefined when there is none
 * @param options schema, raw value, job context
 */
export function getResource<S extends StandardSchema>(
  path: string | undefined,
  undefinedIfEmpty: boolean | undefined,
  options: CheckedResourceOptions<S>,
): Promise<SchemaOutput<S>>;
/**
 * Reads the value of a resource, with the variables and resources it refers to. The type is the caller's word.
 *
 * @param path path of the resource; that of the script's state when it is not given
 * @param undefinedIfEmpty true gives undefined when there is none
 * @param options raw value, job context
 */
export function getResource<P extends ResourceName>(
  path: P,
  undefinedIfEmpty?: false,
  options?: GetResourceOptions,
): Promise<ResourceValue<P>>;
/** The same where there may be none. */
export function getResource<P extends ResourceName>(
  path: P,
  undefinedIfEmpty: boolean,
  options?: GetResourceOptions,
): Promise<ResourceValue<P> | undefined>;
/** The same for a resource that is not declared in {@linkcode WindmillTypes}. */
export function getResource<T = unknown>(
  path?: string,
  undefinedIfEmpty?: boolean,
  options?: GetResourceOptions,
): Promise<T>;
export async function getResource(
  path?: string,
  undefinedIfEmpty: boolean = false,
  options?: GetResourceOptions,
): Promise<unknown> {
  const client = defaultClient();
  return await readChecked(
    undefinedIfEmpty ? findResource : readResource,
    client,
    path ?? statePathOf(client),
    options,
  );
}

/**
 * Writes the value of a resource.
 *
 * @param path path of the resource; that of the script's state when it is not given
 * @param initializeToTypeIfNotExist type of the resource if it must be created; without it, only one that exists can be set
 */
export async function setResource(value: unknown, path?: string, initializeToTypeIfNotExist?: string): Promise<void> {
  const client = defaultClient();
  const options = initializeToTypeIfNotExist === undefined ? {} : { resourceType: initializeToTypeIfNotExist };
  await writeResource(client, path ?? statePathOf(client), value, options);
}

/**
 * Reads one page of resources. The official TypeScript client has no such function; this is the Python client's.
 *
 * @param page which page, from 1
 * @param perPage how many there are in a page, at most 100
 */
export function listResources(resourceType?: string, page?: number, perPage?: number): Promise<ResourceRecord[]> {
  return readResourcePage(defaultClient(), {
    ...(resourceType === undefined ? {} : { resourceType }),
    ...(page === undefined ? {} : { page }),
    ...(perPage === undefined ? {} : { perPage }),
  });
}

/** Gives the path that a `$res:` or `res://` reference names; undefined for other texts. */
export function parseResourceSyntax(text: string | null | undefined): string | undefined {
  return resourceReference(text);
}

/** Gives the resource that a `$res:` or `res://` reference names, and any other value as it is. */
export async function resolveDefaultResource<T = unknown>(value: unknown): Promise<T> {
  if (resourceReference(value) === undefined) return value as T;
  // The reference as it is: what stands before the path is taken off once.
  return await findResource(defaultClient(), `${value}`) as T;
}

/**
 * Makes the connection string of a `postgresql` resource. Every part is percent-encoded, and a part that is missing is an
 * error; the official client does neither.
 */
export function databaseUrlFromResource(path: string): Promise<string> {
  return readDatabaseUrl(defaultClient(), path);
}
