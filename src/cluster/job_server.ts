/**
 * The server that a job belongs to, as the worker says it in the environment; read at each call.
 *
 * @module
 */
import { encodeSegment } from "../base/url.ts";
import { exchange } from "../http/transport.ts";
import { readEnv } from "../platform/env.ts";

/** Longest time of one request: the round waits for it. */
const LIMIT_MS = 10_000;

/** Where requests of this job go. */
export interface JobServer {
  /** Address of the workspace. */
  readonly url: string;
  /** Id of the job, encoded. */
  readonly job: string;
  readonly token: string;
}

/** The server; undefined outside a job. */
export function jobServer(): JobServer | undefined {
  const job = readEnv("WM_JOB_ID"), workspace = readEnv("WM_WORKSPACE"), token = readEnv("WM_TOKEN");
  if (!job || !workspace || !token) return undefined;
  const base = (readEnv("BASE_INTERNAL_URL") || readEnv("BASE_URL") || "http://localhost:8000").replace(/\/+$/, "");
  return {
    url: `${base}/api/w/${encodeSegment(workspace, "WM_WORKSPACE")}`,
    job: encodeSegment(job, "WM_JOB_ID"),
    token,
  };
}

/** Makes one request, which is not repeated, and hands what answers it to `read`. With a body it is a POST of JSON. */
export function ask<T>(
  { url: base, token }: JobServer,
  route: string,
  read: (response: Response) => Promise<T>,
  body?: string,
): Promise<T> {
  const url = `${base}/${route}`;
  const method = body === undefined ? "GET" : "POST";
  const headers = { authorization: `Bearer ${token}`, ...(body === undefined ? undefined : JSON_BODY) };
  return exchange(
    {
      shown: { method, url },
      url,
      init: { method, headers, redirect: "manual", ...(body === undefined ? undefined : { body }) },
      token,
      idempotent: false,
      client: {},
      options: { timeoutMs: LIMIT_MS },
    },
    read,
  );
}

const JSON_BODY = { "content-type": "application/json" };
