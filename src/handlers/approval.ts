/**
 * A page, and endpoints in JSON, that show a Windmill approval and take the answer.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import { hasCode, type WindmillApiError } from "../base/errors.ts";
import { fieldsOf } from "../forms/fields.ts";
import { type FormAnswer, readForm } from "../forms/values.ts";
import { randomBytes } from "../platform/random.ts";
import type { ClientOptions } from "../sdk/connection.ts";
import { isRecord } from "../wire/answer.ts";
import { type ApprovalInfo, type ApprovalLink, readApproval, sendAnswer } from "./approval_info.ts";
import { onOwnHost } from "./_own_host.ts";
import { readLink } from "./approval_link.ts";
import { answeredPage, askingPage, type PageFrame, refusalPage } from "./approval_page.ts";
import { readPayload } from "./approval_values.ts";
import { type Connection, connectionOf, type Handler, type HandlerContext } from "./handler.ts";
import { readBody } from "./webhook_event.ts";

/** Options of {@linkcode approval}. */
export interface ApprovalOptions extends Connection {
  /**
   * Lets a request see and answer the approval of a job although it brings no signed link; its answer is that of this deployment's
   * own token. Look at who asks: a session, a header of the proxy before it.
   *
   * @default nobody without a signed link
   */
  readonly authorize?: (
    request: Request,
    approval: { readonly job: string },
    context: HandlerContext,
  ) => boolean | Promise<boolean>;
  /** Name above the question, and in the title of the page. @default "Approval" */
  readonly title?: string;
  /** Most bytes of an answer. @default 1048576 */
  readonly maxBodyBytes?: number;
  /** Is told of what went wrong with status 500 or more: answers say little of it. */
  readonly onError?: (error: unknown, request: Request) => void;
}

/** What is answered instead of an approval. */
class Refusal extends Error {
  readonly status: number;
  readonly kind: string;
  constructor(message: string, status: number, kind: string) {
    super(message);
    this.status = status;
    this.kind = kind;
  }
}

/** How long the page that was opened can be sent, in seconds. */
const FORM_SECONDS = 12 * 3600;

/** What a server says of an answer is shown up to this length. */
const MAX_WORDS = 500;

/** One request, and what its answer is made with. */
interface Visit {
  readonly request: Request;
  readonly address: URL;
  /** The answer is JSON. */
  readonly asJson: boolean;
  readonly frame: PageFrame;
  /** Goes with the form, and is in the cookie. */
  readonly formToken: string;
  /** The cookie came with the request. */
  readonly known: boolean;
}

function cookieName({ protocol }: URL): string {
  // Only a page of this very host can set one of that prefix; it is for addresses that are safe.
  return protocol === "https:" ? "__Host-windkit_form" : "windkit_form";
}

function visitOf(request: Request, title: string): Visit {
  const { headers } = request;
  const address = new URL(request.url);
  const accept = headers.get("accept") ?? "", type = headers.get("content-type") ?? "";
  const name = `${cookieName(address)}=`;
  const cookie = (headers.get("cookie") ?? "").split(/;\s*/).find((one) => one.startsWith(name))?.slice(name.length);
  const known = cookie !== undefined && /^[\da-f]{32}$/.test(cookie);
  return {
    request,
    address,
    asJson: /json/.test(accept) && !/html/.test(accept) || (!/html/.test(accept) && isJson(type)),
    frame: { nonce: toHex(randomBytes(16)), title },
    formToken: known ? cookie : toHex(randomBytes(16)),
    known,
  };
}

function isJson(type: string): boolean {
  return /^application\/json\s*(?:;|$)/i.test(type);
}

/** Headers of every answer: nothing but its own style and form is carried out, and nobody shows it in a frame. */
function guardHeaders({ frame, address, formToken }: Visit): Record<string, string> {
  const secure = address.protocol === "https:" ? "; Secure" : "";
  return {
    "content-security-policy":
      `default-src 'none'; style-src 'nonce-${frame.nonce}'; img-src data:; form-action 'self'; ` +
      "base-uri 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    // The address is a secret. With no referrer at all a browser would say no origin with the form either.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    vary: "accept, cookie",
    "set-cookie": `${
      cookieName(address)
    }=${formToken}; Path=/; Max-Age=${FORM_SECONDS}; HttpOnly; SameSite=Strict${secure}`,
  };
}

function answerOf(visit: Visit, status: number, html: () => string, json: unknown): Response {
  const { asJson, request } = visit;
  const { "set-cookie": cookie = "", ...headers } = guardHeaders(visit);
  const body = request.method === "HEAD" ? null : asJson ? JSON.stringify(json) : html();
  const type = asJson ? "application/json" : "text/html; charset=utf-8";
  return new Response(body, {
    status,
    headers: { ...headers, "content-type": type, ...(!asJson && { "set-cookie": cookie }) },
  });
}

