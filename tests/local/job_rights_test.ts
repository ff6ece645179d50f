/** What a job's token may do: of the folder, and of other jobs. */
import assert from "node:assert/strict";
import { ROUTES as DEV_ROUTES } from "../../src/cli/dev_parts.ts";
import { ROUTES } from "../../src/server/app.ts";
import { jobRight, kinOf } from "../../src/server/job_rights.ts";
import type { FakeScript } from "./_fakes.ts";
import { openTestServer, type TestServer, type TestServerOptions } from "./_server.ts";

/** What no job may ask for. A route that is new is in this list or has a right in `job_rights.ts`. */
const REFUSED = [
  "DELETE resources/delete/:path{.+}",
  "DELETE resources/delete_bulk",
  "DELETE resources/type/delete/:name",
  "DELETE /users/tokens/delete/:prefix",
  "DELETE scripts/delete_bulk",
  "DELETE variables/delete/:path{.+}",
  "DELETE variables/delete_bulk",
  "GET /concurrency_groups/list",
  "GET /users/tokens/list",
  "POST jobs/completed/delete/:id",
  "POST resources/type/create",
  "POST resources/type/update/:name",
  "POST resources/update/:path{.+}",
  "POST scripts/archive/h/:hash",
  "POST scripts/archive/p/:path{.+}",
  "POST scripts/create",
  "POST scripts/delete/h/:hash",
  "POST scripts/delete/p/:path{.+}",
  "POST variables/encrypt",
];

Deno.test("Each route is one that jobs have, or one that they are refused", async () => {
  await using server = await openTestServer();
  const { context } = server.server;
  const routes = [...ROUTES, ...DEV_ROUTES].flatMap((module) => module(context).routes)
    .map(({ method, path }) => `${method} ${path}`).filter((route) => !route.startsWith("ALL "));
  const refused = routes.filter((route) => jobRight(route) === undefined)
    .map((route) => route.replace(" /w/:workspace/", " "));
  assert.deepEqual([...new Set(refused)].sort(), [...REFUSED].sort());
});

type Ask = (method: string, path: string, body?: unknown) => Promise<[number, string]>;

/** A server with scripts that hold their tokens: `start` gives a job's id, and what asks with its token. */
async function openHeld(
  { files, ...options }: TestServerOptions = {},
): Promise<
  {
    readonly server: TestServer;
    readonly start: (path: string, query?: string) => Promise<{ readonly id: string; readonly ask: Ask }>;
  }
> {
  const tokens = new Map<string, PromiseWithResolvers<string>>();
  function tokenOf(id: string): PromiseWithResolvers<string> {
    const made = tokens.get(id) ?? Promise.withResolvers<string>();
    tokens.set(id, made);
    return made;
  }
  const hold: FakeScript = (_, io, job) => {
    tokenOf(job.id).resolve(job.env["WM_TOKEN"] ?? "");
    io.log("a line of the log\n");
    return new Promise(() => {});
  };
  const holds = { "f/a/one": hold, "f/a/two": hold, "f/a/three": hold };
  const server = await openTestServer({
    files: { ...holds, "f/a/ends": () => "its result", ...files },
    previews: holds,
    jobs: { concurrency: 50 },
    ...options,
  });
  async function held(id: string): Promise<{ readonly id: string; readonly ask: Ask }> {
    const authorization = `Bearer ${await tokenOf(id).promise}`;
    return {
      id,
      ask: async (method, path, body) => {
        const response = await server.ask(method, path, body, { authorization });
        return [response.status, await response.text()];
      },
    };
  }
  return {
    server,
    start: async (path, query = "") => {
      const response = path === "preview"
        ? await server.ask("POST", "jobs/run/preview", { content: "f/a/one", language: "bun", path: query })
        : await server.ask("POST", `jobs/run/p/${path}${query}`, {});
      return await held(await response.text());
    },
  };
}

const SEES = [
  ["GET", "jobs_u/get/ID"],
  ["GET", "jobs_u/get_logs/ID"],
  ["GET", "jobs_u/get_args/ID"],
  ["GET", "jobs_u/get_root_job_id/ID"],
  ["GET", "jobs_u/completed/get_result_maybe/ID"],
  ["GET", "jobs_u/getupdate/ID"],
  ["GET", "job_metrics/get_progress/ID"],
] as const;

async function statuses(ask: Ask, id: string): Promise<readonly number[]> {
  const all = SEES.map(async ([method, path]) => (await ask(method, path.replace("ID", id)))[0]);
  return [...new Set(await Promise.all(all))];
}

