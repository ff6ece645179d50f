/**
 * `windkit runs` and `runs show`.
 *
 * @module
 */
import { decode } from "../base/canonical.ts";
import { RUN_STATES } from "../engine/api.ts";
import type { RunQuery, RunRow, RunState, Storage } from "../engine/ports.ts";
import { readJournal } from "../engine/read_journal.ts";
import { linkId, linkOf, newestOf, nextLink, nextOf } from "../engine/chain.ts";
import type { Call, JournalRecord, Outcome, RunHeader } from "../workflow/journal.ts";
import type { ListCommand, ShowCommand } from "./arguments.ts";
import { isDriven, knownRun, withVisit } from "./data_folder.ts";
import { EXIT } from "./exit_codes.ts";
import { clip, clock, duration, oneLine, type Paint, paint, table } from "./format.ts";
import type { Io } from "./terminal.ts";

const PAGE = 500;
const DEFAULT_LIMIT = 50;
/** Columns that a run's state may take. */
const LONGEST_STATE = 100;

/**
 * Lists runs.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code
 */
export function listRuns(command: ListCommand, io: Io): Promise<number> {
  return withVisit(command.data, io, (storage) => list(command, io, storage));
}

async function list(command: ListCommand, io: Io, storage: Storage): Promise<number> {
  const { json, state, limit = json ? Number.POSITIVE_INFINITY : DEFAULT_LIMIT } = command;
  const driven = await isDriven(command.data, io);
  const colors = paint(io.out.color);
  const now = Date.now();
  const shown: string[][] = [];
  let more = false;
  let listed = 0;
  for await (const row of rows(storage, state)) {
    if (listed++ >= limit) {
      more = true;
      break;
    }
    if (json) io.out.write(`${JSON.stringify(row)}\n`);
    else {
      shown.push([
        oneLine(row.id),
        row.parent === undefined ? "" : oneLine(row.parent),
        oneLine(row.workflow),
        stateText(row, driven, now, colors),
        clock(row.createdAt, now),
        row.closedAt === undefined ? "" : duration(row.closedAt - row.createdAt),
      ]);
    }
  }
  if (json) return EXIT.ok;
  if (shown.length === 0) {
    io.out.write(state === undefined ? "No runs\n" : `No runs that are ${state}\n`);
    return EXIT.ok;
  }
  const columns = [{ title: "RUN" }, { title: "PARENT" }, { title: "WORKFLOW" }, { title: "STATE" }, {
    title: "STARTED",
  }, { title: "TOOK", align: "right" }] as const;
  // Most folders have no children.
  const hasParents = shown.some((cells) => cells[1] !== "");
  const keep = (_: unknown, i: number): boolean => hasParents || i !== 1;
  io.out.write(`${table(columns.filter(keep), shown.map((cells) => cells.filter(keep)), { paint: colors })}\n`);
  if (more) io.err.write(`${colors.faint(`The newest ${limit} only: --limit N shows more`)}\n`);
  return EXIT.ok;
}

async function* rows(storage: Storage, state: ListCommand["state"]): AsyncGenerator<RunRow> {
  const known: readonly string[] = RUN_STATES;
  const query: Pick<RunQuery, "state"> = state === undefined
    ? {}
    : { state: known.includes(state) ? state as RunState : "closed" };
  let after: string | undefined;
  for (;;) {
    const page = await storage.runs({ ...query, limit: PAGE, ...(after === undefined ? {} : { after }) });
    for (const row of page) {
      if (state === undefined || row.state === state || row.status === state) yield row;
    }
    after = page.at(-1)?.id;
    if (page.length < PAGE) return;
  }
}

/**
 * A run's state in a word or two, as a person wants to know it.
 *
 * @param row the run
 * @param driven true when a process drives its folder
 * @param now this moment
 * @param colors how to paint
 * @returns as in `completed`, `interrupted` or `sleeps until 14:03:22`
 */
export function stateText(row: RunRow, driven: boolean, now: number, colors: Paint): string {
  switch (row.state) {
    case "closed":
      return row.status === "completed" ? colors.good("completed") : colors.bad(row.status ?? "closed");
    case "parked": {
      const named = (kind: string): string =>
        (row.waits ?? []).filter((wait) => wait.startsWith(`${kind}:`)).map((wait) =>
          oneLine(wait.slice(kind.length + 1))
        )
          .join(", ");
      for (const kind of ["approval", "event", "child"]) {
        if (named(kind) !== "") return colors.wait(clip(`waits for ${kind} ${named(kind)}`, LONGEST_STATE));
      }
      return colors.wait(row.wakeAt === undefined ? "waits" : `sleeps until ${clock(row.wakeAt, now)}`);
    }
    case "active":
      return driven ? colors.busy("running") : colors.wait("interrupted");
    case "ready":
      return driven ? colors.busy("ready") : colors.wait("interrupted");
    case "orphan":
      return colors.wait("orphan");
  }
}

/**
 * Prints the journal of a run.
 *
 * @param command what was asked for
 * @param io streams
 * @returns the exit code
 */
export function showRun(command: ShowCommand, io: Io): Promise<number> {
  return withVisit(command.data, io, (storage) => show(command, io, storage));
}

