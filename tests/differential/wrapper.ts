/**
 * Clients under the stand-in of the Windmill worker and server (`tests/cluster`), in process: the same server drives the official
 * client and this package, so that what differs is the client.
 *
 * @module
 */
import { type Client, CODE } from "../cluster/clients.ts";
import { inProcess } from "../cluster/in_process.ts";
import type { Job } from "../cluster/jobs.ts";
import type { Json } from "../cluster/jsonb.ts";
import type { DispatchStep } from "../cluster/messages.ts";
import { type Answer, Cluster, type ClusterOptions } from "../cluster/server.ts";

export { type Api, type Client, officialClient, windkit, windkitAlone } from "../cluster/clients.ts";

/** The message of a round as it is compared: no times, no stacks. */
export type Message = { readonly [k: string]: Json };

/** What came of a workflow that was driven to its end. */
export interface Driven {
  readonly end: Message;
  /** Messages of the workflow's own rounds, and the checkpoints that they posted. */
  readonly messages: readonly Json[];
  readonly completed: { readonly [key: string]: Json };
  readonly dispatched: readonly Json[];
  readonly cluster: Cluster;
  readonly job: Job;
}

/** What external scripts give: by key, so that retries can succeed. */
export type External = (script: string, key: string, args: Json) => { readonly ok: boolean; readonly value: Json };

/** How a workflow is driven. */
export interface DriveOptions {
  /** Steps are posted while the round goes on. @default false */
  readonly fastPath?: boolean;
  /** @default true */
  readonly newest?: boolean;
  readonly fault?: ClusterOptions["fault"];
  /** @default an approval by Anna, with the key as value */
  readonly answer?: (key: string) => Answer | undefined;
}

/** Drives a workflow to its end, round by round. */
export async function drive(
  { names }: Client,
  workflow: unknown,
  external: External,
  options: DriveOptions = {},
): Promise<Driven> {
  const { fastPath = false, newest = true, fault, answer = approvedByAnna } = options;
  const cluster: Cluster = new Cluster({
    runner: inProcess(() => cluster, { names, fastPath, newest }),
    answer,
    external: (path) => scriptOf(external, path),
    ...(fault === undefined ? undefined : { fault }),
  });
  const job = cluster.start({ code: CODE, main: workflow, modules: modulesOf(external) });
  return await driven(cluster, job);
}

function approvedByAnna(key: string): Answer {
  return { value: { for: key }, approver: "anna" };
}

/** Drives a job to its end and says what came of it. */
export async function driven(cluster: Cluster, job: Job): Promise<Driven> {
  const { success, result } = await cluster.drive(job);
  const failed = success ? undefined : (result as { error: { name: Json; message: Json } }).error;
  const steps = job.messages.flatMap((m) => (m as { steps?: DispatchStep[] }).steps ?? []) as unknown as Json[];
  return {
    end: failed === undefined
      ? { type: "complete", result }
      : { type: "failed", name: failed.name, message: failed.message },
    messages: inOrder(job).filter((m) => !isOwnRecord(m)).map(comparable),
    completed: comparable(cluster.checkpoint(job).completed_steps) as { [key: string]: Json },
    dispatched: steps.map(comparable),
    cluster,
    job,
  };
}

/** A script of the workspace. */
export function scriptOf(external: External, path: string): (args: Json, job: Job) => Json {
  return (args, job) => {
    const { ok, value } = external(path, job.step?.key ?? "", args);
    if (!ok) throw new Error(String(value));
    return value;
  };
}

/** `./mod.ts` and `./h.ts` are modules of the script. */
export function modulesOf(external: External): Readonly<Record<string, (args: Json, job: Job) => Json>> {
  return { "mod.ts": scriptOf(external, "./mod.ts"), "h.ts": scriptOf(external, "./h.ts") };
}

/** Messages and posts as they came. */
export function inOrder(job: Job): readonly Json[] {
  const all: Json[] = [];
  for (let i = 0; i <= job.messages.length; i++) {
    for (const { at, body } of job.posted) if (at === i) all.push({ type: "posted", ...(body as object) });
    const message = job.messages[i];
    if (message !== undefined) all.push(message);
  }
  return all;
}

/** What this package records of a round beside the protocol. */
function isOwnRecord(message: Json): boolean {
  return String((message as { key?: Json }).key).startsWith("__windkit/");
}

const OWN = new Set(["stack", "started_at", "duration_ms"]);
const ABSENT = new Set(["form", "skin", "description", "type"]);

/** Without what differs from round to round, and without fields that are null and may as well be absent. */
export function comparable(value: Json): Json {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([k, v]) =>
    !OWN.has(k) && !k.startsWith("__windkit/") && !(v === null && ABSENT.has(k))
  );
  return Object.fromEntries(kept.map(([k, v]) => [k, comparable(v)]));
}
