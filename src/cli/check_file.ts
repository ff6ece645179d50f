/**
 * Everything that `windkit check` says of one file. Pure: texts in, findings out.
 *
 * @module
 */
import { guess } from "./arguments.ts";
import { checkBody, type Workflow, workflowOf } from "./check_body.ts";
import {
  createModules,
  type Module,
  type Modules,
  type ReadImport,
  readModule,
  type SdkCall,
  sdkCalls,
  type Style,
  styleOf,
} from "./check_module.ts";
import { checkNames, type TaskName } from "./check_names.ts";
import { isOfficial, OFFICIAL_OPTIONS, OFFICIAL_VERSION, officialNames } from "./check_official.ts";
import { annotations, misses, recognise } from "./check_recognition.ts";
import { compareFindings, type Finding, finding, type Found, type RuleId } from "./check_rules.ts";
import {
  field,
  isFunction,
  isMember,
  list,
  nameOf,
  type Node,
  type Parse,
  propertyOf,
  textOf,
  type Tree,
  UnreadableSourceError,
  unwrap,
  walk,
} from "./check_syntax.ts";

/** A file to check. */
export interface CheckInput {
  /** Path as it is shown, and as it is found. */
  readonly file: string;
  readonly path: string;
  readonly source: string;
  /** What says that a Deno worker runs it: a file's name, a line of a settings file. */
  readonly denoBy?: string;
  /** Other names for `workflow`, for bodies that are handed to a helper. Tests only. */
  readonly bodiesOf?: readonly string[];
  /** What this package exports, by the name it is imported under; names of others are not looked at. */
  readonly ownExports?: ReadonlyMap<string, readonly string[]>;
}

/** What was found. */
export interface FileReport {
  readonly file: string;
  /** The worker drives it round by round. */
  readonly recognised: boolean;
  /** Lines by which it is recognised. */
  readonly importLine?: number;
  readonly workflowLine?: number;
  /** Whose functions it is written with; absent: neither's. */
  readonly style?: Style;
  /** Export that the worker runs. */
  readonly entrypoint?: string;
  readonly tasks: readonly TaskName[];
  readonly findings: readonly Finding[];
}

/** Checks a file. */
export function checkFile(input: CheckInput, parse: Parse, read: ReadImport): FileReport {
  const { file, source } = input;
  const { recognised, importLine, workflowLine } = recognise(source);
  const findings: Finding[] = [];
  const tell = (rule: RuleId, node: Node | number, found: Found): void => {
    const start = typeof node === "number" ? { line: node, column: 0 } : node.loc.start;
    findings.push(finding(rule, { file, line: start.line, column: start.column + 1 }, found));
  };
  const seen = {
    file,
    recognised,
    ...(importLine === undefined ? undefined : { importLine }),
    ...(workflowLine === undefined ? undefined : { workflowLine }),
  };
  for (const { line, text, instead } of misses(source)) tell("not-recognised", line, { what: text, instead });

  let module: Module;
  try {
    module = readModule(parse, input, true);
  } catch (error) {
    if (!(error instanceof UnreadableSourceError)) throw error;
    findings.push(finding("syntax", { file, line: error.line, column: error.column }, { what: error.message }));
    return { ...seen, tasks: [], findings: findings.sort(compareFindings) };
  }
  const modules = createModules(module, parse, read);
  const style = checkImports(input, module, modules, tell);
  checkRuntime(input, module, tell);
  const entrypoint = checkEntrypoint(module, modules, tell);
  const calls = sdkCalls(modules, module);
  checkOptions(calls, tell);
  const report = (found: Finding): void => void findings.push(found);
  const tasks = checkNames(modules, module, report);
  const others = followedModules(module, modules);
  for (const other of others) checkNames(modules, other, report);
  for (const workflow of workflowsOf(module, modules, calls, input.bodiesOf ?? [])) {
    checkBody(modules, workflow, report);
  }
  for (const one of [module, ...others]) checkTaskBodies(modules, one, report);
  const kept = [module, ...others].reduce((left, one) => withoutIgnored(left, one), findings);
  return {
    ...seen,
    ...(style === undefined ? undefined : { style }),
    ...(entrypoint === undefined ? undefined : { entrypoint }),
    tasks,
    findings: unique(kept).sort(compareFindings),
  };
}

