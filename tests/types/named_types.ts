/**
 * Types that Windmill knows by name, and the official client's names of types. `deno check` of this file is the test.
 *
 * @module
 */
import type {
  Base64,
  Email,
  JsonifiedFn,
  Postgresql,
  Resource,
  ResourceTypes,
  RetryOptions,
  S3,
  Slack,
  Sql,
  Task,
  TaskRetry,
} from "@windkit/windmill-client";
import type { Resource as OfficialResource } from "official-windmill-client/dist/client.d.ts";
import type * as official from "official-windmill-client";
import type { Holds, Same } from "./_same.ts";
import type {} from "./declared_types_more.ts";

/** Each line holds, or this file does not compile. */
export type Cases = [
  Holds<Same<Base64, official.Base64>>,
  Holds<Same<Sql, official.Sql>>,
  Holds<Same<Email, string>>,
  Holds<Same<TaskRetry, RetryOptions>>,
  // What is written for the official type fits ours.
  Holds<official.TaskRetry extends TaskRetry ? true : false>,
  Holds<
    Same<
      JsonifiedFn<(at: Date, n: number) => Promise<Date>>,
      Task<[at: Date, n: number], Promise<Date>>
    >
  >,
  Holds<
    Same<
      ReturnType<JsonifiedFn<(at: Date) => Promise<Date>>>,
      ReturnType<official.JsonifiedFn<(at: Date) => Promise<Date>>>
    >
  >,
  // The official type says nothing: ours fits wherever it is used.
  Holds<Resource<"postgresql"> extends OfficialResource<"postgresql"> ? true : false>,
  Holds<Same<Resource<"postgresql">, Postgresql>>,
  Holds<Same<Resource<"s3">, S3>>,
  Holds<Same<Resource<"slack">, Slack>>,
  Holds<Same<Resource<"nowhere">, unknown>>,
  Holds<Same<Resource<"c_types_more">, { readonly key: string }>>,
  Holds<"c_types_more" extends keyof ResourceTypes ? true : false>,
];

/** Values as Windmill keeps them. */
export const values = [
  { host: "db", user: "ada", password: "p", dbname: "shop" } satisfies Resource<"postgresql">,
  { host: "db", port: 3306, user: "ada", password: "p", database: "shop", ssl: true } satisfies Resource<"mysql">,
  { bucket: "b", region: "r", endPoint: "e", useSSL: true, pathStyle: false } satisfies Resource<"s3">,
  { host: "mail" } satisfies Resource<"smtp">,
  { token: "xoxb" } satisfies Resource<"slack">,
  // @ts-expect-error -- a database has a name
  { host: "db", user: "ada", password: "p" } satisfies Resource<"postgresql">,
  // @ts-expect-error -- a port is a number
  { host: "mail", port: "25" } satisfies Resource<"smtp">,
];
