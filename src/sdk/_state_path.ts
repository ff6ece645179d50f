/**
 * Where a script's state is kept: a resource, which {@linkcode getResource} reads too when no path is given.
 *
 * @module
 */
import { type ClientOptions, setting } from "./connection.ts";

/** Where the state of the running script is kept. */
export function statePathOf(client: ClientOptions): string {
  return setting(client, undefined, /./, "the path of the state, as an argument", "WM_STATE_PATH_NEW", "WM_STATE_PATH");
}
