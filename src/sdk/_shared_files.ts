/**
 * The files of the shared folder. Loaded when they are used, and not before; like `_mock.ts` it imports nothing that is
 * loaded without it.
 *
 * @module
 */
import { type Files, files, isMissing } from "../platform/files.ts";

/** Options of what is kept in the shared folder. */
export interface SharedOptions {
  /** Name of the file, below the folder. @default "state.json" */
  readonly path?: string;
  /** The folder. @default `./shared`, where workers put it, else `/shared`, where the official clients look */
  readonly root?: string;
}

/** Makes the errors; handed in, for their module is loaded with every program. */
export interface SharedFailures {
  /** For what is not there or cannot be used. */
  readonly bad: (message: string, options?: ErrorOptions) => Error;
  /** For where there is no such folder. */
  readonly unsupported: (message: string) => Error;
}

async function fileOf(fail: SharedFailures, { path = "state.json", root }: SharedOptions): Promise<[Files, string]> {
  const machine = files();
  if (machine === undefined) throw fail.unsupported("The shared folder needs files, which this runtime has not");
  // An absolute path begins with a separator or a drive; no part may lead up, out of the folder, or name the folder itself.
  if (
    typeof path !== "string" || /^[a-z]:|\0/i.test(path) || path.split(/[/\\]/).some((part) => /^\.{0,2}$/.test(part))
  ) {
    throw new RangeError(
      `Cannot use ${JSON.stringify(path)} in the shared folder: expected a path below it, without "", "." and ".."`,
    );
  }
  for (const folder of root === undefined ? ["shared", "/shared"] : [root]) {
    if (await machine.isFolder(folder)) return [machine, `${folder.replace(/[/\\]+$/, "")}/${path}`];
  }
  throw fail.unsupported(
    root === undefined
      ? "No shared folder: expected ./shared or /shared, which the steps of a flow have that runs on one worker (same_worker)"
      : `No shared folder at ${JSON.stringify(root)}`,
  );
}

/** Reads a value of the shared folder; undefined when there is no such file. */
export async function findShared(fail: SharedFailures, options: SharedOptions): Promise<unknown> {
  const [machine, file] = await fileOf(fail, options);
  let text: string;
  try {
    text = await machine.readTextFile(file);
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw fail.bad(`Cannot read shared state "${file}": ${cause}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own words quote the text, and with it perhaps a secret.
    throw fail.bad(
      `Cannot read shared state "${file}": expected JSON, found ${text.trim() === "" ? "nothing" : "none"}`,
    );
  }
}

/** Writes a value to the shared folder. */
export async function writeShared(fail: SharedFailures, value: unknown, options: SharedOptions): Promise<void> {
  // The form that the Python client writes.
  const text = JSON.stringify(value ?? null, null, 4);
  if (text === undefined) throw new TypeError(`Cannot keep a ${typeof value} as shared state: it is no JSON`);
  const [machine, file] = await fileOf(fail, options);
  try {
    await machine.writeTextFile(file, text);
  } catch (cause) {
    throw fail.bad(`Cannot write shared state "${file}": ${cause}`, { cause });
  }
}
