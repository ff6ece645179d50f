/**
 * The endpoints of workspaces: there is one, the folder.
 *
 * @module
 */
import { Hono } from "hono";
import { callerOf } from "../auth.ts";
import type { ServerContext } from "../ports.ts";
import { optionalText, readFields } from "./_request.ts";

/** The endpoints of workspaces. */
export function workspaceRoutes({ workspace, identity }: ServerContext): Hono {
  const routes = new Hono();
  const record = {
    id: workspace,
    name: workspace,
    owner: identity.owner.email,
    domain: null,
    color: null,
    parent_workspace_id: null,
    deleted: false,
    premium: false,
    created_at: new Date(0).toISOString(),
  };
  routes.get("/workspaces/list", (c) => c.json([record]));
  routes.get("/workspaces/list_as_superadmin", (c) => c.json([record]));
  routes.get("/workspaces/users", (c) => {
    const { email, username } = callerOf(c.req.raw);
    return c.json({
      email,
      workspaces: [{
        id: workspace,
        name: workspace,
        username,
        color: null,
        operator_settings: null,
        parent_workspace_id: null,
        created_by: null,
        disabled: false,
      }],
    });
  });
  routes.post("/workspaces/exists", async (c) => {
    const body = await readFields(c.req.raw);
    return c.json(optionalText(body, "id") === workspace);
  });
  routes.post("/workspaces/exists_username", async (c) => {
    const body = await readFields(c.req.raw);
    return c.json(optionalText(body, "id") === workspace && optionalText(body, "username") === identity.owner.username);
  });
  routes.get("/w/:workspace/workspaces/get_as_superadmin", (c) => c.json(record));
  routes.get("/w/:workspace/workspaces/get_workspace_name", (c) => c.text(workspace));
  routes.get("/w/:workspace/workspaces/is_premium", (c) => c.json(false));
  routes.get("/w/:workspace/workspaces/usage", (c) => c.text("0"));
  routes.get(
    "/w/:workspace/workspaces/default_app",
    (c) => c.json({ workspace_id: workspace, default_app_path: null }),
  );
  return routes;
}
