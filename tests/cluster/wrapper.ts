/**
 * The wrapper that the Bun worker writes beside a workflow script and runs (wac-protocol 1.4), and the one that it writes beside
 * any other script. `runRound` is the same function in both places where a round runs: its text is a part of `wrapper.mjs`, and
 * tests that need no process call it.
 *
 * @module
 */

/** The three names that the wrapper imports from `windmill-client`. */
export interface WrapperNames {
  readonly WorkflowCtx: new (checkpoint: unknown) => RoundContext;
  // deno-lint-ignore no-explicit-any -- whatever class the client has
  readonly StepSuspend: abstract new (...args: any[]) => unknown;
  readonly setWorkflowCtx: (context: RoundContext | null) => void;
}

/** What the wrapper calls on the context. */
export interface RoundContext {
  _flushPending(): unknown[];
  _takePendingStepFailure?(): { readonly error: unknown } | null;
  _takePendingSuspend?(): unknown;
  _warnUnobservedTaskFailures?(): void;
}

/** What a round needs. */
export interface WrapperRound {
  /** The namespace of the script. */
  readonly main: Readonly<Record<string, unknown>>;
  readonly names: WrapperNames;
  readonly args: Readonly<Record<string, unknown>>;
  readonly checkpoint: unknown;
  /** Parameters that the parser found; empty when it found none. */
  readonly parameters: readonly { readonly name: string; readonly date: boolean }[];
  /** The newest form takes what the body swallowed; the older form has none of the optional calls. */
  readonly newest: boolean;
  /** Runs the script's preprocessor first, and hands over what it made of the arguments. */
  readonly preprocessed?: (args: Readonly<Record<string, unknown>>) => void;
  readonly print: (line: string) => void;
}

/**
 * Steps 3 to 9 of the wrapper. It may use nothing from outside: its text is copied into another file.
 *
 * @returns the message for the worker
 * @throws what failed the job
 */
export async function runRound(round: WrapperRound): Promise<unknown> {
  const { main, names, checkpoint, parameters, newest, preprocessed, print } = round;
  const { WorkflowCtx, StepSuspend, setWorkflowCtx } = names;
  let args = round.args;
  const marked = (value: unknown): boolean =>
    (typeof value === "function" || (typeof value === "object" && value !== null)) &&
    Boolean((value as { _is_workflow?: unknown })._is_workflow);
  const entry = marked(main.default)
    ? main.default
    : Object.keys(main).map((key) => main[key]).find(marked) ?? main.default;
  if (entry === undefined || entry === null) {
    throw new Error("No workflow() entrypoint found: export a function that workflow() was called with");
  }
  if (preprocessed !== undefined) {
    const preprocessor = main.preprocessor;
    if (typeof preprocessor !== "function") throw new Error("preprocessor function is missing");
    args = await preprocessor(...Object.values(args)) ?? {};
    preprocessed(args);
  }
  const values = parameters.length === 0 ? Object.values(args) : parameters.map(({ name, date }) => {
    const value = args[name];
    return date && typeof value === "string" ? new Date(value) : value;
  });

  const message = (info: Readonly<Record<string, unknown>>): unknown => {
    const { mode, steps, key, result, started_at, duration_ms, timeout, form, self_approval_disabled } = info;
    switch (mode) {
      case "step_complete":
        return { type: "complete", result };
      case "inline_checkpoint":
        return { type: "inline_checkpoint", key, result, started_at, duration_ms };
      case "approval":
        return {
          type: "approval",
          key,
          timeout,
          form,
          self_approval_disabled,
          ...(newest ? { skin: info.skin, description: info.description } : undefined),
        };
      case "sleep":
        return { type: "sleep", key, seconds: info.seconds };
      default:
        return { type: "dispatch", mode, steps };
    }
  };
  const suspension = (thrown: unknown): unknown => {
    const { dispatchInfo, dispatch_info } = thrown as {
      dispatchInfo?: Readonly<Record<string, unknown>>;
      dispatch_info?: Readonly<Record<string, unknown>>;
    };
    return message(dispatchInfo ?? dispatch_info ?? {});
  };
  const isSuspension = (thrown: unknown): boolean =>
    (thrown as { name?: unknown } | null | undefined)?.name === "StepSuspend" || thrown instanceof StepSuspend;

  const ctx = new WorkflowCtx(checkpoint);
  setWorkflowCtx(ctx);
  let end: unknown;
  try {
    const result = await (entry as (...args: unknown[]) => unknown)(...values);
    setWorkflowCtx(null);
    if (newest) {
      const failure = ctx._takePendingStepFailure?.();
      if (failure) throw failure.error;
      const suspend = ctx._takePendingSuspend?.();
      if (suspend) throw suspend;
    }
    const steps = ctx._flushPending();
    if (steps.length > 0) {
      end = { type: "dispatch", mode: steps.length > 1 ? "parallel" : "sequential", steps };
    } else {
      if (newest) ctx._warnUnobservedTaskFailures?.();
      end = { type: "complete", result };
    }
  } catch (error) {
    setWorkflowCtx(null);
    if (isSuspension(error)) {
      end = suspension(error);
    } else {
      const failure = newest ? ctx._takePendingStepFailure?.() : undefined;
      throw failure ? failure.error : error;
    }
  }
  if ((end as { type: string }).type === "complete") print("--- WAC: complete ---");
  return end;
}

