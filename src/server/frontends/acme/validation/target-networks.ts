/** Which addresses a validation may connect to. */
import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";
import { Networks, canonicalAddress } from "../../../../base/networks.ts";
import { ipBytes, ipText } from "../../../../x509/ip-address.ts";

export interface TargetNetworksOptions {
  /** `ADDRESS/BITS` or addresses; undefined: all that are not refused. */
  readonly allowed: readonly string[] | undefined;
  readonly refused: readonly string[];
  /** Where this server listens; a wildcard address means all of the machine's. Never a target, whatever is allowed. */
  readonly ownListeners: () => readonly { readonly host: string; readonly port: number }[];
  /** Addresses of this machine; those of its interfaces when left out. */
  readonly ownAddresses?: () => readonly string[];
}

/**
 * Judges addresses, never names: whoever connects asks about the very address. What is refused by default is opened by
 * naming it, or a part of it, among the allowed networks; a network that merely contains it opens nothing.
 */
export class TargetNetworks {
  readonly #options: TargetNetworksOptions;
  readonly #allowed: Networks | undefined;
  readonly #refused: Networks;
  readonly #opened: ReadonlySet<RefusedRange>;
  /** Within ranges that are only opened in part. */
  readonly #openings: Networks;
  readonly #ownAddresses: () => readonly string[];

  /** @throws invalid for a text that is no network */
  constructor(options: TargetNetworksOptions) {
    this.#options = options;
    const { allowed, refused } = options;
    this.#allowed = allowed === undefined ? undefined : Networks.parse(allowed);
    this.#refused = Networks.parse(refused);
    const openings = (allowed ?? []).filter((text) =>
      REFUSED.some((range) => isWithin(text, range)),
    );
    this.#openings = Networks.parse([...openings, ...(allowed ?? []).filter(isSingle)]);
    this.#opened = new Set(
      REFUSED.filter((range) => openings.some((text) => isWithin(text, range))),
    );
    this.#ownAddresses = options.ownAddresses ?? interfaceAddresses;
  }

  /** @returns why nothing may be sent there, for the ACME client; undefined: it may */
  refusal(address: string, port: number): string | undefined {
    const family = isIP(address);
    if (family === 0) return "it is no address";
    const own = this.#ownAddresses();
    if (this.#isListener(address, port, own)) return "this server listens there";
    if (this.#refused.has(address)) return "the operator of this server refuses that network";
    const range = REFUSED.find((each) => isIn(address, each));
    if (range !== undefined && !this.#isOpened(range, address)) {
      return `${range.what} are not connected to`;
    }
    const isOpening = this.#openings.has(address);
    if (own.includes(address) && !isOpening) return "it is this server's own address";
    if (this.#allowed !== undefined && !this.#allowed.has(address)) {
      return "it is in none of the networks that the operator of this server allows";
    }
    const inner = embeddedAddress(address);
    return inner === undefined ? undefined : this.refusal(inner, port);
  }

  #isOpened(range: RefusedRange, address: string): boolean {
    return this.#opened.has(range) && this.#openings.has(address);
  }

  #isListener(address: string, port: number, own: readonly string[]): boolean {
    const isHere = LOOPBACK.check(address, familyName(address)) || own.includes(address);
    return this.#options
      .ownListeners()
      .some((own) => own.port === port && (own.host === address || (isHere && !isOther(own.host))));
  }
}

/** Whether a listener has one address alone, so that others of the machine lead elsewhere. */
function isOther(host: string): boolean {
  return isIP(host) !== 0 && host !== "0.0.0.0" && host !== "::";
}

interface RefusedRange {
  readonly list: BlockList;
  readonly prefix: number;
  readonly family: "ipv4" | "ipv6";
  /** Plural, for the sentence. */
  readonly what: string;
}

function range(network: string, what: string): RefusedRange {
  const [address = "", bits = ""] = network.split("/");
  const list = new BlockList();
  list.addSubnet(address, Number(bits), familyName(address));
  return { list, prefix: Number(bits), family: familyName(address), what };
}

/** A list of IPv6 networks takes IPv4 addresses for `::ffff:` ones. */
function isIn(address: string, { list, family }: RefusedRange): boolean {
  return familyName(address) === family && list.check(address, family);
}

function familyName(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 4 ? "ipv4" : "ipv6";
}

function isWithin(text: string, range: RefusedRange): boolean {
  const { prefix, family } = range;
  const [address = "", bits] = text.split("/");
  const own = bits === undefined ? (family === "ipv4" ? 32 : 128) : Number(bits);
  return own >= prefix && isIn(canonicalAddress(address), range);
}

function isSingle(text: string): boolean {
  const [address = "", bits] = text.split("/");
  return bits === undefined || bits === (isIP(address) === 4 ? "32" : "128");
}

/** The IPv4 address that a translator makes of it (RFC 6052 §2.1); its own ranges count as well. */
function embeddedAddress(address: string): string | undefined {
  if (isIP(address) !== 6 || !NAT64.check(address, "ipv6")) return undefined;
  return ipText(ipBytes(address).subarray(12));
}

function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => address);
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");
const NAT64 = new BlockList();
NAT64.addSubnet("64:ff9b::", 96, "ipv6");

/** IANA's registries of special-purpose addresses (RFC 6890), as far as they lead to this machine or to nobody. */
const METADATA = "addresses of clouds' metadata services";
const REFUSED: readonly RefusedRange[] = [
  // First, so that opening link-local addresses does not open these: AWS, Azure, Google and most others; ECS; Alibaba;
  // Oracle; Azure's host; AWS and Google over IPv6.
  range("169.254.169.254/32", METADATA),
  range("169.254.170.2/32", METADATA),
  range("100.100.100.200/32", METADATA),
  range("192.0.0.192/32", METADATA),
  range("168.63.129.16/32", METADATA),
  range("fd00:ec2::254/128", METADATA),
  range("fd20:ce::254/128", METADATA),
  range("0.0.0.0/8", "addresses of this network"),
  range("127.0.0.0/8", "loopback addresses"),
  range("169.254.0.0/16", "link-local addresses"),
  range("192.0.0.0/24", "protocol addresses"),
  range("224.0.0.0/4", "multicast addresses"),
  range("240.0.0.0/4", "reserved addresses"),
  range("::1/128", "loopback addresses"),
  range("::ffff:0:0/96", "IPv4 addresses in IPv6 form"),
  range("::/96", "IPv4 addresses in IPv6 form"),
  range("64:ff9b:1::/48", "translated addresses"),
  range("100::/64", "discarded addresses"),
  range("2001::/32", "tunnelled addresses"),
  range("2002::/16", "tunnelled addresses"),
  range("fe80::/10", "link-local addresses"),
  range("fec0::/10", "site-local addresses"),
  range("ff00::/8", "multicast addresses"),
];
