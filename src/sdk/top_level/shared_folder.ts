/**
 * The shared folder under the Python client's names, with its arguments.
 *
 * What the functions do differently: the folder is looked for where workers put it (`./shared`), then where the official clients
 * look (`/shared`); a path cannot lead out of it; a file is replaced whole.
 *
 * @module
 */
import { HostUnsupportedError } from "../../base/errors.ts";
import type { SharedOptions } from "../_shared_files.ts";
import { readSharedValue, writeSharedValue } from "../shared_folder.ts";

/** Where the official clients look for the shared folder. Workers put it at `./shared`. */
export const SHARED_FOLDER = "/shared";

/**
 * Writes a value to the folder that the steps of a flow share on one worker (`same_worker`), as JSON.
 *
 * @param path name of the file, below the folder
 * @param options another folder
 */
export function setSharedState(
  value: unknown,
  path: string = "state.json",
  options?: Omit<SharedOptions, "path">,
): Promise<void> {
  return writeSharedValue(value, { ...options, path });
}

/**
 * Reads a value from the folder that the steps of a flow share on one worker (`same_worker`); ConfigurationError when none was
 * set. The type is the caller's word.
 *
 * @param path name of the file, below the folder
 * @param options another folder
 */
export async function getSharedState<T = unknown>(
  path: string = "state.json",
  options?: Omit<SharedOptions, "path">,
): Promise<T> {
  return await readSharedValue({ ...options, path }) as T;
}

function noPickle(name: string): HostUnsupportedError {
  return new HostUnsupportedError(`Pickle is a form of Python alone: use ${name}(), which is JSON`);
}

/**
 * Always rejects with HostUnsupportedError: pickle is a form of Python alone.
 *
 * @deprecated Use {@linkcode setSharedState} instead, which Python can read.
 */
export async function setSharedStatePickle(_value?: unknown, _path?: string): Promise<never> {
  throw noPickle("setSharedState");
}

/**
 * Always rejects with HostUnsupportedError: pickle is a form of Python alone.
 *
 * @deprecated Use {@linkcode getSharedState} instead.
 */
export async function getSharedStatePickle(_path?: string): Promise<never> {
  throw noPickle("getSharedState");
}
