/**
 * One run as one file: its journal, in the documented form of the records (`docs/journal.md`), with a SHA-256 for each.
 *
 * The file is JSON Lines. A line is one object of two fields, `sha256` and what it says: `journal` (the first line), `record`
 * (one a line), `message` (left for the run and not taken yet), `end` (the last line). A digest covers the digest of the line
 * before and the exact bytes of its own line, from the comma after the digest on: so the last line's covers all.
 * Lines, and not one JSON value, because then a run of any length is written as it is read, a program finds the record that
 * an error names by its line, and what a digest covers are bytes that stand in the file, whatever JSON library reads them.
 *
 * The digests find what was changed by whoever did not write them anew. Against others, note the last one (`digest`, which
 * `windkit runs export` prints) and ask for it at the import.
 *
 * @module
 */
import { JournalCorruptError, SchemaTooNewError, UnknownRunError } from "../base/errors.ts";
import { sha256 } from "./sha256.ts";
import { SDK_VERSION } from "../base/version.ts";
import type { JournalRecord } from "../workflow/journal.ts";
import { messageProblem } from "./answers.ts";
import { recordProblem } from "./journal_file_check.ts";
import type { Message, Storage } from "./ports.ts";
import { checkStillStored, readRecord, verifyRecord } from "./read_journal.ts";
import { readableHeader } from "./run_header.ts";

/** Version of the file's form. Records have versions of their own, in the run's header. */
const FILE_VERSION = 1;

/** A run as a file has it, verified. */
export interface JournalFile {
  /** Id of the run. */
  readonly run: string;
  /** Name of its workflow. */
  readonly workflow: string;
  /** Version of this package that wrote the file. */
  readonly sdk: string;
  /** The journal, from `opened` on. Without `closed` at its end the run has not ended, or had not when this was written. */
  readonly records: readonly JournalRecord[];
  /** Left for the run and not taken yet, oldest first. */
  readonly messages: readonly Message[];
  /** SHA-256 over all of it: that of the last line. */
  readonly digest: string;
}

/** How a run is exported. */
export interface ExportOptions {
  /** Also writes the messages that wait for the run. @default false */
  readonly messages?: boolean;
}

/** How a file is read. */
export interface ImportOptions {
  /** The digest that the file must have: noted when it was written, and kept apart from it. @default any */
  readonly digest?: string;
}

/**
 * Writes a run as the text of one file.
 *
 * @param storage where the run is; another process may drive it meanwhile: what is committed when it is read is written
 * @param runId which one
 * @param options whether messages are written too
 * @returns JSON Lines, with a line break at the end
 * @throws UnknownRunError when no run of that id is stored, JournalCorruptError when a record is damaged
 *
 * @example From one storage into another
 * ```ts
 * import { createEngine, exportRun, importRun } from "@windkit/windmill-client/engine";
 * import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
 * import { step, workflow } from "@windkit/windmill-client/workflow";
 *
 * const workflows = { greet: workflow(async (name: string) => await step("greeting", () => `Hello ${name}`)) };
 * const storage = createMemoryStorage();
 * await using here = await createEngine({ storage, workflows });
 * await (await here.start("greet", { name: "Ada" }, { runId: "r1" })).result();
 * const text = await exportRun(storage, "r1");
 *
 * await using there = await createEngine({ storage: createMemoryStorage(), workflows });
 * const run = await there.importRun(importRun(text));
 * if (await run.result() !== "Hello Ada") throw new Error("no greeting");
 * ```
 */
export async function exportRun(storage: Storage, runId: string, options: ExportOptions = {}): Promise<string> {
  let text = "";
  for await (const part of exportLines(storage, runId, options)) text += part;
  return text;
}

/**
 * Writes a run part by part, a page of records at a time: for runs that are larger than memory should be.
 *
 * @param storage where the run is
 * @param runId which one
 * @param options whether messages are written too
 * @returns parts of the text that {@linkcode exportRun} returns
 * @throws UnknownRunError when no run of that id is stored, or it is removed meanwhile, JournalCorruptError when a record is damaged
 */
