/**
 * A run as it begins: its header, and the commit that stores it.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import { PayloadTooLargeError } from "../base/errors.ts";
import { SDK_VERSION } from "../base/version.ts";
import { CANONICAL_CODEC, FLAGS } from "../workflow/flags.ts";
import type { RunHeader } from "../workflow/journal.ts";
import { chainCheck, encodeRecord } from "../workflow/record_text.ts";
import type { Host, RunRow, Write } from "./ports.ts";
import type { ReadJournal } from "./read_journal.ts";
import type { Created } from "./run_shared.ts";

/** A run that is not stored yet. */
export interface OpenedRun {
  readonly row: RunRow;
  readonly write: Write;
  /** What comes after its header: nothing so far. */
  readonly journal: ReadJournal;
}

/** Header of a run that begins now. */
export function newHeader(host: Host, sourceHash: string, { workflow, args, id, ...more }: Created): RunHeader {
  return {
    v: 1,
    id,
    workflow,
    sourceHash,
    sdk: SDK_VERSION,
    flags: FLAGS,
    codec: CANONICAL_CODEC,
    seed: toHex(host.random(16)),
    args,
    createdAt: host.now(),
    ...more,
  };
}

/**
 * A run with this header.
 *
 * @param isActive it is in memory at once
 * @throws PayloadTooLargeError
 */
export function openRun(header: RunHeader, isActive: boolean, maxRecordBytes: number): OpenedRun {
  const { id, workflow, createdAt, parent } = header;
  const text = encodeRecord({ t: "opened", header }, createdAt);
  checkOpened(text, id, maxRecordBytes);
  const check = chainCheck("", text);
  const row: RunRow = {
    id,
    workflow,
    state: isActive ? "active" : "ready",
    createdAt,
    ...(parent === undefined ? undefined : { parent: parent.run }),
  };
  return {
    row,
    write: { w: "create", row, records: [{ seq: 0, text, check }] },
    journal: { records: [], nextSeq: 1, check },
  };
}

/**
 * Checks the size of a run's first record: most of it are arguments.
 *
 * @throws PayloadTooLargeError
 */
export function checkOpened(text: string, id: string, maxRecordBytes: number): void {
  if (text.length * 3 <= maxRecordBytes) return;
  const bytes = new TextEncoder().encode(text).length;
  if (bytes <= maxRecordBytes) return;
  throw new PayloadTooLargeError(
    `Cannot start run "${id}": its arguments take ${bytes} bytes, the limit is ${maxRecordBytes}`,
  );
}
