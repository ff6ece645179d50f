/**
 * `windkit.json` of a synced folder: what the local server does with it that `wmill.yaml` has no word for.
 *
 * @module
 */
import { lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isRecord } from "../wire/answer.ts";
import type { Json } from "../workflow/journal.ts";
import { UsageError } from "./exit_codes.ts";

/** Name of the file. */
export const SETTINGS_FILE = "windkit.json";

/** Bounds of jobs; what is undefined has the server's own. */
export interface DevLimits {
  /** Resident memory of a script, in bytes. */
  readonly memory?: number;
  /** What a script's files take of the disk, in bytes. */
  readonly disk?: number;
  /** A result, in characters. */
  readonly result?: number;
  /** A log, and a streamed result, in characters. */
  readonly log?: number;
  /** Longest time of a job, in seconds. */
  readonly timeout?: number;
  /** Jobs that run at a time. */
  readonly jobs?: number;
}

/** What the file says. */
export interface DevSettings {
  /** Whether scripts reach the net. */
  readonly net: "open" | "closed";
  /** Hosts that are closed to scripts all the same, as Deno's `--deny-net` takes them. */
  readonly denyNet: readonly string[];
  /** Addresses of data tables that are on servers, by name; `$var:` and `$res:` are looked up when they are used. */
  readonly datatables: Readonly<Record<string, string>>;
  /** Storages that are an S3, by name. */
  readonly s3: Readonly<Record<string, Json>>;
  /** How long ended jobs are kept, in seconds; undefined for the server's own time. */
  readonly retentionS?: number;
  /** Bounds of jobs that are others than the server's own. */
  readonly limits?: DevLimits;
}

type Fields = Readonly<Record<string, unknown>>;

/** What is said here fits on a screen many times over. */
const MAX_BYTES = 1024 * 1024;

const UNIT_BYTES: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** Longest text that all runtimes hold, with room for what is around it. */
const MAX_TEXT = 256 * 2 ** 20;

const UNIT_S: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

function wrong(key: string, expected: string): UsageError {
  // The value is never shown: it may be a password.
  return new UsageError(`${SETTINGS_FILE}: '${key}' must be ${expected}`, "See docs/server.md");
}

function fieldsOf(key: string, value: unknown): Fields {
  if (value === undefined) return {};
  if (!isRecord(value)) throw wrong(key, "an object");
  return value;
}

function refuseOthers(where: string, fields: Fields, known: readonly string[]): void {
  const other = Object.keys(fields).find((key) => !known.includes(key));
  if (other === undefined) return;
  const place = where === "" ? "" : `${where}.`;
  throw new UsageError(
    `${SETTINGS_FILE}: unknown key '${place}${other}': known are ${known.map((key) => `'${place}${key}'`).join(", ")}`,
    "See docs/server.md",
  );
}

function readNet(value: unknown): DevSettings["net"] {
  if (value === undefined) return "open";
  if (value === "open" || value === "closed") return value;
  throw wrong("permissions.net", '"open" or "closed"');
}

