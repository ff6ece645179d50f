/** The pages as a server gives them: what they show, whom they refuse, and that nothing in them is taken for HTML. */
import assert from "node:assert/strict";
import { pageRoutes } from "../../src/server/routes/pages.ts";
import { fieldsOf } from "../../src/forms/fields.ts";
import { readForm } from "../../src/forms/values.ts";
import { markup, renderHtml } from "../../src/forms/html.ts";
import { durationText, logText } from "../../src/ui/format.ts";
import { timelineOf } from "../../src/ui/timeline.ts";
import { valueHtml } from "../../src/ui/value.ts";
import type { RunView } from "../../src/ui/state.ts";
import { trialFolder } from "./_folder_kit.ts";
import { FULL_FORM, HOSTILE, openPages, orderStatus, PAGE_TOKEN, type PagesServer } from "./_pages_kit.ts";
import { openTestServer } from "./_server.ts";

async function start({ server }: PagesServer, path: string, args: Record<string, unknown> = {}): Promise<string> {
  return await server.client.jobs.start(path, args);
}

async function finish(pages: PagesServer, path: string, args: Record<string, unknown> = {}): Promise<string> {
  const id = await start(pages, path, args);
  await pages.server.server.context.jobs.wait(id);
  return id;
}

Deno.test("markup() escapes what is put in, and takes nothing for HTML that no template made", () => {
  const like = JSON.parse('{"html":"<b>","Symbol(windkit.html)":"<b>"}');
  assert.equal(
    renderHtml(markup`<p title="${`"'<>&`}">${[markup`<i>${1}</i>`, "<", undefined, false]}</p>`),
    '<p title="&quot;&#39;&lt;&gt;&amp;"><i>1</i>&lt;</p>',
  );
  assert.ok(!renderHtml(valueHtml(like, "x")).includes("<b>"));
  assert.equal(renderHtml(markup`${"a\u0000b\ud800"}`), "a\ufffdb\ufffd");
});

Deno.test("Names, arguments, logs, results and problems that are HTML are shown as they are", async () => {
  await using pages = await openPages({
    files: {
      [`f/${HOSTILE}`]: {
        summary: HOSTILE,
        description: HOSTILE,
        schema: {
          properties: {
            [HOSTILE]: { type: "string", title: HOSTILE, description: HOSTILE, default: HOSTILE, pattern: HOSTILE },
          },
        },
        run: (args, io) => {
          io.log(`${HOSTILE}\n`);
          return [{ [HOSTILE]: args }, { html: HOSTILE, [HOSTILE]: HOSTILE }];
        },
      },
      "f/html": () => ({ html: HOSTILE }),
      "f/fail": () => {
        throw Object.assign(new Error(HOSTILE), { name: HOSTILE });
      },
    },
    problems: [{ file: HOSTILE, message: HOSTILE }],
    approval: {
      summary: HOSTILE,
      description: { markdown: HOSTILE },
      form: { properties: { [HOSTILE]: { enum: [HOSTILE] } } },
    },
  });
  const path = `f/${HOSTILE}`;
  const hostile = await finish(pages, path, { [HOSTILE]: { [HOSTILE]: HOSTILE } });
  const ids = [hostile, await finish(pages, "f/html"), await finish(pages, "f/fail")];
  const addresses = [
    "/",
    `/?path=${encodeURIComponent(HOSTILE)}`,
    "/scripts",
    `/scripts?find=${encodeURIComponent(HOSTILE)}`,
    `/scripts/${path.split("/").map(encodeURIComponent).join("/")}?from=${hostile}`,
    "/problems",
    ...ids.map((id) => `/run/${id}`),
    `/approve/ws/${hostile}?token=${encodeURIComponent(HOSTILE)}`,
    `/nothing/${encodeURIComponent(HOSTILE)}`,
    `/login?next=${encodeURIComponent(`/?x=${HOSTILE}`)}`,
  ];
  for (const address of addresses) {
    const response = await pages.ask(address);
    const text = await response.text();
    assert.ok([200, 404].includes(response.status), `${address}: ${response.status}`);
    assert.doesNotMatch(text, /<img src=x|<script>alert|onerror="/, address);
    assert.match(text, /^<!DOCTYPE html>/);
  }
  // The log that comes live is text in JSON; the parts are made by the same templates.
  const events = await (await pages.ask(`/run/${hostile}/events?log=0`)).text();
  assert.match(events, /event: log\nid: \d+\ndata: "/);
  assert.doesNotMatch(events.replace(/event: log\n.*\n.*\n/, ""), /<img src=x|<script>alert/);
  const result = await pages.ask(`/run/${ids[1]}/result.json`);
  assert.match(result.headers.get("content-security-policy") ?? "", /sandbox/);
  assert.deepEqual(await result.json(), { html: HOSTILE });
});

Deno.test("Every page has a policy with a nonce of its own, and no handler or style in it", async () => {
  await using pages = await openPages({ files: { "f/a": () => 1 } });
  const id = await finish(pages, "f/a");
  const nonces = new Set<string>();
  const addresses = [
    "/",
    "/scripts",
    "/scripts/f/a",
    "/problems",
    `/run/${id}`,
    `/approve/ws/${id}`,
    "/login",
    "/none",
  ];
  for (const address of addresses) {
    const response = await pages.ask(address);
    const text = await response.text();
    const policy = response.headers.get("content-security-policy") ?? "";
    const [, nonce = ""] = /script-src 'nonce-([\da-f]{32})'/.exec(policy) ?? [];
    assert.ok(nonce !== "" && !nonces.has(nonce), address);
    nonces.add(nonce);
    assert.match(policy, /default-src 'none'.*form-action 'self'/);
    assert.ok(!policy.includes("unsafe"));
    assert.match(text, new RegExp(`<script defer src="/assets/windkit-[\\da-f]+\\.js" nonce="${nonce}"></script>`));
    assert.doesNotMatch(text, /<[^>]* (?:on[a-z]+|style)=|javascript:/i);
    assert.equal(response.headers.get("cache-control"), "no-store");
    const [, asset = ""] = /href="(\/assets\/[^"]+)"/.exec(text) ?? [];
    const style = await pages.ask(asset, { headers: { cookie: "" } });
    assert.equal(style.headers.get("content-type"), "text/css; charset=utf-8");
    await style.body?.cancel();
  }
});

Deno.test("No page is drawn before all of it is there: what came last would move what was seen first", async () => {
  await using pages = await openPages({ files: { "f/a": () => 1 } });
  for (const address of ["/", "/scripts/f/a", `/run/${await finish(pages, "f/a")}`, "/login", "/none"]) {
    const text = await (await pages.ask(address)).text();
    const [, last = ""] = /<link rel="expect" href="#(\w+)" blocking="render">[^]*<\/head>/.exec(text) ?? [];
    assert.match(text, new RegExp(`</main>\n<[^>]+id="${last}"[^>]*></p>\n</body>`), address);
  }
});

Deno.test("A form needs the token of its session; another session's, a job's and a foreign origin's are refused", async () => {
  const seen: string[] = [];
  await using pages = await openPages({
    files: { "f/hang": () => new Promise(() => {}), "f/a": (_, __, job) => void seen.push(job.env["WM_TOKEN"] ?? "") },
  });
  const id = await start(pages, "f/hang");
  const type = { "content-type": "application/x-www-form-urlencoded" };
  async function cancel(fields: Record<string, string>, headers: Record<string, string>): Promise<number> {
    const body = new URLSearchParams(fields).toString();
    const response = await pages.ask(`/run/${id}/cancel`, { method: "POST", body, headers: { ...type, ...headers } });
    await response.body?.cancel();
    return response.status;
  }
  const page = await (await pages.ask(`/run/${id}`)).text();
  const [, form_token = ""] = /name="form_token" value="([\da-f]+)"/.exec(page) ?? [];
  const other = await fetch(`${pages.url}/?token=${pages.server.token}`, { redirect: "manual" });
  await other.body?.cancel();
  const [otherCookie = ""] = (other.headers.get("set-cookie") ?? "").split(";");
  assert.equal(await cancel({}, { origin: pages.url }), 403);
  assert.equal(await cancel({ form_token: "0".repeat(64) }, { origin: pages.url }), 403);
  assert.equal(await cancel({ form_token }, { origin: pages.url, cookie: otherCookie }), 403);
  assert.equal(await cancel({ form_token }, { origin: "https://evil.example" }), 403);
  assert.equal(await cancel({ form_token }, { origin: pages.url, "content-type": "text/plain" }), 415);
  await finish(pages, "f/a");
  const asJob = { authorization: `Bearer ${seen[0]}`, cookie: "" };
  assert.equal((await pages.ask("/", { headers: asJob })).status, 401);
  const forever = await start(pages, "f/hang");
  const jobToken = pages.server.server.context.identity.issueJobToken(forever);
  for (const address of ["/", "/scripts", "/problems", `/run/${id}`, `/run/${id}/log.txt`, `/run/${id}/events`]) {
    const response = await pages.ask(address, { headers: { authorization: `Bearer ${jobToken}`, cookie: "" } });
    assert.equal(response.status, 403, address);
    await response.body?.cancel();
  }
  assert.equal(await cancel({ form_token, reason: "enough" }, { origin: pages.url }), 303);
  const job = await pages.server.server.context.jobs.wait(id);
  assert.deepEqual([job.canceledBy, job.canceledReason], ["admin", "enough"]);
});

Deno.test("Who is not signed in is shown where to do that, and comes back to the page that was asked for", async () => {
  await using pages = await openPages();
  const headers = { cookie: "" };
  const refused = await pages.ask("/scripts?find=a%22b", { headers });
  assert.equal(refused.status, 401);
  const text = await refused.text();
  assert.match(text, /<form[^>]* method="get" action="\/scripts">/);
  assert.match(text, /name="find" value="a&quot;b"/);
  assert.doesNotMatch(text, /Runs<\/a>/);
  assert.match(await (await pages.ask("/?token=wrong", { headers })).text(), /does not know that token/);
  for (const next of ["//evil.example/x", "/%2f/evil.example", "\\\\evil.example", "https://evil.example/"]) {
    const page = await (await pages.ask(`/login?next=${encodeURIComponent(next)}`, { headers })).text();
    const [, action = ""] = /<form[^>]* action="([^"]*)"/.exec(page) ?? [];
    assert.equal(new URL(action, pages.url).origin, pages.url, next);
  }
  // Programs are told in a line.
  assert.equal(
    await (await pages.ask("/", { headers: { cookie: "", accept: "*/*" } })).text().then((t) => t.slice(0, 13)),
    "Not signed in",
  );
});

Deno.test("The page of a script shows its modules' code, without secrets", async () => {
  const secret = "s3cr3t-value";
  const modules = {
    "helper.ts": { content: `export const key = "${secret}"; // <b>`, language: "bun" },
    "utils/math.ts": { content: "export const two = 2;", language: "bun" },
  };
  await using pages = await openPages({
    hidden: [secret],
    files: { "f/a": { modules, run: () => 1 }, "f/b": () => 1 },
  });
  const text = await (await pages.ask("/scripts/f/a")).text();
  for (const words of [">helper.ts<", ">utils/math.ts<", "export const two = 2;", "***", "&lt;b&gt;"]) {
    assert.ok(text.includes(words), words);
  }
  assert.ok(!text.includes(secret));
  assert.doesNotMatch(await (await pages.ask("/scripts/f/b")).text(), /Modules/);
});

Deno.test("Secrets are hidden in arguments, results, errors, logs and code", async () => {
  const secret = "s3cr3t-value";
  await using pages = await openPages({
    hidden: [secret],
    files: {
      "f/a": { content: "f/a", schema: { properties: { key: {} } }, run: (args) => [{ deep: args, [secret]: 1 }] },
      "f/typed": {
        schema: { properties: { word: { type: "string", password: true }, plain: { type: "string" } } },
        run: () => 1,
      },
      "f/b": () => {
        throw new Error(`No ${secret}`);
      },
    },
  });
  const id = await finish(pages, "f/a", { key: secret });
  const failed = await finish(pages, "f/b");
  const typed = await finish(pages, "f/typed", { word: "typed-in-secret", plain: "seen" });
  const form = await (await pages.ask(`/scripts/f/typed?from=${typed}`)).text();
  assert.ok(!form.includes("typed-in-secret") && form.includes('value="seen"'));
  assert.ok(!(await (await pages.ask(`/run/${typed}`)).text()).includes("typed-in-secret"));
  // What is hidden is not sent again as it is shown.
  assert.doesNotMatch(await (await pages.ask(`/scripts/f/a?from=${id}`)).text(), new RegExp(`${secret}|\\*\\*\\*`));
  for (const address of [`/run/${id}`, `/run/${id}/result.json`, `/run/${failed}`]) {
    const text = await (await pages.ask(address)).text();
    assert.ok(!text.includes(secret), address);
    assert.ok(text.includes("***"), address);
  }
});

Deno.test("A script's form starts a job with values of its schema, and says what is wrong with others", async () => {
  await using pages = await openPages({ files: { "f/refund": { schema: FULL_FORM, run: (args) => args } } });
  const wrong = await pages.send("/scripts/f/refund", {
    "a.customer": "x",
    "a.cents": "9000",
    "a.due": "2026-02-30",
    "a.extra": "{",
    "a.reason": "7",
  });
  assert.equal(wrong.status, 422);
  const text = await wrong.text();
  for (
    const message of [
      "at least 2 characters",
      "at most 5000",
      "Expected a date",
      "Expected JSON",
      "those that are offered",
    ]
  ) assert.ok(text.includes(message), message);
  assert.match(text, /value="x"[^>]* aria-describedby="field-0-error field-0-hint" aria-invalid="true"/);
  const sent = await pages.send("/scripts/f/refund", {
    "a.customer": "Ada",
    "a.cents": "100",
    "a.due": "2026-02-28",
    "a.at": "2026-02-28T09:30",
    "a.reason": "0",
    "a.items": "a\r\n\r\nb c",
    "a.size": "2",
    "a.notify": "true",
    "a.store": "$res:f/shop/main_store",
    "a.extra": '{"x":[1]}',
    "a.note": "one\r\ntwo",
    "a.rate": "",
  });
  assert.equal(sent.status, 303);
  const id = (sent.headers.get("location") ?? "").slice("/run/".length);
  const { args } = await pages.server.server.context.jobs.wait(id);
  assert.deepEqual(args, {
    customer: "Ada",
    cents: 100,
    reason: "broken",
    notify: true,
    due: "2026-02-28",
    at: "2026-02-28T09:30:00.000Z",
    note: "one\ntwo",
    items: ["a", "b c"],
    size: ["L"],
    store: "$res:f/shop/main_store",
    extra: { x: [1] },
  });
});

Deno.test("readForm() leaves out what is empty and not needed, and asks for what is", () => {
  const fields = fieldsOf({ schema: FULL_FORM });
  assert.deepEqual(fields.slice(0, 3).map(({ name, kind }) => [name, kind]), [
    ["customer", "text"],
    ["cents", "integer"],
    ["reason", "select"],
  ]);
  const { values, errors } = readForm(fields, new URLSearchParams({ "a.cents": "1e400" }));
  assert.deepEqual([...errors.keys()], ["customer", "cents"]);
  assert.deepEqual(values, { notify: false, size: [] });
  for (const schema of [null, 7, [], { properties: 1 }, { properties: { a: null } }, { order: [{}], properties: {} }]) {
    fieldsOf(schema);
  }
  assert.ok(Object.hasOwn(readForm(fieldsOf({ properties: { ["__proto__x"]: {} } }), new URLSearchParams()), "values"));
});

Deno.test("An approval is answered with its form: once, with the token of its address or signed in", async () => {
  await using pages = await openPages({
    files: { "f/a": () => 1 },
    approval: { form: { schema: FULL_FORM }, defaults: { customer: "Ada" }, endsAt: Date.now() + 60_000 },
    refuses: (payload) => JSON.stringify(payload).includes("4999") ? "cents: too many for one day" : undefined,
  });
  const id = await finish(pages, "f/a");
  const anonymous = { cookie: "" };
  assert.equal((await pages.ask(`/approve/ws/${id}?token=wrong`, { headers: anonymous })).status, 403);
  assert.equal((await pages.ask(`/approve/ws/${id}`, { headers: anonymous })).status, 403);
  assert.equal((await pages.ask(`/approve/other/${id}?token=${PAGE_TOKEN}`, { headers: anonymous })).status, 404);
  const page = await (await pages.ask(`/approve/ws/${id}?token=${PAGE_TOKEN}`, { headers: anonymous })).text();
  assert.match(page, /name="a.customer" type="text" value="Ada"/);
  assert.ok(!page.includes(`/run/${id}`));
  const address = `/approve/ws/${id}`;
  assert.equal((await pages.send(address, { answer: "approve", "a.customer": "" })).status, 422);
  const refused = await pages.send(address, { answer: "approve", "a.customer": "Ada", "a.cents": "4999" });
  assert.equal(refused.status, 422);
  assert.match(await refused.text(), /role="alert"[\s\S]*too many for one day[\s\S]*value="4999"/);
  assert.equal((await pages.send(address, { answer: "maybe" })).status, 422);
  assert.deepEqual(pages.answers, []);
  const done = await pages.send(address, { answer: "reject", "a.customer": "", "a.cents": "5" });
  assert.match(await done.text(), /<h1>Rejected<\/h1>/);
  assert.deepEqual(pages.answers, [{
    job: id,
    approved: false,
    payload: { cents: 5, notify: false, size: [] },
    by: "admin",
  }]);
  assert.match(await (await pages.ask(address)).text(), /does not wait for an answer/);
});

Deno.test("timelineOf() tells steps, attempts, waits, approvals and children apart, and hides the runtime's own", () => {
  const now = Date.parse("2026-03-01T12:00:00Z");
  const run: RunView = {
    id: "r",
    kind: "script",
    path: "f/order",
    language: "bun",
    args: {},
    createdBy: "admin",
    createdAt: now - 10_000,
    startedAt: now - 9500,
    scheduledFor: now - 10_000,
    tag: "bun",
    running: false,
    suspended: true,
    canceled: false,
    restarts: 0,
  };
  const child = {
    ...run,
    id: "0190a8b0-0000-7000-8000-000000000001",
    path: "f/child",
    createdAt: now - 100,
    suspended: false,
  };
  const status = {
    ...orderStatus(now, "http://x", "r") as Record<string, unknown>,
    [child.id]: { name: "brew", scheduled_for: "no time" },
  };
  const entries = timelineOf({ ...run, workflowAsCodeStatus: status }, new Map([[child.id, child]]), now);
  assert.deepEqual(
    entries.map(({ kind, name, attempt, before, state }) => [kind, name, attempt, before ?? 0, state]),
    [
      ["step", "validate_order", 1, 0, "done"],
      ["step", "charge_card", 1, 0, "failed"],
      ["sleep", "charge_card", 1, 2, "done"],
      ["step", "charge_card", 2, 0, "done"],
      ["approval", "manager", 1, 0, "waiting"],
      ["sleep", "roast", 1, 0, "waiting"],
      ["job", "brew", 1, 0, "queued"],
    ],
  );
  const ended = timelineOf({ ...run, completedAt: now, success: false, workflowAsCodeStatus: status }, new Map(), now);
  assert.deepEqual(ended.filter(({ state }) => state === "waiting" || state === "running"), []);
  for (const odd of [null, 1, "x", [], { "_step/a": 1, _approval: {}, _checkpoint: 1 }]) {
    assert.deepEqual(timelineOf({ ...run, workflowAsCodeStatus: odd }, new Map(), now), []);
  }
});

Deno.test("A stream of a run goes on where its reader was, and ends with the run", async () => {
  await using pages = await openPages({ files: { "f/a": (_, io) => io.log("one\ntwo\n") } });
  const id = await finish(pages, "f/a");
  const logs = async (path: string, headers = {}): Promise<string> => {
    const text = await (await pages.ask(path, { headers })).text();
    assert.match(text, /event: parts\ndata: \{"run-head":[\s\S]*event: end\n/);
    return [...text.matchAll(/event: log\nid: (\d+)\ndata: (.*)\n/g)].map(([, at, data]) => `${at} ${data}`).join();
  };
  const path = `/run/${id}/events`;
  assert.deepEqual([
    await logs(`${path}?log=0`),
    await logs(`${path}?log=4`),
    await logs(`${path}?log=0`, { "last-event-id": "4" }),
    await logs(`${path}?log=8`),
    await logs(`${path}?log=x`),
  ], ['8 "one\\ntwo\\n"', '8 "two\\n"', '8 "two\\n"', "", '8 "one\\ntwo\\n"']);
});

Deno.test("A file that breaks after its page was made, and before the page listens, is told first", async () => {
  await using trial = await trialFolder({ "f/shop/brew.ts": "export function main() {}\n" });
  await using server = await openTestServer({ folder: trial.folder, secrets: trial.secrets, pages: pageRoutes });
  const headers = { authorization: `Bearer ${server.token}` };
  const page = await (await fetch(`${server.url}/problems`, { headers })).text();
  assert.doesNotMatch(page, /brew/);
  trial.put({ "f/shop/brew.script.yaml": "summary: [" });
  const events = await fetch(`${server.url}/problems/events`, { headers });
  let text = "", first: string | undefined;
  for await (const piece of events.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece;
    [, first] = /^event: parts\ndata: (.*)\n\n/m.exec(text) ?? [];
    if (first !== undefined) break;
  }
  assert.match(first ?? "", /f\/shop\/brew\.script\.yaml/);
});

Deno.test("Lists have filters and pages; values and logs are for people", async () => {
  await using pages = await openPages({
    files: {
      "f/a": () => 1,
      "f/deep": () => JSON.parse(`${"[".repeat(5000)}${"]".repeat(5000)}`),
      "f/b": () => {
        throw new Error("no");
      },
    },
  });
  for (let at = 0; at < 31; at++) await finish(pages, "f/a");
  await finish(pages, "f/b");
  const count = async (query: string): Promise<number> =>
    [...(await (await pages.ask(`/${query}`)).text()).matchAll(/<li class="run">/g)].length;
  assert.deepEqual(
    [
      await count(""),
      await count("?page=2"),
      await count("?state=failure"),
      await count("?path=f%2Fa&page=2"),
      await count("?state=x"),
    ],
    [30, 2, 1, 1, 30],
  );
  assert.equal((await pages.ask("/?page=x")).status, 400);
  assert.equal((await pages.ask("/run/nothing")).status, 400);
  assert.equal((await pages.ask("/run/0190a8b0-0000-7000-8000-000000000001")).status, 404);
  assert.equal(logText("\u001b[31mred\u001b[0m\r\n\u001b]0;title\u0007x"), "red\nx");
  assert.deepEqual([0, 999, 1000, 12_400, 65_000, 7_260_000, 200_000_000].map(durationText), [
    "0 ms",
    "999 ms",
    "1.0 s",
    "12 s",
    "1 min 5 s",
    "2 h 1 min",
    "2 d 7 h",
  ]);
  const deep = await finish(pages, "f/deep");
  assert.match(await (await pages.ask(`/run/${deep}`)).text(), /deeper than is shown/);
  assert.match(
    renderHtml(valueHtml([{ a: 1 }, { b: "<" }], "x")),
    /<th scope="col" class="number">a<\/th><th scope="col">b<\/th>/,
  );
});
