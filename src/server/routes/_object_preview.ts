/**
 * A look into an object.
 *
 * @module
 */
import type { ObjectInfo, ObjectRange, ObjectStore } from "../ports.ts";

/** Longest piece of an object that is read for a look into it. */
const MOST_BYTES = 1024 * 1024;

/** What a look shows. */
export interface ObjectPreview {
  readonly msg: string | null;
  readonly content: string | null;
  readonly content_type: "RawText" | "Csv" | "Parquet" | "Unknown";
}

/** What is in an object, by its type or the ending of its key. */
function kindOf(key: string, type: string): ObjectPreview["content_type"] {
  const [, ending = ""] = /\.([a-z0-9]+)$/i.exec(key) ?? [];
  const bare = type.split(";")[0]?.trim().toLowerCase() ?? "";
  if (bare === "text/csv" || /^(?:csv|tsv)$/i.test(ending)) return "Csv";
  if (/parquet$/.test(bare) || /^parquet$/i.test(ending)) return "Parquet";
  if (/^text\/|^application\/(?:json|xml|yaml|javascript|sql|toml|x-ndjson)\b|\+(?:json|xml)$/.test(bare)) {
    return "RawText";
  }
  return /^(?:txt|md|json|jsonl|ndjson|xml|ya?ml|toml|ini|log|sql|html?|css|svg|[cm]?[jt]sx?|py|sh|rs|go)$/i.test(
      ending,
    )
    ? "RawText"
    : "Unknown";
}

/** How a look is asked for. */
export interface PreviewOptions {
  /** Type of the object, when the asker knows better. */
  readonly type?: string | undefined;
  readonly from?: number | undefined;
  readonly length?: number | undefined;
}

/** Looks into an object: undefined when there is none. */
export async function previewOf(
  store: ObjectStore,
  key: string,
  { type, from = 0, length = MOST_BYTES }: PreviewOptions,
): Promise<ObjectPreview | undefined> {
  const info: ObjectInfo | undefined = await store.stat(key);
  if (info === undefined) return undefined;
  const kind = kindOf(key, type ?? info.contentType ?? "");
  if (kind === "Parquet") return { msg: "A Parquet file has no text to show", content: null, content_type: kind };
  const start = Math.max(0, from), most = Math.min(Math.max(0, length), MOST_BYTES);
  const range: ObjectRange = { start, end: start + most };
  const data = await store.read(key, range);
  if (data === undefined) return undefined;
  const bytes = new Uint8Array(await new Response(data.body).arrayBuffer());
  // A part may end in the middle of a character.
  const content = new TextDecoder().decode(bytes);
  if (kind === "Unknown" && bytes.includes(0)) {
    return { msg: "Preview not available: the object is no text", content: null, content_type: kind };
  }
  const { size, part: { end } } = data;
  const msg = end < size ? `Bytes ${start} to ${end} of ${size}` : null;
  return { msg, content, content_type: kind === "Unknown" ? "RawText" : kind };
}
