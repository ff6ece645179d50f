/**
 * Tells that something in a synced folder has changed. What it was, a look at the names tells.
 *
 * Only the folders that Windmill's files are in are watched: the data folder, `node_modules` and `.git` write all the time.
 *
 * @module
 */
import { type FSWatcher, lstatSync, watch } from "node:fs";
import { join } from "node:path";

/** An editor writes a file in several steps, the command line writes many files: they are told together. */
const QUIET_MS = 40;
/** A folder that never rests is told all the same. */
const LONGEST_MS = 400;

/**
 * Watches a folder.
 *
 * @param root the folder, absolute
 * @param onChange called when it has rested for a moment after a change
 * @returns ends the watching
 */
export function watchFolder(root: string, onChange: () => void): Disposable {
  const watchers = new Map<string, FSWatcher>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let since = 0;

  function tell(): void {
    timer = undefined;
    since = 0;
    open();
    onChange();
  }

  function changed(): void {
    const now = performance.now();
    if (since === 0) since = now;
    clearTimeout(timer);
    timer = setTimeout(tell, Math.max(0, Math.min(QUIET_MS, since + LONGEST_MS - now)));
  }

  function watchOne(folder: string, recursive: boolean): void {
    const path = join(root, folder);
    if (watchers.has(folder) || lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return;
    try {
      const watcher = watch(path, { recursive, persistent: false }, changed);
      // A folder that is removed, or a system without watches left: every question looks at the file itself.
      const end = (): void => {
        watcher.close();
        watchers.delete(folder);
      };
      watcher.on("error", end);
      watchers.set(folder, watcher);
    } catch (error) {
      void error;
    }
  }

  function open(): void {
    for (const [folder, watcher] of watchers) {
      if (lstatSync(join(root, folder), { throwIfNoEntry: false }) !== undefined) continue;
      watcher.close();
      watchers.delete(folder);
    }
    watchOne("", false);
    for (const folder of ["f", "u", "g"]) watchOne(folder, true);
  }

  open();
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}
