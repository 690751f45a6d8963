import type { Bundle__Output } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { Bundle as BundleMessage } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { parseBundleDocument } from "../../spiffe/bundle-document.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { fail } from "../../base/errors.ts";
import { decodeCertificates, encodeCertificates } from "../../x509/pem.ts";
import { UsageError } from "../program/grammar.ts";
import { readNamedFile } from "../files/named-file.ts";

export function bundleOfMessage(message: Bundle__Output): Bundle {
  return {
    trustDomain: message.trust_domain,
    x509Authorities: message.x509_authorities.map(({ asn1, tainted }) => ({ der: asn1, tainted })),
    jwtAuthorities: message.jwt_authorities.map((key) => ({
      keyId: key.key_id,
      publicKey: key.public_key,
      expiresAt: Number(key.expires_at),
      tainted: key.tainted,
    })),
    refreshHint: Number(message.refresh_hint),
    sequence: Number(message.sequence_number),
  };
}

/**
 * A bundle from a file: a SPIFFE bundle document, or PEM certificates (X.509 authorities alone).
 * @param option the option that named the file
 */
export function readBundleFile(trustDomain: string, path: string, option: string): BundleMessage {
  const text = readNamedFile(path, option);
  if (text.trimStart().startsWith("{")) {
    const bundle = parseBundleDocument(trustDomain, text);
    return {
      trust_domain: trustDomain,
      x509_authorities: bundle.x509Authorities.map(({ der }) => ({ asn1: der })),
      jwt_authorities: bundle.jwtAuthorities.map(({ keyId, publicKey, expiresAt }) => ({
        key_id: keyId,
        public_key: publicKey,
        expires_at: expiresAt,
      })),
      refresh_hint: bundle.refreshHint,
    };
  }
  const certificates = decodeCertificates(text);
  if (certificates.length === 0) {
    throw fail("invalid", `--${option}: ${path} holds neither certificates nor a bundle document`);
  }
  return {
    trust_domain: trustDomain,
    x509_authorities: certificates.map((der) => ({ asn1: der })),
  };
}

export function bundlePem(bundle: Bundle): string {
  return encodeCertificates(bundle.x509Authorities.map(({ der }) => der));
}

/** The name of a trust domain that an option names. @throws UsageError */
export function trustDomainName(text: string, option: string): string {
  try {
    return TrustDomain.parse(text).name;
  } catch (error) {
    throw new UsageError(`--${option}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
