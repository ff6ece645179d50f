/** Objects of a shop for browsers, as a Cloudflare Worker. */
import { createHandler, type Worker } from "@windkit/windmill-client/edge/cloudflare";
import { s3Proxy } from "@windkit/windmill-client/handlers";

const worker: Worker = createHandler({
  routes: {
    "GET /health": () => Promise.resolve(Response.json({ ok: true })),
    // Windmill's own signed addresses, with this Worker's origin.
    "GET /api/w/:workspace/s3_proxy/*": s3Proxy(),
  },
});

export default worker;
