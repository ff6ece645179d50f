/**
 * Finds the line that asks for what the journal does not hold. Where calls are made is not looked for during a replay, because a
 * stack costs 5 to 90 µs; at a mismatch the run is replayed once more, with stacks.
 *
 * @module
 */
import type { ChangeModes, Failure, Fingerprint, JournalRecord, RunHeader } from "../workflow/journal.ts";
import { type BodySession, createSession } from "../workflow/session.ts";
import { callSite } from "./call_site.ts";
import type { Host } from "./ports.ts";

/** The run whose replay met a mismatch. */
export interface Replayed {
  readonly host: Host;
  readonly body: (...args: never[]) => unknown;
  readonly header: RunHeader;
  read(): Promise<readonly JournalRecord[]>;
  readonly changes: ChangeModes | undefined;
}

/** The body may do I/O of its own for this long before the line is given up, in milliseconds. */
const PATIENCE_MS = 5000;

/** The same failure, with the line of the call that was asked for, when it can be found. Never rejects. */
export async function findSite(failure: Failure, replayed: Replayed): Promise<Failure> {
  const extra = Object(failure.error.extra) as { readonly asked?: Fingerprint | null };
  const { asked } = extra;
  if (asked === undefined || asked === null || asked.site !== undefined) return failure;
  try {
    const site = siteOf(await replay(replayed), asked);
    if (site === undefined) return failure;
    const found = { ...extra, asked: { ...asked, site } };
    return { ...failure, error: { ...failure.error, extra: JSON.parse(JSON.stringify(found)) } };
  } catch (error) {
    void error; // the journal cannot be read any more: the mismatch is news enough
    return failure;
  }
}

function siteOf(failure: Failure | undefined, asked: Fingerprint): string | undefined {
  const again = (Object(failure?.error.extra) as { readonly asked?: Fingerprint | null }).asked;
  return again?.kind === asked.kind && again.name === asked.name ? again.site : undefined;
}

/** Replays up to the mismatch, which it gives; undefined when there is none this time. Nothing that is asked for is done. */
async function replay({ host, body, header, read, changes }: Replayed): Promise<Failure | undefined> {
  const records = await read();
  return await new Promise((resolve) => {
    const timer = host.timer(host.now() + PATIENCE_MS, () => end(undefined));
    function end(failure: Failure | undefined): void {
      timer[Symbol.dispose]();
      resolve(failure);
    }
    const session: BodySession = createSession({
      body,
      can: host.can,
      now: host.now,
      hop: host.hop,
      enter: (current, info, fn) =>
        host.context.run(info === undefined ? { session: current } : { session: current, info }, fn),
      wake: () =>
        void Promise.resolve().then(() => {
          for (const command of session.take()) {
            if (command.c !== "close") continue;
            return end(
              command.mismatch === true && command.outcome?.ok === false ? command.outcome.failure : undefined,
            );
          }
          if (!session.replaying) end(undefined);
        }),
      site: callSite,
      siteOnReplay: true,
      ...(changes === undefined ? undefined : { changes }),
    });
    session.begin(header, records);
  });
}