/** Refuses what another page made a browser send. */
function checkOrigin({ request, address }: Visit): void {
  const { headers } = request;
  const site = headers.get("sec-fetch-site"), origin = headers.get("origin");
  if (site === "same-origin") return;
  // Before it there may be a proxy that speaks TLS: the scheme is not compared.
  const sameHost = origin === null || (URL.canParse(origin) && new URL(origin).host === address.host);
  if ((site === null || site === "none") && sameHost) return;
  throw new Refusal("The answer came from a page of another origin", 403, "ForbiddenError");
}

function sameText(a: string, b: string): boolean {
  let differ = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) differ |= a.charCodeAt(at) ^ b.charCodeAt(at % b.length);
  return differ === 0;
}

/** What is told of an error; Windmill's words about a link or an address are not. */
function told(
  error: unknown,
  signed: boolean,
): { readonly status: number; readonly kind: string; readonly message: string } {
  if (error instanceof Refusal) return error;
  const { code, name, message, status } = Object(error);
  switch (code) {
    case "WEBHOOK_REJECTED":
      return status === 413
        ? { status, kind: "PayloadTooLargeError", message }
        : { status, kind: "InputError", message };
    case "CONFIGURATION":
      return { status: 500, kind: name, message };
    case "DEADLINE_EXCEEDED":
      return { status: 504, kind: name, message: "Windmill took too long" };
    case "WINDMILL_API":
      if (signed && status >= 400 && status < 500 && status !== 429) {
        return { status: 403, kind: "ForbiddenError", message: "This link is not one that Windmill signed" };
      }
      if (status === 400 || status === 404) {
        return { status: 404, kind: "NotFoundError", message: "Windmill knows no such approval" };
      }
      return {
        status: 502,
        kind: name,
        message: status > 0 ? `Windmill answered ${status}` : "Windmill gave no answer",
      };
    default:
      return { status: 500, kind: "InternalError", message: "The approval could not be shown" };
  }
}

/** What was sent: an answer, and what it was filled in with. */
interface Sent {
  readonly approved: boolean;
  readonly answer: FormAnswer;
  readonly payload: unknown;
  /** The form is not of the page that this browser has now. */
  readonly stale: boolean;
}

/**
 * Makes a handler with a page on which a Windmill approval is answered, for people who have no account of the workspace. GET shows
 * what is asked, with a form of the schema that the workflow gave; POST approves or rejects. GET never answers: programs that look
 * at links in mails change nothing. Where JSON is accepted, both speak JSON.
 *
 * Whoever has a signed link may answer: job, number and signature (good once) or the token of Windmill's own page are in the query
 * (`approvalLink()`) or in placeholders of the route (`/approve/:job/:resume_id/:signature`), and Windmill checks them. The
 * deployment's token has no part in that. `authorize` lets others in, with the deployment's rights.
 *
 * The page has no script, and works without. Forms go with a token that is in a cookie of `SameSite=Strict` too, and are taken from
 * the page's own origin only; a policy allows the page's own style and nothing else, and no frame.
 *
 * @param options who is let in, and where Windmill is
 * @returns a handler
 *
 * @example
 * ```ts
 * import { approval } from "@windkit/windmill-client/handlers";
 *
 * const handler = approval({ title: "Coffee & Co", client: { baseUrl: "https://windmill.example", workspace: "shop" } });
 * const answer = await handler(new Request("https://edge.example/approve?job=1"));
 * if (answer.status !== 403) throw new Error("It is no signed link");
 * ```
 */
