/**
 * Runs kept in memory: for tests, and for work that need not survive the process.
 *
 * @module
 */
import { RunExistsError, StorageFailedError, StorageLockedError, UnknownRunError } from "../base/errors.ts";
import type { Message, RowChange, RunQuery, RunRow, Storage, StoredRecord, Write } from "../engine/ports.ts";
import { createWakeHeap, type WakeHeap } from "./_wake_heap.ts";
import {
  checkFollows,
  checkLimit,
  checkLimits,
  checkQuery,
  checkWrites,
  inboxFull,
  isBounded,
  MAX_MESSAGES,
  MAX_RECORD_BYTES,
} from "./_writes.ts";

export type { Message, RowChange, RunQuery, RunRow, RunState, Storage, StoredRecord, Write } from "../engine/ports.ts";
export type { Encoded, RunStatus } from "../workflow/journal.ts";

/** How a memory storage is made. */
export interface MemoryStorageOptions {
  /** Longest text of one record, in bytes of UTF-8. @default 16777216 */
  readonly maxRecordBytes?: number;
  /** Most messages that may wait for one run. @default 10000 */
  readonly maxMessages?: number;
}

/** A storage in memory. */
export interface MemoryStorage extends Storage {
  /**
   * Copies what is committed now into a new storage that nobody drives: what a second process would find had this one been
   * killed. Works on a closed storage too.
   */
  fork(): MemoryStorage;
  /** Another storage on the same data, as another process would open it: it may read, post, and drive when nobody else does. */
  visit(): MemoryStorage;
  /** Gives up driving. The data stays for `visit()` and `fork()`. */
  close(): Promise<void>;
}

/**
 * Makes an empty storage in memory.
 *
 * @param options limits
 * @returns the storage
 *
 * @example Commit and read back
 * ```ts
 * import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
 *
 * const storage = createMemoryStorage();
 * await storage.own({ name: "example" });
 * await storage.commit([{
 *   w: "create",
 *   row: { id: "r1", workflow: "hello", state: "ready", createdAt: 1 },
 *   records: [{ seq: 0, text: "opened", check: "0123456789abcdef" }],
 * }]);
 * if ((await storage.run("r1"))?.workflow !== "hello") throw new Error("not stored");
 * ```
 */
export function createMemoryStorage(options: MemoryStorageOptions = {}): MemoryStorage {
  const { maxRecordBytes = MAX_RECORD_BYTES, maxMessages = MAX_MESSAGES } = options;
  checkLimits({ maxRecordBytes, maxMessages });
  return createHandle(emptyData({ durable: "none", maxRecordBytes, maxMessages }));
}

const PAGE = 512;

interface StoredRun {
  /** Order of creation. */
  readonly no: number;
  row: RunRow;
  readonly records: StoredRecord[];
  dropped: boolean;
}

interface StoredMessage {
  /** Order of arrival. */
  readonly no: number;
  readonly message: Message;
  taken: boolean;
}

interface RunMessages {
  readonly waiting: Map<string, StoredMessage>;
  /** In order of arrival; taken ones are thrown out now and then. */
  order: StoredMessage[];
  /** Ids that a second message must not use again. */
  readonly taken: Set<string>;
}

interface Holder {
  readonly name: string;
  readonly pid?: number;
  readonly since: number;
  readonly by: symbol;
}

interface Watcher {
  readonly by: symbol;
  readonly onMessage: (run: string) => void;
}

interface MemoryData {
  readonly limits: Storage["limits"];
  readonly runs: Map<string, StoredRun>;
  /** In order of creation; dropped ones are thrown out now and then. */
  order: StoredRun[];
  dropped: number;
  nextNo: number;
  readonly messages: Map<string, StoredMessage>;
  readonly inboxes: Map<string, RunMessages>;
  readonly heap: WakeHeap<StoredRun>;
  readonly watchers: Set<Watcher>;
  holder: Holder | undefined;
}

function emptyData(limits: Storage["limits"]): MemoryData {
  return {
    limits,
    runs: new Map(),
    order: [],
    dropped: 0,
    nextNo: 1,
    messages: new Map(),
    inboxes: new Map(),
    heap: createWakeHeap<StoredRun>(({ at, item }) =>
      !item.dropped && item.row.state === "parked" && item.row.wakeAt === at
    ),
    watchers: new Set(),
    holder: undefined,
  };
}

