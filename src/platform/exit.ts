/**
 * What is sent when the process ends, however it does: by itself, by `exit`, by an error that nobody caught, by SIGINT or SIGTERM.
 *
 * @module
 */

/** One request, as plain data: headers as a record, the body as text. */
export interface LastRequest {
  readonly url: string;
  readonly init: RequestInit;
}

/** Signals that end a process unless it does something about them. */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

type Signal = typeof SIGNALS[number];

/** Where all copies of this module in one process find what is pending: whichever notices the end sends it all. */
const PENDING = "__windkit_at_exit";

/** Part of what Deno, Node and Bun have to say about a process. */
interface Machine {
  [PENDING]?: Set<LastRequest>;
  readonly Deno?: {
    readonly pid: number;
    addSignalListener?(signal: Signal, listener: () => void): void;
    removeSignalListener(signal: Signal, listener: () => void): void;
    kill(pid: number, signal: Signal): void;
  };
  readonly process?: {
    readonly pid: number;
    on?(event: string, listener: () => void): unknown;
    off(event: string, listener: () => void): unknown;
    prependListener(event: string, listener: () => void): unknown;
    listenerCount(event: string): number;
    kill(pid: number, signal: Signal): unknown;
    getBuiltinModule?(name: string): unknown;
  };
}

interface Threads {
  readonly Worker: new (code: string, options: { readonly eval: true; readonly workerData: unknown }) => unknown;
}

/** How long the process may take longer to end. */
const LIMIT_MS = 3_000;

/** What a thread of its own does meanwhile. */
const SENDER = `const { requests, done } = require("node:worker_threads").workerData;
Promise.allSettled(requests.map(({ url, init }) => fetch(url, init).then((answer) => answer.text())))
  .then(() => { Atomics.store(done, 0, 1); Atomics.notify(done, 0); });`;

let own = 0;
let unlisten: (() => void) | undefined;

function pending(): Set<LastRequest> {
  const machine: Machine = globalThis;
  return machine[PENDING] ??= new Set();
}

/**
 * Has a request sent when the process ends. It changes neither how nor with which code that is, and it takes 3 s at most. In Node
 * and Bun, a process with signal handlers of its own ends when they end it; in Deno such handlers cannot be seen, and get the
 * signal once more. Where nothing tells of the end (edge workers, browsers) nothing is sent.
 *
 * @returns what forgets the request; with the last one, no listener is left
 */
export function atExit(request: LastRequest): () => void {
  const requests = pending();
  requests.add(request);
  own++;
  unlisten ??= listen();
  let forgotten = false;
  return () => {
    if (forgotten) return;
    forgotten = true;
    requests.delete(request);
    if (--own > 0) return;
    unlisten?.();
    unlisten = undefined;
  };
}

/** Sends all that is pending. Nothing asynchronous runs any more when a process ends: a thread does it, and this one waits. */
function sendNow(): void {
  const requests = [...pending()];
  pending().clear();
  const { process }: Machine = globalThis;
  // `as`: what Node, Bun and Deno have under this name.
  const threads = process?.getBuiltinModule?.("node:worker_threads") as Threads | undefined;
  if (requests.length === 0 || threads === undefined) return;
  const done = new Int32Array(new SharedArrayBuffer(4));
  try {
    new threads.Worker(SENDER, { eval: true, workerData: { requests, done } });
    Atomics.wait(done, 0, 0, LIMIT_MS);
  } catch {
    // Where threads are not permitted nothing can be sent, and the end of a process is no time for another error.
    return;
  }
}

/** Sends what is pending unless somebody took care of the error, which then ends nothing. */
function sendUnlessHandled(event: Event): void {
  if (!event.defaultPrevented) sendNow();
}

/** Listens for the end of the process; gives what stops that. */
function listen(): () => void {
  const { Deno: deno }: Machine = globalThis;
  const undo: (() => void)[] = [];
  function stop(): void {
    for (const step of undo.splice(0)) step();
  }
  if (deno?.addSignalListener === undefined) return listenInNode();
  for (const event of ["unload", "error", "unhandledrejection"]) {
    addEventListener(event, sendUnlessHandled);
    undo.push(() => removeEventListener(event, sendUnlessHandled));
  }
  for (const signal of SIGNALS) {
    const end = (): void => {
      sendNow();
      stop();
      // Without a listener the signal does what it would have done.
      deno.kill(deno.pid, signal);
    };
    try {
      deno.addSignalListener(signal, end);
    } catch {
      // Windows has no SIGTERM.
      continue;
    }
    undo.push(() => deno.removeSignalListener(signal, end));
  }
  return stop;
}

/** Listens for the end of the process in Node and Bun. */
function listenInNode(): () => void {
  const { process }: Machine = globalThis;
  if (process?.on === undefined) return () => {};
  const undo = [() => process.off("exit", sendNow)];
  process.on("exit", sendNow);
  let stopped = false;
  function stop(): void {
    stopped = true;
    for (const step of undo) step();
  }
  for (const signal of SIGNALS) {
    const end = (): void => {
      process.off(signal, end);
      if (process.listenerCount(signal) === 0) {
        sendNow();
        stop();
        process.kill(process.pid, signal);
        return;
      }
      // Whoever else listens decides whether the process ends, and must find things as they would be without this listener.
      queueMicrotask(() => {
        if (!stopped) process.prependListener(signal, end);
      });
    };
    process.prependListener(signal, end);
    undo.push(() => process.off(signal, end));
  }
  return stop;
}
