/**
 * The endpoints of objects.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { isRecord } from "../../wire/answer.ts";
import { badRequest, notFound, Refusal } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import { duckdbSettings, polarsSettings, readS3Settings, s3fsArguments } from "../objects/settings.ts";
import { signObject } from "../objects/signature.ts";
import type { ObjectStore, S3Settings, ServerContext } from "../ports.ts";
import { optionalNumber } from "./_answers.ts";
import { answerObject, headerValue, newUploadKey, queryStore, storeOf } from "./_object.ts";
import { previewOf } from "./_object_preview.ts";
import { optionalText, queryFlag, queryNumber, queryText, readFields, readJson } from "./_request.ts";

/** How many objects are listed at once, and how many are looked at for it when a text is searched in their keys. */
const MOST_KEYS = 1000, MOST_SEARCHED = 100_000;

/** Comes after all keys that begin with what stands before it. */
const LAST = "\u{10ffff}";

function requiredQuery(c: Context, name: string): string {
  const value = c.req.query(name);
  if (value !== undefined && value !== "") return value;
  throw new Refusal(400, `Failed to deserialize query string: missing field \`${name}\``);
}

/** Body of an upload. That it broke off is the sender's affair, and no error of this server. */
function uploaded(request: Request): ReadableStream<Uint8Array> {
  const reader = request.body?.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let next: ReadableStreamReadResult<Uint8Array> | undefined;
      try {
        next = await reader?.read();
      } catch (cause) {
        throw Object.assign(badRequest("the upload broke off before its end"), { cause });
      }
      if (next === undefined || next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: (reason) => reader?.cancel(reason),
  }, { highWaterMark: 0 });
}

function mostKeys(c: Context): number {
  return Math.min(Math.max(queryNumber(c, "max_keys") ?? MOST_KEYS, 1), MOST_KEYS);
}

/** Keys that have a text in them, of a list that is looked through page by page. */
async function searched(
  store: ObjectStore,
  { prefix, marker, limit, text }: {
    readonly prefix: string;
    readonly marker: string | undefined;
    readonly limit: number;
    readonly text: string;
  },
): Promise<{ readonly keys: readonly string[]; readonly next: string | undefined }> {
  const keys: string[] = [];
  let from = marker, looked = 0;
  const wanted = text.toLowerCase();
  for (;;) {
    const { objects, next } = await store.list({
      prefix,
      limit: wanted === "" ? limit : MOST_KEYS,
      ...(from === undefined ? {} : { marker: from }),
    });
    for (const { key } of objects) {
      if (keys.length === limit) return { keys, next: keys.at(-1) };
      if (key.toLowerCase().includes(wanted)) keys.push(key);
    }
    looked += objects.length;
    if (next === undefined || wanted === "" || looked >= MOST_SEARCHED) return { keys, next };
    from = next;
  }
}

/** One level of keys, which slashes make folders of. */
async function folderPage(store: ObjectStore, prefix: string, token: string | undefined, limit: number) {
  const folders: { readonly prefix: string; readonly name: string }[] = [];
  const files: {
    readonly key: string;
    readonly name: string;
    readonly size: number;
    readonly last_modified: string;
  }[] = [];
  let from = token;
  for (;;) {
    const left = limit - folders.length - files.length;
    const { objects, next } = await store.list({
      prefix,
      limit: left,
      ...(from === undefined ? {} : { marker: from }),
    });
    let skipped: string | undefined;
    for (const { key, size, lastModified } of objects) {
      const rest = key.slice(prefix.length), slash = rest.indexOf("/");
      from = key;
      if (slash < 0) {
        files.push({ key, name: rest, size, last_modified: new Date(lastModified).toISOString() });
        continue;
      }
      const name = rest.slice(0, slash);
      folders.push({ prefix: `${prefix}${name}/`, name });
      // What else is in the folder is passed over, and not read.
      from = skipped = `${prefix}${name}/${LAST}`;
      break;
    }
    if (skipped === undefined && next === undefined) return { folders, files, restricted_access: false };
    if (folders.length + files.length < limit) continue;
    const more = await store.list({ prefix, limit: 1, ...(from === undefined ? {} : { marker: from }) });
    return {
      folders,
      files,
      ...(more.objects.length === 0 ? {} : { next_page_token: from }),
      restricted_access: false,
    };
  }
}

/** The settings of a store that other programs can reach. */
function settingsOf(store: ObjectStore): S3Settings {
  if (store.s3 !== undefined) return store.s3;
  throw badRequest(
    "The objects of this storage are files of Windkit's data folder, which no other program reaches as an S3. " +
      'Name an S3 in windkit.json ("s3": {"main": {"endpoint", "bucket", "accessKey", "secretKey"}}), or pass ' +
      "s3_resource_path",
  );
}

