/**
 * The object of one run, and of the runs that it begins: its children, and those that go on for it. The engine inside it is opened
 * when something has to be done, and left to be evicted when nothing has.
 *
 * @module
 */
import { UnknownRunError } from "../base/errors.ts";
import { newestOf } from "../engine/chain.ts";
import { createEngine } from "../engine/engine.ts";
import type { Engine, EngineEvent, EngineOptions, PendingApproval } from "../engine/api.ts";
import type { RunRow } from "../engine/ports.ts";
import type { JournalRecord, Json } from "../workflow/journal.ts";
import { forgetDurableObject, holdsRuns, openDurableObject } from "../storage/_durable_storage.ts";
import type { DurableObjectStorageOptions } from "../storage/durable_object.ts";
import { createObjectAlarm, type ObjectAlarm, type Wanted } from "./alarm.ts";
import { createObjectHost } from "./object_host.ts";
import { bindingOf, createOutbox, noteAll, noteChanges, OBJECT_SCHEMA, type Outbox } from "./outbox.ts";
import type { ObjectNamespace, ObjectState } from "./platform.ts";
import { toWire, type WireError } from "./wire.ts";

/** What runs in the objects, and how. */
export interface RunObjectOptions extends
  Pick<
    EngineOptions,
    | "workflows"
    | "sources"
    | "concurrency"
    | "maxActiveRuns"
    | "maxQueuedRuns"
    | "executor"
    | "onEvent"
    | "callSites"
    | "changes"
    | "cancelGraceMs"
  >,
  DurableObjectStorageOptions {
  /** Name of the binding to the index objects, in the environment. @default "INDEX" */
  readonly index?: string;
  /**
   * While something is under way in an object, its alarm rings at least this often, in milliseconds: it keeps the object in memory,
   * and brings it back after its process has ended.
   *
   * @default 5000
   */
  readonly heartbeatMs?: number;
  /**
   * Runs that ended longer ago than this, in milliseconds, are removed, and an object that has none any more is emptied.
   *
   * @default undefined: kept for ever
   */
  readonly retentionMs?: number;
}

/** Begins a run in its object. */
export interface StartRequest {
  /** Namespace of the run: its index's name. */
  readonly namespace: string;
  /** Id of the run: the object is its. */
  readonly runId: string;
  /** Name of the workflow. */
  readonly workflow: string;
  /** Its arguments. @default {} */
  readonly args?: Json;
  /** The run fails with `DeadlineError` after this many milliseconds. */
  readonly deadlineMs?: number;
}

/** Names a run of an object. */
export interface RunRequest {
  /** Id of the run. */
  readonly runId: string;
}

/** Asks how a run ended, and waits a little for its end. */
export interface OutcomeRequest extends RunRequest {
  /** How long to wait, in milliseconds; no longer than until nothing happens in the object. @default 0 */
  readonly waitMs?: number;
}

/** Sends an event to a run. */
export interface SignalRequest extends RunRequest {
  /** Name of the event. */
  readonly name: string;
  /** Its payload. @default null */
  readonly payload?: Json;
  /** An event of an id that the run has is not sent again. @default a random one */
  readonly id?: string;
}

/** Answers an approval of a run. */
export interface ApproveRequest extends RunRequest {
  /** Key of the approval; optional when exactly one is waited for. */
  readonly key?: string;
  /** Granted or rejected. @default true */
  readonly approved?: boolean;
  /** What the approver entered. @default null */
  readonly value?: Json;
  /** Who answered. @default "anonymous" */
  readonly approver?: string;
}

/** Asks a run to end. */
export interface CancelRequest extends RunRequest {
  /** Why. @default "Cancelled" */
  readonly reason?: string;
}

/** A run as it is stored now. */
export interface RunStatusAnswer extends RunRow {
  /** What the body said last of how far it is. */
  readonly progress?: Json;
}

/** How a run ended, or that it has not. */
export type OutcomeAnswer =
  /** `wakeAt`: when it has something to do of itself, while it is parked. */
  | { readonly done: false; readonly state: RunRow["state"]; readonly wakeAt?: number }
  | { readonly done: true; readonly value: Json }
  | { readonly done: true; readonly error: WireError };

