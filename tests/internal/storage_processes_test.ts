import { openSqliteStorage } from "@windkit/windmill-client/storage/sqlite";
import type { StorageLockedError } from "@windkit/windmill-client/errors";
import { assert, assertEquals, assertIncludes, assertRejects } from "../suite/assert.ts";
import { evalStorage, heldOpen, startChild, withFolder } from "./storage_process.ts";

Deno.test("own() in a second process names the holder, its process id and since when", () =>
  withFolder(async (dir) => {
    const before = Date.now();
    await using child = startChild(dir);
    await child.ask("open");
    await child.ask("own", "first engine");
    await using second = await openSqliteStorage({ dir });
    const error = await assertRejects(() => second.own({ name: "second" }), "STORAGE_LOCKED") as StorageLockedError;
    const { holder } = error;
    assertEquals([holder?.name, holder?.pid], ["first engine", child.pid]);
    const since = holder?.since ?? 0;
    assert(since >= before && since <= Date.now(), `since is ${since}`);
    assertIncludes(error.message, `process ${child.pid}`);
    assertIncludes(error.message, "first engine");
    assertIncludes(error.message, new Date(since).toISOString());
    assertIncludes(error.message, dir);
  }));

Deno.test("the other way round: a child is refused while this process drives, and drives after it closed", () =>
  withFolder(async (dir) => {
    await using child = startChild(dir);
    {
      await using first = await openSqliteStorage({ dir });
      await first.own({ name: "parent" });
      await child.ask("open");
      const refused = await child.ask("own");
      assertEquals(refused.code, "STORAGE_LOCKED");
      assertIncludes(refused.message ?? "", `process ${Deno.pid}`);
    }
    assertEquals((await child.ask("own")).done, "own");
  }));

Deno.test("SIGKILL frees the lock, and every commit that was acknowledged is there", () =>
  withFolder(async (dir) => {
    let expected = 0;
    for (let round = 0; round < 3; round++) {
      await using child = startChild(dir);
      await child.ask("open");
      assertEquals((await child.ask("own")).done, "own", `Round ${round}`);
      const run = `run ${round}`;
      await child.ask("create", run);
      child.send("appendForEver", run);
      let acknowledged = 0;
      while (acknowledged < 20 + round) acknowledged = (await child.next()).committed ?? 0;
      for (const { committed } of await child.kill()) acknowledged = committed ?? acknowledged;
      expected = acknowledged;

      await using storage = await openSqliteStorage({ dir });
      await storage.own({ name: "next" });
      const seqs: number[] = [];
      for await (const page of storage.journal(run)) seqs.push(...page.map(({ seq }) => seq));
      assert(seqs.length > expected, `${seqs.length} records are stored, ${expected} appends were acknowledged`);
      assertEquals(seqs, seqs.map((_, i) => i));
    }
    assert(expected >= 22);
  }));

Deno.test("a visitor's message reaches the driver's watch, and the visitor sees the driver's commits", () =>
  withFolder(async (dir) => {
    await using storage = await openSqliteStorage({ dir });
    await storage.own({ name: "driver" });
    await storage.commit([{
      w: "create",
      row: { id: "r", workflow: "w", state: "active", createdAt: 1 },
      records: [{ seq: 0, text: "opened", check: "0".repeat(16) }],
    }]);
    const heard = Promise.withResolvers<string>();
    using _watch = storage.watch(heard.resolve);
    await using child = startChild(dir);
    assertEquals((await child.ask("open", "visit")).done, "open");
    const owned = await child.ask("own");
    assertEquals(owned.code, "STORAGE_FAILED");
    assertIncludes(owned.message ?? "", "visit");
    assertEquals((await child.ask("count", "r")).value, 1);
    await storage.commit([{
      w: "append",
      run: "r",
      records: [{ seq: 1, text: "more", check: "1".repeat(16) }],
    }]);
    assertEquals((await child.ask("count", "r")).value, 2);
    assertEquals((await child.ask("create", "other")).code, "STORAGE_FAILED");
    assertEquals((await child.ask("post", "r", "from a visitor")).done, "post");
    assertEquals(await heldOpen(heard.promise), "r");
    assertEquals((await storage.inbox("r", 9)).map(({ id }) => id), ["from a visitor"]);
  }));

Deno.test("a visitor reads and posts all the while the driver writes, and neither hinders the other", () =>
  withFolder(async (dir) => {
    await using child = startChild(dir);
    await child.ask("open");
    await child.ask("own");
    await child.ask("create", "r");
    await using visitor = await openSqliteStorage({ dir, mode: "visit" });
    child.send("append", "r", "1", "300");
    const done = child.next();
    let finished = false;
    void done.then(() => finished = true);
    let seen = 0;
    let posted = 0;
    while (!finished) {
      let count = 0;
      for await (const page of visitor.journal("r")) count += page.length;
      assert(count >= seen, `A visitor saw ${seen} records and then ${count}`);
      seen = count;
      await visitor.commit([{
        w: "post",
        message: { id: `m${posted++}`, run: "r", kind: "event", name: "e", payload: "1", at: 1 },
      }]);
      // Lets the child's answer in.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    assertEquals((await done).done, "append");
    assertEquals((await child.ask("count", "r")).value, 301);
    assertEquals((await visitor.inbox("r", 100_000)).length, posted);
  }));

Deno.test("a visitor leaves a message when nobody drives, and the next driver's watch reports it", () =>
  withFolder(async (dir) => {
    {
      await using first = await openSqliteStorage({ dir });
      await first.own({ name: "first" });
    }
    {
      await using child = startChild(dir);
      await child.ask("open", "visit");
      await child.ask("post", "early", "m1");
      await child.kill();
    }
    await using next = await openSqliteStorage({ dir });
    await next.own({ name: "next" });
    const heard = Promise.withResolvers<string>();
    using _watch = next.watch(heard.resolve);
    assertEquals(await heldOpen(heard.promise), "early");
  }));

Deno.test("a visitor makes neither folder nor file", () =>
  withFolder(async (dir) => {
    const none = `${dir}/none`;
    await assertRejects(() => openSqliteStorage({ dir: none, mode: "visit" }), "STORAGE_FAILED", none);
    await assertRejects(() => openSqliteStorage({ dir, mode: "visit" }), "STORAGE_FAILED", "windkit.db");
    assertEquals([...Deno.readDirSync(dir)], []);
  }));

Deno.test("many processes that open one new folder at once all find one file", () =>
  withFolder(async (dir) => {
    const children = Array.from({ length: 4 }, () => startChild(`${dir}/new`));
    try {
      const opened = await Promise.all(children.map((child) => child.ask("open")));
      assertEquals(opened.map(({ done }) => done), ["open", "open", "open", "open"]);
      const owned = await Promise.all(children.map((child) => child.ask("own")));
      assertEquals(owned.filter(({ done }) => done === "own").length, 1);
      assertEquals(owned.filter(({ code }) => code === "STORAGE_LOCKED").length, 3);
    } finally {
      for (const child of children) await child.kill();
    }
  }));

Deno.test("a watch does not keep the process alive", () =>
  withFolder(async (dir) => {
    await evalStorage(
      dir,
      `const storage = await openSqliteStorage({ dir: ${JSON.stringify(dir)} });
       storage.watch(() => {});`,
    );
  }));
