import { bytesEqual } from "../base/bytes.ts";
import type { EpochSeconds } from "../base/clock.ts";
import { fail } from "../base/errors.ts";
import type { Certificate } from "./certificate.ts";
import { nameConstraintProblem } from "./name-constraint-check.ts";
import { formatName } from "./names.ts";
import { OID } from "./oids.ts";
import { algorithmMismatch, checkSigned } from "./signature-algorithm.ts";

/**
 * Checks that a path (RFC 5280 §6) leads from the first certificate of `chain` to one of `roots`.
 *
 * The others of `chain` may come in any order and need not be used. Any extended key usage will do; the rules of a
 * leaf are not looked at (spiffe/x509-svid.ts has those). The work is bounded: 16 certificates, 64 signatures.
 * @returns the path that was found, leaf first, root last
 * @throws unauthenticated with the rule that broke the most promising path
 */
export async function verifyChain(
  chain: readonly Certificate[],
  roots: readonly Certificate[],
  now: EpochSeconds,
): Promise<readonly Certificate[]> {
  const [leaf, ...intermediates] = chain;
  if (leaf === undefined) throw fail("unauthenticated", "certificate chain is empty");
  if (chain.length > MAX_CHAIN) {
    throw fail("unauthenticated", `certificate chain is longer than ${MAX_CHAIN} certificates`);
  }
  const broken = validityProblem(leaf, now) ?? extensionProblem(leaf);
  if (broken !== undefined) throw fail("unauthenticated", `certificate ${broken}`);
  const search = new PathSearch(intermediates, roots, now);
  const path = await search.from([leaf]);
  if (path !== undefined) return path;
  throw fail("unauthenticated", search.reason);
}

/** Depth-first over all issuers that fit by name; remembers the reason that came closest to a root. */
class PathSearch {
  readonly #intermediates: readonly Certificate[];
  readonly #roots: readonly Certificate[];
  readonly #now: EpochSeconds;
  #signatures = 0;
  #depth = 0;
  #reason: string | undefined;

  constructor(
    intermediates: readonly Certificate[],
    roots: readonly Certificate[],
    now: EpochSeconds,
  ) {
    this.#intermediates = intermediates;
    this.#roots = roots;
    this.#now = now;
  }

  get reason(): string {
    return this.#reason ?? "certificate chain leads to no authority of the trust bundle";
  }

  async from(path: readonly Certificate[]): Promise<readonly Certificate[] | undefined> {
    const child = path.at(-1);
    if (child === undefined) return undefined;
    for (const root of candidates(this.#roots, child)) {
      if (await this.#accepts(path, child, root)) return [...path, root];
    }
    for (const issuer of candidates(this.#intermediates, child)) {
      if (path.some((used) => isSameAuthority(used, issuer))) continue;
      if (!(await this.#accepts(path, child, issuer))) continue;
      const whole = await this.from([...path, issuer]);
      if (whole !== undefined) return whole;
    }
    return undefined;
  }

  async #accepts(
    path: readonly Certificate[],
    child: Certificate,
    issuer: Certificate,
  ): Promise<boolean> {
    const problem =
      validityProblem(issuer, this.#now) ??
      extensionProblem(issuer) ??
      authorityProblem(issuer, path) ??
      nameConstraintProblem(issuer, path) ??
      algorithmMismatch(child.signatureAlgorithm, issuer.publicKey);
    if (problem !== undefined) {
      this.#note(path.length, `authority '${formatName(issuer.subject)}' ${problem}`);
      return false;
    }
    this.#signatures += 1;
    if (this.#signatures > MAX_SIGNATURES) {
      this.#note(MAX_CHAIN + 1, "certificate chain needs too many signature checks");
      return false;
    }
    const fits = await checkSigned({
      algorithm: child.signatureAlgorithm,
      publicKey: issuer.publicKey,
      data: child.tbs,
      signature: child.signature,
    }).catch(() => false); // A key that cannot even be imported has signed nothing.
    if (!fits) {
      this.#note(
        path.length,
        `certificate signature does not fit its issuer '${formatName(issuer.subject)}'`,
      );
    }
    return fits;
  }

  #note(depth: number, reason: string): void {
    if (depth <= this.#depth) return;
    this.#depth = depth;
    this.#reason = reason;
  }
}

/** Issuers by name, those whose key identifier fits first; an identifier is a hint, no proof (RFC 5280 §4.2.1.1). */
function candidates(pool: readonly Certificate[], child: Certificate): readonly Certificate[] {
  const named = pool.filter((issuer) => bytesEqual(issuer.subject, child.issuer));
  if (named.length < 2 || child.authorityKeyId === undefined) return named;
  const fits = (issuer: Certificate): boolean => issuer.subjectKeyId === child.authorityKeyId;
  return [...named.filter(fits), ...named.filter((issuer) => !fits(issuer))];
}

/** RFC 5280 §4.1.2.5: both ends are inclusive. */
function validityProblem(certificate: Certificate, now: EpochSeconds): string | undefined {
  if (now < certificate.notBefore) {
    return `is not valid before ${isoTime(certificate.notBefore)} (now ${isoTime(now)})`;
  }
  if (now > certificate.notAfter) {
    return `expired at ${isoTime(certificate.notAfter)} (now ${isoTime(now)})`;
  }
  return undefined;
}

function extensionProblem(certificate: Certificate): string | undefined {
  const [unknown] = certificate.unknownCritical;
  if (unknown === undefined) return undefined;
  return unknown === OID.nameConstraints
    ? "has name constraints of a sort that is not supported"
    : `has the critical extension ${unknown}, which is not supported`;
}

/** @param below the path so far, leaf first */
function authorityProblem(issuer: Certificate, below: readonly Certificate[]): string | undefined {
  const constraints = issuer.basicConstraints;
  if (constraints === undefined || !constraints.ca) return "is no ca (basic constraints)";
  if (issuer.keyUsage !== undefined && !issuer.keyUsage.has("keyCertSign")) {
    return "may not sign certificates (key usage)";
  }
  if (constraints.pathLen !== undefined) {
    // RFC 5280 §4.2.1.9: the leaf and self-issued certificates do not count.
    const between = below.slice(1).filter((cert) => !bytesEqual(cert.subject, cert.issuer)).length;
    if (between > constraints.pathLen) return `allows a path of ${constraints.pathLen} only`;
  }
  return undefined;
}

/** The same name and key twice in one path is a loop, whatever else differs. */
function isSameAuthority(a: Certificate, b: Certificate): boolean {
  return bytesEqual(a.subject, b.subject) && bytesEqual(a.publicKey, b.publicKey);
}

function isoTime(at: EpochSeconds): string {
  return new Date(at * 1000).toISOString().replace(".000Z", "Z");
}

const MAX_CHAIN = 16;
const MAX_SIGNATURES = 64;
