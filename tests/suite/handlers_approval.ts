/** The page of an approval: who may see and answer it, what guards it, and what it says. */
import { approval, approvalLink, type ApprovalOptions } from "@windkit/windmill-client/handlers";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { json, options as reach, type Seen, serve, targets, text } from "./_client_kit.ts";
import { test } from "./harness.ts";

const JOB = "0190f8a2-1111-7222-8333-444444444444";
const SIGNATURE = "5f".repeat(32);
/** The number of the key "approval", of the protocol's examples. */
const NUMBER = 0x9deb65b8;
const HOSTILE = `</script></textarea>"'><img src=x onerror=alert(1)>&lt;`;
const RESUME = `https://windmill.test/api/w/ws/jobs_u/resume/${JOB}/${NUMBER}/${SIGNATURE}`;
const LINK = approvalLink("https://edge.test/approve", RESUME);

const FORM = {
  type: "object",
  properties: {
    amount: { type: "integer", title: "Amount", minimum: 1, maximum: 10 },
    why: { type: "string", title: HOSTILE, default: HOSTILE, description: HOSTILE },
    size: { type: "string", enum: ["S", "M"] },
    tags: { type: "array", items: { type: "string" } },
    ok: { type: "boolean" },
    more: { type: "object" },
  },
  required: ["amount"],
};

/** What Windmill says of a workflow that waits. */
function waiting(more: Record<string, unknown> = {}, record: Record<string, unknown> = {}) {
  return {
    approvers: [],
    job: {
      id: JOB,
      type: "QueuedJob",
      script_path: "f/shop/order",
      suspend: 1,
      workflow_as_code_status: {
        _approval: { key: "approval", form: FORM, timeout: 60, description: `Pay?\n${HOSTILE}` },
        "_step/approval": { name: "approval", approval: true, started_at: "2026-03-01T10:00:00Z", form: FORM },
      },
      ...record,
    },
    ...more,
  };
}

/** A handler of a Windmill that says `state` of the approval, and answers `post` to an answer. */
function page(state: unknown = waiting(), post: () => Response = () => text("", 201), more: ApprovalOptions = {}) {
  const stub = serve(({ method }: Seen) =>
    method === "GET" ? state instanceof Response ? state.clone() : json(state) : post()
  );
  return {
    stub,
    handler: approval({ client: reach(stub, { retry: { attempts: 1 } }), title: "Coffee & Co", ...more }),
  };
}

function get(url = LINK, headers: Record<string, string> = {}): Request {
  return new Request(url, { headers: { accept: "text/html", ...headers } });
}

interface Opened {
  readonly cookie: string;
  readonly token: string;
  readonly html: string;
  readonly response: Response;
}

/** Opens the page as a browser does. */
async function open(handler: ReturnType<typeof approval>, url = LINK): Promise<Opened> {
  const response = await handler(get(url));
  const html = await response.text();
  const [cookie = ""] = (response.headers.get("set-cookie") ?? "").split(";");
  const [, token = ""] = /name="form_token" value="([\da-f]{32})"/.exec(html) ?? [];
  return { cookie, token, html, response };
}

/** Sends the form as a browser does. */
function send(
  { cookie, token }: Pick<Opened, "cookie" | "token">,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
  url = LINK,
) {
  return new Request(url, {
    method: "POST",
    headers: {
      accept: "text/html",
      "content-type": "application/x-www-form-urlencoded",
      cookie,
      origin: new URL(url).origin,
      "sec-fetch-site": "same-origin",
      ...headers,
    },
    body: `${new URLSearchParams({ form_token: token, ...fields })}`,
  });
}

function sendJson(body: unknown, url = LINK, headers: Record<string, string> = {}): Request {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return new Request(url, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: text });
}

const SIGNED = `jobs_u/get_flow/${JOB}/${NUMBER}/${SIGNATURE}`;

