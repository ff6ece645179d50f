/**
 * The rules of this repository's style that can be seen in the text of one file. Deno's linter loads it (`deno.json`).
 *
 * A rule is switched off for a line with `// deno-lint-ignore windkit/<rule> -- reason`.
 *
 * @module
 */

const root = new URL("../../", import.meta.url).pathname;

/** Path inside the repository, with `/`, whatever the platform. */
function inside(filename: string): string {
  const path = filename.replaceAll("\\", "/");
  const start = path.indexOf(root);
  return start === -1 ? path : path.slice(start + root.length);
}

/** True for the sources that are published. */
function isSource(path: string): boolean {
  return path === "mod.ts" || path.startsWith("src/") || path.startsWith("edge/");
}

const ambientFolders = ["src/platform/", "src/cli/", "src/runner/", "edge/"];

/** What a workflow session must not touch: it is replayed, and would see something else the second time. */
const impureNames = new Set([
  "fetch",
  "console",
  "crypto",
  "performance",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "clearTimeout",
  "clearInterval",
  "queueMicrotask",
  "WebSocket",
  "XMLHttpRequest",
]);

/** The name of an identifier, or undefined for any other expression. */
function nameOf(node: Deno.lint.Node | null | undefined): string | undefined {
  return node?.type === "Identifier" ? node.name : undefined;
}

/** The name of the property that a member expression reads, when it is written out. */
function propertyOf(node: Deno.lint.MemberExpression): string | undefined {
  if (!node.computed) return nameOf(node.property);
  return node.property.type === "Literal" ? String(node.property.value) : undefined;
}

/** `Deno`, `process` or `Bun`, read by name or from `globalThis`. */
function ambientObject(node: Deno.lint.Node): string | undefined {
  const expression = node.type === "ChainExpression" ? node.expression : node;
  const name = expression.type === "MemberExpression" && nameOf(expression.object) === "globalThis"
    ? propertyOf(expression)
    : nameOf(expression);
  return name === "Deno" || name === "process" || name === "Bun" ? name : undefined;
}

/** True where an identifier is a key, a name being declared, or a property: not a use of a global of that name. */
function isLabel(node: Deno.lint.Identifier): boolean {
  const parent: Deno.lint.Node = node.parent;
  switch (parent.type) {
    case "MemberExpression":
      return parent.property === node && !parent.computed;
    case "Property":
      return parent.key === node && !parent.computed && parent.value !== node;
    case "CallExpression":
    case "NewExpression":
      return false;
    default:
      return parent.type.startsWith("TS") || parent.type.endsWith("Definition") || parent.type.startsWith("Import") ||
        parent.type.startsWith("Export");
  }
}

/** First and last character that a message surely has: a template may begin or end with a value. */
function edgesOf(node: Deno.lint.Node | undefined): { readonly first: string; readonly last: string } | undefined {
  if (node?.type === "Literal" && typeof node.value === "string") {
    return { first: node.value.charAt(0), last: node.value.at(-1) ?? "" };
  }
  if (node?.type === "TemplateLiteral") {
    const first = node.quasis[0]?.cooked ?? "", last = node.quasis.at(-1)?.cooked ?? "";
    return { first: first.charAt(0), last: last.at(-1) ?? "" };
  }
  return undefined;
}

const topLevelFunction: Deno.lint.Rule = {
  create(context) {
    function report(node: Deno.lint.ArrowFunctionExpression | Deno.lint.FunctionExpression): void {
      context.report({
        node,
        message: "A function at top level is written as a variable",
        hint: "Write `function name(...): Type {}`: arrows only as arguments",
      });
    }
    return {
      "Program > VariableDeclaration > VariableDeclarator > ArrowFunctionExpression": report,
      "Program > VariableDeclaration > VariableDeclarator > FunctionExpression": report,
      "ExportNamedDeclaration > VariableDeclaration > VariableDeclarator > ArrowFunctionExpression": report,
      "ExportNamedDeclaration > VariableDeclaration > VariableDeclarator > FunctionExpression": report,
    };
  },
};

const optionDefault: Deno.lint.Rule = {
  create(context) {
    return {
      'LogicalExpression[operator="||"]'(node: Deno.lint.LogicalExpression) {
        const left = node.left.type === "ChainExpression" ? node.left.expression : node.left;
        if (left.type !== "MemberExpression") return;
        const object = nameOf(left.object);
        if (object === undefined || !/^(?:opts|options|config)$|Options$/.test(object)) return;
        // In a condition `||` asks a question, it gives no default.
        if (node.right.type !== "Literal" && node.right.type !== "ArrayExpression") {
          if (node.right.type !== "ObjectExpression" && node.right.type !== "TemplateLiteral") return;
        }
        context.report({
          node,
          message: "`||` as the default of an option replaces 0, false and the empty text too",
          hint: "Destructure with a default, or use `??`",
        });
      },
    };
  },
};

