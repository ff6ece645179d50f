/**
 * Runs SQL scripts: `postgresql` on data tables and servers, `duckdb` with ducklakes.
 *
 * Data tables are PGlite databases in the data folder, or databases of servers by their addresses. DuckDB has a database in memory
 * for each job. Both run in processes of their own, measured: PGlite takes 300 MB when it is opened, 650 MB when it is made, and
 * holds its thread while a query runs; DuckDB takes 90 MB and what its jobs need. The server stays small, answers meanwhile, and
 * stops what must stop by killing a process: databases lose nothing that was committed.
 *
 * @module
 */
import { parseExact } from "../../base/exact_numbers.ts";
import type { Json } from "../../workflow/journal.ts";
import type { JobError, JobObjects, JobOutcome, Runner, RunnerIo, RunnerJob } from "../ports.ts";
import { checkedName, type DatabaseTarget, findDatabase } from "./database_target.ts";
import { collectionOf, duckdbArguments, type Header, postgresArguments, readHeader } from "./declarations.ts";
import { copyDatatable } from "./datatable_copy.ts";
import { type Attachment, bindDuck, readAttach } from "./duck_bind.ts";
import { type FileRole, type ObjectAddress, withFiles } from "./duck_files.ts";
import { createDuckObjects, type DuckObjects, type ObjectLimits } from "./duck_objects.ts";
import { createDuckProcesses } from "./duck_processes.ts";
import { type DuckAttach, type DuckCopy, type DuckJob, type DuckStatement, TEMPORARY } from "./duck_job.ts";
import { interpolate } from "./interpolate.ts";
import type { ResultLimits } from "./limits.ts";
import { bindStatement } from "./pg_bind.ts";
import { pgErrorText, type PgJob, type SqlResult } from "./pg_run.ts";
import { createPgliteDatabases } from "./pglite_databases.ts";
import { createPostgresServers } from "./postgres_servers.ts";
import { SqlError } from "./sql_process.ts";
import { splitStatements, type Statement } from "./statements.ts";
import { createTurns } from "./turns.ts";

/** Options of {@linkcode createSqlRunner}. */
export interface SqlRunnerOptions {
  /** The data folder: `pg/` and `duck/` in it. */
  readonly dataFolder: string;
  /** Folder for what can be made again. @default "<data folder>/cache" */
  readonly cacheFolder?: string;
  /** Addresses of data tables that are on servers, by name: `{ main: "postgres://..." }`. @default {} */
  readonly datatables?: Readonly<Record<string, string>>;
  /** Value of a resource by its path, with what it refers to: for `-- database f/folder/name`. */
  readonly resource?: (path: string) => Promise<Json | undefined>;
  /** Most rows that a statement may give. @default 100000 */
  readonly maxRows?: number;
  /** Most bytes of a result, as JSON. @default 16777216 */
  readonly maxResultBytes?: number;
  /** Ends processes and connections without a job for so long, in milliseconds. @default 300000 */
  readonly idleMs?: number;
  /** Most data tables on PGlite that are open at a time. @default 4 */
  readonly maxOpenDatabases?: number;
  /** Memory that DuckDB may take for a job. @default "512MB" */
  readonly duckdbMemory?: string;
  /** Threads of DuckDB. @default 2 */
  readonly duckdbThreads?: number;
  /** Most DuckDB jobs at a time. @default 2 */
  readonly duckdbProcesses?: number;
  /**
   * `off`: ducklakes are plain DuckDB files. `local`: DuckDB's extension, when it is installed on this machine. `download`: it is
   * fetched from DuckDB's servers when it is not.
   *
   * @default "local"
   */
  readonly ducklake?: "off" | "local" | "download";
  /** A file with the extension. @default what DuckDB finds */
  readonly ducklakeFile?: string;
  /** The workspace's objects for a job, by its token. @default none: a script that names one fails */
  readonly objects?: (token: string) => JobObjects;
  /** Most bytes of objects that a DuckDB job reads, and most that it writes before it ends. @default 4294967296 */
  readonly maxObjectBytes?: number;
  /** Most objects that a DuckDB job reads. @default 10000 */
  readonly maxObjects?: number;
}

