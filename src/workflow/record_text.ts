/**
 * The text of a record: one line of JSON, a tuple with a tag, and, after a newline, the recorded value in canonical form. The
 * value is kept apart so that it is never escaped into another text, and so that a reader can look at a record without
 * parsing a large value. A tuple, because a record of a small step then takes 80 bytes instead of 300.
 *
 * The documented form of a journal is the object (`JournalRecord`); this is how it is kept. Tags are never reused, elements are
 * only added at the end.
 *
 * @module
 */
import { SchemaTooNewError } from "../base/errors.ts";
import { hash64, isHash64 } from "../base/hash.ts";
import type {
  AbandonReason,
  Call,
  Failure,
  Fingerprint,
  JournalRecord,
  Json,
  Outcome,
  RecordBody,
  RunHeader,
  RunStatus,
} from "./journal.ts";

const KINDS = { task: "t", step: "s", sleep: "z", approval: "a", event: "e", child: "c", undo: "u" } as const;
const KIND_OF: Readonly<Record<string, Call["kind"]>> = Object.fromEntries(
  Object.entries(KINDS).map(([kind, tag]) => [tag, kind as Call["kind"]]),
);

/** Check value of a record: covers its text and, through `previous`, all records before it. */
export function chainCheck(previous: string, text: string): string {
  return hash64(text, previous);
}

/** True when `check` is a record's check value. */
export function isChainCheck(previous: string, text: string, check: string): boolean {
  return isHash64(text, previous, check);
}

/** Writes a record. `at` is in milliseconds since 1970. */
export function encodeRecord(body: RecordBody, at: number): string {
  switch (body.t) {
    case "settled": {
      const { key, after, outcome, fp, startedAt, by, inbox } = body;
      const head = `["${outcome.ok ? "s" : "f"}",${at},${JSON.stringify(key)},${after},${Math.max(0, at - startedAt)},${
        by === undefined ? 0 : JSON.stringify(by)
      }`;
      const value = outcome.ok ? outcome.value : JSON.stringify(outcome.failure);
      if (inbox !== undefined) return `${head},${inboxTail(fp, key, inbox)}]\n${value}`;
      return fp === undefined ? `${head}]\n${value}` : `${head},${fingerprintText(fp, key)}]\n${value}`;
    }
    case "called": {
      const { key, call, fp, dueAt = 0, ref = 0, by = 0 } = body;
      const args = "args" in call ? call.args : undefined;
      const bare = args === undefined ? call : { ...call, args: "" };
      const line = JSON.stringify(["c", at, key, bare, fp, dueAt, ref, by]);
      return args === undefined ? line : `${line}\n${args}`;
    }
    case "opened":
      return `${JSON.stringify(["o", at, { ...body.header, args: "" }])}\n${body.header.args}`;
    case "marker":
      return JSON.stringify(["m", at, body.name, body.after, body.value]);
    case "abandoned":
      return JSON.stringify(["a", at, body.key, body.after, body.why]);
    case "refused":
      return JSON.stringify(["n", at, body.key, body.inbox, body.reason]);
    case "dropped":
      return JSON.stringify(["d", at, body.after]);
    case "reopened":
      return JSON.stringify(["r", at, body.after]);
    case "cancelling":
      return JSON.stringify(["x", at, body.after, body.reason, body.graceUntil, body.deadline === true ? 1 : 0]);
    case "closed": {
      const { status, outcome, next = 0 } = body;
      const line = JSON.stringify(["z", at, status, outcome === undefined ? 0 : outcome.ok ? 1 : 2, next]);
      return outcome === undefined ? line : `${line}\n${outcome.ok ? outcome.value : JSON.stringify(outcome.failure)}`;
    }
  }
}

function fingerprintText(fp: Fingerprint, key: string): string {
  const { kind, name, digest, args, site, code } = fp;
  if (code !== undefined) return allElements(fp, key, 0);
  const head = `"${KINDS[kind]}",${name === key ? 0 : JSON.stringify(name)}`;
  if (site !== undefined) {
    return `${head},"${digest}",${args === undefined ? 0 : JSON.stringify(args)},${JSON.stringify(site)}`;
  }
  if (args !== undefined) return `${head},"${digest}",${JSON.stringify(args)}`;
  return digest === "" ? head : `${head},"${digest}"`;
}

/** All six elements, so that the message id has its place. */
function inboxTail(fp: Fingerprint | undefined, key: string, inbox: string): string {
  return fp === undefined ? `0,0,0,0,0,${JSON.stringify(inbox)}` : allElements(fp, key, inbox);
}

function allElements({ kind, name, digest, args, site, code }: Fingerprint, key: string, inbox: string | 0): string {
  const elements = [KINDS[kind], name === key ? 0 : name, digest, args ?? 0, site ?? 0, inbox];
  return JSON.stringify(code === undefined ? elements : [...elements, code]).slice(1, -1);
}

