import { BlockList, isIP } from "node:net";

/** Where webhooks may go. */
export interface AddressPolicy {
  /** Hosts that an operator lets be private, by `http` as well, with the port where it is not 443. */
  readonly privateHosts: readonly { readonly host: string; readonly port: number | undefined }[];
  /** The local stack: receivers on this machine, at any port and without TLS. */
  readonly loopback: boolean;
}

type Subnet = readonly [network: string, prefix: number];

function listOf(...subnets: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of subnets)
    list.addSubnet(network, prefix, isIP(network) === 4 ? "ipv4" : "ipv6");
  return list;
}

const LOOPBACK = listOf(["127.0.0.0", 8], ["::1", 128]);
/** What an operator may open for a host; everything else that is not public stays shut. */
const PRIVATE = listOf(
  ...([
    ["10.0.0.0", 8],
    ["100.64.0.0", 10],
    ["172.16.0.0", 12],
    ["192.168.0.0", 16],
    ["fc00::", 7],
  ] as const),
);
/** This network, link-local (metadata of clouds), special use, multicast, reserved, and the host of Azure's own services. */
const SHUT = listOf(
  ...([
    ["0.0.0.0", 8],
    ["169.254.0.0", 16],
    ["192.0.0.0", 24],
    ["192.0.2.0", 24],
    ["192.88.99.0", 24],
    ["198.18.0.0", 15],
    ["198.51.100.0", 24],
    ["203.0.113.0", 24],
    ["224.0.0.0", 4],
    ["240.0.0.0", 4],
    ["168.63.129.16", 32],
    ["2001::", 23],
    ["2001:db8::", 32],
    ["2002::", 16],
    ["3fff::", 20],
  ] as const),
);
/** Only here lie public addresses of IPv6: not those that hold one of IPv4 (mapped, NAT64), nor link-local ones. */
const GLOBAL_IPV6 = listOf(["2000::", 3]);

/** An address that is no text of one counts as shut. */
export function kindOf(address: string): "public" | "private" | "loopback" | "shut" {
  const version = isIP(address);
  if (version === 0) return "shut";
  const family = version === 4 ? "ipv4" : "ipv6";
  const isMapped = version === 6 && /^::|^0*:0*:0*:0*:0*:(0*|ffff):/i.test(address) && address !== "::1";
  if (isMapped) return "shut";
  if (LOOPBACK.check(address, family)) return "loopback";
  if (PRIVATE.check(address, family)) return "private";
  if (SHUT.check(address, family)) return "shut";
  return version === 4 || GLOBAL_IPV6.check(address, family) ? "public" : "shut";
}

const withoutBrackets = (hostname: string) => hostname.replace(/^\[|\]$/g, "");
const isListed = (policy: AddressPolicy, host: string) =>
  policy.privateHosts.some((each) => each.host === host);

/** Whether a connection to that address of a host may be made. */
export function isAllowed(address: string, host: string, policy: AddressPolicy): boolean {
  switch (kindOf(address)) {
    case "public":
      return true;
    case "private":
      return isListed(policy, host);
    case "loopback":
      return policy.loopback;
    case "shut":
      return false;
  }
}

const MAX_URL_CHARS = 2_048;

/** What is wrong with an endpoint's URL as it stands; undefined: nothing, though its name may yet lead astray. */
export function urlFault(text: string, policy: AddressPolicy): string | undefined {
  if (text.length > MAX_URL_CHARS) return `has over ${MAX_URL_CHARS} characters`;
  if (!URL.canParse(text)) return "is not a URL";
  const url = new URL(text);
  const host = withoutBrackets(url.hostname);
  if (url.username !== "" || url.password !== "") return "must hold no credential";
  const isLocal = policy.loopback && (host === "localhost" || kindOf(host) === "loopback");
  const port = url.port === "" ? undefined : Number(url.port);
  const ports = policy.privateHosts.filter((each) => each.host === host).map((each) => each.port);
  const isNamed = ports.includes(port);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && (isLocal || isNamed)))
    return "must begin with https://";
  const [named = 443] = ports;
  if (!isLocal && !isNamed && (port !== undefined || ports.length > 0)) return `must be at port ${named}`;
  if (isIP(host) !== 0 && !isAllowed(host, host, policy)) return "is not a public address";
  return undefined;
}

/** `hooks.corp.example`, `10.1.2.3:8443`; an IPv6 address in brackets. Undefined: it is none of these. */
export function privateHost(text: string): AddressPolicy["privateHosts"][number] | undefined {
  if (!URL.canParse(`ws://${text}`) || /[/?#@\s]/.test(text)) return undefined;
  const { hostname, port } = new URL(`ws://${text}`);
  return { host: withoutBrackets(hostname), port: port === "" ? undefined : Number(port) };
}