Deno.test("A job sees its kin and nobody else: its tree, what that started, and jobs of its script", async () => {
  const { server, start } = await openHeld();
  await using _ = server;
  const one = await start("f/a/one"), two = await start("f/a/two");
  assert.deepEqual(await statuses(one.ask, one.id), [200]);
  const [status, text] = await one.ask("GET", `jobs_u/get/${two.id}`);
  assert.deepEqual([status, text.includes(two.id), /good for job/.test(text)], [403, true, true]);
  assert.deepEqual(await statuses(one.ask, two.id), [403]);
  assert.deepEqual(await statuses(one.ask, two.id.toUpperCase()), [403]);
  for (const action of ["cancel", "force_cancel"]) {
    assert.equal((await one.ask("POST", `jobs_u/queue/${action}/${two.id}`, {}))[0], 403);
  }
  assert.equal((await one.ask("POST", "jobs/queue/cancel_selection", [one.id, two.id]))[0], 403);
  assert.equal((await one.ask("POST", "jobs_u/queue/get_started_at_by_ids", [two.id]))[0], 403);
  assert.equal((await one.ask("POST", "jobs_u/queue/cancel_persistent/f/a/two", {}))[0], 200);
  assert.equal(server.server.context.jobs.get(two.id)?.completedAt, undefined);
  // No encoding of the address leads past it.
  const odd = `%6aobs_u/get/${two.id}`;
  assert.equal((await one.ask("GET", odd))[0], 403);
  assert.equal((await one.ask("GET", `jobs_u/get/%30${two.id.slice(1)}`))[0], 403);

  // What it started, as its child and by itself; and what that started.
  const [, child] = await one.ask("POST", `jobs/run/p/f/a/ends?parent_job=${one.id}`, {});
  const [, apart] = await one.ask("POST", "jobs/run/p/f/a/three", {});
  assert.deepEqual(await statuses(one.ask, child), [200]);
  assert.deepEqual(await statuses(one.ask, apart), [200]);
  assert.deepEqual(await statuses(two.ask, child), [403]);
  assert.deepEqual(await statuses(two.ask, apart), [403]);
  // Another run of the script finds what the one before has noted.
  const again = await start("f/a/one");
  for (const id of [one.id, child, apart]) assert.deepEqual(await statuses(again.ask, id), [200]);
  assert.deepEqual(await again.ask("POST", `jobs_u/queue/cancel/${one.id}`, {}), [200, one.id]);
  assert.equal((await one.ask("GET", `jobs_u/get/${one.id}`))[0], 401);
  // It speaks for its own tree alone.
  assert.equal((await again.ask("POST", `job_metrics/set_progress/${apart}`, { percent: 5 }))[0], 403);
  assert.deepEqual(server.reported, []);
});

Deno.test("Lists and counts have a job's kin alone, on all pages and for all filters", async () => {
  const { server, start } = await openHeld();
  await using _ = server;
  const one = await start("f/a/one"), two = await start("f/a/two"), same = await start("f/a/one");
  await server.client.jobs.run("f/a/ends");
  for (
    const path of ["jobs/list", "jobs/queue/list", "concurrency_groups/list_jobs", "jobs/list?running=true&per_page=2"]
  ) {
    const [, text] = await one.ask("GET", path);
    assert.ok(text.includes(one.id) && text.includes(same.id) && !text.includes(two.id), `${path}: ${text}`);
  }
  assert.deepEqual(JSON.parse((await one.ask("GET", "jobs/list_filtered_uuids"))[1]).sort(), [one.id, same.id].sort());
  assert.equal((await one.ask("GET", "jobs/completed/list"))[1], "[]");
  assert.equal((await one.ask("GET", `jobs/list?script_path_exact=f/a/two`))[1], "[]");
  assert.equal((await one.ask("GET", "jobs/completed/count_jobs"))[1], "0");
  // As `cancelRunning` does it.
  const [, listed] = await one.ask("GET", "jobs/list?running=true&script_path_exact=f/a/one");
  assert.equal(JSON.parse(listed).length, 2);
});

Deno.test("A preview that says it is some script is no kin of that script's jobs", async () => {
  const { server, start } = await openHeld();
  await using _ = server;
  const victim = await start("f/a/two"), hostile = await start("f/a/one");
  const body = { content: "f/a/three", language: "bun", path: "f/a/two" };
  for (const query of ["", `?parent_job=${hostile.id}&root_job=${hostile.id}`]) {
    const [, id] = await hostile.ask("POST", `jobs/run/preview${query}`, body);
    const { jobs } = server.server.context;
    assert.equal(jobs.get(id)?.startedBy, hostile.id);
    assert.equal(kinOf(jobs, { ...server.server.context.identity.owner, job: id })?.path, undefined);
  }
  const person = await start("preview", "f/a/two");
  assert.deepEqual(await statuses(person.ask, victim.id), [200]);
  assert.deepEqual(await statuses(hostile.ask, victim.id), [403]);
});

Deno.test("A job writes no scripts, removes nothing, and is told so", async () => {
  const { server, start } = await openHeld();
  await using _ = server;
  const { ask } = await start("f/a/one");
  const [status, text] = await ask("POST", "jobs/completed/delete/0190f7a0-0000-7000-8000-000000000000", {});
  assert.equal(status, 403);
  assert.match(text, /^Permission denied: the token of a job is not good for POST .*: ask with the token of a person$/);
  // What there is not at all is still what it is.
  const [unknown, said] = await ask("POST", "flows/create", {});
  assert.deepEqual([unknown, /Windkit does not serve/.test(said)], [404, true]);
  assert.equal((await ask("GET", "jobs_u/get/0190f7a0-0000-7000-8000-000000000000"))[0], 404);
});
