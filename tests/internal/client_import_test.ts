/** What importing and calling the client asks of Deno: nothing at import, a clear error where a permission is missing. */
import assert from "node:assert/strict";

const root = new URL("../../", import.meta.url).href;

/** Runs a program with the given permissions and nothing in its environment. */
async function run(code: string, ...flags: string[]): Promise<{ readonly code: number; readonly text: string }> {
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, code);
    const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-check", "--no-lock", "--no-config", ...flags, file],
      clearEnv: true,
      env: { DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`, NO_COLOR: "1" },
    }).output();
    return { code: exit, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  } finally {
    await Deno.remove(file);
  }
}

const failing = `
  const told = (error) => console.log(error.code + ": " + error.message);
`;

for (const entry of ["mod.ts", "src/sdk/client.ts", "src/sdk/api.ts", "src/compat/mod.ts", "src/base/errors.ts"]) {
  Deno.test(`importing ${entry} needs no permission and reads no environment`, async () => {
    const watch = `
      const read = [];
      Object.defineProperty(Deno, "env", { value: new Proxy({}, { get: (_, name) => read.push(name) }) });
      const before = Object.getOwnPropertyDescriptor(globalThis, "process");
      Object.defineProperty(globalThis, "process", { configurable: true, get: () => read.push("process") });
      await import(${JSON.stringify(root + entry)});
      console.log(JSON.stringify(read));
    `;
    const { code, text } = await run(watch);
    assert.equal(text.trim(), "[]");
    assert.equal(code, 0);
  });
}

Deno.test("createClient() needs no permission", async () => {
  const { text } = await run(`import { createClient } from "${root}mod.ts"; createClient(); console.log("made");`);
  assert.equal(text.trim(), "made");
});

Deno.test("a client with all its options needs no permission but what its fetch needs", async () => {
  const { text } = await run(`
    import { createClient } from "${root}mod.ts";
    const fetch = () => Promise.resolve(new Response('"v"'));
    const client = createClient({ baseUrl: "http://h", workspace: "w", token: "t", fetch });
    console.log(await client.variables.get("a"));
  `);
  assert.equal(text.trim(), "v");
});

Deno.test("a variable that may not be read is a ConfigurationError with the flag that permits it", async () => {
  const { text } = await run(
    `${failing} import { getVariable } from "${root}mod.ts"; await getVariable("a").catch(told);`,
  );
  assert.match(text, /^CONFIGURATION: .*needs --allow-env=[A-Z_,]*WM_/);
});

Deno.test("variables that may not be read do not hide those that may", async () => {
  const program = `${failing} import { runScriptByPathAsync } from "${root}mod.ts";
    for (const [k, v] of [["BASE_URL", "http://h"], ["WM_TOKEN", "t"], ["WM_WORKSPACE", "w"]]) Deno.env.set(k, v);
    globalThis.fetch = (url) => Promise.resolve(new Response(url.includes("/w/w/jobs/run/p/f/a") ? "${
    "0".repeat(8)
  }-0000-0000-0000-${"0".repeat(12)}" : "", { status: 201 }));
    await runScriptByPathAsync("f/a").then(console.log, told);`;
  const { text } = await run(program, "--allow-env=BASE_URL,WM_TOKEN,WM_WORKSPACE");
  assert.equal(text.trim(), "00000000-0000-0000-0000-000000000000");
});

Deno.test("an address that may not be reached is one error, with Deno's own words and no repetition", async () => {
  const program = `import { createClient } from "${root}mod.ts";
    let waits = 0;
    const clock = { now: Date.now, setTimeout: (f, ms) => { if (ms < 60_000) waits++; return setTimeout(f, ms); }, clearTimeout };
    const client = createClient({ baseUrl: "http://127.0.0.1:61999", workspace: "w", token: "tok-0123", clock });
    await client.variables.get("a").catch((error) => console.log(error.code, error.status, waits, error.message));`;
  const { text } = await run(program);
  assert.match(text, /^WINDMILL_API 0 0 .*--allow-net/);
});
