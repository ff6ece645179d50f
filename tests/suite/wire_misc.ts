/**
 * What goes over the wire for the small groups, compared request by request with what the official clients sent
 * (`fixtures/official_requests_misc.json`, recorded from windmill-client 1.818.0 and wmill 1.735.0).
 */
import * as wmill from "@windkit/windmill-client";
import { createClient } from "@windkit/windmill-client";
import { assertEquals } from "./assert.ts";
import { json, type Seen, serve, text } from "./_client_kit.ts";
import { type WireCase, wireCases, wireEnvironment } from "./_wire_kit.ts";
import recorded from "./fixtures/official_requests_misc.json" with { type: "json" };
import { test } from "./harness.ts";

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

/** Makes a call while the clock of the runtime, which is that of the top-level functions, shows a time. */
async function atTime(ms: number, call: () => Promise<unknown>): Promise<unknown> {
  const { now } = Date;
  Date.now = () => ms;
  try {
    return await call();
  } finally {
    Date.now = now;
  }
}

const python: Readonly<Record<string, WireCase>> = {
  "create_token": { client: (c) => c.tokens.create(), top: () => atTime(1_700_000_000_000, () => wmill.createToken()) },
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

wireCases({ typescript, python, recordings: recorded, answer });

test("wire: the answers of the recorded server give what the official clients gave", async () => {
  const stub = serve(answer);
  const c = createClient({
    env: wireEnvironment,
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
