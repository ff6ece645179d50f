/**
 * What a run is: its id, its header, and how its end is told to whoever asked for it.
 *
 * @module
 */
import { decode } from "../base/canonical.ts";
import { toHex } from "../base/bytes.ts";
import { CancelledError, DeadlineError, RunExistsError, RunFailedError, SchemaTooNewError } from "../base/errors.ts";
import { SDK_VERSION } from "../base/version.ts";
import { CANONICAL_CODEC, KNOWN_FLAGS } from "../workflow/flags.ts";
import { parameterNames } from "../workflow/parameters.ts";
import type { JournalRecord, Json, Outcome, RunHeader, RunStatus } from "../workflow/journal.ts";
import type { Host } from "./ports.ts";

/** Longest id of a run, in characters. */
const LONGEST_ID = 1024;

/** A new id, of a run or of a message: they sort by time of creation, 12 digits of it, then randomness. */
export function newId(host: Pick<Host, "now" | "random">): string {
  return `${Math.floor(host.now()).toString(16).padStart(12, "0")}-${toHex(host.random(8))}`;
}

/**
 * Checks an id that a caller chose.
 *
 * @throws TypeError when it cannot be one
 */
export function checkRunId(id: string): void {
  const fits = id !== "" && id.length <= LONGEST_ID && id.isWellFormed() && !/\0/.test(id);
  if (fits && !id.startsWith("__windkit/")) return;
  throw new TypeError(
    `Cannot start a run: 'runId' must have 1 to ${LONGEST_ID} characters, no U+0000 and no lone surrogate, ` +
      `and not start with "__windkit/", found ${JSON.stringify(id.slice(0, 80))} of ${id.length} characters`,
  );
}

/**
 * Checks arguments by name against the body's parameters: a name that is none of them is a mistake, not an argument.
 *
 * @throws TypeError that names it and the parameters
 */
export function checkArguments(workflow: string, body: (...args: never[]) => unknown, args: Json): void {
  if (typeof args !== "object" || args === null || Array.isArray(args)) return;
  const names = parameterNames(Function.prototype.toString.call(body));
  if (names.length === 0 || names.includes(undefined)) return;
  const unknown = Object.keys(args).filter((name) => !names.includes(name));
  if (unknown.length === 0) return;
  const parameters = names.map((name) => `"${name}"`).join(", ");
  throw new TypeError(
    `Cannot start workflow "${workflow}": ${unknown.map((n) => `"${n}"`).join(", ")} is no parameter of it. ` +
      `Parameters: ${parameters}. Arguments go by name; an array of them goes by order`,
  );
}

/**
 * Checks that a start under a known id asks for the run that exists.
 *
 * @param records the run's journal
 * @throws RunExistsError that names what differs
 */
export function checkSameRun(id: string, records: readonly JournalRecord[], workflow: string, args: string): void {
  const [first] = records;
  if (first?.t !== "opened") return;
  const { header } = first;
  const differs: string[] = [];
  if (header.workflow !== workflow) differs.push(`workflow (recorded "${header.workflow}", asked for "${workflow}")`);
  if (header.args !== args) differs.push(`args (recorded ${header.args}, asked for ${args})`);
  if (differs.length === 0) return;
  const names = differs.map((d) => d.slice(0, d.indexOf(" ")));
  throw new RunExistsError(`Run "${id}" exists with another ${differs.join(" and another ")}`, names);
}

/**
 * The header of a journal that this version can replay.
 *
 * @throws SchemaTooNewError when a newer version opened the run
 */
export function readableHeader(id: string, records: readonly JournalRecord[]): RunHeader {
  const [first] = records;
  if (first?.t !== "opened") throw new SchemaTooNewError(`Cannot replay run "${id}": its journal has no header`);
  const { header } = first;
  const unknown = header.flags.filter((flag) => !KNOWN_FLAGS.has(flag));
  if (header.v === 1 && header.codec === CANONICAL_CODEC && unknown.length === 0) return header;
  const theirs = `journal version ${header.v}, codec ${header.codec}, flags [${header.flags.join(", ")}]`;
  const ours = `journal version 1, codec ${CANONICAL_CODEC}, flags [${[...KNOWN_FLAGS].join(", ")}]`;
  throw new SchemaTooNewError(
    `Cannot replay run "${id}": it was written by version ${header.sdk} with ${theirs}; this is version ${SDK_VERSION}, which knows ${ours}. ` +
      `Use version ${header.sdk} or a newer one for it`,
  );
}

/**
 * The result of a run that has ended.
 *
 * @throws RunFailedError, CancelledError, DeadlineError
 */
export function resultOf(id: string, status: RunStatus, outcome: Outcome): Json {
  if (outcome.ok) return decode(outcome.value) as Json;
  const { failure } = outcome;
  if (status === "cancelled") throw new CancelledError(failure.message);
  if (failure.code === "DEADLINE_EXCEEDED") throw new DeadlineError(failure.message);
  throw new RunFailedError(id, failure.error, failure.stepKey === "" ? undefined : failure.stepKey);
}
