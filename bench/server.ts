/**
 * The local server: when it is ready and what it takes, against a bare Hono server; what a script costs through its API, against a bare
 * `deno run` of the same file; a workflow of three steps; and how soon a stream of updates tells of a job's end.
 *
 * @module
 */
import { launch, rate } from "./_launches.ts";
import { lineStream } from "./_lines.ts";
import { bench, median, option, ratios, withFolder } from "./_report.ts";

const SCRIPTS = 200;
const SCRIPT = `export async function main(name: string, times = 2) {
  return { hello: name.repeat(times) };
}
`;
const WORKFLOW = `import { step, workflow } from "windmill-client";

export const main = workflow(async (name: string) => {
  const one = await step("one", () => name + "1");
  const two = await step("two", () => one + "2");
  return await step("three", () => two + "3");
});
`;
const PAUSE_MS = 250, IDLE_MS = 3_000, LANES = 2, MIB = 1024 * 1024;
/** Memory that is touched after the pauses, and the size of a page of it. */
const TOUCHED_MIB = 16, PAGE = 4096;

interface Served {
  readonly url: string;
  readonly token: string;
  readonly workspace: string;
}

interface Program extends AsyncDisposable {
  readonly pid: number;
  readonly first: Served;
  /** Its further lines, as they come. */
  readonly lines: (onLine: (line: string) => void) => void;
}

/** Starts a program of this repository, and waits for its first line. */
async function start(file: string, args: readonly string[]): Promise<Program> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", new URL(file, import.meta.url).pathname, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(lineStream()).getReader();
  const { value } = await reader.read();
  if (value === undefined) throw new Error(`${file} did not start`);
  return {
    pid: child.pid,
    first: JSON.parse(value) as Served,
    lines: (onLine) => {
      void (async () => {
        for (let line = await reader.read(); !line.done; line = await reader.read()) onLine(line.value);
      })();
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

function startDev(folder: string): Promise<Program> {
  return start("../src/cli/main.ts", ["dev", folder, "--port", "0", "--json"]);
}

function ask({ url, token, workspace }: Served, path: string, body?: unknown): Promise<Response> {
  return fetch(`${url}/api/w/${workspace}/${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function job(served: Served, path: string): Promise<number> {
  const begun = performance.now();
  const response = await ask(served, `jobs/run_wait_result/p/${path}`, { name: "x" });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} failed: ${text}`);
  return performance.now() - begun;
}

function pause(ms = PAUSE_MS): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * How long it takes to touch memory that is resident, in milliseconds. Hosts of virtual machines take away what rests: here 64 MiB took
 * 0.9 ms when they were just used, 29 after 250 ms, 273 after 3 s. There all that waits, the server and its process, answers late.
 */
function touch(memory: Uint8Array): number {
  const begun = performance.now();
  for (let at = 0; at < memory.length; at += PAGE) memory[at] = 1 + at % 7;
  return performance.now() - begun;
}

/** Resident size of a process, in bytes. */
function sizeOf(pid: number): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? 0) * 1024;
}

/** Processes below a process. */
function below(pid: number): readonly number[] {
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ").filter(Boolean);
  return children.map(Number).flatMap((child) => [child, ...below(child)]);
}