function copyData(from: MemoryData): MemoryData {
  const to = emptyData(from.limits);
  for (const { no, row, records, dropped } of from.order) {
    if (dropped) continue;
    const run: StoredRun = { no, row, records: records.slice(), dropped };
    to.runs.set(row.id, run);
    to.order.push(run);
    schedule(to, run);
  }
  to.nextNo = from.nextNo;
  for (const [id, stored] of from.messages) {
    const copy = { ...stored };
    to.messages.set(id, copy);
    const inbox = inboxOf(to, copy.message.run);
    if (copy.taken) inbox.taken.add(id);
    else inbox.waiting.set(id, copy);
  }
  // `messages` is in order of first arrival, which is not that of an id that moved to another run.
  for (const inbox of to.inboxes.values()) inbox.order = [...inbox.waiting.values()].sort((a, b) => a.no - b.no);
  return to;
}

/** Throws out of an inbox's order what was taken: not while a commit may still be taken back. */
function compact(inbox: RunMessages | undefined): void {
  if (inbox === undefined || inbox.order.length <= 2 * inbox.waiting.size + 64) return;
  inbox.order = inbox.order.filter(({ taken }) => !taken);
}

/** Position of the first message that came after number `no`. */
function firstAfter(order: readonly StoredMessage[], no: number): number {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((order[middle]?.no ?? Infinity) <= no) low = middle + 1;
    else high = middle;
  }
  return low;
}

function inboxOf(data: MemoryData, run: string): RunMessages {
  let inbox = data.inboxes.get(run);
  if (inbox === undefined) data.inboxes.set(run, inbox = { waiting: new Map(), order: [], taken: new Set() });
  return inbox;
}

function schedule(data: MemoryData, run: StoredRun): void {
  const { state, wakeAt } = run.row;
  if (state === "parked" && wakeAt !== undefined) data.heap.push({ at: wakeAt, no: run.no, item: run });
}

type Undo = (() => void)[] | undefined;

/**
 * Applies one part, or throws and changes nothing. What it pushes on `undo`, run backwards, takes it back; a commit of one
 * part needs none.
 */
function apply(data: MemoryData, write: Write, undo: Undo): void {
  switch (write.w) {
    case "create":
      return applyCreate(data, write.row, write.records, undo);
    case "append":
      return applyAppend(data, write.run, write.records, write.row, undo);
    case "post":
      return applyPost(data, write.message, undo);
    case "take":
      return applyTake(data, write.id, undo);
    case "drop":
      return applyDrop(data, write.run, undo);
  }
}

function applyCreate(data: MemoryData, row: RunRow, records: readonly StoredRecord[], undo: Undo): void {
  if (data.runs.has(row.id)) {
    throw new RunExistsError(`Cannot create run "${row.id}": a run of that id is stored`, []);
  }
  const run: StoredRun = { no: data.nextNo++, row: knownFields(row), records: [...records], dropped: false };
  data.runs.set(row.id, run);
  data.order.push(run);
  schedule(data, run);
  undo?.push(() => {
    run.dropped = true;
    data.runs.delete(row.id);
    data.order.splice(data.order.lastIndexOf(run), 1);
  });
}

function applyAppend(
  data: MemoryData,
  id: string,
  records: readonly StoredRecord[],
  change: RowChange | undefined,
  undo: Undo,
): void {
  const run = data.runs.get(id);
  if (run === undefined) throw new UnknownRunError(`Cannot append to run "${id}": no run of that id is stored`);
  const { row, records: { length } } = run;
  checkFollows(id, records, length);
  for (const record of records) run.records.push(record);
  if (change !== undefined) {
    run.row = changedRow(row, change);
    schedule(data, run);
  }
  undo?.push(() => {
    run.records.length = length;
    run.row = row;
    schedule(data, run);
  });
}

function applyPost(data: MemoryData, message: Message, undo: Undo): void {
  const { id, run } = message;
  const known = data.messages.get(id);
  if (known !== undefined && (!known.taken || known.message.run === run)) return;
  const inbox = inboxOf(data, run);
  if (isBounded(message) && inbox.waiting.size >= data.limits.maxMessages) {
    throw inboxFull(message, data.limits.maxMessages);
  }
  // Taken by another run, and passed on to this one.
  if (known !== undefined) data.inboxes.get(known.message.run)?.taken.delete(id);
  const stored: StoredMessage = { no: data.nextNo++, message: { ...message }, taken: false };
  data.messages.set(id, stored);
  inbox.waiting.set(id, stored);
  inbox.order.push(stored);
  undo?.push(() => {
    inbox.waiting.delete(id);
    inbox.order.pop();
    if (known === undefined) data.messages.delete(id);
    else {
      data.messages.set(id, known);
      inboxOf(data, known.message.run).taken.add(id);
    }
  });
}

