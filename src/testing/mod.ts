/**
 * A kit for tests. Of workflows: {@linkcode testWorkflow} runs one with mocks and a clock of its own, {@linkcode explore} runs it by
 * thousands of schedules. Of scripts and of what calls Windmill: {@linkcode mockWindmill} is a Windmill server in memory.
 *
 * @module
 */
export { explore } from "./explore.ts";
export type {
  Explorable,
  Explored,
  ExploredEnd,
  ExploredFactory,
  ExploredWorkflow,
  ExploreOptions,
  Explorer,
} from "./explore.ts";
export { ExploreError, type ExploreFailure } from "./_explore_error.ts";
export type { ScriptedApproval, ScriptedEvent } from "./_answers.ts";
export type { Duration } from "./_duration.ts";
export { never } from "./_mocked_calls.ts";
export type { Failures, MadeCall, MockedCall, Mocks } from "./_mocked_calls.ts";
export { type RecordedJournal, replay, type Replayed, type ReplayOptions } from "./replay.ts";
export { type LogLine, type TestRun, testWorkflow, type TestWorkflowOptions } from "./test_workflow.ts";
export { createVirtualHost, type VirtualHost } from "./virtual_host.ts";
export { mockWindmill } from "./mock_windmill.ts";
export type { MockInstallation, MockOptions, MockWindmill } from "./mock_windmill.ts";
export type { MockCurrentJob } from "./_current_job.ts";
export type { MockFailure } from "./_failures.ts";
export type { MockJob, MockJobContext, MockRunnable } from "./_jobs.ts";
export type { MockApproval, MockUser } from "./_mock.ts";
export type { FetchInput, MockRequest } from "./_router.ts";
export type { MockContent, MockFile } from "./_s3_store.ts";
export type { MockSqlHandler, MockSqlStatement } from "./_sql.ts";
export type { MockResource, MockVariable } from "./_store.ts";
