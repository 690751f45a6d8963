import { bytesEqual, toHex } from "../../base/bytes.ts";
import type { KeyType } from "../../keys/contract.ts";
import type { Certificate } from "../../x509/certificate.ts";
import { OID } from "../../x509/oids.ts";
import type { CaParams } from "../../x509/sign.ts";
import { subjectKeyId } from "../../x509/subject-key-id.ts";
import { refusal, sameSet, unsigned } from "./check-leaf-bytes.ts";
import { readLeafShape } from "./leaf-shape.ts";

/**
 * Reads the very bytes of an intermediate authority that are about to be signed and compares them with what was
 * decided (X509-SVID §3.2, §4).
 * @throws internal, naming the rule
 */
export function checkCaBytes(
  tbs: Uint8Array,
  expected: CaParams,
  authority: Certificate,
  signerKeyType: KeyType,
): void {
  const ca = read(tbs, signerKeyType);
  const demand = (rule: string, holds: boolean): void => {
    if (!holds) throw refusal(rule);
  };
  demand("serial is positive", ca.serial !== "0");
  demand("serial is the one drawn", ca.serial === toHex(expected.serial).replace(/^0+/, ""));
  demand("issuer is the authority", bytesEqual(ca.issuer, authority.subject));
  demand("authority key id is the authority's", ca.authorityKeyId === authority.subjectKeyId);
  demand("subject is the profile's", bytesEqual(ca.subject, expected.subject));
  demand("subject is not the authority's", !bytesEqual(ca.subject, authority.subject));
  demand("public key is the requester's", bytesEqual(ca.publicKey, expected.publicKey));
  demand("subject key id is the key's", ca.subjectKeyId === toHex(subjectKeyId(ca.publicKey)));
  demand(
    "validity is the profile's",
    ca.notBefore === expected.notBefore && ca.notAfter === expected.notAfter,
  );
  demand(
    "validity lies within the authority's",
    ca.notBefore >= authority.notBefore && ca.notAfter <= authority.notAfter,
  );
  demand(
    "the trust domain's ID is the only name",
    ca.uris.length === 1 && ca.uris[0] === expected.uri && ca.dnsNames.length === 0,
  );
  demand(
    "basic constraints say it is a ca",
    ca.basicConstraints?.ca === true && ca.basicConstraints.pathLen === expected.pathLen,
  );
  demand(
    "key usages are the profile's",
    ca.keyUsage !== undefined && sameSet(ca.keyUsage, ["keyCertSign", "cRLSign"]),
  );
  const { extensions, altNames } = readLeafShape(tbs);
  demand("extensions are the profile's", sameSet(new Set(extensions), EXTENSIONS));
  demand("no names but the trust domain's", altNames === 1);
}

function read(tbs: Uint8Array, signerKeyType: KeyType): Certificate {
  try {
    return unsigned(tbs, signerKeyType);
  } catch (cause) {
    throw refusal(cause instanceof Error ? cause.message : "it can be read", cause);
  }
}

const EXTENSIONS = [
  OID.keyUsage,
  OID.basicConstraints,
  OID.subjectKeyId,
  OID.authorityKeyId,
  OID.subjectAltName,
] as const;
