/**
 * The yardstick of jobs: a bare `deno run` of the same file, and how many calls a second come out of some lanes.
 *
 * @module
 */

/** Runs a file in a process of its own; milliseconds from its start to its end. */
export async function launch(file: string): Promise<number> {
  const begun = performance.now();
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--no-config", file],
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error("The bare script failed");
  return performance.now() - begun;
}

/** Calls a second, so many at a time. */
export async function rate(lanes: number, calls: number, call: () => Promise<unknown>): Promise<number> {
  let left = calls;
  const begun = performance.now();
  await Promise.all(Array.from({ length: lanes }, async () => {
    while (left-- > 0) await call();
  }));
  return calls / (performance.now() - begun) * 1000;
}
