/** Approvals with a schema, values for a rejection and a timeout, and errors with data: live and replayed. */
import {
  type ApprovalResult,
  defineError,
  knownFailure,
  sleep,
  type StandardSchema,
  step,
  task,
  TaskError,
  waitForApproval,
  workflow,
} from "@windkit/windmill-client/workflow";
import type { Engine, Json, RunHandle } from "@windkit/windmill-client/engine";
import { RunFailedError, ValidationError, type ValidationIssue } from "@windkit/windmill-client/errors";
import { type Bench, bothWays, type Ended, runTrial, type Trial } from "./_engine_kit.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { test } from "./harness.ts";

interface Budget {
  readonly amount: number;
  readonly note: string;
}

/** An amount, also as text, and a note that may be left out. `late` answers with a promise, `most` bounds the amount. */
function budget({ late = false, most = Infinity, described = true } = {}): StandardSchema<Budget> {
  function validate(value: unknown): { readonly value: Budget } | { readonly issues: readonly ValidationIssue[] } {
    const { amount, note = "none" } = Object(value) as { readonly amount?: unknown; readonly note?: unknown };
    const number = typeof amount === "string" && amount !== "" ? Number(amount) : amount;
    const issues: (ValidationIssue & { readonly expected: string })[] = [];
    if (typeof number !== "number" || !(number <= most)) {
      issues.push({
        message: `no amount: ${JSON.stringify(amount)}`,
        path: ["amount"],
        expected: `a number up to ${most}`,
      });
    }
    if (typeof note !== "string") issues.push({ message: "no text", path: [{ key: "note" }], expected: "text" });
    return issues.length > 0 ? { issues } : { value: { amount: number as number, note: note as string } };
  }
  const jsonSchema = {
    input: ({ target }: { readonly target: string }) => ({
      $schema: target,
      type: "object",
      properties: { note: { type: "string" }, amount: { type: "number", maximum: most === Infinity ? 1e9 : most } },
      required: ["amount"],
    }),
  };
  const standard = {
    version: 1 as const,
    vendor: "test",
    validate: (value: unknown) => late ? Promise.resolve(validate(value)) : validate(value),
  };
  return { "~standard": described ? { ...standard, jsonSchema } as typeof standard : standard };
}

const form = {
  schema: {
    $schema: "draft-2020-12",
    type: "object",
    properties: { note: { type: "string" }, amount: { type: "number", maximum: 1e9 } },
    required: ["amount"],
    order: ["note", "amount"],
  },
};

type Answer = Parameters<Engine["approve"]>[2];

function answered(main: () => unknown, answer?: Answer, more: Partial<Trial> = {}): Promise<Ended> {
  return bothWays(() => ({
    main: workflow(main),
    during: answer === undefined
      ? undefined
      : ({ engine, host }: Bench, run: RunHandle) => host.drive(engine.approve(run.id, undefined, answer)),
    ...more,
  } as Trial));
}

for (const late of [false, true]) {
  test(`approvals: the body gets what a schema makes of the answer${late ? ", also when it answers late" : ""}`, async () => {
    const { value, events, records } = await answered(async () => {
      const answer = await waitForApproval({ form: budget({ late }), key: "sign_off" });
      return answer.approved ? { sum: answer.value.amount + 1, note: answer.value.note, by: answer.approver } : null;
    }, { value: { amount: "41" }, approver: "ada" });
    assertEquals(value, { sum: 42, note: "none", by: "ada" });
    const waiting = events.find((e) => e.event === "approval_waiting");
    assertEquals(waiting?.event === "approval_waiting" ? waiting.form : undefined, form);
    // What was entered is what is recorded.
    const settled = records.find((r) => r.t === "settled" && r.key === "sign_off");
    const outcome = settled?.t === "settled" && settled.outcome.ok ? JSON.parse(settled.outcome.value) as Json : null;
    assertEquals(outcome, { value: { amount: "41" }, approver: "ada", approved: true });
  });
}

