/**
 * Environment variables of the process, read at the call and never at import.
 *
 * @module
 */

interface Machine {
  readonly Deno?: { readonly env?: { get(name: string): string | undefined } };
  readonly process?: { readonly env?: { readonly [name: string]: string | undefined } };
}

/**
 * Reads a variable: `Deno.env`, else `process.env`, else nothing.
 *
 * @param name the variable
 * @param denied takes the name when the runtime does not permit to read it; the variable then counts as unset
 */
export function readEnv(name: string, denied?: string[]): string | undefined {
  const machine: Machine = globalThis;
  try {
    // Deno first: in Deno, touching `process` at all loads 15 ms of Node compatibility.
    return machine.Deno?.env ? machine.Deno.env.get(name) : machine.process?.env?.[name];
  } catch {
    // Deno throws one of two classes, by version, when the permission is missing; nothing else fails here.
    denied?.push(name);
  }
}

/**
 * Reads a variable that may be there: unset when the runtime would have to ask somebody whether it may be read.
 *
 * @param name the variable
 */
export function permittedEnv(name: string): string | undefined {
  const { Deno: deno } = globalThis as {
    readonly Deno?: {
      readonly permissions?: { querySync?(what: { name: "env"; variable: string }): { readonly state: string } };
    };
  };
  const state = deno?.permissions?.querySync?.({ name: "env", variable: name }).state ?? "granted";
  return state === "granted" ? readEnv(name) : undefined;
}
