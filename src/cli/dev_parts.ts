/**
 * The routes and parts of the local server that it has besides those of every server.
 *
 * @module
 */
import type { RouteModule } from "../server/app.ts";
import type { Database, Folder, Objects, Secrets } from "../server/ports.ts";
import { badRequest } from "../server/refusal.ts";
import { resourceRoutes } from "../server/routes/resources.ts";
import { scriptRoutes } from "../server/routes/scripts.ts";
import { sqlRoutes } from "../server/routes/sql.ts";
import { userRoutes } from "../server/routes/users.ts";
import { variableRoutes } from "../server/routes/variables.ts";
import { workspaceRoutes } from "../server/routes/workspaces.ts";
import type { Json } from "../workflow/journal.ts";

/** Routes below `/api`. */
export const ROUTES: readonly RouteModule[] = [
  scriptRoutes,
  variableRoutes,
  resourceRoutes,
  userRoutes,
  workspaceRoutes,
  sqlRoutes,
];

/** Pages, at the root. */
export const PAGES: RouteModule | undefined = undefined;

/** What the storages are opened with. */
export interface StorageParts {
  /** The data folder. */
  readonly data: string;
  readonly database: Database;
  readonly folder: Pick<Folder, "interpolate">;
  readonly secrets: Pick<Secrets, "remember">;
  /** Storages that are an S3, by name. */
  readonly s3: Readonly<Record<string, Json>>;
}

/** Opens the storages of a workspace. */
export function openStorages(_parts: StorageParts): Promise<Objects> {
  const refuse = (): never => {
    throw badRequest("This server has no storage");
  };
  return Promise.resolve({ read: refuse, write: refuse, remove: refuse, list: refuse, stat: refuse });
}
