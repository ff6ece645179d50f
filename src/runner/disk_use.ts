/**
 * How much of the disk a job takes.
 *
 * @module
 */
import { chmodSync } from "node:fs";
import { lstat, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";

/** Least that a file counts: a million empty ones fill a disk, too. */
const LEAST_BYTES = 4096;
/** What the system says a file takes, in its own unit. */
const BLOCK_BYTES = 512;

interface Taken {
  readonly size: number;
  readonly blocks?: number;
}

/** A file with holes takes less than its size; where the system has no blocks, the size is what is known. */
function bytesOf({ size, blocks }: Taken): number {
  const taken = process.platform === "win32" || blocks === undefined ? size : blocks * BLOCK_BYTES;
  return Math.max(LEAST_BYTES, taken);
}

/**
 * Counts what a folder takes.
 *
 * @param folder the folder
 * @param enough no more is counted once there is more than this
 * @returns bytes on the disk
 */
export async function folderBytes(folder: string, enough: number): Promise<number> {
  let total = 0;
  const open = [folder];
  for (let path = open.pop(); path !== undefined && total <= enough; path = open.pop()) {
    for (const entry of await entriesOf(path)) {
      if (total > enough) break;
      const child = join(path, entry.name);
      if (entry.isDirectory()) open.push(child);
      try {
        total += bytesOf(await lstat(child));
      } catch (error) {
        void error; // it has just been removed
      }
    }
  }
  return total;
}

async function entriesOf(path: string): ReturnType<typeof readDirectory> {
  try {
    return await readDirectory(path);
  } catch {
    // A job may have taken the right to read its folder away.
    try {
      chmodSync(path, 0o700);
      return await readDirectory(path);
    } catch (error) {
      void error; // it has just been removed
      return [];
    }
  }
}

function readDirectory(path: string) {
  return readdir(path, { withFileTypes: true });
}

/**
 * Counts files that a process has open and that have no name any more: they take their place until it ends. Where the system does not
 * show them, none.
 *
 * @param pid the process
 * @returns bytes on the disk
 */
export async function removedBytes(pid: number): Promise<number> {
  let total = 0;
  try {
    for (const name of await readdir(`/proc/${pid}/fd`)) {
      const found = await stat(`/proc/${pid}/fd/${name}`);
      if (found.isFile() && found.nlink === 0) total += bytesOf(found);
    }
  } catch (error) {
    void error; // no such system, or it has just ended
  }
  return total;
}
