/**
 * Variables and secrets of a workspace.
 *
 * @module
 */
import { hasCode } from "../base/errors.ts";
import { encodePath } from "../base/url.ts";
import type { VariableName, VariableValue } from "../base/windmill_types.ts";
import type { CallOptions } from "../http/transport.ts";
import { readBoolean, readString } from "../wire/answer.ts";
import { mocked } from "./_mocked.ts";
import { type ClientOptions, inWorkspace, post, request } from "./connection.ts";

/** Options of writing a variable. */
export interface SetVariableOptions extends CallOptions {
  /** Whether it is a secret. @default false for a new variable, unchanged for one that exists */
  readonly isSecret?: boolean;
  /** Its description. @default "" for a new variable, unchanged for one that exists */
  readonly description?: string;
  /** True leaves `isSecret` and `description` of a variable that exists as they are. @default false */
  readonly keepExisting?: boolean;
}

/** References of both forms name the path behind the prefix; the official clients send `$var:` to the server as it is. */
const PREFIX = /^(var:\/\/|\$var:)/;

/** The path that a `var://` or `$var:` reference names; undefined for other texts. */
export function variableReference(text: string): string | undefined {
  return PREFIX.test(text) ? text.replace(PREFIX, "") : undefined;
}

function route(client: ClientOptions, action: string, path: string): string {
  return inWorkspace(client, `variables/${action}/${encodePath(path, "variable", PREFIX)}`);
}

/** Reads the value of a variable, decrypted. */
export function readVariable(client: ClientOptions, path: string, options?: CallOptions): Promise<string> {
  return mocked(
    client,
    async () => readString(await request(client, { route: route(client, "get_value", path) }, options)),
    path,
  );
}

/** Tells whether a variable exists. */
function variableExists(client: ClientOptions, path: string, options?: CallOptions): Promise<boolean> {
  return mocked(
    client,
    async () => readBoolean(await request(client, { route: route(client, "exists", path) }, options)),
    path,
    "exists",
  );
}

/** Writes the value of a variable, and creates it if there is none. */
export async function writeVariable(
  client: ClientOptions,
  path: string,
  value: string,
  options?: SetVariableOptions,
): Promise<void> {
  if (typeof value !== "string") {
    throw new TypeError(`Cannot set variable ${JSON.stringify(path)}: expected a string, found a ${typeof value}`);
  }
  await mocked(client, () => store(client, path, value, options), path, "set", "variables", value);
}

async function store(
  client: ClientOptions,
  path: string,
  value: string,
  options: SetVariableOptions = {},
): Promise<void> {
  const { isSecret, description, keepExisting = false } = options;
  async function update(): Promise<void> {
    const body = { value, ...(keepExisting ? {} : { is_secret: isSecret, description }) };
    await post(client, { route: route(client, "update", path), body, idempotent: true }, options);
  }
  if (await variableExists(client, path, options)) return await update();
  const body = {
    path: path.replace(PREFIX, ""),
    value,
    is_secret: isSecret ?? false,
    description: description ?? "",
  };
  try {
    await post(client, { route: inWorkspace(client, "variables/create"), body }, options);
  } catch (error) {
    // Somebody else may have created it since: the server then answers 400, as it does to other mistakes.
    const lost = hasCode(error, "WINDMILL_API") && (error as { status?: unknown }).status === 400;
    if (!lost || !(await variableExists(client, path, options))) throw error;
    await update();
  }
}

/** Reads the value of a variable, decrypted. */
export interface GetVariable {
  /** A variable that is declared. */
  <P extends VariableName>(path: P, options?: CallOptions): Promise<VariableValue<P>>;
  /** Another variable. */
  (path: string, options?: CallOptions): Promise<string>;
}

/** Variables and secrets. A path may be written as `var://path` or `$var:path`. */
export interface VariablesGroup {
  /** Reads the value of a variable, decrypted. */
  readonly get: GetVariable;
  /** Tells whether a variable exists. */
  readonly exists: (path: string, options?: CallOptions) => Promise<boolean>;
  /** Writes the value of a variable, and creates it if there is none. */
  readonly set: (path: string, value: string, options?: SetVariableOptions) => Promise<void>;
}

/** The functions of this group for one client. */
export function variablesGroup(c: ClientOptions): VariablesGroup {
  return {
    get: (path: string, o?: CallOptions) => readVariable(c, path, o),
    exists: (path, o) => variableExists(c, path, o),
    set: (path, value, o) => writeVariable(c, path, value, o),
  };
}
