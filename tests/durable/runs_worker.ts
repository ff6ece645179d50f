/**
 * A Worker with workflows in Durable Objects, as a user writes one. What a test asks of it goes through the client, or past it to an
 * object by its own names.
 *
 * @module
 */
import { DurableObject } from "cloudflare:workers";
import { createWorkflowObjects, type ObjectNamespace, workflowRuns } from "@windkit/windmill-client/durable-object";
import { tellEffects, workflows } from "./_workflows.ts";

interface Env {
  readonly RUN: ObjectNamespace;
  readonly INDEX: ObjectNamespace;
  readonly LOG: ObjectNamespace;
  /** Set while the index must not be reached. */
  readonly INDEX_DEAD?: string;
}

const classes = createWorkflowObjects({
  DurableObject,
  workflows,
  heartbeatMs: 300,
});

export class WorkflowRun extends classes.WorkflowRun {
  readonly #ctx;
  constructor(ctx: ConstructorParameters<typeof classes.WorkflowRun>[0], env: Env) {
    super(ctx, env);
    this.#ctx = ctx;
    // Counted in an object of its own, which remembers across restarts.
    tellEffects(async (...entry) => {
      const log = env.LOG.get(env.LOG.idFromName("log"));
      await log.fetch(new Request("http://log.invalid/add", { method: "POST", body: JSON.stringify(entry) }));
    });
  }
  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/test/alarm") return Response.json(await this.#ctx.storage.getAlarm());
    if (pathname === "/test/ring") {
      const times = await request.json() as number;
      await Promise.all(Array.from({ length: times }, () => this.alarm()));
      return Response.json(await this.#ctx.storage.getAlarm());
    }
    if (pathname === "/test/tables") {
      return Response.json(
        this.#ctx.storage.sql.exec(
          "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
        )
          .toArray(),
      );
    }
    return await super.fetch(request);
  }
}

export class WorkflowIndex extends classes.WorkflowIndex {
  readonly #dead;
  constructor(ctx: ConstructorParameters<typeof classes.WorkflowIndex>[0], env: Env) {
    super(ctx, env);
    this.#dead = env.INDEX_DEAD !== undefined;
  }
  override async fetch(request: Request): Promise<Response> {
    // Neither answers nor fails, as one that is cut off.
    if (this.#dead && new URL(request.url).pathname === "/update") await new Promise(() => undefined);
    return await super.fetch(request);
  }
}

export class Log extends DurableObject {
  override async fetch(request: Request): Promise<Response> {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS log(run TEXT, key TEXT, what TEXT)");
    if (request.method === "POST") sql.exec("INSERT INTO log VALUES(?, ?, ?)", ...await request.json());
    const run = new URL(request.url).searchParams.get("run");
    return Response.json(sql.exec("SELECT key, what FROM log WHERE run = ?", run).toArray());
  }
}

/** `POST /<what>`, with arguments in the body. */
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/log") {
      return await env.LOG.get(env.LOG.idFromName("log")).fetch(new Request(request.url));
    }
    const namespace = searchParams.get("namespace") ?? "default";
    const runs = workflowRuns(env.RUN, env.INDEX, { namespace });
    // deno-lint-ignore no-explicit-any -- what a test sends, the test knows
    const body: any = request.method === "POST" ? await request.json() : undefined;
    const run = runs.run(searchParams.get("run") ?? "", {
      root: searchParams.get("root") ?? searchParams.get("run") ?? "",
    });
    try {
      const value = await (async () => {
        switch (pathname) {
          case "/ping":
            return "pong";
          case "/start":
            return (await runs.start(body.workflow, body.args, body.options)).id;
          case "/run":
            return await (await runs.start(body.workflow, body.args, body.options)).result();
          case "/result":
            return await run.result();
          case "/status":
            return await run.status();
          case "/signal":
            return await run.signal(body.name, body.payload, body.options);
          case "/approve":
            return await run.approve(body.key, body.answer);
          case "/approvals":
            return await run.approvals();
          case "/cancel":
            return await run.cancel(body?.reason);
          case "/journal":
            return await run.journal();
          case "/list":
            return await runs.list(body);
          case "/many":
            return await Promise.all(
              // deno-lint-ignore no-explicit-any -- see above
              body.map(async (one: any) => await (await runs.start(one.workflow, one.args, one.options)).result()),
            );
          case "/rpc": {
            // deno-lint-ignore no-explicit-any -- a stub has the methods of its class
            const object: any = env.RUN.get(env.RUN.idFromName(`${namespace}/${body.root}`));
            return await object[body.method](body.request);
          }
          default: {
            // Past the client: to the object itself.
            const object: { fetch(request: Request): Promise<Response> } = env.RUN.get(
              env.RUN.idFromName(`${namespace}/${searchParams.get("run")}`),
            );
            const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
            const response = await object.fetch(new Request(`http://run.invalid${pathname}`, sent));
            return await response.json();
          }
        }
      })();
      return Response.json({ value: value ?? null });
    } catch (error) {
      const { name, message, code } = error as Error & { readonly code?: string };
      return Response.json({ error: { name, message, code } });
    }
  },
};
