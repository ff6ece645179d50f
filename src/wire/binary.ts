/**
 * Bodies that are no JSON.
 *
 * @module
 */

/** Bytes to send, as they are: whole, or as a stream that is read while it is sent. Text is sent as UTF-8. */
export type BinaryBody = Blob | ArrayBuffer | ArrayBufferView<ArrayBuffer> | ReadableStream<Uint8Array> | string;
