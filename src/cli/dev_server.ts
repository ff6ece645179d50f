/**
 * A server of one synced folder, put together out of its parts, and listening.
 *
 * @module
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { hasCode } from "../base/errors.ts";
import type { Runner } from "../runner/ports.ts";
import { createSqlRunner } from "../runner/sql/sql_runner.ts";
import { createTypeScriptRunner, MAX_RESULT_CHARACTERS } from "../runner/typescript/mod.ts";
import { createServer, type Server } from "../server/app.ts";
import { makePrivate, openDatabase, type ServerDatabase } from "../server/database.ts";
import { type LocalFolder, openFolder } from "../server/folder/folder.ts";
import { createIdentity } from "../server/identity.ts";
import type { JobsOptions } from "../server/jobs/jobs.ts";
import type { Identity, Objects, Script, Secrets } from "../server/ports.ts";
import { createJobObjects } from "../server/objects/job_objects.ts";
import { openObjects } from "../server/objects/objects.ts";
import { openSqliteStorage } from "../storage/sqlite.ts";
import { rememberAlways } from "../server/secret_memory.ts";
import { openSecrets } from "../server/secrets.ts";
import { datatablesOf } from "./dev_datatables.ts";
import { listen, type Listener } from "./dev_listen.ts";
import { removeOwner, servedError, writeOwner } from "./dev_owner.ts";
import { PAGES, ROUTES } from "./dev_parts.ts";
import type { DevSettings } from "./dev_settings.ts";
import { UsageError } from "./exit_codes.ts";

/** What a folder is served with. */
export interface DevServerOptions {
  /** The folder, absolute. */
  readonly folder: string;
  /** The data folder, absolute; it is made when it is not there. */
  readonly data: string;
  /** Address to listen at. @default "127.0.0.1" */
  readonly host?: string;
  /** 0: any port that is free. @default 8000 */
  readonly port?: number;
  readonly settings: DevSettings;
  /** Hears errors that are of this package. */
  readonly report: (error: unknown) => void;
  /** Says what is wrong with code. */
  readonly checkCode?: (script: Script) => string | undefined;
  /** How jobs are kept and run, beside what the settings say. */
  readonly jobs?: JobsOptions;
  /** Processes that wait for a job, already started. @default 1 */
  readonly poolSize?: number;
}

/** A server that listens. */
export interface DevServer {
  /** Address for people and programs, `http://127.0.0.1:8000`. */
  readonly url: string;
  /** The owner's token. */
  readonly token: string;
  readonly server: Server;
  readonly folder: LocalFolder;
  /** Begins no more jobs, lets those that run end for so long, stops the rest, and closes everything. */
  close(drainMs: number): Promise<void>;
}

/** Where nobody but this machine gets. */
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|localhost|::1)$/;

/** All addresses of this machine. */
const WILDCARD = /^(?:0\.0\.0\.0|::)$/;

/** Whoever is connected when the server stops gets so long to read the rest. */
const FAREWELL_MS = 500;

/** True for an address at which only this machine's programs reach the server. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** A host as it stands in an address. */
function inAddress(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/** Names under which this machine is reached from outside. */
function ownNames(): readonly string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((one) => one ?? []).map(({ address }) => address);
  const name = hostname().toLowerCase();
  return [name, `${name}.local`, ...addresses.map((address) => inAddress(address.replace(/%.*$/, "")))];
}

/** Makes the data folder, for its owner alone, and no part of what Git keeps. */
function makeDataFolder(data: string): string {
  mkdirSync(data, { recursive: true, mode: 0o700 });
  if (!statSync(data).isDirectory()) throw new UsageError(`Cannot keep data in "${data}": it is no folder`);
  chmodSync(data, 0o700);
  const ignore = join(data, ".gitignore");
  if (!existsSync(ignore)) writeFileSync(ignore, "*\n", { mode: 0o600 });
  return realpathSync(data);
}

async function openData(folder: string, data: string): Promise<ServerDatabase> {
  try {
    return await openDatabase({ path: join(data, "server.sqlite") });
  } catch (error) {
    throw hasCode(error, "STORAGE_LOCKED") ? servedError(folder, data, error) : error;
  }
}

/**
 * Serves a folder.
 *
 * @throws UsageError for a folder that is not there, a port that is taken
 * @throws StorageLockedError when another process serves it
 */
