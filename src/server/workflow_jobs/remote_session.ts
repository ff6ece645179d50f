/**
 * The session of a workflow whose body runs in a process of its own: the engine's inputs become lines, and the lines that come
 * back its commands. A session has no process before {@linkcode RemoteSession.connect}; until then it replays.
 *
 * @module
 */
import { encode } from "../../base/canonical.ts";
import type { JobError } from "../../runner/ports.ts";
import type { FromBody, SessionState, ToBody } from "../../runner/wrapper/session_lines.ts";
import type { DrivenSession, SessionPorts } from "../../workflow/body_session.ts";
import type {
  Command,
  Failure,
  Input,
  JournalRecord,
  Json,
  Key,
  Outcome,
  RunHeader,
  TaskInfo,
} from "../../workflow/journal.ts";
import type { LineReader } from "./from_body.ts";

/** Who finds a process for a session. */
export interface SessionHost {
  readonly read: LineReader;
  /** The session has a body to run. */
  need(session: RemoteSession): void;
  /** Looks at what the body asks for; an error ends the run. */
  refusal(command: Command): JobError | undefined;
}

/** A session that is driven over lines. */
export interface RemoteSession extends DrivenSession {
  readonly header: RunHeader;
  /** The history that it began with. */
  readonly history: readonly JournalRecord[];
  /** Its body has ended: its process may. */
  readonly over: boolean;
  /** Result of the body, as canonical text, once it has returned. */
  readonly result: string | undefined;
  /** Lines that its process has read, and whether some are not. */
  readonly heard: number;
  readonly unread: boolean;
  /** Nothing is asked of its process any more. */
  readonly left: boolean;
  /** Gives it a process. `args`: the run's arguments with what they refer to filled in. */
  connect(send: (line: string) => void, args: Readonly<Record<string, Json>> | undefined): void;
  /** A line of the process. Throws for one that no body says. */
  receive(line: string): void;
  /** Ends the run: its body cannot go on. */
  fail(error: JobError): void;
  /** Gives a replay up that takes too long. */
  stopReplay(): void;
  /** Aborts the signal of a closure that runs. */
  abort(key: Key, reason: string): void;
  /** Calls back when nothing is asked any more. */
  onLeave(then: () => void): void;
}

/** Before a process has said anything. */
const UNKNOWN: SessionState = {
  heard: 0,
  busy: true,
  calls: 0,
  pending: 0,
  replaying: true,
  undos: 0,
  seeded: false,
  compensating: false,
};

/** An error of a job as the failure of its run. */
export function failureOfJob({ name, message, stack, extra }: JobError, stepKey: Key): Failure {
  return {
    message,
    stepKey,
    error: {
      name,
      message,
      ...(typeof stack === "string" ? { stack } : undefined),
      ...(extra === undefined ? undefined : { extra }),
    },
  };
}

