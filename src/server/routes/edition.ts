/**
 * The server's version, and what Windmill's community edition refuses too.
 *
 * @module
 */
import { Hono } from "hono";
import { SDK_VERSION } from "../../base/version.ts";
import { badRequest, jsonResponse, type Refusal, textResponse } from "../../wire/refusal.ts";
import type { ServerContext } from "../ports.ts";
import { idParam, param } from "./_request.ts";

/**
 * What `/api/version` answers. Clients and scripts look at the numbers to see what a server knows: they are those of the newest
 * official client that this server is tested with. `CE`, because it has no licence and refuses what needs one; the end says
 * whose server it is.
 */
const SERVER_VERSION: string = `CE v1.818.0-windkit-${SDK_VERSION}`;

/** For what only the enterprise edition does. */
function enterpriseOnly(what: string): Refusal {
  return badRequest(
    `${what} is only available in Windmill Enterprise Edition; Windkit answers as the community edition`,
  );
}

/** The endpoints of the whole server, and those that are refused. */
export function editionRoutes(context: ServerContext): Hono {
  const app = new Hono();
  app.get("/version", () => textResponse(SERVER_VERSION));
  app.get("/uptodate", () => textResponse("yes"));
  app.get("/ee_license", () => textResponse(""));
  app.get(
    "/health/status",
    () =>
      jsonResponse({
        status: "healthy",
        checked_at: new Date(context.now()).toISOString(),
        database_healthy: true,
        workers_alive: 1,
      }),
  );

  app.post("/w/:workspace/oidc/token/:audience{.+}", () => {
    throw enterpriseOnly("OIDC");
  });
  app.get("/w/:workspace/jobs/slack_approval/:id", (c) => {
    idParam(c);
    throw enterpriseOnly("An approval by Slack");
  });
  app.get("/w/:workspace/jobs/teams_approval/:id", (c) => {
    idParam(c);
    throw enterpriseOnly("An approval by Microsoft Teams");
  });
  app.post("/teams/activities", () => {
    throw enterpriseOnly("A message to Microsoft Teams");
  });
  app.post("/w/:workspace/kafka_triggers/commit_offsets/:path{.+}", (c) => {
    throw enterpriseOnly(`A Kafka trigger (${param(c, "path")})`);
  });
  return app;
}
