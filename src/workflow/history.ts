/**
 * What a run's journal holds and its body has not been given yet: the records in their order, calls recorded ahead of their
 * outcome, outcomes whose order is not known, markers.
 *
 * @module
 */
import type { Failure, JournalRecord, Json, Key, Outcome } from "./journal.ts";
import type { Pending } from "./pending_call.ts";

/** A record that is handed over, in its place. */
export type HandedOver = Exclude<Extract<JournalRecord, { readonly after: number }>, { readonly t: "marker" }>;

/** A value that was made once. */
export type Marker = Extract<JournalRecord, { readonly t: "marker" }>;

/** A call that was recorded ahead of its outcome. */
export type Called = Extract<JournalRecord, { readonly t: "called" }>;

type Why = "race" | "timeout";

/** The records of one run that are still to come. */
export class History {
  #records: readonly JournalRecord[] = [];
  #position = 0;
  #head: HandedOver | undefined;
  readonly #called = new Map<Key, Called>();
  #rest: Map<Key, Outcome> | undefined;
  #isReplaying = true;
  /** Recorded markers by name: two branches may record theirs in another order than outcomes. */
  #markers: Map<string, Marker[]> | undefined;
  readonly #given = new Map<Key, Why | undefined>();
  readonly #hurried = new Map<Key, Why>();
  /** What `patched()` has said, or says when it is asked. */
  readonly patched = new Map<string, boolean>();

  /** @param rest outcomes without an order */
  load(history: Iterable<JournalRecord>, rest: ReadonlyMap<Key, Outcome> | undefined): void {
    if (rest !== undefined && rest.size > 0) this.#rest = new Map(rest);
    const records = Array.isArray(history) ? history as readonly JournalRecord[] : [...history];
    for (const record of records) if (record.t === "marker") this.#expect(record);
    this.#records = records;
  }

  #expect(record: Marker): void {
    const { name } = record;
    if (name.startsWith("patched:")) return void this.patched.set(name.slice("patched:".length), true);
    const queue = (this.#markers ??= new Map()).get(name);
    if (queue === undefined) this.#markers.set(name, [record]);
    else queue.push(record);
  }

  /** The record that is handed over next. */
  get head(): HandedOver | undefined {
    return this.#head;
  }

  /** The first call that was recorded ahead, and that the body has not asked for. */
  get unaskedCall(): Called | undefined {
    const [called] = this.#called.values();
    return called;
  }

  /** All such calls. */
  get unaskedCalls(): Iterable<Called> {
    return this.#called.values();
  }

