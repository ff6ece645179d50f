/**
 * Runs on an engine in memory that dies after each of its commits in turn: whatever the moment, the next engine must come to the
 * same end.
 *
 * @module
 */
import {
  type EngineEvent,
  type EngineOptions,
  type JournalRecord,
  type Json,
  type RunRow,
} from "@windkit/windmill-client/engine";
import { createMemoryStorage, type MemoryStorage } from "@windkit/windmill-client/storage/memory";
import { type Bench, type BenchOptions, withEngine } from "./_engine_kit.ts";
import { createVirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals } from "./assert.ts";

/** Runs and what happens to them. Made anew for each life of an engine: what is counted outside of it counts all lives. */
export interface Play {
  /** `main` is the one whose result counts. */
  readonly workflows: EngineOptions["workflows"];
  readonly args?: Json;
  readonly deadlineMs?: number;
  readonly options?: Partial<BenchOptions>;
  /** Works beside the runs, in each life from its beginning: it must not mind what an earlier life has done. */
  readonly during?: (bench: Bench, id: string) => unknown;
}

/** How a play ended. */
export interface PlayEnd {
  readonly value?: Json;
  readonly error?: Error;
  readonly rows: readonly RunRow[];
  readonly journals: ReadonlyMap<string, readonly JournalRecord[]>;
  readonly events: readonly EngineEvent[];
}

const ID = "r";
/** Looks without anything left to do: what works beside the run may settle the host too. */
const PATIENCE = 20;

/** One life. Ends with the run, or `undefined` when the engine died: then `storage` is what was on disk. */
async function live(
  play: Play,
  storage: MemoryStorage,
  start: number,
  dieAfter: number,
  options: Partial<BenchOptions>,
): Promise<
  { readonly end: PlayEnd | undefined; readonly disk: MemoryStorage; readonly commits: number; readonly now: number }
> {
  const host = createVirtualHost(start);
  let commits = 0;
  let disk: MemoryStorage | undefined;
  const problems: Error[] = [];
  const { workflows, args = {}, deadlineMs, during } = play;
  return await withEngine({
    workflows,
    ...play.options,
    ...options,
    storage,
    host,
    onEvent: (event) => {
      if (event.event === "committed" && ++commits === dieAfter) disk = storage.fork();
      if (event.event === "run_stopped" || event.event === "failed") problems.push(event.error);
    },
  }, async (bench) => {
    const { engine, events } = bench;
    const died = (): boolean => disk !== undefined;
    let ended: { readonly value?: Json; readonly error?: Error } | undefined;
    void (async () => {
      const run = await engine.start("main", args, { runId: ID, ...(deadlineMs === undefined ? {} : { deadlineMs }) });
      const result = run.result().then((value) => ({ value }), (error: Error) => ({ error }));
      await during?.(bench, ID);
      ended = await result;
    })().catch((error: Error) => {
      if (!died()) problems.push(error);
    });
    let idle = 0;
    for (let rung = 0; !died() && problems.length === 0; rung++) {
      await host.settle();
      if (died() || (ended !== undefined && engine.stats().live === 0)) break;
      if (problems.length > 0) break;
      if (await host.tick()) {
        idle = 0;
      } else if (!died() && ended === undefined && ++idle > PATIENCE) {
        const rows = await engine.runs();
        throw new Error(`Nothing is left to do, and the run has not ended: ${JSON.stringify(rows)}`);
      }
      if (rung > 100_000) throw new Error("It does not end");
    }
    if (!died() && problems.length > 0) throw problems[0];
    const now = host.now();
    if (disk !== undefined) return { end: undefined, disk, commits, now };
    const rows = await engine.runs();
    const journals = new Map<string, readonly JournalRecord[]>();
    for (const { id } of rows) journals.set(id, await engine.journal(id));
    return { end: { ...ended, rows, journals, events }, disk: storage, commits, now };
  });
}

/**
 * Plays to the end, and then again for every commit, each time dying after it; live, replayed before every outcome, and with parked
 * runs put aside at once. Fails unless all end alike, every run is closed, and no message is left.
 */
export async function everyCrash(
  make: () => Play,
  check?: (end: PlayEnd) => void,
  ways: readonly Partial<BenchOptions>[] = [{}, { replay: "always" }, { maxParkedInMemory: 0 }],
): Promise<PlayEnd> {
  let first: PlayEnd | undefined;
  for (const way of ways) {
    const whole = await live(make(), createMemoryStorage(), 1_700_000_000_000, Infinity, way);
    const end = whole.end as PlayEnd;
    first ??= end;
    await compare(end, first, whole.disk, `${JSON.stringify(way)}, without a crash`, check);
    for (let dieAfter = 1; dieAfter <= whole.commits; dieAfter++) {
      const before = await live(make(), createMemoryStorage(), 1_700_000_000_000, dieAfter, way);
      // What was the end of the play came before the commit.
      if (before.end !== undefined) continue;
      const after = await live(make(), before.disk, before.now, Infinity, way);
      const what = `${JSON.stringify(way)}, died after commit ${dieAfter} of ${whole.commits}`;
      await compare(after.end as PlayEnd, first, after.disk, what, check);
    }
  }
  return first as PlayEnd;
}

async function compare(
  end: PlayEnd,
  first: PlayEnd,
  disk: MemoryStorage,
  what: string,
  check: ((end: PlayEnd) => void) | undefined,
): Promise<void> {
  assertEquals(
    [end.value, end.error?.name, end.error?.message],
    [first.value, first.error?.name, first.error?.message],
    what,
  );
  const ids = (rows: readonly RunRow[]): readonly string[] =>
    rows.map(({ id, status }) => `${id} ${status}`).toSorted();
  assertEquals(ids(end.rows), ids(first.rows), what);
  for (const [id, records] of end.journals) {
    const keys = new Set<string>();
    for (const record of records) {
      if (record.t !== "settled") continue;
      assert(!keys.has(record.key), `${what}: "${record.key}" of ${id} settled twice`);
      keys.add(record.key);
    }
    assertEquals(records.at(-1)?.t, "closed", `${what}: ${id}`);
    assertEquals(await disk.visit().inbox(id, 10), [], `${what}: messages of ${id}`);
  }
  try {
    check?.(end);
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`);
  }
}
