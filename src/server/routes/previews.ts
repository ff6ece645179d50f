/**
 * Running code that is not deployed, or not as a job.
 *
 * @module
 */
import { Hono } from "hono";
import { isRecord } from "../../wire/answer.ts";
import { badRequest, jsonResponse, notFound, Refusal, textResponse } from "../../wire/refusal.ts";
import { callerOf } from "../auth.ts";
import { createInline } from "../jobs/inline.ts";
import type { ServerContext } from "../ports.ts";
import { optionalText, param, readFields } from "./_request.ts";
import { answerResult } from "./_result.ts";
import { scriptOf, startPreview } from "./_start.ts";

const NO_FLOWS = "this Windkit server runs scripts and workflows as code, and no flows";

/** The endpoints of previews and inline runs. */
export function previewRoutes(context: ServerContext): Hono {
  const app = new Hono();
  const runInline = createInline(context);

  app.post("/w/:workspace/jobs/run/preview", async (c) => textResponse((await startPreview(context, c)).id, 201));
  app.post(
    "/w/:workspace/jobs/run_wait_result/preview",
    async (c) => await answerResult(context, c, await startPreview(context, c)),
  );
  for (const action of ["run", "run_wait_result"]) {
    app.post(`/w/:workspace/jobs/${action}/preview_flow`, () => {
      throw notFound(`preview of a flow: ${NO_FLOWS}`);
    });
  }
  app.post("/w/:workspace/jobs/run_inline/preview", async (c) => {
    const fields = await readFields(c.req.raw);
    const { args } = fields;
    const content = optionalText(fields, "content"), language = optionalText(fields, "language");
    const path = optionalText(fields, "path");
    if (content === undefined || language === undefined || !isRecord(args ?? {})) {
      throw new Refusal(
        422,
        "Failed to deserialize the JSON body into the target type: expected `content`, `language` and `args`",
      );
    }
    return jsonResponse(
      await runInline({
        content,
        language,
        // `as`: looked at above.
        args: (args ?? {}) as Readonly<Record<string, never>>,
        ...(path !== undefined && { path }),
        caller: callerOf(c.req.raw),
        signal: c.req.raw.signal,
      }),
    );
  });
  for (const target of ["p", "h"] as const) {
    app.post(`/w/:workspace/jobs/run_inline/${target}/:name{.+}`, async (c) => {
      const { content, language, path, hash, modules } = scriptOf(context, target, param(c, "name"));
      const { args = {} } = await readFields(c.req.raw);
      if (!isRecord(args)) throw badRequest("args: expected a map");
      const caller = callerOf(c.req.raw);
      const code = { content, language, path, hash, ...modules === undefined ? {} : { modules } };
      return jsonResponse(await runInline({ ...code, args, caller, signal: c.req.raw.signal }));
    });
  }
  return app;
}
