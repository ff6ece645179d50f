/**
 * A client that reads from its own host only.
 *
 * @module
 */
import { release } from "../http/body.ts";
import { systemFetch } from "../platform/network.ts";
import type { ClientOptions } from "../sdk/connection.ts";
import { apiError } from "../wire/answer.ts";

/**
 * Refuses what a redirect to another host would give. The token never goes there; but what comes from there is not Windmill's word
 * about a job, and must not reach a browser as that.
 *
 * A job that is waited for may answer with a redirect itself: that is for the browser. Followed here, it would be a call of whatever
 * it names, with the token and the body.
 */
export function onOwnHost(client: ClientOptions): ClientOptions {
  const { fetch = systemFetch } = client;
  return {
    ...client,
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      const { status, headers } = response;
      const location = status > 299 && status < 400 && headers.get("location");
      const { method } = init, waits = url.includes("/run_wait_result/");
      if (location && (waits || method === "GET")) {
        const to = URL.canParse(location, url) ? new URL(location, url).origin : "elsewhere";
        if (waits || to !== new URL(url).origin) {
          release(response.body);
          const shown = { method: `${method}`, url: url.replace(/\?.*/, "") };
          throw apiError({ shown }, status, `a redirect to ${to}: set 'baseUrl' to it`);
        }
      }
      return response;
    },
  };
}
