/**
 * The clients that run under the stand-in, in the process of the test.
 *
 * @module
 */
import * as official from "official-windmill-client";
import * as ours from "../../src/cluster/hosted.ts";
import * as context from "../../src/cluster/worker_context.ts";
// Loaded when a round begins: here before, so that a round needs nothing but macrotasks.
import "../../src/cluster/worker_round.ts";
import { inProcess } from "./in_process.ts";
import type { Completed, Job, Script } from "./jobs.ts";
import type { Json } from "./jsonb.ts";
import { Cluster, type ClusterOptions } from "./server.ts";
import type { WrapperNames } from "./wrapper.ts";

/** The functions that a generated body uses: the same names in both clients. */
export interface Api {
  // deno-lint-ignore no-explicit-any -- two clients with different generic signatures behind one shape
  readonly workflow: (fn: any) => any;
  // deno-lint-ignore no-explicit-any -- as above
  readonly task: (...args: any[]) => any;
  // deno-lint-ignore no-explicit-any -- as above
  readonly taskScript: (path: string, options?: any) => any;
  // deno-lint-ignore no-explicit-any -- as above
  readonly step: (name: string, fn: () => any) => Promise<any>;
  readonly sleep: (seconds: number) => Promise<void>;
  // deno-lint-ignore no-explicit-any -- as above
  readonly waitForApproval: (options?: any) => any;
  // deno-lint-ignore no-explicit-any -- as above
  readonly parallel: (items: any[], fn: any, options?: any) => Promise<any[]>;
}

/** A client under the wrapper. */
export interface Client {
  readonly api: Api;
  /** What the wrapper imports from `windmill-client`. */
  readonly names: WrapperNames;
}

/** The official client. */
export const officialClient: Client = client(official, official);

/** This package beside the official client, whose context the wrapper makes: `import "windmill-client"` is one more line. */
export const windkit: Client = client(ours, official);

/** This package in the official client's place. */
export const windkitAlone: Client = client(ours, context);

function client(api: unknown, names: unknown): Client {
  return { api: api as Api, names: names as WrapperNames };
}

/** Code by which the worker knows a workflow; the function itself is passed. */
export const CODE = 'import "windmill-client";\nexport const main = workflow(async () => {});\n';

/** How a case is run. */
export interface CaseOptions extends Partial<ClusterOptions> {
  readonly fastPath?: "echo" | "empty";
  /** @default true */
  readonly posts?: boolean;
  /** @default true */
  readonly newest?: boolean;
  readonly script?: Partial<Script>;
  readonly args?: Record<string, Json>;
  /** Works on the job before its first round. */
  readonly before?: (cluster: Cluster, job: Job) => void;
}

/** What came of a case. */
export interface Ran extends Completed {
  readonly cluster: Cluster;
  readonly job: Job;
  /** Name and message of the failure. */
  readonly failure: readonly [name: Json, message: Json] | undefined;
}

/** Runs a workflow to its end, in the process of the test. */
export async function runCase(
  { api, names }: Client,
  body: (api: Api) => unknown,
  { posts = true, newest = true, script, args, before, ...options }: CaseOptions = {},
): Promise<Ran> {
  const cluster: Cluster = new Cluster({
    runner: inProcess(() => cluster, { names, fastPath: posts, newest }),
    ...options,
  });
  const job = cluster.start({ code: CODE, main: body(api), ...script }, args);
  before?.(cluster, job);
  const completed = await cluster.drive(job);
  const { error } = completed.success ? {} : completed.result as { error?: { name: Json; message: Json } };
  return { ...completed, cluster, job, failure: error === undefined ? undefined : [error.name, error.message] };
}
