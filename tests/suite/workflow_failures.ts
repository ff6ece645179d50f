/** Failures as data: what is recorded of a thrown value and what the body gets, live and replayed. */
import { sleep, step, task, TaskError, workflow } from "@windkit/windmill-client/workflow";
import { hasCode, type RunFailedError } from "@windkit/windmill-client/errors";
import { bothWays, createGate, type Ended, runTrial, settledKeys, type Trial } from "./_engine_kit.ts";
import { assert, assertEquals, assertIncludes } from "./assert.ts";
import { test } from "./harness.ts";

function ended(main: (...args: never[]) => unknown, options: Partial<Trial> = {}): Promise<Ended> {
  return bothWays(() => ({ main: workflow(main), ...options }));
}

/** What the body gets for a value that a step throws: the recorded error's name, message and fields. */
async function caught(thrown: () => unknown): Promise<Record<string, unknown>> {
  const { value, error } = await ended(async () => {
    try {
      await step("s", () => {
        throw thrown();
      });
    } catch (e) {
      const { name, message, step_key, result } = e as TaskError;
      const { stack: _stack, ...rest } = result.error;
      return { ...rest, step_key, known: e instanceof TaskError && name === "TaskError" && message === rest.message };
    }
    return {};
  });
  if (error !== undefined) throw error;
  return value as Record<string, unknown>;
}

class CardError extends Error {
  override name = "CardError";
  readonly declined = true;
  readonly detail = { code: 7, when: new Date(0), f: () => 1 };
}

const hostile = new Proxy({}, {
  get() {
    throw new Error("No");
  },
  ownKeys() {
    throw new Error("No");
  },
  getPrototypeOf() {
    throw new Error("No");
  },
});
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const accessors = {
  get message(): string {
    throw new Error("No");
  },
  get name(): string {
    throw new Error("No");
  },
};

for (
  const [what, thrown, name, message, extra] of [
    ["an Error", () => new RangeError("Too many"), "RangeError", "Too many", undefined],
    ["an error with fields", () => new CardError("Declined"), "CardError", "Declined", {
      declined: true,
      detail: { code: 7, when: "1970-01-01T00:00:00.000Z" },
    }],
    ["text", () => "plain", "Error", "plain", undefined],
    ["empty text", () => "", "Error", "WAC step 's' failed", undefined],
    ["a number", () => 42, "Error", "42", undefined],
    ["null", () => null, "Error", "null was thrown", undefined],
    ["undefined", () => undefined, "Error", "undefined was thrown", undefined],
    ["a symbol", () => Symbol("s"), "Error", "Symbol(s)", undefined],
    ["a bigint", () => 10n, "Error", "10", undefined],
    ["an object", () => ({ a: 1, message: "said" }), "Error", "said", { a: 1 }],
    ["an object without a message", () => ({ a: 1 }), "Error", "WAC step 's' failed", { a: 1 }],
    ["a frozen error", () => Object.freeze(new Error("Frozen")), "Error", "Frozen", undefined],
    ["a proxy that throws at everything", () => hostile, "Error", "WAC step 's' failed", undefined],
    ["a revoked proxy", () => revoked.proxy, "Error", "WAC step 's' failed", undefined],
    ["an object whose accessors throw", () => accessors, "Error", "WAC step 's' failed", undefined],
    ["a message with U+0000", () => new Error("a\0b"), "Error", "a\ufffdb", undefined],
    ["a message with a lone surrogate", () => new Error("a\ud800b"), "Error", "a\ufffdb", undefined],
    ["a name that is no text", () => Object.assign(new Error("x"), { name: 5 }), "Error", "x", undefined],
    [
      "a cyclic field",
      () => {
        const e = Object.assign(new Error("x"), { self: {} as unknown, ok: 1 });
        e.self = e;
        return e;
      },
      "Error",
      "x",
      { ok: 1 },
    ],
    [
      "a field named __proto__",
      () => Object.defineProperty(new Error("x"), "__proto__", { value: { a: 1 }, enumerable: true }),
      "Error",
      "x",
      {
        ["__proto__"]: { a: 1 },
      },
    ],
  ] as const satisfies readonly (readonly [string, () => unknown, string, string, unknown])[]
) {
  test(`failures: ${what} that is thrown reaches the body as a TaskError`, async () => {
    const got = await caught(thrown);
    assertEquals([got.name, got.message, got.step_key, got.known], [name, message, "s", true]);
    assertEquals(got.extra, extra);
  });
}

test("failures: the TaskError's own name is the protocol's, whatever was thrown", async () => {
  const { value } = await ended(async () => {
    try {
      await task("t", () => {
        throw new RangeError("Too many");
      })();
    } catch (e) {
      const { name, message, step_key, child_job_id, result, code } = e as TaskError;
      return [name, message, step_key, child_job_id === undefined, result.error.name, code];
    }
  });
  assertEquals(value, ["TaskError", "Too many", "t", true, "RangeError", "TASK_FAILED"]);
});

test("failures: a stack is cut at 8 kB", async () => {
  const { value } = await ended(async () => {
    try {
      await step("s", () => {
        const e = new Error("x");
        e.stack = `Error: x\n${"at somewhere\n".repeat(2000)}`;
        throw e;
      });
    } catch (e) {
      const { stack = "" } = (e as TaskError).result.error;
      return [stack.length, stack.endsWith("\n... (truncated)")];
    }
  });
  assertEquals(value, [8192 + "\n... (truncated)".length, true]);
});

