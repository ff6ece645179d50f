/**
 * What is stored of one run: its journal, which grows by records, and its row.
 *
 * @module
 */
import type { JournalRecord, Key, RecordBody, RunStatus } from "../workflow/journal.ts";
import { chainCheck, encodeRecord } from "../workflow/record_text.ts";
import type { RowChange, RunState, StoredRecord, Write } from "./ports.ts";
import type { ReadJournal } from "./read_journal.ts";
import type { Shared } from "./run_shared.ts";

/** A call that was recorded ahead of its outcome. */
export type Called = Extract<JournalRecord, { readonly t: "called" }>;

/** The journal and the row of one run in memory: what it writes is in the next commit. */
export class RunJournal {
  readonly #shared: Pick<Shared, "host" | "batcher">;
  readonly #run: string;
  readonly #onUnparked: () => void;
  #nextSeq: number;
  #check: string;
  #state: RunState;
  /** What the row of a parked run says of its waits. */
  #waits: string | undefined;
  /** Calls that have a `called` record and have not settled; the record itself when it was there before this process. */
  readonly called = new Map<Key, Called | undefined>();

  /** @param onUnparked called when the row says no more that the run is parked */
  constructor(
    shared: Pick<Shared, "host" | "batcher">,
    run: string,
    { nextSeq, check }: ReadJournal,
    state: RunState,
    onUnparked: () => void,
  ) {
    this.#shared = shared;
    this.#run = run;
    this.#nextSeq = nextSeq;
    this.#check = check;
    this.#state = state;
    this.#onUnparked = onUnparked;
  }

  /** State of the row, once the next commit is made. */
  get state(): RunState {
    return this.#state;
  }

  /** Writes a call ahead of its outcome. */
  writeAhead(
    record: Extract<RecordBody, { readonly t: "called" }>,
    row?: RowChange,
    done?: () => void,
    more?: readonly Write[],
  ): void {
    this.called.set(record.key, undefined);
    this.append([record], row, done, more);
  }

  /** Adds records, with a change of the row and `more` writes in the same commit. `done` is called once that is made. */
  append(bodies: readonly RecordBody[], row?: RowChange, done?: () => void, more: readonly Write[] = []): void {
    const now = this.#shared.host.now();
    const records: StoredRecord[] = [];
    for (const body of bodies) {
      const text = encodeRecord(body, now);
      this.#check = chainCheck(this.#check, text);
      records.push({ seq: this.#nextSeq++, text, check: this.#check });
    }
    if (row?.state !== undefined) this.#noteState(row.state);
    const write: Write = row === undefined
      ? { w: "append", run: this.#run, records }
      : { w: "append", run: this.#run, records, row };
    this.#shared.batcher.add(more.length === 0 ? [write] : [write, ...more], done);
  }

  #noteState(state: RunState): void {
    const before = this.#state;
    this.#state = state;
    if (before === "parked" && state !== "parked") {
      this.#waits = undefined;
      this.#onUnparked();
    }
  }

  /** The row of a run that goes on; undefined when it says so already. */
  goesOn(): RowChange | undefined {
    return this.#state === "parked" ? { state: "active", wakeAt: null, waits: null } : undefined;
  }

  /** The row of a run that ends. */
  ends(status: RunStatus): RowChange {
    return { ...this.goesOn(), state: "closed", status, closedAt: this.#shared.host.now() };
  }

  /** Says in the row that the run waits for a time and for `waits`, unless it says so already. */
  park(wakeAt: number | undefined, waits: readonly string[], done: () => void): void {
    const wake = `${wakeAt ?? ""} ${waits.join(" ")}`;
    if (this.#state === "parked" && wake === this.#waits) return;
    this.#waits = wake;
    this.append([], { state: "parked", wakeAt: wakeAt ?? null, waits: waits.length === 0 ? null : waits }, done);
  }
}
