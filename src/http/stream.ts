/**
 * Calls whose content or answer is a stream. They have no time limit as a whole: they end when the other side keeps silent for
 * too long.
 *
 * @module
 */
import { systemClock, systemFetch } from "../platform/network.ts";
import { type Answer, apiError } from "../wire/answer.ts";
import { release } from "./body.ts";
import { exchange, send, type TransportOptions, type WireRequest } from "./transport.ts";

/** A limit on silence. */
interface Silence {
  /** Options with a clock whose first timer, the call's own, is set anew at each turn of the other side. */
  readonly client: TransportOptions;
  /** Says whether a turn of the other side begins or is over. */
  readonly wait: (theirTurn: boolean) => void;
}

/** Makes the time limit of a call one on silence instead of on the whole. */
function silenceOf({ client }: WireRequest): Silence {
  const { clock = systemClock } = client;
  let timer: unknown, late: (() => void) | undefined, limit = 0, since = 0;
  // Timers are dear, pieces are many: one that goes off looks how long this turn lasts, and mostly goes on for the rest of it.
  function check(): void {
    const left = since + limit - clock.now();
    timer = since && left > 0 && clock.setTimeout(check, left);
    if (since && !timer) late?.();
  }
  function wait(theirTurn: boolean): void {
    since = theirTurn ? clock.now() : 0;
    if (theirTurn && late) timer ||= clock.setTimeout(check, limit);
  }
  return {
    wait,
    client: {
      ...client,
      clock: {
        now: () => clock.now(),
        setTimeout(wake, ms) {
          // Further timers are of waits between attempts.
          if (late) return clock.setTimeout(wake, ms);
          late = wake;
          limit = ms;
          wait(true);
        },
        clearTimeout(other) {
          if (!other) late = undefined;
          clock.clearTimeout(other ?? timer);
        },
      },
    },
  };
}

/** Bytes as a `fetch` gives and takes them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** A reader of a stream has the first two, an iterator the others. */
interface PieceSource {
  read?(): Promise<IteratorResult<unknown>>;
  cancel?(reason: unknown): Promise<void>;
  next(): Promise<IteratorResult<unknown>>;
  return?(): Promise<void>;
}

function refuse(): never {
  throw new TypeError("Expected bytes or well-formed text");
}

/** Content that comes in pieces. */
export type Pieces = ReadableStream<Uint8Array | string> | AsyncIterable<Uint8Array | string>;

/**
 * Makes a call whose content comes in pieces, and reads its answer. The source is asked for a piece when the connection takes
 * one, so that no more is held; it is given up when the call ends before it does. An error of the source is the call's.
 *
 * The call is made once: what a source gave cannot be sent again. `timeoutMs` counts while the other side takes no piece or,
 * after the last one, gives no answer; the time that the source takes does not count.
 *
 * @param onProgress is told how many bytes the connection took so far
 */
export async function sendPieces(
  request: WireRequest,
  content: Partial<Pieces>,
  onProgress?: (bytes: number) => void,
): Promise<Answer> {
  const { client, wait } = silenceOf(request);
  // A stream is read by its reader, not as an iterable: so it can be given up while it waits for a source of its own.
  const source = ((content as Partial<ReadableStream>).getReader?.() ?? content[Symbol.asyncIterator]?.() ??
    refuse()) as unknown as PieceSource; // `as`: it is one of the two
  let sent = 0, broken: unknown;

  async function cancel(reason: unknown): Promise<void> {
    await (source.cancel?.(reason) ?? source.return?.());
  }

  const body = new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      let piece: Uint8Array | undefined;
      wait(false);
      try {
        // Node goes on reading a body that nobody wants any more, for ever and without a pause.
        if (broken) throw broken;
        do {
          const { done, value } = await (source.read?.() ?? source.next());
          piece = done
            ? undefined
            : typeof value === "string" && value.isWellFormed()
            ? new TextEncoder().encode(value)
            : value instanceof Uint8Array
            ? value
            : refuse();
          if (piece) onProgress?.(sent += piece.length);
          // An empty piece would end a body that is sent in chunks.
        } while (piece?.length === 0);
      } catch (error) {
        throw broken = error;
      } finally {
        wait(true);
      }
      if (piece) controller.enqueue(piece);
      else controller.close();
    },
    cancel,
  }, { highWaterMark: 0 });
  // A browser that sends no streams would send the text of this one, "[object ReadableStream]".
  body.toString = () => {
    throw broken = new TypeError("This browser sends no streams: pass a Blob");
  };

  try {
    return await send({
      ...request,
      client: {
        ...client,
        fetch: (url, init) => {
          if (body.locked) throw new TypeError("A stream follows no redirect: set 'baseUrl' to it");
          return (client.fetch ?? systemFetch)(url, init);
        },
      },
      idempotent: false,
      init: {
        ...request.init,
        ...{ body, duplex: "half" },
        // Node keeps a second copy of a body that it may have to send again, whole: only a request like this one needs none there.
        // Runtimes without `duplex` keep none, and workerd knows no "error".
        ...("duplex" in Request.prototype && { redirect: "error", window: null }),
      },
    });
  } catch (error) {
    throw broken ??= error;
  } finally {
    // Also after an answer that came early: Deno goes on reading then, as long as the connection is open.
    cancel(broken ??= "Answered").catch(() => {});
  }
}

/** An answer whose body is yet to be read. */
export interface OpenAnswer {
  readonly response: Response;
  /** The body, which ends with the call's signal, when nothing comes for `timeoutMs`, or with an error that names the call. */
  readonly body: ReadableStream<Bytes>;
}

/**
 * Makes a call and gives its answer of status 200 to 299 as soon as it begins. `timeoutMs` is for the time until then, with all
 * repetitions, and then for each piece anew; the time that the reader takes does not count.
 *
 * @param take is given each piece, an empty one before each that is read, and undefined at the end; gives what the reader gets of
 * it, undefined to end the body
 */
export function open(
  request: WireRequest,
  take: (piece: Bytes | undefined) => Bytes | undefined,
): Promise<OpenAnswer> {
  const { client, wait } = silenceOf(request);
  let reader: ReadableStreamDefaultReader<Bytes> | undefined;
  let control: ReadableStreamDefaultController<Bytes> | undefined;

  async function read(source: ReadableStreamDefaultReader<Bytes>): Promise<Bytes | undefined> {
    try {
      return (await source.read()).value;
    } catch (thrown) {
      throw apiError(request, 0, `${thrown}`, "", thrown);
    }
  }

  return new Promise((resolve, reject) => {
    // The call goes on, with its signal, until the body ends.
    exchange({ ...request, client }, (response) =>
      new Promise<void>((end) => {
        wait(false);
        const source = (response.body ?? new Blob().stream()).getReader();
        reader = source;
        const body = new ReadableStream<Bytes>({
          start(controller): void {
            control = controller;
          },
          async pull(controller): Promise<void> {
            // An empty piece asks whether more is wanted.
            let piece = take(new Uint8Array());
            wait(true);
            try {
              while (piece?.length === 0) piece = take(await read(source));
            } finally {
              wait(false);
              if (!piece?.length) {
                end();
                release(source);
              }
            }
            if (piece) controller.enqueue(piece);
            else controller.close();
          },
          cancel(reason): Promise<void> {
            end();
            return source.cancel(reason);
          },
        }, { highWaterMark: 0 });
        resolve({ response, body });
      })).catch((reason) => {
        // Also where a `fetch` does not look at its signal any more.
        control?.error(reason);
        release(reader);
        reject(reason);
      });
  });
}
