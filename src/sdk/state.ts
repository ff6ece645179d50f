/**
 * State that a script keeps between its runs, and state of the flow that a job belongs to.
 *
 * @module
 */
import { encodeSegment } from "../base/url.ts";
import type { CallOptions } from "../http/transport.ts";
import { readJson } from "../wire/answer.ts";
import { readRootJobId } from "./job_records.ts";
import { type ClientOptions, inWorkspace, request, setting } from "./connection.ts";
import { findResource, writeResource } from "./resources.ts";

/** Options of reading and writing state. */
export interface StateOptions extends CallOptions {
  /** Where the state is. @default `WM_STATE_PATH_NEW`, else `WM_STATE_PATH` */
  readonly path?: string;
}

/** Where the state of the running script is kept. */
export function statePathOf(client: ClientOptions): string {
  return setting(client, undefined, /./, "the path of the state, as an argument", "WM_STATE_PATH_NEW", "WM_STATE_PATH");
}

/** Reads the state; undefined when there is none yet. */
export async function readState(client: ClientOptions, options: StateOptions = {}): Promise<unknown> {
  const { path = statePathOf(client) } = options;
  return await findResource(client, path, options);
}

/** Writes the state, and creates it if there is none. */
export async function writeState(client: ClientOptions, state: unknown, options: StateOptions = {}): Promise<void> {
  const { path = statePathOf(client) } = options;
  await writeResource(client, path, state, { ...options, resourceType: "state" });
}

async function flowRoute(client: ClientOptions, key: string, options: CallOptions): Promise<string> {
  const root = await readRootJobId(client, undefined, options);
  return inWorkspace(
    client,
    `jobs/flow/user_states/${encodeSegment(root, "job")}/${encodeSegment(key, "key of flow state")}`,
  );
}

/** Reads a value that a job of the running flow left under a key; null when there is none. */
export async function readFlowState(client: ClientOptions, key: string, options: CallOptions = {}): Promise<unknown> {
  return readJson(await request(client, { route: await flowRoute(client, key, options) }, options), "JSON");
}

/** Leaves a value under a key, for all jobs of the running flow. */
export async function writeFlowState(
  client: ClientOptions,
  key: string,
  value: unknown,
  options: CallOptions = {},
): Promise<void> {
  const route = await flowRoute(client, key, options);
  await request(client, { method: "POST", route, body: value ?? null, idempotent: true }, options);
}
