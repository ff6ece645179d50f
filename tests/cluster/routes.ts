/**
 * The requests that the stand-in answers: those of a round, and those of who answers its approvals (wac-protocol 7, 8 and 12).
 *
 * @module
 */
import { isFailure } from "./failure_record.ts";
import { type Job, mintedKeysOf, statusWith } from "./jobs.ts";
import { type Json, jsonbText } from "./jsonb.ts";
import { INLINE_CHECKPOINT, readFields } from "./messages.ts";
import type { ClusterOptions } from "./options.ts";
import type { Cluster } from "./server.ts";
import { signatureOf } from "./signatures.ts";

/** The workspace of a stand-in. */
export const WORKSPACE = "standin";
/** What signs its approvals' links. */
export const SECRET = "workspace key";

/** Answers a request of a round. */
export async function answerRequest(
  cluster: Cluster,
  options: ClusterOptions,
  request: Request,
): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const path = decodeURI(pathname).replace(`/api/w/${WORKSPACE}/`, "");
  cluster.requests.push(`${request.method} ${path}`);
  const token = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "";
  const parts = path.split("/").map((part) => decodeURIComponent(part));
  const at = (prefix: string): readonly string[] | undefined => {
    const wanted = prefix.split("/");
    return wanted.every((part, i) => parts[i] === part) ? parts.slice(wanted.length) : undefined;
  };
  try {
    const inline = at("jobs/wac/inline_checkpoint");
    if (inline !== undefined) {
      return answerInline(cluster, options, find(cluster, inline[0]), token, await request.text());
    }
    const urls = at("jobs/wac_approval_urls");
    if (urls !== undefined) {
      const job = find(cluster, urls[0]);
      const parent = job.parent === undefined ? job : cluster.jobs.get(job.parent) ?? job;
      const key = urls[1] ?? "";
      const minted = Object.fromEntries([...mintedKeysOf(parent), key].map((k) => [k, true]));
      parent.status = statusWith(parent.status, { _minted_approval_keys: minted });
      return Response.json(cluster.urls(parent, key, searchParams.get("approver") ?? undefined));
    }
    const v1 = at("jobs/run/workflow_as_code");
    if (v1 !== undefined) {
      return answerV1(cluster, find(cluster, v1[0]), v1[1] ?? "", await request.text(), searchParams);
    }
    const got = at("jobs_u/get") ?? at("jobs_u/getupdate");
    if (got !== undefined) return Response.json(shown(find(cluster, got[0])));
    const result = at("jobs_u/completed/get_result_maybe");
    if (result !== undefined) {
      const { completed, running } = find(cluster, result[0]);
      return Response.json({
        started: running || completed !== undefined,
        completed: completed !== undefined,
        success: completed?.success ?? null,
        result: completed?.result ?? null,
      });
    }
    for (const way of ["resume", "cancel"] as const) {
      const link = at(`jobs_u/${way}`);
      if (link !== undefined) return await answerLink(cluster, request, link, way === "resume", searchParams);
    }
    const suspended = at("jobs_u/flow/resume_suspended");
    if (suspended !== undefined) {
      const job = find(cluster, suspended[0]);
      const { payload = null, approved = true } = await request.json() as { payload?: Json; approved?: boolean };
      cluster.resumeByOwner(job, { value: payload, approver: "ada", approved });
      return new Response(null, { status: 201 });
    }
    const cancelled = at("jobs_u/queue/cancel");
    if (cancelled !== undefined) {
      cluster.cancel(find(cluster, cancelled[0]), "ada", (await request.json() as { reason?: string }).reason);
      return new Response("");
    }
    return new Response(`Not found: ${path}`, { status: 404 });
  } catch (error) {
    if (error instanceof NoAnswer) throw error;
    return new Response((error as Error).message, { status: 400 });
  }
}

function find(cluster: Cluster, id: string | undefined): Job {
  const job = cluster.jobs.get(id ?? "");
  if (job === undefined) throw new Error(`Not found: job ${id}`);
  return job;
}

