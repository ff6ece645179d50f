/**
 * A parsed file with the meaning of its names: which are Windmill's, which are tasks, which lead into another file.
 *
 * @module
 */
import { type Binding, type Names, namesOf } from "./check_scope.ts";
import {
  type Comment,
  field,
  isCall,
  isFunction,
  isMember,
  list,
  nameOf,
  type Node,
  type Parse,
  propertyOf,
  textOf,
  unwrap,
  walk,
} from "./check_syntax.ts";

/** Whose functions a file is written with: (a) the official client's, (b) this package's (design.md 3). */
export type Style = "official" | "own";

/** A file. */
export interface Module {
  /** Path as it is shown. */
  readonly file: string;
  /** Path as it is found. */
  readonly path: string;
  readonly source: string;
  readonly program: Node;
  readonly comments: readonly Comment[];
  readonly names: Names;
  /** True for the file that is checked, false for one that it imports. */
  readonly isEntry: boolean;
}

/** What a name leads to. */
export type Meaning =
  /** A function of Windmill's, or of this package. */
  | { readonly is: "sdk"; readonly style: Style; readonly name: string }
  /** Something declared in a file that was read. */
  | { readonly is: "local"; readonly module: Module; readonly binding: Binding }
  /** A name of the runtime's, with its properties: `Date.now`, `node:fs.readFileSync`, `uuid.v4`. */
  | { readonly is: "outside"; readonly path: string };

/** Reads a file that another one imports; undefined when it is not found, or not to be followed. */
export type ReadImport = (
  specifier: string,
  from: string,
) => { readonly path: string; readonly file: string; readonly source: string } | undefined;

/** Reads files and follows names through them. */
export interface Modules {
  readonly entry: Module;
  /** What an expression names; undefined when that cannot be told. */
  meaning(module: Module, expression: Node | undefined): Meaning | undefined;
  /** The function that an expression is, or leads to. */
  functionOf(module: Module, expression: Node | undefined): { readonly module: Module; readonly fn: Node } | undefined;
  /** The file that an import leads to, when it is followed. */
  imported(module: Module, specifier: string): Module | undefined;
}

/** Built-in modules whose names are the same as globals of the runtime, by what stands before them there. */
const AS_GLOBALS: Readonly<Record<string, string>> = {
  "node:process": "process",
  "node:crypto": "crypto",
  "node:timers": "",
  "node:perf_hooks": "",
};

const BUILT_IN =
  /^(?:assert|async_hooks|buffer|child_process|cluster|crypto|dgram|dns|events|fs|http|http2|https|net|os|path|perf_hooks|process|readline|stream|timers|tls|url|util|v8|vm|worker_threads|zlib)(?:\/|$)/;

/**
 * Whose module an import names.
 *
 * @param source the specifier
 * @returns undefined for others
 */
export function styleOf(source: string): Style | undefined {
  if (/^(?:npm:)?windmill-client(?:@[^/]*)?(?:\/.*)?$/.test(source)) return "official";
  return /^(?:(?:npm|jsr):)?@windkit\/windmill-client(?:@[^/]*)?(?:\/.*)?$/.test(source) ? "own" : undefined;
}

/** Parses a file, and finds its names. */
export function readModule(
  parse: Parse,
  { path, file, source }: { readonly path: string; readonly file: string; readonly source: string },
  isEntry: boolean,
): Module {
  const { program, comments } = parse(source, path);
  return { file, path, source, program, comments, names: namesOf(program), isEntry };
}

