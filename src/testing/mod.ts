/**
 * A kit for tests of scripts and of what calls Windmill: {@linkcode mockWindmill} is a Windmill server in memory.
 *
 * @module
 */
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