type Tell = (rule: RuleId, node: Node | number, found: Found) => void;

/** What the file imports, and from which client. */
function checkImports(input: CheckInput, module: Module, modules: Modules, tell: Tell): Style | undefined {
  const { program, names } = module;
  const vocabulary = new Map<Style, Node>();
  let hasOfficial = false;
  for (const statement of list(program, "body")) {
    if (statement.type !== "ImportDeclaration") continue;
    const source = textOf(field(statement, "source")) ?? "";
    const isType = statement["importKind"] === "type";
    const style = styleOf(source);
    if (!isType) checkSpecifier(statement, source, tell);
    if (style === undefined || isType) continue;
    if (style === "official") hasOfficial = true;
    for (const specifier of list(statement, "specifiers")) {
      if (specifier["importKind"] === "type") continue;
      const local = names.top.bindings.get(nameOf(field(specifier, "local")) ?? "");
      const isUsed = (local?.reads.length ?? 0) > 0;
      if (specifier.type !== "ImportSpecifier") {
        if (isUsed) vocabulary.set(style, specifier);
        if (style === "official") checkMembers(module, modules, specifier, tell);
        continue;
      }
      const imported = field(specifier, "imported");
      const name = nameOf(imported) ?? textOf(imported) ?? "";
      // A name that is used as a type only is left out before the file runs.
      if (!isUsed) continue;
      if (/^(?:workflow|task|taskScript|taskFlow|step|sleep|parallel|waitForApproval|race|withTimeout)$/.test(name)) {
        vocabulary.set(style, specifier);
      }
      if (style === "official" && !isOfficial(name)) {
        const what = `The official client ${OFFICIAL_VERSION} has no "${name}"${guess(name, officialNames())}`;
        tell("unknown-name", specifier, { what });
      }
      const own = style === "own" ? ownNames(input, source) : undefined;
      if (own !== undefined && name !== "default" && !own.includes(name)) {
        tell("unknown-name", specifier, {
          what: `"${source}" has no "${name}"${guess(name, own)}`,
          why: "The file does not load, here or on a cluster",
          instead: "Import a name that the module exports, or take the module that exports it",
        });
      }
    }
  }
  const [own, official] = [vocabulary.get("own"), vocabulary.get("official")];
  if (own !== undefined && official !== undefined) {
    tell("mixed-clients", official, {
      what: `This name is the official client's, that of line ${own.loc.start.line} is @windkit/windmill-client's`,
    });
  }
  if (own !== undefined && !hasOfficial) {
    tell("client-import", names.parent(own) ?? own, {
      what: 'The functions are those of @windkit/windmill-client, and no line imports "windmill-client" itself',
    });
  }
  return own !== undefined ? "own" : official !== undefined || hasOfficial ? "official" : undefined;
}

/** What a module of this package exports, whatever version is asked for. */
function ownNames({ ownExports }: CheckInput, source: string): readonly string[] | undefined {
  return ownExports?.get(source.replace(/^(?:npm|jsr):/, "").replace(/^(@windkit\/windmill-client)@[^/]*/, "$1"));
}

/** `wmill.name` of a namespace or of the default export. */
function checkMembers(module: Module, modules: Modules, specifier: Node, tell: Tell): void {
  const isDefault = specifier.type === "ImportDefaultSpecifier";
  const local = module.names.top.bindings.get(nameOf(field(specifier, "local")) ?? "");
  for (const read of local?.reads ?? []) {
    const parent = module.names.parent(read);
    if (!isMember(parent) || field(parent, "object") !== read) continue;
    const name = propertyOf(parent);
    if (name === undefined || name === "default" || isOfficial(name, isDefault)) continue;
    if (modules.meaning(module, parent)?.is !== "sdk") continue;
    const known = officialNames(isDefault);
    tell("unknown-name", parent, {
      what: `The official client ${OFFICIAL_VERSION} has no "${name}"${guess(name, known)}`,
    });
  }
}

function checkSpecifier(statement: Node, source: string, tell: Tell): void {
  if (/^(?:jsr:|https?:)/.test(source)) {
    tell("deno", statement, {
      what: `"${source}" can be loaded by Deno only`,
      instead: source.startsWith("jsr:") ? "Use the package of npm" : 'import ... from "package@1.2.3"',
    });
  } else if (source.startsWith("npm:")) {
    const bare = source.replace(/^npm:\/?/, "");
    tell("specifier", statement, {
      what: `"${source}" is written as Deno has it`,
      instead: `import ... from "${bare}"`,
    });
  }
}

