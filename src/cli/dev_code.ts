/**
 * What is wrong with the code of scripts, as far as a parser tells.
 *
 * @module
 */
import { join, sep } from "node:path";
import { hasCode } from "../base/errors.ts";
import type { Script } from "../server/ports.ts";
import { importReader } from "./check_command.ts";
import { checkFile } from "./check_file.ts";
import type { RuleId } from "./check_rules.ts";
import { loadParser, type Parse, UnreadableSourceError } from "./check_syntax.ts";

/** Rules of `windkit check` that hold here as on a cluster: a body is replayed. */
const LOCAL_RULES: ReadonlySet<RuleId> = new Set<RuleId>([
  ...["clock", "random", "network", "environment", "timer", "file-system", "process"] as const,
  ...["shared-state", "step-writes-outside", "call-in-step", "no-entrypoint"] as const,
]);

/** Versions whose answers are kept. */
const KEPT = 2_000;

/** A check that begins to know something when its parser is there. */
export interface CodeCheck {
  /** What is wrong with a script's code, with line and column; undefined where nothing is, or nobody can tell. */
  readonly check: (script: Script) => string | undefined;
  /** Loads the parser, when it is installed. */
  load(): Promise<void>;
}

/**
 * Makes the check. Without the package `@babel/parser` a script that does not parse is told by its job.
 *
 * @param root the folder: what workflows import of it is looked at, too
 */
export function createCodeCheck(root: string): CodeCheck {
  let parse: Parse | undefined;
  const known = new Map<string, string | undefined>();

  /** What a workflow's body does that a replay does not repeat. */
  function lookAtWorkflow(parser: Parse, { content, path }: Script): string | undefined {
    const read = importReader({ root }, root);
    const file = `${path}.ts`;
    const { findings } = checkFile({ file, path: join(root, file), source: content }, parser, (specifier, from) => {
      const found = read(specifier, from);
      return found?.path.startsWith(root + sep) === true ? found : undefined;
    });
    const [first, ...others] = findings.filter(({ rule, file: at }) => LOCAL_RULES.has(rule) && at === file);
    if (first === undefined) return undefined;
    const { line, column, what, why } = first;
    const more = others.length === 0 ? "" : `; and ${others.length} more`;
    return `line ${line}, column ${column}: ${what}. ${why}${more} ("windkit check" says what to do)`;
  }

  function look(parser: Parse, script: Script): string | undefined {
    const { content, path, autoKind, language } = script;
    try {
      parser(content, `${path}.ts`);
      return autoKind === "wac" && language === "bun" ? lookAtWorkflow(parser, script) : undefined;
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
