/**
 * Users as the server describes them.
 *
 * @module
 */
import { type Answer, readRecord, unreadable } from "./answer.ts";

/** A user of the instance. */
export interface GlobalUser {
  /** Address that the user signs in with. */
  readonly email: string;
  /** How the user signs in, for example `password`. */
  readonly login_type?: string;
  /** True for an administrator of the instance. */
  readonly super_admin?: boolean;
  /** True when the address was confirmed. */
  readonly verified?: boolean;
  /** Full name. */
  readonly name?: string | null;
  /** Company. */
  readonly company?: string | null;
  /** Name in all workspaces, where the instance gives one. */
  readonly username?: string | null;
  /** The other fields, by the server's names. */
  readonly [field: string]: unknown;
}

/** A member of a workspace. */
export interface WorkspaceUser {
  /** Address that the user signs in with. */
  readonly email: string;
  /** Name in this workspace: the `me` of `u/me/script`. */
  readonly username: string;
  /** True for an administrator of the workspace. */
  readonly is_admin?: boolean;
  /** True for a user who may only run things. */
  readonly operator?: boolean;
  /** Names of the groups that the user is in. */
  readonly groups?: readonly string[];
  /** Names of the folders that the user may write. */
  readonly folders?: readonly string[];
  /** The other fields, by the server's names. */
  readonly [field: string]: unknown;
}

/** Decodes a user of the instance. */
export function readGlobalUser(answer: Answer): GlobalUser {
  const record = readRecord(answer, "a user");
  const { email } = record;
  if (typeof email !== "string") throw unreadable(answer, "a user with an 'email'", "none");
  return { ...record, email };
}

/** Decodes a member of a workspace. */
export function readWorkspaceUser(answer: Answer): WorkspaceUser {
  const user = readGlobalUser(answer);
  const { username } = user;
  if (typeof username !== "string") throw unreadable(answer, "a member with a 'username'", "none");
  return { ...user, username };
}
