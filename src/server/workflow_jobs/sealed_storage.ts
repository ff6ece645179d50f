/**
 * Runs whose jobs have read a secret are kept encrypted: what they record from then on, and what is left for them. Replay needs the
 * values themselves, so that nothing in them can be hidden. Of other runs, what holds a value that is known to be secret is encrypted.
 *
 * @module
 */
import type { Message, Storage, StoredRecord, Write } from "../../engine/ports.ts";
import type { Database, Secrets } from "../ports.ts";

/** Begins a text that is encrypted; a record is JSON, and so is a message's payload. */
const MARK = "sealed:";

/** Which runs are kept encrypted. */
export interface Seals {
  /** From now on this one is. */
  seal(job: string): void;
  isSealed(job: string): boolean;
  forget(job: string): void;
}

/** Opens the list of a server's encrypted runs. */
export function createSeals(database: Database): Seals {
  database.migrate("workflow_seals", [["CREATE TABLE workflow_seals(job TEXT PRIMARY KEY) WITHOUT ROWID"]]);
  const known = new Map<string, boolean>();

  function isSealed(job: string): boolean {
    let found = known.get(job);
    if (found === undefined) {
      found = database.get("SELECT 1 FROM workflow_seals WHERE job = ?", job) !== undefined;
      known.set(job, found);
    }
    return found;
  }
  return {
    isSealed,
    seal: (job) => {
      if (isSealed(job)) return;
      database.run("INSERT OR IGNORE INTO workflow_seals VALUES (?)", job);
      known.set(job, true);
    },
    forget: (job) => {
      known.delete(job);
      database.run("DELETE FROM workflow_seals WHERE job = ?", job);
    },
  };
}

/**
 * True for a write that the job table tells of: a run's begin, and its end. The caller hears of the job alone, whose own commit is
 * synced; a loss of power before it takes both back, and the job goes on from the last step that is recorded. A sync less is a third of
 * what a short workflow takes (0.7 to 1.6 ms on a disk that was idle).
 */
function isToldByItsJob(write: Write): boolean {
  return write.w === "create" || (write.w === "append" && write.row?.state === "closed");
}

/**
 * A storage that encrypts what is written of some runs, and what holds a secret.
 *
 * @param storage what keeps it
 * @param secrets the key, and which values are secret
 * @param isSealed true for a run that is to be encrypted
 */
export function sealedStorage(
  storage: Storage,
  secrets: Pick<Secrets, "encrypt" | "decrypt" | "holds">,
  isSealed: (run: string) => boolean,
): Storage {
  const close = (text: string): string => `${MARK}${secrets.encrypt(text)}`;
  const open = (text: string): string => text.startsWith(MARK) ? secrets.decrypt(text.slice(MARK.length)) : text;

  const closedText = (run: string, text: string): string => isSealed(run) || secrets.holds(text) ? close(text) : text;

  function closed(write: Write): Write {
    switch (write.w) {
      case "create":
        return { ...write, records: closedRecords(write.row.id, write.records) };
      case "append":
        return { ...write, records: closedRecords(write.run, write.records) };
      case "post": {
        const { message } = write;
        return { ...write, message: { ...message, payload: closedText(message.run, message.payload) } };
      }
      case "take":
      case "drop":
        return write;
    }
  }
  function closedRecords(run: string, records: readonly StoredRecord[]): readonly StoredRecord[] {
    return records.map((record) => ({ ...record, text: closedText(run, record.text) }));
  }
  const opened = (message: Message): Message => ({ ...message, payload: open(message.payload) });

  return {
    // Encrypted text is longer: four characters for three bytes, and some more.
    limits: { ...storage.limits, maxRecordBytes: Math.floor(storage.limits.maxRecordBytes * 0.7) },
    own: (owner) => storage.own(owner),
    commit: (writes, lasting) => storage.commit(writes.map(closed), lasting ?? !writes.every(isToldByItsJob)),
    run: (id) => storage.run(id),
    runs: (query) => storage.runs(query),
    journal: async function* (run, fromSeq) {
      for await (const page of storage.journal(run, fromSeq)) {
        yield page.map((record): StoredRecord => ({ ...record, text: open(record.text) }));
      }
    },
    due: (now, limit) => storage.due(now, limit),
    nextWake: () => storage.nextWake(),
    inbox: async (run, limit, after) => (await storage.inbox(run, limit, after)).map(opened),
    watch: (onMessage, onFailure) => storage.watch(onMessage, onFailure),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  };
}
