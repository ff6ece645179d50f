/** Approvals, and calls that only newer servers know: what they refuse and what they understand. */
import { createClient } from "@windkit/windmill-client";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { client, json, options, refuses, type Seen, serve, stillClock, targets, text } from "./_client_kit.ts";
import { test } from "./harness.ts";

const urls = { approvalPage: "a", resume: "r", cancel: "c" };
const flow = { WM_JOB_ID: "job-self", WM_FLOW_JOB_ID: "flow-1", WM_FLOW_STEP_ID: "a" };
const slack = { slackResourcePath: "u/me/slack", channelId: "C1" };

// Approvals

test("approvals.resumeUrls() draws another number of 32 bits for each call", async () => {
  const stub = serve(() => json(urls));
  const c = client(stub, { env: flow });
  for (let i = 0; i < 20; i++) assertEquals(await c.approvals.resumeUrls(), urls);
  const numbers = stub.seen.map(({ target }) => Number(target.split("/").at(-1)));
  assertEquals(new Set(numbers).size, 20);
  for (const number of numbers) assert(Number.isInteger(number) && number >= 0 && number < 2 ** 32, `${number}`);
  // 20 draws below 10^9 have a chance of 1 to 10^12.
  assert(numbers.some((number) => number > 1e9), `Expected numbers of 32 bits, found ${numbers}`);
});

test("approvals take the job that is given, and encode it, the key and the approver", async () => {
  const stub = serve(() => json(urls));
  const c = client(stub);
  await c.approvals.urls("a key?", { jobId: "j/1", approver: "ann & bob" });
  await c.approvals.urls(undefined, { jobId: "j" });
  assertEquals(targets(stub, "/api/"), [
    "GET w/ws/jobs/wac_approval_urls/j%2F1/a%20key%3F?approver=ann+%26+bob",
    "GET w/ws/jobs/wac_approval_urls/j/approval",
  ]);
});

test("approvals refuse, before any request, a missing job, a missing flow, and keys that cannot be one", async () => {
  const stub = serve(() => json(urls));
  for (const WM_JOB_ID of [undefined, ""]) {
    const outside = client(stub, { env: { ...flow, WM_JOB_ID } });
    for (
      const call of [
        () => outside.approvals.resumeUrls(),
        () => outside.approvals.urls(),
        () => outside.approvals.requestSlack(slack),
        () => outside.approvals.requestTeams({ teamName: "t", channelName: "c" }),
      ]
    ) await assertRejects(call, "CONFIGURATION", "WM_JOB_ID");
  }
  for (const name of ["WM_FLOW_JOB_ID", "WM_FLOW_STEP_ID"]) {
    for (const value of [undefined, ""]) {
      const c = client(stub, { env: { ...flow, [name]: value } });
      await assertRejects(() => c.approvals.requestSlack(slack), "CONFIGURATION", name);
    }
  }
  const c = client(stub, { env: flow });
  for (const key of ["", " ", "a/b", "a\\b", null as unknown as string]) {
    await refuses(() => c.approvals.urls(key), RangeError, "Expected a key");
  }
  for (const key of [".", "..", "\ud800"]) {
    await refuses(() => c.approvals.urls(key), RangeError, " key ");
  }
  const { channelId: _, ...without } = slack;
  for (const approval of [without as typeof slack, { ...slack, channelId: "" }]) {
    await refuses(() => c.approvals.requestSlack(approval), TypeError, "'channelId'");
  }
  assertEquals(stub.seen.length, 0);
});

test("approvals.urls() and resumeUrls() refuse answers that are no addresses", async () => {
  for (const body of ["", "<html>", "[]", "null", '{"approvalPage":"a","resume":"r"}', '{"approvalPage":']) {
    const c = client(serve(() => text(body)), { env: flow });
    await assertRejects(() => c.approvals.resumeUrls(), "WINDMILL_API", "approvalPage");
    await assertRejects(() => c.approvals.urls(), "WINDMILL_API", "approvalPage");
  }
});

