/**
 * The files below one folder, and nothing else: no link is followed, neither to a file nor on the way to one.
 *
 * @module
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";

/** A file as it was found. */
export interface FoundFile {
  readonly file: string;
  /** Changes with the content: time, size and place on disk. */
  readonly mark: string;
  readonly modifiedAt: number;
}

/** What a walk found. */
export interface Found {
  readonly files: readonly FoundFile[];
  readonly links: readonly string[];
  /** Folders that could not be listed, with the reason. */
  readonly unreadable: readonly { readonly file: string; readonly message: string }[];
}

/** Reads and writes below one folder. All paths are relative to it, with `/`. */
export interface Disk {
  /** The folder itself, absolute, links resolved. */
  readonly root: string;
  /** Walks the top and the folders that `enter` lets it, by path. */
  walk(enter: (folder: string) => boolean): Found;
  /** The file at a path now; undefined when there is none, or the path is none below the folder. */
  look(file: string): FoundFile | undefined;
  /**
   * Text of a file. At most `limit` bytes.
   *
   * @throws RangeError when it is longer, is no text, or would be read through a link
   */
  read(file: string, limit: number): string;
  /** Names and texts of all files below a folder, for resources that are one. */
  readAll(folder: string, limit: number): Readonly<Record<string, string>>;
  /** Replaces a file as a whole: a reader sees the old text or the new one. */
  write(file: string, text: string): void;
  /** Removes a file; false when there was none. */
  remove(file: string): boolean;
  /** Changes when something is put into a folder, or taken out of it; undefined when there is no such folder. */
  lookFolder(folder: string): string | undefined;
  /** Removes a folder that is empty. */
  removeEmpty(folder: string): void;
}

/** A file name that is passed over: what `write` has not put in place yet. */
const DRAFT = /\.windkit-[0-9a-f]{12}\.tmp$/;

/**
 * Opens a folder.
 *
 * @param path the folder
 * @returns its files
 * @throws Error when there is no such folder
 */
export function openDisk(path: string): Disk {
  const root = realpathSync(path);

  /** The absolute path, when every folder on the way is a real one below the root. */
  function within(file: string): string {
    const parts = file.split("/");
    if (
      parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0") || part.includes("\\"))
    ) {
      throw new RangeError(`"${file}" is no path below the folder`);
    }
    let at = root;
    for (const part of parts.slice(0, -1)) {
      at = join(at, part);
      const found = lstatSync(at, { throwIfNoEntry: false });
      if (found === undefined) break;
      if (!found.isDirectory()) {
        throw new RangeError(`"${file}" leads through "${part}", which is no folder of its own`);
      }
    }
    return join(root, ...parts);
  }

  function look(file: string): FoundFile | undefined {
    try {
      return found(file, within(file));
    } catch (error) {
      // No path below the folder, or one that leads through a file or a link: nothing is there.
      void error;
      return undefined;
    }
  }

  function found(file: string, path: string): FoundFile | undefined {
    const stat = statOf(path);
    if (stat === undefined || !stat.isFile()) return undefined;
    return {
      file,
      mark: `${stat.mtimeNs}:${stat.ctimeNs}:${stat.size}:${stat.ino}`,
      modifiedAt: Number(stat.mtimeMs),
    };
  }

  function read(file: string, limit: number): string {
    const path = within(file);
    // Whatever else has a name (a pipe, say) might never be opened.
    if (!lstatSync(path).isFile()) throw new RangeError(`"${file}" is no file`);
    // A link at the very place is refused by the system, whatever happens between a look and the opening.
    const descriptor = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
    try {
      const { size } = fstatSync(descriptor);
      if (size > limit) throw new RangeError(`"${file}" has ${size} bytes, and may have at most ${limit}`);
      const bytes = readFileSync(descriptor);
      try {
        return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
      } catch (cause) {
        throw new RangeError(`"${file}" is no text: its bytes are not UTF-8`, { cause });
      }
    } finally {
      closeSync(descriptor);
    }
  }

  function walk(enter: (folder: string) => boolean): Found {
    const files: FoundFile[] = [];
    const links: string[] = [];
    const unreadable: { file: string; message: string }[] = [];
    const open = [""];
    for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
      let entries;
      try {
        entries = readdirSync(join(root, folder), { withFileTypes: true });
      } catch (error) {
        unreadable.push({ file: folder, message: messageOf(error) });
        continue;
      }
      for (const entry of entries) {
        const file = folder === "" ? entry.name : `${folder}/${entry.name}`;
        if (entry.isSymbolicLink()) links.push(file);
        else if (entry.isDirectory()) {
          if (enter(file)) open.push(file);
        } else if (entry.isFile() && !DRAFT.test(entry.name)) {
          // Every folder on the way was just walked. The file may be gone since it was listed.
          const one = found(file, join(root, file));
          if (one !== undefined) files.push(one);
        }
      }
    }
    return { files: files.sort((a, b) => a.file < b.file ? -1 : 1), links, unreadable };
  }

  return {
    root,
    walk,
    look,
    read,
    readAll(folder, limit) {
      const texts: Record<string, string> = {};
      let left = limit;
      const open = [folder];
      for (let at = open.pop(); at !== undefined; at = open.pop()) {
        for (const entry of readdirSync(within(`${at}/x`).slice(0, -2), { withFileTypes: true })) {
          const file = `${at}/${entry.name}`;
          if (entry.isDirectory()) open.push(file);
          else if (entry.isFile()) {
            const text = read(file, left);
            left -= text.length;
            texts[file.slice(folder.length + 1)] = text;
          }
        }
      }
      return texts;
    },
    write(file, text) {
      const path = within(file);
      mkdirSync(join(path, ".."), { recursive: true });
      // Once more, now that all folders are there.
      within(file);
      const draft = `${path}.windkit-${randomBytes(6).toString("hex")}.tmp`;
      const mode = lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0o644;
      const descriptor = openSync(draft, "wx", mode & 0o777);
      try {
        try {
          writeSync(descriptor, text);
          fsyncSync(descriptor);
        } finally {
          closeSync(descriptor);
        }
        renameSync(draft, path);
      } catch (error) {
        unlinkSync(draft);
        throw error;
      }
    },
    remove(file) {
      if (look(file) === undefined) return false;
      unlinkSync(within(file));
      return true;
    },
    lookFolder(folder) {
      try {
        const stat = statOf(within(folder));
        return stat?.isDirectory() === true ? `${stat.mtimeNs}:${stat.ino}` : undefined;
      } catch (error) {
        void error; // as `look` has it
        return undefined;
      }
    },
    removeEmpty(folder) {
      try {
        rmdirSync(within(folder));
      } catch (error) {
        void error; // something is in it, or it is gone
      }
    },
  };
}

/** Asked first: to say that there is none, `lstatSync` makes an error and catches it, and most of what is looked for is not there. */
function statOf(path: string): BigIntStats | undefined {
  return existsSync(path) ? lstatSync(path, { throwIfNoEntry: false, bigint: true }) : undefined;
}

/** Editors of one system begin a file with a mark that is none of its text. */
export function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