/** What an object does for whoever calls it, by RPC or as `POST /name` with the argument as JSON. */
export interface RunMethods {
  /** Records a run and begins it; the run that exists when it is the same. */
  start(request: StartRequest): Promise<RunStatusAnswer>;
  /** The run as it is stored. */
  status(request: RunRequest): Promise<RunStatusAnswer>;
  /** How the run ended: of the last one that goes on for it. */
  outcome(request: OutcomeRequest): Promise<OutcomeAnswer>;
  /** Sends an event. */
  signal(request: SignalRequest): Promise<void>;
  /** Answers an approval. */
  approve(request: ApproveRequest): Promise<void>;
  /** Approvals that the run waits for. */
  approvals(request: RunRequest): Promise<readonly PendingApproval[]>;
  /** Asks the run to end. */
  cancel(request: CancelRequest): Promise<void>;
  /** The verified journal of the run. */
  journal(request: RunRequest): Promise<readonly JournalRecord[]>;
  /** All runs of the object, newest first: the run that it was made for, its children, those that go on for it. */
  runs(request?: { readonly limit?: number }): Promise<readonly RunRow[]>;
  /** Tells the index of all runs of the object anew: for an index that has lost what it knew. */
  reindex(): Promise<void>;
}

/** The object behind its class. */
export interface RunObject {
  readonly methods: RunMethods;
  alarm(): Promise<void>;
}

/** Without progress the alarm rings ever less often: a run that waits for its code to be mended needs no more. */
const LONGEST_BEAT_MS = 3_600_000;
/** Messages that are looked at when an object is opened: more than that are events that came before they were waited for. */
const MOST_POSTED = 1000;
/** Longest wait of an `outcome`, in milliseconds. */
const LONGEST_WAIT_MS = 60_000;

interface Opened {
  readonly engine: Engine;
  readonly store: ReturnType<typeof openDurableObject>;
  readonly outbox: Outbox;
  readonly identity: Identity;
}

/** Whose object this is. */
interface Identity {
  readonly namespace: string;
  readonly root: string;
}

