/**
 * The endpoints of users and their tokens: there is one person, who runs the server.
 *
 * @module
 */
import { Hono } from "hono";
import { badRequest, denied, notFound } from "../../wire/refusal.ts";
import { callerOf } from "../auth.ts";
import type { Caller, ServerContext, TokenRecord } from "../ports.ts";
import { pathParam } from "./_answers.ts";
import { optionalText, param, queryFlag, readFields } from "./_request.ts";

/** The endpoints of users and tokens. */
export function userRoutes(context: ServerContext): Hono {
  const { identity, workspace, folder, secrets } = context;
  const routes = new Hono();

  function named(username: string): Caller {
    if (username !== identity.owner.username) throw notFound(`user not found at name ${username}`);
    return identity.owner;
  }

  /** Names of the folders that something is in. */
  function folders(): readonly string[] {
    const paths = [...folder.scripts(), ...folder.variables(), ...folder.resources()].map(({ path }) => path);
    return [...new Set(paths.flatMap((path) => /^f\/([^/]+)\//.exec(path)?.[1] ?? []))].sort();
  }

  function memberOf({ email, username, isAdmin }: Caller): Record<string, unknown> {
    const owned = folders();
    return {
      workspace_id: workspace,
      email,
      username,
      name: username,
      is_admin: isAdmin,
      is_super_admin: isAdmin,
      created_at: new Date(0).toISOString(),
      operator: false,
      disabled: false,
      role: null,
      groups: ["all"],
      folders: owned,
      folders_read: owned,
      folders_owners: owned,
      added_via: null,
      is_service_account: false,
    };
  }

  routes.get("/users/whoami", (c) => {
    const { email, username, isAdmin } = callerOf(c.req.raw);
    return c.json({
      email,
      login_type: "password",
      super_admin: isAdmin,
      devops: false,
      verified: true,
      name: username,
      company: null,
      username,
      operator_only: false,
      first_time_user: false,
      role_source: "manual",
      disabled: false,
    });
  });
  routes.get("/users/email", (c) => c.text(callerOf(c.req.raw).email));
  routes.get("/users/exists/:email", (c) => c.json(param(c, "email") === identity.owner.email));
  routes.get("/w/:workspace/users/whoami", (c) => c.json(memberOf(callerOf(c.req.raw))));
  routes.get("/w/:workspace/users/list", (c) => c.json([memberOf(identity.owner)]));
  routes.get("/w/:workspace/users/list_usernames", (c) => c.json([identity.owner.username]));
  routes.get("/w/:workspace/users/get/:username", (c) => c.json(memberOf(named(param(c, "username")))));
  routes.get("/w/:workspace/users/whois/:username", (c) => c.json(memberOf(named(param(c, "username")))));
  routes.get("/w/:workspace/users/username_to_email/:username", (c) => c.text(named(param(c, "username")).email));
  routes.get("/w/:workspace/users/is_owner/:path{.+}", (c) => {
    const { isAdmin, username } = callerOf(c.req.raw);
    return c.json(isAdmin || pathParam(c).startsWith(`u/${username}/`));
  });

  routes.post("/users/tokens/create", async (c) => {
    const caller = callerOf(c.req.raw);
    const body = await readFields(c.req.raw);
    const asked = optionalText(body, "workspace_id");
    if (asked !== undefined && asked !== workspace) {
      throw badRequest(`the workspace of a token must be "${workspace}", and is "${asked}"`);
    }
    if (body.read_only === true) throw badRequest("tokens that may only read are not made here: name scopes instead");
    const expiresAt = timeOf(optionalText(body, "expiration"));
    const { scopes = null } = body;
    if (scopes !== null && !(Array.isArray(scopes) && scopes.every((scope) => typeof scope === "string"))) {
      throw badRequest("`scopes` must be a list of texts");
    }
    const label = optionalText(body, "label");
    try {
      const token = identity.createToken(caller, {
        ...label === undefined ? {} : { label },
        ...expiresAt === undefined ? {} : { expiresAt },
        // `as`: it was just looked at.
        ...scopes === null ? {} : { scopes: scopes as readonly string[] },
      });
      secrets.remember(token);
      return c.text(token, 201);
    } catch (error) {
      if (error instanceof RangeError) throw denied(error.message);
      throw error;
    }
  });
  routes.get("/users/tokens/list", (c) => {
    refuseJobs(callerOf(c.req.raw));
    const { email } = identity.owner;
    const shown = identity.tokens().filter(({ label }) =>
      queryFlag(c, "exclude_ephemeral") !== true || label !== "ephemeral"
    );
    return c.json(shown.map((token) => tokenRecord(token, email)));
  });
  routes.delete("/users/tokens/delete/:prefix", (c) => {
    refuseJobs(callerOf(c.req.raw));
    const prefix = param(c, "prefix");
    if (!identity.deleteToken(prefix)) throw notFound(`Token not found at name ${prefix}`);
    return c.text(`deleted 1 tokens ${JSON.stringify([prefix])}`);
  });
  return routes;
}

function refuseJobs({ job }: Caller): void {
  if (job !== undefined) throw denied("the token of a job is not good for other tokens");
}

function tokenRecord(
  { prefix, label, createdAt, expiresAt, scopes }: TokenRecord,
  email: string,
): Record<string, unknown> {
  return {
    label: label ?? null,
    expiration: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
    token_prefix: prefix,
    created_at: new Date(createdAt).toISOString(),
    last_used_at: new Date(createdAt).toISOString(),
    scopes: scopes ?? null,
    email,
    read_only: false,
  };
}

/** A time of RFC 3339. */
function timeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const at = Date.parse(text);
  if (Number.isFinite(at) && /^\d{4}-\d\d-\d\dT/.test(text)) return at;
  throw badRequest(`\`expiration\` must be a time such as 2030-01-31T12:00:00Z, and is ${JSON.stringify(text)}`);
}
