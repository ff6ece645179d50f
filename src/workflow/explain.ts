/**
 * The long texts: what a replay found, and how to mend it. They are here, and not in the core, so that a workflow that is bundled
 * for the edge does not carry them.
 *
 * @module
 */
import { ReplayMismatchError } from "../base/errors.ts";
import type { Failure, Fingerprint } from "./journal.ts";

interface MismatchDetail {
  readonly reason: "differs" | "not-asked";
  readonly seq: number;
  readonly key: string;
  readonly recorded: Fingerprint | null;
  readonly asked: Fingerprint | null;
  readonly askedKey: string | null;
}

/** The error for a session's mismatch. */
export function mismatchError(runId: string, failure: Failure): ReplayMismatchError {
  const detail = failure.error.extra as unknown as MismatchDetail;
  const { reason, seq, key, recorded, asked, askedKey } = detail;
  const was = recorded === null ? `record ${seq}, "${key}"` : `record ${seq}, ${describe(recorded, key)}`;
  const lines = [
    `Cannot replay run "${runId}": the workflow's code no longer asks for what its journal holds`,
    `  recorded: ${was}`,
    `  asked:    ${asked === null ? "nothing at this point" : describe(asked, askedKey ?? key)}`,
  ];
  if (reason === "differs" && recorded !== null && asked !== null) {
    lines.push(`  differs:  ${difference(recorded, asked)}`);
  }
  lines.push(
    "Either the code was changed while the run was under way (finish the run with the code that began it), or the body decides " +
      "by something that is not recorded: a clock, a random number, the environment, I/O. Put that into a step()",
  );
  return new ReplayMismatchError(lines.join("\n"), key, recorded ?? undefined, asked ?? undefined);
}

/** What to say of a call that has changed since it was recorded, where that is taken. */
export function changeNotice(
  what: "changed-arguments" | "changed-code",
  key: string,
  recorded: Fingerprint,
  asked: Fingerprint,
): string {
  if (what === "changed-arguments") {
    return `The arguments of "${key}" have changed since it was recorded; what was recorded stands. ` +
      `Recorded: ${describe(recorded, key)}; asked for: ${describe(asked, key)}`;
  }
  return `The function of "${key}" has changed since it was recorded${
    asked.site === undefined ? "" : ` (${asked.site})`
  }; what was recorded stands`;
}

function describe(fp: Fingerprint, key: string): string {
  const name = fp.name === key ? `"${key}"` : `"${key}" (${fp.name})`;
  const args = fp.args !== undefined
    ? ` with ${fp.args}`
    : fp.digest === ""
    ? ""
    : ` with arguments of digest ${fp.digest}`;
  return `${fp.kind} ${name}${args}${fp.site === undefined ? "" : ` at ${fp.site}`}`;
}

function difference(recorded: Fingerprint, asked: Fingerprint): string {
  if (recorded.kind !== asked.kind) return `the kind: ${recorded.kind} was recorded, ${asked.kind} is asked for`;
  if (recorded.name !== asked.name) return `the name: "${recorded.name}" was recorded, "${asked.name}" is asked for`;
  const { args: a } = recorded;
  const { args: b } = asked;
  if (a === undefined || b === undefined) return "the arguments (too long to be kept in the journal)";
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return `the arguments, from character ${i}: ${excerpt(a, i)} was recorded, ${excerpt(b, i)} is asked for`;
}

function excerpt(text: string, from: number): string {
  const start = Math.max(0, from - 10);
  return `${start > 0 ? "…" : ""}${text.slice(start, from + 30)}${text.length > from + 30 ? "…" : ""}`;
}

/** What to say of a key whose number depends on a race. */
export function nonConfluentNotice(key: string, name: string): string {
  return `"${name}" is called from branches that run at the same time, after something that they wait for: which of them is ` +
    `called "${key}" depends on which outcome came first. Replay follows the recorded order, but a cluster may order them ` +
    `differently: give each branch a name of its own, such as step(\`${name} \${item}\`, ...)`;
}

/** What to say of a call that comes when its run has ended. */
export function lateCallNotice(runId: string): string {
  return `Something that run "${runId}" left behind (a timer, a callback) called a task or step after the run had ended: the call ` +
    `does nothing. Await in the workflow's body whatever calls`;
}
