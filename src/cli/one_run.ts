/**
 * A storage that shows its engine one run: `windkit run` goes on with the run that it was asked for, and leaves the others of
 * the data folder as they are.
 *
 * @module
 */
import type { RunRow, Storage } from "../engine/ports.ts";

/**
 * Narrows a storage to one run. When that is parked it is listed as active: the engine then replays it at once, and what no
 * longer fits its code is known now, not when its sleep is due or its approval comes.
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
    async runs(query): Promise<readonly RunRow[]> {
      const found = await row(({ workflow, closedAt }) =>
        query.after === undefined && query.limit > 0 &&
        (query.workflow === undefined || workflow === query.workflow) &&
        (query.closedBefore === undefined || (closedAt !== undefined && closedAt < query.closedBefore))
      );
      return found.map((stored) => stored.state === "parked" ? { ...stored, state: "active" as const } : stored)
        .filter(({ state }) => query.state === undefined || state === query.state);
    },
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
