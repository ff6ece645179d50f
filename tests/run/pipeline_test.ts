import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "./command.ts";
import { denoCounts, denoTest } from "./deno_part.ts";
import { closingLine, gateResult, type Part, type PartResult, runParts, table } from "./part.ts";
import { EXITING_CASE, planted } from "./planted.ts";
import { runRuntime, type RuntimeOutcome } from "./run_runtime.ts";
import { outFolder, type Runtime } from "./runtimes.ts";
import { deadCases, downfallProblems, parityProblems, plantedProblems, skipProblems } from "./verdict.ts";

function outcome(runtime: string, cases: RuntimeOutcome["cases"], problem?: string): RuntimeOutcome {
  return { runtime, names: cases.map((c) => c.name), cases, problem, ms: 0 };
}

function passed(...names: readonly string[]): RuntimeOutcome["cases"] {
  return names.map((name) => ({ name, status: "passed", ms: 0 }));
}

function fakeRuntime(script: string, mayLack: readonly string[] = []): Runtime {
  return {
    name: "fake",
    mayLack,
    hasProcess: true,
    command: () => [Deno.execPath(), "eval", "--quiet", script],
  };
}

const quick = { set: "suite", limitMs: 10_000, silenceMs: 10_000 } as const;

async function inFolder<T>(files: Readonly<Record<string, string>>, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "windkit-pipeline-"));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
    await rm(outFolder, { recursive: true, force: true });
  }
}

async function printed(parts: readonly Part[]): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  const lines: string[] = [];
  return { code: await runParts(parts, (line) => lines.push(line)), lines };
}

Deno.test("parityProblems() names a case that one runtime lacks, and one that only it has", () => {
  assert.deepEqual(parityProblems([outcome("A", passed("x", "y")), outcome("B", passed("y", "z"))]), [
    'B lacks the case "x"',
    'B has the case "z", A does not',
  ]);
  assert.deepEqual(parityProblems([outcome("A", passed("x", "y")), outcome("B", passed("y", "x"))]), []);
});

Deno.test("parityProblems() does not take no runtimes for equal ones", () => {
  assert.equal(parityProblems([]).length, 1);
});

Deno.test("skipProblems() takes only the reasons that the runtime may have", () => {
  const cases = [
    { name: "x", status: "skipped", detail: "no file system", ms: 0 },
    { name: "y", status: "skipped", detail: "slow", ms: 0 },
    { name: "z", status: "skipped", ms: 0 },
  ] as const;
  assert.equal(skipProblems(outcome("fake", cases), fakeRuntime("", ["no file system"])).length, 2);
  assert.equal(skipProblems(outcome("fake", cases), fakeRuntime("")).length, 3);
});

Deno.test("deadCases() names a case that every runtime skips", () => {
  const skipped = { name: "x", status: "skipped", detail: "no file system", ms: 0 } as const;
  assert.deepEqual(deadCases([outcome("A", [skipped, ...passed("y")]), outcome("B", [skipped, ...passed("y")])]), [
    'No runtime runs the case "x"',
  ]);
  assert.deepEqual(deadCases([outcome("A", [skipped]), outcome("B", passed("x"))]), []);
});

Deno.test("plantedProblems() finds a runner that sees nothing, and one that swallows a failure", () => {
  const right = planted.map((p) => ({ ...p, ms: 0 }));
  assert.deepEqual(plantedProblems(outcome("fake", right), fakeRuntime("")), []);
  for (const [index, { status }] of planted.entries()) {
    const wrong = right.with(index, { name: right[index]?.name ?? "", status: "passed", ms: 0 });
    if (status !== "passed") assert.notDeepEqual(plantedProblems(outcome("fake", wrong), fakeRuntime("")), []);
    assert.notDeepEqual(plantedProblems(outcome("fake", right.toSpliced(index, 1)), fakeRuntime("")), []);
  }
  assert.notDeepEqual(plantedProblems(outcome("fake", [...right, ...passed("more")]), fakeRuntime("")), []);
  assert.notDeepEqual(plantedProblems(outcome("fake", right, "ended"), fakeRuntime("")), []);
});

Deno.test("downfallProblems() wants the case named and the ending told", () => {
  const seen = [{
    name: EXITING_CASE,
    status: "failed",
    detail: "The runtime ended before its suite did",
    ms: 0,
  }] as const;
  assert.deepEqual(downfallProblems(outcome("fake", seen, "The runtime ended before its suite did"), EXITING_CASE), []);
  assert.equal(downfallProblems(outcome("fake", seen), EXITING_CASE).length, 1);
  assert.equal(
    downfallProblems(outcome("fake", passed(EXITING_CASE), "ended before its suite"), EXITING_CASE).length,
    1,
  );
  assert.equal(downfallProblems(outcome("fake", []), EXITING_CASE).length, 1);
});

Deno.test("runRuntime() fails the cases that a runtime planned and never reported", async () => {
  const plan = '@windkit-report {"kind":"plan","names":["a","b","c"]}';
  const start = '@windkit-report {"kind":"start","name":"b"}';
  const a = '@windkit-report {"kind":"result","name":"a","status":"passed","ms":1}';
  const script = `for (const l of ${JSON.stringify([plan, a, start, "some last words"])}) console.log(l); Deno.exit(3)`;
  const { cases, problem } = await runRuntime(fakeRuntime(script), quick);
  assert.deepEqual(cases.map((c) => [c.name, c.status]), [["a", "passed"], ["b", "failed"], ["c", "failed"]]);
  assert.match(cases[1]?.detail ?? "", /exit code 3[^]*some last words/);
  assert.match(problem ?? "", /exit code 3/);
});

