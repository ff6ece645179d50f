/**
 * What is another thing each time it is asked: names of the runtimes and of packages, by the rule that they fall under.
 *
 * @module
 */

/** Rules about a single name. */
export type HazardRule =
  | "clock"
  | "random"
  | "network"
  | "environment"
  | "timer"
  | "file-system"
  | "process";

/** Names with what is below them: `process.env` covers `process.env.HOME`. */
const NAMES: Readonly<Record<HazardRule, readonly string[]>> = {
  clock: [
    "Date.now",
    "performance.now",
    "performance.timeOrigin",
    "performance.toJSON",
    "Temporal.Now",
    "process.hrtime",
    "process.uptime",
    "Bun.nanoseconds",
  ],
  random: [
    "Math.random",
    "crypto.randomUUID",
    "crypto.getRandomValues",
    "crypto.randomBytes",
    "crypto.randomInt",
    "crypto.randomFill",
    "crypto.randomFillSync",
    "crypto.webcrypto.randomUUID",
    "crypto.webcrypto.getRandomValues",
    "crypto.generateKey",
    "crypto.generateKeyPair",
    "crypto.generateKeyPairSync",
    "crypto.subtle.generateKey",
    "Bun.randomUUIDv7",
    "uuid",
    "nanoid",
    "ulid",
    "cuid",
    "@paralleldrive/cuid2",
  ],
  network: [
    "fetch",
    "XMLHttpRequest",
    "WebSocket",
    "EventSource",
    "WebTransport",
    "navigator.sendBeacon",
    "node:http",
    "node:https",
    "node:http2",
    "node:net",
    "node:tls",
    "node:dns",
    "node:dgram",
    "Deno.connect",
    "Deno.connectTls",
    "Deno.resolveDns",
    "Bun.connect",
    "Bun.fetch",
    "axios",
    "got",
    "ky",
    "node-fetch",
    "undici",
    "superagent",
  ],
  environment: [
    "process.env",
    "process.argv",
    "process.cwd",
    "process.pid",
    "process.ppid",
    "process.memoryUsage",
    "process.cpuUsage",
    "Deno.env",
    "Deno.args",
    "Deno.cwd",
    "Deno.pid",
    "Deno.hostname",
    "Deno.memoryUsage",
    "Bun.env",
    "Bun.argv",
    "import.meta.env",
    "node:os",
  ],
  timer: [
    "setTimeout",
    "setInterval",
    "setImmediate",
    "requestAnimationFrame",
    "requestIdleCallback",
    "scheduler.wait",
    "scheduler.postTask",
    "AbortSignal.timeout",
    "Atomics.wait",
    "Atomics.waitAsync",
    "Bun.sleep",
    "Bun.sleepSync",
    "node:timers/promises",
  ],
  "file-system": ["node:fs", "node:fs/promises", "Bun.file", "Bun.write"],
  process: [
    "node:child_process",
    "node:worker_threads",
    "node:cluster",
    "Worker",
    "Deno.Command",
    "Deno.exit",
    "Deno.kill",
    "Bun.spawn",
    "Bun.spawnSync",
    "Bun.$",
    "process.exit",
    "process.kill",
    "process.abort",
  ],
};

const BY_NAME: ReadonlyMap<string, HazardRule> = /* @__PURE__ */ (() =>
  new Map(
    Object.entries(NAMES).flatMap(([rule, names]) => names.map((name) => [name, rule as HazardRule] as const)),
  ))();

const DENO_FILES =
  /^Deno\.(?:read|write|open|create|stat|lstat|mkdir|make|remove|rename|copyFile|truncate|watchFs|chmod|chown|link|symlink|realPath)/;

/** The rule that a name falls under, and the part of it that does. */
export function hazardOf(path: string): { readonly rule: HazardRule; readonly name: string } | undefined {
  if (DENO_FILES.test(path)) return { rule: "file-system", name: path };
  for (let name = path; name !== "";) {
    const rule = BY_NAME.get(name);
    if (rule !== undefined) return { rule, name };
    const cut = name.lastIndexOf(".");
    if (cut < 0) return undefined;
    name = name.slice(0, cut);
  }
  return undefined;
}
