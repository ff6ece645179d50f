/**
 * Whether a body still asks for what a journal holds: the history is handed over as on a replay, and nothing is run.
 *
 * @module
 */
import type { Command, Fingerprint, Json, JournalRecord, Key, Outcome, RunStatus, Session, TaskInfo } from "./journal.ts";
import { createSession, type SessionPorts } from "./session.ts";

/** What a replay needs of the outside. */
export interface ReplayPorts {
  /** Calls back in a later macrotask. */
  readonly hop: SessionPorts["hop"];
  /** Runs `fn` so that calls made in it find this session. */
  readonly enter: SessionPorts["enter"];
  /**
   * Calls back after the time that a body may take for I/O of its own, and again and again until it is given back; what it
   * returns gives it back. Without it a body that waits for something else than the history is waited for without end.
   */
  readonly patience?: (then: () => void) => () => void;
  /** Where in the source the running call is made; asked at each call. */
  readonly site?: () => string | undefined;
}

/** A call that the body makes and the history knows no outcome of. */
export interface OpenCall {
  readonly key: Key;
  readonly fp: Fingerprint;
  /** Where it is made. */
  readonly site?: string;
}

/** Where the journal and the code differ. */
export interface ReplayMismatch {
  /** `differs`: another call is made under this key. `not-asked`: what was recorded is not asked for. */
  readonly reason: "differs" | "not-asked";
  /** Number of the record, and its key. */
  readonly seq: number;
  readonly key: Key;
  /** Outcomes that were handed over before. */
  readonly handed: number;
  readonly recorded?: Fingerprint;
  /** What the body asked for instead, if it asked for anything. */
  readonly asked?: Fingerprint;
  readonly askedKey?: Key;
  /** Where it asked. */
  readonly askedSite?: string;
}

/** How a replay went. */
export type ReplayResult =
  | {
    readonly ok: true;
    /** Calls that the body made. */
    readonly calls: number;
    /** What it waits for at the end of the history. */
    readonly pending: readonly OpenCall[];
    /** How the body ended; absent while it waits. */
    readonly ended?: { readonly status: RunStatus; readonly outcome: Outcome };
  }
  | { readonly ok: false; readonly reason: "mismatch"; readonly mismatch: ReplayMismatch }
  | {
    readonly ok: false;
    /** The body waits for I/O of its own, and has not come as far as the history. */
    readonly reason: "not-finished";
    readonly calls: number;
    /** The key of the record that it did not reach; `""` when that has none. */
    readonly key: Key;
    readonly seq: number;
  };

/**
 * Replays a journal against a body. No closure of a step or task runs; what the body itself does (and what it leaves behind: timers,
 * rejections of promises of its own) is not held back.
 *
 * @param body the workflow's body: `bodyOf(workflow)`
 * @param records the journal, from its `opened` record on
 * @param ports macrotasks, run context, patience
 * @returns how far body and journal agree; never rejects for what the body does
 * @throws TypeError when the records do not begin with `opened`
 */
