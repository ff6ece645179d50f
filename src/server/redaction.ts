/**
 * Finds values in texts that must not be seen, in the forms that they take on their way: as they are, escaped for JSON, for an
 * address, in base 64 wherever they stand in the bytes, and in hex.
 *
 * One pass over the text whatever the number of values: two characters are looked up in a bitmap, and only where that has them, the
 * text is followed through a tree of all forms.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** Remembers values and hides them. */
export interface Redactor {
  /** Remembers a value; one under four characters is not. */
  remember(value: string): void;
  /** The text with remembered values replaced by `***`. */
  redact(text: string): string;
  /** True when a remembered value is in the text. */
  holds(text: string): boolean;
  /** Where a remembered value may begin of which the text has no more than the beginning; the text's length when none does. */
  cutAt(text: string): number;
}

/** What may follow the characters that lead to it. */
interface Node {
  /** Absent as long as few forms begin so: they are in `forms` then, wherever they end. */
  next?: Map<number, Node>;
  /** Forms that end here, or go on where the tree ends; the longest first. */
  forms: readonly string[];
}

/** The tree holds so many characters of a form: a value of a megabyte is one text, not a million nodes. */
const MAX_DEPTH = 32;
/** So many forms are looked at one by one before there is a branch for each: a value takes a few nodes, not some hundred. */
const MOST_FORMS = 8;

/** Under this, a value would hide half of a log. */
const LEAST_VALUE = 4;
/** Under this, an encoded piece of a value is found by chance. */
const LEAST_ENCODED = 8;
const HIDDEN = "***";

/**
 * Makes a redactor that knows no value.
 *
 * @returns the redactor
 */
export function createRedactor(): Redactor {
  const known = new Set<string>();
  const forms = new Set<string>();
  /** One bit for each hash of two characters that a form begins with. */
  const starts = new Uint32Array(2048);
  const root: Node = { forms: [] };
  let longestForm = 0;

  function add(form: string): void {
    if (form.length < LEAST_VALUE || forms.has(form)) return;
    forms.add(form);
    longestForm = Math.max(longestForm, form.length);
    const at = startOf(form.charCodeAt(0), form.charCodeAt(1));
    starts[at >> 5] = (starts[at >> 5] ?? 0) | (1 << (at & 31));
    put(root, form, 0);
  }

  function put(from: Node, form: string, fromDepth: number): void {
    let node = from, depth = fromDepth;
    while (node.next !== undefined && depth < form.length) {
      const char = form.charCodeAt(depth++);
      const next: Node = node.next.get(char) ?? { forms: [] };
      node.next.set(char, next);
      node = next;
    }
    node.forms = [...node.forms, form].sort((a, b) => b.length - a.length);
    if (node.next !== undefined || depth >= MAX_DEPTH || node.forms.length <= MOST_FORMS) return;
    const longer = node.forms.filter(({ length }) => length > depth);
    node.forms = node.forms.filter(({ length }) => length <= depth);
    node.next = new Map();
    for (const one of longer) put(node, one, depth);
  }

  /** Length of the longest form that begins at a place; 0 when none does. */
  function lengthAt(text: string, from: number): number {
    let node: Node | undefined = root;
    let longest = 0;
    for (let i = from; node !== undefined; i++) {
      longest = node.forms.find((form) => text.startsWith(form, from))?.length ?? longest;
      node = i < text.length ? node.next?.get(text.charCodeAt(i)) : undefined;
    }
    return longest;
  }

  /** True when the text ends inside of a form that begins at a place. */
  function isCut(text: string, from: number): boolean {
    const rest = text.slice(from);
    let node: Node | undefined = root;
    for (let i = 0; node !== undefined; i++) {
      if (node.forms.some((form) => form.length > rest.length && form.startsWith(rest))) return true;
      if (i === rest.length) return node.next !== undefined;
      node = node.next?.get(rest.charCodeAt(i));
    }
    return false;
  }

  function mayStart(first: number, second: number): boolean {
    const at = startOf(first, second);
    return ((starts[at >> 5] ?? 0) & (1 << (at & 31))) !== 0;
  }

  return {
    remember(value) {
      if (value.length < LEAST_VALUE || known.has(value)) return;
      known.add(value);
      for (const form of formsOf(value)) add(form);
      // A key of many lines is printed line by line.
      if (!value.includes("\n")) return;
      for (const line of value.split("\n").map((one) => one.trim())) {
        if (line.length >= LEAST_ENCODED) { for (const form of formsOf(line)) add(form); }
      }
    },
    redact(text) {
      if (forms.size === 0) return text;
      let out = "";
      /** Where the last hidden piece ends: everything before it is in `out`. */
      let hiddenTo = -1;
      const last = text.length - LEAST_VALUE;
      let first = text.charCodeAt(0);
      for (let i = 0; i <= last; i++) {
        const second = text.charCodeAt(i + 1);
        const may = mayStart(first, second);
        first = second;
        if (!may) continue;
        const length = lengthAt(text, i);
        if (length === 0) continue;
        // Two values may overlap: what covers either is hidden.
        if (i > hiddenTo) out += text.slice(Math.max(0, hiddenTo), i) + HIDDEN;
        hiddenTo = Math.max(hiddenTo, i + length);
      }
      return hiddenTo < 0 ? text : out + text.slice(hiddenTo);
    },
    holds(text) {
      if (forms.size === 0) return false;
      const last = text.length - LEAST_VALUE;
      let first = text.charCodeAt(0);
      for (let i = 0; i <= last; i++) {
        const second = text.charCodeAt(i + 1);
        if (mayStart(first, second) && lengthAt(text, i) > 0) return true;
        first = second;
      }
      return false;
    },
    cutAt(text) {
      if (forms.size === 0) return text.length;
      for (let i = Math.max(0, text.length - longestForm + 1); i < text.length; i++) {
        const isLast = i === text.length - 1;
        if ((isLast || mayStart(text.charCodeAt(i), text.charCodeAt(i + 1))) && isCut(text, i)) return i;
      }
      return text.length;
    },
  };
}

