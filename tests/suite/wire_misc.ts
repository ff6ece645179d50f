/**
 * What goes over the wire for the small groups, compared request by request with what the official clients sent
 * (`fixtures/official_requests_misc.json`, recorded from windmill-client 1.818.0 and wmill 1.735.0). Where this client sends
 * something else, the table says what and why.
 */
import * as wmill from "@windkit/windmill-client";
import { type Client, createClient } from "@windkit/windmill-client";
import { assert, assertEquals } from "./assert.ts";
import { json, type Seen, serve, stillClock, type Stub, text, withEnvironment } from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import recorded from "./fixtures/official_requests_misc.json" with { type: "json" };
import { test } from "./harness.ts";

interface Sent {
  readonly method: string;
  readonly url: string;
  readonly accept: string | null;
  readonly contentType: string | null;
  readonly authorization: string | null;
  readonly body: string;
}

interface WireCase {
  /** The call on a client of its own. */
  readonly client: (client: Client) => Promise<unknown>;
  /** The same call with the official name. */
  readonly top: () => Promise<unknown>;
}

const environment: Readonly<Record<string, string>> = {
  BASE_INTERNAL_URL: "http://stub.test/",
  WM_WORKSPACE: "ws",
  WM_TOKEN: "tok",
  WM_JOB_ID: "job-self",
  WM_FLOW_JOB_ID: "flow-1",
  WM_FLOW_STEP_ID: "a",
  WM_STATE_PATH: "u/me/state",
};

