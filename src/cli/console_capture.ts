/**
 * What the workflow's code prints, kept apart from what the command prints: stdout is for the result alone.
 *
 * @module
 */
import { format } from "node:util";

/** Functions of `console` that print a line, and the level that each stands for. */
const LEVELS = { debug: "debug", log: "info", info: "info", warn: "warn", error: "error" } as const;

/** How serious a line is. */
export type LogLevel = typeof LEVELS[keyof typeof LEVELS];

/**
 * Takes over the global console.
 *
 * @param onLine called with each text that is printed
 * @returns gives the console back
 */
export function captureConsole(onLine: (level: LogLevel, text: string) => void): () => void {
  const before = { ...console };
  for (const [name, level] of Object.entries(LEVELS)) {
    Object.assign(console, { [name]: (...values: unknown[]): void => onLine(level, format(...values)) });
  }
  return () => void Object.assign(console, before);
}
