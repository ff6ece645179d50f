/**
 * Which runs retention removes.
 *
 * A run that went on as another one is known by its first id: to whoever started it, waits for its result, sends it events, or is
 * its parent. So a chain is removed as one, when its last run ended long enough ago; while it goes on, its first run is kept, and
 * says which of those after it is the next that is.
 *
 * @module
 */
import { goesOnAs, headerOf, type Link, linkId, linkOf, nextLink, nextOf } from "./chain.ts";
import type { RunRow, Storage, Write } from "./ports.ts";

/** What is removed, and how. */
export interface Removal {
  /** Runs that ended before this time are old. */
  readonly closedBefore: number;
  /** Runs that are left alone for now; asked with nothing in between just before `commit` is called. @default none */
  readonly isSpared?: (run: string) => boolean;
  /** Makes one part of the removal, at most some hundred runs; without it they are only counted. */
  readonly commit?: (writes: readonly Write[]) => Promise<void>;
  /** A clock, in milliseconds: parts that take long are made smaller. */
  readonly now: () => number;
}

/** Runs looked at, and removed, at once, at most. */
const PAGE = 256;
/** Runs removed at once to begin with: how much their journals hold is not known. */
const FIRST_PART = 4;
/** Nothing else goes on while a part is committed: of one that took longer, the next has half as many runs, in milliseconds. */
const LONG_PART_MS = 50;

/** Id of a run that another one may have gone on as. */
const LATER = /^([^]*)~([1-9]\d{0,14})$/;

/**
 * Removes old runs, with their journals and their messages.
 *
 * @param storage driven by the caller, unless nothing is committed
 * @param removal what is old, and how it is removed
 * @returns how many were removed, or would be
 */
export async function removeOld(storage: Storage, removal: Removal): Promise<number> {
  const { closedBefore, isSpared = () => false, commit, now } = removal;
  /** Chains that have been looked at, by first run: up to which number their runs follow from that. */
  const known = new Map<string, number>();
  /** Chains of which something was spared. */
  const stuck = new Set<string>();
  let found: Part[] = [];
  let most = FIRST_PART;
  let removed = 0;
  let after: string | undefined;

  function isOld({ closedAt }: RunRow): boolean {
    return closedAt !== undefined && closedAt < closedBefore;
  }

  /**
   * Finds what is old of the chain that begins with this run, and is to go.
   *
   * @returns the number of its last run: Infinity unless one that follows was removed by itself
   */
  async function findInChain(first: RunRow): Promise<number> {
    const { id: chain } = first;
    let link = await nextOf(storage, first).catch(() => undefined) ?? { first: chain, n: 1 };
    let between: string[] = [];
    for (;;) {
      const id = linkId(link);
      const row = await storage.run(id);
      if (row === undefined) {
        // Whatever went on was removed by itself: there is nothing that could be found by the first run.
        const whole = isOld(first) ? { chain, runs: [...between, chain] } : { chain, runs: between, next: link };
        found.push(whole);
        return link.n;
      }
      if (row.status !== "continued" || !isOld(row) || isSpared(id) || await holdsMessages(storage, id)) {
        const isOver = row.state === "closed" && row.status !== "continued" && isOld(row);
        const whole = isOver ? { chain, runs: [...between, id, chain] } : { chain, runs: between, next: link };
        found.push(whole);
        return Infinity;
      }
      between.push(id);
      link = nextLink(link);
      if (between.length < most) continue;
      found.push({ chain, runs: between, next: link });
      await remove();
      between = [];
    }
  }

  /** Removes what was found, so many runs at once as do not take long: none of a chain that is to be spared, nor any after it. */
  async function remove(): Promise<void> {
    const parts = found;
    found = [];
    for (let from = 0; from < parts.length;) {
      const writes: Write[] = [];
      let dropped = 0;
      for (; from < parts.length && writes.length < most; from++) {
        const { chain, runs, next } = parts[from] as Part;
        if (runs.length === 0 || (chain !== undefined && stuck.has(chain))) continue;
        if (runs.some(isSpared)) {
          if (chain !== undefined) stuck.add(chain);
          continue;
        }
        dropped += runs.length;
        for (const run of runs) writes.push({ w: "drop", run });
        if (chain === undefined || next === undefined) continue;
        writes.push({ w: "append", run: chain, records: [], row: { waits: [goesOnAs(linkId(next))] } });
      }
      removed += dropped;
      if (dropped === 0 || commit === undefined) continue;
      const begun = now();
      await commit(writes);
      const took = now() - begun;
      if (took > LONG_PART_MS) most = Math.max(1, most >> 1);
      else if (took < LONG_PART_MS / 4) most = Math.min(PAGE, most * 2);
    }
  }

  for (;;) {
    const more = after === undefined ? undefined : { after };
    const page = await storage.runs({ state: "closed", closedBefore, limit: PAGE, ...more });
    for (const row of page) if (isSingle(row)) found.push({ runs: [row.id] });
    await remove();
    for (const row of page) {
      if (isSingle(row)) continue;
      const place = await placeOf(storage, row);
      if (place === undefined) continue;
      const { first, n } = place;
      let end = known.get(first);
      if (end === undefined) {
        const begun = first === row.id ? row : await storage.run(first);
        end = begun?.status === "continued" ? await findInChain(begun) : -1;
        known.set(first, end);
      }
      // Nobody finds it by the first run.
      if (n > end) found.push({ runs: [row.id] });
    }
    await remove();
    if (page.length < PAGE) return removed;
    after = await lastStored(storage, page) ?? after;
    // Whoever commits lets others have their turn.
    await commit?.([]);
  }
}

/** Runs that go together, in one commit. */
interface Part {
  readonly runs: readonly string[];
  /** First run of the chain that they are of. */
  readonly chain?: string;
  /** The next run of the chain that is kept; none when the whole chain goes. */
  readonly next?: Link;
}

/** A run that is no part of a chain, for certain. */
function isSingle({ id, status }: RunRow): boolean {
  return status !== "continued" && !LATER.test(id);
}

/** True when something was left for a run that has not been moved along yet. */
async function holdsMessages(storage: Storage, run: string): Promise<boolean> {
  return (await storage.inbox(run, 1)).length > 0;
}

/** Where a run stands in its chain; undefined when it has been removed with that. */
async function placeOf(storage: Storage, { id }: RunRow): Promise<Link | undefined> {
  try {
    const header = await headerOf(storage, id);
    if (header !== undefined) return linkOf(header);
    if (await storage.run(id) === undefined) return undefined;
  } catch (error) {
    void error; // damaged, or of a later version: removed as any other
  }
  // Its id tells where it stands, too.
  const [, first, n] = LATER.exec(id) ?? [];
  return first === undefined ? { first: id, n: 0 } : { first, n: Number(n) };
}

/** The last one of a page that is still there: where the next page begins. */
async function lastStored(storage: Storage, page: readonly RunRow[]): Promise<string | undefined> {
  for (const { id } of page.toReversed()) if (await storage.run(id) !== undefined) return id;
  return undefined;
}