async function show(command: ShowCommand, io: Io, storage: Storage): Promise<number> {
  const row = await knownRun(storage, command.run, command.data);
  const { records } = await readJournal(storage, row.id);
  if (command.json) {
    for (const record of records) io.out.write(`${JSON.stringify(record)}\n`);
    return EXIT.ok;
  }
  const colors = paint(io.out.color);
  const now = Date.now();
  const driven = await isDriven(command.data, io);
  const lines: string[] = [];
  const [first] = records;
  const field = (name: string, value: string): void => void lines.push(`${colors.faint(name.padEnd(10))}${value}`);
  field("run", colors.strong(oneLine(row.id)));
  field("workflow", oneLine(row.workflow));
  if (first?.t === "opened") {
    const { args, parent, forkedFrom } = first.header;
    field("args", clip(args, 200));
    if (parent !== undefined) field("child of", `${oneLine(parent.run)} (${oneLine(parent.key)})`);
    if (forkedFrom !== undefined) field("fork of", `${oneLine(forkedFrom.run)} from ${oneLine(forkedFrom.key)} on`);
    const chain = await chainText(storage, first.header, row);
    if (chain !== undefined) field("chain", chain);
  }
  field("state", stateText(row, driven, now, colors));
  const said = records.findLast((record) => record.t === "marker" && record.name === "progress");
  if (said?.t === "marker") field("progress", clip(oneLine(JSON.stringify(said.value)), 200));
  field("started", clock(row.createdAt, now));
  if (row.closedAt !== undefined) field("took", duration(row.closedAt - row.createdAt));
  lines.push("");
  const limit = io.out.isTerminal ? { columns: io.out.columns() } : {};
  const columns = [
    { title: "#", align: "right" },
    { title: "TIME" },
    { title: "CALL" },
    { title: "WHAT" },
    {
      title: "TOOK",
      align: "right",
    },
    { title: "BY" },
    { title: "" },
  ] as const;
  lines.push(table(columns, records.map((record) => recordCells(record, now, colors)), { paint: colors, ...limit }));
  io.out.write(`${lines.join("\n")}\n`);
  return EXIT.ok;
}

/** Where a run stands in its chain, when it is one of several. */
async function chainText(storage: Storage, header: RunHeader, row: RunRow): Promise<string | undefined> {
  const { first, n } = linkOf(header);
  if (n === 0 && row.status !== "continued") return undefined;
  const before = n === 0 ? "" : `goes on for ${oneLine(linkId({ first, n: n - 1 }))}`;
  if (row.status !== "continued") return before;
  const following = linkId(await nextOf(storage, row) ?? nextLink({ first, n }));
  const next = `${oneLine(following)} goes on for it`;
  const newest = await newestOf(storage, row.id);
  const last = newest === undefined || newest.id === following ? "" : `; newest: ${oneLine(newest.id)}`;
  return `${before}${before === "" ? "" : "; "}${next}${last}`;
}

function recordCells(record: JournalRecord, now: number, colors: Paint): readonly string[] {
  const start = [String(record.seq), clock(record.at, now)];
  switch (record.t) {
    case "opened":
      return [...start, "", "opened", "", "", colors.faint(`windkit ${record.header.sdk}`)];
    case "called":
      return [
        ...start,
        oneLine(record.key),
        calledText(record.call),
        "",
        record.by ?? "",
        `${dueText(record.dueAt, now)}${calledMore(record.call)}`,
      ];
    case "settled": {
      const took = duration(record.at - record.startedAt);
      const what = record.outcome.ok ? colors.good("done") : colors.bad("failed");
      return [...start, oneLine(record.key), what, took, record.by ?? "", outcomeText(record.outcome, colors)];
    }
    case "marker":
      return [...start, oneLine(record.name), "marker", "", "", JSON.stringify(record.value)];
    case "abandoned":
      return [...start, oneLine(record.key), colors.wait("abandoned"), "", "", record.why];
    case "refused":
      return [...start, oneLine(record.key), colors.wait("refused"), "", "", clip(oneLine(record.reason), 120)];
    case "dropped":
      return [...start, "", colors.wait("dropped"), "", "", "the body did not end in time"];
    case "reopened":
      return [...start, "", "reopened", "", "", "undoing goes on"];
    case "cancelling":
      return [...start, "", colors.wait("cancelling"), "", "", oneLine(record.reason)];
    case "closed": {
      const what = record.status === "completed" ? colors.good(record.status) : colors.bad(record.status);
      const outcome = record.outcome === undefined ? "" : outcomeText(record.outcome, colors);
      return [...start, "", what, "", "", record.next === undefined ? outcome : `as ${oneLine(record.next)}`];
    }
  }
}

function calledText(call: Call): string {
  switch (call.kind) {
    case "task":
    case "step":
      return "running";
    case "sleep":
      return call.backoffOf === undefined ? "sleeps" : "backs off";
    case "approval":
      return "asks";
    case "event":
      return "waits for an event";
    case "child":
      return "begins a run";
    case "undo":
      return "undoes";
  }
}

function calledMore(call: Call): string {
  if (call.kind === "event") return ` ${oneLine(call.name)}`;
  return call.kind === "child" ? `run ${oneLine(call.runId)} of ${oneLine(call.workflow)}` : "";
}

function dueText(dueAt: number | undefined, now: number): string {
  return dueAt === undefined ? "" : `until ${clock(dueAt, now)}`;
}

function outcomeText(outcome: Outcome, colors: Paint): string {
  if (outcome.ok) return colors.faint(clip(oneLine(JSON.stringify(decode(outcome.value))), 80));
  const { name, message } = outcome.failure.error;
  return colors.bad(clip(oneLine(`${name}: ${message}`), 120));
}
