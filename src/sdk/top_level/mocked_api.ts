/**
 * What stands in for the server under the official client's names, with its arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status and
 * body), paths are encoded, a missing workspace, token or job id is a ConfigurationError before any request, `""` in the
 * environment is unset, and calls have time limits, repetition where it is safe, and signals.
 *
 * @module
 */
import type { MockedApi } from "../_mock.ts";
import { defaultClient } from "../default_client.ts";
import { readMocks } from "../mocked_api.ts";

/**
 * Reads what stands in for the workspace's variables and resources: what the file of `WM_MOCKED_API_FILE` holds, with what was
 * written since; undefined when the server is asked. A file that cannot be used is a ConfigurationError, where the official
 * clients go on with an empty one.
 *
 * Unless the file says `"strict": false`, what is not in it is an error; the official clients ask the server. The file is read
 * once per client; writes change what was read, not the file.
 */
export function getMockedApi(): Promise<Required<MockedApi> | undefined> {
  return readMocks(defaultClient());
}
