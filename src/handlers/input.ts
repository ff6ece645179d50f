/**
 * The arguments of a job, read from a request.
 *
 * @module
 */
import type { ValidationIssue } from "../base/errors.ts";
import type { StandardSchema } from "../base/standard_schema.ts";
import { release } from "../http/body.ts";
import { isRecord } from "../wire/answer.ts";
import { HandlerError } from "./_answer.ts";
import { joined, readBeginning } from "./_bytes.ts";
import { hasReference } from "./_references.ts";
import type { HandlerContext } from "./handler.ts";

/** Where arguments come from. */
export type InputSource = "query" | "body" | "params";

/** Options of reading arguments. */
export interface InputOptions {
  /**
   * Where arguments come from. Whichever is chosen, a placeholder of the route goes before a field of the body of the same name,
   * and that before a field of the query: what a route was chosen by cannot be changed by what came with it.
   *
   * @default ["query", "body", "params"]
   */
  readonly from?: readonly InputSource[];
  /**
   * Schema of the arguments, of any library that follows the Standard Schema interface; the job gets what it makes of them. Fields
   * of the query, of forms and of routes are texts: a schema turns them into what they stand for.
   *
   * @default any arguments are taken as they are
   */
  readonly input?: StandardSchema;
  /**
   * Makes the job's arguments of those that were read and checked: adds who asks, for example, which no browser may say itself.
   *
   * @default they are the job's
   */
  readonly args?: (
    input: unknown,
    request: Request,
    context: HandlerContext,
  ) => Readonly<Record<string, unknown>> | Promise<Readonly<Record<string, unknown>>>;
  /**
   * True takes arguments that refer to something of the workspace: a text that begins with `$var:`, `$res:` or the like, or a name
   * such as `$WM_TOKEN`. Windmill fills in what they refer to, with the rights of the job, so that whoever sends one to a script that
   * shows its arguments reads secrets. What `args` adds may refer to anything.
   *
   * @default false
   */
  readonly references?: boolean;
  /** How large a body may be, in bytes. @default 1048576 */
  readonly maxBodyBytes?: number;
}

type Fields = Readonly<Record<string, unknown>>;

function refuse(message: string, cause?: unknown): never {
  throw new HandlerError(400, "InputError", message, undefined, { cause });
}

/** Reads a body whole, as long as it is not larger than it may be. */
async function readBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const reader = request.body?.getReader();
  const told = Number(request.headers.get("content-length"));
  const found = told > maxBytes
    ? { pieces: [], size: told, whole: false }
    : await readBeginning(reader, maxBytes).catch((cause) => refuse("The body ended too early", cause));
  if (found.size <= maxBytes) return joined(found);
  release(reader);
  throw new HandlerError(413, "PayloadTooLargeError", `Expected a body of at most ${maxBytes} bytes`);
}

/** Fields by name; a name that comes several times has an array. */
function gather(entries: Iterable<readonly [string, unknown]>): Fields {
  const found = new Map<string, unknown>();
  const several = new Set<string>();
  for (const [name, value] of entries) {
    if (!found.has(name)) found.set(name, value);
    else if (several.has(name)) (found.get(name) as unknown[]).push(value); // `as`: the next line made it one
    else found.set(name, [found.get(name), value]) && several.add(name);
  }
  // Not by assignment: a name may be one that objects have already.
  return Object.fromEntries(found);
}

/** How deep arguments may be nested: what is much deeper takes some runtimes seconds to write again. */
const MAX_DEPTH = 1_000;

/** True for text of JSON that is nested too deep. */
function isDeep(text: string): boolean {
  let depth = 0, quoted = false;
  for (let i = 0; i < text.length && depth <= MAX_DEPTH; i++) {
    const letter = text[i];
    if (letter === '"') quoted = !quoted;
    else if (quoted) i += letter === "\\" ? 1 : 0;
    else if (letter === "[" || letter === "{") depth++;
    else if (letter === "]" || letter === "}") depth--;
  }
  return depth > MAX_DEPTH;
}

