/**
 * Which runtime this is, and whether it is new enough. Read before anything else is imported, so that an old one is told
 * so and does not trip over what it lacks.
 *
 * @module
 */

/** The part of the global scope that is looked at. */
export interface Scope {
  readonly Deno?: { readonly version: { readonly deno: string } };
  readonly Bun?: { readonly version: string };
  readonly process?: { readonly versions?: { readonly node?: string } };
}

/** A runtime by name and version. */
export interface Runtime {
  readonly name: "Deno" | "Bun" | "Node";
  readonly version: string;
}

/** Oldest versions that have what the command line needs: `node:sqlite`, and a way to load a workflow file. */
const OLDEST: Readonly<Record<Runtime["name"], readonly [number, number]>> = {
  Deno: [2, 9],
  Bun: [1, 4],
  Node: [22, 13],
};

/**
 * Names the runtime.
 *
 * @param scope the global scope
 * @returns its name and version; Deno and Bun also have a `process`, so they are asked first
 */
export function runtimeOf(scope: Scope = globalThis as Scope): Runtime {
  if (scope.Deno !== undefined) return { name: "Deno", version: scope.Deno.version.deno };
  if (scope.Bun !== undefined) return { name: "Bun", version: scope.Bun.version };
  return { name: "Node", version: scope.process?.versions?.node ?? "0" };
}

/**
 * Tells what is wrong with the runtime.
 *
 * @param runtime what it is
 * @returns a text for the user; undefined when it is new enough
 */
export function runtimeProblem(runtime: Runtime): string | undefined {
  const [major, minor] = OLDEST[runtime.name];
  const [a = 0, b = 0] = runtime.version.split(".").map(Number);
  if (a > major || (a === major && b >= minor)) return undefined;
  const [node, deno, bun] = (["Node", "Deno", "Bun"] as const).map((name) => `${name} ${OLDEST[name].join(".")}`);
  return `Cannot run windkit on ${runtime.name} ${runtime.version}: it needs ${node}, ${deno} or ${bun}, or newer`;
}
