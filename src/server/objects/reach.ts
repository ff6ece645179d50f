/**
 * Where a script's own S3 resource may lead: the server asks in its place, and is not boxed as it is.
 *
 * @module
 */
import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { denied } from "../../wire/refusal.ts";

/** What a script may reach. */
export interface Reach {
  /** False where the workspace closed the net to scripts. @default true */
  readonly open?: boolean;
  /** Hosts that are closed all the same, as `permissions.denyNet` has them: names, addresses, ranges, with a port or not. */
  readonly denied?: readonly string[];
}

type Lookup = (name: string) => Promise<readonly string[]>;

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

/** This machine and its link, by all of their addresses. */
function ownAddresses(): BlockList {
  const list = new BlockList();
  for (const [net, bits] of [["127.0.0.0", 8], ["0.0.0.0", 8], ["169.254.0.0", 16]] as const) list.addSubnet(net, bits);
  list.addAddress("::1", "ipv6");
  list.addAddress("::", "ipv6");
  list.addSubnet("fe80::", 10, "ipv6");
  // Where clouds tell a machine of itself.
  list.addSubnet("fd00:ec2::", 32, "ipv6");
  for (const one of Object.values(networkInterfaces()).flat()) {
    const address = one?.address.split("%")[0] ?? "";
    if (isIP(address) !== 0) list.addAddress(address, familyOf(address));
  }
  return list;
}

/** An address as those of IPv4 are written, when it stands for one. */
function plain(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

function isDenied(entry: string, hostname: string, port: string, addresses: readonly string[]): boolean {
  const [, host = entry, ofPort] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
  if (ofPort !== undefined && ofPort !== port) return false;
  const [net = "", bits] = host.replace(/^\[|\]$/g, "").split("/");
  if (isIP(net) === 0) return net.toLowerCase() === hostname;
  const list = new BlockList();
  if (bits === undefined) list.addAddress(net, familyOf(net));
  else list.addSubnet(net, Number(bits), familyOf(net));
  return addresses.some((address) => list.check(address, familyOf(address)));
}

async function lookUp(name: string): Promise<readonly string[]> {
  const { lookup } = await import("node:dns/promises");
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

/**
 * Refuses an address that a script could not reach by itself.
 *
 * @param known hosts of `windkit.json`, with their ports: whoever runs the server named them
 * @throws Refusal
 */
export async function checkReach(
  address: string,
  { open = true, denied: entries = [] }: Reach,
  known: ReadonlySet<string>,
  lookup: Lookup = lookUp,
): Promise<void> {
  const { hostname: name, host, port: given, protocol } = new URL(address);
  if (known.has(host)) return;
  const refused = (why: string): never => {
    throw denied(
      `a job does not reach the S3 at ${host}: ${why}; name the storage in windkit.json ("s3") to let it be`,
    );
  };
  if (!open) refused("the workspace closed the net to scripts");
  const hostname = name.replace(/^\[|\]$/g, ""), port = given || (protocol === "https:" ? "443" : "80");
  let addresses: readonly string[];
  try {
    addresses = isIP(hostname) === 0 ? await lookup(hostname) : [hostname];
  } catch (cause) {
    void cause; // whoever asks next hears that there is no such host
    addresses = [];
  }
  const all = addresses.map(plain), own = ownAddresses();
  if (all.some((one) => own.check(one, familyOf(one)))) refused("it is a service of this machine or its link");
  if (entries.some((entry) => isDenied(entry, hostname, port, all))) refused("the workspace closed it to scripts");
}
