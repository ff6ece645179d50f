/**
 * `deno task demo`: runs the weather report in a process, kills that process in the middle of a task, goes on in a second
 * one, and counts from journal and events what ran how often. Ends with exit code 1 when a promise was broken.
 *
 * @module
 */
import { mkdirSync, mkdtempSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createDisplay } from "../src/cli/display.ts";
import { duration, oneLine, paint, table } from "../src/cli/format.ts";
import { createProgress } from "../src/cli/progress.ts";
import { processIo } from "../src/cli/terminal.ts";
import type { EngineEvent } from "../src/engine/api.ts";
import { readJournal } from "../src/engine/read_journal.ts";
import { openSqliteStorage } from "../src/storage/sqlite.ts";
import type { JournalRecord } from "../src/workflow/journal.ts";
import type { main as yearlyReport } from "./weather/f/weather/yearly_report.ts";

type Report = Awaited<ReturnType<typeof yearlyReport>>;

/** A line of `windkit run --json`. */
type Line =
  | EngineEvent
  | { readonly event: "run"; readonly pid: number }
  | {
    readonly event: "result";
    readonly status: string;
    readonly result?: Report;
    readonly error?: { readonly message: string };
  }
  | { readonly event: "error"; readonly error: { readonly message: string } };

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FILE = join("examples", "weather", "f", "weather", "yearly_report.ts");
const CLI = join("src", "cli", "main.ts");
const RUN = "demo";
const YEAR = 2012;
const TASK = "summarize_month";
/** The kill comes when this many months are done, and strikes a month that has been running for this long. */
const DONE_BEFORE_KILL = 4;
const RUNNING_BEFORE_KILL_MS = 60;
const GIVE_UP_MS = 60_000;

const io = processIo("deno task windkit", () => process.exit(141));
const colors = paint(io.out.color);

mkdirSync(join(ROOT, ".windkit"), { recursive: true });
const data = relative(ROOT, mkdtempSync(join(ROOT, ".windkit", "demo-")));
const children = new Set<Deno.ChildProcess>();
const startedAt = Date.now();

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => stop(`Stopped by ${signal}`, 130));
}
const guard = setTimeout(() => stop(`Not finished after ${duration(GIVE_UP_MS)}`, 1), GIVE_UP_MS);

try {
  const code = await demonstrate();
  clearTimeout(guard);
  await io.out.flush();
  process.exit(code);
} catch (error) {
  stop(error instanceof Error ? error.message : String(error), 1);
}

function say(text: string): void {
  io.out.write(`${text}\n`);
}

function stop(why: string, code: number): never {
  for (const child of children) kill(child);
  console.error(`${why}. The data folder is ${data}`);
  process.exit(code);
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error; // it has ended
  }
}

async function demonstrate(): Promise<number> {
  say(colors.strong("A workflow that survives kill -9"));
  say(colors.faint(`${FILE} on ${YEAR}, one SQLite file in ${data}\n`));

  say(`${colors.strong("1  A process runs it, until it is killed in the middle of a task")}`);
  const first = await watchRun({ killInMonth: true });
  if (first.killed.length === 0) throw new Error("The run ended before it could be killed");
  say(`${colors.bad("✗")} ${colors.strong(`kill -9 ${first.pid}`)} while it ran ${first.killed.join(", ")}\n`);
  const left = await journal();

  say(`${colors.strong("2  A second process goes on; a third one grants the approval")}`);
  const second = await watchRun({ killInMonth: false });
  const { result } = second;
  if (second.code !== 0 || result === undefined) {
    throw new Error(`The second process ended with exit code ${second.code}: ${second.problem ?? "no result"}`);
  }
  say(`${colors.good("✓")} completed\n`);
  const records = await journal();

  say(colors.strong("3  Who ran what"));
  say(`${stepTable(records, first, second)}\n`);
  say(colors.strong("4  The report"));
  say(`${reportText(result)}\n`);
  return verdict(left, records, first, second);
}

/** What was seen of one process. */
interface Watched {
  readonly pid: number;
  readonly code: number;
  /** Attempts whose body was begun, in order. */
  readonly started: readonly string[];
  /** Attempts that ran when the process was killed. */
  readonly killed: readonly string[];
  readonly result?: Report;
  readonly problem?: string;
}

