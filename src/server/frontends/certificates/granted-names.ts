/** What a certificate may say, of what is asked for. */
import { fail } from "../../../base/errors.ts";
import { canonicalAddress } from "../../../base/networks.ts";
import type { CertificatesConfig } from "../../../config/server/certificates-front-end.ts";
import { TRUST_DOMAIN_SET } from "../../../config/own-sets.ts";
import { checkDnsName } from "../../../spiffe/dns-name.ts";
import { SpiffeId } from "../../../spiffe/spiffe-id.ts";
import type { EntryRecord } from "../../datastore/contract.ts";

/** What somebody has proved to be. */
export interface Holder {
  /** For the audit record: what authorizes it, such as `pod:demo`. */
  readonly rule: string;
  /** For the audit record: who it is, never a secret. */
  readonly caller: { readonly role: string; readonly id: string };
  readonly entry: EntryRecord;
  /** Its own, found by the server: in the certificate unless less is asked for. */
  readonly dnsNames: readonly string[];
  /** Canonical. */
  readonly ipAddresses: readonly string[];
  /** Longest life of what it may have, seconds; absent: no such bound. */
  readonly maxTtlSeconds?: number;
}

export interface Wish {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  /** 0: whatever there is. */
  readonly ttlSeconds: number;
}

/**
 * @throws invalid when there are too many names, one is none, or there would be none at all; denied for one that is not
 * the holder's, or a longer life
 */
export function granted(holder: Holder, wish: Wish, config: CertificatesConfig): Wish {
  const dnsNames = grantedDnsNames(holder, wish);
  const ipAddresses = grantedAddresses(holder, wish, config);
  const names = dnsNames.length + ipAddresses.length;
  if (names === 0) {
    throw fail(
      "invalid",
      `the certificate would have no name: entry ${holder.entry.id} has no dns names, and no address was asked for`,
    );
  }
  if (names > MAX_NAMES) {
    throw fail("invalid", `more than ${MAX_NAMES} names and addresses; ask for some of them`);
  }
  return { dnsNames, ipAddresses, ttlSeconds: grantedTtl(holder, wish, config) };
}

function grantedDnsNames({ entry, dnsNames }: Holder, wish: Wish): readonly string[] {
  const own = new Set([...entry.dnsNames, ...dnsNames].map((name) => name.toLowerCase()));
  if (wish.dnsNames.length === 0) return [...own];
  const wanted = new Set(wish.dnsNames.map((name) => name.toLowerCase()));
  for (const name of wanted) {
    checkDnsName(name);
    if (own.has(name)) continue;
    throw fail(
      "denied",
      `dns name ${name} is none of entry ${entry.id}; add it there (assay entry update --dns-name)`,
    );
  }
  return [...wanted];
}

function grantedAddresses(
  { entry, ipAddresses }: Holder,
  wish: Wish,
  config: CertificatesConfig,
): readonly string[] {
  if (wish.ipAddresses.length === 0) return ipAddresses;
  const wanted = new Set(wish.ipAddresses.map(canonicalAddress));
  for (const address of wanted) {
    if (ipAddresses.includes(address)) continue;
    if (allowsAddress(entry.spiffeId, address, config)) continue;
    throw fail(
      "denied",
      `address ${address} is in no network that frontends.certificates.networks allows ${entry.spiffeId}`,
    );
  }
  return [...wanted];
}

/** Whether one with this SPIFFE ID may ask for the address. @param address canonical */
export function allowsAddress(
  spiffeId: string,
  address: string,
  { networks }: Pick<CertificatesConfig, "networks">,
): boolean {
  const { path } = SpiffeId.parse(spiffeId);
  return [...networks].some(([above, list]) => isAtOrBelow(path, above) && list.has(address));
}

function isAtOrBelow(path: string, above: string): boolean {
  return above === "/" || path === above || path.startsWith(`${above}/`);
}

function grantedTtl(
  { entry, maxTtlSeconds }: Holder,
  { ttlSeconds: wanted }: Wish,
  { set, ttlSeconds }: CertificatesConfig,
): number {
  if (!Number.isInteger(wanted) || wanted < 0)
    throw fail("invalid", "ttl: is no number of seconds");
  const bounds = [
    ttlSeconds,
    // Of SVIDs, which the certificates of other sets are not.
    set === TRUST_DOMAIN_SET ? entry.x509SvidTtl : 0,
    maxTtlSeconds ?? 0,
  ].filter((bound) => bound > 0);
  if (bounds.length === 0) return wanted;
  const most = Math.min(...bounds);
  if (wanted <= most) return wanted === 0 ? most : wanted;
  throw fail("denied", `a certificate for entry ${entry.id} lives ${most} seconds at most`);
}

const MAX_NAMES = 100;