/** Makes what is behind one object's class. */
export function createRunObject(ctx: ObjectState, env: unknown, options: RunObjectOptions): RunObject {
  const { storage } = ctx;
  const { index = "INDEX", heartbeatMs = 5000, retentionMs, onEvent, maxRecordBytes, maxMessages, ...rest } = options;
  const now = Date.now;
  const clock: ObjectAlarm = createObjectAlarm(storage, now, (then) => host.hop(then), wanted);
  const host = createObjectHost(clock);
  let opening: Promise<Opened> | undefined;
  let closing: Promise<void> | undefined;
  let current: Pick<Opened, "store"> & { readonly outbox?: Outbox } | undefined;
  const waiting = new Set<() => void>();
  let starting = 0;
  let beatMs = heartbeatMs;
  let beatAt: number | undefined;
  let commitsSeen = -1;
  /** What ended before has been looked at: of that, first runs of chains that go on are left. */
  let tidiedBefore = 0;
  /** Messages that may wake a run that is parked: until it has taken them, or is known not to wait for them. */
  const posted = new Set<string>();

  function tell(event: EngineEvent): void {
    try {
      onEvent?.(event);
    } catch {
      return; // a hook of the user's decides about nothing
    }
  }

  /** Settles when a run parks or ends: only then the engine may be idle, and asking it in each turn costs a turn. */
  function calmed(): Promise<void> {
    return new Promise((resolve) => void waiting.add(resolve));
  }

  // --- The engine inside ---

  function opened(identity?: Identity): Promise<Opened> {
    if (opening === undefined) {
      const mine = open(identity, (engine) => leave(mine, engine));
      opening = mine;
      mine.catch(() => leave(mine));
    }
    return opening;
  }

  /** What is in memory is not what is stored any more: the next call, or the alarm, begins anew. */
  function leave(left: Promise<Opened>, engine?: Engine): void {
    if (opening !== left) return;
    opening = undefined;
    current = undefined;
    posted.clear();
    clock.stop();
    closing = engine?.close().catch((error) => tell({ event: "warning", message: `Cannot close: ${String(error)}` }));
  }

  async function open(said: Identity | undefined, failed: (engine: Engine) => void): Promise<Opened> {
    await closing;
    const limits = {
      ...(maxRecordBytes === undefined ? undefined : { maxRecordBytes }),
      ...(maxMessages === undefined ? undefined : { maxMessages }),
    };
    const store = openDurableObject(storage, limits, {
      schema: OBJECT_SCHEMA,
      within: (writes, sql) => noteChanges(writes, sql, now()),
      after(writes) {
        for (const write of writes) if (write.w === "post") posted.add(write.message.id);
        // In this turn: whoever is told of the commit finds the alarm set, whatever happens next.
        clock.plan();
        void current?.outbox?.deliver();
      },
    });
    const identity = identify(store.sql, said);
    for (const { id } of store.sql(`SELECT id FROM inbox WHERE waiting = 1 LIMIT ${MOST_POSTED}`).all()) {
      posted.add(String(id));
    }
    const { namespace, root } = identity;
    current = { store };
    await clock.load();
    const outbox = createOutbox({
      sql: store.sql,
      now,
      root,
      index: () => {
        const bound = bindingOf<ObjectNamespace>(env, index);
        return bound.get(bound.idFromName(namespace));
      },
      row: (run) => store.run(run),
      attempted: (error) => {
        if (error !== undefined) tell({ event: "warning", message: `Cannot tell the index: ${error.message}` });
        try {
          if (current?.store === store) clock.plan();
        } catch (problem) {
          clock.move(now() + slower());
          tell({ event: "warning", message: `Cannot look at what is stored: ${String(problem)}` });
        }
      },
    });
    current = { store, outbox };
    const made: { engine?: Engine } = {};
    const engine = await createEngine({
      ...rest,
      storage: store,
      host,
      name: root,
      onEvent: (event) => {
        if (event.event === "failed" && made.engine !== undefined) {
          failed(made.engine);
          // Whatever was rung for has not come about.
          clock.move(now() + slower());
        }
        if (event.event === "run_parked" || event.event === "run_closed" || event.event === "run_stopped") {
          for (const calm of waiting) calm();
          waiting.clear();
        }
        tell(event);
      },
    });
    made.engine = engine;
    if (engine.failed !== undefined) {
      // Before it could be said whose failure it is.
      failed(engine);
      throw engine.failed;
    }
    clock.plan();
    void outbox.deliver();
    return { engine, store, outbox, identity };
  }

  /** The engine of an object that holds runs. */
  async function known(runId: string): Promise<Opened> {
    // Asking for a run that is none must not make an object of it: an object that stores nothing costs nothing.
    if (opening === undefined && !holdsRuns(storage)) throw new UnknownRunError(`Run "${runId}" is not stored`);
    return await opened();
  }

  // --- The alarm ---

  /** When this object has to be woken next, by what is stored. */
  function wanted(rangAt: number): Wanted | undefined {
    if (current === undefined) return undefined;
    const { store, outbox } = current;
    const rang = Math.max(0, rangAt);
    const { active, orphans, untold, overdue, wake, closed } = store.sql(STATE).get(rang, rang, tidiedBefore) ?? {};
    const isActive = active === 1;
    const retryAt = untold === 1 ? outbox?.retryAt : undefined;
    const times = typeof retryAt === "number" ? [retryAt] : [];
    if (typeof wake === "number") times.push(wake);
    if (retentionMs !== undefined && typeof closed === "number") times.push(closed + retentionMs);
    // Rung for, and not gone on: in a moment it has, or its code does not fit, and nothing comes of ringing on.
    const isOverdue = overdue === 1;
    // Whoever left a message was told so: the run takes it, also when the object is not called again.
    for (const id of posted) if (store.sql(WAKING).get(id) === undefined) posted.delete(id);
    if (isActive || isOverdue || orphans === 1 || posted.size > 0 || (untold === 1 && retryAt === undefined)) {
      if (beatAt === undefined || beatAt <= now()) beatAt = now() + beatMs;
      times.push(beatAt);
    } else {
      beatAt = undefined;
      beatMs = heartbeatMs;
    }
    return { at: times.length === 0 ? undefined : Math.min(...times), isActive };
  }

  /** The pause before the next ring for nothing: longer each time. */
  function slower(): number {
    return beatMs = Math.min(beatMs * 2, LONGEST_BEAT_MS);
  }

  /** Rings less often while nothing comes of it. */
  function slowDown(engine: Engine): void {
    if (beatAt !== undefined && beatAt > now()) return;
    const { commits, running, waiting, queued } = engine.stats();
    const isBusy = running + waiting + queued > 0 || commits !== commitsSeen;
    commitsSeen = commits;
    if (isBusy) beatMs = heartbeatMs;
    else slower();
  }

  async function alarm(): Promise<void> {
    clock.rang();
    try {
      if (opening === undefined && !holdsRuns(storage)) return;
      const { engine, outbox } = await opened();
      slowDown(engine);
      clock.wakeDue();
      // Not waited for: the next alarm rings only when this one has been heard, and an index may answer late, or never.
      if ((outbox.retryAt ?? 0) <= now()) void outbox.deliver();
      if (retentionMs !== undefined) await tidy(retentionMs);
      else clock.plan();
    } catch (error) {
      // Not thrown on: the platform would try six times, and then no more.
      clock.move(now() + slower());
      tell({ event: "warning", message: `The alarm failed, and is set again: ${String(error)}` });
    }
    // Thrown on only when it cannot be set again: then the platform's attempts are what is left.
    await clock.placed();
  }

  /** Removes what ended long ago; all, when nothing is left. */
  async function tidy(olderThanMs: number): Promise<void> {
    const { engine, outbox } = await opened();
    const before = now() - olderThanMs;
    await engine.prune(olderThanMs);
    tidiedBefore = before;
    if ((await engine.runs({ limit: 1 })).length > 0) return clock.plan();
    if (outbox.isEmpty) return await emptyWhenOver();
    clock.plan();
    void outbox.deliver().then(emptyWhenOver).catch((error) =>
      tell({ event: "warning", message: `Cannot empty the object: ${String(error)}` })
    );
  }

  /** Looks again: while the index was told, a run may have begun. */
  async function emptyWhenOver(): Promise<void> {
    if (opening === undefined) return;
    const { engine, outbox } = await opening;
    const isOver = (await engine.runs({ limit: 1 })).length === 0;
    if (isOver && outbox.isEmpty && starting === 0) await empty();
  }

  async function empty(): Promise<void> {
    const mine = opening;
    if (mine === undefined) return;
    const { engine } = await mine;
    leave(mine, engine);
    await closing;
    forgetDurableObject(storage);
    clock.move(Infinity);
    await storage.deleteAll();
  }

  // --- What it does for its callers ---

  async function start(request: StartRequest): Promise<RunStatusAnswer> {
    const { namespace, runId, workflow, args = {}, deadlineMs } = request;
    for (const [name, value] of Object.entries({ namespace, runId, workflow })) {
      if (typeof value !== "string") {
        throw new TypeError(`Cannot start a run: '${name}' must be text, found ${typeof value}`);
      }
    }
    // Before anything is stored: an index that is never told would be noticed late.
    bindingOf(env, index);
    starting++;
    let opened_: Opened | undefined;
    try {
      opened_ = await opened({ namespace, root: runId });
      const { identity } = opened_;
      if (identity.root !== runId || identity.namespace !== namespace) {
        throw new RangeError(
          `Cannot start run "${runId}" of namespace "${namespace}" here: this is the object of run "${identity.root}" of namespace ` +
            `"${identity.namespace}"`,
        );
      }
      const run = await opened_.engine.start(workflow, args, {
        runId,
        ...(deadlineMs === undefined ? undefined : { deadlineMs }),
      });
      return await run.row();
    } catch (error) {
      // What was refused leaves nothing behind.
      if (starting === 1 && opened_ !== undefined && (await opened_.store.runs({ limit: 1 })).length === 0) {
        await empty();
      }
      throw error;
    } finally {
      starting--;
    }
  }

  async function outcome({ runId, waitMs = 0 }: OutcomeRequest): Promise<OutcomeAnswer> {
    const { engine, store } = await known(runId);
    const run = await engine.run(runId);
    const waited = new AbortController();
    let ended: OutcomeAnswer | undefined;
    const failures: unknown[] = [];
    const result = run.result({ signal: waited.signal }).then(
      (value) => void (ended = { done: true, value }),
      (error) => {
        if (waited.signal.aborted) return;
        // What the run ended with, or why it cannot go on; anything else has befallen the one who waits.
        if (ENDS.has((error as { readonly code?: string }).code ?? "")) ended = { done: true, error: toWire(error) };
        else failures.push(error);
      },
    );
    // Before the row is read: it may park at any time.
    const calm = calmed();
    try {
      // One that was stopped is not closed: what there is to tell of it is found in a moment.
      await Promise.race([result, new Promise<void>((resolve) => host.hop(resolve))]);
      let row = await newestOf(store, runId);
      if (ended === undefined && row?.state !== "closed") {
        // A run that waits for its children is parked while they work.
        const isWorking = row?.state === "active" || row?.state === "ready";
        const idle = isWorking ? calm.then(() => engine.idle()) : engine.idle();
        const patience = pause(Math.min(Math.max(0, waitMs), LONGEST_WAIT_MS));
        await Promise.race([result, idle, patience.over]).finally(patience.end);
        for (const failure of failures) throw failure;
        row = await newestOf(store, runId);
      }
      if (row?.state === "closed") await result;
      for (const failure of failures) throw failure;
      if (ended !== undefined) return ended;
      const { state = "active", wakeAt } = row ?? {};
      return { done: false, state, ...(wakeAt === undefined ? undefined : { wakeAt }) };
    } finally {
      waited.abort();
    }
  }

  const methods: RunMethods = {
    start,
    outcome,
    async status({ runId }) {
      const { engine } = await known(runId);
      const run = await engine.run(runId);
      const [row, progress] = await Promise.all([run.row(), run.progress()]);
      return { ...row, ...(progress === undefined ? undefined : { progress }) };
    },
    async signal({ runId, name, payload = null, id }) {
      const { engine } = await known(runId);
      await engine.signal(runId, name, payload, id === undefined ? {} : { id });
    },
    async approve({ runId, key, ...answer }) {
      const { engine } = await known(runId);
      await engine.approve(runId, key, answer);
    },
    async approvals({ runId }) {
      return await (await known(runId)).engine.approvals(runId);
    },
    async cancel({ runId, reason }) {
      await (await known(runId)).engine.cancel(runId, reason);
    },
    async journal({ runId }) {
      return await (await known(runId)).engine.journal(runId);
    },
    async runs({ limit = 100 } = {}) {
      if (opening === undefined && !holdsRuns(storage)) return [];
      return await (await opened()).engine.runs({ limit });
    },
    async reindex() {
      if (opening === undefined && !holdsRuns(storage)) return;
      const { store, outbox } = await opened();
      storage.transactionSync(() => noteAll(store.sql, now()));
      clock.plan();
      void outbox.deliver();
    },
  };
  return { methods, alarm };
}

