/**
 * What jobs write while they run: logs and streamed results, kept in rows, bounded, and told to who watches.
 *
 * Text is gathered for some milliseconds and written for all jobs in one transaction: a job that writes a thousand lines costs a
 * few commits. Logs are cleaned of secrets before they are written. So that none is cut in two by a pipe, only whole lines are
 * looked at, or what was left of one for a while; what may be the beginning of a secret at its end waits for the rest. Streamed
 * results are for who asked for them: they are kept as they are, encrypted.
 *
 * @module
 */
import type { Clock } from "../../base/clock.ts";
import type { Database, Secrets } from "../ports.ts";
import type { StoredTexts } from "../stored_text.ts";

/** How long text is gathered, and how long a line may stay unfinished before it is written as it is. */
const GATHER_MS = 10, LINE_MS = 100;

/** So much is written at once, whatever the time. */
const GATHER_CHARS = 256 * 1024;

/** Which of the two. */
export type Channel = "log" | "stream";

const TABLES = { log: "logs", stream: "streams" } as const;

/** What jobs wrote. */
export interface Output {
  /** Takes text of a running job. */
  write(job: string, channel: Channel, text: string): void;
  /** Writes what was gathered of a job: to be called before its end is committed, in the same transaction. */
  finish(job: string): void;
  /** Text from an offset. */
  read(job: string, channel: Channel, offset: number): string;
  /** Where the next text of a job begins. */
  end(job: string, channel: Channel): number;
  /** Words of a job that must not be in its log, beside the secrets: its token. */
  hide(job: string, word: string): void;
  close(): void;
}

/** What {@linkcode createOutput} needs. */
export interface OutputParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly secrets: Pick<Secrets, "redact" | "cutAt">;
  readonly texts: StoredTexts;
  /** Longest log of a job, and longest streamed result, in characters. */
  readonly maxChars: number;
  /** Called after the commit. */
  readonly told: (job: string, channel: Channel, text: string, offset: number) => void;
}

interface Pending {
  readonly log: string[];
  readonly stream: string[];
  /** Begin of a line that has no end yet, and since when. */
  line: string;
  lineSince: number;
  chars: number;
  /** Where the next text of each begins, once that was looked at: most jobs write little, or nothing. */
  readonly ends: Partial<Record<Channel, number>>;
  readonly hidden: string[];
}

