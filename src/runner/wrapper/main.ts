/**
 * Runs one job in a boxed process: the program of every script's process. It loads the script by a computed `import()` alone, because
 * what a static import names is read before permissions are asked (measured: texts and JSON, too).
 *
 * Whatever it needs of the runtime is taken before the script is loaded, so that a script that replaces globals hurts itself only.
 *
 * @module
 */
import { dateOf } from "./dates.ts";
import type { MessageKind, ResultMessage, StartLine } from "./protocol.ts";

const FRAME = "\x1e";
/** Variables that start the process and are no affair of the script; the last two are of Deno's own way to start a Deno. */
const START_VARIABLES = [
  "DENO_DIR",
  "DENO_NO_PACKAGE_JSON",
  "DENO_NO_UPDATE_CHECK",
  "NO_COLOR",
  "NPM_CONFIG_REGISTRY",
  "HOME",
  "PATH",
  "DENO_NODE_SHIM_ACTIVE",
];
const { stringify, parse } = JSON;
const Broken = SyntaxError;
const encoder = new TextEncoder();
const stdout = Deno.stdout.writeSync.bind(Deno.stdout);
const stderr = Deno.stderr.writeSync.bind(Deno.stderr);
const exit = Deno.exit.bind(Deno);
const read = Deno.stdin.read.bind(Deno.stdin);
/** Says that the process has waited for a while: it loads a module ahead. */
const PRELOAD = "preload ";

type Exports = Readonly<Record<string, unknown>>;
type Callable = (...args: readonly unknown[]) => unknown;

function writeAll(write: (bytes: Uint8Array) => number, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(write(bytes));
}

/**
 * Lines of the process's input. Read by hand: a stream and its decoder cost 5 ms of the start, a timer as much (measured), and a
 * trivial job takes 10.
 */
async function* inputLines(): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65536);
  let parts: string[] = [];
  for (;;) {
    const length = await read(buffer);
    if (length === null) return;
    let text = decoder.decode(buffer.subarray(0, length), { stream: true });
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const line = parts.join("") + text.slice(0, end);
      parts = [];
      text = text.slice(end + 1);
      yield line;
    }
    if (text !== "") parts.push(text);
  }
}

/** What drives a workflow: by a computed name, so that other jobs do not load it. */
function sessionHelper(): string {
  return new URL(import.meta.url.replace(/main\.([jt]s)$/, "session.$1")).href;
}

async function serve(): Promise<void> {
  const lines = inputLines();
  let first = await lines.next();
  if (first.value?.startsWith(PRELOAD) === true) {
    const client = import(first.value.slice(PRELOAD.length)) as Promise<Exports>;
    const session = import(sessionHelper()) as Promise<typeof import("./session.ts")>;
    // A job that needs one of them gets the error.
    Promise.all([session, client]).then(([{ rehearse }, exports]) => rehearse(exports)).catch(() => undefined);
    first = await lines.next();
  }
  if (first.done === true) return exit(0); // the server has gone
  const job = parse(first.value) as StartLine;
  const say = (kind: MessageKind, text: string): void => writeAll(stdout, `${FRAME}${job.mark}${kind}${text}\n`);
  setUp(job);
  if (!job.session) endWithServer(lines);

  let outcome: string;
  try {
    // Beside the script, which loads what it needs meanwhile.
    const helper = job.session ? import(sessionHelper()) as Promise<typeof import("./session.ts")> : undefined;
    helper?.catch(() => undefined); // thrown below, unless the script's own error comes first
    const exports = await load(job.entry);
    const client = useClient(job);
    if (helper !== undefined) {
      client.catch(() => undefined); // inside a workflow, tasks are of its session: nothing waits for it
      const { runSession } = await helper;
      await runSession(exports, lines, (line) => say("s", line), job.workflows);
      outcome = '{"ok":true,"result":null}';
    } else {
      await client;
      outcome = await runScript(job, exports, (text) => say("t", stringify(text)));
    }
  } catch (thrown) {
    outcome = failed(thrown, thrown instanceof PreprocessedFailure ? thrown.args : undefined);
  }
  // The other pipe first: who has the result then knows that nothing is left on either.
  writeAll(stderr, `${FRAME}${job.mark}e\n`);
  say("r", outcome);
  exit(0);
}

