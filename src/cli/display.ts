/**
 * Progress on a terminal: finished lines scroll up, what goes on now is drawn below them, over and over. On anything else,
 * the finished lines alone.
 *
 * @module
 */
import type { Sink } from "./terminal.ts";

const FRAME_MS = 100;

/** A place for progress. */
export interface Display {
  /** Adds a line that stays. */
  line(text: string): void;
  /** Takes the moving part away, to ask a question below the lines; lines that come meanwhile wait. */
  pause(): void;
  resume(): void;
  /** Takes the moving part away for good. */
  close(): void;
}

/**
 * Makes a display.
 *
 * @param sink where it is drawn
 * @param live what goes on now, as lines
 * @returns the display, drawn until it is closed
 */
export function createDisplay(sink: Sink, live: (frame: number, columns: number) => readonly string[]): Display {
  let drawn = 0;
  let frame = 0;
  let paused = false;
  let closed = false;
  let held: string[] = [];

  const erase = (): string => {
    // From the first column: what is typed meanwhile is echoed below, a Ctrl-C as "^C".
    const text = drawn === 0 ? "" : `\r\x1b[${drawn}A\x1b[J`;
    drawn = 0;
    return text;
  };
  const draw = (before: string): void => {
    const lines = live(frame, sink.columns());
    const text = `${erase()}${before}${lines.map((line) => `${line}\n`).join("")}`;
    drawn = lines.length;
    sink.write(text);
  };
  const timer = sink.isTerminal
    ? setInterval(() => {
      frame++;
      if (!paused) draw("");
    }, FRAME_MS)
    : undefined;

  return {
    line(text): void {
      if (paused) held.push(text);
      else if (sink.isTerminal && !closed) draw(`${text}\n`);
      else sink.write(`${text}\n`);
    },
    pause(): void {
      paused = true;
      if (sink.isTerminal) sink.write(erase());
    },
    resume(): void {
      paused = false;
      const lines = held.map((text) => `${text}\n`).join("");
      held = [];
      if (sink.isTerminal && !closed) draw(lines);
      else sink.write(lines);
    },
    close(): void {
      if (closed) return;
      closed = true;
      clearInterval(timer);
      const lines = held.map((text) => `${text}\n`).join("");
      held = [];
      sink.write(sink.isTerminal ? `${erase()}${lines}` : lines);
      paused = false;
    },
  };
}
