/**
 * The yardstick of the server's start: Hono in Deno with one route.
 *
 * @module
 */
import { Hono } from "hono";

const app = new Hono();
app.get("/api/version", (c) => c.text("bare"));
const { addr } = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, app.fetch);
console.log(JSON.stringify({ url: `http://127.0.0.1:${addr.port}` }));
