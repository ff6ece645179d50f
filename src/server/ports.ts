/**
 * The parts of the local server, and what each asks of the others. Every route file takes a `ServerContext` and gives a Hono app
 * that `app.ts` mounts under `/api`.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts";
import type { JobOutcome, Runner, RunnerIo, RunnerJob } from "../runner/ports.ts";
import type { Json } from "../workflow/journal.ts";
import type { WorkflowJobs } from "./workflow_jobs/workflow_jobs.ts";

/** What every route may use. */
export interface ServerContext {
  /** Id of the one workspace, of `wmill.yaml` or the folder's name. */
  readonly workspace: string;
  /** Address under which people reach the server, `http://127.0.0.1:8000`: for links. */
  readonly baseUrl: string;
  /** Address under which the jobs of this machine reach it. */
  readonly internalUrl: string;
  /** Milliseconds since 1970. */
  now(): number;
  /** Time and timers. */
  readonly clock: Clock;
  /** The runner of a language; undefined when there is none. */
  runnerOf(language: string): Runner | undefined;
  readonly folder: Folder;
  readonly jobs: Jobs;
  readonly secrets: Secrets;
  readonly identity: Identity;
  readonly objects: Objects;
  readonly database: Database;
  /** Workflows as code; undefined for a server that runs none. */
  readonly workflows?: WorkflowJobs | undefined;
  /** Questions of workflows to people: absent on a server that runs no workflow jobs. */
  readonly approvals?: Approvals | undefined;
}

/** The data folder's own tables: `<data>/server.sqlite`. Statements are kept; all calls are synchronous. */
export interface Database {
  /** Runs a statement that gives no rows. */
  run(sql: string, ...values: readonly (string | number | bigint | null | Uint8Array)[]): { readonly changes: number };
  /** First row; undefined when there is none. */
  get<T>(sql: string, ...values: readonly (string | number | bigint | null | Uint8Array)[]): T | undefined;
  /** All rows. */
  all<T>(sql: string, ...values: readonly (string | number | bigint | null | Uint8Array)[]): readonly T[];
  /** All or nothing: rolled back when `fn` throws. Inside another one it is a part of that. */
  transaction<T>(fn: () => T): T;
  /**
   * A transaction that a loss of power may take back until the next other one is committed: for what nobody is told of before, and
   * what is made again. Inside another one it is a part of that.
   */
  passing<T>(fn: () => T): T;
  /** Calls back when the running transaction is committed, and never when it is rolled back; at once outside of one. */
  afterCommit(fn: () => void): void;
  /**
   * Brings the tables of one part up to date: each step is the statements from one version of them to the next, and runs once in
   * the life of a file. A step is never changed, only followed by others.
   */
  migrate(part: string, steps: readonly (readonly string[])[]): void;
}

// --- The folder: what `wmill sync pull` made ---

/** A file that belongs to a script: code that it imports, or runs as a task. */
export interface ScriptModule {
  readonly content: string;
  readonly language: string;
  readonly lock?: string;
}

/** One version of a script. */
export interface Script {
  readonly path: string;
  /** 16 hex digits: of the content, the metadata and the modules. */
  readonly hash: string;
  readonly content: string;
  readonly language: string;
  readonly summary: string;
  readonly description: string;
  readonly schema: Json;
  readonly lock?: string;
  /** By their paths below the script's folder, `utils/math.ts`; absent when it has none. */
  readonly modules?: Readonly<Record<string, ScriptModule>>;
  readonly tag?: string;
  readonly timeoutS?: number;
  readonly cacheTtlS?: number;
  readonly concurrentLimit?: number;
  readonly concurrencyWindowS?: number;
  readonly concurrencyKey?: string;
  readonly priority?: number;
  /** `preprocessor` is exported. */
  readonly hasPreprocessor: boolean;
  /** `wac` when the worker would take it for a workflow (wac-protocol 1.1), `lib` when nothing in it can be run. */
  readonly autoKind?: string;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly extra: Readonly<Record<string, Json>>;
}

