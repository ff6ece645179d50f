/**
 * The promise that a call gives to the body. It knows whether anybody has looked at it (a failure that nobody looks at fails
 * the run), and its rejection never counts as unhandled. `await`, the combinators and `instanceof Promise` treat it as a
 * promise; it is no subclass because a subclass costs three times as much per call.
 *
 * @module
 */
export class CallPromise<T> implements Promise<T> {
  /** Makes instances pass for promises. Not when the class is made: bundlers keep a class whose making does something. */
  static prepare(): void {
    const { prototype } = CallPromise;
    if (!(prototype instanceof Promise)) Object.setPrototypeOf(prototype, Promise.prototype);
  }
  readonly #inner: Promise<T>;
  #resolve: (value: T) => void = nothing;
  #reject: (error: unknown) => void = nothing;
  /** True once `then`, `catch` or `finally` was called, which is what `await` and the combinators do. */
  observed = false;
  /** The error it was rejected with. */
  error: Error | undefined;

  constructor() {
    this.#inner = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get [Symbol.toStringTag](): string {
    return "Promise";
  }

  settle(value: T): void {
    this.#resolve(value);
  }

  fail(error: Error): void {
    this.error = error;
    this.#inner.then(undefined, nothing);
    this.#reject(error);
  }

  then<A = T, B = never>(
    yes?: ((value: T) => A | PromiseLike<A>) | null,
    // deno-lint-ignore no-explicit-any -- the signature of Promise.prototype.then
    no?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.observed = true;
    return this.#inner.then(yes, no);
  }

  catch<B = never>(
    // deno-lint-ignore no-explicit-any -- the signature of Promise.prototype.catch
    no?: ((reason: any) => B | PromiseLike<B>) | null,
  ): Promise<T | B> {
    return this.then(undefined, no);
  }

  finally(then?: (() => void) | null): Promise<T> {
    this.observed = true;
    return this.#inner.finally(then);
  }
}

function nothing(): void {}
