/**
 * The recordings that the wire cases compare with, against the ones that lie beside the repository: none is missing, none was
 * changed. Where those are not, as in a clone of the repository alone, this is skipped.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";

const recordings = new URL("../../../shared/fixtures/", import.meta.url);
const fixtures = new URL("../suite/fixtures/", import.meta.url);

/** What no function here sends, and why. */
const NOT_REPRODUCED: Readonly<Record<string, string>> = {
  "task v1":
    "a task outside a workflow's run is a plain function here: to dispatch it over HTTP, as version 1 of the protocol did, belongs to running on a cluster",
};

interface Recorded {
  readonly fn: string;
  readonly method: string;
  readonly url: string;
  readonly accept: string | null;
  readonly contentType: string | null;
  readonly authorization: string | null;
  readonly body: string;
}

interface Raw extends Pick<Recorded, "fn" | "method" | "url" | "body"> {
  readonly headers: Readonly<Record<string, string>>;
}

function read(name: string): Recorded[] {
  return readFileSync(new URL(name, recordings), "utf8").trim().split("\n").map((line) => {
    const { fn, method, url, headers, body } = JSON.parse(line) as Raw;
    return {
      fn,
      method,
      url,
      accept: headers.accept ?? null,
      contentType: headers["content-type"] ?? null,
      authorization: headers.authorization ?? null,
      body,
    };
  });
}

function committed(client: "typescript" | "python"): Recorded[] {
  return readdirSync(fixtures).filter((name) => name.endsWith(".json")).flatMap((name) => {
    const file = JSON.parse(readFileSync(new URL(name, fixtures), "utf8")) as Readonly<Record<string, Recorded[]>>;
    return file[client] ?? [];
  });
}

for (const [client, name] of [["typescript", "ts-wire.jsonl"], ["python", "py-wire.jsonl"]] as const) {
  Deno.test({
    name: `every recorded request of the official ${client} client has a wire case, or a reason why it has none`,
    ignore: !existsSync(recordings),
    fn() {
      const wanted = Map.groupBy(read(name).filter(({ fn }) => NOT_REPRODUCED[fn] === undefined), ({ fn }) => fn);
      const found = Map.groupBy(committed(client), ({ fn }) => fn);
      assert.deepEqual([...found.keys()].toSorted(), [...wanted.keys()].toSorted());
      for (const [fn, requests] of wanted) assert.deepEqual(found.get(fn), requests, fn);
    },
  });
}
