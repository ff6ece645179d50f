/**
 * The command line as data: text in, one `Command` out, and no effect.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { nearestName } from "../base/near_text.ts";
import type { Json, RunStatus } from "../workflow/journal.ts";
import type { RunState } from "../engine/ports.ts";
import { RUN_STATES } from "../engine/api.ts";
import { UsageError } from "./exit_codes.ts";
import { HELP_TOPICS, type HelpTopic } from "./help.ts";

/** What every command that touches runs has in common. */
interface Common {
  /** Data folder. */
  readonly data: string;
  /** JSON lines instead of text. */
  readonly json: boolean;
}

/** `windkit run`. */
export interface RunCommand extends Common {
  readonly command: "run";
  readonly file: string;
  /** By parameter name, or positional; absent: none given. */
  readonly args?: Json;
  readonly runId?: string;
  /** Never ask. */
  readonly noInput: boolean;
  readonly durability: "power" | "process";
}

/** `windkit runs`. */
export interface ListCommand extends Common {
  readonly command: "list";
  readonly state?: RunState | RunStatus;
  readonly limit?: number;
}

/** `windkit runs show`. */
export interface ShowCommand extends Common {
  readonly command: "show";
  readonly run: string;
}

/** `windkit runs prune`. */
export interface PruneCommand extends Common {
  readonly command: "prune";
  readonly olderThanMs: number;
  /** The age as it was given. */
  readonly age: string;
  /** Do not ask. */
  readonly yes: boolean;
}

/** `windkit runs remove`. */
export interface RemoveCommand extends Common {
  readonly command: "remove";
  readonly run: string;
  /** Do not ask. */
  readonly yes: boolean;
}

/** `windkit runs export`. */
export interface ExportCommand extends Common {
  readonly command: "export";
  readonly run: string;
  /** The messages that wait for the run too. */
  readonly messages: boolean;
}

/** `windkit runs import`. */
export interface ImportCommand extends Common {
  readonly command: "import";
  readonly file: string;
  /** Another id for the run. */
  readonly as?: string;
  /** The digest that the file must have. */
  readonly digest?: string;
}

/** `windkit runs fork`. */
export interface ForkCommand extends Common {
  readonly command: "fork";
  readonly run: string;
  /** The call from which on the new run goes its own way. */
  readonly from: string;
  /** Id of the new run. */
  readonly as?: string;
  /** Other arguments. */
  readonly args?: Json;
}

/** `windkit signal`. */
export interface SignalCommand extends Common {
  readonly command: "signal";
  readonly run: string;
  readonly event: string;
  readonly payload: Json;
  /** Known to the sender: the same event is not sent twice. */
  readonly id?: string;
}

/** `windkit approve`. */
export interface ApproveCommand extends Common {
  readonly command: "approve";
  readonly run: string;
  readonly key?: string;
  readonly approved: boolean;
  readonly value?: Json;
  readonly approver?: string;
}

/** `windkit cancel`. */
export interface CancelCommand extends Common {
  readonly command: "cancel";
  readonly run: string;
  readonly reason?: string;
}

/** `windkit doctor`. */
export interface DoctorCommand extends Common {
  readonly command: "doctor";
}

/** `windkit capture`. */
export interface CaptureCommand {
  readonly command: "capture";
  /** Data folder. */
  readonly data: string;
  readonly run: string;
  /** The workflow's file. */
  readonly file?: string;
  /** Where the test is written; absent: to stdout. */
  readonly out?: string;
  /** Replaces a file that is there. */
  readonly force: boolean;
  /** Names of further fields whose values are secret. */
  readonly redact: readonly string[];
}

/** `windkit check`. */
export interface CheckCommand {
  readonly command: "check";
  readonly files: readonly string[];
  /** One JSON object instead of text. */
  readonly json: boolean;
  /** Warnings fail, too. */
  readonly strict: boolean;
  /** Data folder whose runs are replayed. */
  readonly against?: string;
  /** How many finished runs are replayed, the newest first. */
  readonly finished: number;
}

