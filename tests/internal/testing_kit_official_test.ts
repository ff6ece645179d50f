/**
 * The official client works on the mock: it was written for the server, and not by us.
 *
 * @module
 */
import assert from "node:assert/strict";
import { runCommand } from "../run/command.ts";
import { root } from "../run/runtimes.ts";

Deno.test("mockWindmill(): the official client gets what it gets from a server", async () => {
  const child = `${root}tests/internal/testing_kit_official_child.ts`;
  const { stdout } = await runCommand([Deno.execPath(), "run", "--quiet", "--allow-all", child], { cwd: root });
  const urls = ["approvalPage", "cancel", "resume"];
  const results = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Readonly<Record<string, unknown>>;
  const failed = results["runScriptByPath fails"];
  assert.match(`${failed}`, /^Error: Job [\da-f-]+ was not successful: \{"name":"RangeError","message":"bad"/);
  assert.deepEqual({ ...results, "runScriptByPath fails": undefined }, {
    "getVariable": "value",
    "getVariable missing":
      "Error: Variable not found at u/me/missing or not visible to you: Not found: Variable u/me/missing not found",
    "setVariable": ["new", { value: "made", isSecret: true, description: "why" }],
    "getResource": "value",
    "getResource missing":
      "Error: Resource not found at u/me/missing or not visible to you: Not found: Resource u/me/missing not found",
    "getResource missing undefinedIfEmpty": "undefined",
    "setResource": 8,
    "listResource": ["u/me/made", "u/me/r"],
    "getState": { n: 1 },
    "getFlowUserState": { s: 1 },
    "getProgress": 5,
    "getRootJobId": true,
    "runScriptByPath": { ok: 1 },
    "runScriptByHash": { ok: 1 },
    "runScriptByPath fails": undefined,
    // The status is not looked at: one of its defects.
    "runScriptByPathAsync missing": "Not found: script not found at name u/me/missing",
    "runFlow": { ok: 2 },
    "getJob": "QueuedJob",
    "cancelJob": true,
    "loadS3File": [1, 2, 3],
    "writeS3File": { s3: "made.txt", storage: "st" },
    "deleteS3File": false,
    "getPresignedS3PublicUrl": "public",
    "denoS3LightClientSettings": "mock",
    "datatable": [{ a: 7 }],
    "datatable fetchOneScalar": 7,
    "ducklake": [{ a: "x" }],
    "getResumeUrls": urls,
    "getApprovalUrls": urls,
    "usernameToEmail": "mock@windmill.test",
    "getIdToken": 3,
    "commitKafkaOffsets": "undefined",
    "version": "CE v1.818.0",
    "whoami": "mock@windmill.test",
  });
});