export function replayJournal(
  body: (...args: never[]) => unknown,
  records: readonly JournalRecord[],
  ports: ReplayPorts,
): Promise<ReplayResult> {
  const [first] = records;
  if (first?.t !== "opened") {
    throw new TypeError(`Cannot replay a journal: its first record must be "opened", found "${first?.t ?? "nothing"}"`);
  }
  const { header } = first;
  const { promise, resolve } = Promise.withResolvers<ReplayResult>();
  const commands: Command[] = [];
  const sites = new Map<string, (string | undefined)[]>();
  let at = 0;
  let looking = false;
  let done = false;
  let giveBack: (() => void) | undefined;

  /** The history, and how much of it was taken. */
  function* history(): Generator<JournalRecord> {
    for (; at < records.length; at++) yield records[at] as JournalRecord;
  }

  function finish(result: ReplayResult): void {
    if (done) return;
    done = true;
    giveBack?.();
    resolve(result);
  }

  /** Once the history is used up, a body that only computes has made its next calls, or ended, two macrotasks later. */
  function look(turns: number): void {
    ports.hop(() => {
      if (done) return;
      commands.push(...session.take());
      const close = commands.find((command) => command.c === "close");
      if (close?.mismatch === true) return finish(mismatchOf(close.outcome));
      if (session.replaying) {
        looking = false;
        return;
      }
      if (close === undefined && turns > 1) return look(turns - 1);
      const pending = commands.flatMap((command) => command.c === "call" ? [openCall(command)] : []);
      const ended = close?.outcome === undefined ? undefined : { status: close.status, outcome: close.outcome };
      finish({ ok: true, calls: session.calls, pending, ...(ended === undefined ? undefined : { ended }) });
    });
  }

  function openCall({ key, fp }: Extract<Command, { readonly c: "call" }>): OpenCall {
    const site = siteOf(fp.name, key);
    return { key, fp, ...(site === undefined ? undefined : { site }) };
  }

  /** The site of a key: the key's number is that of the call among those of its name, unless another name got in between. */
  function siteOf(name: string, key: Key): string | undefined {
    const known = sites.get(name);
    const number = key === name ? 1 : Number(/_(\d+)$/.exec(key)?.[1] ?? 0);
    return known?.[number - 1] ?? known?.at(-1);
  }

  function mismatchOf(outcome: Outcome | undefined): ReplayResult {
    const extra = outcome?.ok === false ? outcome.failure.error.extra : undefined;
    const { reason, seq, key, recorded, asked, askedKey } = extra as unknown as MismatchDetail;
    // A record that came after its `called` record has the fingerprint there.
    const ahead = records.find((record) => record.t === "called" && record.key === key);
    const was = recorded ?? (ahead?.t === "called" ? ahead.fp : undefined);
    const site = asked === null ? undefined : siteOf(asked.name, askedKey ?? key);
    const handed = records.filter((record) => record.t === "settled" && record.seq < seq).length;
    return {
      ok: false,
      reason: "mismatch",
      mismatch: {
        reason,
        seq,
        key,
        handed,
        ...(was === undefined ? undefined : { recorded: was }),
        ...(asked === null ? undefined : { asked }),
        ...(askedKey === null ? undefined : { askedKey }),
        ...(site === undefined ? undefined : { askedSite: site }),
      },
    };
  }

  const session = createSession({
    body,
    hop: ports.hop,
    enter: (inner, info, fn) => ports.enter(ports.site === undefined ? inner : noting(inner, ports.site, sites), info, fn),
    wake(): void {
      if (done || looking) return;
      looking = true;
      look(2);
    },
  });
  let before = -1;
  giveBack = ports.patience?.(() => {
    // A long history takes its time: only one that stands still is given up.
    const progress = at + session.calls;
    const stuck = progress === before;
    before = progress;
    if (!stuck || looking || done) return;
    const waitedFor = records[at];
    const key = waitedFor !== undefined && "key" in waitedFor ? waitedFor.key : "";
    finish({ ok: false, reason: "not-finished", calls: session.calls, key, seq: waitedFor?.seq ?? at });
  });
  try {
    session.begin(header, history());
  } catch (error) {
    finish({ ok: true, calls: session.calls, pending: [] });
    throw error;
  }
  return promise;
}

interface MismatchDetail {
  readonly reason: "differs" | "not-asked";
  readonly seq: number;
  readonly key: Key;
  readonly recorded: Fingerprint | null;
  readonly asked: Fingerprint | null;
  readonly askedKey: Key | null;
}

/** The session, with the place of each call noted under its name: a session asks for places only where it is live. */
function noting(session: Session, site: () => string | undefined, sites: Map<string, (string | undefined)[]>): Session {
  return new Proxy(session, {
    get(target, property): unknown {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]): unknown => {
        const before = target.calls;
        const result: unknown = Reflect.apply(value, target, args);
        void before;
        void result;
        return result;
      };
    },
  });
}
void (0 as unknown as Json | TaskInfo);