async function writeFolder(folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/f/bench`, { recursive: true });
  await Deno.writeTextFile(`${folder}/wmill.yaml`, "defaultTs: bun\n");
  for (let no = 0; no < SCRIPTS - 2; no++) {
    const name = `${folder}/f/bench/script_${no}`;
    await Deno.writeTextFile(`${name}.ts`, SCRIPT);
    await Deno.writeTextFile(`${name}.script.yaml`, `summary: Script ${no}\nlock: ""\nkind: script\n`);
  }
  await Deno.writeTextFile(`${folder}/f/bench/trivial.ts`, SCRIPT);
  await Deno.writeTextFile(`${folder}/f/bench/steps.ts`, WORKFLOW);
}

/** When a server's stream of updates says that a job has ended, in milliseconds since 1970. */
async function toldAt(served: Served, id: string): Promise<number> {
  const stream = await ask(served, `jobs_u/getupdate_sse/${id}?only_result=true`);
  if (stream.body === null) throw new Error("There is no stream");
  let text = "", at = 0;
  for await (const piece of stream.body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (at === 0 && text.includes('"completed":true')) at = performance.timeOrigin + performance.now();
  }
  if (at === 0) throw new Error(`The stream of job ${id} does not tell of its end: ${text}`);
  return at;
}

await bench("server", import.meta.main, async (b) => {
  const rounds = option("rounds", 15);
  b.setting("Deno", Deno.version.deno);
  b.setting("scripts in the folder", SCRIPTS);
  b.setting("rounds", rounds);
  await withFolder(async (folder) => {
    await writeFolder(folder);

    const bareReady: number[] = [], ready: number[] = [];
    for (let round = -1; round < rounds; round++) {
      for (const own of [false, true]) {
        const begun = performance.now();
        await using program = await (own ? startDev(folder) : start("_bare_server.ts", []));
        const { first } = program;
        const path = own ? `/api/w/${first.workspace}/scripts/get/p/f/bench/script_7` : "/api/version";
        const response = await fetch(`${first.url}${path}`, { headers: { authorization: `Bearer ${first.token}` } });
        await response.text();
        if (!response.ok) throw new Error(`The server answers ${response.status}`);
        const took = performance.now() - begun;
        if (round >= 0) (own ? ready : bareReady).push(took);
      }
      await pause();
    }
    b.measure("bare Hono server, ready to answer", "ms", bareReady);
    b.measure("windkit dev, ready to answer", "ms", ready);
    const later = median(ready.map((ms, round) => ms - (bareReady[round] ?? 0)));
    b.bar("ready to answer, later than a bare Hono server", "ms", later, "at most", 250);

    const idle: number[] = [], pool: number[] = [], bareIdle: number[] = [];
    for (let round = 0; round < 3; round++) {
      await using program = await startDev(folder);
      await using plain = await start("_bare_server.ts", []);
      await job(program.first, "f/bench/trivial");
      await pause(IDLE_MS);
      idle.push(sizeOf(program.pid) / MIB);
      bareIdle.push(sizeOf(plain.pid) / MIB);
      pool.push(below(program.pid).reduce((sum, pid) => sum + sizeOf(pid), 0) / MIB);
    }
    b.measure("bare Hono server, idle", "MiB", bareIdle);
    b.measure("windkit dev, idle", "MiB", idle);
    b.measure("its process that waits for a job", "MiB", pool);
    b.bar("idle memory of the server", "MiB", median(idle), "at most", 120);

    const file = `${folder}/bare.ts`;
    await Deno.writeTextFile(file, `${SCRIPT}console.log(JSON.stringify(await main("x")));\n`);
    await using warm = await start("_dev_server.ts", [folder, "1"]);
    await using cold = await start("_dev_server.ts", [folder, "0"]);
    const commits = new Map<string, number>();
    warm.lines((line) => {
      const { id, at } = JSON.parse(line) as { id: string; at: number };
      commits.set(id, at);
    });
    cold.lines(() => {});
    const plain: number[] = [], waiting: number[] = [], started: number[] = [], steps: number[] = [];
    const memory = new Uint8Array(TOUCHED_MIB * MIB), rested: number[] = [], used: number[] = [];
    for (let round = -3; round < rounds; round++) {
      const found: number[] = [];
      for (
        const one of [
          () => launch(file),
          () => job(warm.first, "f/bench/trivial"),
          () => job(cold.first, "f/bench/trivial"),
          () => job(warm.first, "f/bench/steps"),
        ]
      ) {
        found.push(await one());
        await pause();
      }
      const touched = [touch(memory), touch(memory)];
      if (round < 0) continue; // fills the caches
      rested.push(touched[0] ?? 0);
      used.push(touched[1] ?? 0);
      const [p = 0, w = 0, c = 0, s = 0] = found;
      plain.push(p), waiting.push(w), started.push(c), steps.push(s);
    }
    b.measure(`${TOUCHED_MIB} MiB of memory that rested for a round, touched`, "ms", rested);
    b.measure("the same, touched again", "ms", used);
    b.measure("deno run, the process", "ms", plain);
    b.measure("script through run_wait_result, a process waits", "ms", waiting);
    b.measure("script through run_wait_result, none waits", "ms", started);
    b.measure("workflow of three steps through run_wait_result, a process waits", "ms", steps);
    b.bar("trivial script, warm, as a part of deno run", "ratio", median(ratios(waiting, plain)), "at most", 0.6);
    b.bar("trivial script, cold, as a part of deno run", "ratio", median(ratios(started, plain)), "at most", 1.5);
    b.bar("workflow of three steps over a trivial script", "ratio", median(ratios(steps, waiting)), "at most", 2);

    const launches: number[] = [], jobs: number[] = [];
    for (let round = -1; round < Math.max(3, Math.floor(rounds / 4)); round++) {
      const found = [
        await rate(LANES, 40, () => launch(file)),
        await rate(LANES, 40, () => job(warm.first, "f/bench/trivial")),
      ];
      await pause();
      if (round < 0) continue;
      launches.push(found[0] ?? 0);
      jobs.push(found[1] ?? 0);
    }
    b.measure(`deno run, ${LANES} at a time`, "1/s", launches);
    b.measure(`jobs through run_wait_result, ${LANES} at a time`, "1/s", jobs);
    b.bar("jobs a second as a part of launches", "ratio", median(ratios(jobs, launches)), "at least", 0.8);

    const after: number[] = [];
    for (let round = -2; round < rounds * 2; round++) {
      await pause(100);
      const id = await (await ask(warm.first, "jobs/run/p/f/bench/trivial", { name: "x" })).text();
      const at = await toldAt(warm.first, id);
      while (!commits.has(id)) await pause(1);
      if (round >= 0) after.push(at - (commits.get(id) ?? 0));
    }
    b.measure("stream of updates: told after the commit", "ms", after);
    b.bar("stream of updates: told after the commit that ended the job", "ms", median(after), "at most", 5);
    b.note(
      "The client is this process: what it takes to send and read is in all numbers. Where memory that rests is slow to touch (two rows), so is a server that waits. Windmill says of itself that a workflow of three steps takes 103 ms.",
    );
  });
});
