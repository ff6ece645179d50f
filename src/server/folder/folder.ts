/**
 * The synced folder: what `wmill sync pull` made, read when it is asked for, written whole, and watched.
 *
 * Names are looked at when the folder is opened; a file is read when somebody asks for what is in it, so that a large folder is ready at
 * once. Every question looks at the file's time and size: what was saved is seen by the next job, with or without a notice of the
 * system.
 *
 * @module
 */
import { existsSync, realpathSync } from "node:fs";
import { basename, relative, resolve, sep } from "node:path";
import { badRequest } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import type { Database, Folder, FolderProblem, Script, Secrets } from "../ports.ts";
import { absent } from "./absent.ts";
import { messageOf, openDisk } from "./disk.ts";
import { loadDocuments } from "./documents.ts";
import { interpolate } from "./interpolate.ts";
import { openKept } from "./kept.ts";
import { checkModules, filesOfModules, ModuleError } from "./modules.ts";
import { checkPath, checkTypeName, endingOf, isDataFile, moduleFolderOf } from "./names.ts";
import { openRecords } from "./records.ts";
import { changedFiles, type Scan, scanFolder, type ScriptFiles } from "./scan.ts";
import { loadScript, removeScript, saveScript } from "./scripts.ts";
import { watchFolder } from "./watch.ts";

/** What a folder is opened with. */
export interface FolderOptions {
  /** The folder. */
  readonly root: string;
  /** The data folder: it is no part of the folder where it is inside. */
  readonly dataDir: string;
  readonly database: Database;
  readonly secrets: Secrets;
  /** Name of the person who runs the server: whoever changes a file. */
  readonly owner: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Which workspace's variables and resources to use where each has its own file: `name.staging.variable.yaml`. */
  readonly specific?: string;
  /** Says what is wrong with code, when somebody can: it is asked for what is in the list of problems. */
  readonly checkCode?: (script: Script) => string | undefined;
}

/** A folder of this machine. */
export interface LocalFolder extends Folder, Disposable {
  /** Id of the workspace: of `wmill.yaml`, when that names one only, else made of the folder's name. */
  readonly workspace: string;
  /** Looks at all names again; what has changed. */
  refresh(): readonly string[];
  /** Reads everything there is, a little at a time: `problems` is complete then, and answers at once. */
  readAll(): Promise<void>;
  /** Stops watching. */
  close(): void;
}

/** Largest file that a script imports as data. */
const MAX_DATA_BYTES = 32 * 1024 * 1024;

interface Loaded {
  readonly marks: string;
  readonly script?: Script;
  readonly problems: readonly FolderProblem[];
}

/**
 * Opens a folder.
 *
 * @param options the folder, and where its data is
 * @returns the folder
 * @throws Error when there is no such folder
 * @throws MissingPackageError when the package `yaml` is not installed
 */
