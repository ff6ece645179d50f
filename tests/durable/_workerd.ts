/**
 * Workers with Durable Objects in workerd, through Miniflare: bundled, started on a folder, ended in an orderly way or killed.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { bundle } from "../run/bundle.ts";
import { runCommand } from "../run/command.ts";
import { installTools, outFolder, removeOut } from "../run/runtimes.ts";

interface Miniflare {
  readonly ready: Promise<URL>;
  dispatchFetch(url: string, init?: RequestInit): Promise<Response>;
  dispose(): Promise<void>;
}

/** The date that the examples pin too. */
const COMPATIBILITY_DATE = "2026-04-24";

let bundles = new Map<string, Promise<string>>();

/** Bundles a worker of this folder, or of a path from the repository's; gives its code. */
export function bundled(entry: string): Promise<string> {
  let code = bundles.get(entry);
  if (code === undefined) {
    code = (async () => {
      await installTools();
      const folder = `${outFolder}durable_${basename(entry)}/`;
      try {
        await bundle([entry.includes("/") ? entry : `tests/durable/${entry}`], folder, [
          "--keep-names",
          "--external:cloudflare:*",
        ]);
        return await Deno.readTextFile(join(folder, basename(entry).replace(/\.ts$/, ".js")));
      } finally {
        await removeOut(folder);
      }
    })();
    bundles = bundles.set(entry, code);
  }
  return code;
}

/** How a worker is started. */
export interface WorkerdOptions {
  /** Its only module. */
  readonly code: string;
  /** Where its objects are kept. @default in memory of Miniflare's own, for this start alone */
  readonly persist?: string;
  /** Classes of its objects, by the binding's name. */
  readonly objects: Readonly<Record<string, string>>;
  /** Classes of its Cloudflare Workflows, by the binding's name. @default none */
  readonly workflows?: Readonly<Record<string, string>>;
  /** @default ["nodejs_compat"] */
  readonly flags?: readonly string[];
  readonly bindings?: Readonly<Record<string, string | number>>;
  /** Takes what it writes to its standard error. */
  readonly onError?: (line: string) => void;
}

/** A worker that runs. */
export interface Workerd extends AsyncDisposable {
  /** Asks the worker. */
  fetch(path: string, body?: unknown): Promise<Response>;
  /** Asks for JSON, and throws unless the answer is good. */
  // deno-lint-ignore no-explicit-any -- what a worker of a test answers, its test knows
  ask(path: string, body?: unknown): Promise<any>;
  /** Ends it in an orderly way. */
  dispose(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

async function workerdProcesses(): Promise<readonly number[]> {
  const { stdout } = await runCommand(["ps", "-A", "-o", "pid=,ppid=,comm="], {});
  return stdout.split("\n").flatMap((line) => {
    const [pid, parent, command = ""] = line.trim().split(/\s+/);
    return Number(parent) === Deno.pid && command.includes("workerd") ? [Number(pid)] : [];
  });
}

/** Starts a worker. */
export async function startWorkerd(options: WorkerdOptions): Promise<Workerd> {
  const { code, persist, objects, workflows = {}, flags = ["nodejs_compat"], bindings = {}, onError } = options;
  const { Miniflare } = createRequire(new URL("../tools/package.json", import.meta.url))("miniflare") as {
    readonly Miniflare: new (options: unknown) => Miniflare;
  };
  const before = await workerdProcesses();
  const miniflare = new Miniflare({
    modules: [{ type: "ESModule", path: "worker.js", contents: code }],
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: flags,
    bindings,
    durableObjects: Object.fromEntries(
      Object.entries(objects).map(([name, className]) => [name, { className, useSQLite: true }]),
    ),
    workflows: Object.fromEntries(
      Object.entries(workflows).map(([name, className]) => [name, { name: name.toLowerCase(), className }]),
    ),
    ...(persist === undefined
      ? undefined
      : { durableObjectsPersist: `${persist}/objects`, workflowsPersist: `${persist}/workflows` }),
    handleRuntimeStdio(
      _out: unknown,
      err: { setEncoding(encoding: string): void; on(event: string, take: (text: string) => void): void },
    ) {
      err.setEncoding("utf8");
      err.on("data", (text) => onError?.(text));
    },
  });
  try {
    await miniflare.ready;
  } catch (error) {
    await miniflare.dispose().catch(() => undefined); // it never ran
    throw error;
  }
  const pid = (await workerdProcesses()).find((other) => !before.includes(other));
  let ended = false;

  async function dispose(): Promise<void> {
    if (ended) return;
    ended = true;
    await miniflare.dispose();
  }

  async function request(path: string, body?: unknown): Promise<Response> {
    return await miniflare.dispatchFetch(`http://worker.invalid${path}`, {
      method: body === undefined ? "GET" : "POST",
      ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
    });
  }

  return {
    fetch: request,
    async ask(path, body) {
      const response = await request(path, body);
      const text = await response.text();
      if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
      return JSON.parse(text);
    },
    dispose,
    async kill() {
      if (pid === undefined) throw new Error("The process of workerd was not found");
      Deno.kill(pid, "SIGKILL");
      ended = true;
      await miniflare.dispose();
    },
    [Symbol.asyncDispose]: dispose,
  };
}

/** A folder that is removed with what is in it: in memory, where there is such a place, because every turn is a write to the disk. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const parent = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const path = await mkdtemp(join(parent, "windkit-durable-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
