/**
 * The recordings that the wire cases compare with, against the ones that lie beside the repository: none is missing, none was
 * changed. Where those are not, as in a clone of the repository alone, this is skipped. And the table of differences, whose
 * entries must each be about a recorded function.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Recording } from "../suite/_wire_kit.ts";
import { wireDifferences } from "../suite/wire_differences.ts";

const recordings = new URL("../../../shared/fixtures/", import.meta.url);
const fixtures = new URL("../suite/fixtures/", import.meta.url);

interface Raw extends Pick<Recording, "fn" | "method" | "url" | "body"> {
  readonly headers: Readonly<Record<string, string>>;
}

function read(name: string): Recording[] {
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

function committed(client: "typescript" | "python"): Recording[] {
  return readdirSync(fixtures).filter((name) => name.endsWith(".json")).flatMap((name) => {
    const file = JSON.parse(readFileSync(new URL(name, fixtures), "utf8")) as Readonly<Record<string, Recording[]>>;
    return file[client] ?? [];
  });
}

for (const client of ["typescript", "python"] as const) {
  Deno.test(`every difference from the official ${client} client is from a recorded function`, () => {
    const names = new Set(committed(client).map(({ fn }) => fn));
    assert.deepEqual(Object.keys(wireDifferences[client]).filter((fn) => !names.has(fn)), []);
  });
}

for (const [client, name] of [["typescript", "ts-wire.jsonl"], ["python", "py-wire.jsonl"]] as const) {
  Deno.test({
    name: `every recorded request of the official ${client} client is one that a wire case compares with`,
    ignore: !existsSync(recordings),
    fn() {
      const wanted = Map.groupBy(read(name), ({ fn }) => fn);
      const found = Map.groupBy(committed(client), ({ fn }) => fn);
      assert.deepEqual([...found.keys()].toSorted(), [...wanted.keys()].toSorted());
      for (const [fn, requests] of wanted) assert.deepEqual(found.get(fn), requests, fn);
    },
  });
}
