/**
 * Variables and resources in memory, and their endpoints.
 *
 * @module
 */
import { badRequest, jsonResponse, notFound, Refusal, textResponse } from "../wire/refusal.ts";
import { type Call, fields, optionalText, queryFlag, queryNumber, requiredText, type RouteTable } from "./_router.ts";

/** A variable of the mock. */
export interface MockVariable {
  /** Its value, decrypted. */
  readonly value: string;
  /** Whether it is a secret. @default false */
  readonly isSecret?: boolean;
  /** Its description. @default "" */
  readonly description?: string;
}

/** A resource of the mock. */
export interface MockResource {
  /** Its value, with `$var:` and `$res:` references as they are. */
  readonly value: unknown;
  /** Name of its type. @default "any" */
  readonly resourceType?: string;
  /** Its description. @default "" */
  readonly description?: string;
}

/** What routes of variables and resources work on. */
export interface Store {
  readonly variables: Map<string, MockVariable>;
  readonly resources: Map<string, MockResource>;
  /** Values of `$WM_...` references, when a job asks. */
  readonly env: Readonly<Record<string, string>>;
  readonly workspace: string;
  readonly username: string;
}

function variableAt({ variables }: Store, path: string): MockVariable {
  const found = variables.get(path);
  if (found === undefined) throw notFound(`Variable ${path} not found`);
  return found;
}

function resourceAt({ resources }: Store, path: string): MockResource {
  const found = resources.get(path);
  if (found === undefined) throw notFound(`Resource ${path} not found`);
  return found;
}

/** Fills in what a value of a resource refers to, as the server does: whole texts only, and arrays only near the top. */
export function interpolate(store: Store, value: unknown, inJob: boolean, depth = 0): unknown {
  if (typeof value === "string") {
    if (value.startsWith("$var:")) return variableAt(store, value.slice(5)).value;
    if (value.startsWith("$res:")) {
      const path = value.slice(5);
      if (!path.includes("/")) throw new Refusal(500, `Internal: Invalid resource path: ${path}`);
      const found = store.resources.get(path);
      if (found === undefined) throw notFound(`Resource not found at name ${path}`);
      return interpolate(store, found.value, inJob, depth + 1);
    }
    return value.startsWith("$") && inJob
      ? (Object.hasOwn(store.env, value.slice(1)) ? store.env[value.slice(1)] : value)
      : value;
  }
  if (Array.isArray(value)) {
    const near = depth <= 2 && value.length <= 1000;
    return near ? value.map((item) => interpolate(store, item, inJob, depth + 1)) : value;
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, interpolate(store, item, inJob, depth + 1)]),
  );
}

/** Entries in the order of their paths. */
function byPath<T>(entries: Iterable<[string, T]>): [string, T][] {
  return [...entries].sort(([a], [b]) => a < b ? -1 : 1);
}

/** One page of a list, by the query's `page` and `per_page`. */
export function pageOf<T>(call: Call, items: readonly T[]): T[] {
  const size = Math.min(100, Math.max(1, queryNumber(call, "per_page") ?? 30));
  const page = Math.max(1, queryNumber(call, "page") ?? 1);
  return items.slice((page - 1) * size, page * size);
}

function variableRecord({ workspace }: Store, path: string, variable: MockVariable, shown: boolean): unknown {
  const { value, isSecret = false, description = "" } = variable;
  return {
    workspace_id: workspace,
    path,
    value: shown || !isSecret ? value : null,
    is_secret: isSecret,
    description,
    extra_perms: {},
  };
}

function resourceRecord({ workspace, username }: Store, path: string, resource: MockResource): Record<string, unknown> {
  const { value, resourceType = "any", description = "" } = resource;
  return {
    workspace_id: workspace,
    path,
    value,
    description,
    resource_type: resourceType,
    extra_perms: {},
    created_by: username,
  };
}

