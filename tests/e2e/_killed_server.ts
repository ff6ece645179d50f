/**
 * A server in a process of its own, killed by what it says.
 *
 * @module
 */

/**
 * Runs a server's program and kills it at a line; gives the ids of the jobs that it started.
 *
 * @param args the program and its arguments
 * @param isLast whether it is to be killed at a line, the `no`th, when so many jobs were started
 */
export async function runAndKill(
  args: readonly string[],
  isLast: (line: string, no: number, started: number) => boolean,
): Promise<readonly string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const started: string[] = [];
  let text = "", no = 0, killed = false;
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      if (line.startsWith("started ")) started.push(line.slice("started ".length));
      if (killed || !isLast(line, ++no, started.length)) continue;
      killed = true;
      child.kill("SIGKILL");
    }
  }
  await child.status;
  return started;
}
