/**
 * Promises that can be cancelled, as the official services give them.
 *
 * @module
 */

/** A promise was cancelled by {@linkcode CancelablePromise.cancel}. */
export class CancelError extends Error {
  /** Always `"CancelError"`. */
  override readonly name = "CancelError";
  /** Always true. */
  get isCancelled(): boolean {
    return true;
  }
}

/** Takes what is to be done on cancelling; tells how the promise is. */
export interface OnCancel {
  /** Adds what is to be done. */
  (handler: () => void): void;
  /** Whether it has a value. */
  readonly isResolved: boolean;
  /** Whether it failed. */
  readonly isRejected: boolean;
  /** Whether it was cancelled. */
  readonly isCancelled: boolean;
}

/** A promise whose work can be cancelled. */
export class CancelablePromise<T> implements Promise<T> {
  /** The plain promise. */
  readonly promise: Promise<T>;
  #state: "pending" | "resolved" | "rejected" | "cancelled" = "pending";
  readonly #handlers: (() => void)[] = [];
  #reject: (reason: unknown) => void = () => {};

  /** Starts the work. */
  constructor(
    executor: (
      resolve: (value: T | PromiseLike<T>) => void,
      reject: (reason?: unknown) => void,
      onCancel: OnCancel,
    ) => void,
  ) {
    const is = (state: string): boolean => this.#state === state;
    const settle = (state: "resolved" | "rejected" | "cancelled"): boolean => {
      const first = is("pending");
      if (first) this.#state = state;
      return first;
    };
    this.promise = new Promise<T>((resolve, reject) => {
      const onCancel = (handler: () => void): void => {
        if (is("pending")) this.#handlers.push(handler);
      };
      this.#reject = (reason) => settle("cancelled") && reject(reason);
      executor(
        (value) => settle("resolved") && resolve(value),
        (reason) => settle("rejected") && reject(reason),
        Object.defineProperties(onCancel, {
          isResolved: { get: () => is("resolved") },
          isRejected: { get: () => is("rejected") },
          isCancelled: { get: () => is("cancelled") },
          // `as` -- the three properties were just defined
        }) as unknown as OnCancel,
      );
    });
  }

  /** What it is called. */
  get [Symbol.toStringTag](): string {
    return "Cancellable Promise";
  }

  /** Whether it was cancelled. */
  get isCancelled(): boolean {
    return this.#state === "cancelled";
  }

  /** As of any promise. */
  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.promise.then(onFulfilled, onRejected);
  }

  /** As of any promise. */
  catch<A = never>(onRejected?: ((reason: unknown) => A | PromiseLike<A>) | null): Promise<T | A> {
    return this.promise.catch(onRejected);
  }

  /** As of any promise. */
  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.promise.finally(onFinally);
  }

  /** Ends the work, unless it has ended: the promise rejects with a {@linkcode CancelError}. */
  cancel(): void {
    if (this.#state !== "pending") return;
    this.#reject(new CancelError("Request aborted"));
    for (const handler of this.#handlers) handler();
  }
}
