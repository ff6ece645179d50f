/** What must not be possible, tried from outside and by scripts, against a folder that is served as it is for people. */
import { existsSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { assert, assertEquals } from "../suite/assert.ts";
import { bodyOf, type Local, openLocal } from "./_local_dev.ts";

/** A request with just these headers, on a connection of its own: gives the status. */
async function raw(local: Local, path: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const { hostname, port } = new URL(local.url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const lines = [`GET ${path} HTTP/1.1`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
  const writer = connection.writable.getWriter();
  await writer.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`));
  const { value } = await connection.readable.getReader().read();
  return Number(/^HTTP\/1\.1 (\d+)/.exec(new TextDecoder().decode(value))?.[1]);
}

/** Runs code as a preview; gives its result, or the text of its error. */
async function attempt(local: Local, code: string): Promise<string> {
  const response = await local.ask("POST", "jobs/run_wait_result/preview", {
    content: code,
    language: "bun",
    args: {},
  });
  return JSON.stringify(await bodyOf(response)) ?? "";
}

function body(code: string): string {
  return `export async function main() {\n${code}\n}\n`;
}

/** Processes of this machine that have a text in their command lines. */
function processesWith(text: string): readonly string[] {
  if (!existsSync("/proc/self/cmdline")) return []; // only Linux tells
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return line.includes(text) ? [`${pid} ${line.slice(0, 200)}`] : [];
    } catch {
      return []; // it has ended meanwhile
    }
  });
}

async function answers(local: Local): Promise<void> {
  assertEquals((await local.run("f/a/fine")).body, "fine");
}

const FILES = {
  "wmill.yaml": "",
  "f/a/fine.ts": 'export async function main() { return "fine"; }\n',
  "f/a/secret.variable.yaml": "value: a-very-secret-value\nis_secret: true\n",
};

Deno.test("Requests of other names, origins and people are refused", async () => {
  await using local = await openLocal({ files: FILES });
  const { host } = new URL(local.url);
  const list = `/api/w/${local.workspace}/scripts/list`, authorization = `Bearer ${local.token}`;
  assertEquals(await raw(local, list, { host, authorization }), 200);
  assertEquals(await raw(local, list, { host: "evil.example", authorization }), 403);
  assertEquals(await raw(local, list, { host: `evil.example:${new URL(local.url).port}`, authorization }), 403);
  assertEquals(await raw(local, list, { host, authorization, origin: "https://evil.example" }), 403);
  assertEquals(await raw(local, list, { host, authorization, origin: "null" }), 403);
  assertEquals(await raw(local, list, { host, authorization, "sec-fetch-site": "cross-site" }), 403);
  assertEquals(await raw(local, list, { host }), 401);
  assertEquals(await raw(local, list, { host, authorization: `Bearer ${local.token.slice(0, -1)}x` }), 401);
  assertEquals(await raw(local, `/api/w/other/scripts/list`, { host, authorization }), 401);
});

Deno.test("A job's token is good for its own affairs, and ends with it", async () => {
  await using local = await openLocal({
    files: {
      ...FILES,
      "f/a/shows.ts": body("return process.env.WM_TOKEN;"),
      "f/a/holds.ts": body(
        "console.log('TOKEN ' + [...process.env.WM_TOKEN].join(' ')); await new Promise((r) => setTimeout(r, 600_000));",
      ),
    },
  });
  const { body: ended } = await local.run("f/a/shows");
  const asked = (token: unknown): Promise<Response> =>
    local.ask("GET", "jobs/list", undefined, { authorization: `Bearer ${token}` });
  assertEquals((await asked(ended)).status, 401);
  const holds = await (await local.ask("POST", "jobs/run/p/f/a/holds", {})).text();
  const other = await (await local.ask("POST", "jobs/run/p/f/a/holds", {})).text();
  let log = "";
  while (!log.includes("TOKEN")) log = await (await local.ask("GET", `jobs_u/get_logs/${holds}`)).text();
  const token = /TOKEN ((?:\S )+\S)/.exec(log)?.[1]?.replaceAll(" ", "") ?? "";
  assertEquals((await asked(token)).status, 200);
  const headers = { authorization: `Bearer ${token}` };
  const fine = await (await local.ask("POST", "jobs/run/p/f/a/fine", {})).text();
  await local.dev.server.context.jobs.wait(fine);
  const script = {
    path: "f/a/fine",
    content: body('return "taken";'),
    language: "bun",
    summary: "",
    auto_parent: true,
  };
  for (
    const [method, path, sent] of [
      ["GET", `jobs/resume_urls/${fine}/1`, undefined],
      ["POST", `job_metrics/set_progress/${fine}`, { percent: 50 }],
      ["POST", `jobs/wac/inline_checkpoint/${fine}`, { key: "a", result: 1, started_at: "", duration_ms: 0 }],
      ["GET", `jobs_u/get/${fine}`, undefined],
      ["GET", `jobs_u/get_logs/${fine}`, undefined],
      ["GET", `jobs_u/get_args/${fine}`, undefined],
      ["GET", `jobs_u/completed/get_result/${fine}`, undefined],
      ["GET", `jobs_u/getupdate_sse/${fine}`, undefined],
      ["POST", `jobs_u/queue/cancel/${fine}`, {}],
      ["POST", `jobs/completed/delete/${fine}`, {}],
      ["POST", "scripts/create", script],
      ["POST", "scripts/create", { ...script, path: "f/a/new" }],
      ["POST", "scripts/archive/p/f/a/fine", {}],
      ["DELETE", "variables/delete/f/a/secret", undefined],
      ["POST", "variables/update/f/a/secret", { path: "f/a/moved" }],
      ["DELETE", "resources/delete/f/a/secret", undefined],
      ["POST", "resources/update/f/a/secret", { value: 1 }],
      ["POST", "resources/type/create", { name: "c_taken", schema: {} }],
    ] as const
  ) {
    const response = await local.ask(method, path, sent, headers);
    const text = await response.text();
    assertEquals([path, response.status, text.startsWith("Permission denied: the token of ")], [path, 403, true]);
  }
  // What it may write leads to no other file.
  for (
    const value of [{ content: "!inline .windkit/token" }, { content: "!inline f/a/fine.ts" }, "!inline_fileset f/a"]
  ) {
    const made = await local.ask("POST", "resources/create", { path: "f/a/r", resource_type: "any", value }, headers);
    assertEquals([made.status, /must not begin with/.test(await made.text())], [400, true]);
  }
  // Another run of the same script is its own affair.
  assertEquals((await local.ask("POST", `jobs_u/queue/cancel/${other}`, {}, headers)).status, 200);
  await answers(local);
  for (const path of ["/", "/scripts/f/a/fine", `/run/${fine}`]) {
    const response = await fetch(`${local.url}${path}`, { headers });
    await response.body?.cancel();
    assert(response.status === 401 || response.status === 403, `${path}: ${response.status}`);
  }
});

Deno.test("No path leads out of the folder, links included", async () => {
  await using local = await openLocal({ files: FILES });
  symlinkSync("/etc/hosts", join(local.dir, "f/a/linked.ts"));
  symlinkSync("/etc", join(local.dir, "f/linked"));
  const { host } = new URL(local.url), authorization = `Bearer ${local.token}`;
  const start = `/api/w/${local.workspace}`;
  for (
    const path of [
      "scripts/raw/p/f/../../etc/hosts",
      "scripts/raw/p/f/a/%2e%2e/%2e%2e/%2e%2e/etc/hosts",
      "scripts/raw/p/f/a/linked.ts",
      "scripts/get/p/f/linked/hosts",
      "variables/get_value/f/a/..%2f..%2f.windkit/key",
      "job_helpers/download_s3_file?file_key=..%2F..%2Fkey",
      "job_helpers/download_s3_file?file_key=%2Fetc%2Fpasswd",
    ]
  ) {
    const status = await raw(local, `${start}/${path}`, { host, authorization });
    assert(status === 400 || status === 404, `${path}: ${status}`);
  }
  const written = await local.ask("POST", "scripts/create", {
    path: "f/../../out",
    content: "x",
    language: "bun",
    summary: "",
  });
  assert(written.status === 400 || written.status === 422, `${written.status}`);
  await answers(local);
});

Deno.test("Scripts do not read the machine, the data folder or another job, and reach no other service of it", async () => {
  await using other = await openLocal({ files: FILES });
  await using local = await openLocal({ files: FILES });
  const secrets = [
    join(local.data, "key"),
    join(local.data, "token"),
    join(local.data, "server.sqlite"),
    "/etc/passwd",
  ];
  const contents = [local.token, readFileSync(join(local.data, "key"), "utf8").trim(), "root:"];
  const codes = secrets.flatMap((path) => [
    body(`return await Deno.readTextFile(${JSON.stringify(path)});`),
    body(`return (await import("node:fs")).readFileSync(${JSON.stringify(path)}, "utf8");`),
    `import text from ${JSON.stringify(path)} with { type: "text" };\n${body("return text;")}`,
    body(`await Deno.symlink(${JSON.stringify(path)}, "link"); return await Deno.readTextFile("link");`),
    body(`return (await import(${JSON.stringify(`file://${path}`)}, { with: { type: "text" } })).default;`),
  ]);
  for (
    const code of [
      ...codes,
      body(`return [...Deno.readDirSync("..")].map((one) => one.name);`),
      body(`return await new Deno.Command("cat", { args: ["/etc/passwd"] }).output();`),
      body(`return (await import("node:child_process")).execSync("cat /etc/passwd").toString();`),
      body(`return Deno.dlopen("libc.so.6", {});`),
      body(`return await (await fetch(${JSON.stringify(`${other.url}/api/version`)})).text();`),
      body(`return (await Deno.connect({ port: ${new URL(other.url).port} })).rid;`),
      body(`return await (await fetch("http://169.254.169.254/")).text();`),
    ]
  ) {
    const text = await attempt(local, code);
    assert(text.includes('"error"'), `${code} gave ${text}`);
    assert(!contents.some((content) => text.includes(content)), `${code} gave ${text}`);
  }
  await answers(local);
});

Deno.test("What the server asks for a script leads to no other service of this machine either", async () => {
  const other = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response("reached"));
  const { port } = other.addr;
  await using local = await openLocal({ files: FILES });
  try {
    const store = { endPoint: "127.0.0.1", port, useSSL: false, pathStyle: true, bucket: "b", region: "eu" };
    const text = await attempt(
      local,
      `import * as wmill from "windmill-client";\n${
        body(`await wmill.setResource(${JSON.stringify(store)}, "f/a/store", "s3");
          return await (await wmill.loadS3FileStream({ s3: "k" }, "f/a/store")).text();`)
      }`,
    );
    assert(/"error"/.test(text) && /windkit\.json/.test(text) && !text.includes("reached"), text);
    // Whoever runs the server may use it.
    const open = await local.ask("GET", "job_helpers/download_s3_file?file_key=k&s3_resource_path=f/a/store");
    assertEquals([open.status, await open.text()], [200, "reached"]);
    for (const database of ["postgres://me@x/db?host=/var/run/postgresql", { host: "/tmp", dbname: "x", user: "me" }]) {
      const preview = { content: "SELECT 1", language: "postgresql", args: { database } };
      const refused = await (await local.ask("POST", "jobs/run_wait_result/preview", preview)).text();
      assert(/path of a socket/.test(refused), refused);
    }
  } finally {
    await other.shutdown();
  }
});

Deno.test("Where the workspace closed the net, scripts reach the server and nothing else", async () => {
  await using local = await openLocal({ files: FILES, settings: { permissions: { net: "closed" } } });
  for (const url of ["https://example.com/", "http://1.1.1.1/"]) {
    const text = await attempt(local, body(`return await (await fetch("${url}")).text();`));
    assert(/Requires net access|NotCapable/.test(text), text);
  }
  const asked = `import * as wmill from "windmill-client";\n${
    body('return (await wmill.getVariable("f/a/secret")).length;')
  }`;
  assertEquals(await attempt(local, asked), "19");
});

Deno.test("A script that wants everything gets nothing but an error", async () => {
  await using local = await openLocal({ files: FILES });
  const greedy = [
    // As much memory as there is: 4 GiB, every page of it touched.
    body(
      "const all = []; for (let no = 0; no < 64; no++) all.push(new Uint8Array(64 * 1024 * 1024).fill(1)); return all.length;",
    ),
    body(`const url = URL.createObjectURL(new Blob(["setInterval(() => {}, 1000)"]));
      const all = []; for (let no = 0; no < 1000; no++) all.push(new Worker(url, { type: "module" })); await new Promise(() => {});`),
    body('for (;;) new Deno.Command(Deno.execPath(), { args: ["eval", "for (;;);"] }).spawn();'),
  ];
  for (const code of greedy) {
    const text = await attempt(local, code);
    assert(/more than its 1024 MiB of memory|Requires run access/.test(text), text.slice(0, 500));
    await answers(local);
  }
  const log = await attempt(
    local,
    `import * as wmill from "windmill-client";\n${
      body(
        'throw new Error("see " + await wmill.getVariable("f/a/secret"));',
      )
    }`,
  );
  assert(log.includes('"error"') && !log.includes("a-very-secret-value"), log);
  await local.dev.close(0);
  assertEquals(processesWith(local.data), []);
});

Deno.test("A body without end, a thousand streams, names of SQL and YAML that explodes leave the server as it was", async () => {
  await using local = await openLocal({ files: FILES });
  const { url, token, workspace } = local;
  const authorization = `Bearer ${token}`, run = `${url}/api/w/${workspace}/jobs/run/p/f/a/fine`;
  // 1 GiB, as far as it is taken.
  let sent = 0;
  const piece = new Uint8Array(1024 * 1024).fill(0x20);
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (++sent > 1024) controller.close();
      else controller.enqueue(piece);
    },
  });
  const headers = { authorization, "content-type": "application/json" };
  const status = await fetch(run, { method: "POST", headers, body: endless }).then(({ status, body }) => {
    void body?.cancel();
    return status;
  }, () => "cut off");
  assert(status === 413 || status === "cut off", `${status}`);
  assert(sent < 512, `${sent} MiB were taken`);
  assertEquals(
    await raw(local, `/api/w/${workspace}/scripts/list`, {
      host: new URL(url).host,
      authorization,
      "content-length": "1073741824",
    }) > 0,
    true,
  );

  local.write("f/a/hang.ts", body("await new Promise((r) => setTimeout(r, 600_000));"));
  const id = await (await local.ask("POST", "jobs/run/p/f/a/hang", {})).text();
  const leave = new AbortController();
  const streams = await Promise.all(Array.from({ length: 1000 }, async () => {
    const response = await fetch(`${url}/api/w/${workspace}/jobs_u/getupdate_sse/${id}`, {
      headers,
      signal: leave.signal,
    });
    const reader = response.body?.getReader();
    await reader?.read();
    return reader;
  }));
  assertEquals(streams.length, 1000);
  await answers(local);
  leave.abort();
  await Promise.all(streams.map((reader) => reader?.cancel().catch(() => {})));
  await local.ask("POST", `jobs_u/queue/cancel/${id}`, {});

  for (const database of ["datatable://../../key", "datatable://a/b", "datatable://x' OR '1", "datatable://"]) {
    const preview = { content: "SELECT 1", language: "postgresql", args: { database } };
    const response = await local.ask("POST", "jobs/run_wait_result/preview", preview);
    const text = await response.text();
    assert(response.status === 422 && /Cannot use|database/.test(text), `${database}: ${text}`);
  }
  const levels = Array.from(
    { length: 30 },
    (_, no) => `a${no + 1}: &a${no + 1} [${Array(10).fill(`*a${no}`).join(", ")}]`,
  );
  local.write("f/a/bomb.resource.yaml", `value:\n  a0: &a0 [x]\n  ${levels.join("\n  ")}\nresource_type: any\n`);
  const bomb = await local.ask("GET", "resources/get_value/f/a/bomb");
  assert(bomb.status >= 400, `${bomb.status}`);
  await bomb.body?.cancel();
  assert(local.dev.folder.problems.some(({ file }) => file === "f/a/bomb.resource.yaml"));
  await answers(local);
  assertEquals(local.reported, []);
});
