/** Further ways from an authority's key to a root: cross certificates, of the key itself or of what stands above it. */
import { bytesEqual, toBase64 } from "../../base/bytes.ts";
import type { EpochSeconds } from "../../base/clock.ts";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import type { AlternateChain, AuthorityRecord } from "../datastore/contract.ts";
import { checkSignedCa, keyIdOf } from "./check-signed-ca.ts";

export interface AlternateParams {
  readonly trustDomain: TrustDomain;
  readonly now: EpochSeconds;
}

/**
 * The record with the chains that the certificates add to it: to each root among them that it does not lead to, each
 * checked as its own chain was. What it had is kept, but to the same root.
 * @param given in any order: other certificates of its key, cross certificates above it, roots
 * @throws precondition, naming the rule, when they add none; limited
 */
export async function withAlternates(
  record: AuthorityRecord,
  given: readonly Certificate[],
  params: AlternateParams,
): Promise<AuthorityRecord> {
  const [own, ...above] = record.chain.map(read);
  const [ownRoot] = record.roots.map(read);
  if (own === undefined || ownRoot === undefined) throw refusal("it has no certificate yet");
  const isOwn = ({ publicKey }: Certificate): boolean => bytesEqual(publicKey, own.publicKey);
  const crossed = given.filter((each) => isOwn(each) && !bytesEqual(each.raw, own.raw));
  for (const each of crossed) requireSameName(each, own, record.id);
  const others = given.filter((each) => !isOwn(each));
  const between = [...others.filter((each) => !isRoot(each)), ...above];
  const roots = others.filter(
    (each) => isRoot(each) && !bytesEqual(each.publicKey, ownRoot.publicKey),
  );
  const added = await chainsTo(roots, { own, starts: [...crossed, own], between }, params);
  const all = new Map([...(record.alternates ?? []), ...added].map((each) => [each.root, each]));
  if (all.size > MAX_ALTERNATES) {
    throw fail(
      "limited",
      `an authority has at most ${MAX_ALTERNATES} chains beside its own; the next one may have others`,
    );
  }
  return { ...record, alternates: [...all.values()] };
}

/** The same record where it has no chain to the root. @param rootId key id, hex */
export function withoutAlternate(record: AuthorityRecord, rootId: string): AuthorityRecord {
  const { alternates = [], ...rest } = record;
  const kept = alternates.filter(({ root }) => keyIdOf(read(root)) !== rootId);
  return kept.length === alternates.length ? record : { ...rest, alternates: kept };
}

/** Of the roots that they lead to; hex. */
export function alternateRootIds({ alternates = [] }: AuthorityRecord): string[] {
  return alternates.map(({ root }) => keyIdOf(read(root)));
}

/** All certificates of such chains, for a successor that may stand below the same. */
export function certificatesOf(alternates: readonly AlternateChain[]): readonly Certificate[] {
  return alternates.flatMap(({ chain, root }) => [...chain.slice(1), root].map(read));
}

/** Certificates name their issuer by both (RFC 5280 §4.1.2.4, §4.2.1.1). @throws precondition */
function requireSameName(crossed: Certificate, own: Certificate, keyId: string): void {
  if (!bytesEqual(crossed.subject, own.subject)) {
    throw refusal(
      "a certificate of its key has another subject; it has to be that of the one that is there, byte for byte, types of strings too",
    );
  }
  if (crossed.subjectKeyId === keyId) return;
  throw refusal(
    `a certificate of its key has another subject key identifier; it has to be ${keyId}`,
  );
}

/** What a chain to another root is made of. */
interface ChainParts {
  readonly own: Certificate;
  /** Certificates of the authority's key; the first that leads to a root is taken. */
  readonly starts: readonly Certificate[];
  readonly between: readonly Certificate[];
}

/** To each root that one of them leads to. @throws precondition, with the first reason, when there is none */
async function chainsTo(
  roots: readonly Certificate[],
  parts: ChainParts,
  params: AlternateParams,
): Promise<readonly AlternateChain[]> {
  const found: AlternateChain[] = [];
  let why: AssayError | undefined;
  for (const root of roots) {
    for (const start of parts.starts) {
      try {
        found.push(await chainTo(root, start, parts, params));
        break;
      } catch (thrown) {
        why ??= errorFrom(thrown);
      }
    }
  }
  if (found.length > 0) return found;
  throw (
    why ??
    refusal(
      "no root is among them that it does not lead to yet; the file needs the other root, too",
    )
  );
}

/** @throws precondition */
async function chainTo(
  root: Certificate,
  start: Certificate,
  { own, between }: ChainParts,
  { trustDomain, now }: AlternateParams,
): Promise<AlternateChain> {
  const signed = { chain: [start, ...between].map(({ raw }) => raw), roots: [root.raw] };
  const { chain, notAfter } = await checkSignedCa(signed, { key: own, trustDomain, now });
  requireKeyIds([...chain.map(read), root]);
  return { chain, root: toBase64(root.raw), notAfter };
}

/** Some verifiers pass over an issuer whose key identifier is another one (RFC 5280 §4.2.1.1). @throws precondition */
function requireKeyIds(path: readonly Certificate[]): void {
  path.slice(1).forEach((issuer, below) => {
    const named = path[below]?.authorityKeyId;
    if (named === undefined || issuer.subjectKeyId === undefined || named === issuer.subjectKeyId) {
      return;
    }
    throw refusal("a certificate names another authority key identifier than its issuer has");
  });
}

function isRoot({ issuer, subject }: Certificate): boolean {
  return bytesEqual(issuer, subject);
}

function read(der: string): Certificate {
  return parseCertificate(Buffer.from(der, "base64"));
}

function refusal(why: string): AssayError {
  return fail("precondition", `the certificates add no other chain to the authority: ${why}`);
}

const MAX_ALTERNATES = 8;
