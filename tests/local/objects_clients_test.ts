/**
 * The official npm client, unchanged, against the endpoints of objects. It reads its configuration from the environment at import.
 */
import { assert, assertEquals, assertIncludes } from "../suite/assert.ts";
import { trialFolder } from "./_folder_kit.ts";
import { textOf } from "./_store_cases.ts";

/** An object as the server gives it: its type says that it may be an address, which it never is. */
function recordOf(object: unknown): { readonly s3: string; readonly presigned?: string } {
  return object as { readonly s3: string; readonly presigned?: string };
}

Deno.test("The official client's functions of objects have their effect", async () => {
  const value = "{bucket: b, region: eu-west-3, endPoint: s3.test, useSSL: true, pathStyle: false, " +
    "accessKey: id, secretKey: '$var:f/a/secret'}";
  await using trial = await trialFolder({
    "f/a/secret.variable.yaml": "value: key-12345\nis_secret: true\n",
    "f/a/s3.resource.yaml": `value: ${value}\nresource_type: s3\n`,
  });
  Deno.env.set("WM_WORKSPACE", "trial");
  const baseUrl = trial.listen(), workspace = "trial", store = trial.objects.storage();
  const wmill = await import("official-windmill-client");
  wmill.setClient(trial.identity.ownerToken, baseUrl);

  assertEquals(await wmill.writeS3File({ s3: "a b/c.txt" }, "hello"), { s3: "a b/c.txt" });
  assertEquals(await textOf(store, "a b/c.txt"), "hello");
  const blob = new Blob([new Uint8Array([0, 255])]);
  assertEquals(
    await wmill.writeS3File("s3://second/k.bin", blob, undefined, "image/png", 'inline; filename="k"'),
    { s3: "k.bin", storage: "second" },
  );
  const info = await trial.objects.storage("second").stat("k.bin");
  assertEquals([info?.size, info?.contentType, info?.contentDisposition], [2, "image/png", 'inline; filename="k"']);
  const made = await wmill.writeS3File(undefined, "made");
  assert(/^windmill_uploads\//.test(recordOf(made).s3));
  assertEquals(new TextDecoder().decode(await wmill.loadS3File(made)), "made");

  assertEquals([...await wmill.loadS3File("s3://second/k.bin") ?? []], [0, 255]);
  const loaded = await wmill.loadS3FileStream({ s3: "a b/c.txt" });
  assertEquals(await loaded?.text(), "hello");
  // A result of the official Python client.
  const foreign = JSON.parse('{"s3": "a b/c.txt", "storage": null}');
  assertEquals(new TextDecoder().decode(await wmill.loadS3File(foreign)), "hello");
  let message = "";
  try {
    await wmill.loadS3File({ s3: "none" });
  } catch (error) {
    message = (error as Error).message;
  }
  assertIncludes(message, "404");
  assertIncludes(message, "Not found: File not found: none");

  const [first, second] = await wmill.signS3Objects([{ s3: "k", storage: "second" }, "s3:///a b/c.txt"], {
    expirySecs: 60,
  });
  assert(/^exp=\d+&sig=[0-9a-f]{64}$/.test(recordOf(first).presigned ?? ""));
  assertEquals(recordOf(await wmill.signS3Object(second ?? "s3:///k")).s3, "a b/c.txt");
  const open = async (url: string): Promise<string> => {
    const response = await fetch(url);
    return `${response.status} ${new Uint8Array(await response.arrayBuffer()).length}`;
  };
  assertEquals(await open(await wmill.getPresignedS3PublicUrl("s3:///a b/c.txt", { baseUrl })), "200 5");
  const urls = await wmill.getPresignedS3PublicUrls(["s3://second/k.bin", foreign], { baseUrl });
  assertEquals(await Promise.all(urls.map(open)), ["200 2", "200 5"]);

  const expected = { bucket: "b", region: "eu-west-3", endPoint: "s3.test", useSSL: true, pathStyle: false };
  assertEquals({ ...await wmill.denoS3LightClientSettings("f/a/s3") }, {
    ...expected,
    accessKey: "id",
    secretKey: "key-12345",
  });
  const requestBody = { s3_resource_path: "f/a/s3" };
  const duck = await wmill.HelpersService.duckdbConnectionSettingsV2({ workspace, requestBody });
  assertIncludes(duck.connection_settings_str, "SET s3_secret_access_key='key-12345';\n");
  const polars = await wmill.HelpersService.polarsConnectionSettingsV2({ workspace, requestBody });
  assertEquals([polars.storage_options.aws_endpoint_url, polars.storage_options.aws_allow_http], [
    "https://s3.test",
    "false",
  ]);
  assertEquals(trial.secrets.redact("it is key-12345"), "it is ***");

  const listed = await wmill.HelpersService.listStoredFiles({ workspace, maxKeys: 10, prefix: "a b/" });
  assertEquals(listed.windmill_large_files, [{ s3: "a b/c.txt" }]);
  const metadata = await wmill.HelpersService.loadFileMetadata({ workspace, fileKey: "a b/c.txt" });
  assertEquals([metadata.mime_type, metadata.size_in_bytes], ["application/octet-stream", 5]);
  await wmill.HelpersService.moveS3File({ workspace, srcFileKey: "a b/c.txt", destFileKey: "d.txt" });
  const preview = await wmill.HelpersService.loadFilePreview({ workspace, fileKey: "d.txt" });
  assertEquals([preview.content, preview.content_type], ["hello", "RawText"]);
  await wmill.deleteS3File("s3:///d.txt");
  await wmill.deleteS3File({ s3: "k.bin", storage: "second" });
  assertEquals([await store.stat("d.txt"), await trial.objects.storage("second").stat("k.bin")], [
    undefined,
    undefined,
  ]);
});
