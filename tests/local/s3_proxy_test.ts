/** `s3Proxy` before the local server: signatures that are real, conditions that the server looks at, and keys of every kind. */
import { s3Proxy, type S3ProxyOptions } from "../../src/handlers/mod.ts";
import { createClient } from "../../src/sdk/client.ts";
import { assert, assertEquals } from "../suite/assert.ts";
import { type TrialFolder, trialFolder } from "./_folder_kit.ts";
import { PLAIN_KEYS } from "./_store_cases.ts";

const EDGE = "https://edge.example";

function setUp(trial: TrialFolder, options: S3ProxyOptions) {
  const client = { baseUrl: trial.listen(), workspace: "trial", token: trial.identity.ownerToken, env: {} };
  const handler = s3Proxy({ client, ...options });
  return {
    s3: createClient(client).s3,
    ask: (url: string, init?: RequestInit) => handler(new Request(new URL(url, EDGE), init)),
  };
}

Deno.test("Signed addresses of keys of every kind are served, and nothing else", async () => {
  await using trial = await trialFolder({});
  const { s3, ask } = setUp(trial, {});
  for (const key of PLAIN_KEYS) {
    for (const object of [{ s3: key }, { s3: key, storage: "second store" }]) {
      const content = JSON.stringify(object);
      await s3.upload(object, content);
      const address = await s3.presign(object, { baseUrl: EDGE });
      const response = await ask(address);
      assertEquals([key, response.status, await response.text()], [key, 200, content]);
      const forged = [
        address.replace(/.$/, (last) => last === "0" ? "1" : "0"),
        address.replace(/exp=\d+/, (exp) => `${exp.slice(0, -1)}${(Number(exp.at(-1)) + 1) % 10}`),
        address.replace("/s3_proxy/", "/s3_proxy/other").replace("other_default_", "other"),
        address.replace(/\?.*/, ""),
        `${address.replace(/\?.*/, "")}?token=${trial.identity.ownerToken}`,
        address.replace("sig=", "sig=00"),
        address.replace(/(&?)sig=[^&]*/, ""),
      ];
      for (const one of forged) {
        const refused = await ask(one);
        assertEquals([one, refused.status], [one, 401]);
        assert(!(await refused.text()).includes(content));
      }
    }
  }
});

Deno.test("An object is served to whom 'authorize' lets, with parts and conditions of the server's", async () => {
  await using trial = await trialFolder({});
  const { s3, ask } = setUp(trial, { basePath: "/files", storage: "", prefix: "public/", authorize: () => true });
  await s3.upload({ s3: "public/a.txt" }, "0123456789", { contentDisposition: 'attachment; filename="\u00fc.txt"' });
  await s3.upload({ s3: "secret.txt" }, "secret");
  const whole = await ask("/files/a.txt");
  assertEquals(await whole.text(), "0123456789");
  assertEquals(whole.headers.get("content-disposition"), "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt");
  const etag = whole.headers.get("etag") ?? "", written = whole.headers.get("last-modified") ?? "";
  assert(etag !== "" && written !== "");
  const status = async (headers: Record<string, string>, method = "GET") => {
    const response = await ask("/files/a.txt", { headers, method });
    return [response.status, response.headers.get("content-range"), await response.text()];
  };
  assertEquals(await status({ range: "bytes=2-3" }), [206, "bytes 2-3/10", "23"]);
  assertEquals(await status({ range: "bytes=-3" }), [206, "bytes 7-9/10", "789"]);
  assertEquals((await status({ range: "bytes=10-" })).slice(0, 2), [416, "bytes */10"]);
  assertEquals(await status({ "if-none-match": etag }), [304, null, ""]);
  assertEquals(await status({ "if-modified-since": written }), [304, null, ""]);
  assertEquals(await status({ "if-match": '"other"' }), [412, null, ""]);
  assertEquals(await status({ range: "bytes=0-1", "if-range": etag }), [206, "bytes 0-1/10", "01"]);
  assertEquals(await status({ range: "bytes=0-1", "if-range": '"other"' }), [200, null, "0123456789"]);
  const head = await ask("/files/a.txt", { method: "HEAD" });
  assertEquals([head.status, head.headers.get("content-length"), head.headers.get("etag")], [200, "10", etag]);
  for (const path of ["/files/..%2fsecret.txt", "/files/../secret.txt", "/files/%2e%2e%2Fsecret.txt", "/files/none"]) {
    const refused = await ask(path);
    assert(refused.status === 400 || refused.status === 404, `${path}: ${refused.status}`);
    assert(!(await refused.text()).includes("secret"));
  }
});

Deno.test("What is written through it is what is read, with its type; what breaks off is not stored", async () => {
  await using trial = await trialFolder({});
  const { s3, ask } = setUp(trial, { basePath: "/files", methods: ["PUT", "DELETE"], authorize: () => true });
  const bytes = new Uint8Array(1_000_000).map((_, i) => i % 253);
  const put = await ask("/files/_default_/a/b", {
    method: "PUT",
    body: bytes,
    headers: { "content-type": "image/png" },
  });
  assertEquals([put.status, await put.json()], [200, { s3: "a/b" }]);
  assertEquals(await (await s3.download({ s3: "a/b" })).bytes(), bytes);
  const got = await ask("/files/_default_/a/b");
  assertEquals([got.headers.get("content-type"), (await got.arrayBuffer()).byteLength], ["image/png", 1_000_000]);
  let sent = 0;
  const broken = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (sent++ < 3) controller.enqueue(new Uint8Array(1000));
      else controller.error(new TypeError("The request broke off"));
    },
  });
  const failed = await ask("/files/_default_/half", { method: "PUT", body: broken });
  assertEquals(failed.status, 500);
  await failed.body?.cancel();
  assertEquals((await ask("/files/_default_/half")).status, 404);
  assertEquals((await ask("/files/_default_/a/b", { method: "DELETE" })).status, 204);
  assertEquals((await ask("/files/_default_/a/b")).status, 404);
});
