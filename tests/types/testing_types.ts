/**
 * What the test kit takes. `deno check` of this file is the test: it never runs.
 *
 * @module
 */
import { createClient } from "@windkit/windmill-client";
import {
  explore,
  type Explored,
  type MockJob,
  type MockRequest,
  type MockWindmill,
  mockWindmill,
} from "@windkit/windmill-client/testing";
import { workflow } from "@windkit/windmill-client/workflow";
import { expectType } from "./_same.ts";

/** A script, as it is deployed: its parameters are its own. */
async function main(x: number, y?: string): Promise<string> {
  return await Promise.resolve(`${x}${y}`);
}

const mock = mockWindmill({
  variables: { "f/a/b": "text", "f/a/secret": { value: "s", isSecret: true } },
  resources: { "u/a/db": { host: "h" }, "u/a/null": null },
  jobs: {
    "f/a/plain": (args, job) => {
      expectType<Readonly<Record<string, unknown>>>()(args);
      expectType<AbortSignal>()(job.signal);
    },
    "f/a/narrow": ({ x, y }: { x: number; y?: string }) => main(x, y),
    "f/a/none": () => 7,
    // @ts-expect-error -- a script is a function
    "f/a/value": 7,
  },
  s3: { "a.txt": "text", "s3://cold/b": new Uint8Array(1), "c.csv": { content: "x", contentType: "text/csv" } },
  sql: ({ sql, values, mode }) => [{ sql, values, mode }],
});
expectType<MockWindmill>()(mock);
expectType<MockRequest | undefined>()(mock.requests[0]);
expectType<MockJob | undefined>()(mock.jobs.get("id"));
createClient({ ...mock.options, timeoutMs: 1 });
mock.variables.set("f/a/c", { value: "later" });
mock.fail({ path: /variables/, status: 503, times: 2 });
mock.route("GET scripts/list", (request, part) => [request.query.get("page"), part]);
// @ts-expect-error -- requests are only looked at
mock.requests.push(mock.requests[0]);
// @ts-expect-error -- no such option
mockWindmill({ scripts: {} });

// --- explore ---

/** Never called: its types are what is looked at. */
export async function explored(): Promise<void> {
  const none = workflow(async () => await Promise.resolve(1));
  const one = workflow(async (name: string) => await Promise.resolve(name));
  const two = workflow(async ({ n }: { n: number }, more?: string) => await Promise.resolve(`${n}${more}`));
  const world = (): { n: number } => ({ n: 0 });
  for (const main of [none, one, two] as const) {
    expectType<Explored>()(
      await explore(main, { args: { name: "a" }, world, invariant: (w) => expectType<number>()(w.n) }),
    );
  }
  // A workflow's own parameter is no world, whether it would fit or not.
  await explore(one, { args: { name: "a" }, world: () => ({ n: 0 }), invariant: (w) => expectType<number>()(w.n) });
  await explore(two, { world: () => ({ n: 0 }), mocks: (w) => ({ add: () => w.n++ }), always: ({ n }) => void n });
  await explore(one);
  await explore(one, { args: ["a"] });
  // The factory's is.
  const made = ({ n }: { n: number }) => workflow(async (name: string) => await Promise.resolve(`${name}${n}`));
  await explore(made, { world, invariant: (w) => expectType<number>()(w.n) });
  await explore((w: { n: number }) => async () => await Promise.resolve(w.n), { world });
  await explore((w) => async () => await Promise.resolve(w.n), { world: () => ({ n: 0 }) });
  // @ts-expect-error -- another world than the factory's
  await explore(made, { world: () => ({ m: 0 }) });
  // @ts-expect-error -- no such option
  await explore(one, { argument: {} });
}
