/** A process that ends while it waits for a job cancels it, on every runtime that can tell, and ends as it would have. */
import { deepStrictEqual as equal, match } from "node:assert/strict";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle } from "../run/bundle.ts";
import { installTools, root, runtimes } from "../run/runtimes.ts";

const id = "00000000-0000-0000-0000-00000000c0de";
const child = `${root}tests/e2e/exit_child.ts`;

/** A cancellation as the server got it. */
interface Cancelled {
  readonly path: string;
  readonly authorization: string | null;
  readonly body: string;
}

interface Server extends AsyncDisposable {
  readonly address: string;
  readonly cancelled: Cancelled[];
  /** How many jobs were cancelled when the program said that it took care of an error. */
  handled: number | undefined;
  /** Settles when the program waits for its job, or when it is done with it. */
  readonly ready: Promise<void>;
  /** Settles when the program said that it got a signal. */
  readonly signalled: Promise<void>;
}

/** Starts a server with jobs that never end, and one that ended. The program is ready when it waits for as many jobs. */
function serve(answersCancel: boolean, waits = 1): Server {
  const { promise: ready, resolve: isReady } = Promise.withResolvers<void>();
  const { promise: signalled, resolve: isSignalled } = Promise.withResolvers<void>();
  const cancelled: Cancelled[] = [];
  let streams = 0;
  const stop = new AbortController();
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", signal: stop.signal, onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname.endsWith("/run/p/f/slow")) return new Response(id, { status: 201 });
      if (pathname.endsWith("/run/p/f/quick")) return new Response(id.replace("c0de", "d0de"), { status: 201 });
      if (pathname.endsWith("d0de")) {
        return Response.json({
          completed: true,
          type: "update",
          success: true,
          result: 42,
        });
      }
      if (pathname.includes("/getupdate_sse/")) {
        if (++streams >= waits) isReady();
        const text = new TextEncoder().encode('data: {"type":"ping"}\n\n');
        return new Response(new ReadableStream({ start: (control) => control.enqueue(text) }));
      }
      if (pathname.endsWith("/cancel/" + id)) {
        const authorization = request.headers.get("authorization");
        cancelled.push({ path: pathname, authorization, body: await request.text() });
        return answersCancel ? new Response("ok") : await new Promise<Response>(() => {});
      }
      if (pathname === "/signalled") isSignalled();
      if (pathname === "/done") isReady();
      if (pathname === "/handled") found.handled = cancelled.length;
      if (pathname === "/go") await ready;
      return new Response("ok");
    },
  );
  const found: Server = {
    address: `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}`,
    cancelled,
    handled: undefined,
    ready,
    signalled,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await server.finished;
    },
  };
  return found;
}

interface Ended {
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly output: string;
}

