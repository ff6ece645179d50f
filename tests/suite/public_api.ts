import * as client from "@windkit/windmill-client/client";
import * as engine from "@windkit/windmill-client/engine";
import * as errors from "@windkit/windmill-client/errors";
import * as root from "@windkit/windmill-client";
import * as memory from "@windkit/windmill-client/storage/memory";
import * as sqlite from "@windkit/windmill-client/storage/sqlite";
import * as testing from "@windkit/windmill-client/testing";
import * as workflow from "@windkit/windmill-client/workflow";
import { assert, assertEquals } from "./assert.ts";
import { test } from "./harness.ts";

// deno task pin writes this list.
const pinned: Readonly<Record<string, readonly string[]>> = {
  ".": [
    "CancelledError",
    "ConfigurationError",
    "DeadlineError",
    "HostUnsupportedError",
    "JobFailedError",
    "SHARED_FOLDER",
    "TaskError",
    "ValidationError",
    "WindmillApiError",
    "base64ToUint8Array",
    "cancelJob",
    "cancelRunning",
    "commitKafkaOffsets",
    "context",
    "createClient",
    "createToken",
    "databaseUrlFromResource",
    "decodePayload",
    "definePreprocessor",
    "deprecate",
    "get",
    "getApprovalUrls",
    "getClient",
    "getEnv",
    "getFlowUserState",
    "getIdToken",
    "getInternalState",
    "getJob",
    "getJobStatus",
    "getMockedApi",
    "getProgress",
    "getResource",
    "getResult",
    "getResultMaybe",
    "getResumeEndpoints",
    "getResumeUrls",
    "getRootJobId",
    "getSharedState",
    "getSharedStatePickle",
    "getState",
    "getStatePath",
    "getVariable",
    "getVersion",
    "getWorkspace",
    "hasCode",
    "initGlobalClient",
    "listResources",
    "parallel",
    "parseResourceSyntax",
    "parseVariableSyntax",
    "post",
    "requestInteractiveSlackApproval",
    "requestInteractiveTeamsApproval",
    "resolveDefaultResource",
    "runFlow",
    "runFlowAsync",
    "runScript",
    "runScriptAsync",
    "runScriptByHash",
    "runScriptByHashAsync",
    "runScriptByPath",
    "runScriptByPathAsync",
    "sendTeamsMessage",
    "setClient",
    "setFlowUserState",
    "setInternalState",
    "setProgress",
    "setResource",
    "setSharedState",
    "setSharedStatePickle",
    "setState",
    "setVariable",
    "sleep",
    "state",
    "statePath",
    "step",
    "task",
    "taskFlow",
    "taskInfo",
    "taskScript",
    "uint8ArrayToBase64",
    "user",
    "usernameToEmail",
    "version",
    "waitForApproval",
    "waitJob",
    "whoami",
    "workflow",
  ],
  "./client": [
    "createClient",
  ],
  "./workflow": [
    "TaskError",
    "parallel",
    "sleep",
    "step",
    "task",
    "taskFlow",
    "taskInfo",
    "taskScript",
    "waitForApproval",
    "workflow",
  ],
  "./engine": [
    "createEngine",
    "createLocalHost",
    "journalView",
    "pendingApprovals",
    "readJournal",
    "verifyChain",
  ],
  "./storage/memory": [
    "createMemoryStorage",
  ],
  "./storage/sqlite": [
    "openSqliteStorage",
  ],
  "./testing": [
    "mockWindmill",
  ],
  "./errors": [
    "CancelledError",
    "ConfigurationError",
    "DeadlineError",
    "EngineClosedError",
    "HostUnsupportedError",
    "JobFailedError",
    "JournalCorruptError",
    "MissingPackageError",
    "NonDeterminismError",
    "PayloadTooLargeError",
    "ReplayMismatchError",
    "RunExistsError",
    "RunFailedError",
    "SchemaTooNewError",
    "StorageFailedError",
    "StorageFullError",
    "StorageLockedError",
    "StorageReadOnlyError",
    "TaskError",
    "UnknownRunError",
    "UnknownWorkflowError",
    "ValidationError",
    "WindmillApiError",
    "hasCode",
  ],
  "./cli": [
    "main",
  ],
};
// End of the list.

/** The subpaths that load on every runtime. `./cli` needs the built-in modules of a server runtime at load. */
const modules: Readonly<Record<string, object>> = {
  ".": root,
  "./client": client,
  "./workflow": workflow,
  "./engine": engine,
  "./storage/memory": memory,
  "./storage/sqlite": sqlite,
  "./testing": testing,
  "./errors": errors,
};

for (const [subpath, module] of Object.entries(modules)) {
  test(`public API: "${subpath}" exports the pinned names and no other`, () => {
    assertEquals(Object.keys(module).toSorted(), pinned[subpath]);
  });

  test(`public API: nothing that "${subpath}" exports is undefined`, () => {
    for (const [name, value] of Object.entries(module)) assert(value !== undefined, `"${name}" is undefined`);
  });
}

test("public API: every pinned subpath but the command line is loaded here", () => {
  assertEquals(Object.keys(modules).toSorted(), Object.keys(pinned).filter((key) => key !== "./cli").toSorted());
});

test("public API: one name means one thing on every subpath", () => {
  const seen = new Map<string, { readonly subpath: string; readonly value: unknown }>();
  for (const [subpath, module] of Object.entries(modules)) {
    for (const [name, value] of Object.entries(module)) {
      const first = seen.get(name);
      if (first === undefined) seen.set(name, { subpath, value });
      else assert(first.value === value, `"${name}" of "${subpath}" is another than that of "${first.subpath}"`);
    }
  }
});
