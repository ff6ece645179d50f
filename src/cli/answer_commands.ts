/**
 * `windkit approve`, `windkit signal` and `windkit cancel`: messages for a run, also one that another process drives.
 *
 * @module
 */
import { resolve } from "node:path";
import { decode } from "../base/canonical.ts";
import {
  answeredText,
  approvalMessage,
  cancelMessage,
  eventMessage,
  fateIn,
  pendingApprovals,
  refusedText,
} from "../engine/answers.ts";
import { allMessages, linkOf, newestOf } from "../engine/chain.ts";
import type { Message, RunRow, Storage } from "../engine/ports.ts";
import { readJournal } from "../engine/read_journal.ts";
import type { JournalRecord } from "../workflow/journal.ts";
import type { ApproveCommand, CancelCommand, SignalCommand } from "./arguments.ts";
import { dataOption, isDriven, knownRun, withVisit } from "./data_folder.ts";
import { EXIT, UsageError } from "./exit_codes.ts";
import { paint, quote } from "./format.ts";
import type { Io } from "./terminal.ts";
import { fileOfWorkflow } from "./workspace.ts";

/**
 * Answers an approval.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code
 */
export function approve(command: ApproveCommand, io: Io): Promise<number> {
  return withVisit(command.data, io, (storage) => postApproval(command, io, storage));
}

async function postApproval(command: ApproveCommand, io: Io, storage: Storage): Promise<number> {
  const row = await newestRun(storage, command);
  const { records } = await readJournal(storage, row.id);
  const approver = command.approver ?? userName(io.env);
  const { approved, value = null, key } = command;
  const waiting = pendingApprovals(records).map((pending) => pending.key);
  const kept = (await allMessages(storage, row.id)).find((message) =>
    message.kind === "approval" && message.name === (key ?? waiting[0])
  );
  if (kept !== undefined && row.state !== "closed") {
    throw new UsageError(
      `Approval "${kept.name}" of run "${row.id}" is answered already (${
        answerText(kept)
      }): the run has not taken it yet`,
    );
  }
  const answer = { approved, value, approver };
  const message = orUsageError(() => approvalMessage(row, records, key, answer, crypto.randomUUID(), Date.now()));
  const isEarly = !waiting.includes(message.name);
  const heard = await leave(command, io, storage, message, !isEarly);
  const isLeft = heard === "left";
  const did = approved ? "Approved" : "Rejected";
  const how = isEarly
    ? ": kept until the run asks for it"
    : isLeft
    ? ": left for the engine, which has not taken it"
    : "";
  tell(
    command,
    io,
    {
      run: row.id,
      key: message.name,
      approved,
      approver,
      ...(isEarly ? { kept: true, waits: waiting } : isLeft ? { left: true } : {}),
    },
    `${did} "${message.name}" of run ${row.id}${how}`,
  );
  if (isEarly && waiting.length > 0 && !command.json) {
    const keys = waiting.map((wait) => `"${wait}"`).join(", ");
    io.err.write(`The run waits for ${keys} now: this answer is for "${message.name}" alone\n`);
  }
  if (heard === "unknown") await remind(command, io, row);
  return EXIT.ok;
}

/**
 * Sends an event.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code
 */
export function signal(command: SignalCommand, io: Io): Promise<number> {
  return withVisit(command.data, io, (storage) => postEvent(command, io, storage));
}

async function postEvent(command: SignalCommand, io: Io, storage: Storage): Promise<number> {
  const row = await newestRun(storage, command);
  const { event, payload, id = crypto.randomUUID() } = command;
  const { records } = await readJournal(storage, row.id);
  const [first] = records;
  const chain = first?.t === "opened" ? linkOf(first.header).first : row.id;
  const message = eventMessage(row.id, event, payload, `event:${chain}:${id}`, Date.now());
  if (row.state === "closed") {
    throw new UsageError(`Cannot send event "${event}" to run "${row.id}": it has ended (${row.status})`);
  }
  const { fate: before } = fateIn(records, message);
  const messages = await allMessages(storage, row.id);
  const isKnown = before !== "kept" || messages.some((m) => m.id === message.id);
  const awaited = pendingEvents(records);
  const isAwaited = awaited.has(event);
  if (!isKnown && messages.length >= storage.limits.maxMessages) {
    throw new UsageError(
      `Cannot send event "${event}" to run "${row.id}": ${messages.length} messages wait for it already`,
    );
  }
  const heard = isKnown ? "unknown" : await leave(command, io, storage, message, isAwaited);
  const isLeft = heard === "left";
  const how = isKnown
    ? ": it was sent already"
    : !isAwaited
    ? ": kept until the run waits for it"
    : isLeft
    ? ": left for the engine, which has not taken it"
    : "";
  const state = isKnown ? { known: true } : !isAwaited ? { kept: true } : isLeft ? { left: true } : {};
  const waits = [...awaited];
  tell(
    command,
    io,
    { run: row.id, event, id, ...state, ...(isKnown || isAwaited ? {} : { waits }) },
    `Sent "${event}" to run ${row.id}${how}`,
  );
  if (!isKnown && !isAwaited && waits.length > 0 && !command.json) {
    const names = waits.map((wait) => `"${wait}"`).join(", ");
    io.err.write(`The run waits for ${names} now: this event is for "${event}" alone\n`);
  }
  if (heard === "unknown" && !isKnown) await remind(command, io, row);
  return EXIT.ok;
}