/** The endpoints of objects. */
export function s3Routes(context: ServerContext): Hono {
  const { objects, secrets } = context;
  const app = new Hono();
  const path = (name: string): string => `/w/:workspace/job_helpers/${name}`;

  app.get(
    path("download_s3_file"),
    (c) => answerObject(c.req.raw, queryStore(context, c), requiredQuery(c, "file_key")),
  );

  app.post(path("upload_s3_file"), async (c) => {
    const store = queryStore(context, c);
    const key = queryText(c, "file_key") ?? newUploadKey(context.now(), queryText(c, "file_extension"));
    const contentType = headerValue(c, "content_type"), contentDisposition = headerValue(c, "content_disposition");
    await store.write(key, uploaded(c.req.raw), {
      ...(contentType === undefined ? {} : { contentType }),
      ...(contentDisposition === undefined ? {} : { contentDisposition }),
    });
    return c.json({ file_key: key });
  });

  app.delete(path("delete_s3_file"), async (c) => {
    // As S3: that it was there is not told, so that a call can be made again.
    await queryStore(context, c).remove(requiredQuery(c, "file_key"));
    return c.json(null);
  });

  app.get(path("move_s3_file"), async (c) => {
    const from = requiredQuery(c, "src_file_key"), to = requiredQuery(c, "dest_file_key");
    if (!await queryStore(context, c).move(from, to)) throw notFound(`File not found: ${from}`);
    return c.json(null);
  });

  app.get(path("load_file_metadata"), async (c) => {
    const key = requiredQuery(c, "file_key");
    const info = await queryStore(context, c).stat(key);
    if (info === undefined) throw notFound(`File not found: ${key}`);
    return c.json({
      mime_type: info.contentType ?? "application/octet-stream",
      size_in_bytes: info.size,
      last_modified: new Date(info.lastModified).toISOString(),
      expires: null,
      version_id: null,
    });
  });

  app.get(path("load_file_preview"), async (c) => {
    const key = requiredQuery(c, "file_key");
    const preview = await previewOf(queryStore(context, c), key, {
      type: queryText(c, "file_mime_type"),
      from: queryNumber(c, "read_bytes_from"),
      length: queryNumber(c, "read_bytes_length"),
    });
    if (preview === undefined) throw notFound(`File not found: ${key}`);
    return c.json(preview);
  });

  app.get(path("list_stored_files"), async (c) => {
    const { keys, next } = await searched(queryStore(context, c), {
      prefix: queryText(c, "prefix") ?? "",
      marker: queryText(c, "marker"),
      limit: mostKeys(c),
      text: queryText(c, "search") ?? "",
    });
    return c.json({
      next_marker: next ?? null,
      windmill_large_files: keys.map((s3) => ({ s3 })),
      restricted_access: false,
    });
  });

  app.get(path("list_stored_files_paged"), async (c) => {
    const prefix = queryText(c, "prefix") ?? "";
    if (prefix !== "" && !prefix.endsWith("/")) throw badRequest("prefix must end with a slash");
    return c.json(await folderPage(queryStore(context, c), prefix, queryText(c, "page_token"), mostKeys(c)));
  });

  app.get(path("check_s3_folder_exists"), async (c) => {
    const store = queryStore(context, c);
    const key = requiredQuery(c, "file_key").replace(/\/+$/, ""), marker = queryText(c, "marker_file");
    const inside = marker === undefined
      ? (await store.list({ prefix: `${key}/`, limit: 1 })).objects.length > 0
      : await store.stat(`${key}/${marker}`) !== undefined;
    const isFile = !inside && await store.stat(key) !== undefined;
    return c.json({ exists: inside || isFile, is_folder: inside });
  });

  app.get(path("test_connection"), async (c) => {
    await queryStore(context, c).list({ prefix: "", limit: 1 });
    return c.json("Object storage resource connection test successful");
  });

  app.get("/w/:workspace/workspaces/get_secondary_storage_names", (c) => {
    const names = objects.names();
    return c.json(queryFlag(c, "include_default") === true ? ["_default_", ...names] : names);
  });

  app.post("/w/:workspace/apps/sign_s3_objects", async (c) => {
    const body = await readFields(c.req.raw);
    const given = body.s3_objects, expiry = optionalNumber(body, "expiry_secs");
    if (!Array.isArray(given)) {
      throw new Refusal(422, "Failed to deserialize the JSON body into the target type: missing field `s3_objects`");
    }
    return c.json(given.map((object: Json, index) => {
      if (!isRecord(object) || typeof object.s3 !== "string") {
        const where = `s3_objects[${index}]`;
        throw new Refusal(
          422,
          `Failed to deserialize the JSON body into the target type: ${where}: missing field \`s3\``,
        );
      }
      const storage = optionalText(object, "storage");
      // A storage that there cannot be is no storage that something is signed for.
      objects.storage(storage);
      return {
        ...object,
        presigned: signObject(secrets.signingKey, { key: object.s3, storage }, context.now(), expiry),
      };
    }));
  });

  /** The settings that a request for them is about: those of a resource's path, else of a storage, else the default one. */
  async function asked(c: Context): Promise<S3Settings> {
    const body = await readJson(c.req.raw) ?? {};
    if (!isRecord(body)) throw badRequest("the body must be an object");
    return settingsOf(storeOf(context, {
      resourcePath: optionalText(body, "s3_resource_path"),
      storage: optionalText(body, "storage"),
    }));
  }

  /** As before there were paths: the resource itself is in the body. */
  async function given(c: Context): Promise<S3Settings> {
    const body = await readFields(c.req.raw);
    return body.s3_resource === undefined || body.s3_resource === null
      ? settingsOf(objects.storage())
      : readS3Settings("s3_resource", body.s3_resource);
  }

  app.post(path("v2/s3_resource_info"), async (c) => c.json(await asked(c)));
  app.post(path("v2/duckdb_connection_settings"), async (c) => c.json(duckdbSettings(await asked(c))));
  app.post(path("v2/polars_connection_settings"), async (c) => c.json(polarsSettings(await asked(c))));
  app.post(path("duckdb_connection_settings"), async (c) => c.json(duckdbSettings(await given(c))));
  app.post(path("polars_connection_settings"), async (c) => c.json(s3fsArguments(await given(c))));
  return app;
}
