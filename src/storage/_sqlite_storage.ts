/**
 * The SQLite storage itself: an open file, and what the port asks of it.
 *
 * @module
 */
import { JournalCorruptError, StorageFailedError } from "../base/errors.ts";
import type { Storage, StoredRecord, Write } from "../engine/ports.ts";
import type { FileGuard } from "./_file_guard.ts";
import type { Files } from "./_files.ts";
import { largeTextsOfFile } from "./_large_texts.ts";
import { type Holder, type Lock, lockedError, lockPath, ownerPath, readHolder, takeLock } from "./_owner.ts";
import {
  type Database,
  isOwn,
  resultCode,
  runAll,
  type SqliteModule,
  type Statement,
  storageError,
} from "./_sqlite_module.ts";
import { checkVersion, migrate, readVersion, rollback, type Schema } from "./_sqlite_schema.ts";
import { createTables } from "./_sqlite_tables.ts";
import { createSqliteWatch, type SqliteWatch } from "./_sqlite_watch.ts";
import { checkWrites } from "./_writes.ts";
import type { SqliteStorage } from "./sqlite.ts";

/** An opened file and how it was opened. */
export interface Opened {
  readonly sqlite: SqliteModule;
  readonly files: Files;
  readonly db: Database;
  readonly dir: string;
  readonly path: string;
  readonly mode: "drive" | "visit";
  /** The file is of an earlier version: nothing is read or written before `own` has migrated it. */
  readonly old: boolean;
  readonly schema: Schema;
  readonly limits: Storage["limits"];
  /** Guards the file and its log. */
  readonly guard: FileGuard;
  /** The folder from the root: the working directory may change. */
  readonly fullDir: string;
}

