/**
 * The routes and parts of the local server that it has besides those of every server.
 *
 * @module
 */
import type { RouteModule } from "../server/app.ts";
import { pageRoutes } from "../server/routes/pages.ts";
import { resourceRoutes } from "../server/routes/resources.ts";
import { s3Routes } from "../server/routes/s3.ts";
import { s3ProxyRoutes } from "../server/routes/s3_proxy.ts";
import { scriptRoutes } from "../server/routes/scripts.ts";
import { sqlRoutes } from "../server/routes/sql.ts";
import { userRoutes } from "../server/routes/users.ts";
import { variableRoutes } from "../server/routes/variables.ts";
import { workspaceRoutes } from "../server/routes/workspaces.ts";

/** Routes below `/api`. */
export const ROUTES: readonly RouteModule[] = [
  scriptRoutes,
  variableRoutes,
  resourceRoutes,
  userRoutes,
  workspaceRoutes,
  sqlRoutes,
  s3Routes,
  s3ProxyRoutes,
];

/** Pages, at the root. */
export const PAGES: RouteModule = pageRoutes;
