/**
 * The `package.json` of the published package: what `deno pack` wrote, and what it cannot know.
 *
 * @module
 */

/** The part of `package.json` that this package uses. */
export interface Manifest {
  /** Package name. */
  readonly name: string;
  /** Package version. */
  readonly version: string;
  /** Subpath to its files by condition, or to one file. */
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  /** Command name to its file. */
  readonly bin: Readonly<Record<string, string>>;
  /** The root's file. */
  readonly main: string;
  /** Package name to version range, for packages that some subpaths can use. */
  readonly peerDependencies?: Readonly<Record<string, string>>;
  /** Marks peers that need not be there. */
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional: boolean }>>;
  /** Any other field. */
  readonly [field: string]: unknown;
}

/** What `deno.json` says about the package. */
export interface PackageFacts {
  /** Package name. */
  readonly name: string;
  /** Package version. */
  readonly version: string;
  /** License identifier. */
  readonly license: string;
  /** Subpath to source file. */
  readonly exports: Readonly<Record<string, string>>;
}

/** The command's file inside the package: it runs when it is the program, and only exports when it is imported. */
export const BIN_PATH = "src/cli/main.js";

/**
 * Packages that a subpath uses when they are installed, with the range that it was tested with. A source that imports any
 * other package fails the build: the package has no mandatory dependency.
 */
export const OPTIONAL_PEERS: Readonly<Record<string, string>> = {
  // Reads workflow files for \`windkit check\`.
  "@babel/parser": "^7.26.0 || ^8.0.0",
  // DuckDB jobs and ducklakes.
  "@duckdb/node-api": "^1.5.0-r.1",
  // Data tables in the data folder.
  "@electric-sql/pglite": "^0.5.0",
  // Spans of a client's requests: it is handed in, and never imported.
  "@opentelemetry/api": "^1.3.0",
  // Signs the local server's requests to a real S3.
  "aws4fetch": "^1.0.20",
  // Routes of the local server.
  "hono": "^4.6.0",
  // PostgreSQL on a server.
  "postgres": "^3.4.5",
  // Reads and writes the files of a synced folder.
  "yaml": "^2.6.0",
};

/** Subpaths that have the cluster's host where a worker can run, and where that is. */
const HOSTED: Readonly<Record<string, string>> = { ".": "./hosted", "./workflow": "./hosted/workflow" };

/** Reads the facts out of the text of `deno.json`. */
export function readFacts(text: string): PackageFacts {
  const config: unknown = JSON.parse(text);
  if (typeof config !== "object" || config === null) throw new TypeError('"deno.json" must hold an object');
  const { name, version, license, exports } = config as Record<string, unknown>;
  if (typeof name !== "string" || typeof version !== "string" || typeof license !== "string") {
    throw new TypeError('"deno.json" must have "name", "version" and "license" as strings');
  }
  if (typeof exports !== "object" || exports === null) {
    throw new TypeError('"deno.json" must have "exports" as an object');
  }
  const targets = Object.entries(exports as Record<string, unknown>).map(([subpath, target]) => {
    if (typeof target !== "string") throw new TypeError(`Export "${subpath}" of "deno.json" must be a string`);
    return [subpath, target] as const;
  });
  return { name, version, license, exports: Object.fromEntries(targets) };
}

/** Builds the manifest of the package. */
export function buildManifest(facts: PackageFacts, peers: Readonly<Record<string, string>> = OPTIONAL_PEERS): Manifest {
  const exports = Object.entries(facts.exports).map(([subpath, source]) => {
    const target = source.replace(/\.ts$/, "");
    const hosted = facts.exports[HOSTED[subpath] ?? ""]?.replace(/\.ts$/, ".js");
    return [subpath, {
      types: `${target}.d.ts`,
      ...(hosted === undefined ? undefined : { bun: hosted, node: hosted }),
      import: `${target}.js`,
      default: `${target}.js`,
    }] as const;
  });
  const root = facts.exports["."]?.replace(/\.ts$/, "");
  if (root === undefined) throw new TypeError('"deno.json" must export "."');
  const peerNames = Object.keys(peers).sort();
  return {
    name: facts.name,
    version: facts.version,
    description:
      "Windmill client, workflow-as-code runtime and embedded durable engine for Node, Deno, Bun and edge workers",
    keywords: ["windmill", "workflow", "workflow-as-code", "durable-execution", "sqlite", "sdk", "deno", "bun", "edge"],
    license: facts.license,
    type: "module",
    sideEffects: false,
    engines: { node: ">=20.16.0" },
    bin: { windkit: BIN_PATH },
    main: `${root}.js`,
    types: `${root}.d.ts`,
    exports: { ...Object.fromEntries(exports), "./package.json": "./package.json" },
    ...(peerNames.length === 0 ? {} : {
      peerDependencies: Object.fromEntries(peerNames.map((name) => [name, peers[name] ?? "*"])),
      peerDependenciesMeta: Object.fromEntries(peerNames.map((name) => [name, { optional: true }])),
    }),
    publishConfig: { access: "public" },
  };
}
