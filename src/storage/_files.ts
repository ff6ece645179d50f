/**
 * The few file operations that the SQLite storage needs beside SQLite itself.
 *
 * Deno's own functions are used where they exist: loading `node:fs` there costs 30 ms. Neither branch ever opens the database
 * or the lock file: POSIX drops all locks that a process holds on a file when it closes any descriptor of it, SQLite's too.
 *
 * @module
 */
import { MissingPackageError, StorageFailedError, StorageFullError, StorageReadOnlyError } from "../base/errors.ts";

/** What is at a path. */
export interface Found {
  readonly kind: "file" | "folder" | "nothing";
  readonly size: number;
  /** Device and inode: another file at the same path has another. Empty where the runtime gives none (Deno on Windows). */
  readonly identity: string;
}

/** File operations, all synchronous. */
export interface Files {
  readonly pid: number;
  look(path: string): Found;
  /** Makes a folder and its parents; one that exists is fine. */
  makeFolder(path: string): void;
  /** Text of a small file, undefined when there is none. */
  readText(path: string): string | undefined;
  /** Replaces a small file as a whole, and forces it to disk. */
  writeText(path: string, text: string): void;
  /** Removes a file; none is fine. */
  remove(path: string): void;
  rename(from: string, to: string): void;
  /** Forces a file, or a folder's list of names, to disk. */
  sync(path: string): void;
}

interface DenoFiles {
  readonly pid: number;
  statSync(path: string): {
    readonly isFile: boolean;
    readonly isDirectory: boolean;
    readonly size: number;
    readonly dev: number | null;
    readonly ino: number | null;
  };
  mkdirSync(path: string, options: { readonly recursive: boolean; readonly mode: number }): void;
  readTextFileSync(path: string): string;
  writeTextFileSync(path: string, text: string, options: { readonly mode: number }): void;
  removeSync(path: string): void;
  renameSync(from: string, to: string): void;
  openSync(
    path: string,
    options: { readonly read: boolean; readonly write: boolean },
  ): { syncSync(): void; close(): void };
}

interface NodeFiles {
  statSync(path: string, options: { readonly bigint: true }): {
    isFile(): boolean;
    isDirectory(): boolean;
    readonly size: bigint;
    readonly dev: bigint;
    readonly ino: bigint;
  };
  mkdirSync(path: string, options: { readonly recursive: boolean; readonly mode: number }): unknown;
  readFileSync(path: string, encoding: "utf8"): string;
  writeFileSync(path: string, text: string, options: { readonly mode: number }): void;
  unlinkSync(path: string): void;
  renameSync(from: string, to: string): void;
  openSync(path: string, flags: string): number;
  fsyncSync(descriptor: number): void;
  closeSync(descriptor: number): void;
}

interface Runtime {
  readonly Deno?: DenoFiles;
  readonly process?: { readonly pid: number; getBuiltinModule?(name: string): unknown };
}

/** The folder may hold secrets in its payloads: nobody else reads it, unless it existed before. */
const FOLDER_MODE = 0o700, FILE_MODE = 0o600;

/**
 * The file operations of this runtime.
 *
 * @throws MissingPackageError when it has no file system
 */
export function localFiles(): Files {
  const runtime = globalThis as Runtime;
  if (runtime.Deno !== undefined) return denoFiles(runtime.Deno);
  const fs = runtime.process?.getBuiltinModule?.("node:fs") as NodeFiles | undefined;
  if (runtime.process === undefined || fs === undefined) {
    throw new MissingPackageError("Cannot open the SQLite storage: this runtime has no file system ('node:fs')");
  }
  return nodeFiles(fs, runtime.process.pid);
}