/** Whether the Bun worker runs it, with its wrapper. */
function checkRuntime({ source, denoBy }: CheckInput, { program, names }: Module, tell: Tell): void {
  const native = annotations(source).get("native");
  if (native !== undefined) tell("native", native, { what: "The file is marked as a native script" });
  if (denoBy !== undefined) {
    tell("deno", 1, {
      what: `The file is a script for the Deno worker: ${denoBy}`,
      instead: "Deploy it as a script for Bun",
    });
  }
  const uses: Node[] = [];
  let asks = false;
  walk(program, (node) => {
    if (
      node.type === "Identifier" && nameOf(node) === "Deno" && names.resolve(node) === undefined &&
      names.isReference(node)
    ) {
      const parent = names.parent(node);
      if (parent?.type === "UnaryExpression") asks = true;
      else if (isMember(parent)) uses.push(parent);
    }
    if (isMember(node) && propertyOf(node) === "Deno") asks = true;
  });
  const [use] = uses;
  if (use !== undefined && !asks) tell("deno", use, { what: `"Deno.${propertyOf(use) ?? ""}" is not there under Bun` });
}

/** What the worker runs: wac-protocol 1.4, step 3. */
function checkEntrypoint(module: Module, modules: Modules, tell: Tell): string | undefined {
  const found = new Map<string, Node>();
  let other: Node | undefined;
  const note = (name: string, node: Node): void => {
    if (workflowOf(modules, module, node) !== undefined || isWorkflowCall(modules, module, node)) found.set(name, node);
    else if (name === "default") other = node;
  };
  for (const statement of list(module.program, "body")) {
    if (statement.type === "ExportDefaultDeclaration") {
      const value = field(statement, "declaration");
      if (value !== undefined) note("default", value);
    }
    if (statement.type !== "ExportNamedDeclaration" || statement["exportKind"] === "type") continue;
    for (const declarator of list(field(statement, "declaration"), "declarations")) {
      const name = nameOf(field(declarator, "id"));
      const init = field(declarator, "init");
      if (name !== undefined && init !== undefined) note(name, init);
    }
    if (field(statement, "source") !== undefined) continue;
    for (const specifier of list(statement, "specifiers")) {
      const as = field(specifier, "exported");
      const local = field(specifier, "local");
      if (local !== undefined) note(nameOf(as) ?? textOf(as) ?? "", local);
    }
  }
  if (found.has("default")) return "default";
  const [first, ...others] = [...found.keys()].sort();
  if (first === undefined) {
    const made = sdkCalls(modules, module).find(({ name }) => name === "workflow");
    tell("no-entrypoint", made?.call ?? other ?? 1, {
      what: made !== undefined
        ? "This workflow is not exported"
        : other !== undefined
        ? "The default export is no workflow, and no other export is one"
        : "Nothing that workflow() returned is exported",
    });
    return undefined;
  }
  if (others.length > 0) {
    tell("several-workflows", found.get(others[0] ?? "") ?? 1, {
      what: `${found.size} workflows are exported, and none as default: the worker runs "${first}", the first by name`,
    });
  }
  return first;
}

/** `workflow(body)`, also where the body comes from elsewhere. */
function isWorkflowCall(modules: Modules, module: Module, node: Node): boolean {
  const found = modules.meaning(module, node);
  const [home, value] = found?.is === "local" ? [found.module, found.binding.init] : [module, node];
  const call = unwrap(value);
  const callee = call?.type === "CallExpression" ? modules.meaning(home, field(call, "callee")) : undefined;
  return callee?.is === "sdk" && callee.name === "workflow";
}

