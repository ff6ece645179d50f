/**
 * The pages in a real Chromium: live updates, the keyboard, narrow and dark screens, accessibility, and that hostile texts do nothing.
 * Pictures are written to `tests/dist/screenshots`, for people to look at.
 */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import axe from "axe-core";
import { pageRoutes } from "../../src/server/routes/pages.ts";
import { trialFolder } from "./_folder_kit.ts";
import { openTestServer } from "./_server.ts";
import { findChromium, openBrowser, type Tab } from "./_browser.ts";
import {
  FULL_FORM,
  HOSTILE,
  openPages,
  orderStatus,
  PAGE_TOKEN,
  type PagesOptions,
  type PagesServer,
} from "./_pages_kit.ts";

const program = findChromium();
const pictures = fileURLToPath(new URL("../dist/screenshots/", import.meta.url));

/** A case with a server and a page of a browser; skipped where there is no Chromium. */
function browserTest(name: string, options: PagesOptions, run: (tab: Tab, pages: PagesServer) => Promise<void>): void {
  Deno.test({
    name: program === undefined ? `${name} (no Chromium on this machine)` : name,
    ignore: program === undefined,
    async fn() {
      await using pages = await openPages(options);
      await using browser = await openBrowser(program ?? "");
      const tab = await browser.open();
      await tab.view({ width: 1280, height: 800 });
      await tab.go(`${pages.url}/?token=${pages.server.token}`);
      await run(tab, pages);
      assert.deepEqual([tab.complaints, tab.dialogs], [[], []]);
      // The server waits for those that listen.
      await tab.go("about:blank");
    },
  });
}

/** What axe finds wrong with the page, and what of it is wider than the screen. */
async function checkPage(tab: Tab, where: string): Promise<void> {
  if (!await tab.run("'axe' in globalThis")) await tab.run(`${axe.source}; true`);
  const [passes, found] = await tab.run<[number, string]>(`axe.run(document, { resultTypes: ["violations"] })
    .then(({ passes, violations }) => [passes.length, violations.map(({ id, nodes }) => id + ": " + nodes.map(
      ({ html, any }) => html.slice(0, 160) + " " + any.map(({ message }) => message).join(" ")).join("\\n")).join("\\n")])`);
  assert.equal(found, "", where);
  assert.ok(passes > 10, `${where}: axe looked at ${passes} rules`);
  const wide = await tab.run<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  assert.ok(wide <= 0, `${where}: ${wide} pixels wider than the screen`);
  const over = await tab.run<string[]>(`(() => {
    const all = [...document.querySelectorAll("form.filter *, main > form *, .form *, .run-actions > *, header a")]
      .filter((one) => one.matches("input, select, textarea, button, label, legend, a, summary") && one.checkVisibility());
    const boxes = all.map((one) => [one, one.getBoundingClientRect()]);
    return boxes.flatMap(([a, p], at) => boxes.slice(at + 1).filter(([b, q]) => !a.contains(b) && !b.contains(a) &&
      !a.matches(".skip") && a.closest(".ask") === b.closest(".ask") &&
      Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 1)
      .map(([b]) => a.outerHTML.slice(0, 60) + " over " + b.outerHTML.slice(0, 60)));
  })()`);
  assert.deepEqual(over, [], where);
}

/** Looks at a page on wide and narrow screens, in light and dark. */
async function lookAt(tab: Tab, name: string): Promise<void> {
  for (const [width, height] of [[1280, 800], [360, 740]] as const) {
    for (const dark of [false, true]) {
      await tab.view({ width, height, dark });
      const where = `${name}-${width}${dark ? "-dark" : ""}`;
      // Colours are the same at any width, and places in any colour.
      if (dark === width < 600) await checkPage(tab, where);
      await tab.screenshot(`${pictures}${where}.png`);
    }
  }
  await tab.view({ width: 1280, height: 800 });
}

/** Opens a page; nothing on it moves while it loads, nor when its first update comes. */
async function goStill(tab: Tab, url: string): Promise<void> {
  await tab.go(url);
  const moved = await tab.run<string[]>(`new Promise((resolve) => {
    const moved = [];
    new PerformanceObserver((list) => moved.push(...list.getEntries().map(({ value, sources }) =>
      value + " " + sources.map(({ node }) => node?.outerHTML?.slice(0, 80)).join(" ")))).observe({ type: "layout-shift", buffered: true });
    // One more picture is drawn after what came until now.
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => resolve(moved))));
  })`);
  assert.deepEqual(moved, [], url);
}

await Deno.mkdir(pictures, { recursive: true });

