/**
 * What a script's process may do: the flags and the environment that Deno starts with.
 *
 * @module
 */
import { accessSync, constants } from "node:fs";
import { networkInterfaces } from "node:os";
import { readEnv } from "../../platform/env.ts";
import { moduleUrl, sourcePaths } from "./package_modules.ts";

/** How long this machine is taken to keep its addresses, in milliseconds. */
const ADDRESSES_MS = 10_000;

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
  /** Compiled code is kept for the next process. */
  readonly codeCache: boolean;
}

/** A program and its arguments. */
export interface Start {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The runtime must make a process group of it. */
  readonly detached: boolean;
}

/** Variables of this process that a script's needs to reach the net as this one does. */
const NET_VARIABLES = [
  ...["DENO_CERT", "DENO_TLS_CA_STORE", "SSL_CERT_FILE", "SSL_CERT_DIR"],
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
  const { deno, cacheFolder, importMap, net, denyNet, memoryLimitBytes, codeCache } = options;
  const inFolder = socket.startsWith(`${folder}/`);
  const written = [folder, ...(inFolder ? [] : [socket])];
  const denied = [...CLOSED, ...ownAddresses(), ...denyNet];
  const args = [
    ...["run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "--no-check", "--cached-only"],
    "--node-modules-dir=none",
    ...(codeCache ? [] : ["--no-code-cache"]),
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
    ...extraCertificates(),
    ...variables(["HOME", "NPM_CONFIG_REGISTRY", ...NET_VARIABLES]),
  };
  return { ...ofGroup(deno, args), env };
}

/** Environment of the Deno that reads graphs and fetches packages: this process's own, and the same cache. */
export function parentEnv(cacheFolder: string): Readonly<Record<string, string>> {
  return {
    ...variables(["HOME", "PATH", "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_REGISTRY", ...NET_VARIABLES]),
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
 *
 * A program makes the process's group there, too: asking the runtime for a detached child makes it fork, which holds this
 * process up for thrice the time (measured: 3.4 ms in place of 1.2).
 *
 * The two programs cost 1.7 ms of a processor for each process, most of it their libraries' loading (measured; Deno's own start takes
 * 23). Neither can go: without `setsid` Ctrl-C in the terminal ends jobs with the server, that should be waited for, and without
 * `setpriv` a script in a loop outlives a server that was killed. No usual program does both in one.
 */
function ofGroup(deno: string, args: readonly string[]): Pick<Start, "command" | "args" | "detached"> {
  const { setsid, setpriv } = tools ??= findTools();
  if (setsid === undefined || setpriv === undefined) return { command: deno, args, detached: true };
  const wrapped = [setpriv, "--pdeathsig", "KILL", "--no-new-privs", "--", deno, ...args];
  return { command: setsid, args: wrapped, detached: false };
}

interface Tools {
  readonly setsid: string | undefined;
  readonly setpriv: string | undefined;
}

let tools: Tools | undefined;

function findTools(): Tools {
  const [setsid, setpriv] = ["setsid", "setpriv"].map((name) =>
    ["/usr/bin", "/bin"].map((folder) => `${folder}/${name}`).find(isExecutable)
  );
  return { setsid, setpriv };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // not there
  }
}

/** Addresses of this machine: under them, too, its services are reached that listen on all. They change seldom. */
function ownAddresses(): readonly string[] {
  if (Date.now() - askedAt < ADDRESSES_MS) return addresses;
  askedAt = Date.now();
  try {
    addresses = Object.values(networkInterfaces()).flat().flatMap((one) =>
      one === undefined || one.internal
        ? []
        : one.family === "IPv6"
        ? [`[${one.address.split("%")[0]}]`]
        : [one.address]
    );
  } catch {
    addresses = []; // the runtime may not tell
  }
  return addresses;
}

let askedAt = 0;
let addresses: readonly string[] = [];

function variables(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => {
    const value = readEnv(name);
    return value === undefined || value === "" ? [] : [[name, value] as const];
  }));
}

/**
 * What Node is told to trust, under Deno's own name: under Node's, `node:https` would ask for the permission to read certificates, which
 * Deno gives with all knowledge of the machine only, and axios would fail.
 */
function extraCertificates(): Record<string, string> {
  const file = readEnv("NODE_EXTRA_CA_CERTS");
  return file === undefined || file === "" ? {} : { DENO_CERT: file };
}

/** Deno parts lists at commas; two stand for one. */
function listed(values: readonly string[]): string {
  return values.map((value) => value.replaceAll(",", ",,")).join(",");
}
