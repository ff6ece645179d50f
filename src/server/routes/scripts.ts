/**
 * The endpoints of scripts.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { badRequest, notFound, Refusal } from "../../wire/refusal.ts";
import { unpinned } from "../folder/imports.ts";
import type { Json } from "../../workflow/journal.ts";
import { callerOf } from "../auth.ts";
import type { Script, ServerContext } from "../ports.ts";
import { absent } from "../folder/absent.ts";
import { fits, optionalNumber, paged, pathParam, readPaths, requiredText } from "./_answers.ts";
import { lockOf, modulesOf } from "./_modules.ts";
import { optionalText, param, queryFlag, queryText, readFields } from "./_request.ts";

/** Endings that addresses of raw code have, for tools that tell a language by them. */
const RAW_ENDING = /(?:\.py|\.bun\.ts|\.deno\.ts|\.ts|\.go|\.sh)$/;

/** Fields of a new version that are nothing to this server and stay with it. */
const KEPT_FIELDS = [
  "kind",
  "envs",
  "dedicated_worker",
  "ws_error_handler_muted",
  "restart_unless_cancelled",
  "delete_after_use",
  "delete_after_secs",
  "visible_to_runner_only",
  "cache_ignore_s3_path",
  "debounce_key",
  "debounce_delay_s",
  "debounce_args_to_accumulate",
  "max_total_debouncing_time",
  "max_total_debounces_amount",
  "on_behalf_of_email",
  "labels",
];

