/**
 * What is wrong with the code of scripts, as far as a parser tells.
 *
 * @module
 */
import { hasCode } from "../base/errors.ts";
import type { Script } from "../server/ports.ts";
import { loadParser, type Parse, UnreadableSourceError } from "./check_syntax.ts";

/** Versions whose answers are kept. */
const KEPT = 2_000;

/** A check that begins to know something when its parser is there. */
export interface CodeCheck {
  /** What is wrong with a script's code, with line and column; undefined where nothing is, or nobody can tell. */
  readonly check: (script: Script) => string | undefined;
  /** Loads the parser, when it is installed. */
  load(): Promise<void>;
}

/** Makes the check. Without the package `@babel/parser` a script that does not parse is told by its job. */
export function createCodeCheck(): CodeCheck {
  let parse: Parse | undefined;
  const known = new Map<string, string | undefined>();

  function look(parser: Parse, { content, path }: Script): string | undefined {
    try {
      parser(content, `${path}.ts`);
      return undefined;
    } catch (error) {
      if (error instanceof UnreadableSourceError) return `line ${error.line}, column ${error.column}: ${error.message}`;
      throw error;
    }
  }

  return {
    check(script) {
      if (parse === undefined || !/^(?:bun|deno|nativets|bunnative)$/.test(script.language)) return undefined;
      if (known.has(script.hash)) return known.get(script.hash);
      const found = look(parse, script);
      known.set(script.hash, found);
      for (const oldest of known.keys()) {
        if (known.size <= KEPT) break;
        known.delete(oldest);
      }
      return found;
    },
    async load() {
      try {
        parse = await loadParser();
      } catch (error) {
        if (!hasCode(error, "MISSING_PACKAGE")) throw error;
      }
    },
  };
}
