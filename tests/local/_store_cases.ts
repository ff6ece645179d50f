/**
 * What every store of objects does, whatever it is on.
 */
import type { ObjectRange, ObjectStore } from "../../src/server/ports.ts";
import { assert, assertEquals } from "../suite/assert.ts";

/** Keys that a store can keep that has a file for each, also where letters' case tells no files apart. */
export const FILE_KEYS: readonly string[] = [
  "plain.txt",
  "a b/c d.txt",
  "a?b=c&d.txt",
  "a#b.txt",
  "100%.txt",
  "%2F%20.txt",
  "a+b.txt",
  "\u00e4/\u65e5\u672c/\ud83d\ude00.txt",
  "quote\"'`.txt",
  "semi;colon,comma=.txt",
  "~!@$^*()[]{}|<>.txt",
];

/** Keys that every store takes. */
export const PLAIN_KEYS: readonly string[] = [...FILE_KEYS, "A.txt", "a.txt", "f/con"];

/** A body in pieces. */
export function bodyOf(...pieces: readonly (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  const left = pieces.map((piece) => typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
  return new ReadableStream({
    pull: (controller) => {
      const piece = left.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(piece);
    },
  }, { highWaterMark: 0 });
}

/** A body that breaks after its pieces. */
function breakingBody(error: Error, pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  const left = [...pieces];
  return new ReadableStream({
    pull: (controller) => {
      const piece = left.shift();
      if (piece === undefined) controller.error(error);
      else controller.enqueue(piece);
    },
  }, { highWaterMark: 0 });
}

/** Text of an object; undefined when there is none. */
export async function textOf(store: ObjectStore, key: string, range?: ObjectRange): Promise<string | undefined> {
  const data = await store.read(key, range);
  return data === undefined ? undefined : await new Response(data.body).text();
}

/** All keys, in pages of a size. */
export async function keysOf(store: ObjectStore, prefix = "", limit = 3): Promise<string[]> {
  const keys: string[] = [];
  let marker: string | undefined;
  do {
    const page = await store.list({ prefix, limit, ...(marker === undefined ? {} : { marker }) });
    assert(page.objects.length <= limit, "A page has no more than was asked for");
    keys.push(...page.objects.map(({ key }) => key));
    marker = page.next;
  } while (marker !== undefined);
  return keys;
}

/** A case, by its name. `perPage` is how much is listed at once: the S3 of the tests has no order that pages could have. */
export const storeCases: Readonly<Record<string, (store: ObjectStore, perPage: number) => Promise<void>>> = {
  "objects with keys of every kind are written, read, listed, moved and removed": async (store, perPage) => {
    for (const key of PLAIN_KEYS) await store.write(key, bodyOf(`content of ${key}`), { contentType: "text/x-trial" });
    for (const key of PLAIN_KEYS) {
      assertEquals(await textOf(store, key), `content of ${key}`);
      const info = await store.stat(key);
      assertEquals([info?.contentType, info?.size], [
        "text/x-trial",
        new TextEncoder().encode(`content of ${key}`).length,
      ]);
      assert(/^".+"$/.test(info?.etag ?? ""), "A tag is in quotes");
    }
    assertEquals((await keysOf(store, "", perPage)).toSorted(), PLAIN_KEYS.toSorted());
    for (const key of PLAIN_KEYS) {
      assertEquals(await store.move(key, `moved/${key}`), true);
      assertEquals(await store.stat(key), undefined);
      assertEquals(await store.read(key), undefined);
      assertEquals(await textOf(store, `moved/${key}`), `content of ${key}`);
      assertEquals((await store.stat(`moved/${key}`))?.contentType, "text/x-trial");
    }
    assertEquals(await store.move("none", "other"), false);
    for (const key of PLAIN_KEYS) await store.remove(`moved/${key}`);
    assertEquals(await keysOf(store), []);
  },
  "parts of an object, up to its end and behind it": async (store) => {
    await store.write("bytes", bodyOf("01234", "56789"), {});
    const parts: [ObjectRange, string, number, number][] = [
      [{ start: 0 }, "0123456789", 0, 10],
      [{ start: 2, end: 4 }, "23", 2, 4],
      [{ start: 4, end: 6 }, "45", 4, 6],
      [{ start: 8, end: 99 }, "89", 8, 10],
      [{ last: 3 }, "789", 7, 10],
      [{ last: 99 }, "0123456789", 0, 10],
      [{ start: 10 }, "", 10, 10],
      [{ start: 99, end: 100 }, "", 10, 10],
    ];
    for (const [range, text, start, end] of parts) {
      const data = await store.read("bytes", range);
      assertEquals([data?.part, data?.size], [{ start, end }, 10]);
      assertEquals(await new Response(data?.body).text(), text);
    }
  },
  "an object without bytes is one": async (store) => {
    await store.write("empty", bodyOf(), {});
    assertEquals(await textOf(store, "empty"), "");
    assertEquals((await store.stat("empty"))?.size, 0);
    assertEquals(await keysOf(store), ["empty"]);
  },
  "a body that breaks off leaves the object that was there, and none where there was none": async (store) => {
    await store.write("kept", bodyOf("before"), {});
    const large = new Uint8Array(9 * 1024 * 1024);
    for (const key of ["kept", "none"]) {
      const broken = new Error("the wire was cut");
      let caught: unknown;
      try {
        await store.write(key, breakingBody(broken, [large, large]), {});
      } catch (error) {
        caught = error;
      }
      assertEquals(caught, broken);
    }
    assertEquals(await textOf(store, "kept"), "before");
    assertEquals(await store.stat("none"), undefined);
    assertEquals(await keysOf(store), ["kept"]);
  },
  "an object of several parts is the same": async (store) => {
    const piece = Uint8Array.from({ length: 700_001 }, (_, i) => i % 253);
    const pieces = Array.from({ length: 27 }, () => piece);
    await store.write("large", bodyOf(...pieces), { contentDisposition: 'attachment; filename="l"' });
    const data = await store.read("large");
    assertEquals([data?.size, data?.contentDisposition], [27 * 700_001, 'attachment; filename="l"']);
    let at = 0;
    for await (const bytes of data?.body ?? []) {
      for (let i = 0; i < bytes.length; i += 4099) {
        if (bytes[i] !== (at + i) % 700_001 % 253) throw new Error(`Byte ${at + i} is another`);
      }
      at += bytes.length;
    }
    assertEquals(at, 27 * 700_001);
  },
  "lists are narrowed to a prefix, and go on after a marker": async (store, perPage) => {
    for (const key of ["a/1", "a/2", "a/3", "a0", "b/1", "a"]) await store.write(key, bodyOf(key), {});
    assertEquals((await keysOf(store, "a/", perPage)).toSorted(), ["a/1", "a/2", "a/3"]);
    assertEquals((await keysOf(store, "a", perPage)).toSorted(), ["a", "a/1", "a/2", "a/3", "a0"]);
    const page = await store.list({ prefix: "", marker: "a/3", limit: 2 });
    assertEquals(page.objects.map(({ key, size }) => `${key} ${size}`).toSorted(), ["a0 2", "b/1 3"]);
  },
};
