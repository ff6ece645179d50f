/**
 * Starting and running by path, with the types that the program declares: what `start`, `run`, `startFlow` and `runFlow` have
 * in common. An overload is for the paths that are declared, the other for all others.
 *
 * @module
 */
import type {
  CallArgs,
  FlowArgs,
  FlowPath,
  FlowResult,
  OtherPath,
  ScriptArgs,
  ScriptPath,
  ScriptResult,
} from "../base/windmill_types.ts";

/** Arguments of a script or flow, by name: an object that is no array. A value whose type is an interface may be one too. */
export type JobArgs = object;

/** Starts the script at a path and gives the id of its job. */
export interface StartScript<Options> {
  /** A script that is declared. */
  <P extends ScriptPath>(path: P, ...rest: CallArgs<ScriptArgs<P>, [options?: Options]>): Promise<string>;
  /** Another script. */
  <P extends string>(path: OtherPath<P, ScriptPath>, args?: JobArgs | null, options?: Options): Promise<string>;
}

/** Starts the flow at a path and gives the id of its job. */
export interface StartFlow<Options> {
  /** A flow that is declared. */
  <P extends FlowPath>(path: P, ...rest: CallArgs<FlowArgs<P>, [options?: Options]>): Promise<string>;
  /** Another flow. */
  <P extends string>(path: OtherPath<P, FlowPath>, args?: JobArgs | null, options?: Options): Promise<string>;
}

/** Runs the script at a path and gives its result. */
export interface RunScript<Options> {
  /** A script that is declared. */
  <P extends ScriptPath>(
    path: P,
    ...rest: CallArgs<ScriptArgs<P>, [options?: Options]>
  ): Promise<ScriptResult<P>>;
  /** Another script. The type is the caller's word: nothing checks it. */
  <T = unknown, P extends string = string>(
    path: OtherPath<P, ScriptPath>,
    args?: JobArgs | null,
    options?: Options,
  ): Promise<T>;
}

/** Runs the flow at a path and gives its result. */
export interface RunFlow<Options> {
  /** A flow that is declared. */
  <P extends FlowPath>(path: P, ...rest: CallArgs<FlowArgs<P>, [options?: Options]>): Promise<FlowResult<P>>;
  /** Another flow. The type is the caller's word: nothing checks it. */
  <T = unknown, P extends string = string>(
    path: OtherPath<P, FlowPath>,
    args?: JobArgs | null,
    options?: Options,
  ): Promise<T>;
}
