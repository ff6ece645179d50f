/**
 * What the body of a workflow does that a replay would not do again, with the functions that it calls. The closures of steps and
 * tasks run once, and may do anything but call.
 *
 * @module
 */
import { hazardOf } from "./check_hazards.ts";
import { asksServer, COMBINATORS, RECORDED } from "./check_official.ts";
import { type Finding, finding, type Found, type RuleId } from "./check_rules.ts";
import { type Module, type Modules, type SdkCall, sdkCall, type Style, TASK_MAKERS, taskOf } from "./check_module.ts";
import type { Binding } from "./check_scope.ts";
import { createBranches } from "./check_branches.ts";
import {
  children,
  field,
  isCall,
  isFunction,
  isMember,
  list,
  nameOf,
  type Node,
  propertyOf,
  textOf,
  unwrap,
  walk,
} from "./check_syntax.ts";

/** A workflow of a file. */
export interface Workflow {
  /** As it is exported or declared. */
  readonly name: string;
  readonly module: Module;
  /** The body. */
  readonly fn: Node;
  readonly style: Style;
}

/** Where the walk is. */
interface At {
  readonly module: Module;
  /** The closure of a step or task that encloses it; undefined in the body. */
  readonly closure?: {
    /** Its function, and those that were called from there. */
    readonly fns: readonly Node[];
    readonly of: string;
  };
  /** Functions from the body to here. */
  readonly way: readonly string[];
}

/** Methods that change what they are called on. */
const MUTATORS: ReadonlySet<string> = /* @__PURE__ */ new Set(
  ["push", "unshift", "pop", "shift", "splice", "sort", "reverse", "fill", "set", "add", "delete", "clear"],
);

