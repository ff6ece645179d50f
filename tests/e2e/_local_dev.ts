/**
 * A folder that is served as `windkit dev` serves it, in this process, on a free port.
 *
 * @module
 */
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DevServer, type DevServerOptions, openDevServer } from "../../src/cli/dev_server.ts";
import { readSettings } from "../../src/cli/dev_settings.ts";
import { requestInit } from "../local/_http.ts";

/** The example workspace. */
export const EXAMPLES = fileURLToPath(new URL("../../examples/workspace", import.meta.url));

/** What is served, and how. */
export interface LocalOptions extends Partial<Omit<DevServerOptions, "settings">> {
  /** Files by path, beside those of `copyOf`. */
  readonly files?: Readonly<Record<string, string>>;
  /** A folder that is copied. */
  readonly copyOf?: string;
  /** `windkit.json`. */
  readonly settings?: unknown;
}

/** A served folder. */
export interface Local extends AsyncDisposable {
  readonly dir: string;
  readonly data: string;
  readonly url: string;
  readonly token: string;
  readonly workspace: string;
  readonly dev: DevServer;
  /** Errors of the server itself. */
  readonly reported: unknown[];
  readonly write: (path: string, text: string) => void;
  /** Asks below `/api/w/WORKSPACE/`; as the owner, unless a token is given. */
  readonly ask: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Response>;
  /** Runs a script by its path and gives its answer. */
  readonly run: (path: string, args?: unknown) => Promise<{ readonly status: number; readonly body: unknown }>;
}

/** A folder for one test, removed at its end. */
export function newFolder(files: Readonly<Record<string, string>> = {}): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "windkit-local-")));
  for (const [path, text] of Object.entries(files)) writeFile(dir, path, text);
  return dir;
}

function writeFile(dir: string, path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}

/** Reads JSON, or the text where it is none. */
export async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Serves a folder. */
export async function openLocal(options: LocalOptions = {}): Promise<Local> {
  const { files = {}, copyOf, settings = {}, folder, ...more } = options;
  const dir = folder ?? newFolder();
  if (copyOf !== undefined) cpSync(copyOf, dir, { recursive: true, filter: (path) => !path.includes(".windkit") });
  for (const [path, text] of Object.entries(files)) writeFile(dir, path, text);
  const reported: unknown[] = [];
  const data = more.data ?? join(dir, ".windkit");
  const dev = await openDevServer({
    port: 0,
    report: (error) => reported.push(error),
    ...more,
    folder: dir,
    data,
    settings: readSettings(JSON.stringify(settings)),
  });
  const { url, token, server: { context: { workspace } } } = dev;
  const ask: Local["ask"] = (method, path, body, headers = {}) =>
    fetch(`${url}/api/w/${workspace}/${path}`, requestInit(method, token, body, headers));
  return {
    dir,
    data,
    url,
    token,
    workspace,
    dev,
    reported,
    write: (path, text) => writeFile(dir, path, text),
    ask,
    run: async (path, args = {}) => {
      const response = await ask("POST", `jobs/run_wait_result/p/${path}`, args);
      return { status: response.status, body: await bodyOf(response) };
    },
    [Symbol.asyncDispose]: async () => {
      await dev.close(0);
      if (folder === undefined) rmSync(dir, { recursive: true, force: true });
    },
  };
}