export async function openFolder(options: FolderOptions): Promise<LocalFolder> {
  const { root, dataDir, database, secrets, owner, now, specific, checkCode } = options;
  const documents = await loadDocuments();
  const disk = openDisk(root);
  const kept = openKept(database, secrets, now);
  const data = relative(disk.root, existsSync(dataDir) ? realpathSync(dataDir) : resolve(dataDir)).split(sep).join("/");
  const scanOptions = { disk, documents, excluded: data, ...specific === undefined ? {} : { specific } };
  const loaded = new Map<string, Loaded>();
  const watchers = new Set<(files: readonly string[]) => void>();
  let scan: Scan = scanFolder(scanOptions);
  let watching: Disposable | undefined;

  function refresh(): readonly string[] {
    const before = scan;
    scan = scanFolder(scanOptions);
    for (const path of loaded.keys()) if (!scan.scripts.has(path)) forget(path);
    const changed = changedFiles(before.marks, scan.marks);
    if (changed.length > 0) { for (const tell of watchers) tell(changed); }
    return changed;
  }

  /** A version that was live, and is not any more, is found by its hash: a job may run it. */
  function forget(path: string): void {
    const script = loaded.get(path)?.script;
    if (script !== undefined) kept.endVersion(script);
    loaded.delete(path);
  }

  function marksOf(files: ScriptFiles): string {
    const own = [files.content, files.metadata, files.lock].map((one) => one && disk.look(one.file)?.mark);
    return [...own, ...filesOfModules(files.modules).map((file) => disk.look(file)?.mark)].join(" ");
  }

  function load(path: string): Loaded | undefined {
    let files = scan.scripts.get(path);
    // A new file, a second file of one script, or one that is gone: their folder has changed.
    if (
      files === undefined || disk.look(files.content.file) === undefined || hasNewFiles(path, files) ||
      hasNewModules(path)
    ) {
      if (files === undefined && !mayBeNew(path)) return undefined;
      refresh();
      files = scan.scripts.get(path);
      if (files === undefined) return undefined;
    }
    const marks = `${files.language} ${marksOf(files)}`;
    const before = loaded.get(path);
    if (before?.marks === marks) return before;
    if (before !== undefined) forget(path);
    const next = loadNow(path, files, marks);
    loaded.set(path, next);
    return next;
  }

  function loadNow(path: string, files: ScriptFiles, marks: string): Loaded {
    try {
      const { script, problem } = loadScript({ disk, documents, owner }, path, files);
      return { marks, script, problems: problem === undefined ? [] : [problem] };
    } catch (error) {
      const file = error instanceof ModuleError ? error.file : files.content.file;
      return { marks, problems: [{ file, message: messageOf(error) }] };
    }
  }

  function hasNewFiles(path: string, files: ScriptFiles): boolean {
    return files.metadata === undefined && disk.look(`${path}.script.yaml`) !== undefined;
  }

  /** Something was put into a folder of modules or taken out, or there is one now, or none any more. */
  function hasNewModules(path: string): boolean {
    const known = scan.moduleFolders.get(path);
    if (known === undefined) return disk.lookFolder(moduleFolderOf(path)) !== undefined;
    return [...known].some(([folder, mark]) => disk.lookFolder(folder) !== mark);
  }

  /** One look for each language that runs here: a question for something that is not there costs no walk. */
  function mayBeNew(path: string): boolean {
    const endings = [".ts", ".bun.ts", ".deno.ts", ".fetch.ts", ".pg.sql", ".duckdb.sql", ".py", ".sh"];
    return endings.some((ending) => disk.look(path + ending) !== undefined) || hasNewModules(path);
  }

  /** Why a script is not there, or cannot be run. */
  function problemOfScript(path: string): FolderProblem | undefined {
    const { script, problems = [] } = load(path) ?? {};
    return problems.find(({ file }) => file === scan.scripts.get(path)?.content.file) ??
      (script === undefined ? problems[0] : undefined);
  }

  function checked(path: string): void {
    try {
      checkPath(path);
    } catch (error) {
      throw badRequest(messageOf(error));
    }
  }

  /** Writes; what cannot be written because of what it is, is a bad request. */
  function writing<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      if (error instanceof RangeError) throw badRequest(error.message);
      throw error;
    }
  }

  /** The scan, after a look whether a record's file has come since. */
  function scanFor(path: string, kind: "variable" | "resource"): void {
    const files = kind === "variable" ? scan.variables : scan.resources;
    const at = files.get(path);
    const now = disk.look(at?.file ?? `${path}.${kind}.yaml`);
    if ((at === undefined) !== (now === undefined)) refresh();
  }

  const records = openRecords({ disk, documents, kept, secrets, scan: () => scan, written: refresh });

  const folder: LocalFolder = {
    get workspace() {
      return scan.config.workspace ?? workspaceIdOf(disk.root);
    },
    script(path) {
      const script = load(path)?.script;
      // Who asks may run it, and is told later by its hash what it was.
      if (script !== undefined) kept.writeVersion(script);
      return script;
    },
    scriptByHash(hash) {
      for (const { script } of loaded.values()) if (script?.hash === hash) return script;
      return kept.version(hash) ??
        [...scan.scripts.keys()].map((path) => load(path)?.script).find((one) => one?.hash === hash);
    },
    scripts: () => [...scan.scripts.keys()].sort().flatMap((path) => load(path)?.script ?? []),
    scriptVersions(path) {
      const current = load(path)?.script;
      const stored = kept.versions(path).filter(({ hash }) => hash !== current?.hash);
      return current === undefined ? stored : [current, ...stored];
    },
    dataFile(file) {
      const isData = file !== data && !file.startsWith(`${data}/`) && isDataFile(file, scan.config.defaultTs);
      return isData && disk.look(file) !== undefined ? disk.read(file, MAX_DATA_BYTES) : undefined;
    },
    writeScript(script) {
      checked(script.path);
      const { defaultTs } = scan.config;
      try {
        endingOf(script.language, defaultTs);
        checkModules(script.path, script.modules ?? {}, defaultTs);
      } catch (error) {
        throw badRequest(messageOf(error));
      }
      // What is replaced is a version that may be asked for.
      const before = load(script.path)?.script;
      if (before !== undefined) kept.endVersion(before);
      const left = scan.modules.get(script.path) ?? [];
      try {
        writing(() => saveScript({ disk, documents, owner }, script, scan.scripts.get(script.path), left, defaultTs));
      } finally {
        refresh();
      }
      const written = folder.script(script.path);
      if (written === undefined) throw new Error(`The script "${script.path}" was written and cannot be read`);
      return written;
    },
    deleteScript(path) {
      const files = scan.scripts.get(path);
      if (files === undefined) return false;
      const before = load(path)?.script;
      if (before !== undefined) kept.endVersion(before);
      removeScript(disk, files);
      refresh();
      return true;
    },
    forgetVersions(before, used) {
      let hashes: ReadonlySet<string> | undefined;
      const live = new Set([...loaded.values()].map(({ script }) => script?.hash));
      return kept.forgetVersions(before, (hash) => live.has(hash) || (hashes ??= used()).has(hash));
    },
    variable(path, secret) {
      scanFor(path, "variable");
      return records.variable(path, secret);
    },
    variables: records.variables,
    writeVariable(variable) {
      checked(variable.path);
      writing(() => records.writeVariable(variable));
    },
    deleteVariable: records.deleteVariable,
    resource(path) {
      scanFor(path, "resource");
      return records.resource(path);
    },
    resources: records.resources,
    writeResource(resource) {
      checked(resource.path);
      const { path, resourceType } = resource;
      writing(() => {
        // One that the file has already stays, whatever it is.
        if (resourceType !== folder.resource(path)?.resourceType) checkTypeName(resourceType);
      });
      writing(() => records.writeResource(resource));
    },
    deleteResource: records.deleteResource,
    resourceType: records.resourceType,
    resourceTypes: records.resourceTypes,
    writeResourceType(type) {
      try {
        checkTypeName(type.name);
      } catch (error) {
        throw badRequest(messageOf(error));
      }
      writing(() => records.writeResourceType(type));
    },
    deleteResourceType: records.deleteResourceType,
    interpolate(value: Json, context?: Readonly<Record<string, string>>, onSecret?: () => void) {
      return interpolate(value, {
        variable(path) {
          const found = folder.variable(path, true);
          if (found === undefined) throw absent(folder, "variable", path, `Variable ${path} not found`);
          if (found.isSecret) onSecret?.();
          return found.value ?? "";
        },
        resource(path) {
          const found = folder.resource(path);
          if (found === undefined) throw absent(folder, "resource", path, `Resource not found at name ${path}`);
          return found.value;
        },
        ...context === undefined ? {} : { context },
      });
    },
    get problems() {
      const ofScripts = [...scan.scripts].flatMap(([path, files]) => {
        const { problems = [], script } = load(path) ?? {};
        const message = script === undefined ? undefined : checkCode?.(script);
        return message === undefined ? problems : [...problems, { file: files.content.file, message }];
      });
      return [...scan.problems, ...ofScripts, ...records.problems()].sort((a, b) => a.file < b.file ? -1 : 1);
    },
    problemOf(kind, name) {
      const own = kind === "script" ? problemOfScript(name) : records.problemOf(kind, name);
      // Two files of one kind, or a link: what was found without opening any.
      return own ?? scan.problems.find(({ file }) => isFileOf(kind, name, file));
    },
    watch(onChange) {
      watchers.add(onChange);
      if (watching === undefined) {
        watching = watchFolder(disk.root, () => void refresh());
        // What changed before this moment, nobody would ever tell.
        refresh();
      }
      return { [Symbol.dispose]: () => void watchers.delete(onChange) };
    },
    refresh,
    async readAll() {
      for (const [at, path] of [...scan.scripts.keys()].entries()) {
        load(path);
        // Requests come in between.
        if (at % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 0));
      }
      records.problems();
    },
    close() {
      watching?.[Symbol.dispose]();
      watching = undefined;
      watchers.clear();
    },
    [Symbol.dispose]: () => folder.close(),
  };
  return folder;
}

/** True for a file that a script or a record may have. */
function isFileOf(kind: string, name: string, file: string): boolean {
  if (kind === "script" && `${file}/`.startsWith(`${moduleFolderOf(name)}/`)) return true;
  if (!file.startsWith(`${name}.`)) return false;
  const [, record] = /\.(variable|resource|resource-type)\.(?:yaml|json)$/.exec(file) ?? [];
  return kind === "script" ? record === undefined : record === kind.replace(" ", "-");
}

/** An id may have letters, digits and dashes. */
function workspaceIdOf(root: string): string {
  const id = basename(root).toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 50);
  return id === "" ? "workspace" : id;
}
