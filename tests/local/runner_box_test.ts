/**
 * The box around a script: what it cannot read, reach, start or use up.
 *
 * @module
 */
import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { processesOf, runnerKit } from "./_runner_kit.ts";

const kit = await runnerKit({ memoryLimitBytes: 400 * 2 ** 20 });
/** A file beside the job folders that no script may see: the key, as it were. */
const secret = `${kit.folder}/key`;
Deno.writeTextFileSync(secret, "export const secret = 'the key';");
Deno.test.afterAll(async () => await kit[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `box: ${name}`, fn, sanitizeOps: false, sanitizeResources: false });
}

/** What each expression gives in a script: its value, or the name of its error. */
async function tried(
  expressions: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<readonly unknown[]> {
  const content = `
const tries: (() => unknown)[] = [${expressions.map((one) => `async () => ${one}`).join(",\n")}];
export async function main() {
  const all = [];
  for (const one of tries) {
    try { all.push(await one() ?? "done"); } catch (error) { all.push((error as Error).name + ": " + (error as Error).message); }
  }
  return all;
}`;
  const { result, error } = await kit.run(content, { env });
  ok(error === undefined, JSON.stringify(error));
  return result as readonly unknown[];
}

function allDenied(answers: readonly unknown[], what: readonly string[]): void {
  for (const [i, answer] of answers.entries()) {
    match(
      String(answer),
      /^(?:NotCapable|PermissionDenied|TypeError: (?:Requires|fetch failed|error sending))/,
      `${what[i]}: ${answer}`,
    );
  }
}

test("no file outside the job's folder is read: by any way of reading", async () => {
  const name = JSON.stringify(secret);
  const url = JSON.stringify(`file://${secret}`);
  const what = [
    `Deno.readTextFile("/etc/passwd")`,
    `Deno.readTextFile(${name})`,
    `Deno.readTextFile("../../key")`,
    `Deno.readDir("..")[Symbol.asyncIterator]().next()`,
    `Deno.stat(${name})`,
    `Deno.realPath("..")`,
    `Deno.readTextFile("/proc/self/environ")`,
    `(await import("node:fs")).readFileSync("/etc/passwd", "utf8")`,
    `(await import("node:fs/promises")).readFile(${name}, "utf8")`,
    `fetch(${url}).then((r) => r.text())`,
    `Deno.symlink(${name}, "link")`,
    `Deno.link(${name}, "link")`,
    `Deno.copyFile(${name}, "copy")`,
    `Deno.rename(${name}, "moved")`,
    `Deno.writeTextFile(${name}, "x")`,
    `Deno.writeTextFile("../x", "x")`,
    `Deno.chmod(${name}, 0o777)`,
    `Deno.open("/dev/mem")`,
    `(await import("node:module")).createRequire("file:///")(${name})`,
  ];
  allDenied(await tried(what), what);
  equal(Deno.readTextFileSync(secret), "export const secret = 'the key';");
});

test("no file outside is imported: by text, JSON, code, link or computed name", async () => {
  const url = `file://${secret}`;
  const imports = [
    `import x from "file:///etc/passwd" with { type: "text" };`,
    `import x from "/etc/passwd" with { type: "text" };`,
    `import x from "../../../../etc/passwd" with { type: "text" };`,
    `import x from "file:///etc/environment.json" with { type: "json" };`,
    `import { secret as x } from "${url}";`,
    `export * from "${url}"; const x = 1;`,
    `import x from "http://127.0.0.1:1/x.ts";`,
    `const x = await import("${url}");`,
  ];
  for (const one of imports) {
    const { error } = await kit.run(`${one}\nexport const main = () => x;`, { path: "f/a/b" });
    equal(error?.name, "ImportError", one);
    match(String(error?.message), /^Cannot import ".*" in f\/a\/b\.ts:1: /, one);
  }
  // What no reading of the text sees is up to the box.
  const what = [
    `import("file://" + ${JSON.stringify(secret)})`,
    `import("/etc" + "/passwd", { with: { type: "text" } })`,
    `import("data:text/javascript," + encodeURIComponent(${JSON.stringify(`export * from "${url}"`)}))`,
    `import("data:text/javascript," + encodeURIComponent(${
      JSON.stringify(`import x from "file:///etc/passwd" with { type: "text" }; export default x`)
    }))`,
    `(Deno.writeTextFileSync("late.ts", ${
      JSON.stringify(`export * from "${url}"`)
    }), import(new URL("late.ts", import.meta.url).href))`,
    `(Deno.writeTextFileSync("late2.ts", 'import x from "/etc/passwd" with { type: "text" }; export default x'), import(new URL("late2.ts", import.meta.url).href))`,
    `new Promise((resolve, reject) => { const worker = new Worker("file://" + ${
      JSON.stringify(secret)
    }, { type: "module" }); worker.onerror = (e) => { e.preventDefault(); reject(new Deno.errors.NotCapable(e.message)); }; worker.onmessage = resolve; })`,
  ];
  for (const [i, answer] of (await tried(what)).entries()) {
    match(String(answer), /Requires read access|NotCapable/, what[i]);
  }
});

test("the second look finds what the first does not see", async () => {
  // A text in which the first look takes a regular expression for a division, and so an import for a part of a template.
  const hidden =
    "function f() {} /`/.test('');\nimport x from 'file:///etc/passwd' with { type: 'text' };\n/`/;\nexport const main = () => x;";
  const { error } = await kit.run(hidden);
  match(
    String(error?.message),
    /^Cannot import "file:\/\/\/etc\/passwd" in main\.ts:2: it is outside the job's folder$/,
  );
});

test("nothing is started, loaded as native code, or told of the machine", async () => {
  const what = [
    `new Deno.Command("/bin/ls").output()`,
    `new Deno.Command(Deno.execPath(), { args: ["eval", "1"] }).output()`,
    `((done) => { if (done.status === 0) return "ran"; throw new Deno.errors.NotCapable(String(done.error)); })((await import("node:child_process")).spawnSync("/bin/ls"))`,
    `new Promise((resolve, reject) => import("node:child_process").then(({ fork }) => fork("x.js").on("error", reject).on("exit", (code) => code === 0 ? resolve("ran") : reject(new Deno.errors.NotCapable("exit " + code))), reject))`,
    `Deno.dlopen("/lib/x86_64-linux-gnu/libc.so.6", {})`,
    `Deno.hostname()`,
    `Deno.networkInterfaces()`,
    `Deno.kill(Deno.ppid, "SIGKILL")`,
    `Deno.permissions.request({ name: "run" }).then((p) => { if (p.state !== "granted") throw new Deno.errors.NotCapable(p.state); })`,
  ];
  allDenied(await tried(what), what);
});

test("the server alone is reached on this machine: other services, link-local and sockets are closed", async () => {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => body += piece).on("end", () => {
      response.setHeader("content-type", "application/json");
      const { method, url, headers } = request;
      const isOwn = headers.host === `127.0.0.1:${port}`;
      response.end(JSON.stringify([method, isOwn, url, headers.authorization, body].join(" ")));
    });
  });
  const other = createServer((_, response) => response.end("reached"));
  await Promise.all([server, other].map((one) => new Promise<void>((resolve) => one.listen(0, "0.0.0.0", resolve))));
  const [port, closed] = [server, other].map((one) => (one.address() as AddressInfo).port);
  const own = Deno.networkInterfaces().find((one) => one.family === "IPv4" && !one.address.startsWith("127."))?.address;
  try {
    const base = `http://127.0.0.1:${port}`;
    const env = { BASE_INTERNAL_URL: base, BASE_URL: base, WM_TOKEN: "t", WM_WORKSPACE: "w" };
    const answers = await tried([
      `fetch("${base}/api/x?y=1", { method: "POST", body: "b", headers: { authorization: "Bearer t" } }).then((r) => r.json())`,
      `fetch(new Request("${base}/r", { method: "PUT", body: "b" })).then((r) => r.json())`,
      `fetch("${base}/u").then((r) => r.url)`,
      `(await import("windmill-client")).getVariable("f/a/b")`,
    ], env);
    equal(answers.slice(0, 3), ["POST true /api/x?y=1 Bearer t b", "PUT true /r  b", `${base}/u`]);
    match(String(answers[3]), /^GET true \/api\/w\/w\/variables\/get_value\/f\/a\/b Bearer t/);

    const hosts = [
      "127.0.0.1",
      "localhost",
      "0.0.0.0",
      "127.1.2.3",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "2130706433",
      ...(own === undefined ? [] : [own]),
    ];
    const what = [
      ...hosts.map((host) => `fetch("http://${host}:${closed}/").then((r) => r.text())`),
      `fetch("http://127.0.0.1.evil:${closed}/")`,
      `fetch("${base}@127.0.0.1:${closed}/")`,
      `Deno.connect({ hostname: "localhost", port: ${closed} })`,
      `new Promise((resolve, reject) => import("node:net").then(({ connect }) => connect(${closed}, "127.0.0.1").on("error", reject).on("connect", resolve)))`,
      `Deno.connect({ transport: "unix", path: "/var/run/docker.sock" })`,
      `Deno.listen({ port: 0, hostname: "127.0.0.1" })`,
      `fetch("http://169.254.169.254/latest/meta-data/", { signal: AbortSignal.timeout(3000) })`,
    ];
    const denied = await tried(what, env);
    for (const [i, answer] of denied.entries()) {
      match(
        String(answer),
        /NotCapable|Requires net access|fetch failed|error sending|dns error|ENOTFOUND|EACCES|EPERM/i,
        what[i],
      );
    }
  } finally {
    server.close();
    other.close();
  }
});

