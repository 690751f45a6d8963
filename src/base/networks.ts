/** IP addresses and networks as people write them (RFC 4632 §3.1, RFC 5952). */
import { BlockList, isIP } from "node:net";
import { fail } from "./errors.ts";

/**
 * One text for each address: `::0001` and `0:0::1` are `::1`.
 * @throws invalid for what is no address, has a zone, or is an IPv4 address in IPv6's clothes (RFC 4291 §2.5.5.2), which
 * verifiers compare in different ways
 */
export function canonicalAddress(text: string): string {
  const family = text.length > MAX_TEXT || text.includes("%") ? 0 : isIP(text);
  if (family === 0) throw fail("invalid", `'${text.slice(0, MAX_TEXT)}' is no IP address`);
  if (family === 4) return text;
  const address = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  if (!address.startsWith("::ffff:")) return address;
  throw fail("invalid", `'${text}' is an IPv4 address written as IPv6; write it as IPv4`);
}

/** A set of networks. */
export class Networks {
  // One for each family: a list with IPv6 networks takes an IPv4 address for its `::ffff:` form, so that `::/0` had all.
  readonly #four = new BlockList();
  readonly #six = new BlockList();
  /** As they were given. */
  readonly texts: readonly string[];

  private constructor(texts: readonly string[]) {
    this.texts = texts;
  }

  /** @param texts `10.0.0.0/8`, `fd00::/8`, or single addresses @throws invalid, naming the text */
  static parse(texts: readonly string[]): Networks {
    const networks = new Networks(texts);
    for (const text of texts) networks.#add(text);
    return networks;
  }

  /** @param address canonical */
  has(address: string): boolean {
    return isIP(address) === 4 ? this.#four.check(address) : this.#six.check(address, "ipv6");
  }

  #add(text: string): void {
    const [given = "", bits, ...rest] = text.split("/");
    const address = canonicalAddress(given);
    const isIpv4 = isIP(address) === 4;
    const most = isIpv4 ? 32 : 128;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : most + 1;
    if (rest.length > 0 || prefix > most) {
      throw fail("invalid", `'${text.slice(0, MAX_TEXT)}' is no network, for example 10.0.0.0/8`);
    }
    if (isIpv4) this.#four.addSubnet(address, prefix);
    else this.#six.addSubnet(address, prefix, "ipv6");
  }
}

const MAX_TEXT = 64;
