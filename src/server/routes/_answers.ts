/**
 * What the endpoints of the folder's things read alike.
 *
 * @module
 */
import type { Context } from "hono";
import { badRequest, Refusal } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import { findCaller } from "../auth.ts";
import type { ServerContext } from "../ports.ts";
import { optionalText, pageOf, param, queryText, readFields } from "./_request.ts";

/** The path at the end of an address. */
export function pathParam(c: Context): string {
  return param(c, "path").replace(/^\/+/, "");
}

/** A text of an object that must be there. */
export function requiredText(fields: Readonly<Record<string, Json>>, name: string): string {
  const value = optionalText(fields, name);
  if (value !== undefined) return value;
  throw new Refusal(422, `Failed to deserialize the JSON body into the target type: missing field \`${name}\``);
}

/** A whole number of an object; undefined when it is not there. */
export function optionalNumber(fields: Readonly<Record<string, Json>>, name: string): number | undefined {
  const value = fields[name] ?? undefined;
  if (value === undefined || (typeof value === "number" && Number.isInteger(value))) return value;
  throw new Refusal(422, `Failed to deserialize the JSON body into the target type: ${name}: expected an integer`);
}

/** One page of a list. */
export function paged<T>(c: Context, items: readonly T[]): readonly T[] {
  const { offset, limit } = pageOf(c);
  return items.slice(offset, offset + limit);
}

/** One page of a list for who asks for one; all of it for who does not. */
export function pagedIfAsked<T>(c: Context, items: readonly T[]): readonly T[] {
  return queryText(c, "page") === undefined && queryText(c, "per_page") === undefined ? items : paged(c, items);
}

/** How a text of the query filters. */
export type Filter = readonly [name: string, value: string, how: "start" | "part" | "whole"];

/** True when all filters that the query has fit. */
export function fits(c: Context, filters: readonly Filter[]): boolean {
  return filters.every(([name, value, how]) => {
    const asked = queryText(c, name);
    if (asked === undefined) return true;
    if (how === "start") return value.startsWith(asked);
    return how === "whole" ? value === asked : value.toLowerCase().includes(asked.toLowerCase());
  });
}

/** Paths of a request about many: `{ paths: [...] }`. */
export async function readPaths(c: Context): Promise<readonly string[]> {
  const { paths } = await readFields(c.req.raw);
  if (Array.isArray(paths) && paths.every((path) => typeof path === "string")) return paths as readonly string[];
  throw badRequest("`paths` must be a list of texts");
}

/** Says that the job that asks, if it is one, has read a secret. */
export function noteSecret(c: Context, { jobs }: ServerContext): void {
  const job = findCaller(c.req.raw)?.job;
  if (job !== undefined) jobs.hooks.readSecret?.(job);
}
