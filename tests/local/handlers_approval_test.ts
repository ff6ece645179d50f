/**
 * The approval page of an edge function, in front of the local server: a workflow's real approval, answered by its link; in a real
 * Chromium, looked at in light and dark, with axe, and without JavaScript. Pictures are written to `tests/dist/screenshots`.
 */
import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import { approval, approvalLink, type ApprovalOptions } from "../../src/handlers/mod.ts";
import { findChromium, openBrowser, type Tab } from "./_browser.ts";
import { FULL_FORM, HOSTILE } from "./_pages_kit.ts";
import { type WorkflowServer, workflowServer } from "./_workflow_kit.ts";

type Links = { readonly approvalPage: string; readonly resume: string; readonly cancel: string };

const server = await workflowServer();
Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

const pictures = fileURLToPath(new URL("../dist/screenshots/", import.meta.url));
await Deno.mkdir(pictures, { recursive: true });

/** A workflow whose body is `body`, once it waits for something. */
async function waiting(body: string): Promise<string> {
  const id = await server.start(`
import { waitForApproval, workflow } from "windmill-client";
export const main = workflow(async () => { ${body} });`);
  await server.when(id, ({ suspended }) => suspended);
  return id;
}

async function linksOf({ ask }: WorkflowServer, id: string, key = "approval", approver?: string): Promise<Links> {
  const query = approver === undefined ? "" : `?approver=${encodeURIComponent(approver)}`;
  return await (await ask("GET", `jobs/wac_approval_urls/${id}/${key}${query}`)).json() as Links;
}

/** An edge function that serves the page, on a port of its own. */
function edge(options: ApprovalOptions = {}): { readonly url: string } & AsyncDisposable {
  const handler = approval({ title: "Coffee & Co", client: { baseUrl: server.url, workspace: "ws" }, ...options });
  const listener = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => handler(request));
  return {
    url: `http://127.0.0.1:${listener.addr.port}/approve`,
    [Symbol.asyncDispose]: () => listener.shutdown(),
  };
}

function test(name: string, fn: () => Promise<void>, ignore = false): void {
  Deno.test({
    name: `approval handler: ${name}`,
    ignore,
    fn: async () => {
      await fn();
      equal(server.reported, []);
    },
    sanitizeOps: false,
    sanitizeResources: false,
  });
}

async function sendJson(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<readonly [number, unknown]> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  return [answer.status, await answer.json()];
}

test("a workflow's approval is answered by its link, once, in the name that is signed", async () => {
  await using page = edge();
  const id = await waiting(
    `return await waitForApproval({ form: { schema: { properties: { amount: { type: "integer", minimum: 1 } }, required: ["amount"] } } });`,
  );
  const link = approvalLink(page.url, (await linksOf(server, id, "approval", "Ann & Bob")).resume);
  const shown = await (await fetch(link, { headers: { accept: "application/json" } })).json();
  equal([shown.job, shown.step, shown.pending, shown.answered], [id, "approval", true, false]);
  ok(Date.parse(shown.endsAt) > Date.now());
  const forged = link.replace(/signature=./, (start) => start.slice(0, -1) + (start.endsWith("0") ? "1" : "0"));
  equal((await sendJson(forged, { approved: true, payload: { amount: 3 } }))[0], 403);
  equal(
    (await sendJson(link.replace("approver=Ann", "approver=Eve"), { approved: true, payload: { amount: 3 } }))[0],
    403,
  );
  const [status, wrong] = await sendJson(link, { approved: true, payload: { amount: 0 } });
  equal([status, (wrong as { error: { fields: unknown } }).error.fields], [422, { amount: "Expected at least 1" }]);
  equal(await sendJson(link, { approved: true, payload: { amount: 3 } }), [200, { job: id, approved: true }]);
  equal((await server.ended(id)).result, { value: { amount: 3 }, approver: "Ann & Bob", approved: true });
  equal((await sendJson(link, { approved: true, payload: { amount: 3 } }))[0], 409);
  match(await (await fetch(link, { headers: { accept: "text/html" } })).text(), /It has an answer/);
});

