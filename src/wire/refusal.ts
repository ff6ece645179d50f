/**
 * What answers a request in place of what it asked for: a text in the words of a Windmill server, with its status. Whoever
 * speaks as one imports it: the local server, and the stand-in of the test kit.
 *
 * @module
 */

/** Statuses of refusals. */
export type RefusalStatus = 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 422 | 500 | 501 | 502;

/** Ends a request with a status and a text. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  /** HTTP status. */
  readonly status: RefusalStatus;
  /** Makes the refusal; the message is the body. */
  constructor(status: RefusalStatus, message: string) {
    super(message);
    this.status = status;
  }
}

/** For what is not there, or not visible. */
export function notFound(what: string): Refusal {
  return new Refusal(404, `Not found: ${what}`);
}

/** For what cannot be done. */
export function badRequest(what: string): Refusal {
  return new Refusal(400, `Bad request: ${what}`);
}

/** For what the caller may not do. */
export function denied(what: string): Refusal {
  return new Refusal(403, `Permission denied: ${what}`);
}

/** The answer of a refusal. */
export function refusalResponse({ status, message }: Refusal): Response {
  return textResponse(message, status);
}

/** An answer of plain text. */
export function textResponse(text: string, status = 200): Response {
  return new Response(text, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}

/** An answer of JSON. */
export function jsonResponse(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value ?? null), { status, headers: { "content-type": "application/json" } });
}
