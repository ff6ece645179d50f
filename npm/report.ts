/**
 * Runs checks one after another and prints a line for each: what was checked, what came of it, how long it took.
 *
 * @module
 */

/** What a check of a list found. */
export interface Report {
  /** Runs one check: it fails when it throws. */
  check(name: string, run: () => Promise<void> | void): Promise<boolean>;
  /** Notes a check that cannot be made here, and why. */
  skip(name: string, reason: string): void;
  /** Prints the failures in full and the closing line, and gives the exit code. */
  close(): number;
}

/** Makes an empty report that prints as it goes. */
export function createReport(print: (line: string) => void = (line) => console.log(line)): Report {
  const failures: string[] = [];
  let passed = 0;
  let skipped = 0;
  return {
    async check(name, run) {
      const start = performance.now();
      try {
        await run();
        passed++;
        print(`ok    ${name} (${Math.round(performance.now() - start)} ms)`);
        return true;
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        failures.push(`--- ${name}\n${text}`);
        print(`FAIL  ${name} (${Math.round(performance.now() - start)} ms)`);
        return false;
      }
    },
    skip(name, reason) {
      skipped++;
      print(`skip  ${name}: ${reason}`);
    },
    close() {
      for (const failure of failures) print(`\n${failure}`);
      if (failures.length > 0) print("");
      print(`${passed} passed, ${failures.length} failed${skipped === 0 ? "" : `, ${skipped} skipped`}`);
      return failures.length === 0 && passed > 0 ? 0 : 1;
    },
  };
}
