/**
 * The description of the HTTP interface, read and put into one form: what the OpenAPI document says about an operation, and what
 * the list of the official client's operations says, joined by method and path.
 *
 * @module
 */
import { parse } from "yaml";
import { ADDITIONS, corrected } from "./corrections.ts";

/** A schema of OpenAPI 3.0, as far as the document uses it. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly nullable?: boolean;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

/** One parameter of an operation. */
export interface Parameter {
  /** Name on the wire. */
  readonly name: string;
  readonly in: "path" | "query";
  readonly required: boolean;
  /** Undefined where only the name is known. */
  readonly schema: Schema | undefined;
  /** What the official client calls it. */
  readonly argument: string;
}

/** The body of an operation. */
export interface Body {
  readonly mediaType: string;
  readonly required: boolean;
  /** Undefined where only its kind is known. */
  readonly schema: Schema | undefined;
  /** What the official client calls it. */
  readonly argument: string;
}

/** What an operation answers when all is well. */
export type Result =
  | { readonly kind: "json"; readonly schema: Schema | undefined }
  | { readonly kind: "text" | "stream" | "events" | "nothing" | "unknown" };

/** One operation. */
export interface Operation {
  readonly id: string;
  /** Official services that have it; none for what the official client has only in functions written by hand. */
  readonly services: readonly string[];
  readonly method: string;
  /** With its parameters in braces. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body: Body | undefined;
  /** One for each answer of status 200 to 299 that is described. */
  readonly results: readonly Result[];
}

/** All that is generated from. */
export interface Spec {
  readonly schemas: ReadonlyMap<string, Schema>;
  /** In the order of the official services. */
  readonly operations: readonly Operation[];
}

/** One row of the list of the official client's operations. */
export interface Endpoint {
  readonly operationId: string;
  readonly service: string;
  readonly method: string;
  readonly path: string;
  readonly pathParams: readonly string[];
  readonly query: readonly string[];
  readonly mediaType: string | null;
  readonly sdkArgs: Readonly<Record<string, string>>;
}

interface RawParameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema?: Schema;
}

type Content = Readonly<Record<string, { readonly schema?: Schema }>>;

interface RawOperation {
  readonly parameters?: readonly RawParameter[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, RawOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly parameters?: Readonly<Record<string, RawParameter>>;
  };
}

/** The name at the end of a reference. */
export function nameOf(ref: string): string {
  return /\/([^/]+)$/.exec(ref)?.[1] ?? ref;
}

/** Reads the document of the server, that of its flows, and the list of the official client's operations. */
export function readSpec(serverYaml: string, flowYaml: string, endpointsJson: string): Spec {
  const server = parse(serverYaml) as Document;
  const flow = parse(flowYaml) as Document;
  const endpoints = (JSON.parse(endpointsJson) as readonly Endpoint[]).map(corrected);
  const described = new Map<string, RawOperation>();
  for (const [path, methods] of Object.entries(server.paths)) {
    for (const [method, raw] of Object.entries(methods)) described.set(`${method.toUpperCase()} ${path}`, raw);
  }
  const operations = new Map<string, Operation>();
  for (const endpoint of endpoints) {
    const key = `${endpoint.method} ${endpoint.path}`;
    const known = operations.get(key);
    // Some operations belong to two services.
    if (known !== undefined) {
      operations.set(key, { ...known, services: [...known.services, endpoint.service] });
    } else operations.set(key, operationOf(endpoint, described.get(describedAs(endpoint)), server));
  }
  const all = [...operations.values(), ...ADDITIONS];
  return { schemas: schemasOf(server, flow), operations: withSharedTypes(all) };
}

/**
 * Gives a parameter of the query that is known by name alone the type that it has wherever it is described, when that is one
 * and the same. The list is newer than the document: it has operations and parameters that the document lacks.
 */
