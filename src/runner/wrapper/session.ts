/**
 * Drives a workflow's body in its boxed process: a session whose inputs and commands are lines. Closures of steps and inline tasks
 * run here, too.
 *
 * @module
 */
import { wallClock } from "../../platform/clock.ts";
import { hop } from "../../platform/hop.ts";
import { isConcurrent, runWith } from "../../platform/run_context.ts";
import type { BodySession } from "../../workflow/body_session.ts";
import { bodyOf } from "../../workflow/definition.ts";
import { createSession } from "../../workflow/session.ts";
import { dateOf } from "./dates.ts";
import type { Parameters } from "./protocol.ts";
import type { FromBody, SessionState, ToBody } from "./session_lines.ts";

type Body = (...args: never[]) => unknown;
type Begin = Extract<ToBody, { readonly begin: unknown }>;

/** What a rehearsal needs of the package. */
interface Authoring {
  workflow(body: () => Promise<unknown>): unknown;
  step(name: string, fn: () => unknown): Promise<unknown>;
}

/**
 * Runs a workflow of one step in a process that waits for a job. It looks up what a workflow needs of the runtime (15 to 60 ms in Deno),
 * and what a workflow runs is compiled then: the first call of one comes 2 ms earlier (measured).
 */
export async function rehearse(client: Readonly<Record<string, unknown>>): Promise<void> {
  isConcurrent();
  const { workflow, step } = client as unknown as Authoring; // `as`: the package's own exports
  const answers: string[] = [];
  let wake = (): void => {};
  function answer(message: ToBody): void {
    answers.push(JSON.stringify(message));
    wake();
  }
  async function* lines(): AsyncGenerator<string> {
    for (;;) {
      const line = answers.shift();
      if (line !== undefined) yield line;
      else await new Promise<void>((resolve) => wake = resolve);
    }
  }
  const id = "rehearsal";
  answer({
    begin: {
      ...{ v: 1, id, workflow: id, sourceHash: "", sdk: "", flags: [], codec: 1, seed: "0".repeat(32) },
      ...{ args: "{}", createdAt: 0 },
    },
    history: [],
  });
  await runSession({ default: workflow(() => step(id, () => 1)) }, lines(), (line) => {
    const message = JSON.parse(line) as FromBody;
    if ("ran" in message) return answer({ feed: [{ c: "settle", key: message.ran, outcome: message.outcome }] });
    for (const command of "commands" in message ? message.commands : []) {
      if (command.c !== "call") continue;
      answer({ invoke: command.key, info: { runId: id, attempt: 1, idempotencyKey: id } });
    }
  });
}

/**
 * Runs a workflow until its driver says that it is over.
 *
 * @param exports the script's module
 * @param lines what the driver says
 * @param say says a line to it
 * @param parameters those of the workflows, as far as the script's text tells
 * @throws Error when the script exports no workflow
 */
export async function runSession(
  exports: Readonly<Record<string, unknown>>,
  lines: AsyncIterable<string>,
  say: (line: string) => void,
  parameters: Parameters = {},
): Promise<void> {
  const [name, entry] = entryOf(exports);
  const body = bodyOf(entry);
  const { names = [], dates = [] } = parameters[name] ?? {};
  const tell = (message: FromBody): void => say(JSON.stringify(message));
  const running = new Map<string, AbortController>();
  const over = Promise.withResolvers<void>();
  let session: BodySession | undefined;
  let told = "";
  let heard = 0;

  function report(current: BodySession): void {
    const commands = current.take();
    const { busy, calls, pending, replaying, undos, seeded, compensating } = current;
    const state: SessionState = { heard, busy, calls, pending, replaying, undos, seeded, compensating };
    const text = JSON.stringify(state);
    if (commands.length === 0 && text === told) return;
    told = text;
    tell({ state, commands });
    // Nothing is asked after that: the process need not wait to be told.
    if (commands.some(({ c }) => c === "close")) over.resolve();
  }
  /** Says what has changed once everything is handed over. */
  function reportLater(current: BodySession): void {
    hop(() => current.busy ? reportLater(current) : report(current));
  }
  function begin({ begin: header, history, only, can = [], hostName = "this host", changes }: Begin): BodySession {
    const made: BodySession = createSession({
      body,
      argument: (value, i) => dates.includes(names[i] ?? "") ? dateOf(value) : value,
      can: new Set(can),
      hostName,
      ...(changes === undefined ? undefined : { changes }),
      now: wallClock,
      hop,
      enter: (current, info, fn) =>
        runWith(info === undefined ? { session: current } : { session: current, info }, fn, info !== undefined),
      wake: () => queueMicrotask(() => report(made)),
      late: () => tell({ late: true }),
    });
    made.begin(header, history, only === undefined ? {} : { only });
    return made;
  }

  async function listen(): Promise<void> {
    for await (const line of lines) {
      const message = JSON.parse(line) as ToBody;
      if ("end" in message) return;
      heard++;
      if ("begin" in message) {
        session = begin(message);
      } else if (session === undefined) {
        throw new Error(`Cannot drive a workflow: its first line must begin it, found ${line.slice(0, 80)}`);
      } else if ("feed" in message) {
        session.feed(message.feed);
      } else if ("invoke" in message) {
        const { invoke: key, info } = message;
        const controller = new AbortController();
        const current = session;
        running.set(key, controller);
        void current.invoke(key, { ...info, key, signal: controller.signal }).then((outcome) => {
          if (running.get(key) === controller) running.delete(key);
          tell({ ran: key, outcome });
        });
      } else if ("abort" in message) {
        running.get(message.abort)?.abort(new DOMException(message.reason, "AbortError"));
      } else if ("check" in message) {
        const { n } = message;
        void session.check(message.check, message.value).then((problem) =>
          tell({ checked: n, problem: problem ?? null })
        );
      } else {
        session.giveUp();
      }
      if (session !== undefined) reportLater(session);
    }
  }
  await Promise.race([listen(), over.promise]);
}

/** The workflow of a file: the default export when it is one, else the first by name (wac-protocol 1.4). */
function entryOf(exports: Readonly<Record<string, unknown>>): readonly [name: string, workflow: Body] {
  const names = ["default", ...Object.keys(exports).filter((name) => name !== "default").sort()];
  const found = names.find((name) => {
    const value = exports[name];
    return typeof value === "function" && (value as { readonly _is_workflow?: unknown })._is_workflow === true;
  });
  // Windmill's words, as far as they are known.
  if (found === undefined) throw new Error("No workflow() entrypoint found: export what workflow() returns");
  return [found, exports[found] as Body];
}
