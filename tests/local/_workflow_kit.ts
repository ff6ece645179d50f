/**
 * A server that runs workflows: a folder on disk, boxed processes, the engine's file.
 *
 * @module
 */
import { createTypeScriptRunner } from "../../src/runner/typescript/mod.ts";
import { openFolder } from "../../src/server/folder/folder.ts";
import { openDatabase } from "../../src/server/database.ts";
import { createIdentity } from "../../src/server/identity.ts";
import { createServer, type Server, type ServerParts } from "../../src/server/app.ts";
import type { Job, JobQuery } from "../../src/server/ports.ts";
import { pageRoutes } from "../../src/server/routes/pages.ts";
import { variableRoutes } from "../../src/server/routes/variables.ts";
import { openSecrets } from "../../src/server/secrets.ts";
import type { WorkflowJobsOptions } from "../../src/server/workflow_jobs/workflow_jobs.ts";
import { openSqliteStorage } from "../../src/storage/sqlite.ts";
import type { Json } from "../../src/workflow/journal.ts";
import { fakeObjects } from "./_fakes.ts";
import { listenFor, requestInit } from "./_http.ts";
import { deepStrictEqual as equal } from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** How a test's server is made. */
export interface WorkflowServerOptions extends Partial<Pick<ServerParts, "jobs" | "routes" | "jobRoutes">> {
  /** Files of the folder. */
  readonly files?: Readonly<Record<string, string>>;
  /** A folder that is there already. @default a new one, removed at the end */
  readonly root?: string;
  readonly workflows?: Partial<WorkflowJobsOptions>;
}

/** A running server. */
export interface WorkflowServer extends AsyncDisposable {
  readonly server: Server;
  readonly root: string;
  readonly url: string;
  readonly token: string;
  /** Errors that were reported. */
  readonly reported: readonly unknown[];
  put(files: Readonly<Record<string, string>>): void;
  /** Asks below `/api/w/ws/`, as the owner or with another token; `""` for none. */
  ask(method: string, path: string, body?: unknown, token?: string): Promise<Response>;
  /** Starts a preview, or a script by its path. */
  start(code: string, args?: Readonly<Record<string, Json>>): Promise<string>;
  /** The job, once it has ended. */
  ended(id: string): Promise<Job>;
  /** Runs code to its end. */
  run(code: string, args?: Readonly<Record<string, Json>>): Promise<Job>;
  /** The job, as soon as it is as wanted. */
  when(id: string, is: (job: Job) => boolean): Promise<Job>;
  list(query?: Partial<JobQuery>): readonly Job[];
  /** Stops the server and leaves its folder. */
  stop(): Promise<void>;
}

const cacheFolder = mkdtempSync(join(realpathSync(tmpdir()), "windkit-workflow-cache-"));
Deno.test.afterAll?.(() => rmSync(cacheFolder, { recursive: true, force: true }));

