/**
 * What the core may name beyond the language itself: it is handed a signal by its host and passes it on. Nothing else of
 * the web or of a runtime belongs here.
 */

interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}
