/**
 * What a script's process may do: the flags and the environment that Deno starts with.
 *
 * @module
 */
import { accessSync, constants } from "node:fs";
import { networkInterfaces } from "node:os";
import { readEnv } from "../../platform/env.ts";
import { moduleUrl, sourcePaths } from "./package_modules.ts";

/** What is the same for all processes of a runner. */
export interface BoxOptions {
  /** Path of Deno. */
  readonly deno: string;
  /** Where Deno keeps packages and compiled files: `DENO_DIR`. */
  readonly cacheFolder: string;
  /** File that says what the package's names mean. */
  readonly importMap: string;
  readonly net: "open" | "closed";
  /** Further hosts that are closed, as `--deny-net` takes them. */
  readonly denyNet: readonly string[];
  readonly memoryLimitBytes: number;
}

/** A program and its arguments. */
export interface Start {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Variables of this process that a script's needs to reach the net as this one does. */
const NET_VARIABLES = [
  ...["DENO_CERT", "DENO_TLS_CA_STORE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"],
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"],
  "TZ",
];
/** Loopback, "this host", link-local: of IPv6 single addresses, for Deno reads no ranges of it. */
const CLOSED = ["127.0.0.0/8", "0.0.0.0/8", "169.254.0.0/16", "[::1]", "[::]"];
/**
 * How a process of a job folder is started.
 *
 * @param options of the runner
 * @param folder the job's folder, and all that it may write
 * @param socket the socket in it that leads to the server
 */
export function boxedStart(options: BoxOptions, folder: string, socket: string): Start {
  const { deno, cacheFolder, importMap, net, denyNet, memoryLimitBytes } = options;
  const inFolder = socket.startsWith(`${folder}/`);
  const written = [folder, ...(inFolder ? [] : [socket])];
  const denied = [...CLOSED, ...ownAddresses(), ...denyNet];
  const args = [
    ...["run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-check", "--cached-only"],
    "--node-modules-dir=none",
    `--import-map=${importMap}`,
    `--allow-read=${listed([...written, ...sourcePaths()])}`,
    `--allow-write=${listed(written)}`,
    // The environment is empty but for what the job brings.
    "--allow-env",
    net === "open" ? "--allow-net" : `--allow-net=${listed([`unix:${socket}`, "windkit.localhost"])}`,
    `--deny-net=${listed(denied)}`,
    `--v8-flags=--max-old-space-size=${Math.floor(memoryLimitBytes / 2 ** 20)}`,
    moduleUrl("src/runner/wrapper/main"),
  ];
  const env = {
    DENO_DIR: cacheFolder,
    DENO_NO_PACKAGE_JSON: "1",
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
    // The home folder for its `.npmrc`: which registry the packages in the cache are of.
    ...variables(["HOME", "NPM_CONFIG_REGISTRY", ...NET_VARIABLES]),
  };
  return { ...withParent(deno, args), env };
}

/** Environment of the Deno that reads graphs and fetches packages: this process's own, and the same cache. */
export function parentEnv(cacheFolder: string): Readonly<Record<string, string>> {
  return {
    ...variables(["HOME", "PATH", "NPM_CONFIG_REGISTRY", "NPM_CONFIG_USERCONFIG", ...NET_VARIABLES]),
    DENO_DIR: cacheFolder,
    DENO_NO_PACKAGE_JSON: "1",
    DENO_NO_UPDATE_CHECK: "1",
    NO_COLOR: "1",
  };
}

/**
 * Linux: the process gets no new privileges, and the kernel ends it with this one, whatever this one dies of. Elsewhere the end of its
 * input does, unless it is in a loop. (A limit of the data segment was tried: V8 sets 512 MiB aside for each worker, so it would
 * have to be so wide that it stops nothing. The resident size is watched instead.)
 */
function withParent(deno: string, args: readonly string[]): Pick<Start, "command" | "args"> {
  setpriv ??= ["/usr/bin/setpriv", "/bin/setpriv"].find(isExecutable) ?? "";
  if (setpriv === "") return { command: deno, args };
  return { command: setpriv, args: ["--pdeathsig", "KILL", "--no-new-privs", "--", deno, ...args] };
}

let setpriv: string | undefined;

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // not there
  }
}

/** Addresses of this machine: under them, too, its services are reached that listen on all. */
function ownAddresses(): readonly string[] {
  try {
    return Object.values(networkInterfaces()).flat().flatMap((one) =>
      one === undefined || one.internal
        ? []
        : one.family === "IPv6"
        ? [`[${one.address.split("%")[0]}]`]
        : [one.address]
    );
  } catch {
    return []; // the runtime may not tell
  }
}

function variables(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => {
    const value = readEnv(name);
    return value === undefined || value === "" ? [] : [[name, value] as const];
  }));
}

/** Deno parts lists at commas; two stand for one. */
function listed(values: readonly string[]): string {
  return values.map((value) => value.replaceAll(",", ",,")).join(",");
}
