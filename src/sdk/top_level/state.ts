/**
 * State under the official client's names, with its arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status and
 * body), paths are encoded, a missing workspace, token or job id is a ConfigurationError before any request, `""` in the
 * environment is unset, and calls have time limits, repetition where it is safe, and signals.
 *
 * @module
 */
import { hasCode } from "../../base/errors.ts";
import { statePathOf } from "../_state_path.ts";
import { defaultClient } from "../default_client.ts";
import { readFlowState, readState, writeFlowState, writeState } from "../state.ts";

/**
 * Gives the path where the state of the running script is kept.
 *
 * @throws ConfigurationError when the environment has none
 */
export function getStatePath(): string {
  return statePathOf(defaultClient());
}

/** Gives the path where the state of the running script is kept: {@linkcode getStatePath} under the Python client's name. */
export function statePath(): string {
  return getStatePath();
}

/**
 * Reads the state that the running script keeps between its runs; undefined when there is none yet. The type is the caller's
 * word.
 *
 * @param path where it is; the environment's path when it is not given
 */
export async function getState<T = unknown>(path?: string): Promise<T | undefined> {
  return await readState(defaultClient(), path === undefined ? {} : { path }) as T | undefined;
}

/**
 * Reads the state that the running script keeps between its runs: {@linkcode getState} under the name of the Python client's
 * property. It cannot be assigned to, since writing waits: use {@linkcode setState}.
 */
export function state<T = unknown>(): Promise<T | undefined> {
  return getState();
}

/**
 * Writes the state that the running script keeps between its runs.
 *
 * @param path where it is; the environment's path when it is not given
 */
export function setState(state: unknown, path?: string): Promise<void> {
  return writeState(defaultClient(), state, path === undefined ? {} : { path });
}

/**
 * Reads the state of the running script.
 *
 * @deprecated Use {@linkcode getState} instead.
 */
export function getInternalState<T = unknown>(): Promise<T | undefined> {
  return getState();
}

/**
 * Writes the state of the running script.
 *
 * @deprecated Use {@linkcode setState} instead.
 */
export function setInternalState(state: unknown): Promise<void> {
  return setState(state);
}

/**
 * Reads what a job of the running flow left under a key; null when there is nothing. The type is the caller's word.
 *
 * @param errorIfNotPossible false reports a failure on the console and gives undefined, which is the official default
 */
export async function getFlowUserState<T = unknown>(
  key: string,
  errorIfNotPossible: boolean = true,
): Promise<T | null | undefined> {
  return await possibly(errorIfNotPossible, () => readFlowState(defaultClient(), key)) as T | null | undefined;
}

/**
 * Leaves a value under a key, for all jobs of the running flow.
 *
 * @param errorIfNotPossible false reports a failure on the console and goes on, which is the official default
 */
export async function setFlowUserState(
  key: string,
  value: unknown,
  errorIfNotPossible: boolean = true,
): Promise<void> {
  await possibly(errorIfNotPossible, () => writeFlowState(defaultClient(), key, value));
}

async function possibly<T>(strict: boolean, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (strict || !(hasCode(error, "WINDMILL_API") || hasCode(error, "CONFIGURATION"))) throw error;
    console.error(`Cannot use the state of the flow: ${error.message}`);
    return undefined;
  }
}
