/**
 * Development tools of this folder, installed on first use exactly as their lock file says, apart from the repository's own
 * dependencies: nobody who runs the demo or the tests downloads them.
 *
 * @module
 */
import { join } from "node:path";
import { REPOSITORY } from "./build.ts";
import { mustRun } from "./command.ts";

/** Paths of the tools' programs; all are scripts that Deno or Node runs. */
export interface Tools {
  /** Package linter. */
  readonly publint: string;
  /** "Are the types wrong?" */
  readonly attw: string;
  /** TypeScript compilers by version. */
  readonly tsc: Readonly<Record<string, string>>;
  /** The npm client and its `npx`. */
  readonly npm: string;
  readonly npx: string;
  /** Folder of the declarations of Node's globals. */
  readonly nodeTypes: string;
}

/** Installs the tools and says where they are. */
export async function installTools(): Promise<Tools> {
  const folder = join(REPOSITORY, "npm", "tools");
  await mustRun(Deno.execPath(), ["install", "--frozen", "--quiet"], { cwd: folder, limitMs: 300_000 });
  const modules = join(folder, "node_modules");
  const { dependencies } = JSON.parse(await Deno.readTextFile(join(folder, "package.json"))) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const compilers = Object.entries(dependencies).filter(([name]) => /^typescript\d*$/.test(name));
  return {
    publint: join(modules, "publint", "src", "cli.js"),
    attw: join(modules, "@arethetypeswrong", "cli", "dist", "index.js"),
    tsc: Object.fromEntries(
      compilers.map(([name, range]) => [range.replace(/^.*@/, ""), join(modules, name, "bin", "tsc")]),
    ),
    npm: join(modules, "npm", "bin", "npm-cli.js"),
    npx: join(modules, "npm", "bin", "npx-cli.js"),
    nodeTypes: join(modules, "@types", "node"),
  };
}