/** A variable as it is listed. */
export interface Variable {
  readonly path: string;
  /** Plain text; null for a secret that was not asked for. */
  readonly value: string | null;
  readonly isSecret: boolean;
  readonly description: string;
}

/** A resource. */
export interface Resource {
  readonly path: string;
  readonly value: Json;
  readonly resourceType: string;
  readonly description: string;
}

/** A resource type. */
export interface ResourceType {
  readonly name: string;
  readonly schema: Json;
  readonly description: string;
  readonly formatExtension?: string;
}

/** Something in the folder that cannot be used; the rest of it can. */
export interface FolderProblem {
  /** File, relative to the folder. */
  readonly file: string;
  /** What is wrong with it, with line and column where they are known. */
  readonly message: string;
}

/** The synced folder, read and written. Never touches a path outside it, links included. */
export interface Folder {
  /** Newest version of a script. */
  script(path: string): Script | undefined;
  /** Any version that was live while the server ran, within the retention of jobs, or that a stored job has run. */
  scriptByHash(hash: string): Script | undefined;
  scripts(): readonly Script[];
  /**
   * Text of a file that scripts import as data: `f/shop/prices.json`. Undefined when there is none; files of scripts, variables and
   * resources are none.
   *
   * @throws RangeError when it is too large, or no text
   */
  dataFile(file: string): string | undefined;
  /** Writes a new version (file and metadata). Throws when the path leaves the folder. */
  writeScript(script: Pick<Script, "path" | "content" | "language"> & Partial<Script>): Script;
  /** Removes a script's files; its versions stay, by hash, as long as others do. False when there is none. */
  deleteScript(path: string): boolean;
  /** Versions of a script, the newest first: the current one, and those that are stored. */
  scriptVersions(path: string): readonly Script[];
  /** Forgets versions that are not live since before a time and are none of those that are used; gives how many. */
  forgetVersions(before: number, used: () => ReadonlySet<string>): number;
  /** `secret`: with the decrypted value. */
  variable(path: string, secret: boolean): Variable | undefined;
  variables(): readonly Variable[];
  writeVariable(variable: Variable): void;
  deleteVariable(path: string): boolean;
  resource(path: string): Resource | undefined;
  resources(): readonly Resource[];
  writeResource(resource: Resource): void;
  deleteResource(path: string): boolean;
  resourceType(name: string): ResourceType | undefined;
  resourceTypes(): readonly ResourceType[];
  writeResourceType(type: ResourceType): void;
  deleteResourceType(name: string): boolean;
  /**
   * A value with its `$var:` and `$res:` texts resolved, at any depth. Throws for a reference that leads nowhere, or in a circle.
   * `onSecret` is called when a secret was put in.
   */
  interpolate(value: Json, context?: Readonly<Record<string, string>>, onSecret?: () => void): Json;
  /** What cannot be used now. */
  readonly problems: readonly FolderProblem[];
  /** Why something is not there although it has a file; undefined when it has none, or is in order. */
  problemOf(kind: "script" | "variable" | "resource" | "resource type", name: string): FolderProblem | undefined;
  /** Calls back when something was changed on disk: what changed, relative to the folder. */
  watch(onChange: (files: readonly string[]) => void): Disposable;
}

// --- Secrets and people ---

/** Encryption at rest, and redaction. */
export interface Secrets {
  /** AES-GCM with the key file's key; base64 of nonce and text. */
  encrypt(text: string): string;
  /** Throws when the text was changed, or the key is another. */
  decrypt(text: string): string;
  /** Remembers a value that must not be seen. Short ones (under 4 characters) are not: they would hide half of a log. */
  remember(value: string): void;
  /** The text with remembered values replaced by `***`. */
  redact(text: string): string;
  /** True when a remembered value is in the text. */
  holds(text: string): boolean;
  /** Where a remembered value may begin of which the text has no more than the beginning; the text's length when none does. */
  cutAt(text: string): number;
  /** Values are remembered beyond the end of this process: forgets those that nobody has used since a time. */
  forget?(before: number): void;
  /** Key for signatures, hex: resume links, signed objects. */
  readonly signingKey: Uint8Array;
}

