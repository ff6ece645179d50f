/**
 * Removals of old runs, one after the other: those that are asked for, and those that retention makes from time to time. What is
 * opened again or gets a message while a removal is under way is left alone by it.
 *
 * @module
 */
import type { EngineLife } from "./engine_life.ts";
import type { Host, Storage } from "./ports.ts";
import { removeOld } from "./removal.ts";
import { Turns } from "./turns.ts";

/** How often closed runs beyond the retention are looked for, in milliseconds. */
const CHECK_MS = 60_000;

/** Removals are not of one run. */
const ALL = "";

/** Retention of one engine. */
export class Retention {
  readonly #storage: Storage;
  readonly #host: Host;
  readonly #life: EngineLife;
  /** Runs that are not removed now: they are being opened again. */
  readonly #kept = new Set<string>();
  /** Runs that the removal under way leaves alone: since it began they were opened again, or something was left for them. */
  readonly #spared = new Set<string>();
  readonly #turns = new Turns();
  #timer: Disposable | undefined;

  constructor(storage: Storage, host: Host, life: EngineLife) {
    this.#storage = storage;
    this.#host = host;
    this.#life = life;
  }

  /** Removes from now on what ended so long ago. */
  begin(retentionMs: number): void {
    const at = this.#host.now() + Math.min(CHECK_MS, Math.max(retentionMs, 1000));
    this.#timer = this.#host.timer(at, () => {
      this.prune(retentionMs).then(
        () => this.#life.isOver || this.begin(retentionMs),
        this.#life.fail,
      );
    });
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  /** A run is being opened again: no removal that comes to it takes it, until it is released. False when that is so already. */
  keep(run: string): boolean {
    if (this.#kept.has(run)) return false;
    this.#kept.add(run);
    this.spare(run);
    return true;
  }

  release(run: string): void {
    this.#kept.delete(run);
  }

  /** Something is left for a run: a removal that is under way has not seen it. */
  spare(run: string): void {
    if (this.#turns.has(ALL)) this.#spared.add(run);
  }

  prune(olderThanMs: number): Promise<number> {
    return this.#turns.take(ALL, () => this.#prune(olderThanMs));
  }

  /** One at a time: each goes by what it has listed. */
  async #prune(olderThanMs: number): Promise<number> {
    const life = this.#life;
    life.open();
    const closedBefore = this.#host.now() - olderThanMs;
    this.#spared.clear();
    // What was left for a run before is seen.
    await life.committed([]);
    return await removeOld(this.#storage, {
      closedBefore,
      now: () => this.#host.now(),
      isSpared: (id) => this.#kept.has(id) || this.#spared.has(id),
      commit: async (writes) => {
        life.open();
        await life.committed(writes);
      },
    });
  }
}
