/**
 * What fits into a record: a value or a call that the storage cannot take is a failure of its call, which it can.
 *
 * @module
 */
import { encode } from "../base/canonical.ts";
import { PayloadTooLargeError } from "../base/errors.ts";
import { failureOf, shortened } from "../workflow/failure.ts";
import type { Call, Key, Outcome } from "../workflow/journal.ts";

/** The outcome, or the failure that it is too large. */
export function boundedOutcome(key: Key, outcome: Outcome, maxRecordBytes: number): Outcome {
  if (!outcome.ok) {
    // Six characters of JSON a unit at most, and the message is there twice.
    const { failure } = outcome;
    const { message, error } = failure;
    if ((message.length + error.message.length + error.name.length) * 6 + 65_536 <= maxRecordBytes) return outcome;
    return { ok: false, failure: shortened(failure, Math.floor(maxRecordBytes / 64)) };
  }
  const room = maxRecordBytes - 4096;
  if (outcome.value.length * 3 <= room) return outcome;
  const bytes = new TextEncoder().encode(outcome.value).length;
  if (bytes <= room) return outcome;
  const error = new PayloadTooLargeError(
    `Cannot record the result of "${key}": it has ${bytes} bytes, the limit is ${room}. Store it elsewhere and record where`,
  );
  return { ok: false, failure: failureOf(error, key) };
}

/** Why what a call says of itself does not fit; undefined when it does. */
export function callTooLarge(key: Key, call: Call, maxRecordBytes: number): PayloadTooLargeError | undefined {
  const length = key.length +
    ("args" in call ? call.args.length : call.kind === "approval" ? encode(call).length : 0);
  const room = maxRecordBytes / 4;
  if (length <= room) return undefined;
  const shown = key.length > 100 ? `${key.slice(0, 100)}…` : key;
  return new PayloadTooLargeError(
    `Cannot record the call of "${shown}": its name and arguments have ${length} characters, the limit is ${room}. ` +
      `Store them elsewhere and pass where`,
  );
}
