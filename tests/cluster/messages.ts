/**
 * What a round may leave in `result.json`, checked as the worker's tagged enum checks it (wac-protocol 3).
 *
 * @module
 */
import type { Json } from "./jsonb.ts";

/** One child to start. */
export interface DispatchStep {
  readonly name: string;
  readonly script: string;
  readonly args: { readonly [name: string]: Json };
  readonly key: string;
  readonly dispatch_type: string;
  readonly timeout?: number;
  readonly tag?: string;
  readonly cache_ttl?: number;
  readonly priority?: number;
  readonly concurrent_limit?: number;
  readonly concurrency_key?: string;
  readonly concurrency_time_window_s?: number;
  readonly fn_id?: string;
}

/** A message of a round. */
export type WacOutput =
  | { readonly type: "complete"; readonly result: Json }
  | { readonly type: "dispatch"; readonly mode: string; readonly steps: readonly DispatchStep[] }
  | {
    readonly type: "inline_checkpoint";
    readonly key: string;
    readonly result: Json;
    readonly started_at: string | null;
    readonly duration_ms: number | null;
  }
  | {
    readonly type: "approval";
    readonly key: string;
    readonly timeout: number | null;
    readonly form: Json;
    readonly self_approval_disabled: boolean | null;
    readonly skin: Json;
    readonly description: Json;
  }
  | { readonly type: "sleep"; readonly key: string; readonly seconds: number };

type Check = (value: Json) => string | undefined;

function kindOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "sequence";
  switch (typeof value) {
    case "string":
      return `string ${JSON.stringify(value)}`;
    case "number":
      return Number.isInteger(value) ? `integer \`${value}\`` : `floating point \`${value}\``;
    case "boolean":
      return `boolean \`${value}\``;
    default:
      return "map";
  }
}

function invalid(value: Json, expected: string): string {
  return `invalid type: ${kindOf(value)}, expected ${expected}`;
}

function text(value: Json): string | undefined {
  return typeof value === "string" ? undefined : invalid(value, "a string");
}

function flag(value: Json): string | undefined {
  return typeof value === "boolean" ? undefined : invalid(value, "a boolean");
}

function map(value: Json): string | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? undefined : invalid(value, "a map");
}

function any(): undefined {}

function whole(type: string, least: number, most: number): Check {
  return (value) => {
    if (typeof value !== "number" || !Number.isInteger(value)) return invalid(value, type);
    return value >= least && value <= most ? undefined : `invalid value: integer \`${value}\`, expected ${type}`;
  };
}

function optional(check: Check): Check {
  return (value) => value === null ? undefined : check(value);
}

const u32 = whole("u32", 0, 4294967295);
const i32 = whole("i32", -2147483648, 2147483647);

type Fields = Readonly<Record<string, { readonly check: Check; readonly need?: true }>>;

const STEP: Fields = {
  name: { check: text, need: true },
  script: { check: text, need: true },
  args: { check: map, need: true },
  key: { check: text, need: true },
  dispatch_type: { check: text },
  timeout: { check: optional(i32) },
  tag: { check: optional(text) },
  cache_ttl: { check: optional(i32) },
  priority: { check: optional(whole("i16", -32768, 32767)) },
  concurrent_limit: { check: optional(i32) },
  concurrency_key: { check: optional(text) },
  concurrency_time_window_s: { check: optional(i32) },
  fn_id: { check: optional(text) },
};

const MESSAGES: Readonly<Record<string, Fields>> = {
  complete: { result: { check: any, need: true } },
  dispatch: {
    mode: { check: text, need: true },
    steps: {
      check: (value) => Array.isArray(value) ? undefined : invalid(value, "a sequence"),
      need: true,
    },
  },
  inline_checkpoint: {
    key: { check: text, need: true },
    result: { check: any, need: true },
    started_at: { check: optional(text) },
    duration_ms: { check: optional(whole("u64", 0, Number.MAX_SAFE_INTEGER)) },
  },
  approval: {
    key: { check: text, need: true },
    timeout: { check: optional(u32) },
    form: { check: any },
    self_approval_disabled: { check: optional(flag) },
    skin: { check: optional(text) },
    description: { check: any },
  },
  sleep: { key: { check: text, need: true }, seconds: { check: u32, need: true } },
};

/** Reads the fields that a table names; unknown ones are passed over. */
export function readFields(value: Json, fields: Fields): Record<string, Json> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(invalid(value, "a map"));
  const found: Record<string, Json> = {};
  for (const [name, { check, need }] of Object.entries(fields)) {
    if (!Object.hasOwn(value, name)) {
      if (need) throw new Error(`missing field \`${name}\``);
      found[name] = null;
      continue;
    }
    const problem = check(value[name] as Json);
    if (problem !== undefined) throw new Error(problem);
    found[name] = value[name] as Json;
  }
  return found;
}

/** The fields of an inline checkpoint that is posted. */
export const INLINE_CHECKPOINT: Fields = MESSAGES.inline_checkpoint as Fields;

/** Reads a message; throws the text with which the job fails. */
export function parseOutput(result: string): WacOutput {
  try {
    const value = JSON.parse(result) as Json;
    const type = readFields(value, { type: { check: text, need: true } }).type as string;
    const fields = Object.hasOwn(MESSAGES, type) ? MESSAGES[type] : undefined;
    if (fields === undefined) {
      const known = Object.keys(MESSAGES).map((name) => `\`${name}\``).join(", ");
      throw new Error(`unknown variant \`${type}\`, expected one of ${known}`);
    }
    const message = { type, ...readFields(value, fields) };
    if (type !== "dispatch") return message as unknown as WacOutput;
    const steps = (message as unknown as { steps: Json[] }).steps.map((step) => {
      const { dispatch_type, ...read } = readFields(step, STEP);
      return { ...read, dispatch_type: dispatch_type ?? "inline" };
    });
    if (steps.length === 0) throw new Error("dispatch without steps");
    return { ...message, steps } as unknown as WacOutput;
  } catch (error) {
    throw new Error(`Failed to parse WAC output: ${(error as Error).message}`, { cause: error });
  }
}