async function watchRun({ killInMonth }: { readonly killInMonth: boolean }): Promise<Watched> {
  const args = ["run", FILE, "--args", JSON.stringify({ year: YEAR }), "--run-id", RUN, "--data", data];
  const child = windkit([...args, "--json", "--no-input"]);
  const errors = new Response(child.stderr).text();
  const started: string[] = [];
  const running = new Set<string>();
  let killed: readonly string[] = [];
  let result: Report | undefined;
  let problem: string | undefined;
  let monthsDone = 0;

  const progress = createProgress(RUN, colors, Date.now());
  if (!killInMonth) progress.recall(await journal(), Date.now());
  const display = createDisplay(io.out, (frame, columns) => progress.live(Date.now(), frame, columns));
  try {
    for await (const line of lines(child.stdout)) {
      if (line.event === "result") {
        result = line.result;
        problem = line.error?.message;
        continue;
      }
      if (line.event === "error") {
        problem = line.error.message;
        continue;
      }
      if (line.event === "run") continue;
      const text = progress.take(line, Date.now());
      if (text !== undefined) display.line(`   ${text}`);
      if (line.event === "call_settled") {
        running.delete(line.key);
        if (line.key.startsWith(TASK)) monthsDone++;
      }
      if (line.event === "call_started") {
        started.push(line.key);
        running.add(line.key);
        if (killInMonth && line.key.startsWith(TASK) && monthsDone >= DONE_BEFORE_KILL) {
          setTimeout(() => {
            if (killed.length > 0 || !running.has(line.key)) return;
            killed = [...running];
            kill(child);
          }, RUNNING_BEFORE_KILL_MS);
        }
      }
      if (line.event === "approval_waiting") {
        const note = JSON.stringify({ note: "Looks right" });
        const { code } = await windkit([
          "approve",
          RUN,
          line.key,
          "--value",
          note,
          "--approver",
          "the demo",
          "--data",
          data,
        ]).status;
        if (code !== 0) throw new Error(`windkit approve ended with exit code ${code}`);
      }
    }
  } finally {
    display.close();
  }
  const { code } = await child.status;
  children.delete(child);
  const said = (await errors).trim();
  const why = problem ?? (said === "" ? undefined : said);
  return {
    pid: child.pid,
    code,
    started,
    killed,
    ...(result === undefined ? {} : { result }),
    ...(why === undefined ? {} : { problem: why }),
  };
}

function windkit(args: readonly string[]): Deno.ChildProcess {
  const isRun = args[0] === "run";
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", CLI, ...args],
    cwd: ROOT,
    stdin: "null",
    stdout: isRun ? "piped" : "null",
    stderr: isRun ? "piped" : "inherit",
  }).spawn();
  children.add(child);
  return child;
}

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Line> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = `${rest}${text}`.split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) yield JSON.parse(part) as Line;
  }
  // A killed process may leave half a line.
}

async function journal(): Promise<readonly JournalRecord[]> {
  const storage = await openSqliteStorage({ dir: join(ROOT, data), mode: "visit" });
  try {
    return (await readJournal(storage, RUN)).records;
  } finally {
    await storage.close();
  }
}

type Settled = JournalRecord & { readonly t: "settled" };

function settledBy(records: readonly JournalRecord[], pid: number): readonly Settled[] {
  return records.filter((record): record is Settled =>
    record.t === "settled" && record.by?.endsWith(`/${pid}`) === true
  );
}

/** Attempts that the kill cut short and that the second process ran again. */
function repeated(records: readonly JournalRecord[], first: Watched, second: Watched): readonly string[] {
  const again = new Set(settledBy(records, second.pid).map((record) => record.key));
  return first.started.filter((key) => again.has(key) && second.started.includes(key));
}