test("approvals: an answer is held against a form of plain JSON schema, and given as it is", async () => {
  const plain = {
    schema: {
      properties: {
        amount: { type: "integer", minimum: 1, maximum: 9 },
        size: { enum: ["S", "M"] },
        parts: { type: "array", items: { properties: { n: { type: "number" } }, required: ["n"] } },
        note: { type: "string", format: "email", pattern: "x" },
      },
      required: ["amount"],
    },
  };
  const refusals: string[] = [];
  const answers = [
    null,
    [],
    { amount: null },
    { amount: "5" },
    { amount: 1.5 },
    { amount: 10, size: "L", parts: [{ n: 1 }, {}, 7], note: 4 },
  ];
  const { value } = await answered(() => waitForApproval({ form: plain }), undefined, {
    during: async ({ engine, host }: Bench, run: RunHandle) => {
      for (const answer of answers) {
        const { message } = await assertRejects(() => host.drive(engine.approve(run.id, undefined, { value: answer })));
        refusals.push(message.replace(/.*still waits: /, ""));
      }
      await host.drive(
        engine.approve(run.id, undefined, { value: { amount: "$var:f/n", size: null, more: 1, note: "a" } }),
      );
    },
  } as Partial<Trial>);
  assertEquals((value as { readonly value: unknown }).value, { amount: "$var:f/n", size: null, more: 1, note: "a" });
  assertEquals(refusals.slice(0, answers.length), [
    "the top (found null, expected object)",
    "the top (found array, expected object)",
    "amount (found null, expected integer)",
    "amount (found string, expected integer)",
    "amount (found number, expected integer)",
    'amount (found number, expected maximum 9), size (found string, expected "S" or "M"), ' +
    "parts.1.n (found nothing, expected number), note (found number, expected string)",
  ]);
});

test("approvals: a form that is no JSON schema goes to the host as it is, and nothing is checked", async () => {
  const plain = { schema: { reason: { type: "string" } } };
  const { value, events } = await answered(() => waitForApproval({ form: plain }), { value: 7, approver: "ada" });
  assertEquals(value, { value: 7, approver: "ada", approved: true });
  const waiting = events.find((e) => e.event === "approval_waiting");
  assertEquals(waiting?.event === "approval_waiting" ? waiting.form : undefined, plain);
});

test("approvals: a schema that cannot describe itself takes its JSON schema beside it", async () => {
  const { value, events } = await answered(async () => {
    const answer = await waitForApproval({
      form: { schema: budget({ described: false }), jsonSchema: { properties: { amount: { type: "number" } } } },
    });
    return answer.approved ? answer.value.amount : null;
  }, { value: { amount: 5 } });
  assertEquals(value, 5);
  const waiting = events.find((e) => e.event === "approval_waiting");
  assertEquals(waiting?.event === "approval_waiting" ? waiting.form : undefined, {
    schema: { type: "object", properties: { amount: { type: "number" } }, required: [], order: ["amount"] },
  });
});

test("approvals: fields of variants are fields of one form, and what tells them apart is a choice", async () => {
  const kind = (name: string) => ({ kind: { const: name, type: "string" } });
  const jsonSchema = {
    oneOf: [
      { type: "object", properties: { ...kind("pay"), amount: { type: "number" } }, required: ["kind", "amount"] },
      { type: "object", properties: { ...kind("ask"), text: { type: "string" } }, required: ["kind", "text"] },
    ],
  };
  const { events } = await answered(
    () => waitForApproval({ form: { schema: budget(), jsonSchema } }),
    { value: { amount: 1 } },
  );
  const waiting = events.find((e) => e.event === "approval_waiting");
  assertEquals(waiting?.event === "approval_waiting" ? waiting.form : undefined, {
    schema: {
      ...jsonSchema,
      type: "object",
      properties: {
        kind: { type: "string", enum: ["pay", "ask"] },
        amount: { type: "number" },
        text: { type: "string" },
      },
      required: ["kind"],
      order: ["kind", "amount", "text"],
    },
  });
});

test("waitForApproval(): a key in place of options is a TypeError that shows where it goes", async () => {
  await assertRejects(
    () => waitForApproval("sign" as never),
    undefined,
    'Cannot wait for an approval: expected options, as in { key: "sign_off" }, found string',
  );
});

