/**
 * Where variables and resources ask whether a mock stands in for the server.
 *
 * @module
 */
import { ConfigurationError } from "../base/errors.ts";
import type { MockAction, MockKind } from "./_mocked_api.ts";
import { type ClientOptions, variable } from "./connection.ts";

/**
 * Reads or writes a value of what stands in for the server: an option, else a file for a client that takes its workspace from
 * the environment. Gives undefined when there is neither, or when it leaves the value to the server.
 */
export async function mocked(
  client: ClientOptions,
  ...what: [kind: MockKind, path: string, action?: MockAction, value?: unknown]
): Promise<{ readonly value: unknown } | undefined> {
  const source = client.mockedApi ?? (client.workspace === undefined && variable(client, "WM_MOCKED_API_FILE"));
  if (source) return (await import("./_mocked_api.ts")).useMock(ConfigurationError, client, source, ...what);
}