/** Codes of the errors that a run ends with, or that keep it from going on. */
const ENDS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "RUN_FAILED",
  "CANCELLED",
  "DEADLINE_EXCEEDED",
  "REPLAY_MISMATCH",
  "NON_DETERMINISM",
  "JOURNAL_CORRUPT",
  "SCHEMA_TOO_NEW",
]);

/** All that decides about the alarm, by indexes. */
const STATE = `SELECT
  EXISTS(SELECT 1 FROM runs INDEXED BY runs_state WHERE state IN (0, 1)) AS active,
  EXISTS(SELECT 1 FROM runs INDEXED BY runs_state WHERE state = 4) AS orphans,
  EXISTS(SELECT 1 FROM outbox) AS untold,
  EXISTS(SELECT 1 FROM runs INDEXED BY runs_due WHERE state = 2 AND wake_at IS NOT NULL AND wake_at <= ?) AS overdue,
  (SELECT min(wake_at) FROM runs INDEXED BY runs_due WHERE state = 2 AND wake_at IS NOT NULL AND wake_at > ?) AS wake,
  (SELECT min(closed_at) FROM runs INDEXED BY runs_closed WHERE closed_at >= ?) AS closed`;

/** A message that waits for a run that is parked and waits for it. */
const WAKING = `SELECT 1 FROM inbox i JOIN runs r ON r.id = i.run WHERE i.id = ? AND i.waiting = 1 AND r.state = 2 AND
  (i.kind IN ('cancel', 'settle') OR EXISTS(SELECT 1 FROM json_each(r.waits) w WHERE w.value = i.kind || ':' || i.name))`;

/** Whose object this is: what was stored, else what is said now, which is stored. */
function identify(sql: ReturnType<typeof openDurableObject>["sql"], said: Identity | undefined): Identity {
  const row = sql("SELECT namespace, root FROM object").get();
  if (row === undefined) {
    if (said === undefined) throw new UnknownRunError("This object has no run");
    sql("INSERT INTO object(namespace, root, version) VALUES(?, ?, 0)").run(said.namespace, said.root);
    return said;
  }
  return { namespace: String(row["namespace"]), root: String(row["root"]) };
}

/** A wait of a request, which nothing else depends on. A timer that is left would keep the object in memory. */
function pause(ms: number): { readonly over: Promise<void>; readonly end: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<void>((resolve) => void (timer = setTimeout(resolve, ms)));
  return { over, end: () => clearTimeout(timer) };
}
