/**
 * Fills in what a value refers to: `$var:path`, `$res:path`, and `$WM_...` names where a job asks. Only a text that is nothing but a
 * reference is one.
 *
 * The server looks into arrays only near the top of a value; here references are filled in at any depth.
 *
 * @module
 */
import { badRequest, Refusal } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";

/** Where references lead. */
export interface References {
  /** Value of a variable, decrypted. Throws when there is none. */
  variable(path: string): string;
  /** Value of a resource, as it is. Throws when there is none. */
  resource(path: string): Json;
  /** Values of `$WM_...` names; absent: they stay as they are. */
  readonly context?: Readonly<Record<string, string>>;
}

/** More than any value has: resources that each refer to another one twice double with each step. */
const MAX_REFERENCES = 10_000;
/** Of the resources that are referred to; what was given may be as large as it is. */
const MAX_VALUES = 1_000_000;
const MAX_DEPTH = 2000;

/**
 * Fills in what a value refers to.
 *
 * @param value what may hold references
 * @param references where they lead
 * @returns the value without them
 * @throws Refusal for a reference that leads nowhere or in a circle
 */
export function interpolate(value: Json, references: References): Json {
  const { context } = references;
  /** Resources that are being filled in, outermost first. */
  const open: string[] = [];
  const resources = new Map<string, Json>();
  let followed = 0;
  let values = 0;

  function resource(path: string): Json {
    const found = resources.get(path) ?? references.resource(path);
    resources.set(path, found);
    return found;
  }

  function text(value: string, depth: number): Json {
    const refers = value.startsWith("$var:") || value.startsWith("$res:");
    if (refers && ++followed > MAX_REFERENCES) throw badRequest(`a value has more than ${MAX_REFERENCES} references`);
    if (value.startsWith("$var:")) return references.variable(value.slice(5));
    if (value.startsWith("$res:")) {
      const path = value.slice(5);
      if (!path.includes("/")) throw new Refusal(500, `Internal: Invalid resource path: ${path}`);
      if (open.includes(path)) {
        const circle = [...open.slice(open.indexOf(path)), path].map((one) => `$res:${one}`).join(" -> ");
        throw badRequest(`resources refer to each other in a circle: ${circle}`);
      }
      open.push(path);
      const filled = fill(resource(path), depth + 1);
      open.pop();
      return filled;
    }
    if (context !== undefined && value.startsWith("$") && Object.hasOwn(context, value.slice(1))) {
      return context[value.slice(1)] ?? value;
    }
    return value;
  }

  function fill(value: Json, depth: number): Json {
    if (open.length > 0 && ++values > MAX_VALUES) throw badRequest(`a value refers to more than ${MAX_VALUES} others`);
    if (depth > MAX_DEPTH) throw badRequest(`a value is nested deeper than ${MAX_DEPTH} levels`);
    if (typeof value === "string") return value.startsWith("$") ? text(value, depth) : value;
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return (value as readonly Json[]).map((item) => fill(item, depth + 1));
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fill(item, depth + 1)]));
  }

  return fill(value, 0);
}
