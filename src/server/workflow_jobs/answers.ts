/**
 * Answers to approvals, from wherever they come: a signed link, the approval page, the owner.
 *
 * An answer that is taken is a row whose id follows from the job and the link's number: the same link is not taken twice. One that
 * comes before its approval is kept for the next that is asked; one that does not fit the form is not taken at all, and its
 * sender hears why.
 *
 * @module
 */
import { hasCode } from "../../base/errors.ts";
import type { Engine, PendingApproval } from "../../engine/api.ts";
import { badRequest } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import type { Job, ServerContext } from "../ports.ts";
import { resumeIdOf, resumeRowId } from "./signatures.ts";
import { statusFields } from "./timeline.ts";

/** An answer. */
export interface Answer {
  /** The number of the link that it came by; for an answer without a link any that was not used. */
  readonly resumeId: number;
  /** Key of the approval, where it is known. @default that of the number, else the first that is waited for */
  readonly key?: string | undefined;
  readonly value: Json;
  readonly approver?: string | undefined;
  readonly approved: boolean;
  /** It came by a signed link: one that was made for a step is for that step alone. */
  readonly bound: boolean;
}

/** A row of an answer. */
export interface AnswerRow {
  readonly id: string;
  readonly resumeId: number;
  readonly approver: string | undefined;
}

/** Approvals of workflows. */
export interface Answers {
  /** Approvals that a job waits for, the oldest first. */
  pending(job: string): Promise<readonly PendingApproval[]>;
  /** Takes an answer. Throws the refusal that its sender gets. */
  answer(job: Job, answer: Answer): Promise<void>;
  /** Answers that were taken, or are kept. */
  taken(job: string): readonly AnswerRow[];
  /** Binds the links of a key to its step. */
  mint(job: string, key: string): void;
}

/** What {@linkcode createAnswers} needs. */
export interface AnswersParts {
  readonly context: ServerContext;
  readonly engine: () => Promise<Engine>;
}

interface Row {
  readonly id: string;
  readonly resume_id: number;
  readonly value: string;
  readonly approver: string | null;
  readonly approved: number;
}

/**
 * How long somebody who answers waits to hear whether the answer fits. Not for ever: a body that answers itself while it is being
 * replayed would wait for its own replay.
 */
const LOOKED_AT_MS = 10_000;

/** Answers of one job that are kept for approvals that are not asked yet. */
const MOST_KEPT = 100;

