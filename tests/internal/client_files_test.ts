/** Files that the client reads on Deno: where it looks for them, and what it asks for. */
import assert from "node:assert/strict";

const root = new URL("../../", import.meta.url).href;

/** Runs a program in a folder of its own, with the given permissions and variables. */
async function run(
  folder: string,
  code: string,
  flags: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  await Deno.writeTextFile(`${folder}/program.ts`, code);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", "--no-lock", "--no-config", ...flags, "program.ts"],
    cwd: folder,
    clearEnv: true,
    env: { DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`, NO_COLOR: "1", ...env },
  }).output();
  return (new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr)).trim();
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(await Deno.realPath(folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const shared = `import { getSharedState, setSharedState } from "${root}mod.ts";
const told = (error) => console.log(error.code + ": " + error.message);`;

Deno.test("the shared folder is ./shared where that is, as workers put it", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/shared`);
    const program = `${shared} await setSharedState({ a: 1 }); console.log((await getSharedState()).a);`;
    assert.equal(await run(folder, program, ["--allow-read", "--allow-write"]), "1");
    assert.equal(await Deno.readTextFile(`${folder}/shared/state.json`), '{\n    "a": 1\n}');
  });
});

Deno.test("without a shared folder the error names both places and what has one", async () => {
  await withFolder(async (folder) => {
    // A file of that name is no folder.
    await Deno.writeTextFile(`${folder}/shared`, "");
    const text = await run(folder, `${shared} await getSharedState().catch(told);`, ["--allow-read"]);
    assert.match(text, /^HOST_UNSUPPORTED: No shared folder: expected \.\/shared or \/shared, .*same_worker/);
  });
});

Deno.test("shared state that may not be written says which permission is missing, and leaves nothing behind", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/shared`);
    const text = await run(folder, `${shared} await setSharedState(1).catch(told);`, ["--allow-read"]);
    assert.match(text, /^CONFIGURATION: Cannot write shared state "shared\/state\.json": NotCapable: .*--allow-write/);
    assert.deepEqual([...Deno.readDirSync(`${folder}/shared`)], []);
  });
});

const mocked = `import { createClient, getVariable } from "${root}mod.ts";
const told = (error) => console.log(error.code + ": " + error.message);`;

Deno.test("a mocked API file is found from the working folder, and needs no other permission", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/mocks.json`, '{"variables":{"v":"value"}}');
    const env = { WM_MOCKED_API_FILE: "mocks.json" };
    const program = `${mocked} console.log(await getVariable("v"));`;
    assert.equal(
      await run(folder, program, ["--allow-env=WM_MOCKED_API_FILE", "--allow-read=mocks.json"], env),
      "value",
    );
  });
});

Deno.test("a mocked API file that may not be read says which permission is missing", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/mocks.json`, "{}");
    const env = { WM_MOCKED_API_FILE: "mocks.json" };
    const text = await run(folder, `${mocked} await getVariable("v").catch(told);`, ["--allow-env"], env);
    assert.match(text, /^CONFIGURATION: Cannot read the mocked API file "mocks\.json" .*NotCapable: .*--allow-read/);
  });
});

Deno.test("a client that was told its workspace reads no environment for a mock", async () => {
  await withFolder(async (folder) => {
    const program = `import { createClient } from "${root}mod.ts";
      const read = [];
      Object.defineProperty(Deno, "env", { value: { get: (name) => void read.push(name) } });
      const fetch = () => Promise.resolve(new Response('"v"'));
      const client = createClient({ baseUrl: "http://h", workspace: "w", token: "t", fetch });
      console.log(await client.variables.get("a"), JSON.stringify(read));`;
    assert.equal(await run(folder, program, []), "v []");
  });
});
