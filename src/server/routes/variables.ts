/**
 * The endpoints of variables.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { badRequest, denied } from "../../wire/refusal.ts";
import { callerOf } from "../auth.ts";
import { environmentOf } from "../jobs/environment.ts";
import type { ServerContext, Variable } from "../ports.ts";
import { absent } from "../folder/absent.ts";
import { fits, noteSecret, pagedIfAsked, pathParam, readPaths, requiredText } from "./_answers.ts";
import { optionalText, queryFlag, readFields, readJson } from "./_request.ts";

/** What people are told about the variables of a job. */
const CONTEXTUAL: Readonly<Record<string, string>> = {
  WM_WORKSPACE: "Workspace id of the current script",
  WM_TOKEN: "Token ephemeral to the current script with equal permission to the permission of the run",
  WM_EMAIL: "Email of the user that executed the current script",
  WM_USERNAME: "Username of the user that executed the current script",
  WM_BASE_URL: "base url of this instance",
  WM_JOB_ID: "Job id of the current script",
  WM_JOB_PATH: "Path of the script or flow being run if any",
  WM_FLOW_JOB_ID: "Job id of the encapsulating flow if the job is a flow step",
  WM_ROOT_FLOW_JOB_ID: "Job id of the root flow if the job is a flow step",
  WM_ROOT_JOB_ID: "Job id of the root job",
  WM_FLOW_PATH: "Path of the encapsulating flow if the job is a flow step",
  WM_FLOW_STEP_ID: "The node id in a flow (like 'a', 'b', or 'f')",
  WM_SCHEDULE_PATH:
    "Path of the schedule if the job of the step or encapsulating step has been triggered by a schedule",
  WM_SCHEDULED_FOR: "date-time in UTC of the scheduled start of the job",
  WM_PERMISSIONED_AS: "Fully Qualified (u/g) owner name of executor of the job",
  WM_STATE_PATH: "State resource path unique to a script and its trigger",
  WM_OBJECT_PATH: "Script or flow step execution unique path, useful for storing results in an external service",
  WM_WORKER_GROUP: "name of the worker group the job is running on",
  WM_RUNNABLE_ID: "Hash of the script being run",
};

