/**
 * What goes between a Worker and its objects: names of methods, and errors that keep what they are.
 *
 * @module
 */
import {
  CancelledError,
  ConfigurationError,
  DeadlineError,
  HostUnsupportedError,
  NotWaitingError,
  PayloadTooLargeError,
  RunExistsError,
  RunFailedError,
  StorageFailedError,
  UnknownRunError,
  UnknownWorkflowError,
  ValidationError,
} from "../base/errors.ts";
import type { Json } from "../workflow/journal.ts";

/** An error as it is sent. */
export interface WireError {
  /** Its name. */
  readonly name: string;
  /** Its message. */
  readonly message: string;
  /** Its code, when it is one of this package's. */
  readonly code?: string;
  /** What else the error of a failed run, or of one that exists, says. */
  readonly more?: { readonly [field: string]: Json };
}

/** The error as it is sent: without its stack. */
export function toWire(error: unknown): WireError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message } = error;
  const { code, runId, stepKey, detail, differs, issues } = error as
    & Error
    & {
      readonly [field in "code" | "runId" | "stepKey" | "detail" | "differs" | "issues"]?: unknown;
    };
  const more = Object.fromEntries(
    Object.entries({ runId, stepKey, detail, differs, issues }).filter(([, value]) => value !== undefined),
  );
  return {
    name,
    message,
    ...(typeof code === "string" ? { code } : undefined),
    // Fields of errors of this package: JSON as they were recorded.
    ...(Object.keys(more).length === 0 ? undefined : { more: JSON.parse(JSON.stringify(more)) }),
  };
}

const PLAIN: Readonly<Record<string, new (message: string) => Error>> = {
  CANCELLED: CancelledError,
  DEADLINE_EXCEEDED: DeadlineError,
  UNKNOWN_RUN: UnknownRunError,
  NOT_WAITING: NotWaitingError,
  UNKNOWN_WORKFLOW: UnknownWorkflowError,
  STORAGE_FAILED: StorageFailedError,
  PAYLOAD_TOO_LARGE: PayloadTooLargeError,
  HOST_UNSUPPORTED: HostUnsupportedError,
  CONFIGURATION: ConfigurationError,
};

/** The error that was sent, of its class where this package has it. */
export function fromWire({ name, message, code = "", more = {} }: WireError): Error {
  const { runId, stepKey, detail, differs, issues } = more;
  if (code === "RUN_FAILED") {
    return new RunFailedError(
      String(runId),
      // As `toWire` wrote it: the detail of a failed run.
      detail as unknown as RunFailedError["detail"],
      typeof stepKey === "string" ? stepKey : undefined,
    );
  }
  if (code === "RUN_EXISTS") return new RunExistsError(message, Array.isArray(differs) ? differs.map(String) : []);
  if (code === "VALIDATION_FAILED") {
    return new ValidationError(message, Array.isArray(issues) ? issues as { message: string }[] : []);
  }
  const Class = PLAIN[code];
  if (Class !== undefined) return new Class(message);
  const known = { TypeError, RangeError, SyntaxError }[name];
  if (known !== undefined) return new known(message);
  const error = new Error(message);
  error.name = name;
  return code === "" ? error : Object.assign(error, { code });
}

const STATUS: Readonly<Record<string, number>> = {
  UNKNOWN_RUN: 404,
  UNKNOWN_WORKFLOW: 404,
  RUN_EXISTS: 409,
  NOT_WAITING: 409,
  VALIDATION_FAILED: 400,
  PAYLOAD_TOO_LARGE: 413,
};

/** Answers a request `POST /method` with a JSON object as its body. */
export async function answer(
  request: Request,
  methods: Readonly<Record<string, (body: never) => Promise<unknown>>>,
): Promise<Response> {
  try {
    const name = new URL(request.url).pathname.slice(1);
    const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
    if (method === undefined || request.method !== "POST") {
      return Response.json({
        error: {
          name: "Error",
          message: `Cannot ${request.method} /${name}: POST one of ${Object.keys(methods).join(", ")}`,
        },
      }, { status: method === undefined ? 404 : 405 });
    }
    // What a body holds is looked at by the method.
    const body = await request.json() as never;
    return Response.json({ value: await method(body) ?? null });
  } catch (error) {
    const wire = toWire(error);
    const mistake = wire.code === undefined && ["TypeError", "RangeError", "SyntaxError"].includes(wire.name);
    return Response.json({ error: wire }, { status: mistake ? 400 : STATUS[wire.code ?? ""] ?? 500 });
  }
}
