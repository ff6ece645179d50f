/**
 * One object by itself, on a storage that fails when it is told to.
 */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert";
import {
  createWorkflowObjects,
  type IndexUpdate,
  type StartRequest,
  type WorkflowObjectsOptions,
  type WorkflowRunObject,
  workflowRuns,
} from "../../src/durable_object/mod.ts";
import { continueAsNew, sleep, sleepUntil, step, waitForEvent, workflow } from "../../src/cluster/authoring.ts";
import type { EngineEvent } from "../../src/engine/api.ts";
import { createOutbox, OBJECT_SCHEMA } from "../../src/durable_object/outbox.ts";
import { openDurableObject } from "../../src/storage/_durable_storage.ts";
import { createFakeObject, fakeBinding, type FakeObject } from "./_fake_object.ts";

const nap = workflow(async (seconds: number) => {
  await step("before", () => 1);
  await sleep(seconds);
  return await step("after", () => "rested");
});
const order = workflow(async () => await waitForEvent("order"));
const one = workflow(async () => await step("one", () => 1));

interface Bench {
  readonly object: WorkflowRunObject;
  readonly ctx: FakeObject;
  readonly events: EngineEvent[];
  /** What the index has been told. */
  readonly told: IndexUpdate[];
  /** The same object as after an eviction. */
  again(options?: Partial<WorkflowObjectsOptions>): Bench;
  until(what: string, holds: () => boolean | Promise<boolean>): Promise<void>;
}

function bench(
  options: Partial<WorkflowObjectsOptions> = {},
  index: (update: IndexUpdate) => Promise<void> = () => Promise.resolve(),
  ctx: FakeObject = createFakeObject(),
): Bench {
  const events: EngineEvent[] = [];
  const told: IndexUpdate[] = [];
  const { WorkflowRun } = createWorkflowObjects({
    workflows: { nap, order, one },
    onEvent: (event) => void events.push(event),
    ...options,
  });
  const INDEX = fakeBinding(async (request) => {
    const update = await request.json() as IndexUpdate;
    await index(update);
    told.push(update);
    return Response.json({ value: null });
  });
  const object = new WorkflowRun(ctx, { INDEX });
  return {
    object,
    ctx,
    events,
    told,
    again: (more) => bench({ ...options, ...more }, index, ctx.again()),
    async until(what, holds) {
      for (let turns = 0; turns < 5000; turns++) {
        if (await holds()) return;
        await new Promise((resolve) => setTimeout(resolve, 0));
        // As the platform does.
        if (ctx.alarmAt !== null && ctx.alarmAt <= Date.now()) await object.alarm();
      }
      throw new Error(`Still not so: ${what}`);
    },
  };
}

function start(runId: string, workflow: string, args: number[] = []): StartRequest {
  return { namespace: "default", runId, workflow, args };
}

Deno.test("object: when a park is told of, its alarm is set; none is set when a run has ended and the index knows", async () => {
  let atPark: number | null | undefined;
  const { object, ctx, events, until } = bench({
    onEvent: (event) => {
      events_.push(event);
      if (event.event === "run_parked") atPark = ctx.alarmAt;
    },
  });
  const events_ = events;
  await object.start(start("a", "nap", [3600]));
  await until("parked", () => atPark !== undefined);
  const { wakeAt } = await object.status({ runId: "a" });
  strictEqual(atPark !== null && atPark !== undefined && atPark <= (wakeAt ?? 0), true);
  await until("alarm at the wake time", () => ctx.alarmAt === wakeAt);
  await object.cancel({ runId: "a" });
  await until("no alarm", () => ctx.alarmAt === null);
});

Deno.test("object: while a run is under way an alarm is set before its start is told of", async () => {
  const { object, ctx } = bench({
    workflows: { stuck: workflow(async () => await step("stuck", () => new Promise(() => {}))) },
  });
  await object.start(start("a", "stuck"));
  ok(ctx.alarmAt !== null && ctx.alarmAt <= Date.now() + 5000);
  // It rings: the run goes on as it was, and the alarm is set anew.
  await object.alarm();
  ok(ctx.alarmAt !== null);
  strictEqual((await object.status({ runId: "a" })).state, "active");
});