/** `windkit dev`. */
export interface DevCommand {
  readonly command: "dev";
  /** The synced folder. */
  readonly folder: string;
  /** Data folder; absent: in the synced one. */
  readonly data?: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** JSON lines instead of text. */
  readonly json: boolean;
}

/** What the command line asks for. */
export type Command =
  | { readonly command: "help"; readonly topic: HelpTopic }
  | { readonly command: "version" }
  | RunCommand
  | ListCommand
  | ShowCommand
  | PruneCommand
  | RemoveCommand
  | ExportCommand
  | ImportCommand
  | ForkCommand
  | ApproveCommand
  | SignalCommand
  | CancelCommand
  | DoctorCommand
  | CaptureCommand
  | CheckCommand
  | DevCommand;

/** Options by command, apart from `--help`. */
const OPTIONS = {
  run: {
    args: "string",
    "run-id": "string",
    data: "string",
    durability: "string",
    json: "boolean",
    "no-input": "boolean",
  },
  list: { state: "string", limit: "string", data: "string", json: "boolean" },
  show: { data: "string", json: "boolean" },
  prune: { "older-than": "string", yes: "boolean", data: "string", json: "boolean" },
  remove: { yes: "boolean", data: "string", json: "boolean" },
  export: { messages: "boolean", data: "string", json: "boolean" },
  import: { as: "string", digest: "string", data: "string", json: "boolean" },
  fork: { from: "string", as: "string", "run-id": "string", args: "string", data: "string", json: "boolean" },
  signal: { id: "string", data: "string", json: "boolean" },
  approve: { reject: "boolean", value: "string", approver: "string", data: "string", json: "boolean" },
  cancel: { reason: "string", data: "string", json: "boolean" },
  doctor: { data: "string", json: "boolean" },
  capture: { file: "string", out: "string", force: "boolean", redact: "string", data: "string" },
  check: { against: "string", finished: "string", strict: "boolean", json: "boolean" },
  dev: { port: "string", host: "string", data: "string", json: "boolean" },
} as const satisfies Readonly<Record<string, Readonly<Record<string, "string" | "boolean">>>>;

type Verb = keyof typeof OPTIONS;

/** What may follow `windkit runs`. */
const RUNS_VERBS = ["list", "show", "prune", "remove", "export", "import", "fork"] as const satisfies readonly Verb[];

/** What may follow `windkit`, beside `runs` and `help`. */
const VERBS = [
  "run",
  "dev",
  "approve",
  "signal",
  "cancel",
  "capture",
  "check",
  "doctor",
] as const satisfies readonly Verb[];

const STATUSES: readonly RunStatus[] = ["completed", "failed", "cancelled", "continued"];

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Finished runs that `check --against` looks at. */
const DEFAULT_FINISHED = 20;

/** Where `dev` listens unless `--host` and `--port` say otherwise: the port is that of Windmill. */
const DEFAULT_HOST = "127.0.0.1", DEFAULT_PORT = 8000;

/** Where runs are kept unless `--data` says otherwise. */
export const DEFAULT_DATA = ".windkit";

/**
 * Reads a command line.
 *
 * @param argv the arguments after the program's name
 * @returns what is asked for
 */
export function parseCommand(argv: readonly string[]): Command {
  const [first, ...rest] = argv;
  if (first === undefined) return { command: "help", topic: "windkit" };
  if (first === "--help" || first === "-h") return { command: "help", topic: "windkit" };
  if (first === "--version" || first === "-V" || first === "version") return { command: "version" };
  if (first === "help") return { command: "help", topic: helpTopic(rest) };
  if (first.startsWith("-")) throw new UsageError(`Unknown option "${first}"`, "See windkit --help");
  if (first === "runs") {
    const sub = rest[0];
    const verb = RUNS_VERBS.find((known) => known === sub);
    if (verb !== undefined) return parseVerb(verb, `runs ${verb}`, rest.slice(1));
    if (sub === undefined || sub.startsWith("-")) return parseVerb("list", "runs", rest);
    throw new UsageError(
      `Unknown command "runs ${sub}"${guess(sub, RUNS_VERBS)}`,
      "See windkit runs --help",
    );
  }
  const verb = VERBS.find((known) => known === first);
  if (verb !== undefined) return parseVerb(verb, verb, rest);
  throw new UsageError(`Unknown command "${first}"${guess(first, [...VERBS, "runs", "help"])}`, "See windkit --help");
}

