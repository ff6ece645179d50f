/**
 * The official clients, unchanged, against a folder that is served: every function that has an effect on the server is called, and the
 * effect is checked. A function that is new fails here until it is said what becomes of it.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import officialDefault, * as official from "official-windmill-client";
import { bundle } from "../run/bundle.ts";
import { esbuildPath, installTools } from "../run/runtimes.ts";
import { assert, assertEquals } from "../suite/assert.ts";
import { bodyOf, type Local, newFolder, openLocal } from "./_local_dev.ts";

const HELPERS: Readonly<Record<string, string>> = {
  "f/helpers/add.ts": "export async function main(a: number, b: number) { return a + b; }\n",
  "f/helpers/fail.ts": 'export async function main() { throw new Error("Boom: of the helper"); }\n',
  "f/helpers/hang.ts": "export async function main() { await new Promise((r) => setTimeout(r, 600_000)); }\n",
  "f/helpers/asks.ts": `import { waitForApproval, workflow } from "windmill-client";
export const main = workflow(async () => {
  const { approved, value } = await waitForApproval();
  return { approved, value };
});
`,
  "f/helpers/database.resource.yaml":
    "resource_type: postgresql\nvalue: { host: db.example, port: 5432, user: me, password: pass, dbname: shop, sslmode: require }\n",
  "f/helpers/store.resource.yaml":
    "resource_type: s3\nvalue: { endPoint: s3.example, bucket: goods, region: eu, useSSL: true, accessKey: a, secretKey: secret-key }\n",
  "c_test.resource-type.yaml": "description: of the test\nschema: { type: object }\n",
  "wmill.yaml": "defaultTs: bun\n",
};

/** Functions that are not called by the program, and why. */
const NOT_CALLED: Readonly<Record<string, string>> = {
  setClient: "no effect on a server; outside the program's address is set by it",
  getStatePath: "no request",
  getWorkspace: "no request; the program uses it",
  SHARED_FOLDER: "a constant",
  base64ToUint8Array: "no request",
  uint8ArrayToBase64: "no request",
  runFlow: "flows come in a later version: it is checked that the answer says so",
  task: "workflows: tests/local and the example workspace run them as jobs",
  taskScript: "as task",
  taskFlow: "as task; flows come in a later version",
  workflow: "as task",
  step: "as task",
  sleep: "as task",
  waitForApproval: "as task",
  parallel: "as task; it makes no request of its own",
  WorkflowCtx: "the worker's side of workflows",
  setWorkflowCtx: "the worker's side of workflows",
  _workflowCtx: "the worker's side of workflows",
  StepSuspend: "the worker's side of workflows",
  ApiError: "an error's class",
  CancelError: "an error's class",
  CancelablePromise: "a promise's class",
  OpenAPI: "the client's settings",
};

function officialNames(): readonly string[] {
  const isFunction = (name: string): boolean => name !== "default" && !name.endsWith("Service");
  return [...new Set([...Object.keys(official), ...Object.keys(officialDefault)])].filter(isFunction).sort();
}

