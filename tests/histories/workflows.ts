/**
 * The workflows that the histories were recorded from. What one of them asks for, and in which order, is never changed again:
 * its recorded runs are replayed by every later version. A new feature gets a new workflow.
 *
 * @module
 */
import {
  NonRetryableError,
  now,
  parallel,
  patched,
  race,
  random,
  RetryAfterError,
  saga,
  sleep,
  step,
  task,
  taskInfo,
  taskScript,
  uuid,
  waitForApproval,
  withTimeout,
  workflow,
} from "@windkit/windmill-client/workflow";

/** An error whose stack is the same on every machine. */
function failing(name: string, message: string, more: Readonly<Record<string, unknown>> = {}): Error {
  const error = new Error(message);
  // Defined, not assigned: a field may be called "__proto__".
  for (const [field, value] of Object.entries(more)) {
    Object.defineProperty(error, field, { value, enumerable: true });
  }
  error.name = name;
  error.stack = `${name}: ${message}\n    at workflows.ts`;
  return error;
}

/** Settles `turns` microtasks later: outcomes then come in another order than the calls. */
async function after<T>(turns: number, value: T): Promise<T> {
  for (let i = 0; i < turns; i++) await undefined;
  return value;
}

/** While it is set, the step `hangs` does not come back. */
export const recording = { hang: false };

const double = task(async function double(n: number) {
  return n * 2;
});

const slowFirst = task(async function slow_first(n: number) {
  return await after(40 - 10 * n, `item ${n}`);
});

const flaky = task(function flaky(until: number) {
  const { attempt } = taskInfo();
  if (attempt < until) throw failing("FlakyError", `attempt ${attempt} failed`, { attempt });
  return attempt;
}, { retry: { attempts: 3, delay: 2, multiplier: 3 } });

const hasty = task(function hasty(until: number) {
  const { attempt } = taskInfo();
  if (attempt < until) throw failing("FlakyError", `attempt ${attempt} failed`);
  return attempt;
}, { retry: { attempts: 2 } });

const late = task(() => new Promise<never>(() => undefined), { timeout: 5 });

const broken = task(function broken(): number {
  throw failing("OutOfStock", "none left", { left: 0, sku: "x-1" });
});