/** Loads the script. Deno says of code that does not parse that a type is wrong, and what is wrong in the message. */
async function load(entry: string): Promise<Exports> {
  try {
    return await import(entry) as Exports;
  } catch (thrown) {
    const { name, message } = Object(thrown) as { readonly name?: unknown; readonly message?: unknown };
    const said = name === "TypeError" && typeof message === "string"
      ? /^SyntaxError: ([^]*)/.exec(message)?.[1]
      : undefined;
    if (said === undefined) throw thrown;
    const error = new Broken(said);
    Object.defineProperty(error, "stack", { value: `SyntaxError: ${said}` });
    throw error;
  }
}

/**
 * A process whose server has gone has nothing to do: the end of its input says so. When the script reads the input itself, the
 * runner's other means must do.
 */
function endWithServer(lines: AsyncGenerator<string>): void {
  const next = (): void => void lines.next().then(({ done }) => done === true ? exit(1) : next(), () => undefined);
  next();
}

function setUp({ env, api }: StartLine): void {
  for (const name of START_VARIABLES) Deno.env.delete(name);
  Deno.env.set("TMPDIR", Deno.cwd()); // the only folder that may be written to
  for (const name of Object.keys(env)) Deno.env.set(name, env[name] as string);
  // What would outlive the job has no place to be kept (`closeWebStorage` of the runner): it is not there.
  Reflect.deleteProperty(globalThis, "localStorage");
  Reflect.deleteProperty(globalThis, "caches");
  // What Windmill's wrapper does, so that results may hold them.
  Object.defineProperty(BigInt.prototype, "toJSON", {
    value(this: bigint) {
      return this.toString();
    },
    configurable: true,
    writable: true,
  });
  if (api !== undefined) reachServer(api.origin, api.socket);
}

/**
 * The box is closed to this machine's services; the server alone is reached, through a socket that the runner made for this job. A
 * request takes another host's name on the way, for the server's own address is closed too (and Deno takes no proxy for
 * "localhost"); what listens at the socket gives it its own again.
 */
