/**
 * References in arguments: texts in whose place Windmill puts a variable, a resource or the job's token.
 *
 * @module
 */

/** A text of JSON that begins as a reference does. A quote inside of a text has a backslash before it. */
const REFERENCE = /[:,[]"\$(?:(?:var|jsonvar|res|encrypted):|WM_)/;

/** True when Windmill would fill in something of a value, at any depth. */
export function hasReference(value: unknown): boolean {
  return REFERENCE.test(JSON.stringify(value, (_, one) => typeof one === "bigint" ? 0 : one));
}