function helpTopic(words: readonly string[]): HelpTopic {
  const name = words.filter((word) => !word.startsWith("-")).join(" ");
  if (name === "") return "windkit";
  const topic = HELP_TOPICS.find((known) => known === name);
  if (topic === undefined) {
    throw new UsageError(`No help on "${name}"${guess(name, HELP_TOPICS)}`, "See windkit --help");
  }
  return topic;
}

interface Given {
  readonly values: ReadonlyMap<string, string>;
  readonly flags: ReadonlySet<string>;
  readonly words: readonly string[];
}

function parseVerb(verb: Verb, shown: string, argv: readonly string[]): Command {
  const read = readOptions(verb, shown, argv);
  if (read === "help") {
    const topic = HELP_TOPICS.find((known) => known === shown);
    return { command: "help", topic: topic ?? "windkit" };
  }
  const { values, flags, words } = read;
  const common: Common = { data: values.get("data") ?? DEFAULT_DATA, json: flags.has("json") };
  if (common.data === "") throw new UsageError(`Option "--data" needs the name of a folder: it is empty`);
  switch (verb) {
    case "run": {
      const [file] = take(shown, words, ["FILE"]);
      const runId = values.get("run-id");
      if (runId !== undefined) checkRunId("--run-id", runId);
      const args = values.get("args");
      return {
        command: "run",
        ...common,
        file: file ?? "",
        ...(args === undefined ? {} : { args: workflowArguments(args) }),
        ...(runId === undefined ? {} : { runId }),
        noInput: flags.has("no-input"),
        durability: oneOf("--durability", values.get("durability") ?? "power", ["power", "process"] as const),
      };
    }
    case "list": {
      take(shown, words, []);
      const state = values.get("state");
      const limit = values.get("limit");
      return {
        command: "list",
        ...common,
        ...(state === undefined ? {} : { state: oneOf("--state", state, [...RUN_STATES, ...STATUSES]) }),
        ...(limit === undefined ? {} : { limit: wholeNumber("--limit", limit) }),
      };
    }
    case "show": {
      const [run] = take(shown, words, ["RUN"]);
      return { command: "show", ...common, run: run ?? "" };
    }
    case "prune": {
      take(shown, words, []);
      const age = values.get("older-than");
      if (age === undefined) {
        throw new UsageError(
          `Command "runs prune" needs "--older-than"`,
          "For example: windkit runs prune --older-than 30d",
        );
      }
      return { command: "prune", ...common, olderThanMs: parseAge("--older-than", age), age, yes: flags.has("yes") };
    }
    case "remove": {
      const [run] = take(shown, words, ["RUN"]);
      return { command: "remove", ...common, run: run ?? "", yes: flags.has("yes") };
    }
    case "export": {
      const [run] = take(shown, words, ["RUN"]);
      return { command: "export", ...common, run: run ?? "", messages: flags.has("messages") };
    }
    case "import": {
      const [file] = take(shown, words, ["FILE"]);
      const as = values.get("as");
      const digest = values.get("digest");
      if (as !== undefined) checkRunId("--as", as);
      if (digest !== undefined && !/^[0-9a-f]{64}$/i.test(digest)) {
        throw new UsageError(`Option "--digest" must be the 64 hex digits that runs export prints: got "${digest}"`);
      }
      return {
        command: "import",
        ...common,
        file: file ?? "",
        ...(as === undefined ? {} : { as }),
        ...(digest === undefined ? {} : { digest }),
      };
    }
    case "fork": {
      const [run] = take(shown, words, ["RUN"]);
      const from = values.get("from");
      // Elsewhere the id of a run to be made is --run-id: both are taken.
      const [option, as] = values.has("run-id")
        ? ["--run-id", values.get("run-id")] as const
        : ["--as", values.get("as")] as const;
      if (values.has("run-id") && values.has("as")) {
        throw new UsageError(`Options "--run-id" and "--as" are the same: give one of them`);
      }
      const args = values.get("args");
      if (from === undefined) {
        throw new UsageError(
          `Command "runs fork" needs "--from"`,
          "It names the first call that is made again: windkit runs show RUN lists them",
        );
      }
      if (as !== undefined) checkRunId(option, as);
      return {
        command: "fork",
        ...common,
        run: run ?? "",
        from,
        ...(as === undefined ? {} : { as }),
        ...(args === undefined ? {} : { args: workflowArguments(args) }),
      };
    }
    case "signal": {
      const [run, event, payload] = take(shown, words, ["RUN", "NAME"], ["JSON"]);
      const id = values.get("id");
      return {
        command: "signal",
        ...common,
        run: run ?? "",
        event: event ?? "",
        payload: payload === undefined ? null : parseJson("The payload", payload),
        ...(id === undefined ? {} : { id }),
      };
    }
    case "approve": {
      const [run, key] = take(shown, words, ["RUN"], ["KEY"]);
      const value = values.get("value");
      const approver = values.get("approver");
      return {
        command: "approve",
        ...common,
        run: run ?? "",
        ...(key === undefined ? {} : { key }),
        approved: !flags.has("reject"),
        ...(value === undefined ? {} : { value: parseJson("--value", value) }),
        ...(approver === undefined ? {} : { approver }),
      };
    }
    case "cancel": {
      const [run] = take(shown, words, ["RUN"]);
      const reason = values.get("reason");
      return { command: "cancel", ...common, run: run ?? "", ...(reason === undefined ? {} : { reason }) };
    }
    case "doctor":
      take(shown, words, []);
      return { command: "doctor", ...common };
    case "capture": {
      const [run] = take(shown, words, ["RUN"]);
      const file = values.get("file");
      const out = values.get("out");
      const redact = values.get("redact") ?? "";
      return {
        command: "capture",
        data: common.data,
        run: run ?? "",
        ...(file === undefined ? {} : { file }),
        ...(out === undefined ? {} : { out }),
        force: flags.has("force"),
        redact: redact.split(",").map((name) => name.trim()).filter((name) => name !== ""),
      };
    }
    case "check":
      return parseCheck(shown, read);
    case "dev": {
      const [folder = "."] = take(shown, words, [], ["FOLDER"]);
      const data = values.get("data");
      const host = values.get("host") ?? DEFAULT_HOST;
      if (!/^[\w.:-]+$/.test(host)) throw new UsageError(`Option "--host" must be an address or a name: got "${host}"`);
      const port = wholeNumber("--port", values.get("port") ?? `${DEFAULT_PORT}`, 0);
      if (port > 65_535) throw new UsageError(`Option "--port" must be 65535 at most: got "${port}"`);
      return { command: "dev", folder, ...(data === undefined ? {} : { data }), host, port, json: flags.has("json") };
    }
  }
}