function readHosts(value: unknown): readonly string[] {
  if (value === undefined) return [];
  const isHost = (host: unknown): host is string => typeof host === "string" && /^[\w.:[\]/*-]{1,255}$/.test(host);
  if (Array.isArray(value) && value.every(isHost)) return value;
  throw wrong("permissions.denyNet", 'an array of hosts, with a port or not: ["10.0.0.0/8", "db.internal:5432"]');
}

function readDatatables(value: unknown): Readonly<Record<string, string>> {
  const fields = fieldsOf("datatables", value);
  for (const [name, address] of Object.entries(fields)) {
    const key = `datatables.${name}`;
    if (!/^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$/.test(name)) throw wrong(key, 'called by letters, digits, "_" and "-"');
    const expected = 'an address "postgres://...", or a variable or resource that has it: "$var:f/folder/name"';
    if (typeof address !== "string") throw wrong(key, expected);
    const isReference = /^\$(?:var|res):[ugf]\/[\w/.-]+$/.test(address);
    if (!isReference && !(/^postgres(?:ql)?:\/\//.test(address) && URL.canParse(address))) throw wrong(key, expected);
  }
  // `as`: each of them was looked at.
  return fields as Readonly<Record<string, string>>;
}

function readTime(key: string, value: unknown, example: string): number | undefined {
  if (value === undefined) return undefined;
  const [, number = "", unit = ""] = typeof value === "string" ? /^(\d+)([smhdw])$/.exec(value) ?? [] : [];
  const seconds = Number(number) * (UNIT_S[unit] ?? Number.NaN);
  if (number === "" || !Number.isSafeInteger(seconds)) {
    throw wrong(key, `a number and a unit of s, m, h, d or w, as in "${example}"`);
  }
  return seconds;
}

function readSize(key: string, value: unknown, least: number, most: number): number {
  const [, number = "", unit = ""] = typeof value === "string" ? /^(\d+)([kmg])$/.exec(value) ?? [] : [];
  const bytes = Number(number) * (UNIT_BYTES[unit] ?? Number.NaN);
  if (number !== "" && bytes >= least && bytes <= most) return bytes;
  const bounds = most === MAX_TEXT ? `from "1k" to "256m"` : `from "${least / 2 ** 20}m"`;
  throw wrong(key, `a number and a unit of k, m or g, as in "512m", ${bounds}`);
}

function readLimits(value: unknown): DevLimits {
  const fields = fieldsOf("limits", value);
  const { memory, disk, result, log, timeout, jobs } = fields;
  refuseOthers("limits", fields, ["memory", "disk", "result", "log", "timeout", "jobs"]);
  const seconds = readTime("limits.timeout", timeout, "2h");
  if (jobs !== undefined && !(Number.isInteger(jobs) && Number(jobs) >= 1 && Number(jobs) <= 1000)) {
    throw wrong("limits.jobs", "a whole number from 1 to 1000");
  }
  return {
    // Deno itself takes 60 MiB.
    ...(memory !== undefined && { memory: readSize("limits.memory", memory, 128 * 2 ** 20, Number.MAX_SAFE_INTEGER) }),
    ...(disk !== undefined && { disk: readSize("limits.disk", disk, 2 ** 20, Number.MAX_SAFE_INTEGER) }),
    ...(result !== undefined && { result: readSize("limits.result", result, 2 ** 10, MAX_TEXT) }),
    ...(log !== undefined && { log: readSize("limits.log", log, 2 ** 10, MAX_TEXT) }),
    ...(seconds !== undefined && { timeout: seconds }),
    ...(jobs !== undefined && { jobs: Number(jobs) }),
  };
}

/**
 * Reads the settings out of a text.
 *
 * @param text what is in the file
 * @returns the settings
 * @throws UsageError that names the key that is wrong
 */
export function readSettings(text: string): DevSettings {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    // The parser's own words quote what is there.
    const [, place = ""] = /(at (?:position|line).*)$/.exec(cause instanceof Error ? cause.message : "") ?? [];
    throw new UsageError(`${SETTINGS_FILE} is not JSON${place === "" ? "" : `: it is wrong ${place}`}`, undefined, {
      cause,
    });
  }
  if (!isRecord(value)) throw new UsageError(`${SETTINGS_FILE} must be an object`, "See docs/server.md");
  refuseOthers("", value, ["permissions", "datatables", "s3", "retention", "limits", "$schema"]);
  const permissions = fieldsOf("permissions", value["permissions"]);
  refuseOthers("permissions", permissions, ["net", "denyNet"]);
  const retentionS = readTime("retention", value["retention"], "30d");
  return {
    net: readNet(permissions["net"]),
    denyNet: readHosts(permissions["denyNet"]),
    datatables: readDatatables(value["datatables"]),
    // `as`: it was read as JSON. What is in it, the storages look at.
    s3: fieldsOf("s3", value["s3"]) as Readonly<Record<string, Json>>,
    ...(retentionS === undefined ? {} : { retentionS }),
    ...(value["limits"] === undefined ? {} : { limits: readLimits(value["limits"]) }),
  };
}

/**
 * Reads a folder's settings.
 *
 * @param folder the synced folder, absolute
 * @returns the settings; those of an empty object when there is no file
 * @throws UsageError that names the key that is wrong
 */
export function loadSettings(folder: string): DevSettings {
  const path = join(folder, SETTINGS_FILE);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return readSettings("{}");
  if (!found.isFile()) throw new UsageError(`${SETTINGS_FILE} must be a file: it is a folder, a link or a pipe`);
  if (found.size > MAX_BYTES) throw new UsageError(`${SETTINGS_FILE} must have ${MAX_BYTES} bytes at most`);
  return readSettings(readFileSync(path, "utf8"));
}