/** Who asks. */
export interface Caller {
  readonly username: string;
  readonly email: string;
  readonly isAdmin: boolean;
  /** A job's token: it is good for what `job_rights.ts` says. */
  readonly job?: string;
  /** Scopes of the token; absent: all. */
  readonly scopes?: readonly string[];
}

/** Tokens and people. */
export interface Identity {
  /** Who a bearer token (or the page's cookie) belongs to; undefined when it is unknown or has expired. */
  callerOf(token: string): Caller | undefined;
  /** The person who runs the server. */
  readonly owner: Caller;
  /** A short-lived token of one job. It ends with the job. */
  issueJobToken(job: string): string;
  endJobToken(job: string): void;
  /** Tokens that people make: `POST /users/tokens/create`. Stored as hashes. One that a job makes ends with the job. */
  createToken(
    caller: Caller,
    options: { readonly label?: string; readonly expiresAt?: number; readonly scopes?: readonly string[] },
  ): string;
  /** Tokens that people made and that have not expired. */
  tokens(): readonly TokenRecord[];
  /** Ends the token that begins so. False when there is none. */
  deleteToken(prefix: string): boolean;
}

/** A token as it is listed: never the token itself. */
export interface TokenRecord {
  /** Its first ten characters. */
  readonly prefix: string;
  readonly label?: string;
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly scopes?: readonly string[];
}

// --- Objects ---

/** Where S3 objects are kept: files by default, a real S3 by configuration. */
export interface Objects {
  /**
   * The store of a storage. Undefined, `""`, `_default_` and `main` are the default one.
   *
   * @throws Refusal when no storage can be called so, or its settings are wrong
   */
  storage(name?: string | null): ObjectStore;
  /**
   * The store that an S3 resource describes. One that a job asks for leads to nothing that the job could not reach by itself.
   *
   * @throws Refusal when it is none
   */
  resource(value: Json, byJob?: boolean): ObjectStore;
  /** Storages besides the default one: those that are configured, and those that have objects. */
  names(): readonly string[];
}

/** Objects of one storage. Streams both ways, at constant memory. A body that is not read to its end must be cancelled. */
export interface ObjectStore {
  /** An object, or a part of it; undefined when there is none. The part is empty when the range has nothing of the object. */
  read(key: string, range?: ObjectRange): Promise<ObjectData | undefined>;
  /** Writes an object as a whole: who reads it sees the old one or the new one. */
  write(key: string, body: ReadableStream<Uint8Array>, meta: ObjectMeta): Promise<ObjectInfo>;
  /** False when there was none; a store that does not tell says true. */
  remove(key: string): Promise<boolean>;
  /** Gives an object another key, in place of the object that has it. False when there is none. */
  move(from: string, to: string): Promise<boolean>;
  /** Keys in the order of their UTF-8 bytes, those after the marker. `next` is the marker of the next page. */
  list(options: ObjectListOptions): Promise<ObjectList>;
  stat(key: string): Promise<ObjectInfo | undefined>;
  /** Where the objects are, for other programs: undefined for files. */
  readonly s3?: S3Settings;
}

/** Bytes from `start` to before `end`, or the `last` ones. */
export type ObjectRange = { readonly start: number; readonly end?: number } | { readonly last: number };

/** Which objects to list. */
export interface ObjectListOptions {
  readonly prefix: string;
  readonly marker?: string;
  readonly limit: number;
}

/** A page of objects. */
export interface ObjectList {
  readonly objects: readonly ListedObject[];
  readonly next?: string;
}

/** An object in a list. */
export interface ListedObject {
  readonly key: string;
  readonly size: number;
  readonly lastModified: number;
}