/** Opens a server. */
export async function workflowServer(options: WorkflowServerOptions = {}): Promise<WorkflowServer> {
  const root = options.root ?? mkdtempSync(join(realpathSync(tmpdir()), "windkit-workflow-"));
  const dataDir = join(root, ".windkit");
  mkdirSync(dataDir, { recursive: true });
  const put = (files: Readonly<Record<string, string>>): void => {
    for (const [file, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), content);
    }
  };
  put(options.files ?? {});
  const database = await openDatabase({ path: join(dataDir, "server.sqlite"), durability: "process" });
  const secrets = openSecrets(dataDir);
  const identity = createIdentity({ database, dir: dataDir });
  const folder = await openFolder({ root, dataDir, database, secrets, owner: "admin", now: () => Date.now() });
  const runner = await createTypeScriptRunner({
    jobsFolder: join(dataDir, "jobs"),
    // What a killed server leaves is removed with its folder.
    cacheFolder: options.root === undefined ? cacheFolder : join(dataDir, "cache"),
    killGraceMs: 200,
  });
  const storage = await openSqliteStorage({ dir: join(dataDir, "runs"), durability: "process" });
  const reported: unknown[] = [];
  const made = Promise.withResolvers<Server>();
  const listener = listenFor(made.promise);
  const { url } = listener;
  const server = createServer({
    workspace: "ws",
    baseUrl: url,
    folder,
    secrets,
    identity,
    objects: fakeObjects(),
    database,
    runners: [runner],
    routes: [variableRoutes, ...options.routes ?? []],
    jobRoutes: options.jobRoutes ?? [],
    pages: pageRoutes,
    jobs: { maxRestarts: 100, ...options.jobs },
    workflows: { storage, ...options.workflows },
    report: (error) => reported.push(error),
  });
  made.resolve(server);
  const { jobs } = server.context;
  const token = identity.ownerToken;

  async function ask(method: string, path: string, body?: unknown, as = token): Promise<Response> {
    return await fetch(path.startsWith("http") ? path : `${url}/api/w/ws/${path}`, requestInit(method, as, body));
  }
  async function start(code: string, args: Readonly<Record<string, Json>> = {}): Promise<string> {
    const isPath = /^[fu]\/[\w/]+$/.test(code);
    const response = isPath
      ? await ask("POST", `jobs/run/p/${code}`, args)
      : await ask("POST", "jobs/run/preview", { content: code, language: "bun", args });
    const text = await response.text();
    if (response.status !== 201) throw new Error(`${response.status} ${text}`);
    return text;
  }
  async function when(id: string, is: (job: Job) => boolean): Promise<Job> {
    for (;;) {
      const changed = Promise.withResolvers<void>();
      // What is wanted may be of its jobs as well.
      using _ = jobs.watchAll(() => changed.resolve());
      const job = jobs.get(id);
      if (job === undefined) throw new Error(`No job ${id}`);
      if (is(job)) return job;
      if (job.completedAt !== undefined) {
        throw new Error(`Job ${id} has ended: ${JSON.stringify(job.result)}\n${jobs.log(id)}`);
      }
      await changed.promise;
    }
  }
  let stopped: Promise<void> | undefined;
  async function stopAll(): Promise<void> {
    await server.close();
    await runner[Symbol.asyncDispose]();
    await listener.shutdown();
    folder.close();
    database.close();
  }
  const stop = (): Promise<void> => stopped ??= stopAll();
  const ended = (id: string): Promise<Job> => jobs.wait(id);
  return {
    server,
    root,
    url,
    token,
    reported,
    put,
    ask,
    start,
    ended,
    when,
    run: async (code, args) => await ended(await start(code, args)),
    list: (query = {}) => jobs.list({ offset: 0, limit: 1000, ...query }),
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      if (options.root === undefined) rmSync(root, { recursive: true, force: true });
    },
  };
}

/** What the tests of a file about workflows share. */
export interface WorkflowTests {
  /** The server of all of them. */
  readonly server: WorkflowServer;
  /** Registers one. */
  test(name: string, fn: () => Promise<void>): void;
  /** Jobs below one, oldest first. */
  childrenOf(job: Job): readonly Job[];
  logOf(job: Job): string;
  /** Waits until a change of the folder has made it so. */
  until(is: () => boolean): Promise<void>;
}

/** Opens one server for all tests of a file; it is closed after the last of them. */
export async function workflowTests(): Promise<WorkflowTests> {
  const server = await workflowServer();
  Deno.test.afterAll(async () => await server[Symbol.asyncDispose]());

  function test(name: string, fn: () => Promise<void>): void {
    Deno.test({
      name: `workflow jobs: ${name}`,
      fn: async () => {
        await fn();
        equal(server.reported, []);
      },
      sanitizeOps: false,
      sanitizeResources: false,
    });
  }
  function childrenOf(job: Job): readonly Job[] {
    return server.list({ parent: job.id, orderDesc: false });
  }
  function logOf(job: Job): string {
    return server.server.context.jobs.log(job.id);
  }
  async function until(is: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _ = server.server.context.folder.watch(() => {
      if (is()) resolve();
    });
    if (is()) return;
    await promise;
  }
  return { server, test, childrenOf, logOf, until };
}

/** Objects of objects. */
export type Fields = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** What a job says of its steps. */
export function statusOf(job: Job): Fields {
  return job.workflowAsCodeStatus as unknown as Fields;
}

/** What a job failed with. */
export function errorOf(job: Job): Readonly<Record<string, unknown>> {
  return (job.result as unknown as Fields).error ?? {};
}
