/**
 * A Worker that runs steps three ways: in this package's Durable Objects, in Cloudflare Workflows, and as bare inserts.
 *
 * @module
 */
/// <reference types="../tests/durable/cloudflare_workers.d.ts" />
import { DurableObject, WorkflowEntrypoint } from "cloudflare:workers";
import { createWorkflowObjects, type ObjectNamespace, workflowRuns } from "../src/durable_object/mod.ts";
import { step, workflow } from "../src/cluster/authoring.ts";

const work = workflow(async (count: number) => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += await step("work", () => 1);
  return sum;
});

export const { WorkflowRun, WorkflowIndex } = createWorkflowObjects({ DurableObject, workflows: { work } });

/** What a small step's record is, as text. */
const ROW = "0123456789abcdef" + JSON.stringify({
  t: "settled",
  key: "work_1000",
  after: 1000,
  outcome: { ok: true, value: "1" },
  fp: { kind: "step", name: "work", digest: "" },
  startedAt: 1_763_000_000_000,
  by: "engine/10000",
});

/** Bare inserts: nobody awaits them, or each has a turn of the loop to itself, as each step has. */
export class Raw extends DurableObject {
  override async fetch(request: Request): Promise<Response> {
    const { sql } = this.ctx.storage;
    sql.exec(
      "CREATE TABLE IF NOT EXISTS raw(no INTEGER PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL, text TEXT NOT NULL)",
    );
    const { pathname, searchParams } = new URL(request.url);
    const count = Number(searchParams.get("count"));
    const insert = (i: number): unknown => sql.exec("INSERT INTO raw(run, seq, text) VALUES(?, ?, ?)", 1, i, ROW);
    if (pathname === "/raw") { for (let i = 0; i < count; i++) insert(i); }
    else {
      await new Promise<void>((resolve) => {
        let i = 0;
        const turn = (): void => {
          insert(i);
          if (++i < count) setTimeout(turn, 0);
          else resolve();
        };
        turn();
      });
    }
    return Response.json(count);
  }
}

export class Peer extends WorkflowEntrypoint {
  async run(event: { readonly payload: number }, { do: once }: {
    do(name: string, run: () => Promise<number>): Promise<number>;
  }): Promise<number> {
    let sum = 0;
    for (let i = 0; i < event.payload; i++) sum += await once(`work ${i}`, () => Promise.resolve(1));
    return sum;
  }
}

interface Env {
  readonly RUN: ObjectNamespace;
  readonly INDEX: ObjectNamespace;
  readonly RAW: ObjectNamespace;
  readonly PEER: {
    create(
      options: { readonly params: number },
    ): Promise<{ status(): Promise<{ readonly status: string; readonly output?: unknown }> }>;
  };
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const count = Number(searchParams.get("count"));
    if (pathname === "/raw" || pathname === "/turns") {
      return await env.RAW.get(env.RAW.idFromName("raw")).fetch(request);
    }
    if (pathname === "/ours") {
      return Response.json(await (await workflowRuns(env.RUN, env.INDEX).start("work", [count])).result());
    }
    const instance = await env.PEER.create({ params: count });
    for (;;) {
      const { status, output } = await instance.status();
      if (status === "complete") return Response.json(output);
      if (status === "errored") return Response.json(status, { status: 500 });
      // A turn of the loop, so that it is not asked without a pause.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  },
};