export const workflows = {
  empty: workflow(async (greeting: string) => await Promise.resolve(greeting)),

  sequential: workflow(async (n: number) => {
    const a = await step("first", () => n + 1);
    const b = await double(a);
    const c = await step("first", () => b + 1);
    for (let i = 0; i < 3; i++) await step(`item ${i}`, () => i);
    return [a, b, c, await double(c)];
  }),

  fan_out: workflow(async () => {
    const all = await Promise.all([slowFirst(0), slowFirst(1), slowFirst(2), step("beside", () => 1)]);
    const more = await parallel([1, 2, 3, 4], (n) => double(n), { concurrency: 2 });
    return [all, more];
  }),

  retries: workflow(async () => [await flaky(3), await hasty(2)]),

  failures_caught: workflow(async () => {
    const seen: unknown[] = [];
    for (const call of [() => broken(), () => flaky(9), () => late()]) {
      try {
        await call();
      } catch (error) {
        const { name, message, result } = error as Error & {
          readonly result?: { readonly error: { extra?: unknown } };
        };
        seen.push([name, message, result?.error.extra]);
      }
    }
    const settled = await Promise.allSettled([broken(), double(4)]);
    return [seen, settled.map(({ status }) => status)];
  }),

  failed: workflow(async () => {
    await step("before", () => 1);
    await broken();
  }),

  approvals: workflow(async () => {
    const granted = await waitForApproval({ timeout: 600, form: { type: "object" } });
    const refused = await waitForApproval({ key: "second opinion", timeout: 600, description: "Look twice" });
    const { approved } = await waitForApproval({ timeout: 60 });
    return [granted.value, granted.approver, refused.approved, approved];
  }),

  sleeps: workflow(async () => {
    await sleep(0.25);
    await Promise.all([sleep(5), sleep(3), step("beside", () => 1)]);
    await sleep(86_400);
    return "awake";
  }),

  left_behind: workflow(async () => {
    const first = await Promise.race([sleep(3600), step("quick", () => "quick")]);
    return first;
  }),

  cancelled: workflow(async () => {
    await step("before", () => 1);
    try {
      await Promise.all([sleep(3600), waitForApproval({ timeout: 7200 })]);
    } finally {
      await Promise.resolve();
    }
  }),

  deadline: workflow(async () => {
    await step("before", () => 1);
    await sleep(3600);
  }),

  values: workflow(async () => {
    const given = await step("all kinds", () => ({
      none: undefined,
      nil: null,
      flags: [true, false],
      numbers: [0, -0, 1.5, 1e21, 5e-324, Number.MAX_SAFE_INTEGER, NaN, Infinity],
      big: 123_456_789_012_345_678_901n,
      date: new Date(0),
      text: 'quote " backslash \\ newline \n line \u2028 clef \u{1d11e} bell \u0007',
      empty: ["", {}, []],
      order: { b: 1, aa: 2, a: 3, "10": 4, "9": 5, "": 6, "ä": 7 },
      map: new Map([[1, 2]]),
      fn: () => 1,
    }));
    const scalars: unknown[] = [];
    for (const value of [null, true, 0, "", [], "a\nb", 2 ** 53, [[[[]]]]]) {
      scalars.push(await task("echo", (x: unknown) => x)(value));
    }
    await step("nothing", () => undefined);
    return [given, scalars];
  }),

  proto_keys: workflow(async (args: unknown) => {
    const made = await step("__proto__", () => JSON.parse('{"__proto__":{"x":1},"constructor":{"y":2}}') as unknown);
    const echoed = await task("constructor", (x: unknown) => x)(JSON.parse('{"__proto__":[1]}'));
    const again = await step("__proto__", () => Object.keys(made as object));
    const { value } = await waitForApproval({ key: "toString", timeout: 60 });
    let extra: unknown;
    try {
      await step("hasOwnProperty", () => {
        throw failing("Error", "odd", JSON.parse('{"__proto__":{"x":1},"valueOf":1}') as Record<string, unknown>);
      });
    } catch (error) {
      extra = (error as { result: { error: { extra: unknown } } }).result.error.extra;
    }
    return [args, made, echoed, again, value, extra];
  }),

  long_arguments: workflow(async () => {
    const measure = task("measure", (text: string) => text.length);
    return [await measure("x".repeat(505)), await measure("x".repeat(520)), await measure("ä".repeat(5000))];
  }),

  long_names: workflow(async () => {
    // The longest that there may be.
    const name = "n".repeat(1024);
    const other = task("t".repeat(1024), (n: number) => n);
    return [await step(name, () => 1), await step(name, () => 2), await other(3)];
  }),

  parked: workflow(async () => {
    const before = await step("before", () => "done");
    const [{ value }] = await Promise.all([waitForApproval({ key: "sign", timeout: 30 * 86_400 }), sleep(3600)]);
    return [before, value, await step("after", () => "too")];
  }),

  unfinished: workflow(async () => {
    const before = await step("before", () => 1);
    const hangs = await step("hangs", () => recording.hang ? new Promise<never>(() => undefined) : "came back");
    return [before, hangs];
  }),

  detached: workflow(
    async () => [await taskScript("f/jobs/long")({ n: 1 }), await taskScript("f/jobs/long")({ n: 2 })],
  ),

  same_name_in_branches: workflow(async () => {
    const branch = async (n: number): Promise<unknown> => {
      await slowFirst(n);
      return await step("work", () => n);
    };
    return await Promise.all([branch(0), branch(1), branch(2)]);
  }),

  markers: workflow(async () => {
    const drawn = [random(), uuid(), random()];
    const began = now();
    await step("work", () => 1);
    await sleep(10);
    const way = patched("new way") ? await step("new", () => "new") : await step("old", () => "old");
    const again = patched("new way");
    return [drawn, uuid(), now() - began, way, again];
  }),

  race_of_branches: workflow(async () => {
    const first = await race({
      slow: async () => {
        await sleep(60);
        return await step("never", () => 1);
      },
      fast: async () => {
        await sleep(1);
        return await step("quick", () => "fast");
      },
      approval: async () => await waitForApproval({ timeout: 3600 }),
    });
    await sleep(120);
    return [first, await race([() => sleep(3), () => step("at once", () => 2)])];
  }),

  with_timeout: workflow(async () => {
    const inTime = await withTimeout(10, async () => {
      await sleep(5);
      return await step("in time", () => 1);
    });
    const late = await withTimeout(10, async () => {
      await sleep(50);
      return 2;
    }, { onTimeout: "late" });
    const error = await withTimeout(0.5, () => sleep(50)).then(() => "", (e: Error) => e.name);
    await sleep(100);
    return [inTime, late, error];
  }),

  undone: workflow(async () => {
    const book = task("book", (seat: string) => ({ seat }), {
      undo: ({ seat }, asked) => seat === asked ? null : Promise.reject(failing("Error", "another seat")),
    });
    await step("flight", () => "F1", { undo: (id) => id });
    await book("3A");
    await step("plain", () => 1);
    await step("hotel", () => "H1", {
      undo: () => {
        if (taskInfo().attempt < 3) throw failing("FlakyError", `undo ${taskInfo().attempt} failed`);
      },
    });
    await step("car", () => {
      throw failing("NoCar", "no car left");
    });
  }),

  saga_caught: workflow(async () => {
    const kept = await step("kept", () => "kept", { undo: (id) => id });
    const message = await saga(async () => {
      await step("inner", () => "inner", { undo: (id) => id });
      throw failing("Error", "given up");
    }).then(() => "", (error: Error) => error.message);
    return [kept, message, await step("after", () => "after")];
  }),

  step_retries: workflow(async () => {
    const flakyStep = await step("flaky", () => {
      const { attempt } = taskInfo();
      if (attempt < 3) throw failing("FlakyError", `attempt ${attempt} failed`);
      return attempt;
    }, { retry: { attempts: 4, delay: 2 } });
    const polite = await step("polite", () => {
      const { attempt } = taskInfo();
      if (attempt < 2) throw new RetryAfterError("later", 30);
      return attempt;
    }, { retry: { attempts: 2, delay: 1 } });
    const never = await step("never", () => {
      const error = new NonRetryableError("never again");
      error.stack = "NonRetryableError: never again\n    at workflows.ts";
      throw error;
    }, { retry: { attempts: 2 } }).then(() => "", (e: Error) => e.message);
    return [flakyStep, polite, never];
  }),

  failures_collected: workflow(async () => {
    const results = await parallel([1, 2, 3], (n) =>
      step(`item ${n}`, () => {
        if (n === 2) throw failing("Error", "two is bad");
        return n;
      }), { onError: "collect" });
    return results.map(({ status }) => status);
  }),
};
