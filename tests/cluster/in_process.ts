/**
 * Rounds in the process of the test: the wrapper's own function, with the environment, the output and the network of a process
 * of its own put around it. It is for many rounds; `worker.ts` starts real processes.
 *
 * @module
 */
import { createLocalHost } from "../../src/engine/host.ts";
import { parametersOf } from "./parameters.ts";
import type { RoundEnd, RoundInput, Runner } from "./options.ts";
import { NoAnswer } from "./routes.ts";
import type { Cluster } from "./server.ts";
import { errorText, messageText, runRound, type WrapperNames } from "./wrapper.ts";

/** What runs in the process. */
export interface InProcess {
  /** The three names that the wrapper imports, and what else `windmill-client` has. */
  readonly names: WrapperNames & { readonly setClient?: (token: string, base: string) => void };
  /** @default true */
  readonly newest?: boolean;
  /** @default true */
  readonly fastPath?: boolean;
  /** Macrotasks after which a round that has not ended counts as hung. @default 400 */
  readonly patience?: number;
}

const BASE = "http://standin.invalid";

interface Machine {
  env: Readonly<Record<string, string>> | undefined;
  print: ((line: string) => void) | undefined;
  cluster: Cluster | undefined;
}

const machine: Machine = { env: undefined, print: undefined, cluster: undefined };
let installed = false;

/** Puts a process's surroundings in place, once: while no round runs, they are those of the test. */
function install(): void {
  if (installed) return;
  installed = true;
  const real = {
    env: process.env,
    get: Deno.env.get.bind(Deno.env),
    fetch: globalThis.fetch,
    log: console.log,
    now: Date.now,
  };
  // The stand-in's clock: what a body reads of it goes on with the server's.
  Date.now = () => machine.cluster?.now ?? real.now();
  const env = new Proxy(real.env, {
    get: (target, name) => machine.env === undefined ? Reflect.get(target, name) : machine.env[name as string],
  });
  Object.defineProperty(process, "env", { value: env, configurable: true, writable: true });
  Deno.env.get = (name) => machine.env === undefined ? real.get(name) : machine.env[name];
  globalThis.fetch = async (input, init) => {
    const { cluster } = machine;
    const request = new Request(input as RequestInfo, init);
    if (cluster === undefined || !request.url.startsWith(BASE)) return await real.fetch(request);
    try {
      return await cluster.handle(request);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      // The callers' own limits, without the time that they take.
      if (error.fault === "timeout") throw new DOMException("The signal has been aborted", "AbortError");
      throw new TypeError("fetch failed: the connection was closed", { cause: error });
    }
  };
  console.log = (...parts) => {
    if (machine.print === undefined) real.log(...parts);
    else machine.print(parts.join(" "));
  };
  globalThis.addEventListener("unhandledrejection", (event) => {
    const { name } = (event.reason ?? {}) as Error;
    if (machine.env === undefined && name !== "StepSuspend") return;
    event.preventDefault();
    machine.print?.(`unhandled rejection: ${name}`);
  });
}

/** A runner for scripts whose `main` is a workflow made in this process. */
export function inProcess(cluster: () => Cluster, options: InProcess): Runner {
  install();
  return async (round) => await runHere(cluster(), round, options);
}

async function runHere(
  cluster: Cluster,
  { job, workflow, args, checkpoint, token }: RoundInput,
  { names, newest = true, fastPath = true, patience = 400 }: InProcess,
): Promise<RoundEnd> {
  if (!workflow) throw new Error("Only workflows run in the process of the test");
  const lines: string[] = [];
  const toJSON = Object.getOwnPropertyDescriptor(BigInt.prototype, "toJSON");
  Object.defineProperty(BigInt.prototype, "toJSON", {
    value(this: bigint) {
      return this.toString();
    },
    configurable: true,
  });
  machine.cluster = cluster;
  machine.print = (line) => void lines.push(line);
  machine.env = {
    WM_JOB_ID: job.id,
    WM_WORKSPACE: "standin",
    WM_TOKEN: token,
    BASE_INTERNAL_URL: BASE,
    BASE_URL: BASE,
    WM_BASE_URL: "http://windmill.test",
    WM_FLOW_JOB_ID: job.parent ?? "",
    ...(fastPath ? undefined : { WM_WAC_INLINE_FAST_PATH: "0" }),
  };
  names.setClient?.(token, BASE);
  try {
    const { main } = job.script;
    const message = await orHung(
      runRound({
        main: typeof main === "function" ? { main } : main as Readonly<Record<string, unknown>>,
        names,
        args: JSON.parse(args) as Record<string, unknown>,
        checkpoint: JSON.parse(checkpoint),
        parameters: typeof main === "function" ? parametersOf(main) : [],
        newest,
        print: (line) => void lines.push(line),
      }),
      patience,
    );
    if (message === undefined) return { code: undefined, logs: lines.join("\n") };
    return { code: 0, result: messageText(message), logs: lines.join("\n") };
  } catch (error) {
    try {
      return { code: 1, result: errorText(error, undefined), logs: lines.join("\n") };
    } catch {
      // The worker's own handler fails for what has no properties: its process ends without a result.
      return { code: 1, logs: [...lines, String(error)].join("\n") };
    }
  } finally {
    // What the body left rejected is reported when its microtasks are over: it belongs to this round.
    await new Promise<void>((resolve) => hop(resolve));
    names.setWorkflowCtx(null);
    machine.env = machine.print = machine.cluster = undefined;
    if (toJSON === undefined) Reflect.deleteProperty(BigInt.prototype, "toJSON");
    else Object.defineProperty(BigInt.prototype, "toJSON", toJSON);
  }
}

const { hop } = createLocalHost();

async function orHung(round: Promise<unknown>, patience: number): Promise<unknown> {
  let hops = 0;
  let over = false;
  const hung = new Promise<undefined>((resolve) => {
    function next(): void {
      if (over) return;
      if (++hops > patience) resolve(undefined);
      else hop(next);
    }
    next();
  });
  try {
    return await Promise.race([round, hung]);
  } finally {
    over = true;
  }
}
