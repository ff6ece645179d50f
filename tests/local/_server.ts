/**
 * A server for a test, with stand-ins for the parts that the test is not about, and a listener on a free port.
 */
import { createServer, type RouteModule, type Server, type ServerParts } from "../../src/server/app.ts";
import { openDatabase } from "../../src/server/database.ts";
import { createIdentity } from "../../src/server/identity.ts";
import { type Client, createClient } from "../../src/sdk/client.ts";
import { type FakeFiles, fakeFolder, fakeObjects, fakeRunner, fakeSecrets, functionsOf } from "./_fakes.ts";
import { listenFor, requestInit } from "./_http.ts";

/** What a test's server has. */
export interface TestServerOptions extends Partial<Omit<ServerParts, "database" | "identity" | "baseUrl">> {
  /** Scripts by path. */
  readonly files?: FakeFiles;
  /** Functions that previews may name as their code. */
  readonly previews?: FakeFiles;
  readonly variables?: Readonly<Record<string, string>>;
  /** Values that must not be seen. */
  readonly hidden?: readonly string[];
  /** Data folder. @default a new one, removed at the end */
  readonly dir?: string;
  readonly routes?: readonly RouteModule[];
  /** Waits so long for what runs when the server closes. @default 0 */
  readonly drainMs?: number;
}

/** A running server. */
export interface TestServer extends AsyncDisposable {
  readonly server: Server;
  readonly url: string;
  readonly token: string;
  readonly workspace: string;
  readonly client: Client;
  /** Errors that were reported. */
  readonly reported: unknown[];
  readonly stop: () => Promise<void>;
  /** Asks below `/api/w/WORKSPACE/`, as the owner. */
  readonly ask: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Response>;
}

/** Opens a server for a test. */
export async function openTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { files = {}, previews = {}, variables, hidden, dir, drainMs = 0, ...parts } = options;
  const data = dir ?? await Deno.makeTempDir({ prefix: "windkit-server-" });
  const database = await openDatabase({ path: `${data}/server.sqlite`, durability: "process" });
  const identity = createIdentity({ database, dir: data });
  const reported: unknown[] = [];
  const workspace = parts.workspace ?? "ws";
  const made = Promise.withResolvers<Server>();
  const listener = listenFor(made.promise);
  const { url } = listener;
  const server = createServer({
    workspace,
    baseUrl: url,
    folder: fakeFolder(files, variables),
    secrets: fakeSecrets(hidden),
    identity,
    objects: fakeObjects(),
    database,
    runners: [fakeRunner({ ...functionsOf(files), ...functionsOf(previews) }, ["bun", "deno", "postgresql"])],
    report: (error) => reported.push(error),
    ...parts,
  });
  const token = identity.ownerToken;
  const client = createClient({ baseUrl: url, workspace, token, env: {} });
  made.resolve(server);
  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    await server.close({ drainMs });
    await listener.shutdown();
    database.close();
    if (dir === undefined) await Deno.remove(data, { recursive: true });
  }
  return {
    server,
    url,
    token,
    workspace,
    client,
    reported,
    stop: () => stopped ??= stop(),
    ask: (method, path, body, headers = {}) =>
      fetch(`${url}/api/w/${workspace}/${path}`, requestInit(method, token, body, headers)),
    [Symbol.asyncDispose]: () => stopped ??= stop(),
  };
}
