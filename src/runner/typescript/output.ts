/**
 * Takes a process's output apart: lines for the log, and between them what the wrapper says.
 *
 * @module
 */
import { FRAME, type MessageKind } from "../wrapper/protocol.ts";

/** Reads one pipe. */
export interface OutputReader {
  /** What the wrapper says from now on is marked by this. */
  expect(mark: string): void;
  push(bytes: Uint8Array): void;
  /** Gives out what has no line end. */
  end(): void;
}

/** What comes out. */
export interface OutputSinks {
  /** Whole lines, each with its line feed; a long one in pieces, of which the last has it. */
  lines(text: string): void;
  message(kind: MessageKind, text: string): void;
  /** The wrapper says more than may be kept. */
  tooLong(): void;
}

/** A line without an end is given out in pieces of this many characters. */
const LONGEST_LINE = 1 << 16;

/** Reads a pipe of UTF-8. `longest`: characters of one message. */
export function createOutputReader(sinks: OutputSinks, longest: number): OutputReader {
  const decoder = new TextDecoder();
  let mark: string | undefined;
  let held = "";
  let line = "";
  /** Pieces of the message that is being read. */
  let message: string[] | undefined;
  let length = 0;

  function plain(text: string): void {
    const end = text.lastIndexOf("\n") + 1;
    if (end > 0) {
      sinks.lines(line + text.slice(0, end));
      line = text.slice(end);
    } else {
      line += text;
    }
    if (line.length > LONGEST_LINE) {
      sinks.lines(line);
      line = "";
    }
  }
  function read(text: string): void {
    let data = text;
    while (data !== "") {
      if (message !== undefined) {
        const end = data.indexOf("\n");
        const piece = end < 0 ? data : data.slice(0, end);
        length += piece.length;
        if (length <= longest) message.push(piece);
        else sinks.tooLong();
        if (end < 0) return;
        const whole = message.join("");
        message = undefined;
        data = data.slice(end + 1);
        if (length <= longest) sinks.message(whole[0] as MessageKind, whole.slice(1));
        continue;
      }
      const at = mark === undefined ? -1 : data.indexOf(mark);
      if (mark !== undefined && at >= 0) {
        plain(data.slice(0, at));
        message = [];
        length = 0;
        data = data.slice(at + mark.length);
        continue;
      }
      // The beginning of a mark may be cut from its rest.
      const cut = data.lastIndexOf(FRAME);
      if (mark !== undefined && cut >= 0 && mark.startsWith(data.slice(cut))) {
        plain(data.slice(0, cut));
        held = data.slice(cut);
      } else {
        plain(data);
      }
      return;
    }
  }
  return {
    expect(value) {
      mark = FRAME + value;
    },
    push(bytes) {
      const data = held + decoder.decode(bytes, { stream: true });
      held = "";
      read(data);
    },
    end() {
      const rest = held + decoder.decode();
      held = "";
      if (message === undefined) plain(rest);
      if (line !== "") sinks.lines(`${line}\n`);
      line = "";
    },
  };
}

const STREAM = "WM_STREAM: ";

/**
 * Takes the lines of the streamed result out of a log.
 *
 * @param text whole lines
 * @param log takes the others
 * @param stream takes a piece of the result
 */
export function partStream(text: string, log: (lines: string) => void, stream: (piece: string) => void): void {
  if (!text.includes(STREAM)) return log(text);
  let lines = "";
  for (const line of text.split(/(?<=\n)/)) {
    if (!line.startsWith(STREAM)) {
      lines += line;
      continue;
    }
    if (lines !== "") log(lines);
    lines = "";
    const piece = line.slice(STREAM.length).replace(/\r?\n$/, "").replaceAll("\\n", "\n");
    if (piece !== "") stream(piece);
  }
  if (lines !== "") log(lines);
}

/** A log that ends at a bound, and the last lines of it. */
export interface BoundedLog {
  add(lines: string): void;
  /** The last lines, for the error of a process that died. */
  readonly last: string;
}

const LAST_LINES = 20;
const LAST_CHARACTERS = 4000;

/** Passes lines on until there are too many. */
export function createBoundedLog(write: (text: string) => void, most: number): BoundedLog {
  let left = most;
  let tail = "";
  return {
    add(lines) {
      tail = (tail + lines).slice(-LAST_CHARACTERS);
      if (left < 0) return;
      left -= lines.length;
      if (left >= 0) return write(lines);
      write(`${lines.slice(0, left)}\n[The log ends here: it has more than ${most} characters]\n`);
    },
    get last() {
      return tail.split("\n").filter((line) => line.trim() !== "").slice(-LAST_LINES).join("\n");
    },
  };
}
