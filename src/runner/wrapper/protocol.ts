/**
 * What a runner and the wrapper in a script's process say to each other: one line of JSON on its input begins a job, lines marked
 * by a number that only the two know come back between the script's own output. A script that is not told the number cannot
 * say anything in the wrapper's name.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";

/** Parameters of functions by the functions' names: their names in order, and those that are typed `Date`. */
export type Parameters = Readonly<
  Record<string, { readonly names: readonly string[]; readonly dates: readonly string[] }>
>;

/** Begins a job: the first line on the input of a process, or the second one after `preload` and a module to load. */
export interface StartLine {
  /** Marks what the wrapper says. */
  readonly mark: string;
  /** URL of the script. */
  readonly entry: string;
  /** Exported function to call. */
  readonly main: string;
  /** The export `preprocessor` runs first. */
  readonly preprocess: boolean;
  readonly args: Readonly<Record<string, Json>>;
  /** Parameters of functions by their names, as far as the text tells. */
  readonly signatures: Parameters;
  /** Parameters of the workflows by the names of their exports, for a session. */
  readonly workflows?: Parameters;
  readonly env: Readonly<Record<string, string>>;
  /** The script imports this package: the module of it that knows how tasks become jobs. */
  readonly client?: string;
  /** A workflow: its body is driven over lines. */
  readonly session: boolean;
  /** How the server is reached: requests to `origin` go through a socket. */
  readonly api?: { readonly origin: string; readonly socket: string };
}

/** First character of what the wrapper says: a result, a piece of the streamed result, a line of a session, its end on a pipe. */
export type MessageKind = "r" | "t" | "s" | "e";

/** How a job ended, as the wrapper says it. */
export type ResultMessage =
  | { readonly ok: true; readonly result: Json; readonly args?: Readonly<Record<string, Json>> }
  | {
    readonly ok: false;
    readonly error: { readonly name: string; readonly message: string; readonly [field: string]: Json | undefined };
    readonly args?: Readonly<Record<string, Json>>;
  };

/** Begins what the wrapper says, before the mark: no text that is printed has it, as a rule. */
export const FRAME = "\x1e";
