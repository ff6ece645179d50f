/**
 * The ducklake extension of DuckDB for tests, out of a Python package that holds it: DuckDB's own servers are not reached everywhere.
 *
 * @module
 */

const PACKAGE = "duckdb-extension-ducklake==1.5.5";

/** The file; a reason when it cannot be had. */
export async function findDucklake(): Promise<{ readonly file: string } | { readonly reason: string }> {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    return { reason: "the package of the ducklake extension is looked for on Linux (x86_64) only" };
  }
  const folder = `${Deno.env.get("TMPDIR") ?? "/tmp"}/windkit-ducklake-1.5.5`;
  const file = `${folder}/duckdb_extension_ducklake/extensions/v1.5.5/ducklake.duckdb_extension`;
  if (await isFile(file)) return { file };
  const part = `${folder}.${Deno.pid}`;
  try {
    const { success } = await new Deno.Command("python3", {
      args: ["-m", "pip", "install", "--quiet", "--no-deps", "--target", part, PACKAGE],
      stdout: "null",
      stderr: "null",
    }).output();
    if (!success) return { reason: `"pip install ${PACKAGE}" does not work here` };
    // Another test may have been faster.
    await Deno.rename(part, folder).catch(() => Deno.remove(part, { recursive: true }));
  } catch (error) {
    return { reason: `there is no python3 here (${error})` };
  }
  return await isFile(file) ? { file } : { reason: `"${PACKAGE}" does not hold the extension` };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    void error; // it is not there
    return false;
  }
}
