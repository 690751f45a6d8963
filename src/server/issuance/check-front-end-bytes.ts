import type { KeyType } from "../../keys/contract.ts";
import { checkDnsName } from "../../spiffe/dns-name.ts";
import type { Certificate } from "../../x509/certificate.ts";
import { isEmptyName } from "../../x509/names.ts";
import { OID } from "../../x509/oids.ts";
import { type NamedLeafParams, USAGE_OIDS, namedLeafKeyUsages } from "../../x509/sign.ts";
import { checkDecided, demand, readUnsigned, refusal, sameList, sameSet } from "./decided-bytes.ts";
import { readLeafShape } from "./leaf-shape.ts";

/**
 * Reads the very bytes of a front end's certificate that are about to be signed: they say what was decided and nothing
 * else, and keep the rules of RFC 5280 for an end entity, whoever decided.
 * @throws internal, naming the rule
 */
export function checkFrontEndBytes(
  tbs: Uint8Array,
  expected: NamedLeafParams,
  authority: Certificate,
  signerKeyType: KeyType,
): void {
  const leaf = readUnsigned(tbs, signerKeyType);
  const shape = readShape(tbs);
  checkDecided(leaf, expected, authority);
  demand("serial has 64 bits at least", expected.serial.length >= 8 && leaf.serial.length > 2);
  demand("issuer has a name", !isEmptyName(leaf.issuer));
  demand("validity is not empty", leaf.notBefore < leaf.notAfter);
  const uris = expected.uri === undefined ? [] : [expected.uri];
  demand("the SPIFFE ID is the one decided, or none", sameList(leaf.uris, uris));
  demand("dns names are those decided", sameList(leaf.dnsNames, expected.dnsNames));
  demand("dns names are names of hosts", leaf.dnsNames.every(isDnsName));
  demand("addresses are those decided", sameList(leaf.ipAddresses, expected.ipAddresses));
  const names = uris.length + leaf.dnsNames.length + leaf.ipAddresses.length;
  demand("no names of other sorts", shape.altNames === names && leaf.otherAltNames === 0);
  demand("it names somebody", names > 0 || !isEmptyName(leaf.subject));
  demand(
    "names are critical where the subject is empty",
    !isEmptyName(leaf.subject) || leaf.sanCritical,
  );
  demand(
    "basic constraints say it is no ca",
    leaf.basicConstraints?.ca === false && leaf.basicConstraints.pathLen === undefined,
  );
  demand(
    "key usages are those of the key",
    leaf.keyUsage !== undefined && sameSet(leaf.keyUsage, namedLeafKeyUsages(leaf.publicKey)),
  );
  demand("key usage is critical", leaf.keyUsageCritical);
  const usages = expected.usages.map((usage) => USAGE_OIDS[usage]);
  demand("extended key usages are the profile's", sameList(leaf.extKeyUsage ?? [], usages));
  demand("it has an extended key usage", usages.length > 0);
  const { crlUrl } = expected;
  const allowed = [
    ...EXTENSIONS,
    ...(names === 0 ? [] : [OID.subjectAltName]),
    ...(crlUrl === undefined ? [] : [OID.crlDistributionPoints]),
  ];
  demand("extensions are the profile's", sameList(shape.extensions, allowed));
  demand(
    "the revocation list is the authority's",
    sameList(shape.crlUrls, crlUrl === undefined ? [] : [crlUrl]),
  );
}

function readShape(tbs: Uint8Array): ReturnType<typeof readLeafShape> {
  try {
    return readLeafShape(tbs);
  } catch (cause) {
    throw refusal(cause instanceof Error ? cause.message : "its extensions can be read", cause);
  }
}

function isDnsName(name: string): boolean {
  try {
    checkDnsName(name);
    return true;
  } catch {
    return false; // that is all there is to know
  }
}

/** In the order in which they are written. */
const EXTENSIONS = [
  OID.keyUsage,
  OID.extKeyUsage,
  OID.basicConstraints,
  OID.subjectKeyId,
  OID.authorityKeyId,
] as const;
