/**
 * What the cases about the test kit share.
 *
 * @module
 */
import { type Client, createClient, hasCode } from "@windkit/windmill-client";
import { type MockOptions, type MockWindmill, mockWindmill } from "@windkit/windmill-client/testing";
import { assertRejects } from "./assert.ts";

/** A mock, and a client of it that repeats at once. */
export function start(options: MockOptions = {}): { readonly mock: MockWindmill; readonly client: Client } {
  const mock = mockWindmill(options);
  return { mock, client: createClient({ ...mock.options, retry: { baseMs: 0 } }) };
}

/** A request below the workspace. */
export async function ask(
  mock: MockWindmill,
  method: string,
  path: string,
  body?: RequestInit["body"],
  headers: Record<string, string> = {},
): Promise<Response> {
  return await mock.fetch(`http://windmill.test/api/w/mock/${path}`, {
    method,
    body: body ?? null,
    headers: { authorization: "Bearer mock-token", ...headers },
  });
}

/** Status and text of an answer. */
export async function said(response: Promise<Response>): Promise<string> {
  const { status, ...rest } = { status: (await response).status, text: await (await response).text() };
  return `${status} ${rest.text}`;
}

/** Status and body of the error that a call ends with. */
export async function failure(promise: Promise<unknown>): Promise<string> {
  const error = await assertRejects(() => promise, "WINDMILL_API");
  if (!hasCode(error, "WINDMILL_API")) throw error;
  const { status, body } = error as unknown as { status: number; body: string };
  return `${status} ${body}`;
}
