/**
 * Which of the server's operations the local server answers: read from its routes, and written into `docs/server.md`.
 *
 * @module
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROUTES as DEV_ROUTES } from "../src/cli/dev_parts.ts";
import { openDevServer } from "../src/cli/dev_server.ts";
import { readSettings } from "../src/cli/dev_settings.ts";
import { ROUTES } from "../src/server/app.ts";
import { readSection } from "../src/wire/operations.ts";
import { TABLE } from "../src/wire/generated/table.gen.ts";

const file = fileURLToPath(new URL("../docs/server.md", import.meta.url));
const BEGIN = "<!-- Operations: written by `deno task generate` from the routes -->";
const END = "<!-- End of the operations -->";

/** What the community edition refuses, and this server too: by the beginning of the address. */
const REFUSED = [
  "/w/{workspace}/oidc/token/",
  "/w/{workspace}/jobs/slack_approval/",
  "/w/{workspace}/jobs/teams_approval/",
  "/teams/activities",
  "/w/{workspace}/kafka_triggers/commit_offsets/",
];

interface Route {
  readonly method: string;
  readonly path: RegExp;
}

/** A route's path as what it matches. */
function matcherOf(path: string): RegExp {
  const source = path.split("/").map((segment) => {
    const [, pattern] = /^:\w+\{(.*)\}$/.exec(segment) ?? [];
    if (pattern !== undefined) return pattern;
    if (segment.startsWith(":")) return "[^/]+";
    return segment.replace(/[.+?^${}()|[\]\\*]/g, "\\$&");
  }).join("/");
  return new RegExp(`^${source}$`);
}

/** The routes of the server that `windkit dev` starts. */
async function routes(): Promise<readonly Route[]> {
  const folder = await mkdtemp(join(tmpdir(), "windkit-coverage-"));
  const dev = await openDevServer({
    folder,
    data: join(folder, ".windkit"),
    port: 0,
    poolSize: 0,
    settings: readSettings("{}"),
    report: (error) => {
      throw error;
    },
  });
  try {
    const all = [...ROUTES, ...DEV_ROUTES].flatMap((module) => module(dev.server.context).routes);
    return all.filter(({ path }) => !path.endsWith("/*")).map(({ method, path }) => ({
      method,
      path: matcherOf(path),
    }));
  } finally {
    await dev.close(0);
    await rm(folder, { recursive: true, force: true });
  }
}

function isAnswered(
  { method, path }: { readonly method: string; readonly path: string },
  all: readonly Route[],
): boolean {
  const sample = path.replace(/\{\w+\}/g, "x");
  // Parameters that are numbers, digits or ids.
  const samples = [sample, path.replace(/\{\w+\}/g, "0"), path.replace("{workspace}", "x").replace(/\{\w+\}/g, "0")];
  return all.some((route) =>
    (route.method === method || route.method === "ALL") && samples.some((one) => route.path.test(one))
  );
}

function serviceName(stem: string): string {
  return stem === "-" ? "others" : stem.replace(/(?:^|_)(.)/g, (_, sign: string) => sign.toUpperCase());
}

/** The section: what is answered by service, and how many there are. */
export async function coverageText(): Promise<string> {
  const all = await routes();
  const rows: string[] = [];
  const none: string[] = [];
  let listed = 0;
  const seen = new Set<string>(), answeredAll = new Set<string>(), refusedAll = new Set<string>();
  for (const section of TABLE.split("@")) {
    const name = serviceName(section.trim().split(/[ \n]/)[0] ?? "");
    const operations = [...readSection(section)];
    const answered: string[] = [], refused: string[] = [];
    for (const [id, operation] of operations) {
      seen.add(id);
      listed++;
      if (!isAnswered(operation, all)) continue;
      const isRefused = REFUSED.some((start) => operation.path.startsWith(start));
      (isRefused ? refused : answered).push(id);
      (isRefused ? refusedAll : answeredAll).add(id);
    }
    const total = answered.length + refused.length;
    if (total === 0) {
      none.push(`${name} (${operations.length})`);
      continue;
    }
    const ids = [...answered.sort().map((id) => `\`${id}\``), ...refused.sort().map((id) => `_\`${id}\`_`)].join(", ");
    rows.push(`| ${name} | ${total} of ${operations.length} | ${ids} |`);
  }
  return [
    BEGIN,
    "",
    `${answeredAll.size} of the ${seen.size} operations (${listed}, counted once for each service) are answered, and ${refusedAll.size} more are refused as in the community ` +
    "edition (in italics). All others answer 404 with a text that names Windkit.",
    "",
    "| service | answered | operations |",
    "| --- | --- | --- |",
    ...rows,
    "",
    `Nothing of: ${none.join(", ")}.`,
    "",
    END,
  ].join("\n");
}

/** The documentation as it should be. */
async function expected(): Promise<{ readonly now: string; readonly text: string }> {
  const now = await readFile(file, "utf8");
  const begin = now.indexOf(BEGIN), end = now.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/server.md must have the lines "${BEGIN}" and "${END}"`);
  const raw = now.slice(0, begin) + await coverageText() + now.slice(end + END.length);
  return { now, text: await formatted(raw) };
}

/** Laid out as the gate `fmt` wants it. */
async function formatted(text: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext", "md", "--line-width", "120", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { stdout, success } = await child.output();
  if (!success) throw new Error("deno fmt failed");
  return new TextDecoder().decode(stdout);
}

/** True when the documentation says something else than the routes. */
export async function isCoverageStale(): Promise<boolean> {
  const { now, text } = await expected();
  return now !== text;
}

/** Writes the section. */
export async function writeCoverage(): Promise<void> {
  await writeFile(file, (await expected()).text);
}
