/**
 * Work that an abort or a time limit ends.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts";
import { DeadlineError } from "../base/errors.ts";

/** A signal that is aborted by another one or when time is up, and what forgets both. */
export interface Scope {
  readonly signal: AbortSignal;
  readonly close: () => void;
}

/**
 * Opens a scope; whoever opens it closes it when the work is done.
 *
 * @param what what is waited for, for the error when time is up
 * @param stopped is told the reason when the scope ends early, after which it is closed
 */
export function openScope(
  clock: Clock,
  outer: AbortSignal | undefined,
  ms: number,
  what: string,
  stopped?: (reason: unknown) => void,
): Scope {
  if (!(ms > 0)) throw new RangeError(`'timeoutMs' must be > 0, found ${ms}`);
  outer?.throwIfAborted();
  const controller = new AbortController();
  const { signal } = controller;
  // Above 24.8 days, which no timer holds, is never.
  const timer = ms < 2 ** 31 ? clock.setTimeout(stop, ms) : undefined;
  outer?.addEventListener("abort", stop);
  function close(): void {
    clock.clearTimeout(timer);
    outer?.removeEventListener("abort", stop);
  }
  function stop(): void {
    close();
    controller.abort(outer?.aborted ? outer.reason : new DeadlineError(`Waited ${ms} ms for ${what}`));
    stopped?.(signal.reason);
  }
  return { signal, close };
}

/** Waits `ms`; rejects with the signal's reason when that is aborted first. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  // A scope in which nothing is done ends when time is up, or early.
  if (ms > 0) await new Promise((ended) => openScope(clock, signal, ms, "", ended));
  signal.throwIfAborted();
}
