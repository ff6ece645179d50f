/**
 * What the storage would refuse of a message is refused before it is written: within a commit that is shared with other runs
 * it would stop the engine.
 *
 * @module
 */
import { PayloadTooLargeError, StorageFailedError } from "../base/errors.ts";
import type { Message, Storage } from "./ports.ts";

/** Bounds of what may be left for a run. */
export interface MessageBounds {
  /**
   * Checks a message that is about to be left, and counts it.
   *
   * @throws PayloadTooLargeError, StorageFailedError
   */
  check(message: Message): Promise<void>;
  /** The message is stored, or was given up. */
  done(message: Message): void;
  /** Others have left messages for this run: what was counted is no longer so. */
  forget(run: string): void;
}

/** Longest id, name or sender of a message, in code units: they are kept in one row, which some storages bound. */
const LONGEST_NAME = 65_536;

/** Runs whose messages are counted. */
const COUNTED = 1024;

/** The bounds of a storage. */
export function createMessageBounds(storage: Storage): MessageBounds {
  // At most so many messages wait: those that are taken are not counted off. Counting anew is done when the bound seems reached,
  // so it costs little for each message, however many there are.
  const atMost = new Map<string, Promise<number>>();
  /** Messages that are checked and not stored yet. */
  const posting = new Map<string, Set<string>>();

  async function counted(run: string, id: string): Promise<{ readonly count: number; readonly isKnown: boolean }> {
    const ids = new Set(posting.get(run));
    ids.delete(id);
    let isKnown = false;
    let after: string | undefined;
    for (;;) {
      const page = await storage.inbox(run, 1000, after);
      for (const message of page) {
        if (message.id === id) isKnown = true;
        ids.add(message.id);
      }
      after = page.at(-1)?.id;
      if (page.length < 1000 || ids.size > storage.limits.maxMessages) return { count: ids.size, isKnown };
    }
  }

  function done({ id, run }: Message): void {
    const ids = posting.get(run);
    ids?.delete(id);
    if (ids?.size === 0) posting.delete(run);
  }

  return {
    async check({ id, run, kind, name, payload, from = "" }): Promise<void> {
      const { maxRecordBytes, maxMessages } = storage.limits;
      for (const [what, text] of [["id", id], ["name", name], ["sender", from]] as const) {
        if (text.length <= LONGEST_NAME) continue;
        throw new PayloadTooLargeError(
          `Cannot post message "${
            id.slice(0, 80).toWellFormed()
          }": its ${what} has ${text.length} characters, the limit is ${LONGEST_NAME}`,
        );
      }
      if (payload.length * 3 > maxRecordBytes) {
        const bytes = new TextEncoder().encode(payload).length;
        if (bytes > maxRecordBytes) {
          throw new PayloadTooLargeError(
            `Cannot post message "${id}": its payload has ${bytes} bytes, the limit is ${maxRecordBytes}`,
          );
        }
      }
      if (kind !== "event" && kind !== "approval") return;
      if (atMost.size > COUNTED) atMost.clear();
      const known = atMost.get(run);
      // One after the other for each run, so that none is missed by two counts at once.
      const next = (async (): Promise<number> => {
        let count = await known?.catch(() => undefined);
        let isKnown = false;
        if (count === undefined || count >= maxMessages) ({ count, isKnown } = await counted(run, id));
        if (count < maxMessages || isKnown) {
          const ids = posting.get(run) ?? new Set();
          posting.set(run, ids);
          ids.add(id);
          return isKnown ? count : count + 1;
        }
        throw new StorageFailedError(
          `Cannot post message "${id}": ${count} messages wait for run "${run}", the limit is ${maxMessages}`,
        );
      })();
      atMost.set(run, next);
      try {
        await next;
      } catch (error) {
        if (atMost.get(run) === next) atMost.delete(run);
        throw error;
      }
    },
    done,
    forget: (run) => void atMost.delete(run),
  };
}