function denoFiles(deno: DenoFiles): Files {
  return withText({
    pid: deno.pid,
    stat: (path) => {
      const { isFile, isDirectory, size, dev, ino } = deno.statSync(path);
      return { file: isFile, folder: isDirectory, size, identity: identityOf(dev, ino) };
    },
    makeFolder: (path) => deno.mkdirSync(path, { recursive: true, mode: FOLDER_MODE }),
    read: (path) => deno.readTextFileSync(path),
    write: (path, text) => deno.writeTextFileSync(path, text, { mode: FILE_MODE }),
    remove: (path) => deno.removeSync(path),
    rename: (from, to) => deno.renameSync(from, to),
    sync: (path) => {
      // Windows flushes what is open for writing only; a folder cannot be.
      const file = deno.openSync(path, { read: true, write: deno.statSync(path).isFile });
      try {
        file.syncSync();
      } finally {
        file.close();
      }
    },
  });
}

function nodeFiles(fs: NodeFiles, pid: number): Files {
  return withText({
    pid,
    stat: (path) => {
      // Inodes of some file systems are larger than a number holds.
      const found = fs.statSync(path, { bigint: true });
      return {
        file: found.isFile(),
        folder: found.isDirectory(),
        size: Number(found.size),
        identity: identityOf(found.dev, found.ino),
      };
    },
    makeFolder: (path) => void fs.mkdirSync(path, { recursive: true, mode: FOLDER_MODE }),
    read: (path) => fs.readFileSync(path, "utf8"),
    write: (path, text) => fs.writeFileSync(path, text, { mode: FILE_MODE }),
    remove: (path) => fs.unlinkSync(path),
    rename: (from, to) => fs.renameSync(from, to),
    sync: (path) => {
      const descriptor = fs.openSync(path, fs.statSync(path, { bigint: true }).isFile() ? "r+" : "r");
      try {
        fs.fsyncSync(descriptor);
      } finally {
        fs.closeSync(descriptor);
      }
    },
  });
}

function identityOf(device: number | bigint | null, inode: number | bigint | null): string {
  return inode === null || Number(inode) === 0 ? "" : `${device}:${inode}`;
}

interface Raw {
  readonly pid: number;
  stat(path: string): {
    readonly file: boolean;
    readonly folder: boolean;
    readonly size: number;
    readonly identity: string;
  };
  makeFolder(path: string): void;
  read(path: string): string;
  write(path: string, text: string): void;
  remove(path: string): void;
  rename(from: string, to: string): void;
  sync(path: string): void;
}

function withText(raw: Raw): Files {
  return {
    pid: raw.pid,
    look(path) {
      try {
        const { file, folder, size, identity } = raw.stat(path);
        return { kind: folder ? "folder" : file ? "file" : "nothing", size, identity };
      } catch (error) {
        if (isMissing(error)) return { kind: "nothing", size: 0, identity: "" };
        throw fileError(error, `look at "${path}"`);
      }
    },
    makeFolder: (path) => guarded(`make the folder "${path}"`, () => raw.makeFolder(path)),
    readText(path) {
      try {
        return raw.read(path);
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw fileError(error, `read "${path}"`);
      }
    },
    writeText: (path, text) =>
      guarded(`write "${path}"`, () => {
        const next = `${path}.new`;
        raw.write(next, text);
        raw.sync(next);
        raw.rename(next, path);
      }),
    remove(path) {
      try {
        raw.remove(path);
      } catch (error) {
        if (!isMissing(error)) throw fileError(error, `remove "${path}"`);
      }
    },
    rename: (from, to) => guarded(`rename "${from}" to "${to}"`, () => raw.rename(from, to)),
    sync(path) {
      try {
        raw.sync(path);
      } catch (error) {
        // Windows cannot open a folder to sync it, and needs no such call; a file that cannot be synced is an error.
        if (raw.stat(path).folder) return;
        throw fileError(error, `sync "${path}"`);
      }
    },
  };
}

function guarded(action: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    throw fileError(error, action);
  }
}

function isMissing(error: unknown): boolean {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  return code === "ENOENT" || code === "ENOTDIR" || name === "NotFound";
}

function fileError(error: unknown, action: string): Error {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const text = `Cannot ${action}: ${String(message)}`;
  if (code === "ENOSPC" || code === "EDQUOT") return new StorageFullError(text, { cause: error });
  if (code === "EROFS" || code === "EACCES" || code === "EPERM") {
    return new StorageReadOnlyError(text, { cause: error });
  }
  return new StorageFailedError(text, { cause: error });
}