/** Most keys that a pattern of a script is compared with. */
const MAX_LISTED = 100_000;

/** A line for the log. */
function logWarnings(io: RunnerIo, { warnings }: SqlResult): void {
  for (const warning of warnings) io.log(`${warning}\n`);
}

/** What a database cannot be asked through a job. */
function checkCopy(text: string, { kind }: DatabaseTarget): void {
  if (!/^COPY\b/i.test(text)) return;
  if (/\b(?:FROM\s+STDIN|TO\s+STDOUT)\b/i.test(text)) {
    throw new TypeError("Cannot run COPY from STDIN or to STDOUT: a job has neither; use INSERT or SELECT");
  }
  if (kind === "pglite" && /\b(?:FROM|TO)\s+PROGRAM\b/i.test(text)) {
    throw new TypeError("Cannot run COPY with a PROGRAM: PGlite starts none");
  }
}

/** Makes the runner of SQL. Nothing is started or connected before the first job. */
export function createSqlRunner(options: SqlRunnerOptions): Runner {
  const { dataFolder, datatables = {}, resource, maxRows = 100_000, maxResultBytes = 32 * 1024 * 1024 } = options;
  const { idleMs = 300_000, maxOpenDatabases = 4, ducklake = "local", ducklakeFile } = options;
  const { duckdbMemory = "512MB", duckdbThreads = 2, duckdbProcesses = 2 } = options;
  const limits: ResultLimits = { maxRows, maxBytes: maxResultBytes };
  const { objects, maxObjectBytes = 4 * 1024 ** 3, maxObjects = 10_000 } = options;
  const objectLimits: ObjectLimits = { maxBytes: maxObjectBytes, maxObjects, maxListed: MAX_LISTED };
  const { cacheFolder = `${dataFolder}/cache` } = options;
  const pglite = createPgliteDatabases({
    folder: `${dataFolder}/pg`,
    cache: cacheFolder,
    maxOpen: maxOpenDatabases,
    idleMs,
  });
  const servers = createPostgresServers(idleMs);
  const copying = createTurns(duckdbProcesses);
  const duck = createDuckProcesses({
    folder: `${dataFolder}/duck`,
    memoryLimit: duckdbMemory,
    threads: duckdbThreads,
    processes: duckdbProcesses,
    maxDiskBytes: maxObjectBytes,
    idleMs,
    ducklake,
    ...(ducklakeFile === undefined ? {} : { ducklakeFile }),
  });

  async function databaseOf({ args }: RunnerJob, { database }: Header): Promise<DatabaseTarget> {
    if (database === undefined) return findDatabase(args.database, datatables);
    if (database.startsWith("datatable://")) {
      // Windmill's worker reads a resource's path there, and nothing else.
      throw new TypeError(
        `"-- database ${database}" names no resource: a data table is named by the argument "database" of the job`,
      );
    }
    const value = await resource?.(database);
    if (value === undefined) throw new TypeError(`Cannot find resource "${database}": it is named as the database`);
    return findDatabase(value, datatables);
  }

  async function runPostgres(job: RunnerJob, signal: AbortSignal): Promise<SqlResult> {
    const { args } = job;
    const header = readHeader(job.content);
    const content = interpolate(job.content, args, job.env);
    const found = await databaseOf(job, header);
    const declared = postgresArguments(content);
    const statements = splitStatements(content);
    for (const { text } of statements) checkCopy(text, found);
    const { role } = header;
    if (role !== undefined) checkRole(role, found);
    const asked: PgJob = {
      statements: statements.map((statement) => bindStatement(statement, declared, args)),
      collection: collectionOf(header, statements.length),
      limits,
    };
    return await runOn(found, asked, role, signal);
  }

  async function runOn(
    found: DatabaseTarget,
    job: PgJob,
    role: string | undefined,
    signal: AbortSignal,
  ): Promise<SqlResult> {
    return found.kind === "pglite"
      ? await pglite.run(found.name, job, signal)
      : await servers.run(found.target, job, role, signal);
  }

  async function runDuckdb(job: RunnerJob, signal: AbortSignal): Promise<SqlResult> {
    const { args, env } = job;
    const header = readHeader(job.content);
    if (header.role !== undefined) throw new TypeError(`Cannot use role "${header.role}": DuckDB has no roles`);
    const content = interpolate(job.content, args, env);
    const declared = duckdbArguments(content);
    const folder = `${dataFolder}/duck/${TEMPORARY}${crypto.randomUUID()}`;
    const files = objects && createDuckObjects(objects(env.WM_TOKEN ?? ""), folder, objectLimits);
    let uses = false;
    function use(address: ObjectAddress, role: FileRole, text: string): string {
      uses = true;
      if (files !== undefined) return files.use(address, role, text);
      throw new TypeError(`Cannot open "s3://${address.storage}/${address.key}": there are no objects here`);
    }
    const attach: DuckAttach[] = [];
    const asked: Attachment[] = [];
    const views: Statement[] = [];
    const statements = splitStatements(content).map((statement): DuckStatement => {
      const attachment = readAttach(statement.text);
      if (attachment === undefined) {
        const { statement: made, uses: named } = withFiles(statement, declared, args, use);
        if (named && /^CREATE\s+(?:OR\s+REPLACE\s+)?(?:VIEW|MACRO|FUNCTION)\b/i.test(statement.text)) {
          views.push(statement);
        }
        return bindDuck(made, declared, args);
      }
      if (attachment.kind === "datatable") asked.push(attachment);
      else attach.push({ ...attachment, lake: checkedName(attachment.lake, "ducklake") });
      return null;
    });
    if (attach.length > 0) { for (const view of views) refuseView(view); }
    const { copies, remove } = await copiesOf(asked, content, signal);
    try {
      const collection = collectionOf(header, statements.length);
      const asks = { attach, copies, statements, collection, limits };
      if (files === undefined || !uses) return await runDuck(asks, signal);
      return await withObjects(files, folder, signal, () => runDuck({ ...asks, files: folder }, signal));
    } finally {
      await remove();
    }
  }

  async function runDuck(job: DuckJob, signal: AbortSignal): Promise<SqlResult> {
    try {
      return await duck.run(job, signal);
    } catch (error) {
      throw error instanceof SqlError ? objectError(error) : error;
    }
  }

  /** Runs with the objects that a job names in a folder of its own. */
  async function withObjects(
    files: DuckObjects,
    folder: string,
    signal: AbortSignal,
    run: () => Promise<SqlResult>,
  ): Promise<SqlResult> {
    const { rm } = await import("node:fs/promises");
    // Copies of as many jobs as run at a time are on the disk.
    const end = await copying.take("", signal);
    try {
      // Sweeps what is left of before, and so comes first.
      await duck.prepare();
      await files.fetch(signal);
      const { text, warnings } = await run();
      await files.put(signal);
      return { text: files.shown(text, true), warnings };
    } catch (error) {
      throw error instanceof SqlError ? new SqlError(files.shown(error.message), error.name, { cause: error }) : error;
    } finally {
      try {
        await rm(folder, { recursive: true, force: true });
      } finally {
        end();
      }
    }
  }

  /** Copies of data tables for a job, and what removes them. */
  async function copiesOf(
    attachments: readonly Attachment[],
    content: string,
    signal: AbortSignal,
  ): Promise<{ readonly copies: readonly DuckCopy[]; readonly remove: () => Promise<void> }> {
    if (attachments.length === 0) return { copies: [], remove: () => Promise.resolve() };
    const { mkdir, rm } = await import("node:fs/promises");
    const folder = `${dataFolder}/duck/${TEMPORARY}${crypto.randomUUID()}`;
    const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
    // Sweeps what is left of before, and so comes first.
    await duck.prepare();
    await mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      const copies: DuckCopy[] = [];
      for (const attachment of attachments) {
        if (attachment.kind !== "datatable") continue;
        const { alias, name } = attachment;
        const target = findDatabase(`datatable://${name}`, datatables);
        const run = (job: PgJob): Promise<SqlResult> => runOn(target, job, undefined, signal);
        copies.push(await copyDatatable({ alias, datatable: name, content, folder, limits, run }));
      }
      return { copies, remove };
    } catch (error) {
      await remove();
      throw error;
    }
  }

  /** Runs within the job's time. */
  async function within(
    { timeoutMs }: RunnerJob,
    { signal }: RunnerIo,
    work: (signal: AbortSignal) => Promise<SqlResult>,
  ): Promise<SqlResult> {
    if (timeoutMs === undefined) return await work(signal);
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort(new SqlError(`Job timed out after ${timeoutMs / 1000}s`, "ExecutionErr"));
    }, timeoutMs);
    try {
      return await work(AbortSignal.any([signal, late.signal]));
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    languages: ["postgresql", "duckdb"],
    async run(job, io): Promise<JobOutcome> {
      try {
        const result = await within(
          job,
          io,
          (signal) => job.language === "duckdb" ? runDuckdb(job, signal) : runPostgres(job, signal),
        );
        logWarnings(io, result);
        return { ok: true, result: parseExact(result.text) as Json }; // `as`: JSON
      } catch (error) {
        const failed = jobErrorOf(error, io.signal);
        io.log(`${failed.message}\n`);
        return { ok: false, error: failed };
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([pglite.close(), servers.close(), duck.close()]);
    },
  };
}

