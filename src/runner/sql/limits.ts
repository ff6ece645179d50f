/**
 * How much a statement may give. A result is kept in the server's memory and in its table of jobs: what is larger belongs into a
 * table or a file.
 *
 * @module
 */

/** Bounds of a result. */
export interface ResultLimits {
  /** Most rows of one statement. */
  readonly maxRows: number;
  /** Most bytes of the whole result, as JSON. */
  readonly maxBytes: number;
}

/** A result that is larger than it may be. */
export class ResultTooLargeError extends Error {
  /** Always `"ExecutionErr"`: how Windmill names what fails in a query. */
  override readonly name = "ExecutionErr";
}

/** Counts what a result takes. */
export interface Meter {
  /** Counts one row of a statement that has had `rows`, this one included. */
  add(rowText: string, rows: number): void;
}

/** A meter for one job. It counts UTF-16 units: bytes of text that is mostly ASCII. */
export function meterOf({ maxRows, maxBytes }: ResultLimits): Meter {
  let bytes = 0;
  return {
    add(rowText, rows) {
      bytes += rowText.length + 1;
      if (rows > maxRows) throw new ResultTooLargeError(tooManyRows(maxRows));
      if (bytes > maxBytes) {
        throw new ResultTooLargeError(
          `Query result too large: more than ${maxBytes} bytes; add a LIMIT, or keep the rows in a table`,
        );
      }
    },
  };
}

/** Says that a statement gave too many rows. */
function tooManyRows(maxRows: number): string {
  return `Query result too large: more than ${maxRows} rows; add a LIMIT, or keep the rows in a table`;
}