function applyTake(data: MemoryData, id: string, undo: Undo): void {
  const stored = data.messages.get(id);
  if (stored === undefined || stored.taken) return;
  const inbox = inboxOf(data, stored.message.run);
  inbox.waiting.delete(id);
  inbox.taken.add(id);
  stored.taken = true;
  undo?.push(() => {
    stored.taken = false;
    inbox.taken.delete(id);
    inbox.waiting.set(id, stored);
  });
}

function applyDrop(data: MemoryData, id: string, undo: Undo): void {
  const run = data.runs.get(id);
  const inbox = data.inboxes.get(id);
  const messages: StoredMessage[] = [];
  if (inbox !== undefined) {
    for (const key of [...inbox.waiting.keys(), ...inbox.taken]) {
      const stored = data.messages.get(key);
      if (stored !== undefined) messages.push(stored);
      data.messages.delete(key);
    }
    data.inboxes.delete(id);
  }
  if (run !== undefined) {
    run.dropped = true;
    data.dropped++;
    data.runs.delete(id);
  }
  undo?.push(() => {
    if (inbox !== undefined) data.inboxes.set(id, inbox);
    for (const stored of messages) data.messages.set(stored.message.id, stored);
    if (run !== undefined) {
      run.dropped = false;
      data.dropped--;
      data.runs.set(id, run);
      schedule(data, run);
    }
  });
}

/** A copy without fields that are undefined, and without any that the port does not know. */
function knownFields(row: RunRow): RunRow {
  const { id, workflow, state, status, wakeAt, waits, createdAt, closedAt, parent } = row;
  return {
    id,
    workflow,
    state,
    ...(status === undefined ? undefined : { status }),
    ...(wakeAt === undefined ? undefined : { wakeAt }),
    ...(waits === undefined ? undefined : { waits: [...waits] }),
    createdAt,
    ...(closedAt === undefined ? undefined : { closedAt }),
    ...(parent === undefined ? undefined : { parent }),
  };
}

function changedRow(row: RunRow, change: RowChange): RunRow {
  const { wakeAt = row.wakeAt, waits = row.waits, state = row.state, status = row.status, closedAt = row.closedAt } =
    change;
  return {
    id: row.id,
    workflow: row.workflow,
    state,
    ...(status === undefined || status === null ? undefined : { status }),
    ...(wakeAt === undefined || wakeAt === null ? undefined : { wakeAt }),
    ...(waits === undefined || waits === null ? undefined : { waits: [...waits] }),
    createdAt: row.createdAt,
    ...(closedAt === undefined || closedAt === null ? undefined : { closedAt }),
    ...(row.parent === undefined ? undefined : { parent: row.parent }),
  };
}

function listRuns(data: MemoryData, query: RunQuery): RunRow[] {
  const { state, workflow, closedBefore, after, limit } = query;
  const from = after === undefined ? undefined : data.runs.get(after);
  if (after !== undefined && from === undefined) {
    throw new UnknownRunError(`Cannot list runs after "${after}": no run of that id is stored`);
  }
  const rows: RunRow[] = [];
  if (closedBefore !== undefined) {
    const closed: StoredRun[] = [];
    let last: StoredRun | undefined;
    // Runs end about in the order in which they began: sorting all for one page would take most of the time of a removal.
    for (let i = data.order.length - 1; i >= 0; i--) {
      const run = data.order[i];
      if (run === undefined || run.dropped || run.row.closedAt === undefined || run.row.closedAt >= closedBefore) {
        continue;
      }
      if (state !== undefined && run.row.state !== state) continue;
      if (workflow !== undefined && run.row.workflow !== workflow) continue;
      if (from !== undefined && newestClosed(from, run) >= 0) continue;
      if (last !== undefined && newestClosed(last, run) < 0) continue;
      if (closed.push(run) < 2 * limit) continue;
      closed.sort(newestClosed).length = limit;
      last = closed.at(-1);
    }
    return closed.sort(newestClosed).slice(0, limit).map(({ row }) => row);
  }
  for (let i = data.order.length - 1; i >= 0 && rows.length < limit; i--) {
    const run = data.order[i];
    if (run === undefined || run.dropped || (from !== undefined && run.no >= from.no)) continue;
    if (state !== undefined && run.row.state !== state) continue;
    if (workflow !== undefined && run.row.workflow !== workflow) continue;
    rows.push(run.row);
  }
  return rows;
}

function newestClosed(a: StoredRun, b: StoredRun): number {
  return (b.row.closedAt ?? Infinity) - (a.row.closedAt ?? Infinity) || b.no - a.no;
}

