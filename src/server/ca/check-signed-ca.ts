import { bytesEqual, toBase64, toHex } from "../../base/bytes.ts";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { verifyChain } from "../../x509/chain.ts";
import { subjectKeyId } from "../../x509/subject-key-id.ts";
import type { AuthorityRecord } from "../datastore/contract.ts";
import type { CaRequest, SignedCa } from "../upstream/contract.ts";

export type MadeAuthority = Pick<
  AuthorityRecord,
  "id" | "chain" | "roots" | "notBefore" | "notAfter"
>;

export interface CheckSignedCaParams extends Pick<CaRequest, "trustDomain" | "now"> {
  readonly key: Pick<CaRequest["key"], "publicKey">;
}

/**
 * Looks at the very certificates before anyone is told to trust them (X509-SVID §3..4, RFC 5280 §4.2.1): the key is
 * the one that was asked for, the path leads to a root, and every link of it lets the new authority sign SVIDs.
 * Times are those of the whole path: nothing that the authority signs may outlive any link.
 * @throws precondition, naming the rule
 */
export async function checkSignedCa(
  signed: SignedCa,
  { key, trustDomain, now }: CheckSignedCaParams,
): Promise<MadeAuthority> {
  const roots = read(signed.roots, "root", MAX_ROOTS);
  const [own, ...others] = read(signed.chain, "certificate of the chain", MAX_CHAIN);
  if (own === undefined) throw refusal("the chain is empty");
  if (roots.length === 0) throw refusal("there is no root");
  for (const root of roots)
    if (!mayIssue(root)) throw refusal("a root is no certificate authority");
  if (!bytesEqual(own.publicKey, key.publicKey)) {
    throw refusal("the certificate is for another key than the one asked for");
  }
  if (!mayIssue(own)) throw refusal("the certificate does not make the key an authority");
  if (own.subjectKeyId === undefined)
    throw refusal("the certificate has no subject key identifier");
  if (own.dnsNames.length > 0 || own.uris.some((uri) => uri !== trustDomain.id)) {
    throw refusal(`the certificate names something else than ${trustDomain.id}`);
  }
  const path = await pathOf([own, ...others], roots, now);
  const issuer = path[1];
  // A self-signed authority is its own root.
  const isRoot = issuer !== undefined && bytesEqual(own.raw, issuer.raw);
  const links = isRoot ? [own] : path;
  checkPathLengths(links);
  const notAfter = Math.min(...links.map((link) => link.notAfter));
  if (notAfter - now < LEAST_LIFE) {
    throw refusal(`a certificate of the path ends within ${LEAST_LIFE} s`);
  }
  const root = links.at(-1) ?? own;
  return {
    id: own.subjectKeyId,
    chain: (isRoot ? links : links.slice(0, -1)).map(({ raw }) => toBase64(raw)),
    roots: [root, ...roots.filter(({ raw }) => !bytesEqual(raw, root.raw))]
      .filter(({ notAfter: end }) => end > now)
      .map(({ raw }) => toBase64(raw)),
    notBefore: Math.max(...links.map((link) => link.notBefore)),
    notAfter,
  };
}

/** Of a root, by which it can be tainted: as the certificates below it name it. Hex. */
export function keyIdOf(root: Certificate): string {
  return root.subjectKeyId ?? toHex(subjectKeyId(root.publicKey));
}

function read(ders: readonly Uint8Array[], what: string, most: number): readonly Certificate[] {
  if (ders.length > most) throw refusal(`it has more than ${most} certificates`);
  return ders.map((der) => {
    try {
      return parseCertificate(der);
    } catch (cause) {
      throw refusal(`a ${what} cannot be read: ${errorFrom(cause).message}`, cause);
    }
  });
}

async function pathOf(
  chain: readonly Certificate[],
  roots: readonly Certificate[],
  now: number,
): Promise<readonly Certificate[]> {
  try {
    return await verifyChain(chain, roots, now);
  } catch (cause) {
    throw refusal(errorFrom(cause).message, cause);
  }
}

function mayIssue({ basicConstraints, keyUsage }: Certificate): boolean {
  return basicConstraints?.ca === true && (keyUsage === undefined || keyUsage.has("keyCertSign"));
}

/** RFC 5280 §4.2.1.9: below each link are the others of the path, and then the SVID, which does not count. */
function checkPathLengths(links: readonly Certificate[]): void {
  links.forEach(({ basicConstraints }, below) => {
    const most = basicConstraints?.pathLen;
    if (most !== undefined && most < below) {
      throw refusal(`a certificate of the path allows ${most} authorities below it, not ${below}`);
    }
  });
}

function refusal(why: string, cause?: unknown): AssayError {
  return fail(
    "precondition",
    `what the upstream authority signed cannot be used: ${why}`,
    cause === undefined ? {} : { cause },
  );
}

const MAX_CHAIN = 8;
const MAX_ROOTS = 32;
/** Seconds. */
const LEAST_LIFE = 30;
