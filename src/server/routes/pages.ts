/**
 * The pages, and where their live updates come from.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { sha256 } from "../../engine/sha256.ts";
import { fieldsOf } from "../../forms/fields.ts";
import { type Html, renderHtml, urlPath } from "../../forms/html.ts";
import { readForm } from "../../forms/values.ts";
import { answeredPage, approvalPage } from "../../ui/approval.ts";
import { logText } from "../../ui/format.ts";
import { type Frame, loginPage, problemsLink, refusalPage } from "../../ui/page.ts";
import { actionsHtml, liveParts, type RunPage, runPage } from "../../ui/run.ts";
import { RUN_STATES, type RunFilter, runListHtml, runPagerHtml, type RunsPage, runsPage } from "../../ui/runs.ts";
import { PAGE_SCRIPT } from "../../ui/script.ts";
import { problemListHtml, problemsPage, type ScriptPage, scriptPage, scriptsPage } from "../../ui/scripts.ts";
import type { RunView } from "../../ui/state.ts";
import { PAGE_STYLE } from "../../ui/style.ts";
import { denied, notFound, Refusal, type RefusalStatus } from "../../wire/refusal.ts";
import type { Json } from "../../workflow/journal.ts";
import { exactResult } from "../jobs/exact_result.ts";
import type { Approvals, Approver, FolderProblem, Job, JobQuery, Script, ServerContext } from "../ports.ts";
import {
  formTokenOf,
  guardHeaders,
  newNonce,
  personOf,
  readSentForm,
  requirePerson,
  shownValue,
} from "./_page_guard.ts";
import { changedParts, streamPage } from "./_page_stream.ts";
import { idParam, jobParam, param, queryNumber } from "./_request.ts";
import { scriptOptions } from "./_start.ts";

const PER_PAGE = 30;

/** Children that a timeline can have. */
const MAX_CHILDREN = 500;

/** What is wrong in the folder is looked up again after so long, or when something is saved: each script has to be looked at. */
const PROBLEMS_MS = 1000;

/** Longest piece of a log in one event. */
const PIECE_CHARS = 64 * 1024;

/** How often a timeline moves on while its run goes on. */
const TICK_MS = 1000;

/** So many jobs are known to be none of a run's: then they are looked at again. */
const MAX_OTHERS = 10_000;

/** The address of an asset changes with what it is: browsers keep it for ever. */
function assetsOf(): { readonly style: string; readonly script: string } {
  return {
    style: `/assets/windkit-${sha256(PAGE_STYLE).slice(0, 16)}.css`,
    script: `/assets/windkit-${sha256(PAGE_SCRIPT).slice(0, 16)}.js`,
  };
}

function filterOf(c: Context): RunFilter {
  const state = c.req.query("state") ?? "";
  return {
    path: (c.req.query("path") ?? "").slice(0, 500),
    state: RUN_STATES.some(([value]) => value === state) ? state : "",
    inner: c.req.query("inner") === "1",
    page: Math.min(Math.max(queryNumber(c, "page") ?? 1, 1), 1_000_000),
  };
}

function queryOf({ path, state, inner, page }: RunFilter): JobQuery {
  return {
    ...(path !== "" && { scriptPathStart: path }),
    ...(!inner && { hasNullParent: true }),
    ...(state === "running" && { running: true }),
    ...(state === "waiting" && { suspended: true }),
    ...(state === "queued" && { running: false, suspended: false }),
    ...((state === "success" || state === "failure" || state === "canceled") && { status: state }),
    offset: (page - 1) * PER_PAGE,
    limit: PER_PAGE,
  };
}

