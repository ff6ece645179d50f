/**
 * What a cluster's server does not keep of a run: what each call was, in which order outcomes were handed to the body, markers,
 * the seed. A round that did something new posts it as one more completed step, `__windkit/<n>` (design.md decision 7), and later
 * rounds make a history of it.
 *
 * @module
 */
import { isFields } from "./failure_record.ts";
import type { Fingerprint, JournalRecord, Json, Key, Outcome } from "./journal.ts";

/** Start of the keys of such records. */
const RECORD_PREFIX = "__windkit/";

/** A value that was recorded beside calls. */
export interface MarkerEntry {
  readonly name: string;
  /** Calls that the body had made. */
  readonly after: number;
  readonly value: Json;
}

/** An outcome that was handed over. */
export interface OrderEntry {
  readonly key: Key;
  /** Calls that the body had made. */
  readonly after: number;
}

/** What a round did that is new. */
export interface RoundRecord {
  readonly v: 1;
  /** Job id of the run, for the jobs of its tasks. In the first record. */
  readonly run?: string;
  /** In the first record after the first random number. */
  readonly seed?: string;
  readonly markers: readonly MarkerEntry[];
  /** What was called, by key. */
  readonly calls: Readonly<Record<Key, Fingerprint>>;
  /** In the order in which they were handed over. */
  readonly order: readonly OrderEntry[];
}

/** What a round starts from. */
export interface RoundHistory {
  readonly history: readonly JournalRecord[];
  /** Outcomes whose order is not known. */
  readonly rest: ReadonlyMap<Key, Outcome>;
  /** Calls that are recorded. */
  readonly calls: ReadonlyMap<Key, Fingerprint>;
  readonly run: string | undefined;
  readonly seed: string | undefined;
  /** Number of the next record. */
  readonly next: number;
  /** Why a part of the run is replayed unchecked: a record that is missing, or cannot be used. */
  readonly unchecked: string | undefined;
}

/** Reads the completed steps of a checkpoint. */
export function readRoundHistory(
  completed: Readonly<Record<Key, unknown>>,
  outcomeOf: (value: unknown, key: Key) => Outcome,
): RoundHistory {
  const kept = new Map<number, unknown>();
  const rest = new Map<Key, Outcome>();
  for (const [key, value] of Object.entries(completed)) {
    const n = key.startsWith(RECORD_PREFIX) ? Number(key.slice(RECORD_PREFIX.length)) : 0;
    if (Number.isSafeInteger(n) && n > 0) kept.set(n, value);
    else if (!key.startsWith(RECORD_PREFIX)) rest.set(key, outcomeOf(value, key));
  }
  const last = Math.max(0, ...kept.keys());
  const history: JournalRecord[] = [];
  const calls = new Map<Key, Fingerprint>();
  const ordered = new Set<Key>();
  let run: string | undefined, seed: string | undefined, unchecked: string | undefined;

  function settle({ key, after }: OrderEntry): boolean {
    const outcome = rest.get(key);
    if (outcome === undefined) return false;
    rest.delete(key);
    ordered.add(key);
    const fp = calls.get(key);
    history.push({
      t: "settled",
      seq: history.length,
      at: 0,
      key,
      after,
      startedAt: 0,
      outcome,
      ...(fp === undefined ? undefined : { fp }),
    });
    return true;
  }

  for (let n = 1; n <= last && unchecked === undefined; n++) {
    const record = kept.has(n) ? recordOf(kept.get(n)) : `${RECORD_PREFIX}${n} is missing`;
    if (typeof record === "string") {
      unchecked = kept.has(n) ? `${RECORD_PREFIX}${n} ${record}` : record;
      break;
    }
    run ??= record.run;
    seed ??= record.seed;
    for (const [key, fp] of Object.entries(record.calls)) calls.set(key, fp);
    for (const marker of record.markers) history.push({ t: "marker", seq: history.length, at: 0, ...marker });
    const lost = record.order.find((entry) => !settle(entry));
    if (lost !== undefined) unchecked = `"${lost.key}" of ${RECORD_PREFIX}${n} is not among the completed steps`;
  }
  // What has no outcome yet, or one without an order: it must be asked for all the same.
  for (const [key, fp] of calls) {
    if (ordered.has(key)) continue;
    const call = { kind: "step", name: fp.name, base: key, attempt: 1 } as const;
    history.push({ t: "called", seq: history.length, at: 0, key, call, fp });
  }
  return { history, rest, calls, run, seed, next: last + 1, unchecked };
}