/** The text of `result.json` for a message. */
export function messageText(message: unknown): string {
  return JSON.stringify(message, (_key, value) => value === undefined ? null : value);
}

/** The text of `result.json` for what failed the round; it throws where the worker's does. */
export function errorText(error: unknown, stepId: string | undefined): string {
  const e = error as Readonly<Record<string, unknown>>;
  const shown: Record<string, unknown> = { message: e.message, name: e.name, stack: e.stack };
  if (stepId) shown.step_id = stepId;
  const reserved = ["line", "name", "stack", "column", "message", "sourceURL", "originalLine", "originalColumn"];
  const extra: Record<string, unknown> = {};
  for (const key of Object.getOwnPropertyNames(e)) if (!reserved.includes(key)) extra[key] = e[key];
  if (Object.keys(extra).length > 0) shown.extra = extra;
  return JSON.stringify(shown);
}

/** What the worker knows of a script when it writes the wrapper. */
export interface WrapperFacts {
  readonly parameters: WrapperRound["parameters"];
  readonly newest: boolean;
  /** User code and the three names come from `./main.js`, bundled. */
  readonly bundled: boolean;
  readonly preprocess: boolean;
}

/** The text of `wrapper.mjs` for a workflow script. */
export function wrapperSource({ parameters, newest, bundled, preprocess }: WrapperFacts): string {
  const [code, client] = bundled ? ["./main.js", "./main.js"] : ["./main.ts", "windmill-client"];
  return `import * as main from ${JSON.stringify(code)};
import { StepSuspend, setWorkflowCtx, WorkflowCtx } from ${JSON.stringify(client)};
import * as fs from "node:fs/promises";

${runRound}
${messageText}
${errorText}

BigInt.prototype.toJSON = function () { return this.toString(); };
try {
  const args = JSON.parse(await fs.readFile("args.json", "utf8"));
  const checkpoint = JSON.parse(await fs.readFile("checkpoint.json", "utf8"));
  let rewritten;
  const message = await runRound({
    main, args, checkpoint, names: { WorkflowCtx, StepSuspend, setWorkflowCtx },
    parameters: ${JSON.stringify(parameters)}, newest: ${newest}, print: (line) => console.log(line),
    preprocessed: ${preprocess ? "(args) => { rewritten = args; }" : "undefined"},
  });
  if (rewritten !== undefined) await fs.writeFile("args.json", messageText(rewritten));
  await fs.writeFile("result.json", messageText(message));
  process.exit(0);
} catch (error) {
  console.error(error);
  await fs.writeFile("result.json", errorText(error, process.env.WM_FLOW_STEP_ID));
  process.exit(1);
}
`;
}

/** What the worker prepends to a workflow script before it bundles it. */
export const BUNDLE_HEAD = 'export { StepSuspend, setWorkflowCtx, WorkflowCtx } from "windmill-client";\n';

/** The text of `wrapper.mjs` for any other script, and for a function of one (wac-protocol 12). */
export function plainWrapperSource(entry: string, parameters: WrapperRound["parameters"]): string {
  return `import * as main from "./main.ts";
import * as fs from "node:fs/promises";

${messageText}
${errorText}

BigInt.prototype.toJSON = function () { return this.toString(); };
try {
  const args = JSON.parse(await fs.readFile("args.json", "utf8"));
  const parameters = ${JSON.stringify(parameters)};
  const values = parameters.map(({ name, date }) => date ? new Date(args[name]) : args[name]);
  let result = await main[${JSON.stringify(entry)}](...values);
  if (result != null && typeof result === "object" && typeof result[Symbol.asyncIterator] === "function") {
    for await (const chunk of result) console.log("WM_STREAM: " + String(chunk).replace(/\\n/g, "\\\\n"));
    result = null;
  }
  await fs.writeFile("result.json", messageText(result ?? null));
  process.exit(0);
} catch (error) {
  console.error(error);
  await fs.writeFile("result.json", errorText(error, process.env.WM_FLOW_STEP_ID));
  process.exit(1);
}
`;
}
