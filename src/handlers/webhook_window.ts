/**
 * Deliveries that come twice: senders repeat what was not acknowledged, and others what they got hold of.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";

/** Which deliveries were done already. An id is a UUID, made of the sender's own id and of what is done with the delivery. */
export interface ReplayWindow {
  /** True for an id that was recorded. It is asked before anything is run. */
  readonly seen: (id: string) => boolean | Promise<boolean>;
  /** Records an id. It is called when the job was started, or when `handle` succeeded: what failed must be let in again. */
  readonly record: (id: string) => void | Promise<void>;
}

/** Options of {@linkcode createReplayWindow}. */
export interface ReplayWindowOptions {
  /** How many ids are kept; the oldest are forgotten first. @default 10000 */
  readonly capacity?: number;
}

/**
 * A window in the memory of this isolate: bounded, gone with the isolate, and unknown to every other one.
 *
 * @example
 * ```ts
 * import { createReplayWindow } from "@windkit/windmill-client/handlers";
 *
 * const window = createReplayWindow({ capacity: 2 });
 * for (const id of ["a", "b", "c"]) await window.record(id);
 * if (await window.seen("a") || !await window.seen("c")) throw new Error("The oldest is forgotten first");
 * ```
 */
export function createReplayWindow(options: ReplayWindowOptions = {}): ReplayWindow {
  const { capacity = 10_000 } = options;
  if (!(capacity >= 1)) throw new RangeError(`'capacity' must be >= 1, found ${capacity}`);
  const ids = new Set<string>();
  return {
    seen: (id) => ids.has(id),
    record: (id) => {
      ids.delete(id);
      ids.add(id);
      for (const oldest of ids) {
        if (ids.size <= capacity) break;
        ids.delete(oldest);
      }
    },
  };
}

/** A UUID of version 8 that is always the same for the same texts: 122 bits of their SHA-256. */
export async function uuidOf(...texts: readonly string[]): Promise<string> {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(texts))));
  bytes[6] = (bytes[6] ?? 0) & 0x0f | 0x80;
  bytes[8] = (bytes[8] ?? 0) & 0x3f | 0x80;
  return toHex(bytes.subarray(0, 16)).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
