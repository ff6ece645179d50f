/** The example workspace, served as `deno task dev` does it: each of its scripts gives what it should through the API. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals } from "../suite/assert.ts";
import { bodyOf, EXAMPLES, type Local, openLocal } from "./_local_dev.ts";

interface Example {
  readonly args?: unknown;
  /** @default 200 */
  readonly status?: number;
  readonly body?: unknown;
  /** In place of `body`. */
  readonly check?: (body: unknown, local: Local) => Promise<void> | void;
}

const LINES = [{ item: "espresso", quantity: 2 }, { item: "cake", quantity: 1 }];

/** Scripts by path; the first ones first. */
const SCRIPTS: Readonly<Record<string, readonly Example[]>> = {
  "f/shop/greet": [{
    args: { name: "Ada", extras: ["milk"] },
    body: { message: "Good morning, Ada! Your order: a small coffee with milk.", at: "1970-01-01T00:00:00.000Z" },
  }],
  "f/shop/prices": [{
    body: [
      { item: "espresso", price: 2.2 },
      { item: "cappuccino", price: 3.4 },
      { item: "flat_white", price: 3.6 },
      { item: "cake", price: 4.1 },
    ],
  }],
  "f/shop/order_total": [
    { args: { lines: LINES, discount_percent: 10 }, body: { cents: 765, text: "7.65 EUR" } },
    {
      args: { lines: [{ item: "tea", quantity: 1 }] },
      status: 422,
      check: (body) => {
        const { error } = body as { error: { name: string; message: string } };
        assertEquals(error.name, "Error");
        assert(error.message.startsWith('There is no "tea" on the menu'), error.message);
      },
    },
  ],
  "f/shop/loyalty": [{ args: { cents: 1250 }, body: { points: 12, free_coffee: false } }],
  "f/shop/validate_order": [
    {
      args: { order: { customer: "", email: "ada", lines: [] } },
      check: (body) => {
        const { valid, problems } = body as { valid: boolean; problems: string[] };
        assertEquals([valid, problems.length], [false, 3]);
      },
    },
    {
      args: { order: { customer: "Ada", email: "ada@example.com", lines: LINES } },
      body: { valid: true, order: { customer: "Ada", email: "ada@example.com", lines: LINES } },
    },
  ],
  "f/shop/brew": [{
    args: { cups: 2 },
    check: async (_, { ask }) => {
      const started = await ask("POST", "jobs/run/p/f/shop/brew", { cups: 2 });
      const id = await started.text();
      const stream = await (await ask("GET", `jobs_u/getupdate_sse/${id}`)).text();
      let text = "";
      for (const line of stream.split("\n\n").filter((line) => line.startsWith("data: "))) {
        text += (JSON.parse(line.slice("data: ".length)) as { new_result_stream?: string }).new_result_stream ?? "";
      }
      assertEquals(text, "Cup 1: grinding... done.\nCup 2: grinding... done.\n");
    },
  }],
  "f/shop/check_stock": [
    {
      args: { stock: { espresso: 4, cake: 9 } },
      body: { shop: "Corner Coffee", currency: "EUR", low: ["espresso"], sold: [], runs: 1 },
    },
    {
      args: { stock: { espresso: 3, cake: 9 } },
      body: {
        shop: "Corner Coffee",
        currency: "EUR",
        low: ["espresso"],
        sold: [{ item: "espresso", count: 1 }],
        runs: 2,
      },
    },
  ],
  "f/shop/charge_card": [
    { args: { cents: 340, card: "4242424242424242" }, body: { charged: 340, card: "**** 4242" } },
    {
      args: { cents: 340, card: "4242424242420000" },
      status: 422,
      check: (body) => {
        const { error } = body as { error: Record<string, unknown> };
        assertEquals([error.name, error.message], [
          "PaymentDeclinedError",
          "The card was declined: insufficient funds",
        ]);
        assert(JSON.stringify(error).includes('"retry_after_s":3600'), JSON.stringify(error));
      },
    },
  ],
  "f/shop/teapot": [{
    status: 418,
    check: async (body, { ask }) => {
      assertEquals(body, { error: "I'm a teapot", drink: "coffee", runtime: "Deno 2" });
      const response = await ask("POST", "jobs/run_wait_result/p/f/shop/teapot", { drink: "tea" });
      assertEquals([response.status, await bodyOf(response)], [200, { drink: "tea" }]);
    },
  }],
  "f/shop/order_webhook": [{
    args: { customer: "Ada", items: [{ sku: "CAKE", qty: 2 }, { sku: "ESPRESSO", qty: 1 }] },
    body: { accepted: true, customer: "Ada", source: "web", items: 3 },
  }],
  "f/reports/export_orders": [{
    args: { rows: [{ customer: "Ada", cents: 765 }, { customer: "Bob", cents: 220 }] },
    check: (body) => {
      const { file, lines, same } = body as { file: { s3: string }; lines: number; same: boolean };
      assertEquals([file.s3, lines, same], ["exports/orders.csv", 2, true]);
    },
  }],
  "f/reports/save_orders": [{
    args: {
      orders: [{ customer: "Ada", cents: 765 }, { customer: "Bob", cents: 220 }, { customer: "Ada", cents: 235 }],
    },
    body: { count: 3, best: [{ customer: "Ada", cents: 1000 }, { customer: "Bob", cents: 220 }] },
  }],
  "f/reports/top_customers": [{
    args: { database: "datatable://main", least_cents: 500 },
    body: [{ customer: "Ada", orders: 2, cents: 1000 }],
  }],
  "f/reports/sales_by_month": [{
    args: { least: 21 },
    body: [{ month: "2025-02", sales: 2, euros: 34.4 }],
  }],
};

