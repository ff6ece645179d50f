/**
 * The client of the top-level functions: the environment's, unless {@linkcode setClient} says otherwise.
 *
 * @module
 */
import { type ClientOptions, workspaceOf } from "./connection.ts";

let base: ClientOptions = {};
let current: ClientOptions = {};

/** The options of the top-level functions. */
export function defaultClient(): ClientOptions {
  return current;
}

/**
 * Sets what the top-level functions use. What is not given is read from the environment at each call; the official client
 * reads it once, at import. For several tenants in one process make a client each with {@linkcode createClient}.
 *
 * @param token the token; undefined for `WM_TOKEN`
 * @param baseUrl address of the instance without `/api`; undefined for the environment's
 * @param workspace id of the workspace; undefined for `WM_WORKSPACE`. The official client has no such argument
 */
export function setClient(token?: string, baseUrl?: string, workspace?: string): void {
  current = {
    ...base,
    ...(token === undefined ? {} : { token }),
    ...(baseUrl === undefined ? {} : { baseUrl }),
    ...(workspace === undefined ? {} : { workspace }),
  };
}

/**
 * Lets the top-level functions use a client's options, also when {@linkcode setClient} is called later: it changes the three
 * that it can.
 *
 * @returns what gives them back what they had
 */
export function useClient(options: ClientOptions): () => void {
  const before = [base, current] as const;
  base = current = options;
  return () => {
    [base, current] = before;
  };
}

/** Changes options of the top-level functions. Those that {@linkcode setClient} has no argument for outlive it. */
export function changeDefaultClient(changes: ClientOptions): void {
  const { token: _, baseUrl: __, workspace: ___, ...others } = changes;
  base = { ...base, ...others };
  current = { ...current, ...changes };
}

/**
 * Gives the id of the workspace that the top-level functions work in.
 *
 * @returns the id
 * @throws ConfigurationError when there is none; the official client gives the text `no_workspace`
 */
export function getWorkspace(): string {
  return workspaceOf(current);
}
