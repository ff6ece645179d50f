/**
 * What goes over the wire, compared request by request with what the official clients sent. A file of cases gives its calls, the
 * recordings, and a table that says what is sent otherwise and why.
 *
 * @module
 */
import { type Client, createClient } from "@windkit/windmill-client";
import { assert, assertEquals } from "./assert.ts";
import { type Seen, serve, type Stub, withEnvironment } from "./_client_kit.ts";
import { noEnvironment } from "./env.ts";
import { test } from "./harness.ts";

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
  /** The call on a client of its own. */
  readonly client: (client: Client) => Promise<unknown>;
  /** The same call with the official name. */
  readonly top?: () => Promise<unknown>;
  /** Variables of the case, over those of a running job, for both ways. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A request with the name of the call that sent it. */
export type Recording = Sent & { readonly fn: string };

/** What is sent otherwise than recorded: changes of the recorded requests in order, or one more request before that at `at`. */
export interface WireDifference {
  readonly reason: string;
  readonly changes?: readonly Partial<Sent>[];
  readonly extra?: Partial<Sent> & { readonly at: number };
}

/** Cases of one file. */
export interface WireCases {
  readonly typescript: Readonly<Record<string, WireCase>>;
  /** Functions that the Python client has and the TypeScript client lacks, or calls in another way. */
  readonly python: Readonly<Record<string, WireCase>>;
  readonly recordings: { readonly typescript: readonly Recording[]; readonly python: readonly Recording[] };
  readonly differences: Readonly<Record<string, WireDifference>>;
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
  WM_ROOT_FLOW_JOB_ID: "rootflow",
  WM_STATE_PATH: "u/me/state",
};

function sent(stub: Stub): Sent[] {
  return stub.seen.map(({ method, target, headers, body }) => ({
    method,
    url: target,
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

/** What is expected of a case: the recorded requests with the difference that the table tells. */
function expected(
  name: string,
  recordings: readonly Recording[],
  { changes = [], extra }: Partial<WireDifference>,
  foreign: boolean,
): Sent[] {
  const list: Sent[] = recordings.filter(({ fn }) => fn === name).map(({ fn: _, ...request }) => {
    if (!foreign) return request;
    // The Python client sends "*/*" and a content type with every request, and JSON with spaces; what counts is the value.
    const accept = /\/jobs\/run\/|\/download_s3_file/.test(request.url) ? "*/*" : "application/json";
    const contentType = request.body === "" ? null : request.contentType;
    return { ...request, accept, contentType, body: compact(request.body) };
  });
  assert(list.length > 0, `Expected a recording of "${name}"`);
  changes.forEach((change, at) => list[at] = { ...list[at] as Sent, ...change });
  if (extra !== undefined) {
    const { at, ...request } = extra;
    list.splice(at, 0, request as Sent);
  }
  return list;
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
export function wireCases({ typescript, python, recordings, differences, answer }: WireCases): void {
  for (
    const [cases, found, foreign] of [
      [typescript, recordings.typescript, false],
      [python, recordings.python, true],
    ] as const
  ) {
    for (const [name, { client, top, env = {} }] of Object.entries(cases)) {
      const variables = { ...wireEnvironment, ...env };
      test(`wire: a client sends what the official one does for ${name}`, async () => {
        const stub = serveTexts(answer);
        const { BASE_INTERNAL_URL: baseUrl = "" } = variables;
        const options = { env: variables, baseUrl, workspace: "ws", token: "tok" };
        await ignoreOutcome(client(createClient({ ...options, fetch: stub.fetch })));
        assertEquals(sent(stub), expected(name, found, differences[name] ?? {}, foreign));
      });
      if (top === undefined) continue;
      test(`wire: the function of that name sends what the official one does for ${name}`, async () => {
        const stub = serveTexts(answer);
        await withEnvironment(variables, stub, () => ignoreOutcome(top()));
        assertEquals(sent(stub), expected(name, found, differences[name] ?? {}, foreign));
      }, noEnvironment);
    }
  }

  const all = [...recordings.typescript, ...recordings.python];
  test(`wire: every recorded function has a case, and every difference is one (${all[0]?.fn} and others)`, () => {
    const names = new Set(all.map(({ fn }) => fn));
    assertEquals([...Object.keys(typescript), ...Object.keys(python)].toSorted(), [...names].toSorted());
    for (const [name, { reason, changes = [], extra }] of Object.entries(differences)) {
      const found = all.filter(({ fn }) => fn === name);
      assert(reason.length > 20 && found.length > 0, `Expected a reason and a recording for "${name}"`);
      const changed = changes.some((change, at) =>
        Object.entries(change).some(([field, value]) => found[at]?.[field as keyof Sent] !== value)
      );
      assert(extra !== undefined || changed, `Expected a difference in "${name}"`);
    }
  });
}