test("approvalLink() takes what Windmill signed, and nothing else", async () => {
  const { searchParams } = new URL(
    approvalLink("https://edge.test/a?x=1", `${RESUME.replace("resume", "cancel")}?approver=Ann%20B`),
  );
  assertEquals(Object.fromEntries(searchParams), {
    x: "1",
    job: JOB,
    resume_id: `${NUMBER}`,
    signature: SIGNATURE,
    approver: "Ann B",
  });
  for (
    const other of [
      "",
      "x",
      "https://windmill.test/approve/ws/1?token=1",
      RESUME.slice(0, -1),
      RESUME.replace(`${NUMBER}`, "4294967296"),
    ]
  ) {
    const error = await assertRejects(
      () => approvalLink("https://edge.test/", other),
      undefined,
      "Cannot make the link",
    );
    assert(other === "" || !error.message.includes(other.slice(-30)) || other === "x", "The address is in the error");
  }
});

test("approval: a signed link shows what is asked, without the deployment's token, and answers nothing", async () => {
  const { stub, handler } = page();
  const { html, response } = await open(handler);
  assertEquals(response.status, 200);
  assertEquals(targets(stub), [`GET ${SIGNED}`]);
  assertEquals(stub.seen[0]?.headers.get("authorization"), null);
  for (
    const part of [
      "Approval “approval”",
      "Coffee &amp; Co",
      "f/shop/order",
      "2026-03-01 10:01 UTC",
      "Amount",
      'value="approve"',
      'value="reject"',
    ]
  ) {
    assertIncludes(html, part);
  }
  // The words of the workflow are words.
  assert(!html.includes("<img") && !html.includes("</script>") && html.split("<form").length === 2, "It is escaped");
  assertIncludes(html, "&lt;img src=x onerror=alert(1)&gt;&amp;lt;");
  const head = await handler(new Request(LINK, { method: "HEAD" }));
  assertEquals([head.status, await head.text()], [200, ""]);
  assert(stub.seen.every(({ method }) => method === "GET"), "Nothing was answered");
});