/** Frames of this package and of the runtime, which lead nowhere for who wrote the workflow. */
const OWN_FRAME = /\/src\/(?:runner|workflow|platform|cluster|engine)\/[\w/]+\.[jt]s:|\(?ext:/;

/** A failure without places of this machine. */
function shown(failure: Failure): Failure {
  const { stack, ...error } = failure.error;
  if (stack === undefined) return failure;
  const lines = stack.split("\n").filter((line) => !/^\s+at /.test(line) || !OWN_FRAME.test(line));
  return { ...failure, error: { ...error, stack: lines.join("\n") } };
}

function shownOutcome(outcome: Outcome): Outcome {
  return outcome.ok ? outcome : { ok: false, failure: shown(outcome.failure) };
}

/** Makes a session for one run. */
export function createRemoteSession(header: RunHeader, ports: SessionPorts, host: SessionHost): RemoteSession {
  const running = new Map<Key, (outcome: Outcome) => void>();
  const checks = new Map<number, (problem: string | undefined) => void>();
  /** Outcomes that were sent, by the number of their line, until they are handed over. */
  const fed = new Map<Key, number>();
  const waiting: string[] = [];
  let history: readonly JournalRecord[] = [];
  let send: ((line: string) => void) | undefined;
  let state = UNKNOWN;
  let commands: Command[] = [];
  let sent = 0, asked = 0;
  let left = false, failed = false;
  let over = false;
  let result: string | undefined;
  const told: (() => void)[] = [];

  function say(message: ToBody): void {
    if (left || failed) return;
    const line = JSON.stringify(message);
    if (send === undefined) waiting.push(line);
    else {
      sent++;
      send(line);
    }
  }

  function fail(error: JobError): void {
    if (left || failed) return;
    failed = true;
    const failure = failureOfJob(error, "");
    // What it asked for at last is not done, and no replay is waited for.
    commands = [{ c: "close", status: "failed", outcome: { ok: false, failure } }];
    state = { ...state, replaying: false, busy: false };
    ports.wake();
    for (const [key, settle] of running) settle({ ok: false, failure: failureOfJob(error, key) });
    running.clear();
    for (const settle of checks.values()) settle("the workflow's process has ended");
    checks.clear();
  }

  function take(message: FromBody): void {
    if ("commands" in message) {
      ({ state } = message);
      if (!state.busy) { for (const [key, line] of fed) if (line <= state.heard) fed.delete(key); }
      for (const command of message.commands) {
        const refused = host.refusal(command);
        if (refused !== undefined) return fail(refused);
        over ||= command.c === "close";
        if (command.c === "close" && command.outcome?.ok === true) result = command.outcome.value;
        commands.push(
          command.c === "close" && command.outcome !== undefined
            ? { ...command, outcome: shownOutcome(command.outcome) }
            : command,
        );
      }
      ports.wake();
    } else if ("ran" in message) {
      running.get(message.ran)?.(shownOutcome(message.outcome));
      running.delete(message.ran);
    } else if ("checked" in message) {
      checks.get(message.checked)?.(message.problem ?? undefined);
      checks.delete(message.checked);
    } else {
      ports.late?.();
    }
  }

  const session: RemoteSession = {
    header,
    get history() {
      return history;
    },
    get left() {
      return left;
    },
    get over() {
      return over;
    },
    get result() {
      return result;
    },
    get heard() {
      return state.heard;
    },
    get unread() {
      return sent !== state.heard;
    },
    get calls() {
      return state.calls;
    },
    get pending() {
      return state.pending;
    },
    get replaying() {
      return state.replaying;
    },
    get undos() {
      return state.undos;
    },
    get compensating() {
      return state.compensating;
    },
    get seeded() {
      return state.seeded;
    },
    get busy() {
      // What it does with a line that it has not read yet is not known.
      return !failed && (state.busy || sent !== state.heard);
    },
    unasked: [],
    isPending: (key) => {
      const line = fed.get(key);
      return line !== undefined && (state.busy || state.heard < line);
    },
    begin: (_, records) => {
      history = [...records];
      host.need(session);
    },
    connect: (to, args) => {
      send = to;
      say({
        begin: args === undefined ? header : { ...header, args: encode(args) },
        history,
        can: [...ports.can ?? []],
        ...(ports.hostName === undefined ? undefined : { hostName: ports.hostName }),
        ...(ports.changes === undefined ? undefined : { changes: ports.changes }),
      });
      for (const line of waiting.splice(0)) {
        sent++;
        to(line);
      }
    },
    receive: (line) => {
      const message = host.read(line);
      if (!left && !failed) take(message);
    },
    feed: (inputs: readonly Input[]) => {
      say({ feed: inputs });
      for (const input of inputs) if (input.c === "settle") fed.set(input.key, sent + waiting.length);
    },
    take: () => {
      const taken = commands;
      commands = [];
      return taken;
    },
    invoke: (key, { runId, attempt, idempotencyKey, signal }: TaskInfo) =>
      new Promise((resolve) => {
        if (left || failed) return; // nobody waits for it
        running.set(key, resolve);
        say({ invoke: key, info: { runId, attempt, idempotencyKey } });
        signal.addEventListener("abort", () => {
          const { reason } = signal;
          session.abort(key, reason instanceof Error ? reason.message : String(reason));
        }, { once: true });
      }),
    abort: (key, reason) => {
      if (running.has(key)) say({ abort: key, reason });
    },
    check: (key, value) =>
      new Promise((resolve) => {
        if (left || failed) return resolve(undefined);
        const n = ++asked;
        checks.set(n, resolve);
        say({ check: key, value, n });
      }),
    // The engine counts from the begin of the replay, when the process may not have begun: see `stopReplay`.
    giveUp: () => {},
    stopReplay: () => {
      if (state.replaying) say({ giveUp: true });
    },
    fail,
    leave: () => {
      if (left) return;
      left = true;
      // Also to the process of a run that has failed of itself.
      send?.(JSON.stringify({ end: true } satisfies ToBody));
      for (const settle of checks.values()) settle(undefined);
      checks.clear();
      for (const tell of told.splice(0)) tell();
    },
    onLeave: (then) => {
      if (left) then();
      else told.push(then);
    },
  };
  return session;
}