test("what the workflow refuses is told in its words, and the next answer is taken", async () => {
  await using page = edge();
  const id = await waiting(`
    const validate = (v) => typeof v?.n === "number" && v.n % 2 === 0 ? { value: v } : { issues: [{ message: "must be even", path: ["n"] }] };
    const schema = { "~standard": { version: 1, vendor: "test", validate, jsonSchema: { input: () => ({ properties: { n: { type: "number" } } }) } } };
    return await waitForApproval({ form: schema });`);
  const link = approvalLink(page.url, (await linksOf(server, id)).cancel);
  const [status, refused] = await sendJson(link, { approved: true, payload: { n: 7 } });
  equal(status, 422, JSON.stringify(refused));
  match((refused as { error: { message: string } }).error.message, /^The answer does not fit what "approval"/);
  equal((await sendJson(link, { approved: true, payload: { n: "8" } }))[0], 422);
  equal((await sendJson(link, { approved: true, payload: { n: 8 } }))[0], 200);
  equal((await server.ended(id)).result, { value: { n: 8 }, approver: "anonymous", approved: true });
});

test("of two approvals that wait at a time each link is its own, and authorize answers what waits first", async () => {
  await using page = edge({
    authorize: ({ headers }) => headers.get("x-user") === "ann",
    client: { baseUrl: server.url, workspace: "ws", token: server.token },
  });
  const id = await waiting(`
    const one = waitForApproval({ key: "one", description: "First?" });
    const two = waitForApproval({ key: "two", form: { properties: { note: { type: "string" } } } });
    return await Promise.all([one, two]);`);
  await server.when(id, (job) => "_step/two" in (job.workflowAsCodeStatus as unknown as Record<string, unknown>));
  const two = approvalLink(page.url, (await linksOf(server, id, "two")).resume);
  equal((await (await fetch(two, { headers: { accept: "application/json" } })).json()).step, "two");
  equal((await sendJson(two, { approved: false, payload: { note: "no" } }))[0], 200);
  equal((await sendJson(`${page.url}?job=${id}`, { approved: true }))[0], 403);
  equal((await sendJson(`${page.url}?job=${id}`, { approved: true }, { "x-user": "ann" }))[0], 200);
  const [first, second] = (await server.ended(id)).result as readonly Record<string, unknown>[];
  equal([first?.approved, second], [true, { value: { note: "no" }, approver: "anonymous", approved: false }]);
});

test("the token of the server's own page lets in, and another one does not", async () => {
  await using page = edge();
  const id = await waiting(`return await waitForApproval({ timeout: 60 });`);
  const { approvalPage } = await linksOf(server, id);
  const link = approvalLink(page.url, approvalPage);
  equal((await sendJson(link.replace(/token=../, "token=zz"), { approved: true }))[0], 403);
  equal(await sendJson(link, { approved: true, payload: 1 }), [200, { job: id, approved: true }]);
  equal((await server.ended(id)).result, { value: 1, approver: "anonymous", approved: true });
});

const program = findChromium();

/** What axe finds wrong with the page, and whether it is wider than the screen. */
async function checkPage(tab: Tab, where: string): Promise<void> {
  // The page's own policy lets no script in: this one comes by the browser's protocol.
  if (!await tab.run("'axe' in globalThis")) await tab.run(`${axe.source}; true`);
  const [passes, found] = await tab.run<[number, string]>(`axe.run(document, { resultTypes: ["violations"] })
    .then(({ passes, violations }) => [passes.length, violations.map(({ id, nodes }) => id + ": " + nodes.map(
      ({ html, any }) => html.slice(0, 160) + " " + any.map(({ message }) => message).join(" ")).join("\\n")).join("\\n")])`);
  equal(found, "", where);
  ok(passes > 10, `${where}: axe looked at ${passes} rules`);
  const wide = await tab.run<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  ok(wide <= 0, `${where}: ${wide} pixels wider than the screen`);
}

