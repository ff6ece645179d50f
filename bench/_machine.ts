/**
 * What a reader must know of the machine to read the numbers.
 *
 * @module
 */
import { sqliteVersion } from "./_raw.ts";
import { withFolder } from "./_report.ts";

/** Versions and machine, as text by name. */
export async function machine(): Promise<Readonly<Record<string, string>>> {
  return {
    Deno: Deno.version.deno,
    V8: Deno.version.v8,
    SQLite: sqliteVersion(),
    system: `${Deno.build.os} ${Deno.osRelease()} ${Deno.build.arch}`,
    cores: String(navigator.hardwareConcurrency),
    processor: await processor(),
    disk: await disk(),
    "load before": Deno.loadavg().map((n) => n.toFixed(1)).join(" "),
  };
}

async function processor(): Promise<string> {
  const text = await readText("/proc/cpuinfo");
  return /^model name\s*:\s*(.*)$/m.exec(text)?.[1] ?? "unknown";
}

/** File system of the folder that the benchmarks write to. */
function disk(): Promise<string> {
  return withFolder(async (dir) => {
    const mounts = (await readText("/proc/mounts")).split("\n").map((line) => line.split(" "));
    const under = mounts.filter(([, at = ""]) => dir === at || dir.startsWith(at === "/" ? "/" : `${at}/`));
    const nearest = under.sort((a, b) => (b[1] ?? "").length - (a[1] ?? "").length)[0];
    return nearest?.[2] ?? "unknown";
  });
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return ""; // only Linux has these files
    throw error;
  }
}

/**
 * Time that this thread has spent on a processor, in milliseconds: what others do on the machine is not in it. The time of the
 * clock where the system does not say.
 */
export function cpuTime(): number {
  try {
    return Number(Deno.readTextFileSync("/proc/self/schedstat").split(" ")[0]) / 1e6;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return performance.now();
    throw error;
  }
}

/** Forces a collection; needs `--v8-flags=--expose-gc`. */
export function collect(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("Cannot collect garbage: start Deno with --v8-flags=--expose-gc");
  gc();
}
