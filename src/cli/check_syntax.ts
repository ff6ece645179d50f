/**
 * The parser that `windkit check` uses, and what the check needs of its tree.
 *
 * The parser is Babel's: `@babel/parser`, an optional peer that is loaded when a file is checked. Why this one: it is plain
 * JavaScript with one dependency of types, so it runs the same on Deno, Node and Bun; it reads TypeScript and JSX, keeps comments
 * with their places, and has had the same tree since 2018. `typescript` has no parser to call from version 7 on, and is
 * ten times the size before; `oxc-parser` is faster, which nobody notices for one file, and is a binary for each platform;
 * `es-module-lexer` sees imports only; acorn reads no TypeScript.
 *
 * @module
 */
import { MissingPackageError } from "../base/errors.ts";
import { runtimeOf } from "./runtime.ts";

/** A place in a file as Babel has it: columns count from 0. */
interface Position {
  readonly line: number;
  readonly column: number;
}

/** A node of the tree. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly loc: { readonly start: Position; readonly end: Position };
  readonly [field: string]: unknown;
}

/** A comment. */
export interface Comment {
  readonly type: "CommentLine" | "CommentBlock";
  readonly value: string;
  readonly loc: { readonly start: Position; readonly end: Position };
}

/** A parsed file. */
export interface Tree {
  readonly program: Node;
  readonly comments: readonly Comment[];
}

/** Reads a text. */
export type Parse = (source: string, file: string) => Tree;

/** A text that is no program. */
export class UnreadableSourceError extends SyntaxError {
  /** Line from 1, and column from 1. */
  readonly line: number;
  readonly column: number;
  /** Builds the error. */
  constructor(message: string, line: number, column: number, options?: ErrorOptions) {
    super(message, options);
    this.line = line;
    this.column = column;
  }
}

interface BabelParser {
  parse(source: string, options: Readonly<Record<string, unknown>>): Tree & { readonly program: Node };
}

const PACKAGE = "@babel/parser";

/**
 * Loads the parser.
 *
 * @returns a function that parses
 * @throws MissingPackageError when the package is not installed
 */
export async function loadParser(): Promise<Parse> {
  let parser: BabelParser;
  try {
    // A name in a variable, so that no bundler wants it to be there.
    const name = PACKAGE;
    const loaded = await import(name) as BabelParser & { readonly default?: BabelParser };
    parser = typeof loaded.parse === "function" ? loaded : loaded.default as BabelParser;
  } catch (cause) {
    const { name } = runtimeOf();
    const add = name === "Deno" ? "deno add npm:" : name === "Bun" ? "bun add --dev " : "npm install --save-dev ";
    throw new MissingPackageError(
      `Cannot check a file: the package "${PACKAGE}" is not installed. Add it: ${add}${PACKAGE}`,
      { cause },
    );
  }
  return (source, file) => parse(parser, source, file);
}

function parse(parser: BabelParser, source: string, file: string): Tree {
  const isScript = /\.[cm]?tsx?$/.test(file);
  const hasJsx = /x$/.test(file) || !isScript;
  try {
    const { program, comments } = parser.parse(source, {
      sourceType: "module",
      allowReturnOutsideFunction: true,
      allowAwaitOutsideFunction: true,
      errorRecovery: true,
      attachComment: false,
      plugins: [
        ...(isScript ? ["typescript"] : []),
        ...(hasJsx ? ["jsx"] : []),
        "decorators",
        "explicitResourceManagement",
      ],
    });
    return { program, comments };
  } catch (cause) {
    const { loc, message } = cause as { readonly loc?: Position; readonly message: string };
    const text = message.replace(/\s*\(\d+:\d+\)$/, "").replace(/\.$/, "");
    throw new UnreadableSourceError(text, loc?.line ?? 1, (loc?.column ?? 0) + 1, { cause });
  }
}

/** Expressions of TypeScript that give what they hold. */
const WRAPPERS: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "TSAsExpression",
  "TSSatisfiesExpression",
  "TSNonNullExpression",
  "TSTypeAssertion",
  "TSInstantiationExpression",
  "ParenthesizedExpression",
]);

