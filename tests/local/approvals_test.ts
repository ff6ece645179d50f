/** Approvals of workflows: links, the page's endpoints, answers that are refused. */
import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import type { Job } from "../../src/server/ports.ts";
import { resumeIdOf } from "../../src/server/workflow_jobs/signatures.ts";
import { type WorkflowServer, workflowServer } from "./_workflow_kit.ts";

type Links = { readonly resume: string; readonly cancel: string; readonly approvalPage: string };
type Fields = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const server = await workflowServer();
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

function test(name: string, fn: (server: WorkflowServer) => Promise<void>): void {
  Deno.test({
    name: `approvals: ${name}`,
    fn: async () => {
      await fn(server);
      equal(server.reported, []);
    },
    sanitizeOps: false,
    sanitizeResources: false,
  });
}

/** A workflow whose body is `body`, once it waits for something. */
async function waiting(body: string): Promise<string> {
  const id = await server.start(`
import { getApprovalUrls, getResumeUrls, step, waitForApproval, workflow } from "windmill-client";
export const main = workflow(async () => { ${body} });`);
  await server.when(id, ({ suspended }) => suspended);
  return id;
}
function statusOf(id: string): Fields {
  return (server.server.context.jobs.get(id) as Job).workflowAsCodeStatus as unknown as Fields;
}
async function told(response: Promise<Response>): Promise<readonly [number, string]> {
  const answer = await response;
  return [answer.status, await answer.text()];
}

test("what a waiting workflow says of its approval is what the protocol says", async () => {
  const id = await waiting(
    `return await waitForApproval({ timeout: 60, form: { type: "object" }, skin: "minimal", description: "Sign" });`,
  );
  const { _approval, "_step/approval": entry } = statusOf(id);
  equal(_approval?.key, "approval");
  equal([_approval?.timeout, _approval?.form, _approval?.skin, _approval?.description], [
    60,
    { type: "object" },
    "minimal",
    "Sign",
  ]);
  equal([entry?.approval, entry?.self_approval_disabled, entry?.resume], [true, false, _approval?.resume]);
  // The numbers that the protocol gives as examples.
  equal(["approval", "approval_2", "manager"].map(resumeIdOf), [0x9deb65b8, 0x50d1eeca, 0x6ee4a469]);
  match(
    String(_approval?.resume),
    new RegExp(`^${server.url}/api/w/ws/jobs_u/resume/${id}/${0x9deb65b8}/[0-9a-f]{64}$`),
  );
  match(String(_approval?.approvalPage), new RegExp(`^${server.url}/approve/ws/${id}\\?token=[0-9a-f]{64}$`));
  equal(await told(server.ask("POST", String(_approval?.resume), { ok: 1 }, "")), [201, ""]);
  equal((await server.ended(id)).result, { value: { ok: 1 }, approver: "anonymous", approved: true });
  equal(typeof statusOf(id)["_step/approval"]?.duration_ms, "number");
});

test("a link is good once, a changed one never", async () => {
  const id = await waiting(`return [await waitForApproval({ key: "a" }), await waitForApproval({ key: "b" })];`);
  const { resume, cancel } = statusOf(id)._approval as unknown as Links;
  const last = resume.at(-1) === "0" ? "1" : "0";
  for (
    const changed of [resume.slice(0, -1) + last, `${resume}?approver=eve`, resume.replace(id, crypto.randomUUID())]
  ) {
    const [status, text] = await told(server.ask("POST", changed, {}, ""));
    equal([status, text], [401, "Not authorized: Invalid signature"]);
  }
  equal((await told(server.ask("POST", resume, 1, "")))[0], 201);
  equal(await told(server.ask("POST", resume, 1, "")), [400, "Bad request: resume request already sent"]);
  equal(await told(server.ask("GET", cancel, undefined, "")), [400, "Bad request: resume request already sent"]);
  await server.when(id, (job) => "_step/b" in (job.workflowAsCodeStatus as unknown as Fields) && job.suspended);
  const links = await (await server.ask("GET", `jobs/wac_approval_urls/${id}/b?approver=Ann`)).json() as Links;
  match(links.cancel, /\?approver=Ann$/);
  const payload = btoa(JSON.stringify({ why: "no" }));
  equal(
    (await told(server.ask("GET", `${links.cancel}&payload=${encodeURIComponent(payload)}`, undefined, "")))[0],
    201,
  );
  equal((await server.ended(id)).result, [
    { value: 1, approver: "anonymous", approved: true },
    { value: { why: "no" }, approver: "Ann", approved: false },
  ]);
  equal((await told(server.ask("POST", links.resume, {}, "")))[0], 400);
});