/** Reports what is wrong in a workflow's body. */
export function checkBody(modules: Modules, workflow: Workflow, report: (found: Finding) => void): void {
  const { style, fn: body } = workflow;
  const seen = new Set<string>();
  const entered = new Map<Node, Set<string>>();

  function tell(rule: RuleId, module: Module, node: Node, found: Found): void {
    const { line, column } = node.loc.start;
    const id = `${rule} ${module.path} ${node.start}`;
    if (seen.has(id)) return;
    seen.add(id);
    report(finding(rule, { file: module.file, line, column: column + 1 }, found));
  }

  /** As in: in the body of "main", by way of helper(). */
  function where({ closure, way }: At): string {
    if (closure !== undefined) return `inside the closure of ${closure.of}`;
    const by = way.length === 0 ? "" : `, by way of ${way.map((name) => `${name}()`).join(", ")}`;
    return `in the body of "${workflow.name}"${by}`;
  }

  function textAt({ source }: Module, node: Node): string {
    const text = source.slice(node.start, node.end).replace(/\s+/g, " ");
    return text.length > 60 ? `${text.slice(0, 57)}...` : text;
  }

  const branches = createBranches(modules, workflow, (rule, module, node, found) => tell(rule, module, node, found));

  /** Walks a function that is called, or handed on, from here; once for each role that it has. */
  function enter(target: { readonly module: Module; readonly fn: Node }, at: At, name: string): void {
    const role = at.closure === undefined ? "body" : at.closure.of;
    const roles = entered.get(target.fn) ?? new Set();
    if (roles.has(role)) return;
    entered.set(target.fn, roles.add(role));
    const way = at.closure === undefined ? [...at.way, name] : at.way;
    const inner = at.closure === undefined ? undefined : { ...at.closure, fns: [...at.closure.fns, target.fn] };
    const next = { ...at, module: target.module, way, ...(inner === undefined ? undefined : { closure: inner }) };
    for (const child of children(target.fn)) visit(child, next);
  }

  /** The closure of a step or task: written here, or a function of a name. */
  function closure(expression: Node | undefined, at: At, of: string): void {
    const target = modules.functionOf(at.module, expression);
    if (target === undefined) {
      if (expression !== undefined) visit(expression, { ...at, closure: { fns: [expression], of } });
      return;
    }
    enter(target, { ...at, closure: { fns: [target.fn], of } }, of);
  }

  function options(node: Node | undefined, at: At, of: string): void {
    const value = unwrap(node);
    if (value?.type !== "ObjectExpression") return void (value !== undefined && visit(value, at));
    for (const property of list(value, "properties")) {
      const inner = property.type === "ObjectMethod" ? property : unwrap(field(property, "value"));
      if (isFunction(inner)) closure(inner, at, of);
      else visit(property, at);
    }
  }

  function visitSdk(made: SdkCall, at: At): void {
    const { name, args, call } = made;
    const shown = `${name}(${args[0] === undefined ? "" : textAt(at.module, args[0])})`;
    if (at.closure !== undefined && (RECORDED.has(name) || COMBINATORS.has(name))) {
      tell("call-in-step", at.module, call, { what: `${shown} is called ${where(at)}` });
    }
    if (at.closure === undefined && asksServer(name)) {
      tell("network", at.module, call, {
        what: `${name}() is called ${where(at)}`,
        instead: `await step("${stepName(name)}", () => ${name}(...));`,
      });
    }
    if (name === "step") {
      if (args[0] !== undefined) visit(args[0], at);
      closure(args[1], at, `step ${args[0] === undefined ? "" : textAt(at.module, args[0])}`.trim());
      options(args[2], at, "an undo");
    } else if (TASK_MAKERS.has(name)) {
      for (const arg of args) {
        if (isFunction(unwrap(arg)) || modules.functionOf(at.module, arg) !== undefined) closure(arg, at, "a task");
        else options(arg, at, "an undo");
      }
    } else if (name !== "workflow") {
      branches.ofCombinator(made, at.module, at.closure === undefined);
      for (const arg of args) visit(arg, at);
    }
  }

  function visitCall(node: Node, at: At): void {
    const { module } = at;
    const made = sdkCall(modules, module, node);
    if (made !== undefined) return visitSdk(made, at);
    const callee = unwrap(field(node, "callee"));
    const task = taskOf(modules, module, callee);
    if (task !== undefined && at.closure !== undefined) {
      tell("call-in-step", module, node, { what: `Task ${textAt(module, node)} is called ${where(at)}` });
    }
    if (task !== undefined && isCall(callee)) visitSdk(task.made, { ...at, module: task.module });
    const inner = workflowOf(modules, module, callee);
    if (inner !== undefined && at.closure === undefined) enter(inner, at, nameOf(callee) ?? "workflow");
    if (at.closure === undefined) {
      visitPromise(node, callee, at);
      if (isMember(callee)) branches.ofMethod(node, callee, module);
    }
    if (isMember(callee)) visitMutation(node, callee, at);
    if (task === undefined && callee !== undefined) visit(callee, at);
    for (const arg of list(node, "arguments")) visit(arg, at);
  }

  function visitPromise(node: Node, callee: Node | undefined, { module }: At): void {
    const found = modules.meaning(module, callee);
    if (found?.is !== "outside") return;
    if (found.path === "Promise.race" || found.path === "Promise.any") {
      const hangs = style === "official" && found.path === "Promise.any";
      tell(hangs ? "settled-hangs" : "race", module, node, {
        what: `${found.path}() is called in the body of "${workflow.name}"`,
        ...(style === "official" && !hangs
          ? { instead: "Wait for all with Promise.all(), or use race() of @windkit/windmill-client" }
          : {}),
      });
    } else if (found.path === "Promise.allSettled" && style === "official") {
      tell("settled-hangs", module, node, { what: `Promise.allSettled() is called in the body of "${workflow.name}"` });
    }
    if (/^Promise\.(?:all|allSettled|race|any)$/.test(found.path)) branches.ofList(list(node, "arguments")[0], module);
  }

  // --- State ---

  /** The variable that a chain of properties begins with. */
  function rootOf(expression: Node | undefined, { names }: Module): Binding | undefined {
    let node = unwrap(expression);
    while (isMember(node)) node = unwrap(field(node, "object"));
    return node?.type === "Identifier" ? names.resolve(node) : undefined;
  }

  function isOfModule({ scope, kind }: Binding, { names }: Module): boolean {
    return scope === names.top && kind !== "import" && kind !== "function" && kind !== "class";
  }

  function visitMutation(call: Node, callee: Node, at: At): void {
    const method = propertyOf(callee);
    if (method === undefined || !MUTATORS.has(method)) return;
    const binding = rootOf(field(callee, "object"), at.module);
    if (binding === undefined) return;
    const container = unwrap(binding.init);
    const holds = container?.type === "ArrayExpression" || container?.type === "ObjectExpression" ||
      container?.type === "NewExpression";
    if (holds) written(binding, call, at, `${binding.name}.${method}()`);
  }

  function written(binding: Binding, node: Node, at: At, shown: string): void {
    const { module } = at;
    if (at.closure === undefined) {
      if (isOfModule(binding, module)) {
        tell("shared-state", module, node, { what: `${shown} changes a variable of the module ${where(at)}` });
      }
      return;
    }
    // What is declared in the body, outside the closure that writes to it.
    const { names } = workflow.module;
    if (module !== workflow.module || !names.isWithin(binding.scope, body)) return;
    if (at.closure.fns.some((fn) => names.isWithin(binding.scope, fn))) return;
    // Who never reads it loses nothing.
    const [closure] = at.closure.fns;
    if (closure === undefined || binding.reads.every((read) => isBelow(read, closure, module))) return;
    tell("step-writes-outside", module, node, {
      what: `${shown} changes a variable of the body ${where(at)}`,
      instead: `const ${binding.name} = await step("name", () => ...);`,
    });
  }

  function isBelow(node: Node, above: Node, { names }: Module): boolean {
    for (let at: Node | undefined = node; at !== undefined; at = names.parent(at)) if (at === above) return true;
    return false;
  }

  /** True when a function of the module writes to the variable: it changes while runs are under way. */
  function changes({ writes }: Binding, { names }: Module): boolean {
    return writes.some((write) => {
      for (let node = names.parent(write); node !== undefined; node = names.parent(node)) {
        if (isFunction(node)) return true;
      }
      return false;
    });
  }

  // --- Names ---

  /** A name, or a chain of properties, that is read. True when that is all that there is to see. */
  function visitName(node: Node, at: At): boolean {
    const { module, closure: inside } = at;
    const found = modules.meaning(module, node);
    if (found?.is === "outside" && inside === undefined) {
      const hazard = hazardOf(found.path);
      if (hazard === undefined) return false;
      const parent = module.names.parent(node);
      const isCalled = (isCall(parent) || parent?.type === "NewExpression") && field(parent, "callee") === node;
      const made = parent?.type === "NewExpression" ? "new " : "";
      tell(hazard.rule, module, isCalled ? parent : node, {
        what: `${made}${textAt(module, node)}${isCalled ? "()" : ""} is used ${where(at)}`,
        ...instead(hazard.rule, found.path),
      });
      return true;
    }
    if (found?.is !== "local") return false;
    const target = modules.functionOf(module, node);
    if (target !== undefined) {
      enter(target, at, found.binding.name);
      return true;
    }
    const { binding } = found;
    if (binding.kind === "class") {
      enter({ module: found.module, fn: binding.node }, at, `new ${binding.name}`);
    } else if (node.type === "Identifier" && inside === undefined && !module.names.isWrite(node)) {
      const isVariable = binding.kind === "let" || binding.kind === "var";
      if (isVariable && isOfModule(binding, found.module) && changes(binding, found.module)) {
        tell("shared-state", module, node, {
          what: `"${binding.name}", a variable of the module that functions write to, is read ${where(at)}`,
        });
      }
    }
    return node.type === "Identifier";
  }

  function instead(rule: RuleId, path: string): { readonly instead?: string } {
    if (style === "own") {
      if (rule === "clock") return { instead: "const at = now();" };
      if (path === "Math.random") return { instead: "const value = random();" };
      if (path.endsWith("randomUUID") || /^(?:uuid|nanoid|ulid)\b/.test(path)) return { instead: "const id = uuid();" };
    } else if (path === "Math.random") {
      return { instead: 'const value = await step("random", () => Math.random());' };
    }
    return {};
  }

  function visitDate(node: Node, at: At): boolean {
    const callee = unwrap(field(node, "callee"));
    const found = modules.meaning(at.module, callee);
    if (found?.is !== "outside" || found.path !== "Date" || at.closure !== undefined) return false;
    const isNew = node.type === "NewExpression";
    if (isNew && list(node, "arguments").length > 0) return false;
    tell("clock", at.module, node, {
      what: `${isNew ? "new Date" : "Date"}() is used ${where(at)}`,
      instead: style === "own"
        ? "const date = new Date(now());"
        : 'const now = new Date(await step("now", () => Date.now()));',
    });
    return true;
  }

  // --- Statements ---

  /** The call that an expression makes and leaves alone, when it is one that a run records. */
  function recordedCall(expression: Node | undefined, module: Module): Node | undefined {
    const node = unwrap(expression);
    if (!isCall(node)) return undefined;
    const made = sdkCall(modules, module, node);
    if (made !== undefined) return RECORDED.has(made.name) || COMBINATORS.has(made.name) ? node : undefined;
    const callee = unwrap(field(node, "callee"));
    const task = taskOf(modules, module, callee);
    if (task !== undefined) return hasOption(task.made, "unawaited") ? undefined : node;
    if (!isMember(callee)) return asyncHelper(callee, module) ? node : undefined;
    const method = propertyOf(callee);
    if (method === "then" || method === "catch" || method === "finally") {
      return recordedCall(field(callee, "object"), module);
    }
    const [first] = list(node, "arguments");
    return (method === "forEach" || method === "map") && asyncHelper(first, module) ? node : undefined;
  }

  /** An async function that makes recorded calls: to leave it alone is to leave them alone. */
  function asyncHelper(expression: Node | undefined, module: Module): boolean {
    const target = modules.functionOf(module, expression);
    if (target?.fn["async"] !== true) return false;
    let found = false;
    walk(target.fn, (node) => {
      if (!found && isCall(node) && node !== expression) {
        const made = sdkCall(modules, target.module, node);
        found = (made !== undefined && RECORDED.has(made.name)) ||
          (made === undefined && taskOf(modules, target.module, field(node, "callee")) !== undefined);
      }
      return !found;
    });
    return found;
  }

  function leftAlone(expression: Node | undefined, at: At): void {
    if (at.closure !== undefined) return;
    const call = recordedCall(expression, at.module);
    if (call === undefined) return;
    tell("unawaited", at.module, call, {
      what: `${textAt(at.module, call)} is not awaited ${where(at)}`,
      instead: /\.(?:forEach|map)\(/.test(textAt(at.module, call))
        ? "await parallel(items, async (item) => { ... });"
        : `await ${textAt(at.module, call)};`,
    });
  }

  function visitTry(node: Node, at: At): void {
    const handler = field(node, "handler");
    if (style !== "official" || at.closure !== undefined || handler === undefined) return;
    let suspends = false;
    walk(field(node, "block") as Node, (inner) => {
      if (inner.type === "AwaitExpression" && isSuspending(field(inner, "argument"), at.module)) suspends = true;
      return !isFunction(inner);
    });
    if (suspends && !letsPass(handler, at.module)) {
      tell("catches-suspension", at.module, handler, {
        what: `This handler, ${where(at)}, catches the suspension of the calls in its block`,
      });
    }
  }

  function isSuspending(expression: Node | undefined, module: Module): boolean {
    const node = unwrap(expression);
    return recordedCall(node, module) !== undefined ||
      (isCall(node) && taskOf(modules, module, field(node, "callee")) !== undefined) ||
      (isCall(node) && /^Promise\./.test(textAt(module, node)));
  }

  /** A handler that looks for the suspension, or throws on what it caught. */
  function letsPass(handler: Node, module: Module): boolean {
    const caught = nameOf(field(handler, "param"));
    if (module.source.slice(handler.start, handler.end).includes("StepSuspend")) return true;
    let passes = false;
    walk(handler, (inner) => {
      if (inner.type === "ThrowStatement" && caught !== undefined && nameOf(field(inner, "argument")) === caught) {
        passes = true;
      }
      return !passes && !isFunction(inner);
    });
    return passes;
  }

  function visit(node: Node, at: At): void {
    switch (node.type) {
      case "FunctionDeclaration":
      case "ClassDeclaration":
        return; // walked where it is used
      case "UnaryExpression":
        if (node["operator"] === "typeof") return;
        break;
      case "VariableDeclarator": {
        const init = unwrap(field(node, "init"));
        const id = field(node, "id");
        if (id?.type === "Identifier") {
          if (isFunction(init)) return;
          const binding = declared(node, at.module);
          if (binding !== undefined && binding.reads.length === 0) leftAlone(init, at);
        }
        if (id !== undefined && id.type !== "Identifier") visit(id, at);
        return void (init !== undefined && visit(init, at));
      }
      case "ExpressionStatement":
        leftAlone(field(node, "expression"), at);
        break;
      case "TryStatement":
        visitTry(node, at);
        break;
      case "CallExpression":
      case "OptionalCallExpression":
        if (visitDate(node, at)) return;
        return visitCall(node, at);
      case "NewExpression":
        if (visitDate(node, at)) return;
        break;
      case "AssignmentExpression":
      case "UpdateExpression": {
        const target = unwrap(field(node, node.type === "UpdateExpression" ? "argument" : "left"));
        const binding = rootOf(target, at.module);
        const isPlain = target?.type === "Identifier";
        if (binding !== undefined && (isPlain || isOfModule(binding, at.module) || at.closure !== undefined)) {
          const holds = isPlain || unwrap(binding.init) !== undefined;
          if (holds) written(binding, node, at, textAt(at.module, node));
        }
        break;
      }
      case "Identifier":
        if (at.module.names.isReference(node)) visitName(node, at);
        return;
      case "MemberExpression":
      case "OptionalMemberExpression": {
        if (visitName(node, at)) return;
        const object = field(node, "object");
        if (object !== undefined) visit(object, at);
        const property = field(node, "property");
        if (node["computed"] === true && property !== undefined) visit(property, at);
        return;
      }
    }
    for (const child of children(node)) visit(child, at);
  }

  function declared(declarator: Node, { names }: Module): Binding | undefined {
    const name = nameOf(field(declarator, "id")) ?? "";
    for (let node = names.parent(declarator); node !== undefined; node = names.parent(node)) {
      const scope = names.scopeOf(node);
      const binding = scope?.bindings.get(name);
      if (binding?.node === declarator) return binding;
    }
    return undefined;
  }

  for (const child of children(body)) visit(child, { module: workflow.module, way: [] });
}

/** The body of a workflow that an expression names. */
export function workflowOf(
  modules: Modules,
  module: Module,
  expression: Node | undefined,
): { readonly module: Module; readonly fn: Node; readonly style: Style } | undefined {
  const node = unwrap(expression);
  const found = modules.meaning(module, node);
  const [home, value] = found?.is === "local" ? [found.module, found.binding.init] : [module, node];
  const made = sdkCall(modules, home, value);
  if (made?.name !== "workflow") return undefined;
  const target = modules.functionOf(home, made.args[0]);
  return target === undefined ? undefined : { ...target, style: made.style };
}

/** True when a call has an object with a property of that name. */
function hasOption({ args }: SdkCall, name: string): boolean {
  return args.some((arg) => {
    const value = unwrap(arg);
    return value?.type === "ObjectExpression" &&
      list(value, "properties").some((property) =>
        (nameOf(field(property, "key")) ?? textOf(field(property, "key"))) === name
      );
  });
}

function stepName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
