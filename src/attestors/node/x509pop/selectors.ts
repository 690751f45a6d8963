import { createHash } from "node:crypto";
import { toHex } from "../../../base/bytes.ts";
import { type Selector, isPrintableValue } from "../../../spiffe/selector.ts";
import type { Certificate } from "../../../x509/certificate.ts";
import { commonNameOf } from "../../../x509/names.ts";
import { X509POP_TYPE } from "./payload.ts";

/**
 * SPIRE's selectors of a node: `subject:cn:`, `ca:fingerprint:` of each authority on the path, `serialnumber:` and
 * `san:KEY:VALUE` for names of the form `x509pop://TRUST_DOMAIN/KEY/VALUE`. Values that hold control characters or are
 * too long to be selectors are left out.
 */
export function nodeSelectors(
  leaf: Certificate,
  authorities: readonly Certificate[],
  trustDomain: string,
): Selector[] {
  const commonName = commonNameOf(leaf.subject) ?? "";
  const values = [
    ...(commonName === "" ? [] : [`subject:cn:${commonName}`]),
    ...authorities.map(({ raw }) => `ca:fingerprint:${sha1(raw)}`),
    `serialnumber:${evenHex(leaf.serial)}`,
    ...[...sanValues(leaf.uris, trustDomain)].map(([key, value]) => `san:${key}:${value}`),
  ];
  return values.filter(isPrintableValue).map((value) => ({ type: X509POP_TYPE, value }));
}

/** As SPIRE writes serial numbers. */
export function evenHex(serial: string): string {
  return serial.length % 2 === 0 ? serial : `0${serial}`;
}

/** Values by key of URIs `x509pop://TRUST_DOMAIN/KEY/VALUE`; the last of several values for one key counts. */
export function sanValues(
  uris: readonly string[],
  trustDomain: string,
): ReadonlyMap<string, string> {
  const prefix = `x509pop://${trustDomain}/`;
  const values = new Map<string, string>();
  for (const uri of uris) {
    if (!uri.startsWith(prefix)) continue;
    const path = unescaped(uri.slice(prefix.length).replace(/[?#].*$/s, ""));
    const [, key, value] = /^\/*([^/]+)\/(.+?)\/*$/s.exec(path ?? "") ?? [];
    if (key !== undefined && value !== undefined) values.set(key, value);
  }
  return values;
}

function unescaped(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    // Not an escape; such a name says nothing.
    return undefined;
  }
}

function sha1(bytes: Uint8Array): string {
  return toHex(createHash("sha1").update(bytes).digest());
}
