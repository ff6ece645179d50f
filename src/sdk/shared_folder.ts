/**
 * Values that the steps of a flow share, when the flow runs on one worker.
 *
 * @module
 */
import { ConfigurationError, HostUnsupportedError } from "../base/errors.ts";
import type { SharedFailures, SharedOptions } from "./_shared_files.ts";

function failures(): SharedFailures {
  return {
    bad: (message, options) => new ConfigurationError(message, options),
    unsupported: (message) => new HostUnsupportedError(message),
  };
}

/** Reads a value of the shared folder; undefined when none was set. */
async function findSharedValue(options: SharedOptions = {}): Promise<unknown> {
  return await (await import("./_shared_files.ts")).findShared(failures(), options);
}

/** Reads a value of the shared folder. */
export async function readSharedValue(options: SharedOptions = {}): Promise<unknown> {
  const value = await findSharedValue(options);
  if (value !== undefined) return value;
  throw new ConfigurationError(`No shared state at "${options.path ?? "state.json"}": nothing was set yet`);
}

/** Writes a value to the shared folder: whoever reads meanwhile sees the value before or this one, whole. */
export async function writeSharedValue(value: unknown, options: SharedOptions = {}): Promise<void> {
  await (await import("./_shared_files.ts")).writeShared(failures(), value, options);
}

/** Values that the steps of a flow share on one worker (`same_worker`), as files of JSON. */
export interface SharedGroup {
  /** Reads a value; ConfigurationError when none was set. The type is the caller's word: nothing checks it. */
  readonly get: <T = unknown>(options?: SharedOptions) => Promise<T>;
  /** Reads a value; undefined when none was set. */
  readonly find: <T = unknown>(options?: SharedOptions) => Promise<T | undefined>;
  /** Writes a value. */
  readonly set: (value: unknown, options?: SharedOptions) => Promise<void>;
}

/** The functions of this group. They need no client. */
export function sharedGroup(): SharedGroup {
  // `as` below: what another step stored has the type that the caller says it has; nothing here could know better.
  return {
    get: <T>(o?: SharedOptions) => readSharedValue(o) as Promise<T>,
    find: <T>(o?: SharedOptions) => findSharedValue(o) as Promise<T | undefined>,
    set: (value, o) => writeSharedValue(value, o),
  };
}
