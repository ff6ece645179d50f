/**
 * Options of an engine: what is wrong with them is said before anything is opened.
 *
 * @module
 */
import { bodyOf } from "../workflow/definition.ts";
import type { EngineOptions } from "./api.ts";
import type { Storage } from "./ports.ts";

/** How much an engine does at once, and what it is called. */
export interface Bounds {
  readonly name: string;
  readonly concurrency: number;
  readonly maxActiveRuns: number;
  readonly maxQueuedRuns: number;
  readonly maxParkedInMemory: number;
}

/**
 * Checks options, and gives the bounds that they ask for.
 *
 * @throws TypeError, RangeError
 */
export function boundsOf(options: EngineOptions): Bounds {
  checkParts(options);
  const { name = "engine", concurrency = 256, maxActiveRuns = 1000, maxQueuedRuns = 10_000, maxParkedInMemory = 256 } =
    options;
  for (const [key, value] of Object.entries({ concurrency, maxActiveRuns, maxQueuedRuns })) positive(key, value, 1);
  positive("maxParkedInMemory", maxParkedInMemory, 0);
  checkWorkflows(options.workflows);
  return { name, concurrency, maxActiveRuns, maxQueuedRuns, maxParkedInMemory };
}

/**
 * A number that is not below the least one.
 *
 * @throws RangeError
 */
export function positive(name: string, value: number, least: number): number {
  if (typeof value === "number" && value >= least) return value;
  throw new RangeError(`Cannot use '${name}': it must be a number of at least ${least}, found ${String(value)}`);
}

/** What the engine cannot do without, for callers whose types nobody checks. */
function checkParts(options: EngineOptions): void {
  const { storage, workflows }: { readonly storage?: Partial<Storage>; readonly workflows?: unknown } = Object(options);
  if (typeof storage?.own !== "function" || typeof storage.commit !== "function") {
    const is = storage instanceof Promise ? "a promise: await it" : storage === null ? "null" : typeof storage;
    throw new TypeError(
      `Cannot create an engine: 'storage' must be a storage, such as createMemoryStorage() gives, found ${is}`,
    );
  }
  if (typeof workflows === "object" && workflows !== null) return;
  throw new TypeError(
    `Cannot create an engine: 'workflows' must be an object of workflows by name, found ${
      workflows === null ? "null" : typeof workflows
    }`,
  );
}

/** What cannot be driven is refused before a run of it is stored: it could not go on, nor end. */
function checkWorkflows(workflows: EngineOptions["workflows"]): void {
  for (const [name, workflow] of Object.entries(workflows)) {
    const body: unknown = typeof workflow === "function" ? bodyOf(workflow) : workflow;
    const is = typeof body === "function" ? Object.prototype.toString.call(body) : typeof body;
    if (typeof body === "function" && !is.endsWith("GeneratorFunction]")) continue;
    throw new TypeError(
      `Cannot use workflow "${name}": it must be an async function, found ${
        typeof body === "function" ? "a generator function, which nothing would run to its end" : is
      }`,
    );
  }
}
