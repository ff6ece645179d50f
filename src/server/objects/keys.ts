/**
 * Keys of objects and names of storages.
 *
 * @module
 */
import { badRequest } from "../../wire/refusal.ts";

/** As S3 has it. */
const MAX_KEY_BYTES = 1024;
const MAX_NAME_BYTES = 128;

/** Name of the default storage in `windkit.json` and on disk. */
export const DEFAULT_STORAGE = "main";

/** Bytes of a key: S3 orders keys by them. */
export function keyBytes(key: string): Uint8Array {
  return new TextEncoder().encode(key);
}

/**
 * Refuses what can be no key. Any text can be one that S3 takes: dots, slashes wherever they are, control characters.
 *
 * @throws Refusal
 */
export function checkKey(key: string): Uint8Array {
  const bytes = keyBytes(key);
  if (bytes.length === 0) throw badRequest("The key of an object must not be empty");
  if (bytes.length > MAX_KEY_BYTES) {
    throw badRequest(`The key of an object has ${bytes.length} bytes, and may have at most ${MAX_KEY_BYTES}`);
  }
  return bytes;
}

/**
 * The name of a storage. What clients write for the default one is that: nothing, `_default_`, and the words of languages that have
 * another word for nothing (the official Python client writes its own into addresses).
 *
 * @throws Refusal when no storage can be called so
 */
export function storageName(name: string | null | undefined): string {
  if (name === undefined || name === null || /^(?:|_default_|null|None|undefined)$/.test(name)) return DEFAULT_STORAGE;
  // deno-lint-ignore no-control-regex -- such a name is a mistake, and would garble lists
  if (/[/\u0000-\u001f\u007f]/.test(name) || keyBytes(name).length > MAX_NAME_BYTES) {
    throw badRequest(`No storage can be called ${JSON.stringify(name.slice(0, MAX_NAME_BYTES))}`);
  }
  return name;
}

/** The first bytes after all that begin so; undefined when nothing can come after them. */
export function afterPrefix(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  const end = prefix.slice(0, length);
  end[length - 1] = (end[length - 1] ?? 0) + 1;
  return end;
}

/** A part of a file's name that is one on every disk, for people who look into the folder. */
export function readable(text: string, most: number): string {
  return text.replace(/[^A-Za-z0-9._-]+/g, "_").slice(-most).replace(/^[._]+|[._]+$/g, "");
}

/** Folder of a storage. Its files have names of their own, so two storages may share one. */
export function folderOf(storage: string): string {
  const name = readable(storage.toLowerCase(), 40);
  // Windows has devices of these names in every folder.
  return name === "" || /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/.test(name) ? `s-${name}` : name;
}
