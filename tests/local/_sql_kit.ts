/**
 * A runner of SQL for tests, and a route in front of it that answers as a worker's own server does.
 *
 * @module
 */
import type { FetchFunction } from "../../src/http/transport.ts";
import type { JobOutcome, Runner } from "../../src/runner/ports.ts";
import { createSqlRunner, type SqlRunnerOptions } from "../../src/runner/sql/sql_runner.ts";
import type { Json } from "../../src/workflow/journal.ts";

/** One first database for all tests: making one takes seconds. */
export const CACHE_FOLDER: string = `${Deno.env.get("TMPDIR") ?? "/tmp"}/windkit-sql-cache`;

/** What is run. */
export interface Asked {
  readonly content: string;
  readonly args?: Readonly<Record<string, Json>>;
  readonly language?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A runner in a folder of its own. */
export interface SqlKit extends AsyncDisposable {
  readonly folder: string;
  readonly runner: Runner;
  /** Log of the last job. */
  log(): string;
  /** Runs a job on the data table "main", or another language. */
  run(asked: Asked): Promise<JobOutcome>;
  /** Result of a job that must end well, as its JSON text reads. */
  result(content: string, args?: Readonly<Record<string, Json>>, language?: string): Promise<unknown>;
  /** Error of a job that must fail. */
  failure(content: string, args?: Readonly<Record<string, Json>>, language?: string): Promise<string>;
  /** Stands in for the server. */
  readonly fetch: FetchFunction;
  /** Bodies of the requests that were no previews, by path. */
  readonly records: { readonly path: string; readonly body: unknown }[];
}

/** Opens a runner. */
export async function openSql(options: Partial<SqlRunnerOptions> = {}): Promise<SqlKit> {
  const folder = options.dataFolder ?? await Deno.makeTempDir({ prefix: "windkit-sql-" });
  const cacheFolder = CACHE_FOLDER;
  const runner = createSqlRunner({ ducklake: "off", cacheFolder, ...options, dataFolder: folder });
  let log = "";
  let count = 0;
  const records: { readonly path: string; readonly body: unknown }[] = [];

  async function run(asked: Asked): Promise<JobOutcome> {
    const { content, args = {}, language = "postgresql", timeoutMs, signal = new AbortController().signal } = asked;
    let text = "";
    const outcome = await runner.run({
      id: `job-${++count}`,
      language,
      content,
      args: language === "postgresql" ? { database: "datatable://main", ...args } : args,
      env: {},
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      resolve: () => Promise.resolve(undefined),
    }, { log: (piece) => text += piece, stream: () => {}, signal });
    log = text;
    return outcome;
  }

  return {
    folder,
    runner,
    records,
    log: () => log,
    run,
    async result(content, args = {}, language = "postgresql") {
      const outcome = await run({ content, args, language });
      if (!outcome.ok) throw new Error(`${content}: ${outcome.error.message}`);
      return JSON.parse(JSON.stringify(outcome.result));
    },
    async failure(content, args = {}, language = "postgresql") {
      const outcome = await run({ content, args, language });
      if (outcome.ok) throw new Error(`${content}: expected an error, found ${JSON.stringify(outcome.result)}`);
      return outcome.error.message;
    },
    fetch: async (url, init) => {
      const { pathname } = new URL(`${url}`);
      const body = JSON.parse(`${init.body}`);
      if (!pathname.endsWith("/jobs/run_inline/preview")) {
        records.push({ path: pathname.replace(/^.*\/w\/[^/]+\//, ""), body });
        return new Response("");
      }
      const outcome = await run(body);
      return outcome.ok
        ? new Response(JSON.stringify(outcome.result), { headers: { "content-type": "application/json" } })
        : new Response(`Internal: ${outcome.error.message}`, {
          status: 500,
          headers: { "content-type": "text/plain" },
        });
    },
    async [Symbol.asyncDispose]() {
      await runner[Symbol.asyncDispose]();
      if (options.dataFolder === undefined) await Deno.remove(folder, { recursive: true });
    },
  };
}
