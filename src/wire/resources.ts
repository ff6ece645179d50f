/**
 * Resources as the server lists them.
 *
 * @module
 */
import { type Answer, readList } from "./answer.ts";

/** One resource of a list, as the server describes it. */
export interface ResourceRecord {
  /** Where it is, for example `f/team/database`. */
  readonly path: string;
  /** Name of its type, for example `postgresql`. */
  readonly resource_type: string;
  /** Its description. */
  readonly description?: string | null;
  /** Its value, not interpolated, where the server sends it. */
  readonly value?: unknown;
  /** The other fields, by the server's names. */
  readonly [field: string]: unknown;
}

/** Decodes a list of resources. */
export function readResources(answer: Answer): ResourceRecord[] {
  return readList(
    answer,
    ({ path, resource_type, ...rest }): ResourceRecord | undefined =>
      typeof path === "string" && typeof resource_type === "string" ? { ...rest, path, resource_type } : undefined,
    "resources",
  );
}
