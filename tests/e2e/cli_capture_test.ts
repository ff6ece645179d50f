import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { startProcess, type Workspace, workspace } from "./_cli.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A failure that is retried, a secret that goes from one call to the next, an approval, a sleep, two calls at once. */
const ORDER = `import { existsSync, writeFileSync } from "node:fs";
import { sleep, step, task, waitForApproval, workflow } from "windmill-client";
const login = task(async (user: string) => ({ token: "s3cr3t-" + user, expires: 5 }));
const charge = task(async (token: string, amount: number) => ({ id: "ch_" + amount, header: "Bearer " + token }));
const flaky = task(async (n: number) => {
  if (existsSync("tried")) return n;
  writeFileSync("tried", "");
  throw Object.assign(new RangeError("busy"), { retryIn: 3 });
}, { retry: { attempts: 2, delay: 1 } });
export const main = workflow(async (user: string, amount: number, api_key: string) => {
  const { token } = await login(user);
  const [paid, n] = await Promise.all([charge(token, amount), flaky(3)]);
  await sleep(0.01);
  const { approved } = await waitForApproval({ key: "sign_off", timeout: 0 });
  const odd = await step("odd", () => JSON.parse('{"__proto__": [1], "a \\\\"b\\\\"": "x */"}'));
  return { paid, n, approved, odd, key: api_key };
});
`;

const FAILS = `import { step, workflow } from "windmill-client";
export default workflow(async () => {
  await step("first", () => 1);
  await step("second", () => { throw new TypeError("it broke"); });
});
`;

/** A token in the code: given to a task, and in the result. */
const LITERAL = `import { step, task, workflow } from "windmill-client";
const call = task(async (token: string, n: number) => token.length + n);
export const main = workflow(async () => {
  const n = await call("sk_live_1234567890abcdef", 1);
  return { n, used: "with sk_live_1234567890abcdef" };
});
`;

/** Where a user's project finds the package: in Deno by an import map, in Node by a folder of packages. */
function withPackage(space: Workspace): void {
  const { exports } = JSON.parse(Deno.readTextFileSync(join(root, "deno.json"))) as {
    readonly exports: Readonly<Record<string, string>>;
  };
  const name = "@windkit/windmill-client";
  const imports = Object.fromEntries(
    Object.entries(exports).map(([path, file]) => [`${name}${path.slice(1)}`, new URL(file, `file://${root}`).href]),
  );
  space.write("deno.json", JSON.stringify({ imports }));
  const folder = `node_modules/${name}`;
  const inside = Object.fromEntries(Object.entries(exports).map(([path, file]) => [path, file]));
  space.write(`${folder}/package.json`, JSON.stringify({ name, version: "0.0.0", type: "module", exports: inside }));
  // Node runs TypeScript where the file really is, not in node_modules.
  for (const part of ["src", "mod.ts", "mod_hosted.ts"]) {
    Deno.symlinkSync(join(root, part), join(space.dir, folder, part));
  }
}

function denoTest(space: Workspace, file: string): Promise<{ readonly code: number; readonly stdout: string }> {
  return startProcess(Deno.execPath(), ["test", "-A", "--quiet", file], space.dir).ended;
}

Deno.test("capture makes a test that passes, and that fails when the workflow has changed", async () => {
  await using space = workspace({ "f/shop/order.ts": ORDER });
  withPackage(space);
  const args = '{"user": "ada", "amount": 12, "api_key": "key-12345"}';
  equal((await space.windkit("run", "f/shop/order.ts", "--args", args, "--run-id", "r1", "--no-input")).code, 0);
  const { code, stderr } = await space.windkit("capture", "r1", "--out", "order_test.ts");
  equal(code, 0, stderr);
  match(stderr, /Replaced what may be secret under: .*api_key.*token/);
  const text = space.read("order_test.ts");
  for (const secret of ["s3cr3t", "key-12345"]) ok(!text.includes(secret), text);
  match(text, /flaky: failure\("RangeError", "busy", \{ retryIn: 3 \}\)/);
  match(text, /sign_off: "timeout"/);
  const green = await denoTest(space, "order_test.ts");
  equal(green.code, 0, green.stdout);
  space.write("f/shop/order.ts", ORDER.replace("charge(token, amount)", "charge(token, amount + 1)"));
  const other = await denoTest(space, "order_test.ts");
  equal(other.code, 1, other.stdout);
  match(other.stdout, /task charge/);
  space.write("f/shop/order.ts", ORDER.replace('step("odd"', 'step("even"'));
  const renamed = await denoTest(space, "order_test.ts");
  equal(renamed.code, 1, renamed.stdout);
  match(renamed.stdout, /Cannot run step "even" in this test: it has no mock/);
});

