/**
 * A server that answers every request with the value of a variable. Prints its port.
 *
 * @module
 */
Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(port) },
  () => new Response('"value"', { headers: { "content-type": "application/json" } }),
);