/** What is kept beside an object. */
export interface ObjectMeta {
  readonly contentType?: string;
  readonly contentDisposition?: string;
}

/** What is known of an object. */
export interface ObjectInfo extends ObjectMeta {
  /** Length of the whole object, in bytes. */
  readonly size: number;
  /** As in the header: in quotes. */
  readonly etag: string;
  /** Milliseconds since 1970. */
  readonly lastModified: number;
}

/** An object that is read. */
export interface ObjectData extends ObjectInfo {
  readonly body: ReadableStream<Uint8Array>;
  /** Which bytes of the object the body has. */
  readonly part: { readonly start: number; readonly end: number };
}

/** How a real S3 is reached. */
export interface S3Settings {
  readonly bucket: string;
  readonly region: string;
  /** Host, without scheme and port. */
  readonly endPoint: string;
  readonly port?: number;
  readonly useSSL: boolean;
  /** The bucket is in the path, not in the host. */
  readonly pathStyle: boolean;
  /** Absent for a store that wants none. */
  readonly accessKey?: string;
  readonly secretKey?: string;
  /** Of a session. */
  readonly token?: string;
}

// --- Jobs ---

/** Kinds of jobs, in Windmill's names. */
export type JobKind = "script" | "preview" | "flow" | "identity";

/** How a job is asked for. */
export interface JobRequest {
  /** Chosen by the caller: starting twice is starting once. */
  readonly id?: string;
  readonly kind: JobKind;
  readonly path?: string;
  readonly hash?: string;
  /** Code of a preview. */
  readonly content?: string;
  /** Modules of a preview. */
  readonly modules?: Script["modules"];
  readonly language: string;
  readonly args: Readonly<Record<string, Json>>;
  readonly caller: Caller;
  readonly parent?: string;
  readonly root?: string;
  readonly tag?: string;
  readonly timeoutS?: number;
  readonly priority?: number;
  readonly cacheTtlS?: number;
  readonly concurrentLimit?: number;
  readonly concurrencyKey?: string;
  readonly concurrencyWindowS?: number;
  /** Milliseconds since 1970. */
  readonly scheduledFor?: number;
  readonly entrypoint?: string;
  /** The event of a trigger or webhook, for the preprocessor; absent: no preprocessor runs. */
  readonly preprocess?: boolean;
  readonly invisibleToOwner?: boolean;
  /** A workflow's round state, for children and parents. */
  readonly checkpoint?: Json;
}

/** A job as it is stored. */
export interface Job {
  readonly id: string;
  readonly kind: JobKind;
  readonly path?: string;
  readonly hash?: string;
  readonly language: string;
  readonly args: Readonly<Record<string, Json>>;
  readonly createdBy: string;
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly scheduledFor: number;
  readonly parent?: string;
  readonly root?: string;
  /** The job whose token it was started with, or whose workflow started it; absent when a person did. */
  readonly startedBy?: string;
  readonly tag: string;
  readonly priority?: number;
  /** A process of it runs now. */
  readonly running: boolean;
  /** It waits for something outside: approval, sleep, children. */
  readonly suspended: boolean;
  readonly canceled: boolean;
  readonly canceledBy?: string;
  readonly canceledReason?: string;
  readonly completedAt?: number;
  readonly success?: boolean;
  readonly result?: Json;
  readonly durationMs?: number;
  readonly memPeakBytes?: number;
  readonly progress?: number;
  /** wac-protocol 2.4: timeline and checkpoint. */
  readonly workflowAsCodeStatus?: Json;
  /** Code of a preview. */
  readonly content?: string;
  /** Function that is called in place of `main`. */
  readonly entrypoint?: string;
  /** The preprocessor is to run, or has run. */
  readonly preprocess?: boolean;
  readonly timeoutS?: number;
  readonly cacheTtlS?: number;
  readonly concurrencyKey?: string;
  readonly invisibleToOwner?: boolean;
  readonly email: string;
  /** How often it was begun again, because the server died while it ran. */
  readonly restarts: number;
}