function reachServer(origin: string, socket: string): void {
  const plain = globalThis.fetch;
  const { port } = new URL(origin);
  const inside = `http://windkit.localhost${port === "" ? "" : `:${port}`}`;
  let client: Deno.HttpClient | undefined;
  globalThis.fetch = function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const url = input instanceof Request ? input.url : String(input);
    if (!url.startsWith(origin) || !/^(?:[/?#]|$)/.test(url.slice(origin.length))) return plain(input, init);
    client ??= Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
    const target = inside + url.slice(origin.length);
    const request = input instanceof Request
      ? new Request(target, new Request(input, init))
      : new Request(target, init);
    // `as` -- the option is Deno's own; the declared type is the web's
    return plain(request, { client } as RequestInit).then((response) =>
      Object.defineProperty(response, "url", { value: response.url.replace(inside, origin) })
    );
  };
}

/**
 * Tasks outside a workflow become jobs (wac-protocol 12). What makes them is named by the functions of this entry; it is loaded when
 * the first task is called.
 */
async function useClient({ client }: StartLine): Promise<void> {
  if (client === undefined) return;
  const { workflow } = await import(client) as { workflow(fn: () => unknown): unknown };
  workflow(() => undefined);
}

/** A failure of `main` after its preprocessor has made the arguments. */
class PreprocessedFailure {
  readonly thrown: unknown;
  readonly args: string;
  constructor(thrown: unknown, args: string) {
    this.thrown = thrown;
    this.args = args;
  }
}

async function runScript(job: StartLine, exports: Exports, stream: (text: string) => void): Promise<string> {
  let args: Readonly<Record<string, unknown>> = job.args;
  if (!job.preprocess) return `{"ok":true,"result":${await call(job, exports, job.main, args, stream)}}`;
  const preprocessor = callable(exports, "preprocessor");
  args = await preprocessor(...positional(job, "preprocessor", preprocessor, args)) as typeof args ?? {};
  const text = encode(args);
  try {
    return `{"ok":true,"args":${text},"result":${await call(job, exports, job.main, args, stream)}}`;
  } catch (thrown) {
    throw new PreprocessedFailure(thrown, text);
  }
}

/** Calls an exported function and gives its result as JSON. */
async function call(
  job: StartLine,
  exports: Exports,
  name: string,
  args: Readonly<Record<string, unknown>>,
  stream: (text: string) => void,
): Promise<string> {
  const fn = callable(exports, name);
  const result = await fn(...positional(job, name, fn, args));
  if (typeof (result as AsyncIterable<unknown> | null | undefined)?.[Symbol.asyncIterator] !== "function") {
    return encode(result);
  }
  for await (const text of result as AsyncIterable<unknown>) {
    if (typeof text !== "string") throw new TypeError(`Cannot stream a result: expected texts, found ${typeof text}`);
    if (text !== "") stream(text);
  }
  return "null";
}

function callable(exports: Exports, name: string): Callable {
  const fn = exports[name];
  if (typeof fn !== "function") throw new Error(`${name} function is missing`);
  return fn as Callable;
}

/** The arguments in the order of the parameters. One that was not given is undefined, so that its default counts. */
function positional(
  { signatures }: StartLine,
  name: string,
  fn: Callable,
  args: Readonly<Record<string, unknown>>,
): readonly unknown[] {
  const { names = namesOf(fn), dates = [] } = signatures[name] ?? {};
  return names.map((one) => {
    const value = Object.hasOwn(args, one) ? args[one] : undefined;
    return dates.includes(one) ? dateOf(value) : value;
  });
}

/** Plain names of a function's parameters, where the script's own text does not have it. */
function namesOf(fn: Callable): readonly string[] {
  const text = Function.prototype.toString.call(fn);
  const list = /^[^(]*\(([^)]*)\)/.exec(text)?.[1] ?? /^(?:async\s+)?([\w$]+)\s*=>/.exec(text)?.[1] ?? "";
  return list.split(",").map((part) => /^\s*(?:\.\.\.)?([\p{ID_Continue}$]+)/u.exec(part)?.[1] ?? "").filter((one) =>
    one !== ""
  );
}

/** As Windmill's wrapper encodes a result: undefined is null at any depth. */
function encode(value: unknown): string {
  return stringify(value ?? null, (_, inner) => inner === undefined ? null : inner) ?? "null";
}

const RESERVED = new Set(["line", "name", "stack", "column", "message", "sourceURL", "originalLine", "originalColumn"]);

/** The error of a job (wac-protocol 3): `{name, message, stack, step_id?, extra?}`. Never throws, whatever was thrown. */
function failed(caught: unknown, args: string | undefined): string {
  const thrown = caught instanceof PreprocessedFailure ? caught.thrown : caught;
  const isObject = (typeof thrown === "object" && thrown !== null) || typeof thrown === "function";
  const text = (name: string): string | undefined => {
    try {
      const value = isObject ? (thrown as Readonly<Record<string, unknown>>)[name] : undefined;
      return typeof value === "string" ? value : undefined;
    } catch {
      return undefined; // an accessor or a proxy that throws: as if it were not there
    }
  };
  const extra: string[] = [];
  for (const name of isObject ? namesIn(thrown as object) : []) {
    if (RESERVED.has(name)) continue;
    try {
      const value = stringify((thrown as Readonly<Record<string, unknown>>)[name]);
      if (value !== undefined) extra.push(`${stringify(name)}:${value}`);
    } catch {
      continue; // no JSON: left out
    }
  }
  const stepId = Deno.env.get("WM_FLOW_STEP_ID") || undefined;
  const error = stringify({
    name: text("name") ?? "Error",
    message: text("message") ?? (isObject ? "An object without a message was thrown" : printed(thrown)),
    stack: text("stack"),
    step_id: stepId,
  });
  const whole = extra.length === 0 ? error : `${error.slice(0, -1)},"extra":{${extra.join()}}}`;
  return `{"ok":false,"error":${whole}${args === undefined ? "" : `,"args":${args}`}}`;
}

function namesIn(value: object): readonly string[] {
  try {
    return Object.getOwnPropertyNames(value);
  } catch {
    return []; // a proxy that hides its names
  }
}

function printed(value: unknown): string {
  return value === undefined || value === null ? `${value} was thrown` : String(value);
}

if (import.meta.main) await serve();
// Types of what is said: the other side reads them by these names.
export type { ResultMessage };