for (
  const [what, options, part] of [
    [
      "that does not describe itself",
      { form: budget({ described: false }) },
      'there is no JSON schema of this schema of "test" (it has no "~standard.jsonSchema"',
    ],
    [
      "of something that is no object",
      { form: { schema: budget(), jsonSchema: { type: "string" } } },
      "found string",
    ],
    ["of a variant that is no object", {
      form: { schema: budget(), jsonSchema: { anyOf: [{ type: "object" }, { type: "null" }] } },
    }, "its schema must be one of an object"],
    ["of nothing known", { form: { schema: budget(), jsonSchema: {} } }, "found no 'properties'"],
    ["of text", { form: { schema: budget(), jsonSchema: "{}" as unknown as object } }, "found no 'properties'"],
    ["of null", { form: { schema: budget(), jsonSchema: null as unknown as object } }, "found no 'properties'"],
  ] as const
) {
  test(`approvals: a schema ${what} is a TypeError at the call`, async () => {
    const { value } = await answered(async () => {
      const error = await waitForApproval(options).then(() => undefined, (e: unknown) => e);
      return error instanceof TypeError ? error.message : "no TypeError";
    });
    assertIncludes(String(value), part);
    assertIncludes(String(value), "Cannot ");
  });
}

test("approvals: a rejection and a timeout are not held against the schema", async () => {
  const main = () => waitForApproval({ form: budget(), timeout: 60 });
  const rejected = await answered(main, { approved: false, value: { amount: "none" }, approver: "ada" });
  assertEquals(rejected.value, { value: { amount: "none" }, approver: "ada", approved: false });
  const late = await answered(main);
  assertEquals(late.value, { value: null, approver: null, approved: false });
});

test("approvals: 'onReject' and 'onTimeout' are given instead, each for its own case", async () => {
  const main = () => waitForApproval({ timeout: 60, onReject: "rejected", onTimeout: 0 });
  assertEquals((await answered(main, { approved: false })).value, "rejected");
  assertEquals((await answered(main)).value, 0);
  assertEquals((await answered(main, { value: 1, approver: "ada" })).value, {
    value: 1,
    approver: "ada",
    approved: true,
  });
  // One that is not given leaves the answer as it is; one that is given as undefined is given.
  const half = () => waitForApproval({ form: budget(), timeout: 60, onTimeout: undefined });
  assertEquals((await answered(half, { approved: false, approver: "ada" })).value, {
    value: null,
    approver: "ada",
    approved: false,
  });
  assertEquals((await answered(half)).value, null);
});

test("approvals: an approval that nobody awaits fails nothing, with a schema as without", async () => {
  const { value } = await answered(
    async () => {
      void waitForApproval({ form: budget(), timeout: 60 });
      await sleep(1);
      return "done";
    },
    undefined,
    { during: ({ engine, host }, run) => host.drive(engine.approve(run.id, "approval", { value: { amount: 1 } })) },
  );
  assertEquals(value, "done");
});

test("approvals: a recorded answer that does not fit a changed schema is a ValidationError at the await", async () => {
  const secret = "hunter2-hunter2";
  for (const replay of ["when-needed", "always"] as const) {
    let most = 100;
    const { value } = await runTrial({
      main: workflow(async () => {
        const answer = waitForApproval({ form: budget({ most }), key: "sign_off" });
        await waitForApproval({ key: "other" });
        return await answer.then(
          ({ approved }) => approved,
          (e: unknown) =>
            e instanceof ValidationError ? [e.message, JSON.stringify([e, e.stack]).includes(secret)] : null,
        );
      }),
      during: async ({ engine, host }, run) => {
        await host.drive(engine.approve(run.id, "sign_off", { value: { amount: 50, note: secret } }));
        await host.settle();
        if (replay === "always") most = 10; // a replay is of another version of the code
        await host.drive(engine.approve(run.id, "other"));
      },
    }, replay);
    assertEquals(
      value,
      replay === "when-needed" ? true : [
        'Expected the answer of approval "sign_off" to fit its schema, found a difference at amount ' +
        "(found number, expected a number up to 10)",
        false,
      ],
    );
  }
});

// --- Errors with data ---