test("a link that was made for a step is for that step alone, and may be made before it is asked", async () => {
  const id = await waiting(`
    const { resume } = await getApprovalUrls("second");
    await step("note", () => resume);
    return [await waitForApproval({ key: "first" }), await waitForApproval({ key: "second" })];`);
  const links = await (await server.ask("GET", `jobs/wac_approval_urls/${id}/second`)).json() as Links;
  equal(
    await told(server.ask("POST", links.resume, {}, "")),
    [400, "Bad request: this approval link is bound to step `second`, which is not currently awaiting approval"],
  );
  for (const key of ["%20", "%2e%2e", "a%5Cb"]) {
    equal((await told(server.ask("GET", `jobs/wac_approval_urls/${id}/${key}`)))[0], key === "%2e%2e" ? 404 : 400);
  }
  equal((await told(server.ask("POST", String(statusOf(id)._approval?.resume), 1, "")))[0], 201);
  await server.when(id, (job) => "_step/second" in (job.workflowAsCodeStatus as unknown as Fields) && job.suspended);
  equal((await told(server.ask("POST", links.resume, 2, "")))[0], 201);
  equal(((await server.ended(id)).result as readonly { value: number }[]).map(({ value }) => value), [1, 2]);
});

test("an answer that comes early counts for the next approval that is asked", async () => {
  const id = await server.start(`
import { getResumeUrls, step, waitForApproval, workflow } from "windmill-client";
export const main = workflow(async () => {
  const sent = await step("ask", async () => {
    const { resume } = await getResumeUrls("boss");
    return (await fetch(resume, { method: "POST", body: JSON.stringify("early") })).status;
  });
  return [sent, await waitForApproval({ timeout: 600 })];
});`);
  const job = await server.ended(id);
  equal(job.result, [201, { value: "early", approver: "boss", approved: true }]);
});

test("the page is answered with its token, or as somebody who is signed in", async () => {
  const id = await waiting(
    `return [await waitForApproval({ form: { type: "object", properties: { n: { type: "number" } } } }), await waitForApproval()];`,
  );
  const token = new URL(String(statusOf(id)._approval?.approvalPage)).searchParams.get("token") ?? "";
  const info = `jobs_u/flow/approval_info/${id}`;
  equal((await told(server.ask("GET", info, undefined, "")))[0], 401);
  equal((await told(server.ask("GET", `${info}?token=${"0".repeat(64)}`, undefined, "")))[0], 401);
  const shown = await (await server.ask("GET", `${info}?token=${token}`, undefined, "")).json() as Fields;
  equal(
    [shown.flow_id, shown.can_approve, shown.user_auth_required, shown.step_summary, shown.approvers],
    [id, true, false, "approval", []] as unknown[],
  );
  equal(shown.form_schema, { type: "object", properties: { n: { type: "number" } } });
  const path = `jobs_u/flow/resume_suspended/${id}`;
  equal((await told(server.ask("POST", path, { payload: { n: 1 } }, "")))[0], 401);
  equal((await told(server.ask("POST", path, { payload: { n: 1 }, approval_token: token }, "")))[0], 201);
  await server.when(
    id,
    (job) => "_step/approval_2" in (job.workflowAsCodeStatus as unknown as Fields) && job.suspended,
  );
  equal((await told(server.ask("POST", path, { approved: false })))[0], 201);
  equal((await server.ended(id)).result, [
    { value: { n: 1 }, approver: "anonymous", approved: true },
    { value: null, approver: "admin", approved: false },
  ]);
  const after = await (await server.ask("GET", `${info}?token=${token}`, undefined, "")).json() as Fields;
  equal([
    after.can_approve,
    (after.approvers as unknown as readonly { approver: string }[]).map(({ approver }) => approver),
  ], [false, ["anonymous", "admin"]] as unknown[]);
});

test("the page shows the form, and takes what is filled in", async () => {
  const id = await waiting(
    `return await waitForApproval({ description: "Ship it?", form: { type: "object", properties: { n: { type: "integer" } } } });`,
  );
  const address = new URL(String(statusOf(id)._approval?.approvalPage));
  const page = await (await fetch(address)).text();
  ok(page.includes("Ship it?") && /name="[^"]*n"/.test(page), page);
  const desk = server.server.context.approvals;
  const token = address.searchParams.get("token") ?? "";
  const shown = await desk?.info(id, { token });
  equal([shown?.job, shown?.step, shown?.pending, shown?.canAnswer, shown?.description], [
    id,
    "approval",
    true,
    true,
    "Ship it?",
  ]);
  await desk?.answer(id, { token }, { approved: true, payload: { n: 5 } });
  equal((await server.ended(id)).result, { value: { n: 5 }, approver: "anonymous", approved: true });
  const after = await desk?.info(id, { caller: server.server.context.identity.owner });
  equal([after?.pending, after?.canAnswer, after?.approvers], [false, false, ["anonymous"]]);
});

test("an owner resumes once, as the older endpoint does", async () => {
  const id = await waiting(`return [await waitForApproval(), await waitForApproval({ timeout: 1 })];`);
  equal((await told(server.ask("POST", `jobs/flow/resume/${id}`, { fine: true })))[0], 201);
  equal(await told(server.ask("POST", `jobs/flow/resume/${id}`, {})), [
    400,
    "Bad request: resume request already sent",
  ]);
  equal((await server.ended(id)).result, [
    { value: { fine: true }, approver: "admin", approved: true },
    { value: null, approver: null, approved: false },
  ]);
});

