/**
 * A PostgreSQL server for tests: Debian's, which is installed when it is missing and this machine may (`CI=true`, as root).
 *
 * @module
 */

/** A running server. */
export interface PostgresServer extends AsyncDisposable {
  /** Address of its database "postgres". */
  readonly url: string;
  readonly port: number;
}

async function output(command: string, ...args: readonly string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(command, { args: [...args], stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    void error; // no such command
    return undefined;
  }
}

function findBinaries(): string | undefined {
  try {
    const versions = [...Deno.readDirSync("/usr/lib/postgresql")].map(({ name }) => name).sort((a, b) =>
      Number(b) - Number(a)
    );
    return versions.map((version) => `/usr/lib/postgresql/${version}/bin`).find((folder) =>
      Deno.lstatSync(`${folder}/initdb`).isFile
    );
  } catch (error) {
    void error; // none is installed
    return undefined;
  }
}

/** Folder of the programs; a reason when there is none. */
export async function findPostgres(): Promise<{ readonly folder: string } | { readonly reason: string }> {
  const found = findBinaries();
  if (found !== undefined) return { folder: found };
  if (Deno.build.os !== "linux" || Deno.env.get("CI") !== "true" || Deno.uid() !== 0) {
    return { reason: "PostgreSQL is not installed (Debian: apt-get install postgresql)" };
  }
  await output("apt-get", "update", "-q");
  await output("apt-get", "install", "-q", "-y", "--no-install-recommends", "postgresql");
  const installed = findBinaries();
  return installed === undefined ? { reason: "PostgreSQL cannot be installed here" } : { folder: installed };
}

/** A port that nobody has, and that the system gives to nobody who asks for any: the server takes it a while later. */
function freePort(): number {
  for (;;) {
    try {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 20_000 + Math.floor(Math.random() * 10_000) });
      return listener.addr.port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** Starts a server with a password. It refuses to run as root: then it runs as the user "postgres". */
export async function startPostgres(binaries: string): Promise<PostgresServer> {
  const folder = await Deno.makeTempDir({ prefix: "windkit-pg-" });
  const isRoot = Deno.uid() === 0;
  const uid = isRoot ? Number(await output("id", "-u", "postgres")) : undefined;
  const gid = isRoot ? Number(await output("id", "-g", "postgres")) : undefined;
  if (uid !== undefined && gid !== undefined) await Deno.chown(folder, uid, gid);
  const user = uid === undefined || gid === undefined ? {} : { uid, gid };
  const password = "pass word:/@";
  await Deno.writeTextFile(`${folder}/password`, password, { mode: 0o644 });
  const made = await new Deno.Command(`${binaries}/initdb`, {
    args: [
      "-D",
      `${folder}/data`,
      "-U",
      "postgres",
      "-A",
      "scram-sha-256",
      "--pwfile",
      `${folder}/password`,
      "-N",
      "-E",
      "UTF8",
    ],
    cwd: folder,
    ...user,
  }).output();
  if (!made.success) throw new Error(new TextDecoder().decode(made.stderr));
  const port = freePort();
  const server = new Deno.Command(`${binaries}/postgres`, {
    args: ["-D", `${folder}/data`, "-p", `${port}`, "-h", "127.0.0.1", "-k", folder, "-F"],
    cwd: folder,
    stdout: "null",
    stderr: "piped",
    ...user,
  }).spawn();
  // It says when it can be asked.
  let log = "";
  const lines = server.stderr.pipeThrough(new TextDecoderStream()).getReader();
  while (!log.includes("ready to accept connections")) {
    const { value, done } = await lines.read();
    if (done) throw new Error(`PostgreSQL did not start: ${log}`);
    log += value;
  }
  const drained = (async () => {
    while (!(await lines.read()).done);
  })();
  return {
    url: `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    port,
    async [Symbol.asyncDispose]() {
      server.kill("SIGINT");
      await server.status;
      await drained;
      await Deno.remove(folder, { recursive: true });
    },
  };
}