const stock: StandardSchema<{ item: string; left: number }> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => {
      const { item, left } = Object(value) as { readonly item?: unknown; readonly left?: unknown };
      const issues: (ValidationIssue & { readonly expected: string })[] = [];
      if (typeof item !== "string") issues.push({ message: "no text", path: ["item"], expected: "text" });
      if (typeof left !== "number") {
        issues.push({ message: `no number: ${left}`, path: ["left"], expected: "a number" });
      }
      return issues.length > 0 ? { issues } : { value: { item: item as string, left: left as number } };
    },
  },
};
const OutOfStock = defineError("OutOfStock", stock);
const Declined = defineError("Declined", stock, { retryable: false });

/** What a body knows of an error. */
function known(error: unknown): Json {
  if (!(error instanceof OutOfStock)) return [error instanceof Error ? error.name : typeof error];
  return [error.data.item, error.data.left, error.message, error instanceof Declined];
}

for (const kind of ["step", "task"] as const) {
  test(`errors: what a ${kind} throws is known by its class in the body, with its data`, async () => {
    const { value, error } = await answered(async () => {
      function fail(): never {
        throw new OutOfStock({ item: "lamp", left: 2 }, "Not enough lamps");
      }
      const failed = kind === "step" ? step("reserve", fail) : task(fail)();
      const error = await failed.then(() => undefined, (e: unknown) => e);
      assert(error instanceof TaskError && error.name === "TaskError", "no TaskError");
      const { cause } = error;
      assert(cause instanceof OutOfStock && !(cause instanceof TaskError) && !(cause instanceof Declined), "no cause");
      return [known(error), cause.name, cause.data.left, error.result.error.extra as Json];
    });
    if (error !== undefined) throw error;
    assertEquals(value, [["lamp", 2, "Not enough lamps", false], "OutOfStock", 2, { data: { item: "lamp", left: 2 } }]);
  });
}

test("errors: one that leaves the body is known by who waits for the run", async () => {
  for (const inside of [true, false]) {
    const { error } = await answered(async () => {
      function fail(): never {
        throw new OutOfStock({ item: "lamp", left: 0 });
      }
      if (!inside) fail();
      await step("reserve", fail);
    });
    assert(error instanceof RunFailedError, String(error));
    assertEquals(known(error), ["lamp", 0, "OutOfStock", false]);
    const found = knownFailure(error, [Declined, OutOfStock]);
    assertEquals([found?.name, found?.data, found?.error === error], ["OutOfStock", { item: "lamp", left: 0 }, true]);
  }
});

test("errors: a workflow that failed because of one is known by what it left behind", async () => {
  const { error } = await answered(async () => {
    await step("reserve", () => {
      throw new OutOfStock({ item: "lamp", left: 3 }, "Not enough lamps");
    });
  });
  assert(error instanceof RunFailedError && error.errorName === "TaskError", String(error));
  // What whoever started it records of it.
  assertEquals(known(new TaskError(error.message, "child", { error: error.detail })), [
    "lamp",
    3,
    "Not enough lamps",
    false,
  ]);
});

test("errors: one that is not to be repeated is not", async () => {
  for (const [Class, times] of [[OutOfStock, 3], [Declined, 1]] as const) {
    let calls = 0;
    const { value } = await runTrial({
      main: workflow(async () => {
        const pay = task("pay", async () => {
          calls++;
          throw new Class({ item: "lamp", left: 0 });
        }, { retry: { attempts: 2 } });
        return await pay().then(() => [], (e: unknown) => [e instanceof Class, e instanceof TaskError]);
      }),
    });
    assertEquals([value, calls], [[true, true], times]);
  }
});

