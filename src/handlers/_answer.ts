/**
 * What went wrong, as an answer: JSON that says the kind and a sentence, without token, stack or address of the instance.
 *
 * @module
 */
import { hasCode, type WindmillApiError } from "../base/errors.ts";

/** Kind of an error that a handler answers with. */
export type HandlerErrorName =
  /** 500: an option or a binding is missing or wrong; the message names it. */
  | "ConfigurationError"
  /** 400: the request has no arguments that can be read. */
  | "InputError"
  /** 400: the arguments do not fit the schema; `issues` says where. */
  | "ValidationError"
  /** 401: the address has no signature that holds. */
  | "SignatureError"
  /** 401: nothing says that whoever asks may have this. */
  | "UnauthorizedError"
  /** 403: the request may not do this. */
  | "ForbiddenError"
  /** 404: there is no such thing. */
  | "NotFoundError"
  /** 405: the request has another method than the handler takes. */
  | "MethodNotAllowedError"
  /** 413: the body is larger than the handler takes. */
  | "PayloadTooLargeError"
  /** 416: there is no such part. */
  | "RangeError"
  /** 415: the body is of a kind that the handler does not read. */
  | "UnsupportedMediaTypeError"
  /** 499: whoever asked has left. Nobody sees it but logs. */
  | "ClientClosedRequestError"
  /** 502: Windmill is down, busy, elsewhere, refuses the token, or gave half an answer. */
  | "WindmillApiError"
  /** 504: it took too long. */
  | "DeadlineError"
  /** In the stream of a job only: it failed. */
  | "JobFailedError"
  /** 500: something else, of which the browser learns nothing. */
  | "InternalError";

/** Body of an answer that says what went wrong. */
export interface HandlerErrorBody {
  /** What went wrong. */
  readonly error: {
    /** Kind of the error. */
    readonly name: HandlerErrorName;
    /** What went wrong, in a sentence. */
    readonly message: string;
    /** What the schema found wrong in the arguments, in its library's words. */
    readonly issues?: readonly { readonly message: string; readonly path: readonly string[] }[];
    /** The job that goes on after `DeadlineError`. */
    readonly jobId?: string;
  };
}

/** What a handler refuses, or could not do. */
export class HandlerError extends Error {
  /** Status and body of the answer. */
  readonly answer: readonly [number, HandlerErrorBody["error"]];
  /** Builds the error. */
  constructor(status: number, name: HandlerErrorName, message: string, more?: object, options?: ErrorOptions) {
    super(message, options);
    this.answer = [status, { name, message, ...more }];
  }
}

/** Status and words of an error, as a browser may see them. */
export function describeError(error: unknown): HandlerError["answer"] {
  if (error instanceof HandlerError) return error.answer;
  const { message } = Object(error) as Error;
  if (hasCode(error, "CONFIGURATION")) return [500, { name: "ConfigurationError", message }];
  if (hasCode(error, "WINDMILL_API")) {
    const { status, body } = error as WindmillApiError;
    // The server's own limit on waiting.
    if (/^timeout after \d/.test(body)) return [504, { name: "DeadlineError", message: "The job took too long" }];
    const found = status === 0
      ? "gave no whole answer"
      : status < 300
      ? "answered something that cannot be read"
      : status < 400
      ? "answered with a redirect to another place"
      : `answered ${status}`;
    return [502, { name: "WindmillApiError", message: `Windmill ${found}` }];
  }
  if (hasCode(error, "DEADLINE_EXCEEDED")) return [504, { name: "DeadlineError", message: "The job took too long" }];
  return [500, { name: "InternalError", message: "The handler failed" }];
}

/** The answer to an error. */
export function errorAnswer(error: unknown): Response {
  const [status, words] = describeError(error);
  const body: HandlerErrorBody = { error: words };
  return new Response(JSON.stringify(body), {
    status,
    // Not `Response.json`: runtimes differ in the type that it says.
    headers: { "content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff" },
  });
}

/** What is told of errors. */
export interface ErrorReport {
  /**
   * Is told every error that became an answer, whole: with Windmill's words and address, which the browser does not see.
   *
   * @default nobody is told
   */
  readonly onError?: (error: unknown, request: Request) => void;
}

/** Answers a request with what `answer` gives, or with what went wrong. */
export async function answerOrError(
  request: Request,
  { onError }: ErrorReport,
  answer: () => Promise<Response>,
): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    try {
      onError?.(error, request);
    } catch (thrown) {
      return errorAnswer(thrown);
    }
    return errorAnswer(error);
  }
}

/** Refuses a request of a method that is not among those. */
export function checkMethod(request: Request, ...methods: string[]): void {
  if (methods.includes(request.method)) return;
  const message = `Expected the method ${methods.join(" or ")}, found ${request.method}`;
  throw new HandlerError(405, "MethodNotAllowedError", message);
}
