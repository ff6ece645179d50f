/**
 * Live updates of pages: a stream of server-sent events. Like the API's own, it keeps no queue: what is sent is made when the
 * reader has room for it, out of all that happened until then.
 *
 * @module
 */
import type { Clock } from "../../base/clock.ts";

/** Events are gathered for so long: a page that changes more often cannot be read. */
const GATHER_MS = 150;

/** Something is said at least so often; a stream ends after so long, and is opened again by the page. */
const PING_MS = 15_000, STREAM_MS = 300_000;

/** Sends one event; `id` is where the reader goes on when it opens the stream again. */
export type SendEvent = (event: string, data: unknown, id?: string) => void;

/** What a stream is made of. */
export interface PageStream {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Calls back when something may have changed. */
  readonly subscribe: (onChange: () => void) => Disposable;
  /**
   * Sends what is new.
   *
   * @returns "ended" when nothing more will come, "more" when there is more to send at once, else milliseconds after which to look
   * again without a change, or undefined
   */
  readonly look: (send: SendEvent) => "ended" | "more" | number | undefined;
}

/** The answer that is a stream of events. */
export function streamPage({ clock, signal, subscribe, look }: PageStream): Response {
  const bytes = new TextEncoder();
  let release: () => void = () => {}, pull: () => void = () => {};
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      let open = true, changed = true;
      let gather: unknown, again: unknown, ping: unknown;
      const write = (text: string): void => controller.enqueue(bytes.encode(text));
      const send: SendEvent = (event, data, id) => {
        write(`event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`);
      };
      function finish(): void {
        if (!open) return;
        release();
        controller.close();
      }
      function change(): void {
        changed = true;
        arm();
      }
      function arm(): void {
        if (!open || !changed || gather !== undefined || (controller.desiredSize ?? 0) <= 0) return;
        gather = clock.setTimeout(() => {
          gather = undefined;
          update();
        }, GATHER_MS);
      }
      function update(): void {
        if (!open || (controller.desiredSize ?? 0) <= 0) return;
        changed = false;
        clock.clearTimeout(again);
        const next = look(send);
        if (next === "ended") {
          send("end", true);
          return finish();
        }
        if (next === "more") return change();
        if (next !== undefined) again = clock.setTimeout(change, next);
      }
      function beat(): void {
        ping = clock.setTimeout(() => {
          if ((controller.desiredSize ?? 0) > 0) write(": still here\n\n");
          beat();
        }, PING_MS);
      }
      const watch = subscribe(change);
      const end = clock.setTimeout(finish, STREAM_MS);
      release = () => {
        open = false;
        watch[Symbol.dispose]();
        for (const timer of [gather, again, ping, end]) clock.clearTimeout(timer);
        signal.removeEventListener("abort", finish);
      };
      pull = arm;
      signal.addEventListener("abort", finish, { once: true });
      beat();
      write("retry: 2000\n\n");
      if (signal.aborted) finish();
      else update();
    },
    pull: () => pull(),
    cancel: () => release(),
  }, { highWaterMark: 8 });
  return new Response(body, {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" },
  });
}

/** The parts that are not what they were; counters that the page's script moves by itself are no change. */
export function changedParts(
  parts: Readonly<Record<string, string>>,
  before: Map<string, string>,
): Record<string, string> {
  const changed: Record<string, string> = {};
  for (const [id, text] of Object.entries(parts)) {
    const still = text.replace(/(<span class="dur" data-since="\d+">)[^<]*/g, "$1");
    if (before.get(id) === still) continue;
    before.set(id, still);
    changed[id] = text;
  }
  return changed;
}
