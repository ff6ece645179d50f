/**
 * A client for one request, made of the groups of functions that are wanted: what is not named is in no bundle.
 *
 * @module
 */
import { type ClientOptions, inWorkspace, prepare } from "../sdk/connection.ts";
import type { JobsGroup } from "../sdk/jobs_group.ts";
import type { JobArgs } from "../sdk/_typed_calls.ts";
import { runJob, type RunOptions, startJob, type StartOptions, type WaitOptions } from "../sdk/jobs.ts";
import { readResultMaybe, stopJob } from "../sdk/jobs_records.ts";
import { awaitJob } from "../sdk/jobs_wait.ts";
import { type Connection, connectionOf, type HandlerContext } from "./handler.ts";

export { approvalsGroup as approvals } from "../sdk/approvals.ts";
export { connectionsGroup as connections } from "../sdk/connections.ts";
export { jobsGroup as jobs } from "../sdk/jobs_group.ts";
export { kafkaGroup as kafka } from "../sdk/kafka.ts";
export { resourcesGroup as resources } from "../sdk/resources.ts";
export { s3Group as s3 } from "../sdk/s3.ts";
export { sqlGroup as sql } from "../sdk/sql.ts";
export { stateGroup as state } from "../sdk/state.ts";
export { teamsGroup as teams } from "../sdk/teams.ts";
export { tokensGroup as tokens } from "../sdk/tokens.ts";
export { usersGroup as users } from "../sdk/users.ts";
export { variablesGroup as variables } from "../sdk/variables.ts";
export type { ClientOptions } from "../sdk/connection.ts";

/** The functions of `jobs` that run scripts and flows: a third of its size. */
export type RunsGroup = Pick<
  JobsGroup,
  "start" | "startFlow" | "run" | "runFlow" | "wait" | "resultMaybe" | "cancel"
>;

/** The functions of {@linkcode RunsGroup} for one client. */
export function runs(c: ClientOptions): RunsGroup {
  // `as`: what they give has the type that the caller says.
  return {
    start: (path: string, args?: JobArgs | null, o?: StartOptions) => startJob(c, "p", path, args, o),
    startFlow: (path: string, args?: JobArgs | null, o?: StartOptions) => startJob(c, "f", path, args, o),
    run: <T>(path: string, args?: JobArgs | null, o?: RunOptions) => runJob(c, "p", path, args, o) as Promise<T>,
    runFlow: <T>(path: string, args?: JobArgs | null, o?: RunOptions) => runJob(c, "f", path, args, o) as Promise<T>,
    wait: <T>(jobId: string, o?: WaitOptions) => awaitJob(c, jobId, o) as Promise<T>,
    resultMaybe: (jobId, o) => readResultMaybe(c, jobId, o),
    cancel: (jobId, o) => stopJob(c, jobId, o),
  };
}

/** What a client is made of: one function for all of it (`createClient`), or one for each group of its functions. */
export type Groups =
  | ((options: ClientOptions) => object)
  | Readonly<Record<string, (options: ClientOptions) => unknown>>;

/** The client that is made of groups. */
export type ClientOf<G extends Groups> = G extends (options: ClientOptions) => infer C ? C
  : G extends Readonly<Record<string, (options: ClientOptions) => unknown>>
    ? { readonly [Name in keyof G]: ReturnType<G[Name]> }
  : never;

/** Makes the client of one request; it shares nothing with those of others. ConfigurationError names what is missing. */
export async function clientOf<G extends Groups>(
  groups: G,
  connection: Connection,
  request: Request,
  context: HandlerContext,
): Promise<ClientOf<G>> {
  const options = await connectionOf(connection, request, context);
  // A client of mocked variables may have no instance at all.
  if (options.mockedApi === undefined) prepare(options, { route: inWorkspace(options, "") });
  const made = typeof groups === "function"
    ? groups(options)
    : Object.fromEntries(Object.entries(groups).map(([name, group]) => [name, group(options)]));
  return made as ClientOf<G>; // `as`: it was made of the groups by name
}
