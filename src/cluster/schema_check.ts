/**
 * Values that come from outside, held against a schema: what is told to who sent them, and what the body gets.
 *
 * @module
 */
import { ValidationError } from "../base/errors.ts";
import type { SchemaAnswer, StandardSchema } from "../base/standard_schema.ts";
import { differences, type Issue, kindOf } from "../workflow/json_schema.ts";

export { differences, kindOf };

/** True for a schema of the Standard Schema kind. ArkType's are functions. */
export function isStandardSchema(value: unknown): value is StandardSchema {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return typeof (value as Partial<StandardSchema>)["~standard"]?.validate === "function";
}

/**
 * Makes of a schema what a host asks before it takes a value.
 *
 * @param jsonSchema the same as JSON schema, where there is one: it says of bounds and choices what libraries do not
 * @returns a function that gives undefined for a value that fits, else where it differs, what kind of value is there, and what
 * was expected. The value itself is never in that text: it may be a secret, and the text ends up in logs and in answers
 */
export function schemaCheck(
  schema: StandardSchema,
  jsonSchema?: unknown,
): (value: unknown) => Promise<string | undefined> {
  return async (value) => {
    const answer = await ask(schema, value);
    return answer.issues === undefined ? undefined : differences(answer.issues, value, jsonSchema);
  };
}

/**
 * Gives what a schema makes of a value.
 *
 * @param what names the value in the error, e.g. `the answer of approval "sign_off"`
 * @throws ValidationError when it does not fit
 */
export async function schemaOutput<Output>(
  schema: StandardSchema<Output>,
  value: unknown,
  what: string,
): Promise<Output> {
  const answer = await ask(schema, value);
  if (answer.issues === undefined) return answer.value;
  throw new ValidationError(
    `Expected ${what} to fit its schema, found a difference at ${differences(answer.issues, value)}`,
    answer.issues,
  );
}

/** What the schema says now; undefined when it must be waited for. */
export function schemaAnswer<Output>(schema: StandardSchema<Output>, value: unknown): SchemaAnswer<Output> | undefined {
  const answer = schema["~standard"].validate(value);
  return "then" in answer ? undefined : answer;
}

/** A schema whose own code throws refuses the value: whoever sent it can send another one. */
async function ask<Output>(schema: StandardSchema<Output>, value: unknown): Promise<SchemaAnswer<Output>> {
  try {
    return await schema["~standard"].validate(value);
  } catch (error) {
    const name = error instanceof Error ? error.name : typeof error;
    return {
      issues: [{ message: String(error), expected: `no ${name}` }] as Issue[],
    };
  }
}
