/**
 * Windmill's endpoints for S3 objects, over a real S3 store: a server with a token, signatures for whoever has none, and uploads
 * that are stored in parts as they come.
 *
 * @module
 */
import { AwsClient } from "aws4fetch";

/** The token that the endpoints want. */
export const TOKEN = "e2e-token";

/** How much of an upload is held: S3 wants parts of at least 5 MiB. */
const PART_BYTES = 5 * 1024 * 1024;

/** What a store needs to be reached. */
export interface StoreOptions {
  readonly endpoint: string;
  /** Buckets by the name of the storage; `""` is the default one. */
  readonly buckets: Readonly<Record<string, string>>;
}

/** A running server. */
export interface WindmillS3 extends AsyncDisposable {
  readonly baseUrl: string;
  /** Resolves when so many uploads were given up before their end. */
  readonly abandoned: (count: number) => Promise<void>;
}

function hex(bytes: ArrayBuffer): string {
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function signatureOf(key: string, exp: number, storage: string): Promise<string> {
  const secret = await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode("key of the workspace"),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const text = new TextEncoder().encode(JSON.stringify([key, exp, storage]));
  return hex(await crypto.subtle.sign("HMAC", secret, text));
}

function plain(status: number, text: string): Response {
  return new Response(text, { status, headers: { "content-type": "text/plain" } });
}

/** Serves the endpoints on a port of its own. */
export function serveWindmillS3({ endpoint, buckets }: StoreOptions): WindmillS3 {
  const s3 = new AwsClient({
    accessKeyId: "S3RVER",
    secretAccessKey: "S3RVER",
    service: "s3",
    region: "us-east-1",
    retries: 0,
  });
  let abandoned = 0;
  let onAbandoned = (): void => {};

  function addressOf(storage: string, key: string, query = ""): string {
    const path = key.split("/").map(encodeURIComponent).join("/");
    return `${endpoint}/${buckets[storage] ?? "none"}/${path}${query}`;
  }

  /** A call that must succeed, and its text. */
  async function store(address: string, init: RequestInit): Promise<Response> {
    const response = await s3.fetch(address, init);
    if (!response.ok) throw new Error(`S3 answered ${response.status} to ${address}: ${await response.text()}`);
    return response;
  }

  async function upload(request: Request, storage: string, query: URLSearchParams): Promise<Response> {
    const key = query.get("file_key") ??
      `windmill_uploads/${crypto.randomUUID()}.${query.get("file_extension") ?? "bin"}`;
    const headers: Record<string, string> = {
      "content-type": query.get("content_type") ?? "application/octet-stream",
    };
    const disposition = query.get("content_disposition");
    if (disposition !== null) headers["content-disposition"] = disposition;
    const begun = await (await store(addressOf(storage, key, "?uploads="), { method: "POST", headers })).text();
    const id = /<UploadId>([^<]+)</.exec(begun)?.[1] ?? "";
    const tags: string[] = [];
    let held: Uint8Array[] = [], length = 0;
    async function flush(): Promise<void> {
      const body = new Blob(held as Uint8Array<ArrayBuffer>[]);
      [held, length] = [[], 0];
      const part = addressOf(storage, key, `?partNumber=${tags.length + 1}&uploadId=${encodeURIComponent(id)}`);
      const stored = await store(part, { method: "PUT", body: await body.arrayBuffer() });
      await stored.body?.cancel();
      tags.push(stored.headers.get("etag") ?? "");
    }
    try {
      for await (const piece of request.body ?? []) {
        held.push(piece);
        length += piece.length;
        if (length >= PART_BYTES) await flush();
      }
      if (length > 0 || tags.length === 0) await flush();
    } catch (error) {
      await s3.fetch(addressOf(storage, key, `?uploadId=${encodeURIComponent(id)}`), { method: "DELETE" });
      abandoned++;
      onAbandoned();
      throw error;
    }
    const parts = tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`).join("");
    const whole = addressOf(storage, key, `?uploadId=${encodeURIComponent(id)}`);
    await (await store(whole, {
      method: "POST",
      body: `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`,
    })).text();
    return Response.json({ file_key: key });
  }

  async function download(storage: string, key: string, range: string | null): Promise<Response> {
    const found = await s3.fetch(addressOf(storage, key), { headers: range === null ? {} : { range } });
    if (!found.ok) return plain(found.status, `Not found: S3 said ${(await found.text()).slice(0, 200)}`);
    const kept = ["content-type", "content-length", "content-range", "content-disposition", "etag"];
    const headers = kept.flatMap((name): [string, string][] => {
      const value = found.headers.get(name);
      return value === null ? [] : [[name, value]];
    });
    return new Response(found.body, { status: found.status, headers });
  }

  async function list(storage: string, query: URLSearchParams): Promise<Response> {
    // All of it at once, and cut here: this server has no order of its own.
    const asked = new URLSearchParams({ prefix: query.get("prefix") ?? "", "max-keys": "1000" });
    const text = await (await store(`${endpoint}/${buckets[storage]}?${asked}`, {})).text();
    const keys = [...text.matchAll(/<Key>([^<]*)</g)].map(([, key = ""]) =>
      key.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&apos;", "'")
        .replaceAll(/&#x([0-9a-f]+);/gi, (_, code) => String.fromCodePoint(parseInt(code, 16))).replaceAll("&amp;", "&")
    );
    const from = query.get("marker") ?? "", most = Number(query.get("max_keys"));
    const left = keys.filter((key) => key > from).toSorted();
    const page = left.slice(0, most);
    return Response.json({
      windmill_large_files: page.map((s3) => ({ s3 })),
      ...(left.length > most ? { next_marker: page.at(-1) } : {}),
    });
  }

  async function move(storage: string, from: string, to: string): Promise<Response> {
    // No copy inside the store: this server does not decode the key of the source.
    const source = await store(addressOf(storage, from), {});
    const headers = { "content-type": source.headers.get("content-type") ?? "" };
    await (await store(addressOf(storage, to), { method: "PUT", headers, body: await source.arrayBuffer() })).text();
    await (await store(addressOf(storage, from), { method: "DELETE" })).text();
    return Response.json("moved");
  }

  async function sign(request: Request): Promise<Response> {
    const { s3_objects, expiry_secs = 43_200 } = await request.json() as {
      readonly s3_objects: readonly { readonly s3: string; readonly storage?: string }[];
      readonly expiry_secs?: number;
    };
    const exp = Math.floor(Date.now() / 1000) + expiry_secs;
    return Response.json(
      await Promise.all(s3_objects.map(async (object) => ({
        ...object,
        presigned: `exp=${exp}&sig=${await signatureOf(object.s3, exp, object.storage ?? "")}`,
      }))),
    );
  }

  async function proxy(path: string, query: URLSearchParams, range: string | null): Promise<Response> {
    const [, name = "", rest = ""] = /^([^/]*)\/(.*)$/s.exec(path) ?? [];
    const storage = name === "_default_" ? "" : decodeURIComponent(name);
    const key = rest.split("/").map(decodeURIComponent).join("/");
    const exp = Number(query.get("exp"));
    if (query.get("sig") !== await signatureOf(key, exp, storage) || exp * 1000 < Date.now()) {
      return plain(403, "Permission denied: signature");
    }
    return await download(storage, key, range);
  }

  async function answer(request: Request): Promise<Response> {
    const { pathname, searchParams: query } = new URL(request.url);
    const [, route = ""] = /^\/api\/w\/ws\/(.*)$/s.exec(pathname) ?? [];
    const range = request.headers.get("range");
    const [, proxied] = /^s3_proxy\/(.*)$/s.exec(route) ?? [];
    if (proxied !== undefined) return await proxy(proxied, query, range);
    if (request.headers.get("authorization") !== `Bearer ${TOKEN}`) return plain(401, "Not authorized: token");
    const storage = query.get("storage") ?? "", key = query.get("file_key") ?? "";
    switch (`${request.method} ${route}`) {
      case "POST job_helpers/upload_s3_file":
        return await upload(request, storage, query);
      case "GET job_helpers/download_s3_file":
        return await download(storage, key, range);
      case "DELETE job_helpers/delete_s3_file":
        await (await store(addressOf(storage, key), { method: "DELETE" })).text();
        return Response.json("deleted");
      case "GET job_helpers/load_file_metadata": {
        const { ok, headers } = await s3.fetch(addressOf(storage, key), { method: "HEAD" });
        if (!ok) return plain(404, "Not found: object");
        return Response.json({
          mime_type: headers.get("content-type"),
          size_in_bytes: Number(headers.get("content-length")),
        });
      }
      case "GET job_helpers/list_stored_files":
        return await list(storage, query);
      case "GET job_helpers/move_s3_file":
        return await move(storage, query.get("src_file_key") ?? "", query.get("dest_file_key") ?? "");
      case "POST apps/sign_s3_objects":
        return await sign(request);
    }
    return plain(404, `Not found: ${route}`);
  }

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    try {
      return await answer(request);
    } catch (error) {
      return plain(500, `Internal: ${error instanceof Error ? error.message : error}`);
    }
  });
  return {
    baseUrl: `http://127.0.0.1:${server.addr.port}`,
    abandoned: (count) =>
      new Promise((resolve) => {
        onAbandoned = () => {
          if (abandoned >= count) resolve();
        };
        onAbandoned();
      }),
    // An upload or a download that a test cut off must not keep it.
    [Symbol.asyncDispose]: async () => {
      await Promise.race([server.shutdown(), new Promise((resolve) => setTimeout(resolve, 500))]);
    },
  };
}
