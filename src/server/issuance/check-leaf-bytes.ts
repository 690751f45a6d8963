import { type KeyType, isExperimental } from "../../keys/contract.ts";
import { keyTypeOfSpki } from "../../keys/public-key.ts";
import { checkLeaf } from "../../spiffe/x509-svid.ts";
import { type Certificate } from "../../x509/certificate.ts";
import { OID } from "../../x509/oids.ts";
import type { LeafParams } from "../../x509/sign.ts";
import { checkDecided, demand, readUnsigned, sameList, sameSet } from "./decided-bytes.ts";
import { readLeafShape } from "./leaf-shape.ts";

/**
 * Reads the very bytes that are about to be signed and compares them with what was decided: whatever an encoder got
 * wrong, or an attacker slipped in through a field, is found here and not signed.
 * @throws internal, naming the rule
 */
export function checkLeafBytes(
  tbs: Uint8Array,
  expected: LeafParams,
  authority: Certificate,
  signerKeyType: KeyType,
): void {
  const leaf = readUnsigned(tbs, signerKeyType, checkLeaf);
  checkDecided(leaf, expected, authority);
  demand(
    "exactly one SPIFFE ID, the one asked for",
    leaf.uris.length === 1 && leaf.uris[0] === expected.uri,
  );
  demand("dns names are those asked for", sameList(leaf.dnsNames, expected.dnsNames));
  demand(
    "basic constraints say it is no ca",
    leaf.basicConstraints?.ca === false && leaf.basicConstraints.pathLen === undefined,
  );
  demand(
    "key usages are the profile's",
    leaf.keyUsage !== undefined && sameSet(leaf.keyUsage, keyUsagesOf(leaf.publicKey)),
  );
  demand("extended key usages are the profile's", sameList(leaf.extKeyUsage ?? [], EXT_KEY_USAGES));
  const { extensions, altNames, crlUrls } = readLeafShape(tbs);
  const { crlUrl } = expected;
  const allowed = crlUrl === undefined ? EXTENSIONS : [...EXTENSIONS, OID.crlDistributionPoints];
  demand("extensions are the profile's", sameSet(new Set(extensions), allowed));
  demand(
    "the revocation list is the authority's",
    sameList(crlUrls, crlUrl === undefined ? [] : [crlUrl]),
  );
  demand("no names but the SPIFFE ID and dns names", altNames === 1 + expected.dnsNames.length);
}

/** RFC 9881 §5: an ML-DSA key signs and does nothing else. */
function keyUsagesOf(publicKey: Uint8Array): readonly string[] {
  return isExperimental(keyTypeOfSpki(publicKey)) ? ["digitalSignature"] : KEY_USAGES;
}

const EXTENSIONS = [
  OID.keyUsage,
  OID.extKeyUsage,
  OID.basicConstraints,
  OID.subjectKeyId,
  OID.authorityKeyId,
  OID.subjectAltName,
] as const;
const KEY_USAGES = ["digitalSignature", "keyEncipherment", "keyAgreement"] as const;
const EXT_KEY_USAGES: readonly string[] = [OID.serverAuth, OID.clientAuth];