/** What happens to a job, for who watches it. Told at once after the commit that caused it; `offset` is where the next text begins. */
export type JobEvent =
  | { readonly event: "started" | "suspended" | "resumed" }
  | { readonly event: "log"; readonly text: string; readonly offset: number }
  | { readonly event: "stream"; readonly text: string; readonly offset: number }
  | { readonly event: "progress"; readonly percent: number }
  | { readonly event: "status"; readonly status: Json }
  | { readonly event: "completed"; readonly success: boolean };

/**
 * Which jobs to list, the latest first. Texts may be several values with commas between them, and none of them with `!` before
 * the first one.
 */
export interface JobQuery {
  /** Runs, or is suspended or waiting; completed ones are left out. */
  readonly running?: boolean;
  readonly completed?: boolean;
  readonly success?: boolean;
  readonly suspended?: boolean;
  readonly scriptPathExact?: string;
  readonly scriptPathStart?: string;
  readonly scriptHash?: string;
  readonly createdBy?: string;
  readonly tag?: string;
  readonly parent?: string;
  readonly kinds?: readonly JobKind[];
  readonly createdBefore?: number;
  readonly createdAfter?: number;
  readonly startedBefore?: number;
  readonly startedAfter?: number;
  readonly completedBefore?: number;
  readonly completedAfter?: number;
  /** How they ended. */
  readonly status?: "success" | "failure" | "canceled";
  /** True for those that could begin now. */
  readonly scheduledForBeforeNow?: boolean;
  readonly concurrencyKey?: string;
  /** One job. */
  readonly id?: string;
  /** Only those that a job's token may see. */
  readonly kin?: JobKin;
  /** What the arguments contain, as jsonb contains: at any depth. */
  readonly args?: Json;
  /** What the result contains. */
  readonly result?: Json;
  /** `*` in `tag` is any text. */
  readonly allowWildcards?: boolean;
  readonly hasNullParent?: boolean;
  readonly orderDesc?: boolean;
  readonly offset: number;
  readonly limit: number;
}

/**
 * The kin of a job: its tree, what that started, jobs of its script and what those started, each with all that is below it.
 */
export interface JobKin {
  readonly job: string;
  /** The outermost job of its tree. */
  readonly root: string;
  /** Path of its script; absent when it is of none. */
  readonly path?: string;
}

/** The job table and what works it off. */
export interface Jobs extends AsyncDisposable {
  /**
   * Records a job and, when there is room, begins it. Durable when it resolves; with `unacknowledged`, only with its end: for a
   * caller that hears of nothing before.
   */
  start(request: JobRequest, unacknowledged?: boolean): Promise<Job>;
  get(id: string): Job | undefined;
  /** Modules of the code that a job runs: those that came with it, or those of its script's version. */
  modules(job: Job): Script["modules"];
  list(query: JobQuery): readonly Job[];
  count(query: JobQuery): number;
  /** The log from an offset in characters; a job's log is bounded, and says so where it was cut. */
  log(id: string, offset?: number): string;
  /** The whole log as it may be seen: also without what became secret after it was written. */
  shownLog(id: string): string;
  /** The streamed result from an offset in characters. */
  stream(id: string, offset?: number): string;
  /** Up to where the log and the streamed result go. */
  offsets(id: string): { readonly log: number; readonly stream: number };
  /** Ends a job and its children. False when it has ended. */
  cancel(id: string, by: string, reason: string, force?: boolean): Promise<boolean>;
  /** Resolves when the job has ended; rejects with the signal's reason. */
  wait(id: string, signal?: AbortSignal): Promise<Job>;
  watch(id: string, onEvent: (event: JobEvent) => void): Disposable;
  /** Any job: for pages. */
  watchAll(onChange: (job: string) => void): Disposable;
  setProgress(id: string, percent: number): void;
  /** Lets a suspended job go on, now or at a time; one that runs still goes on when it is suspended. False for one that has ended. */
  resume(id: string, at?: number): boolean;
  /** Lets a job that waits for its time begin now. */
  runNow(id: string): boolean;
  /** Forgets arguments, log and result of a completed job; its id stays. */
  erase(id: string): boolean;
  /** Running jobs of each concurrency key. */
  concurrencyGroups(): readonly { readonly key: string; readonly running: number }[];
  /** `workflow_as_code_status`, as the protocol's writers change it; `passing`: a loss of power may take it back. */
  updateStatus(id: string, change: (status: Json) => Json, passing?: boolean): void;
  /** State of a flow's user, by key. */
  flowUserState(id: string, key: string): Json | undefined;
  setFlowUserState(id: string, key: string, value: Json): void;
  /** The server stops: what runs is waited for, and nothing begins any more. */
  readonly draining: boolean;
  /** Says that a suspended job may go on, or ended: used by the workflow jobs. */
  readonly hooks: JobHooks;
}

