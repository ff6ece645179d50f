/**
 * Branches of a body that run at the same time, and what they do in the order in which their calls happen to end.
 *
 * @module
 */
import { RECORDED } from "./check_official.ts";
import type { Found, RuleId } from "./check_rules.ts";
import { type Module, type Modules, type SdkCall, sdkCall, taskOf } from "./check_module.ts";
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
} from "./check_syntax.ts";

/** What a branch does after it has waited for something. */
interface Late {
  /** The name of a call, when it is the same for every item. */
  readonly name?: string;
  /** A list outside the branch that it adds to. */
  readonly pushes?: string;
  readonly module: Module;
  readonly node: Node;
}

interface Branch {
  readonly module: Module;
  readonly fn: Node;
}

/** Looks at what runs branches. */
export interface Branches {
  /** `parallel(items, fn)`, `race({ a, b })`. */
  ofCombinator(made: SdkCall, module: Module, inBody: boolean): void;
  /** `items.map(async (item) => ...)` and its like. */
  ofMethod(call: Node, callee: Node, module: Module): void;
  /** The list that is given to `Promise.all()`. */
  ofList(argument: Node | undefined, module: Module): void;
}

/** Calls of one function within another that are followed. */
const DEPTH = 4;

export function createBranches(
  modules: Modules,
  workflow: { readonly style: string },
  tell: (rule: RuleId, module: Module, node: Node, found: Found) => void,
): Branches {
  /** What a branch does late, in the order in which it does it. */
  function lateOf(branch: Branch): readonly Late[] {
    const found: Late[] = [];
    let waited = false;
    /** The branch, and the functions that it is in. */
    const fns: Node[] = [];

    function go(node: Node, module: Module, depth: number): void {
      if (isFunction(node)) return; // only when it is called
      // What a loop's body does in one turn comes after what it waited for in the turn before.
      if (/^(?:For|While|DoWhile)\w*Statement$/.test(node.type)) waited ||= awaits(field(node, "body") ?? node);
      for (const child of children(node)) go(child, module, depth);
      if (node.type === "AwaitExpression") waited = true;
      if (isCall(node)) called(node, module, depth);
    }

    function called(node: Node, module: Module, depth: number): void {
      const callee = unwrap(field(node, "callee"));
      const name = staticName(node, module);
      if (waited && name !== undefined) found.push({ name, module, node });
      if (waited && isMember(callee) && ["push", "unshift", "splice"].includes(propertyOf(callee) ?? "")) {
        const list = unwrap(field(callee, "object"));
        const binding = list?.type === "Identifier" ? module.names.resolve(list) : undefined;
        if (binding !== undefined && !fns.some((fn) => module.names.isWithin(binding.scope, fn))) {
          found.push({ pushes: binding.name, module, node });
        }
      }
      if (depth <= 0) return;
      const made = sdkCall(modules, module, node);
      if (made?.name === "step" || made?.name === "task") return;
      const inner = made === undefined ? modules.functionOf(module, callee) : undefined;
      if (inner !== undefined) bodyOf(inner, depth - 1);
      for (const arg of list(node, "arguments")) {
        if (isFunction(unwrap(arg))) bodyOf({ module, fn: unwrap(arg) as Node }, depth - 1);
      }
    }

    function bodyOf({ module, fn }: Branch, depth: number): void {
      const body = field(fn, "body");
      if (body === undefined || fns.includes(fn)) return;
      fns.push(fn);
      go(body, module, depth);
      fns.pop();
    }

    bodyOf(branch, DEPTH);
    return found;
  }

  /** The name that a call draws its key from, where that can be read. */
  function staticName(node: Node, module: Module): string | undefined {
    const made = sdkCall(modules, module, node);
    if (made !== undefined) {
      if (made.name === "step") return textOf(made.args[0]);
      if (made.name === "sleep" || made.name === "sleepUntil") return "sleep";
      if (made.name !== "waitForApproval") return RECORDED.has(made.name) ? textOf(made.args[0]) : undefined;
      const value = unwrap(made.args[0]);
      const hasKey = list(value, "properties").some((property) => nameOf(field(property, "key")) === "key");
      return hasKey || (value !== undefined && value.type !== "ObjectExpression") ? undefined : "approval";
    }
    const task = taskOf(modules, module, field(node, "callee"));
    if (task === undefined) return undefined;
    const { args } = task.made;
    const written = textOf(args[0]);
    if (task.made.name !== "task") return written?.split("/").at(-1);
    // A name that is made up of something is each item's own.
    const first = unwrap(args[0]);
    if (first?.type === "TemplateLiteral" && written === undefined) return undefined;
    return written ?? task.variable ?? "step";
  }

  function same(late: readonly Late[]): void {
    for (const { name, pushes, module, node } of late) {
      if (name !== undefined) {
        tell("same-name", module, node, {
          what: `"${name}" is called from branches that run at the same time, after something that each waits for`,
        });
      } else {
        tell("completion-order", module, node, {
          what: `"${pushes}" is added to by branches that run at the same time, after something that each waits for`,
          // The official client records no order.
          ...(workflow.style === "official" ? { severity: "error" as const } : {}),
        });
      }
    }
  }

  /** Branches that are written one by one: what two of them share. */
  function different(all: readonly (readonly Late[])[]): void {
    const counts = new Map<string, number>();
    const key = ({ name, pushes }: Late): string => name === undefined ? `push ${pushes}` : `call ${name}`;
    for (const late of all) for (const id of new Set(late.map(key))) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const late of all) same(late.filter((one) => (counts.get(key(one)) ?? 0) > 1));
  }

  function branchOf(expression: Node | undefined, module: Module): Branch | undefined {
    return modules.functionOf(module, expression);
  }

  return {
    ofCombinator({ name, args }, module, inBody): void {
      if (!inBody) return;
      if (name === "parallel") {
        const branch = branchOf(args[1], module);
        if (branch !== undefined && !isOneByOne(args[2])) same(lateOf(branch));
      } else if (name === "race") {
        const value = unwrap(args[0]);
        const thunks = value?.type === "ObjectExpression"
          ? list(value, "properties").map((property) =>
            property.type === "ObjectMethod" ? property : field(property, "value")
          )
          : list(value, "elements");
        const found = thunks.map((thunk) => branchOf(thunk, module));
        different(found.map((branch) => branch === undefined ? [] : lateOf(branch)));
      }
    },
    ofMethod(call, callee, module): void {
      const method = propertyOf(callee);
      if (method !== "map" && method !== "forEach" && method !== "flatMap") return;
      const branch = branchOf(list(call, "arguments")[0], module);
      if (branch?.fn["async"] === true) same(lateOf(branch));
    },
    ofList(argument, module): void {
      const value = unwrap(argument);
      if (value?.type !== "ArrayExpression") return;
      different(
        list(value, "elements").map((element) => {
          const node = unwrap(element);
          if (!isCall(node) || sdkCall(modules, module, node) !== undefined) return [];
          const branch = branchOf(field(node, "callee"), module);
          return branch === undefined ? [] : lateOf(branch);
        }),
      );
    },
  };
}

function awaits(node: Node): boolean {
  if (node.type === "AwaitExpression") return true;
  return children(node).some((child) => !isFunction(child) && awaits(child));
}

function isOneByOne(options: Node | undefined): boolean {
  return list(unwrap(options), "properties").some((property) =>
    nameOf(field(property, "key")) === "concurrency" && unwrap(field(property, "value"))?.["value"] === 1
  );
}