function stepTable(records: readonly JournalRecord[], first: Watched, second: Watched): string {
  const cut = new Set(repeated(records, first, second));
  const rows = new Map<string, { attempts: string[]; pids: Set<string>; ms: number }>();
  for (const record of records) {
    if (record.t !== "settled") continue;
    // The second attempt of "load_days" is "load_days#2": a row for the call, not for each attempt.
    const call = record.key.replace(/#\d+$/, "");
    const row = rows.get(call) ?? { attempts: [], pids: new Set<string>(), ms: 0 };
    rows.set(call, row);
    if (cut.has(record.key)) {
      row.attempts.push(colors.bad("killed"));
      row.pids.add(String(first.pid));
    }
    row.attempts.push(record.outcome.ok ? colors.good("done") : colors.wait("failed"));
    const pid = record.by?.split("/").at(-1);
    if (pid !== undefined) row.pids.add(pid);
    row.ms += record.at - record.startedAt;
  }
  const columns = [{ title: "STEP" }, { title: "ATTEMPTS" }, { title: "PROCESS" }, {
    title: "TOOK",
    align: "right",
  }] as const;
  const cells = [...rows].map(([call, { attempts, pids, ms }]) => [
    call,
    `${attempts.length}  ${attempts.join(", ")}`,
    [...pids].map((pid) => (pid === String(first.pid) ? colors.bad(pid) : colors.good(pid))).join(", ") ||
    colors.faint("none: the timer, the approver"),
    duration(ms),
  ]);
  return table(columns, cells, { paint: colors, indent: "   " });
}

function reportText(report: Report): string {
  const { year, days, rejected, doubtful, months, warmest, wettest, published, decidedBy } = report;
  const lineNumbers = (findings: readonly { readonly line: number }[]): string => {
    const shown = findings.slice(0, 8).map((finding) => finding.line).join(", ");
    return findings.length === 0 ? "" : `: lines ${shown}${findings.length > 8 ? ", ..." : ""}`;
  };
  const columns = [
    { title: "MONTH" },
    ...["DAYS", "RAINY", "RAIN mm", "(95 %)", "HIGH °C", "(95 %)", "LOW °C", "(95 %)"].map((
      title,
    ) => ({ title, align: "right" as const })),
  ];
  const figures = (
    { estimate, low, high }: { readonly estimate: number; readonly low: number; readonly high: number },
  ): string[] => [
    estimate.toFixed(1),
    colors.faint(`${low.toFixed(1)} to ${high.toFixed(1)}`),
  ];
  const cells = months.map((month) => [
    month.month,
    String(month.days),
    String(month.rainyDays),
    ...figures(month.precipitation),
    ...figures(month.medianHigh),
    ...figures(month.medianLow),
  ]);
  return [
    `   Seattle ${year}: ${days} days, warmest month ${warmest}, wettest ${wettest}, ${
      published ? "published" : "withheld"
    } by ${oneLine(decidedBy ?? "nobody")}`,
    `   ${rejected.length} rows rejected${lineNumbers(rejected)}`,
    `   ${doubtful.length} rows doubtful${lineNumbers(doubtful)}`,
    "",
    table(columns, cells, { paint: colors, indent: "   " }),
  ].join("\n");
}

/** The last line, and whether it may be said. */
function verdict(
  left: readonly JournalRecord[],
  records: readonly JournalRecord[],
  first: Watched,
  second: Watched,
): number {
  const committed = records.filter((record) => record.t === "settled");
  const before = new Set(left.filter((record) => record.t === "settled").map((record) => record.key));
  const twice = second.started.filter((key) => before.has(key));
  const settledTwice = committed.length - new Set(committed.map((record) => record.key)).size;
  const again = repeated(records, first, second);
  const isKept = left.every((record, i) => JSON.stringify(record) === JSON.stringify(records[i]));

  const broken: string[] = [];
  if (twice.length > 0) broken.push(`committed steps ran twice: ${twice.join(", ")}`);
  if (settledTwice > 0) broken.push(`${settledTwice} outcomes were committed a second time`);
  if (!isKept) broken.push("the journal that the killed process left was changed");
  if (again.length === 0) broken.push("no attempt was cut short and repeated");
  if (first.killed.some((key) => !before.has(key) && !again.includes(key))) {
    broken.push("an attempt was cut short and not repeated");
  }

  say(
    `${colors.faint("data folder")}  ${data}  ${colors.faint(`(deno task windkit runs show ${RUN} --data ${data})`)}`,
  );
  say(`${colors.faint("time")}         ${duration(Date.now() - startedAt)}`);
  for (const promise of broken) say(`${colors.bad("✗ broken promise:")} ${promise}`);
  const mark = broken.length === 0 ? colors.good("✓") : colors.bad("✗");
  say(
    `${mark} ${committed.length} outcomes committed, ${twice.length + settledTwice} committed steps ran twice, ` +
      `${again.length} ${again.length === 1 ? "attempt" : "attempts"} cut short by the kill and repeated (${
        again.join(", ")
      }), 1 crash survived`,
  );
  return broken.length === 0 ? 0 : 1;
}