/** Runs the program until it ends; a signal is sent once its job is waited for. */
async function run(
  command: readonly string[],
  server: Server,
  how: string,
  signal?: Deno.Signal,
  meanwhile?: (kill: (signal: Deno.Signal) => void) => Promise<void>,
): Promise<Ended> {
  const [program = "", ...args] = command;
  const process = new Deno.Command(program, {
    args: [...args, server.address, how, copy],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    clearEnv: true,
    env: { NO_COLOR: "1", HOME: Deno.env.get("HOME") ?? "", DENO_DIR: Deno.env.get("DENO_DIR") ?? "" },
  }).spawn();
  const stuck = setTimeout(() => process.kill("SIGKILL"), 60_000);
  try {
    if (signal !== undefined) {
      await server.ready;
      process.kill(signal);
    }
    await meanwhile?.((another) => process.kill(another));
    const { code, signal: by, stdout, stderr } = await process.output();
    return { code, signal: by, output: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  } finally {
    clearTimeout(stuck);
  }
}

const expected = {
  path: `/api/w/ws/jobs_u/queue/cancel/${id}`,
  authorization: "Bearer tok",
  body: JSON.stringify({ reason: "parent script cancelled" }),
};

await installTools();
const folder = await mkdtemp(join(tmpdir(), "windkit-exit-"));
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
await bundle([child, `${root}mod.ts`], folder, [`--outbase=${root}`]);
/** Another copy of the package, for each runtime. */
const copy = join(folder, "mod.js");

/** Each runtime that has processes, with the command that runs the program. */
const commands = runtimes().filter(({ hasProcess, absent }) => hasProcess && absent === undefined).map((runtime) => {
  const [program = ""] = runtime.command("suite", "", 0);
  // No permission but that for the server: what happens at the end needs none.
  const deno = ["run", "--quiet", "--no-prompt", "--no-check", "--allow-net", `--allow-read=${folder}`, child];
  return {
    name: runtime.name,
    command: [program, ...runtime.name === "Deno" ? deno : [join(folder, "tests/e2e/exit_child.js")]],
  };
});

for (const { name, command } of commands) {
  for (
    const [how, code, words] of [
      ["exit", 3, /^$/],
      ["throw", 1, /boom/],
      ["reject", 1, /boom/],
    ] as const
  ) {
    Deno.test(`cancelOnExit: ${name} that ends by ${how} cancels its job, with the same code and words`, async () => {
      await using server = serve(true);
      const ended = await run(command, server, how);
      equal([ended.code, ended.signal, server.cancelled], [code, null, [expected]]);
      match(ended.output, words);
    });
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.test(`cancelOnExit: ${name} that ${signal} ends cancels its job, and ends by that signal`, async () => {
      await using server = serve(true);
      const ended = await run(command, server, "signal", signal);
      equal([ended.signal, ended.output, server.cancelled], [signal, "", [expected]]);
    });
  }
  Deno.test(`cancelOnExit: ${name} ends although the server does not answer`, async () => {
    await using server = serve(false);
    const ended = await run(command, server, "exit");
    equal([ended.code, server.cancelled], [3, [expected]]);
  });
  Deno.test(`cancelOnExit: ${name} with a signal handler of its own ends as that one says`, async () => {
    await using server = serve(true);
    const ended = await run(command, server, "handler", "SIGTERM");
    equal([ended.code, ended.signal, server.cancelled], [7, null, [expected]]);
  });
  Deno.test(`cancelOnExit: ${name} that takes care of an error goes on with its job`, async () => {
    await using server = serve(true);
    const ended = await run(command, server, "handled");
    equal([ended.code, server.handled, server.cancelled], [0, 0, [expected]]);
  });
  Deno.test(`cancelOnExit: ${name} cancels nothing after the job ended, and is not kept alive`, async () => {
    await using server = serve(true);
    const ended = await run(command, server, "done");
    equal([ended.code, ended.output, server.cancelled], [0, "result 42\n", []]);
  });
  Deno.test(`cancelOnExit: ${name} has no listener left after the job ended`, async () => {
    await using server = serve(true);
    const ended = await run(command, server, "done and on", "SIGTERM");
    equal([ended.signal, server.cancelled], ["SIGTERM", []]);
  });
  Deno.test(`cancelOnExit: ${name} with two copies of the package cancels the jobs of both`, async () => {
    for (const signal of ["SIGTERM", undefined] as const) {
      await using server = serve(true, 2);
      const ended = await run(command, server, signal === undefined ? "copies, exit" : "copies", signal);
      equal([ended.code === 0, ended.signal ?? undefined, server.cancelled], [false, signal, [expected, expected]]);
    }
  });
  // In Deno the handlers of others cannot be seen: such a program gets the first signal twice.
  if (name === "Deno") continue;
  Deno.test(`cancelOnExit: ${name} whose signal handler goes on keeps its job until it ends`, async () => {
    await using server = serve(true);
    const ended = await run(command, server, "twice", "SIGTERM", async (kill) => {
      await server.signalled;
      equal(server.cancelled, []);
      kill("SIGTERM");
    });
    equal([ended.code, ended.signal, server.cancelled], [7, null, [expected]]);
  });
}
