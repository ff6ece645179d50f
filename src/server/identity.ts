/**
 * Who asks: the person who runs the server, by the token in the data folder; jobs, by tokens that end with them; and whoever has
 * a token that one of these made.
 *
 * @module
 */
import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { ConfigurationError } from "../base/errors.ts";
import { toHex } from "../base/bytes.ts";
import { sha256 } from "../engine/sha256.ts";
import { wallClock } from "../platform/clock.ts";
import { randomBytes } from "../platform/random.ts";
import type { Caller, Database, Identity, TokenRecord } from "./ports.ts";

/** Options of {@linkcode createIdentity}. */
export interface IdentityOptions {
  readonly database: Database;
  /** Folder of the file `token`: the data folder. */
  readonly dir: string;
  /** Name of the person in paths, `u/NAME/...`. @default "admin" */
  readonly username?: string;
  /** Address of the person. @default "admin@windkit.local" */
  readonly email?: string;
  /** Milliseconds since 1970. @default the machine's clock */
  readonly now?: () => number;
}

/** Tokens and people of a server. */
export interface ServerIdentity extends Identity {
  /** The owner's token: to be shown once to who started the server. */
  readonly ownerToken: string;
}

const STEPS: readonly (readonly string[])[] = [[
  `CREATE TABLE tokens(
    hash TEXT PRIMARY KEY, prefix TEXT NOT NULL, label TEXT, username TEXT NOT NULL, email TEXT NOT NULL,
    is_admin INTEGER NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER, scopes TEXT)`,
]];

/** 256 bits: no hash of one can be turned back, and none can be guessed. */
const TOKEN_BYTES = 32;

/** How much of a token names it in lists. */
const PREFIX_CHARS = 10;

interface TokenRow {
  readonly prefix: string;
  readonly label: string | null;
  readonly username: string;
  readonly email: string;
  readonly is_admin: number;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly scopes: string | null;
}

function newToken(): string {
  return toHex(randomBytes(TOKEN_BYTES));
}

/**
 * Reads the owner's token, or makes one that nobody else on this machine can read.
 *
 * @throws ConfigurationError when the file holds no token
 */
function ownerTokenOf(path: string): string {
  let descriptor: number;
  try {
    // Never a file that is there already, nor one that a link leads to.
    descriptor = openSync(path, "wx", 0o600);
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== "EEXIST") throw error;
    return readToken(path);
  }
  try {
    const token = newToken();
    writeSync(descriptor, `${token}\n`);
    fsyncSync(descriptor);
    return token;
  } finally {
    closeSync(descriptor);
  }
}

function readToken(path: string): string {
  // Whoever copied the folder may have let others read it.
  if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  const token = readFileSync(path, "utf8").trim();
  if (/^[\w-]{20,200}$/.test(token)) return token;
  throw new ConfigurationError(
    `Cannot use the token in "${path}": expected 20 to 200 letters and digits; remove the file to have a new one made`,
  );
}

/** Opens the tokens and people of a server. */
export function createIdentity(options: IdentityOptions): ServerIdentity {
  const { database, dir, username = "admin", email = "admin@windkit.local", now = wallClock } = options;
  database.migrate("identity", STEPS);
  const owner: Caller = { username, email, isAdmin: true };
  const ownerToken = ownerTokenOf(`${dir}/token`);
  const ownerHash = sha256(ownerToken);
  // By their hashes. They end with the process at the latest: a job that goes on after a crash gets another one.
  const jobTokens = new Map<
    string,
    { readonly job: string; readonly expiresAt: number; readonly scopes?: readonly string[] }
  >();
  const hashesOf = new Map<string, Set<string>>();

  function addJobToken(job: string, expiresAt: number, scopes: readonly string[] | undefined): string {
    const token = newToken(), hash = sha256(token);
    jobTokens.set(hash, { job, expiresAt, ...(scopes && { scopes }) });
    hashesOf.set(job, (hashesOf.get(job) ?? new Set()).add(hash));
    return token;
  }

  function callerOf(token: string): Caller | undefined {
    const hash = sha256(token);
    if (hash === ownerHash) return owner;
    const ofJob = jobTokens.get(hash);
    if (ofJob !== undefined) {
      const { job, expiresAt, scopes } = ofJob;
      return expiresAt <= now() ? undefined : { ...owner, job, ...(scopes && { scopes }) };
    }
    const row = database.get<TokenRow>("SELECT * FROM tokens WHERE hash = ?", hash);
    if (row === undefined || (row.expires_at !== null && row.expires_at <= now())) return undefined;
    return {
      username: row.username,
      email: row.email,
      isAdmin: row.is_admin === 1,
      ...(row.scopes !== null && { scopes: JSON.parse(row.scopes) as readonly string[] }),
    };
  }

  return {
    owner,
    ownerToken,
    callerOf,
    issueJobToken: (job) => addJobToken(job, Infinity, undefined),
    endJobToken: (job) => {
      for (const hash of hashesOf.get(job) ?? []) jobTokens.delete(hash);
      hashesOf.delete(job);
    },
    createToken: (caller, { label, expiresAt, scopes = caller.scopes }) => {
      // A token is no way around the scopes of the one that makes it, nor around the end of the job.
      if (caller.scopes !== undefined && scopes?.some((scope) => !caller.scopes?.includes(scope))) {
        throw new RangeError(
          `Cannot create a token: 'scopes' should be among those of the token that makes it: current value is ${
            JSON.stringify(scopes)
          }`,
        );
      }
      if (caller.job !== undefined) return addJobToken(caller.job, expiresAt ?? Infinity, scopes);
      const token = newToken();
      database.run(
        "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        sha256(token),
        token.slice(0, PREFIX_CHARS),
        label ?? null,
        caller.username,
        caller.email,
        caller.isAdmin ? 1 : 0,
        now(),
        expiresAt ?? null,
        scopes === undefined ? null : JSON.stringify(scopes),
      );
      return token;
    },
    tokens: () => {
      database.run("DELETE FROM tokens WHERE expires_at <= ?", now());
      return database.all<TokenRow>("SELECT * FROM tokens ORDER BY created_at, hash").map((row): TokenRecord => ({
        prefix: row.prefix,
        createdAt: row.created_at,
        ...(row.label !== null && { label: row.label }),
        ...(row.expires_at !== null && { expiresAt: row.expires_at }),
        ...(row.scopes !== null && { scopes: JSON.parse(row.scopes) as readonly string[] }),
      }));
    },
    deleteToken: (prefix) => database.run("DELETE FROM tokens WHERE prefix = ?", prefix).changes > 0,
  };
}
