/**
 * The endpoints of resources and resource types.
 *
 * @module
 */
import { type Context, Hono } from "hono";
import { badRequest, notFound } from "../../wire/refusal.ts";
import { callerOf, refuseOtherJobs, tokenOf } from "../auth.ts";
import { environmentOf } from "../jobs/environment.ts";
import type { Resource, ResourceType, ServerContext } from "../ports.ts";
import { absent } from "../folder/absent.ts";
import { fits, noteSecret, paged, pathParam, readPaths, requiredText } from "./_answers.ts";
import { optionalText, param, queryFlag, queryText, readFields } from "./_request.ts";

/** The endpoints of resources and their types. */
export function resourceRoutes(context: ServerContext): Hono {
  const { folder, workspace, identity } = context;
  const routes = new Hono();

  function found(path: string): Resource {
    const resource = folder.resource(path);
    if (resource === undefined) throw absent(folder, "resource", path, `Resource ${path} not found`);
    return resource;
  }

  function recordOf({ path, value, description, resourceType }: Resource): Record<string, unknown> {
    return {
      workspace_id: workspace,
      path,
      value,
      description,
      resource_type: resourceType,
      extra_perms: {},
      created_by: identity.owner.username,
      edited_at: null,
      labels: null,
    };
  }

  function listed(c: Context): readonly Resource[] {
    const types = queryText(c, "resource_type")?.split(",");
    const without = queryText(c, "resource_type_exclude")?.split(",") ?? [];
    const searched = queryText(c, "value") !== undefined;
    return folder.resources().filter(({ path, resourceType, description, value }) =>
      (types?.includes(resourceType) ?? true) && !without.includes(resourceType) &&
      fits(c, [
        ["path_start", path, "start"],
        ["path", path, "whole"],
        ["description", description, "part"],
        ["value", searched ? JSON.stringify(value) : "", "part"],
        ["broad_filter", `${path}\n${description}\n${resourceType}`, "part"],
      ])
    );
  }

  /** Variables of the job that asks, or that the query names: `$WM_...` texts are filled in for a job only. */
  function contextual(c: Context): Readonly<Record<string, string>> | undefined {
    const id = queryText(c, "job_id");
    if (id === undefined) return undefined;
    const job = context.jobs.get(id);
    if (job === undefined) throw notFound(`Job not found at name ${id}`);
    refuseOtherJobs(context.jobs, callerOf(c.req.raw), id);
    const token = tokenOf(c.req.raw) ?? "";
    return environmentOf({ workspace, baseUrl: context.baseUrl, internalUrl: context.baseUrl, folder }, job, token);
  }

  routes.get("/w/:workspace/resources/get_value/:path{.+}", (c) => c.json(found(pathParam(c)).value));
  routes.get("/w/:workspace/resources/get_value_interpolated/:path{.+}", (c) => {
    const { value } = found(pathParam(c));
    return c.json(folder.interpolate(value, contextual(c), () => noteSecret(c, context)));
  });
  routes.get("/w/:workspace/resources/get/:path{.+}", (c) => c.json(recordOf(found(pathParam(c)))));
  routes.get("/w/:workspace/resources/exists/:path{.+}", (c) => c.json(folder.resource(pathParam(c)) !== undefined));
  routes.get("/w/:workspace/resources/list", (c) => {
    // Values may be large, and a list has none.
    return c.json(
      paged(c, listed(c)).map((resource) => ({
        ...recordOf({ ...resource, value: null }),
        is_linked: false,
        is_refreshed: false,
        is_oauth: false,
        account: null,
        is_expired: null,
        refresh_error: null,
      })),
    );
  });
  routes.get(
    "/w/:workspace/resources/list_search",
    (c) => c.json(folder.resources().map(({ path, value }) => ({ path, value }))),
  );
  routes.get("/w/:workspace/resources/list_names/:name", (c) => {
    const asked = param(c, "name");
    const named = folder.resources().filter(({ resourceType }) => resourceType === asked);
    return c.json(named.map(({ path }) => ({ name: path.split("/").at(-1) ?? path, path })));
  });
  routes.get(
    "/w/:workspace/resources/file_resource_type_to_file_ext_map",
    (c) =>
      c.json(Object.fromEntries(
        folder.resourceTypes().flatMap(({ name, formatExtension }) =>
          formatExtension === undefined ? [] : [[name, formatExtension]]
        ),
      )),
  );
  routes.post("/w/:workspace/resources/create", async (c) => {
    const body = await readFields(c.req.raw);
    const path = requiredText(body, "path");
    const before = folder.resource(path);
    if (before !== undefined && queryFlag(c, "update_if_exists") !== true) {
      throw badRequest(`Resource ${path} already exists`);
    }
    folder.writeResource({
      path,
      value: body.value ?? null,
      resourceType: requiredText(body, "resource_type"),
      description: optionalText(body, "description") ?? "",
    });
    return c.text(`resource ${path} created`, 201);
  });
  routes.post("/w/:workspace/resources/update/:path{.+}", async (c) => {
    const path = pathParam(c);
    const body = await readFields(c.req.raw);
    const before = folder.resource(path);
    if (before === undefined) throw absent(folder, "resource", path, `Resource not found at name ${path}`);
    const target = optionalText(body, "path") ?? path;
    if (target !== path && folder.resource(target) !== undefined) throw badRequest(`Resource ${target} already exists`);
    folder.writeResource({
      path: target,
      value: body.value === undefined ? before.value : body.value,
      resourceType: optionalText(body, "resource_type") ?? before.resourceType,
      description: optionalText(body, "description") ?? before.description,
    });
    if (target !== path) folder.deleteResource(path);
    return c.text(`resource ${path} updated (npath: ${JSON.stringify(target)})`);
  });
  routes.post("/w/:workspace/resources/update_value/:path{.+}", async (c) => {
    const path = pathParam(c);
    const { value = null } = await readFields(c.req.raw);
    const before = folder.resource(path);
    // An unknown path is no error: the server updates what is there, and that is nothing.
    if (before !== undefined) folder.writeResource({ ...before, value });
    return c.text(`value of resource ${path} updated`);
  });
  routes.delete("/w/:workspace/resources/delete/:path{.+}", (c) => {
    const path = pathParam(c);
    folder.deleteResource(path);
    // A resource and the secret that was made for it have one path, and go together.
    folder.deleteVariable(path);
    return c.text(`resource ${path} deleted`);
  });
  routes.delete(
    "/w/:workspace/resources/delete_bulk",
    async (c) => c.json((await readPaths(c)).filter((path) => folder.deleteResource(path))),
  );
  addTypeRoutes(routes, context);
  return routes;
}

