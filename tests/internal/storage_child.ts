/**
 * A second process for the storage tests: reads commands from its input, one JSON array a line, and answers each with one
 * line of JSON. It acts on the folder that is its first argument.
 *
 * @module
 */
import { openSqliteStorage, type SqliteStorage, type StoredRecord } from "@windkit/windmill-client/storage/sqlite";

const dir = Deno.args[0] ?? "";
let storage: SqliteStorage | undefined;

function opened(): SqliteStorage {
  if (storage === undefined) throw new Error("Send open first");
  return storage;
}

function record(seq: number): StoredRecord {
  return { seq, text: `record ${seq}`, check: seq.toString(16).padStart(16, "0") };
}

async function countRecords(run: string): Promise<number> {
  let count = 0;
  for await (const page of opened().journal(run)) count += page.length;
  return count;
}

const commands: Readonly<Record<string, (...args: readonly string[]) => Promise<unknown>>> = {
  async open(mode) {
    storage = await openSqliteStorage({ dir, mode: mode === "visit" ? "visit" : "drive" });
  },
  own: (name = "child") => opened().own({ name }),
  create: (run = "r") =>
    opened().commit([{
      w: "create",
      row: { id: run, workflow: "w", state: "active", createdAt: 1 },
      records: [record(0)],
    }]),
  /** Appends one record a commit, telling each when it is committed, until it is killed. */
  async appendForEver(run = "r") {
    for (let seq = 1;; seq++) {
      await opened().commit([{ w: "append", run, records: [record(seq)] }]);
      answer({ committed: seq });
    }
  },
  async append(run = "r", from = "1", count = "1") {
    for (let seq = Number(from); seq < Number(from) + Number(count); seq++) {
      await opened().commit([{ w: "append", run, records: [record(seq)] }]);
    }
  },
  post: (run = "r", id = "m") =>
    opened().commit([{ w: "post", message: { id, run, kind: "event", name: "e", payload: "null", at: 1 } }]),
  count: (run = "r") => countRecords(run),
  watch() {
    opened().watch((run) => answer({ message: run }));
    return Promise.resolve();
  },
  close: () => opened().close(),
};

function answer(value: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
}

const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
let rest = "";
for await (const chunk of lines) {
  rest += chunk;
  for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n")) {
    const [name = "", ...args] = JSON.parse(rest.slice(0, end)) as string[];
    rest = rest.slice(end + 1);
    try {
      answer({ done: name, value: await commands[name]?.(...args) });
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      answer({ failed: name, code, message });
    }
  }
}
