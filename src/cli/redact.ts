/**
 * Takes secrets out of recorded values before they are written into a file that is kept.
 *
 * A text is a secret when the name that it stands under says so, or when it looks like one whatever its name. Once found, it is
 * replaced everywhere: where a step gives a token and another one sends it on, both get the same replacement, so that what was
 * recorded still fits together.
 *
 * @module
 */
import type { Json } from "../workflow/journal.ts";

/** A name is that of a secret when it has one of these in it, in any case, and with or without `_`, `-` and spaces. */
const SECRET_NAMES = [
  "token",
  "password",
  "passwd",
  "passphrase",
  "pwd",
  "secret",
  "authorization",
  "apikey",
  "accesskey",
  "privatekey",
  "signingkey",
  "encryptionkey",
  "credential",
  "cookie",
  "jwt",
  "bearer",
  "connectionstring",
  "databaseurl",
] as const;

/** Texts that are secrets whatever they stand under. */
const SECRET_TEXTS = [
  /^(?:Bearer|Basic) [\w.~+/=-]{8,}$/i,
  /^eyJ[\w-]+\.[\w-]+\.[\w-]*$/, // a JSON web token
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /^(?:sk|pk|rk)[-_](?:live|test|proj|ant)[-_][\w-]{8,}$/,
  /^(?:ghp|gho|ghs|ghu|github_pat|glpat|xox[abprs])[-_][\w-]{8,}$/,
  /^AKIA[0-9A-Z]{16}$/,
  /^[a-z][a-z0-9+.-]*:\/\/[^\s/:@]+:[^\s/@]+@/i, // an address with a password
];

/** Shorter secrets are replaced where they stand only: elsewhere the same letters may mean something else. */
const SHORTEST = 4;

/** Replaces secrets, the same one by the same text. */
export interface Redactor {
  /** Finds the secrets of a value. `name` is what it stands under. */
  learn(value: Json, name?: string): void;
  /** A copy without any secret that was found. */
  redact(value: Json, name?: string): Json;
  /** A text without any secret that was found. */
  text(text: string): string;
  /** A text with one and the same mark for every secret that was found; also where it stands in JSON. */
  mark(text: string, mark: string): string;
  /** Names under which secrets were found. */
  readonly names: ReadonlySet<string>;
}

/**
 * Makes a redactor.
 *
 * @param more names of further fields: whatever stands under them is a secret, numbers too
 */
export function createRedactor(more: readonly string[] = []): Redactor {
  const asked = new Set(more.map(plain));
  const found = new Map<string, string>();
  const names = new Set<string>();

  function isAsked(name: string): boolean {
    return asked.has(plain(name));
  }

  function isSecret(name: string): boolean {
    const bare = plain(name);
    return asked.has(bare) || SECRET_NAMES.some((secret) => bare.includes(secret));
  }

  function visit(value: Json, name: string, inside: boolean): void {
    const secret = inside || isSecret(name);
    if (typeof value === "string") {
      // What names a secret of the workspace is none.
      if (value === "" || /^\$(?:var|res|encrypted):/.test(value)) return;
      if (!secret && !SECRET_TEXTS.some((pattern) => pattern.test(value))) return;
      names.add(name);
      if (!found.has(value)) found.set(value, `redacted-${found.size + 1}`);
      return;
    }
    if (typeof value !== "object" || value === null) {
      if (isAsked(name)) names.add(name);
      return;
    }
    if (Array.isArray(value)) {
      for (const item of value as readonly Json[]) visit(item, name, inside);
      return;
    }
    for (const [field, item] of Object.entries(value)) visit(item, field, secret);
  }

  function replaced(value: Json, name: string, inside: boolean): Json {
    const secret = inside || isSecret(name);
    if (typeof value === "string") return secret ? found.get(value) ?? text(value) : text(value);
    if (typeof value === "number" && isAsked(name)) return 0;
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return (value as readonly Json[]).map((item) => replaced(item, name, inside));
    const copy: Record<string, Json> = Object.create(null);
    for (const [field, item] of Object.entries(value)) copy[text(field)] = replaced(item, field, secret);
    return copy;
  }

  function text(given: string): string {
    let left = given;
    // The longest first: one secret may be a part of another.
    for (const [secret, instead] of [...found].sort(([a], [b]) => b.length - a.length)) {
      if (secret.length >= SHORTEST) left = left.replaceAll(secret, instead);
      else if (left === secret) left = instead;
    }
    return left;
  }

  function mark(given: string, instead: string): string {
    const secrets = [...found.keys()].filter((secret) => secret.length >= SHORTEST);
    const written = secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)]);
    return written.sort((a, b) => b.length - a.length).reduce((left, one) => left.replaceAll(one, instead), given);
  }

  return {
    learn: (value, name = "") => visit(value, name, false),
    redact: (value, name = "") => replaced(value, name, false),
    text,
    mark,
    names,
  };
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[_\-\s.]/g, "");
}
