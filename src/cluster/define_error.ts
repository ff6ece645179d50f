/**
 * Errors with data: thrown in a task or a step, known again by what was recorded of them.
 *
 * @module
 */
import { decode, encode, type Jsonified } from "../base/canonical.ts";
import { originOf } from "../base/origin.ts";
import type { SchemaOutput, StandardSchema } from "../base/standard_schema.ts";
import { differences, isStandardSchema, schemaAnswer } from "./schema_check.ts";

/** Data of an error that {@linkcode defineError} made. */
export interface ErrorData<Data, Name extends string = string> {
  /** What the error was thrown with, in the form in which it was recorded. */
  readonly data: Data;
  /** For the compiler only: tells classes whose data has the same type apart. */
  readonly "~name"?: Name;
}

/** What is known of an error that {@linkcode defineError} made, also after it was recorded: then it is a `TaskError`. */
export type KnownFailure<Data, Name extends string = string> = Error & ErrorData<Data, Name>;

/** An error of a class that {@linkcode defineError} made, where it is thrown. */
export interface DefinedError<Name extends string, Data> extends Error, ErrorData<Data, Name> {
  /** The name that it was defined with. */
  readonly name: Name;
}

/** What {@linkcode defineError} gives: a class whose `instanceof` also knows what was recorded of its errors. */
export interface DefinedErrorClass<Name extends string, Input, Data = Jsonified<Input>> {
  /** Makes an error. The message is the name when none is given. */
  new (data: Input, message?: string, options?: ErrorOptions): DefinedError<Name, Data>;
  /** The name that it was defined with. */
  readonly name: Name;
  /** True for an error of this class, and for the failure of a task, a step or a run that was caused by one. */
  [Symbol.hasInstance](value: unknown): value is KnownFailure<Data, Name>;
}

/** The type that a schema takes; the type that it gives, when it does not say. */
export type SchemaInput<S extends StandardSchema> = unknown extends NonNullable<S["~standard"]["types"]>["input"]
  ? SchemaOutput<S>
  : NonNullable<S["~standard"]["types"]>["input"];

/** Options of {@linkcode defineError}. */
export interface DefineErrorOptions {
  /** False: a task or step with `retry` that throws it is not repeated. @default true */
  readonly retryable?: boolean;
}

/** Longest data, in bytes of JSON: of a larger error the server keeps no fields (wac-protocol 5.3). */
const LONGEST_DATA = 8000;

/**
 * Makes a class of errors that carry data. A workflow's body knows them with `instanceof`, live, on replay and on a cluster,
 * although what it catches there is a `TaskError`: the name and the data are part of the record of the failure.
 *
 * The schema checks the data and types it; what it would change (transforms, defaults) is not applied. It must answer at once.
 *
 * @param name name of the errors: by it they are known again, so it must be one of its own
 * @param schema what data an error has
 * @returns the class; `new OutOfStock(data, message)` throws TypeError when the data does not fit
 * @throws TypeError when the name is empty, `"TaskError"` or one of JavaScript's errors, or `schema` is none
 *
 * @example A task that fails in a way the workflow handles
 * ```ts
 * import { defineError, type StandardSchema, step, workflow } from "@windkit/windmill-client/workflow";
 *
 * // What `z.object({ left: z.number() })` of Zod gives has this form.
 * const stock: StandardSchema<{ left: number }> = {
 *   "~standard": {
 *     version: 1,
 *     vendor: "example",
 *     validate: (value) =>
 *       typeof (value as { left?: unknown })?.left === "number"
 *         ? { value: value as { left: number } }
 *         : { issues: [{ message: "Expected a number", path: ["left"] }] },
 *   },
 * };
 * const OutOfStock = defineError("OutOfStock", stock);
 *
 * export const main = workflow(async () => {
 *   try {
 *     return await step("reserve", () => {
 *       throw new OutOfStock({ left: 2 }, "Not enough lamps");
 *     });
 *   } catch (error) {
 *     if (error instanceof OutOfStock) return error.data.left;
 *     throw error;
 *   }
 * });
 *
 * if (await main() !== 2) throw new Error("not known again");
 * ```
 */