export async function* exportLines(
  storage: Storage,
  runId: string,
  options: ExportOptions = {},
): AsyncGenerator<string, void> {
  // Before the records: a message that is taken meanwhile is then in both, and not in neither.
  const inbox = options.messages === true ? await storage.inbox(runId, storage.limits.maxMessages) : [];
  const taken = new Set<string>();
  const writer = createWriter();
  let check = "";
  let seq = 0;
  let createdAt = 0;
  for await (const page of storage.journal(runId)) {
    let part = "";
    for (const stored of page) {
      check = verifyRecord(runId, stored, seq, check);
      const record = readRecord(runId, stored);
      if (record.t === "opened") ({ createdAt } = record.header);
      part += writer.record(record);
      if (record.t === "settled" && record.inbox !== undefined) taken.add(record.inbox);
      seq++;
    }
    yield part;
  }
  if (seq === 0) throw new UnknownRunError(`Cannot export run "${runId}": no run of that id is stored`);
  await checkStillStored(storage, runId, createdAt);
  yield writer.end(inbox.filter(({ id }) => !taken.has(id)));
}

/**
 * Writes records that are in memory, as `engine.journal(id)` gives them, as the text of one file.
 *
 * @param records the journal from `opened` on, whole or up to some record
 * @param messages left for the run and not taken yet
 * @returns JSON Lines, with a line break at the end
 */
export function exportRecords(records: readonly JournalRecord[], messages: readonly Message[] = []): string {
  const writer = createWriter();
  let text = "";
  for (const record of records) text += writer.record(record);
  return text + writer.end(messages);
}

interface Writer {
  record(record: JournalRecord): string;
  end(messages: readonly Message[]): string;
}

function createWriter(): Writer {
  let digest = "";
  let records = 0;

  function line(kind: string, value: unknown): string {
    const rest = `,"${kind}":${JSON.stringify(value)}}`;
    digest = sha256(digest + rest);
    return `{"sha256":"${digest}"${rest}\n`;
  }

  return {
    record(record): string {
      let head = "";
      if (records === 0) {
        if (record.t !== "opened") {
          throw new TypeError(`Cannot export a run: its first record must be "opened", found "${record.t}"`);
        }
        const { id, workflow } = record.header;
        head = line("journal", { v: FILE_VERSION, run: id, workflow, sdk: SDK_VERSION });
      }
      if (record.seq !== records) {
        throw new TypeError(`Cannot export a run: record ${records} is missing, found record ${record.seq}`);
      }
      records++;
      return head + line("record", record);
    },
    end(messages): string {
      if (records === 0) throw new TypeError("Cannot export a run: it has no records");
      let text = "";
      for (const { run: _, ...message } of messages) text += line("message", message);
      return text + line("end", { records, messages: messages.length });
    },
  };
}

/** One line, its digest verified. */
interface Line {
  /** From 1. */
  readonly no: number;
  readonly kind: string;
  readonly value: unknown;
}

/** `{"sha256":"` and the digest and `"`. */
const DIGEST = /^\{"sha256":"([0-9a-f]{64})"(,"([a-z]+)":(.*)\})$/s;

/**
 * Reads the text of a file and verifies all of it.
 *
 * @param text what {@linkcode exportRun} wrote
 * @param options the digest that it must have
 * @returns the run; give it to `engine.importRun()`, or to {@linkcode storeRun}
 * @throws JournalCorruptError when a line was edited, moved, taken out or put in twice: it names the record, what was found and
 *   what was expected. SchemaTooNewError when a newer version wrote what this one does not know
 *
 * @example An edit is found
 * ```ts
 * import { exportRecords, importRun } from "@windkit/windmill-client/engine";
 * import { hasCode } from "@windkit/windmill-client/errors";
 *
 * const header = { v: 1, id: "r1", workflow: "pay", sourceHash: "", sdk: "0.1.0", flags: [], codec: 1, seed: "", args: "[10]" };
 * const text = exportRecords([{ t: "opened", seq: 0, at: 1, header: { ...header, v: 1, createdAt: 1 } }]);
 * if (importRun(text).run !== "r1") throw new Error("another run");
 * try {
 *   importRun(text.replace("[10]", "[99]"));
 *   throw new Error("not found");
 * } catch (error) {
 *   if (!hasCode(error, "JOURNAL_CORRUPT")) throw error;
 * }
 * ```
 */
