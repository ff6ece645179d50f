/**
 * What the inputs lack or have wrong: endpoints of the server that the clients use and no document describes, and one that is
 * described in another place than where the server has it.
 *
 * @module
 */
import type { Endpoint, Operation, Parameter, Schema } from "./spec.ts";

/** Paths by operation, where the server has them elsewhere. */
const PATHS: Readonly<Record<string, string>> = {
  runCodeWorkflowTask: "/w/{workspace}/jobs/run/workflow_as_code/{job_id}/{entrypoint}",
};

/** A row of the list with the path that the server has. */
export function corrected(endpoint: Endpoint): Endpoint & { readonly describedPath?: string } {
  const path = PATHS[endpoint.operationId];
  return path === undefined ? endpoint : { ...endpoint, path, describedPath: endpoint.path };
}

const text: Schema = { type: "string" };

function inPath(name: string): Parameter {
  return { name, in: "path", required: true, schema: text, argument: name };
}

function nullable(schema: Schema): Schema {
  return { ...schema, nullable: true };
}

/** Endpoints that no document describes, as the official clients use them. */
export const ADDITIONS: readonly Operation[] = [
  {
    id: "s3Proxy",
    services: [],
    method: "GET",
    path: "/w/{workspace}/s3_proxy/{storage}/{path}",
    parameters: [inPath("workspace"), inPath("storage"), inPath("path")],
    body: undefined,
    results: [{ kind: "stream" }],
  },
  {
    id: "recordMaterialization",
    services: [],
    method: "POST",
    path: "/w/{workspace}/assets/record_materialization",
    parameters: [inPath("workspace")],
    body: {
      mediaType: "application/json",
      required: true,
      argument: "requestBody",
      schema: {
        type: "object",
        required: ["asset_kind", "asset_path", "partition", "status"],
        properties: {
          asset_kind: text,
          asset_path: text,
          partition: text,
          status: { type: "string", enum: ["materialized", "failed"] },
          snapshot_id: nullable({ type: "integer" }),
          row_count: nullable({ type: "integer" }),
          job_id: nullable(text),
          error: nullable(text),
        },
      },
    },
    results: [{ kind: "unknown" }],
  },
  {
    id: "inlineCheckpoint",
    services: [],
    method: "POST",
    path: "/w/{workspace}/jobs/wac/inline_checkpoint/{job_id}",
    parameters: [inPath("workspace"), inPath("job_id")],
    body: {
      mediaType: "application/json",
      required: true,
      argument: "requestBody",
      schema: {
        type: "object",
        required: ["key", "result"],
        properties: {
          key: text,
          result: {},
          started_at: text,
          duration_ms: { type: "integer" },
        },
      },
    },
    results: [{ kind: "unknown" }],
  },
];
