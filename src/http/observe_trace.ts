/**
 * The headers of W3C Trace Context, by which one request is followed through several systems.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import { randomBytes } from "../platform/random.ts";

/** Where a trace is read from: the text of a `traceparent` header, or headers that may have one, with their `tracestate`. */
export type TraceSource = string | {
  /** Reads a header. */
  get(name: string): string | null | undefined;
};

/** A place in a trace. */
export interface Trace {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  /** Two hex digits: `01` when it is recorded. */
  readonly flags: string;
  /** What other systems say of it. */
  readonly state?: string;
}

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,256}$/;

/** What may be handed on of a `tracestate`: whole members, at most 32 of them and 512 characters. One that is broken: nothing. */
function stateOf(value: string): string | undefined {
  const members = value.split(",").map((member) => member.trim()).filter((member) => member !== "");
  if (!members.every((member) => MEMBER.test(member))) return undefined;
  let kept = members.slice(0, 32);
  while (kept.join().length > 512) kept = kept.slice(0, -1);
  return kept.length > 0 ? kept.join() : undefined;
}

/** Reads a trace; undefined when there is none, or none that is valid. */
export function readTrace(source: TraceSource): Trace | undefined {
  const text = typeof source === "string" ? source : source.get("traceparent") ?? "";
  const [, version, traceId, spanId, flags = "", more] = TRACEPARENT.exec(text.trim()) ?? [];
  if (traceId === undefined || spanId === undefined || (version === "00" && more !== undefined)) return undefined;
  const state = typeof source === "string" ? undefined : stateOf(source.get("tracestate") ?? "");
  // Of flags that are not known yet nothing is said.
  const known = (Number.parseInt(flags, 16) & 3).toString(16).padStart(2, "0");
  return { traceId, spanId, flags: known, ...(state === undefined ? {} : { state }) };
}

/** A number of random digits of which not all are zero. */
function randomId(bytes: number): string {
  const id = toHex(randomBytes(bytes));
  return /[^0]/.test(id) ? id : randomId(bytes);
}

/** A place of its own in the same trace. */
export function childOf(parent: Trace): Trace {
  return { ...parent, spanId: randomId(8) };
}

/** The headers that hand a trace on. */
export function traceHeaders({ traceId, spanId, flags, state }: Trace): Record<string, string> {
  return {
    traceparent: `00-${traceId}-${spanId}-${flags}`,
    ...(state === undefined ? {} : { tracestate: state }),
  };
}

/**
 * Begins a trace: the text of a `traceparent` header that names a new, recorded one.
 *
 * @example Calls of one program as one trace
 * ```ts
 * import { createClient } from "@windkit/windmill-client";
 * import { createTraceparent, observe } from "@windkit/windmill-client/observe";
 *
 * const sent: (string | undefined)[] = [];
 * const windmill = createClient({
 *   baseUrl: "https://windmill.example.com",
 *   workspace: "shop",
 *   token: "secret",
 *   fetch: observe({
 *     traceparent: createTraceparent(),
 *     fetch: async (_url, init) => {
 *       sent.push(new Headers(init.headers).get("traceparent")?.slice(3, 35));
 *       return new Response('"eu"');
 *     },
 *   }),
 * });
 * await windmill.variables.get("f/shop/region");
 * await windmill.variables.get("f/shop/region");
 * if (sent[0] === undefined || sent[0] !== sent[1]) throw new Error("not one trace");
 * ```
 */
export function createTraceparent(): string {
  return `00-${randomId(16)}-${randomId(8)}-01`;
}
