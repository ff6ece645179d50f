/** Every row of the protocol's table of key allocation, run live and replayed. */
import {
  type RetryOptions,
  sleep,
  step,
  task,
  taskFlow,
  taskInfo,
  taskScript,
  waitForApproval,
  workflow,
} from "@windkit/windmill-client/workflow";
import { bothWays, type Ended, settledKeys, type Trial } from "./_engine_kit.ts";
import { assert, assertEquals, assertIncludes } from "./assert.ts";
import { test } from "./harness.ts";

/** Settled keys of a body, in hand-over order. */
async function keysOf(body: () => Promise<unknown>, options: Partial<Trial> = {}): Promise<readonly string[]> {
  return settledKeys((await ended(body, options)).records);
}

function ended(body: () => Promise<unknown>, options: Partial<Trial> = {}): Promise<Ended> {
  return bothWays(() => ({ main: workflow(body), ...options }));
}

async function named(...names: readonly string[]): Promise<void> {
  for (const name of names) await step(name, () => name);
}

/** A task that fails its first attempts. */
function failing(failures: number, retry: RetryOptions): (n: number) => Promise<unknown> {
  return task("r", (n: number) => {
    if (taskInfo().attempt <= failures) throw new Error(`Refused ${n}`);
    return n;
  }, { retry });
}

test("keys: a name that was made as a number is passed over", async () => {
  assertEquals(await keysOf(() => named("x", "x", "x_2")), ["x", "x_2", "x_2_2"]);
});

test("keys: the counter of a name jumps over keys that are taken", async () => {
  assertEquals(await keysOf(() => named("x_2", "x", "x", "x")), ["x_2", "x", "x_3", "x_4"]);
});

test("keys: steps and tasks share one key space", async () => {
  const t = task("t", (n: number) => n);
  assertEquals(
    await keysOf(async () => {
      await step("t", () => 1);
      await t(1);
    }),
    ["t", "t_2"],
  );
});

test("keys: an anonymous task is called step", async () => {
  const anonymous = task((n: number) => n);
  assertEquals(
    await keysOf(async () => {
      await anonymous(1);
      await anonymous(2);
    }),
    ["step", "step_2"],
  );
});

test("keys: a step without a name is called step", async () => {
  assertEquals(await keysOf(() => named("", "")), ["step", "step_2"]);
});

test("keys: sleeps and steps share one key space", async () => {
  assertEquals(
    await keysOf(async () => {
      await sleep(1);
      await step("sleep", () => 1);
      await sleep(1);
    }),
    ["sleep", "sleep_2", "sleep_3"],
  );
});

test("keys: a call draws the keys of all its attempts when it is made", async () => {
  const keys = await keysOf(async () => {
    const r = failing(1, { attempts: 1 });
    await r(1);
    await r(2);
  });
  assertEquals(keys, ["r", "r#2", "r_2", "r_2#2"]);
});

test("keys: a back-off has a key of its own between two attempts", async () => {
  const r = failing(1, { attempts: 1, delay: 2 });
  const keys = await keysOf(async () => {
    await r(1);
    await r(2);
  });
  assertEquals(keys, ["r", "r#retry2", "r#2", "r_2", "r_2#retry2", "r_2#2"]);
});

test("keys: a step that took an attempt's key before the call moves the attempt", async () => {
  const keys = await keysOf(async () => {
    const r = failing(1, { attempts: 1 });
    await step("r#2", () => 1);
    await r(1);
  });
  assertEquals(keys, ["r#2", "r", "r#2_2"]);
});

test("keys: a step that asks for an attempt's key after the call is moved", async () => {
  const keys = await keysOf(async () => {
    const r = failing(0, { attempts: 1 });
    await r(1);
    await step("r#2", () => 1);
  });
  assertEquals(keys, ["r", "r#2_2"]);
});

test("keys: __proto__ is a name like any other", async () => {
  assertEquals(await keysOf(() => named("__proto__", "__proto__", "constructor")), [
    "__proto__",
    "__proto___2",
    "constructor",
  ]);
});

test("keys: a script and a flow are called by the last part of their path", async () => {
  const { records, value } = await ended(async () => {
    const results = [];
    for (const call of [taskScript("f/folder/load"), taskScript("./h.ts"), taskFlow("f/folder/load"), taskFlow("f/")]) {
      results.push(await call({ a: 1 }));
    }
    return results;
  }, {
    options: { executor: { accepts: () => true, start: () => Promise.resolve({ ok: true, value: "7" }) } },
  });
  assertEquals(settledKeys(records), ["load", "h.ts", "load_2", "step"]);
  assertEquals(value, [7, 7, 7, 7]);
});

test("keys: a named function keeps its name whatever stands before it", async () => {
  const fetchAll = task("other", async function fetchAll() {
    return await Promise.resolve(1);
  });
  assertEquals(await keysOf(async () => void await fetchAll()), ["fetchAll"]);
});

test("keys: approvals are called approval unless they choose a key", async () => {
  const keys = await keysOf(async () => {
    await waitForApproval({ timeout: 1 });
    await waitForApproval({ timeout: 1, key: "sign_off" });
    await waitForApproval({ timeout: 1 });
  });
  assertEquals(keys, ["approval", "sign_off", "approval_2"]);
});

test("keys: an approval may not choose a key that is used", async () => {
  const { error } = await ended(async () => {
    await step("sign_off", () => 1);
    await waitForApproval({ key: "sign_off" });
  });
  assertIncludes(error?.message ?? "", 'WAC step key "sign_off" is already used');
});

test("keys: a chosen key pushes later names on", async () => {
  const keys = await keysOf(async () => {
    await waitForApproval({ timeout: 0, key: "x" });
    await step("x", () => 1);
  });
  assertEquals(keys, ["x", "x_2"]);
});

for (const key of ["", " ", ".", "..", "a/b", "a\\b"]) {
  test(`keys: an approval refuses the key ${JSON.stringify(key)}`, async () => {
    const { error } = await ended(() => waitForApproval({ key }));
    assertIncludes(error?.message ?? "", "'key' must not be blank");
  });
}

test("keys: calls made at once draw their keys in the order of the calls", async () => {
  const order: string[] = [];
  const { records } = await ended(async () => {
    const t = task("t", (n: number) => n);
    await Promise.all([step("t", () => 0), t(1), step("u", () => 2), t(3)]);
  });
  for (const r of records) if (r.t === "settled") order.push(r.key);
  assertEquals(order.toSorted(), ["t", "t_2", "t_3", "u"]);
  const values = records.flatMap((r) => r.t === "settled" && r.outcome.ok ? [[r.key, r.outcome.value]] : []);
  assertEquals(Object.fromEntries(values), { t: "0", t_2: "1", t_3: "3", u: "2" });
});

test("keys: values that look like nothing count as recorded", async () => {
  let runs = 0;
  const { value } = await ended(async () => {
    const results = [];
    for (const v of [null, false, 0, ""]) results.push(await step("v", () => (runs++, v)));
    return results;
  });
  assertEquals(value, [null, false, 0, ""]);
  // Four of the live run and four of the other: a replay runs none of them again.
  assertEquals(runs, 8);
});

test("keys: a step's name must be text", async () => {
  const { error } = await ended(() => step(5 as unknown as string, () => 1));
  assert(error !== undefined);
  assertIncludes(error.message, "'name' must be text, found number");
});
