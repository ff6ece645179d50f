import { createHandler } from "@windkit/windmill-client/edge/deno";
const handler = createHandler({ routes: { "GET /health": () => Promise.resolve(Response.json({ ok: true })) } });
export default { fetch: handler };