/** A view that lasts would be one of files that do not. */
function refuseView({ text }: Statement): never {
  throw new TypeError(
    `Cannot run ${JSON.stringify(text.slice(0, 100))}: a view of objects lasts as long as the job; write CREATE TEMP`,
  );
}

/** Says what to do about an address that DuckDB was given as it is, and cannot open. */
function objectError(error: SqlError): SqlError {
  const [, address] = /Cannot access file "(s3:\/\/[^"]*)"/.exec(error.message) ?? [];
  if (address === undefined) return error;
  return new SqlError(
    `Cannot open "${address}": the address of an object must stand whole where a file is expected, as text or as an argument ` +
      "(FROM 's3:///key', read_parquet($file), COPY ... TO 's3:///key'); this one was made by the query",
    error.name,
    { cause: error },
  );
}

function checkRole(role: string, found: DatabaseTarget): void {
  if (!/^[\w-]{1,63}$/.test(role)) {
    throw new TypeError(`Cannot use role ${JSON.stringify(role)}: expected letters, digits, "_" and "-", 63 at most`);
  }
  if (found.kind === "postgres" && found.datatable !== undefined) return;
  const why = found.kind === "pglite"
    ? `data table "${found.name}" is on PGlite, which has one user; put it on a server to use roles`
    : "a resource says its user";
  throw new TypeError(`Cannot use role "${role}": ${why}`);
}

/** An error of a job as Windmill shapes it. */
function jobErrorOf(error: unknown, signal: AbortSignal): JobError {
  if (signal.aborted) {
    const { reason } = signal;
    return { name: "Canceled", message: reason instanceof Error ? reason.message : `${reason}` };
  }
  if (error instanceof SqlError) return { name: "ExecutionErr", message: error.message };
  const name = error instanceof Error && /^(?:MissingPackageError)$/.test(error.name) ? error.name : "ExecutionErr";
  return { name, message: pgErrorText(error) };
}
