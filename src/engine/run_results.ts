/**
 * Results of runs: of those that have ended as they are recorded, of others when they end, and along the chain of those that go on
 * as another run.
 *
 * @module
 */
import { UnknownRunError } from "../base/errors.ts";
import type { Json } from "../workflow/journal.ts";
import { newestOf } from "./chain.ts";
import type { EngineLife } from "./engine_life.ts";
import type { RunRow, Storage } from "./ports.ts";
import { readJournal } from "./read_journal.ts";
import { createResultWaits, type Ended } from "./result_waits.ts";
import type { RunDriver } from "./run_driver.ts";
import { resultOf } from "./run_header.ts";

/** The engine, as those see it who ask for a result. */
export interface AskedEngine {
  /** A run in memory: it is stored, and has not ended. */
  live(run: string): RunDriver | undefined;
  /** Why the run does not go on here. */
  stoppedBy(run: string): Error | undefined;
  /** @throws UnknownRunError */
  row(run: string): Promise<RunRow>;
}

/** Results of one engine's runs. */
export class RunResults {
  readonly #storage: Storage;
  readonly #life: EngineLife;
  readonly #engine: AskedEngine;
  /** Those who wait: the engine tells them of ends. */
  readonly waits = createResultWaits();

  constructor(storage: Storage, life: EngineLife, engine: AskedEngine) {
    this.#storage = storage;
    this.#life = life;
    this.#engine = engine;
  }

  async of(first: string, signal: AbortSignal | undefined): Promise<Json> {
    for (let id = first;;) {
      const { status, outcome, next } = await this.#end(id, signal);
      if (next !== undefined) id = await this.#follow(id, next);
      else if (outcome !== undefined) return resultOf(id, status, outcome);
      else throw new UnknownRunError(`Run "${id}" has no recorded result`);
    }
  }

  /** The run that goes on for another one, or the newest of the chain when that one was removed already. */
  async #follow(id: string, next: string): Promise<string> {
    if (this.#engine.live(next) !== undefined) return next;
    for (const known of [next, id, next.slice(0, next.lastIndexOf("~"))]) {
      const newest = await newestOf(this.#storage, known);
      if (newest !== undefined && newest.id !== id) return newest.id;
    }
    throw new UnknownRunError(`Run "${next}", which went on for run "${id}", is not stored`);
  }

  async #end(id: string, signal: AbortSignal | undefined): Promise<Ended> {
    const engine = this.#engine;
    signal?.throwIfAborted();
    this.#life.open();
    // A run in memory is stored and has not ended: there is nothing to read.
    if (engine.live(id) === undefined) {
      const row = await engine.row(id);
      const stopped = engine.stoppedBy(id);
      if (stopped !== undefined) throw stopped;
      if (row.state === "closed") {
        const ended = await this.#recordedEnd(id);
        if (ended === undefined) throw new UnknownRunError(`Run "${id}" has no recorded result`);
        return ended;
      }
    }
    return await this.waits.wait(id, signal, async () => {
      // It may have stopped or ended while its row was read.
      const stopped = engine.stoppedBy(id);
      if (stopped !== undefined) throw stopped;
      if (engine.live(id) !== undefined || (await this.#storage.run(id))?.state !== "closed") return undefined;
      return await this.#recordedEnd(id);
    });
  }

  async #recordedEnd(id: string): Promise<Ended | undefined> {
    const last = (await readJournal(this.#storage, id)).records.at(-1);
    return last?.t === "closed" ? { status: last.status, outcome: last.outcome, next: last.next } : undefined;
  }
}
