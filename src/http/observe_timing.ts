/**
 * How long the requests to Windmill took of a request, as the header `Server-Timing` says it to a browser.
 *
 * @module
 */
import { systemElapsed } from "../platform/network.ts";
import type { ObserveHooks } from "./observe.ts";

/** Measures from its making on. */
export interface ServerTiming {
  /** What it has to be told of. */
  readonly hooks: ObserveHooks;
  /** The header's value as of now. */
  readonly header: () => string;
}

/** Begins to measure. Requests that are made at the same time count once: `windmill` is the time that was waited for any of them. */
export function startServerTiming(): ServerTiming {
  const begun = systemElapsed();
  let made = 0, open = 0, since = 0, waited = 0;
  return {
    hooks: {
      onRequest() {
        made++;
        if (open++ === 0) since = systemElapsed();
      },
      onResponse() {
        if (--open === 0) waited += systemElapsed() - since;
      },
    },
    header() {
      const now = systemElapsed();
      const all = waited + (open > 0 ? now - since : 0);
      const words = `${made} request${made === 1 ? "" : "s"}`;
      return `windmill;dur=${all.toFixed(1)};desc="${words}", total;dur=${(now - begun).toFixed(1)}`;
    },
  };
}
