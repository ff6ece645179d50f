/**
 * Names in SQL.
 *
 * @module
 */

/** The name of a data table or ducklake, and of a schema in it. */
export interface SqlClientName {
  /** Name of the data table or ducklake. */
  readonly name: string;
  /** Schema in it, when the text names one. */
  readonly schema?: string;
}

/** Gives a text back when it is valid; `what` names it in the error. */
export function checked(text: string, valid: unknown, what: string): string {
  if (valid) return text;
  throw new RangeError(`Cannot use ${JSON.stringify(text)} as ${what}`);
}

/** Reads `name`, `name:schema` or `:schema`. Some put the name in quotes, and the server reads it up to the next quote. */
export function readClientName(text: string): readonly [name: string, schema: string | undefined] {
  const [name, schema] = checked(text, /^[^:'\n]*(:[^:]+)?$/.test(text), "name").split(":");
  return [name || "main", schema];
}

/**
 * Quotes a name, so that it names something and does nothing else. Workers look for declarations line by line, and for places of
 * arguments in quotes too: what looks like one of them is refused.
 */
export function quoteName(name: string): string {
  return `"${checked(name, /^(?!.*\$(arg|\d)).+$/.test(name), "name").replaceAll('"', '""')}"`;
}