Deno.test("runRuntime() tells of a runtime that finds no case, that says nothing, and that fails after its suite", async () => {
  const none =
    `console.log('@windkit-report {"kind":"plan","names":[]}'); console.log('@windkit-report {"kind":"end"}')`;
  assert.match((await runRuntime(fakeRuntime(none), quick)).problem ?? "", /found no case/);
  assert.match((await runRuntime(fakeRuntime(""), quick)).problem ?? "", /before its suite did/);
  assert.match((await runRuntime(fakeRuntime(`${none}; Deno.exit(4)`), quick)).problem ?? "", /exit code 4/);
});

Deno.test("runParts() runs every part, also after one failed and one threw, and ends with the sum", async () => {
  const ran: string[] = [];
  function part(name: string, answer: () => PartResult): Part {
    return {
      name,
      run() {
        ran.push(name);
        return Promise.resolve().then(answer);
      },
    };
  }
  const { code, lines } = await printed([
    part("first", () => ({ passed: 2, failed: 1, skipped: 3, lines: [], failures: ["the case broke"] })),
    part("second", () => {
      throw new Error("part broke");
    }),
    part("third", () => gateResult(["seen"], ["gate broke", "twice"])),
    part("fourth", () => ({ passed: 5, failed: 0, skipped: 0, lines: [], failures: [] })),
  ]);
  assert.deepEqual(ran, ["first", "second", "third", "fourth"]);
  assert.equal(code, 1);
  assert.equal(lines.at(-1), "7 passed, 3 failed, 3 skipped");
  for (const text of ["the case broke", "part broke", "gate broke", "twice"]) {
    assert.ok(lines.some((line) => line.includes(text)), `Expected to see "${text}"`);
  }
});

Deno.test("runParts() answers 0 when nothing failed", async () => {
  const { code, lines } = await printed([{ name: "gate", run: () => Promise.resolve(gateResult([], [])) }]);
  assert.deepEqual([code, lines.at(-1)], [0, "0 passed, 0 failed"]);
});

Deno.test("closingLine() leaves out skips when there are none", () => {
  assert.equal(closingLine([{ ...gateResult([], []), passed: 3 }]), "3 passed, 0 failed");
});

Deno.test("table() lines up text to the left and numbers to the right", () => {
  assert.deepEqual(table(["name", "n"], [["a", 10], ["long one", 5]]), [
    "name      n",
    "--------  --",
    "a         10",
    "long one   5",
  ]);
});

Deno.test("denoCounts() reads the closing line", () => {
  assert.deepEqual(denoCounts("x\nok | 12 passed | 0 failed (3s)\n"), { passed: 12, failed: 0, skipped: 0 });
  assert.deepEqual(denoCounts("FAILED | 1 passed (2 steps) | 3 failed | 4 ignored (3s)"), {
    passed: 1,
    failed: 3,
    skipped: 4,
  });
  assert.equal(denoCounts("error: Type checking failed"), undefined);
});

Deno.test("denoTest() reports a planted failure", async () => {
  const text = 'Deno.test("good", () => {});\nDeno.test("bad", () => {\n  throw new Error("planted");\n});\n' +
    'Deno.test.ignore("left out", () => {});\n';
  await inFolder({ "planted_test.ts": text }, async (folder) => {
    const result = await denoTest("planted", [join(folder, "planted_test.ts")]);
    assert.deepEqual([result.passed, result.failed, result.skipped], [1, 1, 1]);
    assert.match(result.failures.join("\n"), /Error: planted/);
  });
});

Deno.test("denoTest() reports a file that does not load, and an error that no test caught", async () => {
  const files = {
    "broken_test.ts": 'import "./missing.ts";\n',
    "stray_test.ts":
      'Deno.test({ name: "stray", sanitizeOps: false, fn() { setTimeout(() => { throw new Error("late"); }); } });\n' +
      'Deno.test("next", () => new Promise((resolve) => setTimeout(resolve, 20)));\n',
  };
  await inFolder(files, async (folder) => {
    for (const name of Object.keys(files)) {
      const result = await denoTest("planted", ["--no-check", join(folder, name)]);
      assert.ok(result.failed > 0 && result.failures.length > 0, `Expected ${name} to fail`);
    }
  });
});

Deno.test("denoTest() reports an example that throws, and one that does not compile", async () => {
  const files = {
    "throws.md": '# A\n\n```ts\nthrow new Error("planted");\n```\n',
    "wrong.md": '# A\n\n```ts\nconst a: number = "text";\n```\n',
    "right.md": "# A\n\n```ts\nconst a: number = 1;\n```\n",
  };
  await inFolder(files, async (folder) => {
    for (const name of Object.keys(files)) {
      const result = await denoTest("planted", ["--doc", join(folder, name)]);
      assert.equal(result.failed > 0, name !== "right.md", `${name}: ${result.failures.join("\n")}`);
    }
  });
});

Deno.test("runCommand() ends what a program started too", async () => {
  const stop = new AbortController();
  const child = 'console.log("child", Deno.pid); setInterval(() => {}, 1000)';
  const parent = `new Deno.Command(Deno.execPath(), { args: ["eval", ${JSON.stringify(child)}] }).spawn();` +
    "setInterval(() => {}, 1000)";
  // The pipes close only when the last holder of them is gone, so that this returns shows that the grandchild ended.
  const { code, stdout } = await runCommand([Deno.execPath(), "eval", parent], {
    mayFail: true,
    signal: stop.signal,
    onLine: () => stop.abort(),
  });
  assert.notEqual(code, 0);
  assert.match(stdout, /^child \d+$/m);
});