/** Makes the store of what jobs write. */
export function createOutput({ database, clock, secrets, texts, maxChars, told }: OutputParts): Output {
  const pending = new Map<string, Pending>();
  let timer: unknown, timerMs = 0;

  const opened = (channel: Channel, text: string): string => channel === "log" ? text : texts.open(text, "");

  function storedEnd(job: string, channel: Channel): number {
    const row = database.get<{ readonly at: number; readonly text: string }>(
      `SELECT at, text FROM ${TABLES[channel]} WHERE job = ? ORDER BY at DESC LIMIT 1`,
      job,
    );
    return row === undefined ? 0 : row.at + opened(channel, row.text).length;
  }

  function pendingOf(job: string): Pending {
    let found = pending.get(job);
    if (found === undefined) {
      found = {
        log: [],
        stream: [],
        line: "",
        lineSince: 0,
        chars: 0,
        ends: {},
        hidden: [],
      };
      pending.set(job, found);
    }
    return found;
  }

  function clean(text: string, hidden: readonly string[]): string {
    let cleaned = secrets.redact(text);
    for (const word of hidden) cleaned = cleaned.replaceAll(word, "***");
    return cleaned;
  }

  /** Up to where an unfinished line can be written: behind that, a secret may have begun. */
  function safeEnd(text: string, hidden: readonly string[]): number {
    let end = secrets.cutAt(text);
    for (const word of hidden) {
      for (let length = Math.min(word.length - 1, text.length); length > 0; length--) {
        if (text.endsWith(word.slice(0, length))) end = Math.min(end, text.length - length);
      }
    }
    return end;
  }

  function store(job: string, of: Pending, channel: Channel, whole: string): void {
    if (whole === "") return;
    const at = of.ends[channel] ??= storedEnd(job, channel);
    if (at >= maxChars) return;
    const fits = at + whole.length < maxChars;
    const text = fits ? whole : `${whole.slice(0, maxChars - at).toWellFormed()}${cutNotice(channel, maxChars)}`;
    database.run(
      `INSERT INTO ${TABLES[channel]} VALUES (?, ?, ?)`,
      job,
      at,
      channel === "log" ? text : texts.seal(text),
    );
    const offset = at + text.length;
    of.ends[channel] = offset;
    database.afterCommit(() => told(job, channel, text, offset));
  }

  /** Writes what a job's text is ready; `all`: the unfinished line too. */
  function flush(job: string, of: Pending, all: boolean): void {
    if (of.line !== "" && (all || clock.now() - of.lineSince >= LINE_MS || of.line.length > GATHER_CHARS)) {
      const end = all ? of.line.length : safeEnd(of.line, of.hidden);
      of.log.push(of.line.slice(0, end));
      of.line = of.line.slice(end);
    }
    const log = of.log.join(""), stream = of.stream.join("");
    of.log.length = 0;
    of.stream.length = 0;
    of.chars = 0;
    store(job, of, "log", clean(log, of.hidden));
    store(job, of, "stream", stream);
  }

  function flushAll(): void {
    timer = undefined;
    // Synced with the job's end at the latest.
    database.passing(() => {
      for (const [job, of] of pending) flush(job, of, false);
    });
    // What has waited its time waits for more text, or for the job's end.
    const now = clock.now();
    if ([...pending.values()].some(({ line, lineSince }) => line !== "" && now - lineSince < LINE_MS)) arm(LINE_MS);
  }

  function arm(ms: number): void {
    if (timer !== undefined && timerMs <= ms) return;
    if (timer !== undefined) clock.clearTimeout(timer);
    timerMs = ms;
    timer = clock.setTimeout(flushAll, ms);
  }

  function read(job: string, channel: Channel, offset: number): string {
    const rows = database.all<{ readonly at: number; readonly text: string }>(
      `SELECT at, text FROM ${TABLES[channel]} WHERE job = ?1 AND at >= coalesce(
        (SELECT max(at) FROM ${TABLES[channel]} WHERE job = ?1 AND at <= ?2), 0) ORDER BY at`,
      job,
      offset,
    );
    return rows.map(({ text }) => opened(channel, text)).join("").slice(Math.max(0, offset - (rows[0]?.at ?? offset)));
  }

  return {
    write: (job, channel, text) => {
      if (text === "") return;
      const of = pendingOf(job);
      of.chars += text.length;
      if (channel === "stream") of.stream.push(text);
      else {
        const cut = text.lastIndexOf("\n") + 1;
        if (cut > 0) {
          of.log.push(of.line + text.slice(0, cut));
          of.line = "";
        }
        if (of.line === "") of.lineSince = clock.now();
        of.line += text.slice(cut);
      }
      if (of.chars < GATHER_CHARS) return arm(GATHER_MS);
      database.passing(() => flush(job, of, false));
    },
    finish: (job) => {
      const of = pending.get(job);
      if (of === undefined) return;
      flush(job, of, true);
      database.afterCommit(() => pending.delete(job));
    },
    read,
    end: (job, channel) => pending.get(job)?.ends[channel] ?? storedEnd(job, channel),
    hide: (job, word) => void pendingOf(job).hidden.push(word),
    close: () => {
      if (timer !== undefined) clock.clearTimeout(timer);
      timer = undefined;
      database.transaction(() => {
        for (const [job, of] of pending) flush(job, of, true);
      });
      pending.clear();
    },
  };
}

function cutNotice(channel: Channel, maxChars: number): string {
  return channel === "log" ? `\n[Windkit: the log is cut here, it is bounded to ${maxChars} characters]\n` : "";
}