const ORDERS = [
  { order: 1041, customer: "Ada", total: 12.5, paid: true, note: null },
  {
    order: 1042,
    customer: "Grace",
    total: 7.2,
    paid: true,
    note: "No sugar, and the cup that was left here yesterday",
  },
  { order: 1043, customer: "Edsger", total: 3.1, paid: false, note: null },
  { order: 1044, customer: "Barbara", total: 21, paid: true, note: "Two bags" },
];

const REFUND_CODE = `import { step, workflow } from "windmill-client";

/** Pays an order back. */
export const main = workflow(async (customer: string, cents: number) => {
  return await step("refund", () => ({ customer, cents }));
});
`;

const SHOP: PagesOptions["files"] = {
  "f/shop/fulfil_order": {
    summary: "Takes an order from the till to the table",
    autoKind: "wac",
    run: () => 1,
    schema: {},
  },
  "f/shop/greet": {
    summary: "Greets a customer",
    schema: { properties: { name: { type: "string" } } },
    run: () => "Hello, Ada",
  },
  "f/shop/prices": { summary: "Prices that others import", autoKind: "lib", run: () => 1 },
  "f/shop/refund": {
    summary: "Pays an order back",
    description: "Asks for nothing where the amount is small.",
    schema: FULL_FORM,
    run: (args) => args,
    content: REFUND_CODE,
  },
  "f/reports/top_customers": { summary: "Who bought most this month", language: "postgresql", run: () => ORDERS },
  "f/shop/charge_card": (_, io) => {
    io.log("Charging 1250 cents\n");
    const error = new Error("The card was refused by its bank: 05 do not honour");
    error.name = "CardRefused";
    throw error;
  },
};

function slow(gate: Promise<void>): NonNullable<PagesOptions["files"]> {
  return {
    "f/shop/brew": async ({ cups }, io) => {
      io.log("Grinding 18 g\n");
      await gate;
      io.log("Brewing\nPouring\n");
      return { cups, kind: "flat white", at: "2026-03-01T08:15:00Z", ready: true, beans: ["Yirgacheffe", "Huila"] };
    },
  };
}

browserTest(
  "Pages in Chromium: runs, a run that fails, tables, scripts, problems and forms, light and dark, wide and narrow",
  {
    files: SHOP,
    code: { [REFUND_CODE]: (args) => args },
    problems: [{
      file: "f/shop/latte.ts",
      message: "Unexpected token (12:7)\n  12 |   const x = ;\n     |             ^",
    }],
    waiting: { "f/shop/fulfil_order": (id) => orderStatus(Date.now(), "http://127.0.0.1", id) },
  },
  async (tab, { url, server }) => {
    const { jobs } = server.server.context;
    const started: Record<string, string> = {};
    for (const path of ["f/shop/greet", "f/reports/top_customers", "f/shop/charge_card", "f/shop/refund"]) {
      started[path] = await server.client.jobs.start(
        path,
        path === "f/shop/greet" ? { name: "Ada" } : { order: 1041, items: ["espresso"] },
      );
      await jobs.wait(started[path]);
    }
    const order = await server.client.jobs.start("f/shop/fulfil_order", {
      order: 1041,
      items: [{ name: "espresso", cups: 2 }],
    });
    await tab.until(
      "document.querySelectorAll('.run').length === 5 && document.querySelector('.run .is-waiting') !== null",
    );
    await lookAt(tab, "runs");
    await goStill(tab, `${url}/?state=canceled`);
    await lookAt(tab, "runs-empty");
    await goStill(tab, `${url}/run/${started["f/reports/top_customers"]}`);
    await lookAt(tab, "run-table");
    await goStill(tab, `${url}/run/${started["f/shop/charge_card"]}`);
    await lookAt(tab, "run-failed");
    await goStill(tab, `${url}/run/${order}`);
    await lookAt(tab, "run-workflow");
    await goStill(tab, `${url}/scripts`);
    await lookAt(tab, "scripts");
    await goStill(tab, `${url}/scripts/f/shop/refund`);
    await lookAt(tab, "script");
    await goStill(tab, `${url}/problems`);
    await lookAt(tab, "problems");
    await goStill(tab, `${url}/run/${order}`);
    await tab.following(() => tab.run("document.querySelector('.entry-more a').click()"));
    assert.equal(await tab.run("document.querySelector('h1').textContent"), "Approval “approval”");
  },
);

