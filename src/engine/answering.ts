/**
 * How callers answer runs: approvals are given one at a time and once, events once for the whole chain of a run.
 *
 * @module
 */
import { NotWaitingError, ValidationError } from "../base/errors.ts";
import type { Key } from "../workflow/journal.ts";
import { answeredText, approvalMessage, eventMessage, fateIn, refusedText } from "./answers.ts";
import type { ApprovalAnswer, SignalOptions, TypedEvent } from "./api.ts";
import { allMessages, headerOf, type Link, linkId, linkOf } from "./chain.ts";
import type { MessageDelivery } from "./message_delivery.ts";
import type { RunRow } from "./ports.ts";
import { readJournal } from "./read_journal.ts";
import type { RunDriver } from "./run_driver.ts";
import { newId } from "./run_header.ts";
import type { Shared } from "./run_shared.ts";
import { Turns } from "./turns.ts";

/** The engine, as those see it who answer. */
export interface AnsweredEngine {
  /** A run in memory. */
  live(run: string): RunDriver | undefined;
  /** @throws UnknownRunError */
  row(run: string): Promise<RunRow>;
  /** The run, or the newest that goes on for it. @throws UnknownRunError */
  newest(run: string): Promise<RunRow>;
}

/** Runs that are not in memory whose place in a chain is remembered. */
const LINKS_KNOWN = 1000;
/** Earlier runs of a chain whose journals are looked into for an event that was sent twice. */
const LINKS_LOOKED_AT = 10;

/** Answers to one engine's runs. */
export class Answering {
  readonly #shared: Shared;
  readonly #messages: MessageDelivery;
  readonly #engine: AnsweredEngine;
  readonly #links = new Map<string, Link>();
  /** Answers to a run's approvals are given one at a time. */
  readonly #turns = new Turns();

  constructor(shared: Shared, messages: MessageDelivery, engine: AnsweredEngine) {
    this.#shared = shared;
    this.#messages = messages;
    this.#engine = engine;
  }

  async approve(run: string, key: Key | undefined, answer: ApprovalAnswer): Promise<void> {
    const { id } = await this.#engine.newest(run);
    await this.#turns.take(id, () => this.#approve(id, key, answer));
  }

  async #approve(id: string, key: Key | undefined, answer: ApprovalAnswer): Promise<void> {
    const { storage, batcher, host } = this.#shared;
    const row = await this.#engine.row(id);
    const { records } = await readJournal(storage, id);
    const message = approvalMessage(row, records, key, answer, newId(host), host.now());
    const { name } = message;
    // Whoever came first has answered, also when the run has not asked yet.
    const first = (await allMessages(storage, id)).find((m) => m.kind === "approval" && m.name === name);
    if (first !== undefined) {
      if (first.payload === message.payload) return;
      throw new Error(answeredText(id, name));
    }
    let fate = await this.#messages.send(message);
    if (fate.fate === "kept") fate = fateIn((await readJournal(storage, id)).records, message);
    if (fate.fate === "refused") throw new ValidationError(refusedText(id, message, fate.key, fate.reason), []);
    if (fate.fate !== "late") return;
    batcher.add([{ w: "take", id: message.id }]);
    throw new Error(answeredText(id, name));
  }

  async signal(
    id: string,
    event: string | TypedEvent<unknown>,
    payload: unknown = null,
    options: SignalOptions = {},
  ): Promise<void> {
    const { name } = typeof event === "object" && event !== null ? event : { name: event };
    if (typeof name !== "string" || name === "") {
      throw new TypeError(`Cannot send an event to run "${id}": its name must be text and not empty`);
    }
    const { host } = this.#shared;
    const row = await this.#engine.newest(id);
    const nonce = options.id ?? newId(host);
    const { first, n } = await this.#linkOf(row);
    const messageId = `event:${first}:${nonce}`;
    const hasEnded = row.state === "closed";
    if (options.id !== undefined && await this.#hasTaken(messageId, first, hasEnded ? n : n - 1)) return;
    if (hasEnded) {
      throw new NotWaitingError(`Cannot send event "${name}" to run "${row.id}": it has ended (${row.status})`);
    }
    const message = eventMessage(row.id, name, payload, messageId, host.now());
    const fate = await this.#messages.send(message);
    if (fate.fate === "refused") throw new ValidationError(refusedText(row.id, message, fate.key, fate.reason), []);
  }

  /** Where a run stands in its chain: that is in its header, which most events are sent without reading. */
  async #linkOf(row: RunRow): Promise<Link> {
    const live = this.#engine.live(row.id);
    if (live !== undefined) return linkOf(live.header);
    const known = this.#links.get(row.id);
    if (known !== undefined) return known;
    const link = linkOf(await headerOf(this.#shared.storage, row.id) ?? row);
    if (this.#links.size >= LINKS_KNOWN) this.#links.clear();
    this.#links.set(row.id, link);
    return link;
  }

  /** True when a run of a chain, up to the given one, has taken the message: under its id it could be left for the next one again. */
  async #hasTaken(messageId: string, first: string, last: number): Promise<boolean> {
    const { storage } = this.#shared;
    for (let earlier = last; earlier >= Math.max(0, last - LINKS_LOOKED_AT + 1); earlier--) {
      const id = linkId({ first, n: earlier });
      if (await storage.run(id) === undefined) return false;
      const { records } = await readJournal(storage, id);
      if (records.some((r) => (r.t === "settled" || r.t === "refused") && r.inbox === messageId)) return true;
    }
    return false;
  }
}
