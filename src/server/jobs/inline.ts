/**
 * Code that is run at once, without a job: statements of the SQL clients, mostly. It takes no place in the queue, which a script
 * that waits for it has already.
 *
 * @module
 */
import type { RunnerJob } from "../../runner/ports.ts";
import { badRequest, Refusal } from "../../wire/refusal.ts";
import type { Caller, Job, ServerContext } from "../ports.ts";
import { runnerJobOf } from "./environment.ts";
import type { Json } from "../../workflow/journal.ts";

/** What runs so at a time. */
const MOST = 64;

/** How long it may take: whoever asked waits for it. */
const LONGEST_MS = 600_000;

/** Code to run at once. */
export interface InlineRun {
  readonly content: string;
  readonly language: string;
  readonly args: Readonly<Record<string, Json>>;
  readonly path?: string;
  readonly hash?: string;
  readonly modules?: RunnerJob["modules"];
  readonly caller: Caller;
  readonly signal: AbortSignal;
}

/** Runs code without a job. */
export type RunInline = (run: InlineRun) => Promise<Json>;

/** Makes what runs code at once. */
export function createInline(context: ServerContext): RunInline {
  let running = 0;

  async function runNow(run: InlineRun): Promise<Json> {
    const { caller, language, content, args, path, hash, signal } = run;
    const runner = context.runnerOf(language);
    if (runner === undefined) throw badRequest(`Windkit runs no scripts of language ${language}`);
    const id = crypto.randomUUID();
    const now = context.now();
    const job: Job = {
      id,
      kind: "preview",
      language,
      args,
      ...(path !== undefined && { path }),
      ...(hash !== undefined && { hash }),
      createdBy: caller.username,
      email: caller.email,
      createdAt: now,
      scheduledFor: now,
      tag: language,
      running: true,
      suspended: false,
      canceled: false,
      timeoutS: LONGEST_MS / 1000,
      restarts: 0,
    };
    const stop = new AbortController();
    const timer = context.clock.setTimeout(() => stop.abort(new Error("It took too long")), LONGEST_MS);
    const token = context.identity.issueJobToken(id);
    // Code of its own has none.
    const modules = run.modules === undefined ? undefined : { modules: run.modules };
    try {
      const io = { log: () => {}, stream: () => {}, signal: AbortSignal.any([signal, stop.signal]) };
      // Whoever asked has read what is given back.
      const readSecret = (): void => void (caller.job !== undefined && context.jobs.hooks.readSecret?.(caller.job));
      const outcome = await runner.run(runnerJobOf(context, job, { content, ...modules }, token, readSecret), io);
      if (outcome.ok) return outcome.result;
      throw new Refusal(500, `Internal: ${context.secrets.redact(outcome.error.message)}`);
    } finally {
      context.clock.clearTimeout(timer);
      context.identity.endJobToken(id);
    }
  }

  return async (run) => {
    if (running >= MOST) throw new Refusal(500, `Internal: ${MOST} scripts run inline already`);
    running++;
    try {
      return await runNow(run);
    } finally {
      running--;
    }
  };
}
