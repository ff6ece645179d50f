/**
 * Where variables and resources ask whether a mock stands in for the server.
 *
 * @module
 */
import { ConfigurationError } from "../base/errors.ts";
import type { MockAction, MockKind } from "./_mock.ts";
import { type ClientOptions, variable } from "./connection.ts";

/**
 * Reads or writes a value of what stands in for the server: an option, else a file for a client that takes its workspace from
 * the environment. Asks the server with `ask` when there is neither, or when it leaves the value to the server.
 */
export function mocked<T>(
  client: ClientOptions,
  ask: () => Promise<T>,
  ...what: [path: string, action?: MockAction, kind?: MockKind, value?: unknown]
): Promise<T> {
  const source = client.mockedApi ?? (client.workspace ? undefined : variable(client, "WM_MOCKED_API_FILE"));
  return source
    ? import("./_mock.ts").then((mock) => mock.use<T>(ConfigurationError, client, source, ask, ...what))
    : ask();
}
