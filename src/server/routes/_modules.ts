/**
 * Modules and locks of code, as requests have them.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";
import type { ScriptModule } from "../ports.ts";
import { badRequest } from "../../wire/refusal.ts";
import { isRecord } from "../../wire/answer.ts";

/** Modules by their paths; none is as good as an empty record of them. */
export function modulesOf(modules: Json | undefined): Readonly<Record<string, ScriptModule>> | undefined {
  if (modules === undefined || modules === null) return undefined;
  if (!isRecord(modules)) throw badRequest("modules: expected a map of modules by their paths");
  const read = Object.entries(modules).map(([key, module]) => {
    const { content, language, lock = null } = isRecord(module) ? module : {};
    if (typeof content !== "string" || typeof language !== "string") {
      throw badRequest(`modules: expected "content" and "language" of ${JSON.stringify(key)}`);
    }
    const text = lockOf(lock);
    return [key, { content, language, ...text === undefined || text === "" ? {} : { lock: text } }] as const;
  });
  return read.length === 0 ? undefined : Object.fromEntries(read);
}

/** A lock is a text; older clients send its lines. */
export function lockOf(lock: Json | undefined): string | undefined {
  if (Array.isArray(lock)) return lock.join("\n");
  return typeof lock === "string" ? lock : undefined;
}