test("an answer that does not fit the form is told to who gave it, and the workflow waits on", async () => {
  const id = await waiting(`
    const schema = { "~standard": { version: 1, vendor: "test", validate: (v) => typeof v?.n === "number" ? { value: v } : { issues: [{ message: "must be a number", path: ["n"] }] } } };
    return await waitForApproval({ form: { schema, jsonSchema: { type: "object", properties: { n: { type: "number" } } } } });`);
  const resume = String(statusOf(id)._approval?.resume);
  const [status, text] = await told(server.ask("POST", resume, { n: "three" }, ""));
  equal(status, 400);
  match(text, /^Bad request: The answer does not fit what "approval" of run .* still waits: n \(found string/);
  // The link was not used up.
  equal((await told(server.ask("POST", resume, { n: 3 }, "")))[0], 201);
  const { result } = await server.ended(id);
  equal((result as unknown as Fields).value, { n: 3 });
});

test("an answer is held against a form of plain JSON schema, by whatever way it comes", async () => {
  const id = await waiting(`
    return await waitForApproval({ form: { schema: { type: "object", properties: { n: { type: "integer", maximum: 9 } }, required: ["n"] } } });`);
  const link = String(statusOf(id)._approval?.resume);
  const payload = (value: unknown): string =>
    `${link}${link.includes("?") ? "&" : "?"}payload=${btoa(JSON.stringify(value))}`;
  const wrong = [
    server.ask("POST", link, { n: "three" }, ""),
    server.ask("POST", link, undefined, ""),
    server.ask("GET", payload({ n: 10 }), undefined, ""),
    server.ask("GET", link, undefined, ""),
    server.ask("POST", `jobs/flow/resume/${id}`, { n: 1.5 }),
    server.ask("POST", `jobs_u/flow/resume_suspended/${id}`, { payload: { n: [] }, approved: true }),
  ];
  for (const answer of wrong) {
    const [status, text] = await told(answer);
    equal(status, 400, text);
    match(text, /^Bad request: The answer does not fit what "approval" of run .* \(found /);
  }
  equal((await told(server.ask("GET", payload({ n: 3 }), undefined, "")))[0], 201);
  equal(((await server.ended(id)).result as unknown as Fields).value, { n: 3 });
});

test("who rejects need not fill the form in", async () => {
  const id = await waiting(
    `return await waitForApproval({ form: { properties: { n: { type: "number" } }, required: ["n"] } });`,
  );
  equal((await told(server.ask("POST", String(statusOf(id)._approval?.cancel), undefined, "")))[0], 201);
  equal(((await server.ended(id)).result as unknown as Fields).approved, false);
});

test("several approvals at a time are answered by their own links", async () => {
  const id = await waiting(`return await Promise.all([waitForApproval({ key: "a" }), waitForApproval({ key: "b" })]);`);
  const status = statusOf(id);
  equal((await told(server.ask("POST", String(status["_step/b"]?.resume), "for b", "")))[0], 201);
  await server.when(id, (job) => (job.workflowAsCodeStatus as unknown as Fields)["_step/b"]?.duration_ms !== undefined);
  equal(
    (await told(server.ask("POST", `jobs_u/flow/resume_suspended/${id}`, { payload: "for a", step_key: "a" })))[0],
    201,
  );
  equal(((await server.ended(id)).result as readonly { value: string }[]).map(({ value }) => value), [
    "for a",
    "for b",
  ]);
});

test("who may not approve himself is refused as the community edition refuses it", async () => {
  const job = await server.run(`
import { waitForApproval, workflow } from "windmill-client";
export const main = workflow(async () => await waitForApproval({ selfApproval: false }));`);
  const { error } = job.result as unknown as Fields;
  equal([job.success, error?.message], [false, "Disabling self-approval is an enterprise only feature"]);
});

test("a job's token makes no links for another job, and ids are looked at", async () => {
  const id = await waiting(`return await waitForApproval();`);
  const { identity } = server.server.context;
  const other = await server.run("export function main() { return 1 }");
  const token = identity.issueJobToken(other.id);
  for (
    const path of [`jobs/wac_approval_urls/${id}/approval`, `jobs/resume_urls/${id}/1`, `jobs/job_signature/${id}/1`]
  ) {
    equal((await told(server.ask("GET", path, undefined, token)))[0], 403);
  }
  equal((await told(server.ask("POST", `jobs_u/flow/resume_suspended/${id}`, {}, token)))[0], 403);
  equal((await told(server.ask("GET", `jobs/resume_urls/NO_JOB_ID/1`)))[0], 400);
  equal((await told(server.ask("GET", `jobs/resume_urls/${id}/4294967296`)))[0], 400);
  const links = await (await server.ask("GET", `jobs/resume_urls/${id}/7?approver=`)).json() as Links;
  equal((await told(server.ask("GET", links.resume, undefined, "")))[0], 201);
  ok((await server.ended(id)).success);
});
