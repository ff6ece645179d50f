/**
 * Which name of a file means what: scopes, bindings, and the place of each reference.
 *
 * @module
 */
import { children, field, isFunction, list, nameOf, type Node } from "./check_syntax.ts";

/** A declared name. */
export interface Binding {
  readonly kind: "import" | "const" | "let" | "var" | "function" | "class" | "parameter" | "catch" | "other";
  readonly name: string;
  readonly scope: Scope;
  /** What declares it: a declarator, a function, a class, an import specifier, a pattern. */
  readonly node: Node;
  /** The whole value of a declarator that names one variable. */
  readonly init?: Node | undefined;
  /** Identifiers that read it, and that write it after its declaration. */
  readonly reads: Node[];
  readonly writes: Node[];
}

/** Where names live. */
export interface Scope {
  readonly node: Node;
  readonly parent: Scope | undefined;
  readonly bindings: Map<string, Binding>;
}

/** Names of a file. */
export interface Names {
  readonly top: Scope;
  /** What an identifier that reads or writes means; undefined: a global. */
  resolve(identifier: Node): Binding | undefined;
  /** True for an identifier that stands for a variable, and is no key, label or declaration. */
  isReference(node: Node): boolean;
  /** True for an identifier that is written to. */
  isWrite(node: Node): boolean;
  parent(node: Node): Node | undefined;
  /** The scope that a node opens. */
  scopeOf(node: Node): Scope | undefined;
  /** True when `scope` is, or lies in, the scope of `node`. */
  isWithin(scope: Scope, node: Node): boolean;
}

/** Finds all names of a program. */
export function namesOf(program: Node): Names {
  const parents = new Map<Node, Node>();
  const references = new Map<Node, Binding | undefined>();
  const writes = new Set<Node>();
  const scopes = new Map<Node, Scope>();
  const top: Scope = { node: program, parent: undefined, bindings: new Map() };

  function declare(scope: Scope, kind: Binding["kind"], id: Node | undefined, node: Node, init?: Node): void {
    for (const name of identifiersOf(id)) {
      if (scope.bindings.has(name)) continue;
      scope.bindings.set(name, { kind, name, scope, node, init, reads: [], writes: [] });
    }
  }

  /** Declares what statements declare: `let`, `const`, classes, functions; and each `var`, however deep. */
  function hoist(scope: Scope, node: Node, direct: boolean): void {
    for (const child of children(node)) {
      if (child.type === "ExportNamedDeclaration" || child.type === "ExportDefaultDeclaration") {
        hoist(scope, child, direct);
      } else if (child.type === "VariableDeclaration") {
        const kind = child["kind"] as string;
        if (kind !== "var" && !direct) continue;
        for (const declarator of list(child, "declarations")) {
          const id = field(declarator, "id");
          const known = kind === "let" || kind === "var" ? kind : "const";
          declare(scope, known, id, declarator, id?.type === "Identifier" ? field(declarator, "init") : undefined);
        }
      } else if (child.type === "FunctionDeclaration") {
        if (direct) declare(scope, "function", field(child, "id"), child);
      } else if (child.type === "ClassDeclaration") {
        if (direct) declare(scope, "class", field(child, "id"), child);
      } else if (child.type === "ImportDeclaration") {
        for (const specifier of list(child, "specifiers")) {
          declare(scope, "import", field(specifier, "local"), specifier);
        }
      } else if (!isFunction(child) && !child.type.startsWith("Class")) {
        hoist(scope, child, false);
      }
    }
  }

  function visit(node: Node, scope: Scope): void {
    let inner = scope;
    if (isFunction(node)) {
      inner = { node, parent: scope, bindings: new Map() };
      if (node.type === "FunctionExpression") declare(inner, "function", field(node, "id"), node);
      for (const parameter of list(node, "params")) declare(inner, "parameter", parameter, parameter);
      const body = field(node, "body");
      if (body?.type === "BlockStatement") hoist(inner, body, true);
    } else if (node.type === "BlockStatement" && !isFunction(parents.get(node)) || node.type === "StaticBlock") {
      inner = { node, parent: scope, bindings: new Map() };
      hoist(inner, node, true);
    } else if (node.type === "SwitchStatement") {
      inner = { node, parent: scope, bindings: new Map() };
      for (const one of list(node, "cases")) hoist(inner, one, true);
    } else if (/^For(?:In|Of)?Statement$/.test(node.type)) {
      inner = { node, parent: scope, bindings: new Map() };
      const head = field(node, node.type === "ForStatement" ? "init" : "left");
      if (head?.type === "VariableDeclaration" && head["kind"] !== "var") {
        for (const declarator of list(head, "declarations")) {
          declare(inner, head["kind"] === "let" ? "let" : "const", field(declarator, "id"), declarator);
        }
      }
    } else if (node.type === "CatchClause") {
      inner = { node, parent: scope, bindings: new Map() };
      declare(inner, "catch", field(node, "param"), node);
    } else if (node.type === "ClassExpression" && field(node, "id") !== undefined) {
      inner = { node, parent: scope, bindings: new Map() };
      declare(inner, "class", field(node, "id"), node);
    }
    scopes.set(node, inner);
    if (node.type === "AssignmentExpression" || node.type === "UpdateExpression") {
      for (const target of targetsOf(field(node, node.type === "UpdateExpression" ? "argument" : "left"))) {
        writes.add(target);
      }
    }
    if (/^For(?:In|Of)Statement$/.test(node.type) && field(node, "left")?.type !== "VariableDeclaration") {
      for (const target of targetsOf(field(node, "left"))) writes.add(target);
    }
    for (const child of children(node)) {
      parents.set(child, node);
      if (child.type === "Identifier") {
        if (isVariable(child, node)) note(child, inner);
      } else {
        visit(child, inner);
      }
    }
  }

  function note(identifier: Node, scope: Scope): void {
    const name = nameOf(identifier) ?? "";
    let binding: Binding | undefined;
    for (let at: Scope | undefined = scope; at !== undefined && binding === undefined; at = at.parent) {
      binding = at.bindings.get(name);
    }
    references.set(identifier, binding);
    if (binding === undefined) return;
    if (writes.has(identifier)) binding.writes.push(identifier);
    const above = parents.get(identifier);
    // A plain assignment does not read.
    if (!writes.has(identifier) || above?.type === "UpdateExpression" || above?.["operator"] !== "=") {
      binding.reads.push(identifier);
    }
  }

  hoist(top, program, true);
  visit(program, top);
  return {
    top,
    resolve: (identifier) => references.get(identifier),
    isReference: (node) => references.has(node),
    isWrite: (node) => writes.has(node),
    parent: (node) => parents.get(node),
    scopeOf: (node) => scopes.get(node),
    isWithin(scope, node): boolean {
      for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) if (at.node === node) return true;
      return false;
    },
  };
}

