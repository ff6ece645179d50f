/**
 * What stands in for the server.
 *
 * @module
 */
import { mocked } from "./_mocked.ts";
import type { MockedApi } from "./_mock.ts";
import type { ClientOptions } from "./connection.ts";

/** What stands in for the workspace's variables and resources now; undefined when the server is asked. */
export function readMocks(client: ClientOptions): Promise<Required<MockedApi> | undefined> {
  return mocked<Required<MockedApi> | undefined>(client, async () => undefined, "", "all");
}