/** A record, or what is wrong with it. */
function recordOf(value: unknown): RoundRecord | string {
  if (!isFields(value)) return "is no object";
  const { v, run, seed, markers, calls, order } = value;
  if (v !== 1) return `has the version ${JSON.stringify(v)}, which this version does not know`;
  if (!(run === undefined || typeof run === "string") || !(seed === undefined || typeof seed === "string")) {
    return "does not parse";
  }
  const isOk = Array.isArray(markers) && Array.isArray(order) && isFields(calls) &&
    markers.every((m) => isFields(m) && typeof m.name === "string" && isCount(m.after) && "value" in m) &&
    order.every((o) => isFields(o) && typeof o.key === "string" && isCount(o.after)) &&
    Object.values(calls).every((c) =>
      isFields(c) && typeof c.kind === "string" && typeof c.name === "string" && typeof c.digest === "string"
    );
  return isOk ? value as unknown as RoundRecord : "does not parse"; // `as` -- just looked at
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** What a round does that is new, until it is posted. */
export interface Recorder {
  marker(entry: MarkerEntry): void;
  /** `n`: number of the call. */
  call(key: Key, n: number, fp: Fingerprint): void;
  /** `n`: number of the call. */
  handed(entry: OrderEntry, n: number): void;
  /** A call that gets no outcome. */
  abandoned(key: Key): void;
  /** A seed that was drawn from. */
  seed(seed: string): void;
  /** Nothing is new. */
  readonly isEmpty: boolean;
  /** Something is not recorded that must be, before anything that follows it: the body goes by it. */
  readonly urgent: boolean;
  /** Something is not recorded that must be before these calls, or any, get their outcomes. */
  isNeeded(keys?: readonly Key[]): boolean;
  /** The next record, when there is something new. One that was refused is part of the next, which has its key. */
  draft(): Draft | undefined;
  /** The record is durable. */
  commit(draft: Draft): void;
}

/** A record that is to be posted. */
export interface Draft {
  readonly key: Key;
  readonly result: RoundRecord;
}

/** Keeps what is new in a round. */
export function createRecorder(known: RoundHistory, run: string): Recorder {
  let next = known.next;
  let markers: MarkerEntry[] = [];
  let calls: (readonly [Key, Fingerprint])[] = [];
  let order: OrderEntry[] = [];
  let seed: string | undefined;
  let hasSeed = known.seed !== undefined;
  let hasRun = known.run !== undefined;
  let disordered = false;
  let last = 0;
  /** Numbers of the calls that have no outcome. */
  const open = new Map<Key, number>();

  return {
    marker: (entry) => void markers.push(entry),
    call(key, n, fp) {
      open.set(key, n);
      if (!known.calls.has(key)) calls.push([key, fp]);
    },
    handed(entry, n) {
      open.delete(entry.key);
      if (n < last) disordered = true;
      last = Math.max(last, n);
      order.push(entry);
    },
    abandoned: (key) => void open.delete(key),
    seed(drawn) {
      if (hasSeed) return;
      hasSeed = true;
      seed = drawn;
    },
    get isEmpty() {
      return markers.length + calls.length + order.length === 0 && seed === undefined;
    },
    get urgent() {
      return seed !== undefined || markers.some(({ name }) => name !== "progress");
    },
    isNeeded(keys) {
      // Without a record, outcomes are handed over in the order of their calls. A marker that nothing durable has followed yet is
      // made again.
      if (keys !== undefined) return disordered || keys.some((key) => (open.get(key) ?? last) < last);
      return this.urgent || disordered || [...open.values()].some((n) => n < last);
    },
    draft() {
      if (this.isEmpty) return undefined;
      return {
        key: `${RECORD_PREFIX}${next}`,
        result: {
          v: 1,
          ...(hasRun || run === "" ? undefined : { run }),
          ...(seed === undefined ? undefined : { seed }),
          markers: [...markers],
          calls: Object.fromEntries(calls),
          order: [...order],
        },
      };
    },
    commit({ result }) {
      next++;
      hasRun = true;
      if (result.seed !== undefined) seed = undefined;
      markers = markers.slice(result.markers.length);
      calls = calls.slice(Object.keys(result.calls).length);
      order = order.slice(result.order.length);
      // What was handed over meanwhile is looked at by itself: all before it is recorded.
      disordered = order.length > 0;
      last = order.length > 0 ? last : 0;
    },
  };
}
