/**
 * A storage that shows its engine one run: `windkit run` goes on with the run that it was asked for, and leaves the others of
 * the data folder as they are.
 *
 * @module
 */
import type { RunRow, Storage } from "../engine/ports.ts";

/**
 * Narrows a storage to one run.
 *
 * @param storage the whole
 * @param id the run to show, which need not exist yet
 * @returns a view; closing it closes the whole
 */
export function onlyRun(storage: Storage, id: string): Storage {
  const row = async (wanted: (row: RunRow) => boolean): Promise<readonly RunRow[]> => {
    const found = await storage.run(id);
    return found !== undefined && wanted(found) ? [found] : [];
  };
  return {
    limits: storage.limits,
    own: (owner) => storage.own(owner),
    commit: (writes) => storage.commit(writes),
    run: (run) => storage.run(run),
    runs: (query) =>
      row((found) =>
        query.after === undefined && query.limit > 0 && (query.state === undefined || found.state === query.state) &&
        (query.workflow === undefined || found.workflow === query.workflow) &&
        (query.closedBefore === undefined || (found.closedAt !== undefined && found.closedAt < query.closedBefore))
      ),
    journal: (run, fromSeq) => storage.journal(run, fromSeq),
    due: (now, limit) => row((found) => limit > 0 && isParked(found) && found.wakeAt <= now),
    nextWake: async () => (await row(isParked))[0]?.wakeAt,
    inbox: (run, limit) => storage.inbox(run, limit),
    watch: (onMessage, onFailure) => storage.watch((run) => run === id && onMessage(run), onFailure),
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  };
}

function isParked(row: RunRow): row is RunRow & { readonly wakeAt: number } {
  return row.state === "parked" && row.wakeAt !== undefined;
}
