/**
 * Addresses of objects: which object one names.
 *
 * @module
 */
import { encodePath, encodeSegment } from "../base/url.ts";
import type { S3ObjectRecord } from "../wire/s3.ts";

/** How addresses name objects. */
export interface AddressRules {
  /**
   * Path of all addresses; the rest of a path names the object.
   *
   * @default as far as `/s3_proxy/`, as in Windmill's own addresses
   */
  readonly basePath?: string;
  /**
   * Name of the storage that all objects are in, `""` for the workspace's default one.
   *
   * @default the first part of the rest names it; `_default_` is the workspace's default one
   */
  readonly storage?: string;
  /** What all keys begin with: the address has only what comes after it. Nothing outside is reached. @default "" */
  readonly prefix?: string;
}

/** The object of an address. */
export interface Addressed {
  readonly object: S3ObjectRecord;
  /** Storage and key as Windmill's own addresses have them: encoded as they came. */
  readonly path: string;
}

/** What the rest of a path says; undefined for what is no encoded text. */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    void error; // `undefined` says it
    return undefined;
  }
}

/** The object that a path names: undefined for none, a text for what is wrong with it. */
export function addressOf(pathname: string, rules: AddressRules): Addressed | string | undefined {
  const { basePath, storage: fixed, prefix = "" } = rules;
  const base = basePath === undefined ? /^.*?\/s3_proxy\//.exec(pathname)?.[0] : `${basePath.replace(/\/+$/, "")}/`;
  if (base === undefined || !pathname.startsWith(base)) return undefined;
  const [, name = "", raw = ""] = (fixed === undefined ? /^([^/]*)\/(.+)$/s : /^()(.+)$/s)
    .exec(pathname.slice(base.length)) ?? [];
  const rest = decoded(raw), storage = fixed ?? decoded(name);
  if (rest === undefined || storage === undefined) return "The address is no encoded text";
  if (rest === "" || (fixed === undefined && storage === "")) return undefined;
  const key = prefix + rest;
  // Storages leave out what is empty: "/a", "a//" and "a" are one object, and whoever decides by keys has to see the one that is read.
  if (/^\/|\/\/|\/$/.test(/(?:^|\/)$/.test(prefix) ? rest : `.${rest}`)) return "The address has an empty part in it";
  // A storage that is a folder of files would leave the folder; so would a key behind a prefix.
  // deno-lint-ignore no-control-regex -- no name of an object has them
  if (/(?:^|[/\\])\.{1,2}(?:[/\\]|$)|[\u0000-\u001f\u007f]/.test(key) || /^\.{1,2}$|[/\\]/.test(storage)) {
    return 'The address has ".", ".." or a control character in it';
  }
  const inDefault = storage === "" || storage === "_default_";
  return {
    object: inDefault ? { s3: key } : { s3: key, storage },
    // As it came: the signature says what a "%" in it means.
    path: `${inDefault ? "_default_" : encodeSegment(storage, "storage")}/${encodePrefix(prefix)}${raw}`,
  };
}

/** A prefix need not end where a part of a key does. */
function encodePrefix(prefix: string): string {
  const end = prefix.lastIndexOf("/") + 1;
  return (end > 1 ? `${encodePath(prefix.slice(0, end - 1), "prefix")}/` : prefix.slice(0, end)) +
    encodeURIComponent(prefix.slice(end));
}
