/**
 * Where variables and resources ask whether a mock stands in for the server.
 *
 * @module
 */
import { ConfigurationError } from "../base/errors.ts";
import type { MockAction, MockedApi, MockKind } from "./_mocked_api.ts";
import { type ClientOptions, variable } from "./connection.ts";

/** What stands in for the server: an option, else a file for a client that takes its workspace from the environment. */
export function mockSource(client: ClientOptions): MockedApi | string | false | undefined {
  return client.mockedApi ?? (client.workspace === undefined && variable(client, "WM_MOCKED_API_FILE"));
}

/** Reads or writes a value of the client's mock; undefined when there is none, or it leaves the value to the server. */
export async function mocked(
  client: ClientOptions,
  ...what: [kind: MockKind, path: string, action: MockAction, value?: unknown]
): Promise<{ readonly value: unknown } | undefined> {
  const source = mockSource(client);
  if (source) return (await import("./_mocked_api.ts")).useMock(ConfigurationError, client, source, ...what);
}
