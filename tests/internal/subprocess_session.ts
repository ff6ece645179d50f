/**
 * A session in a process of its own, driven over JSON lines: the third driver that the vocabulary of `workflow/journal.ts` must
 * carry. Run as a program it is the session's side; `driveSubprocess` is the driver's.
 *
 * To the session: `{"begin": header, "history": records}`, `{"feed": inputs}`, `{"invoke": key, "info": ...}`. Back:
 * `{"commands": [...], "calls": n}`, `{"ran": key, "outcome": ...}`.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { journalView, type ViewedCall } from "../../src/workflow/journal_view.ts";
import { bodyOf } from "../../src/workflow/definition.ts";
import type { Command, Input, JournalRecord, Key, Outcome, RecordBody, RunHeader } from "../../src/workflow/journal.ts";
import { createSession } from "../../src/workflow/session.ts";
import { createLocalHost } from "../../src/engine/host.ts";
import { parallel, sleep, step, task, taskInfo, waitForApproval, workflow } from "../../src/cluster/authoring.ts";

const flaky = task("flaky", async (n: number) => {
  await Promise.resolve();
  if (taskInfo().attempt === 1 && n % 2 === 0) throw new RangeError(`Refused ${n}`);
  return { n, square: n * n, when: new Date(n) };
}, { retry: { attempts: 1, delay: 1 } });

/** The workflow that both drivers run: every kind of call that this version has. */
export const sample = workflow(async (from: number, to: number) => {
  const start = await step("start", () => taskInfo().idempotencyKey.length);
  const numbers = Array.from({ length: to - from }, (_, i) => from + i);
  const all = await parallel(numbers, (n) => flaky(n), { concurrency: 3 });
  const [slept, failed] = await Promise.allSettled([
    sleep(2),
    step("bad", () => {
      throw Object.assign(new Error("No"), { code: 7 });
    }),
  ]);
  const answer = await waitForApproval({ key: "sign", timeout: 5, form: { type: "object" } });
  return { start, all, states: [slept.status, failed.status], answer };
});

type ToSession =
  | { readonly begin: RunHeader; readonly history: readonly JournalRecord[] }
  | { readonly feed: readonly Input[] }
  | { readonly invoke: Key; readonly attempt: number; readonly run: string };
type ToDriver =
  | { readonly commands: readonly Command[]; readonly calls: number }
  | { readonly ran: Key; readonly outcome: Outcome };

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** The session's side: commands out, outcomes in. */
async function serve(): Promise<void> {
  const host = createLocalHost();
  const say = (message: ToDriver): void =>
    void Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
  const session = createSession({
    body: bodyOf(sample),
    hop: host.hop,
    enter: (current, info, fn) =>
      host.context.run(info === undefined ? { session: current } : { session: current, info }, fn),
    wake: () =>
      queueMicrotask(() => {
        const commands = session.take();
        if (commands.length > 0) say({ commands, calls: session.calls });
      }),
  });
  for await (const line of linesOf(Deno.stdin.readable)) {
    const message = JSON.parse(line) as ToSession;
    if ("begin" in message) session.begin(message.begin, message.history);
    else if ("feed" in message) session.feed(message.feed);
    else {
      const { invoke: key, attempt, run } = message;
      const info = { runId: run, key, attempt, idempotencyKey: `${run}/${key}`, signal: new AbortController().signal };
      void session.invoke(key, info).then((outcome) => say({ ran: key, outcome }));
    }
  }
}

/** How a run in a subprocess ended. */
export interface SubprocessRun {
  readonly records: readonly JournalRecord[];
  readonly view: readonly ViewedCall[];
  /** Executions that were asked of the session. */
  readonly invoked: readonly Key[];
}

/** Drives the sample to its end. Time passes at once; the approval times out. With a history, goes on from there. */
export async function driveSubprocess(
  header: RunHeader,
  history: readonly JournalRecord[] = [{ t: "opened", header, seq: 0, at: header.createdAt }],
): Promise<SubprocessRun> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", fileURLToPath(import.meta.url)],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = process.stdin.getWriter();
  const records = [...history];
  const invoked: Key[] = [];
  const calls = new Map<Key, Extract<Command, { readonly c: "call" }>>();
  let made = 0;
  const send = (message: ToSession): Promise<void> =>
    writer.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
  const append = (body: RecordBody): void => void records.push({ ...body, seq: records.length, at: header.createdAt });
  const settle = async (key: Key, outcome: Outcome, ahead: boolean): Promise<void> => {
    const fp = ahead ? undefined : { fp: calls.get(key)?.fp ?? { kind: "step" as const, name: key, digest: "" } };
    append({ t: "settled", key, after: made, outcome, startedAt: header.createdAt, ...fp });
    await send({ feed: [{ c: "settle", key, outcome }] });
  };
  await send({ begin: header, history });
  let ended = false;
  for await (const line of linesOf(process.stdout)) {
    const message = JSON.parse(line) as ToDriver;
    if ("ran" in message) {
      await settle(message.ran, message.outcome, false);
      continue;
    }
    made = message.calls;
    for (const command of message.commands) {
      if (command.c === "call") {
        const { key, call, fp } = command;
        calls.set(key, command);
        if (call.kind === "task" || call.kind === "step") {
          invoked.push(key);
          await send({ invoke: key, attempt: call.attempt, run: header.id });
        } else {
          append({ t: "called", key, call, fp, dueAt: header.createdAt });
          const value = call.kind === "approval" ? '{"value":null,"approved":false,"approver":null}' : "true";
          await settle(key, { ok: true, value }, true);
        }
      } else if (command.c === "close") {
        const { status, outcome } = command;
        append({ t: "closed", status, ...(outcome === undefined ? {} : { outcome }) });
        ended = true;
      }
    }
    if (ended) break;
  }
  await writer.close();
  await process.status;
  return { records, view: journalView(records), invoked };
}

if (import.meta.main) await serve();