const SKIPPED: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "loc",
  "extra",
  "errors",
  "comments",
  "tokens",
  "leadingComments",
  "trailingComments",
  "innerComments",
]);

/** The field of a node when it holds a node. */
export function field(node: Node | undefined, name: string): Node | undefined {
  const value = node?.[name];
  return isNode(value) ? value : undefined;
}

/** The nodes of a field that holds a list; holes are left out. */
export function list(node: Node | undefined, name: string): readonly Node[] {
  const value = node?.[name];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** Name of an identifier, or of a private name; undefined for other nodes. */
export function nameOf(node: Node | undefined): string | undefined {
  const name = node?.["name"];
  return (node?.type === "Identifier" || node?.type === "JSXIdentifier") && typeof name === "string" ? name : undefined;
}

/** The text that an expression surely is: a string, or a template without values. */
export function textOf(node: Node | undefined): string | undefined {
  const inner = unwrap(node);
  if (inner?.type === "StringLiteral") return String(inner["value"]);
  if (inner?.type !== "TemplateLiteral" || list(inner, "expressions").length > 0) return undefined;
  const [quasi] = list(inner, "quasis");
  const { cooked } = (quasi?.["value"] ?? {}) as { readonly cooked?: string };
  return cooked;
}

/** Name of the property that a member expression reads, when it is written out. */
export function propertyOf(node: Node): string | undefined {
  const property = field(node, "property");
  return node["computed"] === true ? textOf(property) : nameOf(property);
}

/** Takes type assertions and parentheses away. */
export function unwrap(node: Node | undefined): Node | undefined {
  let inner = node;
  while (inner !== undefined && WRAPPERS.has(inner.type)) inner = field(inner, "expression");
  return inner;
}

/** `a.b`, `a?.b`, `a[b]`. */
export type MemberNode = Node & { readonly type: "MemberExpression" | "OptionalMemberExpression" };
/** `f()`, `f?.()`. */
export type CallNode = Node & { readonly type: "CallExpression" | "OptionalCallExpression" };
/** A function in any form. */
export type FunctionNode = Node & {
  readonly type:
    | "FunctionDeclaration"
    | "FunctionExpression"
    | "ArrowFunctionExpression"
    | "ObjectMethod"
    | "ClassMethod"
    | "ClassPrivateMethod";
};

/** True for a member expression, optional or not. */
export function isMember(node: Node | undefined): node is MemberNode {
  return node?.type === "MemberExpression" || node?.type === "OptionalMemberExpression";
}

/** True for a call, optional or not. */
export function isCall(node: Node | undefined): node is CallNode {
  return node?.type === "CallExpression" || node?.type === "OptionalCallExpression";
}

/** True for a function that is an expression, a declaration or a method. */
export function isFunction(node: Node | undefined): node is FunctionNode {
  return node !== undefined &&
    /^(?:FunctionDeclaration|FunctionExpression|ArrowFunctionExpression|ObjectMethod|Class(?:Private)?Method)$/
      .test(node.type);
}

/** The nodes below a node in the order of the text, without those that are types only. */
export function children(node: Node): readonly Node[] {
  const found: Node[] = [];
  for (const name of Object.keys(node)) {
    if (SKIPPED.has(name)) continue;
    const value = node[name];
    if (isNode(value)) found.push(value);
    else if (Array.isArray(value)) { for (const item of value) if (isNode(item)) found.push(item); }
  }
  return found.filter(isCode).sort((a, b) => a.start - b.start);
}

/** Calls `visit` for a node and all below it; false keeps out of what is below. */
export function walk(node: Node, visit: (node: Node) => boolean | void): void {
  if (visit(node) === false) return;
  for (const child of children(node)) walk(child, visit);
}

function isCode({ type }: Node): boolean {
  return !type.startsWith("TS") || WRAPPERS.has(type) || type === "TSParameterProperty" ||
    type === "TSExportAssignment";
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null &&
    typeof (value as { readonly type?: unknown }).type === "string" &&
    "loc" in value;
}