/** Workflows by path. */
const WORKFLOWS: Readonly<Record<string, readonly Example[]>> = {
  "f/shop/fulfil_order": [{
    args: { customer: "ada", lines: LINES, cents: 850 },
    check: async (body, { ask }) => {
      assertEquals(body, { order: "order-ada-2", receipt: "ada-850", shelves: ["shelf 8", "shelf 4"] });
      const jobs = await bodyOf(await ask("GET", "jobs/list?script_path_exact=f/shop/fulfil_order&per_page=50")) as {
        id: string;
        parent_job?: string;
      }[];
      const parents = jobs.filter(({ parent_job: parent }) => parent === undefined || parent === null);
      assertEquals([parents.length, jobs.length - parents.length], [1, 3]);
      const parent = await bodyOf(await ask("GET", `jobs_u/get/${parents[0]?.id}`)) as Record<string, unknown>;
      const text = JSON.stringify(parent.workflow_as_code_status);
      for (const step of ["order_id", "reserve", "charge"]) assert(text.includes(step), `${step} in ${text}`);
    },
  }],
  "f/shop/approve_refund": [
    { args: { customer: "Ada", cents: 500 }, body: { refunded: 500, by: "rule" } },
  ],
  "f/shop/closing_time": [{
    args: { orders: [{ customer: "Ada", lines: LINES }, { customer: "Bob", lines: LINES.slice(1) }] },
    body: { orders: 2, takings: 1134, message: "Good morning, team! Your order: a large coffee." },
  }],
};

async function runAll(local: Local, all: Readonly<Record<string, readonly Example[]>>): Promise<void> {
  for (const [path, examples] of Object.entries(all)) {
    for (const { args, status = 200, body, check } of examples) {
      const headers: Record<string, string> = path === "f/shop/order_webhook" ? { "x-shop-source": "web" } : {};
      const response = await local.ask("POST", `jobs/run_wait_result/p/${path}`, args ?? {}, headers);
      const found = await bodyOf(response);
      assertEquals([path, response.status, status === response.status ? "" : found], [path, status, ""]);
      if (check === undefined) assertEquals([path, found], [path, body]);
      else await check(found, local);
    }
  }
}

Deno.test("Each script of the example workspace gives what it should, through the API", async () => {
  await using local = await openLocal({ copyOf: EXAMPLES });
  await runAll(local, SCRIPTS);
  const listed = await bodyOf(await local.ask("GET", "scripts/list?per_page=100")) as { path: string }[];
  const tested = new Set([...Object.keys(SCRIPTS), ...Object.keys(WORKFLOWS)]);
  assertEquals(listed.map(({ path }) => path).filter((path) => !tested.has(path)), []);
  assertEquals(local.reported, []);
});

Deno.test("Each workflow of the example workspace gives what it should, with its tasks as jobs of their own", async () => {
  await using local = await openLocal({ copyOf: EXAMPLES });
  await runAll(local, WORKFLOWS);
  const { jobs } = local.dev.server.context;
  const id = await (await local.ask("POST", "jobs/run/p/f/shop/approve_refund", { customer: "Bob", cents: 5000 }))
    .text();
  const asked = Promise.withResolvers<void>();
  using _watch = jobs.watch(id, () => jobs.get(id)?.suspended === true && asked.resolve());
  if (jobs.get(id)?.suspended === true) asked.resolve();
  await asked.promise;
  const urls = await bodyOf(await local.ask("GET", `jobs/wac_approval_urls/${id}/approval?approver=Eve`)) as {
    resume: string;
  };
  const answer = (amount: number): Promise<Response> =>
    fetch(urls.resume, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ amount, note: "sorry" }),
    });
  assertEquals((await answer(4000)).status, 201);
  assertEquals((await answer(4000)).status, 400);
  const ended = await jobs.wait(id, AbortSignal.timeout(20_000));
  assertEquals([ended.success, ended.result], [true, { refunded: 4000, note: "sorry", by: "Eve" }]);
  assertEquals(local.reported, []);
});

/** A program that is not on every machine. */
function has(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false; // it cannot be started
  }
}

Deno.test({
  name: "Each command of the example workspace's README prints what is said above it",
  ignore: Deno.build.os === "windows" || !has("curl"),
  fn: async () => {
    await using local = await openLocal({ copyOf: EXAMPLES });
    const [define = "", commands = ""] = [
      ...readFileSync(join(EXAMPLES, "README.md"), "utf8").matchAll(/```sh\n([^]*?)```/g),
    ]
      .map(([, text]) => text);
    assert(define.includes("ask() {"), define);
    const lines = commands.trim().split("\n");
    const ran = new Set<string>();
    for (const [i, line] of lines.entries()) {
      if (line.startsWith("#")) continue;
      const script = `${
        define.replaceAll("examples/workspace/.windkit", local.data)
          .replace("/api/w/workspace/", `/api/w/${local.workspace}/`)
      }\n${line}`;
      const { stdout } = await new Deno.Command("sh", { args: ["-c", script], env: { BASE_URL: local.url } }).output();
      const expected = (lines[i - 1] ?? "").replace(/^# /, "");
      assertEquals([line, JSON.parse(new TextDecoder().decode(stdout))], [line, JSON.parse(expected)]);
      ran.add(line.split(" ")[1] ?? "");
    }
    const listed = await bodyOf(await local.ask("GET", "scripts/list?per_page=100")) as { path: string }[];
    assertEquals(listed.map(({ path }) => path).filter((path) => !ran.has(path)), []);
  },
});
