/**
 * What is recorded: for each feature of the journal a workflow, and what happens to its run.
 *
 * To add one: write its workflow in `workflows.ts`, add a scenario of the same name here, run `deno task histories:record`, look
 * at the new file, and commit it. No file that exists is ever written again.
 *
 * @module
 */
import type { JournalRecord, Json, RunHandle, StartOptions } from "@windkit/windmill-client/engine";
import type { Bench, BenchOptions } from "../suite/_engine_kit.ts";
import { recording, type workflows } from "./workflows.ts";

/** One run that is recorded. */
export interface Scenario {
  /** @default {} */
  readonly args?: Json;
  readonly start?: StartOptions;
  /** Of the engine, when it is recorded and when it is replayed. */
  readonly options?: Partial<BenchOptions>;
  /** What is done before the run is started, to record it. */
  readonly before?: () => void;
  /** What happens beside the run while it is recorded. */
  readonly during?: (bench: Bench, run: RunHandle) => unknown;
  /** The file is written after `during`, while the run has not ended. What then makes it end, and the result. */
  readonly unfinished?: { readonly finish?: (bench: Bench, run: RunHandle) => unknown; readonly result: Json };
  /** Its result depends on when it is run: cut off before the time was recorded, it comes to another. */
  readonly readsClock?: boolean;
  /** Kinds of records, or of calls (written ahead or settled), that the file must have: what this scenario is for. */
  readonly holds: readonly (JournalRecord["t"] | `call ${string}`)[];
}

const jobs: Partial<BenchOptions> = {
  executor: {
    accepts: (call) => call.kind === "task" && call.via === "script",
    start: ({ key }) => Promise.resolve({ ref: `job ${key}` }),
    reattach: () => Promise.resolve("running"),
  },
};

async function answerJob({ engine, host }: Bench, run: string, name: string, value: string): Promise<void> {
  await host.drive(
    engine.post({ id: `end of ${name}`, run, kind: "settle", name, payload: `{"ok":true,"value":"${value}"}` }),
  );
  await host.settle();
}

/** By the name of their workflow. */
export const scenarios: Readonly<Partial<Record<keyof typeof workflows, Scenario>>> = {
  empty: { args: ["hello"], holds: ["opened", "closed"] },
  sequential: { args: { n: 3 }, holds: ["settled"] },
  fan_out: { holds: ["settled"] },
  retries: { holds: ["call sleep"] },
  failures_caught: { holds: ["settled", "call sleep"] },
  failed: { holds: ["settled"] },
  approvals: {
    during: async ({ engine, host }, run) => {
      await host.settle();
      await host.drive(engine.approve(run.id, undefined, { value: { amount: 5 }, approver: "ada" }));
      await host.settle();
      await host.drive(engine.approve(run.id, "second opinion", { approved: false, value: "no", approver: "eve" }));
    },
    holds: ["call approval"],
  },
  sleeps: { holds: ["call sleep"] },
  left_behind: { holds: ["abandoned"] },
  cancelled: {
    during: async ({ host }, run) => {
      await host.advance(60_000);
      await host.drive(run.cancel("no longer wanted"));
    },
    holds: ["cancelling", "call approval"],
  },
  deadline: { start: { deadlineMs: 90_000 }, holds: ["cancelling"] },
  values: { holds: ["settled"] },
  proto_keys: {
    args: { args: JSON.parse('{"__proto__":{"polluted":true},"constructor":1}') as Json },
    during: async ({ engine, host }, run) => {
      await host.settle();
      await host.drive(
        engine.approve(run.id, "toString", { value: JSON.parse('{"__proto__":{"admin":true}}') as Json }),
      );
    },
    holds: ["call approval"],
  },
  long_arguments: { holds: ["settled"] },
  long_names: { holds: ["settled"] },
  parked: {
    during: ({ host }) => host.advance(60_000),
    unfinished: {
      finish: ({ engine, host }, run) => host.drive(engine.approve(run.id, "sign", { value: "signed" })),
      result: ["done", "signed", "too"],
    },
    holds: ["call approval", "call sleep"],
  },
  unfinished: {
    before: () => void (recording.hang = true),
    during: ({ host }) => host.advance(60_000),
    unfinished: { result: [1, "came back"] },
    holds: ["call step"],
  },
  detached: {
    options: jobs,
    during: async (bench, run) => {
      await bench.host.settle();
      await answerJob(bench, run.id, "long", "1");
    },
    unfinished: { finish: (bench, run) => answerJob(bench, run.id, "long_2", "2"), result: [1, 2] },
    holds: ["call task"],
  },
  same_name_in_branches: { holds: ["settled"] },
  markers: { readsClock: true, holds: ["marker"] },
  race_of_branches: { holds: ["abandoned", "call sleep", "call approval"] },
  with_timeout: { holds: ["abandoned", "call sleep"] },
  undone: { holds: ["call undo"] },
  saga_caught: { holds: ["call undo"] },
  step_retries: { holds: ["call sleep"] },
  failures_collected: { holds: ["settled"] },
};