test("approval: no script, no frame, no other place, no cache; a cookie that no other page sends", async () => {
  const { handler } = page();
  for (const request of [get(), get("https://edge.test/nothing"), new Request(LINK, { method: "PUT" })]) {
    const { headers } = await handler(request);
    const policy = headers.get("content-security-policy") ?? "";
    const [, nonce = ""] =
      /^default-src 'none'; style-src 'nonce-([\da-f]{32})'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/
        .exec(policy) ?? [];
    assert(nonce !== "", policy);
    assertEquals([headers.get("x-frame-options"), headers.get("cache-control"), headers.get("referrer-policy")], [
      "DENY",
      "no-store",
      "same-origin",
    ]);
  }
  const { response, html, cookie, token } = await open(handler);
  const [, nonce = ""] = /'nonce-([\da-f]+)'/.exec(response.headers.get("content-security-policy") ?? "") ?? [];
  assertIncludes(html, `<style nonce="${nonce}">`);
  assert(
    !/<script|https?:\/\/|@import|url\(| on\w+="/.test(html.replaceAll("onerror=alert", "")),
    "Nothing of another place",
  );
  assertEquals(
    response.headers.get("set-cookie"),
    `__Host-windkit_form=${token}; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure`,
  );
  // A page that is opened again has the same token: the first one can still be sent.
  const again = await handler(get(LINK, { cookie: `other=1; ${cookie}` }));
  assertIncludes(await again.text(), token);
  const other = await open(handler);
  assert(other.token !== token, "Another browser has another token");
  const plain = await handler(get(LINK.replace("https", "http")));
  assertIncludes(plain.headers.get("set-cookie") ?? "", "windkit_form=");
  assert(!/__Host|Secure/.test(plain.headers.get("set-cookie") ?? ""), "Not over plain HTTP");
});

test("approval: the form is answered with its values, in the name that was signed", async () => {
  const url = `${LINK}&approver=Ann+%26+Bob`;
  for (
    const [choice, action, heading] of [["approve", "resume", "Approved"], ["reject", "cancel", "Rejected"]] as const
  ) {
    const { stub, handler } = page();
    const opened = await open(handler, url);
    assertIncludes(opened.html, "Ann &amp; Bob");
    const answer = await handler(
      send(opened, { answer: choice, "a.amount": "7", "a.why": "x", "a.size": "1", "a.ok": "true" }, {}, url),
    );
    assertEquals(answer.status, 200);
    assertIncludes(await answer.text(), `<h1>${heading}</h1>`);
    const { method, target, headers, body } = stub.seen.at(-1) as Seen;
    assertEquals([method, target], [
      "POST",
      `/api/w/ws/jobs_u/${action}/${JOB}/${NUMBER}/${SIGNATURE}?approver=Ann+%26+Bob`,
    ]);
    assertEquals(headers.get("authorization"), null);
    assertEquals(JSON.parse(body), { amount: 7, why: "x", size: "M", ok: true });
  }
});

test("approval: what does not fit the form is told and kept; who rejects need not fill it in", async () => {
  const { stub, handler } = page();
  const opened = await open(handler);
  const wrong = await handler(send(opened, { answer: "approve", "a.amount": "11", "a.why": '"kept"', "a.more": "{" }));
  assertEquals(wrong.status, 422);
  const html = await wrong.text();
  for (
    const part of [
      "Expected at most 10",
      "Expected JSON",
      "&quot;kept&quot;",
      "<title>Not yet: ",
      'role="alert"',
      'aria-invalid="true"',
    ]
  ) {
    assertIncludes(html, part);
  }
  assertEquals((await handler(send(opened, { answer: "approve" }))).status, 422);
  assert(stub.seen.every(({ method }) => method === "GET"), "Nothing was sent");
  assertEquals((await handler(send(opened, { answer: "reject" }))).status, 200);
  assertEquals(JSON.parse(stub.seen.at(-1)?.body ?? ""), { ok: false });
});

test("approval: a form of another page, origin or browser is not taken", async () => {
  const { stub, handler } = page();
  const opened = await open(handler);
  const fields = { answer: "approve", "a.amount": "7" };
  const none = "0".repeat(32);
  const refused: readonly Request[] = [
    send(opened, fields, { "sec-fetch-site": "cross-site" }),
    send(opened, fields, { "sec-fetch-site": "same-site" }),
    send(opened, fields, { "sec-fetch-site": "none", origin: "https://evil.test" }),
    send(opened, fields, { "sec-fetch-site": "none", origin: "null" }),
    send({ ...opened, cookie: "" }, fields),
    send({ ...opened, cookie: `__Host-windkit_form=${none}` }, fields),
    send({ ...opened, cookie: opened.cookie.replace("__Host-", "") }, fields),
    send({ ...opened, token: none }, fields),
    send({ ...opened, token: "" }, fields),
    send({ cookie: "__Host-windkit_form=", token: "" }, fields),
    sendJson({ approved: true, payload: { amount: 7 } }, LINK, { origin: "https://evil.test" }),
    sendJson({ approved: true, payload: { amount: 7 } }, LINK, { "sec-fetch-site": "cross-site" }),
  ];
  for (const [at, request] of refused.entries()) assertEquals((await handler(request)).status, 403, `${at}`);
  assert(stub.seen.every(({ method }) => method === "GET"), "Nothing was sent");
  // What was filled in is there again, with a token that is good.
  const late = await handler(send({ ...opened, token: none }, fields));
  const html = await late.text();
  assertIncludes(html, 'value="7"');
  assertIncludes(html, opened.token);
  // Old browsers say an origin only, and a proxy before the handler may speak TLS.
  const old = new Request(send(opened, fields));
  old.headers.delete("sec-fetch-site");
  assertEquals((await handler(old)).status, 200);
  const http = LINK.replace("https", "http");
  const plain = await open(handler, http);
  const proxied = send(plain, fields, { origin: "https://edge.test" }, http);
  proxied.headers.delete("sec-fetch-site");
  assertEquals((await handler(proxied)).status, 200);
});

test("approval: without a whole signed link nobody gets in, and Windmill is not asked", async () => {
  const { stub, handler } = page();
  const address = (query: Record<string, string>) => `https://edge.test/approve?${new URLSearchParams(query)}`;
  const whole = { job: JOB, resume_id: `${NUMBER}`, signature: SIGNATURE };
  const { job: _, ...noJob } = whole;
  const { signature: __, ...unsigned } = whole;
  for (
    const query of [
      {},
      { job: JOB },
      noJob,
      unsigned,
      { ...whole, job: "../../users/whoami" },
      { ...whole, job: `${JOB}/x` },
      { ...whole, resume_id: "4294967296" },
      { ...whole, resume_id: "-1" },
      { ...whole, resume_id: "1e3" },
      { ...whole, signature: SIGNATURE.slice(1) },
      { ...whole, signature: `${SIGNATURE}0` },
      { ...whole, signature: `..%2f${SIGNATURE.slice(5)}` },
    ]
  ) {
    for (const request of [get(address(query)), sendJson({ approved: true }, address(query))]) {
      assertEquals((await handler(request)).status, 403, JSON.stringify(query));
    }
  }
  assertEquals(stub.seen.length, 0);
  // Placeholders of a route are as good.
  const params = { job: JOB, resume_id: `${NUMBER}`, signature: SIGNATURE };
  assertEquals((await handler(get(`https://edge.test/approve/${JOB}`), { params })).status, 200);
  assertEquals(targets(stub), [`GET ${SIGNED}`]);
});

test("approval: a link that Windmill did not sign is refused, and says nothing of the job", async () => {
  for (const status of [400, 401, 403, 404]) {
    const { handler } = page(text(`Not authorized: f/shop/secret ${status}`, status));
    const answer = await handler(get());
    const html = await answer.text();
    assertEquals(answer.status, 403);
    assert(!html.includes("f/shop"), html);
    assertIncludes(html, "This link is not one that Windmill signed");
  }
});

test("approval: what waits for nothing, or has an answer, is shown as that, and takes none", async () => {
  const done = {
    "_step/approval": { name: "approval", approval: true, duration_ms: 5 },
    _approval: { key: "approval" },
  };
  const states = [
    [waiting({ approvers: [{ resume_id: NUMBER, approver: "Ann" }] }), "It has an answer"],
    [waiting({}, { type: "CompletedJob" }), "It does not wait for an answer now"],
    [waiting({}, { workflow_as_code_status: done }), "It does not wait for an answer now"],
    [waiting({}, { workflow_as_code_status: {} }), "It does not wait for an answer now"],
    // Made for a step that was not reached yet.
    [
      waiting({}, {
        workflow_as_code_status: {
          _approval: { key: "one" },
          "_step/one": { approval: true },
          _minted_approval_keys: { approval: true },
        },
      }),
      "It does not wait",
    ],
  ] as const;
  for (const [state, words] of states) {
    const { stub, handler } = page(state);
    const { html, cookie } = await open(handler);
    assertIncludes(html, words);
    assert(!html.includes("<form"), "It asks nothing");
    const token = cookie.split("=")[1] ?? "";
    assertEquals((await handler(send({ cookie, token }, { answer: "approve" }))).status, 409);
    assert(stub.seen.every(({ method }) => method === "GET"), "Nothing was sent");
  }
});

test("approval: of several that wait, a link shows the one that it is for", async () => {
  const form = { properties: { note: { type: "string", title: "Second note" } } };
  const status = {
    _approval: { key: "first", form: FORM, description: "The first" },
    "_step/first": { approval: true, form: FORM },
    "_step/approval": { approval: true, form },
  };
  const { html } = await open(page(waiting({}, { workflow_as_code_status: status })).handler);
  assertIncludes(html, "Second note");
  assert(!html.includes("The first") && !html.includes("Amount"), "The other one is not shown");
  // A number that names no step is good for whatever waits.
  const any = LINK.replace(`${NUMBER}`, "7");
  assertIncludes((await open(page(waiting({}, { workflow_as_code_status: status })).handler, any)).html, "The first");
});

test("approval: the step of a flow, with its form", async () => {
  const job = {
    workflow_as_code_status: undefined,
    flow_status: { step: 2 },
    raw_flow: {
      summary: "Flow",
      modules: [{ id: "a" }, {
        id: "b",
        summary: "Boss signs",
        suspend: { hide_cancel: true, resume_form: { schema: FORM } },
      }],
    },
  };
  const { stub, handler } = page(waiting({}, job));
  const opened = await open(handler);
  assertIncludes(opened.html, "<h1>Boss signs</h1>");
  assertIncludes(opened.html, "Amount");
  assert(!opened.html.includes('value="reject"'), "It cannot be rejected");
  assertEquals((await handler(send(opened, { answer: "reject", "a.amount": "7" }))).status, 403);
  assertEquals((await handler(send(opened, { answer: "approve", "a.amount": "7" }))).status, 200);
  assertEquals(stub.seen.length, 4);
  assertIncludes((await open(page(waiting({}, { ...job, suspend: 0 })).handler)).html, "It does not wait");
});

test("approval: what Windmill refuses is told in its words, escaped; an answer that was given before is 409", async () => {
  const fields = { answer: "approve", "a.amount": "7" };
  const refusing = page(waiting(), () => text(`Bad request: the amount is odd ${HOSTILE}`, 400));
  const answer = await refusing.handler(send(await open(refusing.handler), fields));
  assertEquals(answer.status, 422);
  const html = await answer.text();
  assertIncludes(html, "the amount is odd &lt;/script&gt;");
  assertIncludes(html, 'value="7"');
  const given = page(waiting(), () => text("Bad request: resume request already sent", 400));
  const again = await given.handler(send(await open(given.handler), fields));
  assertEquals(again.status, 409);
  assertIncludes(await again.text(), "This link was used before");
});

test("approval: a Windmill that is down, slow or answers half is 502 or 504, without its words; the answer is sent once", async () => {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  for (
    const [state, status] of [
      [text("busy tok", 503), 502],
      [text("slow down", 429), 502],
      [text("<html>tok"), 502],
      [json({ job: 1, approvers: [] }), 502],
      [json({ job: { type: "QueuedJob" } }), 502],
    ] as const
  ) {
    const answer = await page(state, undefined, { onError }).handler(get());
    assertEquals(answer.status, status);
    assert(!(await answer.text()).includes("tok"), "Its words are not shown");
  }
  const lost = page(waiting(), () => text("busy", 503), { onError });
  const answer = await lost.handler(send(await open(lost.handler), { answer: "approve", "a.amount": "7" }));
  assertEquals([answer.status, lost.stub.seen.filter(({ method }) => method === "POST").length], [502, 1]);
  const slow = approval({ client: reach(serve(() => new Promise<Response>(() => {})), { timeoutMs: 5 }), onError });
  assertEquals((await slow(get())).status, 504);
  const missing = await approval({ onError })(get(), { env: { WM_WORKSPACE: "ws" } });
  assertEquals(missing.status, 500);
  assertIncludes(await missing.text(), "WM_BASE_URL");
  assertEquals(errors.length, 8);
});

test("approval: JSON shows what is asked and takes the answer, with what does not fit by field", async () => {
  const { stub, handler } = page();
  const asked = await handler(get(LINK, { accept: "application/json" }));
  const info = await asked.json() as Record<string, unknown>;
  assertEquals(asked.headers.get("set-cookie"), null);
  assertEquals([info.job, info.step, info.path, info.pending, info.endsAt], [
    JOB,
    "approval",
    "f/shop/order",
    true,
    "2026-03-01T10:01:00.000Z",
  ]);
  assertEquals(info.form, FORM);
  for (
    const [payload, fields] of [
      [{}, ["amount"]],
      [{ amount: "7" }, ["amount"]],
      [{ amount: 7.5 }, ["amount"]],
      [{ amount: 7, why: 1, ok: "yes", size: "L", tags: "a" }, ["ok", "size", "tags", "why"]],
      [{ amount: 7, tags: [1] }, ["tags"]],
      ["text", ["amount"]],
    ] as const
  ) {
    const answer = await handler(sendJson({ approved: true, payload }));
    const { error } = await answer.json() as { error: { name: string; fields: Record<string, string> } };
    assertEquals(
      [answer.status, error.name, Object.keys(error.fields).sort()],
      [422, "ValidationError", fields],
      JSON.stringify(payload),
    );
  }
  const payload = { amount: 7, why: "a\nb", size: "S", tags: ["x\ny", ""], ok: true, more: { deep: [1] } };
  const answer = await handler(sendJson({ approved: true, payload: { ...payload, unknown: 1 } }));
  assertEquals([answer.status, await answer.json()], [200, { job: JOB, approved: true }]);
  assertEquals(JSON.parse(stub.seen.at(-1)?.body ?? ""), payload);
  assertEquals((await handler(sendJson({ approved: false }))).status, 200);
  for (const body of ["", "{", "[]", "{}", '{"approved":1}']) {
    assertEquals((await handler(sendJson(body))).status, 400, body);
  }
  // Without a form any payload is taken.
  const free = page(
    waiting({}, { workflow_as_code_status: { _approval: { key: "approval" }, "_step/approval": { approval: true } } }),
  );
  assertEquals((await free.handler(sendJson({ approved: true, payload: [1, "x"] }))).status, 200);
  assertEquals(JSON.parse(free.stub.seen.at(-1)?.body ?? ""), [1, "x"]);
});

test("approval: bodies, kinds of bodies and methods that are not taken", async () => {
  const { stub, handler } = page(waiting(), undefined, { maxBodyBytes: 200 });
  assertEquals((await handler(sendJson({ approved: true, payload: "x".repeat(200) }))).status, 413);
  assertEquals((await handler(sendJson("x", LINK, { "content-type": "text/plain" }))).status, 415);
  assertEquals((await handler(sendJson("x", LINK, { "content-type": "multipart/form-data" }))).status, 415);
  assertEquals((await handler(send(await open(handler), { answer: "maybe" }))).status, 400);
  for (const method of ["PUT", "DELETE", "OPTIONS"]) {
    const answer = await handler(new Request(LINK, { method }));
    assertEquals([answer.status, answer.headers.get("allow"), answer.headers.get("access-control-allow-origin")], [
      405,
      "GET, HEAD, POST",
      null,
    ]);
  }
  assert(stub.seen.every(({ method }) => method === "GET"), "Nothing was sent");
});

test("approval: authorize lets in who brings no link, with the deployment's token; nobody else", async () => {
  const info = {
    flow_id: JOB,
    form_schema: FORM,
    description: "Pay?",
    can_approve: true,
    user_auth_required: true,
    flow_summary: "Orders",
    step_summary: "boss",
    approvers: [{ resume_id: 1, approver: "Ann" }],
    pending: [{ key: "boss", expires_at: "2026-03-01T10:01:00Z" }, { key: "other" }],
  };
  const asked: string[] = [];
  const allow = (state: unknown, verdict: unknown = true) =>
    page(state, undefined, {
      authorize: async (request, { job }) => {
        asked.push(job);
        return await (request.headers.get("x-user") === "ann" && verdict as boolean);
      },
    });
  const url = `https://edge.test/approve?job=${JOB}`;
  const { stub, handler } = allow(info);
  assertEquals((await handler(get(url))).status, 403);
  assertEquals((await handler(sendJson({ approved: true, payload: { amount: 1 } }, url))).status, 403);
  assertEquals((await allow(info, "yes").handler(get(url, { "x-user": "ann" }))).status, 403);
  assertEquals(stub.seen.length, 0);
  const shown = await handler(get(url, { "x-user": "ann" }));
  const html = await shown.text();
  for (const part of ["<h1>Orders</h1>", "boss", "Ann", "2026-03-01 10:01 UTC", "Amount"]) assertIncludes(html, part);
  const answer = await handler(sendJson({ approved: true, payload: { amount: 1 } }, url, { "x-user": "ann" }));
  assertEquals(answer.status, 200);
  assertEquals(targets(stub), [
    `GET jobs_u/flow/approval_info/${JOB}`,
    `GET jobs_u/flow/approval_info/${JOB}`,
    `POST jobs_u/flow/resume_suspended/${JOB}`,
  ]);
  assert(stub.seen.every(({ headers }) => headers.get("authorization") === "Bearer tok"), "With the token");
  assertEquals(JSON.parse(stub.seen[2]?.body ?? ""), {
    payload: { amount: 1, ok: false },
    approved: true,
    step_key: "boss",
  });
  assertEquals(asked, Array.from({ length: asked.length }, () => JOB));
  // One of several servers says who may, and whether anything waits.
  const { pending: _, ...plain } = info;
  const mayNot = allow({ ...plain, can_approve: false });
  assertIncludes(await (await mayNot.handler(get(url, { "x-user": "ann" }))).text(), "You may not answer this one");
  assertEquals((await mayNot.handler(sendJson({ approved: false }, url, { "x-user": "ann" }))).status, 403);
  const over = allow({ ...info, pending: [] });
  assertIncludes(await (await over.handler(get(url, { "x-user": "ann" }))).text(), "It does not wait");
  for (const [status, expected] of [[404, 404], [400, 404], [401, 502], [403, 502]] as const) {
    assertEquals((await allow(text("no", status)).handler(get(url, { "x-user": "ann" }))).status, expected);
  }
  // A link that is signed is not looked at by it.
  const count = asked.length;
  await allow(waiting()).handler(get());
  assertEquals(asked.length, count);
});

test("approval: the token of Windmill's page lets in too, and tells what the signature alone does not", async () => {
  const token = "ab".repeat(32);
  const approvalPage = `https://windmill.test/approve/ws/${JOB}?token=${token}`;
  const urls = { approvalPage, resume: RESUME, cancel: RESUME.replace("resume", "cancel") };
  const info = { flow_id: JOB, form_schema: FORM, can_approve: false, user_auth_required: true, approvers: [] };
  const fails = (more: object, status = 500) => {
    const stub = serve(({ method, target }: Seen) =>
      method === "POST"
        ? text("", 201)
        : target.includes("get_flow")
        ? text("no flow status", status)
        : json({ ...info, ...more })
    );
    return { stub, handler: approval({ client: reach(stub, { retry: { attempts: 1 } }) }) };
  };
  // The token alone: its page says who may.
  const only = approvalLink("https://edge.test/approve", approvalPage);
  assertEquals(Object.fromEntries(new URL(only).searchParams), { job: JOB, token });
  const byToken = fails({ can_approve: true });
  assertEquals((await byToken.handler(sendJson({ approved: true, payload: { amount: 1 } }, only))).status, 200);
  assertEquals(targets(byToken.stub), [
    `GET jobs_u/flow/approval_info/${JOB}?token=${token}`,
    `POST jobs_u/flow/resume_suspended/${JOB}`,
  ]);
  assertEquals(JSON.parse(byToken.stub.seen[1]?.body ?? ""), {
    payload: { amount: 1, ok: false },
    approved: true,
    approval_token: token,
  });
  assertEquals((await fails({}).handler(sendJson({ approved: true, payload: { amount: 1 } }, only))).status, 403);
  // Both: what is asked comes by the token where the signature tells nothing; the answer is signed.
  const whole = approvalLink("https://edge.test/approve", urls);
  const both = fails({});
  const opened = await open(both.handler, whole);
  assertIncludes(opened.html, "Amount");
  assertEquals((await both.handler(send(opened, { answer: "approve", "a.amount": "2" }, {}, whole))).status, 200);
  assertIncludes(both.stub.seen.at(-1)?.target ?? "", `/jobs_u/resume/${JOB}/${NUMBER}/${SIGNATURE}`);
  assert(
    [both, byToken].every(({ stub }) => stub.seen.every(({ headers }) => headers.get("authorization") === null)),
    "No token of ours",
  );
  assertIncludes(
    (await open(fails({ approvers: [{ resume_id: NUMBER, approver: "A" }] }).handler, whole)).html,
    "It has an answer",
  );
  // A page of another job, as that of a flow is for its step, is left out.
  const other = { ...urls, approvalPage: approvalPage.replace(JOB, JOB.replace("0190", "0191")) };
  assertEquals(new URL(approvalLink("https://edge.test/", other)).searchParams.get("token"), null);
  assertEquals((await fails({}).handler(get(LINK))).status, 502);
  for (const bad of ["short", "x".repeat(300), "../../../etc"]) {
    assertEquals(
      (await fails({}).handler(get(`https://edge.test/?job=${JOB}&token=${encodeURIComponent(bad)}`))).status,
      403,
    );
  }
});

test("approval: what another host says, to which Windmill redirects, is not shown", async () => {
  const stub = serve(({ url }: Seen) =>
    url.startsWith("http://stub.test/") ? text("", 302, { location: "https://other.test/job" }) : json(waiting())
  );
  const answer = await approval({ client: reach(stub) })(get());
  assertEquals(answer.status, 502);
  assert(!(await answer.text()).includes("Amount"), "It is shown");
});