Deno.test("capture writes to stdout, and a captured failure passes by failing", async () => {
  await using space = workspace({ "f/a/fails.ts": FAILS });
  withPackage(space);
  equal((await space.windkit("run", "f/a/fails.ts", "--run-id", "r2")).code, 1);
  const { code, stdout, stderr } = await space.windkit("capture", "r2", "--file", "f/a/fails.ts");
  equal(code, 0, stderr);
  match(stdout, /assert\.rejects\(run\.result\(\), \{ message: ".*it broke" \}\)/);
  space.write("fails_test.ts", stdout);
  const green = await denoTest(space, "fails_test.ts");
  equal(green.code, 0, green.stdout);
});

/** The runtimes that the suite is run on, where this machine has them. */
const tools = join(root, `tests/tools/${process.platform}-${process.arch}/node_modules`);

for (
  const { name, program, args } of [
    { name: "Node 24", program: join(tools, "node24/bin/node"), args: ["--test"] },
    { name: "Node 22", program: join(tools, "node22/bin/node"), args: ["--test"] },
    { name: "Bun", program: join(tools, "bun/bin/bun"), args: ["test"] },
  ]
) {
  Deno.test({
    name: `a captured test passes in ${name}`,
    ignore: !existsSync(program),
    fn: async () => {
      await using space = workspace({ "f/shop/order.ts": ORDER, "f/a/pay.ts": LITERAL });
      withPackage(space);
      await space.windkit("run", "f/a/pay.ts", "--run-id", "r0");
      equal((await space.windkit("capture", "r0", "--out", "pay_test.ts")).code, 0);
      const given = '{"user": "ada", "amount": 12, "api_key": "key-12345"}';
      await space.windkit("run", "f/shop/order.ts", "--args", given, "--run-id", "r1", "--no-input");
      equal((await space.windkit("capture", "r1", "--out", "order_test.ts")).code, 0);
      const { code, stdout, stderr } = await startProcess(
        program,
        [...args, "./order_test.ts", "./pay_test.ts"],
        space.dir,
      )
        .ended;
      equal(code, 0, stdout + stderr);
      match(stdout + stderr, /(?:pass 2|2 pass)\b/);
    },
  });
}

Deno.test("capture refuses what it cannot make a test of, and says what to do", async () => {
  const asks = `import { step, waitForApproval, workflow } from "windmill-client";
export default workflow(async () => { await step("a", () => 1); await waitForApproval(); });
`;
  await using space = workspace({ "f/a/asks.ts": asks, "f/a/fails.ts": FAILS });
  const running = space.start("run", "f/a/asks.ts", "--run-id", "open", "--no-input");
  await running.line("waits for approval");
  running.kill("SIGTERM");
  await running.ended;
  const open = await space.windkit("capture", "open");
  equal(open.code, 2);
  match(open.stderr, /Cannot capture run "open": it has not ended/);
  equal((await space.windkit("capture", "none")).code, 2);
  await space.windkit("run", "f/a/fails.ts", "--run-id", "r2");
  space.write("f/a/fails.ts", FAILS.replace('step("first"', 'step("zeroth"'));
  const changed = await space.windkit("capture", "r2");
  equal(changed.code, 2, changed.stdout);
  match(changed.stderr, /its workflow asks for something else than it recorded\n {2}recorded: .*step first/);
  space.write("f/a/fails.ts", FAILS);
  equal((await space.windkit("capture", "r2", "--out", "x_test.ts")).code, 0);
  const again = await space.windkit("capture", "r2", "--out", "x_test.ts");
  equal(again.code, 2);
  match(again.stderr, /it is there already\nTo replace it: --force/);
  Deno.removeSync(join(space.dir, "f/a/fails.ts"));
  match((await space.windkit("capture", "r2")).stderr, /Cannot find the file of workflow "f\/a\/fails".*\n.*--file/);
});

