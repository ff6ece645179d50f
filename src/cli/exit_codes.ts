/**
 * What the exit code of `windkit` says. Documented in `windkit help exit-codes`; a code never changes its meaning.
 *
 * @module
 */
import { hasCode } from "../base/errors.ts";

/** Exit codes by what they say. A signal's code is 128 and its number: 130 for Ctrl-C, 143 for SIGTERM. */
export const EXIT = {
  /** Done; for `run`: the run completed. */
  ok: 0,
  /** The run failed: its body threw, or its deadline passed. For `runs remove`: the answer was no. */
  failed: 1,
  /** The command line, the file or the run id is wrong, or the runtime is too old. */
  usage: 2,
  /** The run was cancelled. */
  cancelled: 3,
  /** The data folder is locked, full, read-only, damaged, or of a newer version. */
  storage: 4,
  /** The code asks for something else than the run's journal holds. */
  mismatch: 5,
  /** SIGHUP, SIGINT (Ctrl-C), SIGPIPE, SIGTERM: stopped cleanly, the run can go on later. */
  hangup: 129,
  interrupted: 130,
  pipe: 141,
  terminated: 143,
} as const;

/** The command line, or what it names, is wrong: exit code 2. */
export class UsageError extends Error {
  /** Always `"UsageError"`. */
  override readonly name = "UsageError";
  /** Always `"USAGE"`. */
  readonly code = "USAGE";
  /** What to do about it, for a line of its own. */
  readonly hint: string | undefined;
  /** Builds the error. */
  constructor(message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}

/**
 * The exit code that an error stands for.
 *
 * @param error what was thrown
 * @returns one of {@linkcode EXIT}; 1 for an error that no rule names
 */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  for (const code of ["UNKNOWN_RUN", "RUN_EXISTS", "UNKNOWN_WORKFLOW", "MISSING_PACKAGE", "CONFIGURATION"] as const) {
    if (hasCode(error, code)) return EXIT.usage;
  }
  if (hasCode(error, "CANCELLED")) return EXIT.cancelled;
  if (hasCode(error, "REPLAY_MISMATCH") || hasCode(error, "NON_DETERMINISM")) return EXIT.mismatch;
  for (
    const code of [
      "STORAGE_LOCKED",
      "STORAGE_FULL",
      "STORAGE_READ_ONLY",
      "STORAGE_FAILED",
      "SCHEMA_TOO_NEW",
      "JOURNAL_CORRUPT",
    ] as const
  ) {
    if (hasCode(error, code)) return EXIT.storage;
  }
  return EXIT.failed;
}
