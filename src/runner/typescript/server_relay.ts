/**
 * The one way out of the box to this machine: a socket in a job's folder that leads to the server, and to nothing else.
 *
 * @module
 */
import { Agent, createServer, type OutgoingHttpHeaders, request, type Server } from "node:http";

/** Where the server is. */
export interface RelayTarget {
  readonly hostname: string;
  readonly port: number;
  /** What the server is called in a request. */
  readonly host: string;
}

/**
 * Passes requests on, bodies as they come. It reads the path of a request and nothing else of its address: Deno writes a whole one,
 * with a name that stands for the server in the box.
 *
 * @param socket where it listens
 * @param target asked for each request; without one nothing answers
 */
export function createServerRelay(socket: string, target: () => RelayTarget | undefined): Server {
  const agent = new Agent({ keepAlive: true });
  const relay = createServer((incoming, answer) => {
    const to = target();
    if (to === undefined || incoming.url === undefined) return void answer.destroy();
    const headers: OutgoingHttpHeaders = { ...incoming.headers, host: to.host };
    delete headers["connection"];
    const outgoing = request({
      hostname: to.hostname,
      port: to.port,
      method: incoming.method ?? "GET",
      path: incoming.url.replace(/^https?:\/\/[^/?#]*/, "") || "/",
      headers,
      agent,
    }, (response) => {
      const { connection: _connection, ...rest } = response.headers;
      answer.writeHead(response.statusCode ?? 502, rest);
      answer.flushHeaders();
      response.pipe(answer);
      response.on("error", () => answer.destroy());
    });
    outgoing.on("error", () => answer.destroy());
    answer.on("close", () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  relay.on("error", () => relay.close()); // the script's requests say that nothing answers
  relay.on("close", () => agent.destroy());
  relay.listen(socket);
  relay.unref();
  return relay;
}
