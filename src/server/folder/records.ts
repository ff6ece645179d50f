/**
 * Variables, resources and resource types of a synced folder.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { isRecord } from "../../wire/answer.ts";
import { Refusal } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import type { Folder, FolderProblem, Resource, ResourceType, Secrets, Variable } from "../ports.ts";
import { type Disk, type FoundFile, messageOf } from "./disk.ts";
import type { Documents, JsonRecord } from "./documents.ts";
import type { Kept } from "./kept.ts";
import { isReference, referredBy } from "./names.ts";
import { MAX_RECORD_BYTES, type Scan } from "./scan.ts";
import { looksEncrypted, openWithWorkspaceKey } from "./workspace_key.ts";

/** Types that the command line does not pull: they belong to this server's data. */
const KEPT_TYPES = new Set(["state", "cache"]);
const MAX_FILESET_BYTES = 64 * 1024 * 1024;

/** What they are read from and written to. */
export interface RecordAccess {
  readonly disk: Disk;
  readonly documents: Documents;
  readonly kept: Kept;
  readonly secrets: Secrets;
  /** The folder as it was looked at last. */
  scan(): Scan;
  /** Looks again: something was written. */
  written(): void;
}

/** What the folder does with records, and these do for it. */
type RecordFunction =
  | "variable"
  | "variables"
  | "writeVariable"
  | "deleteVariable"
  | "resource"
  | "resources"
  | "writeResource"
  | "deleteResource"
  | "resourceType"
  | "resourceTypes"
  | "writeResourceType"
  | "deleteResourceType";

/** Variables, resources and types, read and written. */
export interface Records extends Pick<Folder, RecordFunction> {
  /** Reads everything that was not read yet: what is wrong is in the list then. */
  problems(): readonly FolderProblem[];
  /** What is wrong with the file of one record. */
  problemOf(kind: RecordKind, name: string): FolderProblem | undefined;
}

/** Kinds of records. */
export type RecordKind = "variable" | "resource" | "resource type";

interface Read {
  readonly mark: string;
  readonly record?: JsonRecord;
  readonly problem?: string;
}