function createHandle(data: MemoryData): MemoryStorage {
  const by = Symbol("storage");
  const watching = new Set<Disposable>();
  let closed = false;

  function check(action: string): void {
    if (closed) throw new StorageFailedError(`Cannot ${action}: the storage is closed`);
  }

  function commit(writes: readonly Write[]): void {
    check("commit");
    checkWrites(writes, data.limits, data.holder?.by === by);
    const undo: Undo = writes.length > 1 ? [] : undefined;
    try {
      for (const write of writes) apply(data, write, undo);
    } catch (error) {
      while (undo !== undefined && undo.length > 0) undo.pop()?.();
      throw error;
    }
    if (data.dropped > 64 && data.dropped * 2 > data.order.length) {
      data.order = data.order.filter(({ dropped }) => !dropped);
      data.dropped = 0;
    }
    for (const write of writes) {
      if (write.w === "take") compact(data.inboxes.get(data.messages.get(write.id)?.message.run ?? ""));
    }
    if (data.watchers.size > 0) tell(writes);
  }

  function tell(writes: readonly Write[]): void {
    const runs = new Set<string>();
    for (const write of writes) if (write.w === "post") runs.add(write.message.run);
    for (const run of runs) {
      for (const watcher of data.watchers) if (watcher.by !== by) report(watcher, run);
    }
  }

  function report(watcher: Watcher, run: string): void {
    // Not inside the other's commit: as with a file, a watcher hears of it later.
    queueMicrotask(() => {
      if (data.watchers.has(watcher) && waiting(run) > 0) watcher.onMessage(run);
    });
  }

  function waiting(run: string): number {
    return data.inboxes.get(run)?.waiting.size ?? 0;
  }

  function close(): void {
    if (closed) return;
    closed = true;
    for (const watch of watching) watch[Symbol.dispose]();
    if (data.holder?.by === by) data.holder = undefined;
  }

  return {
    limits: data.limits,
    own(owner) {
      return attempt(() => {
        check("drive the storage");
        const { holder } = data;
        if (holder !== undefined) {
          const { by: _by, ...known } = holder;
          throw new StorageLockedError(
            `Cannot drive the storage as "${owner.name}": "${holder.name}"${
              holder.pid === undefined ? "" : ` (process ${holder.pid})`
            } drives it since ${new Date(holder.since).toISOString()}`,
            known,
          );
        }
        data.holder = {
          name: owner.name,
          ...(owner.pid === undefined ? undefined : { pid: owner.pid }),
          since: Date.now(),
          by,
        };
      });
    },
    commit: (writes) => attempt(() => commit(writes)),
    run: (id) =>
      attempt(() => {
        check(`read run "${id}"`);
        return data.runs.get(id)?.row;
      }),
    runs: (query) =>
      attempt(() => {
        check("list runs");
        checkQuery(query);
        return listRuns(data, query);
      }),
    async *journal(run, fromSeq = 0) {
      for (let from = fromSeq;;) {
        check(`read the journal of run "${run}"`);
        const page = data.runs.get(run)?.records.slice(from, from + PAGE) ?? [];
        if (page.length === 0) return;
        yield page;
        from += page.length;
      }
    },
    due: (now, limit) =>
      attempt(() => {
        check("list due runs");
        checkLimit(limit, "due runs");
        return data.heap.take(now, limit).map(({ row }) => row);
      }),
    nextWake: () =>
      attempt(() => {
        check("find the next wake time");
        return data.heap.first()?.at;
      }),
    inbox: (run, limit, after) =>
      attempt(() => {
        check(`read the messages of run "${run}"`);
        checkLimit(limit, "messages");
        const messages: Message[] = [];
        const order = data.inboxes.get(run)?.order ?? [];
        const no = after === undefined ? 0 : data.messages.get(after)?.no ?? 0;
        for (let i = firstAfter(order, no); i < order.length && messages.length < limit; i++) {
          const stored = order[i];
          if (stored?.taken === false) messages.push(stored.message);
        }
        return messages;
      }),
    watch(onMessage) {
      check("watch the messages");
      const watcher = { by, onMessage };
      data.watchers.add(watcher);
      for (const [run, inbox] of data.inboxes) if (inbox.waiting.size > 0) report(watcher, run);
      const watch: Disposable = {
        [Symbol.dispose]: () => {
          data.watchers.delete(watcher);
          watching.delete(watch);
        },
      };
      watching.add(watch);
      return watch;
    },
    fork: () => createHandle(copyData(data)),
    visit: () => createHandle(data),
    close: () => attempt(close),
    [Symbol.asyncDispose]: () => attempt(close),
  };
}

/** Runs at once; what it throws becomes a rejection. */
function attempt<T>(run: () => T): Promise<T> {
  try {
    return Promise.resolve(run());
  } catch (error) {
    return Promise.reject(error);
  }
}
