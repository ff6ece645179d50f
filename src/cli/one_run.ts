/**
 * A storage that shows its engine one run, and the runs that belong to it: children, and the one that goes on for it. `windkit run`
 * goes on with the run that it was asked for, and leaves the others of the data folder as they are.
 *
 * @module
 */
import { headerOf, linkOf } from "../engine/chain.ts";
import type { RunQuery, RunRow, Storage } from "../engine/ports.ts";

const PAGE = 500;

/**
 * Narrows a storage to one run and what belongs to it. Those that are parked are listed as active: the engine then replays them at
 * once, and what no longer fits its code is known now, not when its sleep is due or its approval comes.
 *
 * @param storage the whole
 * @param id the run to show, which need not exist yet
 * @returns a view; closing it closes the whole
 */
export function onlyRun(storage: Storage, id: string): Storage {
  const known = new Map<string, boolean>([[id, true]]);
  let first: string | undefined;

  async function belongs(row: RunRow): Promise<boolean> {
    const before = known.get(row.id);
    if (before !== undefined) return before;
    let is = false;
    if (row.parent !== undefined) {
      const parent = await storage.run(row.parent);
      is = row.parent === id || (parent !== undefined && await belongs(parent));
    } else {
      const header = await headerOf(storage, id);
      if (header !== undefined) first ??= linkOf(header).first;
      is = isLater(row.id, first ?? id) && (await headerOf(storage, row.id))?.chain?.first === (first ?? id);
    }
    known.set(row.id, is);
    return is;
  }

  /** All that belong, in one of the states. */
  async function* members(state: RunQuery["state"]): AsyncGenerator<RunRow> {
    let after: string | undefined;
    for (;;) {
      const page = await storage.runs({
        limit: PAGE,
        ...(state === undefined ? {} : { state }),
        ...(after === undefined ? {} : { after }),
      });
      for (const row of page) if (await belongs(row)) yield row;
      after = page.at(-1)?.id;
      if (page.length < PAGE) return;
    }
  }

  async function parked(): Promise<readonly (RunRow & { readonly wakeAt: number })[]> {
    const rows: (RunRow & { readonly wakeAt: number })[] = [];
    for await (const row of members("parked")) if (isTimed(row)) rows.push(row);
    return rows.sort((a, b) => a.wakeAt - b.wakeAt);
  }

  return {
    limits: storage.limits,
    own: (owner) => storage.own(owner),
    async commit(writes): Promise<void> {
      await storage.commit(writes);
      // What this engine creates belongs to the run, as the run itself does.
      for (const write of writes) if (write.w === "create") known.set(write.row.id, true);
    },
    run: (run) => storage.run(run),
    // All at once, whatever the limit: they are few beside the others.
    async runs({ state, workflow, closedBefore, after, limit }): Promise<readonly RunRow[]> {
      const rows: RunRow[] = [];
      if (after !== undefined || limit === 0 || state === "parked") return rows;
      for (const one of state === "active" ? ["active", "parked"] as const : [state]) {
        for await (const row of members(one)) {
          if (workflow !== undefined && row.workflow !== workflow) continue;
          if (closedBefore !== undefined && (row.closedAt ?? Infinity) >= closedBefore) continue;
          rows.push(row.state === "parked" ? { ...row, state: "active" } : row);
        }
      }
      return rows;
    },
    journal: (run, fromSeq) => storage.journal(run, fromSeq),
    due: async (now, limit) => (await parked()).filter(({ wakeAt }) => wakeAt <= now).slice(0, limit),
    nextWake: async () => (await parked())[0]?.wakeAt,
    inbox: (run, limit, after) => storage.inbox(run, limit, after),
    watch(onMessage, onFailure): Disposable {
      return storage.watch((run) => {
        if (known.get(run) === true) return onMessage(run);
        storage.run(run).then(async (row) => {
          if (row !== undefined && await belongs(row)) onMessage(run);
        }).catch((error) => onFailure?.(error as Error));
      }, onFailure);
    },
    [Symbol.asyncDispose]: () => storage[Symbol.asyncDispose](),
  };
}

function isTimed(row: RunRow): row is RunRow & { readonly wakeAt: number } {
  return row.state === "parked" && row.wakeAt !== undefined;
}

/** True for an id that a run of the chain may have. */
function isLater(id: string, first: string): boolean {
  return id.startsWith(`${first}~`) && /^[1-9]\d*$/.test(id.slice(first.length + 1));
}