/** The endpoints of variables. */
export function variableRoutes(store: Store): RouteTable {
  const { variables } = store;
  return {
    "GET variables/get_value/**": (_call, path = "") => jsonResponse(variableAt(store, path).value),
    "GET variables/get/**": (call, path = "") =>
      jsonResponse(variableRecord(store, path, variableAt(store, path), call.query.get("decrypt_secret") !== "false")),
    "GET variables/exists/**": (_call, path = "") => jsonResponse(variables.has(path)),
    "GET variables/list": (call) =>
      jsonResponse(pageOf(call, byPath(variables)).map(([path, one]) => variableRecord(store, path, one, false))),
    "POST variables/create": (call) => {
      const body = fields(call);
      const path = requiredText(body, "path");
      if (variables.has(path)) throw badRequest(`Variable ${path} already exists`);
      variables.set(path, {
        value: requiredText(body, "value"),
        isSecret: body.is_secret === true,
        description: optionalText(body, "description") ?? "",
      });
      return textResponse(`variable ${path} created`, 201);
    },
    "POST variables/update/**": (call, path = "") => {
      const body = fields(call);
      const before = variables.get(path);
      if (before === undefined) throw notFound(`Variable not found at name ${path}`);
      const { isSecret: wasSecret = false } = before;
      const isSecret = typeof body.is_secret === "boolean" ? body.is_secret : wasSecret;
      const value = optionalText(body, "value");
      if (isSecret !== wasSecret && value === undefined) {
        throw badRequest("cannot change is_secret without updating value too");
      }
      const target = optionalText(body, "path") ?? path;
      if (target !== path && variables.has(target)) throw badRequest(`Variable ${target} already exists`);
      variables.delete(path);
      variables.set(target, {
        value: value ?? before.value,
        isSecret,
        description: optionalText(body, "description") ?? before.description ?? "",
      });
      return textResponse(`variable ${path} updated (npath: ${JSON.stringify(target)})`);
    },
    "DELETE variables/delete/**": (_call, path = "") => {
      variables.delete(path);
      return textResponse(`variable ${path} deleted`);
    },
  };
}

/** The endpoints of resources. */
export function resourceRoutes(store: Store): RouteTable {
  const { resources } = store;
  return {
    "GET resources/get_value/**": (_call, path = "") => jsonResponse(resourceAt(store, path).value),
    "GET resources/get_value_interpolated/**": (call, path = "") =>
      jsonResponse(interpolate(store, resourceAt(store, path).value, call.query.has("job_id"))),
    "GET resources/get/**": (_call, path = "") => jsonResponse(resourceRecord(store, path, resourceAt(store, path))),
    "GET resources/exists/**": (_call, path = "") => jsonResponse(resources.has(path)),
    "GET resources/list": (call) => {
      const types = call.query.get("resource_type")?.split(",");
      const start = call.query.get("path_start") ?? "";
      const found = byPath(resources).map(([path, one]) => resourceRecord(store, path, one))
        .filter(({ path, resource_type }) =>
          `${path}`.startsWith(start) && (types === undefined || types.includes(`${resource_type}`))
        );
      // The list has no values: they may be large, and secrets.
      return jsonResponse(pageOf(call, found).map((record) => ({ ...record, value: null })));
    },
    "POST resources/create": (call) => {
      const body = fields(call);
      const path = requiredText(body, "path");
      if (resources.has(path) && !queryFlag(call, "update_if_exists")) {
        throw badRequest(`Resource ${path} already exists`);
      }
      resources.set(path, {
        value: body.value ?? null,
        resourceType: requiredText(body, "resource_type"),
        description: optionalText(body, "description") ?? "",
      });
      return textResponse(`resource ${path} created`, 201);
    },
    "POST resources/update_value/**": (call, path = "") => {
      // An unknown path is no error here: the server updates what is there, and that is nothing.
      const before = resources.get(path);
      if (before !== undefined) resources.set(path, { ...before, value: fields(call).value ?? null });
      return textResponse(`value of resource ${path} updated`);
    },
    "DELETE resources/delete/**": (_call, path = "") => {
      resources.delete(path);
      return textResponse(`resource ${path} deleted`);
    },
  };
}
