/**
 * The rules of `windkit check`: what each finds, why it matters, and what to write instead. `docs/check.md` has them with
 * examples; a test compares the two.
 *
 * @module
 */

/** How much a finding matters: an error is wrong somewhere that the file is meant to run, a warning may be. */
export type Severity = "error" | "warning";

/** One rule. */
interface Rule {
  readonly severity: Severity;
  /** Why it matters. */
  readonly why: string;
  /** What to write instead, where a finding has nothing better. */
  readonly instead: string;
}

const REPLAYED = "The body runs again from the top on every round of a cluster and after every restart";

/** Rules by id. */
export const RULES = {
  syntax: {
    severity: "error",
    why: "No runtime can load the file",
    instead: "Mend what the parser names",
  },
  "not-recognised": {
    severity: "error",
    why:
      "The worker recognises workflow-as-code by the text of the file, line by line; it would run this one as a plain script",
    instead: 'import "windmill-client";',
  },
  "client-import": {
    severity: "error",
    why: "The worker's wrapper imports three names from `windmill-client`, and installs only what the file imports",
    instead: 'import "windmill-client";',
  },
  "no-entrypoint": {
    severity: "error",
    why:
      "The worker runs the default export when it is a workflow, else the first export by name that is one; there is none",
    instead: "export const main = workflow(async () => { ... });",
  },
  "several-workflows": {
    severity: "warning",
    why: "The worker runs one of them: the default export, else the first by name",
    instead: "Export the one that is meant as default, or keep one workflow in a file",
  },
  native: {
    severity: "error",
    why: "A script that is marked `//native` runs without the wrapper that drives a workflow",
    instead: "Leave the line out",
  },
  deno: {
    severity: "error",
    why: "Workflow-as-code runs under the Bun worker only; under the Deno worker the file is a plain script",
    instead: "Use what Bun has: built-in modules of Node, packages by bare name",
  },
  specifier: {
    severity: "warning",
    why: "The Bun worker reads a package's version from a bare name",
    instead: 'import ... from "name@1.2.3"',
  },
  "unknown-name": {
    severity: "error",
    why: "On a cluster `windmill-client` is the official client, which has no such export: the file does not load",
    instead: 'Import it from "@windkit/windmill-client", and add the line import "windmill-client";',
  },
  "unknown-option": {
    severity: "error",
    why: "On a cluster `windmill-client` is the official client, which does not read this",
    instead: 'Import the function from "@windkit/windmill-client", and add the line import "windmill-client";',
  },
  "mixed-clients": {
    severity: "error",
    why: "A call of one client does not find the run of the other",
    instead: "Import all functions of the workflow from one of the two",
  },
  "unnamed-task": {
    severity: "warning",
    why:
      'Its key is "step", "step_2", ...: it moves when calls are added or reordered, and says nothing in a list of jobs',
    instead: 'task("name", async () => { ... })',
  },
  clock: {
    severity: "error",
    why: `${REPLAYED}, and reads another time`,
    instead: 'const now = await step("now", () => Date.now());',
  },
  random: {
    severity: "error",
    why: `${REPLAYED}, and draws another value`,
    instead: 'const id = await step("id", () => crypto.randomUUID());',
  },
  network: {
    severity: "error",
    why: `${REPLAYED}, asks again, and may be told something else: the answer is not recorded`,
    instead: 'const data = await step("load", async () => (await fetch(url)).json());',
  },
  environment: {
    severity: "error",
    why: "Each round may run on another worker, with another environment",
    instead: 'const value = await step("setting", () => process.env["SETTING"]);',
  },
  timer: {
    severity: "error",
    why: "A timer is not recorded: it begins anew with each round, and nothing waits for it while the run is parked",
    instead: "await sleep(seconds);",
  },
  "file-system": {
    severity: "error",
    why: "Each round may run on another machine, and nothing that the body wrote is there",
    instead: 'const text = await step("read", () => readFile(path, "utf8"));',
  },
  process: {
    severity: "error",
    why: `${REPLAYED}, and does it again`,
    instead: 'await step("run", () => execute(command));',
  },
  "shared-state": {
    severity: "error",
    why:
      "A variable of the module outlives a run in one process, and is new in the next: a replay does not find what was written",
    instead: "Declare it in the body, or give it as an argument",
  },
  "step-writes-outside": {
    severity: "error",
    why: "On a replay the step is not run, only its result is handed over: what it wrote beside is lost",
    instead: 'const value = await step("name", () => value);',
  },
  "call-in-step": {
    severity: "error",
    why: "A task or step is recorded as one outcome: a call within it is refused, and hangs under the official client",
    instead: "Make the call in the body of the workflow, or call a plain function",
  },
  unawaited: {
    severity: "warning",
    why: "What it gives is lost, and whether it runs before the run ends depends on the host",
    instead: "await it, or return it",
  },
  race: {
    severity: "warning",
    why:
      "Which is first is recorded where it is raced; on a cluster, where a run wakes when all calls have ended, the first of the list wins",
    instead: "const { winner, value } = await race([() => a(), () => b()]);",
  },
  "settled-hangs": {
    severity: "error",
    why:
      "Under the official client, only one of several calls in it ever settles in the round that dispatches them: the run hangs",
    instead: "await Promise.all([...]), with tasks that return a failure as a value",
  },
  "completion-order": {
    severity: "warning",
    why:
      "Branches that run at the same time come here in the order in which their calls end, which is another one on another host",
    instead:
      "Return the value from each branch: parallel() and Promise.all() give the results in the order of the items",
  },
  "same-name": {
    severity: "warning",
    why:
      "Branches that run at the same time draw their keys here in the order in which their calls end: which of them gets which key may be another on another host",
    instead: "Give each item a name of its own: step(`save ${item}`, ...); or make two passes of parallel()",
  },
  "catches-suspension": {
    severity: "warning",
    why:
      "The official client ends a round by throwing `StepSuspend` through the body: the handler runs at each suspension, and an error that it throws instead fails the job",
    instead: 'catch (error) { if ((error as Error).name === "StepSuspend") throw error; ... }',
  },
  "ignore-without-reason": {
    severity: "warning",
    why: "Who reads it next cannot tell whether it still holds",
    instead: "// windkit-ignore: why this is right",
  },
} as const satisfies Readonly<Record<string, Rule>>;

/** Id of a rule. */
export type RuleId = keyof typeof RULES;

/** One finding. Lines and columns count from 1. */
export interface Finding {
  readonly rule: RuleId;
  readonly severity: Severity;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** What is there. */
  readonly what: string;
  /** Why it matters. */
  readonly why: string;
  /** What to write. */
  readonly instead: string;
}

/** What a finding says beside its rule. */
export interface Found {
  readonly what: string;
  readonly why?: string;
  readonly instead?: string;
  readonly severity?: Severity;
}

/** Builds a finding. */
export function finding(
  rule: RuleId,
  place: { readonly file: string; readonly line: number; readonly column: number },
  found: Found,
): Finding {
  const { severity, why, instead }: Rule = RULES[rule];
  const { file, line, column } = place;
  return { rule, severity, file, line, column, why, instead, ...found };
}

/** Order of a report: by file, place, rule. A name that is not there comes first: what else is found may come of it. */
export function compareFindings(a: Finding, b: Finding): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  const isFirst = Number(b.rule === "unknown-name") - Number(a.rule === "unknown-name");
  if (isFirst !== 0) return isFirst;
  return a.line - b.line || a.column - b.column || (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0);
}