async function lookAt(tab: Tab, name: string): Promise<void> {
  for (const [width, height] of [[1280, 800], [360, 740]] as const) {
    for (const dark of [false, true]) {
      await tab.view({ width, height, dark });
      const where = `edge-approval-${name}-${width}${dark ? "-dark" : ""}`;
      // Colours are the same at any width, and places in any colour.
      if (dark === width < 600) await checkPage(tab, where);
      await tab.screenshot(`${pictures}${where}.png`);
    }
  }
  await tab.view({ width: 1280, height: 800 });
}

test("in a browser: by the keyboard, with a mistake, in light and dark; hostile words do nothing", async () => {
  await using page = edge();
  const form = JSON.stringify({ schema: FULL_FORM });
  const id = await waiting(
    `return await waitForApproval({ form: ${form}, timeout: 86400, description: ${
      JSON.stringify(`Shall Ada get her money back?\n${HOSTILE}`)
    } });`,
  );
  const link = approvalLink(page.url, (await linksOf(server, id, "approval", HOSTILE)).resume);
  await using browser = await openBrowser(program ?? "");
  const tab = await browser.open();
  await tab.view({ width: 1280, height: 800 });
  await tab.go(link);
  await lookAt(tab, "asks");
  // The browser itself says what it can: here the server is to.
  await tab.run("document.querySelector('form').noValidate = true");
  await tab.run("document.querySelector('[name=\"a.cents\"]').value = '9000'");
  await tab.run("document.querySelector('[name=\"a.customer\"]').focus()");
  await tab.type("Ada");
  await tab.following(() => tab.press("Enter"));
  await lookAt(tab, "wrong");
  equal(await tab.run("document.querySelector('[name=\"a.customer\"]').value"), "Ada");
  match(await tab.run<string>("document.querySelector('[role=alert]').textContent"), /Expected at most 5000/);
  await tab.run("document.querySelector('[name=\"a.cents\"]').value = '1250'");
  await tab.run("document.querySelector('button[value=approve]').focus()");
  // What is refused is no error of the page.
  const complaints = tab.complaints.filter((text) => !text.includes("422"));
  await tab.following(() => tab.press("Enter"));
  await lookAt(tab, "approved");
  const { result } = await server.ended(id);
  const { value, approver } = result as { value: Record<string, unknown>; approver: string };
  equal([value.customer, value.cents, approver], ["Ada", 1250, HOSTILE]);
  await tab.go(link);
  await lookAt(tab, "answered");
  equal([complaints, tab.dialogs], [[], []]);
}, program === undefined);

test("in a browser: a frame of another page shows nothing, and its form is not taken", async () => {
  await using page = edge();
  const id = await waiting(`return await waitForApproval({ timeout: 86400 });`);
  const link = approvalLink(page.url, (await linksOf(server, id)).resume);
  const evil = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () =>
    new Response(
      `<!DOCTYPE html><iframe name="f" src="${link.replaceAll("&", "&amp;")}"></iframe>
<form method="post" action="${link.replaceAll("&", "&amp;")}"><input name="answer" value="approve"></form>`,
      { headers: { "content-type": "text/html" } },
    ));
  try {
    await using browser = await openBrowser(program ?? "");
    const tab = await browser.open();
    // A cookie of the page is there, and may be sent within the site: ports are of one.
    await tab.go(link);
    await tab.go(`http://127.0.0.1:${evil.addr.port}/`);
    await tab.complained(/frame-ancestors|Content Security Policy/);
    await tab.following(() => tab.run("document.forms[0].submit()"));
    match(await tab.run<string>("document.body.textContent"), /another origin/);
  } finally {
    await evil.shutdown();
  }
  equal((await sendJson(link, { approved: false }))[0], 200);
  equal((await server.ended(id)).result, { value: {}, approver: "anonymous", approved: false });
}, program === undefined);
