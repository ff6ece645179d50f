/**
 * A workflow's body in a boxed process, driven over lines: the journal is the engine's.
 *
 * @module
 */
import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
import { createEngine } from "../../src/engine/engine.ts";
import type { FromBody, ToBody } from "../../src/runner/wrapper/session_lines.ts";
import { createMemoryStorage } from "../../src/storage/memory.ts";
import { journalView } from "../../src/workflow/journal_view.ts";
import type { Command, JournalRecord, Key, Outcome, RecordBody } from "../../src/workflow/journal.ts";
import { nameTasks } from "../../src/workflow/task_names.ts";
import { createVirtualHost } from "../suite/_virtual_host.ts";
import { type Did, runnerKit } from "./_runner_kit.ts";

const kit = await runnerKit();
const file = new URL("./_runner_workflow.ts", import.meta.url);
const source = await Deno.readTextFile(file);
Deno.test.afterAll(async () => await kit[Symbol.asyncDispose]());

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `runner workflows: ${name}`, fn, sanitizeOps: false, sanitizeResources: false });
}

/** The workflow on the engine, in this process. */
async function onEngine(): Promise<readonly JournalRecord[]> {
  // As a runner loads it: with the names of its tasks.
  const dir = new URL("../dist/", import.meta.url).pathname;
  await Deno.mkdir(dir, { recursive: true });
  const copy = await Deno.makeTempFile({ dir, suffix: ".ts" });
  try {
    await Deno.writeTextFile(copy, nameTasks(source));
    const { main } = await import(copy) as typeof import("./_runner_workflow.ts");
    const host = createVirtualHost();
    const engine = await createEngine({ storage: createMemoryStorage(), host, workflows: { main } });
    const run = await host.drive(engine.start("main", { from: 1, to: 7 }, { runId: "run-1" }));
    await host.drive(run.result());
    const records = await engine.journal(run.id);
    await engine.close();
    return records;
  } finally {
    await Deno.remove(copy);
  }
}

interface Driven extends Did {
  readonly records: readonly JournalRecord[];
  readonly invoked: readonly Key[];
}

/** Drives the body in a boxed process to its end: time passes at once, the approval times out. */
async function inBox(history: readonly JournalRecord[]): Promise<Driven> {
  const [first] = history;
  ok(first?.t === "opened");
  const { header } = first;
  const records = [...history];
  const invoked: Key[] = [];
  const calls = new Map<Key, Extract<Command, { readonly c: "call" }>>();
  let made = 0;
  let send = (_message: ToBody): void => {
    throw new Error("Not attached");
  };
  const append = (body: RecordBody): void => void records.push({ ...body, seq: records.length, at: header.createdAt });
  function settle(key: Key, outcome: Outcome, ahead: boolean): void {
    const fp = ahead ? undefined : { fp: calls.get(key)?.fp ?? { kind: "step" as const, name: key, digest: "" } };
    append({ t: "settled", key, after: made, outcome, startedAt: header.createdAt, ...fp });
    send({ feed: [{ c: "settle", key, outcome }] });
  }
  function receive(line: string): void {
    const message = JSON.parse(line) as FromBody;
    if ("ran" in message) return settle(message.ran, message.outcome, false);
    if (!("commands" in message)) throw new Error(`Unexpected: ${line}`);
    made = message.state.calls;
    for (const command of message.commands) {
      if (command.c === "call") {
        const { key, call, fp } = command;
        calls.set(key, command);
        if (call.kind === "task" || call.kind === "step") {
          invoked.push(key);
          const idempotencyKey = `${header.id}/${call.base}`;
          send({ invoke: key, info: { runId: header.id, attempt: call.attempt, idempotencyKey } });
        } else {
          append({ t: "called", key, call, fp, dueAt: header.createdAt });
          const value = call.kind === "approval" ? '{"value":null,"approved":false,"approver":null}' : "true";
          settle(key, { ok: true, value }, true);
        }
      } else if (command.c === "close") {
        const { status, outcome } = command;
        append({ t: "closed", status, ...(outcome === undefined ? {} : { outcome }) });
        send({ end: true });
      }
    }
  }
  const did = await kit.run(source, {
    path: "f/flows/sample",
    timeoutMs: 20_000,
    session: {
      receive,
      attach(write) {
        send = (message) => write(JSON.stringify(message));
        send({ begin: header, history });
      },
    },
  });
  return { ...did, records, invoked };
}

