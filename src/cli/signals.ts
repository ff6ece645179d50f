/**
 * What stops a run from outside: Ctrl-C, a polite kill, a closed terminal, a reader that went away.
 *
 * @module
 */
import process from "node:process";
import { EXIT } from "./exit_codes.ts";

/** Why a run is stopped. */
export class Interruption extends Error {
  /** Always `"Interruption"`. */
  override readonly name = "Interruption";
  /** The exit code it ends in. */
  readonly exitCode: number;
  /** Builds it. */
  constructor(what: string, exitCode: number) {
    super(`Stopped by ${what}`);
    this.exitCode = exitCode;
  }
}

/** Listens until it is closed. */
export interface Interruptions {
  /** Aborted with an {@linkcode Interruption}. */
  readonly signal: AbortSignal;
  /** Stops the run as a signal would. */
  stop(reason: Interruption): void;
  /** Listens no more. */
  close(): void;
}

const SIGNALS = [["SIGINT", "Ctrl-C", EXIT.interrupted], ["SIGTERM", "SIGTERM", EXIT.terminated], [
  "SIGHUP",
  "SIGHUP",
  EXIT.hangup,
]] as const;

/**
 * How long after the first signal another one is taken for the same, in milliseconds: a terminal sends Ctrl-C to the whole group
 * of processes, and `deno task` and npx pass theirs on.
 */
const SAME_MS = 500;

/**
 * Listens for signals. The first one aborts; a second one ends the process at once, for whoever cannot wait.
 *
 * @param now the clock, in milliseconds
 * @returns the listener
 */
export function listenForSignals(now: () => number = () => performance.now()): Interruptions {
  const controller = new AbortController();
  let first = 0;
  const listeners = SIGNALS.map(([signal, what, exitCode]) => {
    const listener = (): void => {
      if (controller.signal.aborted) {
        if (now() - first >= SAME_MS) process.exit(exitCode);
        return;
      }
      first = now();
      controller.abort(new Interruption(what, exitCode));
    };
    process.on(signal, listener);
    return { signal, listener };
  });
  return {
    signal: controller.signal,
    stop(reason): void {
      if (!controller.signal.aborted) controller.abort(reason);
    },
    close(): void {
      for (const { signal, listener } of listeners) process.removeListener(signal, listener);
    },
  };
}
