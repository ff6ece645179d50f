/**
 * The process of one data table on PGlite. PostgreSQL in WebAssembly holds its thread while a query runs, takes 300 to 650 MB, and
 * cannot be interrupted: so it has a process of its own, which can be killed, and in that a thread of its own, so that the process
 * ends when the server does.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import process from "node:process";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import type { PgStatement } from "./pg_bind.ts";
import { pgErrorText, type PgJob, type PgSink, runPgJob } from "./pg_run.ts";
import { programUrl } from "./program_file.ts";
import { answer, exitAnswered, frameError, frameResult, onRequests, READY } from "./program_io.ts";

/** What the process is told at its start. */
export interface PgliteConfig {
  /** Folder of the database. Its lock file lies beside it. */
  readonly folder: string;
  /** Folder for a copy of the first database that is made: others are copies of it. Making one takes seconds. */
  readonly cache: string;
}

const PACKAGE = "@electric-sql/pglite";

/** Rows that are fetched at a time. */
const BATCH = 1000;

interface Message {
  readonly name: string;
  readonly message?: string;
  /** Columns of a description, or texts of a row. */
  readonly fields?: readonly unknown[];
}

/** The part of PGlite that is used here. */
interface Pglite {
  readonly waitReady: Promise<void>;
  execProtocol(
    message: Uint8Array,
    options: { readonly throwOnError: boolean },
  ): Promise<{ readonly messages: readonly Message[] }>;
  close(): Promise<void>;
}