test("what the web keeps for a site keeps nothing from one job to the next, in workers neither", async () => {
  const keeps = `const kept = await (async () => {
  try { const c = await caches.open("x"); const r = await c.match("http://x.example/a"); const text = r && await r.text();
    await c.put("http://x.example/a", new Response("kept")); return text ?? "nothing"; } catch (e) { return "closed: " + e.name; }
})();`;
  const code = `export async function main() {
  ${keeps}
  let local = typeof localStorage;
  try { local = localStorage.getItem("a") ?? "nothing"; localStorage.setItem("a", "kept"); } catch (e) { local = "closed: " + e.name; }
  const file = import.meta.url.replace(/[^/]*$/, "worker.js");
  await Deno.writeTextFile(new URL(file), ${JSON.stringify(keeps + " postMessage(kept);")});
  const worker = new Worker(file, { type: "module" });
  return [kept, local, await new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data))];
}`;
  await using own = await runnerKit({ poolSize: 0 });
  for (let run = 0; run < 2; run++) {
    const { result } = await own.run(code);
    equal(result, ["closed: ReferenceError", "closed: ReferenceError", "closed: Error"]);
  }
});

test("a job that removes or replaces the socket to the server harms itself only, and leaves nothing", async () => {
  const server = createServer((_, response) => response.end("reached"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { BASE_INTERNAL_URL: base };
  const asks = `const asked = await fetch("${base}/").then((r) => r.text(), () => "no answer");`;
  await using own = await runnerKit({ poolSize: 0 });
  try {
    for (
      const harm of [
        'Deno.renameSync(".server.sock", "away");',
        'Deno.removeSync(".server.sock");',
        'Deno.removeSync(".server.sock"); Deno.mkdirSync(".server.sock/deep", { recursive: true }); Deno.chmodSync(".server.sock", 0);',
        'Deno.removeSync(".server.sock"); Deno.writeTextFileSync(".server.sock", "text");',
      ]
    ) {
      const { result } = await own.run(`export async function main() { ${harm} ${asks} return asked; }`, { env });
      equal(result, "no answer");
      equal((await own.run(`export async function main() { ${asks} return asked; }`, { env })).result, "reached");
    }
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("a task outside a workflow becomes a job of the server, as on a cluster", async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => body += piece).on("end", () => {
      asked.push(`${request.method} ${request.url} ${body}`);
      const isStart = request.method === "POST";
      response.statusCode = isStart ? 201 : 200;
      response.setHeader("content-type", isStart ? "text/plain" : "application/json");
      response.end(
        isStart
          ? "0193b1e0-0000-7000-8000-000000000001"
          : JSON.stringify({ completed: true, success: true, result: 5, started: true }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const { outcome } = await kit.run(
      `import { task } from "windmill-client"; const add = task("add", async (a, b) => a + b); export const main = async () => await add(2, 3);`,
      { env: { BASE_INTERNAL_URL: base, WM_TOKEN: "t", WM_WORKSPACE: "w", WM_JOB_ID: "job-1", WM_FLOW_JOB_ID: "" } },
    );
    equal(outcome, { ok: true, result: 5 });
    ok(asked.includes('POST /api/w/w/jobs/run/workflow_as_code/job-1/add {"args":{"a":2,"b":3}}'), asked.join("; "));
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test("a closed net is closed, but for the server", async () => {
  await using own = await runnerKit({ net: "closed", poolSize: 0 });
  const server = createServer((_, response) => response.end("server"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const { result } = await own.run(
      `export async function main() {
  const text = await (await fetch("http://127.0.0.1:${port}/")).text();
  const other = await fetch("https://example.com/").then(() => "reached", (e) => e.name);
  return [text, other, await fetch("http://localhost:${port}/").then(() => "reached", (e) => e.name)];
}`,
      { env: { BASE_INTERNAL_URL: `http://127.0.0.1:${port}` } },
    );
    equal(result, ["server", "NotCapable", "NotCapable"]);
  } finally {
    server.close();
  }
});

test("the disk is bounded: one large file, many small ones, and what has no name or right any more", async () => {
  await using small = await runnerKit({ diskLimitBytes: 8 * 2 ** 20 });
  const wait = "for (;;) await new Promise((resolve) => setTimeout(resolve, 1000));";
  const codes = [
    `Deno.mkdirSync("a/b", { recursive: true }); for (let i = 0; i < 3; i++) Deno.writeFileSync("a/b/" + i, new Uint8Array(3 * 2 ** 20)); ${wait}`,
    `for (let i = 0; i < 2100; i++) Deno.writeTextFileSync("f" + i, ""); ${wait}`,
    `Deno.mkdirSync("a"); Deno.writeFileSync("a/x", new Uint8Array(9 * 2 ** 20)); Deno.chmodSync("a", 0); ${wait}`,
    ...Deno.build.os === "linux"
      ? [
        `const file = Deno.openSync("x", { create: true, write: true }); Deno.removeSync("x"); file.writeSync(new Uint8Array(9 * 2 ** 20)); ${wait}`,
      ]
      : [],
  ];
  const ended = await Promise.all(codes.map((code) => small.run(`export async function main() { ${code} }`)));
  for (const { error } of ended) {
    equal([error?.name, error?.message], [
      "ExecutionErr",
      "The job was ended: its files take more than its 8 MiB of the disk",
    ]);
  }
});

test("memory is bounded: one large buffer, many small ones, workers without end", async () => {
  const large = await kit.run("export const main = () => new Uint8Array(4 * 2 ** 30).fill(1).length;");
  match(String(large.error?.message), /^The job was ended: it uses more than its 400 MiB of memory$/);
  const hungry = await kit.run(`export async function main() {
  const all = []; for (;;) { all.push(new Array(1e5).fill(Math.random())); if (all.length % 50 === 0) await new Promise((r) => setTimeout(r)); }
}`);
  match(String(hungry.error?.message), /memory|exit code/);
  const workers = await kit.run(
    `export async function main() {
  const url = URL.createObjectURL(new Blob(["setInterval(() => {}, 1000)"], { type: "text/javascript" }));
  const all = []; for (let i = 0; i < 1000; i++) { all.push(new Worker(url, { type: "module" })); await new Promise((r) => setTimeout(r)); }
  await new Promise(() => setTimeout(() => {}, 1e6));
}`,
    { timeoutMs: 120_000 },
  );
  match(String(workers.error?.message), /memory|exit code/);
  equal((await kit.run("export const main = () => 'after';")).result, "after");
});

test("a server that is killed leaves no process", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("./_runner_orphan.ts", import.meta.url).pathname],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes("looping\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`It ended: ${said}`);
    said += value;
  }
  const folder = said.split("\n")[0] as string;
  ok(processesOf(folder).length >= 2, "the job and the waiting process run");
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
  if (Deno.build.os !== "linux") return;
  // The kernel ends them; each look takes the time of a look.
  let left = processesOf(folder);
  for (let i = 0; i < 2000 && left.length > 0; i++) left = processesOf(folder);
  equal(left, []);
  // What is left of its folders goes with the next runner.
  await using next = await runnerKit({ jobsFolder: `${folder}/jobs`, poolSize: 0 });
  equal([...Deno.readDirSync(`${folder}/jobs`)], []);
  await next.runner[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
});
