/**
 * Runs the official client on the mock, in a process of its own: it reads the environment when it is loaded, and takes the
 * runtime's `fetch`. What each call gave goes to standard output.
 *
 * @module
 */
import { mockWindmill } from "@windkit/windmill-client/testing";

const mock = mockWindmill({
  workspace: "ws",
  token: "tok",
  currentJob: { path: "u/me/self", flowPath: "u/me/flow" },
  variables: { "u/me/v": "value" },
  resources: { "u/me/r": "value" },
  jobs: {
    "u/me/s": ({ x }) => ({ ok: x }),
    "abc": () => ({ ok: 1 }),
    "u/me/fails": () => {
      throw new RangeError("bad");
    },
    "addOne": ({ n }) => Number(n) + 1,
  },
  flows: { "u/me/f": ({ x }) => ({ ok: x }) },
  s3: { "k.txt": "\x01\x02\x03", "s3://st/k": "public" },
  sql: ({ values }) => [{ a: values[0] ?? 1 }],
});
for (const [name, value] of Object.entries(mock.env)) Deno.env.set(name, value);
globalThis.fetch = mock.fetch as typeof fetch;
const named = await import("official-windmill-client");
const { JobService, SettingsService, ResourceService, UserService } = named;

const [, self = ""] = [...mock.jobs.keys()];
const calls: Readonly<Record<string, () => unknown>> = {
  "getVariable": () => named.getVariable("u/me/v"),
  "getVariable missing": () => named.getVariable("u/me/missing"),
  "setVariable": async () => {
    await named.setVariable("u/me/v", "new");
    await named.setVariable("u/me/made", "made", true, "why");
    return [mock.variables.get("u/me/v")?.value, mock.variables.get("u/me/made")];
  },
  "getResource": () => named.getResource("u/me/r"),
  "getResource missing": () => named.getResource("u/me/missing"),
  "getResource missing undefinedIfEmpty": async () => `${await named.getResource("u/me/missing", true)}`,
  "setResource": async () => {
    await named.setResource(7, "u/me/made", "number");
    await named.setResource(8, "u/me/made");
    return await named.getResource("u/me/made");
  },
  "listResource": async () => (await ResourceService.listResource({ workspace: "ws" })).map(({ path }) => path),
  "getState": async () => {
    await named.setState({ n: 1 });
    return await named.getState();
  },
  "getFlowUserState": async () => {
    await named.setFlowUserState("k", { s: 1 }, true);
    return await named.getFlowUserState("k", true);
  },
  "getProgress": async () => {
    await named.setProgress(5);
    return await named.getProgress();
  },
  "getRootJobId": async () => await named.getRootJobId() === [...mock.jobs.keys()][0],
  "runScriptByPath": () => named.runScriptByPath("u/me/s", { x: 1 }),
  "runScriptByHash": () => named.runScriptByHash("abc"),
  "runScriptByPath fails": () => named.runScriptByPath("u/me/fails"),
  "runScriptByPathAsync missing": () => named.runScriptByPathAsync("u/me/missing"),
  "runFlow": () => named.runFlow("u/me/f", { x: 2 }),
  "getJob": async () => (await JobService.getJob({ workspace: "ws", id: self })).type,
  "cancelJob": async () => await named.cancelJob(await named.runScriptByPathAsync("u/me/s", {}, 3600)) !== "",
  "loadS3File": async () => [...await named.loadS3File({ s3: "k.txt" }) ?? []],
  "writeS3File": () => named.writeS3File({ s3: "made.txt", storage: "st" }, "text"),
  "deleteS3File": async () => {
    await named.deleteS3File({ s3: "made.txt", storage: "st" });
    return mock.s3.has("s3://st/made.txt");
  },
  "getPresignedS3PublicUrl": async () => {
    const url = await named.getPresignedS3PublicUrl({ s3: "k", storage: "st" });
    return await (await fetch(url)).text();
  },
  "denoS3LightClientSettings": async () => (await named.denoS3LightClientSettings(undefined)).bucket,
  "datatable": () => named.datatable()`SELECT ${7}`.fetch(),
  "datatable fetchOneScalar": () => named.datatable()`SELECT ${7}`.fetchOneScalar(),
  "ducklake": () => named.ducklake()`SELECT ${"x"}`.fetch(),
  "getResumeUrls": async () => Object.keys(await named.getResumeUrls("me")).sort(),
  "getApprovalUrls": async () => Object.keys(await named.getApprovalUrls("manager")).sort(),
  "usernameToEmail": () => named.usernameToEmail("mock"),
  "getIdToken": async () => (await named.getIdToken("https://vault/x")).split(".").length,
  "commitKafkaOffsets": async () => `${await named.commitKafkaOffsets("f/k/t", "topic", 0, 1)}`,
  "version": () => SettingsService.backendVersion(),
  "whoami": async () => (await UserService.globalWhoami()).email,
};

const results: Record<string, unknown> = {};
for (const [name, call] of Object.entries(calls)) {
  try {
    results[name] = await call();
  } catch (error) {
    results[name] = `${error}`;
  }
}
mock.close();
console.log(JSON.stringify(results));
