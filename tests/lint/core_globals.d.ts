/**
 * What the core may name beyond the language itself: it is handed a signal by its host and passes it on, and lengths of texts
 * are in bytes. Nothing else of the web or of a runtime belongs here.
 */

interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Turns text to bytes and back: a computation, no channel to anything. */
declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}
declare class TextDecoder {
  decode(bytes: Uint8Array): string;
}