const brewing = Promise.withResolvers<void>();
browserTest("A run in Chromium changes as it goes on: log, state, result, title, and what is said aloud", {
  files: slow(brewing.promise),
}, async (tab, { url, server }) => {
  const id = await server.client.jobs.start("f/shop/brew", { cups: 2 });
  await tab.go(`${url}/run/${id}`);
  await tab.until("document.getElementById('log').textContent.includes('Grinding 18 g\\n')");
  await tab.until(
    "document.querySelector('.state.is-running') !== null && document.getElementById('link').dataset.link === 'live'",
  );
  await lookAt(tab, "run-running");
  await tab.run("document.querySelector('#cancel summary').click()");
  await lookAt(tab, "run-cancel");
  await tab.press("Escape");
  assert.equal(await tab.run("document.querySelector('#cancel').open"), false);
  // A page that was away goes on where it was: nothing is missing, nothing is there twice.
  await tab.run("dispatchEvent(new Event('pagehide'))");
  brewing.resolve();
  await server.server.context.jobs.wait(id);
  assert.notEqual(await tab.run("document.getElementById('link').dataset.link"), "ended");
  await tab.run("document.dispatchEvent(new Event('visibilitychange'))");
  await tab.until("document.getElementById('link').dataset.link === 'ended'");
  const seen = await tab.run(`[document.title, document.getElementById("said").textContent,
    document.getElementById("log").textContent, document.querySelector(".json")?.textContent.includes('"flat white"'),
    document.getElementById("cancel"), document.activeElement !== document.body]`);
  assert.deepEqual(seen, [
    "f/shop/brew · Done · Windkit",
    "f/shop/brew: Done",
    "Grinding 18 g\nBrewing\nPouring\n",
    true,
    null,
    true,
  ]);
  await lookAt(tab, "run-done");
});

browserTest(
  "The list in Chromium takes in new runs and problems, and keeps the focus",
  { files: SHOP },
  async (tab, pages) => {
    await pages.server.client.jobs.run("f/shop/greet");
    await tab.until("document.querySelectorAll('.run').length === 1");
    await tab.run("document.querySelector('.run a').focus()");
    const before = await tab.run("document.activeElement.id");
    await pages.server.client.jobs.run("f/shop/greet");
    await tab.until("document.querySelectorAll('.run').length === 2");
    assert.equal(await tab.run("document.activeElement.id"), before);
    pages.setProblems([{ file: "f/a.ts", message: "no" }]);
    await tab.until("document.querySelector('#nav-problems .count')?.textContent === '1'");
    pages.setProblems([]);
    await tab.until("document.querySelector('#nav-problems .count') === null");
  },
);

browserTest(
  "An approval in Chromium: filled in by the keyboard alone, told what is wrong, and answered",
  {
    files: SHOP,
    approval: {
      summary: "Pay back order 1041?",
      description: "Ada says that the cup was cold. The rule allows 10 € without asking; this is more.",
      form: { schema: FULL_FORM },
      endsAt: Date.parse("2026-03-01T18:00:00Z"),
    },
    refuses: (payload) => JSON.stringify(payload).includes("Mallory") ? "Mallory has no orders" : undefined,
  },
  async (tab, { url, server, answers }) => {
    const id = await server.client.jobs.start("f/shop/greet");
    await server.server.context.jobs.wait(id);
    await tab.go(`${url}/approve/ws/${id}?token=${PAGE_TOKEN}`);
    await lookAt(tab, "approval");
    const reach = async (wanted: string): Promise<void> => {
      for (let at = 0; at < 40; at++) {
        await tab.press("Tab");
        if (await tab.run(`document.activeElement.matches(${JSON.stringify(wanted)})`)) return;
      }
      assert.fail(`${wanted} was not reached`);
    };
    await tab.press("Tab");
    assert.equal(await tab.run("document.activeElement.className"), "skip");
    assert.ok(await tab.run<number>("document.activeElement.getBoundingClientRect().top") >= 0);
    await tab.press("Enter");
    await tab.until("location.hash === '#main'");
    await reach("[name='a.customer']");
    assert.notEqual(await tab.run("getComputedStyle(document.activeElement).outlineStyle"), "none");
    await tab.type("Mallory");
    await reach("button[value=approve]");
    await tab.following(() => tab.press("Enter"));
    assert.match(await tab.run("document.activeElement.textContent"), /Mallory has no orders/);
    await checkPage(tab, "approval that was not taken");
    // Without the browser's own checks, as an old one would send it.
    await tab.run(
      "document.querySelector('form').noValidate = true; document.querySelector('[name=\"a.cents\"]').value = '9000'",
    );
    await tab.following(() => tab.run("document.querySelector('button[value=approve]').click()"));
    assert.match(await tab.run("document.activeElement.textContent"), /Cents to pay back: Expected at most 5000/);
    await lookAt(tab, "approval-wrong");
    await tab.run(
      "document.querySelector('[name=\"a.customer\"]').value = 'Ada'; document.querySelector('[name=\"a.cents\"]').value = '900'",
    );
    await tab.following(() => tab.run("document.querySelector('button[value=approve]').click()"));
    await lookAt(tab, "approval-done");
    assert.deepEqual(answers.map(({ approved, payload }) => [approved, payload]), [[true, {
      customer: "Ada",
      cents: 900,
      reason: "late",
      notify: true,
      items: ["espresso", "croissant"],
      size: ["M"],
    }]]);
    // The refusals of forms are answers like others, but Chromium notes them.
    tab.complaints.splice(0, tab.complaints.length, ...tab.complaints.filter((text) => !text.includes("422")));
  },
);