/** The endpoints of scripts. */
export function scriptRoutes(context: ServerContext): Hono {
  const { folder, workspace } = context;
  const routes = new Hono();

  function current(path: string): Script {
    const script = folder.script(path);
    if (script === undefined) throw absent(folder, "script", path, `Script not found at name ${path}`);
    return script;
  }

  function byHash(hash: string): Script {
    const script = /^[0-9a-f]{1,16}$/i.test(hash)
      ? folder.scriptByHash(hash.toLowerCase().padStart(16, "0"))
      : undefined;
    if (script === undefined) throw notFound(`Script not found at name ${hash}`);
    return script;
  }

  /** True for the version that the files have now. */
  function isCurrent({ path, hash }: Script): boolean {
    return folder.script(path)?.hash === hash;
  }

  function listed(script: Script): Record<string, unknown> {
    const { extra } = script;
    return {
      workspace_id: workspace,
      hash: script.hash,
      path: script.path,
      summary: script.summary,
      description: script.description,
      created_by: script.createdBy,
      created_at: new Date(script.createdAt).toISOString(),
      archived: false,
      deleted: false,
      is_template: false,
      extra_perms: {},
      language: script.language,
      kind: extra.kind ?? "script",
      starred: false,
      tag: script.tag ?? null,
      draft_only: false,
      has_draft: false,
      has_deploy_errors: false,
      ws_error_handler_muted: extra.ws_error_handler_muted ?? false,
      auto_kind: script.autoKind ?? null,
      use_codebase: false,
      labels: extra.labels ?? [],
    };
  }

  function recordOf(script: Script): Record<string, unknown> {
    const { extra } = script;
    const versions = folder.scriptVersions(script.path).map(({ hash }) => hash);
    return {
      ...extra,
      ...listed(script),
      parent_hashes: versions.slice(versions.indexOf(script.hash) + 1),
      archived: !isCurrent(script),
      content: script.content,
      schema: script.schema,
      lock: script.lock ?? null,
      lock_error_logs: null,
      modules: script.modules ?? null,
      envs: extra.envs ?? null,
      concurrent_limit: script.concurrentLimit ?? null,
      concurrency_time_window_s: script.concurrencyWindowS ?? null,
      concurrency_key: script.concurrencyKey ?? null,
      cache_ttl: script.cacheTtlS ?? null,
      dedicated_worker: extra.dedicated_worker ?? null,
      priority: script.priority ?? null,
      restart_unless_cancelled: extra.restart_unless_cancelled ?? null,
      timeout: script.timeoutS ?? null,
      delete_after_use: extra.delete_after_use ?? null,
      visible_to_runner_only: extra.visible_to_runner_only ?? null,
      codebase: null,
      has_preprocessor: script.hasPreprocessor,
      on_behalf_of_email: extra.on_behalf_of_email ?? null,
    };
  }

  routes.get("/w/:workspace/scripts/get/p/:path{.+}", (c) => c.json(recordOf(current(pathParam(c)))));
  routes.get("/w/:workspace/scripts/get/h/:hash", (c) => c.json(recordOf(byHash(param(c, "hash")))));
  routes.get("/w/:workspace/scripts/exists/p/:path{.+}", (c) => c.json(folder.script(pathParam(c)) !== undefined));
  routes.get("/w/:workspace/scripts/list", (c) => c.json(paged(c, inOrder(c, folder.scripts())).map(listed)));
  routes.get(
    "/w/:workspace/scripts/list_search",
    (c) => c.json(folder.scripts().map(({ path, content }) => ({ path, content }))),
  );
  routes.get("/w/:workspace/scripts/list_paths", (c) => c.json(folder.scripts().map(({ path }) => path)));
  routes.get(
    "/w/:workspace/scripts/deployment_status/h/:hash",
    (c) => c.json({ lock: byHash(param(c, "hash")).lock ?? "", lock_error_logs: null }),
  );
  routes.get(
    "/w/:workspace/scripts/history/p/:path{.+}",
    (c) => c.json(folder.scriptVersions(pathParam(c)).map(({ hash }) => ({ script_hash: hash, deployment_msg: null }))),
  );
  routes.get("/w/:workspace/scripts/get_latest_version/:path{.+}", (c) => {
    const script = folder.script(pathParam(c));
    return c.json(script === undefined ? null : { script_hash: script.hash, deployment_msg: null });
  });

  function raw(path: string): string {
    if (!RAW_ENDING.test(path)) throw badRequest(`Path must ends with a .py, .ts, .go or .sh extension: ${path}`);
    return current(path.replace(RAW_ENDING, "")).content;
  }
  routes.get("/w/:workspace/scripts/raw/p/:path{.+}", (c) => c.text(raw(pathParam(c))));
  routes.get("/w/:workspace/scripts/raw_unpinned/p/:path{.+}", (c) => c.text(unpinned(raw(pathParam(c)))));
  routes.get("/w/:workspace/scripts/raw/h/:path{.+}", (c) => {
    const path = pathParam(c);
    if (!path.endsWith(".ts")) throw badRequest("Raw script path must end with .ts");
    return c.text(byHash(path.slice(0, -3)).content);
  });

  routes.post("/w/:workspace/scripts/create", async (c) => {
    const body = await readFields(c.req.raw);
    const path = requiredText(body, "path");
    const parent = optionalText(body, "parent_hash")?.toLowerCase().padStart(16, "0");
    const head = folder.script(path);
    if (head !== undefined && parent === undefined && body.auto_parent !== true) {
      throw badRequest(`Path conflict for ${path} with non-archived hash ${head.hash}`);
    }
    if (parent !== undefined && body.auto_parent !== true) {
      const known = folder.scriptByHash(parent);
      if (known === undefined) {
        throw badRequest("The parent hash does not seem to exist: it must be the hash of a version of a script");
      }
      if (head !== undefined && head.hash !== parent) {
        throw badRequest(
          `The lineage must be linear: no 2 scripts can have the same parent (the newest is ${head.hash})`,
        );
      }
      // A script that is renamed: its parent is a version of the old path, which is removed.
      if (known.path !== path && folder.script(known.path)?.hash === parent) folder.deleteScript(known.path);
    }
    return c.text(folder.writeScript(versionOf(path, body)).hash, 201);
  });

  // What is archived is not in a synced folder: the files go, the versions stay by hash.
  routes.post("/w/:workspace/scripts/archive/p/:path{.+}", (c) => {
    folder.deleteScript(current(pathParam(c)).path);
    return c.body(null, 200);
  });
  routes.post("/w/:workspace/scripts/archive/h/:hash", (c) => {
    const script = byHash(param(c, "hash"));
    if (isCurrent(script)) folder.deleteScript(script.path);
    return c.json({ ...recordOf(script), archived: true });
  });
  routes.post("/w/:workspace/scripts/delete/p/:path{.+}", (c) => {
    const { path } = current(pathParam(c));
    requireAdmin(c);
    folder.deleteScript(path);
    return c.json(path);
  });
  routes.post("/w/:workspace/scripts/delete/h/:hash", (c) => {
    const script = byHash(param(c, "hash"));
    requireAdmin(c);
    if (isCurrent(script)) folder.deleteScript(script.path);
    const empty = { content: "", lock: "", schema: null, modules: null };
    return c.json({ ...recordOf(script), ...empty, archived: true, deleted: true });
  });
  routes.delete("/w/:workspace/scripts/delete_bulk", async (c) => {
    requireAdmin(c);
    return c.json((await readPaths(c)).filter((path) => folder.deleteScript(path)));
  });
  return routes;
}

