/**
 * Waiting for a person: the question, its form, and what becomes of the answer.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import type { SchemaOutput, StandardSchema } from "../base/standard_schema.ts";
import type { Json } from "../workflow/journal.ts";
import { here, outside } from "./_here.ts";
import { formOf } from "./approval_form.ts";
import { isStandardSchema, kindOf, schemaCheck, schemaOutput } from "./schema_check.ts";

/** What `waitForApproval` takes. */
export interface ApprovalOptions {
  /** How long to wait, in seconds. @default 1800 */
  readonly timeout?: number;
  /** JSON schema of the answer's form, also in a field `schema`: what a server's page shows. */
  readonly form?: Json;
  /** Key of the approval, for links made ahead. @default "approval", then "approval_2", ... */
  readonly key?: string;
  /** False: who started the run may not approve it (Windmill Enterprise). @default true */
  readonly selfApproval?: boolean;
  /** Look of the page. @default "detailed" */
  readonly skin?: "detailed" | "minimal";
  /** Text of the page, or a rich object such as `{ markdown }`. */
  readonly description?: Json;
}

/** What `waitForApproval` gives. A timeout is `{ value: null, approver: null, approved: false }`, not an error. */
export interface ApprovalResult {
  /** What the approver entered. */
  readonly value: Json;
  /** Who answered; null when nobody did. */
  readonly approver: string | null;
  /** True when it was granted. */
  readonly approved: boolean;
}

/** An approval that was granted. */
export interface ApprovalGranted<T = Json> {
  /** Tells it from the others. */
  readonly approved: true;
  /** What the approver entered; with a schema, what the schema makes of it. */
  readonly value: T;
  /** Who granted it. */
  readonly approver: string;
}

/** An approval that was rejected. */
export interface ApprovalRejected {
  /** Tells it from one that was granted. */
  readonly approved: false;
  /** What the approver entered: no schema looks at it. */
  readonly value: Json;
  /** Who rejected it. */
  readonly approver: string;
}

/** An approval that nobody answered in time. */
export interface ApprovalTimedOut {
  /** Tells it from one that was granted. */
  readonly approved: false;
  /** Nothing was entered. */
  readonly value: null;
  /** Nobody answered: tells it from one that was rejected. */
  readonly approver: null;
}

/** What is given instead of the answer when an approval is not granted. */
export interface ApprovalInstead<V, R> {
  /** Given instead when nobody answered in time. @default an {@linkcode ApprovalTimedOut} */
  readonly onTimeout?: V;
  /** Given instead when somebody rejected it. @default an {@linkcode ApprovalRejected} */
  readonly onReject?: R;
}

/** A schema of an approval's form: it describes itself as JSON schema, or somebody does that for it. */
export type ApprovalSchema<S extends StandardSchema> = S | {
  /** What the answer is held against. */
  readonly schema: S;
  /** JSON schema of an object: the fields of the form. */
  readonly jsonSchema: object;
};

/** What `waitForApproval` takes with a schema. */
export interface CheckedApprovalOptions<S extends StandardSchema, V = ApprovalTimedOut, R = ApprovalRejected>
  extends Omit<ApprovalOptions, "form">, ApprovalInstead<V, R> {
  /** Schema of the answer, of an object: its fields are the form's, and what comes back has to fit it. */
  readonly form: ApprovalSchema<S>;
}

/**
 * Waits until somebody approves or rejects. A rejection and a timeout are results, not errors.
 *
 * With a schema as `form` (Zod, Valibot, ArkType, anything of the Standard Schema kind) the form is made of it, and `value` is
 * what it makes of the answer. The engine refuses an answer that does not fit, tells the approver where, and waits on. The answer
 * is recorded as it was entered and checked again on replay: a schema must give the same for the same value. A Windmill server
 * takes any answer (and shows forms only in its Enterprise Edition), so there one that does not fit is an error at the `await`.
 *
 * @param options time, form, look; `onTimeout` and `onReject` are given instead of the answer
 * @returns the answer: `approved` tells what the others mean. With `approver: null`, nobody answered
 * @throws ValidationError when the answer does not fit the schema any more; TypeError when no form can be made of it
 *
 * @example
 * ```ts
 * import { waitForApproval, workflow } from "@windkit/windmill-client/workflow";
 *
 * export const main = workflow(async () => {
 *   const { approved, approver } = await waitForApproval({ timeout: 3600 });
 *   return approved ? `approved by ${approver}` : "not approved";
 * });
 * ```
 */