async function bodyFields(request: Request, maxBytes: number): Promise<Fields> {
  const bytes = await readBody(request, maxBytes);
  if (bytes.length === 0) return {};
  const type = request.headers.get("content-type") ?? "";
  const [kind = ""] = type.toLowerCase().split(";");
  const encoding = request.headers.get("content-encoding") ?? "identity";
  if (encoding === "identity") {
    if (/^multipart\/form-data\s*$/.test(kind)) {
      const form = await new Response(bytes, { headers: { "content-type": type } }).formData()
        .catch((cause) => refuse("The body is no form of several parts", cause));
      const fields = gather(form as unknown as Iterable<[string, unknown]>); // `as`: the types of the runtimes differ
      for (const [name, value] of Object.entries(fields)) {
        if ([value].flat().some((one) => typeof one !== "string")) {
          refuse(
            `Field ${JSON.stringify(name)} is a file, and an argument is none: store it first and pass where it is`,
          );
        }
      }
      return fields;
    }
    const json = /^application\/(json|[\w.-]+\+json)\s*$/.test(kind);
    if (json || /^application\/x-www-form-urlencoded\s*$/.test(kind)) {
      let value: unknown;
      try {
        const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
        if (json && isDeep(text)) throw new HandlerError(400, "InputError", "The arguments are nested too deep");
        value = json ? JSON.parse(text) : gather(new URLSearchParams(text));
      } catch (error) {
        if (error instanceof HandlerError) throw error;
        // The parser's own words quote the body.
        refuse(`The body is no ${json ? "JSON" : "form"} in UTF-8`);
      }
      if (isRecord(value)) return value;
      refuse(`Expected arguments by name, found ${Array.isArray(value) ? "an array" : `JSON of type ${typeof value}`}`);
    }
  }
  throw new HandlerError(
    415,
    "UnsupportedMediaTypeError",
    "Expected a body of type application/json, application/x-www-form-urlencoded or multipart/form-data, not compressed",
  );
}

/** Values of placeholders; one that may be left out, and was, has none. */
function given(params: HandlerContext["params"] = {}): Fields {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined));
}

function issueOf({ message, path = [] }: ValidationIssue): { readonly message: string; readonly path: string[] } {
  // Not `path.map`: ArkType's path is an array of a class of its own.
  return { message, path: Array.from(path, (part) => String((part as { readonly key?: PropertyKey }).key ?? part)) };
}

/** Reads and checks the arguments of a job; gives them as JSON. */
export async function readArguments(
  request: Request,
  context: HandlerContext,
  { from = ["query", "body", "params"], input, args, references, maxBodyBytes = 1_048_576 }: InputOptions,
): Promise<{ readonly fields: Fields; readonly text: string }> {
  let fields: unknown = {
    ...(from.includes("query") && gather(new URL(request.url).searchParams)),
    ...(from.includes("body") && await bodyFields(request, maxBodyBytes)),
    ...(from.includes("params") && given(context.params)),
  };
  if (input !== undefined) {
    const { issues, ...rest } = await input["~standard"].validate(fields);
    if (issues !== undefined) {
      const message = "The arguments do not fit their schema";
      throw new HandlerError(400, "ValidationError", message, { issues: issues.map(issueOf) });
    }
    fields = (rest as { readonly value: unknown }).value; // `as`: without issues there is one
  }
  // Of what the schema made of them: it may have taken away what stood before.
  if (!references && hasReference(fields)) refuse("An argument refers to something of the workspace");
  if (args !== undefined) fields = await args(fields, request, context);
  if (!isRecord(fields)) {
    throw new TypeError(`Expected arguments by name from 'input' or 'args', found ${typeof fields}`);
  }
  return { fields, text: JSON.stringify(fields) };
}