/** Opens the answers of a server. */
export function createAnswers(
  { context, engine }: AnswersParts,
): Answers & { takeBanked(job: string, key: string): Promise<void> } {
  const { database, jobs, clock } = context;
  database.migrate("workflow_answers", [[
    `CREATE TABLE workflow_answers(
      no INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, job TEXT NOT NULL, resume_id INTEGER NOT NULL,
      value TEXT NOT NULL, approver TEXT, approved INTEGER NOT NULL, consumed INTEGER NOT NULL)`,
    "CREATE INDEX workflow_answers_job ON workflow_answers(job, consumed)",
  ]]);
  /** Kept answers that are being given. */
  const giving = new Set<string>();
  /** The last answer to each job that is being taken: one at a time. */
  const turns = new Map<string, Promise<void>>();

  function mintedKeys(job: string): readonly string[] {
    return Object.keys(statusFields(statusFields(jobs.get(job)?.workflowAsCodeStatus)._minted_approval_keys));
  }

  async function pending(job: string): Promise<readonly PendingApproval[]> {
    try {
      return await (await engine()).approvals(job);
    } catch (error) {
      if (hasCode(error, "UNKNOWN_RUN")) return [];
      throw error;
    }
  }

  function save(job: string, { resumeId, value, approver, approved }: Answer, consumed: boolean): void {
    database.run(
      "INSERT INTO workflow_answers(id, job, resume_id, value, approver, approved, consumed) VALUES (?, ?, ?, ?, ?, ?, ?)",
      resumeRowId(job, resumeId),
      job,
      resumeId,
      JSON.stringify(value),
      approver ?? null,
      approved ? 1 : 0,
      consumed ? 1 : 0,
    );
  }

  /** Which approval an answer is for; undefined when it is to be kept. */
  function keyFor(job: string, { resumeId, key, bound }: Answer, open: readonly PendingApproval[]): string | undefined {
    const keys = open.map((approval) => approval.key);
    if (key !== undefined) {
      if (keys.includes(key)) return key;
      throw badRequest(`step \`${key}\` is not currently awaiting approval`);
    }
    const named = keys.find((one) => resumeIdOf(one) === resumeId);
    if (named !== undefined) return named;
    const minted = bound ? mintedKeys(job).find((one) => resumeIdOf(one) === resumeId) : undefined;
    if (minted !== undefined) {
      throw badRequest(`this approval link is bound to step \`${minted}\`, which is not currently awaiting approval`);
    }
    return keys[0];
  }

  async function approve(job: string, key: string, { value, approver, approved }: Answer): Promise<void> {
    await (await engine()).approve(job, key, {
      approved,
      value,
      ...(approver === undefined ? undefined : { approver }),
    });
  }

  /** An answer is durable before it is looked at: where that takes long, nobody waits for it. */
  async function inTime(taken: Promise<void>): Promise<void> {
    let timer: unknown;
    const late = new Promise<void>((resolve) => timer = clock.setTimeout(resolve, LOOKED_AT_MS));
    try {
      await Promise.race([taken, late]);
    } finally {
      clock.clearTimeout(timer);
      taken.catch(() => {}); // too late to be told
    }
  }

  async function take(job: Job, answer: Answer): Promise<void> {
    const { id } = job;
    const row = resumeRowId(id, answer.resumeId);
    if (database.get("SELECT 1 FROM workflow_answers WHERE id = ?", row) !== undefined) {
      throw badRequest("resume request already sent");
    }
    if (jobs.get(id)?.completedAt !== undefined) throw badRequest(`job ${id} has ended: it waits for no approval`);
    const key = keyFor(id, answer, await pending(id));
    if (key === undefined) {
      const kept = database.get<{ readonly n: number }>(
        "SELECT count(*) AS n FROM workflow_answers WHERE job = ? AND consumed = 0",
        id,
      )?.n ?? 0;
      if (kept >= MOST_KEPT) {
        throw badRequest(`job ${id} waits for no approval, and ${kept} answers are kept for it already`);
      }
      return save(id, answer, false);
    }
    try {
      await inTime(approve(id, key, answer));
    } catch (error) {
      // What does not fit the form, or came too late, is the approver's to know.
      if (hasCode(error, "VALIDATION_FAILED")) throw badRequest(error.message);
      if (error instanceof Error && /answered already|has ended/.test(error.message)) throw badRequest(error.message);
      throw error;
    }
    save(id, answer, true);
  }

  /** Answers to one job are taken one after another. */
  async function inTurn(job: string, fn: () => Promise<void>): Promise<void> {
    const before = turns.get(job) ?? Promise.resolve();
    const turn = before.catch(() => {}).then(fn);
    turns.set(job, turn);
    try {
      await turn;
    } finally {
      if (turns.get(job) === turn) turns.delete(job);
    }
  }

  return {
    pending,
    answer: (job, answer) => inTurn(job.id, () => take(job, answer)),
    taken: (job) =>
      database.all<Row>("SELECT * FROM workflow_answers WHERE job = ? ORDER BY no", job).map((row) => ({
        id: row.id,
        resumeId: row.resume_id,
        approver: row.approver ?? undefined,
      })),
    mint: (job, key) =>
      jobs.updateStatus(job, (status) => {
        const before = statusFields(status);
        return { ...before, _minted_approval_keys: { ...statusFields(before._minted_approval_keys), [key]: true } };
      }),
    takeBanked: async (job, key) => {
      const others = new Set(mintedKeys(job).filter((one) => one !== key).map(resumeIdOf));
      const sql = "SELECT * FROM workflow_answers WHERE job = ? AND consumed = 0 ORDER BY no";
      const row = database.all<Row>(sql, job).find((one) => !others.has(one.resume_id) && !giving.has(one.id));
      if (row === undefined) return;
      giving.add(row.id);
      try {
        await approve(job, key, {
          resumeId: row.resume_id,
          // `as`: only JSON is written to it.
          value: JSON.parse(row.value) as Json,
          approver: row.approver ?? undefined,
          approved: row.approved === 1,
          bound: false,
        });
      } catch (error) {
        // It stays for the next server; what does not fit is in the log.
        if (hasCode(error, "ENGINE_CLOSED")) return;
        if (!hasCode(error, "VALIDATION_FAILED")) throw error;
      } finally {
        giving.delete(row.id);
      }
      database.run("UPDATE workflow_answers SET consumed = 1 WHERE id = ?", row.id);
    },
  };
}
