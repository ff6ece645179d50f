/**
 * What goes over the wire, compared request by request with what the official clients sent. A file of cases gives its calls and
 * the recordings; what is sent otherwise, and why, is in the table of `wire_differences.ts`.
 *
 * @module
 */
import { type Client, createClient } from "@windkit/windmill-client";
import { assert, assertEquals, same } from "./assert.ts";
import { type Seen, serve, stillClock, type Stub, withEnvironment } from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import { test } from "./harness.ts";
import { type WireDifference, wireDifferences } from "./wire_differences.ts";

/** One request. */
export interface Sent {
  readonly method: string;
  readonly url: string;
  readonly accept: string | null;
  readonly contentType: string | null;
  readonly authorization: string | null;
  readonly body: string;
}

/** One call, two ways. */
export interface WireCase {
  /** The call on a client of its own; none where a client has no such function. */
  readonly client?: (client: Client) => Promise<unknown>;
  /** The same call with the official name. */
  readonly top?: () => Promise<unknown>;
  /** Variables of the case, over those of a running job, for both ways. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A request with the name of the call that sent it. */
export type Recording = Sent & { readonly fn: string };

/** How a recorded request is changed: fields that are replaced, and parts of a body about SQL. */
export interface WireChange extends Partial<Sent> {
  /** Texts in the content: what is recorded, and what is sent instead. */
  readonly content?: readonly (readonly [recorded: string, sent: string])[];
  /** The arguments that are sent instead. */
  readonly args?: Readonly<Record<string, unknown>>;
}

/** Cases of one file. */
export interface WireCases {
  readonly typescript: Readonly<Record<string, WireCase>>;
  /** Functions that the Python client has and the TypeScript client lacks, or calls in another way. */
  readonly python: Readonly<Record<string, WireCase>>;
  readonly recordings: { readonly typescript: readonly Recording[]; readonly python: readonly Recording[] };
  /** What bodies are compared by: their texts, or what they say. @default "text" */
  readonly bodies?: "text" | "value";
  /** Answers as the server did that the requests were recorded from. */
  readonly answer: (request: Seen) => Response;
}

/** Variables of the job that the requests were recorded in. */
export const wireEnvironment: Readonly<Record<string, string>> = {
  BASE_INTERNAL_URL: "http://stub.test/",
  WM_WORKSPACE: "ws",
  WM_TOKEN: "tok",
  WM_JOB_ID: "job-self",
  WM_JOB_PATH: "u/me/self",
  WM_FLOW_JOB_ID: "flow-1",
  WM_FLOW_STEP_ID: "a",
  WM_ROOT_FLOW_JOB_ID: "rootflow",
  WM_STATE_PATH: "u/me/state",
};

/** The number in the address of a resume is drawn anew each time. */
function withoutNonce(url: string): string {
  return url.replace(/(\/resume_urls\/[^/]+\/)\d+/, "$1NONCE");
}

function sent(stub: Stub): Sent[] {
  return stub.seen.map(({ method, target, headers, body }) => ({
    method,
    url: withoutNonce(target),
    accept: headers.get("accept"),
    contentType: headers.get("content-type"),
    authorization: headers.get("authorization"),
    body,
  }));
}

/** JSON without spaces; other texts as they are. */
function compact(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body));
  } catch {
    return body;
  }
}

/** The requests that were recorded of a function, in this client's spelling where the value is the same. */
function recorded(name: string, recordings: readonly Recording[], foreign: boolean): Sent[] {
  return recordings.filter(({ fn }) => fn === name).map(({ fn: _, ...request }) => {
    const url = withoutNonce(request.url);
    if (!foreign) return { ...request, url };
    // The Python client sends "*/*" and a content type with every request, and JSON with spaces; what counts is the value.
    const accept = /\/jobs\/run\/|\/download_s3_file|\/record_materialization/.test(url) ? "*/*" : "application/json";
    const contentType = request.body === "" ? null : request.contentType;
    return { ...request, url, accept, contentType, body: compact(request.body) };
  });
}