function shown(job: Job): Json {
  return {
    type: job.completed === undefined ? "QueuedJob" : "CompletedJob",
    id: job.id,
    job_kind: job.kind,
    parent_job: job.parent ?? null,
    created_by: job.createdBy,
    tag: job.tag,
    running: job.running,
    started_at: job.startedAt === undefined ? null : new Date(job.startedAt).toISOString(),
    suspend: job.suspend,
    args: job.args,
    canceled: job.canceledBy !== undefined,
    success: job.completed?.success ?? null,
    result: job.completed?.result ?? null,
    workflow_as_code_status: job.status === null ? null : JSON.parse(job.status) as Json,
  };
}

function answerInline(
  cluster: Cluster,
  options: ClusterOptions,
  job: Job,
  token: string,
  body: string,
): Response {
  const fault = options.fault?.(job, body);
  if (fault === "error") return new Response("internal error", { status: 500 });
  if (fault === "timeout" || fault === "dropped") throw new NoAnswer(fault);
  if (token !== cluster.tokenOf(job)) {
    return new Response("Permission denied: not the job's own token", { status: 403 });
  }
  if (job.kind !== "script" && job.kind !== "preview") throw new Error(`Not found: job kind ${job.kind}`);
  let stored: Json;
  try {
    cluster.checkHash(job);
    const fields = readFields(JSON.parse(jsonbText(body)) as Json, INLINE_CHECKPOINT);
    stored = cluster.storeStep(job, fields as never);
    job.posted.push({ at: job.messages.length, body: fields });
  } catch (error) {
    return new Response((error as Error).message, { status: 422 });
  }
  if (fault === "lost") return new Response("bad gateway", { status: 502 });
  if (fault === "garbage") return new Response("<html>{", { headers: { "content-type": "application/json" } });
  if (options.fastPath === "empty") return new Response("");
  return Response.json({ failure: isFailure(stored) ? stored : null });
}

function answerV1(
  cluster: Cluster,
  parent: Job,
  entrypoint: string,
  body: string,
  query: URLSearchParams,
): Response {
  if (!/^[A-Za-z_]\w*$/.test(entrypoint)) throw new Error(`Invalid entrypoint: ${entrypoint}`);
  if (parent.completed !== undefined) throw new Error(`Not found: job ${parent.id} is not queued or running`);
  if (parent.kind !== "script" && parent.kind !== "preview") throw new Error(`Job kind ${parent.kind} has no tasks`);
  const { args = {} } = JSON.parse(body) as { args?: Record<string, Json> };
  const child = cluster.startTask(parent, entrypoint, args, {
    tag: query.get("tag") ?? undefined,
    shown: query.get("skip_update") !== "true",
  });
  return new Response(child.id, { status: 201 });
}

async function answerLink(
  cluster: Cluster,
  request: Request,
  [id, number = "", signature]: readonly string[],
  approved: boolean,
  query: URLSearchParams,
): Promise<Response> {
  const job = find(cluster, id);
  const approver = query.get("approver") ?? undefined;
  if (signature !== signatureOf(SECRET, job.id, Number(number), approver)) {
    return new Response("Invalid signature", { status: 401 });
  }
  const encoded = query.get("payload");
  const text = request.method === "POST" ? await request.text() : encoded === null ? "" : atob(encoded);
  cluster.resume(job, Number(number), {
    value: text === "" ? null : JSON.parse(text) as Json,
    approved,
    ...(approver === undefined ? undefined : { approver }),
  });
  return new Response("", { status: 201 });
}

/** A request that gets no answer: its connection ends, or its caller's time does. */
export class NoAnswer extends Error {
  /** Its name. */
  override readonly name = "NoAnswer";
  /** What happens instead. */
  readonly fault: "timeout" | "dropped";
  /** Builds the error. */
  constructor(fault: "timeout" | "dropped") {
    super(`No answer: ${fault}`);
    this.fault = fault;
  }
}