Deno.test("object: an alarm whose handler fails is set again, later each time, and the run goes on when it can", async () => {
  const first = bench();
  await first.object.start(start("a", "nap", [0.3]));
  await first.until("parked", () => first.events.some(({ event }) => event === "run_parked"));
  const { object, ctx, events, until } = first.again();
  ctx.failWith(new Error("disk I/O error: SQLITE_IOERR"));
  await rejects(object.status({ runId: "a" }));
  const pauses: number[] = [];
  for (let i = 0; i < 3; i++) {
    // `holdsRuns` itself cannot look: the handler must not throw, nor forget its alarm.
    const before = Date.now();
    await object.alarm();
    pauses.push((ctx.alarmAt ?? 0) - before);
  }
  ok(pauses.every((pause, i) => i === 0 || pause > (pauses[i - 1] ?? 0)), `${pauses}`);
  ok(events.some((event) => event.event === "warning"));
  ctx.failWith(undefined);
  await object.alarm();
  await until("closed", async () => (await object.status({ runId: "a" })).state === "closed");
});

Deno.test("object: after a commit that failed the next call begins with what is stored", async () => {
  const { object, ctx, events, until } = bench();
  await object.start(start("a", "order"));
  await until("parked", async () => (await object.status({ runId: "a" })).state === "parked");
  ctx.failWith(new Error("database or disk is full: SQLITE_FULL"), true);
  await rejects(object.signal({ runId: "a", name: "order", payload: 1, id: "1" }), { code: "STORAGE_FULL" });
  ok(events.some((event) => event.event === "failed"));
  ctx.failWith(undefined);
  await object.signal({ runId: "a", name: "order", payload: 1, id: "1" });
  await until("closed", async () => (await object.status({ runId: "a" })).state === "closed");
  deepStrictEqual(await object.outcome({ runId: "a" }), { done: true, value: 1 });
});

Deno.test("object: when the commit fails for which the alarm rang, it rings again", async () => {
  const { object, ctx, events, until } = bench({ heartbeatMs: 20 });
  await object.start(start("a", "nap", [0.3]));
  await until("parked", () => events.some(({ event }) => event === "run_parked"));
  ctx.failWith(new Error("disk I/O error: SQLITE_IOERR"), true);
  await until("failed", () => events.some(({ event }) => event === "failed"));
  await until("failed again", () => events.filter(({ event }) => event === "failed").length > 1);
  ctx.failWith(undefined);
  await until("closed", () => events.some(({ event }) => event === "run_closed"));
  deepStrictEqual(await object.outcome({ runId: "a" }), { done: true, value: "rested" });
});

Deno.test("object: what the index could not be told is told later, in the end as it is then", async () => {
  let isAway = true;
  const { object, ctx, told, events, until } = bench(
    {},
    () => isAway ? Promise.reject(new Error("No network")) : Promise.resolve(),
  );
  await object.start(start("a", "one"));
  await until("closed", async () => (await object.status({ runId: "a" })).state === "closed");
  await until("warned", () => events.some((event) => event.event === "warning" && /No network/.test(event.message)));
  deepStrictEqual(told, []);
  ok(ctx.alarmAt !== null && ctx.alarmAt > Date.now(), "It will try again");
  isAway = false;
  // The object was put away meanwhile.
  const next = bench({}, undefined, ctx.again());
  await next.object.alarm();
  await next.until("told", () => next.told.length > 0);
  deepStrictEqual(next.told.flatMap(({ root, changes }) => changes.map(({ run, row }) => [root, run, row?.state])), [[
    "a",
    "a",
    "closed",
  ]]);
  await next.until("no alarm", () => ctx.alarmAt === null);
});