function parseCheck(shown: string, { values, flags, words }: Given): CheckCommand {
  if (words.length === 0) take(shown, words, ["FILE"]);
  if (words.includes("")) throw new UsageError("FILE is empty");
  const against = values.get("against");
  const finished = values.get("finished");
  if (against === "") throw new UsageError(`Option "--against" needs the name of a folder: it is empty`);
  if (finished !== undefined && against === undefined) {
    throw new UsageError(`Option "--finished" goes with "--against"`, `See windkit ${shown} --help`);
  }
  return {
    command: "check",
    files: words,
    json: flags.has("json"),
    strict: flags.has("strict"),
    ...(against === undefined ? {} : { against }),
    finished: finished === undefined ? DEFAULT_FINISHED : wholeNumber("--finished", finished, 0),
  };
}

function readOptions(verb: Verb, shown: string, argv: readonly string[]): Given | "help" {
  const spec: Readonly<Record<string, "string" | "boolean">> = OPTIONS[verb];
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: {
      ...Object.fromEntries(Object.entries(spec).map(([name, type]) => [name, { type }])),
      help: { type: "boolean", short: "h" },
    },
  });
  const values = new Map<string, string>();
  const flags = new Set<string>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    if (token.name === "help") return "help";
    const type = Object.hasOwn(spec, token.name) ? spec[token.name] : undefined;
    if (type === undefined) {
      const known = [...Object.keys(spec), "help"].map((name) => `--${name}`);
      throw new UsageError(
        `Unknown option "${token.rawName}"${guess(token.rawName, known)}`,
        `See windkit ${shown} --help`,
      );
    }
    if (type === "boolean") {
      if (token.value !== undefined) {
        throw new UsageError(`Option "${token.rawName}" takes no value: got "${token.value}"`);
      }
      flags.add(token.name);
      continue;
    }
    if (token.value === undefined || (!token.inlineValue && token.value.startsWith("--"))) {
      throw new UsageError(`Option "${token.rawName}" needs a value`, `See windkit ${shown} --help`);
    }
    if (values.has(token.name)) throw new UsageError(`Option "${token.rawName}" is given twice`);
    values.set(token.name, token.value);
  }
  return { values, flags, words };
}

