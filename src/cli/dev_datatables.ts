/**
 * Data tables that are on servers: addresses of `windkit.json`, looked up when a job asks.
 *
 * @module
 */
import type { Json } from "../workflow/journal.ts";
import type { Folder, Secrets } from "../server/ports.ts";

/** The address of a database that a resource of the type `postgresql` describes. */
function addressOf(name: string, value: Json): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`Cannot use data table "${name}": windkit.json leads to no address and no postgresql resource`);
  }
  const { host, port = 5432, user = "postgres", password = "", dbname, sslmode = "" } = value as Readonly<
    Record<string, Json>
  >;
  if (typeof host !== "string" || typeof dbname !== "string") {
    throw new TypeError(`Cannot use data table "${name}": its resource must have 'host' and 'dbname'`);
  }
  const inAddress = host.includes(":") ? `[${host}]` : host;
  const who = `${encodeURIComponent(String(user))}:${encodeURIComponent(String(password))}`;
  const mode = sslmode === "" || sslmode === null ? "" : `?sslmode=${encodeURIComponent(String(sslmode))}`;
  return `postgres://${who}@${inAddress}:${String(port)}/${encodeURIComponent(dbname)}${mode}`;
}

/**
 * Addresses by name. Variables and resources are looked up at each question, so that a change is seen by the next job; passwords are
 * remembered as what must not be seen.
 *
 * @param datatables what `windkit.json` says
 */
export function datatablesOf(
  datatables: Readonly<Record<string, string>>,
  folder: Pick<Folder, "interpolate">,
  secrets: Pick<Secrets, "remember">,
): Readonly<Record<string, string>> {
  const addresses: Record<string, string> = {};
  for (const [name, text] of Object.entries(datatables)) {
    Object.defineProperty(addresses, name, {
      enumerable: true,
      get: () => {
        const address = addressOf(name, folder.interpolate(text));
        const { password } = URL.parse(address) ?? { password: "" };
        if (password !== "") secrets.remember(decodeURIComponent(password));
        return address;
      },
    });
  }
  return addresses;
}
