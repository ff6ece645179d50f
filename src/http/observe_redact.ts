/**
 * Addresses and texts without what is secret in them.
 *
 * @module
 */

/** Takes the secrets out of what is shown of one request. */
export interface Redaction {
  /** The address without user, query and fragment, and without secrets in its path. */
  readonly url: string;
  /** A text about the request, such as the message of an error, without its secrets. */
  readonly text: (text: string) => string;
}

/** What stands for a secret. */
const MARK = "***";

/**
 * Parts of a path that are secrets: signatures of resume addresses (hex), tokens of the form of JSON web tokens, and what
 * public apps and scripts are reached by.
 */
const SECRET_PARTS =
  /(?<=\/)(?:[0-9a-f]{32,}(?![\w-])|eyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=\/(?:public_app|get_data\/v|tokened_raw\/[^/]+)\/)[^/?#]+)/gi;

/** Users, queries and fragments of addresses, wherever they stand in a text. Presigned addresses have theirs in the query. */
const SECRET_ADDRESS = /(https?:\/\/)(?:[^\s/?#"'<>]*@)?([^\s?#"'<>]*)(?:[?#][^\s"'<>]*)?/gi;

function cut(text: string): string {
  return text.replace(
    SECRET_ADDRESS,
    (_, scheme: string, rest: string) => `${scheme}${rest.replace(SECRET_PARTS, MARK)}`,
  );
}

/** Names of headers whose values are secrets. */
const SECRET_HEADERS = /auth|cookie|token|secret|key|credential|signature/i;

/** Reads what is secret of a request: what of its headers is, and some parts of its address. */
export function redactionOf(url: string, headers: Readonly<Record<string, string>>): Redaction {
  const secrets = Object.entries(headers).flatMap(([name, value]) =>
    SECRET_HEADERS.test(name) ? [value, value.replace(/^\w+ +/, "")] : []
  );
  const written = [...new Set(secrets.flatMap((one) => [one, encodeURIComponent(one)]))]
    .filter((one) => one.length > 3)
    // The longest first: one may be a part of another.
    .sort((a, b) => b.length - a.length);
  // What is cut first could hide a part of a secret.
  const text = (given: string) => cut(written.reduce((left, one) => left.replaceAll(one, MARK), given));
  return { url: text(url).replace(/[?#].*$/s, ""), text };
}