browserTest(
  "Hostile names, logs and results do nothing in Chromium, when they are there and when they come live",
  {
    files: {
      [`f/${HOSTILE}`]: {
        summary: HOSTILE,
        schema: { properties: { [HOSTILE]: { type: "string", default: HOSTILE } } },
        run: async (_, io) => {
          io.log(`${HOSTILE}\n`);
          io.stream(HOSTILE);
          await hostileGate.promise;
          io.log(`${HOSTILE}\n`);
          return { html: HOSTILE };
        },
      },
    },
    problems: [{ file: HOSTILE, message: HOSTILE }],
  },
  async (tab, { url, server }) => {
    const path = `f/${HOSTILE}`;
    const id = await server.client.jobs.start(path, { [HOSTILE]: HOSTILE });
    await tab.go(`${url}/run/${id}`);
    await tab.until(
      "document.getElementById('log').textContent.length > 10 && document.querySelector('.state.is-running') !== null",
    );
    hostileGate.resolve();
    await tab.until("document.getElementById('link').dataset.link === 'ended'");
    await lookAt(tab, "hostile");
    for (
      const address of [
        "/",
        "/scripts",
        `/scripts/${path.split("/").map(encodeURIComponent).join("/")}?from=${id}`,
        "/problems",
      ]
    ) {
      await tab.go(url + address);
      await checkPage(tab, address);
      assert.equal(await tab.run("document.querySelectorAll('main img, main script, [onerror]').length"), 0);
    }
  },
);
const hostileGate = Promise.withResolvers<void>();

browserTest("Somebody without a session signs in with the token in Chromium", {}, async (tab, { url, server }) => {
  // Another host name of this machine has other cookies.
  const other = url.replace("127.0.0.1", "localhost");
  await tab.go(`${other}/scripts?find=x`);
  await lookAt(tab, "sign-in");
  await tab.run("document.getElementById('token').focus()");
  await tab.type(server.token);
  await tab.following(() => tab.press("Enter"));
  assert.equal(await tab.run("location.href"), `${other}/scripts?find=x`);
  assert.equal(await tab.run("document.querySelector('h1').textContent"), "Scripts");
  tab.complaints.splice(0, tab.complaints.length, ...tab.complaints.filter((text) => !text.includes("401")));
});

Deno.test({
  name: `The example workspace in Chromium: every script has a form, and a file that breaks is shown while one looks${
    program === undefined ? " (no Chromium on this machine)" : ""
  }`,
  ignore: program === undefined,
  async fn() {
    const workspace = mkdtempSync(join(tmpdir(), "windkit-pages-"));
    cpSync(fileURLToPath(new URL("../../examples/workspace", import.meta.url)), workspace, { recursive: true });
    await using trial = await trialFolder({}, { root: workspace });
    await using server = await openTestServer({ folder: trial.folder, secrets: trial.secrets, pages: pageRoutes });
    await using browser = await openBrowser(program ?? "");
    const tab = await browser.open();
    await tab.view({ width: 360, height: 740 });
    await tab.go(`${server.url}/problems?token=${server.token}`);
    await tab.until("document.getElementById('link').dataset.link === 'live'");
    writeFileSync(join(workspace, "f/shop/brew.script.yaml"), "summary: [");
    await tab.until("document.querySelector('.problems')?.textContent.includes('f/shop/brew.script.yaml')");
    await checkPage(tab, "problems");
    rmSync(join(workspace, "f/shop/brew.script.yaml"));
    await tab.until("document.querySelector('.problems') === null");
    for (const { path } of trial.folder.scripts()) {
      await tab.go(`${server.url}/scripts/${path}`);
      await checkPage(tab, path);
    }
    assert.deepEqual([tab.complaints, tab.dialogs], [[], []]);
    await tab.go("about:blank");
    rmSync(workspace, { recursive: true });
  },
});
