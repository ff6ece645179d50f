/**
 * Every function of a client and of the top level, with arguments that a server could answer: what hostile answers, missing
 * configuration and malformed paths are tried on. A function that is not here fails `client_hostile.ts`.
 *
 * @module
 */
import * as wmill from "@windkit/windmill-client";
import type { CallOptions, Client } from "@windkit/windmill-client";

/** The id of a job. */
export const ID = "00000000-0000-0000-0000-00000000c0de";

/**
 * What a function makes of the server's answer: `value` must read one; `done` needs no more of it than that it is the server's;
 * `result` gives a job's result, which may be nothing, or text; `row` gives the first row of a statement, which may be none; `raw` gives
 * what came, `content` gives its text; `local` asks no server.
 */
export type Kind = "value" | "done" | "result" | "row" | "raw" | "content" | "local";

/** Takes a path, id or key, which goes into the address. */
export interface Named {
  /** Calls the function with it. */
  readonly give: (client: Client, text: string) => unknown;
  /** What the address has before it, below the workspace; below `/api/` when it begins with a slash. */
  readonly at: string;
  /** True when it is one segment of an address: a slash in it is encoded. @default false */
  readonly segment?: boolean;
  /** What may stand before a path and is no part of it. */
  readonly prefix?: RegExp;
}

/** A function. */
export interface Row {
  readonly kind: Kind;
  /** Calls it. */
  readonly call: (client: Client, options: CallOptions) => unknown;
  /** True when it needs no workspace. @default false */
  readonly global?: boolean;
  /** Variables without which it cannot be called, beside those of the connection. */
  readonly needs?: readonly string[];
  readonly named?: Named;
}

const VARIABLE = /^(var:\/\/|\$var:)/, RESOURCE = /^(\$res:|res:\/\/)/;
const approval = { slackResourcePath: "u/x/slack", channelId: "C1", teamName: "t", channelName: "c" };
const preview = { content: "x", language: "bun", args: {} };
const JOB = ["WM_JOB_ID"], CHAT = ["WM_JOB_ID", "WM_FLOW_JOB_ID", "WM_FLOW_STEP_ID"], STATE = ["WM_STATE_PATH"];
/** A partition that is read or made. */
const partition = { table: "t", selectSql: "SELECT 1 AS a" };

const offset = { topic: "t", partition: 0, offset: 1 };

/** Reads an iterable to its end. */
async function drain(values: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const value of values) all.push(value);
  return all;
}

/** Objects of S3: their keys are in the query, where any text is one. */
const OBJECT = "s3:///k";