function startOf(first: number, second: number): number {
  return (first * 31 + second) & 0xffff;
}

function formsOf(value: string): readonly string[] {
  const bytes = Buffer.from(value, "utf8");
  const json = JSON.stringify(value).slice(1, -1);
  const percent = encodeURIComponent(toWellFormed(value));
  const encoded = [
    json,
    // Printed as JSON inside of JSON.
    JSON.stringify(json).slice(1, -1),
    percent,
    new URLSearchParams([["", value]]).toString().slice(1),
    // What leaves of an address are left as they are differs from one encoder to the next.
    percent.replace(/[!'()*~]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`),
    percent.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    ...[0, 1, 2].flatMap((offset) => {
      const text = base64Within(bytes, offset);
      return [text, text.replaceAll("+", "-").replaceAll("/", "_")];
    }).filter((text) => text.length >= LEAST_ENCODED),
    ...[bytes.toString("hex"), bytes.toString("hex").toUpperCase()].filter((text) => text.length >= LEAST_ENCODED),
  ];
  return [value, ...encoded];
}

/** The characters of base 64 that depend on nothing but the value, when `offset` bytes of a group stand before it. */
function base64Within(bytes: Uint8Array, offset: number): string {
  const padded = new Uint8Array(offset + bytes.length);
  padded.set(bytes, offset);
  const from = Math.ceil(offset * 8 / 6);
  const to = Math.floor(padded.length * 8 / 6);
  return Buffer.from(padded).toString("base64").slice(from, to);
}

/** Lone surrogates would make `encodeURIComponent` throw. */
function toWellFormed(text: string): string {
  return text.replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g, "\uFFFD");
}