/** Options that the official client does not read. */
function checkOptions(calls: readonly SdkCall[], tell: Tell): void {
  for (const made of calls) {
    const { style, name, args } = made;
    const known = style === "official" && Object.hasOwn(OFFICIAL_OPTIONS, name) ? OFFICIAL_OPTIONS[name] : undefined;
    if (known === undefined) continue;
    const at = optionsAt(made);
    const value = unwrap(args[at]);
    if (known.length === 0 && value !== undefined) {
      tell("unknown-option", value, { what: `${name}() of the official client takes no options` });
      continue;
    }
    for (const property of value?.type === "ObjectExpression" ? list(value, "properties") : []) {
      const option = nameOf(field(property, "key"));
      if (option === undefined || known.includes(option) || property["computed"] === true) continue;
      tell("unknown-option", property, {
        what: `${name}() of the official client ${OFFICIAL_VERSION} has no option "${option}"`,
      });
    }
  }
}

/** Which argument holds the options. */
function optionsAt({ name, args }: SdkCall): number {
  if (name === "waitForApproval") return 0;
  return name === "taskScript" || name === "taskFlow" || (name === "task" && textOf(args[0]) === undefined) ? 1 : 2;
}

/** The workflows of a file, by the names that they have there. */
function workflowsOf(
  module: Module,
  modules: Modules,
  calls: readonly SdkCall[],
  bodiesOf: readonly string[],
): readonly Workflow[] {
  const found: Workflow[] = [];
  for (const { name, style, call, args } of calls) {
    if (name !== "workflow") continue;
    const target = modules.functionOf(module, args[0]);
    if (target !== undefined) found.push({ name: shownName(call, module), ...target, style });
  }
  if (bodiesOf.length === 0) return found;
  walk(module.program, (node) => {
    const name = nameOf(field(node, "callee")) ?? "";
    const [fn] = list(node, "arguments");
    if (!bodiesOf.includes(name) || !isFunction(unwrap(fn))) return;
    found.push({ name, module, fn: unwrap(fn) as Node, style: "own" });
  });
  return found;
}

function shownName(call: Node, { names }: Module): string {
  const parent = names.parent(call);
  if (parent?.type === "VariableDeclarator") return nameOf(field(parent, "id")) ?? "workflow";
  return parent?.type === "ExportDefaultDeclaration" ? "default" : "workflow";
}

/** Tasks that no body leads to: what is inside them must not call, either. */
function checkTaskBodies(modules: Modules, module: Module, report: (found: Finding) => void): void {
  for (const { name, style, call } of sdkCalls(modules, module)) {
    if (name !== "task") continue;
    // A body that is nothing but the making of the task.
    const fn = {
      ...call,
      type: "ArrowFunctionExpression",
      params: [],
      body: call,
      arguments: undefined,
      callee: undefined,
    };
    checkBody(modules, { name: "", module, fn, style }, (found) => {
      if (found.rule === "call-in-step") report(found);
    });
  }
}

function followedModules(module: Module, modules: Modules): readonly Module[] {
  const found = new Set<Module>();
  for (const statement of list(module.program, "body")) {
    const source = statement.type === "ImportDeclaration" ? textOf(field(statement, "source")) : undefined;
    const other = source !== undefined && /^[./]/.test(source) ? modules.imported(module, source) : undefined;
    if (other !== undefined) found.add(other);
  }
  return [...found];
}

/** Leaves out what `// windkit-ignore: reason` on the line before allows. */
function withoutIgnored(
  findings: readonly Finding[],
  { comments, file }: Pick<Tree, "comments"> & { readonly file: string },
): Finding[] {
  const lines = new Set<number>();
  const unreasoned: Finding[] = [];
  for (const { type, value, loc } of comments) {
    const found = type === "CommentLine" ? /^\s*windkit-ignore\b\s*:?\s*(.*)$/.exec(value) : null;
    if (found === null) continue;
    lines.add(loc.start.line + 1);
    if (found[1]?.trim() === "") {
      const place = { file, line: loc.start.line, column: loc.start.column + 1 };
      unreasoned.push(
        finding("ignore-without-reason", place, { what: "This comment allows the next line without a reason" }),
      );
    }
  }
  return [...findings.filter((one) => one.file !== file || !lines.has(one.line)), ...unreasoned];
}

/** One finding a rule and place; a file may be no workflow in two ways. */
function unique(findings: readonly Finding[]): Finding[] {
  const key = ({ rule, file, line, column, what }: Finding): string =>
    `${rule} ${file}:${line}:${column} ${rule === "not-recognised" ? what : ""}`;
  return [...new Map(findings.map((one) => [key(one), one])).values()];
}
