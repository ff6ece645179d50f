/**
 * The body of a delivery, and the event that is made of it.
 *
 * @module
 */
import { release } from "../http/body.ts";
import type { TextMap, WebhookEvent } from "../sdk/preprocessor_events.ts";
import { joined, readBeginning } from "./_bytes.ts";
import { WebhookRejectedError } from "./webhook_schemes.ts";

/** Bytes that are made text at once: a call has only so many arguments. */
const PIECE = 0x6000;

/** Headers that are for this deployment, and not for whoever reads the arguments of a job. Windmill leaves them out too. */
const HIDDEN = /^(?:authorization|cookie|proxy-authorization)$/;

/** Reads a body whole. One that is longer than `maxBytes` is not read to its end. */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const { body, headers } = request;
  const tooLarge = () =>
    new WebhookRejectedError(`Expected a body of at most ${maxBytes} bytes, found a longer one`, "too-large");
  const said = headers.get("content-length");
  const length = said !== null && /^\d{1,15}$/.test(said) ? Number(said) : undefined;
  if (length !== undefined && length > maxBytes) {
    release(body);
    throw tooLarge();
  }
  // `as`: the bodies of requests have buffers of their own.
  const reader = body?.getReader() as ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  const read = await readBeginning(reader, maxBytes).catch(() => {
    throw new WebhookRejectedError("Expected a whole body, found one that breaks off", "malformed");
  });
  const { size } = read;
  if (size > maxBytes) {
    release(reader);
    throw tooLarge();
  }
  // What a proxy unpacked has another length than it was sent with.
  if (length !== undefined && length !== size && !headers.has("content-encoding")) {
    throw new WebhookRejectedError(`Expected a body of ${length} bytes, found one of ${size}`, "malformed");
  }
  return joined(read);
}

/** The bytes as text: as UTF-8, or undefined where they are none. */
function textOf(bytes: Uint8Array, ignoreBOM: boolean): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM }).decode(bytes);
  } catch {
    return undefined;
  }
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += PIECE) text += String.fromCharCode(...bytes.subarray(at, at + PIECE));
  return btoa(text);
}

function unreadable(what: string): WebhookRejectedError {
  return new WebhookRejectedError(
    `Expected ${what} as the body, as its content type says, found something else`,
    "malformed",
  );
}

/** The event of a delivery, as Windmill makes it of a call of its own webhooks. */
export function eventOf(request: Request, bytes: Uint8Array, raw: boolean): WebhookEvent {
  const type = (request.headers.get("content-type") ?? "").toLowerCase();
  let body: unknown = {}, keepsText = raw;
  if (type === "" || /^application\/(?:[\w.-]+\+)?json/.test(type)) {
    if (bytes.length > 0) {
      const text = textOf(bytes, false);
      try {
        if (text === undefined) throw unreadable("JSON");
        body = JSON.parse(text);
      } catch {
        // The parser's own words quote the body.
        throw unreadable("JSON");
      }
    }
  } else if (/^application\/x-www-form-urlencoded/.test(type)) {
    const text = textOf(bytes, false);
    if (text === undefined) throw unreadable("a form in UTF-8");
    body = Object.fromEntries(new URLSearchParams(text));
  } else keepsText = true;
  return {
    kind: "webhook",
    body,
    raw_string: keepsText ? textOf(bytes, true) ?? base64(bytes) : null,
    query: Object.fromEntries(new URL(request.url).searchParams),
    headers: headersOf(request.headers),
  };
}

function headersOf(headers: Headers): TextMap {
  return Object.fromEntries([...headers].filter(([name]) => !HIDDEN.test(name)));
}