/** The routes of the pages; they are mounted at the root. */
export function pageRoutes(context: ServerContext): Hono {
  const { jobs, folder, secrets, workspace, clock } = context;
  const assets = assetsOf();
  const app = new Hono();

  let known: { readonly at: number; readonly problems: readonly FolderProblem[] } | undefined;

  function problemsNow(): readonly FolderProblem[] {
    const now = context.now();
    if (known === undefined || Math.abs(now - known.at) >= PROBLEMS_MS) known = { at: now, problems: folder.problems };
    return known.problems;
  }

  function watchFolder(onChange: () => void): Disposable {
    const watch = folder.watch(() => {
      known = undefined;
      onChange();
    });
    // What was known before is of a time of which a stream is not told.
    known = undefined;
    return watch;
  }

  async function frameOf(c: Context): Promise<Frame> {
    const signedIn = personOf(c) !== undefined;
    return {
      workspace: signedIn ? workspace : "",
      nonce: newNonce(),
      assets,
      now: context.now(),
      formToken: await formTokenOf(context, c),
      problems: signedIn ? problemsNow().length : 0,
      signedIn,
    };
  }

  function answer(frame: Frame, page: Html, status = 200): Response {
    return new Response(renderHtml(page), {
      status,
      headers: { "content-type": "text/html; charset=utf-8", ...guardHeaders(frame.nonce) },
    });
  }

  function redirect(path: string): Response {
    return new Response(null, { status: 303, headers: { location: path, "cache-control": "no-store" } });
  }

  async function refuse(c: Context, status: RefusalStatus, message: string): Promise<Response> {
    const frame = await frameOf(c);
    return answer(frame, refusalPage(frame, status, secrets.redact(message)), status);
  }

  app.onError(async (error, c) => {
    // The server's own handler hears of what is a fault of this package.
    if (!(error instanceof Refusal)) throw error;
    return await refuse(c, error.status, plainMessage(error));
  });

  // --- Runs ---

  function runsOf(filter: RunFilter): RunsPage {
    const query = queryOf(filter);
    return {
      filter,
      runs: jobs.list(query),
      total: jobs.count(query),
      perPage: PER_PAGE,
      running: jobs.count({ running: true, offset: 0, limit: 1 }),
    };
  }

  app.get("/", async (c) => {
    requirePerson(c);
    const frame = await frameOf(c);
    return answer(frame, runsPage(frame, runsOf(filterOf(c))));
  });

  app.get("/events", (c) => {
    requirePerson(c);
    const filter = filterOf(c), before = new Map<string, string>();
    return streamPage({
      clock,
      signal: c.req.raw.signal,
      subscribe: (onChange) => both(jobs.watchAll(onChange), watchFolder(onChange)),
      look: (send) => {
        const page = runsOf(filter);
        const parts = changedParts({
          "runs-list": renderHtml(runListHtml(page, context.now())),
          "runs-pager": renderHtml(runPagerHtml(page)),
          "nav-problems": renderHtml(problemsLink(problemsNow().length, false)),
        }, before);
        if (Object.keys(parts).length > 0) send("parts", parts);
        return undefined;
      },
    });
  });

  // --- One run ---

  /** Arguments as they may be seen: what was typed where it could not be read is hidden too. */
  function shownArgs({ args, hash }: Job): Readonly<Record<string, unknown>> {
    const schema = hash === undefined ? undefined : folder.scriptByHash(hash)?.schema;
    const hidden = new Set(fieldsOf(schema).filter(({ kind }) => kind === "password").map(({ name }) => name));
    return Object.fromEntries(
      Object.entries(args).map(([name, value]) => [
        secrets.redact(name),
        hidden.has(name) ? "***" : shownValue(secrets, value),
      ]),
    );
  }

  function shownRun(job: Job): RunView {
    return {
      ...job,
      args: shownArgs(job),
      ...(job.completedAt !== undefined && { result: shownValue(secrets, exactResult(job) ?? null) }),
      ...(job.canceledReason !== undefined && { canceledReason: secrets.redact(job.canceledReason) }),
    };
  }

  function runOf(job: Job): RunPage {
    const children = jobs.list({ parent: job.id, offset: 0, limit: MAX_CHILDREN, orderDesc: false });
    return {
      run: shownRun(job),
      children: new Map(children.map((child) => [child.id, child])),
      stream: job.completedAt === undefined ? secrets.redact(jobs.stream(job.id)) : "",
      canRepeat: job.path !== undefined && job.kind === "script" && job.entrypoint === undefined &&
        folder.script(job.path) !== undefined,
    };
  }

  app.get("/run/:id", async (c) => {
    requirePerson(c);
    const job = jobParam(c, jobs);
    const frame = await frameOf(c);
    return answer(frame, runPage(frame, runOf(job), jobs.shownLog(job.id)));
  });

  app.get("/run/:id/log.txt", (c) => {
    requirePerson(c);
    const text = jobs.shownLog(jobParam(c, jobs).id);
    return new Response(text, { headers: { "content-type": "text/plain; charset=utf-8", ...guardHeaders() } });
  });

  app.get("/run/:id/result.json", (c) => {
    requirePerson(c);
    const value = shownValue(secrets, exactResult(jobParam(c, jobs)) ?? null);
    return new Response(JSON.stringify(value, undefined, 2), {
      headers: { "content-type": "application/json", ...guardHeaders() },
    });
  });

  app.get("/run/:id/events", async (c) => {
    requirePerson(c);
    const { id } = jobParam(c, jobs);
    const frame = await frameOf(c);
    const before = new Map<string, string>(), others = new Set<string>();
    let read = Number(c.req.header("last-event-id") ?? c.req.query("log") ?? 0) || 0;

    function isOther(changed: string): boolean {
      if (changed === id) return false;
      if (others.has(changed)) return true;
      if (jobs.get(changed)?.parent === id) return false;
      if (others.size >= MAX_OTHERS) others.clear();
      others.add(changed);
      return true;
    }

    return streamPage({
      clock,
      signal: c.req.raw.signal,
      subscribe: (onChange) => jobs.watchAll((changed) => isOther(changed) ? undefined : onChange()),
      look: (send) => {
        const job = jobs.get(id);
        if (job === undefined) return "ended";
        const piece = jobs.log(id, read).slice(0, PIECE_CHARS);
        if (piece !== "") {
          read += piece.length;
          send("log", logText(secrets.redact(piece)), String(read));
        }
        const page = runOf(job), now = context.now();
        const live = { ...liveParts(page, now), "run-actions": actionsHtml(frame, page) };
        const texts = Object.fromEntries(Object.entries(live).map(([part, html]) => [part, renderHtml(html)]));
        const parts = changedParts(texts, before);
        if (Object.keys(parts).length > 0) send("parts", parts);
        if (read < jobs.offsets(id).log) return "more";
        if (job.completedAt !== undefined) return "ended";
        return texts["run-timeline"] === "" ? undefined : TICK_MS;
      },
    });
  });

  app.post("/run/:id/cancel", async (c) => {
    const person = requirePerson(c);
    const sent = await readSentForm(context, c);
    const job = jobParam(c, jobs);
    await jobs.cancel(job.id, person.username, (sent.get("reason") ?? "").trim().slice(0, 500) || "On its page");
    return redirect(`/run/${job.id}`);
  });

  // --- Scripts and the folder ---

  function scriptParam(c: Context): Script {
    const path = param(c, "path");
    const script = folder.script(path);
    if (script !== undefined) return script;
    const problem = folder.problems.find(({ file }) =>
      file === path || file.startsWith(`${path}.`) || `${file}/`.startsWith(`${path}__mod/`)
    );
    throw notFound(
      problem === undefined ? `The folder has no script "${path}"` : `${problem.file}: ${problem.message}`,
    );
  }

  /** A script without the secrets that are in its code. */
  function shownScript({ modules = {}, ...script }: Script): Pick<ScriptPage, "script" | "modules"> {
    return {
      script: { ...script, content: secrets.redact(script.content) },
      modules: Object.entries(modules).map(([key, { content }]) => ({ key, content: secrets.redact(content) })),
    };
  }

  function suggest(type: string): readonly string[] {
    return folder.resources().filter(({ resourceType }) => resourceType === type).map(({ path }) => path);
  }

  app.get("/scripts", async (c) => {
    requirePerson(c);
    const frame = await frameOf(c);
    return answer(frame, scriptsPage(frame, folder.scripts(), (c.req.query("find") ?? "").slice(0, 500)));
  });

  app.get("/scripts/:path{.+}", async (c) => {
    requirePerson(c);
    const script = scriptParam(c);
    const frame = await frameOf(c);
    const from = c.req.query("from");
    const given = from === undefined ? undefined : jobs.get(from);
    // Another script's arguments are of no use here, and what is hidden must not be sent again as it is shown.
    const shownBefore = given?.path === script.path ? shownArgs(given) : {};
    const args = Object.fromEntries(
      Object.entries(shownBefore).filter(([name, value]) =>
        JSON.stringify(value) === JSON.stringify(given?.args[name])
      ),
    );
    return answer(frame, scriptPage(frame, { ...shownScript(script), fields: fieldsOf(script.schema, args), suggest }));
  });

  app.post("/scripts/:path{.+}", async (c) => {
    const person = requirePerson(c);
    const script = scriptParam(c);
    const sent = await readSentForm(context, c);
    const fields = fieldsOf(script.schema);
    const read = readForm(fields, sent);
    if (read.errors.size > 0) {
      const frame = await frameOf(c);
      return answer(frame, scriptPage(frame, { ...shownScript(script), fields, answer: read, suggest }), 422);
    }
    const job = await jobs.start({
      ...scriptOptions(script),
      caller: person,
      kind: "script",
      path: script.path,
      hash: script.hash,
      language: script.language,
      // `as`: what a form gives is texts, numbers and JSON.
      args: read.values as Readonly<Record<string, Json>>,
    });
    return redirect(`/run/${job.id}`);
  });

  app.get("/problems", async (c) => {
    requirePerson(c);
    const frame = await frameOf(c);
    return answer(frame, problemsPage(frame, problemsNow()));
  });

  app.get("/problems/events", (c) => {
    requirePerson(c);
    const before = new Map<string, string>();
    return streamPage({
      clock,
      signal: c.req.raw.signal,
      subscribe: (onChange) => watchFolder(onChange),
      look: (send) => {
        const problems = problemsNow();
        const parts = changedParts({
          "problem-list": renderHtml(problemListHtml(problems)),
          "nav-problems": renderHtml(problemsLink(problems.length, true)),
        }, before);
        if (Object.keys(parts).length > 0) send("parts", parts);
        return undefined;
      },
    });
  });

  // --- Approvals: open to whoever has the token of the address ---

  function deskOf(c: Context): Approvals {
    if (param(c, "workspace") !== workspace) throw notFound("This server has no such workspace");
    if (context.approvals === undefined) throw new Refusal(501, "This server runs no workflows, and asks nobody");
    return context.approvals;
  }

  function approverOf(c: Context, token: string): Approver {
    const caller = personOf(c);
    if (caller === undefined && token === "") throw denied("the address has no token, and nobody is signed in");
    return { ...(token !== "" && { token }), ...(caller !== undefined && { caller }) };
  }

  app.get("/approve/:workspace/:job", async (c) => {
    const token = c.req.query("token") ?? "";
    const approval = await deskOf(c).info(idParam(c, "job"), approverOf(c, token));
    const frame = await frameOf(c);
    const fields = fieldsOf(approval.form, approval.defaults);
    const { signedIn } = frame;
    return answer(frame, approvalPage(frame, { approval, workspace, token, fields, suggest: () => [], signedIn }));
  });

  app.post("/approve/:workspace/:job", async (c) => {
    const sent = await readSentForm(context, c);
    const token = sent.get("token") ?? "";
    const desk = deskOf(c), job = idParam(c, "job"), approver = approverOf(c, token);
    const approval = await desk.info(job, approver);
    const fields = fieldsOf(approval.form, approval.defaults);
    const approved = sent.get("answer") === "approve";
    if (!approved && sent.get("answer") !== "reject") throw new Refusal(422, "Expected an answer: approve or reject");
    const read = readForm(fields, sent);
    const frame = await frameOf(c);
    const { signedIn } = frame;
    const again = (status: number, problem?: string): Response => {
      const page = { approval, workspace, token, fields, answer: read, problem, suggest: () => [], signedIn };
      return answer(frame, approvalPage(frame, page), status);
    };
    if (approved && read.errors.size > 0) return again(422);
    try {
      // `as`: what a form gives is texts, numbers and JSON. Who rejects need not have filled in anything.
      await desk.answer(job, approver, { approved, payload: read.values as Readonly<Record<string, Json>> });
    } catch (error) {
      // What the form could not know: what was filled in is not lost.
      if (error instanceof Refusal && error.status === 400) return again(422, secrets.redact(plainMessage(error)));
      throw error;
    }
    return answer(frame, answeredPage(frame, job, approved, signedIn));
  });

  // --- What needs nobody to be signed in ---

  app.get("/login", async (c) => {
    const next = c.req.query("next") ?? "/";
    // Only the path: a sign-in leads nowhere else.
    const { pathname, search } = new URL(next.replace(/^[/\\]+/, "/"), "http://localhost");
    const target = new URL(`http://localhost${urlPath(decodeSafely(pathname).replace(/^\/+/, "/"))}${search}`);
    const frame = { ...await frameOf(c), signedIn: false, workspace: "" };
    return answer(frame, loginPage(frame, target, target.searchParams.has("token")));
  });

  app.get("/assets/:file", (c) => {
    const path = `/assets/${param(c, "file")}`;
    const [text, type] = path === assets.style
      ? [PAGE_STYLE, "text/css"]
      : path === assets.script
      ? [PAGE_SCRIPT, "text/javascript"]
      : [undefined, ""];
    if (text === undefined) throw notFound("There is no such asset");
    return new Response(text, {
      headers: {
        ...guardHeaders(),
        "content-type": `${type}; charset=utf-8`,
        "cache-control": "public, max-age=31536000, immutable",
      },
    });
  });

  app.get("*", async (c, next) => {
    if (c.req.path.startsWith("/api/")) return await next();
    return await refuse(c, 404, `This server has no page ${c.req.path}`);
  });

  return app;
}

/** A refusal in words for people: the status is said by the heading. */
function plainMessage({ message }: Refusal): string {
  return message.replace(/^(?:Not found|Permission denied|Bad request): /, "");
}

function decodeSafely(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    // What is encoded wrongly leads nowhere.
    return "/";
  }
}

function both(a: Disposable, b: Disposable): Disposable {
  return {
    [Symbol.dispose]: () => {
      a[Symbol.dispose]();
      b[Symbol.dispose]();
    },
  };
}
