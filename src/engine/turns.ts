/**
 * Work that is done one after the other.
 *
 * @module
 */

/** Turns by key: each begins when the one before has ended, however it did. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** One is under way or waits. */
  has(key: string): boolean {
    return this.#last.has(key);
  }

  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const turn = (async (): Promise<T> => {
      await before?.catch(() => undefined); // its own caller hears of it
      return await work();
    })();
    this.#last.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    }
  }
}