function requireAdmin(c: Context): void {
  const { isAdmin, username } = callerOf(c.req.raw);
  if (!isAdmin) throw new Refusal(403, `Require Admin: ${username} is not an admin of this workspace`);
}

function inOrder(c: Context, scripts: readonly Script[]): readonly Script[] {
  const kinds = queryText(c, "kinds")?.split(",");
  const languages = queryText(c, "languages")?.split(",");
  const parent = queryText(c, "parent_hash") ?? queryText(c, "first_parent_hash") ?? queryText(c, "last_parent_hash");
  const all = scripts.filter((script) => {
    const kind = typeof script.extra.kind === "string" ? script.extra.kind : "script";
    return (queryFlag(c, "include_without_main") === true || script.autoKind !== "lib") &&
      (kinds?.includes(kind) ?? true) && (languages?.includes(script.language) ?? true) &&
      queryFlag(c, "show_archived") !== true && queryFlag(c, "starred_only") !== true &&
      queryFlag(c, "is_template") !== true && parent === undefined &&
      fits(c, [
        ["path_start", script.path, "start"],
        ["path_exact", script.path, "whole"],
        ["created_by", script.createdBy, "whole"],
        ["search", `${script.path}\n${script.summary}`, "part"],
      ]);
  });
  const sign = queryFlag(c, "order_desc") === false ? 1 : -1;
  return [...all].sort((a, b) => sign * (a.createdAt - b.createdAt) || (a.path < b.path ? -1 : 1));
}

/** The version that a request describes. */
function versionOf(
  path: string,
  body: Readonly<Record<string, Json>>,
): Parameters<ServerContext["folder"]["writeScript"]>[0] {
  const texts = { tag: optionalText(body, "tag"), concurrencyKey: optionalText(body, "concurrency_key") };
  const numbers = {
    timeoutS: optionalNumber(body, "timeout"),
    cacheTtlS: optionalNumber(body, "cache_ttl"),
    concurrentLimit: optionalNumber(body, "concurrent_limit"),
    concurrencyWindowS: optionalNumber(body, "concurrency_time_window_s"),
    priority: optionalNumber(body, "priority"),
  };
  const language = requiredText(body, "language");
  const schema = body.schema ?? undefined;
  const lock = lockOf(body.lock);
  const modules = modulesOf(body.modules);
  return {
    path,
    content: requiredText(body, "content"),
    language,
    summary: optionalText(body, "summary") ?? "",
    description: optionalText(body, "description") ?? "",
    ...schema === undefined ? {} : { schema },
    ...lock === undefined ? {} : { lock },
    ...modules === undefined ? {} : { modules },
    ...Object.fromEntries(Object.entries({ ...texts, ...numbers }).filter(([, value]) => value !== undefined)),
    hasPreprocessor: body.has_preprocessor === true,
    extra: Object.fromEntries(
      KEPT_FIELDS.flatMap((name) => body[name] === undefined || body[name] === null ? [] : [[name, body[name]]]),
    ),
  };
}
