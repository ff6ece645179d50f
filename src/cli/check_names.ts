/**
 * The names of a file's tasks: written by hand, taken from the function, written in by the worker (wac-protocol 1.4), or none.
 *
 * @module
 */
import { type Module, type Modules, type SdkCall, sdkCalls } from "./check_module.ts";
import { type Finding, finding } from "./check_rules.ts";
import { field, isFunction, isMember, nameOf, type Node, textOf, unwrap } from "./check_syntax.ts";
import { writtenNames } from "../workflow/task_names.ts";

/** A task of a file. */
export interface TaskName {
  /** What its key is drawn from. */
  readonly name: string;
  readonly line: number;
  /** Who gives it: the call's first argument, the function's own name, the worker by the variable's name, nobody. */
  readonly by: "argument" | "function" | "worker" | "nobody";
}

/**
 * Lists the tasks of a file, and reports those without a name.
 *
 * @param report called with each finding
 * @returns in the order of the text
 */
export function checkNames(modules: Modules, module: Module, report: (found: Finding) => void): readonly TaskName[] {
  const written = module.isEntry ? writtenNames(module.source) : [];
  const tasks: TaskName[] = [];
  for (const made of sdkCalls(modules, module)) {
    if (made.name !== "task") continue;
    const { call, args: [first, second] } = made;
    const { line, column } = call.loc.start;
    const path = textOf(first);
    const isPath = path !== undefined || unwrap(first)?.type === "TemplateLiteral";
    const fn = unwrap(isPath ? second : first);
    // The function's own name goes before a name that is written (wac-protocol 4).
    const own = fn?.type === "FunctionExpression" ? nameOf(field(fn, "id")) : undefined;
    if (own !== undefined) {
      tasks.push({ name: own, line, by: "function" });
    } else if (isPath) {
      tasks.push({ name: path ?? "(made up when it is called)", line, by: "argument" });
    } else if (!isFunction(fn)) {
      // A function of a name, or an expression that gives one.
      const name = nameOf(fn);
      if (name !== undefined) tasks.push({ name, line, by: "function" });
    } else {
      const name = written.find(({ at }) => at === fn.start)?.name;
      tasks.push(name === undefined ? { name: "step", line, by: "nobody" } : { name, line, by: "worker" });
      if (name !== undefined) continue;
      const variable = variableOf(call, module);
      report(finding("unnamed-task", { file: module.file, line, column: column + 1 }, {
        what: `This task has no name: ${reason(made, fn, module)}`,
        instead: `${module.source.slice(call.start, field(call, "callee")?.end)}("${variable ?? "name"}", ${
          fn["async"] === true ? "async " : ""
        }(...) => { ... })`,
      }));
    }
  }
  return tasks;
}

/** Why the worker does not write a name in. */
function reason({ call }: SdkCall, fn: Node, module: Module): string {
  const rule = "the worker writes one into `const NAME = task(async ...`";
  const callee = field(call, "callee");
  if (!module.isEntry) return `${rule}, in the workflow's own file only`;
  if (fn["async"] !== true) return `${rule}, and its function is not async`;
  if (isMember(callee)) return `${rule}, and not where a dot comes before \`task\``;
  if (nameOf(callee) !== "task") return `${rule}, and here the function has another name`;
  const parent = module.names.parent(call);
  const id = field(parent, "id");
  if (parent?.type !== "VariableDeclarator" || id?.type !== "Identifier") {
    return `${rule}, and this is no such declaration`;
  }
  if (id["typeAnnotation"] !== undefined && id["typeAnnotation"] !== null) return `${rule}, and not after a type`;
  if (/^\s*<[^(]*>[^(]*>/.test(module.source.slice(callee?.end, fn.start))) {
    return `${rule}, and not after type arguments within type arguments`;
  }
  return `${rule}, and something stands in between`;
}

function variableOf(call: Node, module: Module): string | undefined {
  const parent = module.names.parent(call);
  return parent?.type === "VariableDeclarator"
    ? nameOf(field(parent, "id"))
    : parent?.type === "ObjectProperty"
    ? nameOf(field(parent, "key"))
    : undefined;
}
