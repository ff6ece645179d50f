/**
 * Runs all benchmarks, or those that are named, each in a process of its own and one after the other.
 *
 *     deno task bench [name ...] [--rounds=9] [--markdown=FILE]
 *
 * Results go to `bench/results/<time>.json`; `--markdown` also writes the tables to a file. Exit code 1 when a benchmark fails;
 * a bar that does not hold is printed, and is no failure: machines are shared.
 *
 * @module
 */
import { machine } from "./_machine.ts";
import { barRows, printed, type Report, table } from "./_report.ts";

const NAMES = [
  "raw",
  "steps",
  "fanout",
  "replay",
  "journal",
  "parked",
  "explore",
  "import",
  "call",
  "s3",
  "wait",
  "check_time",
  "runner",
  "server",
  "edge",
  "cold_start",
  "durable",
  "peers",
] as const;

const folder = new URL("./", import.meta.url);

async function run(name: string, options: readonly string[]): Promise<Report | undefined> {
  const json = await Deno.makeTempFile({ prefix: "windkit-bench-", suffix: ".json" });
  try {
    console.error(`\n${name}`);
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        "--no-check",
        "--v8-flags=--expose-gc",
        new URL(`${name}.ts`, folder).href,
        `--json=${json}`,
        ...options,
      ],
      stdout: "null",
      stderr: "inherit",
    }).output();
    return success ? JSON.parse(await Deno.readTextFile(json)) as Report : undefined;
  } finally {
    await Deno.remove(json);
  }
}

function markdown(about: Readonly<Record<string, string>>, when: string, reports: readonly Report[]): string {
  return [
    "# Measured",
    "",
    "Written by `deno task bench --markdown=bench/RESULTS.md`. Medians over rounds; what is compared is measured in turns, in the",
    "same run, on the same disk. Machines differ and are shared: read the ratios, the absolute numbers are of this machine then.",
    "",
    ...table([["setting", "value"], ["time", when], ...Object.entries(about)]),
    "",
    "## Bars",
    "",
    ...table(barRows(reports.flatMap(({ bars }) => bars))),
    ...reports.flatMap(printed),
    "",
  ].join("\n");
}

async function main(args: readonly string[]): Promise<number> {
  const options = args.filter((arg) => arg.startsWith("--"));
  const named = args.filter((arg) => !arg.startsWith("--"));
  const unknown = named.filter((name) => !NAMES.some((known) => known === name));
  if (unknown.length > 0) {
    console.error(
      `No benchmark is called ${unknown.map((name) => `"${name}"`).join(", ")}. There are: ${NAMES.join(", ")}`,
    );
    return 2;
  }
  const about = await machine();
  const when = new Date().toISOString();
  const reports: Report[] = [];
  const failed: string[] = [];
  for (const name of named.length > 0 ? named : NAMES) {
    const report = await run(name, options);
    if (report === undefined) failed.push(name);
    else reports.push(report);
  }
  console.log(table([["setting", "value"], ["time", when], ...Object.entries(about)]).join("\n"));
  for (const report of reports) console.log(printed(report).join("\n"));
  const results = new URL("results/", folder);
  await Deno.mkdir(results, { recursive: true });
  const file = new URL(`${when.replaceAll(":", "-")}.json`, results);
  await Deno.writeTextFile(file, JSON.stringify({ when, machine: about, reports }, undefined, 2));
  console.log(`\nAs JSON: bench/results/${file.pathname.split("/").at(-1)}`);
  const to = options.find((arg) => arg.startsWith("--markdown="))?.slice("--markdown=".length);
  if (to !== undefined) await Deno.writeTextFile(to, markdown(about, when, reports));
  for (const name of failed) console.error(`Benchmark "${name}" failed`);
  return failed.length > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
