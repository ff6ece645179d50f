/**
 * The process of a workflow's body: begun ahead of the session that it is to serve, so that the script loads while its run is being
 * recorded.
 *
 * @module
 */
import type { JobError, JobOutcome } from "../../runner/ports.ts";
import type { Json } from "../../workflow/journal.ts";
import type { JobExecution } from "../ports.ts";
import type { RemoteSession } from "./remote_session.ts";

/** One process. */
export interface BodyProcess {
  /** Gives it its session; one that has died already fails it. */
  connect(session: RemoteSession, args: Readonly<Record<string, Json>> | undefined): void;
  kill(reason: Error): void;
  /** Settles when it has ended, whatever it was. */
  readonly ended: Promise<void>;
}

/** Begins a process. `died` hears why it ended before its session left it. */
export function startBodyProcess(
  { runner, job, io }: JobExecution,
  died: (error: JobError, session: RemoteSession) => void,
): BodyProcess {
  const abort = new AbortController();
  let session: RemoteSession | undefined;
  let args: Readonly<Record<string, Json>> | undefined;
  let send: ((line: string) => void) | undefined;
  let death: JobError | undefined;

  function meet(): void {
    if (session === undefined || session.left) return;
    if (death !== undefined) {
      if (!session.over) died(death, session);
    } else if (send !== undefined) session.connect(send, args);
  }
  function end(outcome: JobOutcome): void {
    send = undefined;
    death = outcome.ok
      ? { name: "ExecutionErr", message: "The workflow's process ended before its workflow did" }
      : outcome.error;
    meet();
  }

  const { preprocess: _, ...plain } = job;
  const work = runner === undefined
    ? Promise.resolve<JobOutcome>({
      ok: false,
      error: { name: "ExecutionErr", message: `Windkit runs no scripts of language ${job.language}` },
    })
    : runner.run(plain, {
      log: (text) => io.log(text),
      stream: (text) => io.stream(text),
      memory: (bytes) => io.memory?.(bytes),
      signal: AbortSignal.any([io.signal, abort.signal]),
      session: {
        attach: (write) => {
          send = write;
          meet();
        },
        receive: (line) => {
          try {
            session?.receive(line);
          } catch (error) {
            abort.abort(error);
          }
        },
      },
    });
  return {
    connect: (to, given) => {
      session = to;
      args = given;
      meet();
    },
    kill: (reason) => abort.abort(reason),
    ended: work.then(
      end,
      (error) =>
        end({
          ok: false,
          error: { name: "ExecutionErr", message: error instanceof Error ? error.message : String(error) },
        }),
    ),
  };
}
