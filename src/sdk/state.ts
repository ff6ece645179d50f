/**
 * State that a script keeps between its runs, and state of the flow that a job belongs to.
 *
 * @module
 */
import { encodeSegment } from "../base/url.ts";
import type { CallOptions } from "../http/transport.ts";
import { readJson } from "../wire/answer.ts";
import { readDone } from "../wire/plain.ts";
import { readRootJobId } from "./_current_job.ts";
import { findResource, writeResource } from "./_resource_values.ts";
import { statePathOf } from "./_state_path.ts";
import { type ClientOptions, inWorkspace, post, request } from "./connection.ts";

/** Options of reading and writing state. */
export interface StateOptions extends CallOptions {
  /** Where the state is. @default `WM_STATE_PATH_NEW`, else `WM_STATE_PATH` */
  readonly path?: string;
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
  // Before anything is asked: a key that cannot be used needs no request.
  const last = encodeSegment(key, "key of flow state");
  const root = await readRootJobId(client, undefined, options);
  return inWorkspace(client, `jobs/flow/user_states/${encodeSegment(root, "job")}/${last}`);
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
  readDone(await post(client, { route, body: value ?? null, idempotent: true }, options));
}

/** State of the running script, and of the flow that it runs in. */
export interface StateGroup {
  /** Where the state of the running script is kept. */
  readonly path: () => string;
  /** Reads the state; undefined when there is none yet. The type is the caller's word: nothing checks it. */
  readonly get: <T = unknown>(options?: StateOptions) => Promise<T | undefined>;
  /** Writes the state, and creates it if there is none. */
  readonly set: (state: unknown, options?: StateOptions) => Promise<void>;
  /** Reads what a job of the running flow left under a key; null when there is nothing. */
  readonly getFlow: <T = unknown>(key: string, options?: CallOptions) => Promise<T | null>;
  /** Leaves a value under a key, for all jobs of the running flow. */
  readonly setFlow: (key: string, value: unknown, options?: CallOptions) => Promise<void>;
}

/** The functions of this group for one client. */
export function stateGroup(c: ClientOptions): StateGroup {
  // `as` below: what the server stores has the type that the caller says it has; nothing here could know better.
  return {
    path: () => statePathOf(c),
    get: <T>(o?: StateOptions) => readState(c, o) as Promise<T | undefined>,
    set: (state, o) => writeState(c, state, o),
    getFlow: <T>(key: string, o?: CallOptions) => readFlowState(c, key, o) as Promise<T | null>,
    setFlow: (key, value, o) => writeFlowState(c, key, value, o),
  };
}
