/**
 * What the endpoints of a mock work on.
 *
 * @module
 */
import type { Clock } from "../base/clock.ts";
import { notFound, Refusal } from "../wire/refusal.ts";
import type { Jobs, JobState, MockRunnable } from "./_jobs.ts";
import type { S3Store } from "./_s3_store.ts";
import type { Signer } from "./_signer.ts";
import type { MockSqlHandler } from "./_sql.ts";
import type { Store } from "./_store.ts";

/** Who asks. */
export interface MockUser {
  /** E-mail address. */
  readonly email: string;
  /** Name in the workspace. */
  readonly username: string;
}

/** The parts of a mock. */
export interface Mock {
  readonly baseUrl: string;
  readonly workspace: string;
  readonly user: MockUser;
  readonly version: string;
  readonly tokens: Set<string>;
  readonly clock: Clock;
  readonly store: Store;
  readonly jobs: Jobs;
  readonly s3: S3Store;
  readonly signer: Signer;
  readonly scripts: ReadonlyMap<string, MockRunnable>;
  readonly flows: ReadonlyMap<string, MockRunnable>;
  readonly sql: MockSqlHandler | undefined;
  readonly approvals: MockApproval[];
  /** Makes an id that looks like a UUID: the same ones in the same order in each mock. */
  readonly nextId: () => string;
  /** Refuses what is no UUID. */
  readonly checkId: (id: string) => void;
  /** Gives a job, or refuses. */
  readonly jobOf: (id: string, what?: string) => JobState;
}

/** An answer to a request for approval, through one of its addresses. */
export interface MockApproval {
  /** Id of the job that it is for. */
  readonly jobId: string;
  /** Number or key of the request. */
  readonly key: string;
  /** Whether it was granted. */
  readonly approved: boolean;
  /** Who answered, as the address says. */
  readonly approver: string | undefined;
  /** What was entered. */
  readonly payload: unknown;
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Refuses what is no UUID, as the server's router does. */
export function checkUuid(id: string): void {
  if (!UUID.test(id)) {
    throw new Refusal(400, `Invalid URL: Cannot parse value at index 1 with value \`${id}\`: not a UUID`);
  }
}

/** Gives a job, or refuses in the server's words. */
export function findJob(jobs: Jobs, id: string, what = "Job"): JobState {
  checkUuid(id);
  const job = jobs.all.get(id);
  if (job === undefined) throw notFound(`${what} not found at name ${id}`);
  return job;
}