test("failures: fields of more than 8 kB are left out", async () => {
  const got = await caught(() => Object.assign(new Error("x"), { big: "x".repeat(9000) }));
  assertEquals(got.extra, undefined);
});

test("failures: a message of 20 MB fails its call, not the engine", async () => {
  const { value } = await runTrial({
    main: workflow(async () => {
      try {
        await step("s", () => {
          throw new Error("x".repeat(20_000_000));
        });
      } catch (e) {
        return (e as Error).message.length < 1_000_000;
      }
    }),
  });
  assertEquals(value, true);
});

test("failures: what leaves the body ends the run failed, with its name and the failed call's key", async () => {
  const { error } = await ended(async () => {
    await step("bad", () => {
      throw new CardError("Declined");
    });
  });
  assert(hasCode(error, "RUN_FAILED"));
  const { errorName, stepKey, message, detail } = error as RunFailedError;
  assertEquals([errorName, message], ["TaskError", "Declined"]);
  assertEquals([stepKey, (detail.extra as { step_key?: string } | undefined)?.step_key], ["bad", "bad"]);
});

test("failures: an error of the body itself keeps its name", async () => {
  const { error } = await ended(() => {
    throw new SyntaxError("Not a date");
  });
  assertEquals([(error as RunFailedError).errorName, error?.message], ["SyntaxError", "Not a date"]);
});

for (const [what, thrown] of [["null", null], ["undefined", undefined], ["text", "no"]] as const) {
  test(`failures: a body that throws ${what} fails`, async () => {
    const { error } = await ended(() => {
      throw thrown;
    });
    assert(hasCode(error, "RUN_FAILED"));
  });
}

test("failures: a result that cannot be recorded fails the run", async () => {
  const { error } = await ended(() => "\ud800");
  assertIncludes(error?.message ?? "", "Cannot record value: it contains a lone surrogate");
});

// --- Calls that nobody awaits ---

test("un-awaited: a task that succeeds is waited for and recorded", async () => {
  const { value, records } = await ended(() => {
    void task("t", async () => await Promise.resolve(1))();
    return "end";
  });
  assertEquals([value, settledKeys(records)], ["end", ["t"]]);
});

test("un-awaited: a task that fails fails the run and is named", async () => {
  const { error } = await ended(() => {
    void task("t", () => {
      throw new Error("Lost");
    })();
    return "end";
  });
  assertEquals([error?.message, (error as RunFailedError | undefined)?.stepKey], ["Lost", "t"]);
});

test("un-awaited: a task that fails with unawaited: ignore does not", async () => {
  const { value, records } = await ended(() => {
    void task("t", () => {
      throw new Error("Lost");
    }, { unawaited: "ignore" })();
    return "end";
  });
  assertEquals([value, settledKeys(records)], ["end", ["t"]]);
});

test("un-awaited: its retries go on after the body's end", async () => {
  let runs = 0;
  const { value, records } = await bothWays(() => {
    runs = 0;
    return {
      main: workflow(() => {
        void task("t", () => {
          if (++runs < 3) throw new Error("Again");
        }, { retry: { attempts: 2, delay: 60 } })();
        return "end";
      }),
    };
  });
  assertEquals([value, settledKeys(records)], ["end", ["t", "t#retry2", "t#2", "t#retry3", "t#3"]]);
});

test("un-awaited: a failure that somebody looks at later is not lost", async () => {
  const { value } = await ended(async () => {
    const call = task("t", () => {
      throw new Error("Seen");
    })();
    await step("s", () => 1);
    await sleep(1);
    return await call.catch((e: Error) => e.message);
  });
  assertEquals(value, "Seen");
});

test("un-awaited: sleeps and approvals are given up when the body ends", async () => {
  const { value, records } = await ended(async () => {
    void sleep(1000);
    await step("s", () => 1);
    return "end";
  });
  assertEquals([value, settledKeys(records)], ["end", ["s"]]);
  assert(records.some((r) => r.t === "abandoned" && r.key === "sleep" && r.why === "end"));
});

test("un-awaited: after a failure of the body nothing more begins, and what runs is recorded", async () => {
  const { error, records } = await bothWays(() => {
    const gate = createGate();
    return {
      main: workflow(async () => {
        const chain = async (): Promise<void> => {
          await step("first", () => gate.promise);
          for (let i = 0; i < 3; i++) await step("more", () => i);
        };
        await Promise.all([
          chain(),
          step("bad", () => {
            throw new Error("Bad");
          }),
        ]);
      }),
      during: async ({ host }) => {
        await host.settle();
        gate.open();
      },
    };
  });
  assertEquals([error?.message, settledKeys(records)], ["Bad", ["bad", "first"]]);
});

test("a rejection that comes after its attempt was given up reaches nobody", async () => {
  const gate = createGate();
  const { error } = await runTrial({
    main: workflow(async () => await task("t", () => gate.promise, { timeout: 5 })()),
    during: async ({ host, events }, run) => {
      await host.settle();
      await host.advance(5000);
      await run.result().catch(() => undefined);
      gate.fail(new Error("Too late"));
      await host.settle();
      assert(events.some((e) => e.event === "call_dropped" && e.key === "t"));
    },
  });
  assertIncludes(error?.message ?? "", 'Task "t" timed out after 5 s');
});