function resultOf(records: readonly JournalRecord[]): unknown {
  const last = records.at(-1);
  ok(last?.t === "closed" && last.outcome?.ok === true, "The run did not complete");
  return JSON.parse(last.outcome.value);
}

test("the same text gives the same journal and result as on the engine", async () => {
  const local = await onEngine();
  const boxed = await inBox(local.slice(0, 1));
  equal(boxed.outcome, { ok: true, result: null });
  equal(boxed.records.at(-1)?.t, "closed");
  equal(journalView(boxed.records), journalView(local));
  equal(resultOf(boxed.records), resultOf(local));
  ok(boxed.invoked.includes("named"), "the worker writes a task's name in");
});

test("goes on from any part of a journal, and runs nothing that is in it", async () => {
  const local = await onEngine();
  for (const kept of [2, 6, local.length - 2]) {
    const history = local.slice(0, kept);
    const boxed = await inBox(history);
    equal(resultOf(boxed.records), resultOf(local), `after ${kept} records`);
    const known = new Set(history.flatMap((r) => r.t === "settled" ? [r.key] : []));
    equal(boxed.invoked.filter((key) => known.has(key)), []);
  }
});

test("answers are checked, signals aborted, and a file without a workflow is an error", async () => {
  const said: FromBody[] = [];
  const local = await onEngine();
  const [first] = local;
  ok(first?.t === "opened");
  let send = (_message: ToBody): void => {};
  const content = `
import { step, taskInfo, waitForApproval, workflow } from "windmill-client";
const schema = { "~standard": { version: 1, vendor: "test", validate: (v) => v.n === 1 ? { value: v } : { issues: [{ message: "one only" }] } } };
export default workflow(async () => {
  try {
    await step("long", () => new Promise((_, reject) => {
      const { signal } = taskInfo();
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason));
    }));
  } catch (error) { console.log(error.message); }
  return await waitForApproval({ form: { schema, jsonSchema: { type: "object", properties: {} } } });
});`;
  const did = await kit.run(content, {
    timeoutMs: 20_000,
    session: {
      attach(write) {
        send = (message) => write(JSON.stringify(message));
        send({ begin: first.header, history: [first] });
      },
      receive(line) {
        const message = JSON.parse(line) as FromBody;
        said.push(message);
        if ("ran" in message) send({ feed: [{ c: "settle", key: message.ran, outcome: message.outcome }] });
        if ("checked" in message) {
          if (message.checked === 1) {
            return send({ check: "approval", value: { n: 1 }, n: 2 });
          }
          send({ end: true });
        }
        for (const command of "commands" in message ? message.commands : []) {
          if (command.c === "close") send({ end: true });
          if (command.c !== "call") continue;
          if (command.call.kind === "step") {
            send({ invoke: command.key, info: { runId: "r", attempt: 1, idempotencyKey: "r/long" } });
            send({ abort: command.key, reason: "enough" });
          } else if (command.call.kind === "approval") {
            send({ check: "approval", value: { n: 2 }, n: 1 });
          }
        }
      },
    },
  });
  equal(did.outcome, { ok: true, result: null });
  const problems = said.flatMap((one) => "checked" in one ? [one.problem] : []);
  equal([typeof problems[0], problems[1]], ["string", null]);
  match(did.log, /enough/);
  const none = await kit.run("export function main() {}", { session: { receive() {}, attach() {} } });
  match(String(none.error?.message), /^No workflow\(\) entrypoint found/);
});