async function officialBundle(): Promise<string> {
  if (!existsSync(esbuildPath())) await installTools();
  const folder = newFolder();
  try {
    const client = fileURLToPath(import.meta.resolve("official-windmill-client"));
    const program = fileURLToPath(new URL("./official_program.ts", import.meta.url));
    await bundle([program], folder, [`--alias:official-windmill-client=${client}`, "--platform=node"]);
    return await Deno.readTextFile(`${folder}/official_program.js`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function openHelped(more: Readonly<Record<string, string>> = {}): Promise<Local & { readonly hash: string }> {
  const local = await openLocal({ files: { ...HELPERS, ...more } });
  const { hash } = await bodyOf(await local.ask("GET", "scripts/get/p/f/helpers/add")) as { hash: string };
  return Object.assign(local, { hash });
}

/** The environment of a program that runs elsewhere, as if it were the job. */
function outsideEnv({ url, token, workspace }: Local, job: string): Record<string, string> {
  return {
    BASE_URL: url,
    BASE_INTERNAL_URL: url,
    WM_BASE_URL: url,
    WM_TOKEN: token,
    WM_WORKSPACE: workspace,
    WM_JOB_ID: job,
    WM_STATE_PATH: "f/helpers/outside/user",
    WM_FLOW_JOB_ID: "",
  };
}

Deno.test("Each function of the official npm client does what it should, in a job", async () => {
  const program = await officialBundle();
  await using local = await openHelped({
    "f/official/bundle.ts": program,
    "f/official/program.ts": 'import { main as run } from "./bundle.ts";\n' +
      "export async function main(asked: object) { return await run(asked); }\n",
  });
  const args = { asked: { hash: local.hash, asks: [] } };
  const started = await local.ask("POST", "jobs/run/p/f/official/program", args);
  const id = await started.text();
  const stream = await (await local.ask("GET", `jobs_u/getupdate_sse/${id}`)).text();
  const result = await bodyOf(await local.ask("GET", `jobs_u/completed/get_result/${id}`));
  assert(Object.hasOwn(Object(result), "covered"), JSON.stringify(result));
  const { covered, job } = result as { covered: string[]; job: string };
  assertEquals(job, id);
  const pieces = stream.split("\n\n").flatMap((line) => {
    const { new_result_stream: piece } = JSON.parse(line.slice("data: ".length) || "{}") as Record<string, string>;
    return piece === undefined ? [] : [piece];
  });
  assertEquals(pieces.join(""), "first second third");
  const missing = officialNames().filter((name) => !covered.includes(name) && !Object.hasOwn(NOT_CALLED, name));
  assertEquals(missing, []);
  assertEquals(local.reported, []);
});

Deno.test("Each function of the official npm client does what it should, from outside", async () => {
  await using local = await openHelped();
  const job = await (await local.ask("POST", "jobs/run/p/f/helpers/hang", {})).text();
  const asks = await Promise.all(
    Array.from({ length: 3 }, async () => await (await local.ask("POST", "jobs/run/p/f/helpers/asks", {})).text()),
  );
  const program = new URL("./official_program.ts", import.meta.url).href;
  const code = `const { main } = await import(${JSON.stringify(program)});
    addEventListener("unhandledrejection", ({ reason }) => console.error(reason.url, reason.body));
    console.log("RESULT " + JSON.stringify(await main(${JSON.stringify({ hash: local.hash, asks })})));`;
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", code],
    env: outsideEnv(local, job),
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert(success, text + new TextDecoder().decode(stderr));
  const { covered } = JSON.parse(/^RESULT (.*)$/m.exec(text)?.[1] ?? "{}") as { covered: string[] };
  const inJobOnly = ["appendToResultStream", "streamResult"];
  const missing = officialNames().filter((name) => !covered.includes(name) && !Object.hasOwn(NOT_CALLED, name));
  assertEquals(missing, inJobOnly);
  // The answers came by the links that the client had asked for.
  const answers = await Promise.all(asks.map(async (id) => {
    const ended = await local.dev.server.context.jobs.wait(id, AbortSignal.timeout(20_000));
    return ended.success === true ? ended.result : "failed";
  }));
  assertEquals(answers, [
    { approved: true, value: { by: "resume" } },
    { approved: false, value: { by: "cancel" } },
    { approved: true, value: { by: "key" } },
  ]);
  assertEquals(local.reported, []);
});

/** The version that is tested with. */
const PYTHON_CLIENT = "wmill==1.850.0";

/** A Python with the client, made when it is not there; a text that says why it cannot be had. */
async function pythonWithClient(): Promise<{ readonly python: string } | { readonly why: string }> {
  const folder = fileURLToPath(new URL(`../dist/${PYTHON_CLIENT.replace("==", "-")}`, import.meta.url));
  const python = `${folder}/bin/python`;
  async function run(program: string, args: readonly string[]): Promise<string | undefined> {
    try {
      const { success, stderr } = await new Deno.Command(program, {
        args: [...args],
        signal: AbortSignal.timeout(90_000),
      }).output();
      return success ? undefined : new TextDecoder().decode(stderr).trim().split("\n").at(-1) ?? "failed";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
  if (await run(python, ["-c", "import wmill"]) === undefined) return { python };
  const why = await run("python3", ["-m", "venv", "--clear", folder]) ??
    await run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PYTHON_CLIENT]);
  return why === undefined ? { python } : { why };
}

const found = await pythonWithClient();
// The name says why it is skipped: the summary shows it.
const skipped = "why" in found ? ` (skipped: ${found.why})` : "";

Deno.test({
  name: `Each function of the official Python client does what it should, from outside${skipped}`,
  ignore: skipped !== "",
  fn: async () => {
    await using local = await openHelped();
    const job = await (await local.ask("POST", "jobs/run/p/f/helpers/hang", {})).text();
    const asks = await Promise.all(
      Array.from({ length: 2 }, async () => await (await local.ask("POST", "jobs/run/p/f/helpers/asks", {})).text()),
    );
    const { stdout, stderr, success } = await new Deno.Command("python" in found ? found.python : "", {
      args: [
        fileURLToPath(new URL("./official_program.py", import.meta.url)),
        JSON.stringify({ hash: local.hash, asks }),
      ],
      env: outsideEnv(local, job),
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert(success, text + new TextDecoder().decode(stderr));
    const { missing } = JSON.parse(/^RESULT (.*)$/m.exec(text)?.[1] ?? "{}") as { missing: string[] };
    assertEquals(missing, []);
    for (const id of asks) {
      const ended = await local.dev.server.context.jobs.wait(id, AbortSignal.timeout(20_000));
      assertEquals(ended.success, true);
    }
    assertEquals(local.reported, []);
  },
});
