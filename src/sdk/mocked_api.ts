/**
 * What stands in for the server.
 *
 * @module
 */
import { mocked } from "./_mocked.ts";
import type { MockedApi } from "./_mocked_api.ts";
import type { ClientOptions } from "./connection.ts";

/** What stands in for the workspace's variables and resources now; undefined when the server is asked. */
export async function readMocks(client: ClientOptions): Promise<Required<MockedApi> | undefined> {
  // `as`: what the action "all" gives.
  return (await mocked(client, "variables", "", "all"))?.value as Required<MockedApi> | undefined;
}
