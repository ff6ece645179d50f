/**
 * Modules of scripts: read with their script, and what changes in a folder when a version with or without them is written.
 *
 * @module
 */
import type { Script, ScriptModule } from "../ports.ts";
import { type Disk, withoutMark } from "./disk.ts";
import { checkModule, type DefaultTs, moduleFolderOf, moduleLockOf } from "./names.ts";
import { MAX_CODE_BYTES, type ModuleFiles } from "./scan.ts";

/** A file of a script that cannot be read; the script cannot be run without. */
export class ModuleError extends Error {
  /** The file, relative to the folder. */
  readonly file: string;

  constructor(file: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.file = file;
  }
}

/**
 * Reads the modules of a script.
 *
 * @param disk the folder
 * @param files the modules' files
 * @returns modules by key; undefined when there are none
 * @throws ModuleError for one that cannot be read, or when they are too large together
 */
export function readModules(disk: Disk, files: readonly ModuleFiles[]): Script["modules"] {
  if (files.length === 0) return undefined;
  let left = MAX_CODE_BYTES;
  const read = (file: string): string => {
    try {
      const text = disk.read(file, left);
      left -= text.length;
      return text;
    } catch (error) {
      throw new ModuleError(file, error);
    }
  };
  return Object.fromEntries(files.map(({ key, language, content, lock }) => {
    const text = withoutMark(read(content.file));
    return [key, { content: text, language, ...lock === undefined ? {} : { lock: read(lock.file) } }];
  }));
}

/**
 * Checks modules that are to be written.
 *
 * @param path the script's path
 * @param modules modules by key
 * @param defaultTs language of a plain `.ts`
 * @throws RangeError when one cannot be kept in a folder
 */
export function checkModules(path: string, modules: NonNullable<Script["modules"]>, defaultTs: DefaultTs): void {
  const seen = new Map<string, string>();
  const locks = new Map<string, { readonly key: string; readonly lock: string }>();
  for (const [key, { language, lock = "" }] of Object.entries(modules)) {
    checkModule(path, key, language, defaultTs);
    const other = seen.get(key.toLowerCase());
    if (other !== undefined) {
      throw new RangeError(`The modules "${other}" and "${key}" of "${path}" differ only in case`);
    }
    seen.set(key.toLowerCase(), key);
    const place = moduleLockOf(key);
    const same = locks.get(place);
    if (same !== undefined && same.lock !== lock) {
      throw new RangeError(
        `The modules "${same.key}" and "${key}" of "${path}" cannot both be kept in a folder: they have different locks, of one name`,
      );
    }
    locks.set(place, { key, lock });
  }
  // A file that stands where another one needs a folder; case counts for nothing, as above.
  const files = new Map(seen);
  for (const [place, { key, lock }] of locks) if (lock !== "") files.set(place.toLowerCase(), key);
  for (const key of Object.keys(modules)) {
    const parts = key.toLowerCase().split("/");
    for (let end = 1; end < parts.length; end++) {
      const parent = files.get(parts.slice(0, end).join("/"));
      if (parent === undefined) continue;
      throw new RangeError(
        `The module "${key}" of "${path}" would be below a file: the module "${parent}", or its lock`,
      );
    }
  }
}

/**
 * The files of modules.
 *
 * @param path the script's path
 * @param modules modules by key
 * @returns texts by file
 */
export function moduleTexts(path: string, modules: Readonly<Record<string, ScriptModule>>): Map<string, string> {
  const folder = moduleFolderOf(path);
  const texts = new Map<string, string>();
  for (const [key, { content, lock }] of Object.entries(modules)) {
    if (hasText(lock)) texts.set(`${folder}/${moduleLockOf(key)}`, lock);
    texts.set(`${folder}/${key}`, content);
  }
  return texts;
}

/** Files of modules that are there. */
export function filesOfModules(files: readonly ModuleFiles[]): readonly string[] {
  return files.flatMap(({ content, lock }) => lock === undefined ? [content.file] : [content.file, lock.file]);
}

function hasText(lock: string | undefined): lock is string {
  return lock !== undefined && lock !== "";
}

/**
 * Writes files and removes others: all of it, or nothing when something cannot be written.
 *
 * @param disk the folder
 * @param texts what is written, in order
 * @param removed what is removed afterwards
 * @throws what the disk throws, after it was put back as it was
 */
export function replaceFiles(disk: Disk, texts: ReadonlyMap<string, string>, removed: Iterable<string>): void {
  const undo: (() => void)[] = [];
  /** Puts a file back as it is now. */
  const restore = (file: string): () => void => {
    if (disk.look(file) === undefined) return () => void disk.remove(file);
    try {
      const text = disk.read(file, MAX_CODE_BYTES);
      return () => disk.write(file, text);
    } catch (error) {
      void error; // no text of that size: nobody could use it either
      return () => {};
    }
  };
  const folders = new Set<string>();
  try {
    for (const [file, text] of texts) {
      // First: a file that was not written is none to remove, and folders that were made for it are.
      undo.push(restore(file));
      addModuleFolders(folders, file);
      disk.write(file, text);
    }
    for (const file of removed) {
      if (texts.has(file)) continue;
      undo.push(restore(file));
      addModuleFolders(folders, file);
      disk.remove(file);
    }
  } catch (error) {
    for (const step of undo.reverse()) {
      try {
        step();
      } catch (again) {
        void again; // the first mistake is the one to tell
      }
    }
    throw error;
  } finally {
    // The deepest first.
    for (const folder of [...folders].sort((a, b) => b.length - a.length)) disk.removeEmpty(folder);
  }
}

/** Folders of modules that a file is in: the folders of scripts are nobody's to remove. */
function addModuleFolders(folders: Set<string>, file: string): void {
  const parts = file.split("/");
  const first = parts.findIndex((part) => part.endsWith("__mod"));
  if (first < 0) return;
  for (let end = parts.length - 1; end > first; end--) folders.add(parts.slice(0, end).join("/"));
}