/** Opens the records of a folder. */
export function openRecords(access: RecordAccess): Records {
  const { disk, documents, kept, secrets } = access;
  const cache = new Map<string, Read>();

  /** The record of a file as it is now; undefined when it cannot be read. */
  function recordOf(file: FoundFile): JsonRecord | undefined {
    const mark = disk.look(file.file)?.mark;
    if (mark === undefined) return undefined;
    let read = cache.get(file.file);
    if (read?.mark !== mark) {
      read = readNow(file.file, mark);
      cache.set(file.file, read);
    }
    return read.record;
  }

  function readNow(file: string, mark: string): Read {
    try {
      return { mark, record: documents.readRecord(file, disk.read(file, MAX_RECORD_BYTES)) };
    } catch (error) {
      return { mark, problem: messageOf(error) };
    }
  }

  function problemIn(file: FoundFile): FolderProblem | undefined {
    recordOf(file);
    const message = cache.get(file.file)?.problem;
    return message === undefined ? undefined : { file: file.file, message };
  }

  function change(file: string, fields: Readonly<Record<string, Json | undefined>>): void {
    const text = disk.look(file) === undefined ? undefined : disk.read(file, MAX_RECORD_BYTES);
    const readable = text !== undefined && readNow(file, "").record !== undefined;
    disk.write(file, documents.change(file, readable ? text : undefined, fields));
    access.written();
  }

  function remove(file: FoundFile | undefined): boolean {
    if (file === undefined || !disk.remove(file.file)) return false;
    access.written();
    return true;
  }

  // --- Variables ---

  /** A file's secret, opened. */
  function opened(path: string, value: string): string {
    const { config, encryptionKey } = access.scan();
    if (config.plainSecrets || !looksEncrypted(value)) return value;
    const key = encryptionKey === undefined ? undefined : keyText(encryptionKey);
    const plain = key === undefined ? undefined : openWithWorkspaceKey(value, key);
    if (plain !== undefined) return plain;
    throw new Refusal(
      500,
      `Internal: The variable ${path} is encrypted with the key of the workspace that it was pulled from, ` +
        `${
          key === undefined ? "which is not in the folder" : "which is another than the folder's"
        }: set its value here, ` +
        "or pull it with --plain-secrets and set plainSecrets in wmill.yaml",
    );
  }

  function keyText(file: FoundFile): string | undefined {
    try {
      const value = documents.read(file.file, disk.read(file.file, MAX_RECORD_BYTES));
      return typeof value === "string"
        ? value
        : isRecord(value) && typeof value.key === "string"
        ? value.key
        : undefined;
    } catch (error) {
      void error;
      return undefined;
    }
  }

  /** The secret of the data folder, unless the file's value is newer. */
  function keptOver(path: string, fileValue: string | undefined): string | undefined {
    const found = kept.secret(path);
    if (found === undefined) return undefined;
    return found.over === (fileValue === undefined ? undefined : digestOf(fileValue)) ? found.value : undefined;
  }

  function shown(value: string): string {
    secrets.remember(value);
    return value;
  }

  function variable(path: string, secret: boolean): Variable | undefined {
    const file = access.scan().variables.get(path);
    const record = file === undefined ? undefined : recordOf(file);
    if (record === undefined) {
      // One that stood over a file's secret went with the file.
      const found = file === undefined ? kept.secret(path) : undefined;
      if (found === undefined || found.over !== undefined) return undefined;
      return { path, value: secret ? shown(found.value) : null, isSecret: true, description: found.description };
    }
    const { value: held = null } = record;
    // People write numbers without quotes.
    const value = typeof held === "string" ? held : held === null ? "" : JSON.stringify(held);
    const isSecret = record.is_secret === true;
    const description = typeof record.description === "string" ? record.description : "";
    if (!isSecret) return { path, value, isSecret, description };
    return { path, value: secret ? shown(keptOver(path, value) ?? opened(path, value)) : null, isSecret, description };
  }

  function writeVariable({ path, value, isSecret, description }: Variable): void {
    const file = access.scan().variables.get(path);
    const record = file === undefined ? undefined : recordOf(file);
    const before = typeof record?.value === "string" ? record.value : undefined;
    if (!isSecret) {
      kept.deleteSecret(path);
      change(file?.file ?? `${path}.variable.yaml`, { description, value: value ?? before ?? "", is_secret: false });
      return;
    }
    const wasSecret = record?.is_secret === true;
    if (value !== null) {
      shown(value);
      // A secret that was a plain value leaves no copy in the folder.
      if (file !== undefined && !wasSecret) remove(file);
      const over = wasSecret && before !== undefined ? { over: digestOf(before) } : {};
      kept.writeSecret({ path, value, description, ...over });
    }
    if (file !== undefined && wasSecret && record?.description !== description) change(file.file, { description });
    else if (value === null && file === undefined) {
      const found = kept.secret(path);
      if (found !== undefined) kept.writeSecret({ ...found, description });
    }
  }

  // --- Resources ---

  function valueOf(record: JsonRecord): Json {
    const { value = null } = record;
    const folder = typeof value === "string" ? referredBy(value, "fileset") : undefined;
    if (folder !== undefined) return disk.readAll(folder, MAX_FILESET_BYTES);
    if (!isRecord(value)) return value;
    const { content } = value;
    const file = typeof content === "string" ? referredBy(content, "content") : undefined;
    return file === undefined ? value : { ...value, content: disk.read(file, MAX_FILESET_BYTES) };
  }

  function resource(path: string): Resource | undefined {
    const file = access.scan().resources.get(path);
    if (file === undefined) return kept.resource(path);
    const record = recordOf(file);
    if (record === undefined) return undefined;
    try {
      return {
        path,
        value: valueOf(record),
        resourceType: typeof record.resource_type === "string" ? record.resource_type : "any",
        description: typeof record.description === "string" ? record.description : "",
      };
    } catch (error) {
      cache.set(file.file, { mark: cache.get(file.file)?.mark ?? "", problem: messageOf(error) });
      return undefined;
    }
  }

  function writeResource(written: Resource): void {
    const { path, value, resourceType, description } = written;
    const file = access.scan().resources.get(path);
    if (KEPT_TYPES.has(resourceType)) {
      remove(file);
      kept.writeResource(written);
      return;
    }
    const held = inPlace(file === undefined ? undefined : recordOf(file)?.value, value);
    change(file?.file ?? `${path}.resource.yaml`, { description, value: held, resource_type: resourceType });
    kept.deleteResource(path);
  }

  /** A file that holds the content keeps holding it. */
  function inPlace(before: Json | undefined, value: Json): Json {
    const reference = isRecord(before) && typeof before.content === "string" ? before.content : "";
    const content = isRecord(value) && typeof value.content === "string" ? value.content : undefined;
    const file = content === undefined ? undefined : referredBy(reference, "content");
    if (file !== undefined && content !== undefined) {
      disk.write(file, content);
      // `as`: it has a content.
      return { ...value as JsonRecord, content: reference };
    }
    // In the file it would be read back as what another file has in it.
    const text = content ?? value;
    if (typeof text === "string" && isReference(text)) {
      throw new RangeError(
        'The value of a resource must not begin with "!inline": in a file that is the name of another one',
      );
    }
    return value;
  }

  // --- Types ---

  function resourceType(name: string): ResourceType | undefined {
    const file = access.scan().types.get(name);
    const record = file === undefined ? undefined : recordOf(file);
    if (record === undefined) return undefined;
    return {
      name,
      schema: record.schema ?? null,
      description: typeof record.description === "string" ? record.description : "",
      ...typeof record.format_extension === "string" ? { formatExtension: record.format_extension } : {},
    };
  }

  function existing<T>(paths: Iterable<string>, read: (path: string) => T | undefined): readonly T[] {
    return [...new Set(paths)].sort().flatMap((path) => read(path) ?? []);
  }

  return {
    variable,
    variables: () =>
      existing(
        [...access.scan().variables.keys(), ...kept.secrets().map(({ path }) => path)],
        (path) => variable(path, false),
      ),
    writeVariable,
    deleteVariable(path) {
      const removed = remove(access.scan().variables.get(path));
      return kept.deleteSecret(path) || removed;
    },
    resource,
    resources: () =>
      existing([...access.scan().resources.keys(), ...kept.resources().map(({ path }) => path)], resource),
    writeResource,
    deleteResource(path) {
      const removed = remove(access.scan().resources.get(path));
      return kept.deleteResource(path) || removed;
    },
    resourceType,
    resourceTypes: () => existing(access.scan().types.keys(), resourceType),
    writeResourceType({ name, schema, description, formatExtension }) {
      const file = access.scan().types.get(name)?.file ?? `${name}.resource-type.yaml`;
      change(file, { schema, description, format_extension: formatExtension });
    },
    deleteResourceType: (name) => remove(access.scan().types.get(name)),
    problems() {
      const { variables, resources, types } = access.scan();
      for (const path of resources.keys()) resource(path);
      return [...variables.values(), ...resources.values(), ...types.values()].flatMap((file) => problemIn(file) ?? []);
    },
    problemOf(kind, name) {
      const { variables, resources, types } = access.scan();
      const file = { variable: variables, resource: resources, "resource type": types }[kind].get(name);
      return file === undefined ? undefined : problemIn(file);
    },
  };
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
