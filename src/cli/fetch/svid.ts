import type { X509SVIDResponse__Output } from "../../rpc/gen/X509SVIDResponse.ts";
import { keyTypeOfSpki } from "../../keys/public-key.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { parseX509Svid } from "../../spiffe/x509-svid.ts";
import { parseCertificates } from "../../x509/certificate.ts";
import { encodeCertificates, encodePem } from "../../x509/pem.ts";
import { factLines, isoTime, timeText } from "../text/facts.ts";

/** An X.509-SVID as it came from the agent, taken apart. The key belongs to the certificate, or parsing fails. */
export interface FetchedSvid {
  readonly spiffeId: string;
  readonly hint: string;
  readonly serialNumber: string;
  readonly notBefore: number;
  readonly expiresAt: number;
  readonly keyType: string;
  readonly dnsNames: readonly string[];
  readonly chainPem: string;
  readonly bundlePem: string;
  /** By trust domain; PEM. Absent: nothing was said of any. */
  readonly federated?: ReadonlyMap<string, string>;
  readonly keyPem: string;
}

/** @throws invalid when what the agent sent is no SVID */
export function fetchedSvids(response: X509SVIDResponse__Output): FetchedSvid[] {
  const federated = new Map(
    Object.entries(response.federated_bundles).map(([id, ders]) => [
      TrustDomain.parse(id).name,
      pemOfConcatenated(ders),
    ]),
  );
  return response.svids.map((svid) => ({
    ...svidOf(svid.x509_svid, svid.x509_svid_key),
    hint: svid.hint,
    bundlePem: pemOfConcatenated(svid.bundle),
    federated,
  }));
}

/**
 * @param chain concatenated DER, leaf first
 * @param key PKCS #8
 * @throws invalid when they are no SVID or do not belong together
 */
export function svidOf(
  chain: Uint8Array,
  key: Uint8Array,
): Omit<FetchedSvid, "hint" | "bundlePem" | "federated"> {
  const { spiffeId, certificates } = parseX509Svid(chain, key);
  const [leaf] = certificates;
  if (leaf === undefined) throw new TypeError("a parsed x509-svid has a leaf");
  return {
    spiffeId: spiffeId.toString(),
    serialNumber: leaf.serial,
    notBefore: leaf.notBefore,
    expiresAt: leaf.notAfter,
    keyType: keyTypeOfSpki(leaf.publicKey) ?? "unknown",
    dnsNames: leaf.dnsNames,
    chainPem: encodeCertificates(certificates.map(({ raw }) => raw)),
    keyPem: encodePem("PRIVATE KEY", key),
  };
}

/** Everything but the private key, which only `--write` hands out. */
export function svidJson(svid: FetchedSvid): Record<string, unknown> {
  return {
    spiffeId: svid.spiffeId,
    hint: svid.hint,
    serialNumber: svid.serialNumber,
    notBefore: isoTime(svid.notBefore),
    expiresAt: isoTime(svid.expiresAt),
    keyType: svid.keyType,
    dnsNames: svid.dnsNames,
    x509Svid: svid.chainPem,
    bundle: svid.bundlePem,
    ...(svid.federated === undefined || svid.federated.size === 0
      ? {}
      : { federatedBundles: Object.fromEntries(svid.federated) }),
  };
}

export function svidLines(svid: FetchedSvid, nowMs: number): string[] {
  return [
    svid.spiffeId,
    ...factLines(
      [
        ["hint", svid.hint === "" ? undefined : svid.hint],
        ["serial", svid.serialNumber],
        ["valid from", timeText(svid.notBefore, nowMs)],
        ["expires", timeText(svid.expiresAt, nowMs)],
        ["key", svid.keyType],
        ["dns names", svid.dnsNames.length === 0 ? undefined : svid.dnsNames.join(", ")],
      ],
      "  ",
    ),
  ];
}

export function pemOfConcatenated(der: Uint8Array): string {
  return der.length === 0 ? "" : encodeCertificates(parseCertificates(der).map(({ raw }) => raw));
}