export function importRun(text: string, options: ImportOptions = {}): JournalFile {
  const lines = text.split("\n");
  while (lines.length > 0 && (lines.at(-1) ?? "").trim() === "") lines.pop();
  const head = firstLine(lines[0]);
  const { run, workflow, sdk } = head;
  const records: JournalRecord[] = [];
  const messages: Message[] = [];
  let digest = "";
  let ended = false;
  for (const [i, raw] of lines.entries()) {
    const no = i + 1;
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (ended) throw corrupt(run, `line ${no} comes after the end`);
    const [, stated = "", rest = "", kind = "", json = ""] = DIGEST.exec(line) ?? [];
    const found = sha256(digest + rest);
    if (found !== stated) {
      throw damaged({ run, lines, no, records, messages, why: digestProblem(stated, found) });
    }
    digest = found;
    const read: Line = { no, kind, value: parsed(run, no, json) };
    switch (kind) {
      case "journal":
        if (i > 0) throw corrupt(run, `line ${no} is another head: a file holds one run`);
        break;
      case "record":
        if (messages.length > 0) throw corrupt(run, `line ${no} is a record, after the messages`);
        if (seqOf(read.value) !== records.length) throw damaged({ run, lines, no, records, messages, why: "" });
        records.push(checkedRecord(run, sdk, read, records.length));
        if (records.length === 1) checkHeader(head, records[0] as JournalRecord);
        break;
      case "message":
        messages.push(checkedMessage(run, read));
        break;
      case "end":
        checkEnd(run, read, records.length, messages.length);
        ended = true;
        break;
      default:
        throw new SchemaTooNewError(
          `Cannot read journal file of run "${run}": line ${no} is of kind "${kind}", which this version (${SDK_VERSION}) does ` +
            `not know. ${newer(sdk)}`,
        );
    }
  }
  if (!ended) {
    throw corrupt(
      run,
      `it stops after ${lastRead(records, messages)}: its last line, the end, is missing. Was it copied whole?`,
      records.length,
    );
  }
  if (options.digest !== undefined && options.digest.toLowerCase() !== digest) {
    throw corrupt(run, `its digest is ${digest}, expected ${options.digest}: it is not the file that was meant`);
  }
  return { run, workflow, sdk, records, messages, digest };
}

interface Head {
  readonly run: string;
  readonly workflow: string;
  readonly sdk: string;
}

/** Read before anything is verified: another version's digests may be others. */
function firstLine(line: string | undefined): Head {
  let value: unknown;
  try {
    value = (JSON.parse(line ?? "") as { readonly journal?: unknown } | null)?.journal;
  } catch {
    value = undefined; // no JSON: no journal file either
  }
  if (typeof value !== "object" || value === null) {
    throw new JournalCorruptError(
      `Cannot read journal file: its first line must be {"sha256":…,"journal":{…}}, found ${
        line === undefined ? "nothing" : excerpt(line)
      }`,
    );
  }
  const { v, run, workflow, sdk } = value as Readonly<Record<string, unknown>>;
  if (typeof v === "number" && v > FILE_VERSION) {
    throw new SchemaTooNewError(
      `Cannot read journal file of run "${run}": it has version ${v}, this version of the package (${SDK_VERSION}) reads ` +
        `version ${FILE_VERSION}. ${newer(String(sdk))}`,
    );
  }
  if (v !== FILE_VERSION || typeof run !== "string" || typeof workflow !== "string" || typeof sdk !== "string") {
    throw new JournalCorruptError(
      `Cannot read journal file: its first line must have 'v' ${FILE_VERSION} and the texts 'run', 'workflow' and 'sdk', found ${
        excerpt(JSON.stringify(value))
      }`,
    );
  }
  return { run, workflow, sdk };
}

function newer(sdk: string): string {
  return `It was written by version ${sdk}: read it with that version, or a newer one`;
}

function parsed(run: string, no: number, json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw corrupt(run, `line ${no} is no JSON: ${(cause as Error).message}`);
  }
}

function checkedRecord(run: string, sdk: string, { value }: Line, seq: number): JournalRecord {
  // Before its shape, which a newer version may have changed.
  const header = (value as { readonly header?: { readonly flags?: unknown } } | null)?.header;
  if (seq === 0 && Array.isArray(header?.flags)) readableHeader(run, [value as JournalRecord]);
  const problem = recordProblem(value, seq);
  if (problem === undefined) {
    // It was looked at, field by field.
    const record = value as JournalRecord;
    if (seq === 0 || record.t !== "opened") return record;
    throw corrupt(run, `record ${seq} is "opened", which only record 0 may be`, seq);
  }
  if (problem.newer) {
    throw new SchemaTooNewError(
      `Cannot read journal file of run "${run}": at record ${seq}, ${problem.text} (${SDK_VERSION}). ${newer(sdk)}`,
    );
  }
  throw corrupt(run, `${recordName(value, seq)}: ${problem.text}`, seq);
}

function checkHeader({ run, workflow }: Head, first: JournalRecord): void {
  if (first.t !== "opened") throw corrupt(run, `record 0 is "${first.t}", expected "opened"`, 0);
  const { header } = first;
  if (header.id !== run || header.workflow !== workflow) {
    throw corrupt(
      run,
      `its first line names run "${run}" of workflow "${workflow}", record 0 is of run "${header.id}" of "${header.workflow}"`,
      0,
    );
  }
}

