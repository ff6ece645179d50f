/**
 * The stream of the running job's result: lines on the console that the worker takes out of the logs.
 *
 * @module
 */

/** Options of writing to the stream of the result. */
export interface ResultStreamWriteOptions {
  /**
   * True begins a new line first. A line that the script did not end itself, which `console.log` never leaves behind, would
   * hide the text from the worker; each text then leaves an empty line in the logs. @default false
   */
  readonly freshLine?: boolean;
}

/** The stream of the running job's result. */
export interface ResultStreamGroup {
  /** Adds a text to the stream of the result. */
  readonly append: (text: string, options?: ResultStreamWriteOptions) => void;
  /** Adds each text of an iterable to the stream of the result, as it comes. */
  readonly pipe: (
    texts: AsyncIterable<string> | Iterable<string>,
    options?: ResultStreamWriteOptions,
  ) => Promise<void>;
}

/** Adds a text to the stream of the result. */
export function appendResult(text: string, { freshLine = false }: ResultStreamWriteOptions = {}): void {
  if (typeof text !== "string") throw new TypeError(`Expected a text, found a value of type ${typeof text}`);
  // The worker makes a line end of each backslash that an n follows, and has no other way to write the two. It looks at one line
  // at a time: where they come apart there, they come together in the stream as they were.
  for (const part of text.split(/(?<=\\)(?=n)/)) {
    if (part !== "") console.log(`${freshLine ? "\n" : ""}WM_STREAM: ${part.replaceAll("\n", "\\n")}`);
  }
}

/** Adds each text of an iterable to the stream of the result, as it comes. */
export async function pipeResult(
  texts: AsyncIterable<string> | Iterable<string>,
  options?: ResultStreamWriteOptions,
): Promise<void> {
  let held = "";
  for await (const text of texts) {
    if (typeof text !== "string") appendResult(text);
    const whole = held + text;
    // Half a character would be written as another one, and a CR at the end of a line is taken for a part of the line end.
    held = /[\ud800-\udbff\r]?$/.exec(whole)?.[0] ?? "";
    appendResult(whole.slice(0, whole.length - held.length), options);
  }
  appendResult(held, options);
}

/** The functions of this group. */
export function resultStreamGroup(): ResultStreamGroup {
  return { append: appendResult, pipe: pipeResult };
}