/** Names of the events that a run with this journal waits for. */
function pendingEvents(records: readonly JournalRecord[]): ReadonlySet<string> {
  const names = new Map<string, string>();
  for (const record of records) {
    if (record.t === "called" && record.call.kind === "event") names.set(record.key, record.call.name);
    else if (record.t === "settled" || record.t === "abandoned") names.delete(record.key);
  }
  return new Set(names.values());
}

/** How often the driver is asked what it made of a message, and for how long, in milliseconds. */
const ASK_MS = 50;
const ASK_FOR_MS = 3000;

/**
 * Leaves a message, and hears what the driving process makes of it.
 *
 * @param isAwaited the run waits for it now
 * @returns `taken`; `left` for the process that drives it, which has not taken it yet; `unknown` when nothing was heard
 * @throws UsageError when it does not fit, or another one came first
 */
async function leave(
  command: ApproveCommand | SignalCommand,
  io: Io,
  storage: Storage,
  message: Message,
  isAwaited: boolean,
): Promise<"taken" | "left" | "unknown"> {
  const { id, run } = message;
  await storage.commit([{ w: "post", message }]);
  if (!isAwaited || !await isDriven(command.data, io)) return "unknown";
  for (let waited = 0; waited < ASK_FOR_MS; waited += ASK_MS) {
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    if ((await allMessages(storage, run)).some((m) => m.id === id)) continue;
    const found = fateIn((await readJournal(storage, run)).records, message);
    if (found.fate === "refused") throw new UsageError(refusedText(run, message, found.key, found.reason));
    if (found.fate === "late") throw new UsageError(answeredText(run, message.name));
    return "taken";
  }
  return "left";
}

/** The run that was named, or the one that goes on for it. */
async function newestRun(
  storage: Storage,
  { run, data }: { readonly run: string; readonly data: string },
): Promise<RunRow> {
  const row = await knownRun(storage, run, data);
  return await newestOf(storage, row.id) ?? row;
}

/**
 * Asks a run to end.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code
 */
export function cancel(command: CancelCommand, io: Io): Promise<number> {
  return withVisit(command.data, io, (storage) => postCancel(command, io, storage));
}

async function postCancel(command: CancelCommand, io: Io, storage: Storage): Promise<number> {
  const row = await newestRun(storage, command);
  if (row.state === "closed") throw new UsageError(`Cannot cancel run "${row.id}": it has ended (${row.status})`);
  const { reason = "Cancelled from the command line" } = command;
  await storage.commit([{ w: "post", message: cancelMessage(row.id, reason, crypto.randomUUID(), Date.now()) }]);
  tell(command, io, { run: row.id, reason }, `Asked run ${row.id} to end`);
  await remind(command, io, row);
  return EXIT.ok;
}

function tell(command: { readonly json: boolean }, io: Io, data: unknown, text: string): void {
  const colors = paint(io.out.color);
  io.out.write(command.json ? `${JSON.stringify(data)}\n` : `${colors.good("✓")} ${text}\n`);
}

/** A message waits for a process that drives the run: say so when there is none. */
async function remind(command: ApproveCommand | CancelCommand | SignalCommand, io: Io, row: RunRow): Promise<void> {
  if (command.json || await isDriven(command.data, io)) return;
  const file = fileOfWorkflow(row.workflow, io.cwd, resolve(io.cwd, command.data));
  const again = `${io.program} run ${file === undefined ? "FILE" : quote(file)} --run-id ${quote(row.id)}`;
  io.err.write(`No process drives it now. It takes the message when it goes on: ${again}${dataOption(command.data)}\n`);
}

function answerText(message: Message): string {
  const { approved = true, approver } = decode(message.payload) as {
    readonly approved?: boolean;
    readonly approver?: string;
  };
  return `${approved ? "approved" : "rejected"}${approver === undefined ? "" : ` by ${approver}`}`;
}

function orUsageError<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), undefined, { cause: error });
  }
}

/**
 * Who answers, when nobody says.
 *
 * @param env the environment
 * @returns the user's name, or "anonymous"
 */
export function userName(env: Io["env"]): string {
  return env["USER"] || env["LOGNAME"] || env["USERNAME"] || "anonymous";
}
