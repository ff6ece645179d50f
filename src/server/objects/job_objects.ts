/**
 * The workspace's objects for the runner of a job, with the rights of the job's token.
 *
 * @module
 */
import type { JobObjects, JobStorage } from "../../runner/ports.ts";
import { isInScope } from "../auth.ts";
import type { Identity, Objects } from "../ports.ts";
import { denied } from "../../wire/refusal.ts";
import { DEFAULT_STORAGE, storageName } from "./keys.ts";

/** How many keys are listed at once. */
const PAGE = 1000;

/** What {@linkcode createJobObjects} needs. */
export interface JobObjectsParts {
  readonly objects: Pick<Objects, "storage">;
  readonly identity: Pick<Identity, "callerOf">;
  readonly workspace: string;
}

/** Makes the objects that a job reaches, by its token. What the token may do is looked at when it is done. */
export function createJobObjects({ objects, identity, workspace }: JobObjectsParts, token: string): JobObjects {
  /** As the endpoint that does the same. */
  function check(method: string, endpoint: string, what: string): void {
    const caller = identity.callerOf(token);
    if (caller === undefined) throw denied(`the job has ended, and cannot ${what}`);
    if (caller.scopes === undefined) return;
    if (isInScope(caller.scopes, method, `/api/w/${workspace}/job_helpers/${endpoint}`)) return;
    throw denied(`the scopes of the job's token do not let it ${what}`);
  }
  const checkRead = (): void => check("GET", "download_s3_file", "read objects");
  const checkWrite = (): void => check("POST", "upload_s3_file", "write objects");

  return {
    storage: (given): JobStorage => {
      const name = storageName(given);
      checkRead();
      const store = objects.storage(name);
      return {
        name: name === DEFAULT_STORAGE ? "" : name,
        checkWrite,
        read: async (key) => {
          checkRead();
          return await store.read(key);
        },
        list: async (prefix, marker) => {
          checkRead();
          const { objects: found, next } = await store.list({
            prefix,
            limit: PAGE,
            ...(marker === undefined ? {} : { marker }),
          });
          return { keys: found.map(({ key }) => key), ...(next === undefined ? {} : { next }) };
        },
        write: async (key, body) => {
          try {
            checkWrite();
          } catch (error) {
            await body.cancel(error);
            throw error;
          }
          await store.write(key, body, {});
        },
      };
    },
  };
}
