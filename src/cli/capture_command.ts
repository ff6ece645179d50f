/**
 * `windkit capture`: a recorded run becomes a test.
 *
 * @module
 */
import { existsSync, writeFileSync } from "node:fs";
import { dirname, relative, resolve, sep } from "node:path";
import { RunFailedError } from "../base/errors.ts";
import type { WorkflowFunction } from "../engine/api.ts";
import { readJournal } from "../engine/read_journal.ts";
import { type MockedCall, never, testWorkflow, type TestWorkflowOptions } from "../testing/mod.ts";
import type { JournalRecord, Json } from "../workflow/journal.ts";
import type { ViewedCall } from "../workflow/journal_view.ts";
import type { CaptureCommand } from "./arguments.ts";
import { captureConsole } from "./console_capture.ts";
import {
  type CapturedAnswer,
  type CapturedFailure,
  type CapturedRun,
  readCapture,
  redactedRun,
} from "./captured_run.ts";
import { captureText, type Expected, HIDDEN, like } from "./capture_text.ts";
import { dataOption, knownRun, withVisit } from "./data_folder.ts";
import { EXIT, UsageError } from "./exit_codes.ts";
import { clip, oneLine, paint, quote } from "./format.ts";
import { loadWorkflow } from "./load_workflow.ts";
import { createRedactor, type Redactor } from "./redact.ts";
import type { Io } from "./terminal.ts";
import { checkFile, commonJsBy, fileOfWorkflow, placeOf } from "./workspace.ts";

/** How a test run of what was captured ended. */
interface Tried {
  readonly outcome: Expected["outcome"];
  readonly view: readonly ViewedCall[];
  readonly order: readonly string[];
}

/**
 * Writes a test of a recorded run.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code
 */
export async function capture(command: CaptureCommand, io: Io): Promise<number> {
  const records = await withVisit(command.data, io, async (storage) => {
    const row = await knownRun(storage, command.run, command.data);
    return (await readJournal(storage, row.id)).records;
  });
  const redactor = createRedactor(command.redact);
  const run = redactedRun(readCapture(command.run, records), redactor);
  const file = workflowFile(command, io, run.header.workflow);
  const { workflow } = await loadWorkflow(placeOf(file, io.cwd), file);
  const { expected, notice } = await tried(run, workflow, records, redactor);
  const folder = command.out === undefined ? io.cwd : dirname(resolve(io.cwd, command.out));
  const names = [...redactor.names].map((name) => name === "" ? "(a value that looks like one)" : name).sort();
  const text = captureText(run, expected, { file: importPath(folder, resolve(io.cwd, file)), redacted: names });
  const colors = paint(io.err.color);
  if (notice !== undefined) io.err.write(`${colors.wait("!")} ${notice}\n`);
  if (names.length > 0) {
    io.err.write(
      `Replaced what may be secret under: ${names.map(oneLine).join(", ")}. Read the file before you keep it\n`,
    );
  }
  if (command.out === undefined) {
    io.out.write(text);
    return EXIT.ok;
  }
  const target = resolve(io.cwd, command.out);
  if (existsSync(target) && !command.force) {
    throw new UsageError(`Cannot write "${command.out}": it is there already`, "To replace it: --force");
  }
  writeFileSync(target, text);
  io.err.write(`${colors.good("✓")} Wrote ${command.out}: run ${oneLine(command.run)} as a test\n`);
  const by = commonJsBy(target);
  if (by !== undefined) {
    io.err.write(
      `${colors.wait("!")} Node would take it for CommonJS, and not load it: "type" is "commonjs" in ${
        relative(io.cwd, by)
      }\n` +
        `    npm pkg set type=module    (or give the test a name that ends in .mts: --out ${
          quote(command.out.replace(/\.([jt])sx?$/, ".m$1s"))
        })\n`,
    );
  }
  return EXIT.ok;
}

function workflowFile({ file, run, data }: CaptureCommand, io: Io, name: string): string {
  const found = file ?? fileOfWorkflow(name, io.cwd, resolve(io.cwd, data));
  if (found === undefined) {
    throw new UsageError(
      `Cannot find the file of workflow "${name}", which run "${run}" is of, from ${io.cwd}`,
      `Name it: ${io.program} capture ${quote(run)} --file FILE${dataOption(data)}`,
    );
  }
  const place = placeOf(found, io.cwd);
  checkFile(place, found);
  return found;
}

function importPath(from: string, file: string): string {
  const way = relative(from, file).split(sep).join("/");
  return way.startsWith(".") ? way : `./${way}`;
}

/**
 * Runs the test before it is written: what it expects is what it finds, so that it passes.
 *
 * @throws UsageError when the workflow asks for other calls than the run recorded
 */
