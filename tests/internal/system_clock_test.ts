/** The system's clock in Deno: waits of one length share a timer, and nobody can tell. */
import assert from "node:assert/strict";
import { systemClock } from "../../src/platform/network.ts";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Replaces the runtime's timers and its monotonic clock; `pass` lets time pass. */
async function withTimers(
  use: (timers: ReadonlyMap<number, Timer>, pass: (ms: number) => void) => Promise<void>,
): Promise<void> {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const now = performance.now;
  const timers = new Map<number, Timer>();
  let time = 1000, next = 1;
  globalThis.setTimeout = ((run: () => void, ms: number) => {
    timers.set(next, { at: time + ms, run });
    return next++;
  }) as typeof setTimeout;
  globalThis.clearTimeout = ((id: number) => void timers.delete(id)) as typeof clearTimeout;
  performance.now = () => time;
  try {
    await use(timers, (ms) => {
      const end = time + ms;
      for (;;) {
        const [id, timer] = [...timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
        if (id === undefined || timer === undefined || timer.at > end) break;
        time = timer.at;
        timers.delete(id);
        timer.run();
      }
      time = end;
    });
  } finally {
    globalThis.setTimeout = set;
    globalThis.clearTimeout = clear;
    performance.now = now;
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await undefined;
}

Deno.test("the system's clock wakes waits of one length in their order, each at its time, with one timer", async () => {
  await withTimers(async (timers, pass) => {
    const woken: string[] = [];
    systemClock.setTimeout(() => woken.push("a"), 100);
    pass(40);
    const b = systemClock.setTimeout(() => woken.push("b"), 100);
    systemClock.setTimeout(() => woken.push("c"), 100);
    assert.equal(timers.size, 1);
    pass(59);
    assert.deepEqual(woken, []);
    pass(1);
    assert.deepEqual(woken, ["a"]);
    systemClock.clearTimeout(b);
    pass(39);
    assert.deepEqual(woken, ["a"]);
    pass(1);
    assert.deepEqual(woken, ["a", "c"]);
    await turns();
    assert.equal(timers.size, 0);
  });
});

Deno.test("the system's clock keeps no timer when nothing waits, and one while a loop goes on", async () => {
  await withTimers(async (timers, pass) => {
    const first = systemClock.setTimeout(() => {}, 100);
    const [id] = timers.keys();
    for (let call = 0; call < 5; call++) {
      pass(10);
      const wait = systemClock.setTimeout(() => {}, 100);
      if (call === 0) systemClock.clearTimeout(first);
      systemClock.clearTimeout(wait);
      await undefined;
      assert.deepEqual([...timers.keys()], [id]);
    }
    await turns();
    assert.equal(timers.size, 0);
  });
});

Deno.test("the system's clock serves waits of other lengths at their times too", async () => {
  await withTimers(async (timers, pass) => {
    const woken: string[] = [];
    systemClock.setTimeout(() => woken.push("long"), 1000);
    systemClock.setTimeout(() => woken.push("short"), 10);
    const cancelled = systemClock.setTimeout(() => woken.push("cancelled"), 20);
    systemClock.clearTimeout(cancelled);
    systemClock.clearTimeout(cancelled);
    systemClock.clearTimeout(undefined);
    pass(10);
    assert.deepEqual(woken, ["short"]);
    pass(990);
    assert.deepEqual(woken, ["short", "long"]);
    await turns();
    assert.equal(timers.size, 0);
  });
});

Deno.test("the system's clock takes a wait that is set by one that ends", async () => {
  await withTimers(async (timers, pass) => {
    const woken: string[] = [];
    systemClock.setTimeout(() => {
      woken.push("first");
      systemClock.setTimeout(() => woken.push("second"), 50);
    }, 50);
    pass(50);
    assert.deepEqual(woken, ["first"]);
    pass(50);
    assert.deepEqual(woken, ["first", "second"]);
    await turns();
    assert.equal(timers.size, 0);
  });
});
