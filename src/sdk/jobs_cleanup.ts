/**
 * Cancelling jobs when the process that waits for them ends.
 *
 * @module
 */
import { type ClientOptions, prepare, withBody } from "./connection.ts";
import { cancelCall } from "./jobs_records.ts";

/**
 * Cancels a job when this process ends while it is waited for: pass it as option `cleanup`. It is sent by a thread of its own,
 * without the client's `fetch`; the end of the process waits for it, 3 s at most, and is otherwise the same.
 *
 * @param client who cancels it
 * @param jobId the job
 * @returns what forgets the job
 *
 * @example
 * ```ts
 * import { cancelOnExit, createClient } from "@windkit/windmill-client";
 *
 * const id = "0190e0c4-0000-7000-8000-000000000001";
 * const fetch = (url: string) =>
 *   Promise.resolve(new Response(url.includes("/run/") ? id : '{"completed":true,"success":true,"result":42}'));
 * const client = createClient({ baseUrl: "https://windmill.example.com", workspace: "acme", token: "secret", fetch });
 * const result = await client.jobs.run("f/team/report", {}, { cleanup: cancelOnExit });
 * if (result !== 42) throw new Error(`${result}`);
 * ```
 */
export async function cancelOnExit(client: ClientOptions, jobId: string): Promise<() => void> {
  const { body, ...call } = cancelCall(client, jobId, { reason: "parent script cancelled" });
  const request = prepare(client, { method: "POST", ...call });
  const { url, init } = withBody(request, JSON.stringify(body), "application/json");
  // Loaded when it is wanted: it is large, and imports nothing that a program has already.
  const { atExit } = await import("../platform/exit.ts");
  return atExit({ url, init });
}
