/**
 * What the storage would refuse of a message is refused before it is written: within a commit that is shared with other runs
 * it would stop the engine.
 *
 * @module
 */
import { PayloadTooLargeError, StorageFailedError } from "../base/errors.ts";
import type { Message, Storage } from "./ports.ts";

/** Counts the messages that are being left, by run. */
export interface MessageBounds {
  /**
   * Checks a message and counts it until `done` is called.
   *
   * @throws PayloadTooLargeError, StorageFailedError
   */
  check(message: Message): Promise<void>;
  /** The message is stored, or was given up. */
  done(message: Message): void;
}

/** The bounds of a storage. */
export function createMessageBounds(storage: Storage): MessageBounds {
  const posting = new Map<string, Set<string>>();

  function done({ id, run }: Message): void {
    const ids = posting.get(run);
    ids?.delete(id);
    if (ids?.size === 0) posting.delete(run);
  }

  return {
    async check(message): Promise<void> {
      const { id, run, payload } = message;
      const { maxRecordBytes, maxMessages } = storage.limits;
      if (payload.length * 3 > maxRecordBytes) {
        const bytes = new TextEncoder().encode(payload).length;
        if (bytes > maxRecordBytes) {
          throw new PayloadTooLargeError(
            `Cannot post message "${id}": its payload has ${bytes} bytes, the limit is ${maxRecordBytes}`,
          );
        }
      }
      const ids = posting.get(run) ?? new Set();
      posting.set(run, ids);
      ids.add(id);
      try {
        const waiting = await storage.inbox(run, maxMessages);
        const others = new Set([...ids, ...waiting.map((m) => m.id)]);
        if (others.size > maxMessages && !waiting.some((m) => m.id === id)) {
          throw new StorageFailedError(
            `Cannot post message "${id}": ${waiting.length} messages wait for run "${run}", the limit is ${maxMessages}`,
          );
        }
      } catch (error) {
        done(message);
        throw error;
      }
    },
    done,
  };
}