Deno.test("object: a run whose code does not fit its journal is not woken in a circle, and goes on with code that fits", async () => {
  const first = bench();
  await first.object.start(start("a", "nap", [0.3]));
  await first.until("parked", () => first.events.some(({ event }) => event === "run_parked"));
  const other = first.again({
    workflows: { nap: workflow(async () => await step("something else", () => 1)) },
    heartbeatMs: 100,
  });
  await other.until("stopped", async () => {
    await other.object.alarm();
    return other.events.some((event) => event.event === "run_stopped");
  });
  const answer = await other.object.outcome({ runId: "a" });
  ok(answer.done && "error" in answer && answer.error.code === "REPLAY_MISMATCH", JSON.stringify(answer));
  const pauses = await (async () => {
    const found: number[] = [];
    for (let i = 0; i < 6; i++) {
      const before = Date.now();
      await other.object.alarm();
      found.push((other.ctx.alarmAt ?? 0) - before);
    }
    return found;
  })();
  ok(pauses.every((pause) => pause > 50), `It is woken in a circle: ${pauses}`);
  const mended = other.again({ workflows: { nap } });
  await mended.object.alarm();
  await mended.until("closed", async () => (await mended.object.status({ runId: "a" })).state === "closed");
});

Deno.test("object: with a retention, runs that ended long ago are removed, and the object is emptied", async () => {
  const { object, ctx, told, until } = bench({ retentionMs: 30 });
  await object.start(start("a", "one"));
  await until("emptied", () => ctx.emptied === 1);
  strictEqual(ctx.alarmAt, null);
  strictEqual(told.at(-1)?.changes.at(-1)?.row, null);
  const versions = told.flatMap(({ changes }) => changes.map(({ version }) => version));
  await rejects(object.status({ runId: "a" }), { code: "UNKNOWN_RUN" });
  // It may begin anew, is woken again, and what is told then counts.
  await object.start(start("a", "one"));
  ok(ctx.alarmAt !== null);
  await until(
    "told",
    () =>
      told.some(({ changes }) => changes.some(({ version, row }) => row !== null && version > Math.max(...versions))),
  );
});

