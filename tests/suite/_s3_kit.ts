/**
 * Windmill's endpoints for S3 objects in memory, called instead of `fetch`.
 *
 * @module
 */
import { json, text } from "./_client_kit.ts";

/** An object as it is stored. */
export interface StoredObject {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string | undefined;
  readonly disposition: string | undefined;
}

/** A request as the store saw it. */
export interface S3Request {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly init: RequestInit;
}

/** A store in memory. */
export interface S3Stub {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** The objects by storage and key, such as `/a/b.txt` for the default storage. */
  readonly objects: Map<string, StoredObject>;
  readonly seen: S3Request[];
}

/** Reads any body. */
export async function bodyBytes(init: RequestInit): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(init.body ?? null).arrayBuffer());
}

/** The part of an object that a `Range` header asks for. */
function partOf({ bytes, type }: StoredObject, range: string): Response {
  const [, first = "", last = ""] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? [];
  const start = Number(first), end = Math.min(last === "" ? Infinity : Number(last) + 1, bytes.length);
  if (first === "" || start >= bytes.length) return text("Bad request: range", 416);
  return new Response(bytes.slice(start, end), {
    status: 206,
    headers: {
      "content-type": type ?? "application/octet-stream",
      "content-range": `bytes ${start}-${end - 1}/${bytes.length}`,
      "content-length": `${end - start}`,
    },
  });
}

/** Makes a store in memory. `ranges` false makes it send whole objects always. */
export function s3Stub({ ranges = true }: { readonly ranges?: boolean } = {}): S3Stub {
  const objects = new Map<string, StoredObject>();
  const seen: S3Request[] = [];

  async function answer({ method, url, headers, init }: S3Request): Promise<Response> {
    const { pathname, searchParams: query } = url;
    const [, endpoint = ""] = /^\/api\/w\/ws\/(.*)$/.exec(pathname) ?? [];
    const storage = query.get("storage") ?? "";
    function placeOf(name: string): string {
      return `${storage}/${query.get(name)}`;
    }
    const found = objects.get(placeOf("file_key"));
    switch (`${method} ${endpoint}`) {
      case "POST job_helpers/upload_s3_file": {
        const key = query.get("file_key") ??
          `made/1${query.has("file_extension") ? `.${query.get("file_extension")}` : ""}`;
        objects.set(`${storage}/${key}`, {
          bytes: await bodyBytes(init),
          type: query.get("content_type") ?? undefined,
          disposition: query.get("content_disposition") ?? undefined,
        });
        return json({ file_key: key });
      }
      case "GET job_helpers/download_s3_file": {
        if (found === undefined) return text("Not found: object", 404);
        const range = headers.get("range");
        if (range !== null && ranges) return partOf(found, range);
        const type = found.type ?? "application/octet-stream";
        return new Response(found.bytes, {
          headers: { "content-type": type, "content-length": `${found.bytes.length}` },
        });
      }
      case "GET job_helpers/load_file_metadata":
        if (found === undefined) return text("Not found: object", 404);
        return json({ mime_type: found.type ?? null, size_in_bytes: found.bytes.length, last_modified: null });
      case "GET job_helpers/move_s3_file": {
        const moved = objects.get(placeOf("src_file_key"));
        if (moved === undefined) return text("Not found: object", 404);
        objects.delete(placeOf("src_file_key"));
        objects.set(placeOf("dest_file_key"), moved);
        return json("moved");
      }
      case "DELETE job_helpers/delete_s3_file":
        objects.delete(placeOf("file_key"));
        return json("deleted");
      case "GET job_helpers/list_stored_files": {
        const from = Number(query.get("marker") ?? "0"), most = Number(query.get("max_keys"));
        const prefix = `${storage}/${query.get("prefix") ?? ""}`;
        const keys = [...objects.keys()].filter((place) => place.startsWith(prefix)).toSorted();
        const files = keys.slice(from, from + most).map((place) => ({ s3: place.slice(storage.length + 1) }));
        return json({
          windmill_large_files: files,
          ...(from + most < keys.length ? { next_marker: `${from + most}` } : {}),
        });
      }
    }
    return text(`Not found: ${method} ${endpoint}`, 404);
  }

  return {
    objects,
    seen,
    fetch: async (url, init) => {
      init.signal?.throwIfAborted();
      const request: S3Request = {
        method: init.method ?? "GET",
        url: new URL(url),
        headers: new Headers(init.headers),
        init: { ...init },
      };
      seen.push(request);
      return await answer(request);
    },
  };
}

/** The text of an object. */
export function storedText(stub: S3Stub, place: string): string | undefined {
  const found = stub.objects.get(place);
  return found === undefined ? undefined : new TextDecoder().decode(found.bytes);
}

/** A source of pieces that tells what was done to it. */
export interface PieceFeed {
  readonly stream: ReadableStream<Uint8Array | string>;
  /** How many pieces it was asked for. */
  readonly asked: () => number;
  /** Why it was given up; undefined when it was not. */
  readonly givenUp: () => { readonly reason: unknown } | undefined;
}

/** Makes a stream that gives pieces one at a time, only when asked, and then ends, fails, or stays silent. */
export function pieceFeed(
  pieces: readonly (Uint8Array | string)[],
  end: "end" | "silence" | Error = "end",
): PieceFeed {
  let asked = 0;
  let givenUp: { readonly reason: unknown } | undefined;
  const stream = new ReadableStream<Uint8Array | string>({
    pull(controller): void | Promise<void> {
      const piece = pieces[asked++];
      if (piece !== undefined) controller.enqueue(piece);
      else if (end === "end") controller.close();
      else if (end instanceof Error) controller.error(end);
      else return new Promise(() => {});
    },
    cancel(reason): void {
      givenUp = { reason };
    },
  }, { highWaterMark: 0 });
  return { stream, asked: () => asked, givenUp: () => givenUp };
}

/** A signal that counts who listens to it. */
export function countedSignal(): { readonly controller: AbortController; readonly listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  const add = signal.addEventListener.bind(signal), remove = signal.removeEventListener.bind(signal);
  Object.assign(signal, {
    addEventListener: (...args: Parameters<typeof add>) => {
      listeners.add(args[1]);
      add(...args);
    },
    removeEventListener: (...args: Parameters<typeof remove>) => {
      listeners.delete(args[1]);
      remove(...args);
    },
  });
  return { controller, listeners: () => listeners.size };
}
