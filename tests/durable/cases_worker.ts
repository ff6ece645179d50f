/**
 * Runs cases of the suite inside a Durable Object, each in an object of its own: those of the storage's conformance, and the
 * workflows of the suite, on the object's storage as on the memory's.
 *
 * `/plan` answers the names, `/case?name=` runs one.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import { createDurableObjectStorage, type DurableObjectStorage } from "@windkit/windmill-client/storage/durable-object";
import { createEngine, type Engine, journalView } from "@windkit/windmill-client/engine";
import { createVirtualHost } from "@windkit/windmill-client/testing";
import { storageConformance, type StoragePlace } from "../conformance/storage.ts";
import { alsoOn, type Bench, type Ended, type Trial } from "../suite/_engine_kit.ts";
import { assertEquals } from "../suite/assert.ts";
import { registered, runCases } from "../suite/harness.ts";
import "../suite/workflow_approvals.ts";
import "../suite/workflow_calls.ts";
import "../suite/workflow_combinators.ts";
import "../suite/workflow_failures.ts";
import "../suite/workflow_keys.ts";
import "../suite/workflow_race.ts";
import "../suite/workflow_regressions.ts";
import "../suite/workflow_saga.ts";
import "../suite/workflow_values.ts";

/** The object whose case runs: they come one at a time. */
let current: DurableObjectStorage & { deleteAll(): Promise<void> } | undefined;
let compared = 0;

function here(): NonNullable<typeof current> {
  if (current === undefined) throw new Error("No case runs in an object");
  return current;
}

storageConformance("durable object", (limits) =>
  Promise.resolve<StoragePlace>({
    open: () => Promise.resolve(createDurableObjectStorage(here(), limits)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));

/** A trial of the suite, on this object's storage. */
async function runHere(trial: Trial, name: string, replay: "when-needed" | "always"): Promise<Ended> {
  const { main, args = {}, start, options, during } = trial;
  const { storage: _storage, host: given, ...rest } = options ?? {};
  const host = given ?? createVirtualHost();
  const events: Ended["events"][number][] = [];
  const { onEvent } = rest;
  const engine: Engine = await createEngine({
    workflows: { main },
    replay,
    ...rest,
    storage: createDurableObjectStorage(here()),
    host,
    onEvent: (event) => {
      events.push(event);
      return onEvent?.(event);
    },
  });
  try {
    const run = await host.drive(engine.start("main", args, { runId: name, ...start }));
    const result = run.result();
    result.catch(() => undefined); // looked at below
    await during?.({ engine, host, events } as unknown as Bench, run);
    const ended = await host.drive(result.then((value) => ({ value }), (error: Error) => ({ error })));
    const records = await engine.journal(run.id);
    return { ...ended, records, view: journalView(records), events };
  } finally {
    await engine.close();
  }
}

interface Verdict {
  readonly status: string;
  readonly detail?: string;
  readonly compared: number;
}

export class Case extends DurableObject {
  override async fetch(request: Request): Promise<Response> {
    const name = new URL(request.url).searchParams.get("name");
    const found = registered().find((c) => c.name === name);
    if (found === undefined) return new Response(`No case is named "${name}"`, { status: 404 });
    current = this.ctx.storage;
    compared = 0;
    let failure: unknown;
    alsoOn(async (make, live) => {
      const n = ++compared;
      try {
        // Long journals once: replaying one before each of its outcomes is quadratic, and nothing new.
        for (
          const replay of live.records.length > 300 ? ["when-needed"] as const : ["when-needed", "always"] as const
        ) {
          const ended = await runHere(make(), `${n} ${replay}`, replay);
          assertEquals(
            [ended.value, ended.error?.name, ended.error?.message],
            [live.value, live.error?.name, live.error?.message],
            "In the object it ended differently",
          );
          assertEquals(ended.view, live.view, "In the object it has another journal");
        }
      } catch (error) {
        failure ??= error;
      }
    });
    const [result] = await runCases([found]);
    const own = result?.status === "failed" && compared === 0 ? result.detail : undefined;
    const detail = failure instanceof Error ? failure.stack ?? failure.message : failure ?? own;
    const verdict: Verdict = {
      status: result?.status === "skipped" ? "skipped" : detail === undefined ? "passed" : "failed",
      compared,
      ...(detail === undefined ? undefined : { detail: String(detail) }),
    };
    return Response.json(verdict);
  }
}

interface Env {
  readonly CASE: {
    idFromName(name: string): unknown;
    get(id: unknown): { fetch(request: Request): Promise<Response> };
  };
}

export default {
  fetch(request: Request, env: Env): Promise<Response> | Response {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/plan") return Response.json(registered().map((c) => ({ name: c.name, skip: c.skip })));
    return env.CASE.get(env.CASE.idFromName(searchParams.get("name") ?? "")).fetch(request);
  },
};