function withSharedTypes(operations: readonly Operation[]): readonly Operation[] {
  const types = new Map<string, Map<string, Schema>>();
  for (const { name, schema, in: place } of operations.flatMap(({ parameters }) => parameters)) {
    if (schema === undefined || place === "path") continue;
    const { type, format, nullable } = schema;
    const key = JSON.stringify([schema.$ref, schema.enum, type, format, nullable]);
    types.set(name, (types.get(name) ?? new Map<string, Schema>()).set(key, schema));
  }
  function typed(parameter: Parameter): Parameter {
    const [schema, ...others] = types.get(parameter.name)?.values() ?? [];
    const isClear = parameter.schema === undefined && parameter.in === "query" && others.length === 0;
    return isClear ? { ...parameter, schema } : parameter;
  }
  return operations.map((operation) => ({ ...operation, parameters: operation.parameters.map(typed) }));
}

/** Where the document describes an endpoint: not always where it is. */
function describedAs({ method, path, describedPath = path }: Endpoint & { readonly describedPath?: string }): string {
  return `${method} ${describedPath}`;
}

/** What the server's document says only by reference to the flows' document is taken from there. */
function schemasOf(server: Document, flow: Document): ReadonlyMap<string, Schema> {
  const all = new Map(Object.entries(flow.components.schemas));
  for (const [name, schema] of Object.entries(server.components.schemas)) {
    const isReference = schema.$ref?.startsWith("../") === true && nameOf(schema.$ref) === name;
    if (all.has(name) !== isReference) throw new Error(`Schema "${name}" is in both documents, or in none`);
    if (!isReference) all.set(name, schema);
  }
  return new Map([...all].sort(([a], [b]) => a < b ? -1 : 1));
}

function operationOf(endpoint: Endpoint, raw: RawOperation | undefined, document: Document): Operation {
  const { operationId: id, service, method, path, pathParams, query, sdkArgs } = endpoint;
  const parameters = new Map<string, RawParameter>();
  for (const parameter of raw?.parameters ?? []) {
    const found = parameter.$ref === undefined
      ? parameter
      : document.components.parameters?.[nameOf(parameter.$ref)] ?? parameter;
    parameters.set(`${found.in} ${found.name}`, found);
  }
  function parameterOf(name: string, place: "path" | "query"): Parameter {
    const found = parameters.get(`${place} ${name}`);
    const argument = sdkArgs[name];
    if (argument === undefined) throw new Error(`Operation "${id}" has a parameter "${name}" without an argument`);
    return { name, in: place, required: place === "path" || found?.required === true, schema: found?.schema, argument };
  }
  return {
    id,
    services: [service],
    method,
    path,
    // In the order of the address, whatever the order of the list.
    parameters: [
      ...[...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => {
        if (!pathParams.includes(name)) throw new Error(`Operation "${id}" has no parameter "${name}" in its list`);
        return parameterOf(name, "path");
      }),
      ...query.map((name) => parameterOf(name, "query")),
    ],
    body: bodyOf(endpoint, raw),
    results: raw === undefined ? [{ kind: "unknown" }] : resultsOf(id, raw),
  };
}

function bodyOf({ operationId, mediaType, sdkArgs }: Endpoint, raw: RawOperation | undefined): Body | undefined {
  if (mediaType === null) return undefined;
  const described = raw?.requestBody?.content[mediaType];
  if (raw !== undefined && described === undefined) throw new Error(`The body of "${operationId}" is not described`);
  const argument = sdkArgs["(body)"] ?? sdkArgs["(formData)"] ?? "";
  return { mediaType, required: raw?.requestBody?.required === true, schema: described?.schema, argument };
}

function resultsOf(id: string, { responses }: RawOperation): readonly Result[] {
  return Object.entries(responses).filter(([status]) => /^[23]/.test(status)).map(([status, { content = {} }]) => {
    const [mediaType, ...others] = Object.keys(content);
    if (others.length > 0) throw new Error(`The answer ${status} of "${id}" has several kinds`);
    if (mediaType === undefined) return { kind: "nothing" };
    if (mediaType === "text/event-stream") return { kind: "events" };
    const schema = content[mediaType]?.schema;
    if (/[/+]json$/.test(mediaType)) return { kind: "json", schema };
    // Some of what is called text is described as another value: that is what the server sends.
    if (schema?.type !== undefined && !/^(string|object)$/.test(schema.type)) return { kind: "json", schema };
    if (mediaType.startsWith("text/")) return { kind: "text" };
    if (mediaType === "application/octet-stream") return { kind: "stream" };
    throw new Error(`The answer ${status} of "${id}" is of a kind that is not known here: ${mediaType}`);
  });
}