export function waitForApproval<
  S extends StandardSchema,
  const V = ApprovalTimedOut,
  const R = ApprovalRejected,
>(options: CheckedApprovalOptions<S, V, R>): Promise<ApprovalGranted<SchemaOutput<S>> | V | R>;
/**
 * The same without a schema. The engine holds the answer against a form of plain JSON schema, as far as types, choices and bounds
 * go; what comes back is given as it is.
 */
export function waitForApproval(
  options?: ApprovalOptions & { readonly onTimeout?: never; readonly onReject?: never },
): Promise<ApprovalResult>;
/** The same with a value for a rejection, a timeout, or both. */
export function waitForApproval<const V = ApprovalTimedOut, const R = ApprovalRejected>(
  options: ApprovalOptions & ApprovalInstead<V, R>,
): Promise<ApprovalGranted | V | R>;
export function waitForApproval(
  options: Omit<ApprovalOptions, "form"> & ApprovalInstead<unknown, unknown> & { readonly form?: unknown } = {},
): Promise<unknown> {
  if (kindOf(options) !== "object") {
    return Promise.reject(
      new TypeError(
        `Cannot wait for an approval: expected options, as in { key: "sign_off" }, found ${kindOf(options)}`,
      ),
    );
  }
  const { timeout = 1800, key, selfApproval, skin, description } = options;
  if (!Number.isInteger(timeout) || timeout < 0 || timeout > 4294967295) {
    return Promise.reject(
      new RangeError(
        `Cannot wait for an approval: 'timeout' must be a whole number of seconds, 0 to 4294967295, found ${
          String(timeout)
        }`,
      ),
    );
  }
  if (
    key !== undefined &&
    (key.trim() === "" || key === "." || key === ".." || /[/\\\0]/.test(key) || !key.isWellFormed())
  ) {
    return Promise.reject(
      new TypeError(
        `Cannot wait for an approval: 'key' must not be blank, "." or "..", nor contain "/", "\\", U+0000 or a lone surrogate, ` +
          `found ${JSON.stringify(key)}`,
      ),
    );
  }
  let form: Json | undefined;
  let schema: StandardSchema | undefined;
  try {
    ({ form, schema } = asked(options.form));
  } catch (error) {
    return Promise.reject(error);
  }
  const current = here("waitForApproval");
  if (current instanceof Promise) return current;
  if (current === undefined) return outside("waitForApproval");
  const shown = { selfApproval, skin, description };
  const used = Object.values(shown).some((v) => v !== undefined);
  const answered = current.approval({
    key,
    timeoutMs: timeout * 1000,
    form,
    options: used
      ? decode(encode(Object.fromEntries(Object.entries(shown).filter(([, v]) => v !== undefined)))) as Json
      : undefined,
    check: schema === undefined ? undefined : schemaCheck(schema, Object(form).schema),
  }) as Promise<ApprovalResult>;
  if (schema === undefined && !("onTimeout" in options) && !("onReject" in options)) return answered;
  const result = answered.then((answer) => taken(answer, schema, options));
  // A failure of an approval that nobody awaits is nobody's, as without a schema.
  result.catch(() => {});
  return result;
}

/** The form as the host gets it, and what the answer is held against. */
function asked(form: unknown): { readonly form: Json | undefined; readonly schema?: StandardSchema } {
  if (isStandardSchema(form)) return { form: formOf(form), schema: form };
  const { schema, jsonSchema } = Object(form) as { readonly schema?: unknown; readonly jsonSchema?: unknown };
  if (!isStandardSchema(schema)) return { form: form as Json | undefined };
  return { form: formOf(schema, jsonSchema as object | undefined), schema };
}

/** What the body gets for a recorded answer. */
function taken(
  answer: ApprovalResult,
  schema: StandardSchema | undefined,
  options: ApprovalInstead<unknown, unknown> & { readonly key?: string },
): unknown {
  const { approved, approver, value } = answer;
  if (!approved) {
    const field = approver === null ? "onTimeout" : "onReject";
    return field in options ? options[field] : answer;
  }
  if (schema === undefined) return answer;
  const { key } = options;
  const what = `the answer of ${key === undefined ? "an approval" : `approval "${key}"`}`;
  return schemaOutput(schema, value, what).then((output) => ({ ...answer, value: output }));
}