function addTypeRoutes(routes: Hono, { folder, workspace, identity }: ServerContext): void {
  function typeRecord({ name, schema, description, formatExtension }: ResourceType): Record<string, unknown> {
    return {
      workspace_id: workspace,
      name,
      schema,
      description,
      created_by: identity.owner.username,
      edited_at: null,
      format_extension: formatExtension ?? null,
      is_fileset: false,
    };
  }

  routes.get("/w/:workspace/resources/type/list", (c) => c.json(folder.resourceTypes().map(typeRecord)));
  routes.get("/w/:workspace/resources/type/listnames", (c) => c.json(folder.resourceTypes().map(({ name }) => name)));
  routes.get(
    "/w/:workspace/resources/type/exists/:name",
    (c) => c.json(folder.resourceType(param(c, "name")) !== undefined),
  );
  routes.get("/w/:workspace/resources/type/get/:name", (c) => {
    const name = param(c, "name");
    const type = folder.resourceType(name);
    if (type === undefined) throw absent(folder, "resource type", name, `ResourceType not found at name ${name}`);
    return c.json(typeRecord(type));
  });
  routes.post("/w/:workspace/resources/type/create", async (c) => {
    const body = await readFields(c.req.raw);
    const name = requiredText(body, "name");
    if (folder.resourceType(name) !== undefined) throw badRequest(`Resource type ${name} already exists`);
    const formatExtension = optionalText(body, "format_extension");
    folder.writeResourceType({
      name,
      schema: body.schema ?? null,
      description: optionalText(body, "description") ?? "",
      ...formatExtension === undefined ? {} : { formatExtension },
    });
    return c.text(`resource_type ${name} created`, 201);
  });
  routes.post("/w/:workspace/resources/type/update/:name", async (c) => {
    const name = param(c, "name");
    const body = await readFields(c.req.raw);
    const before = folder.resourceType(name);
    if (before !== undefined) {
      folder.writeResourceType({
        ...before,
        schema: body.schema ?? before.schema,
        description: optionalText(body, "description") ?? before.description,
      });
    }
    return c.text(`resource_type ${name} updated`);
  });
  routes.delete("/w/:workspace/resources/type/delete/:name", (c) => {
    const name = param(c, "name");
    folder.deleteResourceType(name);
    return c.text(`resource_type ${name} deleted`);
  });
}
