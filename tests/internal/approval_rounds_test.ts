/** Approvals with a schema and errors with data under the Windmill worker: rounds, and what the server records (wac-protocol 5.3, 8). */
import assert from "node:assert/strict";
import { z } from "zod";
import { defineError, step, task, TaskError, waitForApproval, workflow } from "../../src/cluster/hosted.ts";
import { round } from "./_worker_round_kit.ts";

/** What a round ends with, as the wrapper's message; a failure has its name and message. */
async function oneRound(workflow: unknown, checkpoint: object): Promise<Readonly<Record<string, unknown>>> {
  const { end } = await round(workflow, checkpoint);
  if (end.type === "complete") return { ...end };
  if (end.type === "failed") return { type: "failed", name: end.error.name, message: end.error.message };
  const { mode: type, steps: _, ...info } = end.info;
  return { type, ...info };
}

const schema = z.object({ amount: z.coerce.number().max(100), note: z.string().default("none") });

const asking = workflow(async () => {
  const answer = await waitForApproval({
    form: schema,
    key: "sign_off",
    timeout: 60,
    onTimeout: "late",
    onReject: "no",
  });
  return typeof answer === "string" ? answer : { ...answer.value, by: answer.approver };
});

Deno.test("a round that waits for an approval gives the server the form that its page reads", async () => {
  const { form, type, key, timeout } = await oneRound(asking, { completed_steps: {} });
  assert.deepEqual([type, key, timeout], ["approval", "sign_off", 60]);
  const { schema: shown } = form as { readonly schema: Record<string, unknown> };
  // Fields are in the schema's order only where it is told: those of an object are in jsonb's.
  assert.deepEqual([shown.type, shown.order], ["object", ["amount", "note"]]);
  assert.deepEqual(Object.keys(shown.properties as object), ["note", "amount"]);
});

Deno.test("a round goes on with what the schema makes of the server's record, or with what is given instead", async () => {
  for (
    const [record, result] of [
      [{ value: { amount: "7" }, approver: "ada", approved: true }, { amount: 7, note: "none", by: "ada" }],
      [{ value: { amount: "many" }, approver: "anonymous", approved: false }, "no"],
      [{ value: null, approver: null, approved: false }, "late"],
    ] as const
  ) {
    assert.deepEqual(await oneRound(asking, { completed_steps: { sign_off: record } }), {
      type: "complete",
      result,
    });
  }
});

Deno.test("an answer that nobody checked before fails at the await, without the answer", async () => {
  // What the page sends where it shows no form.
  for (const value of [{}, null, { amount: "hunter2-hunter2" }, { amount: 101 }]) {
    const record = { value, approver: "ada", approved: true };
    const { type, name, message } = await oneRound(asking, { completed_steps: { sign_off: record } });
    assert.deepEqual([type, name], ["failed", "ValidationError"]);
    assert.match(
      String(message),
      /^Expected the answer of approval "sign_off" to fit its schema, found a difference at (amount|the top) \(found \w+, expected \w+\)$|amount \(found number\)$/,
    );
  }
});

const OutOfStock = defineError("OutOfStock", z.object({ left: z.number() }));

const buying = workflow(async () => {
  const reserve = task("reserve", async () => {
    throw new OutOfStock({ left: 2 }, "Not enough lamps");
  });
  try {
    return await reserve();
  } catch (error) {
    if (error instanceof OutOfStock && error instanceof TaskError) return ["task", error.data.left, error.child_job_id];
    throw error;
  }
});

Deno.test("an error with data is known after the server recorded the child job's failure", async () => {
  const child = await oneRound(buying, { completed_steps: {}, _executing_key: "reserve" });
  assert.deepEqual([child.type, child.name, child.message], ["failed", "OutOfStock", "Not enough lamps"]);
  // As `wac_failure_record` writes it of the child's result.
  const record = {
    __wmill_error: true,
    message: "Not enough lamps",
    step_key: "reserve",
    child_job_id: "0193",
    result: {
      error: {
        name: "OutOfStock",
        message: "Not enough lamps",
        stack: "x",
        extra: { data: { left: 2 } },
        step_id: "a",
      },
    },
  };
  assert.deepEqual(await oneRound(buying, { completed_steps: { reserve: record } }), {
    type: "complete",
    result: ["task", 2, "0193"],
  });
  // Too large a record has no fields: it is one of no class.
  const { extra: _, ...bare } = record.result.error;
  const omitted = { ...record, result: { error: { ...bare, extra_omitted: true } } };
  const { type, name } = await oneRound(buying, { completed_steps: { reserve: omitted } });
  assert.deepEqual([type, name], ["failed", "TaskError"]);
});

Deno.test("an error with data that a step throws is posted with its data, and known in the same round and in the next", async () => {
  const main = workflow(async () => {
    const failed = await step("pick", () => {
      throw new OutOfStock({ left: 1 });
    }).then(() => undefined, (error: unknown) => error);
    return failed instanceof OutOfStock ? failed.data.left : "other";
  });
  const first = await oneRound(main, { completed_steps: {} });
  const posted = first.result as {
    readonly result: { readonly error: { readonly name: string; readonly extra: unknown } };
  };
  assert.deepEqual([first.type, first.key], ["inline_checkpoint", "pick"]);
  assert.deepEqual([posted.result.error.name, posted.result.error.extra], ["OutOfStock", { data: { left: 1 } }]);
  assert.deepEqual(await oneRound(main, { completed_steps: { pick: first.result } }), {
    type: "complete",
    result: 1,
  });
});