/** Makes the storage of an opened file. */
export function createSqliteStorage(opened: Opened): SqliteStorage {
  const { sqlite, files, db, dir, path, mode, schema, limits, guard, fullDir } = opened;
  const statements = new Map<string, Statement>();
  const tables = createTables(sql, largeTextsOfFile(sql), limits);
  let old = opened.old;
  let lock: Lock | undefined;
  let holder: Holder | undefined;
  let closed = false;
  let failure: Error | undefined;
  let watch: SqliteWatch | undefined;

  function sql(text: string): Statement {
    let statement = statements.get(text);
    if (statement === undefined) statements.set(text, statement = db.prepare(text));
    return statement;
  }

  function check(action: string): void {
    if (closed) throw new StorageFailedError(`Cannot ${action}: the storage of "${dir}" is closed`);
    if (old) {
      throw new StorageFailedError(
        `Cannot ${action}: "${path}" was written by an earlier version; 'own' brings it up to date first`,
      );
    }
  }

  /** Runs a read at once; what it throws becomes a rejection with this package's error. */
  function read<T>(action: string, run: () => T): Promise<T> {
    try {
      check(action);
      guard.check(action);
      return Promise.resolve(run());
    } catch (error) {
      return Promise.reject(storageError(error, action));
    }
  }

  function own(owner: { readonly name: string; readonly pid?: number }): void {
    const action = `drive "${dir}"`;
    if (closed) throw new StorageFailedError(`Cannot ${action}: the storage is closed`);
    if (mode === "visit") throw new StorageFailedError(`Cannot ${action}: it was opened to visit`);
    if (lock !== undefined) throw lockedError(dir, holder);
    guard.checkNow(action);
    const taken = takeLock(sqlite, dir);
    if (taken === undefined) throw lockedError(dir, readHolder(files, dir));
    try {
      const unclean = readHolder(files, dir) !== undefined;
      const self = { name: owner.name, pid: owner.pid ?? files.pid, since: Date.now() };
      files.writeText(ownerPath(dir), `${JSON.stringify(self)}\n`);
      if (unclean) quickCheck();
      // Another process may have migrated the file since it was opened here.
      if (checkVersion(readVersion(db), schema, path)) migrate(db, schema, path);
      old = false;
      holder = self;
      lock = taken;
      guard.add(lockPath(dir), lockPath(fullDir));
    } catch (error) {
      taken.release();
      throw storageError(error, action);
    }
  }

  /** After an unclean end: SQLite repairs what a crash leaves, this finds what a disk or a person did. */
  function quickCheck(): void {
    const row = db.prepare("PRAGMA quick_check(1)").get() ?? {};
    const found = Object.values(row)[0];
    if (found !== "ok") {
      throw new JournalCorruptError(
        `Cannot drive "${dir}": "${path}" is damaged (${String(found)}); run 'windkit doctor', or restore a backup`,
      );
    }
  }

  /** How commits are synced now: it can only be changed between them. */
  let synced = true;
  function sync(lasting: boolean): void {
    if (limits.durable !== "power" || lasting === synced) return;
    // Done when it is prepared, so that a kept statement would do nothing.
    db.prepare(`PRAGMA synchronous = ${lasting ? "FULL" : "NORMAL"}`).run();
    synced = lasting;
  }

  function commit(writes: readonly Write[], lasting = true): void {
    check("commit");
    if (failure !== undefined) {
      throw new StorageFailedError(
        `Cannot commit: the storage failed earlier, and nothing after that is stored; open "${dir}" again (${failure.message})`,
        { cause: failure },
      );
    }
    const owned = lock !== undefined;
    checkWrites(writes, limits, owned);
    if (writes.length === 0) return;
    const action = `commit to "${path}"`;
    try {
      guard.check(action);
      sync(lasting);
      sql("BEGIN IMMEDIATE").run();
    } catch (error) {
      const known = storageError(error, action);
      // Busy: nothing was written, and the next try may work.
      if (owned && resultCode(error) !== 5) failure = known;
      throw known;
    }
    try {
      tables.refresh();
      // What others posted has lower numbers than what this commit is about to post: look before.
      if (watch !== undefined && writes.some(({ w }) => w === "post")) watch.scan();
      let posted = 0;
      for (const write of writes) {
        const no = tables.apply(write);
        if (no > posted) posted = no;
      }
      sql("COMMIT").run();
      if (posted > 0) watch?.skip(posted);
    } catch (error) {
      rollback(db);
      tables.forget();
      if (isOwn(error)) throw error;
      const known = storageError(error, action);
      if (owned) failure = known;
      throw known;
    }
  }

  async function* journal(run: string, fromSeq = 0): AsyncGenerator<readonly StoredRecord[]> {
    for (let from = fromSeq;;) {
      const page = await read(`read the journal of run "${run}"`, () => tables.journalPage(run, from));
      const last = page.at(-1);
      if (last === undefined) return;
      yield page;
      from = last.seq + 1;
    }
  }

  function backup(toFile: string): void {
    if (files.look(toFile).kind !== "nothing") {
      throw new StorageFailedError(`Cannot back up to "${toFile}": it exists`);
    }
    const next = `${toFile}.partial`;
    files.remove(next);
    try {
      db.prepare("VACUUM INTO ?").run(next);
      files.sync(next);
      files.rename(next, toFile);
      files.sync(toFile.replace(/[^/\\]*$/, "") || ".");
    } catch (error) {
      files.remove(next);
      throw error;
    }
  }

  function close(): void {
    if (closed) return;
    closed = true;
    watch?.stop();
    let problem: unknown;
    try {
      // A last look: what was committed a moment ago was acknowledged.
      if (lock !== undefined && failure === undefined) guard.checkNow(`close "${path}"`);
    } catch (error) {
      problem = error;
    }
    try {
      if (lock !== undefined && failure === undefined && problem === undefined) {
        runAll(db, ["PRAGMA wal_checkpoint(TRUNCATE)"]);
      }
    } catch (error) {
      problem = error;
    }
    try {
      db.close();
      // Left there after a failure: the next driver then checks the file.
      if (lock !== undefined && failure === undefined && problem === undefined) files.remove(ownerPath(dir));
    } finally {
      lock?.release();
      lock = undefined;
    }
    if (problem !== undefined) throw storageError(problem, `close "${path}"`);
  }

  /** Runs at once; what it throws becomes a rejection. */
  function attempt<T>(action: string, run: () => T): Promise<T> {
    try {
      return Promise.resolve(run());
    } catch (error) {
      return Promise.reject(storageError(error, action));
    }
  }

  return {
    dir,
    limits,
    own: (owner) => attempt(`drive "${dir}"`, () => own(owner)),
    commit: (writes, lasting) => attempt(`commit to "${path}"`, () => commit(writes, lasting)),
    run: (id) => read(`read run "${id}"`, () => tables.run(id)),
    runs: (query) => read("list runs", () => tables.runs(query)),
    journal,
    due: (now, limit) => read("list due runs", () => tables.due(now, limit)),
    nextWake: () => read("find the next wake time", () => tables.nextWake()),
    inbox: (run, limit, after) => read(`read the messages of run "${run}"`, () => tables.inbox(run, limit, after)),
    watch(onMessage, onFailure) {
      check("watch the messages");
      const action = `look for messages in "${path}"`;
      watch ??= createSqliteWatch(sql, {
        check: () => guard.check(action),
        failed: (error) => {
          const known = storageError(error, action);
          if (lock !== undefined) failure ??= known;
          return known;
        },
      });
      return watch.add(onMessage, onFailure);
    },
    // Not guarded: of a file that was removed while it was open, this is the way to save what it holds.
    backup: (toFile) =>
      attempt(`back up to "${toFile}"`, () => {
        check(`back up to "${toFile}"`);
        backup(toFile);
      }),
    close: () => attempt(`close "${path}"`, close),
    [Symbol.asyncDispose]: () => attempt(`close "${path}"`, close),
  };
}
