/**
 * A program that ends while it waits for a job, in the way that its second argument names. The first one is the address of the
 * server, which answers `/go` once the job is waited for. The third one is the address of another copy of the package.
 *
 * @module
 */
import { cancelOnExit, createClient } from "@windkit/windmill-client";

interface Machine {
  readonly Deno?: {
    readonly args: readonly string[];
    exit(code: number): never;
    addSignalListener(signal: string, listener: () => void): void;
  };
  readonly process?: {
    readonly argv: readonly string[];
    exit(code: number): never;
    on(event: string, listener: () => void): void;
  };
}

const { Deno: deno, process: node } = globalThis as unknown as Machine;
const [address = "", how = "", copy = ""] = deno?.args ?? node?.argv.slice(2) ?? [];

function exit(code: number): void {
  (deno ?? node)?.exit(code);
}

function onSignal(listener: () => void): void {
  if (deno === undefined) node?.on("SIGTERM", listener);
  else deno.addSignalListener("SIGTERM", listener);
}

function onError(listener: () => void): void {
  if (deno === undefined) return node?.on("uncaughtException", listener);
  addEventListener("error", (event) => {
    event.preventDefault();
    listener();
  });
}

async function main(): Promise<void> {
  const { jobs } = createClient({ baseUrl: address, workspace: "ws", token: "tok" });
  if (how === "handler") onSignal(() => exit(7));
  if (how === "handled") onError(() => void fetch(`${address}/handled`).then(() => exit(0)));
  if (how.startsWith("done")) {
    console.log("result", await jobs.run("f/quick", {}, { cleanup: cancelOnExit }));
    if (how === "done") return;
    setInterval(() => {}, 1_000);
    await fetch(`${address}/done`);
    return;
  }
  if (how.startsWith("copies")) {
    // `as`: the other copy of what is imported above.
    const other = await import(copy) as { readonly cancelOnExit: typeof cancelOnExit };
    if (other.cancelOnExit === cancelOnExit) throw new Error("Expected another copy");
    void jobs.run("f/slow", {}, { cleanup: other.cancelOnExit });
  }
  if (how === "twice") {
    let signals = 0;
    onSignal(() => {
      if (++signals > 1) exit(7);
      else void fetch(`${address}/signalled`);
    });
  }
  const running = jobs.run("f/slow", {}, { cleanup: cancelOnExit });
  await fetch(`${address}/go`);
  if (how.endsWith("exit")) exit(3);
  if (how === "reject") void Promise.reject(new Error("boom"));
  if (how === "throw" || how === "handled") {
    setTimeout(() => {
      throw new Error("boom");
    }, 0);
  }
  await running;
}

// Not awaited here: Bun goes on after an uncaught error for as long as the program itself is not loaded.
void main();
