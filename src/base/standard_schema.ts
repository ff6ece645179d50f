/**
 * The part of the Standard Schema interface (version 1) that is used here: Zod, Valibot, ArkType and others implement it.
 *
 * @module
 */
import { ValidationError, type ValidationIssue } from "./errors.ts";

/**
 * A schema of any library that follows the Standard Schema interface.
 *
 * @example A resource that is checked
 * ```ts
 * import { createClient, type StandardSchema } from "@windkit/windmill-client";
 *
 * // What `z.object({ host: z.string() })` of Zod gives has this form.
 * const hasHost: StandardSchema<{ host: string }> = {
 *   "~standard": {
 *     version: 1,
 *     vendor: "example",
 *     validate: (value) =>
 *       typeof (value as { host?: unknown }).host === "string"
 *         ? { value: value as { host: string } }
 *         : { issues: [{ message: "Expected text", path: ["host"] }] },
 *   },
 * };
 * const client = createClient({ mockedApi: { resources: { "f/team/db": { host: "db.example.com" } } } });
 * const { host } = await client.resources.get("f/team/db", { schema: hasHost });
 * if (host !== "db.example.com") throw new Error(host);
 * ```
 */
export interface StandardSchema<Output = unknown> {
  /** The interface's one property. */
  readonly "~standard": {
    /** Version of the interface. */
    readonly version: 1;
    /** Name of the library. */
    readonly vendor: string;
    /** Looks at a value; gives what the schema makes of it, or what is wrong. */
    readonly validate: (value: unknown) => SchemaAnswer<Output> | Promise<SchemaAnswer<Output>>;
    /** Types, which exist for the compiler only. */
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** What a schema says of a value. */
export type SchemaAnswer<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly ValidationIssue[] };

/** The type that a schema gives. */
export type SchemaOutput<S extends StandardSchema> = NonNullable<S["~standard"]["types"]>["output"];

/** Gives what a schema makes of a value; ValidationError when it does not fit. `what` names the value in the error. */
export async function checkSchema<Output>(
  schema: StandardSchema<Output>,
  value: unknown,
  what: string,
): Promise<Output> {
  // A schema of ArkType is a function.
  const validate = (schema as Partial<StandardSchema<Output>> | null)?.["~standard"]?.validate;
  if (typeof validate !== "function") {
    throw new TypeError(
      `Cannot check ${what}: expected a schema of the Standard Schema kind ("~standard" with "validate")`,
    );
  }
  const answer = await schema["~standard"].validate(value);
  if (answer.issues === undefined) return answer.value;
  const places = answer.issues.map(({ path = [] }) => {
    let found: unknown = value;
    // Not `path.map`: ArkType's path is an array of a class that makes "0" of an empty one.
    const names = Array.from(path, (part) => {
      const name = (part as { readonly key?: PropertyKey }).key ?? part as PropertyKey;
      found = (found as { readonly [name: PropertyKey]: unknown } | null | undefined)?.[name];
      return String(name);
    });
    const kind = found === undefined
      ? "nothing"
      : found === null
      ? "null"
      : Array.isArray(found)
      ? "array"
      : typeof found;
    return `${names.join(".") || "the top"} (found ${kind})`;
  });
  throw new ValidationError(
    `Expected ${what} to fit its schema, found differences at ${
      [...new Set(places)].join(", ")
    }; 'issues' has the details`,
    answer.issues,
  );
}
