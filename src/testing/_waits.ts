/**
 * What an explored run waits for, and who answers it when: kept by what is committed, because that is what the next process finds.
 *
 * @module
 */
import type { Write } from "../engine/ports.ts";
import type { Answer, AnswerScript } from "./_answers.ts";
import { answeredBy, type Called, calledIn, endedIn } from "./_called.ts";

interface Waited {
  readonly run: string;
  readonly key: string;
  /** `kind:name` of what answers it; undefined for a sleep. */
  readonly name: string | undefined;
  readonly since: number;
  readonly dueAt: number;
  /** It bounds other calls. */
  readonly isTimeout: boolean;
}

/** An answer that was not sent yet. */
interface Due {
  readonly answer: Answer;
  /** When it is due; `Infinity` while nobody waits for it. */
  readonly at: number;
  /** The run that waits for it. */
  readonly run: string | undefined;
}

/** Waits and answers of one schedule. */
export class Waits {
  readonly #script: AnswerScript;
  readonly #waited = new Map<string, Waited>();
  readonly #answers = new Map<Answer, "new" | "sending" | "sent">();

  constructor(script: AnswerScript) {
    this.#script = script;
    for (const answer of script.answers) this.#answers.set(answer, "new");
  }

  /** Keys of what is waited for. */
  get keys(): readonly string[] {
    return [...this.#waited.values()].map(({ key }) => key);
  }

  /** Learns from a commit. Returns what is waited for, as kind and name, and not answered by the script. */
  learn(writes: readonly Write[], now: number): readonly [string, string] | undefined {
    if (this.#waited.size > 0) {
      for (const { run, key } of endedIn(writes)) {
        if (key !== undefined) this.#waited.delete(`${run}\n${key}`);
        else for (const [id, waited] of this.#waited) if (waited.run === run) this.#waited.delete(id);
      }
    }
    let unanswered: readonly [string, string] | undefined;
    for (const called of calledIn(writes)) unanswered ??= this.#onCalled(called, now);
    return unanswered;
  }

  #onCalled(called: Called, now: number): readonly [string, string] | undefined {
    const { run, record: { key, call, fp, dueAt = Infinity } } = called;
    const answered = answeredBy(called);
    if (answered === undefined && call.kind !== "sleep") return undefined;
    this.#waited.set(`${run}\n${key}`, {
      run,
      key,
      name: answered?.join(":"),
      since: now,
      dueAt,
      // The timer of a `withTimeout` is none that the body sleeps by.
      isTimeout: call.kind === "sleep" && fp.name === "timeout",
    });
    if (answered === undefined || this.#script.expire.has(answered.join(":"))) return undefined;
    const [kind, name] = answered;
    return this.#script.answers.some((a) => a.kind === kind && a.name === name) ? undefined : answered;
  }

  #waitFor({ kind, name }: Answer): Waited | undefined {
    for (const waited of this.#waited.values()) if (waited.name === `${kind}:${name}`) return waited;
    return undefined;
  }

  /** Until when time may pass without an answer coming too late to count, or a bound on other calls being reached. */
  bound(): number {
    let bound = Infinity;
    for (const [answer, state] of this.#answers) {
      const waited = state === "sent" ? undefined : this.#waitFor(answer);
      if (waited !== undefined) bound = Math.min(bound, waited.dueAt);
    }
    for (const { isTimeout, dueAt } of this.#waited.values()) if (isTimeout) bound = Math.min(bound, dueAt);
    return bound;
  }

  /** Answers that may be sent now, in order. Events of one name keep theirs: the next one is not on its way before. */
  toSend(): readonly Due[] {
    const seen = new Set<string>();
    const list: Due[] = [];
    for (const [answer, state] of this.#answers) {
      const id = `${answer.kind}:${answer.name}`;
      if (state === "sent" || seen.has(id)) continue;
      seen.add(id);
      if (state !== "new") continue;
      const waited = this.#waitFor(answer);
      list.push({ answer, at: waited === undefined ? Infinity : waited.since + answer.afterMs, run: waited?.run });
    }
    return list;
  }

  /** An answer is on its way, or has arrived. */
  note(answer: Answer, state: "sending" | "sent"): void {
    this.#answers.set(answer, state);
  }

  /** Senders have died with their process: what nobody confirmed is sent again. */
  sendAgain(): void {
    for (const [answer, state] of this.#answers) if (state === "sending") this.#answers.set(answer, "new");
  }
}
