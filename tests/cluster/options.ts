/**
 * What a stand-in is made with: who runs its rounds, what is around them, and what goes wrong.
 *
 * @module
 */
import type { External, Job, Script } from "./jobs.ts";
import type { Json } from "./jsonb.ts";
import type { DispatchStep } from "./messages.ts";
import type { Cluster } from "./server.ts";

/** What a round gets. */
export interface RoundInput {
  readonly job: Job;
  /** A round of a workflow; a plain call otherwise. */
  readonly workflow: boolean;
  /** The script's preprocessor runs first. */
  readonly preprocess: boolean;
  /** Text of `args.json` and `checkpoint.json`. */
  readonly args: string;
  readonly checkpoint: string;
  /** The token of the job. */
  readonly token: string;
}

/** What a round's process left. */
export interface RoundEnd {
  /** Exit code; undefined when it hung and was ended. */
  readonly code: number | undefined;
  /** Text of `result.json`. */
  readonly result?: string;
  /** Text of `args.json`, where the preprocessor wrote another. */
  readonly args?: string;
  readonly logs: string;
}

/** Runs the process of a round. */
export type Runner = (round: RoundInput) => Promise<RoundEnd>;

/** How a request is answered instead of by the server. */
export type Fault = "error" | "timeout" | "dropped" | "garbage" | "lost";

/** An answer to an approval. */
export interface Answer {
  readonly value?: Json;
  readonly approver?: string;
  readonly approved?: boolean;
}

/** How the stand-in behaves. */
export interface ClusterOptions {
  readonly runner: Runner;
  /** Newer servers give back the failure that they stored of a step. @default "echo" */
  readonly fastPath?: "echo" | "empty";
  /** Asked for each request for the fast path. `lost`: it is stored, and the answer is an error. */
  readonly fault?: (job: Job, body: string) => Fault | undefined;
  /** Scripts and flows of the workspace. */
  readonly external?: (path: string, kind: string, step: DispatchStep) => External | Script | undefined;
  /** The text with which a child cannot be pushed. */
  readonly pushFails?: (step: DispatchStep) => string | undefined;
  /** Answers an approval that a job waits for; undefined lets it wait until its time is up. */
  readonly answer?: (key: string, job: Job, cluster: Cluster) => Answer | undefined;
  /** Called when a round has ended, before the server does what it says. */
  readonly onRoundEnd?: (job: Job, end: RoundEnd) => void;
  /** How long a child runs, on the stand-in's clock, in milliseconds. @default 0 */
  readonly duration?: (job: Job) => number;
  /** Rounds that run at once. @default 1 */
  readonly workers?: number;
  /** Community builds refuse an approval that its asker may not give. @default true */
  readonly enterprise?: boolean;
}