/** A request with a change, all of which must change something. */
function changed(request: Sent | undefined, { content = [], args, ...fields }: WireChange, name: string): Sent {
  assert(request !== undefined, `Expected a recorded request of "${name}" for each of its changes`);
  for (const [field, value] of Object.entries(fields)) {
    assert(request[field as keyof Sent] !== value, `Expected another ${field} than the recorded one in "${name}"`);
  }
  if (content.length === 0 && args === undefined) return { ...request, ...fields };
  const body = JSON.parse(request.body);
  for (const [from, to] of content) {
    assert(from !== to && body.content.includes(from), `Expected "${from}" in "${name}": ${body.content}`);
    body.content = body.content.replaceAll(from, to);
  }
  assert(!same(body.args, args), `Expected other arguments than the recorded ones in "${name}"`);
  return { ...request, ...fields, body: JSON.stringify(args === undefined ? body : { ...body, args }) };
}

/** What is expected of a case: the recorded requests with the difference that the table tells. */
function expected(
  name: string,
  recordings: readonly Recording[],
  { changes = [], extra, nothing }: Partial<WireDifference>,
  foreign: boolean,
): Sent[] {
  const list = recorded(name, recordings, foreign);
  assert(list.length > 0, `Expected a recording of "${name}"`);
  changes.forEach((change, at) => list[at] = changed(list[at], change, name));
  if (extra !== undefined) {
    const { at, ...request } = extra;
    list.splice(at, 0, request);
  }
  return nothing ? [] : list;
}

/** A server in memory that sees every body as text. */
function serveTexts(answer: (request: Seen) => Response): Stub {
  const { seen, fetch } = serve(answer);
  return {
    seen,
    fetch: async (url, init) => {
      const { body = null } = init;
      return await fetch(url, typeof body === "string" ? init : { ...init, body: await new Response(body).text() });
    },
  };
}

async function ignoreOutcome(call: Promise<unknown>): Promise<void> {
  // Recorded calls fail too, on purpose: here only what was sent counts.
  await call.then(() => undefined, () => undefined);
}

/** Adds the cases, and one that every recorded call has a case. */
export function wireCases({ typescript, python, recordings, bodies = "text", answer }: WireCases): void {
  function compare(actual: readonly Sent[], wanted: readonly Sent[]): void {
    const read = (one: Sent) => bodies === "text" ? one : { ...one, body: JSON.parse(one.body) };
    assertEquals(actual.map(read), wanted.map(read));
  }

  for (const [kind, cases] of [["typescript", typescript], ["python", python]] as const) {
    const wanted = (name: string) =>
      expected(name, recordings[kind], wireDifferences[kind][name] ?? {}, kind === "python");
    for (const [name, { client, top, env = {} }] of Object.entries(cases)) {
      const variables = { ...wireEnvironment, ...env };
      if (client !== undefined) {
        test(`wire: a client sends what the official ${kind} one does for ${name}`, async () => {
          const stub = serveTexts(answer);
          const { BASE_INTERNAL_URL: baseUrl = "" } = variables;
          const more = { baseUrl, workspace: "ws", token: "tok", clock: stillClock() };
          await ignoreOutcome(client(createClient({ env: variables, fetch: stub.fetch, ...more })));
          compare(sent(stub), wanted(name));
        });
      }
      if (top === undefined) continue;
      test(`wire: the function of that name sends what the official ${kind} one does for ${name}`, async () => {
        const stub = serveTexts(answer);
        await withEnvironment(variables, stub, () => ignoreOutcome(top()));
        compare(sent(stub), wanted(name));
      }, noEnvironment);
    }
  }

  const [first] = [...recordings.typescript, ...recordings.python];
  test(`wire: every recorded function has a case, and every difference is one (${first?.fn} and others)`, () => {
    for (const [kind, cases] of [["typescript", typescript], ["python", python]] as const) {
      const names = new Set(recordings[kind].map(({ fn }) => fn));
      assertEquals(Object.keys(cases).toSorted(), [...names].toSorted());
      for (const name of names) {
        const { [name]: difference } = wireDifferences[kind];
        if (difference === undefined) continue;
        assert(difference.reason.length > 20, `Expected a reason for "${name}"`);
        const found = recorded(name, recordings[kind], kind === "python");
        const wanted = expected(name, recordings[kind], difference, kind === "python");
        assert(!same(found, wanted), `Expected a difference in "${name}"`);
      }
    }
  });
}
