/**
 * One job in one boxed process: tells it what to do, reads what it says, and ends it when it must end.
 *
 * @module
 */
import { pathToFileURL } from "node:url";
import { isExactNumber, parseExact } from "../../base/exact_numbers.ts";
import type { Json } from "../../workflow/journal.ts";
import type { JobError, JobOutcome, RunnerIo } from "../ports.ts";
import type { ResultMessage, StartLine } from "../wrapper/protocol.ts";
import type { BoxedProcess, Ended } from "./boxed_process.ts";
import { createBoundedLog, createOutputReader, partStream } from "./output.ts";

/** Bounds of one job. */
export interface Limits {
  readonly timeoutMs: number | undefined;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly killGraceMs: number;
  readonly logCharacters: number;
  readonly resultCharacters: number;
}

/** How often the resident size is looked at, in milliseconds. */
const MEMORY_MS = 50;
/** How often the job's folder is looked at, in milliseconds: the first time after so long, too. */
const DISK_MS = 500;

/**
 * Runs a job to its end. The process may still be about to end when this resolves: `BoxedProcess.close` waits for it.
 *
 * @param box a process that has had no job
 * @param start what to run
 * @param io where output goes, and how it is stopped
 * @param limits bounds
 */
export function execute(box: BoxedProcess, start: StartLine, io: RunnerIo, limits: Limits): Promise<JobOutcome> {
  return new Promise((resolve) => {
    const folderUrl = `${pathToFileURL(box.folder).href}/`;
    const log = createBoundedLog((text) => io.log(text), limits.logCharacters);
    let result: string | undefined;
    const streamed: string[] = [];
    let streamedLength = 0;
    let quiet = false;
    let done = false;
    let stopped: JobError | undefined;
    const timers: ReturnType<typeof setTimeout>[] = [];

    function stop(error: JobError, graceMs: number): void {
      if (stopped !== undefined || done) return;
      stopped = error;
      if (graceMs > 0) {
        box.signal("SIGTERM");
        timers.push(setTimeout(() => box.signal("SIGKILL"), graceMs));
      } else {
        box.signal("SIGKILL");
      }
    }
    function finish(ended?: Ended): void {
      if (done) return;
      done = true;
      for (const timer of timers) clearTimeout(timer);
      clearInterval(memory);
      clearTimeout(disk);
      io.signal.removeEventListener("abort", cancel);
      for (const reader of readers) reader.end();
      resolve(outcome(ended));
    }
    function outcome(ended: Ended | undefined): JobOutcome {
      if (stopped !== undefined) return { ok: false, error: stopped };
      if (result === undefined) return { ok: false, error: deathOf(ended, log.last) };
      const message = parseExact(result) as ResultMessage;
      if (!message.ok) return { ...message, error: shown(message.error, folderUrl) };
      // What a workflow's process ends with is not its result.
      return io.session === undefined ? { ...message, result: withStream(message.result, streamed.join("")) } : message;
    }
    function stream(piece: string): void {
      io.stream(piece);
      if (io.session !== undefined) return;
      streamedLength += piece.length;
      if (streamedLength <= limits.resultCharacters) streamed.push(piece);
      else sinks.tooLong();
    }
    function cancel(): void {
      const { reason } = io.signal;
      const message = reason instanceof Error ? reason.message : String(reason);
      stop({ name: "Canceled", message }, limits.killGraceMs);
    }
    const sinks = {
      message(kind: string, text: string): void {
        if (kind === "r") result = text;
        else if (kind === "e") quiet = true;
        else if (kind === "t") stream(JSON.parse(text) as string);
        else io.session?.receive(clean(text));
        if (result !== undefined && quiet && stopped === undefined) finish();
      },
      tooLong: () =>
        stop({
          name: "ExecutionErr",
          message: `The result is too long: it has more than ${limits.resultCharacters} characters`,
        }, 0),
    };
    const clean = (text: string): string => text.includes(folderUrl) ? text.replaceAll(folderUrl, "") : text;
    const add = (text: string): void => log.add(clean(text));
    const readers = [
      createOutputReader({ ...sinks, lines: (text) => partStream(text, add, stream) }, limits.resultCharacters),
      createOutputReader({ ...sinks, lines: add }, limits.resultCharacters),
    ] as const;
    for (const reader of readers) reader.expect(start.mark);
    box.output((pipe, bytes) => {
      if (!done) readers[pipe].push(bytes);
    });
    function watch(bytes: number): void {
      if (done) return;
      io.memory?.(bytes);
      if (bytes <= limits.memoryBytes) return;
      const mib = Math.floor(limits.memoryBytes / 2 ** 20);
      stop({ name: "ExecutionErr", message: `The job was ended: it uses more than its ${mib} MiB of memory` }, 0);
    }
    const memory = setInterval(() => box.memory(watch), MEMORY_MS);
    async function lookAtDisk(): Promise<void> {
      const bytes = await box.disk(limits.diskBytes);
      if (done) return;
      disk = setTimeout(lookAtDisk, DISK_MS);
      if (bytes <= limits.diskBytes) return;
      const mib = Math.floor(limits.diskBytes / 2 ** 20);
      stop(
        { name: "ExecutionErr", message: `The job was ended: its files take more than its ${mib} MiB of the disk` },
        0,
      );
    }
    let disk = setTimeout(lookAtDisk, DISK_MS);
    if (limits.timeoutMs !== undefined) {
      const { timeoutMs } = limits;
      const message = `Job timed out after ${timeoutMs / 1000}s`;
      timers.push(setTimeout(() => stop({ name: "ExecutionErr", message }, limits.killGraceMs), timeoutMs));
    }
    void box.ended.then(finish);
    io.signal.addEventListener("abort", cancel, { once: true });
    if (io.signal.aborted) cancel();
    box.send(JSON.stringify(start));
    io.session?.attach((line) => box.send(line));
  });
}