Deno.test("capture of a workflow with a secret in its code makes a test that passes, and does not have it", async () => {
  await using space = workspace({ "f/a/pay.ts": LITERAL });
  withPackage(space);
  equal((await space.windkit("run", "f/a/pay.ts", "--run-id", "r1")).code, 0);
  const { code, stderr } = await space.windkit("capture", "r1", "--out", "pay_test.ts");
  equal(code, 0, stderr);
  const text = space.read("pay_test.ts");
  ok(!text.includes("sk_live_"), text);
  const green = await denoTest(space, "pay_test.ts");
  equal(green.code, 0, green.stdout);
  for (const [from, to] of [['abcdef", 1', 'abcdef", 2'], ["with sk_live", "without sk_live"]] as const) {
    space.write("f/a/pay.ts", LITERAL.replace(from, to));
    const other = await denoTest(space, "pay_test.ts");
    equal(other.code, 1, other.stdout);
  }
});

Deno.test("capture refuses a workflow whose result is another one each time", async () => {
  const source = `import { step, workflow } from "windmill-client";
export default workflow(async () => [await step("a", () => 1), Math.random()]);
`;
  await using space = workspace({ "f/a/dice.ts": source });
  equal((await space.windkit("run", "f/a/dice.ts", "--run-id", "r1")).code, 0);
  const { code, stderr } = await space.windkit("capture", "r1");
  equal(code, 2);
  match(stderr, /Cannot capture run "r1": its workflow gives another result each time\n {2}first: \[1,0\./);
});

Deno.test("capture finds the file beside the data folder, and in a folder below; else its advice can be typed", async () => {
  const source = `import { workflow } from "windmill-client";\nexport default workflow(async () => 1);\n`;
  await using space = workspace({ "project/f/a/one.ts": source, "project/sub/two.ts": source, "elsewhere/x.txt": "" });
  const data = ["--data", "project/.windkit"];
  await space.windkit("run", "project/f/a/one.ts", "--run-id", "r1", ...data);
  await space.windkit("run", "project/sub/two.ts", "--run-id", "r2", ...data);
  for (const run of ["r1", "r2"]) {
    const found = await space.windkitIn("elsewhere", "capture", run, "--data", "../project/.windkit");
    equal(found.code, 0, found.stderr);
    match(found.stdout, /new URL\("\.\.\/project\/(?:f\/a\/one|sub\/two)\.ts"/);
  }
  Deno.removeSync(join(space.dir, "project/sub/two.ts"));
  const lost = await space.windkitIn("elsewhere", "capture", "r2", "--data", "../project/.windkit");
  equal(lost.code, 2);
  match(lost.stderr, /capture r2 --file FILE --data \.\.\/project\/\.windkit$/m);
});

Deno.test("capture warns of a test that Node takes for CommonJS", async () => {
  await using space = workspace({
    "package.json": `{ "type": "commonjs" }`,
    "f/a/one.ts": `import { workflow } from "windmill-client";\nexport default workflow(async () => 1);\n`,
  });
  await space.windkit("run", "f/a/one.ts", "--run-id", "r");
  const warned = await space.windkit("capture", "r", "--out", "one_test.ts");
  equal(warned.code, 0, warned.stderr);
  match(warned.stderr, /Node would take it for CommonJS, and not load it: "type" is "commonjs" in package\.json/);
  match(warned.stderr, /npm pkg set type=module .*--out one_test\.mts\)/);
  const fine = await space.windkit("capture", "r", "--out", "one_test.mts");
  ok(!fine.stderr.includes("CommonJS"), fine.stderr);
});

Deno.test("capture says that another run goes on for one", async () => {
  const source = `import { continueAsNew, workflow } from "windmill-client";
export default workflow(async (n: number = 0) => n > 0 ? n : await continueAsNew({ n: 1 }));
`;
  await using space = workspace({ "f/a/chain.ts": source });
  const run = await space.windkit("run", "f/a/chain.ts", "--run-id", "r");
  equal(run.code, 0, run.stderr);
  const { code, stderr } = await space.windkit("capture", "r");
  equal(code, 2);
  match(stderr, /Cannot capture run "r": another one goes on for it/);
});
