/**
 * What tells one call from another: made for each call that a body asks for, and compared with what was recorded.
 *
 * @module
 */
import { hash64 } from "../base/hash.ts";
import type { SessionPorts } from "./body_session.ts";
import type { Call, ChangeMode, Command, Fingerprint, JournalRecord } from "./journal.ts";
import type { Pending } from "./pending_call.ts";

/** Longest arguments that a fingerprint keeps (design.md 4.7). */
const SHOWN_ARGS = 512;

/** Fingerprints of one run. */
export class Fingerprints {
  readonly #ports: Pick<SessionPorts, "site" | "siteOnReplay">;
  readonly #onArguments: ChangeMode;
  readonly #onCode: ChangeMode;
  readonly #onChange: (notice: Command) => void;
  readonly #sited = new Set<string>();

  /** @param onChange called for each change that is taken and is worth a line in the log */
  constructor(ports: Pick<SessionPorts, "site" | "siteOnReplay" | "changes">, onChange: (notice: Command) => void) {
    this.#ports = ports;
    const { arguments: onArguments = "fail", code: onCode = "follow" } = ports.changes ?? {};
    this.#onArguments = onArguments;
    this.#onCode = onCode;
    this.#onChange = onChange;
  }

  /** Of the call that is being made: its site and its code are looked at once per name. */
  of(
    kind: Call["kind"],
    name: string,
    args: string,
    fn: ((...args: never[]) => unknown) | undefined,
    isReplay: boolean,
  ): Fingerprint {
    const known = args === "" ? { kind, name, digest: "" } : {
      kind,
      name,
      digest: hash64(args),
      ...(args.length > SHOWN_ARGS ? undefined : { args }),
    };
    const { site, siteOnReplay } = this.#ports;
    if ((isReplay && siteOnReplay !== true) || site === undefined || this.#sited.has(name)) return known;
    this.#sited.add(name);
    const where = site(name);
    return {
      ...known,
      ...(where === undefined ? undefined : { site: where }),
      ...(fn === undefined ? undefined : { code: codeOf(fn) }),
    };
  }

  /** True when a call is not the one that was recorded. */
  differs(record: JournalRecord, recorded: Fingerprint, { fp: asked, fn }: Pending): boolean {
    if (recorded.kind !== asked.kind || recorded.name !== asked.name) return true;
    if (
      recorded.digest !== asked.digest &&
      this.#changed(this.#onArguments, "changed-arguments", record, recorded, asked)
    ) return true;
    if (this.#onCode === "follow" || recorded.code === undefined || fn === undefined) return false;
    const code = codeOf(fn);
    return recorded.code !== code && this.#changed(this.#onCode, "changed-code", record, recorded, { ...asked, code });
  }

  #changed(
    mode: ChangeMode,
    notice: "changed-arguments" | "changed-code",
    record: JournalRecord,
    recorded: Fingerprint,
    asked: Fingerprint,
  ): boolean {
    if (mode === "warn") {
      const key = "key" in record ? record.key : asked.name;
      this.#onChange({ c: "notice", notice, key, recorded, asked });
    }
    return mode === "fail";
  }
}

/** What tells one version of a function from the next. */
function codeOf(fn: (...args: never[]) => unknown): string {
  return hash64(Function.prototype.toString.call(fn));
}
