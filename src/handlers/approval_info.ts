/**
 * An approval as Windmill describes it, by a signed link or to somebody who is let in.
 *
 * @module
 */
import { hasCode } from "../base/errors.ts";
import { encodeSegment } from "../base/url.ts";
import { jobRoute } from "../sdk/_current_job.ts";
import { type ClientOptions, inWorkspace, post, queryOf, request } from "../sdk/connection.ts";
import { type Answer, isRecord, readRecord, unreadable } from "../wire/answer.ts";
import { readDone } from "../wire/plain.ts";

/** Where an approval is: with its signature or its token, it may be answered by whoever has it. */
export interface ApprovalLink {
  /** Id of the job. */
  readonly job: string;
  /** The token of Windmill's own page of this job. */
  readonly token?: string;
  /** What a signed link has besides. */
  readonly signed?: {
    readonly resumeId: number;
    readonly signature: string;
    /** Who answers: a part of what is signed. */
    readonly approver?: string;
  };
}

/** An approval as a page shows it. */
export interface ApprovalInfo {
  /** Id of the job. */
  readonly job: string;
  /** What the workflow calls the step. */
  readonly step: string;
  /** Path of the script or flow. */
  readonly path?: string;
  /** What the flow or its step is called. */
  readonly summary?: string;
  /** A text, or `{ markdown }`. */
  readonly description?: unknown;
  /** Schema of what is asked. */
  readonly form?: unknown;
  /** What fields begin with. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** It waits for an answer by this link. */
  readonly pending: boolean;
  /** This link was used. */
  readonly answered: boolean;
  /** Who looks may answer. */
  readonly canAnswer: boolean;
  /** It cannot be rejected. */
  readonly hideCancel: boolean;
  /** Who answered. */
  readonly approvers: readonly string[];
  /** When it goes on without an answer, in milliseconds since 1970. */
  readonly endsAt?: number;
  /** What the answer must name, where several wait. */
  readonly key?: string;
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return isRecord(value) ? value : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Leaves out what is not there. */
function known<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as {
    [K in keyof T]: Exclude<T[K], undefined>; // `as`: what is undefined is not there any more
  };
}

/** The number by which links name the step of a workflow: the first four bytes of its key's SHA-256. */
async function numberOf(key: string): Promise<number> {
  return new DataView(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key))).getUint32(0);
}

function momentOf(start: unknown, seconds: unknown): number | undefined {
  // A moment that no date has is none.
  const at = new Date(Date.parse(textOf(start) ?? "") + (typeof seconds === "number" ? seconds : NaN) * 1000).getTime();
  return Number.isNaN(at) ? undefined : at;
}

/** What waits, out of the record of a workflow: the step of the link's number, else the one that waits now. */
async function ofWorkflow(status: Fields, resumeId: number) {
  const latest = fieldsOf(status._approval);
  const entries = Object.entries(status).flatMap(([name, value]) => {
    const entry = fieldsOf(value);
    return name.startsWith("_step/") && entry.approval === true ? [{ key: name.slice("_step/".length), entry }] : [];
  });
  const minted = Object.keys(fieldsOf(status._minted_approval_keys));
  let named: string | undefined;
  for (const key of [...entries.map(({ key }) => key), ...minted]) if (await numberOf(key) === resumeId) named = key;
  const key = named ?? textOf(latest.key) ?? "approval";
  const entry = entries.find((one) => one.key === key)?.entry;
  // Text and looks are those of the latest alone; the form is every step's own.
  const shown = latest.key === key ? latest : fieldsOf(entry);
  return {
    step: key,
    waits: entry !== undefined && entry.duration_ms === undefined,
    description: shown.description,
    form: shown.form,
    defaults: fieldsOf(shown.default_args),
    endsAt: momentOf(entry?.started_at, shown.timeout),
    summary: undefined,
    hideCancel: false,
  };
}

/** What waits, out of the record of a flow: the step before the one that is to run. */
function ofFlow(job: Fields) {
  const raw = fieldsOf(job.raw_flow), at = Math.max(0, Number(fieldsOf(job.flow_status).step ?? 1) - 1);
  const module = fieldsOf(Array.isArray(raw.modules) ? raw.modules[at] : undefined);
  const suspend = fieldsOf(module.suspend);
  return {
    step: textOf(module.id) ?? "approval",
    // How many answers it waits for; what an old server does not say is no reason to ask nobody.
    waits: typeof job.suspend !== "number" || job.suspend > 0,
    description: undefined,
    form: fieldsOf(suspend.resume_form).schema,
    defaults: {},
    endsAt: undefined,
    summary: textOf(module.summary) ?? textOf(raw.summary),
    hideCancel: suspend.hide_cancel === true,
  };
}