test("errors: others are not taken for one of a class", () => {
  const data = { item: "lamp", left: 1 };
  const record = (name: string, extra?: unknown) => new TaskError("m", "s", { error: { name, message: "m", extra } });
  assertEquals(known(record("OutOfStock", { data })), ["lamp", 1, "m", false]);
  for (
    const other of [
      record("OutOfStock"),
      record("OutOfStock", { data: { item: "lamp" } }),
      record("OutOfStock", null),
      record("Declined", { data }),
      record("TaskError", { result: "none" }),
      new Error("OutOfStock"),
      Object.assign(new Error("x"), { name: "OutOfStock" }),
      new Proxy({}, {
        get() {
          throw new Error("No");
        },
      }),
      null,
      undefined,
      "OutOfStock",
    ]
  ) assert(!(other instanceof OutOfStock), `one of those that are none was taken for one`);
  assertEquals([record("OutOfStock").cause, record("OutOfStock").data], [undefined, undefined]);
  // A workflow that failed because another did, because a task did.
  const inner = { error: { name: "OutOfStock", message: "m", extra: { data } } };
  const nested = record("TaskError", {
    result: { error: { name: "TaskError", message: "m", extra: { result: inner } } },
  });
  assertEquals(known(nested), ["lamp", 1, "m", false]);
});

test("errors: a class that extends one keeps what is recorded, and tells its own", () => {
  class Sold extends OutOfStock {}
  const own = new Sold({ item: "lamp", left: 1 });
  const base = new OutOfStock({ item: "lamp", left: 1 });
  const recorded = new TaskError("m", "s", { error: { name: "OutOfStock", message: "m", extra: { data: base.data } } });
  const is = (value: unknown) => [value instanceof Sold, value instanceof OutOfStock];
  assertEquals([is(own), is(base), is(recorded)], [[true, true], [false, true], [true, true]]);
});

test("errors: data is in its recorded form from the start, and the cause is kept beside it", () => {
  const cause = Object.assign(new Error("socket"), { big: "x".repeat(9000) });
  const error = new OutOfStock({ item: "lamp", left: 1, at: new Date(0) } as { item: string; left: number }, "m", {
    cause,
  });
  assertEquals([error.name, error.message, error.data, error.cause === cause], [
    "OutOfStock",
    "m",
    { at: "1970-01-01T00:00:00.000Z", item: "lamp", left: 1 },
    true,
  ]);
  assert(error.stack?.includes("m") === true && error instanceof Error, "no error");
  assertEquals([OutOfStock.name, new Declined({ item: "a", left: 0 }).message], ["OutOfStock", "Declined"]);
});

test("errors: data that does not fit is a TypeError at the throw, without the data", async () => {
  const secret = "hunter2-hunter2";
  const wrong = { item: "lamp", left: secret } as unknown as { item: string; left: number };
  const { value } = await answered(async () => {
    const error = await step("reserve", () => {
      throw new OutOfStock(wrong);
    }).then(() => undefined, (e: unknown) => e);
    return error instanceof TaskError ? [error.result.error.name, error.message] : null;
  });
  assertEquals(value, [
    "TypeError",
    'Cannot make a "OutOfStock" error: its data must fit its schema, found a difference at left (found string, expected a number)',
  ]);
  const late = defineError("Late", budget({ late: true }));
  for (
    const [make, part] of [
      [() => new late({ amount: 1, note: "" }), "its schema must answer at once, found one that gives a promise"],
      [() => new OutOfStock({ item: "é".repeat(5000), left: 1 }), "its data must have at most 8000 bytes, found 100"],
      [() => new OutOfStock({ item: "a\0", left: 1 }), "U+0000"],
    ] as const
  ) {
    const error = await assertRejects(async () => make());
    assert(error instanceof TypeError, error.name);
    assertIncludes(error.message, part);
  }
});

test("errors: a name that is none, and a schema that is none, are a TypeError when the class is made", async () => {
  for (
    const name of ["", "TaskError", "Error", "RangeError", "a b", "__proto__ ", "x".repeat(300), 7 as unknown as string]
  ) {
    const error = await assertRejects(
      async () => defineError(name, stock),
      undefined,
      "'name' must be a name of its own",
    );
    assert(error instanceof TypeError && error.message.length < 400, error.message);
  }
  await assertRejects(
    async () => defineError("Fine", {} as unknown as typeof stock),
    undefined,
    'Cannot define error "Fine": expected a schema of the Standard Schema kind',
  );
});

test("approvals: the plain call has the type that it had", async () => {
  const { value } = await answered(async () => {
    const answer: ApprovalResult = await waitForApproval({ timeout: 60 });
    return answer.approved;
  }, {});
  assertEquals(value, true);
});