export function approval(options: ApprovalOptions = {}): Handler {
  const { authorize, title = "Approval", maxBodyBytes = 1_048_576, onError } = options;

  async function admit(visit: Visit, context: HandlerContext): Promise<ApprovalLink> {
    const link = readLink(visit.address, context.params);
    if (link?.signed !== undefined || link?.token !== undefined) return link;
    if (link !== undefined && await authorize?.(visit.request, { job: link.job }, context) === true) return link;
    throw new Refusal("This address is not the whole link of an approval", 403, "ForbiddenError");
  }

  function shown(
    visit: Visit,
    info: ApprovalInfo,
    link: ApprovalLink,
    more: Partial<Sent> & { problem?: string },
    status: number,
  ) {
    const { answer, problem } = more;
    const { key: _, endsAt, ...rest } = info;
    const approver = link.signed?.approver;
    const errors = answer === undefined ? [] : [...answer.errors];
    const message = problem ?? (errors.length > 0 ? "The answer does not fit the form" : undefined);
    const page = {
      info,
      fields: fieldsOf(info.form, info.defaults),
      formToken: visit.formToken,
      approver,
      answer,
      problem,
    };
    return answerOf(visit, status, () => askingPage(visit.frame, page), {
      ...(message !== undefined && {
        error: {
          name: status === 409 ? "ConflictError" : status === 403 ? "ForbiddenError" : "ValidationError",
          message,
          fields: Object.fromEntries(errors),
        },
      }),
      ...(status === 200 && { ...rest, ...(endsAt !== undefined && { endsAt: new Date(endsAt).toISOString() }) }),
    });
  }

  async function readSent(visit: Visit, info: ApprovalInfo): Promise<Sent> {
    const { request } = visit;
    const fields = fieldsOf(info.form, info.defaults);
    const type = request.headers.get("content-type") ?? "";
    const bytes = await readBody(request, maxBodyBytes);
    if (isJson(type)) {
      const body = parse(bytes);
      if (!isRecord(body) || typeof body.approved !== "boolean") {
        throw new Refusal("Expected JSON with 'approved', true or false, and 'payload'", 400, "InputError");
      }
      const { approved, payload = {} } = body;
      if (fields.length === 0) return { approved, payload, answer: readForm([], new URLSearchParams()), stale: false };
      const answer = readPayload(fields, isRecord(payload) ? payload : {});
      return { approved, answer, payload: answer.values, stale: false };
    }
    if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type)) {
      throw new Refusal("Expected a form or JSON", 415, "UnsupportedMediaTypeError");
    }
    const sent = new URLSearchParams(new TextDecoder().decode(bytes));
    const choice = sent.get("answer");
    const answer = readForm(fields, sent);
    if (choice !== "approve" && choice !== "reject") {
      throw new Refusal("Expected an answer: approve or reject", 400, "InputError");
    }
    const stale = !visit.known || !sameText(sent.get("form_token") ?? "", visit.formToken);
    return { approved: choice === "approve", answer, payload: answer.values, stale };
  }

  async function take(visit: Visit, info: ApprovalInfo, link: ApprovalLink, client: ClientOptions): Promise<Response> {
    const sent = await readSent(visit, info);
    const { approved, answer, payload, stale } = sent;
    if (info.answered || !info.pending) {
      return shown(visit, info, link, { problem: "It does not wait for an answer now" }, 409);
    }
    if (!info.canAnswer || (info.hideCancel && !approved)) {
      throw new Refusal(approved ? "You may not answer this one" : "It cannot be rejected", 403, "ForbiddenError");
    }
    if (stale) {
      // What was filled in is not lost: the page that is shown now has the token of its cookie.
      const problem = "This page was open for too long, or this browser keeps no cookie of it. Send it again";
      return shown(visit, info, link, { answer, problem }, 403);
    }
    // Who rejects need not have filled in anything.
    if (approved && answer.errors.size > 0) return shown(visit, info, link, { answer }, 422);
    try {
      await sendAnswer(client, link, approved, payload, info.key);
    } catch (error) {
      if (!hasCode(error, "WINDMILL_API")) throw error;
      const { status, body } = error as WindmillApiError;
      if (status !== 400 && status !== 422) throw error;
      // What the form could not know, in the workflow's words: what was filled in is not lost.
      const problem = body.trim().replace(/^Bad request: /, "").slice(0, MAX_WORDS) || "Windmill did not take it";
      const again = /already (?:been )?sent/.test(body);
      return shown(visit, again ? { ...info, answered: true } : info, link, { answer, problem }, again ? 409 : 422);
    }
    return answerOf(visit, 200, () => answeredPage(visit.frame, info, approved), { job: info.job, approved });
  }

  async function serve(visit: Visit, context: HandlerContext): Promise<Response> {
    const { request } = visit;
    const asks = /^(?:GET|HEAD)$/.test(request.method);
    if (!asks && request.method !== "POST") {
      throw new Refusal(`Expected GET or POST, found ${request.method}`, 405, "MethodNotAllowedError");
    }
    if (!asks) checkOrigin(visit);
    const link = await admit(visit, context);
    // What a redirect leads to elsewhere is not Windmill's word about an approval.
    const client = onOwnHost(await connectionOf(options, request, context));
    const info = await readApproval(client, link);
    return asks ? shown(visit, info, link, {}, 200) : await take(visit, info, link, client);
  }

  return async (request, context = {}) => {
    const visit = visitOf(request, title);
    try {
      return await serve(visit, context);
    } catch (error) {
      const { status, kind, message } = told(
        error,
        ["signature", "token"].some((part) =>
          (context.params?.[part] ?? visit.address.searchParams.get(part)) !== null
        ),
      );
      if (status >= 500) report(error, request, onError);
      const answer = answerOf(visit, status, () => refusalPage(visit.frame, status, message), {
        error: { name: kind, message },
      });
      if (status === 405) answer.headers.set("allow", "GET, HEAD, POST");
      return answer;
    }
  };
}

function report(error: unknown, request: Request, onError: ApprovalOptions["onError"]): void {
  try {
    onError?.(error, request);
  } catch {
    // Whoever reports errors must not make an answer of it.
    return;
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
