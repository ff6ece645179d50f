/**
 * Whether a body still asks for what a journal holds: the history is handed over as on a replay, and nothing is run.
 *
 * @module
 */
import type { SessionPorts } from "./body_session.ts";
import type {
  Capability,
  ChangeModes,
  Command,
  Fingerprint,
  JournalRecord,
  Key,
  Outcome,
  RunStatus,
} from "./journal.ts";
import { createSession } from "./session.ts";

/** What a replay needs of the outside. */
export interface ReplayPorts {
  /** Calls back in a later macrotask. */
  readonly hop: SessionPorts["hop"];
  /** Runs `fn` so that calls made in it find this session. */
  readonly enter: SessionPorts["enter"];
  /**
   * Calls back after the time that a body may take for I/O of its own, and again and again; what it returns ends that. Without it a
   * body that waits for something else than its calls is waited for without end.
   */
  patience?(then: () => void): () => void;
  /** Where in the source the running call is made; asked once per name. */
  site?(name: string): string | undefined;
  /** What changes of the code are taken. @default arguments: fail, code: follow */
  readonly changes?: ChangeModes;
}

/** A call that the body makes and the history has no outcome of. */
export interface OpenCall {
  readonly key: Key;
  readonly fp: Fingerprint;
}

/** A call that was recorded with another source or other arguments, where that is taken. */
export interface ChangedCall {
  readonly key: Key;
  readonly what: "changed-arguments" | "changed-code";
  readonly recorded: Fingerprint;
  readonly asked: Fingerprint;
}

/** Where the journal and the code differ. */
export interface ReplayMismatch {
  /** `differs`: another call is made under this key. `not-asked`: what was recorded is not asked for. */
  readonly reason: "differs" | "not-asked";
  /** Number of the record, from 0. */
  readonly seq: number;
  /** Its key, or the name of a marker. */
  readonly key: Key;
  /** Outcomes that were handed over before it. */
  readonly handed: number;
  /** What was recorded, with the place where it was called, where that is known. */
  readonly recorded?: Fingerprint;
  /** What the body asked for instead, and where; absent: nothing. */
  readonly asked?: Fingerprint;
  /** Key of what it asked for. */
  readonly askedKey?: Key;
}

/** How a replay went. */
export type ReplayResult =
  | {
    /** Body and journal agree, to the end of the journal. */
    readonly ok: true;
    /** Calls that the body made. */
    readonly calls: number;
    /** What it waits for at the end of the history. */
    readonly pending: readonly OpenCall[];
    /** Calls whose change was taken, with the mode `warn`. */
    readonly changed: readonly ChangedCall[];
    /** How the body ended; absent while it goes on. */
    readonly ended?: { readonly status: RunStatus; readonly outcome: Outcome };
  }
  | { readonly ok: false; readonly reason: "mismatch"; readonly mismatch: ReplayMismatch }
  | {
    readonly ok: false;
    /** The body waits for something of its own, and has not come as far as the history. */
    readonly reason: "not-finished";
    readonly calls: number;
    /** The record that it did not reach, and its key. */
    readonly seq: number;
    readonly key: Key;
  };

const ALL: readonly Capability[] = [
  "events",
  "firstOf",
  "overlap",
  "subSecond",
  "continue",
  "cancel",
  "childRuns",
  "checked",
];

/**
 * Replays a journal against a body. No function of a step, a task or an undo is run. What the body does itself is: its own timers, and
 * rejections of promises of its own that nobody looks at, are not held back.
 *
 * @param body the workflow's body: `bodyOf(workflow)`
 * @param records the journal, from its record `opened` on
 * @param ports macrotasks, run context, patience
 * @returns how far body and journal agree; it does not reject for what the body does
 * @throws TypeError when the first record is another
 */
