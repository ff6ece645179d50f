/**
 * Notices that an open file was removed or replaced: the system lets a process go on in a file that has no name any more, and
 * everything that is committed to it is lost when it closes.
 *
 * @module
 */
import { StorageFailedError } from "../base/errors.ts";
import type { Files } from "./_files.ts";

/** Looks at the paths of open files. */
export interface FileGuard {
  /** Guards a file from now on; a path with no file is left out. `name` is the path as errors name it. */
  add(name: string, path: string): void;
  /**
   * Looks, unless it has done so within the interval; what was found once stays.
   *
   * @throws StorageFailedError when a file is not the one that was added
   */
  check(action: string): void;
  /** As `check`, whenever the last look was. */
  checkNow(action: string): void;
}

/** Where and how often a guard looks. */
export interface FileGuardOptions {
  readonly files: Files;
  /** Named in errors. */
  readonly dir: string;
  /** Least time between two looks of `check`, in milliseconds; 0 looks each time. */
  readonly intervalMs: number;
  /** Milliseconds that never go back. */
  readonly clock: () => number;
}

/** Makes a guard of no files. */
export function createFileGuard(options: FileGuardOptions): FileGuard {
  const { files, dir, intervalMs, clock } = options;
  const guarded: { readonly name: string; readonly path: string; readonly identity: string }[] = [];
  let found: string | undefined;
  let last = clock();

  function look(): string | undefined {
    for (const { name, path, identity } of guarded) {
      const now = lookAt(path);
      if (now === undefined) continue;
      if (now.kind === "nothing") return `"${name}" was removed while it was open`;
      if (now.kind === "folder" || now.identity !== identity) {
        return `"${name}" was replaced by another file while it was open`;
      }
    }
    return undefined;
  }

  /** A path that cannot be looked at any more (its folder was closed to this user, say) tells nothing about the file. */
  function lookAt(path: string): ReturnType<Files["look"]> | undefined {
    try {
      return files.look(path);
    } catch (error) {
      void error;
      return undefined;
    }
  }

  function checkNow(action: string): void {
    last = clock();
    found ??= look();
    if (found !== undefined) {
      throw new StorageFailedError(
        `Cannot ${action}: ${found}, so what was committed may be lost; open "${dir}" again`,
      );
    }
  }

  return {
    add(name, path) {
      const { kind, identity } = lookAt(path) ?? {};
      if (kind === "file" && identity !== undefined) guarded.push({ name, path, identity });
    },
    check(action) {
      if (found === undefined && clock() - last < intervalMs) return;
      checkNow(action);
    },
    checkNow,
  };
}
