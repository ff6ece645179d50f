/**
 * Taking back what was done.
 *
 * @module
 */
import { CompensationError } from "../base/errors.ts";
import { runWith } from "../platform/run_context.ts";
import { here } from "./_here.ts";
import { needContext } from "./race.ts";

/**
 * Runs a part of the body whose steps and tasks have an `undo`: when it fails, they are taken back, newest first, and the
 * failure is thrown on. A workflow is a saga as a whole: what has an `undo` is taken back when the workflow fails or is cancelled.
 *
 * Each undo is recorded under `<key>#undo` and repeated when it fails (by default three times, after 1, 2 and 4 seconds). One that
 * fails for good stops the others. What was begun in the saga and still runs is waited for first, and taken back too.
 *
 * On a cluster undos are inline steps; they run when the workflow fails, not when its job is cancelled (its process is ended
 * then). Outside a run nothing is taken back.
 *
 * @param fn the part
 * @returns what `fn` gives
 * @throws what `fn` throws; CompensationError when an undo failed too
 *
 * @example
 * ```ts
 * import { createEngine } from "@windkit/windmill-client/engine";
 * import { createMemoryStorage } from "@windkit/windmill-client/storage/memory";
 * import { saga, step, workflow } from "@windkit/windmill-client/workflow";
 *
 * const booked = new Set<string>();
 * const main = workflow(async () =>
 *   await saga(async () => {
 *     await step("flight", () => void booked.add("flight"), { undo: () => void booked.delete("flight") });
 *     await step("hotel", () => {
 *       throw new Error("No room");
 *     });
 *   }).catch((error: Error) => error.message)
 * );
 * await using engine = await createEngine({ storage: createMemoryStorage(), workflows: { main } });
 * const message = await (await engine.start("main")).result();
 * if (message !== "No room" || booked.size !== 0) throw new Error("the flight is still booked");
 * ```
 */
export async function saga<R>(fn: () => R): Promise<Awaited<R>> {
  if (typeof fn !== "function") throw new TypeError(`Cannot run saga(): expected a function, found ${typeof fn}`);
  const session = here("saga");
  if (session instanceof Promise) return await session;
  if (session === undefined) return await fn();
  needContext("saga");
  const scope = session.openScope(session.scope);
  try {
    return await runWith({ session, scope }, async () => await fn(), true);
  } catch (error) {
    try {
      await session.compensate(scope);
    } catch (undo) {
      const text = error instanceof Error ? error.message : String(error);
      throw new CompensationError(
        `${text}; and what takes back what was done failed too: ${(undo as Error).message}`,
        error,
        undo as Error,
      );
    }
    throw error;
  }
}
