/**
 * Users.
 *
 * @module
 */
import { encodeSegment } from "../base/url.ts";
import type { CallOptions } from "../http/transport.ts";
import { readPlain } from "../wire/plain.ts";
import { type GlobalUser, readGlobalUser, readWorkspaceUser, type WorkspaceUser } from "../wire/users.ts";
import { type ClientOptions, inWorkspace, request } from "./connection.ts";

/** Reads who the client is on the instance. */
export async function readWhoami(client: ClientOptions, options?: CallOptions): Promise<GlobalUser> {
  return readGlobalUser(await request(client, { route: "users/whoami" }, options));
}

/** Reads who the client is in its workspace. */
async function readMember(client: ClientOptions, options?: CallOptions): Promise<WorkspaceUser> {
  return readWorkspaceUser(await request(client, { route: inWorkspace(client, "users/whoami") }, options));
}

/** Reads the address of a member of the workspace. */
export async function readEmail(client: ClientOptions, username: string, options?: CallOptions): Promise<string> {
  const route = inWorkspace(client, `users/username_to_email/${encodeSegment(username, "username")}`);
  return readPlain(await request(client, { route }, options), "an address");
}

/** Users. */
export interface UsersGroup {
  /** Reads who the client is on the instance. */
  readonly whoami: (options?: CallOptions) => Promise<GlobalUser>;
  /** Reads who the client is in its workspace: groups, folders, whether it is an administrator. */
  readonly member: (options?: CallOptions) => Promise<WorkspaceUser>;
  /** Reads the address of a member of the workspace; for who runs the job, `client.context()` has it without a request. */
  readonly usernameToEmail: (username: string, options?: CallOptions) => Promise<string>;
}

/** The functions of this group for one client. */
export function usersGroup(c: ClientOptions): UsersGroup {
  return {
    whoami: (o) => readWhoami(c, o),
    member: (o) => readMember(c, o),
    usernameToEmail: (username, o) => readEmail(c, username, o),
  };
}
