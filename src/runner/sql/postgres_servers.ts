/**
 * PostgreSQL servers, by the npm package `postgres`. In this process: a driver only waits, and rows come a few at a time.
 *
 * @module
 */
import { MissingPackageError } from "../../base/errors.ts";
import { orAbort } from "../../base/or_abort.ts";
import { ResultTooLargeError } from "./limits.ts";
import type { PgStatement } from "./pg_bind.ts";
import { type PgJob, type PgSink, runPgJob, type SqlResult } from "./pg_run.ts";
import { SqlError } from "./sql_process.ts";
import { quoted } from "./statements.ts";
import { createTurns } from "./turns.ts";

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

interface Described {
  readonly columns?: readonly { readonly name: string; readonly type: number }[] | null;
}

interface Query {
  raw(): Query;
  forEach(onRow: (row: readonly (Uint8Array | null)[], result: Described) => void): Promise<unknown>;
  cancel(): void;
}

interface QueryOptions {
  readonly prepare: boolean;
  readonly simple: boolean;
}

/** A client with one connection, which it makes when it is first asked. */
interface Client {
  unsafe(text: string, values: readonly unknown[], options: QueryOptions): Query & Promise<unknown>;
  typed(value: unknown, oid: number): unknown;
  end(options: { readonly timeout: number }): Promise<void>;
}

interface PostgresModule {
  default(options: Readonly<Record<string, unknown>>): Client;
}

/** One statement at a time, whatever its text holds. */
const ONE: QueryOptions = { prepare: false, simple: false };

/** Waits this long for a server to stop a query. */
const CANCEL_MS = 2000;

/** Connections to one database. */
const CONNECTIONS = 4;

/** The package gives and takes texts: what they mean is decided here. */
const TEXTS = {
  to: 0,
  from: [
    ...[
      16,
      17,
      20,
      21,
      23,
      25,
      26,
      114,
      199,
      700,
      701,
      1000,
      1001,
      1005,
      1007,
      1009,
      1014,
      1015,
      1016,
      1021,
      1022,
      1028,
    ],
    ...[
      1042,
      1043,
      1082,
      1083,
      1114,
      1115,
      1182,
      1183,
      1184,
      1185,
      1186,
      1187,
      1231,
      1266,
      1270,
      1700,
      2950,
      2951,
      3802,
    ],
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

/** A connection that jobs have one after the other. */
interface Connection {
  readonly client: Client;
  /** Times that it was lost: a job must not go on with another one. */
  losses: number;
}

/** Makes the servers of a runner. Nothing is connected yet. */
export function createPostgresServers(idleMs: number): PostgresServers {
  const turns = createTurns(CONNECTIONS);
  const idle = new Map<string, Connection[]>();
  const stopping = new Set<Connection>();
  const ending = new Set<Promise<void>>();
  const decoder = new TextDecoder();

  async function connect(target: PostgresTarget): Promise<Connection> {
    const { default: postgres } = await loadPostgres();
    const { host, port, user, password, database } = target;
    const client = postgres({
      host,
      port,
      user,
      password,
      database,
      ssl: sslOf(target),
      max: 1,
      max_lifetime: null,
      idle_timeout: Math.ceil(idleMs / 1000),
      connect_timeout: 10,
      fetch_types: false,
      onnotice: () => {},
      onclose: () => void connection.losses++,
      types: { texts: TEXTS },
      connection: { application_name: "windkit" },
    });
    const connection: Connection = { client, losses: 0 };
    return connection;
  }

  function end({ client }: Connection): void {
    const work = client.end({ timeout: 0 }).catch(() => undefined);
    ending.add(work);
    void work.finally(() => ending.delete(work)); // it never rejects
  }

  /** Ends a connection when its query has stopped, as it was asked to; or anyway, after a while. */
  function stop(connection: Connection, running: Promise<SqlResult> | undefined): void {
    stopping.add(connection);
    const timer = setTimeout(over, CANCEL_MS);
    function over(): void {
      clearTimeout(timer);
      if (stopping.delete(connection)) end(connection);
    }
    void Promise.resolve(running).then(over, over); // told to who asked
  }

  async function runOn(
    connection: Connection,
    job: PgJob,
    role: string | undefined,
    signal: AbortSignal,
  ): Promise<SqlResult> {
    const { client } = connection;
    let current: Query | undefined;

    async function execute({ text, types, values }: PgStatement, sink: PgSink): Promise<void> {
      signal.throwIfAborted();
      let failed: { readonly error: unknown } | undefined;
      let isDescribed = false;
      const bound = values.map((value, i) => value === null ? null : client.typed(value, types[i] ?? 0));
      const query = client.unsafe(text, bound, ONE).raw();
      current = query;
      // Each row as it comes, and none is kept here. (Cursors of postgres 3.4.9 lose their place after an error at the end.)
      const done = query.forEach((row, { columns }) => {
        if (failed !== undefined) return;
        try {
          if (!isDescribed) sink.columns((columns ?? []).map(({ name, type }) => ({ name, oid: type })));
          isDescribed = true;
          sink.row(row.map((cell) => cell === null ? null : decoder.decode(cell)));
        } catch (error) {
          failed = { error };
          query.cancel();
        }
      });
      try {
        await done;
      } catch (error) {
        throw failed === undefined ? error : failed.error;
      }
      if (failed !== undefined) throw failed.error;
    }

    const onAbort = (): void => current?.cancel();
    signal.addEventListener("abort", onAbort, { once: true });
    const { losses } = connection;
    try {
      if (role !== undefined) await client.unsafe(`SET ROLE ${quoted(role)}`, [], ONE);
      return await runPgJob(async (statement, sink) => {
        if (connection.losses > losses) throw new SqlError("The connection to the database was lost");
        await execute(statement, sink);
      }, job);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Gives a connection back, as if it were new. */
  async function giveBack(key: string, connection: Connection): Promise<void> {
    const { client } = connection;
    try {
      await client.unsafe("ROLLBACK", [], ONE);
      await client.unsafe("DISCARD ALL", [], ONE);
    } catch (error) {
      void error; // it is gone: so are what the job left in it
      return end(connection);
    }
    const list = idle.get(key);
    if (list === undefined) idle.set(key, [connection]);
    else list.push(connection);
  }

  return {
    async run(target, job, role, signal) {
      const key = JSON.stringify(target);
      const release = await turns.take(key, signal);
      let connection: Connection | undefined;
      let running: Promise<SqlResult> | undefined;
      try {
        connection = idle.get(key)?.pop() ?? await connect(target);
        running = runOn(connection, job, role, signal);
        const result = await orAbort(running, signal);
        await giveBack(key, connection);
        return result;
      } catch (error) {
        if (connection !== undefined) {
          // A request to stop may come late, and stop what comes next: this connection has no next.
          if (signal.aborted || error instanceof ResultTooLargeError) {
            stop(connection, running);
          } else await giveBack(key, connection);
        }
        throw error;
      } finally {
        release();
      }
    },
    async close() {
      for (const connection of [...[...idle.values()].flat(), ...stopping]) end(connection);
      idle.clear();
      stopping.clear();
      await Promise.all(ending);
    },
  };
}
