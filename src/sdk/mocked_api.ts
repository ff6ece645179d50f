/**
 * What stands in for the server.
 *
 * @module
 */
import { ConfigurationError } from "../base/errors.ts";
import { mockSource } from "./_mocked.ts";
import type { MockedApi } from "./_mocked_api.ts";
import type { ClientOptions } from "./connection.ts";

/** What stands in for the workspace's variables and resources now; undefined when the server is asked. */
export async function readMocks(client: ClientOptions): Promise<Required<MockedApi> | undefined> {
  const source = mockSource(client);
  if (!source) return undefined;
  return (await import("./_mocked_api.ts")).readMockedApi(ConfigurationError, client, source);
}