const emptyCatch: Deno.lint.Rule = {
  create(context) {
    return {
      CatchClause(node) {
        if (node.body.body.length > 0) return;
        context.report({ node, message: "A catch block does nothing", hint: "Handle the error, or let it pass" });
      },
    };
  },
};

const erasable: Deno.lint.Rule = {
  create(context) {
    function report(node: Deno.lint.Node, what: string): void {
      context.report({
        node,
        message: `${what} cannot be erased to JavaScript`,
        hint: "Node strips types and does not transform code: use a union of strings, a field, or a module",
      });
    }
    return {
      TSEnumDeclaration: (node) => report(node, "An enum"),
      TSParameterProperty: (node) => report(node, "A parameter property"),
      TSImportEqualsDeclaration: (node) => report(node, "An import assignment"),
      TSExportAssignment: (node) => report(node, "An export assignment"),
      TSModuleDeclaration(node) {
        if (node.declare || node.kind === "global") return;
        report(node, "A namespace");
      },
    };
  },
};

const hashPrivate: Deno.lint.Rule = {
  create(context) {
    function check(node: Deno.lint.PropertyDefinition | Deno.lint.MethodDefinition): void {
      if (node.accessibility === undefined || node.accessibility === "public") return;
      context.report({
        node,
        message: `\`${node.accessibility}\` is checked by the compiler only`,
        hint: "Write `#name`",
      });
    }
    return { PropertyDefinition: check, MethodDefinition: check };
  },
};

const inheritance: Deno.lint.Rule = {
  create(context) {
    if (!isSource(inside(context.filename))) return {};
    return {
      ClassDeclaration(node) {
        const parent = nameOf(node.superClass);
        if (node.superClass === null || parent?.endsWith("Error") === true) return;
        context.report({ node, message: "Only errors inherit", hint: "Compose: keep the other object in a field" });
      },
    };
  },
};

const pureCore: Deno.lint.Rule = {
  create(context) {
    if (!inside(context.filename).startsWith("src/workflow/")) return {};
    function report(node: Deno.lint.Node, what: string): void {
      context.report({
        node,
        message: `${what} in the workflow core differs on replay`,
        hint: "Return a command: the engine does it and appends the event",
      });
    }
    return {
      Identifier(node) {
        if (impureNames.has(node.name) && !isLabel(node)) report(node, `\`${node.name}\``);
      },
      MemberExpression(node) {
        const object = nameOf(node.object), property = propertyOf(node);
        if (object === "Date" && property === "now") report(node, "`Date.now`");
        if (object === "Math" && property === "random") report(node, "`Math.random`");
        if (object === "globalThis" && property !== undefined && impureNames.has(property)) {
          report(node, `\`${property}\``);
        }
      },
      NewExpression(node) {
        if (nameOf(node.callee) === "Date" && node.arguments.length === 0) report(node, "`new Date()`");
      },
      CallExpression(node) {
        if (nameOf(node.callee) === "Date") report(node, "`Date()`");
      },
    };
  },
};

const rootExports: Deno.lint.Rule = {
  create(context) {
    if (inside(context.filename) !== "mod.ts") return {};
    return {
      ExportAllDeclaration(node) {
        context.report({
          node,
          message: "`export *` in mod.ts",
          hint: "Name every export: the list is the public API",
        });
      },
    };
  },
};

const ambientRead: Deno.lint.Rule = {
  create(context) {
    const path = inside(context.filename);
    if (!isSource(path) || ambientFolders.some((folder) => path.startsWith(folder))) return {};
    return {
      MemberExpression(node) {
        const object = ambientObject(node.object), property = propertyOf(node);
        // A built-in module of the runtime is loaded where it is needed; it is no state of the process.
        if (object === undefined || property === "getBuiltinModule") return;
        context.report({
          node,
          message: `\`${object}.${property ?? "[...]"}\` is read outside platform, cli, runner and edge`,
          hint: "Take it as an option, or read it in src/platform",
        });
      },
    };
  },
};

const errorText: Deno.lint.Rule = {
  create(context) {
    if (!isSource(inside(context.filename))) return {};
    return {
      NewExpression(node) {
        if (nameOf(node.callee)?.endsWith("Error") !== true) return;
        const [argument] = node.arguments, edges = edgesOf(argument);
        if (argument === undefined || edges === undefined) return;
        if (/[a-z]/.test(edges.first)) {
          context.report({ node: argument, message: "An error text begins with a small letter" });
        }
        if (edges.last === ".") context.report({ node: argument, message: "An error text ends with a period" });
      },
    };
  },
};

/** The rules, under the names by which a comment refers to them: `windkit/<name>`. */
const plugin: Deno.lint.Plugin = {
  name: "windkit",
  rules: {
    "top-level-function": topLevelFunction,
    "option-default": optionDefault,
    "empty-catch": emptyCatch,
    "erasable": erasable,
    "hash-private": hashPrivate,
    "inheritance": inheritance,
    "pure-core": pureCore,
    "root-exports": rootExports,
    "ambient-read": ambientRead,
    "error-text": errorText,
  },
};

export default plugin;