/** Answers as the server did that the requests were recorded from. */
function answer({ method, target }: Seen): Response {
  const path = target.replace(/^\/api\/(w\/ws\/)?/, "").replace(/\?.*$/, "");
  if (path.endsWith("missing")) return text("Not found: thing", 404);
  if (path.endsWith("boom")) return text("Internal: kaboom", 500);
  if (/^(variables|resources)\/exists\//.test(path)) return json(!path.endsWith("absent"));
  if (/^(variables|resources)\/get_value/.test(path)) return json("value");
  if (/get_root_job_id\//.test(path)) return json("root-1");
  if (/user_states\//.test(path) && method === "GET") return json({ s: 1 });
  if (/^jobs\/(resume_urls|wac_approval_urls)\//.test(path)) {
    return json({ approvalPage: "a", resume: "r", cancel: "c" });
  }
  if (path === "users/whoami") return json({ email: "e" });
  if (path === "users/tokens/create") return text("new-token", 201);
  if (path === "version") return text("CE v1");
  return text("done");
}

const slack = {
  slackResourcePath: "u/me/slack",
  channelId: "C1",
  message: "m",
  approver: "a",
  defaultArgsJson: { k: 1 },
  dynamicEnumsJson: { e: ["x"] },
};
const slackButtons = { ...slack, resumeButtonText: "R", cancelButtonText: "C" };
const teams = { teamName: "t", channelName: "c" };
const kafka = { topic: "top", partition: 3, offset: 42 };

const typescript: Readonly<Record<string, WireCase>> = {
  "getIdToken": {
    client: (c) => c.tokens.getId("sts.amazonaws.com", { expiresInSeconds: 600 }),
    top: () => wmill.getIdToken("sts.amazonaws.com", 600),
  },
  "getIdToken url audience": {
    client: (c) => c.tokens.getId("https://vault/x?y"),
    top: () => wmill.getIdToken("https://vault/x?y"),
  },
  "getResumeUrls": {
    client: (c) => c.approvals.resumeUrls({ approver: "ann", flowLevel: true }),
    top: () => wmill.getResumeUrls("ann", true),
  },
  "getResumeUrls noargs": { client: (c) => c.approvals.resumeUrls(), top: () => wmill.getResumeEndpoints() },
  "getApprovalUrls": {
    client: (c) => c.approvals.urls("manager", { approver: "ann" }),
    top: () => wmill.getApprovalUrls("manager", "ann"),
  },
  "usernameToEmail": { client: (c) => c.users.usernameToEmail("bob"), top: () => wmill.usernameToEmail("bob") },
  "requestInteractiveSlackApproval": {
    client: (c) => c.approvals.requestSlack(slackButtons),
    top: () => wmill.requestInteractiveSlackApproval(slackButtons),
  },
  "requestInteractiveTeamsApproval": {
    client: (c) => c.approvals.requestTeams(teams),
    top: () => wmill.requestInteractiveTeamsApproval(teams),
  },
  "commitKafkaOffsets": {
    client: (c) => c.kafka.commitOffset("f/k/trig", kafka),
    top: () => wmill.commitKafkaOffsets("f/k/trig", "top", 3, 42),
  },
  "version svc": { client: (c) => c.version(), top: () => wmill.version() },
  "boom svc": {
    client: (c) => c.resources.get("u/me/boom", { raw: true, retry: { attempts: 1 } }),
    top: () => wmill.getResource("u/me/boom", false, { raw: true }),
  },
};

const python: Readonly<Record<string, WireCase>> = {
  "create_token": { client: (c) => c.tokens.create(), top: () => wmill.createToken() },
  "get_id_token": typescript["getIdToken"] as WireCase,
  "get_id_token url": {
    client: (c) => c.tokens.getId("https://vault/x?y="),
    top: () => wmill.getIdToken("https://vault/x?y="),
  },
  "version": { client: (c) => c.version(), top: () => wmill.getVersion() },
  "whoami": { client: (c) => c.users.whoami(), top: () => wmill.user() },
  "get_resume_urls": typescript["getResumeUrls"] as WireCase,
  "get_resume_urls noargs": { client: (c) => c.approvals.resumeUrls(), top: () => wmill.getResumeUrls() },
  "slack": {
    client: (c) => c.approvals.requestSlack(slack),
    top: () => wmill.requestInteractiveSlackApproval(slack),
  },
  "username_to_email": typescript["usernameToEmail"] as WireCase,
  "send_teams_message": {
    client: (c) => c.teams.send("conv", "hi", { cardBlock: { a: 1 } }),
    top: () => wmill.sendTeamsMessage("conv", "hi", true, { a: 1 }),
  },
  "commit_kafka_offsets": typescript["commitKafkaOffsets"] as WireCase,
  "get_variable": { client: (c) => c.variables.get("u/me/v"), top: () => wmill.getVariable("u/me/v") },
  "get_variable $var:": { client: (c) => c.variables.get("$var:u/me/v"), top: () => wmill.getVariable("$var:u/me/v") },
  "get_variable missing": {
    client: (c) => c.variables.get("u/me/missing"),
    top: () => wmill.getVariable("u/me/missing"),
  },
  "set_variable absent": {
    client: (c) => c.variables.set("u/me/absent", "x", { isSecret: true }),
    top: () => wmill.setVariable("u/me/absent", "x", true),
  },
  "set_variable exists": {
    client: (c) => c.variables.set("u/me/v", "x"),
    top: () => wmill.setVariable("u/me/v", "x", true),
  },
  "get_resource": { client: (c) => c.resources.get("u/me/r"), top: () => wmill.getResource("u/me/r") },
  "get_resource boom none": {
    client: (c) => c.resources.find("u/me/boom"),
    top: () => wmill.getResource("u/me/boom", true),
  },
  "set_resource absent": {
    client: (c) => c.resources.set("u/me/absent", { a: 1 }, { resourceType: "mytype" }),
    top: () => wmill.setResource({ a: 1 }, "u/me/absent", "mytype"),
  },
  "set_resource exists": {
    client: (c) => c.resources.set("u/me/r", { a: 1 }),
    top: () => wmill.setResource({ a: 1 }, "u/me/r"),
  },
  "set_state": { client: (c) => c.state.set({ s: 1 }), top: () => wmill.setState({ s: 1 }) },
  "get_state": { client: (c) => c.state.get(), top: () => wmill.state() },
  "set_flow_user_state": {
    client: (c) => c.state.setFlow("k", { v: 1 }),
    top: () => wmill.setFlowUserState("k", { v: 1 }),
  },
  "set_flow_user_state None": {
    client: (c) => c.state.setFlow("k", null),
    top: () => wmill.setFlowUserState("k", null),
  },
  "get_flow_user_state": { client: (c) => c.state.getFlow("k"), top: () => wmill.getFlowUserState("k") },
};

const probe = "it asks whether there is one, where the Python client reads (and decrypts) the value to find out";

/** What is sent otherwise than recorded: changes of one request after the other. */
const differences: Readonly<Record<string, { readonly reason: string; readonly changes: readonly Partial<Sent>[] }>> = {
  "getIdToken url audience": {
    reason: "an audience is one part of the address: the official client leaves '?' and '#' as they are, which cut it",
    changes: [{ url: "/api/w/ws/oidc/token/https%3A%2F%2Fvault%2Fx%3Fy" }],
  },
  "get_id_token url": {
    reason: "an audience is one part of the address: the official client leaves '?' and '#' as they are, which cut it",
    changes: [{ url: "/api/w/ws/oidc/token/https%3A%2F%2Fvault%2Fx%3Fy%3D" }],
  },
  "create_token": {
    reason: "the end is in UTC, which its Z says, and the label has it in whole seconds",
    changes: [{ body: '{"label":"refresh 1700086400","expiration":"2023-11-15T22:13:20Z"}' }],
  },
  "get_resume_urls noargs": {
    reason:
      "an approver that was not given is not sent: an empty one becomes a part of the addresses and their signature",
    changes: [{ url: "/api/w/ws/jobs/resume_urls/job-self/NONCE" }],
  },
  "slack": {
    reason: "the order of the query is the official TypeScript client's, and JSON has no spaces",
    changes: [{
      url: "/api/w/ws/jobs/slack_approval/job-self?approver=a&message=m&slack_resource_path=u%2Fme%2Fslack" +
        "&channel_id=C1&flow_step_id=a&default_args_json=%7B%22k%22%3A1%7D&dynamic_enums_json=%7B%22e%22%3A%5B%22x%22%5D%7D",
    }],
  },
  "get_variable $var:": {
    reason: "the official clients send the prefix as a part of the path, which the server does not find",
    changes: [{ url: "/api/w/ws/variables/get_value/u/me/v" }],
  },
  "set_variable absent": { reason: probe, changes: [{ url: "/api/w/ws/variables/exists/u/me/absent" }] },
  "set_variable exists": { reason: probe, changes: [{ url: "/api/w/ws/variables/exists/u/me/v" }] },
  "set_resource absent": { reason: probe, changes: [{ url: "/api/w/ws/resources/exists/u/me/absent" }] },
  "set_resource exists": { reason: probe, changes: [{ url: "/api/w/ws/resources/exists/u/me/r" }] },
  "set_state": { reason: probe, changes: [{ url: "/api/w/ws/resources/exists/u/me/state" }] },
  "set_flow_user_state None": {
    reason: "no value is the JSON null: the Python client sends no body, which the server does not accept",
    changes: [{}, { body: "null", contentType: "application/json" }],
  },
};

/** The number in the address of a resume is drawn anew each time. */
function withoutNonce(url: string): string {
  return url.replace(/(\/resume_urls\/[^/]+\/)\d+/, "$1NONCE");
}

function sent(stub: Stub): Sent[] {
  return stub.seen.map(({ method, target, headers, body }) => ({
    method,
    url: withoutNonce(target),
    accept: headers.get("accept"),
    contentType: headers.get("content-type"),
    authorization: headers.get("authorization"),
    body,
  }));
}

/** What is expected of a case: the recorded requests with the differences of the table. */
function expected(name: string, recordings: readonly (Sent & { readonly fn: string })[], foreign: boolean): Sent[] {
  const list: Sent[] = recordings.filter(({ fn }) => fn === name).map(({ fn: _, ...request }) => {
    const url = withoutNonce(request.url);
    if (!foreign) return { ...request, url };
    // The Python client sends "*/*" and a content type with every request, and JSON with spaces; what counts is the value.
    const body = request.body === "" ? "" : JSON.stringify(JSON.parse(request.body));
    return { ...request, url, accept: "application/json", contentType: body === "" ? null : "application/json", body };
  });
  assert(list.length > 0, `Expected a recording of "${name}"`);
  differences[name]?.changes.forEach((change, at) => list[at] = { ...list[at] as Sent, ...change });
  return list;
}

async function ignoreOutcome(call: Promise<unknown>): Promise<void> {
  // Recorded calls fail too, on purpose: here only what was sent counts.
  await call.then(() => undefined, () => undefined);
}

for (
  const [cases, recordings, foreign] of [
    [typescript, recorded.typescript, false],
    [python, recorded.python, true],
  ] as const
) {
  for (const [name, { client, top }] of Object.entries(cases)) {
    test(`wire: a client sends what the official one does for ${name}`, async () => {
      const stub = serve(answer);
      const more = { baseUrl: "http://stub.test", workspace: "ws", token: "tok", clock: stillClock() };
      await ignoreOutcome(client(createClient({ env: environment, fetch: stub.fetch, ...more })));
      assertEquals(sent(stub), expected(name, recordings, foreign));
    });
    test(`wire: the function of that name sends what the official one does for ${name}`, async () => {
      const stub = serve(answer);
      await withEnvironment(environment, stub, () => ignoreOutcome(top()));
      const timeless = (list: readonly Sent[]): readonly Sent[] =>
        // The clock of the top-level functions is the runtime's.
        name === "create_token" ? list.map((one) => ({ ...one, body: one.body.replaceAll(/\d/g, "0") })) : list;
      assertEquals(timeless(sent(stub)), timeless(expected(name, recordings, foreign)));
    }, noEnvironment);
  }
}

test("wire: every recording of the small groups has a case, and every difference a reason", () => {
  const names = new Set([...recorded.typescript, ...recorded.python].map(({ fn }) => fn));
  assertEquals([...Object.keys(typescript), ...Object.keys(python)].toSorted(), [...names].toSorted());
  for (const [name, { reason, changes }] of Object.entries(differences)) {
    const recordings = [...recorded.typescript, ...recorded.python].filter(({ fn }) => fn === name);
    assert(reason.length > 20 && recordings.length > 0, `Expected a reason and a recording for "${name}"`);
    const differs = changes.some((change, at) =>
      Object.entries(change).some(([field, value]) => recordings[at]?.[field as keyof Sent] !== value)
    );
    assert(differs, `Expected a difference in "${name}"`);
  }
});

test("wire: the answers of the recorded server give what the official clients gave", async () => {
  const stub = serve(answer);
  const c = createClient({
    env: environment,
    baseUrl: "http://stub.test",
    workspace: "ws",
    token: "tok",
    fetch: stub.fetch,
    retry: { attempts: 1 },
  });
  const urls = { approvalPage: "a", resume: "r", cancel: "c" };
  assertEquals(await c.tokens.getId("x"), "done");
  assertEquals(await c.tokens.create(), "new-token");
  assertEquals(await c.approvals.resumeUrls(), urls);
  assertEquals(await c.approvals.urls("manager"), urls);
  assertEquals(await c.approvals.requestSlack(slack), undefined);
  assertEquals(await c.approvals.requestTeams(teams), undefined);
  assertEquals(await c.teams.send("conv", "hi"), undefined);
  assertEquals(await c.kafka.commitOffset("f/k/trig", kafka), undefined);
  assertEquals(await c.version(), "CE v1");
  assertEquals(await c.users.whoami(), { email: "e" });
  assertEquals(await c.users.usernameToEmail("bob"), "done");
});
