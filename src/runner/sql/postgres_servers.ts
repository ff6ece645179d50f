/**
 * PostgreSQL servers, by the npm package `postgres`. In this process: a driver only waits, and rows come a few at a time.
 *
 * @module
 */
import { MissingPackageError } from "../../base/errors.ts";
import type { PgStatement } from "./pg_bind.ts";
import { type PgJob, type PgSink, runPgJob, type SqlResult } from "./pg_run.ts";
import { quoted } from "./statements.ts";
import { orAbort } from "./turns.ts";

/** A server and a database on it. */
export interface PostgresTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`. */
  readonly sslmode: string;
  /** Certificate of the authority, in PEM. */
  readonly certificate?: string;
}

/** Servers that are spoken to. */
export interface PostgresServers {
  /** Runs a job on a connection of its own, as `role` when one is named. */
  run(target: PostgresTarget, job: PgJob, role: string | undefined, signal: AbortSignal): Promise<SqlResult>;
  close(): Promise<void>;
}

// --- The part of the package that is used here ---

interface Rows extends Array<readonly (Uint8Array | null)[]> {
  readonly columns?: readonly { readonly name: string; readonly type: number }[] | null;
}

interface Query {
  raw(): Query;
  cursor(rows: number, onRows: (rows: Rows) => unknown): Promise<unknown>;
  cancel(): void;
}

interface Connection {
  unsafe(text: string, values: readonly unknown[], options: { readonly prepare: boolean }): Query & Promise<unknown>;
  typed(value: unknown, oid: number): unknown;
  release(): void;
}

interface Pool {
  reserve(): Promise<Connection>;
  typed(value: unknown, oid: number): unknown;
  end(options: { readonly timeout: number }): Promise<void>;
}

interface PostgresModule {
  default(options: Readonly<Record<string, unknown>>): Pool;
}

/** Rows that are fetched at a time. */
const BATCH = 1000;

/** Waits this long for a server to stop a query. */
const CANCEL_MS = 2000;

const CONNECTIONS = 4;

/** The package gives and takes texts: what they mean is decided here. */
const TEXTS = {
  to: 0,
  from: [
    ...[16, 17, 20, 21, 23, 25, 26, 114, 199, 700, 701, 1000, 1001, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1028],
    ...[1042, 1043, 1082, 1083, 1114, 1115, 1182, 1183, 1184, 1185, 1186, 1187, 1231, 1266, 1270, 1700, 2950, 2951, 3802],
    3807,
  ],
  serialize: (value: unknown) => value,
  parse: (value: unknown) => value,
};

async function loadPostgres(): Promise<PostgresModule> {
  // A name in a variable, so that no bundler wants it to be there.
  const name = "postgres";
  try {
    return await import(name) as PostgresModule;
  } catch (cause) {
    const add = "Deno" in globalThis ? "deno add npm:" : "npm install ";
    throw new MissingPackageError(
      `Cannot connect to PostgreSQL: the package "${name}" is not installed. Add it: ${add}${name}`,
      { cause },
    );
  }
}

function sslOf({ sslmode, certificate }: PostgresTarget): unknown {
  switch (sslmode) {
    case "disable":
      return false;
    case "allow":
    case "prefer":
      return sslmode;
    case "require":
      return { rejectUnauthorized: false };
    default:
      return {
        rejectUnauthorized: true,
        ...(certificate === undefined ? {} : { ca: certificate }),
        // The name of the host is looked at in the stricter mode only.
        ...(sslmode === "verify-ca" ? { checkServerIdentity: () => undefined } : {}),
      };
  }
}

/** Makes the servers of a runner. Nothing is connected yet. */
export function createPostgresServers(idleMs: number): PostgresServers {
  const pools = new Map<string, Promise<Pool>>();

  async function connect(target: PostgresTarget): Promise<Pool> {
    const { default: postgres } = await loadPostgres();
    const { host, port, user, password, database } = target;
    return postgres({
      host,
      port,
      user,
      password,
      database,
      ssl: sslOf(target),
      max: CONNECTIONS,
      idle_timeout: Math.ceil(idleMs / 1000),
      connect_timeout: 10,
      // Without it, a new connection is never handed out to who reserves one (postgres 3.4.9).
      fetch_types: true,
      onnotice: () => {},
      types: { texts: TEXTS },
      connection: { application_name: "windkit" },
    });
  }

  function pooled(target: PostgresTarget): Promise<Pool> {
    const key = JSON.stringify(target);
    let pool = pools.get(key);
    if (pool === undefined) {
      pools.set(key, pool = connect(target));
      pool.catch(() => pools.delete(key));
    }
    return pool;
  }

  /** Closes connections of which one is stuck. */
  function drop(target: PostgresTarget): void {
    const key = JSON.stringify(target);
    const pool = pools.get(key);
    pools.delete(key);
    void pool?.then((found) => found.end({ timeout: 0 })).catch(() => "It is gone, which was the aim");
  }

  const decoder = new TextDecoder();

  async function runOn(
    { pool, connection, target }: { readonly pool: Pool; readonly connection: Connection; readonly target: PostgresTarget },
    job: PgJob,
    role: string | undefined,
    signal: AbortSignal,
  ): Promise<SqlResult> {
    let current: Query | undefined;

    async function execute({ text, types, values }: PgStatement, sink: PgSink): Promise<void> {
      signal.throwIfAborted();
      const { CLOSE } = pool as Pool & { readonly CLOSE?: unknown };
      let failed: { readonly error: unknown } | undefined;
      const query = connection.unsafe(
        text,
        values.map((value, i) => value === null ? null : pool.typed(value, types[i] ?? 0)),
        { prepare: false },
      ).raw();
      current = query;
      await query.cursor(BATCH, (rows) => {
        if (failed !== undefined) return CLOSE;
        try {
          if (rows.columns) sink.columns(rows.columns.map(({ name, type }) => ({ name, oid: type })));
          for (const row of rows) sink.row(row.map((cell) => cell === null ? null : decoder.decode(cell)));
        } catch (error) {
          failed = { error };
          return CLOSE;
        }
        return undefined;
      });
      if (failed !== undefined) throw failed.error;
    }

    async function direct(text: string): Promise<void> {
      await connection.unsafe(text, [], { prepare: false });
    }

    let timer: ReturnType<typeof setTimeout> | undefined;
    function onAbort(): void {
      current?.cancel();
      timer = setTimeout(() => drop(target), CANCEL_MS);
    }
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      if (role !== undefined) await direct(`SET ROLE ${quoted(role)}`);
      return await runPgJob(execute, job);
    } finally {
      signal.removeEventListener("abort", onAbort);
      try {
        // The next job finds a connection as if it were new.
        await direct("ROLLBACK");
        await direct("DISCARD ALL");
      } catch {
        drop(target);
      }
      clearTimeout(timer);
    }
  }

  return {
    async run(target, job, role, signal) {
      const pool = await pooled(target);
      const reserving = pool.reserve();
      let connection: Connection;
      try {
        connection = await orAbort(reserving, signal);
      } catch (error) {
        void reserving.then((late) => late.release(), () => "There is no connection to give back");
        throw error;
      }
      const running = runOn({ pool, connection, target }, job, role, signal);
      // After an abort the job is over; its connection goes back when the server has stopped the query.
      void running.catch(() => "told below").finally(() => connection.release());
      return await orAbort(running, signal);
    },
    async close() {
      const all = [...pools.values()];
      pools.clear();
      await Promise.all(all.map((pool) => pool.then((found) => found.end({ timeout: 1 }), () => undefined)));
    },
  };
}