/**
 * Reads a record back.
 *
 * @throws SchemaTooNewError when the record is of a kind that this version does not know, Error when the text is no record
 */
export function decodeRecord(text: string, seq: number): JournalRecord {
  const cut = text.indexOf("\n");
  const head: unknown = JSON.parse(cut < 0 ? text : text.slice(0, cut));
  const value = cut < 0 ? "" : text.slice(cut + 1);
  if (!Array.isArray(head) || typeof head[1] !== "number") {
    throw new Error("Cannot read a record: it is no tuple with a time");
  }
  const at = head[1];
  switch (head[0]) {
    case "s":
    case "f": {
      const [tag, , key, after, took, by, kind, name, digest, args, site, inbox, code] =
        head as unknown as SettledTuple;
      const outcome: Outcome = tag === "s" ? { ok: true, value } : { ok: false, failure: JSON.parse(value) as Failure };
      // Most records of a journal are these: fields are set one by one because a spread of each costs as much as the parsing.
      const record: Settled = { t: "settled", seq, at, key, after, startedAt: at - took, outcome };
      if (typeof by === "string") record.by = by;
      if (typeof kind === "string") {
        const fp = fingerprintOf(kind, typeof name === "string" ? name : key, digest || "", args, site);
        record.fp = typeof code === "string" ? { ...fp, code } : fp;
      }
      if (typeof inbox === "string") record.inbox = inbox;
      return record;
    }
    case "c": {
      const [, , key, bare, fp, dueAt, ref, by] = head as unknown as CalledTuple;
      return {
        t: "called",
        seq,
        at,
        key,
        call: cut < 0 ? bare : { ...bare, args: value } as Call,
        fp,
        ...(dueAt === 0 ? undefined : { dueAt }),
        ...(ref === 0 ? undefined : { ref }),
        ...(by === 0 ? undefined : { by }),
      };
    }
    case "o":
      return { t: "opened", seq, at, header: { ...(head[2] as RunHeader), args: value } };
    case "m":
      return { t: "marker", seq, at, name: head[2] as string, after: head[3] as number, value: head[4] as Json };
    case "a":
      return {
        t: "abandoned",
        seq,
        at,
        key: head[2] as string,
        after: head[3] as number,
        why: head[4] as AbandonReason,
      };
    case "n":
      return {
        t: "refused",
        seq,
        at,
        key: head[2] as string,
        inbox: head[3] as string,
        reason: head[4] as string,
      };
    case "d":
      return { t: "dropped", seq, at, after: head[2] as number };
    case "r":
      return { t: "reopened", seq, at, after: head[2] as number };
    case "x":
      return {
        t: "cancelling",
        seq,
        at,
        after: head[2] as number,
        reason: head[3] as string,
        graceUntil: head[4] as number,
        ...(head[5] === 1 ? { deadline: true } : undefined),
      };
    case "z": {
      const [, , status, kind, next] = head as unknown as readonly [string, number, RunStatus, number, string | 0];
      return {
        t: "closed",
        seq,
        at,
        status,
        ...(kind === 0 ? undefined : {
          outcome: kind === 1 ? { ok: true, value } : { ok: false, failure: JSON.parse(value) as Failure },
        }),
        ...(next === 0 ? undefined : { next }),
      };
    }
    default:
      throw new SchemaTooNewError(
        `Cannot read a record: its kind is ${JSON.stringify(head[0])}, which this version does not know`,
      );
  }
}

type Settled = { -readonly [K in keyof SettledRecord]: SettledRecord[K] };
type SettledRecord = Extract<JournalRecord, { readonly t: "settled" }>;

type SettledTuple = readonly [
  tag: string,
  at: number,
  key: string,
  after: number,
  took: number,
  by: string | 0,
  kind?: string | 0,
  name?: string | 0,
  digest?: string | 0,
  args?: string | 0,
  site?: string | 0,
  inbox?: string | 0,
  code?: string,
];

type CalledTuple = readonly [
  tag: string,
  at: number,
  key: string,
  call: Call,
  fp: Fingerprint,
  dueAt: number | 0,
  ref: string | 0,
  by: string | 0,
];

function fingerprintOf(
  tag: string,
  name: string,
  digest: string,
  args: string | 0 | undefined,
  site: string | 0 | undefined,
): Fingerprint {
  const kind = KIND_OF[tag];
  if (kind === undefined) {
    throw new SchemaTooNewError(
      `Cannot read a record: the call's kind is ${JSON.stringify(tag)}, which this version does not know`,
    );
  }
  if (typeof site === "string") {
    return typeof args === "string" ? { kind, name, digest, args, site } : { kind, name, digest, site };
  }
  return typeof args === "string" ? { kind, name, digest, args } : { kind, name, digest };
}
