/**
 * Variables and resources that stand in for those of a workspace. Loaded when a client has some, and not before.
 *
 * It imports nothing that is loaded without it: a bundler would put what both need in a third file, which every program would
 * have to load.
 *
 * @module
 */
import { files } from "../platform/files.ts";
import type { ClientOptions } from "./connection.ts";

/**
 * Variables and resources that stand in for those of the workspace: what a file for `WM_MOCKED_API_FILE` holds, as JSON.
 * Functions of other groups ask the server.
 *
 * @example A script under test
 * ```ts
 * import { createClient } from "@windkit/windmill-client";
 *
 * const client = createClient({ mockedApi: { variables: { "f/team/greeting": "hello" } } });
 * if (await client.variables.get("f/team/greeting") !== "hello") throw new Error("not the mock's");
 * await client.variables.set("f/team/greeting", "good morning");
 * if (await client.variables.get("f/team/greeting") !== "good morning") throw new Error("not what was written");
 * ```
 */
export interface MockedApi {
  /** Values of variables, by path. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Values of resources, by path. They are given as they are: references in them are not filled in. */
  readonly resources?: Readonly<Record<string, unknown>>;
  /** False asks the server for what is not here, as the official clients do. @default true: it is an error */
  readonly strict?: boolean;
}

/**
 * What is done with a mock: `find` gives undefined for what is not there, where `get` is an error; `exists` tells whether it is
 * there; `all` gives all of the mock.
 */
export type MockAction = "get" | "find" | "exists" | "set" | "all";

/** What a value is of. */
export type MockKind = "variables" | "resources";

interface Mock {
  /** Names it in errors. */
  readonly from: string;
  readonly strict: boolean;
  /** Values as JSON: whoever changes a value that was read does not change the mock, as with the server. */
  readonly variables: Map<string, string>;
  readonly resources: Map<string, string>;
}

/** Makes the errors; handed in, for its module is loaded with every program. */
type Failure = new (message: string, options?: ErrorOptions) => Error;

/** The mocks of each client, by where they come from. A client reads a file once. */
const mocks = new WeakMap<ClientOptions, Map<unknown, Promise<Mock>>>();

const PREFIX = { variables: /^(\$var:|var:\/\/)/, resources: /^(\$res:|res:\/\/)/ };

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Makes a mock of what a file or an option holds. */
function makeMock(Failure: Failure, given: unknown, from: string): Mock {
  const bad = (what: string): Error => new Failure(`Cannot use ${from}: expected ${what}`);
  if (!isRecord(given)) throw bad("an object with 'variables' and 'resources'");
  const { variables = {}, resources = {}, strict = true } = given;
  if (!isRecord(variables)) throw bad("an object of texts as 'variables'");
  if (!isRecord(resources)) throw bad("an object as 'resources'");
  if (typeof strict !== "boolean") throw bad("true or false as 'strict'");
  const wrong = Object.entries(variables).find(([, value]) => typeof value !== "string");
  if (wrong !== undefined) throw bad(`text as the value of variable ${JSON.stringify(wrong[0])}`);
  const texts = (values: object): Map<string, string> =>
    new Map(Object.entries(values).map(([path, value]) => [path, JSON.stringify(value ?? null)]));
  return { from, strict, variables: texts(variables), resources: texts(resources) };
}

async function readMock(Failure: Failure, path: string): Promise<Mock> {
  const from = `the mocked API file ${JSON.stringify(path)} of WM_MOCKED_API_FILE`;
  const machine = files();
  if (machine === undefined) {
    throw new Failure(`Cannot read ${from}: this runtime has no files, use option 'mockedApi'`);
  }
  let text: string;
  try {
    text = await machine.readTextFile(path);
  } catch (cause) {
    throw new Failure(`Cannot read ${from}: ${cause}`, { cause });
  }
  let given: unknown;
  try {
    // Editors of some systems begin a file with a byte order mark.
    given = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    // The parser's own words quote the text, and with it perhaps a secret.
    throw new Failure(`Cannot use ${from}: expected JSON, found ${text.trim() === "" ? "nothing" : "something else"}`);
  }
  return makeMock(Failure, given, from);
}

async function mockOf(Failure: Failure, client: ClientOptions, source: MockedApi | string): Promise<Mock> {
  let own = mocks.get(client);
  if (own === undefined) mocks.set(client, own = new Map());
  let mock = own.get(source);
  if (mock === undefined) {
    mock = typeof source === "string"
      ? readMock(Failure, source)
      : (async () => makeMock(Failure, source, "option 'mockedApi'"))();
    own.set(source, mock);
  }
  try {
    return await mock;
  } catch (error) {
    // A file that is repaired is read again.
    own.delete(source);
    throw error;
  }
}

function everything({ variables, resources, strict }: Mock): Required<MockedApi> {
  const values = (texts: ReadonlyMap<string, string>): Record<string, unknown> =>
    Object.fromEntries([...texts].map(([path, text]) => [path, JSON.parse(text)]));
  // `as`: only texts become variables.
  return { variables: values(variables) as Record<string, string>, resources: values(resources), strict };
}

/** Reads or writes a value of a mock, and asks the server with `ask` for what a mock that is not strict does not have. */
export async function use<T>(
  Failure: Failure,
  client: ClientOptions,
  source: MockedApi | string,
  ask: () => Promise<T>,
  path: string,
  action: MockAction = "get",
  kind: MockKind = "variables",
  value?: unknown,
): Promise<T> {
  const mock = await mockOf(Failure, client, source);
  const name = `${path}`.replace(PREFIX[kind], "");
  const text = mock[kind].get(name);
  // `as`: what the action gives is what the caller takes for it, as with the server's answer.
  if (action === "all") return everything(mock) as T;
  if (action === "set") return void mock[kind].set(name, JSON.stringify(value ?? null)) as T;
  if (text !== undefined) return (action === "exists" ? true : JSON.parse(text)) as T;
  if (!mock.strict) return await ask();
  if (action !== "get") return (action === "exists" ? false : undefined) as T;
  throw new Failure(
    `No ${kind.slice(0, -1)} ${
      JSON.stringify(name)
    } in ${mock.from}: add it, or set 'strict' to false there to ask the server`,
  );
}