test("a request for an approval is made once: neither status nor lost connection repeats it", async () => {
  const clock = stillClock();
  for (const fails of [() => text("busy", 503), () => text("wait", 429), () => Promise.reject(new Error("lost"))]) {
    const stub = serve(fails);
    const c = client(stub, { env: flow, clock });
    await assertRejects(() => clock.drive(c.approvals.requestSlack(slack)), "WINDMILL_API");
    await assertRejects(
      () => clock.drive(c.approvals.requestTeams({ teamName: "t", channelName: "c" })),
      "WINDMILL_API",
    );
    assertEquals(stub.seen.length, 2);
  }
});

test("approvals.requestTeams() sends the texts of the buttons, and nothing that was not asked for", async () => {
  const stub = serve(() => text(""));
  const approval = {
    teamName: "a b",
    channelName: "c",
    resumeButtonText: "Yes",
    cancelButtonText: "No",
    defaultArgsJson: {},
    stray: "s",
  };
  await client(stub, { env: flow }).approvals.requestTeams(approval);
  assertEquals(targets(stub, "/api/"), [
    "GET w/ws/jobs/teams_approval/job-self?team_name=a+b&channel_name=c&flow_step_id=a&default_args_json=%7B%7D" +
    "&resume_button_text=Yes&cancel_button_text=No",
  ]);
});

// Version

test("a call that the server does not know says which version has it", async () => {
  const old = (version: string) => serve(({ target }) => target === "/api/version" ? text(version) : text("", 404));
  for (const version of ["CE v1.735.0", "EE v1.735.0-12-gabcdef", "CE v1.99.999", "EE v1.770.9\n", "v0.999.0"]) {
    const stub = old(version);
    const error = await assertRejects(
      () => client(stub, { env: flow }).approvals.urls(),
      "HOST_UNSUPPORTED",
      `Cannot use getApprovalUrls() on this server: expected Windmill 1.771.0 or newer, found ${version.trim()}`,
    );
    assertEquals((error.cause as { status?: unknown }).status, 404);
    assertEquals(targets(stub, "/api/").length, 2);
  }
  await assertRejects(
    () => client(old("CE v1.654.9")).kafka.commitOffset("f/k", { topic: "t", partition: 0, offset: 0 }),
    "HOST_UNSUPPORTED",
    "Cannot use commitKafkaOffsets() on this server: expected Windmill 1.655.0 or newer, found CE v1.654.9",
  );
});

test("a call that fails for another reason than the server's age ends with the server's own words", async () => {
  const cases: readonly [answer: (request: Seen) => Response | Promise<Response>, requests: number][] = [
    // What is not there, on a server that knows the call: its version is not asked for.
    [() => text("Not found: job", 404), 1],
    [() => text("no", 403), 1],
    // A server that is new enough, or whose version cannot be read.
    [({ target }) => target === "/api/version" ? text("CE v1.771.0") : text("", 404), 2],
    [({ target }) => target === "/api/version" ? text("EE v2.0.0") : text("", 404), 2],
    [({ target }) => target === "/api/version" ? text("nightly") : text("", 404), 2],
    [({ target }) => target === "/api/version" ? text("<html>") : text("<html>", 404), 2],
    [() => text("", 404), 2],
  ];
  for (const [answer, requests] of cases) {
    const stub = serve(answer);
    const error = await assertRejects(() => client(stub, { env: flow }).approvals.urls(), "WINDMILL_API");
    assertIncludes(error.message, "wac_approval_urls");
    assertEquals(stub.seen.length, requests);
  }
});

test("version() gives the text without its white space, needs no workspace, and refuses what is none", async () => {
  const bare = { workspace: "", env: {} };
  for (const [body, version] of [["CE v1.735.0", "CE v1.735.0"], ["  EE v1.2.3\n", "EE v1.2.3"]]) {
    const { workspace: _, ...rest } = options(serve(() => text(body as string)), bare);
    assertEquals(await createClient(rest).version(), version);
  }
  for (const body of ["", " \n", "<!doctype html>"]) {
    await assertRejects(() => client(serve(() => text(body))).version(), "WINDMILL_API", "a version");
  }
});
