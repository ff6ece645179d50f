/**
 * The index by itself: what it is told may come twice, late, or in another order.
 */
import { deepStrictEqual, rejects, strictEqual } from "node:assert";
import { createWorkflowObjects, type IndexChange, type WorkflowIndexObject } from "../../src/durable_object/mod.ts";
import type { RunRow } from "../../src/engine/ports.ts";
import { createFakeObject } from "./_fake_object.ts";

function open(ctx = createFakeObject()): WorkflowIndexObject {
  const { WorkflowIndex } = createWorkflowObjects({ workflows: {} });
  return new WorkflowIndex(ctx, {});
}

function change(run: string, version: number, more: Partial<RunRow> | null = {}): IndexChange {
  return {
    run,
    version,
    row: more === null ? null : { id: run, workflow: "w", state: "active", createdAt: 1, ...more },
  };
}

async function listed(index: WorkflowIndexObject): Promise<readonly string[]> {
  return (await index.list()).runs.map(({ root, id, state }) => `${root}/${id} ${state}`);
}

Deno.test("index: the newest change of a run counts, whatever the order in which they come, and however often", async () => {
  const index = open();
  deepStrictEqual(await index.list(), { runs: [] });
  await index.update({ root: "a", changes: [change("a", 20, { state: "closed" }), change("a.1", 20)] });
  await index.update({ root: "a", changes: [change("a", 10), change("a.1", 21, { state: "parked" })] });
  await index.update({ root: "a", changes: [change("a", 20)] });
  deepStrictEqual(await listed(index), ["a/a.1 parked", "a/a closed"]);
});

Deno.test("index: a run that is gone stays gone, unless it begins anew", async () => {
  const index = open();
  await index.update({ root: "a", changes: [change("a", 1)] });
  await index.update({ root: "a", changes: [change("a", 3, null)] });
  await index.update({ root: "a", changes: [change("a", 2, { state: "closed" })] });
  deepStrictEqual(await listed(index), []);
  await index.update({ root: "a", changes: [change("a", 4)] });
  deepStrictEqual(await listed(index), ["a/a active"]);
});

Deno.test("index: runs of one id in two objects are two", async () => {
  const index = open();
  await index.update({ root: "a", changes: [change("x", 2)] });
  await index.update({ root: "b", changes: [change("x", 1, { state: "closed" })] });
  deepStrictEqual(await listed(index), ["b/x closed", "a/x active"]);
});

Deno.test("index: lists by state and workflow in pages, without a scan, and refuses a query that is none", async () => {
  const ctx = createFakeObject();
  const index = open(ctx);
  const changes = Array.from(
    { length: 25 },
    (_, i) => change(`r${i}`, 1, { workflow: i % 2 === 0 ? "even" : "odd", state: i < 5 ? "closed" : "active" }),
  );
  await index.update({ root: "a", changes });
  const seen: string[] = [];
  let after: string | undefined;
  do {
    const page = await index.list({ workflow: "even", limit: 4, ...(after === undefined ? {} : { after }) });
    seen.push(...page.runs.map(({ id }) => id));
    after = page.next;
  } while (after !== undefined);
  deepStrictEqual(seen, Array.from({ length: 13 }, (_, i) => `r${24 - 2 * i}`));
  deepStrictEqual((await index.list({ state: "closed", workflow: "odd" })).runs.map(({ id }) => id), ["r3", "r1"]);
  for (const query of [{ limit: 0 }, { limit: 1.5 }, { limit: 1001 }, { after: "x" }]) {
    await rejects(index.list(query), RangeError);
  }
});

Deno.test("index: a new instance finds what was told; tables of a newer version are refused", async () => {
  const ctx = createFakeObject();
  await open(ctx).update({ root: "a", changes: [change("a", 1)] });
  deepStrictEqual(await listed(open(ctx.again())), ["a/a active"]);
  ctx.storage.sql.exec("UPDATE windkit_index SET version = 99");
  await rejects(open(ctx.again()).list(), { code: "SCHEMA_TOO_NEW" });
});

Deno.test("objects: a request that is none of theirs is told so", async () => {
  const index = open();
  const ask = (method: string, path: string, body?: string): Promise<Response> =>
    index.fetch(new Request(`https://index.invalid${path}`, { method, ...(body === undefined ? {} : { body }) }));
  strictEqual((await ask("GET", "/list")).status, 405);
  strictEqual((await ask("POST", "/constructor", "{}")).status, 404);
  strictEqual((await ask("POST", "/list", "no JSON")).status, 400);
  strictEqual((await ask("POST", "/list", '{"limit":-1}')).status, 400);
  strictEqual((await ask("POST", "/list", "{}")).status, 200);
});
