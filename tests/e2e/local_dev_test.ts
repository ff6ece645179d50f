/** `windkit dev` as a process: what it says, what it does with the folder, and how it ends. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSettings } from "../../src/cli/dev_settings.ts";
import { requestInit } from "../local/_http.ts";
import { runtimes } from "../run/runtimes.ts";
import { assert, assertEquals } from "../suite/assert.ts";
import { type Running, startProcess, workspace } from "./_cli.ts";
import { bodyOf, openLocal } from "./_local_dev.ts";

interface Ready {
  readonly url: string;
  readonly token: string;
  readonly workspace: string;
}

async function ready(process: Running): Promise<Ready & { run(path: string, args?: unknown): Promise<Response> }> {
  const found = JSON.parse(await process.line(/"event":"ready"/)) as Ready;
  const { url, token, workspace: name } = found;
  return {
    ...found,
    run: (path, args = {}) => fetch(`${url}/api/w/${name}/jobs/${path}`, requestInit("POST", token, args)),
  };
}

const HELLO = "export async function main(name: string) { return `Hello, ${name}`; }\n";

Deno.test("dev serves a folder, tells of its problems as they come and go, and of jobs, and stops cleanly", async () => {
  await using folder = workspace({ "f/a/hello.ts": HELLO, "wmill.yaml": "defaultTs: bun\n" });
  const process = folder.start("dev", "--port", "0", "--json");
  const { url, token, run } = await ready(process);
  await process.line(/"event":"read","scripts":1/);
  const answer = await run("run_wait_result/p/f/a/hello", { name: "Ada" });
  assertEquals(await answer.json(), "Hello, Ada");
  await process.line(/"event":"job".*"path":"f\/a\/hello".*"success":true/);
  assertEquals(await (await fetch(`${url}/api/version`)).text().then((text) => text.includes("windkit")), true);

  folder.write("f/a/hello.ts", HELLO.replace("Hello", "Good morning"));
  assertEquals(await (await run("run_wait_result/p/f/a/hello", { name: "Bob" })).json(), "Good morning, Bob");
  folder.write("f/a/broken.ts", "export async function main( {\n");
  await process.line(/"event":"problem","file":"f\/a\/broken.ts","message":"line 2, column 1/);
  folder.write("f/a/broken.variable.yaml", "value: [\n");
  await process.line(/"event":"problem","file":"f\/a\/broken.variable.yaml"/);
  assertEquals((await run("run_wait_result/p/f/a/hello", { name: "Eve" })).status, 200);
  folder.write("f/a/broken.ts", HELLO);
  await process.line(/"event":"solved","file":"f\/a\/broken.ts"/);

  // A workflow that would do another thing when it is replayed.
  folder.write(
    "f/a/flow.ts",
    'import { step, workflow } from "windmill-client";\nexport const main = workflow(async () => await step("at", () => 1) + Date.now());\n',
  );
  await process.line(/"event":"problem","file":"f\/a\/flow.ts","message":"line 2, column 70: Date.now.*windkit check/);
  folder.write(
    "f/a/flow.ts",
    'import { waitForEvent, workflow } from "@windkit/windmill-client";\nexport const main = workflow(async () => await waitForEvent("go"));\n',
  );
  await process.line(/"event":"solved","file":"f\/a\/flow.ts"/);

  folder.write("windkit.json", "{}");
  folder.write("output.txt", "of this very command");
  await process.line(/"event":"changed","files":\["windkit.json"\]/);
  await process.line(/windkit.json changed/);

  const data = join(folder.dir, ".windkit");
  for (const name of ["token", "key", "server.json"]) {
    assertEquals([name, statSync(join(data, name)).mode & 0o777], [name, 0o600]);
  }
  assertEquals(statSync(data).mode & 0o777, 0o700);
  assertEquals(folder.read(".windkit/token").trim(), token);
  process.kill("SIGTERM");
  const { code, stdout, stderr } = await process.ended;
  assertEquals([code, stderr], [143, ""]);
  assert(stdout.trimEnd().endsWith("goes on when the folder is served again") || stdout.includes('"event":"stopped"'));
  assertEquals(stdout.split(token).length, 2, "the token is said once");
  assertEquals(stdout.includes("output.txt"), false, "other files are nobody's business");
  assertEquals([existsSync(join(data, "server.json")), [...Deno.readDirSync(join(data, "jobs"))].length], [false, 0]);
});

Deno.test("dev serves an empty folder, says what is not there, and runs the first script that is saved", async () => {
  await using folder = workspace();
  const process = folder.start("dev", folder.dir, "--port=0");
  const line = await process.line(/address/);
  const url = /http\S+/.exec(line)?.[0] ?? "";
  await process.line(/There is no wmill.yaml/);
  await process.line(/No script yet/);
  folder.write("f/a/first.ts", HELLO);
  const token = folder.read(".windkit/token").trim();
  const address = `${url}/api/w/${await workspaceOf(url, token)}/jobs/run_wait_result/p/f/a/first`;
  const answer = await fetch(address, requestInit("POST", token, { name: "Ada" }));
  assertEquals(await answer.json(), "Hello, Ada");
  await process.line(/✓ f\/a\/first/);
  process.kill("SIGINT");
  assertEquals((await process.ended).code, 130);
});

async function workspaceOf(url: string, token: string): Promise<string> {
  const response = await fetch(`${url}/api/workspaces/list`, { headers: { authorization: `Bearer ${token}` } });
  return (await response.json() as { readonly id: string }[])[0]?.id ?? "";
}

Deno.test("dev hides a secret that nothing has read since it began", async () => {
  await using local = await openLocal({
    files: {
      "wmill.yaml": "defaultTs: bun\nplainSecrets: true\n",
      "f/a/key.variable.yaml": "value: SuperSecretValue12345\nis_secret: true\ndescription: ''\n",
      "f/a/say.ts":
        "export async function main(text: string) { console.log(`using ${text}`); throw new Error(text); }\n",
    },
  });
  // What an earlier run left, say: no script asks for the variable here.
  const id = await (await local.ask("POST", "jobs/run/p/f/a/say", { text: "SuperSecretValue12345" })).text();
  await local.dev.server.context.jobs.wait(id, AbortSignal.timeout(20_000));
  const log = await (await local.ask("GET", `jobs_u/get_logs/${id}`)).text();
  assert(log.includes("using ***"), log);
  assertEquals(log.includes("SuperSecret"), false);
});

Deno.test("dev names who has the folder or the port, and what to do", async () => {
  await using folder = workspace({ "wmill.yaml": "" });
  const process = folder.start("dev", "--port", "0", "--json");
  const { url } = await ready(process);
  const second = await folder.windkit("dev", "--port", "0");
  assertEquals(second.code, 4);
  assert(second.stderr.includes(`process ${process.pid} serves it at ${url}`), second.stderr);
  const port = new URL(url).port;
  const taken = await folder.windkit("dev", "--data", "other", "--port", port);
  assertEquals([taken.code, taken.stderr.includes("another windkit dev (CE v1.")], [2, true], taken.stderr);
  assert(taken.stderr.includes("another windkit dev (CE v1."), taken.stderr);
  assert(/Use another one: --port \d+/.test(taken.stderr), taken.stderr);
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    const other = await folder.windkit("dev", "--data", "other", "--port", `${silent.addr.port}`);
    assertEquals([other.code, other.stderr.includes("another program has it")], [2, true], other.stderr);
    assert(other.stderr.includes("another program has it"), other.stderr);
  } finally {
    silent.close();
  }
  const absent = await folder.windkit("dev", "absent");
  assertEquals([absent.code, absent.stderr.includes("No such folder")], [2, true]);
  process.kill("SIGKILL");
  await process.ended;
  // Whoever died holds nothing.
  const third = folder.start("dev", "--port", "0", "--json");
  await ready(third);
  third.kill("SIGTERM");
  assertEquals((await third.ended).code, 143);
});

Deno.test("dev lets jobs end when it is stopped, and goes on with those that did not", async () => {
  await using folder = workspace({
    "wmill.yaml": "",
    "f/a/slow.ts":
      "export async function main() {\n  console.log('began');\n  await new Promise((r) => setTimeout(r, 1500));\n  return 'ended';\n}\n",
  });
  const process = folder.start("dev", "--port", "0", "--json");
  const { run, url, token, workspace: name } = await ready(process);
  const id = await (await run("run/p/f/a/slow")).text();
  const log = (): Promise<string> =>
    fetch(`${url}/api/w/${name}/jobs_u/get_logs/${id}`, { headers: { authorization: `Bearer ${token}` } }).then((r) =>
      r.text()
    );
  while (!(await log()).includes("began"));
  process.kill("SIGTERM");
  const { stdout } = await process.ended;
  assert(/"event":"job".*"success":true/.test(stdout), stdout);
});

const absentProc = existsSync("/proc/self/status") ? "" : " (skipped: only Linux tells of processes)";
Deno.test({
  name: `Ctrl-C at the terminal does not end the processes of databases before the server does${absentProc}`,
  ignore: absentProc !== "",
  fn: async () => {
    await using local = await openLocal();
    const ask = async (): Promise<unknown> => {
      const body = { content: "SELECT 42 AS n", language: "duckdb", args: {} };
      return await bodyOf(await local.ask("POST", "jobs/run_wait_result/preview", body));
    };
    assertEquals(await ask(), [{ n: 42 }]);
    const children = readdirSync("/proc").filter((pid) => {
      const file = `/proc/${pid}/status`;
      return /^\d+$/.test(pid) && existsSync(file) && readFileSync(file, "utf8").includes(`\nPPid:\t${Deno.pid}\n`) &&
        readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("duckdb_main");
    });
    assertEquals(children.length, 1);
    Deno.kill(Number(children[0]), "SIGINT");
    assertEquals(await ask(), [{ n: 42 }]);
    assert(existsSync(`/proc/${children[0]}`), "it goes on");
  },
});

Deno.test("dev warns where others reach it", async () => {
  await using folder = workspace({ "wmill.yaml": "" });
  const process = folder.start("dev", "--host", "0.0.0.0", "--port", "0");
  await process.line(/Warning: others on the network reach this server at 0\.0\.0\.0/);
  process.kill("SIGTERM");
  await process.ended;
});

Deno.test("windkit.json: what is wrong is named, and no value is shown", async () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [[], "windkit.json must be an object"],
    [{ permission: {} }, "windkit.json: unknown key 'permission'"],
    [{ permissions: { net: "shut" } }, 'windkit.json: \'permissions.net\' must be "open" or "closed"'],
    [{ permissions: { read: [] } }, "windkit.json: unknown key 'permissions.read'"],
    [{ permissions: { denyNet: "a" } }, "windkit.json: 'permissions.denyNet' must be an array"],
    [{ datatables: { main: "mysql://me:secret@host/db" } }, "windkit.json: 'datatables.main' must be an address"],
    [{ datatables: { "a b": "postgres://host/db" } }, "windkit.json: 'datatables.a b' must be called by letters"],
    [{ s3: "secret" }, "windkit.json: 's3' must be an object"],
    [{ retention: 30 }, "windkit.json: 'retention' must be a number and a unit"],
    [{ retention: "secret" }, "windkit.json: 'retention' must be a number and a unit"],
    [{ limits: { cpu: 1 } }, "windkit.json: unknown key 'limits.cpu'"],
    [{ limits: { memory: "64m" } }, "windkit.json: 'limits.memory' must be a number and a unit of k, m or g, as in"],
    [{ limits: { disk: 5 } }, "windkit.json: 'limits.disk' must be a number and a unit of k, m or g"],
    [{ limits: { result: "1g" } }, "windkit.json: 'limits.result' must be a number and a unit of k, m or g"],
    [{ limits: { timeout: "2 h" } }, "windkit.json: 'limits.timeout' must be a number and a unit of s, m, h, d or w"],
    [{ limits: { jobs: 0 } }, "windkit.json: 'limits.jobs' must be a whole number from 1 to 1000"],
  ];
  for (const [value, expected] of cases) {
    try {
      readSettings(JSON.stringify(value));
    } catch (error) {
      const { message } = error as Error;
      assert(message.startsWith(expected) && !message.includes("secret"), `${message} should begin with ${expected}`);
      continue;
    }
    throw new Error(`${JSON.stringify(value)} was taken`);
  }
  const settings = readSettings('{"retention":"2h","permissions":{"net":"closed"},"datatables":{"a":"$var:f/a/b"}}');
  assertEquals(settings, { net: "closed", denyNet: [], datatables: { a: "$var:f/a/b" }, s3: {}, retentionS: 7200 });
  const limits = { memory: "2g", disk: "512m", result: "4k", log: "8m", timeout: "1h", jobs: 2 };
  assertEquals(readSettings(JSON.stringify({ limits })).limits, {
    ...{ memory: 2 ** 31, disk: 2 ** 29, result: 4096, log: 2 ** 23, timeout: 3600, jobs: 2 },
  });
  await using folder = workspace({ "windkit.json": '{ "s3": { "main": { "bucket": "x" } } }' });
  const { code, stderr } = await folder.windkit("dev", "--port", "0");
  assertEquals(code, 2);
  assert(/'s3' of windkit\.json/.test(stderr), stderr);
});

for (const { name, absent, command } of runtimes().filter((one) => one.name.startsWith("Node"))) {
  Deno.test({
    name: `dev on ${name} runs scripts, streams what they stream, takes uploads, and notices who leaves`,
    ignore: absent !== undefined,
    fn: async () => {
      await using folder = workspace({
        "f/a/hello.ts": HELLO,
        "f/a/words.ts": "export async function* main() { yield 'one '; yield 'two'; }\n",
        "f/a/hang.ts": "export async function main() { await new Promise((r) => setTimeout(r, 600_000)); }\n",
      });
      const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
      const args = [
        "--experimental-strip-types",
        "--disable-warning=ExperimentalWarning",
        main,
        "dev",
        "--port",
        "0",
        "--json",
      ];
      const process = startProcess(command("suite", "", 0)[0] ?? "", args, folder.dir);
      try {
        const { run, url, token, workspace: id } = await ready(process);
        const authorization = `Bearer ${token}`;
        assertEquals(await (await run("run_wait_result/p/f/a/hello", { name: "Ada" })).json(), "Hello, Ada");
        const words = await (await run("run/p/f/a/words")).text();
        const stream = await fetch(`${url}/api/w/${id}/jobs_u/getupdate_sse/${words}`, { headers: { authorization } });
        const text = await stream.text();
        assert(text.includes("two") && text.includes('"completed":true'), text);
        const place = `${url}/api/w/${id}/job_helpers/`;
        const bytes = crypto.getRandomValues(new Uint8Array(50_000));
        const uploaded = await fetch(`${place}upload_s3_file?file_key=a.bin`, {
          method: "POST",
          headers: { authorization },
          body: new Blob([bytes]).stream(),
        });
        assertEquals(await uploaded.json(), { file_key: "a.bin" });
        const back = await fetch(`${place}download_s3_file?file_key=a.bin`, { headers: { authorization } });
        assertEquals(new Uint8Array(await back.arrayBuffer()), bytes);
        // Whoever waits for a job and leaves takes it along.
        const leaving = new AbortController();
        const waiting = fetch(`${url}/api/w/${id}/jobs/run_wait_result/p/f/a/hang`, {
          method: "POST",
          headers: { authorization },
          signal: leaving.signal,
        }).catch((error: Error) => error.name);
        const list = `${url}/api/w/${id}/jobs/list?script_path_exact=f/a/hang&running=true`;
        while ((await (await fetch(list, { headers: { authorization } })).json() as unknown[]).length === 0);
        leaving.abort();
        assertEquals(await waiting, "AbortError");
        await process.line(/"event":"job".*"path":"f\/a\/hang".*"canceled":true/);
        assertEquals((await fetch(`${url}//evil.example/api/version`)).status >= 400, true);
      } finally {
        process.kill("SIGTERM");
      }
      const { code, stderr } = await process.ended;
      assertEquals([code, stderr], [143, ""]);
    },
  });
}
