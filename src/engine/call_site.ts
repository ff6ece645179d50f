/**
 * Where in the user's source a call was made: captured once per workflow and name (a stack costs 5 to 90 µs).
 *
 * @module
 */

/** Folder of this package's sources, as stack frames name it; undefined where a module has no address (a Worker's bundle). */
const OWN = URL.canParse("../", import.meta.url) ? new URL("../", import.meta.url).href : undefined;

/** Names that are remembered: they can be made of data. */
const REMEMBERED = 10_000;

/** Remembers the site of each call by workflow and name. */
export function createCallSites(): (workflow: string, name: string) => string | undefined {
  const sites = new Map<string, string | undefined>();
  return (workflow, name) => {
    const id = `${workflow}\n${name}`;
    if (!sites.has(id)) {
      if (sites.size >= REMEMBERED) sites.clear();
      sites.set(id, callSite());
    }
    return sites.get(id);
  };
}

/** `folder/folder/file.ts:12:5` of the innermost frame that is not this package's; undefined when there is none. */
export function callSite(): string | undefined {
  const { stack } = new Error();
  for (const line of stack?.split("\n").slice(1) ?? []) {
    const frame = /((?:file:\/\/|https?:\/\/|\/|[A-Za-z]:\\)[^()\s]*?):(\d+):(\d+)\)?$/.exec(line);
    const [, file, row, column] = frame ?? [];
    if (file === undefined) continue;
    if (OWN !== undefined && (file.startsWith(OWN) || `file://${file}`.startsWith(OWN))) continue;
    return `${file.split(/[/\\]/).slice(-3).join("/")}:${row}:${column}`;
  }
  return undefined;
}
