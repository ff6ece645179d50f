/**
 * Where a function that a workflow file calls finds itself: in the body of a run, in the body of a task or step, or outside.
 *
 * @module
 */
import { decode, encode } from "../base/canonical.ts";
import { HostUnsupportedError } from "../base/errors.ts";
import { currentRun } from "../platform/run_context.ts";
import type { BodySession, Scope } from "../workflow/body_session.ts";
import type { TaskInfo } from "../workflow/journal.ts";
import { workerContext } from "./worker_globals.ts";

/** What the running code belongs to. */
export interface Current {
  /** Session of the run. */
  readonly session: BodySession;
  /** Present inside the body of a task or a step. */
  readonly info?: TaskInfo;
  /** Branch of a race, or saga, that the code is part of. */
  readonly scope?: Scope;
}

/** The session to call, nothing outside a run, or a rejection inside the body of a task or step. */
export function here(what: string): BodySession | undefined | Promise<never> {
  const current = currentRun() as Current | undefined;
  if (current === undefined) {
    if (workerContext() === undefined) return undefined;
    return Promise.reject(
      new HostUnsupportedError(
        `Cannot call ${what} outside a workflow of this package: on a cluster the file's entry point must be a workflow() of the ` +
          "package that this function is imported from",
      ),
    );
  }
  const { session, info, scope } = current;
  if (info === undefined) {
    session.scope = scope;
    return session;
  }
  return Promise.reject(
    new HostUnsupportedError(
      `Cannot call ${what} inside the body of "${info.key}": a task or step is recorded as one outcome; ` +
        `call it from the workflow's body, or call a plain function here`,
    ),
  );
}

/** What a call gives outside a run that needs one. */
export function outside(what: string): Promise<never> {
  return Promise.reject(
    new HostUnsupportedError(
      `Cannot call ${what} outside a run: start the workflow with an engine, \`windkit run\` or on a cluster`,
    ),
  );
}

/** Longest name of a call, in characters: it is part of each of its records. */
const LONGEST_NAME = 1024;

/** What is wrong with the name of a call; undefined when nothing is. */
export function nameProblem(name: unknown): string | undefined {
  if (typeof name !== "string") return `text, found ${typeof name}`;
  if (name.includes("\0") || !name.isWellFormed()) {
    return `text without U+0000 and lone surrogates, found ${JSON.stringify(name.slice(0, 80))}`;
  }
  if (name.startsWith("__windkit/")) {
    return 'text that does not begin with "__windkit/": such keys are the runtime\'s own';
  }
  return name.length <= LONGEST_NAME
    ? undefined
    : `text of at most ${LONGEST_NAME} characters, found one of ${name.length}`;
}

/** Without a run: what the function gives, in the form in which it would be recorded. */
export async function plainly(fn: () => unknown): Promise<unknown> {
  return decode(encode(await fn()));
}
