import { bytesEqual } from "../../base/bytes.ts";
import type { KeyType } from "../../keys/contract.ts";
import type { Certificate } from "../../x509/certificate.ts";
import { OID } from "../../x509/oids.ts";
import type { CaParams } from "../../x509/sign.ts";
import { checkDecided, demand, readUnsigned, sameSet } from "./decided-bytes.ts";
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
  const ca = readUnsigned(tbs, signerKeyType);
  checkDecided(ca, expected, authority);
  demand("subject is not the authority's", !bytesEqual(ca.subject, authority.subject));
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

const EXTENSIONS = [
  OID.keyUsage,
  OID.basicConstraints,
  OID.subjectKeyId,
  OID.authorityKeyId,
  OID.subjectAltName,
] as const;