/** Follows names from a file into those that it imports, one file deep. */
export function createModules(entry: Module, parse: Parse, read: ReadImport): Modules {
  const followed = new Map<string, Module | undefined>();

  function imported(module: Module, specifier: string): Module | undefined {
    if (!module.isEntry) return undefined;
    if (!followed.has(specifier)) {
      const found = read(specifier, module.path);
      let next: Module | undefined;
      try {
        next = found === undefined ? undefined : readModule(parse, found, false);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error; // what it imports cannot be read: the runtime will say so
      }
      followed.set(specifier, next);
    }
    return followed.get(specifier);
  }

  /** What a name that a module exports leads to. */
  function exported(module: Module, name: string): Meaning | undefined {
    for (const statement of list(module.program, "body")) {
      if (statement.type === "ExportDefaultDeclaration" && name === "default") {
        return meaning(module, field(statement, "declaration"));
      }
      if (statement.type !== "ExportNamedDeclaration") continue;
      for (const specifier of list(statement, "specifiers")) {
        const as = field(specifier, "exported");
        if ((nameOf(as) ?? textOf(as)) !== name) continue;
        const local = field(specifier, "local");
        const source = textOf(field(statement, "source"));
        if (source === undefined) return meaning(module, local);
        return ofImport(module, source, nameOf(local) ?? name);
      }
    }
    const binding = module.names.top.bindings.get(name);
    return binding === undefined ? undefined : ofBinding(module, binding);
  }

  function ofImport(module: Module, source: string, name: string): Meaning | undefined {
    const style = styleOf(source);
    if (style !== undefined) return { is: "sdk", style, name };
    if (/^[./]/.test(source)) {
      const next = imported(module, source);
      return next === undefined ? undefined : exported(next, name);
    }
    const base = moduleName(source);
    return { is: "outside", path: name === "*" || name === "default" ? base : joined(base, name) };
  }

  function ofBinding(module: Module, binding: Binding): Meaning | undefined {
    const { kind, node, init } = binding;
    if (kind !== "import") {
      const source = kind === "const" ? requiredSource(module, init) : undefined;
      return source === undefined ? { is: "local", module, binding } : ofImport(module, source, "*");
    }
    const source = textOf(field(module.names.parent(node), "source")) ?? "";
    const name = node.type === "ImportNamespaceSpecifier"
      ? "*"
      : node.type === "ImportDefaultSpecifier"
      ? "default"
      : nameOf(field(node, "imported")) ?? textOf(field(node, "imported")) ?? "";
    return ofImport(module, source, name);
  }

  function meaning(module: Module, expression: Node | undefined): Meaning | undefined {
    const node = unwrap(expression);
    if (node?.type === "Identifier") {
      const binding = module.names.resolve(node);
      return binding === undefined ? { is: "outside", path: nameOf(node) ?? "" } : ofBinding(module, binding);
    }
    if (node?.type === "MetaProperty") return { is: "outside", path: "import.meta" };
    if (!isMember(node)) return undefined;
    const property = propertyOf(node);
    const object = meaning(module, field(node, "object"));
    if (object?.is === "sdk") {
      // `wmill.step`, of a namespace or of the default export.
      const isWhole = object.name === "*" || object.name === "default";
      return isWhole && property !== undefined ? { ...object, name: property } : undefined;
    }
    if (object?.is === "outside") {
      const base = object.path === "globalThis" || object.path === "self" ? "" : object.path;
      return { is: "outside", path: joined(base, property ?? "*") };
    }
    if (object?.is !== "local" || property === undefined) return undefined;
    const { binding } = object;
    const value = unwrap(binding.init);
    if (binding.kind !== "const" || value?.type !== "ObjectExpression") return undefined;
    for (const member of list(value, "properties")) {
      if (nameOf(field(member, "key")) !== property) continue;
      const found = member.type === "ObjectMethod" ? member : field(member, "value");
      if (found === undefined) return undefined;
      return { is: "local", module: object.module, binding: { ...binding, name: property, init: found, node: found } };
    }
    return undefined;
  }

  function functionOf(
    module: Module,
    expression: Node | undefined,
  ): { readonly module: Module; readonly fn: Node } | undefined {
    const node = unwrap(expression);
    if (isFunction(node)) return { module, fn: node };
    const found = meaning(module, node);
    if (found?.is !== "local") return undefined;
    const { binding } = found;
    if (isFunction(binding.node)) return { module: found.module, fn: binding.node };
    const value = unwrap(binding.init);
    return (binding.kind === "const" || binding.kind === "let") && isFunction(value)
      ? { module: found.module, fn: value }
      : undefined;
  }

  return { entry, meaning, functionOf, imported };
}

/** A call of a function of Windmill's. */
export interface SdkCall {
  readonly style: Style;
  readonly name: string;
  readonly call: Node;
  readonly args: readonly Node[];
}

/** Reads a call of a function of Windmill's; undefined for another expression. */
export function sdkCall(modules: Modules, module: Module, expression: Node | undefined): SdkCall | undefined {
  const call = unwrap(expression);
  if (!isCall(call)) return undefined;
  const found = modules.meaning(module, field(call, "callee"));
  return found?.is === "sdk"
    ? { style: found.style, name: found.name, call, args: list(call, "arguments") }
    : undefined;
}

/** Names of the functions that make tasks. */
export const TASK_MAKERS: ReadonlySet<string> = /* @__PURE__ */ new Set(["task", "taskScript", "taskFlow"]);

/** The call of `task()`, `taskScript()` or `taskFlow()` that an expression is, or leads to. */
export function taskOf(
  modules: Modules,
  module: Module,
  expression: Node | undefined,
): { readonly made: SdkCall; readonly module: Module; readonly variable: string | undefined } | undefined {
  const direct = sdkCall(modules, module, expression);
  if (direct !== undefined) {
    return TASK_MAKERS.has(direct.name) ? { made: direct, module, variable: undefined } : undefined;
  }
  const found = modules.meaning(module, expression);
  if (found?.is !== "local") return undefined;
  const made = sdkCall(modules, found.module, found.binding.init);
  return made !== undefined && TASK_MAKERS.has(made.name)
    ? { made, module: found.module, variable: found.binding.name }
    : undefined;
}

/** All calls of Windmill's functions in a file. */
export function sdkCalls(modules: Modules, module: Module): readonly SdkCall[] {
  const found: SdkCall[] = [];
  walk(module.program, (node) => {
    const call = isCall(node) ? sdkCall(modules, module, node) : undefined;
    if (call !== undefined) found.push(call);
  });
  return found;
}

function requiredSource(module: Module, init: Node | undefined): string | undefined {
  const value = unwrap(init);
  const call = value?.type === "AwaitExpression" ? unwrap(field(value, "argument")) : value;
  if (call?.type === "ImportExpression") return textOf(field(call, "source"));
  if (!isCall(call)) return undefined;
  const callee = field(call, "callee");
  const isLoad = callee?.type === "Import" ||
    (nameOf(callee) === "require" && callee !== undefined && module.names.resolve(callee) === undefined);
  return isLoad ? textOf(list(call, "arguments")[0]) : undefined;
}

/** A package by its name alone, without version and registry; built-in modules with `node:`. */
function moduleName(source: string): string {
  const bare = source.replace(/^(?:npm|jsr):\/?/, "").replace(/^((?:@[^/]+\/)?[^/@]+)@[^/]*/, "$1");
  const name = BUILT_IN.test(bare) ? `node:${bare}` : bare;
  return AS_GLOBALS[name] ?? name;
}

function joined(base: string, name: string): string {
  return base === "" ? name : `${base}.${name}`;
}
