/** Node's requests as those of the web: what no client of the tests can send. */
import assert from "node:assert/strict";
import { type NodeRequest, toRequest } from "../../edge/_node_http.ts";

function incoming(url: string, rawHeaders: readonly string[], encrypted = false): NodeRequest {
  return { method: "GET", url, rawHeaders, socket: { encrypted }, on: () => {}, resume: () => {}, pause: () => {} };
}

Deno.test("toRequest() takes the host of HTTP/2 from ':authority'", () => {
  const pseudo = [":method", "GET", ":path", "/a", ":authority", "shop.example:8443", ":scheme", "https"];
  const { request } = toRequest(incoming("/a", [...pseudo, "x-own", "1"], true));
  assert.equal(request?.url, "https://shop.example:8443/a");
  assert.deepEqual([...request.headers], [["x-own", "1"]]);
  assert.equal(toRequest(incoming("/a", [":authority", "user@shop.example"])).request, undefined);
});

Deno.test("toRequest() refuses what would be a part of the host", () => {
  for (const path of [".evil.example/", ":81/a", "@evil.example/", "a"]) {
    assert.equal(toRequest(incoming(path, ["host", "shop.example"])).request, undefined, path);
  }
  assert.equal(toRequest(incoming("*", ["host", "shop.example"])).request?.url, "http://shop.example/");
  assert.equal(toRequest(incoming("http://x?a", ["host", "shop.example"])).request?.url, "http://shop.example/?a");
  assert.equal(toRequest(incoming("/a/b", ["host", ""])).request?.url, "http://localhost/a/b");
});
