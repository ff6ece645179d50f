/**
 * Whether an engine goes on: until it is closed, or a commit of it fails. Who waits for a commit hears of either.
 *
 * @module
 */
import { EngineClosedError } from "../base/errors.ts";
import type { Batcher } from "./batcher.ts";
import type { Write } from "./ports.ts";

/** Life of one engine. */
export class EngineLife {
  readonly #batcher: Batcher;
  readonly #onFail: (error: Error) => void;
  /** Callers who wait for a commit of their own. */
  readonly #waiting = new Set<(error: Error) => void>();
  #failed: Error | undefined;
  #isClosing = false;

  /** @param onFail called once, when it cannot go on */
  constructor(batcher: Batcher, onFail: (error: Error) => void) {
    this.#batcher = batcher;
    this.#onFail = onFail;
  }

  get failed(): Error | undefined {
    return this.#failed;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** It has failed, or is being closed. */
  get isOver(): boolean {
    return this.#isClosing || this.#failed !== undefined;
  }

  /** Throws when it is over. */
  open(): void {
    if (this.#failed !== undefined) throw this.#failed;
    if (this.#isClosing) throw new EngineClosedError("Cannot use the engine: it was closed");
  }

  /** A commit failed: nothing after it is acknowledged. */
  readonly fail = (error: Error): void => {
    if (this.isOver) return;
    this.#failed = error;
    this.#onFail(error);
  };

  close(): void {
    this.#isClosing = true;
  }

  /** Nothing is committed any more. */
  leave(error: Error): void {
    for (const reject of this.#waiting) reject(error);
    this.#waiting.clear();
  }

  /**
   * Resolves when the writes, and all before them, are durable.
   *
   * @param then called at once then, before anybody goes on
   */
  committed(writes: readonly Write[], then?: () => void): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      if (this.#failed !== undefined) return reject(this.#failed);
      this.#waiting.add(reject);
      this.#batcher.add(writes, () => {
        this.#waiting.delete(reject);
        resolve();
        then?.();
      });
    });
  }
}