Deno.test("object: a start after one that was refused is as the first", async () => {
  const { object, ctx, until } = bench();
  for (let i = 0; i < 3; i++) {
    await rejects(object.start(start("a", "none")), { code: "UNKNOWN_WORKFLOW" });
    strictEqual(ctx.alarmAt, null);
    deepStrictEqual(ctx.storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite%'").toArray(), []);
  }
  await object.start(start("a", "nap", [3600]));
  ok(ctx.alarmAt !== null);
  await until("parked", async () => (await object.status({ runId: "a" })).state === "parked");
  const { wakeAt } = await object.status({ runId: "a" });
  await until("alarm at the wake time", () => ctx.alarmAt === wakeAt);
});

Deno.test("object: who waits for a result while a commit fails hears of that, and not of an end of the run", async () => {
  let begun = 0;
  let go: (value: number) => void = () => undefined;
  const stuck = workflow(async () =>
    await step("stuck", () => {
      begun++;
      return new Promise<number>((resolve) => go = resolve);
    })
  );
  const { object, ctx, until } = bench({ workflows: { stuck }, heartbeatMs: 20 });
  await object.start(start("a", "stuck"));
  await until("begun", () => begun === 1);
  const waited = object.outcome({ runId: "a", waitMs: 5000 });
  ctx.failWith(new Error("database or disk is full: SQLITE_FULL"), true);
  go(1);
  await rejects(waited, { code: "STORAGE_FULL" });
  ctx.failWith(undefined);
  // The step's record was made before: it does not run again, and only the end is made up for.
  await until("closed", async () => (await object.status({ runId: "a" })).state === "closed");
  deepStrictEqual(await object.outcome({ runId: "a" }), { done: true, value: 1 });
  strictEqual(begun, 1);
});

Deno.test("object: tables of a newer version are refused, and left as they are", async () => {
  const { object, ctx, again } = bench();
  await object.start(start("a", "order"));
  ctx.storage.sql.exec("UPDATE windkit SET version = 99");
  await rejects(again().object.status({ runId: "a" }), { code: "SCHEMA_TOO_NEW" });
});

Deno.test("object: a missing binding of the index is named, before anything is stored", async () => {
  const ctx = createFakeObject();
  const events: EngineEvent[] = [];
  const { WorkflowRun } = createWorkflowObjects({
    workflows: { one },
    index: "RUNS",
    onEvent: (event) => void events.push(event),
  });
  const object = new WorkflowRun(ctx, {});
  await rejects(object.start(start("a", "one")), (error: Error & { code?: string }) => {
    strictEqual(error.code, "CONFIGURATION");
    match(error.message, /no binding "RUNS"/);
    return true;
  });
  deepStrictEqual(ctx.storage.sql.exec("SELECT name FROM sqlite_master").toArray(), []);
});

Deno.test("object: an index that never answers holds up neither an alarm nor a run", async () => {
  const { object, events, until } = bench({}, () => new Promise(() => {}));
  await object.start(start("a", "nap", [0.1]));
  // `until` rings as the platform does: the next alarm waits for the handler of the one before.
  await until("closed", () => events.some(({ event }) => event === "run_closed"));
  deepStrictEqual(await object.outcome({ runId: "a" }), { done: true, value: "rested" });
});

Deno.test("object: a time that the platform's alarm cannot have is waited for in parts", async () => {
  const far = workflow(async () => await sleepUntil(new Date(Date.UTC(2400, 0, 1))));
  const { object, ctx, events, until } = bench({ workflows: { far } });
  await object.start(start("a", "far"));
  await until("parked", () => events.some(({ event }) => event === "run_parked"));
  await until("told", async () => {
    const { wakeAt } = await object.status({ runId: "a" });
    return wakeAt === Date.UTC(2400, 0, 1) && ctx.alarmAt !== null && ctx.alarmAt > Date.now() + 86_400_000;
  });
  await object.alarm();
  ok(ctx.alarmAt !== null && ctx.alarmAt > Date.now() + 86_400_000, "It is set again");
});

Deno.test("object: when what waits cannot be looked at while the engine opens, the next call begins anew", async () => {
  const first = bench();
  await first.object.start(start("a", "order"));
  await first.until("parked", async () => (await first.object.status({ runId: "a" })).state === "parked");
  // Left for it by somebody else, who did not wait.
  first.ctx.storage.sql.exec(
    `INSERT INTO inbox(id, run, waiting, kind, name, payload, sender, at) VALUES('m', 'a', 1, 'event', 'order', '7', NULL, 1)`,
  );
  const { object, ctx, until } = first.again();
  ctx.failWith(new Error("disk I/O error: SQLITE_IOERR"), false, / FROM inbox WHERE run = /);
  await object.status({ runId: "a" }).catch(() => undefined); // it may be told of it, or not
  await until("failed", async () => {
    const { code = "" } = await object.status({ runId: "a" }).then(() => ({}), (error) => error) as { code?: string };
    return code !== "";
  }).catch(() => undefined); // it may have begun anew before it was asked
  ctx.failWith(undefined);
  await until("closed", async () => (await object.status({ runId: "a" })).state === "closed");
  deepStrictEqual(await object.outcome({ runId: "a" }), { done: true, value: 7 });
});

Deno.test("object: a message that no row can hold is refused, and what is under way goes on", async () => {
  let begun = 0;
  let go: (value: number) => void = () => undefined;
  const stuck = workflow(async () => {
    await step("stuck", () => {
      begun++;
      return new Promise<number>((resolve) => go = resolve);
    });
    return await waitForEvent("order");
  });
  const { object, ctx, events, until } = bench({ workflows: { stuck } });
  await object.start(start("a", "stuck"));
  await until("begun", () => begun === 1);
  await rejects(object.signal({ runId: "a", name: "x".repeat(2_100_000) }), { code: "PAYLOAD_TOO_LARGE" });
  await rejects(object.signal({ runId: "a", name: "order", id: "x".repeat(2_100_000) }), { code: "PAYLOAD_TOO_LARGE" });
  await object.signal({ runId: "a", name: "order", payload: "x".repeat(3_000_000), id: "fits" });
  go(1);
  await until("closed", () => events.some(({ event }) => event === "run_closed"));
  strictEqual(begun, 1);
  deepStrictEqual(events.filter(({ event }) => event === "failed"), []);
  ok(ctx.alarmAt !== undefined);
});

Deno.test("object: who asks for an outcome leaves no timer behind", async () => {
  const { setTimeout: real, clearTimeout: realClear } = globalThis;
  const left = new Set<unknown>();
  globalThis.setTimeout = ((then: () => void, ms?: number) => {
    const timer: unknown = real(() => {
      left.delete(timer);
      then();
    }, ms);
    if ((ms ?? 0) > 1000) left.add(timer);
    return timer;
  }) as typeof setTimeout;
  globalThis.clearTimeout = ((timer: Parameters<typeof realClear>[0]) => {
    left.delete(timer);
    realClear(timer);
  }) as typeof clearTimeout;
  try {
    const waiting = bench();
    await waiting.object.start(start("b", "order"));
    for (let i = 0; i < 3; i++) await waiting.object.outcome({ runId: "b", waitMs: 20_000 });
    strictEqual(left.size, 0);
  } finally {
    globalThis.setTimeout = real;
    globalThis.clearTimeout = realClear;
  }
});

Deno.test("object: a run that begins while the index hears that all are gone is not removed with them", async () => {
  let begin: (() => Promise<unknown>) | undefined;
  const first = bench({ retentionMs: 30 }, async ({ changes }) => {
    if (changes.some(({ row }) => row !== null)) return;
    await begin?.();
    begin = undefined;
  });
  await first.object.start(start("a", "one"));
  begin = () => first.object.start(start("a", "nap", [3600]));
  await first.until("told of the new run", () => first.told.at(-1)?.changes.at(-1)?.row?.state === "parked");
  await first.object.alarm();
  strictEqual(first.ctx.emptied, 0);
  strictEqual((await first.object.status({ runId: "a" })).state, "parked");
});

Deno.test("object: an index that does not answer is asked again", async () => {
  const ctx = createFakeObject();
  const { sql } = openDurableObject(ctx.storage, {}, { schema: OBJECT_SCHEMA });
  sql("INSERT INTO outbox(run, version) VALUES('a', 1)").run();
  let asked = 0;
  const errors: string[] = [];
  const outbox = createOutbox({
    sql,
    now: Date.now,
    root: "a",
    row: () => Promise.resolve(undefined),
    index: () => ({
      fetch: () => asked++ === 0 ? new Promise(() => {}) : Promise.resolve(Response.json({ value: null })),
    }),
    attempted: (error) => error && errors.push(error.message),
    patienceMs: 20,
  });
  await outbox.deliver();
  deepStrictEqual([outbox.isEmpty, errors.length], [false, 1]);
  match(errors[0] ?? "", /has not answered/);
  ok((outbox.retryAt ?? 0) > Date.now());
  await outbox.deliver();
  deepStrictEqual([outbox.isEmpty, asked], [true, 2]);
});

Deno.test("client: who gives up waiting does so at once, with the reason", async () => {
  let asked = 0;
  const silent = fakeBinding(() => {
    asked++;
    return new Promise(() => {});
  });
  const given = new AbortController();
  const result = workflowRuns(silent, silent).run("a").result({ signal: given.signal });
  while (asked === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  const reason = new Error("No time");
  given.abort(reason);
  await rejects(result, (error) => error === reason);
  strictEqual(asked, 1);
});

Deno.test("object: an index that has lost what it knew is told of all runs again", async () => {
  const { object, told, until } = bench();
  await object.reindex();
  await object.start(start("a", "nap", [3600]));
  await until("told", () => told.at(-1)?.changes.at(-1)?.row?.state === "parked");
  const { version = 0 } = told.at(-1)?.changes.at(-1) ?? {};
  told.length = 0;
  await object.reindex();
  await until("told again", () => told.length > 0);
  deepStrictEqual(
    told.flatMap(({ changes }) => changes.map((change) => [change.run, change.row?.state, change.version > version])),
    [["a", "parked", true]],
  );
});

Deno.test("object: a run that goes on as others is known by its id when others of them were removed", async () => {
  const chain = workflow(async (left: number): Promise<unknown> =>
    left > 0 ? await continueAsNew({ left: left - 1 }) : await waitForEvent("order")
  );
  const { object, until, ctx } = bench({ workflows: { chain }, retentionMs: 30 });
  const request = start("a", "chain", [12]);
  await object.start(request);
  await until("only the first and the last are left", async () => {
    await object.alarm();
    return (await object.runs()).map(({ id }) => id).join() === "a~12,a";
  });
  await until("nothing is to be removed", async () => {
    await object.alarm();
    return ctx.alarmAt === null;
  });
  strictEqual((await object.status({ runId: "a~12" })).state, "parked");
  strictEqual((await object.start(request)).status, "continued", "It is not begun again");
  strictEqual((await object.runs()).length, 2);
  const result = object.outcome({ runId: "a", waitMs: 0 });
  deepStrictEqual(await result, { done: false, state: "parked" });
  await object.signal({ runId: "a", name: "order", payload: 5, id: "1" });
  deepStrictEqual(await object.outcome({ runId: "a", waitMs: 1000 }), { done: true, value: 5 });
  await rejects(object.status({ runId: "a~3" }), { code: "UNKNOWN_RUN" });
});

for (
  const [what, send] of [
    ["a cancel", (object: WorkflowRunObject) => object.cancel({ runId: "a" })],
    ["an event", (object: WorkflowRunObject) => object.signal({ runId: "a", name: "order", payload: 1, id: "1" })],
  ] as const
) {
  Deno.test(`object: ${what} that is stored wakes its run by the alarm, when the process ends before the run has taken it`, async () => {
    let isSent = false;
    const first = bench({
      heartbeatMs: 50,
      onEvent: ({ event }) => {
        if (event === "committed" && isSent) first.ctx.kill();
      },
    });
    await first.object.start(start("a", "order"));
    await first.until("parked", async () => (await first.object.status({ runId: "a" })).state === "parked");
    await first.until("no alarm", () => first.ctx.alarmAt === null);
    isSent = true;
    await send(first.object).catch(() => undefined); // it was stored, and its sender may not hear of it
    let isClosed = false;
    const next = first.again({ onEvent: ({ event }) => void (isClosed ||= event === "run_closed") });
    // Nobody calls it.
    await next.until("closed", () => isClosed);
  });
}

Deno.test("object: an event that nothing waits for wakes nobody", async () => {
  const { object, ctx, until, again } = bench({ heartbeatMs: 50 });
  await object.start(start("a", "nap", [3600]));
  await until("parked", async () => (await object.status({ runId: "a" })).state === "parked");
  await object.signal({ runId: "a", name: "order", id: "1" });
  const { wakeAt } = await object.status({ runId: "a" });
  await until("alarm at the wake time", () => ctx.alarmAt === wakeAt);
  await again().object.alarm();
  await until("alarm at the wake time", () => ctx.alarmAt === wakeAt);
});

Deno.test("object: an alarm that cannot be set again is left to the platform, which rings again when its handler fails", async () => {
  const { object, ctx, until } = bench();
  await object.start(start("a", "nap", [3600]));
  await until("parked", async () => (await object.status({ runId: "a" })).state === "parked");
  ctx.takesAlarms = false;
  await rejects(object.alarm(), /SQLITE_FULL/);
  ctx.takesAlarms = true;
  await object.alarm();
  strictEqual(ctx.alarmAt, (await object.status({ runId: "a" })).wakeAt);
});
