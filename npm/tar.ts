/**
 * Reads and writes gzip-compressed tar files: plain files only, and the same bytes for the same content on every machine.
 *
 * @module
 */
import { gunzipSync, gzipSync } from "node:zlib";

/** One file of an archive. */
export interface TarFile {
  /** Path inside the archive, with forward slashes. */
  readonly path: string;
  /** Content. */
  readonly bytes: Uint8Array;
  /** True for a program. @default false */
  readonly executable?: boolean;
}

const BLOCK = 512;
/** 1985-10-26T08:15:00Z, the time that npm gives every file it packs: zip tools refuse times before 1980. */
const FIXED_TIME_S = 499_162_500;

/** Packs `files` in the given order. */
export function writeTarball(files: readonly TarFile[]): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (const { path, bytes, executable = false } of files) {
    blocks.push(tarHeader(path, { size: bytes.length, mode: executable ? 0o755 : 0o644 }), bytes);
    blocks.push(new Uint8Array((BLOCK - bytes.length % BLOCK) % BLOCK));
  }
  blocks.push(new Uint8Array(2 * BLOCK));
  const packed = new Uint8Array(gzipSync(concatBytes(blocks), { level: 9 }));
  packed[9] = 255; // The header's "operating system" is that of the packing machine: say "unknown".
  return packed;
}

/** Unpacks an archive that holds plain files and folders; anything else in it is an error. */
export function readTarball(packed: Uint8Array): TarFile[] {
  const data = new Uint8Array(gunzipSync(packed));
  const files: TarFile[] = [];
  let at = 0;
  while (at + BLOCK <= data.length) {
    const header = data.subarray(at, at + BLOCK);
    at += BLOCK;
    if (header.every((byte) => byte === 0)) break;
    const path = [readText(header, { from: 345, length: 155 }), readText(header, { from: 0, length: 100 })]
      .filter((part) => part !== "").join("/");
    const size = readOctal(header, { from: 124, length: 12 });
    const kind = readText(header, { from: 156, length: 1 });
    if (kind === "" || kind === "0") {
      if (at + size > data.length) throw new Error(`Cannot read tar entry "${path}": the archive ends inside it`);
      const executable = (readOctal(header, { from: 100, length: 8 }) & 0o100) !== 0;
      files.push({ path, bytes: data.slice(at, at + size), executable });
    } else if (kind !== "5") {
      throw new Error(`Cannot read tar entry "${path}": its type is "${kind}", only files and folders are supported`);
    }
    at += Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

interface Field {
  readonly from: number;
  readonly length: number;
}

function readText(header: Uint8Array, { from, length }: Field): string {
  const field = header.subarray(from, from + length);
  const end = field.indexOf(0);
  return new TextDecoder("utf-8", { fatal: true }).decode(end === -1 ? field : field.subarray(0, end));
}

function readOctal(header: Uint8Array, field: Field): number {
  const text = readText(header, field).trim();
  if (!/^[0-7]*$/.test(text)) throw new Error(`Cannot read tar header: "${text}" is not an octal number`);
  return text === "" ? 0 : parseInt(text, 8);
}

function tarHeader(path: string, { size, mode }: { readonly size: number; readonly mode: number }): Uint8Array {
  const header = new Uint8Array(BLOCK);
  const put = (text: string, { from, length }: Field): void => {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > length) throw new RangeError(`Cannot write tar entry "${path}": "${text}" is too long`);
    header.set(bytes, from);
  };
  const octal = (value: number, length: number): string => value.toString(8).padStart(length - 1, "0");
  const cut = path.length <= 100 ? -1 : path.lastIndexOf("/", 155);
  put(path.slice(cut + 1), { from: 0, length: 100 });
  if (cut !== -1) put(path.slice(0, cut), { from: 345, length: 155 });
  put(octal(mode, 8), { from: 100, length: 8 });
  put(octal(0, 8), { from: 108, length: 8 });
  put(octal(0, 8), { from: 116, length: 8 });
  put(octal(size, 12), { from: 124, length: 12 });
  put(octal(FIXED_TIME_S, 12), { from: 136, length: 12 });
  put("0", { from: 156, length: 1 });
  put("ustar\u000000", { from: 257, length: 8 });
  header.fill(32, 148, 156); // The checksum counts its own field as spaces.
  put(octal(header.reduce((sum, byte) => sum + byte, 0), 7) + "\0", { from: 148, length: 8 });
  return header;
}

function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