function take(
  shown: string,
  words: readonly string[],
  needed: readonly string[],
  more: readonly string[] = [],
): readonly string[] {
  const missing = needed[words.length];
  if (missing !== undefined) throw new UsageError(`Command "${shown}" needs ${missing}`, `See windkit ${shown} --help`);
  const extra = words[needed.length + more.length];
  if (extra !== undefined) throw new UsageError(`Unexpected argument "${extra}"`, `See windkit ${shown} --help`);
  const empty = words.findIndex((word) => word === "");
  if (empty !== -1) throw new UsageError(`${[...needed, ...more][empty] ?? "An argument"} is empty`);
  return words;
}

/**
 * Reads JSON that a person typed.
 *
 * @param option where it was given, for the error
 * @param text the text
 * @returns the value
 */
export function parseJson(option: string, text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const shown = text.length > 60 ? `${text.slice(0, 60)}...` : text;
    throw new UsageError(`${option} is not JSON: ${why}`, `Got: ${shown}`, { cause: error });
  }
}

function workflowArguments(text: string): Json {
  const value = parseJson("--args", text);
  if (typeof value === "object" && value !== null) return value;
  throw new UsageError(
    `--args must be an object by parameter name, or an array: got ${value === null ? "null" : `a ${typeof value}`}`,
    `For example: --args '{"year": 2014}'`,
  );
}

function checkRunId(option: string, id: string): void {
  if (id === "") throw new UsageError(`Option "${option}" is empty`);
  if (id.length > 200) throw new UsageError(`Option "${option}" is longer than 200 characters: it has ${id.length}`);
  if (id.startsWith("-") || /[\p{Cc}\s]/u.test(id)) {
    throw new UsageError(`Option "${option}" must have no spaces and not begin with "-": got ${JSON.stringify(id)}`);
  }
}

function oneOf<T extends string>(option: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((known) => known === value);
  if (found !== undefined) return found;
  throw new UsageError(
    `Option "${option}" must be one of ${allowed.join(", ")}: got "${value}"${guess(value, allowed)}`,
  );
}

function wholeNumber(option: string, text: string, least: 0 | 1 = 1): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  const range = least === 0 ? "of 0 or more" : "above 0";
  throw new UsageError(`Option "${option}" must be a whole number ${range}: got "${text}"`);
}

function parseAge(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text);
  const unit = UNIT_MS[match?.[2] ?? ""];
  const ms = Number(match?.[1]) * (unit ?? Number.NaN);
  if (Number.isFinite(ms)) return ms;
  throw new UsageError(`Option "${option}" must be a number and a unit of s, m, h, d or w, as in 30d: got "${text}"`);
}

/** `: did you mean "x"?`, when a known word is one or two letters away. */
export function guess(word: string, known: readonly string[]): string {
  const best = nearestName(word, known);
  return best === undefined ? "" : `: did you mean "${best}"?`;
}
