/**
 * What was left for one run in memory: read once, in order, and kept until the run waits for it.
 *
 * An answer may not fit what is waited for (its schema says so): it is taken and refused, and the run waits on.
 *
 * @module
 */
import { decode } from "../base/canonical.ts";
import type { Call, Json, Key } from "../workflow/journal.ts";
import type { Message, Storage } from "./ports.ts";

/** What became of a message, for whoever left it. */
export type Fate =
  /** It settles what the run waited for. */
  | { readonly fate: "taken" }
  /** It does not fit: the run still waits. */
  | { readonly fate: "refused"; readonly key: Key; readonly reason: string }
  /** Another one came first. */
  | { readonly fate: "late" }
  /** Nothing waits for it yet. */
  | { readonly fate: "kept" };

/** The run, as its messages see it. */
export interface Receiver {
  /** Calls back when the session has caught up; never when the run has left memory. */
  whenLive(then: () => void): void;
  /** What waits under this key, as long as it can be answered. */
  waitOf(key: Key): { readonly call: Call } | undefined;
  check(key: Key, value: Json): Promise<string | undefined>;
  /** The message settles what waits; `late` ones came after it and are taken along. */
  answer(key: Key, message: Message, late: readonly Message[]): void;
  refuse(key: Key, message: Message, reason: string): void;
  /** Takes the end of a job or a child; false when nothing waits for it. */
  settle(message: Message): boolean;
  /** Something is under way: the run is not put aside meanwhile. */
  busy(by: 1 | -1): void;
}

/** Messages that one look into the inbox reads. */
const PAGE = 1000;

/** Longest reason of a refusal that is recorded, in characters. */
const LONGEST_REASON = 2000;

/** Messages of one kind and name, the first come first. */
interface Queue {
  readonly messages: Message[];
  head: number;
}

/** Messages of one run. */
export class RunMessages {
  readonly #storage: Storage;
  readonly #run: string;
  readonly #receiver: Receiver;
  readonly #queues = new Map<string, Queue>();
  /** Waits for events by the event's name, the first that was asked for first. */
  readonly #events = new Map<string, Set<Key>>();
  /** Answers that are being checked, by what they answer. */
  readonly #checking = new Map<Key, Message>();
  #cursor: string | undefined;
  #reading: Promise<void> | undefined;
  #again = false;

  constructor(storage: Storage, run: string, receiver: Receiver) {
    this.#storage = storage;
    this.#run = run;
    this.#receiver = receiver;
  }

  /** Reads what has come since the last time. Each message is read once, however many there are. */
  read(onPage: (messages: readonly Message[]) => void): Promise<void> {
    if (this.#reading !== undefined) {
      this.#again = true;
      return this.#reading;
    }
    return this.#reading = this.#readAll(onPage);
  }

  async #readAll(onPage: (messages: readonly Message[]) => void): Promise<void> {
    try {
      do {
        this.#again = false;
        for (;;) {
          const page = await this.#storage.inbox(this.#run, PAGE, this.#cursor);
          this.#cursor = page.at(-1)?.id ?? this.#cursor;
          if (page.length > 0) onPage(page);
          if (page.length < PAGE) break;
        }
      } while (this.#again);
    } finally {
      // At once: whoever comes in the next microtask must read anew.
      this.#reading = undefined;
    }
  }

  /** Takes in a message for which something waits, or will. */
  add(message: Message): void {
    const { kind, name } = message;
    const id = `${kind}:${name}`;
    const queue = this.#queues.get(id);
    if (queue === undefined) this.#queues.set(id, { messages: [message], head: 0 });
    else queue.messages.push(message);
    this.#offer(kind, name);
  }

  /** A call waits for a message from now on. */
  expect(key: Key, call: Call): void {
    if (call.kind === "event") {
      const keys = this.#events.get(call.name);
      if (keys === undefined) this.#events.set(call.name, new Set([key]));
      else keys.add(key);
      this.#offer("event", call.name);
    } else {
      this.#offer(call.kind === "approval" ? "approval" : "settle", key);
    }
  }

  /** A call waits no more. */
  forget(key: Key, call: Call): void {
    if (call.kind !== "event") return;
    const keys = this.#events.get(call.name);
    keys?.delete(key);
    if (keys?.size === 0) this.#events.delete(call.name);
  }

  /** True while it is being found out whether this message fits. */
  isChecking(id: string): boolean {
    for (const message of this.#checking.values()) if (message.id === id) return true;
    return false;
  }

  #offer(kind: Message["kind"], name: string): void {
    if (kind === "event") {
      for (const key of [...this.#events.get(name) ?? []]) {
        if (this.#checking.has(key)) continue;
        const message = this.#shift("event", name);
        if (message === undefined) return;
        this.#consider(key, message);
      }
    } else if (kind === "approval") {
      if (this.#checking.has(name) || this.#receiver.waitOf(name)?.call.kind !== "approval") return;
      const message = this.#shift(kind, name);
      if (message !== undefined) this.#consider(name, message);
    } else {
      const message = this.#shift(kind, name);
      if (message !== undefined && !this.#receiver.settle(message)) this.#putBack(message);
    }
  }

  #consider(key: Key, message: Message): void {
    const receiver = this.#receiver;
    const wait = receiver.waitOf(key);
    if (wait === undefined) return this.#putBack(message);
    this.#checking.set(key, message);
    receiver.busy(1);
    this.#problem(key, message).then((reason) =>
      receiver.whenLive(() => {
        receiver.busy(-1);
        this.#checking.delete(key);
        if (receiver.waitOf(key) !== wait) {
          // Its time was over first, or it was given up: the message is another one's.
          this.#putBack(message);
        } else if (reason === undefined) {
          receiver.answer(key, message, message.kind === "approval" ? this.#takeAll(message) : []);
        } else {
          receiver.refuse(key, message, reason.slice(0, LONGEST_REASON).toWellFormed());
        }
        this.#offer(message.kind, message.name);
      })
    );
  }

  /** What is wrong with an answer. A rejection has no value to check. */
  async #problem(key: Key, { kind, payload }: Message): Promise<string | undefined> {
    try {
      const given = decode(payload) as Json;
      if (kind === "event") return await this.#receiver.check(key, given);
      const { approved = true, value = null } = given as { readonly approved?: boolean; readonly value?: Json };
      return approved ? await this.#receiver.check(key, value) : undefined;
    } catch (error) {
      return `it cannot be checked: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #shift(kind: string, name: string): Message | undefined {
    const id = `${kind}:${name}`;
    const queue = this.#queues.get(id);
    const message = queue?.messages[queue.head];
    if (queue === undefined || message === undefined) return undefined;
    queue.head++;
    if (queue.head === queue.messages.length) this.#queues.delete(id);
    else if (queue.head > 1024 && queue.head > queue.messages.length / 2) {
      queue.messages.splice(0, queue.head);
      queue.head = 0;
    }
    return message;
  }

  #putBack(message: Message): void {
    const id = `${message.kind}:${message.name}`;
    const queue = this.#queues.get(id);
    if (queue === undefined) this.#queues.set(id, { messages: [message], head: 0 });
    else queue.messages.splice(queue.head, 0, message);
  }

  /** All further messages of a kind and name. */
  #takeAll({ kind, name }: Message): readonly Message[] {
    const id = `${kind}:${name}`;
    const queue = this.#queues.get(id);
    this.#queues.delete(id);
    return queue?.messages.slice(queue.head) ?? [];
  }
}