/** Names that a pattern declares. */
function identifiersOf(pattern: Node | undefined): readonly string[] {
  return targetsOf(pattern).map((target) => nameOf(target) ?? "");
}

/** Identifiers that a pattern binds or writes. */
function targetsOf(pattern: Node | undefined): readonly Node[] {
  switch (pattern?.type) {
    case "Identifier":
      return [pattern];
    case "ObjectPattern":
      return list(pattern, "properties").flatMap((property) =>
        targetsOf(field(property, property.type === "RestElement" ? "argument" : "value"))
      );
    case "ArrayPattern":
      return list(pattern, "elements").flatMap(targetsOf);
    case "AssignmentPattern":
      return targetsOf(field(pattern, "left"));
    case "RestElement":
      return targetsOf(field(pattern, "argument"));
    case "TSParameterProperty":
      return targetsOf(field(pattern, "parameter"));
    case "TSAsExpression":
    case "TSNonNullExpression":
      return targetsOf(field(pattern, "expression"));
    default:
      return [];
  }
}

/** True for an identifier that reads or writes a variable: no key, no label, no declaration. */
function isVariable(node: Node, parent: Node): boolean {
  switch (parent.type) {
    case "MemberExpression":
    case "OptionalMemberExpression":
      return field(parent, "property") !== node || parent["computed"] === true;
    case "ObjectProperty":
      // With a shorthand, key and value are two nodes at one place.
      return field(parent, "value") === node || parent["computed"] === true;
    case "ObjectMethod":
    case "ClassMethod":
    case "ClassPrivateMethod":
      return field(parent, "key") === node && parent["computed"] === true;
    case "ClassProperty":
    case "ClassAccessorProperty":
      return field(parent, "value") === node || parent["computed"] === true;
    case "VariableDeclarator":
      return field(parent, "init") === node;
    case "FunctionDeclaration":
    case "FunctionExpression":
      return false;
    case "ArrowFunctionExpression":
      return field(parent, "body") === node;
    case "ClassDeclaration":
    case "ClassExpression":
      return field(parent, "superClass") === node;
    case "ImportSpecifier":
    case "ImportDefaultSpecifier":
    case "ImportNamespaceSpecifier":
    case "LabeledStatement":
    case "BreakStatement":
    case "ContinueStatement":
    case "CatchClause":
    case "MetaProperty":
    case "ImportAttribute":
      return false;
    case "ExportSpecifier":
      return field(parent, "local") === node;
    default:
      return true;
  }
}