/** The functions of a client; those of a group behind a dot. */
export const CLIENT: Readonly<Record<string, Row>> = {
  "s3.download": { kind: "content", call: async (c, o) => (await c.s3.download(OBJECT, o)).text() },
  "s3.upload": { kind: "value", call: (c, o) => c.s3.upload(OBJECT, "x", o) },
  "s3.delete": { kind: "done", call: (c, o) => c.s3.delete(OBJECT, o) },
  "s3.metadata": { kind: "value", call: (c, o) => c.s3.metadata(OBJECT, o) },
  "s3.move": { kind: "done", call: async (c, o) => void await c.s3.move(OBJECT, "s3:///to", o) },
  "s3.list": { kind: "value", call: (c, o) => c.s3.list(o) },
  "s3.listAll": { kind: "value", call: (c, o) => drain(c.s3.listAll(o)) },
  "s3.sign": { kind: "value", call: (c, o) => c.s3.sign(OBJECT, o) },
  "s3.signAll": { kind: "value", call: (c, o) => c.s3.signAll([OBJECT], o) },
  "s3.presign": { kind: "value", call: (c, o) => c.s3.presign(OBJECT, o) },
  "s3.presignAll": { kind: "value", call: (c, o) => c.s3.presignAll([OBJECT], o) },
  "connections.s3": { kind: "value", call: (c, o) => c.connections.s3("u/x/s3", o) },
  "connections.duckdb": { kind: "value", call: (c, o) => c.connections.duckdb("u/x/s3", o) },
  "connections.polars": { kind: "value", call: (c, o) => c.connections.polars("u/x/s3", o) },
  "connections.boto3": { kind: "value", call: (c, o) => c.connections.boto3("u/x/s3", o) },
  "jobs.start": {
    kind: "value",
    call: (c, o) => c.jobs.start("f/a", {}, o),
    named: { give: (c, path) => c.jobs.start(path), at: "jobs/run/p/" },
  },
  "jobs.startByHash": {
    kind: "value",
    call: (c, o) => c.jobs.startByHash("abc", {}, o),
    named: { give: (c, hash) => c.jobs.startByHash(hash), at: "jobs/run/h/", segment: true },
  },
  "jobs.startFlow": {
    kind: "value",
    call: (c, o) => c.jobs.startFlow("f/a", {}, o),
    named: { give: (c, path) => c.jobs.startFlow(path), at: "jobs/run/f/" },
  },
  "jobs.startFlowVersion": { kind: "value", call: (c, o) => c.jobs.startFlowVersion(7, {}, o) },
  "jobs.run": {
    kind: "value",
    call: (c, o) => c.jobs.run("f/a", {}, o),
    named: { give: (c, path) => c.jobs.run(path), at: "jobs/run/p/" },
  },
  "jobs.runByHash": {
    kind: "value",
    call: (c, o) => c.jobs.runByHash("abc", {}, o),
    named: { give: (c, hash) => c.jobs.runByHash(hash), at: "jobs/run/h/", segment: true },
  },
  "jobs.runFlow": {
    kind: "value",
    call: (c, o) => c.jobs.runFlow("f/a", {}, o),
    named: { give: (c, path) => c.jobs.runFlow(path), at: "jobs/run/f/" },
  },
  "jobs.runFlowVersion": { kind: "value", call: (c, o) => c.jobs.runFlowVersion(7, {}, o) },
  "jobs.runInOneRequest": {
    kind: "result",
    call: (c, o) => c.jobs.runInOneRequest("f/a", {}, { timeoutMs: 5000, ...o }),
    named: { give: (c, flow) => c.jobs.runInOneRequest({ flow }), at: "jobs/run_wait_result/f/" },
  },
  "jobs.stream": {
    kind: "value",
    call: (c, o) => drain(c.jobs.stream("f/a", {}, o)),
    named: { give: (c, hash) => drain(c.jobs.stream({ hash })), at: "jobs/run/h/", segment: true },
  },
  "jobs.resultStream": {
    kind: "value",
    call: (c, o) => drain(c.jobs.resultStream(ID, o)),
    named: { give: (c, id) => drain(c.jobs.resultStream(id)), at: "jobs_u/getupdate_sse/", segment: true },
  },
  "jobs.updates": {
    kind: "value",
    call: (c, o) => drain(c.jobs.updates(ID, o)),
    named: { give: (c, id) => drain(c.jobs.updates(id)), at: "jobs_u/getupdate_sse/", segment: true },
  },
  "jobs.runPreview": { kind: "result", call: (c, o) => c.jobs.runPreview(preview, { timeoutMs: 5000, ...o }) },
  "jobs.hasInternalServer": { kind: "local", call: (c) => c.jobs.hasInternalServer() },
  "jobs.wait": {
    kind: "value",
    call: (c, o) => c.jobs.wait(ID, o),
    named: {
      give: (c, id) => c.jobs.wait(id, { timeoutMs: 60_000 }),
      at: "jobs_u/completed/get_result_maybe/",
      segment: true,
    },
  },
  "jobs.list": { kind: "value", call: (c, o) => c.jobs.list(o) },
  "jobs.listAll": { kind: "value", call: (c, o) => drain(c.jobs.listAll(o)) },
  "jobs.get": {
    kind: "value",
    call: (c, o) => c.jobs.get(ID, o),
    named: { give: (c, id) => c.jobs.get(id), at: "jobs_u/get/", segment: true },
  },
  "jobs.status": {
    kind: "value",
    call: (c, o) => c.jobs.status(ID, o),
    named: { give: (c, id) => c.jobs.status(id), at: "jobs_u/get/", segment: true },
  },
  "jobs.result": {
    kind: "value",
    call: (c, o) => c.jobs.result(ID, o),
    named: { give: (c, id) => c.jobs.result(id), at: "jobs_u/completed/get_result/", segment: true },
  },
  "jobs.resultMaybe": {
    kind: "value",
    call: (c, o) => c.jobs.resultMaybe(ID, o),
    named: { give: (c, id) => c.jobs.resultMaybe(id), at: "jobs_u/completed/get_result_maybe/", segment: true },
  },
  "jobs.cancel": {
    kind: "value",
    call: (c, o) => c.jobs.cancel(ID, o),
    named: { give: (c, id) => c.jobs.cancel(id), at: "jobs_u/queue/cancel/", segment: true },
  },
  "jobs.cancelMany": { kind: "value", call: (c, o) => c.jobs.cancelMany([ID], o) },
  "jobs.cancelRunning": { kind: "value", call: (c, o) => c.jobs.cancelRunning(o), needs: ["WM_JOB_PATH", "WM_JOB_ID"] },
  "jobs.setProgress": {
    kind: "done",
    call: (c, o) => c.jobs.setProgress(5, o),
    needs: JOB,
    named: { give: (c, jobId) => c.jobs.setProgress(5, { jobId }), at: "jobs_u/get/", segment: true },
  },
  "jobs.getProgress": {
    kind: "value",
    call: (c, o) => c.jobs.getProgress(o),
    needs: JOB,
    named: { give: (c, jobId) => c.jobs.getProgress({ jobId }), at: "job_metrics/get_progress/", segment: true },
  },
  "jobs.rootJobId": {
    kind: "value",
    call: (c, o) => c.jobs.rootJobId(undefined, o),
    needs: JOB,
    named: { give: (c, id) => c.jobs.rootJobId(id), at: "jobs_u/get_root_job_id/", segment: true },
  },
  "variables.get": {
    kind: "value",
    call: (c, o) => c.variables.get("f/a", o),
    named: { give: (c, path) => c.variables.get(path), at: "variables/get_value/", prefix: VARIABLE },
  },
  "variables.exists": {
    kind: "value",
    call: (c, o) => c.variables.exists("f/a", o),
    named: { give: (c, path) => c.variables.exists(path), at: "variables/exists/", prefix: VARIABLE },
  },
  "variables.set": {
    kind: "value",
    call: (c, o) => c.variables.set("f/a", "v", o),
    named: { give: (c, path) => c.variables.set(path, "v"), at: "variables/exists/", prefix: VARIABLE },
  },
  "resources.get": {
    kind: "value",
    call: (c, o) => c.resources.get("f/a", o),
    named: { give: (c, path) => c.resources.get(path), at: "resources/get_value_interpolated/", prefix: RESOURCE },
  },
  "resources.find": {
    kind: "value",
    call: (c, o) => c.resources.find("f/a", o),
    named: { give: (c, path) => c.resources.find(path), at: "resources/get_value_interpolated/", prefix: RESOURCE },
  },
  "resources.exists": {
    kind: "value",
    call: (c, o) => c.resources.exists("f/a", o),
    named: { give: (c, path) => c.resources.exists(path), at: "resources/exists/", prefix: RESOURCE },
  },
  "resources.set": {
    kind: "value",
    call: (c, o) => c.resources.set("f/a", {}, o),
    named: { give: (c, path) => c.resources.set(path, {}), at: "resources/exists/", prefix: RESOURCE },
  },
  "resources.list": { kind: "value", call: (c, o) => c.resources.list(o) },
  "resources.listAll": { kind: "value", call: (c, o) => drain(c.resources.listAll(o)) },
  "resources.databaseUrl": {
    kind: "value",
    call: (c, o) => c.resources.databaseUrl("f/a", o),
    named: {
      give: (c, path) => c.resources.databaseUrl(path),
      at: "resources/get_value_interpolated/",
      prefix: RESOURCE,
    },
  },
  "state.path": { kind: "local", call: (c) => c.state.path(), needs: STATE },
  "state.get": {
    kind: "value",
    call: (c, o) => c.state.get(o),
    needs: STATE,
    named: { give: (c, path) => c.state.get({ path }), at: "resources/get_value_interpolated/", prefix: RESOURCE },
  },
  "state.set": {
    kind: "value",
    call: (c, o) => c.state.set({}, o),
    needs: STATE,
    named: { give: (c, path) => c.state.set(1, { path }), at: "resources/exists/", prefix: RESOURCE },
  },
  "state.getFlow": {
    kind: "value",
    call: (c, o) => c.state.getFlow("k", o),
    needs: JOB,
    named: { give: (c, key) => c.state.getFlow(key), at: `jobs/flow/user_states/${ID}/`, segment: true },
  },
  "state.setFlow": {
    kind: "value",
    call: (c, o) => c.state.setFlow("k", 1, o),
    needs: JOB,
    named: { give: (c, key) => c.state.setFlow(key, 1), at: `jobs/flow/user_states/${ID}/`, segment: true },
  },
  "approvals.resumeUrls": { kind: "value", call: (c, o) => c.approvals.resumeUrls(o), needs: JOB },
  "approvals.urls": {
    kind: "value",
    call: (c, o) => c.approvals.urls("k", o),
    needs: JOB,
    named: { give: (c, key) => c.approvals.urls(key), at: `jobs/wac_approval_urls/${ID}/`, segment: true },
  },
  "approvals.requestSlack": { kind: "done", call: (c, o) => c.approvals.requestSlack(approval, o), needs: CHAT },
  "approvals.requestTeams": { kind: "done", call: (c, o) => c.approvals.requestTeams(approval, o), needs: CHAT },
  "teams.send": { kind: "done", call: (c, o) => c.teams.send("id", "text", o), global: true },
  "kafka.commitOffset": {
    kind: "done",
    call: (c, o) => c.kafka.commitOffset("f/a", offset, o),
    named: { give: (c, path) => c.kafka.commitOffset(path, offset), at: "kafka_triggers/commit_offsets/" },
  },
  "tokens.create": { kind: "value", call: (c, o) => c.tokens.create(o), global: true },
  "tokens.getId": {
    kind: "value",
    call: (c, o) => c.tokens.getId("aud", o),
    named: { give: (c, audience) => c.tokens.getId(audience), at: "oidc/token/", segment: true },
  },
  "users.whoami": { kind: "value", call: (c, o) => c.users.whoami(o), global: true },
  "users.member": { kind: "value", call: (c, o) => c.users.member(o) },
  "users.usernameToEmail": {
    kind: "value",
    call: (c, o) => c.users.usernameToEmail("me", o),
    named: { give: (c, name) => c.users.usernameToEmail(name), at: "users/username_to_email/", segment: true },
  },
  "sql.datatable": {
    kind: "row",
    call: (c, o) => c.sql.datatable()`SELECT 1`.fetchOne({ timeoutMs: 5000, ...o }),
  },
  "sql.ducklake": {
    kind: "row",
    call: (c, o) => c.sql.ducklake()`SELECT 1`.fetchOne({ timeoutMs: 5000, ...o }),
  },
  "sql.upsertPartition": {
    kind: "row",
    call: (c, o) => c.sql.upsertPartition(partition).fetchOne({ timeoutMs: 5000, ...o }),
  },
  "sql.appendPartition": {
    kind: "row",
    call: (c, o) => c.sql.appendPartition(partition).fetchOne({ timeoutMs: 5000, ...o }),
  },
  "sql.readPartition": {
    kind: "row",
    call: (c, o) => c.sql.readPartition(partition).fetchOne({ timeoutMs: 5000, ...o }),
  },
  "sql.identifier": { kind: "local", call: (c) => c.sql.identifier("a") },
  "shared.get": { kind: "local", call: (c) => c.shared.get },
  "shared.find": { kind: "local", call: (c) => c.shared.find },
  "shared.set": { kind: "local", call: (c) => c.shared.set },
  "version": { kind: "value", call: (c, o) => c.version(o), global: true },
  "context": { kind: "local", call: (c) => c.context() },
  "mockedApi": { kind: "local", call: (c) => c.mockedApi() },
  "resultStream.append": { kind: "local", call: (c) => c.resultStream.append("") },
  "resultStream.pipe": { kind: "local", call: (c) => c.resultStream.pipe([]) },
  "workspace": { kind: "local", call: (c) => c.workspace() },
  "request": {
    kind: "raw",
    call: (c, o) => c.request("GET", "w/{workspace}/x", o),
    named: { give: (c, path) => c.request("GET", path), at: "/", prefix: /^\// },
  },
  "get": { kind: "raw", call: (c, o) => c.get("w/{workspace}/x", o) },
  "post": { kind: "raw", call: (c, o) => c.post("w/{workspace}/x", {}, o) },
};

/** The functions of the top level that reach a server, or say what of the configuration is missing. */
export const TOP: Readonly<Record<string, Row>> = {
  loadS3File: {
    kind: "content",
    call: async (_, o) => new TextDecoder().decode(await wmill.loadS3File(OBJECT, undefined, undefined, o)),
  },
  loadS3FileStream: {
    kind: "content",
    call: async (_, o) => (await wmill.loadS3FileStream(OBJECT, undefined, undefined, o)).text(),
  },
  loadS3FileReader: {
    kind: "content",
    call: async (_, o) => (await wmill.loadS3FileReader(OBJECT, undefined, undefined, o)).text(),
  },
  writeS3File: {
    kind: "value",
    call: (_, o) => wmill.writeS3File(OBJECT, "x", undefined, undefined, undefined, undefined, o),
  },
  deleteS3File: { kind: "done", call: (_, o) => wmill.deleteS3File(OBJECT, undefined, o) },
  deleteS3Object: { kind: "done", call: (_, o) => wmill.deleteS3Object(OBJECT, undefined, o) },
  signS3Objects: { kind: "value", call: (_, o) => wmill.signS3Objects([OBJECT], o) },
  signS3Object: { kind: "value", call: (_, o) => wmill.signS3Object(OBJECT, o) },
  getPresignedS3PublicUrls: { kind: "value", call: (_, o) => wmill.getPresignedS3PublicUrls([OBJECT], o) },
  getPresignedS3PublicUrl: { kind: "value", call: (_, o) => wmill.getPresignedS3PublicUrl(OBJECT, o) },
  denoS3LightClientSettings: { kind: "value", call: (_, o) => wmill.denoS3LightClientSettings("u/x/s3", undefined, o) },
  getDuckdbConnectionSettings: { kind: "value", call: (_, o) => wmill.getDuckdbConnectionSettings("u/x/s3", o) },
  duckdbConnectionSettings: { kind: "value", call: (_, o) => wmill.duckdbConnectionSettings("u/x/s3", o) },
  getPolarsConnectionSettings: { kind: "value", call: (_, o) => wmill.getPolarsConnectionSettings("u/x/s3", o) },
  polarsConnectionSettings: { kind: "value", call: (_, o) => wmill.polarsConnectionSettings("u/x/s3", o) },
  getBoto3ConnectionSettings: { kind: "value", call: (_, o) => wmill.getBoto3ConnectionSettings("u/x/s3", o) },
  boto3ConnectionSettings: { kind: "value", call: (_, o) => wmill.boto3ConnectionSettings("u/x/s3", o) },
  cancelJob: {
    kind: "value",
    call: (_, o) => wmill.cancelJob(ID, "r", o),
    named: { give: (_, id) => wmill.cancelJob(id), at: "jobs_u/queue/cancel/", segment: true },
  },
  datatable: {
    kind: "row",
    call: (_, o) => wmill.datatable()`SELECT 1`.fetchOne({ timeoutMs: 5000, ...o }),
  },
  ducklake: {
    kind: "row",
    call: (_, o) => wmill.ducklake()`SELECT 1`.fetchOne({ timeoutMs: 5000, ...o }),
  },
  upsertPartition: {
    kind: "row",
    call: (_, o) => wmill.upsertPartition(partition).fetchOne({ timeoutMs: 5000, ...o }),
  },
  appendPartition: {
    kind: "row",
    call: (_, o) => wmill.appendPartition(partition).fetchOne({ timeoutMs: 5000, ...o }),
  },
  readPartition: {
    kind: "row",
    call: (_, o) => wmill.readPartition(partition).fetchOne({ timeoutMs: 5000, ...o }),
  },
  cancelRunning: { kind: "value", call: () => wmill.cancelRunning(), needs: ["WM_JOB_PATH"] },
  commitKafkaOffsets: {
    kind: "done",
    call: (_, o) => wmill.commitKafkaOffsets("f/a", "t", 0, 1, o),
    named: { give: (_, path) => wmill.commitKafkaOffsets(path, "t", 0, 1), at: "kafka_triggers/commit_offsets/" },
  },
  createToken: { kind: "value", call: (_, o) => wmill.createToken(o), global: true },
  databaseUrlFromResource: {
    kind: "value",
    call: () => wmill.databaseUrlFromResource("f/a"),
    named: {
      give: (_, path) => wmill.databaseUrlFromResource(path),
      at: "resources/get_value_interpolated/",
      prefix: RESOURCE,
    },
  },
  get: { kind: "raw", call: (_, o) => wmill.get("w/{workspace}/x", o) },
  post: { kind: "raw", call: (_, o) => wmill.post("w/{workspace}/x", {}, o) },
  getApprovalUrls: {
    kind: "value",
    call: (_, o) => wmill.getApprovalUrls("k", undefined, o),
    needs: JOB,
    named: { give: (_, key) => wmill.getApprovalUrls(key), at: `jobs/wac_approval_urls/${ID}/`, segment: true },
  },
  getFlowUserState: {
    kind: "value",
    call: () => wmill.getFlowUserState("k"),
    needs: JOB,
    named: { give: (_, key) => wmill.getFlowUserState(key), at: `jobs/flow/user_states/${ID}/`, segment: true },
  },
  setFlowUserState: {
    kind: "value",
    call: () => wmill.setFlowUserState("k", 1),
    needs: JOB,
    named: { give: (_, key) => wmill.setFlowUserState(key, 1), at: `jobs/flow/user_states/${ID}/`, segment: true },
  },
  getIdToken: {
    kind: "value",
    call: (_, o) => wmill.getIdToken("aud", undefined, o),
    named: { give: (_, audience) => wmill.getIdToken(audience), at: "oidc/token/", segment: true },
  },
  getInternalState: { kind: "value", call: () => wmill.getInternalState(), needs: STATE },
  setInternalState: { kind: "value", call: () => wmill.setInternalState(1), needs: STATE },
  getJob: {
    kind: "value",
    call: () => wmill.getJob(ID),
    named: { give: (_, id) => wmill.getJob(id), at: "jobs_u/get/", segment: true },
  },
  getJobStatus: {
    kind: "value",
    call: () => wmill.getJobStatus(ID),
    named: { give: (_, id) => wmill.getJobStatus(id), at: "jobs_u/get/", segment: true },
  },
  getProgress: {
    kind: "value",
    call: () => wmill.getProgress(),
    needs: JOB,
    named: { give: (_, id) => wmill.getProgress(id), at: "job_metrics/get_progress/", segment: true },
  },
  setProgress: {
    kind: "done",
    call: () => wmill.setProgress(5),
    needs: JOB,
    named: { give: (_, id) => wmill.setProgress(5, id), at: "jobs_u/get/", segment: true },
  },
  getResource: {
    kind: "value",
    call: (_, o) => wmill.getResource("f/a", false, o),
    named: { give: (_, path) => wmill.getResource(path), at: "resources/get_value_interpolated/", prefix: RESOURCE },
  },
  setResource: {
    kind: "value",
    call: () => wmill.setResource({}, "f/a"),
    named: { give: (_, path) => wmill.setResource({}, path), at: "resources/exists/", prefix: RESOURCE },
  },
  listResources: { kind: "value", call: () => wmill.listResources() },
  resolveDefaultResource: {
    kind: "value",
    call: () => wmill.resolveDefaultResource("$res:f/a"),
    named: {
      give: (_, path) => wmill.resolveDefaultResource(`$res:${path}`),
      at: "resources/get_value_interpolated/",
      prefix: RESOURCE,
    },
  },
  getResult: {
    kind: "value",
    call: () => wmill.getResult(ID),
    named: { give: (_, id) => wmill.getResult(id), at: "jobs_u/completed/get_result/", segment: true },
  },
  getResultMaybe: {
    kind: "value",
    call: () => wmill.getResultMaybe(ID),
    named: { give: (_, id) => wmill.getResultMaybe(id), at: "jobs_u/completed/get_result_maybe/", segment: true },
  },
  getResumeEndpoints: { kind: "value", call: () => wmill.getResumeEndpoints(), needs: JOB },
  getResumeUrls: { kind: "value", call: (_, o) => wmill.getResumeUrls(undefined, undefined, o), needs: JOB },
  getRootJobId: {
    kind: "value",
    call: () => wmill.getRootJobId(),
    needs: JOB,
    named: { give: (_, id) => wmill.getRootJobId(id), at: "jobs_u/get_root_job_id/", segment: true },
  },
  getState: {
    kind: "value",
    call: () => wmill.getState(),
    needs: STATE,
    named: { give: (_, path) => wmill.getState(path), at: "resources/get_value_interpolated/", prefix: RESOURCE },
  },
  setState: {
    kind: "value",
    call: () => wmill.setState(1),
    needs: STATE,
    named: { give: (_, path) => wmill.setState(1, path), at: "resources/exists/", prefix: RESOURCE },
  },
  state: { kind: "value", call: () => wmill.state(), needs: STATE },
  getStatePath: { kind: "local", call: () => wmill.getStatePath(), needs: STATE },
  statePath: { kind: "local", call: () => wmill.statePath(), needs: STATE },
  getVariable: {
    kind: "value",
    call: (_, o) => wmill.getVariable("f/a", o),
    named: { give: (_, path) => wmill.getVariable(path), at: "variables/get_value/", prefix: VARIABLE },
  },
  setVariable: {
    kind: "value",
    call: () => wmill.setVariable("f/a", "v"),
    named: { give: (_, path) => wmill.setVariable(path, "v"), at: "variables/exists/", prefix: VARIABLE },
  },
  getVersion: { kind: "value", call: () => wmill.getVersion(), global: true },
  version: { kind: "value", call: (_, o) => wmill.version(o), global: true },
  getWorkspace: { kind: "local", call: () => wmill.getWorkspace() },
  requestInteractiveSlackApproval: {
    kind: "done",
    call: (_, o) => wmill.requestInteractiveSlackApproval(approval, o),
    needs: ["WM_FLOW_JOB_ID"],
  },
  requestInteractiveTeamsApproval: {
    kind: "done",
    call: (_, o) => wmill.requestInteractiveTeamsApproval(approval, o),
    needs: ["WM_FLOW_JOB_ID"],
  },
  runFlow: {
    kind: "value",
    call: () => wmill.runFlow("f/a"),
    named: { give: (_, path) => wmill.runFlow(path), at: "jobs/run/f/" },
  },
  runFlowAsync: {
    kind: "value",
    call: () => wmill.runFlowAsync("f/a"),
    named: { give: (_, path) => wmill.runFlowAsync(path), at: "jobs/run/f/" },
  },
  runInlineScriptPreview: {
    kind: "result",
    call: (_, o) => wmill.runInlineScriptPreview("x", "bun", {}, { timeoutMs: 5000, ...o }),
  },
  runScript: {
    kind: "value",
    call: () => wmill.runScript("f/a"),
    named: { give: (_, path) => wmill.runScript(path), at: "jobs/run/p/" },
  },
  runScriptAsync: {
    kind: "value",
    call: () => wmill.runScriptAsync("f/a", null, {}),
    named: { give: (_, path) => wmill.runScriptAsync(path, null, {}), at: "jobs/run/p/" },
  },
  runScriptByHash: {
    kind: "value",
    call: () => wmill.runScriptByHash("abc"),
    named: { give: (_, hash) => wmill.runScriptByHash(hash), at: "jobs/run/h/", segment: true },
  },
  runScriptByHashAsync: {
    kind: "value",
    call: () => wmill.runScriptByHashAsync("abc"),
    named: { give: (_, hash) => wmill.runScriptByHashAsync(hash), at: "jobs/run/h/", segment: true },
  },
  runScriptByPath: {
    kind: "value",
    call: () => wmill.runScriptByPath("f/a"),
    named: { give: (_, path) => wmill.runScriptByPath(path), at: "jobs/run/p/" },
  },
  runScriptByPathAsync: {
    kind: "value",
    call: () => wmill.runScriptByPathAsync("f/a"),
    named: { give: (_, path) => wmill.runScriptByPathAsync(path), at: "jobs/run/p/" },
  },
  runScriptByPathSync: {
    kind: "value",
    call: () => wmill.runScriptByPathSync("f/a"),
    named: { give: (_, path) => wmill.runScriptByPathSync(path), at: "jobs/run/p/" },
  },
  runScriptSync: {
    kind: "value",
    call: () => wmill.runScriptSync("abc"),
    named: { give: (_, hash) => wmill.runScriptSync(hash), at: "jobs/run/h/", segment: true },
  },
  sendTeamsMessage: {
    kind: "done",
    call: (_, o) => wmill.sendTeamsMessage("id", "text", true, null, o),
    global: true,
  },
  user: { kind: "value", call: (_, o) => wmill.user(o), global: true },
  whoami: { kind: "value", call: (_, o) => wmill.whoami(o), global: true },
  usernameToEmail: {
    kind: "value",
    call: (_, o) => wmill.usernameToEmail("me", o),
    named: { give: (_, name) => wmill.usernameToEmail(name), at: "users/username_to_email/", segment: true },
  },
  waitJob: {
    kind: "value",
    call: () => wmill.waitJob(ID),
    named: {
      give: (_, id) => wmill.waitJob(id, false, { timeoutMs: 60_000 }),
      at: "jobs_u/completed/get_result_maybe/",
      segment: true,
    },
  },
};

/** Functions of the top level that ask no server, and classes: other files have their cases. */
export const ELSEWHERE: readonly string[] = [
  // Errors.
  ..."CancelledError ConfigurationError DeadlineError HostUnsupportedError JobFailedError TaskError".split(" "),
  ..."ValidationError WindmillApiError hasCode CompensationError NonRetryableError RetryAfterError".split(" "),
  "WaitTimeoutError",
  // Workflows.
  ..."cancelSignal childWorkflow continueAsNew defineEvent defineError knownFailure log now patched progress race random saga sleepUntil uuid waitForEvent withTimeout"
    .split(" "),
  ..."parallel sleep step task taskFlow taskInfo taskScript waitForApproval workflow".split(" "),
  // Clients: what they make is in the tables.
  ..."createClient setClient getClient initGlobalClient cancelOnExit".split(" "),
  // Values, variables of the environment, the console, files.
  ..."base64ToUint8Array uint8ArrayToBase64 parseResourceSyntax parseVariableSyntax deprecate".split(" "),
  ..."parseS3Object decodePayload definePreprocessor context getEnv getMockedApi workerHasInternalServer".split(" "),
  ..."appendToResultStream streamResult getSharedState setSharedState".split(" "),
  ..."getSharedStatePickle setSharedStatePickle inferSqlType parseSqlClientName sqlIdentifier".split(" "),
];
