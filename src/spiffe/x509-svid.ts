import { bytesEqual } from "../base/bytes.ts";
import type { EpochSeconds } from "../base/clock.ts";
import { fail } from "../base/errors.ts";
import { signerFromPkcs8 } from "../keys/software-signer.ts";
import { type Certificate, parseCertificate, parseCertificates } from "../x509/certificate.ts";
import { verifyChain } from "../x509/chain.ts";
import { isEmptyName } from "../x509/names.ts";
import { OID } from "../x509/oids.ts";
import type { Bundle, X509Authority } from "./bundle.ts";
import { SpiffeId } from "./spiffe-id.ts";

export interface X509Svid {
  readonly spiffeId: SpiffeId;
  /** Leaf first. */
  readonly certificates: readonly Certificate[];
  readonly expiresAt: EpochSeconds;
}

/**
 * The rules of a leaf (X509-SVID §2, §4, §5.2), whoever signed it.
 * @returns its SPIFFE ID
 * @throws invalid, naming the rule
 */
export function checkLeaf(certificate: Certificate): SpiffeId {
  const { uris, keyUsage, extKeyUsage } = certificate;
  const [uri] = uris;
  if (uri === undefined) throw broken("has no uri name; it is no x509-svid");
  if (uris.length > 1) throw broken("has more than one uri name");
  const spiffeId = SpiffeId.parse(uri);
  if (spiffeId.path === "") throw broken("has a SPIFFE ID without a path");
  if (isEmptyName(certificate.subject) && !certificate.sanCritical) {
    throw broken("has an empty subject but alternative names that are not critical");
  }
  if (certificate.basicConstraints?.ca === true) throw broken("is a ca");
  if (keyUsage === undefined) throw broken("has no key usage");
  if (!certificate.keyUsageCritical) throw broken("has a key usage that is not critical");
  if (!keyUsage.has("digitalSignature")) throw broken("has no key usage digitalSignature");
  for (const usage of FORBIDDEN) {
    if (keyUsage.has(usage)) throw broken(`has the key usage ${usage}`);
  }
  if (extKeyUsage !== undefined) {
    if (!extKeyUsage.includes(OID.serverAuth)) throw broken("has no extended key usage serverAuth");
    if (!extKeyUsage.includes(OID.clientAuth)) throw broken("has no extended key usage clientAuth");
  }
  return spiffeId;
}

/**
 * Reads an SVID as the Workload API carries it: concatenated DER, leaf first; with `pkcs8`, the key must be the leaf's.
 * The signature is not checked.
 * @throws invalid
 */
export function parseX509Svid(chainDer: Uint8Array, pkcs8?: Uint8Array): X509Svid {
  const certificates = parseCertificates(chainDer);
  const [leaf, ...intermediates] = certificates;
  if (leaf === undefined || certificates.length > MAX_CHAIN) {
    throw fail("invalid", `x509-svid is longer than ${MAX_CHAIN} certificates`);
  }
  const spiffeId = checkLeaf(leaf);
  for (const intermediate of intermediates) checkIntermediate(intermediate);
  if (pkcs8 !== undefined && !bytesEqual(signerFromPkcs8(pkcs8).publicKey, leaf.publicKey)) {
    throw fail("invalid", "private key does not belong to the x509-svid");
  }
  return { spiffeId, certificates, expiresAt: leaf.notAfter };
}

/**
 * Checks a presented chain against the one bundle of its own trust domain, never a pool (X509-SVID §5.1).
 * A tainted authority still verifies; only revocation removes it.
 * @throws unauthenticated, naming the rule
 */
export async function verifyX509Svid(
  chain: readonly Certificate[],
  bundle: Bundle,
  now: EpochSeconds,
): Promise<SpiffeId> {
  const [leaf] = chain;
  if (leaf === undefined) throw fail("unauthenticated", "certificate chain is empty");
  const spiffeId = authenticLeaf(leaf);
  if (spiffeId.trustDomain.name !== bundle.trustDomain) {
    throw fail(
      "unauthenticated",
      `x509-svid is of trust domain '${spiffeId.trustDomain.name}', not '${bundle.trustDomain}'`,
    );
  }
  await verifyChain(chain, rootsOf(bundle), now);
  return spiffeId;
}

function authenticLeaf(leaf: Certificate): SpiffeId {
  try {
    return checkLeaf(leaf);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : "x509-svid is malformed";
    throw fail("unauthenticated", message, { cause });
  }
}

/** X509-SVID §4.3, §5.2: what signs is a CA and says so. */
function checkIntermediate({ basicConstraints, keyUsage }: Certificate): void {
  if (basicConstraints?.ca !== true) throw fail("invalid", "x509-svid intermediate is no ca");
  if (keyUsage?.has("keyCertSign") !== true) {
    throw fail("invalid", "x509-svid intermediate has no key usage keyCertSign");
  }
}

/** Parsed once per authority object. */
function rootsOf(bundle: Bundle): Certificate[] {
  return bundle.x509Authorities.flatMap((authority) => {
    let root = parsedRoots.get(authority);
    if (root === undefined) {
      root = parseRoot(authority);
      parsedRoots.set(authority, root);
    }
    return root === "unreadable" ? [] : [root];
  });
}

/** One authority that cannot be read is trusted by nobody and spoils no other. */
function parseRoot(authority: X509Authority): Certificate | "unreadable" {
  try {
    return parseCertificate(authority.der);
  } catch {
    return "unreadable";
  }
}

function broken(rule: string): Error {
  return fail("invalid", `certificate ${rule}`);
}

const parsedRoots = new WeakMap<X509Authority, Certificate | "unreadable">();
const FORBIDDEN = ["keyCertSign", "cRLSign"] as const;
const MAX_CHAIN = 16;
