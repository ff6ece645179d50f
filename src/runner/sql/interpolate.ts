/**
 * `%%name%%` in SQL: arguments that stand for names of tables and columns, which no statement can be given as a value, and variables
 * of the job. An argument has to be declared, and be a plain name: a letter, then letters, digits and underscores of ASCII. Such a
 * text ends no quotes and begins nothing, wherever it is written.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";
import { endOfComment, PIECE } from "./statements.ts";

/** What a declaration says: `-- %%name%% a/b/c = a`. */
export interface NameDeclaration {
  /** The values that it may have; undefined when any name will do. */
  readonly variants: readonly string[] | undefined;
  readonly byDefault: string | undefined;
}

const DECLARATION = /^-- %%(\w+)%%(?:[ \t]+([^\s=]+))?(?:[ \t]*=[ \t]*(\S+))?[ \t]*\r?$/gm;

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;

/** The arguments of a script that stand for names. */
export function nameDeclarationsOf(content: string): ReadonlyMap<string, NameDeclaration> {
  const found = new Map<string, NameDeclaration>();
  for (const [, name = "", variants, byDefault] of content.matchAll(DECLARATION)) {
    found.set(name, { variants: variants?.split("/").filter((variant) => variant !== ""), byDefault });
  }
  return found;
}

function nameOf(name: string, { variants, byDefault }: NameDeclaration, args: Readonly<Record<string, Json>>): string {
  const value = (Object.hasOwn(args, name) ? args[name] : undefined) ?? byDefault;
  const what = `Cannot use argument "${name}" as a name in SQL`;
  if (typeof value !== "string" || value === "") {
    throw new TypeError(`${what}: expected a text that is not empty, found ${JSON.stringify(value ?? null)}`);
  }
  if (variants !== undefined && !variants.includes(value)) {
    throw new TypeError(`${what}: expected one of ${variants.join(", ")}, found ${JSON.stringify(value)}`);
  }
  if (NAME.test(value)) return value;
  throw new TypeError(
    `${what}: expected a letter, then letters, digits and "_" of ASCII, found ${JSON.stringify(value)}`,
  );
}

/** Where a text of SQL is: in quotes of a kind, in a comment, or in none of them. */
interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly kind: "text" | "name" | "comment" | "other";
}

/** The quotes and comments of a text. */
function stretchesOf(content: string): readonly Stretch[] {
  const found: Stretch[] = [];
  PIECE.lastIndex = 0;
  for (let piece = PIECE.exec(content); piece !== null; piece = PIECE.exec(content)) {
    const [token] = piece;
    if (token === "/*") PIECE.lastIndex = endOfComment(content, piece.index);
    else if (/^\$\w*\$$/.test(token)) {
      const close = content.indexOf(token, PIECE.lastIndex);
      PIECE.lastIndex = close < 0 ? content.length : close + token.length;
    } else if (!/^(?:['"]|--|[eE]')/.test(token)) continue;
    const kind = token.startsWith("'")
      ? "text"
      : token.startsWith('"')
      ? "name"
      : /^(?:--|\/\*)/.test(token)
      ? "comment"
      : "other";
    found.push({ start: piece.index, end: PIECE.lastIndex, kind });
  }
  return found;
}

/** A variable of the job, as it is written at a place. */
function variableOf(name: string, value: string, kind: Stretch["kind"] | undefined): string {
  if (kind === "comment") return `%%${name}%%`;
  if (value === "" || NAME.test(value)) return value;
  // deno-lint-ignore no-control-regex -- no variable has one, and a text in SQL ends at some of them
  if ((kind === "text" || kind === "name") && !/[\u0000-\u001f]/.test(value)) {
    const quote = kind === "text" ? "'" : '"';
    return value.replaceAll(quote, quote + quote);
  }
  throw new TypeError(
    `Cannot write variable "${name}" into SQL: it is no plain name, and so must stand in quotes: '%%${name}%%'`,
  );
}

/**
 * A script's SQL with its names in place.
 *
 * @param env variables of the job: `'%%WM_WORKSPACE%%'`
 * @throws TypeError for an argument that is no name, or none of those that are declared
 */
export function interpolate(
  content: string,
  args: Readonly<Record<string, Json>>,
  env: Readonly<Record<string, string>>,
): string {
  if (!content.includes("%%")) return content;
  const declared = nameDeclarationsOf(content);
  const names = new Map([...declared].map(([name, declaration]) => [name, nameOf(name, declaration, args)]));
  const stretches = stretchesOf(content);
  return content.replace(/%%(\w+)%%/g, (all: string, name: string, at: number) => {
    const known = names.get(name);
    if (known !== undefined) return known;
    const value = name.startsWith("WM_") && Object.hasOwn(env, name) ? env[name] : undefined;
    if (value === undefined) return all;
    return variableOf(name, value, stretches.find(({ start, end }) => start < at && at < end)?.kind);
  });
}
