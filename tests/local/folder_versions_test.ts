/** The synced folder: files that change, the versions of scripts that were live, and who watches. */
import { renameSync, utimesSync } from "node:fs";
import { assert, assertEquals, assertIncludes } from "../suite/assert.ts";
import { MAIN, trialFolder } from "./_folder_kit.ts";

Deno.test("A saved file is live at the next question, and a version that was live is found by its hash", async () => {
  await using trial = await trialFolder({ "f/a/x.ts": MAIN });
  const { folder } = trial;
  const first = folder.script("f/a/x");
  trial.put({ "f/a/x.ts": "export function main() { return 2 }\n" });
  const second = folder.script("f/a/x");
  assertIncludes(second?.content ?? "", "return 2");
  assert(first?.hash !== second?.hash, "Another version");
  assertEquals(folder.scriptByHash(first?.hash ?? "")?.content, MAIN);
  trial.put({ "f/a/x.script.yaml": "summary: now described\n" });
  assertEquals(folder.script("f/a/x")?.summary, "now described");
  trial.put({ "f/b/new.ts": MAIN });
  assertEquals(folder.script("f/b/new")?.content, MAIN);
  renameSync(trial.path("f/a/x.ts"), trial.path("f/a/y.ts"));
  assertEquals(folder.script("f/a/x"), undefined);
  assertEquals(folder.script("f/a/y")?.content, second?.content);
  assertEquals(folder.scriptByHash(second?.hash ?? "")?.path, "f/a/x");
  await using next = await trial.reopen();
  assertEquals(next.folder.scriptByHash(first?.hash ?? "")?.content, MAIN);
  assertEquals(next.folder.scriptVersions("f/a/x").length, 3);
});

Deno.test("Versions that were replaced long ago, and that nothing refers to, are forgotten", async () => {
  let now = Date.UTC(2026, 0, 1);
  const DAY = 86_400_000;
  await using trial = await trialFolder({ "f/a/one.ts": MAIN, "f/a/gone.ts": MAIN }, { now: () => now });
  const { folder } = trial;
  const hashes: string[] = [];
  const forget = (before: number, used: readonly string[] = []) => folder.forgetVersions(before, () => new Set(used));
  for (const text of ["// 2\n", "// three\n", "// number four\n"]) {
    hashes.push(folder.script("f/a/one")?.hash ?? "");
    now += DAY;
    trial.put({ "f/a/one.ts": text + MAIN });
  }
  const gone = folder.script("f/a/gone")?.hash ?? "";
  const current = folder.script("f/a/one")?.hash ?? "";
  const left = () => [...hashes, gone, current].map((hash) => folder.scriptByHash(hash) !== undefined);
  now += DAY;
  // It was live until today, whenever it was stored.
  folder.deleteScript("f/a/gone");
  assertEquals(left(), [true, true, true, true, true]);
  const begin = Date.UTC(2026, 0, 1);
  assertEquals(forget(begin + DAY), 0);
  assertEquals(forget(begin + 2 * DAY + 1, hashes.slice(1, 2)), 1);
  assertEquals(left(), [false, true, true, true, true]);
  assertEquals(forget(begin + 4 * DAY), 2);
  assertEquals(left(), [false, false, false, true, true]);
  assertEquals(forget(begin + 5 * DAY), 1);
  assertEquals(left(), [false, false, false, false, true]);
  assertEquals(folder.scriptVersions("f/a/one").map(({ hash }) => hash), [current]);
});

Deno.test("The same content has the same hash, whenever it was written", async () => {
  await using trial = await trialFolder({ "f/a/x.ts": MAIN });
  const { hash } = trial.folder.script("f/a/x") ?? {};
  utimesSync(trial.path("f/a/x.ts"), 1, 1);
  assertEquals(trial.folder.script("f/a/x")?.hash, hash);
});

Deno.test("watch() tells what has changed, many files at once", async () => {
  await using trial = await trialFolder({ "f/a/x.ts": MAIN });
  const { promise, resolve } = Promise.withResolvers<void>();
  const told: (readonly string[])[] = [];
  using _watching = trial.folder.watch((files) => {
    told.push(files);
    const all = new Set(told.flat());
    if (["f/a/x.ts", "f/a/y.variable.yaml", "u/me/z.ts", "f/c/d/deep.ts"].every((file) => all.has(file))) resolve();
  });
  trial.put({ "f/a/x.ts": "export function main() {}\n", "f/a/y.variable.yaml": "value: y\n", "u/me/z.ts": MAIN });
  trial.put({ "f/c/d/deep.ts": MAIN, ".windkit/noise": "x", "node_modules/noise/x.js": "x" });
  await promise;
  assert(told.flat().every((file) => /^[fu]\//.test(file)), `Only Windmill's files: ${told.flat()}`);
  assertEquals(trial.folder.script("u/me/z")?.content, MAIN);
});