interface PgliteModule {
  readonly PGlite: new (folder: string) => Pglite;
  readonly protocol: {
    readonly serialize: {
      parse(options: { text: string; types: number[] }): Uint8Array;
      bind(options: { values: (string | null)[] }): Uint8Array;
      describe(options: { type: "P" }): Uint8Array;
      execute(options: { rows: number }): Uint8Array;
      flush(): Uint8Array;
      sync(): Uint8Array;
    };
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Takes the lock of a folder for as long as the process lives. Two processes on one folder destroy it without an error. */
async function lock(folder: string): Promise<void> {
  const { DatabaseSync } = await import("node:sqlite");
  const db = new DatabaseSync(`${folder}.lock`);
  try {
    for (const sql of ["PRAGMA busy_timeout = 1500", "PRAGMA journal_mode = MEMORY", "BEGIN EXCLUSIVE"]) {
      db.prepare(sql).all();
    }
  } catch (cause) {
    db.close();
    throw new Error(`Cannot open the database in "${folder}": another process uses it`, { cause });
  }
  held.push(db);
}

/** Keeps what must not be collected. */
const held: unknown[] = [];

/** A new database that others are copied from; undefined where the package's version cannot be known. */
async function templateOf(cache: string): Promise<string | undefined> {
  try {
    const text = await readFile(new URL("../package.json", import.meta.resolve(PACKAGE)), "utf8");
    return `${cache}/pglite-${(JSON.parse(text) as { readonly version: string }).version}`;
  } catch (error) {
    void error; // no file beside it: a bundle, or another layout
    return undefined;
  }
}

/** Copies a folder of files. (`cp` wants to read what is around the new one, which this process may not.) */
async function copyFolder(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [`${from}/${entry.name}`, `${to}/${entry.name}`];
    if (entry.isDirectory()) await copyFolder(source, target);
    else await copyFile(source, target);
  }
}

/** Makes a database in a folder that is not there. */
async function make({ PGlite }: PgliteModule, folder: string, cache: string): Promise<void> {
  const template = await templateOf(cache);
  if (template !== undefined && existsSync(template)) return await copyFolder(template, folder);
  await mkdir(folder, { recursive: true });
  const first = new PGlite(folder);
  await first.waitReady;
  await first.close();
  if (template === undefined) return;
  const part = `${template}.${process.pid}`;
  await mkdir(cache, { recursive: true });
  await copyFolder(folder, part);
  // Another process may have been faster.
  await rename(part, template).catch(() => rm(part, { recursive: true, force: true }));
}

async function open(module: PgliteModule, { folder, cache }: PgliteConfig): Promise<Pglite> {
  if (!existsSync(folder)) {
    // Made beside its place: a first start that is cut off leaves nothing that looks like a database.
    const part = `${folder}.new`;
    await rm(part, { recursive: true, force: true });
    await make(module, part, cache);
    await rename(part, folder);
  }
  const db = new module.PGlite(folder);
  await db.waitReady;
  return db;
}

/** An error of the database, which is a message of its protocol. */
function errorOf(messages: readonly Message[]): Message | undefined {
  return messages.find(({ name }) => name === "error");
}

/** Runs requests, in the thread of the database. */
async function serve(config: PgliteConfig, write: (text: string) => void): Promise<(line: string) => void> {
  await lock(config.folder);
  // A name in a variable, so that no bundler wants it to be there.
  const name = PACKAGE;
  const module = await import(name) as PgliteModule;
  const { serialize: message } = module.protocol;
  const db = await open(module, config);

  async function send(...parts: readonly Uint8Array[]): Promise<readonly Message[]> {
    return (await db.execProtocol(joined(parts), { throwOnError: false })).messages;
  }

  async function rows({ text, types, values }: PgStatement, sink: PgSink): Promise<void> {
    let messages = await send(
      message.parse({ text, types: [...types] }),
      message.bind({ values: [...values] }),
      message.describe({ type: "P" }),
      message.execute({ rows: BATCH }),
      message.flush(),
    );
    while (true) {
      for (const { name, fields = [] } of messages) {
        if (name === "rowDescription") {
          sink.columns((fields as readonly { name: string; dataTypeID: number }[]).map((field) => ({
            name: field.name,
            oid: field.dataTypeID,
          })));
        } else if (name === "dataRow") sink.row(fields as readonly (string | null)[]);
      }
      const error = errorOf(messages);
      if (error !== undefined) throw error;
      if (!messages.some(({ name }) => name === "portalSuspended")) return;
      messages = await send(message.execute({ rows: BATCH }), message.flush());
    }
  }

  async function execute(statement: PgStatement, sink: PgSink): Promise<void> {
    let failed: { readonly error: unknown } | undefined;
    try {
      await rows(statement, sink);
    } catch (error) {
      failed = { error };
    }
    // Ends the statement's own transaction: what is deferred to its end fails here.
    const error = errorOf(await send(message.sync()));
    if (failed !== undefined) throw failed.error;
    if (error !== undefined) throw error;
  }

  async function direct(text: string): Promise<Message | undefined> {
    return errorOf(
      await send(
        message.parse({ text, types: [] }),
        message.bind({ values: [] }),
        message.execute({ rows: 0 }),
        message.sync(),
      ),
    );
  }

  /** The next job finds a connection as if it were new. */
  async function reset(): Promise<void> {
    if (await direct("DISCARD ALL") === undefined) return;
    await direct("ROLLBACK");
    await direct("DISCARD ALL");
  }

  async function handle(line: string): Promise<void> {
    let text: string;
    try {
      text = frameResult(await runPgJob(execute, JSON.parse(line) as PgJob));
    } catch (error) {
      text = frameError(error, pgErrorText);
    }
    await reset();
    write(text);
  }

  let last: Promise<void> = Promise.resolve();
  return (line) => {
    last = line === "" ? last.then(() => db.close()).then(() => write("")) : last.then(() => handle(line));
  };
}

function runMain(config: string): void {
  const worker = new Worker(programUrl("pglite_main"), { workerData: config });
  worker.on("message", (text: string) => text === "" ? void exitAnswered() : answer(text));
  worker.on("error", (error: Error) => {
    console.error(error.message);
    process.exit(1);
  });
  worker.on("exit", () => process.exit(1));
  onRequests((line) => worker.postMessage(line));
}

async function runThread(config: string): Promise<void> {
  const port = parentPort;
  if (port === null) throw new TypeError("The thread of a database needs a parent");
  const early: string[] = [];
  let handle = (line: string): void => void early.push(line);
  port.on("message", (line: string) => handle(line));
  handle = await serve(JSON.parse(config) as PgliteConfig, (text) => port.postMessage(text));
  port.postMessage(READY);
  for (const line of early) handle(line);
}

/** Runs the program: the process, or the thread in it. */
export async function runPglite(): Promise<void> {
  if (isMainThread) runMain(process.argv[2] ?? "{}");
  else await runThread(`${workerData}`);
}
