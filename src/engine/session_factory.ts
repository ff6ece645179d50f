/**
 * Workflows whose bodies run elsewhere: in a process of their own, driven over lines. The engine asks the workflow for a session
 * in place of making one of its function; everything else of a run stays as it is.
 *
 * @module
 */
import type { DrivenSession, SessionPorts } from "../workflow/body_session.ts";
import type { RunHeader } from "../workflow/journal.ts";

/** Makes the session of one run. Its `body` is the workflow's own function, which nothing calls. */
export type SessionFactory = (header: RunHeader, ports: SessionPorts) => DrivenSession;

const FACTORY: unique symbol = /* @__PURE__ */ Symbol("windkit.session_factory") as typeof FACTORY;

interface Marked {
  readonly [FACTORY]?: SessionFactory;
}

/** A workflow for `createEngine` whose runs are driven by sessions that `factory` makes. Its arguments are not looked at. */
export function workflowElsewhere(factory: SessionFactory): () => never {
  const workflow = (): never => {
    throw new Error("Cannot call this workflow: its body runs elsewhere");
  };
  return Object.assign(workflow, { [FACTORY]: factory });
}

/** How a workflow makes its sessions; undefined for one that runs here. */
export function sessionFactoryOf(workflow: (...args: never[]) => unknown): SessionFactory | undefined {
  return (workflow as Marked)[FACTORY];
}
