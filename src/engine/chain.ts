/**
 * Runs that go on as another run: one chain, in which each run's id follows from the first one's.
 *
 * @module
 */
import type { RunHeader } from "../workflow/journal.ts";
import { decodeRecord } from "../workflow/record_text.ts";
import type { Message, RunRow, Storage, Write } from "./ports.ts";

/** A place in a chain. */
export interface Link {
  readonly first: string;
  readonly n: number;
}

/** Where a run stands in its chain: one that was not continued is the first of one. */
export function linkOf({ id, chain }: Pick<RunHeader, "id" | "chain">): Link {
  return chain ?? { first: id, n: 0 };
}

/** The place after another one. */
export function nextLink({ first, n }: Link): Link {
  return { first, n: n + 1 };
}

/** Id of the run at a place. */
export function linkId({ first, n }: Link): string {
  return n === 0 ? first : `${first}~${n}`;
}

/** Header of a stored run, read without the rest of its journal; undefined when it is not stored. */
export async function headerOf(storage: Storage, id: string): Promise<RunHeader | undefined> {
  for await (const [first] of storage.journal(id)) {
    const record = first === undefined ? undefined : decodeRecord(first.text, first.seq);
    return record?.t === "opened" ? record.header : undefined;
  }
  return undefined;
}

/** In the `waits` of a chain's first run: the run that goes on for it, once those between have been removed. */
const GOES_ON = "run:";

/** What the first run of a chain waits for when the runs up to the given one are removed. */
export function goesOnAs(run: string): string {
  return `${GOES_ON}${run}`;
}

/** The place that a first run names as the next one that is kept; undefined when it names none. */
function namedNext({ id, status, waits }: RunRow): Link | undefined {
  const next = status === "continued" ? waits?.find((wait) => wait.startsWith(GOES_ON)) : undefined;
  return next === undefined ? undefined : { first: id, n: Number(next.slice(GOES_ON.length + id.length + 1)) };
}

/** Place of the run that goes on for a stored one; undefined when none does. */
export async function nextOf(storage: Storage, row: RunRow): Promise<Link | undefined> {
  if (row.status !== "continued") return undefined;
  const named = namedNext(row);
  if (named !== undefined) return named;
  const header = await headerOf(storage, row.id);
  return header === undefined ? undefined : nextLink(linkOf(header));
}

/** The newest run of a chain, from one of its runs on; undefined when that one is not stored. */
export async function newestOf(storage: Storage, id: string): Promise<RunRow | undefined> {
  let row = await storage.run(id);
  if (row === undefined) return undefined;
  let link = await nextOf(storage, row);
  while (link !== undefined) {
    const next = await storage.run(linkId(link));
    if (next !== undefined) {
      if (next.status !== "continued") return next;
      row = next;
      link = nextLink(link);
      continue;
    }
    // Removed while it was looked for, if the first run says so.
    const first = await storage.run(link.first);
    const named = first === undefined ? undefined : namedNext(first);
    if (named === undefined || named.n <= link.n) return row;
    link = named;
  }
  return row;
}

/** Moves messages that another run of the chain may still take: events, and whoever asks it to end. Others were this run's own. */
export function movedTo(run: string, messages: readonly Message[]): Write[] {
  return messages.flatMap((message): Write[] => {
    const take: Write = { w: "take", id: message.id };
    const moves = message.kind === "event" || message.kind === "cancel";
    return moves ? [take, { w: "post", message: { ...message, run } }] : [take];
  });
}

/** All messages that wait for a run. */
export async function allMessages(storage: Storage, run: string): Promise<readonly Message[]> {
  const all: Message[] = [];
  let after: string | undefined;
  for (;;) {
    const page = await storage.inbox(run, 1000, after);
    all.push(...page);
    after = page.at(-1)?.id;
    if (page.length < 1000) return all;
  }
}
