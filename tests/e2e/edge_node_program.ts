/** A server of Node's with handlers that tell what happened to them; `edge_node_test.ts` starts it. */
import { createServer } from "node:http";
import { createHandler } from "@windkit/windmill-client/edge/node";
import { type Handler, s3Proxy } from "@windkit/windmill-client/handlers";

const state = { pulled: 0, cancelled: 0, aborted: 0, broken: 0 };

/** A body that never ends: 64 KiB at a time, as long as somebody takes it. */
function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      state.pulled++;
      controller.enqueue(new Uint8Array(65_536));
    },
    cancel: () => void state.cancelled++,
  }, { highWaterMark: 0 });
}

const routes: Record<string, Handler> = {
  "GET /endless": (request) => {
    request.signal.addEventListener("abort", () => state.aborted++, { once: true });
    return Promise.resolve(new Response(endless()));
  },
  "GET /silent": (request) => {
    request.signal.addEventListener("abort", () => state.aborted++, { once: true });
    return Promise.resolve(new Response(new ReadableStream({ cancel: () => void state.cancelled++ })));
  },
  "POST /echo": ({ body }) => Promise.resolve(new Response(body)),
  "POST /whole": async (request) => {
    try {
      return new Response(`${(await request.arrayBuffer()).byteLength}`);
    } catch (error) {
      state.broken++;
      throw error;
    }
  },
  "GET /url/*": ({ url }) => Promise.resolve(new Response(url)),
  "GET //evil.example/x": ({ url }) => Promise.resolve(new Response(url)),
  "GET /cookies": () => Promise.resolve(new Response("", { headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"]] })),
  "GET /length/:said": (_request, context) =>
    Promise.resolve(
      new Response("HTTP/1.1 200 OK\r\n\r\n", {
        headers: { "content-length": context?.params?.said ?? "", "connection": "x" },
      }),
    ),
  "GET /empty": () => Promise.resolve(new Response(null, { headers: { "content-length": "5" } })),
  "GET /state": () => {
    // Garbage is no memory that is held: Node lets much of it lie.
    gc();
    return Promise.resolve(Response.json({ ...state, held: process.memoryUsage().arrayBuffers }));
  },
  "GET /broken": () =>
    Promise.resolve(
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new Uint8Array(10)),
          pull: () => Promise.reject(new Error("the source broke")),
        }),
      ),
    ),
  "/files/*": s3Proxy({
    basePath: "/files",
    storage: "",
    methods: ["PUT", "DELETE"],
    maxBytes: 1e9,
    authorize: () => true,
  }),
};

const { process, gc } = globalThis as unknown as {
  readonly process: { memoryUsage(): { readonly arrayBuffers: number } };
  readonly gc: () => void;
};
const listener = createHandler({ routes, onError: () => {} });
const moved = createHandler({ routes, onError: () => {}, origin: "https://public.example" });
const server = createServer((incoming, outgoing) =>
  (incoming.headers["x-moved"] === undefined ? listener : moved)(incoming, outgoing)
);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  console.log(`Listening on port ${typeof address === "object" ? address?.port : address}`);
});
