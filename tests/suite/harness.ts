/**
 * Registers the cases of the suite, for whichever runtime loads them. No runner's API is used: `tests/run/*` run the list.
 *
 * @module
 */

/** One case. Names are unique: runtimes are compared by them. */
export interface Case {
  readonly name: string;
  readonly run: () => unknown;
  /** Why it cannot run here; must come from `env.ts`. */
  readonly skip?: string | undefined;
}

const cases: Case[] = [];

/** Adds a case. `skip` is a reason from `env.ts`, or undefined. */
export function test(name: string, run: () => unknown, skip?: string): void {
  if (cases.some((c) => c.name === name)) throw new Error(`Two cases are named "${name}"`);
  cases.push({ name, run, skip });
}

/** All cases registered so far, in order. */
export function registered(): readonly Case[] {
  return cases;
}

/** What became of one case. */
export interface CaseResult {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  readonly detail?: string;
  readonly ms: number;
}

/** Runs cases one after another. A case that takes longer than `limitMs` fails. */
export async function runCases(list: readonly Case[], limitMs = 30_000): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const c of list) {
    const start = Date.now();
    if (c.skip !== undefined) {
      results.push({ name: c.name, status: "skipped", detail: c.skip, ms: 0 });
      continue;
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`Still running after ${limitMs} ms`)), limitMs);
      });
      await Promise.race([Promise.resolve().then(c.run), late]);
      results.push({ name: c.name, status: "passed", ms: Date.now() - start });
    } catch (error) {
      const detail = error instanceof Error ? `${error.stack ?? error.message}` : String(error);
      results.push({ name: c.name, status: "failed", detail, ms: Date.now() - start });
    } finally {
      clearTimeout(timer);
    }
  }
  return results;
}
