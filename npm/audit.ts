/**
 * What must hold for the files of the package. Every rule names the file and says what was found and what should be.
 *
 * @module
 */
import type { ImportGraph } from "./graph.ts";
import { BIN_PATH, type Manifest, OPTIONAL_PEERS, type PackageFacts } from "./manifest.ts";

/** A package to audit. */
export interface AuditInput {
  /** Path to content, for every file. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Imports of its modules. */
  readonly graph: ImportGraph;
  /** What `deno.json` says. */
  readonly facts: PackageFacts;
  /** Texts that belong to the machine that built it, which no file may contain. */
  readonly privateTexts: readonly string[];
  /** Packages that may be imported. @default OPTIONAL_PEERS */
  readonly peers?: Readonly<Record<string, string>>;
}

/** Files that every package has. */
export const REQUIRED_FILES: readonly string[] = ["package.json", "README.md", "LICENSE", "CHANGELOG.md", BIN_PATH];

const MODULE_PATH = /^(mod|mod_hosted|(src|edge)(\/[a-z_][a-z0-9_]*)+(\.gen)?)(\.js|\.d\.ts)$/;

/** Lists what is wrong with a package; an empty list means that it may be published. */
export function auditPackage(input: AuditInput): readonly string[] {
  const findings = [...auditFileList(input), ...auditManifest(input), ...auditImports(input)];
  for (const [path, bytes] of input.files) findings.push(...auditText(path, { bytes, input }));
  return findings;
}

function* auditFileList({ files }: AuditInput): Generator<string> {
  for (const path of REQUIRED_FILES) {
    if (!files.has(path)) yield `File "${path}" is missing`;
    else if (files.get(path)?.length === 0) yield `File "${path}" is empty`;
  }
  for (const path of files.keys()) {
    if (!REQUIRED_FILES.includes(path) && !MODULE_PATH.test(path)) {
      yield `File "${path}" does not belong in the package: only modules (.js), declarations (.d.ts), ` +
        `${REQUIRED_FILES.map((name) => `"${name}"`).join(", ")} do`;
    }
  }
}

function* auditManifest({ files, facts, peers = OPTIONAL_PEERS }: AuditInput): Generator<string> {
  const bytes = files.get("package.json");
  if (bytes === undefined) return;
  const manifest = JSON.parse(new TextDecoder().decode(bytes)) as Manifest;
  for (const field of ["name", "version", "license"] as const) {
    if (manifest[field] !== facts[field]) {
      yield `Field "${field}" is "${String(manifest[field])}", but "deno.json" says "${facts[field]}"`;
    }
  }
  for (const field of ["dependencies", "devDependencies", "optionalDependencies", "bundleDependencies", "scripts"]) {
    if (field in manifest) yield `Field "${field}" must not be there: the package installs alone and runs nothing`;
  }
  for (const [name, range] of Object.entries(manifest.peerDependencies ?? {})) {
    if (peers[name] !== range) {
      yield `Peer "${name}" has range "${range}": current value of the table is "${peers[name] ?? ""}"`;
    }
    if (manifest.peerDependenciesMeta?.[name]?.optional !== true) yield `Peer "${name}" must be optional`;
  }
  const wanted = [...Object.keys(facts.exports), "./package.json"].sort().join(" ");
  const found = Object.keys(manifest.exports).sort().join(" ");
  if (wanted !== found) yield `Field "exports" has "${found}": "deno.json" wants "${wanted}"`;
  for (const [subpath, target] of Object.entries(manifest.exports)) {
    const targets = typeof target === "string" ? { default: target } : target;
    for (const [condition, file] of Object.entries(targets)) {
      if (!file.startsWith("./") || !files.has(file.slice(2))) {
        yield `Export "${subpath}" (${condition}) names "${file}", which is not in the package`;
      }
    }
  }
  for (const field of ["main", "types"] as const) {
    const file = String(manifest[field]);
    if (!file.startsWith("./") || !files.has(file.slice(2))) {
      yield `Field "${field}" names "${file}", which is not in the package`;
    }
  }
  for (const [command, file] of Object.entries(manifest.bin)) {
    if (!files.has(file)) yield `Command "${command}" names "${file}", which is not in the package`;
  }
}

function* auditImports({ files, graph, facts, peers = OPTIONAL_PEERS }: AuditInput): Generator<string> {
  for (const [path, imports] of graph) {
    for (const { specifier, path: target } of imports) {
      if (target !== undefined) {
        if (!files.has(target)) yield `File "${path}" imports "${specifier}", which is not in the package`;
      } else if (!specifier.startsWith("node:") && !isPeer(specifier, [...Object.keys(peers), facts.name])) {
        yield `File "${path}" imports "${specifier}": only own files, "node:" modules and the optional peers may be imported`;
      }
    }
  }
}

function isPeer(specifier: string, peers: readonly string[]): boolean {
  return peers.some((name) => specifier === name || specifier.startsWith(`${name}/`));
}

function* auditText(
  path: string,
  { bytes, input }: { readonly bytes: Uint8Array; readonly input: AuditInput },
): Generator<string> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    yield `File "${path}" is not UTF-8 text: ${String(error)}`;
    return;
  }
  for (const secret of input.privateTexts) {
    if (text.includes(secret)) yield `File "${path}" contains "${secret}", a path of the machine that built it`;
  }
  if (/^\/\/[#@] sourceMappingURL=/m.test(text)) yield `File "${path}" refers to a source map: the package has none`;
  if (path.endsWith(".d.ts") && /^\s*\/\/\/\s*<reference/m.test(text)) {
    yield `File "${path}" has a "/// <reference>" line: it would change the consumer's global types`;
  }
  if (path === BIN_PATH && !text.startsWith("#!/usr/bin/env node\n")) {
    yield `File "${path}" must start with the line "#!/usr/bin/env node"`;
  }
  if (path.endsWith(".js")) {
    for (
      const [, specifier = ""] of text.matchAll(/new URL\(\s*["'](\.{1,2}\/[^"']+)["'],\s*import\.meta\.url\s*\)/g)
    ) {
      const target = new URL(specifier, `package:///${path}`).pathname.slice(1);
      if (!input.files.has(target)) yield `File "${path}" refers to "${specifier}", which is not in the package`;
    }
  }
}
