/**
 * Which database a PostgreSQL job means.
 *
 * @module
 */
import type { Json } from "../../workflow/journal.ts";
import type { PostgresTarget } from "./postgres_servers.ts";

/** A database: a data table on PGlite, or one of a server. */
export type DatabaseTarget =
  | { readonly kind: "pglite"; readonly name: string }
  | { readonly kind: "postgres"; readonly target: PostgresTarget; readonly datatable?: string };

const MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/** A server by its address: `postgres://user:password@host:5432/dbname?sslmode=require`. */
function targetOfUrl(url: string): PostgresTarget {
  // Its own error would show the address, and so the password.
  if (!URL.canParse(url)) throw new TypeError("Expected an address like postgres://user:password@host:5432/dbname");
  const { protocol, hostname, port, username, password, pathname, searchParams } = new URL(url);
  if (!/^postgres(?:ql)?:$/.test(protocol)) throw new TypeError(`Expected an address of postgres:, found ${protocol}`);
  return {
    // An IPv6 address stands in brackets.
    host: searchParams.get("host") ?? (hostname.replace(/^\[(.*)\]$/, "$1") || "localhost"),
    port: Number(port || 5432),
    user: decodeURIComponent(username) || "postgres",
    password: decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1)) || "postgres",
    sslmode: modeOf(searchParams.get("sslmode") ?? undefined),
  };
}

function modeOf(mode: unknown): string {
  if (mode === undefined || mode === null || mode === "") return "prefer";
  if (typeof mode !== "string" || !MODES.includes(mode)) {
    throw new TypeError(`Expected one of ${MODES.join(", ")} as sslmode, found ${JSON.stringify(mode)}`);
  }
  return mode;
}

/** A server by a resource of the type `postgresql`. */
function targetOfResource(value: Readonly<Record<string, Json>>): PostgresTarget {
  function text(name: string, otherwise: string): string {
    const found = value[name] ?? otherwise;
    if (typeof found !== "string") throw new TypeError(`Expected a text as ${name}, found a ${typeof found}`);
    return found || otherwise;
  }
  const port = Number(value.port ?? 5432);
  if (!Number.isInteger(port)) throw new TypeError(`Expected a number as port, found ${JSON.stringify(value.port)}`);
  const host = text("host", "");
  const database = text("dbname", "");
  if (host === "" || database === "") {
    throw new TypeError(`Expected host and dbname, found ${Object.keys(value).join()}`);
  }
  const certificate = text("root_certificate_pem", "");
  return {
    host,
    port,
    user: text("user", "postgres"),
    password: text("password", ""),
    database,
    sslmode: modeOf(value.sslmode),
    ...(certificate === "" ? {} : { certificate }),
  };
}

/** Refuses the path of a socket: behind it a server may take whoever runs this one for a user that needs no password. */
function byName(target: PostgresTarget): PostgresTarget {
  if (!/^[/@]|[/\\]/.test(target.host)) return target;
  throw new TypeError(
    "Expected the name of a host, found the path of a socket: name such a server in windkit.json, as a data table",
  );
}

/** Checks a name of a data table or lake: it is a name of a file too. */
export function checkedName(name: string, what: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/.test(name) && !name.endsWith(".")) return name;
  throw new TypeError(
    `Cannot use ${JSON.stringify(name)} as the name of a ${what}: expected letters, digits, "_", "-" and "."`,
  );
}

/**
 * Finds the database of a job: `datatable://name`, a resource, or its value.
 *
 * @throws TypeError for anything else
 */
export function findDatabase(
  database: Json | undefined,
  datatables: Readonly<Record<string, string>>,
): DatabaseTarget {
  if (database === undefined || database === null) throw new TypeError("Missing database argument");
  try {
    if (typeof database === "string") {
      const [, prefix, rest = ""] = /^(datatable:\/\/|postgres(?:ql)?:\/\/)([^]*)$/.exec(database) ?? [];
      if (prefix === "datatable://") {
        const name = checkedName(rest, "data table");
        const url = Object.hasOwn(datatables, name) ? datatables[name] : undefined;
        return url === undefined
          ? { kind: "pglite", name }
          : { kind: "postgres", target: targetOfUrl(url), datatable: name };
      }
      if (prefix !== undefined) return { kind: "postgres", target: byName(targetOfUrl(database)) };
      throw new TypeError("Expected datatable://name or a postgresql resource, found another text");
    }
    if (typeof database !== "object" || Array.isArray(database)) {
      const found = Array.isArray(database) ? "an array" : `a ${typeof database}`;
      throw new TypeError(`Expected datatable://name or a postgresql resource, found ${found}`);
    }
    return { kind: "postgres", target: byName(targetOfResource(database as Readonly<Record<string, Json>>)) };
  } catch (cause) {
    // No value is shown: it may hold a password.
    const reason = cause instanceof Error ? cause.message : `${cause}`;
    if (reason.startsWith("Cannot ")) throw cause;
    throw new TypeError(`Cannot use the argument "database": ${reason.replace(/^E/, "e")}`, { cause });
  }
}