export async function openDevServer(options: DevServerOptions): Promise<DevServer> {
  const { settings, report, checkCode, host = "127.0.0.1", port = 8000, poolSize = 1 } = options;
  if (!existsSync(options.folder)) throw new UsageError(`No such folder: "${options.folder}"`);
  if (!statSync(options.folder).isDirectory()) throw new UsageError(`Not a folder: "${options.folder}"`);
  const root = realpathSync(options.folder);
  const data = makeDataFolder(options.data);
  // What was opened is closed, the last first, when what comes after it fails.
  const closing: (() => unknown)[] = [];
  async function closeAll(): Promise<void> {
    for (const close of closing.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        report(error);
      }
    }
  }
  try {
    const database = await openData(root, data);
    closing.push(() => database.close());
    const made = Promise.withResolvers<Server>();
    const answer = async (request: Request): Promise<Response> => await (await made.promise).fetch(request);
    // Who asks before all is there is answered when it is.
    void made.promise.catch(() => {});
    closing.push(() => made.reject(new Error("The server was not started")));
    const listeners = await listenAll(host, port, answer);
    closing.push(() => Promise.all(listeners.map((one) => one.close(FAREWELL_MS))));
    const own = listeners[0]?.port ?? port;
    const url = `http://${inAddress(WILDCARD.test(host) ? "127.0.0.1" : host)}:${own}`;
    const internalUrl = isLoopback(host) ? url : `http://127.0.0.1:${own}`;
    writeOwner(data, { pid: process.pid, url, since: Date.now() });
    closing.push(() => removeOwner(data));

    const ofFolder = openSecrets(data);
    const identity = createIdentity({ database, dir: data });
    ofFolder.remember(identity.ownerToken);
    const secrets = rememberAlways(ofFolder, database, Date.now);
    const folder = await openFolder({
      root,
      dataDir: data,
      database,
      secrets,
      owner: identity.owner.username,
      now: Date.now,
      ...(checkCode === undefined ? {} : { checkCode }),
    });
    closing.push(() => folder.close());
    const objects = await openObjects({
      dir: join(data, "objects"),
      database,
      now: Date.now,
      s3: settings.s3,
      reach: { open: settings.net === "open", denied: settings.denyNet },
      folder,
      secrets,
    });
    const runners = await openRunners({ data, folder, secrets, settings, poolSize, objects, identity });
    closing.push(() => Promise.all(runners.map((runner) => runner[Symbol.asyncDispose]())));
    // In one commit.
    database.transaction(() => rememberSecrets(folder));
    const { retentionS, limits = {} } = settings;
    const runs = join(data, "runs");
    // A result is an outcome in the journal of a workflow, and a third longer when it is encrypted.
    const maxRecordBytes = 2 * (limits.result ?? MAX_RESULT_CHARACTERS);
    const storage = await openSqliteStorage({ dir: runs, maxRecordBytes });
    for (const name of readdirSync(runs)) makePrivate(join(runs, name));
    // The workflows close it, when there are any.
    closing.push(() => storage.close());
    const server = createServer({
      workspace: folder.workspace,
      baseUrl: url,
      internalUrl,
      folder,
      secrets,
      identity,
      objects,
      database,
      runners,
      jobs: {
        ...(retentionS === undefined ? {} : { retentionS }),
        ...(limits.log === undefined ? {} : { maxOutputChars: limits.log }),
        ...(limits.timeout === undefined ? {} : { timeoutS: limits.timeout }),
        ...(limits.jobs === undefined ? {} : { concurrency: limits.jobs }),
        ...options.jobs,
      },
      workflows: { storage, ...(retentionS === undefined ? {} : { retentionMs: retentionS * 1000 }) },
      routes: ROUTES,
      pages: PAGES,
      hosts: WILDCARD.test(host) ? ownNames() : [],
      report,
    });
    made.resolve(server);
    let closed: Promise<void> | undefined;
    return {
      url,
      token: identity.ownerToken,
      server,
      folder,
      close: (drainMs) =>
        closed ??= server.close({ drainMs }).catch(report).then(async () => {
          // The jobs that were stopped are gone before what they use is.
          await closeAll();
        }),
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** What earlier runs wrote may hold secrets that nothing has read since: they are hidden from the first moment. */
function rememberSecrets(folder: LocalFolder): void {
  for (const { path, isSecret } of folder.variables()) {
    if (!isSecret) continue;
    try {
      folder.variable(path, true);
    } catch (error) {
      void error; // cannot be opened here: then nothing that was run here has read it
    }
  }
}

/** Listens at an address, and where this is another one than the machine's own for its jobs at that one too. */
async function listenAll(
  host: string,
  port: number,
  answer: (request: Request) => Promise<Response>,
): Promise<readonly Listener[]> {
  const first = await listen({ host, port }, answer);
  if (isLoopback(host) || WILDCARD.test(host)) return [first];
  try {
    return [first, await listen({ host: "127.0.0.1", port: first.port }, answer)];
  } catch (error) {
    await first.close(0);
    throw error;
  }
}

interface RunnerParts {
  readonly data: string;
  readonly folder: LocalFolder;
  readonly secrets: Secrets;
  readonly settings: DevSettings;
  readonly poolSize: number;
  readonly objects: Objects;
  readonly identity: Identity;
}

async function openRunners(parts: RunnerParts): Promise<readonly Runner[]> {
  const { data, folder, secrets, settings, poolSize, objects, identity } = parts;
  const { net, denyNet, datatables, limits: { memory, disk, result, log } = {} } = settings;
  return [
    await createTypeScriptRunner({
      jobsFolder: join(data, "jobs"),
      cacheFolder: join(data, "cache"),
      net,
      denyNet,
      poolSize,
      ...(memory === undefined ? {} : { memoryLimitBytes: memory }),
      ...(disk === undefined ? {} : { diskLimitBytes: disk }),
      ...(result === undefined ? {} : { maxResultCharacters: result }),
      // The server cuts the log, and says so; what comes long after that, it is not told.
      ...(log === undefined ? {} : { maxLogCharacters: log * 2 }),
    }),
    createSqlRunner({
      dataFolder: data,
      ...(result === undefined ? {} : { maxResultBytes: result }),
      ...(disk === undefined ? {} : { maxObjectBytes: disk }),
      objects: (token) => createJobObjects({ objects, identity, workspace: folder.workspace }, token),
      datatables: datatablesOf(datatables, folder, secrets),
      resource: (path) => {
        const found = folder.resource(path);
        return Promise.resolve(found === undefined ? undefined : folder.interpolate(found.value));
      },
    }),
  ];
}
