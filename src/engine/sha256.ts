/**
 * SHA-256 of text in plain JavaScript, synchronous: for the digests of a journal file, of which there is one a record.
 *
 * `crypto.subtle` is asynchronous, and each call costs about 25 µs where the next digest needs the one before; this costs 4 µs
 * for a record of 250 bytes (`bench/journal.ts`). Beyond some 20 kB a call `crypto.subtle` would be the faster one.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";

/** First 32 bits of the fractional parts of the cube roots of the first 64 primes, in hex. */
const ROUNDS = "428a2f9871374491b5c0fbcfe9b5dba53956c25b59f111f1923f82a4ab1c5ed5d807aa9812835b01243185be550c7dc3" +
  "72be5d7480deb1fe9bdc06a7c19bf174e49b69c1efbe47860fc19dc6240ca1cc2de92c6f4a7484aa5cb0a9dc76f988da" +
  "983e5152a831c66db00327c8bf597fc7c6e00bf3d5a7914706ca63511429296727b70a852e1b21384d2c6dfc53380d13" +
  "650a7354766a0abb81c2c92e92722c85a2bfe8a1a81a664bc24b8b70c76c51a3d192e819d6990624f40e3585106aa070" +
  "19a4c1161e376c082748774c34b0bcb5391c0cb34ed8aa4a5b9cca4f682e6ff3748f82ee78a5636f84c878148cc70208" +
  "90befffaa4506cebbef9a3f7c67178f2";
/** The same of the square roots of the first 8. */
const START = "6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19";

interface Tables {
  readonly rounds: Int32Array;
  readonly start: Int32Array;
  readonly words: Int32Array;
  readonly encoder: TextEncoder;
  buffer: Uint8Array<ArrayBuffer>;
}

let tables: Tables | undefined;

/**
 * Hashes the UTF-8 bytes of `text`.
 *
 * @param text what to hash
 * @returns 64 lower-case hex digits
 */
export function sha256(text: string): string {
  tables ??= {
    rounds: wordsOf(ROUNDS),
    start: wordsOf(START),
    words: new Int32Array(64),
    encoder: new TextEncoder(),
    buffer: new Uint8Array(1024),
  };
  // Three bytes of UTF-8 for a UTF-16 unit at most; then a bit, the length, and what is missing to a block.
  const room = text.length * 3 + 72;
  let { buffer } = tables;
  if (buffer.length < room) {
    buffer = new Uint8Array(room);
    if (room < 1 << 20) tables.buffer = buffer;
  }
  const { written } = tables.encoder.encodeInto(text, buffer);
  const end = Math.ceil((written + 9) / 64) * 64;
  buffer.fill(0, written, end);
  buffer[written] = 0x80;
  const view = new DataView(buffer.buffer);
  view.setUint32(end - 8, Math.floor(written / 0x2000_0000));
  view.setUint32(end - 4, (written << 3) >>> 0);
  const state = tables.start.slice();
  mixBlocks(state, buffer, end, tables);
  for (let i = 0; i < 8; i++) view.setInt32(4 * i, state[i] as number);
  return toHex(buffer.subarray(0, 32));
}

function wordsOf(hex: string): Int32Array {
  return Int32Array.from({ length: hex.length / 8 }, (_, i) => parseInt(hex.slice(8 * i, 8 * i + 8), 16));
}

/** FIPS 180-4, 6.2.2. The names are the standard's. */
function mixBlocks(state: Int32Array, bytes: Uint8Array, end: number, { rounds, words: w }: Tables): void {
  let [h0, h1, h2, h3, h4, h5, h6, h7] = state as unknown as Eight;
  for (let from = 0; from < end; from += 64) {
    for (let t = 0, i = from; t < 16; t++, i += 4) {
      w[t] = ((bytes[i] as number) << 24) | ((bytes[i + 1] as number) << 16) | ((bytes[i + 2] as number) << 8) |
        (bytes[i + 3] as number);
    }
    for (let t = 16; t < 64; t++) {
      const x = w[t - 15] as number;
      const y = w[t - 2] as number;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[t] = (w[t - 16] as number) + s0 + (w[t - 7] as number) + s1;
    }
    let a = h0, b = h1, c = h2, d = h3, e = h4, f = h5, g = h6, h = h7;
    for (let t = 0; t < 64; t++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (rounds[t] as number) + (w[t] as number)) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    h0 = (h0 + a) | 0;
    h1 = (h1 + b) | 0;
    h2 = (h2 + c) | 0;
    h3 = (h3 + d) | 0;
    h4 = (h4 + e) | 0;
    h5 = (h5 + f) | 0;
    h6 = (h6 + g) | 0;
    h7 = (h7 + h) | 0;
  }
  state.set([h0, h1, h2, h3, h4, h5, h6, h7]);
}

type Eight = readonly [number, number, number, number, number, number, number, number];