const MESSAGE_KINDS: readonly unknown[] = ["event", "approval", "cancel", "settle"];

function checkedMessage(run: string, { no, value }: Line): Message {
  const fields = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const { id, kind, name, payload, from, at } = fields;
  if (
    typeof id !== "string" || typeof name !== "string" || typeof payload !== "string" || typeof at !== "number" ||
    !MESSAGE_KINDS.includes(kind) || (from !== undefined && typeof from !== "string")
  ) {
    throw corrupt(run, `line ${no} is no message: it must have 'id', 'kind', 'name', 'payload' and 'at'`);
  }
  const message: Message = {
    id,
    run,
    kind: kind as Message["kind"],
    name,
    payload,
    ...(from === undefined ? undefined : { from }),
    at,
  };
  const problem = messageProblem(message);
  if (problem !== undefined) throw corrupt(run, `message "${id}" on line ${no}: ${problem}`);
  return message;
}

function checkEnd(run: string, { value }: Line, records: number, messages: number): void {
  const { records: r, messages: m } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (records > 0 && r === records && m === messages) return;
  throw corrupt(run, `its end says ${r} records and ${m} messages, found ${records} and ${messages}`, records);
}

interface Damage {
  readonly run: string;
  readonly lines: readonly string[];
  /** Line at which it was found. */
  readonly no: number;
  /** What was read before. */
  readonly records: readonly JournalRecord[];
  readonly messages: readonly Message[];
  /** What the digest says. */
  readonly why: string;
}

/** The most that can be said about a line that does not follow the one before. */
function damaged({ run, lines, no, records, messages, why }: Damage): JournalCorruptError {
  const seq = records.length;
  const here = contentOf(lines[no - 1]);
  if (here === undefined) return corrupt(run, `line ${no} is damaged: found ${excerpt(lines[no - 1] ?? "")}`, seq);
  const { record } = here;
  if (record === undefined) {
    const what = "journal" in here ? "the first line" : "end" in here ? "the end" : `line ${no}`;
    return corrupt(run, `${what} was changed, or what is before it was taken out: ${why}`, seq);
  }
  const found = seqOf(record);
  if (found === undefined || found === seq) return corrupt(run, `${recordName(record, seq)} was changed: ${why}`, seq);
  const name = recordName(record, found);
  const after = `line ${no}, after ${lastRead(records, messages)}`;
  if (found < seq) {
    return corrupt(run, `${name} is there a second time, on ${after}: expected record ${seq}`, seq);
  }
  const later = lines.findIndex((line, i) => i >= no && seqOf(contentOf(line)?.record) === seq);
  if (later < 0) return corrupt(run, `record ${seq} is missing: found ${name} on ${after}`, seq);
  const expected = recordName(contentOf(lines[later])?.record, seq);
  return corrupt(
    run,
    `the order is another: found ${name} on ${after}, expected ${expected}, which is on line ${later + 1}`,
    seq,
  );
}

function digestProblem(stated: string, found: string): string {
  return stated === ""
    ? "it has no SHA-256"
    : `found SHA-256 ${stated}, expected ${found}, by its bytes and the line before it`;
}

/** What a line holds, if it can be read at all. */
function contentOf(line: string | undefined): { readonly record?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(line ?? "");
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined; // it is looked at because it is damaged
  }
}

function seqOf(record: unknown): number | undefined {
  const seq = (record as { readonly seq?: unknown } | null | undefined)?.seq;
  return typeof seq === "number" ? seq : undefined;
}

/** `record 5 ("charge")`. */
function recordName(record: unknown, seq: number): string {
  const { key, name, t } = (record ?? {}) as Readonly<Record<string, unknown>>;
  const shown = [key, name, t].find((text) => typeof text === "string");
  return shown === undefined ? `record ${seq}` : `record ${seq} ("${excerpt(shown as string)}")`;
}

function lastRead(records: readonly JournalRecord[], messages: readonly Message[]): string {
  const message = messages.at(-1);
  if (message !== undefined) return `message "${excerpt(message.id)}"`;
  const record = records.at(-1);
  return record === undefined ? "the first line" : recordName(record, record.seq);
}

function excerpt(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80).toWellFormed()}…` : text;
}

function corrupt(run: string, why: string, seq?: number): JournalCorruptError {
  return new JournalCorruptError(`Journal file of run "${run}" is damaged: ${why}`, {
    runId: run,
    ...(seq === undefined ? undefined : { seq }),
  });
}