/** A result with what was streamed: the text alone where there is no other result, a field of an object; else as it is. */
function withStream(result: Json, streamed: string): Json {
  if (streamed === "") return result;
  if (result === null) return streamed;
  const hasFields = typeof result === "object" && !Array.isArray(result) && !isExactNumber(result);
  return hasFields ? { ...result, wm_stream: streamed } : result;
}

/** The error of a process that ended without a result, in Windmill's words. */
function deathOf(ended: Ended | undefined, lastLines: string): JobError {
  if (ended?.error !== undefined) {
    return { name: "ExecutionErr", message: `Cannot start the script's process: ${ended.error.message}` };
  }
  const { code = null, signal = null } = ended ?? {};
  const shownCode = code ?? 128 + (SIGNALS[signal ?? ""] ?? 0);
  const how = signal === null ? String(shownCode) : `${shownCode} (${signal})`;
  return {
    name: "ExecutionErr",
    message: `exit code for "deno run": ${how}, last log lines:\n${lastLines}`,
    exit_code: shownCode,
  };
}

const SIGNALS: Readonly<Record<string, number>> = {
  ...{ SIGINT: 2, SIGILL: 4, SIGTRAP: 5, SIGABRT: 6, SIGBUS: 7, SIGFPE: 8, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 },
};

/** An error without places of this machine: files are named from the job's folder, and the wrapper's own frames are left out. */
function shown(error: Extract<ResultMessage, { readonly ok: false }>["error"], folderUrl: string): JobError {
  const { stack } = error;
  const message = error.message.replaceAll(folderUrl, "");
  if (typeof stack !== "string") return { ...error, message };
  const lines = stack.replaceAll(folderUrl, "").split("\n");
  return {
    ...error,
    message,
    stack: lines.filter((line) => !/\/src\/runner\/wrapper\/\w+\.[jt]s:/.test(line)).join("\n"),
  };
}