export function replayJournal(
  body: (...args: never[]) => unknown,
  records: readonly JournalRecord[],
  ports: ReplayPorts,
): Promise<ReplayResult> {
  const [first] = records;
  if (first?.t !== "opened") {
    throw new TypeError(
      `Cannot replay a journal: its first record must be "opened", found ${
        first === undefined ? "none" : `"${first.t}"`
      }`,
    );
  }
  const { promise, resolve } = Promise.withResolvers<ReplayResult>();
  const commands: Command[] = [];
  const sites = new Map<string, string | undefined>();
  let looking = false;
  let done = false;
  let before = "";

  function finish(result: ReplayResult): void {
    if (done) return;
    done = true;
    endPatience();
    resolve(result);
  }

  /** Behind the history, a body that only computes has made its next calls, or has ended, within two macrotasks. */
  function look(turns: number): void {
    ports.hop(() => {
      if (done) return;
      commands.push(...session.take());
      const close = commands.find((command) => command.c === "close");
      if (close?.mismatch === true) {
        return finish({ ok: false, reason: "mismatch", mismatch: mismatchOf(close.outcome) });
      }
      if (session.replaying) {
        looking = false;
        return;
      }
      if (close === undefined && turns > 1) return look(turns - 1);
      finish({
        ok: true,
        calls: session.calls,
        pending: commands.flatMap((command) => command.c === "call" ? [{ key: command.key, fp: command.fp }] : []),
        changed: commands.flatMap((command) => {
          if (command.c !== "notice" || command.notice === "non-confluent") return [];
          const { notice, key, recorded, asked } = command;
          return [{ key, what: notice, recorded, asked }];
        }),
        ...(close?.outcome === undefined ? undefined : { ended: { status: close.status, outcome: close.outcome } }),
      });
    });
  }

  function mismatchOf(outcome: Outcome | undefined): ReplayMismatch {
    const extra = outcome?.ok === false ? outcome.failure.error.extra : undefined;
    const { reason, seq, key, recorded, asked, askedKey } = extra as unknown as MismatchDetail;
    // What was written ahead of its outcome has its fingerprint there.
    const ahead = records.find((record) => record.t === "called" && record.key === key);
    const was = recorded ?? (ahead?.t === "called" ? ahead.fp : undefined);
    return {
      reason,
      seq,
      key,
      handed: records.filter((record) => record.t === "settled" && record.seq < seq).length,
      ...(was === undefined ? undefined : { recorded: withRecordedSite(was) }),
      ...(asked === null ? undefined : { asked: withSite(asked, sites.get(asked.name)) }),
      ...(askedKey === null ? undefined : { askedKey }),
    };
  }

  /** A place is recorded with the first call of a name. */
  function withRecordedSite(fp: Fingerprint): Fingerprint {
    const known = records.find((record) =>
      "fp" in record && record.fp?.name === fp.name && record.fp.site !== undefined
    );
    return withSite(fp, known !== undefined && "fp" in known ? known.fp?.site : undefined);
  }

  const session = createSession({
    body,
    can: new Set(ALL),
    hostName: "a replay",
    // Only what comes after the history asks.
    now: () => records.at(-1)?.at ?? 0,
    hop: ports.hop,
    enter: ports.enter,
    site(name): string | undefined {
      const site = ports.site?.(name);
      sites.set(name, site);
      return site;
    },
    siteOnReplay: ports.site !== undefined,
    ...(ports.changes === undefined ? undefined : { changes: ports.changes }),
    wake(): void {
      if (done || looking) return;
      looking = true;
      look(2);
    },
  });

  const endPatience = ports.patience?.(() => {
    // A long history takes its time: only what stands still is given up.
    const now = `${session.calls} ${session.pending}`;
    const stands = now === before;
    before = now;
    if (!stands || looking || done) return;
    const calls = session.calls;
    const waits = session.pending > 0;
    session.giveUp();
    const close = session.take().find((command) => command.c === "close");
    if (close === undefined) return;
    const mismatch = mismatchOf(close.outcome);
    // With a call open, the body waits for what the history does not settle; without one, for something of its own.
    if (waits) finish({ ok: false, reason: "mismatch", mismatch });
    else finish({ ok: false, reason: "not-finished", calls, seq: mismatch.seq, key: mismatch.key });
  }) ?? nothing;
  session.begin(first.header, records);
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

function withSite(fp: Fingerprint, site: string | undefined): Fingerprint {
  return fp.site !== undefined || site === undefined ? fp : { ...fp, site };
}

function nothing(): void {}
