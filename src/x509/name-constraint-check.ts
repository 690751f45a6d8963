import { isIP } from "node:net";
import { bytesEqual } from "../base/bytes.ts";
import type { Certificate } from "./certificate.ts";
import { ipBytes } from "./ip-address.ts";

/**
 * What an authority's constraints say against the path below it.
 * @param below the path so far, leaf first
 * @returns undefined when they allow it
 */
export function nameConstraintProblem(
  { nameConstraints }: Certificate,
  below: readonly Certificate[],
): string | undefined {
  if (nameConstraints === undefined) return undefined;
  const { permitted, excluded } = nameConstraints;
  for (const [at, certificate] of below.entries()) {
    // RFC 5280 §6.1.3 (b): a self-issued authority is the same one with another key.
    if (at > 0 && bytesEqual(certificate.subject, certificate.issuer)) continue;
    const problem =
      problemOf("dns name", certificate.dnsNames, [permitted.dns, excluded.dns], isBelowDns) ??
      problemOf("uri", certificate.uris, [permitted.uri, excluded.uri], isBelowUri) ??
      problemOf("address", certificate.ipAddresses, [permitted.ip, excluded.ip], isInNetwork);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** `undefined` from `isBelow`: the name cannot be compared, and is refused wherever its sort is constrained. */
function problemOf<T>(
  what: string,
  names: readonly string[],
  [permitted, excluded]: readonly [readonly T[], readonly T[]],
  isBelow: (name: string, base: T, isExcluded: boolean) => boolean | undefined,
): string | undefined {
  for (const name of names) {
    const allowed = permitted.map((base) => isBelow(name, base, false));
    const barred = excluded.map((base) => isBelow(name, base, true));
    const isAllowed = permitted.length === 0 || allowed.includes(true);
    if (isAllowed && !barred.some((each) => each !== false)) continue;
    return `does not permit the ${what} '${name.slice(0, MAX_SHOWN)}' (name constraints)`;
  }
  return undefined;
}

function isBelowDns(name: string, base: string, isExcluded: boolean): boolean {
  const lower = name.toLowerCase();
  if (isHostBelow(lower, base, true)) return true;
  // A wildcard stands for names that may be below an excluded one.
  const parent = /^\*\.(.+)$/.exec(lower)?.[1];
  if (!isExcluded || parent === undefined) return false;
  return base.replace(/^\.?[^.]*\.?/, "") === parent;
}

/** Of the host alone (§4.2.1.10); without one, or with an address, it cannot be compared. */
function isBelowUri(uri: string, base: string): boolean | undefined {
  const authority = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/.exec(uri)?.[1] ?? "";
  const host = authority.replace(/^.*@/, "").replace(/:\d*$/, "").toLowerCase();
  if (host === "" || host.startsWith("[") || isIP(host) > 0) return undefined;
  return isHostBelow(host, base, false);
}

function isHostBelow(host: string, base: string, orBelow: boolean): boolean {
  if (base === "") return true;
  if (base.startsWith(".")) return host.endsWith(base);
  return host === base || (orBelow && host.endsWith(`.${base}`));
}

function isInNetwork(address: string, network: Uint8Array): boolean {
  const bytes = ipBytes(address);
  const { length } = bytes;
  if (network.length !== 2 * length) return false;
  return bytes.every((byte, at) => {
    const mask = network[length + at] ?? 0;
    return (byte & mask) === ((network[at] ?? 0) & mask);
  });
}

const MAX_SHOWN = 128;
