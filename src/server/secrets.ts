/**
 * The key of a data folder: encryption at rest, signatures, and redaction of what must not be seen.
 *
 * The file `key` holds 32 random bytes as hex, with mode 0600. Keys for encryption and for signatures are derived from it (HKDF), so
 * that neither gives the other away.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { platform } from "node:os";
import { join } from "node:path";
import { ConfigurationError } from "../base/errors.ts";
import { createRedactor } from "./redaction.ts";
import type { Secrets } from "./ports.ts";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** Rights of group and others: none of them may be there. */
const FOREIGN_RIGHTS = 0o077;

/**
 * Opens the key of a data folder; the first time, makes it.
 *
 * @param dataDir the data folder, which must exist
 * @returns encryption, signing key and redaction
 * @throws ConfigurationError when others may read the key file, or when it holds no key
 */
export function openSecrets(dataDir: string): Secrets {
  const master = readKey(join(dataDir, "key"));
  const encryptionKey = derive(master, "windkit: values at rest");
  const redactor = createRedactor();
  return {
    signingKey: derive(master, "windkit: signatures"),
    encrypt(text) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", encryptionKey, nonce);
      const sealed = [cipher.update(text, "utf8"), cipher.final()];
      return Buffer.concat([nonce, ...sealed, cipher.getAuthTag()]).toString("base64");
    },
    decrypt(text) {
      const bytes = Buffer.from(text, "base64");
      if (bytes.length < NONCE_BYTES + TAG_BYTES) {
        throw new RangeError("Cannot decrypt a value: it is too short to be one that was encrypted here");
      }
      const decipher = createDecipheriv("aes-256-gcm", encryptionKey, bytes.subarray(0, NONCE_BYTES));
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
      try {
        const opened = decipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES));
        return Buffer.concat([opened, decipher.final()]).toString("utf8");
      } catch (cause) {
        throw new Error("Cannot decrypt a value: it was changed, or encrypted with another key than this folder's", {
          cause,
        });
      }
    },
    remember: redactor.remember,
    redact: redactor.redact,
    holds: redactor.holds,
    cutAt: redactor.cutAt,
  };
}

function derive(master: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", master, new Uint8Array(), purpose, KEY_BYTES));
}

function readKey(path: string): Uint8Array {
  if (lookAt(path) === undefined) makeKey(path);
  const found = lookAt(path);
  if (found === undefined || !found.isFile()) {
    throw new ConfigurationError(`Cannot read the key "${path}": it must be a file, and it is something else`);
  }
  // Windows has no such modes: the user's own folder protects the file there.
  if (platform() !== "win32" && (found.mode & FOREIGN_RIGHTS) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
    throw new ConfigurationError(
      `Cannot use the key "${path}": others may read or change it (mode ${mode}), and it must be 0600. ` +
        `If nobody has read it, type: chmod 600 "${path}"`,
    );
  }
  const text = readFileSync(path, "utf8").trim();
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new ConfigurationError(
      `Cannot use the key "${path}": it must hold 64 hex digits, and it holds ${text.length} characters of something else`,
    );
  }
  return Buffer.from(text, "hex");
}

function lookAt(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

/** Two processes may come at once: the file gets its name with its whole content, and whoever is first wins. */
function makeKey(path: string): void {
  const draft = `${path}.${randomBytes(8).toString("hex")}`;
  const file = openSync(draft, "wx", 0o600);
  try {
    writeSync(file, `${randomBytes(KEY_BYTES).toString("hex")}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    linkSync(draft, path);
  } catch (error) {
    // `as`: errors of `node:fs` have a code.
    if ((error as { readonly code?: string }).code !== "EEXIST") throw error;
  } finally {
    unlinkSync(draft);
  }
}
