/**
 * How messages come to runs: they are stored, brought to the run in memory, or bring it there when it waits for them; those for a
 * run that went on as another one move along, and those for one that is over or gone are removed. Whoever sends one may wait to
 * hear what becomes of it.
 *
 * @module
 */
import type { EngineLife } from "./engine_life.ts";
import { allMessages, movedTo, newestOf } from "./chain.ts";
import { createMessageBounds, type MessageBounds } from "./message_bounds.ts";
import type { Message, Write } from "./ports.ts";
import type { Retention } from "./retention.ts";
import type { RunDriver } from "./run_driver.ts";
import type { Fate } from "./run_messages.ts";
import type { Shared } from "./run_shared.ts";
import { Turns } from "./turns.ts";

/** The engine, as messages on their way see it. */
export interface DeliveringEngine {
  /** A run in memory. */
  live(run: string): RunDriver | undefined;
  /** A run on its way into memory. */
  loading(run: string): Promise<RunDriver | undefined> | undefined;
  /** Brings a stored run into memory. Undefined when it cannot or need not go on. */
  load(run: string): Promise<RunDriver | undefined>;
  /** Why the run does not go on here. */
  stoppedBy(run: string): Error | undefined;
  /** A run is being begun under this id, or is in memory. */
  isTaken(run: string): boolean;
  /** Ends a run whose code cannot be run here: it is unknown, or it no longer fits the journal. */
  cancelUnrunnable(run: string, message: Message): Promise<void>;
}

/** Somebody who waits to hear what becomes of a message. */
interface Sender {
  readonly tell: (fate: Fate) => void;
  isStored: boolean;
}

/** Messages of one engine. */
export class MessageDelivery {
  readonly #shared: Shared;
  readonly #life: EngineLife;
  readonly #retention: Retention;
  readonly #engine: DeliveringEngine;
  readonly #bounds: MessageBounds;
  /** Senders who wait to hear of their messages, by run. */
  readonly #senders = new Map<string, Map<string, Sender>>();
  /** Messages on their way to the run that goes on for the one they were left for. */
  readonly #forwarding = new Turns();

  constructor(shared: Shared, life: EngineLife, retention: Retention, engine: DeliveringEngine) {
    this.#shared = shared;
    this.#life = life;
    this.#retention = retention;
    this.#engine = engine;
    this.#bounds = createMessageBounds(shared.storage);
  }

  /** Leaves a message. */
  async post(message: Message): Promise<void> {
    await this.#commit(message);
    void this.#deliver(message.run, message).catch(this.#life.fail);
  }

