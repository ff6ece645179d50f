/**
 * `windkit check`: what a cluster would make of a workflow file, and whether recorded runs still fit it.
 *
 * @module
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { CheckCommand } from "./arguments.ts";
import { checkAgainst, type RunCheck } from "./check_against.ts";
import { checkFile, type FileReport } from "./check_file.ts";
import type { ReadImport } from "./check_module.ts";
import { reportText } from "./check_report.ts";
import { loadParser } from "./check_syntax.ts";
import { checkHoldsRuns } from "./data_folder.ts";
import { EXIT } from "./exit_codes.ts";
import { ownExportsIn } from "./module_hooks.ts";
import type { Io } from "./terminal.ts";
import { checkFile as mustBeFile, type Place, placeOf } from "./workspace.ts";

/** What `--json` prints; documented in `docs/check.md`. */
export interface CheckResult {
  readonly v: 1;
  /** True when the exit code is 0. */
  readonly ok: boolean;
  readonly errors: number;
  readonly warnings: number;
  readonly files: readonly FileReport[];
  /** Of `--against`. */
  readonly against?: {
    readonly data: string;
    readonly runs: readonly RunCheck[];
    /** Runs that do not fit the file. */
    readonly broken: number;
  };
}

/**
 * Checks files.
 *
 * @param command what was asked for
 * @param io streams
 * @returns 0 when nothing is wrong, 1 when something is
 * @throws MissingPackageError without the parser
 */
export async function check(command: CheckCommand, io: Io): Promise<number> {
  const places = command.files.map((given) => {
    const place = placeOf(given, io.cwd);
    mustBeFile(place, given);
    return { given, place };
  });
  const parse = await loadParser();
  const texts = places.map(({ given, place }) => ({ given, place, source: readFileSync(place.file, "utf8") }));
  const ownExports = await ownExportsIn(texts.map(({ source }) => source));
  const files = texts.map(({ given, place, source }) => {
    const denoBy = denoWorkerBy(place);
    const input = {
      file: given,
      path: place.file,
      source,
      ownExports,
      ...(denoBy === undefined ? undefined : { denoBy }),
    };
    return checkFile(input, parse, importReader(place, io.cwd));
  });
  const { against } = command;
  if (against !== undefined) checkHoldsRuns(resolve(io.cwd, against), against, "--against");
  const runs: RunCheck[] = [];
  if (against !== undefined) {
    for (const { given, place } of places) {
      runs.push(...await checkAgainst({ given, place, data: against, finished: command.finished }, io));
    }
  }
  const findings = files.flatMap((file) => file.findings);
  const errors = findings.filter(({ severity }) => severity === "error").length;
  const warnings = findings.length - errors;
  const broken = runs.filter(({ verdict }) => verdict !== "fits").length;
  const ok = errors === 0 && broken === 0 && (warnings === 0 || !command.strict);
  const result: CheckResult = {
    v: 1,
    ok,
    errors,
    warnings,
    files,
    ...(against === undefined ? undefined : { against: { data: resolve(io.cwd, against), runs, broken } }),
  };
  io.out.write(command.json ? `${JSON.stringify(result)}\n` : reportText(result, io));
  return ok ? EXIT.ok : EXIT.failed;
}

/** What says that the file goes to the Deno worker, where workflows are plain scripts. */
function denoWorkerBy({ file, root, name }: Place): string | undefined {
  if (/\.deno\.ts$/.test(file)) return `its name ends in ".deno.ts"`;
  const settings = join(root, `${name}.script.yaml`);
  if (existsSync(settings)) {
    const language = /^language:\s*["']?(\w+)/m.exec(readFileSync(settings, "utf8"))?.[1];
    if (language === "deno") return `"${basename(settings)}" says so`;
    if (language !== undefined) return undefined;
  }
  if (/\.bun\.ts$/.test(file) || !file.endsWith(".ts")) return undefined;
  const workspace = join(root, "wmill.yaml");
  if (!existsSync(workspace)) return undefined;
  return /^defaultTs:\s*["']?deno/m.test(readFileSync(workspace, "utf8"))
    ? `"wmill.yaml" has defaultTs: deno`
    : undefined;
}

const EXTENSIONS = ["", ".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs", ".bun.ts"];

/** Finds what a file imports by a relative path, or by a path of the workspace (`/f/...`). */
export function importReader({ root }: Pick<Place, "root">, cwd: string): ReadImport {
  return (specifier, from) => {
    const base = /^\/[fu]\//.test(specifier) ? join(root, specifier) : resolve(dirname(from), specifier);
    const path = EXTENSIONS.map((extension) => `${base}${extension}`).find((candidate) =>
      /\.[cm]?[jt]sx?$/.test(candidate) && statSync(candidate, { throwIfNoEntry: false })?.isFile() === true
    );
    if (path === undefined) return undefined;
    const shown = relative(cwd, path);
    return { path, file: shown.startsWith("..") ? path : shown, source: readFileSync(path, "utf8") };
  };
}