async function tried(
  run: CapturedRun,
  workflow: WorkflowFunction,
  records: readonly JournalRecord[],
  redactor: Redactor,
): Promise<{ readonly expected: Expected; readonly notice?: string }> {
  const recorded = settledCalls(records);
  let ordered = false;
  let found = await attempt(run, workflow, undefined);
  if (!isSame(found.order, run.order) || !isSame(callsOf(found.view), recorded)) {
    ordered = true;
    found = await attempt(run, workflow, run.order);
  }
  const calls = callsOf(found.view);
  if (!isSame(calls, recorded)) {
    const missing = recorded.filter((call) => !calls.includes(call));
    const added = calls.filter((call) => !recorded.includes(call));
    throw new UsageError(
      `Cannot capture run "${run.header.id}": its workflow asks for something else than it recorded` +
        `${missing.length === 0 ? "" : `\n  recorded: ${missing.join(", ")}`}` +
        `${added.length === 0 ? "" : `\n  now:      ${added.join(", ")}`}`,
      "Take the file as it was when the run was made, or run it anew",
    );
  }
  const { outcome } = found;
  const before = "value" in run.outcome ? run.outcome.value : run.outcome.error.message;
  const after = "value" in outcome ? redactor.redact(outcome.value) : redactor.text(outcome.message);
  const isEqual = "value" in run.outcome
    ? JSON.stringify(before) === JSON.stringify(after)
    : typeof after === "string" && after.includes(String(before));
  const expected: Expected = {
    outcome: "value" in outcome
      ? { value: JSON.parse(redactor.mark(JSON.stringify(outcome.value), HIDDEN)) as Json }
      : { message: redactor.mark(outcome.message, HIDDEN) },
    ordered,
    calls: found.view.map((call) => redactor.mark(callText(call), HIDDEN)),
  };
  mustPass(run, expected, await attempt(run, workflow, ordered ? run.order : undefined, true));
  return {
    expected,
    ...(isEqual ? {} : {
      notice: "The test expects another result than the run recorded: values were replaced in it, or it depends on " +
        `how long something took\n  recorded: ${JSON.stringify(before)}\n  test:     ${JSON.stringify(after)}`,
    }),
  };
}

/** Compares as the written test does. */
function mustPass(
  { header: { id } }: CapturedRun,
  { outcome, calls }: Expected,
  { outcome: given, view }: Tried,
): void {
  const [wanted, found] = [outcome, given].map((one) => "value" in one ? JSON.stringify(one.value) : one.message);
  if ("value" in outcome !== "value" in given || like(found ?? "", wanted ?? "") !== wanted) {
    throw new UsageError(
      `Cannot capture run "${id}": its workflow gives another result each time` +
        `\n  first: ${clip(wanted ?? "", 200)}\n  then:  ${clip(found ?? "", 200)}`,
      "Put what differs (a clock, a random number) into a step()",
    );
  }
  const made = view.map((call, i) => like(callText(call), calls[i] ?? ""));
  if (isSame(made, calls)) return;
  const i = Math.max(made.findIndex((call, place) => call !== calls[place]), 0);
  throw new UsageError(
    `Cannot capture run "${id}": its workflow makes other calls each time` +
      `\n  first: ${clip(calls[i] ?? "none", 200)}\n  then:  ${clip(made[i] ?? "none", 200)}`,
    "Put what differs (a clock, a random number) into a step()",
  );
}

async function attempt(
  run: CapturedRun,
  workflow: WorkflowFunction,
  order: readonly string[] | undefined,
  strict = false,
): Promise<Tried> {
  const giveBack = captureConsole(() => undefined);
  const test = testWorkflow(workflow, { ...testOptions(run), strict, ...(order === undefined ? {} : { order }) });
  try {
    const outcome = await test.result().then(
      (value) => ({ value: value as Json }),
      (error: Error) => {
        if (error instanceof RunFailedError) return { message: error.message };
        throw new UsageError(`Cannot capture run "${run.header.id}": ${error.message}`, undefined, { cause: error });
      },
    );
    const settled = (await test.records()).flatMap((record) => record.t === "settled" ? [record.key] : []);
    return { outcome, view: await test.journal(), order: settled };
  } finally {
    await test.close();
    giveBack();
  }
}

/** What the written test gives, as values. */
function testOptions(run: CapturedRun): TestWorkflowOptions {
  const { header, args, calls, approvals, events } = run;
  const answer = (given: CapturedAnswer) =>
    given === "timeout" ? given : { ...given, payload: given.value, after: `${given.afterMs}ms` as const };
  const mocks: Record<string, MockedCall> = {};
  for (const call of calls) {
    if ("gives" in call) mocks[call.key] = call.gives;
    if ("never" in call) mocks[call.key] = never;
  }
  return {
    args,
    start: header.createdAt,
    seed: header.seed,
    unmocked: "fail",
    mocks,
    failures: Object.fromEntries(calls.flatMap((call) => "fails" in call ? [[call.key, errorOf(call.fails)]] : [])),
    approvals: Object.fromEntries([...approvals].map(([key, given]) => [key, answer(given)])),
    events: Object.fromEntries([...events].map(([name, list]) => [name, list.map(answer)])),
  };
}

function errorOf({ name, message, extra }: CapturedFailure): Error {
  return Object.assign(new Error(message), typeof extra === "object" ? extra : {}, { name });
}

function callText({ kind, key, args }: ViewedCall): string {
  return `${kind} ${key} ${args}`.trim();
}

function callsOf(view: readonly ViewedCall[]): readonly string[] {
  return view.map(({ kind, key }) => `${kind} ${key}`);
}

function settledCalls(records: readonly JournalRecord[]): readonly string[] {
  const kinds = new Map(records.flatMap((record) => record.t === "called" ? [[record.key, record.fp.kind]] : []));
  const calls = records.flatMap((record) =>
    record.t === "settled" && !record.key.startsWith("__windkit/")
      ? [[record.key, `${record.fp?.kind ?? kinds.get(record.key) ?? "unknown"} ${record.key}`] as const]
      : []
  );
  return calls.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0).map(([, text]) => text);
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}