  /** Outcomes without an order that were not asked for. */
  get unaskedRest(): readonly Key[] {
    return [...this.#rest?.keys() ?? []];
  }

  /** True until all records are handed over and `end()` was called. */
  get isReplaying(): boolean {
    return this.#isReplaying;
  }

  /** No record is left to be handed over, and no call that was recorded ahead. */
  get isUsedUp(): boolean {
    return this.#head === undefined && this.#called.size === 0;
  }

  /** Nothing is left of what was recorded: what the body does now, it does for the first time. */
  get isLive(): boolean {
    if (this.#rest !== undefined && this.#rest.size > 0) return false;
    return !this.#isReplaying || this.isUsedUp;
  }

  /** Goes on to the record that is handed over next. Gives a call on the way there that `differs` from the one that was asked for. */
  next(differs: (record: Called) => boolean | undefined): Called | undefined {
    this.#head = undefined;
    while (this.#position < this.#records.length) {
      const record = this.#records[this.#position++] as JournalRecord;
      if (record.t === "called") {
        const isOther = differs(record);
        if (isOther === true) return record;
        if (isOther === undefined && !this.#given.has(record.key)) this.#called.set(record.key, record);
      } else if ("after" in record && record.t !== "marker") {
        this.#head = record;
        return undefined;
      }
    }
    return undefined;
  }

  /** The body asks for a call: what was recorded of it ahead. */
  takeCalled(key: Key): Called | undefined {
    if (this.#called.size === 0) return undefined;
    const called = this.#called.get(key);
    if (called !== undefined) this.#called.delete(key);
    return called;
  }

  /** Its outcome, if it is one without an order. */
  takeRest(key: Key): Outcome | undefined {
    const outcome = this.#rest?.get(key);
    if (outcome !== undefined) this.#rest?.delete(key);
    return outcome;
  }

  takeMarker(name: string): Marker | undefined {
    return this.#markers?.get(name)?.shift();
  }

  peekMarker(name: string): Json | undefined {
    return this.#markers?.get(name)?.[0]?.value;
  }

  /** The body has given a call up: its record may come, or one of its outcome, which came too late to count. They are passed over. */
  passOver(key: Key, why: Why): void {
    this.#given.set(key, why);
  }

  isPassedOver(key: Key): boolean {
    return this.#given.has(key);
  }

  /** The journal has it that a call was given up. False when the body has not done so. */
  passedOver(key: Key): boolean {
    if (!this.#given.has(key)) return false;
    this.#given.set(key, undefined);
    return true;
  }

  /** The body has given a call up, and its outcome is waited for all the same. */
  hurry(key: Key, why: Why): void {
    this.#hurried.set(key, why);
  }

  /** Ends the replay. Gives what the body has given up in it, and no record tells of. */
  end(): { readonly given: readonly (readonly [Key, Why])[]; readonly hurried: readonly (readonly [Key, Why])[] } {
    this.#isReplaying = false;
    this.#records = [];
    const given = [...this.#given].flatMap(([key, why]) => why === undefined ? [] : [[key, why] as const]);
    const hurried = [...this.#hurried];
    this.#given.clear();
    this.#hurried.clear();
    return { given, hurried };
  }

  /**
   * The journal tells of calls that the body made from here on. Outcomes of calls that it has made by now do not: they may have been
   * recorded together with the one that brought it here.
   *
   * @param calls how many calls the body has made
   */
  wentOn(calls: number, isPending: (key: Key) => boolean): boolean {
    if (this.isLive) return false;
    if (this.#called.size > 0 || (this.#rest !== undefined && this.#rest.size > 0)) return true;
    const isMade = (key: Key): boolean => isPending(key) || this.#given.has(key);
    const isLater = (record: JournalRecord): boolean => {
      if ("after" in record && record.after > calls) return true;
      return (record.t === "called" || record.t === "settled") && !isMade(record.key);
    };
    if (this.#head !== undefined && isLater(this.#head)) return true;
    for (let i = this.#position; i < this.#records.length; i++) {
      if (isLater(this.#records[i] as JournalRecord)) return true;
    }
    return false;
  }

  /** What the body asked for instead: the first call that the journal knows nothing of, else one that comes too early. */
  unrecorded(pending: readonly Pending[]): Pending | undefined {
    const recorded = new Set<Key>();
    for (const record of this.#records.slice(this.#position)) if ("key" in record) recorded.add(record.key);
    return pending.find((p) => !recorded.has(p.key)) ?? pending[0];
  }
}

/** The failure of a run whose body does not do what was recorded. */
export function mismatchFailure(
  record: JournalRecord,
  asked: Pending | undefined,
  reason: "differs" | "not-asked",
): Failure {
  const key = "key" in record ? record.key : "name" in record ? record.name : "";
  const recorded = "fp" in record ? record.fp : undefined;
  const extra = {
    reason,
    seq: record.seq,
    key,
    recorded: recorded ?? null,
    asked: asked?.fp ?? null,
    askedKey: asked?.key ?? null,
  };
  const message = `The journal and the code differ at "${key}"`;
  return {
    message,
    stepKey: key,
    code: "REPLAY_MISMATCH",
    error: { name: "ReplayMismatchError", message, extra: JSON.parse(JSON.stringify(extra)) as Json },
  };
}