  /** Leaves a message, and waits until it is known whether the run takes it now. */
  async send(message: Message): Promise<Fate> {
    const { id, run } = message;
    const senders = this.#senders.get(run) ?? new Map<string, Sender>();
    this.#senders.set(run, senders);
    try {
      return await new Promise<Fate>((resolve, reject) => {
        const sender: Sender = { tell: resolve, isStored: false };
        senders.set(id, sender);
        const kept = (): void => resolve({ fate: "kept" });
        this.#commit(message).then(() => {
          sender.isStored = true;
          return this.#deliver(run, message);
        }).then((driver) => driver === undefined ? kept() : driver.whenConsidered(id, kept)).catch(reject);
      });
    } finally {
      senders.delete(id);
      if (senders.size === 0 && this.#senders.get(run) === senders) this.#senders.delete(run);
    }
  }

  /** What became of a message. */
  told(message: string, fate: Fate): void {
    for (const senders of this.#senders.values()) senders.get(message)?.tell(fate);
  }

  /** A run has left memory: it takes what was stored for it later, if at all. */
  left(run: string): void {
    for (const { tell, isStored } of this.#senders.get(run)?.values() ?? []) if (isStored) tell({ fate: "kept" });
  }

  /** No run is in memory any more. */
  allLeft(): void {
    for (const run of [...this.#senders.keys()]) this.left(run);
  }

  /** Somebody else has left messages for a run. */
  found(run: string): void {
    this.#bounds.forget(run);
    this.bring(run);
  }

  /** Messages were left for a run: brings them there, for whoever does not wait for it. */
  bring(run: string): void {
    void this.#deliver(run).catch(this.#life.fail);
  }

  async #commit(message: Message): Promise<void> {
    this.#retention.spare(message.run);
    await this.#bounds.check(message);
    try {
      this.#life.open();
      await this.#life.committed([{ w: "post", message }]);
    } finally {
      this.#bounds.done(message);
    }
  }

  /**
   * A message was left for a run: bring it back if it waits for one. Gives the run, when it is in memory and has read the message.
   *
   * @param known the message, when it is known; else the inbox is read
   */
  async #deliver(id: string, known?: Message): Promise<RunDriver | undefined> {
    const { storage, batcher } = this.#shared;
    const engine = this.#engine;
    for (;;) {
      if (this.#life.isOver) return undefined;
      const live = engine.live(id) ?? await engine.loading(id);
      if (live !== undefined) {
        await live.checkInbox();
        // It may have been put aside while its messages were read.
        if (engine.live(id) === live) return live;
        continue;
      }
      const row = await storage.run(id);
      const ended = row === undefined || row.state === "closed";
      const messages = known === undefined || ended ? await allMessages(storage, id) : [known];
      if (messages.length === 0) return undefined;
      if (row === undefined) {
        await this.#clear(id);
        return undefined;
      }
      if (row.status === "continued") return await this.#forward(id);
      if (ended) {
        batcher.add(messages.map((m): Write => ({ w: "take", id: m.id })));
        return undefined;
      }
      const cancel = messages.find((m) => m.kind === "cancel");
      if (cancel !== undefined && (engine.stoppedBy(id) !== undefined || row.state === "orphan")) {
        await engine.cancelUnrunnable(id, cancel);
        return undefined;
      }
      const isWanted = messages.some(({ kind, name }) =>
        kind === "cancel" || kind === "settle" || row.waits?.includes(`${kind}:${name}`) === true
      );
      if (!isWanted || row.state !== "parked" || await engine.load(id) === undefined) return undefined;
    }
  }

  /** Removes messages for a run that is not stored (any more): their ids count for nothing, should another one begin under its id. */
  async #clear(id: string): Promise<void> {
    if (await this.#shared.storage.run(id) !== undefined) return;
    // What is being begun under this id is written before, and would be removed.
    if (this.#engine.isTaken(id)) return;
    this.#shared.batcher.add([{ w: "drop", run: id }]);
  }

  /** Moves messages along that were left for a run which went on as another one. */
  async #forward(id: string): Promise<RunDriver | undefined> {
    // One at a time: what was moved already must not be taken away from where it is now.
    const next = await this.#forwarding.take(id, () => this.#moveAlong(id));
    return next === undefined ? undefined : await this.#deliver(next);
  }

  /** The run that has the messages now; undefined when none was moved. */
  async #moveAlong(id: string): Promise<string | undefined> {
    const { storage, emit } = this.#shared;
    const next = (await newestOf(storage, id))?.id;
    const messages = await allMessages(storage, id);
    if (next === undefined || messages.length === 0) return undefined;
    if (next === id) {
      // Whoever went on for it was removed.
      await this.#life.committed(messages.map((m): Write => ({ w: "take", id: m.id })));
      return undefined;
    }
    const writes = movedTo(next, messages);
    const waiting = (await allMessages(storage, next)).length;
    if (waiting + messages.length > storage.limits.maxMessages) {
      emit?.({
        event: "warning",
        run: next,
        message:
          `${messages.length} messages stay with run "${id}": ${waiting} wait for run "${next}", which goes on for it`,
      });
      return undefined;
    }
    await this.#life.committed(writes);
    return next;
  }
}
