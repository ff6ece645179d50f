/**
 * The storages of a workspace: files of the data folder, or a real S3 where `windkit.json` names one.
 *
 * @module
 */
import { ConfigurationError } from "../../base/errors.ts";
import { badRequest, Refusal } from "../../wire/refusal.ts";
import type { Database, Folder, Objects, ObjectStore, Secrets } from "../ports.ts";
import type { Json } from "../../workflow/journal.ts";
import { openFiles } from "./files.ts";
import { DEFAULT_STORAGE, storageName } from "./keys.ts";
import { checkReach, type Reach } from "./reach.ts";
import { fetchHere, openS3 } from "./s3.ts";
import { hostOf, readS3Settings } from "./settings.ts";

/** What objects are opened with. */
export interface ObjectsOptions {
  /** Folder of objects that are files: `<data>/objects`. It is made when the first one is written. */
  readonly dir: string;
  readonly database: Database;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /**
   * Storages that are an S3, of `windkit.json`: fields of an S3 resource, or a text `$res:f/path/to/resource`. `main` is the default
   * storage. Texts may be `$var:` and `$res:`, and are looked up when the storage is used. @default none
   */
  readonly s3?: Json;
  /** Looks those up. */
  readonly folder: Pick<Folder, "interpolate">;
  /** Remembers keys that must not be seen. */
  readonly secrets: Pick<Secrets, "remember">;
  /** What scripts may reach, for the resources that they name. @default whatever is not of this machine */
  readonly reach?: Reach;
  /** Longest object, in bytes. @default 64 GiB */
  readonly maxObjectBytes?: number;
  /** Makes the requests of an S3. @default the runtime's own */
  readonly fetch?: (request: Request) => Promise<Response>;
}

const MAX_OBJECT_BYTES = 64 * 1024 ** 3;

/** How many stores are kept: each knows its signing keys. */
const KEPT_STORES = 32;

/** The storages of `windkit.json` by their names. What is wrong with one is said at once, unless its texts are looked up later. */
function readConfigured(s3: Json): ReadonlyMap<string, Json> {
  if (typeof s3 !== "object" || s3 === null || Array.isArray(s3)) {
    throw new ConfigurationError("'s3' of windkit.json must have storages by their names, as {\"main\": {...}}");
  }
  const configured = new Map<string, Json>();
  for (const [given, value] of Object.entries(s3)) {
    try {
      const name = storageName(given);
      if (configured.has(name)) throw badRequest(`The storage "${name}" is there twice, as "${given}" too`);
      if (!/"\$(?:var|res):/.test(JSON.stringify(value))) readS3Settings(`The storage "${name}"`, value);
      configured.set(name, value);
    } catch (cause) {
      if (!(cause instanceof Refusal)) throw cause;
      const problem = cause.message.replace(/^Bad request: /, "");
      throw new ConfigurationError(`Cannot use 's3' of windkit.json: ${problem}`, { cause });
    }
  }
  return configured;
}

/**
 * Opens the storages of a workspace.
 *
 * @throws ConfigurationError that says what is wrong with those of `windkit.json`
 */
export async function openObjects(options: ObjectsOptions): Promise<Objects> {
  const { dir, database, now, s3 = {}, folder, secrets, maxObjectBytes = MAX_OBJECT_BYTES, reach = {} } = options;
  const { fetch = fetchHere } = options;
  const files = await openFiles({ dir, database, now, maxBytes: maxObjectBytes });
  const configured = readConfigured(s3);
  const stores = new Map<string, ObjectStore>();

  /** Hosts that whoever runs the server has named. */
  function knownHosts(): ReadonlySet<string> {
    return new Set([...configured].flatMap(([name, value]) => {
      try {
        return hostOf(readS3Settings(name, folder.interpolate(value)));
      } catch (error) {
        if (error instanceof Refusal) return []; // whoever uses it is told
        throw error;
      }
    }));
  }

  async function boxedFetch(request: Request): Promise<Response> {
    await checkReach(request.url, reach, knownHosts());
    return await fetch(request);
  }

  function s3Store(what: string, value: Json, byJob = false): ObjectStore {
    const settings = readS3Settings(what, value);
    for (const secret of [settings.secretKey, settings.token]) if (secret !== undefined) secrets.remember(secret);
    const id = JSON.stringify([settings, byJob]);
    const store = stores.get(id) ?? openS3({ settings, maxBytes: maxObjectBytes, fetch: byJob ? boxedFetch : fetch });
    stores.delete(id);
    stores.set(id, store);
    for (const oldest of stores.keys()) {
      if (stores.size <= KEPT_STORES) break;
      stores.delete(oldest);
    }
    return store;
  }

  return {
    storage(name) {
      const known = storageName(name);
      const value = configured.get(known);
      if (value === undefined) return files.store(known);
      return s3Store(`The storage "${known}" of windkit.json`, folder.interpolate(value));
    },
    resource: (value, byJob) => s3Store("The resource", value, byJob),
    names: () =>
      [...new Set([...configured.keys(), ...files.names()])].filter((name) => name !== DEFAULT_STORAGE).sort(),
  };
}
