/**
 * Checks the npm tarball with the tools that a publisher uses: publint (strict) and "are the types wrong?" for ES modules,
 * and that building it again gives the same bytes. Run it with `deno task npm:check`.
 *
 * @module
 */
import { dirname } from "node:path";
import { buildPackage, writePackage } from "./build.ts";
import { mustRun } from "./command.ts";
import { createReport } from "./report.ts";
import { readTarball } from "./tar.ts";
import { installTools } from "./tools.ts";

/** Runs a script of a development tool with Deno; its output is the error when it fails. */
async function runTool(script: string, args: readonly string[]): Promise<void> {
  const cwd = dirname(script); // Its packages are those of the tools folder, not of the repository.
  await mustRun(Deno.execPath(), ["run", "--quiet", "--allow-all", script, ...args], { cwd });
}

if (import.meta.main) {
  const report = createReport();
  const tools = await installTools();
  const built = await buildPackage();
  const tarball = await writePackage(built);
  await report.check("a second build gives the same bytes", async () => {
    const again = await buildPackage();
    if (again.bytes.length !== built.bytes.length || again.bytes.some((byte, at) => byte !== built.bytes[at])) {
      throw new Error(
        `The first build has ${built.bytes.length} bytes, the second ${again.bytes.length}, not the same ones`,
      );
    }
  });
  await report.check("the tarball on disk holds the audited files", async () => {
    const found = readTarball(await Deno.readFile(tarball)).map(({ path }) => path).join("\n");
    const wanted = [...built.files.keys()].map((path) => `package/${path}`).join("\n");
    if (found !== wanted) throw new Error(`The tarball holds:\n${found}\nIt should hold:\n${wanted}`);
  });
  await report.check("publint, strict", () => runTool(tools.publint, ["run", tarball, "--strict"]));
  await report.check(
    "are the types wrong, ES modules only",
    () => runTool(tools.attw, [tarball, "--profile", "esm-only", "--no-emoji", "--no-color"]),
  );
  Deno.exit(report.close());
}
