/**
 * A Durable Object as the engine's host.
 *
 * @module
 */
import { HostUnsupportedError } from "../base/errors.ts";
import { createLocalHost } from "../engine/host.ts";
import type { Host } from "../engine/ports.ts";
import { wallTimer } from "../platform/clock.ts";
import { isConcurrent, useAsyncLocalStorage } from "../platform/run_context.ts";
import type { ObjectAlarm } from "./alarm.ts";
import type { AsyncLocalStorageClass } from "./platform.ts";

/**
 * Makes sure that runs can be told apart: the objects of a class share an isolate, whose one slot would be all of theirs.
 *
 * @throws HostUnsupportedError when there is no AsyncLocalStorage
 */
export function requireRunContext(given: AsyncLocalStorageClass | undefined): void {
  if (given !== undefined) useAsyncLocalStorage(given);
  if (isConcurrent()) return;
  throw new HostUnsupportedError(
    "Cannot run workflows in Durable Objects without AsyncLocalStorage: objects of one class share an isolate, and their runs could " +
      "not be told apart. Set the compatibility flag nodejs_compat (with a compatibility date of 2024-09-23 or later); or nodejs_als, " +
      'and pass it: createWorkflowObjects({ AsyncLocalStorage }), from import { AsyncLocalStorage } from "node:async_hooks"',
  );
}

const RESOLVED: Promise<void> = /* @__PURE__ */ Promise.resolve();

/** The host of one object: its timers are the object's alarm. */
export function createObjectHost(alarm: Pick<ObjectAlarm, "timer">): Host {
  return {
    ...createLocalHost(),
    name: "durable-object",
    timer: alarm.timer,
    // Says how long something has been running, and nothing else.
    briefly: wallTimer,
    // A commit is a few microseconds here, and lasting by the end of the turn, whoever waits for it. (`queueMicrotask` wraps what it
    // is given, which costs more than a promise.)
    soon: (then) => void RESOLVED.then(then),
  };
}