// --- Approvals ---

/** Who answers an approval: the token of the page's address, somebody who is signed in, or both. */
export interface Approver {
  readonly token?: string;
  readonly caller?: Caller;
}

/** An approval as its page shows it. */
export interface ApprovalInfo {
  /** The workflow's job. */
  readonly job: string;
  /** Key of the step. */
  readonly step: string;
  readonly path?: string;
  readonly summary?: string;
  /** A text, or `{ markdown }`. */
  readonly description?: Json;
  /** Schema of the answer: by itself, or in a field `schema`. */
  readonly form?: Json;
  /** Answers that stand in the form at first, by name. */
  readonly defaults?: Readonly<Record<string, Json>>;
  /** `detailed` or `minimal`. */
  readonly skin?: string;
  /** The workflow waits for the answer now. */
  readonly pending: boolean;
  /** When it goes on without one, in milliseconds since 1970. */
  readonly endsAt?: number;
  /** Who answered before. */
  readonly approvers: readonly string[];
  /** Who asks may answer. */
  readonly canAnswer: boolean;
  readonly hideCancel?: boolean;
}

/** Questions of workflows to people. */
export interface Approvals {
  /** The approval of a job that waits, else its latest; a refusal for a wrong token, and for a job that has none. */
  info(job: string, approver: Approver): Promise<ApprovalInfo>;
  /** Answers it; a refusal with status 400 that says why when the payload does not fit, one when it does not wait, or the approver may not. Durable when it resolves. */
  answer(
    job: string,
    approver: Approver,
    answer: { readonly approved: boolean; readonly payload: Json },
  ): Promise<void>;
}

/** A job that is about to run: what its runner is given. `job` throws when its arguments refer to nothing. */
export interface JobExecution {
  /** The runner of its language; undefined when there is none. */
  readonly runner: Runner | undefined;
  readonly job: RunnerJob;
  readonly io: RunnerIo;
}

/** How workflow jobs (`workflow_jobs/`) hang into the job table. They are set before the first job begins. */
export interface JobHooks {
  /** Runs a job in place of a plain runner; undefined for a job that is none of its own. */
  run?: (job: Job, execution: JobExecution) => Promise<JobOutcome | "suspended"> | undefined;
  /**
   * A job that has begun is cancelled, in the transaction of that; true when it ends of itself soon, and takes care of the jobs
   * below it.
   */
  cancel?: (job: Job, by: string, reason: string) => boolean;
  /** The server stops: called when nothing is begun any more, before what runs is stopped. */
  close?: () => Promise<void>;
  /** A job ends: called inside the transaction that ends it, so that what it writes to the database is committed with the end. */
  ended?: (job: Job, outcome: JobOutcome) => void;
  /** A running job has read a secret: from now on what is kept of it is encrypted. */
  readSecret?: (job: string) => void;
}
