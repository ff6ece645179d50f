/**
 * The YAML and JSON files of a synced folder: read within bounds, and written so that whatever else is in them stays.
 *
 * @module
 */
import { MissingPackageError } from "../../base/errors.ts";
import { isRecord } from "../../wire/answer.ts";
import type { Json } from "../../workflow/journal.ts";

/** A record: what the metadata files hold. */
export type JsonRecord = Readonly<Record<string, Json>>;

/** Reads and writes documents. */
export interface Documents {
  /**
   * Reads a document.
   *
   * @throws SyntaxError that says where it is wrong
   */
  read(file: string, text: string): Json;
  /** As `read`; an empty file is an empty record. */
  readRecord(file: string, text: string): JsonRecord;
  /** The text with some fields changed; undefined as a value removes one. Comments, order and other fields stay. */
  change(file: string, text: string | undefined, fields: Readonly<Record<string, Json | undefined>>): string;
}

/** More aliases than anybody writes; few enough that none of them blows a document up. */
const MAX_ALIASES = 100;
/** Deeper than any schema; far from the end of the stack. */
const MAX_DEPTH = 200;

/**
 * Loads what reads documents.
 *
 * @returns reading and writing of YAML and JSON
 * @throws MissingPackageError when the package `yaml` is not installed
 */
export async function loadDocuments(): Promise<Documents> {
  let yaml: typeof import("yaml");
  try {
    yaml = await import("yaml");
  } catch (cause) {
    throw new MissingPackageError(
      'Cannot read a synced folder: it needs the package "yaml" (2.6 or newer), which is not installed',
      { cause },
    );
  }
  // `!inline f/x/y.script.lock` is written as a plain text by the command line, and as a tag by people.
  const customTags = ["!inline", "!inline_fileset"].map((tag) => ({
    tag,
    resolve: (text: string) => `${tag} ${text}`,
  }));

  function parse(text: string): import("yaml").Document.Parsed {
    checkShape(text);
    // The package compares each key with all before it: a long map would take seconds.
    const document = yaml.parseDocument(text, {
      customTags,
      logLevel: "silent",
      prettyErrors: true,
      uniqueKeys: false,
    });
    const [error] = document.errors;
    // The first line says what and where; the others show the text, which may be a secret.
    if (error !== undefined) throw new SyntaxError(error.message.split("\n")[0]?.replace(/:$/, ""));
    yaml.visit(document, {
      Map(_key, { items }) {
        const seen = new Set<unknown>();
        for (const { key } of items) {
          if (!yaml.isScalar(key)) continue;
          if (seen.has(key.value)) {
            const line = text.slice(0, key.range?.[0] ?? 0).split("\n").length;
            throw new SyntaxError(
              `Map keys must be unique: ${JSON.stringify(key.value)} is there twice, at line ${line}`,
            );
          }
          seen.add(key.value);
        }
      },
    });
    return document;
  }

  function read(file: string, text: string): Json {
    try {
      if (file.endsWith(".json")) return checkDepth(JSON.parse(text) as Json);
      return checkDepth(toJson(parse(text).toJS({ maxAliasCount: MAX_ALIASES })));
    } catch (error) {
      if (error instanceof SyntaxError && !file.endsWith(".json")) throw error;
      throw new SyntaxError(shown(error), { cause: error });
    }
  }

  function readRecord(file: string, text: string): JsonRecord {
    const value = text.trim() === "" ? {} : read(file, text);
    if (isRecord(value)) return value;
    throw new SyntaxError(`It must hold fields, and holds ${value === null ? "nothing" : nameOf(value)}`);
  }

  return {
    read,
    readRecord,
    change(file, text, fields) {
      if (file.endsWith(".json")) {
        const next: Record<string, Json> = { ...text === undefined ? {} : readRecord(file, text) };
        for (const [name, value] of Object.entries(fields)) {
          if (value === undefined) delete next[name];
          else next[name] = value;
        }
        return `${JSON.stringify(next, undefined, 2)}\n`;
      }
      const before = text === undefined ? {} : readRecord(file, text);
      const document = text === undefined || text.trim() === "" ? new yaml.Document({}) : parse(text);
      for (const [name, value] of Object.entries(fields)) {
        if (value === undefined) document.delete(name);
        // What is the same keeps its form: quotes, comments, block or flow.
        else if (!sameJson(before[name], value)) {
          // A plain value goes into the node that is there, with its comment.
          const node = typeof value === "object" && value !== null
            ? document.createNode(value, { aliasDuplicateObjects: false })
            : value;
          document.set(name, node);
        }
      }
      return document.toString({ singleQuote: true, lineWidth: 0 });
    },
  };
}

/** Values of JSON are the same when their texts are. */
function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  return a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b);
}

/** `JSON.parse` shows the text around a mistake, which may be a secret. */
function shown(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof SyntaxError)) return message;
  const [place = ""] = /(?:at )?(?:position \d+|line \d+ column \d+).*$/.exec(message) ?? [];
  return `It is no JSON${place === "" ? "" : `: something is wrong ${place.startsWith("at") ? place : `at ${place}`}`}`;
}

function nameOf(value: Json): string {
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

/** What JSON has no word for becomes null, as the command line sends it. */
function toJson(value: unknown): Json {
  const text = JSON.stringify(value, (_name, one: unknown) => typeof one === "bigint" ? Number(one) : one);
  return text === undefined ? null : JSON.parse(text) as Json;
}

/**
 * Refuses texts that nobody writes, and on which the parser would end the stack or take minutes: it descends once for each bracket,
 * indicator and level, and goes back over runs of properties.
 */
function checkShape(text: string): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === 0x5b || char === 0x7b) depth++;
    else if ((char === 0x5d || char === 0x7d) && depth > 0) depth--;
    // Brackets in texts count too: nobody has a thousand open ones.
    if (depth > 1000) throw new SyntaxError("It has more than 1000 open brackets");
  }
  for (const [pattern, what] of RUNS) {
    const found = pattern.exec(text);
    if (found === null) continue;
    const line = text.slice(0, found.index).split("\n").length;
    throw new SyntaxError(`It has ${what} at line ${line}`);
  }
}

const RUNS: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/^ {1000}/m, "1000 spaces of indentation"],
  [/(?:[-?:][ \t]+){100}/, "100 indicators in a row"],
  [/(?:[!&][^\s]*\s+){20}/, "20 tags or anchors in a row"],
];

function checkDepth(value: Json): Json {
  const open: [Json, number][] = [[value, 0]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [one, depth] = next;
    if (typeof one !== "object" || one === null) continue;
    if (depth > MAX_DEPTH) throw new SyntaxError(`It is nested deeper than ${MAX_DEPTH} levels`);
    for (const inner of Object.values(one) as readonly Json[]) open.push([inner, depth + 1]);
  }
  return value;
}