function approversOf(answer: Answer, approvers: unknown): readonly { readonly id: unknown; readonly name: string }[] {
  if (!Array.isArray(approvers)) throw unreadable(answer, "'approvers'", "something else");
  return approvers.map(fieldsOf).map(({ resume_id, approver }) => ({
    id: resume_id,
    name: textOf(approver) ?? "anonymous",
  }));
}

function signedRoute(client: ClientOptions, action: string, { job, signed }: ApprovalLink): string {
  const { resumeId, signature } = signed ?? {};
  return `${jobRoute(client, `jobs_u/${action}`, job)}/${resumeId}/${encodeSegment(`${signature}`, "signature")}`;
}

/** The link is all the permission that there is: the deployment's own token has no part in it. */
function anonymous(client: ClientOptions): ClientOptions {
  return { ...client, token: null };
}

/** Reads what a signed link is about. Windmill checks the signature. */
async function readSigned(client: ClientOptions, link: ApprovalLink): Promise<ApprovalInfo> {
  const { approver, resumeId = NaN } = link.signed ?? {};
  const query = queryOf({ approver });
  const answer = await request(anonymous(client), { route: signedRoute(client, "get_flow", link), query });
  const record = readRecord(answer, "a job and its approvers");
  const job = fieldsOf(record.job);
  if (job.type !== "QueuedJob" && job.type !== "CompletedJob") throw unreadable(answer, "a 'job'", "something else");
  const approvers = approversOf(answer, record.approvers);
  const status = job.workflow_as_code_status;
  const { waits, endsAt, ...asked } = isRecord(status) ? await ofWorkflow(status, resumeId) : ofFlow(job);
  const answered = approvers.some(({ id }) => id === resumeId);
  return known({
    ...asked,
    job: textOf(job.id) ?? link.job,
    path: textOf(job.script_path),
    answered,
    pending: waits && !answered && job.type === "QueuedJob",
    canAnswer: true,
    approvers: approvers.map(({ name }) => name),
    endsAt,
  }) as ApprovalInfo; // `as`: what must be there was never undefined
}

/** Reads the approval of a job with the token of its page, else with the deployment's own. */
async function readAllowed(client: ClientOptions, { job, token, signed }: ApprovalLink): Promise<ApprovalInfo> {
  const route = jobRoute(client, "jobs_u/flow/approval_info", job);
  const answer = await request(token === undefined ? client : anonymous(client), { route, query: queryOf({ token }) });
  const info = readRecord(answer, "an approval");
  if (typeof info.can_approve !== "boolean") throw unreadable(answer, "'can_approve'", "something else");
  const list = Array.isArray(info.pending) ? info.pending.map(fieldsOf) : undefined;
  // Windkit's server lists all that waits, others have one at a time.
  const [first] = list ?? [];
  const approvers = approversOf(answer, info.approvers);
  const answered = signed !== undefined && approvers.some(({ id }) => id === signed.resumeId);
  return known({
    job: textOf(info.flow_id) ?? job,
    step: textOf(info.step_summary) ?? "approval",
    summary: textOf(info.flow_summary),
    description: info.description,
    form: info.form_schema,
    defaults: fieldsOf(info.default_args),
    pending: !answered && (list === undefined || list.length > 0),
    answered,
    // A signature is good whatever else is wanted of who answers.
    canAnswer: signed !== undefined || info.can_approve,
    hideCancel: info.hide_cancel === true,
    approvers: approvers.map(({ name }) => name),
    endsAt: momentOf(first?.expires_at, 0),
    key: textOf(first?.key),
  }) as ApprovalInfo; // `as`: what must be there was never undefined
}

/** Reads the approval of a link. */
export async function readApproval(client: ClientOptions, link: ApprovalLink): Promise<ApprovalInfo> {
  if (link.signed === undefined) return await readAllowed(client, link);
  try {
    return await readSigned(client, link);
  } catch (error) {
    // That endpoint is for flows: not every version of Windmill knows workflows there.
    if (link.token === undefined || !hasCode(error, "WINDMILL_API")) throw error;
    return await readAllowed(client, link);
  }
}

/** Gives the answer to Windmill. It is sent once: nobody knows whether one that got lost was taken. */
export async function sendAnswer(
  client: ClientOptions,
  link: ApprovalLink,
  approved: boolean,
  payload: unknown,
  key?: string,
): Promise<void> {
  if (link.signed !== undefined) {
    const route = signedRoute(client, approved ? "resume" : "cancel", link);
    const query = queryOf({ approver: link.signed.approver });
    readDone(await post(anonymous(client), { route, query, body: payload, accept: "*/*" }));
    return;
  }
  const route = inWorkspace(client, `jobs_u/flow/resume_suspended/${encodeSegment(link.job, "job id")}`);
  const { token } = link;
  const more = { ...(token !== undefined && { approval_token: token }), ...(key !== undefined && { step_key: key }) };
  const body = { payload, approved, ...more };
  readDone(await post(token === undefined ? client : anonymous(client), { route, body, accept: "*/*" }));
}
