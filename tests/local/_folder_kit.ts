/**
 * A synced folder on disk with its data folder, for tests.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createServer, type Server } from "../../src/server/app.ts";
import { openDatabase } from "../../src/server/database.ts";
import { type FolderOptions, type LocalFolder, openFolder } from "../../src/server/folder/folder.ts";
import { createIdentity, type ServerIdentity } from "../../src/server/identity.ts";
import { openObjects } from "../../src/server/objects/objects.ts";
import type { Database, Objects, Secrets } from "../../src/server/ports.ts";
import { resourceRoutes } from "../../src/server/routes/resources.ts";
import { s3Routes } from "../../src/server/routes/s3.ts";
import { s3ProxyRoutes } from "../../src/server/routes/s3_proxy.ts";
import { scriptRoutes } from "../../src/server/routes/scripts.ts";
import { userRoutes } from "../../src/server/routes/users.ts";
import { variableRoutes } from "../../src/server/routes/variables.ts";
import { workspaceRoutes } from "../../src/server/routes/workspaces.ts";
import type { Json } from "../../src/workflow/journal.ts";
import { openSecrets } from "../../src/server/secrets.ts";
import { fakeRunner, type FakeScript } from "./_fakes.ts";

/** Files by name. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

/** An opened folder; its files are removed at the end. */
export interface TrialFolder extends AsyncDisposable {
  readonly root: string;
  readonly dataDir: string;
  readonly folder: LocalFolder;
  readonly secrets: Secrets;
  readonly database: Database;
  readonly identity: ServerIdentity;
  readonly objects: Objects;
  /** Writes files into it. */
  put(files: Files): void;
  path(file: string): string;
  /** Opens the same folder once more, as the next process would. */
  reopen(): Promise<TrialFolder>;
  /** Asks the routes. */
  ask(method: string, path: string, body?: unknown, token?: string): Promise<Answer>;
  readonly server: Server;
  /** Listens on a free port until the end; gives the address. */
  listen(): string;
}

/** What an endpoint answered. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  /** Body as JSON. */
  json(): unknown;
}

function putFiles(root: string, files: Files): void {
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), content);
  }
}

/** What the trial's scripts do, by path. */
const TRIAL_SCRIPTS: Readonly<Record<string, FakeScript>> = { "f/x/echo": (args) => args };

/** What a trial may have besides. */
export interface TrialOptions extends Partial<FolderOptions> {
  /** Storages that are an S3. */
  readonly s3?: Json;
  readonly maxObjectBytes?: number;
  /** Hears errors of the server. */
  readonly report?: (error: unknown) => void;
}

/** Makes a folder with some files. */
export async function trialFolder(files: Files, options: TrialOptions = {}): Promise<TrialFolder> {
  const root = mkdtempSync(join(tmpdir(), "windkit-folder-"));
  const dataDir = join(root, ".windkit");
  mkdirSync(dataDir);
  putFiles(root, files);
  return await openTrial(root, dataDir, options);
}

async function openTrial(
  root: string,
  dataDir: string,
  { s3 = {}, maxObjectBytes, report, ...options }: TrialOptions,
): Promise<TrialFolder> {
  const database = await openDatabase({ path: join(dataDir, "server.sqlite"), durability: "process" });
  const secrets = openSecrets(dataDir);
  const identity = createIdentity({ database, dir: dataDir, username: "me", email: "me@example.com" });
  const folder = await openFolder({
    root,
    dataDir,
    database,
    secrets,
    owner: "me",
    now: () => 1_700_000_000_000,
    ...options,
  });
  const objects = await openObjects({
    dir: join(dataDir, "objects"),
    database,
    now: () => Date.now(),
    folder,
    secrets,
    s3,
    ...maxObjectBytes === undefined ? {} : { maxObjectBytes },
  });
  const server = createServer({
    workspace: "trial",
    baseUrl: "http://127.0.0.1:8000",
    folder,
    secrets,
    identity,
    objects,
    database,
    runners: [fakeRunner(TRIAL_SCRIPTS)],
    routes: [scriptRoutes, variableRoutes, resourceRoutes, userRoutes, workspaceRoutes, s3Routes, s3ProxyRoutes],
    // The folder's clock stands in the past: what is of then is kept.
    jobs: { retentionS: 10 ** 10 },
    ...report === undefined ? {} : { report },
  });
  const { fetch } = server;
  let listener: Deno.HttpServer<Deno.NetAddr> | undefined;
  let open = true;
  async function close(): Promise<void> {
    if (!open) return;
    open = false;
    await listener?.shutdown();
    await server.close();
    folder.close();
    database.close();
  }
  return {
    root,
    dataDir,
    folder,
    secrets,
    database,
    identity,
    objects,
    server,
    listen() {
      listener ??= Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, fetch);
      return `http://127.0.0.1:${listener.addr.port}`;
    },
    put: (files) => putFiles(root, files),
    path: (file) => join(root, file),
    async reopen() {
      await close();
      return await openTrial(root, dataDir, {
        ...options,
        s3,
        ...maxObjectBytes === undefined ? {} : { maxObjectBytes },
        ...report === undefined ? {} : { report },
      });
    },
    async ask(method, path, body, token = identity.ownerToken) {
      const response = await fetch(
        new Request(`http://127.0.0.1:8000/api${path.startsWith("/") ? path : `/w/trial/${path}`}`, {
          method,
          headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
          ...body === undefined ? {} : { body: JSON.stringify(body) },
        }),
      );
      const text = await response.text();
      return {
        status: response.status,
        type: response.headers.get("content-type") ?? "",
        text,
        json: () => JSON.parse(text) as unknown,
      };
    },
    async [Symbol.asyncDispose]() {
      await close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** A script that takes something. */
export const MAIN = "export async function main(name: string, times = 2) {\n  return name.repeat(times);\n}\n";

/** What a call throws. */
export function thrown(run: () => unknown): { readonly message: string; readonly status?: number } {
  try {
    run();
  } catch (error) {
    return error as Error & { readonly status?: number };
  }
  throw new Error("Nothing was thrown");
}

/** The problems of a folder, each as a line. */
export function problemsOf(
  folder: { readonly problems: readonly { readonly file: string; readonly message: string }[] },
): string[] {
  return folder.problems.map(({ file, message }) => `${file}: ${message}`);
}
