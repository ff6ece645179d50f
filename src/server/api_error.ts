/**
 * What an endpoint answers when it cannot do what was asked: a status, and a text in Windmill's words.
 *
 * @module
 */

/** An answer that is no success. */
export class ApiError extends Error {
  /** Always `"ApiError"`. */
  override readonly name = "ApiError";
  /** HTTP status. */
  readonly status: number;

  /**
   * @param status HTTP status
   * @param text the body: `Not found: Script not found at name f/x/y`
   */
  constructor(status: number, text: string) {
    super(text);
    this.status = status;
  }
}

/** 404, `Not found: ...`. */
export function notFound(what: string): ApiError {
  return new ApiError(404, `Not found: ${what}`);
}

/** 400, `Bad request: ...`. */
export function badRequest(what: string): ApiError {
  return new ApiError(400, `Bad request: ${what}`);
}

/** 403, `Permission denied: ...`. */
export function denied(what: string): ApiError {
  return new ApiError(403, `Permission denied: ${what}`);
}

/** 500, `Internal: ...`. */
export function internal(what: string): ApiError {
  return new ApiError(500, `Internal: ${what}`);
}