/** The endpoints of variables. */
export function variableRoutes(context: ServerContext): Hono {
  const { folder, secrets, workspace } = context;
  const routes = new Hono();

  function found(path: string, secret: boolean): Variable {
    const variable = folder.variable(path, secret);
    if (variable === undefined) throw absent(folder, "variable", path, `Variable ${path} not found`);
    return variable;
  }

  /** A variable with its value, for whoever asks. */
  function opened(c: Context, path: string): Variable {
    const variable = found(path, true);
    if (variable.isSecret) noteSecret(c, context);
    return variable;
  }

  function recordOf({ path, value, isSecret, description }: Variable): Record<string, unknown> {
    return {
      workspace_id: workspace,
      path,
      value,
      is_secret: isSecret,
      description,
      extra_perms: {},
      account: null,
      is_oauth: false,
      is_expired: null,
      refresh_error: null,
      is_linked: false,
      is_refreshed: false,
      expires_at: null,
      labels: null,
    };
  }

  /** What is sent as encrypted was encrypted here: by `variables/encrypt`, or read with `include_encrypted`. */
  function plain(value: string, isSecret: boolean, alreadyEncrypted: boolean | undefined): string {
    if (!isSecret || alreadyEncrypted !== true) return value;
    try {
      return secrets.decrypt(value);
    } catch {
      throw badRequest("the value is marked as already encrypted, and was not encrypted by this server");
    }
  }

  routes.get("/w/:workspace/variables/get_value/:path{.+}", (c) => c.json(opened(c, pathParam(c)).value ?? ""));
  routes.get("/w/:workspace/variables/get/:path{.+}", (c) => {
    const path = pathParam(c);
    const variable = found(path, false);
    if (!variable.isSecret) return c.json(recordOf(variable));
    const decrypt = queryFlag(c, "decrypt_secret") ?? true;
    const encrypted = queryFlag(c, "include_encrypted") ?? false;
    if (!decrypt && !encrypted) return c.json(recordOf(variable));
    const { value } = opened(c, path);
    return c.json(recordOf({ ...variable, value: decrypt ? value : secrets.encrypt(value ?? "") }));
  });
  routes.get(
    "/w/:workspace/variables/exists/:path{.+}",
    (c) => c.json(folder.variable(pathParam(c), false) !== undefined),
  );
  routes.get("/w/:workspace/variables/list_contextual", (c) => {
    const { username, email } = callerOf(c.req.raw);
    const id = "00000000-0000-0000-0000-000000000000";
    const env = environmentOf({ workspace, baseUrl: context.baseUrl, internalUrl: context.baseUrl, folder }, {
      id,
      kind: "script",
      path: `u/${username}/script`,
      language: "bun",
      args: {},
      createdBy: username,
      email,
      createdAt: context.now(),
      scheduledFor: context.now(),
      tag: "bun",
      running: false,
      suspended: false,
      canceled: false,
      restarts: 0,
    }, "token");
    return c.json(
      Object.entries(CONTEXTUAL).map(([name, description]) => ({
        name,
        value: env[name] ?? "",
        description,
        is_custom: false,
      })),
    );
  });
  routes.get("/w/:workspace/variables/list", (c) => {
    const variables = folder.variables().filter(({ path, value, description }) =>
      fits(c, [
        ["path_start", path, "start"],
        ["path", path, "whole"],
        ["description", description, "part"],
        ["value", value ?? "", "part"],
        ["broad_filter", `${path}\n${description}\n${value ?? ""}`, "part"],
      ])
    );
    return c.json(pagedIfAsked(c, variables).map(recordOf));
  });
  routes.post("/w/:workspace/variables/encrypt", async (c) => {
    const value = await readJson(c.req.raw);
    if (typeof value !== "string") throw badRequest("the body must be a text");
    return c.text(secrets.encrypt(value));
  });
  routes.post("/w/:workspace/variables/create", async (c) => {
    const body = await readFields(c.req.raw);
    const path = requiredText(body, "path");
    if (folder.variable(path, false) !== undefined) throw badRequest(`Variable ${path} already exists`);
    const isSecret = body.is_secret === true;
    folder.writeVariable({
      path,
      value: plain(requiredText(body, "value"), isSecret, queryFlag(c, "already_encrypted")),
      isSecret,
      description: optionalText(body, "description") ?? "",
    });
    return c.text(`variable ${path} created`, 201);
  });
  routes.post("/w/:workspace/variables/update/:path{.+}", async (c) => {
    const path = pathParam(c);
    const body = await readFields(c.req.raw);
    const before = folder.variable(path, false);
    if (before === undefined) throw absent(folder, "variable", path, `Variable not found at name ${path}`);
    const isSecret = typeof body.is_secret === "boolean" ? body.is_secret : before.isSecret;
    const value = optionalText(body, "value");
    if (isSecret !== before.isSecret && value === undefined) {
      throw badRequest("cannot change is_secret without updating value too");
    }
    const target = optionalText(body, "path") ?? path;
    const description = optionalText(body, "description") ?? before.description;
    const next = value === undefined ? undefined : plain(value, isSecret, queryFlag(c, "already_encrypted"));
    if (target !== path && callerOf(c.req.raw).job !== undefined) {
      throw denied("the token of a job is not good for giving a variable another path");
    }
    if (target === path) folder.writeVariable({ path, value: next ?? before.value, isSecret, description });
    else {
      if (folder.variable(target, false) !== undefined) throw badRequest(`Variable ${target} already exists`);
      folder.writeVariable({ path: target, value: next ?? found(path, true).value, isSecret, description });
      folder.deleteVariable(path);
    }
    return c.text(`variable ${path} updated (npath: ${JSON.stringify(target)})`);
  });
  routes.delete("/w/:workspace/variables/delete/:path{.+}", (c) => {
    const path = pathParam(c);
    folder.deleteVariable(path);
    // A resource and the secret that was made for it have one path, and go together.
    folder.deleteResource(path);
    return c.text(`variable ${path} deleted`);
  });
  routes.delete(
    "/w/:workspace/variables/delete_bulk",
    async (c) => c.json((await readPaths(c)).filter((path) => folder.deleteVariable(path))),
  );
  return routes;
}
