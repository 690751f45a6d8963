import { bytesEqual } from "../base/bytes.ts";
import type { EpochSeconds } from "../base/clock.ts";
import { errorFrom, fail } from "../base/errors.ts";
import { type Certificate, parseCertificate } from "../x509/certificate.ts";
import { verifyChain } from "../x509/chain.ts";
import { commonNameOf } from "../x509/names.ts";
import { type PemBlock, decodeCertificates, decodePem } from "../x509/pem.ts";
import type { IdentityNames } from "./names.ts";

/** What the answer to a request must be. */
export interface ExpectedAnswer {
  readonly names: IdentityNames;
  /** DER SubjectPublicKeyInfo of the request. */
  readonly publicKey: Uint8Array;
  /** One of them must be at the end of the chain. */
  readonly roots: readonly Certificate[];
  readonly now: EpochSeconds;
  /** The certificate may not last longer than so many seconds from now; absent: any life will do. */
  readonly maxLifeSeconds?: number;
  /** Whether DNS names and addresses are taken that were not asked for. */
  readonly mayHaveMore: boolean;
}

/** An answer that was found good. */
export interface IdentityAnswer {
  /** Leaf first, without the root. */
  readonly chain: readonly Certificate[];
  readonly notBefore: EpochSeconds;
  readonly notAfter: EpochSeconds;
  /** Of an identity that is an SVID, too. */
  readonly spiffeId?: string;
}

/**
 * Checks the certificates of an answer (PEM) against what was asked for: key, names, chain, life, use. A server that is
 * wrong, or not the one it should be, must not put a file in front of a program.
 * @throws unauthenticated with the first rule that is broken
 */
export async function checkAnswer(pem: string, expected: ExpectedAnswer): Promise<IdentityAnswer> {
  const chain = certificatesOf(pem);
  const [leaf] = chain;
  if (!bytesEqual(leaf.publicKey, expected.publicKey))
    throw refused("is for another key than ours");
  checkNames(leaf, expected);
  if (leaf.basicConstraints?.ca === true) throw refused("is an authority's");
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.has("digitalSignature")) {
    throw refused("may not be used for signatures, which TLS needs");
  }
  const { now, maxLifeSeconds } = expected;
  if (maxLifeSeconds !== undefined && leaf.notAfter - now > maxLifeSeconds) {
    throw refused(`lasts longer than ${maxLifeSeconds} s`);
  }
  try {
    await verifyChain(chain, expected.roots, now);
  } catch (cause) {
    throw fail("unauthenticated", `the server's answer is refused: ${errorFrom(cause).message}`, {
      cause,
    });
  }
  const [spiffeId] = leaf.uris;
  const isRoot = ({ raw }: Certificate): boolean =>
    expected.roots.some((root) => bytesEqual(root.raw, raw));
  return {
    chain: chain.filter((certificate) => !isRoot(certificate)),
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
    ...(spiffeId === undefined ? {} : { spiffeId }),
  };
}

/** All certificates (PEM) of a file or an answer. @throws invalid when one cannot be read */
export function readCertificates(pem: string): Certificate[] {
  return decodeCertificates(pem).slice(0, MAX_CERTIFICATES).map(parseCertificate);
}

function certificatesOf(pem: string): [Certificate, ...Certificate[]] {
  let blocks: PemBlock[];
  let certificates: Certificate[];
  try {
    blocks = decodePem(pem);
    certificates = readCertificates(pem);
  } catch (cause) {
    throw refused(`cannot be read: ${errorFrom(cause).message}`, cause);
  }
  const [first, ...others] = certificates;
  if (first === undefined) throw refused("is no certificate (PEM)");
  if (blocks.length !== certificates.length) throw refused("holds more than certificates");
  return [first, ...others];
}

/** Every name that was asked for, and none beside, unless that is allowed. */
function checkNames(leaf: Certificate, { names, mayHaveMore }: ExpectedAnswer): void {
  const commonName = commonNameOf(leaf.subject);
  if (commonName !== names.commonName) {
    throw refused(
      `is for ${commonName === undefined ? "no common name" : `'${commonName}'`}, not for '${names.commonName}'`,
    );
  }
  const compare = (what: string, given: readonly string[], asked: readonly string[]): void => {
    const missing = asked.find((name) => !given.includes(name));
    if (missing !== undefined) throw refused(`lacks the ${what} '${missing}'`);
    const foreign = given.find((name) => !asked.includes(name));
    if (foreign !== undefined && !mayHaveMore) {
      throw refused(
        `has the ${what} '${foreign}', for which nobody asked; ask for it with --san, or take what was authorized with --more-names`,
      );
    }
  };
  compare(
    "DNS name",
    leaf.dnsNames.map((name) => name.toLowerCase()),
    names.dnsNames,
  );
  compare("address", leaf.ipAddresses, names.ipAddresses);
  const [uri, ...more] = leaf.uris;
  if (more.length > 0 || leaf.otherAltNames > 0) throw refused("has names of other sorts");
  if (uri !== undefined && !uri.startsWith("spiffe://")) {
    throw refused(`has the name '${uri.slice(0, 64)}', for which nobody asked`);
  }
}

function refused(what: string, cause?: unknown): Error {
  return fail("unauthenticated", `the server's answer is refused: its certificate ${what}`, {
    cause,
  });
}

const MAX_CERTIFICATES = 256;
