/**
 * A server with pages, and what they are to show: scripts, a workflow that stands still where a test wants it, hostile names.
 */
import type { ApprovalInfo, Approvals, Folder, FolderProblem } from "../../src/server/ports.ts";
import { denied, Refusal } from "../../src/wire/refusal.ts";
import { pageRoutes } from "../../src/server/routes/pages.ts";
import type { Json } from "../../src/workflow/journal.ts";
import { type FakeFiles, fakeFolder } from "./_fakes.ts";
import { openTestServer, type TestServer } from "./_server.ts";

/** What would run, were it taken for HTML. */
export const HOSTILE = `</script></textarea></pre>"'><img src=x onerror="alert(1)"><script>alert(2)</script>\u202e&lt;`;

/** Token of all approval pages of the fakes. */
export const PAGE_TOKEN = "approval-token";

/** An answer that was given. */
export interface GivenAnswer {
  readonly job: string;
  readonly approved: boolean;
  readonly payload: Json;
  readonly by: string;
}

/** What a test has. */
export interface PagesServer extends AsyncDisposable {
  readonly server: TestServer;
  readonly url: string;
  readonly answers: GivenAnswer[];
  /** Sets what is wrong in the folder, and tells of it. */
  readonly setProblems: (problems: readonly FolderProblem[]) => void;
  /** Asks as a browser that is signed in. */
  readonly ask: (path: string, init?: RequestInit) => Promise<Response>;
  /** Sends a form as a browser does; the token of the form is read from the page that has it. */
  readonly send: (path: string, fields: Readonly<Record<string, string>>, from?: string) => Promise<Response>;
}

/** Options of {@linkcode openPages}. */
export interface PagesOptions {
  readonly files?: FakeFiles;
  /** Functions by code that is no path. */
  readonly code?: FakeFiles;
  readonly hidden?: readonly string[];
  readonly problems?: readonly FolderProblem[];
  /** About the approval of every job. */
  readonly approval?: Partial<ApprovalInfo>;
  /** Paths whose jobs wait when they are begun, with the status that they have then. */
  readonly waiting?: Readonly<Record<string, (id: string) => Json>>;
  /** Makes a payload that is not taken. */
  readonly refuses?: (payload: Json) => string | undefined;
}

/** Opens a server with pages. */
export async function openPages(options: PagesOptions = {}): Promise<PagesServer> {
  const { files = {}, hidden = [], waiting = {} } = options;
  const answers: GivenAnswer[] = [];
  let problems = options.problems ?? [];
  const watchers = new Set<(files: readonly string[]) => void>();
  const folder: Folder = {
    ...fakeFolder(files),
    get problems() {
      return problems;
    },
    watch: (onChange) => {
      watchers.add(onChange);
      return { [Symbol.dispose]: () => void watchers.delete(onChange) };
    },
    resources: () => [{ path: "f/shop/main_store", resourceType: "c_shop", value: {}, description: "" }],
  };
  const approvals = (jobs: { get(id: string): { path?: string } | undefined }): Approvals => ({
    info: (job, { token, caller }) => {
      if (token !== PAGE_TOKEN && caller === undefined) throw denied("the token is not that of this approval");
      const path = jobs.get(job)?.path;
      const pending = !answers.some((answer) => answer.job === job);
      return Promise.resolve({
        job,
        step: "approval",
        ...(path !== undefined && { path }),
        pending,
        approvers: [],
        canAnswer: true,
        ...options.approval,
      });
    },
    answer: (job, { caller }, { approved, payload }) => {
      const why = options.refuses?.(payload);
      if (why !== undefined) return Promise.reject(new Refusal(400, `Bad request: ${why}`));
      answers.push({ job, approved, payload, by: caller?.username ?? "anonymous" });
      return Promise.resolve();
    },
  });
  const server = await openTestServer({
    files,
    folder,
    hidden,
    previews: options.code ?? {},
    pages: pageRoutes,
    approvals: ({ jobs }) => approvals(jobs),
  });
  const { jobs } = server.server.context;
  jobs.hooks.run = (job) => {
    const status = waiting[job.path ?? ""];
    if (status === undefined) return undefined;
    jobs.updateStatus(job.id, () => status(job.id));
    return Promise.resolve("suspended");
  };
  const { url, token } = server;
  const signedIn = await fetch(`${url}/?token=${token}`, { redirect: "manual" });
  await signedIn.body?.cancel();
  const [cookie = ""] = (signedIn.headers.get("set-cookie") ?? "").split(";");
  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${url}${path}`, {
      redirect: "manual",
      ...init,
      headers: {
        cookie,
        accept: "text/html",
        "sec-fetch-site": "same-origin",
        ...init.headers as Record<string, string>,
      },
    });
  return {
    server,
    url,
    answers,
    setProblems: (found) => {
      problems = found;
      for (const watcher of watchers) watcher([]);
    },
    ask,
    send: async (path, fields, from = path) => {
      const page = await (await ask(from)).text();
      const [, formToken = ""] = /name="form_token" value="([\da-f]+)"/.exec(page) ?? [];
      return await ask(path, {
        method: "POST",
        headers: { origin: url, "content-type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ form_token: formToken, ...fields }).toString(),
      });
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** The schema of a form with a field of every kind. */
export const FULL_FORM: Json = {
  type: "object",
  order: ["customer", "cents", "reason"],
  properties: {
    reason: { type: "string", title: "Reason", enum: ["broken", "late", "other"], default: "late" },
    customer: { type: "string", title: "Customer", description: "As in the order", minLength: 2, maxLength: 40 },
    cents: { type: "integer", title: "Cents to pay back", minimum: 0, maximum: 5000, default: 1250 },
    rate: { type: "number", title: "Rate" },
    notify: { type: "boolean", title: "Tell the customer", default: true },
    due: { type: "string", format: "date", title: "Pay until" },
    at: { type: "string", format: "date-time", title: "Call them at" },
    note: { type: "string", format: "textarea", title: "What the customer is told" },
    items: { type: "array", items: { type: "string" }, title: "Items", default: ["espresso", "croissant"] },
    size: { type: "array", items: { type: "string", enum: ["S", "M", "L"] }, title: "Sizes", default: ["M"] },
    store: { type: "object", format: "resource-c_shop", title: "Shop" },
    extra: { type: "object", title: "More" },
  },
  required: ["customer", "cents"],
};

/** The status of a workflow of a coffee shop, begun some seconds ago, with a child. */
export function orderStatus(now: number, base: string, id: string): Json {
  const iso = (ms: number): string => new Date(now + ms).toISOString();
  const step = (name: string, at: number, ms: number | null, more: Record<string, Json> = {}): Json => ({
    scheduled_for: iso(at),
    started_at: iso(at),
    name,
    ...(ms === null ? {} : { duration_ms: ms }),
    ...more,
  });
  return {
    "_step/validate_order": step("validate_order", -9400, 120),
    "_step/charge_card": step("charge_card", -9200, 900, { failed: true }),
    "_step/charge_card#retry2": {
      scheduled_for: iso(-8300),
      name: "charge_card#retry2",
      sleep_duration_s: 2,
    },
    "_step/charge_card#2": step("charge_card#2", -6300, 1400),
    "_step/__windkit/1": step("__windkit/1", -6300, 1),
    "_step/manager": step("manager", -4800, null, {
      approval: true,
      approvalPage: `${base}/approve/ws/${id}?token=${PAGE_TOKEN}`,
    }),
    "_step/roast": { scheduled_for: iso(-4700), name: "roast", sleep_duration_s: 30 },
  };
}