export function defineError<const Name extends string, S extends StandardSchema>(
  name: Name,
  schema: S,
  options: DefineErrorOptions = {},
): DefinedErrorClass<Name, SchemaInput<S>> {
  if (typeof name !== "string" || !/^\w[\w.:-]{0,199}$/.test(name) || TAKEN.test(name)) {
    throw new TypeError(
      `Cannot define an error: 'name' must be a name of its own of up to 200 letters, digits, "_", "-", "." and ":", found ${
        typeof name === "string" ? JSON.stringify(name.slice(0, 200)) : typeof name
      }`,
    );
  }
  if (!isStandardSchema(schema)) {
    throw new TypeError(
      `Cannot define error "${name}": expected a schema of the Standard Schema kind ("~standard" with "validate")`,
    );
  }
  const final = options.retryable === false;

  class Defined extends Error {
    // Not an own field: a large cause would push the data out of what is recorded.
    readonly #cause: unknown;
    readonly data: unknown;
    constructor(data: unknown, message: string = name, { cause }: ErrorOptions = {}) {
      super(message);
      this.#cause = cause;
      this.data = checked(data);
      if (final) Object.assign(this, { code: "NON_RETRYABLE" });
    }
    override get cause(): unknown {
      return this.#cause;
    }
    static override [Symbol.hasInstance](value: unknown): boolean {
      const isOne = Function.prototype[Symbol.hasInstance];
      // A class that extends this one tells its own errors from others; what was recorded is known by its name alone.
      if (isOne.call(Defined, value)) return isOne.call(this, value);
      return isRecorded(value);
    }
  }

  /** The data as it is recorded; it has to fit as such, because after a replay it is all there is. */
  function checked(given: unknown): unknown {
    const text = encode(given);
    const bytes = text.length * 3 > LONGEST_DATA ? new TextEncoder().encode(text).length : 0;
    if (bytes > LONGEST_DATA) {
      throw new TypeError(
        `Cannot make a "${name}" error: its data must have at most ${LONGEST_DATA} bytes, found ${bytes}`,
      );
    }
    const data = decode(text);
    const answer = schemaAnswer(schema, data);
    if (answer === undefined) {
      throw new TypeError(
        `Cannot make a "${name}" error: its schema must answer at once, found one that gives a promise`,
      );
    }
    if (answer.issues !== undefined) {
      throw new TypeError(
        `Cannot make a "${name}" error: its data must fit its schema, found a difference at ${
          differences(answer.issues, data)
        }`,
      );
    }
    return data;
  }

  function isRecorded(value: unknown): boolean {
    if (typeof value !== "object" || value === null) return false;
    try {
      const { name: own, data, result, detail } = value as Partial<
        Record<"name" | "data" | "result" | "detail", unknown>
      >;
      if (data === undefined) return false;
      if (own !== name && originOf(Object(result).error ?? detail).name !== name) return false;
      return schemaAnswer(schema, data)?.issues === undefined;
    } catch {
      return false; // a schema that throws takes nothing; nor is a hostile proxy an error of anybody
    }
  }

  Object.defineProperty(Defined, "name", { value: name });
  Object.defineProperty(Defined.prototype, "name", { value: name, configurable: true, writable: true });
  return Defined as unknown as DefinedErrorClass<Name, SchemaInput<S>>; // its `data` is what the schema has let in
}

/** Names that mean something else. */
const TAKEN = /^(|Aggregate|Eval|Range|Reference|Syntax|Type|URI|Task|NonRetryable|RetryAfter)Error$/;

/** A failure as {@linkcode knownFailure} tells it. */
export type Known<Classes extends readonly DefinedErrorClass<string, never, unknown>[]> = {
  [I in keyof Classes]: Classes[I] extends DefinedErrorClass<infer Name, never, infer Data>
    ? { readonly name: Name; readonly data: Data; readonly error: Error }
    : never;
}[number];

/**
 * Tells which of some errors a caught value is, so that a `switch` over `name` can be exhaustive: `instanceof` for several classes.
 *
 * @param error what was caught
 * @param classes of {@linkcode defineError}
 * @returns name, data and the error itself; undefined when it is none of them
 *
 * @example
 * ```ts
 * import { defineError, knownFailure, type StandardSchema } from "@windkit/windmill-client/workflow";
 *
 * const any: StandardSchema<{ reason: string }> = {
 *   "~standard": { version: 1, vendor: "example", validate: (value) => ({ value: value as { reason: string } }) },
 * };
 * const Declined = defineError("Declined", any);
 * const Expired = defineError("Expired", any);
 *
 * const known = knownFailure(new Declined({ reason: "no funds" }), [Declined, Expired]);
 * if (known?.name !== "Declined" || known.data.reason !== "no funds") throw new Error("not known");
 * ```
 */
export function knownFailure<const Classes extends readonly DefinedErrorClass<string, never, unknown>[]>(
  error: unknown,
  classes: Classes,
): Known<Classes> | undefined {
  for (const one of classes) {
    // The type of the union is by the class that was found.
    if (error instanceof one) return { name: one.name, data: error.data, error } as unknown as Known<Classes>;
  }
  return undefined;
}
